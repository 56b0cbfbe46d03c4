"""The JSON form of each type of a message's fields.

A form is an encoder, a decoder and a schema.

A dataclass is the object of its fields, so a field is written once, in `messages`. The type hints mean:

    str, bool, float, an Enum            itself, a hexadecimal number, the member's value
    int                                  an integer of at least 0
    Annotated[str, (...)]                one of these strings (or integers)
    Annotated[str, function]             a string that the function makes safe
    tuple[X, ...], Mapping[str, X]       an array, an object
    FloatArray, Any                      see `values`: an array of numbers, an argument
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import numpy as np

from ...reference.json_form import compact_numbers, from_pool, pooled
from ...reference.life import Life, Observation, observations_from_json, observations_to_json
from .messages import Encoding
from .validation import ProtocolError, clean_text, require_choice, require_count, require_type
from .values import decode_array, decode_float, decode_value, encode_array, encode_float, encode_value

_DEEPEST: Final = 5
"""How many objects may lie within one another: schedules, within a `construct`."""


@dataclass(frozen=True)
class Form:
    """The JSON form of a type.

    Attributes:
        schema: the JSON Schema of the form.
        decode: the inverse of `encode`, with the value's path for error messages and its depth.
        encode: from a value to JSON.
    """

    schema: Mapping[str, Any]
    decode: Callable[[Any, str, int], Any]
    encode: Callable[[Any, Encoding], Any] = lambda value, _: value


def form_of(hint: Any) -> Form:
    """The form of a type hint; its schema refers to dataclasses by name."""
    if (simple := _SIMPLE.get(get_origin(hint) or hint, _SIMPLE.get(hint))) is not None:
        return simple
    origin, parameters = get_origin(hint) or hint, get_args(hint)
    if is_dataclass(origin):
        return Form(reference(hint.__name__), lambda x, where, depth: _decode(hint, x, where, depth), _encode)
    if isinstance(origin, type) and issubclass(origin, Enum):
        return _choice_form([member.value for member in origin], origin)
    if origin is Annotated:
        return _annotated_form(parameters[1])
    if origin in {Union, UnionType}:
        return _nullable(form_of(_without_none(hint)))
    make_form, index = _CONTAINERS[origin]
    return make_form(form_of(parameters[index]))


def reference(name: str) -> dict[str, str]:
    """The schema that refers to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def _document_form(
    what: str, schema: Mapping[str, Any], read: Callable[[Any], Any], write: Callable[[Any], Any]
) -> Form:
    """The form of a value that has a JSON of its own."""
    kind: type[Any] = list if schema["type"] == "array" else dict

    def decode(value: object, where: str, _: int) -> Any:
        try:
            if isinstance(value, dict) and "numbers" in value:
                return from_pool(value, lambda x: read(require_type(x, kind, where)))
            return read(require_type(value, kind, where))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ProtocolError(f"{where} is not {what}: {clean_text(str(error))}") from None

    def encode(value: Any, encoding: Encoding) -> Any:
        if encoding is Encoding.BASE64:
            return pooled(lambda: write(value))
        with compact_numbers():
            return write(value)

    members = {"numbers": {"type": "string"}, "value": schema}
    pool = {"type": "object", "properties": members, "required": [*members]}
    return Form({"anyOf": [schema, pool]}, decode, encode)


_SIMPLE: Final[Mapping[Any, Form]] = {
    str: Form({"type": "string"}, lambda x, where, _: require_type(x, str, where)),
    bool: Form({"type": "boolean"}, lambda x, where, _: require_type(x, bool, where)),
    int: Form({"type": "integer", "minimum": 0}, lambda x, where, _: require_count(x, where)),
    float: Form(
        reference("number"), lambda x, where, _: decode_float(x, where), lambda x, _: encode_float(x)
    ),
    np.ndarray: Form(reference("array"), lambda x, where, _: decode_array(x, where), encode_array),
    Life: _document_form("a life", {"type": "object"}, Life.from_json, Life.to_json),
    tuple[Observation, ...]: _document_form(
        "observations",
        {"type": "array", "items": {"type": "object"}},
        observations_from_json,
        observations_to_json,
    ),
    Any: Form(reference("argument"), lambda x, where, _: decode_value(x, where), encode_value),
}


def _choice_form(known: Collection[str | int], kind: Callable[[Any], Any] = lambda value: value) -> Form:
    return Form(
        {"enum": list(known)},
        lambda x, where, _: kind(require_choice(x, known, where)),
        lambda x, _: x.value if isinstance(x, Enum) else x,
    )


def _annotated_form(mark: Any) -> Form:
    if isinstance(mark, tuple):
        return _choice_form(mark)
    return Form({"type": "string"}, lambda x, where, _: mark(require_type(x, str, where)))


