"""The codec of the pipe: JSON lines in, messages out, and back; pure.

A request is an object with an `id` and an `op`; its answer has the same id and one of `ok`, `skipped` or
`error`. A line that does not follow the protocol to the letter raises `ProtocolError`; the codec never guesses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from . import errors
from .messages import OPERATIONS, Answer, Encoding, Request, Text
from .serialization import form_of
from .validation import (
    ProtocolError,
    abbreviate,
    bounded_integer,
    clean_text,
    has_long_integer,
    require_choice,
    require_id,
    require_member,
    require_type,
)

ERROR_KINDS: Final[Mapping[str, type[errors.SubjectError]]] = {
    "rejected": errors.RejectedError,
    "unavailable": errors.UnavailableError,
    "unsupported-dtype": errors.UnsupportedDtypeError,
    "unsupported-device": errors.UnsupportedDeviceError,
    "unknown-subject": errors.UnknownSubjectError,
    "protocol": errors.RequestRefusedError,
}
"""The kinds of an answer's `error`."""

_NAMES: Final = {request: name for name, (request, _) in OPERATIONS.items()}


def parse_line(line: bytes) -> dict[str, Any]:
    """The object that a line holds."""
    try:
        parse_int = bounded_integer if has_long_integer(line) else None  # a Python call for each integer
        value = json.loads(line.decode("utf-8"), parse_int=parse_int)
    except ProtocolError:
        raise
    except UnicodeDecodeError as error:
        raise ProtocolError(f"the line is not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise ProtocolError("the line is nested too deeply") from None
    except ValueError:
        raise ProtocolError(f"the line is not JSON: {abbreviate(line.decode('utf-8'))}") from None
    return require_type(value, dict, "the line")


def _format_line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def encode_request(id_: int, request: Request, encoding: Encoding = Encoding.HEX) -> bytes:
    """A request as one line."""
    fields = form_of(type(request)).encode(request, encoding)
    return _format_line({"id": id_, "op": _NAMES[type(request)]} | fields)


def decode_request(value: Mapping[str, Any]) -> Request:
    """A request from the object that its line holds."""
    name = require_choice(value.get("op"), OPERATIONS, "op")
    request: Request = form_of(OPERATIONS[name][0]).decode(value, name, 0)
    return request


def encode_answer(id_: int | None, answer: Answer, encoding: Encoding = Encoding.HEX) -> bytes:
    """A result as one line."""
    return _format_line({"id": id_, "ok": form_of(type(answer)).encode(answer, encoding)})


def encode_error(id_: int | None, error: errors.SubjectError) -> bytes:
    """An answer without a result as one line."""
    if isinstance(error, errors.SkippedError):
        return _format_line({"id": id_, "skipped": clean_text(str(error))})
    kind = next((kind for kind, known in ERROR_KINDS.items() if type(error) is known), "unavailable")
    if isinstance(error, errors.RejectedError):
        members: dict[str, Any] = {
            "type": error.type,
            "bases": list(error.bases),
            "message": clean_text(error.message),
        }
        members |= {"changed": True} if error.changed else {}
    else:
        members = {"message": clean_text(str(error))}
    return _format_line({"id": id_, "error": {"kind": kind} | members})


def decode_answer(request: Request, id_: int, line: bytes) -> Answer:
    """The answer to a request from its line.

    Args:
        request: the request.
        id_: its id.
        line: the line that came.

    Raises:
        SubjectError: the subject answered without a result.
        ProtocolError: the line is not an answer to that request.
    """
    value = parse_line(line)
    if (came := require_id(value, "the answer")) != id_:
        raise ProtocolError(f"the answer has id {abbreviate(came)}; the request has {id_}")
    match [key for key in ("ok", "skipped", "error") if key in value]:
        case ["ok"]:
            answer: Answer = form_of(OPERATIONS[_NAMES[type(request)]][1]).decode(value["ok"], "ok", 0)
            return answer
        case ["skipped"]:
            raise errors.SkippedError(clean_text(require_member(value, "skipped", str, "the answer")))
        case ["error"]:
            raise _decode_error(require_member(value, "error", dict, "the answer"))
        case outcomes:
            raise ProtocolError(
                f"an answer has one of ok, skipped and error; this one has {outcomes or 'none'}"
            )


def _decode_error(value: Mapping[str, Any]) -> errors.SubjectError:
    kind = require_choice(value.get("kind"), ERROR_KINDS, "error.kind")
    message = clean_text(require_member(value, "message", str, "error"))
    if ERROR_KINDS[kind] is not errors.RejectedError:
        return ERROR_KINDS[kind](message)
    name = clean_text(require_member(value, "type", str, "error"))
    bases = (name,)
    if "bases" in value:
        bases = form_of(tuple[Text, ...]).decode(value["bases"], "error.bases", 0)
    changed = value.get("changed") is not None and require_member(value, "changed", bool, "error")
    return errors.RejectedError(name, bases, message, changed=changed)
