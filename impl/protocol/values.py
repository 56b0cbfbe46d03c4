"""The JSON form of numbers, arrays and arguments, which loses nothing.

A number is a hexadecimal string. An array is its shape and its elements in row-major order, as such strings
or as base64 of their little-endian binary64 bytes. An argument of a constructor names its type.
"""

from __future__ import annotations

import binascii
import math
import re
from typing import Any, Final

import numpy as np

from .messages import Encoding, FloatArray
from .validation import ProtocolError, abbreviate, require_count, require_member, require_type

# float.fromhex takes a decimal for a hexadecimal number without the prefix: "1.5" would be 1.3125.
HEXADECIMAL: Final = r"[+-]?(0[xX][0-9a-fA-F]+(\.[0-9a-fA-F]*)?([pP][+-]?[0-9]+)?|[iI][nN][fF]|[nN][aA][nN])"
"""The regular expression of a number, in the syntax that Python and JSON Schema share."""

_HEXADECIMAL: Final = re.compile(HEXADECIMAL)

MOST_DIMENSIONS: Final = 32
"""As many as every NumPy has."""
_DEEPEST: Final = 16
"""The lists within lists that an argument may have."""


def encode_float(x: float) -> str:
    """A number as a string, nothing lost."""
    return float(x).hex()


def decode_float(value: object, where: str) -> float:
    """The inverse of `encode_float`."""
    if not isinstance(value, str) or _HEXADECIMAL.fullmatch(value) is None:
        raise ProtocolError(
            f"{where} is {abbreviate(value)}; want a number such as '0x1.8p+1', 'inf' or 'nan'"
        )
    try:
        return float.fromhex(value)
    except OverflowError:
        raise ProtocolError(f"{where} is {abbreviate(value)}, which is beyond binary64") from None


def encode_array(array: FloatArray, encoding: Encoding = Encoding.HEX) -> dict[str, Any]:
    """An array of any shape."""
    shape = list(array.shape)
    if encoding is Encoding.BASE64:
        return {
            "shape": shape,
            "base64": binascii.b2a_base64(array.astype("<f8").tobytes(), newline=False).decode("ascii"),
        }
    return {"shape": shape, "data": [x.hex() for x in array.ravel().tolist()]}


def decode_array(value: object, where: str) -> FloatArray:
    """The inverse of `encode_array`."""
    holder: dict[str, Any] = require_type(value, dict, where)
    shape = tuple(require_count(n, f"{where}.shape") for n in require_member(holder, "shape", list, where))
    if "base64" in holder:
        try:
            data = binascii.a2b_base64(require_member(holder, "base64", str, where), strict_mode=True)
            array = np.frombuffer(data, dtype="<f8").astype(np.float64)
        except (binascii.Error, ValueError):
            raise ProtocolError(f"{where}.base64 is not base64 of 8-byte numbers") from None
    else:
        elements: list[object] = require_member(holder, "data", list, where)
        array = np.array([decode_float(x, f"{where}.data[{i}]") for i, x in enumerate(elements)], np.float64)
    if len(shape) > MOST_DIMENSIONS:
        raise ProtocolError(f"{where} has {len(shape)} dimensions; want at most {MOST_DIMENSIONS}")
    if array.size != math.prod(shape):
        raise ProtocolError(
            f"{where} has {array.size} elements; its shape {list(shape)} wants {math.prod(shape)}"
        )
    return array.reshape(shape)


def encode_value(value: object, encoding: Encoding = Encoding.HEX) -> Any:
    """Encode an argument.

    It is None, a bool, int, float, complex, str, tuple, list, array or NumPy scalar.

    Raises:
        TypeError: a value of any other type.
    """
    match value:
        case None | bool() | int() | str():
            result: Any = value
        case np.floating():  # before float: np.float64 is one
            result = {"numpy": {"dtype": value.dtype.name, "value": encode_float(float(value))}}
        case float():
            result = {"float": encode_float(value)}
        case complex():
            result = {"complex": [encode_float(value.real), encode_float(value.imag)]}
        case tuple():
            result = {"tuple": [encode_value(x, encoding) for x in value]}
        case list():
            result = {"list": [encode_value(x, encoding) for x in value]}
        case np.ndarray():
            result = {"array": encode_array(value.astype(np.float64), encoding)}
        case _:
            raise TypeError(f"a {type(value).__name__} cannot cross the pipe: {abbreviate(value)}")
    return result


def decode_value(value: object, where: str, depth: int = 0) -> Any:
    """The inverse of `encode_value`."""
    if value is None or isinstance(value, bool | int | str):
        return value
    holder: dict[str, Any] = require_type(value, dict, where)
    if len(holder) != 1:
        raise ProtocolError(f"{where} is {abbreviate(value)}; want one key that names its type")
    ((kind, content),) = holder.items()
    match kind, content:
        case "float", _:
            return decode_float(content, where)
        case "complex", [real, imaginary]:
            return complex(decode_float(real, where), decode_float(imaginary, where))
        case "tuple" | "list", list():
            if depth == _DEEPEST:
                raise ProtocolError(f"{where} is nested too deeply")
            items = [decode_value(x, f"{where}[{i}]", depth + 1) for i, x in enumerate(content)]
            return tuple(items) if kind == "tuple" else items
        case "array", _:
            return decode_array(content, where)
        case "numpy", {"dtype": "float16" | "float32" | "float64" as dtype, "value": x}:
            return np.dtype(dtype).type(decode_float(x, where))
    raise ProtocolError(
        f"{where} is {abbreviate(value)}; want an encoded float, complex, tuple, list, array or numpy"
    )
