"""Which line is which request or answer? JSON lines in, messages out, and back; pure.

A request is an object with an `id` and an `op`; its answer has the same id and one of `ok`, `skipped` or
`error`. What does not follow the protocol to the letter raises `Malformed` and is never guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from ...reference.case import Layout
from . import errors, messages
from .messages import ARGUMENTS, DEVICES, DTYPES, FloatArray
from .validation import Malformed, field, number, of_kind, one_of, optional, shown, strings, text
from .values import (
    Encoding,
    decode_arrays,
    decode_float,
    decode_mapping,
    decode_value,
    encode_array,
    encode_float,
    encode_mapping,
    encode_value,
)


class Op(Enum):
    """What can be asked."""

    START = "start"
    CONSTRUCT = "construct"
    STEP = "step"
    READ = "read"
    SAVE = "save"
    LOAD = "load"
    RELEASE = "release"
    STOP = "stop"


class ErrorKind(Enum):
    """Why there is no result."""

    REJECTED = "rejected"
    """The subject itself raised an exception."""
    UNAVAILABLE = "unavailable"
    UNSUPPORTED_DTYPE = "unsupported-dtype"
    UNSUPPORTED_DEVICE = "unsupported-device"
    PROTOCOL = "protocol"
    """The request was malformed."""


_DEEPEST_SCHEDULE: Final = 4
"""How many schedules within schedules there may be."""

_OPS: Final[Mapping[type, Op]] = {
    messages.Start: Op.START,
    messages.Construct: Op.CONSTRUCT,
    messages.Step: Op.STEP,
    messages.Read: Op.READ,
    messages.Save: Op.SAVE,
    messages.Load: Op.LOAD,
    messages.Release: Op.RELEASE,
    messages.Stop: Op.STOP,
}

_FAILURES: Final[Mapping[ErrorKind, type[errors.SubjectError]]] = {
    ErrorKind.UNAVAILABLE: errors.Unavailable,
    ErrorKind.UNSUPPORTED_DTYPE: errors.UnsupportedDtype,
    ErrorKind.UNSUPPORTED_DEVICE: errors.UnsupportedDevice,
    ErrorKind.PROTOCOL: errors.RequestRefused,
}


def parse(line: bytes) -> dict[str, Any]:
    """The object that a line holds."""
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Malformed(f"the line is no UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise Malformed("the line is nested too deeply") from None
    except ValueError:
        raise Malformed(f"the line is no JSON: {shown(line.decode('utf-8'))}") from None
    return of_kind(value, dict, "the line")


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


# Requests


def encode_request(id_: int, request: messages.Request, encoding: Encoding = Encoding.HEX) -> bytes:
    """A request as one line."""
    return _line({"id": id_, "op": _OPS[type(request)].value} | _request_fields(request, encoding))


def _request_fields(request: messages.Request, encoding: Encoding) -> dict[str, Any]:
    match request:
        case messages.Start():
            fields = {
                "protocol": request.protocol,
                "subject": request.subject,
                "device": request.device,
                "path": list(request.path),
                "encoding": encoding.value,
            }
        case messages.Construct():
            fields = {
                "dtype": request.dtype,
                "layout": request.layout.value,
                "groups": [_group_fields(group, encoding) for group in request.groups],
                "defaults": encode_mapping(request.defaults, encoding),
                "positional": [encode_value(x, encoding) for x in request.positional],
                "plain": request.plain,
                "share": request.share,
                "schedule": None
                if request.schedule is None
                else _schedule_fields(request.schedule, encoding),
            }
        case messages.Step():
            fields = {
                "handle": request.handle,
                "gradients": [encode_array(g, encoding) for g in request.gradients],
                "lr": None if request.lr is None else [encode_value(x, encoding) for x in request.lr],
                "metric": None if request.metric is None else encode_float(request.metric),
            }
        case messages.Load():
            fields = {"handle": request.handle, "checkpoint": request.checkpoint}
        case messages.Read() | messages.Save() | messages.Release():
            fields = {"handle": request.handle}
        case messages.Stop():
            fields = {}
    return fields


def _group_fields(group: messages.GroupSpec, encoding: Encoding) -> dict[str, Any]:
    fields: dict[str, Any] = {"options": encode_mapping(group.options, encoding)}
    if group.params is not None:
        fields["params"] = [encode_array(p, encoding) for p in group.params]
    return fields


def _schedule_fields(schedule: messages.Schedule, encoding: Encoding) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "options": encode_mapping(schedule.options, encoding),
        "parts": [_schedule_fields(part, encoding) for part in schedule.parts],
    }


def decode_request(value: Mapping[str, Any]) -> messages.Request:
    """A request from the object that its line holds."""
    name = one_of(value.get("op"), [op.value for op in Op], "op")
    return _REQUESTS[Op(name)](value)


def _decode_start(value: Mapping[str, Any]) -> messages.Start:
    return messages.Start(
        subject=field(value, "subject", str, "start"),
        device=one_of(field(value, "device", str, "start"), DEVICES, "device"),
        path=strings(field(value, "path", list, "start"), "path"),
        protocol=number(value, "protocol", "start"),
    )


def _decode_construct(value: Mapping[str, Any]) -> messages.Construct:
    where = "construct"
    groups: list[object] = field(value, "groups", list, where)
    positional: list[object] = field(value, "positional", list, where)
    schedule: dict[str, Any] | None = optional(value, "schedule", dict, where)
    layout = one_of(field(value, "layout", str, where), [layout.value for layout in Layout], "layout")
    return messages.Construct(
        dtype=one_of(field(value, "dtype", str, where), DTYPES, "dtype"),
        groups=tuple(_decode_group(group, f"groups[{i}]") for i, group in enumerate(groups)),
        defaults=decode_mapping(field(value, "defaults", dict, where), "defaults"),
        positional=tuple(decode_value(x, f"positional[{i}]") for i, x in enumerate(positional)),
        plain=field(value, "plain", bool, where),
        share=field(value, "share", bool, where),
        layout=Layout(layout),
        schedule=None if schedule is None else _decode_schedule(schedule, "schedule"),
    )


def _decode_schedule(value: object, where: str, depth: int = 0) -> messages.Schedule:
    schedule: dict[str, Any] = of_kind(value, dict, where)
    parts: list[object] = field(schedule, "parts", list, where)
    if parts and depth == _DEEPEST_SCHEDULE:
        raise Malformed(f"{where} is nested too deeply")
    return messages.Schedule(
        name=field(schedule, "name", str, where),
        options=decode_mapping(field(schedule, "options", dict, where), f"{where}.options"),
        parts=tuple(_decode_schedule(x, f"{where}.parts[{i}]", depth + 1) for i, x in enumerate(parts)),
    )


def _decode_group(value: object, where: str) -> messages.GroupSpec:
    group: dict[str, Any] = of_kind(value, dict, where)
    params = decode_arrays(group["params"], f"{where}.params") if "params" in group else None
    return messages.GroupSpec(decode_mapping(field(group, "options", dict, where), where), params)


def _decode_step(value: Mapping[str, Any]) -> messages.Step:
    lr: list[object] | None = optional(value, "lr", list, "step")
    return messages.Step(
        handle=number(value, "handle", "step"),
        gradients=decode_arrays(field(value, "gradients", list, "step"), "gradients"),
        lr=None if lr is None else tuple(decode_value(x, f"lr[{i}]") for i, x in enumerate(lr)),
        metric=None if value.get("metric") is None else decode_float(value["metric"], "metric"),
    )


_REQUESTS: Final[Mapping[Op, Callable[[Mapping[str, Any]], messages.Request]]] = {
    Op.START: _decode_start,
    Op.CONSTRUCT: _decode_construct,
    Op.STEP: _decode_step,
    Op.READ: lambda value: messages.Read(number(value, "handle", "read")),
    Op.SAVE: lambda value: messages.Save(number(value, "handle", "save")),
    Op.LOAD: lambda value: messages.Load(
        number(value, "handle", "load"), number(value, "checkpoint", "load")
    ),
    Op.RELEASE: lambda value: messages.Release(number(value, "handle", "release")),
    Op.STOP: lambda _: messages.Stop(),
}


def requested_encoding(value: Mapping[str, Any]) -> Encoding:
    """The encoding that a `start` asks for."""
    return Encoding(one_of(value.get("encoding", "hex"), [e.value for e in Encoding], "encoding"))


# Answers


def encode_answer(id_: int | None, answer: messages.Answer, encoding: Encoding = Encoding.HEX) -> bytes:
    """A result as one line."""
    return _line({"id": id_, "ok": _answer_fields(answer, encoding)})


def _answer_fields(answer: messages.Answer, encoding: Encoding) -> dict[str, Any]:
    match answer:
        case messages.SubjectInfo():
            fields = _info_fields(answer)
        case messages.Constructed():
            fields = {"handle": answer.handle}
        case messages.StepResult():
            fields = {
                "state": _state_fields(answer, encoding),
                "gradients": [encode_array(g, encoding) for g in answer.gradients],
                "lr": None if answer.lr is None else [encode_float(x) for x in answer.lr],
            }
        case messages.Readout():
            groups = answer.groups
            fields = {
                "state": _state_fields(answer.state, encoding),
                "groups": None if groups is None else [encode_mapping(g, encoding) for g in groups],
            }
        case messages.Saved():
            fields = {"checkpoint": answer.checkpoint}
        case messages.Done():
            fields = {}
    return fields


def _info_fields(info: messages.SubjectInfo) -> dict[str, Any]:
    defaults = None if info.defaults is None else encode_mapping(info.defaults)
    return {
        "name": info.name,
        "framework": info.framework,
        "version": info.version,
        "mode": info.mode,
        "language": info.language,
        "runtime": info.runtime,
        "dtypes": list(info.dtypes),
        "devices": list(info.devices),
        "device": info.device,
        "has": {**info.has, "keyword_only_maximize": info.keyword_only_maximize, "defaults": defaults},
        "schedulers": list(info.schedulers),
        "encodings": list(info.encodings),
        "arguments": list(info.arguments),
        "group_options": list(info.group_options),
        "layouts": [layout.value for layout in info.layouts],
    }


def _state_fields(state: messages.State, encoding: Encoding) -> dict[str, Any]:
    def encode(arrays: tuple[FloatArray, ...] | None) -> list[dict[str, Any]] | None:
        return None if arrays is None else [encode_array(a, encoding) for a in arrays]

    return {"theta": encode(state.theta), "m": encode(state.m), "u": encode(state.u)}


def encode_failure(id_: int | None, error: errors.SubjectError) -> bytes:
    """What stands in a result's place, as one line."""
    more: dict[str, Any]
    match error:
        case errors.Skipped():
            return _line({"id": id_, "skipped": text(str(error))})
        case errors.Rejected():
            kind = ErrorKind.REJECTED
            more = {"type": error.type, "bases": list(error.bases), "message": text(error.message)}
            more |= {"changed": True} if error.changed else {}
        case _:
            known = (kind for kind, failure in _FAILURES.items() if type(error) is failure)
            kind = next(known, ErrorKind.UNAVAILABLE)
            more = {"message": text(str(error))}
    return _line({"id": id_, "error": {"kind": kind.value, **more}})


