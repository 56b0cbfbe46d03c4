// Adamax over typed arrays.
//
// g <- g + weight_decay*theta, negated first when maximizing; m <- beta1*m + (1 - beta1)*g;
// u <- max(beta2*u, |g| + eps); theta <- theta - lr*m / ((1 - beta1^t)*u).

// A sum, product or quotient of two float32 numbers that was rounded to float64 before is rounded by fround as if
// it had never been.
export const FORMATS = {
  float32: { Array: Float32Array, round: Math.fround },
  float64: { Array: Float64Array, round: (x) => x },
};

export const DEFAULTS = { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0, maximize: false };

// An argument that is a tensor.
export class Tensor {
  constructor(shape, data) {
    this.shape = shape;
    this.data = data;
  }
}

export class ValueError extends Error {}

const shown = (value) => (typeof value === "number" ? String(value) : JSON.stringify(value));

export function checkLearningRate(value) {
  const lr = value instanceof Tensor && value.shape.length === 0 ? value.data[0] : value;
  if (typeof lr !== "number") throw new ValueError(`lr is ${shown(value)}; it must be a number or a 0-d tensor`);
  if (!(Number.isFinite(lr) && lr >= 0)) throw new ValueError(`lr is ${lr}; it must be finite and at least 0`);
  return lr;
}

function checkReal(name, value) {
  if (typeof value !== "number") throw new TypeError(`${name} is ${shown(value)}; it must be a number`);
  return value;
}

// Checks all options of a group; throws for a wrong one.
function checkOptions(options) {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(DEFAULTS, name)) throw new ValueError(`the option ${shown(name)} is unknown`);
  }
  const values = { ...DEFAULTS, ...options };
  if (!Array.isArray(values.betas) || values.betas.length !== 2) {
    throw new TypeError(`betas is ${shown(values.betas)}; it must be two numbers`);
  }
  const betas = values.betas.map((beta) => checkReal("betas", beta));
  if (!betas.every((beta) => beta >= 0 && beta < 1)) {
    throw new ValueError(`betas is ${betas.join(" and ")}; each must be in [0, 1)`);
  }
  const eps = checkReal("eps", values.eps);
  if (!(Number.isFinite(eps) && eps > 0)) throw new ValueError(`eps is ${eps}; it must be finite and greater than 0`);
  const decay = checkReal("weight_decay", values.weight_decay);
  if (!(Number.isFinite(decay) && decay >= 0)) {
    throw new ValueError(`weight_decay is ${decay}; it must be finite and at least 0`);
  }
  if (typeof values.maximize !== "boolean") throw new TypeError(`maximize is ${shown(values.maximize)}; it must be a bool`);
  return { lr: checkLearningRate(values.lr), betas, eps, weight_decay: decay, maximize: values.maximize };
}

export class Adamax {
  // groups: [{ options, params }], params a list of lists of numbers.
  constructor(groups, dtype) {
    this.format = FORMATS[dtype];
    this.stepCount = 0;
    this.options = groups.map(({ options }) => checkOptions(options));
    this.groups = groups.map(({ params }) =>
      params.map((theta) => ({
        theta: this.format.Array.from(theta),
        m: new this.format.Array(theta.length),
        u: new this.format.Array(theta.length),
      })),
    );
  }

  get parameters() {
    return this.groups.flat();
  }

  setLr(group, value) {
    this.options[group].lr = checkLearningRate(value);
  }

  // One step; gradients in the order of the parameters, group by group.
  step(gradients) {
    this.stepCount += 1;
    let index = 0;
    this.groups.forEach((group, i) => {
      for (const parameter of group) this.update(parameter, gradients[index++], this.options[i]);
    });
  }

  update({ theta, m, u }, gradient, options) {
    const { round } = this.format;
    // The scalars are formed in float64, and rounded once. Math.max makes NaN of NaN, as it must.
    const rate = round(options.lr / (1 - options.betas[0] ** this.stepCount));
    const complement = round(1 - options.betas[0]);
    const [beta1, beta2] = options.betas.map(round);
    const eps = round(options.eps);
    const decay = round(options.weight_decay);
    for (let i = 0; i < theta.length; i++) {
      let g = options.maximize ? -gradient[i] : gradient[i];
      if (decay !== 0) g = round(g + round(decay * theta[i]));
      m[i] = round(beta1 * m[i]) + round(complement * g);
      u[i] = Math.max(round(beta2 * u[i]), round(Math.abs(g) + eps));
      theta[i] -= round(rate * round(m[i] / u[i]));
    }
  }

  // Everything but theta.
  save() {
    return structuredClone({
      stepCount: this.stepCount,
      options: this.options,
      moments: this.parameters.map(({ m, u }) => ({ m, u })),
    });
  }

  load(checkpoint) {
    const { stepCount, options, moments } = structuredClone(checkpoint);
    this.stepCount = stepCount;
    this.options = options;
    this.parameters.forEach((parameter, i) => Object.assign(parameter, moments[i]));
  }
}