def _nullable(form: Form) -> Form:
    return Form(
        {"anyOf": [{"type": "null"}, form.schema]},
        lambda x, where, depth: None if x is None else form.decode(x, where, depth),
        lambda x, encoding: None if x is None else form.encode(x, encoding),
    )


def _array_form(item: Form) -> Form:
    def decode(value: object, where: str, depth: int) -> tuple[Any, ...]:
        items: list[object] = require_type(value, list, where)
        return tuple(item.decode(x, f"{where}[{i}]", depth) for i, x in enumerate(items))

    schema = {"type": "array", "items": item.schema}
    return Form(schema, decode, lambda values, encoding: [item.encode(x, encoding) for x in values])


def _mapping_form(item: Form) -> Form:
    def decode(value: object, where: str, depth: int) -> dict[str, Any]:
        members: dict[str, object] = require_type(value, dict, where)
        return {name: item.decode(x, f"{where}.{name}", depth) for name, x in members.items()}

    schema = {"type": "object", "additionalProperties": item.schema}
    return Form(
        schema, decode, lambda values, encoding: {k: item.encode(x, encoding) for k, x in values.items()}
    )


_CONTAINERS: Final[Mapping[Any, tuple[Callable[[Form], Form], int]]] = {
    tuple: (_array_form, 0),
    Mapping: (_mapping_form, 1),
}
"""For a container the form's maker, and the position of the items' type among its parameters."""


# Dataclasses


@dataclass(frozen=True)
class _Member:
    """A field of a dataclass as a member of its object.

    Attributes:
        name: of both.
        form: of its value if that is not null.
        is_required: it must be there.
        is_nullable: null means that it is left out.
        within: the member that holds it instead of the object itself.
    """

    name: str
    form: Form
    is_required: bool
    is_nullable: bool
    within: str

    @classmethod
    def of(cls, field: Field[Any], hint: Any) -> _Member:
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        is_required = not has_default or "required" in field.metadata
        is_nullable = not is_required and "not null" not in field.metadata
        within = field.metadata.get("within", "")
        return cls(field.name, form_of(_without_none(hint)), is_required, is_nullable, within)


@cache
def _members(kind: Any) -> list[_Member]:
    hints = get_type_hints(kind, include_extras=True)
    return [_Member.of(field, hints[field.name]) for field in fields(kind)]


@cache
def _inner_first(kind: Any) -> list[_Member]:
    """The members, those within another one first."""
    return sorted(_members(kind), key=lambda member: not member.within)


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in {Union, UnionType}:
        return hint
    (kind,) = (kind for kind in get_args(hint) if kind is not type(None))
    return kind


def _encode(message: Any, encoding: Encoding) -> dict[str, Any]:
    result: dict[str, Any] = {}
    kind: Any = type(message)
    for member in _members(kind):
        value = getattr(message, member.name)
        if value is not None or member.is_nullable:
            holder = result[member.within] if member.within else result
            holder[member.name] = None if value is None else member.form.encode(value, encoding)
    return result


def _decode(kind: Any, value: object, where: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ProtocolError(f"{where} is nested too deeply")
    holder: dict[str, Any] = dict(require_type(value, dict, where))
    found = {}
    for member in _inner_first(kind):
        path = f"{where}.{member.name}"
        if member.within:
            path = f"{where}.{member.within}.{member.name}"
            _lift(holder, member, where)
        content = holder.get(member.name, MISSING)
        if content is not MISSING and not (content is None and member.is_nullable):
            found[member.name] = member.form.decode(content, path, depth + 1)
        elif member.is_required:
            raise ProtocolError(f"{where} lacks {member.name!r}")
    return kind(**found)


def _lift(holder: dict[str, Any], member: _Member, where: str) -> None:
    """Move a member out of the one that holds it."""
    holder.pop(member.name, None)
    if holder.get(member.within) is not None:
        outer = dict(require_type(holder[member.within], dict, f"{where}.{member.within}"))
        if member.name in outer:
            holder[member.name] = outer.pop(member.name)
        holder[member.within] = outer


def object_schema(kind: Any, **more: Any) -> dict[str, Any]:
    """The JSON Schema of a dataclass's object.

    Args:
        kind: the dataclass.
        more: schemas of further members that must be there.
    """
    properties = dict(more)
    required = list(more)
    for member in _members(kind):
        schema = _nullable(member.form).schema if member.is_nullable else member.form.schema
        if member.within:
            outer = properties[member.within]["anyOf"][1]
            outer["properties"] = {**outer.get("properties", {}), member.name: schema}
        else:
            properties[member.name] = schema
        required += [member.name] if member.is_required else []
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})
