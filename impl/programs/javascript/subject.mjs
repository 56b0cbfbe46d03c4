// Adamax behind the pipe: one JSON object a line in, one a line out. See impl/PROTOCOL.md.

import { createInterface } from "node:readline";
import { Adamax, FORMATS, Tensor, ValueError } from "./adamax.mjs";

class ProtocolError extends Error {} // the request does not follow the protocol
class SkippedError extends Error {} // this program has no such part

// This program lacks a dtype or a device.
class UnsupportedError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

// The optimizer threw, which is an answer; errors of this program itself are not.
class RejectedError extends Error {
  constructor(type, message) {
    super(message);
    this.type = type;
  }
}

function reportRejections(call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof ValueError) throw new RejectedError("ValueError", error.message);
    if (error instanceof TypeError) throw new RejectedError("TypeError", error.message);
    throw error;
  }
}

// Numbers, arrays and arguments ------------------------------------------------------------------------------

const NUMBER = /^(-?)0x([01])(?:\.([0-9a-f]{1,13}))?p([+-]?[0-9]{1,4})$/;
const BITS = new DataView(new ArrayBuffer(8));

// Hexadecimal to binary64: sign, exponent and fraction become the bits.
function decodeNumber(text) {
  const special = { nan: NaN, "-nan": NaN, inf: Infinity, "-inf": -Infinity };
  if (typeof text === "string" && Object.hasOwn(special, text)) return special[text];
  const parts = typeof text === "string" ? NUMBER.exec(text) : null;
  if (parts === null) throw new ProtocolError("a number is a string such as '0x1.8p+1', 'inf' or 'nan'");
  const [, sign, leading, fraction = "", power] = parts;
  // A number with a leading 0 is zero or subnormal: there the exponent's field is 0.
  const exponent = leading === "1" ? Number(power) + 1023 : 0;
  if (leading === "0" && BigInt(`0x0${fraction}`) !== 0n && Number(power) !== -1022) {
    throw new ProtocolError("a subnormal number has the exponent p-1022");
  }
  if (leading === "1" && (exponent < 1 || exponent > 2046)) throw new ProtocolError("a number is beyond binary64");
  const high = BigInt((sign === "-" ? 2048 : 0) + exponent) << 52n;
  BITS.setBigUint64(0, high | BigInt(`0x${fraction.padEnd(13, "0")}`));
  return BITS.getFloat64(0);
}

function encodeNumber(x) {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  BITS.setFloat64(0, x);
  const bits = BITS.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 2047n);
  const fraction = (bits & ((1n << 52n) - 1n)).toString(16).padStart(13, "0");
  const sign = bits >> 63n ? "-" : "";
  const power = exponent === 0 ? -1022 : exponent - 1023;
  return `${sign}0x${exponent === 0 ? 0 : 1}.${fraction}p${power < 0 ? "" : "+"}${power}`;
}

function list(value) {
  if (!Array.isArray(value)) throw new ProtocolError("an array is wanted");
  return value;
}

function object(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new ProtocolError("an object is wanted");
  return value;
}

function decodeArray(value) {
  const shape = list(object(value).shape);
  const data = list(value.data).map(decodeNumber);
  const size = shape.reduce((product, n) => (Number.isInteger(n) && n >= 0 ? product * n : NaN), 1);
  if (size !== data.length) throw new ProtocolError("an array's elements do not fit its shape");
  return new Tensor(shape, data);
}

const encodeArrays = (shapes, arrays) =>
  arrays.map((data, i) => ({ shape: shapes[i], data: Array.from(data, encodeNumber) }));

// Decodes an argument: a plain JSON value is itself, an object names its type.
function decodeValue(value) {
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(object(value));
  if (entries.length !== 1) throw new ProtocolError("an argument has one key that names its type");
  const [[kind, content]] = entries;
  switch (kind) {
    case "float":
      return decodeNumber(content);
    case "numpy":
      return decodeNumber(object(content).value);
    case "complex":
      return { complex: list(content).map(decodeNumber) };
    case "tuple":
    case "list":
      return list(content).map(decodeValue);
    case "array":
      return decodeArray(content);
    default:
      throw new ProtocolError("an argument is of an unknown kind");
  }
}

const decodeOptions = (options) =>
  Object.fromEntries(Object.entries(object(options)).map(([name, value]) => [name, decodeValue(value)]));

const encodeOptions = (options) => ({
  lr: { float: encodeNumber(options.lr) },
  betas: { tuple: options.betas.map((beta) => ({ float: encodeNumber(beta) })) },
  eps: { float: encodeNumber(options.eps) },
  weight_decay: { float: encodeNumber(options.weight_decay) },
  maximize: options.maximize,
});

// Requests ---------------------------------------------------------------------------------------------------

