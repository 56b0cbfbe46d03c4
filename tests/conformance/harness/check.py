"""The registration of checks at the tests that decide them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from adamax_conformance.oracles.verdict import Quantity
from packaging.version import Version


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        id: stable; its first part is the layer.
        title: the property that it checks, in a few words.
        since: the suite version in which it appeared.
    """

    id: str
    title: str
    since: str

    @property
    def layer(self) -> str:
        """The first part of the id."""
        return self.id.partition("/")[0]

    def belongs_to(self, suite: str | None) -> bool:
        """Whether a suite of this version has the check; None stands for the newest."""
        return suite is None or Version(self.since) <= Version(suite)


@dataclass(frozen=True)
class Call:
    """One call of a test.

    Attributes:
        arguments: the arguments besides the context.
        checks: the checks that the call decides.
    """

    arguments: dict[str, Any]
    checks: tuple[Check, ...]


def check(pattern: str, /, *, title: str, since: str, **parameter: Iterable[object]) -> pytest.MarkDecorator:
    """Mark the test that decides a check, or a check for each value of one parameter.

    With `clause=CLAUSES`, pytest calls the test once for each clause. `{clause}` then stands for the clause's
    name in the id, and `{clause}`, `{clause.argument}`, ... for the clause in the title.

    Args:
        pattern: the id.
        title: the property that the test checks, in a few words.
        since: the suite version in which the check appeared.
        parameter: the parameter of the test, and its values.
    """
    if not parameter:
        return pytest.mark.check(Check(pattern, title, since))
    ((name, values),) = parameter.items()
    return pytest.mark.parametrize(
        name,
        [
            pytest.param(
                value,
                id=_name_of(value),
                marks=pytest.mark.check(
                    Check(pattern.format(**{name: _name_of(value)}), title.format(**{name: value}), since)
                ),
            )
            for value in values
        ],
    )


def check_quantities(pattern: str, /, *, title: str, since: str) -> pytest.MarkDecorator:
    """Mark the test whose one call decides a check each for theta, m and u."""
    quantities = [quantity.value for quantity in (Quantity.THETA, Quantity.M, Quantity.U)]
    return pytest.mark.check(
        *(Check(pattern.format(quantity=q), title.format(quantity=q), since) for q in quantities)
    )


def _name_of(value: object) -> str:
    return str(getattr(value, "id", getattr(value, "value", value)))


def checks_of(item: pytest.Item) -> tuple[Check, ...]:
    """The checks that one of pytest's calls decides."""
    return _flatten(item.iter_markers("check"))


def calls_of(test: Callable[..., None]) -> Iterator[Call]:
    """Every call that pytest makes of a test, for one subject in one dtype."""
    marks: list[pytest.Mark] = vars(test)["pytestmark"]
    if alone := [mark for mark in marks if mark.name == "check"]:
        yield Call({}, _flatten(alone))
    for mark in marks:
        if mark.name == "parametrize":
            name, parameters = mark.args
            for (value,), value_marks, _ in parameters:
                yield Call({name: value}, _flatten(value_marks))


def _flatten(marks: Iterable[pytest.Mark | pytest.MarkDecorator]) -> tuple[Check, ...]:
    """The checks of some marks, in the order in which they stand above the test."""
    return tuple(each for mark in reversed(list(marks)) for each in mark.args)