def decode_answer(request: messages.Request, id_: int, line: bytes) -> messages.Answer:
    """The answer to a request from its line.

    Args:
        request: what was asked.
        id_: the request's id.
        line: what came.

    Raises:
        SubjectError: the subject answered, and it is no result.
        Malformed: the line is no answer to that request.
    """
    value = parse(line)
    if (came := number(value, "id", "the answer")) != id_:
        raise Malformed(f"the answer has id {came}; the request has {id_}")
    match [key for key in ("ok", "skipped", "error") if key in value]:
        case ["ok"]:
            return _ANSWERS[_OPS[type(request)]](field(value, "ok", dict, "the answer"))
        case ["skipped"]:
            raise errors.Skipped(text(field(value, "skipped", str, "the answer")))
        case ["error"]:
            raise _decode_failure(field(value, "error", dict, "the answer"))
        case outcomes:
            raise Malformed(f"an answer has one of ok, skipped and error; this one has {outcomes or 'none'}")


def _decode_failure(value: Mapping[str, Any]) -> errors.SubjectError:
    kind = ErrorKind(one_of(value.get("kind"), [k.value for k in ErrorKind], "error.kind"))
    message = text(field(value, "message", str, "error"))
    if kind is not ErrorKind.REJECTED:
        return _FAILURES[kind](message)
    name = text(field(value, "type", str, "error"))
    bases = strings(value["bases"], "error.bases") if "bases" in value else (name,)
    return errors.Rejected(name, bases, message, changed=bool(optional(value, "changed", bool, "error")))