const optimizers = new Map();
const checkpoints = new Map();
let lastNumber = 0;

function find(map, number) {
  if (!map.has(number)) throw new ProtocolError(`the number ${number} is unknown`);
  return map.get(number);
}

function state({ optimizer, shapes }) {
  const all = (name) => encodeArrays(shapes, optimizer.parameters.map((parameter) => parameter[name]));
  return { theta: all("theta"), m: all("m"), u: all("u") };
}

const OPERATIONS = {
  start(request) {
    if (request.protocol !== 1) throw new ProtocolError("this program speaks protocol 1");
    if (request.device !== "cpu") throw new UnsupportedError("unsupported-device", "this program runs on the cpu");
    return {
      name: request.subject,
      framework: "none",
      version: "1.0",
      language: "JavaScript",
      runtime: `Node.js ${process.versions.node}`,
      dtypes: Object.keys(FORMATS),
      layouts: ["contiguous"],
      has: { state: true, groups: true, set_lr: true, save: true },
    };
  },

  construct(request) {
    const { dtype } = request;
    if (!Object.hasOwn(FORMATS, dtype)) {
      throw new UnsupportedError("unsupported-dtype", `this program computes in ${Object.keys(FORMATS).join(" and ")}`);
    }
    if (request.layout !== "contiguous") throw new SkippedError("a typed array is contiguous");
    if (list(request.positional).length > 0 || (request.schedule ?? null) !== null) {
      throw new SkippedError("this program has no positional arguments and no schedulers");
    }
    if (request.share) throw new RejectedError("ValueError", "a parameter is given twice");
    const defaults = decodeOptions(request.defaults);
    const shapes = [];
    const groups = list(request.groups).map((group) => {
      if (!("params" in object(group))) throw new RejectedError("ValueError", "a group lacks params");
      const params = list(group.params).map(decodeArray);
      shapes.push(...params.map(({ shape }) => shape));
      return { options: { ...defaults, ...decodeOptions(group.options) }, params: params.map(({ data }) => data) };
    });
    const optimizer = reportRejections(() => new Adamax(groups, dtype));
    lastNumber += 1;
    optimizers.set(lastNumber, { optimizer, shapes });
    return { handle: lastNumber };
  },

  step(request) {
    const live = find(optimizers, request.handle);
    const { optimizer, shapes } = live;
    const gradients = list(request.gradients).map(decodeArray);
    if (JSON.stringify(gradients.map(({ shape }) => shape)) !== JSON.stringify(shapes)) {
      throw new ProtocolError("want one gradient of its shape for each parameter");
    }
    const rates = list(request.lr ?? []);
    if (rates.length > optimizer.options.length) throw new ProtocolError("want one learning rate for each group");
    rates.map(decodeValue).forEach((lr, group) => {
      if (lr !== null) reportRejections(() => optimizer.setLr(group, lr));
    });
    const given = gradients.map(({ data }) => data);
    optimizer.step(given);
    return {
      state: state(live),
      gradients: encodeArrays(shapes, given),
      lr: optimizer.options.map(({ lr }) => encodeNumber(lr)),
    };
  },

  read(request) {
    const live = find(optimizers, request.handle);
    return { state: state(live), groups: live.optimizer.options.map(encodeOptions) };
  },

  save(request) {
    const checkpoint = find(optimizers, request.handle).optimizer.save();
    lastNumber += 1;
    checkpoints.set(lastNumber, checkpoint);
    return { checkpoint: lastNumber };
  },

  load(request) {
    find(optimizers, request.handle).optimizer.load(find(checkpoints, request.checkpoint));
    return {};
  },

  release(request) {
    find(optimizers, request.handle);
    optimizers.delete(request.handle);
    return {};
  },

  stop() {
    return {};
  },
};

// The content of an answer besides its id.
function answer(request) {
  try {
    if (!Object.hasOwn(OPERATIONS, request.op)) throw new ProtocolError("the operation is unknown");
    return { ok: OPERATIONS[request.op](request) };
  } catch (error) {
    if (error instanceof SkippedError) return { skipped: error.message };
    if (error instanceof UnsupportedError) return { error: { kind: error.kind, message: error.message } };
    if (error instanceof RejectedError) return { error: { kind: "rejected", type: error.type, message: error.message } };
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  let id = null;
  let op = null;
  let result;
  try {
    const request = object(JSON.parse(line));
    if (!Number.isInteger(request.id)) throw new ProtocolError("a request has an id");
    ({ id, op } = request);
    result = answer(request);
  } catch (error) {
    result = { error: { kind: "protocol", message: `the line is not a request: ${error.message}`.slice(0, 200) } };
  }
  process.stdout.write(`${JSON.stringify({ id, ...result })}\n`);
  if (op === "stop" && "ok" in result) break;
}
