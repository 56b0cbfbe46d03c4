"""Adamax behind the pipe: one JSON object a line in, one out.

See impl/PROTOCOL.md.
"""

from __future__ import annotations

import json
import math
import platform
import re
import sys
from contextlib import contextmanager
from itertools import count

from adamax import TYPE_CODES, Adamax, Tensor

NUMBER = re.compile(r"-?(0x[0-9a-f]+(\.[0-9a-f]*)?p[+-]?[0-9]+|inf|nan)", re.ASCII)


class ProtocolError(Exception):
    """The request does not follow the protocol."""


class SkippedError(Exception):
    """This program has no such part."""


class UnsupportedError(Exception):
    """The program lacks a dtype or a device: the kind of the error, and its message."""


class RejectedError(Exception):
    """The optimizer raised an exception: its class and its message."""


@contextmanager
def report_rejections():
    """Turn the optimizer's exceptions, and no others, into answers."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise RejectedError(type(error).__name__, str(error)) from error


# Numbers, arrays and arguments --------------------------------------------------------------------------------


def decode_number(text):
    if not isinstance(text, str) or not NUMBER.fullmatch(text):
        raise ProtocolError("a number is a string such as '0x1.8p+1', 'inf' or 'nan'")
    return float.fromhex(text)


def decode_array(value):
    """The shape and the elements."""
    shape, data = value["shape"], [decode_number(text) for text in value["data"]]
    if not all(type(size) is int and size >= 0 for size in shape) or math.prod(shape) != len(data):
        raise ProtocolError("an array's elements do not fit its shape")
    return shape, data


def encode_arrays(shapes, arrays):
    return [
        {"shape": shape, "data": [x.hex() for x in data]} for shape, data in zip(shapes, arrays, strict=True)
    ]


def decode_value(value):
    """Decode an argument: a plain JSON value is itself, an object names its type."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "float":
            result = decode_number(content)
        case "numpy":
            result = decode_number(content["value"])
        case "complex":
            result = complex(*map(decode_number, content))
        case "tuple":
            result = tuple(map(decode_value, content))
        case "list":
            result = list(map(decode_value, content))
        case "array":
            result = Tensor(*decode_array(content))
        case _:
            raise ProtocolError(f"an argument of kind {kind!r} is unknown")
    return result


def encode_options(options):
    return {
        "lr": {"float": options["lr"].hex()},
        "betas": {"tuple": [{"float": beta.hex()} for beta in options["betas"]]},
        "eps": {"float": options["eps"].hex()},
        "weight_decay": {"float": options["weight_decay"].hex()},
        "maximize": options["maximize"],
    }


# Requests -----------------------------------------------------------------------------------------------------


class Subject:
    """The optimizers, with the shapes of their parameters, and the checkpoints."""

    def __init__(self):
        self.optimizers = {}
        self.checkpoints = {}
        self.numbers = count(1)

    def start(self, request):
        if request["protocol"] != 1:
            raise ProtocolError("this program speaks protocol 1")
        if request["device"] != "cpu":
            raise UnsupportedError("unsupported-device", "this program runs on the cpu")
        return {
            "name": request["subject"],
            "framework": "none",
            "version": "1.0",
            "language": "Python",
            "runtime": platform.python_version(),
            "dtypes": list(TYPE_CODES),
            "layouts": ["contiguous"],
            "has": {"state": True, "groups": True, "set_lr": True, "save": True},
        }

    def construct(self, request):
        if request["dtype"] not in TYPE_CODES:
            raise UnsupportedError(
                "unsupported-dtype", f"this program computes in {' and '.join(TYPE_CODES)}"
            )
        if request["layout"] != "contiguous":
            raise SkippedError("an array is a contiguous list here")
        if request["positional"] or request.get("schedule") is not None:
            raise SkippedError("this program has no positional arguments and no schedulers")
        if request["share"]:
            raise RejectedError("ValueError", "a parameter is given twice")
        defaults = {name: decode_value(value) for name, value in request["defaults"].items()}
        groups, shapes = [], []
        for group in request["groups"]:
            if "params" not in group:
                raise RejectedError("ValueError", "a group lacks params")
            arrays = [decode_array(value) for value in group["params"]]
            shapes += [shape for shape, _ in arrays]
            options = {name: decode_value(value) for name, value in group["options"].items()}
            groups.append((defaults | options, [data for _, data in arrays]))
        with report_rejections():
            optimizer = Adamax(groups, request["dtype"])
        handle = next(self.numbers)
        self.optimizers[handle] = optimizer, shapes
        return {"handle": handle}

    def step(self, request):
        optimizer, shapes = self.optimizers[request["handle"]]
        gradients = [decode_array(value) for value in request["gradients"]]
        if [shape for shape, _ in gradients] != shapes:
            raise ProtocolError("want one gradient of its shape for each parameter")
        for group, lr in enumerate(request.get("lr") or []):
            if lr is not None:
                value = decode_value(lr)
                with report_rejections():
                    optimizer.set_lr(group, value)
        optimizer.step([data for _, data in gradients])
        return {
            "state": self._state(optimizer, shapes),
            "gradients": encode_arrays(shapes, [data for _, data in gradients]),
            "lr": [options["lr"].hex() for options in optimizer.options],
        }

    def read(self, request):
        optimizer, shapes = self.optimizers[request["handle"]]
        return {
            "state": self._state(optimizer, shapes),
            "groups": list(map(encode_options, optimizer.options)),
        }

    def save(self, request):
        number = next(self.numbers)
        self.checkpoints[number] = self.optimizers[request["handle"]][0].save()
        return {"checkpoint": number}

    def load(self, request):
        self.optimizers[request["handle"]][0].load(self.checkpoints[request["checkpoint"]])
        return {}

    def release(self, request):
        del self.optimizers[request["handle"]]
        return {}

    def stop(self, _request):
        return {}

    def _state(self, optimizer, shapes):
        return {
            name: encode_arrays(shapes, [getattr(p, name) for p in optimizer.parameters])
            for name in ("theta", "m", "u")
        }


OPERATIONS = ("start", "construct", "step", "read", "save", "load", "release", "stop")


def answer(subject, request):
    """The content of an answer besides its id."""
    try:
        if request["op"] not in OPERATIONS:
            raise ProtocolError("the operation is unknown")
        return {"ok": getattr(subject, request["op"])(request)}
    except SkippedError as reason:
        return {"skipped": str(reason)}
    except UnsupportedError as error:
        kind, message = error.args
        return {"error": {"kind": kind, "message": message}}
    except RejectedError as error:
        kind, message = error.args
        return {"error": {"kind": "rejected", "type": kind, "message": message}}


def main():
    subject = Subject()
    for line in sys.stdin.buffer:
        id_, op = None, None
        try:
            request = json.loads(line)
            if type(request["id"]) is int:
                id_ = request["id"]
            op = request["op"]
            result = answer(subject, request)
        except Exception as error:  # noqa: BLE001 - any lack of a line
            message = f"the line is not a request: {type(error).__name__} {error}"
            result = {"error": {"kind": "protocol", "message": message[:200]}}
        sys.stdout.write(json.dumps({"id": id_} | result) + "\n")
        sys.stdout.flush()
        if op == "stop" and "ok" in result:
            break


if __name__ == "__main__":
    main()