def _decode_step_result(value: Mapping[str, Any]) -> messages.StepResult:
    lr: list[object] | None = optional(value, "lr", list, "ok")
    state = _decode_state(value)
    return messages.StepResult(
        theta=state.theta,
        m=state.m,
        u=state.u,
        gradients=decode_arrays(field(value, "gradients", list, "ok"), "gradients"),
        lr=None if lr is None else tuple(decode_float(x, f"lr[{i}]") for i, x in enumerate(lr)),
    )


def _decode_readout(value: Mapping[str, Any]) -> messages.Readout:
    groups: list[object] | None = optional(value, "groups", list, "ok")
    if groups is None:
        return messages.Readout(_decode_state(value))
    places = [(group, f"groups[{i}]") for i, group in enumerate(groups)]
    decoded = tuple(decode_mapping(of_kind(group, dict, where), where) for group, where in places)
    return messages.Readout(_decode_state(value), decoded)


def _decode_state(value: Mapping[str, Any]) -> messages.State:
    state: dict[str, Any] = field(value, "state", dict, "ok")
    theta = decode_arrays(field(state, "theta", list, "state"), "theta")
    m, u = (None if state.get(name) is None else decode_arrays(state[name], name) for name in ("m", "u"))
    return messages.State(theta, m, u)


