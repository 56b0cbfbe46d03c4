"""The files of golden cases: cases to JSON and back, the same bytes everywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from ...reference.contract import CLAUSES, Clause, Params
from ...reference.golden.flags import FLAGS
from ...reference.golden.model import GoldenCase, GoldenGroup, GoldenParameter, Numbers
from ...reference.hyperparameters import Hyperparameters
from .values import SCHEME_NAMES, Json, expected_states, formats_of

DIGESTS: Final = "digests.json"
CONTRACT: Final = "contract.json"
GENERATOR_VERSION: Final = 1
_HEADER: Final = {
    "source": "the page of mindspore.experimental.optim.Adamax; torch.optim.Adamax documents the same formula: "
    "g <- g + lambda*theta, negated first when maximizing; m <- beta1*m + (1 - beta1)*g; "
    "u <- max(beta2*u, |g| + eps); theta <- theta - lr*m / ((1 - beta1^t)*u)",
    "licence": "Apache-2.0",
    "generator": {"command": "adamax-conformance vectors generate", "version": GENERATOR_VERSION},
}
_NUMBERS: Final = ("lr", "beta1", "beta2", "eps", "weight_decay")
_MOST_ELEMENT_STEPS: Final = 20_000
"""The most elements times steps that one case of a file may have."""


class UnsoundFileError(ValueError):
    """A file fits its schema, but contradicts itself or the oracle."""


# A case -----------------------------------------------------------------------------------------------------


def _hex(values: Iterable[float]) -> list[str]:
    return [float(x).hex() for x in values]


def _inputs(case: GoldenCase) -> Json:
    return {
        "formats": list(formats_of(case)),
        "steps": case.steps,
        "groups": [
            {
                "options": {name: float(getattr(group.hyperparameters, name)).hex() for name in _NUMBERS}
                | {"maximize": group.hyperparameters.maximize},
                "learning_rates": _hex(group.learning_rates),
                "parameters": [
                    {"theta": _hex(p.theta), "gradients": [_hex(g) for g in p.gradients]}
                    for p in group.parameters
                ],
            }
            for group in case.groups
        ],
    }


def case_to_json(case: GoldenCase) -> Json:
    """Convert a case to JSON, with the oracle's values."""
    return {
        "id": case.id,
        "comment": case.comment,
        "flags": list(case.flags),
        "result": "acceptable" if case.room else "valid",
        "room": case.room,
        "acceptable": list(case.acceptable),
        **_inputs(case),
        "states": expected_states(case),
    }


def _numbers(texts: Iterable[str]) -> Numbers:
    return tuple(float.fromhex(text) for text in texts)


def case_from_json(value: Mapping[str, Any]) -> GoldenCase:
    """Convert JSON that fits the schema to a case.

    Raises:
        Unsound: its numbers cannot be a case.
    """
    where = f"case {value['id']}"
    try:
        groups = tuple(
            GoldenGroup(
                Hyperparameters(
                    **{name: float.fromhex(group["options"][name]) for name in _NUMBERS},
                    maximize=group["options"]["maximize"],
                ),
                tuple(
                    GoldenParameter(_numbers(p["theta"]), tuple(_numbers(g) for g in p["gradients"]))
                    for p in group["parameters"]
                ),
                _numbers(group["learning_rates"]),
            )
            for group in value["groups"]
        )
    except OverflowError:
        raise UnsoundFileError(f"{where}: a number is beyond binary64") from None
    case = GoldenCase(
        id=value["id"],
        comment=value["comment"],
        flags=tuple(value["flags"]),
        groups=groups,
        steps=value["steps"],
        shown=tuple(state["t"] for state in value["states"]),
        formats=tuple(value["formats"]),
        room=value["room"],
        acceptable=tuple(value["acceptable"]),
    )
    for wrong in _find_case_errors(case):
        raise UnsoundFileError(f"{where}: {wrong}")
    return case


def _find_case_errors(case: GoldenCase) -> Iterator[str]:
    """Find what a case cannot have: one sentence for each error."""
    elements = sum(len(p.theta) for group in case.groups for p in group.parameters)
    if elements * case.steps > _MOST_ELEMENT_STEPS:
        yield f"{elements} elements over {case.steps} steps; want at most {_MOST_ELEMENT_STEPS} altogether"
    if list(case.shown) != sorted(set(case.shown)) or case.shown[-1] > case.steps:
        yield f"states after the steps {list(case.shown)}; want rising steps of at most {case.steps}"
    if (missing := sorted(set(case.flags) - FLAGS.keys()) or None) is not None:
        yield f"flags {missing} are unknown"
    for group in case.groups:
        yield from _find_option_errors(group.hyperparameters, group.learning_rates)
        for p in group.parameters:
            if any(len(g) != len(p.theta) for g in p.gradients):
                yield f"a gradient has not the {len(p.theta)} elements of its theta"
            if not np.isfinite(p.theta).all():
                yield "theta is not finite"


def _find_option_errors(h: Hyperparameters, rates: Numbers) -> Iterator[str]:
    for name, beta in (("beta1", h.beta1), ("beta2", h.beta2)):
        if not 0 <= beta < 1:
            yield f"{name}={beta!r}; want a number in [0, 1)"
    for name, x in (("lr", h.lr), ("weight_decay", h.weight_decay), *(("learning_rates", r) for r in rates)):
        if not 0 <= x < np.inf:
            yield f"{name}={x!r}; want a finite number of at least 0"
    if not 0 < h.eps < np.inf:
        yield f"eps={h.eps!r}; want a finite number greater than 0"


# Whole files ------------------------------------------------------------------------------------------------


def _heading(family: str, flags: Iterable[str]) -> Json:
    """The members of a family's file before its cases."""
    return {
        "schema": "golden.schema.json",
        "family": family,
        **_HEADER,
        "habits": list(SCHEME_NAMES),
        "flags": {
            flag: {"bug": FLAGS[flag].bug, "effect": FLAGS[flag].effect} for flag in sorted(set(flags))
        },
    }


def document(family: str, cases: Iterable[GoldenCase]) -> Json:
    """The file of a family as JSON."""
    records = [case_to_json(case) for case in cases]
    return {**_heading(family, (flag for each in records for flag in each["flags"])), "cases": records}


def contract() -> Json:
    """The file of the contract as JSON."""
    return {
        "schema": "contract.schema.json",
        "source": "the page of mindspore.experimental.optim.Adamax",
        "licence": _HEADER["licence"],
        "generator": _HEADER["generator"],
        "clauses": [_clause(clause) for clause in CLAUSES],
    }


def _clause(clause: Clause) -> Json:
    return {
        "id": clause.id,
        "argument": clause.argument,
        "value": _value(clause.value),
        "outcome": clause.outcome.value,
        "statement": clause.statement,
    }


def _value(value: object) -> object:
    """Convert an argument to JSON; an object names the types that JSON lacks."""
    match value:
        case Params():
            result: object = {"params": value.value}
        case np.floating():
            result = {"numpy": {"dtype": value.dtype.name, "value": float(value).hex()}}
        case float():
            result = {"float": value.hex()}
        case complex():
            result = {"complex": _hex((value.real, value.imag))}
        case tuple() | list():
            result = {type(value).__name__: [_value(x) for x in value]}
        case np.ndarray():
            result = {"array": {"shape": list(value.shape), "data": _hex(value.ravel().tolist())}}
        case _:
            result = value
    return result