def _decode_info(value: Mapping[str, Any]) -> messages.SubjectInfo:
    def word(name: str) -> str:
        return text(optional(value, name, str, "ok") or "")

    def words(name: str, known: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
        items: list[object] | None = optional(value, name, list, "ok")
        return default if items is None else tuple(one_of(item, known, name) for item in items)

    has: dict[str, Any] = optional(value, "has", dict, "ok") or {}
    facts = {name: optional(has, name, bool, "has") for name in has if name != "defaults"}
    defaults: dict[str, Any] | None = optional(has, "defaults", dict, "has")
    layouts = tuple(layout.value for layout in Layout)
    return messages.SubjectInfo(
        name=text(field(value, "name", str, "ok")),
        framework=word("framework"),
        version=word("version"),
        mode=word("mode"),
        language=word("language"),
        runtime=word("runtime"),
        dtypes=words("dtypes", DTYPES, ()),
        devices=words("devices", DEVICES, ("cpu",)),
        device=one_of(value.get("device", "cpu"), DEVICES, "device"),
        keyword_only_maximize=facts.pop("keyword_only_maximize", None),
        has=facts,
        defaults=None if defaults is None else decode_mapping(defaults, "defaults"),
        arguments=words("arguments", ARGUMENTS, ARGUMENTS),
        group_options=words("group_options", ARGUMENTS, ARGUMENTS),
        layouts=tuple(Layout(name) for name in words("layouts", layouts, layouts)),
        schedulers=strings(value.get("schedulers", []), "schedulers"),
        encodings=words("encodings", tuple(e.value for e in Encoding), ("hex",)),
    )


_ANSWERS: Final[Mapping[Op, Callable[[Mapping[str, Any]], messages.Answer]]] = {
    Op.START: _decode_info,
    Op.CONSTRUCT: lambda value: messages.Constructed(number(value, "handle", "ok")),
    Op.STEP: _decode_step_result,
    Op.READ: _decode_readout,
    Op.SAVE: lambda value: messages.Saved(number(value, "checkpoint", "ok")),
    Op.LOAD: lambda _: messages.Done(),
    Op.RELEASE: lambda _: messages.Done(),
    Op.STOP: lambda _: messages.Done(),
}