def document_text(value: Mapping[str, Any]) -> str:
    """Write a document as text: a line for each member, and for each case or clause."""
    lines = []
    for name, member in value.items():
        if name in {"cases", "clauses"}:
            rows = ",\n".join(_compact(row) for row in member)
            lines.append(f"{_compact(name)}: [\n{rows}\n]")
        else:
            lines.append(f"{_compact(name)}: {_compact(member)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def case_digest(case: Mapping[str, Any]) -> str:
    """Hash what a published case keeps for ever: inputs, exact values and roundings.

    A bound may be replaced by another proven one, and words by better ones.
    """

    def without_bounds(value: object) -> object:
        match value:
            case dict():
                left_out = {"bound", "comment", "flags", "room", "acceptable"}
                return {name: without_bounds(x) for name, x in value.items() if name not in left_out}
            case list():
                return [without_bounds(x) for x in value]
        return value

    return hashlib.sha256(_compact(without_bounds(case)).encode("ascii")).hexdigest()


def documents(cases: Iterable[GoldenCase]) -> dict[str, Json]:
    """Build every file by its name, the digests included."""
    families: dict[str, list[GoldenCase]] = {}
    for case in cases:
        families.setdefault(case.family, []).append(case)
    made = {f"{family}.json": document(family, members) for family, members in families.items()}
    digests = {each["id"]: case_digest(each) for file in made.values() for each in file["cases"]}
    return made | {CONTRACT: contract(), DIGESTS: digests}


def find_forbidden_changes(published: Mapping[str, str], made: Mapping[str, str]) -> Iterator[str]:
    """Find changes to published cases, which are forbidden: one sentence for each.

    Args:
        published: digests by id.
        made: the digests of the cases as they would be written.
    """
    for name, value in published.items():
        if name not in made:
            yield f"case {name} is published, and would be gone"
        elif made[name] != value:
            yield f"case {name} is published, and would be another; give the new one an id of its own"


# Checking a file --------------------------------------------------------------------------------------------


def find_errors(value: Mapping[str, Any]) -> Iterator[str]:
    """Find errors in a document that fits its schema: one for each case or clause."""
    if "clauses" in value:
        wanted: Mapping[str, Any] = contract()
        yield from _find_differences(value, wanted, "clauses", "clause")
        return
    wrong = list(_find_wrong_cases(value))
    yield from wrong
    if not wrong:
        heading = {name: member for name, member in value.items() if name != "cases"}
        flags = (flag for case in value["cases"] for flag in case["flags"])
        if (where := _first_difference(heading, _heading(value["family"], flags), "the file")) is not None:
            yield where


def _find_wrong_cases(value: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()
    for case in value["cases"]:
        where = f"case {case['id']}"
        if case["id"] in seen:
            yield f"{where} is there twice"
        if case["id"].partition("/")[0] != value["family"]:
            yield f"{where} is not of the family {value['family']}"
        seen.add(case["id"])
        try:
            wanted = case_to_json(case_from_json(case))
        except ValueError as error:
            yield str(error)
            continue
        if (difference := _first_difference(case, wanted, where)) is not None:
            yield difference


def _find_differences(
    value: Mapping[str, Any], wanted: Mapping[str, Any], name: str, word: str
) -> Iterator[str]:
    known = {row["id"]: row for row in wanted[name]}
    if [row["id"] for row in value[name]] != list(known):
        yield f"the file does not have each {word} once, in order"
    for member in wanted.keys() - {name}:
        if (where := _first_difference(value[member], wanted[member], f"the file, {member}")) is not None:
            yield where
    for row in value[name]:
        if row["id"] not in known:
            yield f"{word} {row['id']} is unknown"
        elif (where := _first_difference(row, known[row["id"]], f"{word} {row['id']}")) is not None:
            yield where


def _first_difference(value: object, wanted: object, where: str) -> str | None:
    """Describe the first difference of two JSON values; None if there is none."""
    match value, wanted:
        case dict(), dict() if value.keys() == wanted.keys():
            members = ((value[name], wanted[name], f"{where}, {name}") for name in wanted)
        case list(), list() if len(value) == len(wanted):
            members = ((x, y, f"{where}[{i}]") for i, (x, y) in enumerate(zip(value, wanted, strict=True)))
        case _:
            if value == wanted and type(value) is type(wanted):
                return None
            return f"{where} is {_short(value)}; the oracle has {_short(wanted)}"
    return next((found for member in members if (found := _first_difference(*member)) is not None), None)


def _short(value: object) -> str:
    words = _compact(value)
    return words if len(words) <= 80 else words[:77] + "..."
