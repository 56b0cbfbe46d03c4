"""The diagnosis: the cause of what was observed, or the conditions."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from ...reference.causes.catalogue import CATALOGUE, RULES, composed
from ...reference.causes.formula import CorrectionMissing
from ...reference.causes.machine import Machine
from ...reference.life import (
    Construct,
    Life,
    Load,
    Number,
    NumberKind,
    Observation,
    Refuse,
    SetLr,
    SetOption,
    Step,
    Watched,
)
from ..formats import Format
from .conditions import Conditions, find_conditions, words_of_checks
from .evaluate import Batch, Unexplained
from .fitted import fitted
from .rows import Books, LifeTrace
from .trace import trace

_ALONE: Final = 4
"""So many times the budget of the search for two causes may judging each alone take."""
_SHOWN: Final = 2
"""The changes that are kept as examples."""
_ARRAYS: Final = {NumberKind.ARRAY, NumberKind.FILLED}
_LIKELY: Final = 8
"""The deviations that are tried together with every other."""

_SMALL: Final = 8
"""Numbers of less than so many smallest normal ones have subnormal moments soon."""
_Observed: TypeAlias = tuple[Life, Sequence[Observation]]

_NUMBER: Final = re.compile(r"gradient (\d+)")
"""The number of a gradient in an observation's words."""
_BOOKKEEPING: Final = (
    "construct", "add_group", "set", "save", "load", "refuse", "begin", "end", "skip", "count", "time", "option",
    "source", "shown", "kept", "restored", "inputs", "__init__",
)  # fmt: skip


@dataclass(frozen=True)
class Cause:
    """A deviation that explains all that was observed.

    Attributes:
        slug: its stable name.
        sentence: what a maintainer would say.
        documented: the line of the formula that differs, as documented.
        line: as the subject has it.
        model: the optimizer that has it.
    """

    slug: str
    sentence: str
    documented: str
    line: str
    model: type[Machine] = Machine


@dataclass(frozen=True)
class Diagnosis:
    """The reason why a subject diverges, as far as its lives show.

    Attributes:
        dtype: of the parameters.
        diverges: how many lives go wrong.
        lives: how many were performed.
        steps: how many steps of a parameter were compared.
        causes: those that explain everything: one, or several that these lives cannot tell apart.
        conditions: when it happens, where no cause is known.
        quantity: the first quantity that is off.
        shortest: the shortest life that shows it, up to the action after which it does.
        refused: what legitimate actions raised.
        changed: examples of what of the caller's was changed.
        seconds: the time of the judgement.
        asked: the lives that the subject was asked for, to tell several causes apart.
        besides: what else happens that the causes do not explain.
    """

    dtype: str
    diverges: int
    lives: int
    steps: int
    causes: tuple[Cause, ...] = ()
    conditions: str = ""
    quantity: str = ""
    shortest: Life | None = None
    refused: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    seconds: float = 0.0
    asked: tuple[Life, ...] = ()
    besides: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether anything diverges."""
        return bool(self.diverges or self.changed)

    @property
    def sentence(self) -> str:
        """One line."""
        if self.causes:
            return "; or ".join(cause.sentence for cause in self.causes)
        if self.conditions:
            return f"no known cause; {self.conditions}"
        if self.refused:
            return f"it raises {self.refused[0]}"
        return "no divergence in the lives of the diagnosis"


class _Search:
    """Judges deviations against what was observed, some lives first.

    Args:
        traces: of all lives.
        format_: the working format.
        budget: processor seconds for the search for two causes.
    """

    def __init__(self, traces: Sequence[LifeTrace], format_: Format, budget: float) -> None:
        self.format_, self.budget = format_, budget
        self.all = Batch(traces, format_)
        self._books = self.all.books(Machine)
        self.documented = self.all.evaluate(Machine, self._books)
        self.wrong_lives = wrong_lives(self.all, self.documented)

    def batch_of(self, lives: Iterable[int]) -> _Part:
        """Some lives as a batch of their own."""
        wanted = sorted(lives)
        return _Part(self, Batch([self.all.traces[k] for k in wanted], self.format_), wanted)

    def books_of(self, kind: type[Machine], part: _Part) -> list[Books]:
        """The books of a kind: the documented ones where it changes the formula alone."""
        if not any(
            name in vars(base) for base in kind.__mro__[:-1] if base is not Machine for name in _BOOKKEEPING
        ):
            return [self._books[k] for k in part.lives]
        if kind.needs_process:
            books = self.all.books(kind, {})
            return [books[k] for k in part.lives]
        return part.batch.books(kind, {})


@dataclass
class _Part:
    search: _Search
    batch: Batch
    lives: list[int]

    def judge(self, kind: type[Machine]) -> Unexplained:
        """Find what a deviation leaves unexplained of these lives."""
        return self.batch.evaluate(kind, self.search.books_of(kind, self))

    def still_wrong(self, kind: type[Machine]) -> set[int]:
        """The lives that a deviation does not explain."""
        return {self.lives[k] for k in wrong_lives(self.batch, self.judge(kind))}


def wrong_lives(batch: Batch, found: Unexplained) -> set[int]:
    """The indices in a batch of the lives in which something is unexplained."""
    elements = np.flatnonzero(found.wrong.any(axis=0))
    rows = {int(k) for k in batch.owner[elements]}
    position = {id(row): k for k, each in enumerate(batch.traces) for row in each.rows}
    lives = {position[id(batch.rows[k])] for k in rows}
    number = {each.rows[0].life: k for k, each in enumerate(batch.traces) if each.rows}
    return lives | {number[check.life] for check in found.checks if check.life in number}


def diagnose(observed: Sequence[_Observed], format_: Format, budget: float = 4.0) -> Diagnosis:
    """Find the cause of what was observed.

    Args:
        observed: lives in the order in which one process performed them, from its first optimizer on.
        format_: the working format.
        budget: seconds for the search for two causes at once.
    """
    started = time.process_time()
    traces = trace(observed)
    search = _Search(traces, format_, budget)
    refused = tuple(dict.fromkeys(each.refused for each in traces if each.refused))
    changed = tuple(
        dict.fromkeys(
            change.words
            for _, seen in observed
            for each in seen
            for change in each.changed
            if change.what is Watched.GRADIENT
        )
    )[:_SHOWN]
    wrong = search.wrong_lives
    causes: tuple[Cause, ...] = ()
    conditions = quantity = rest = ""
    if wrong:
        causes = _causes(search)
    if wrong and not causes:
        causes, rest = _plain_causes(search, observed)
    besides = ["the gradient that was passed is changed"] if changed and causes else []
    if wrong and len(causes) != 1:
        conditions, quantity = _conditions(search)
    elif not wrong and changed:
        conditions, quantity = _changes(search, observed), "the gradient that was passed"
    elif wrong:
        quantity = _quantity(search)
    return Diagnosis(
        format_.dtype,
        len(wrong),
        len(traces),
        sum(len(each.rows) for each in traces),
        causes,
        conditions,
        quantity,
        _shortest(search),
        refused,
        changed,
        time.process_time() - started,
        besides="; ".join([*besides, rest] if rest else besides),
    )


def explains(
    cause: Cause,
    observed: _Observed,
    format_: Format,
    process: MutableMapping[str, Any],
) -> bool | None:
    """Judge a life that the documented step does not explain by a cause.

    None where the documented step explains it. Every element of its arrays is compared. Where the documented step
    explains it only because scalars of the working format may be far off (betas next to 1), both are judged again with
    scalars of binary64: if the documented step then fails and the cause holds, it explains the life.

    Args:
        cause: the cause.
        observed: a life, and what was observed of it.
        format_: the working format.
        process: what the models of earlier lives of the same process left.
    """
    traces = trace([observed], whole=True)
    batches = [Batch(traces, Format.of(dtype)) for dtype in _dtypes(traces, format_)]
    books = batches[0].books(cause.model, process)
    documented = batches[0].books(Machine)
    for scalars in (None, Format.BINARY64):
        wrong = [batch for batch in batches if not batch.evaluate(Machine, documented, scalars).is_empty]
        if wrong and batches[0].rows:
            holds = all(batch.evaluate(cause.model, books, scalars).is_empty for batch in wrong)
            return holds or (None if scalars else False)
    return None


def _dtypes(traces: Sequence[LifeTrace], format_: Format) -> list[str]:
    """The dtypes of the parameters of some lives; that of a format if there are none."""
    found = {str(row.features["dtype"]) for each in traces for row in each.rows}
    return sorted(found) or [format_.dtype]


@dataclass(frozen=True)
class Explained:
    """The rows of some traces that are wrong, and what explains them.

    Attributes:
        causes: that explain all of them.
        wrong: the indices of the rows that the documented step does not explain.
        scope: the rows among which the causes hold, and the documented step elsewhere; None for all.
    """

    causes: tuple[Cause, ...]
    wrong: frozenset[int]
    scope: frozenset[int] | None = None


def causes_of(
    traces: Sequence[LifeTrace],
    format_: Format,
    budget: float,
    limited: Callable[[set[int]], set[int]],
) -> Explained:
    """Find the causes of what some traces show, in all rows or among some of them.

    A narrower format is named only where no other cause fits.

    Args:
        traces: of steps.
        format_: the working format.
        budget: processor seconds for the search for two causes at once.
        limited: gives, for the rows that are wrong, those among which a cause may hold.
    """
    search = _Search(traces, format_, budget)
    wrong = _wrong_rows(search.all, search.documented)
    if not wrong:
        return Explained((), frozenset())
    kinds = [
        kind
        for kind in (*CATALOGUE, *fitted(search.all, search.documented))
        if not kind.needs_process and not kind.moves_refused and _is_narrower(kind, format_)
    ]
    if fit := _fitting(search, kinds):
        fit = [kind for kind in fit if kind.narrows is None] or fit
        return Explained(_named(_distinct(search, fit)), frozenset(wrong))
    scope, part = limited(wrong), search.batch_of(range(len(traces)))
    if len(wrong) > 1 and len(scope) < len(search.all.rows):
        kinds = [kind for kind in kinds if kind.narrows is None]
        fit = [kind for kind in kinds if not _wrong_rows(search.all, part.judge(kind)) & scope]
        return Explained(_named(_distinct(search, fit)), frozenset(wrong), frozenset(scope))
    return Explained((), frozenset(wrong))


def _wrong_rows(batch: Batch, found: Unexplained) -> set[int]:
    return {int(k) for k in batch.owner[np.flatnonzero(found.wrong.any(axis=0))]}


def _distinct(search: _Search, kinds: Sequence[type[Machine]]) -> list[type[Machine]]:
    """Of deviations of the books alone whose every step reads the same, the first."""
    known: dict[Any, type[Machine]] = {}
    for kind in kinds:
        inputs = tuple(tuple(each.inputs) for each in search.all.books(kind))
        of_books = _overridden(kind) <= set(_BOOKKEEPING)
        known.setdefault(inputs if of_books else kind, kind)
    return list(known.values())


def fits(cause: Cause, observed: _Observed, format_: Format) -> bool:
    """Whether a cause explains a life, the first of its process."""
    batch = Batch(trace([observed]), format_)
    return bool(batch.rows) and batch.evaluate(cause.model, batch.books(cause.model, {})).is_empty


def _causes(search: _Search) -> tuple[Cause, ...]:
    moves = any(check.moment == "theta" for check in search.documented.checks)
    singles = [
        kind
        for kind in (*CATALOGUE, *fitted(search.all, search.documented))
        if _is_narrower(kind, search.format_) and (moves or not kind.moves_refused)
    ]
    return _named(_fitting(search, singles))


def _fitting(search: _Search, singles: Sequence[type[Machine]]) -> list[type[Machine]]:
    """The deviations that explain everything: single ones, or else two at once."""
    order = sorted(search.wrong_lives, key=lambda k: len(search.all.traces[k].rows))
    sound = [k for k in range(len(search.all.traces)) if k not in search.wrong_lives]
    # A life that is wrong and a few that are right settle most deviations.
    quick = search.batch_of([*order[:3], *sound[:8]])
    spread = order[:: max(1, len(order) // 12)]
    medium = search.batch_of({*order[:8], *spread, *sound[:12]})
    whole = search.batch_of(range(len(search.all.traces)))
    found = [kind for kind in singles if _explains((quick, medium, whole), kind)]
    for kind in () if found else RULES:
        # Of rules that fit, those that differ in the fewest parts.
        if found and kind.slug.count("+") > found[0].slug.count("+"):
            break
        if _explains((quick, medium, whole), kind):
            found.append(kind)
    return found or _pairs(search, singles, medium, whole)


def _named(kinds: Sequence[type[Machine]]) -> tuple[Cause, ...]:
    """The causes by their slugs; of two with one slug the first."""
    causes = {
        kind.slug: Cause(kind.slug, kind.sentence, kind.documented, kind.line, kind)
        for kind in reversed(kinds)
    }
    return tuple(reversed(causes.values()))


def _plain_causes(search: _Search, observed: Sequence[_Observed]) -> tuple[tuple[Cause, ...], str]:
    """The causes of what is wrong in plain lives, and what remains in words."""
    plain = [each for each in search.all.traces if is_plain(each.life)]
    if len(plain) == len(search.all.traces):
        return (), ""
    inner = _Search(plain, search.format_, search.budget)
    causes = _causes(inner) if inner.wrong_lives else ()
    return (causes, _besides(search, causes[0], observed)) if causes else ((), "")


def _besides(search: _Search, cause: Cause, observed: Sequence[_Observed]) -> str:
    """The conditions of what a cause of the plain lives leaves unexplained."""
    every = set(range(len(search.all.traces)))
    left = search.batch_of(every).still_wrong(cause.model)
    right = every - left
    # An option that is set takes effect, or is not used: no page says which.
    left = {k for k in left if not _fits_unset(cause, observed[k], search.format_)}
    words: dict[str, None] = {}
    for trait in (_is_special, _is_tiny, _sets_options, _loads, lambda _: True):
        some = {k for k in left if trait(observed[k][0])}
        left -= some
        if some:
            part = search.batch_of(right | some)
            found, quantity = _conditions_of(part.batch, part.judge(cause.model))
            names = ", ".join(f'"{observed[k][0].name}"' for k in sorted(some))
            words[f"{quantity} is off in the life {names}" if " in no way " in found else found] = None
    return "; ".join(words)


def _fits_unset(cause: Cause, observed: _Observed, format_: Format) -> bool:
    """Whether a cause explains a life if no option that is set is used."""
    if cause.model.needs_process or not _sets_options(observed[0]):
        return False
    pairs = zip(observed[0].actions, observed[1], strict=False)
    kept = [(action, seen) for action, seen in pairs if not isinstance(action, SetOption)]
    life = replace(observed[0], actions=tuple(action for action, _ in kept))
    return fits(cause, (life, [seen for _, seen in kept]), format_)


def is_plain(life: Life) -> bool:
    """Whether a life has ordinary numbers, and takes steps alone.

    So no call is refused, no option is set, nothing is loaded, and no array is passed that a step might change. An
    optimizer that changes a gradient, or an array that is its learning rate, takes another step where that is used
    again. One that refuses a call half-way goes on from another state.
    """
    if _is_special(life) or _is_tiny(life) or _sets_options(life) or _loads(life):
        return False
    for action in life.actions:
        rates: list[Number | None] = []
        match action:
            case Refuse():
                return False
            case Construct():
                rates = [action.options.lr, *(group.options.lr for group in action.groups)]
            case SetLr():
                rates = [action.lr]
            case Step() if any(spec.values is None and not spec.is_absent for spec in action.gradients):
                return False
        if any(rate is not None and rate.kind in _ARRAYS for rate in rates):
            return False
    return True


def _sets_options(life: Life) -> bool:
    return any(isinstance(action, SetOption) for action in life.actions)


def _loads(life: Life) -> bool:
    return any(isinstance(action, Load) for action in life.actions)


def _numbers(life: Life) -> Iterator[float]:
    """The different numbers of a life's gradients."""
    for action in life.actions:
        for spec in action.gradients if isinstance(action, Step) else ():
            if spec.values is not None:
                yield from spec.values.pattern
                yield from (value for _, value in spec.values.exceptions)


def _is_special(life: Life) -> bool:
    """Whether a gradient has a NaN or an infinity."""
    return not all(math.isfinite(x) for x in _numbers(life))


def _is_tiny(life: Life) -> bool:
    """Whether a gradient has numbers that are subnormal, or soon are."""
    least = _SMALL * Format.of(life.dtype).smallest_normal
    return any(0 < abs(x) < least for x in _numbers(life))


def _is_narrower(kind: type[Machine], format_: Format) -> bool:
    return kind.narrows is None or Format.of(kind.narrows).precision < format_.precision


def _explains(parts: Sequence[_Part], kind: type[Machine]) -> bool:
    return all(not part.still_wrong(kind) for part in parts)


def _pairs(
    search: _Search, singles: Sequence[type[Machine]], medium: _Part, whole: _Part
) -> list[type[Machine]]:
    """Two deviations at once: one, or a rule, that explains some, and any other.

    None are found where it takes far longer than the budget to judge each deviation alone.
    """
    wrong = _cells(medium.batch, medium.judge(Machine))
    deadline = time.process_time() + _ALONE * search.budget
    cells = {}
    for kind in (*singles, *RULES):
        cells[kind] = _cells(medium.batch, medium.judge(kind))
        if time.process_time() > deadline:
            return []
    gain = {kind: len(wrong - rest) - 2 * len(rest - wrong) for kind, rest in cells.items()}
    ranked = sorted(singles, key=lambda kind: -gain[kind])
    firsts = sorted(cells, key=lambda kind: -gain[kind])
    found: list[type[Machine]] = []
    deadline = time.process_time() + search.budget
    for first in [kind for kind in firsts if gain[kind] > 0][:_LIKELY]:
        rest = sorted(whole.still_wrong(first), key=lambda k: len(search.all.traces[k].rows))
        quick = search.batch_of(rest[:2])
        for second in ranked:
            if time.process_time() > deadline:
                return found
            for kind in _both(first, second):
                if _explains((quick, medium, whole), kind):
                    found.append(kind)
                    break
        if found:
            return found
    return found


def _cells(batch: Batch, found: Unexplained) -> set[tuple[int, int]]:
    """The rows and quantities in which something is unexplained, and the checks."""
    result = {(int(batch.owner[k]), q) for q in range(3) for k in np.flatnonzero(found.wrong[q])}
    return result | {(-1 - check.life * 1000 - check.action, check.parameter) for check in found.checks}


def _both(first: type[Machine], second: type[Machine]) -> Iterator[type[Machine]]:
    if first is second or issubclass(first, second) or issubclass(second, first) or first.slug == second.slug:
        return
    if any(
        issubclass(x, CorrectionMissing) and y.of_correction for x, y in ((first, second), (second, first))
    ):
        return
    yield composed(first, second)
    if _overridden(first) & _overridden(second):
        yield composed(second, first)


def _overridden(kind: type[Machine]) -> set[str]:
    return {
        name
        for base in kind.__mro__
        if issubclass(base, Machine) and base is not Machine
        for name, value in vars(base).items()
        if callable(value)
    }


# Where none fits ------------------------------------------------------------------------------------------------


def _quantity(search: _Search) -> str:
    found = find_conditions(search.all, search.documented)
    if found is not None:
        return found.quantity
    return search.documented.checks[0].moment if search.documented.checks else "theta"


def _conditions(search: _Search) -> tuple[str, str]:
    return _conditions_of(search.all, search.documented)


def _conditions_of(batch: Batch, unexplained: Unexplained) -> tuple[str, str]:
    """The conditions of what is unexplained, and the first quantity that is off."""
    found: Conditions | None = find_conditions(batch, unexplained)
    if unexplained.checks:
        words = words_of_checks(unexplained, batch)
        moment = unexplained.checks[0].moment
        if found is None or not unexplained.wrong.any():
            return f"{moment} is off only {words}", moment
    assert found is not None
    return str(found), found.quantity


def _changes(search: _Search, observed: Sequence[_Observed]) -> str:
    """The conditions under which a gradient that was passed is changed."""
    batch = search.all
    changed = {
        (life, action, int(number.group(1)))
        for life, (_, seen) in enumerate(observed)
        for action, each in enumerate(seen)
        for change in each.changed
        if change.what is Watched.GRADIENT and (number := _NUMBER.search(change.words))
    }
    rows = np.array([(row.life, row.action, row.parameter) in changed for row in batch.rows], bool)
    wrong = np.zeros((3, batch.owner.size), bool)
    wrong[0] = rows[batch.owner]
    found = find_conditions(batch, Unexplained(wrong, []))
    return f"the gradient that was passed is changed {'' if found is None else found.words}".strip()


def _shortest(search: _Search) -> Life | None:
    """The life with the fewest numbers that shows it, up to where it does."""
    best: tuple[int, Any] | None = None
    batch = search.all
    elements = np.flatnonzero(search.documented.wrong.any(axis=0))
    first: dict[int, int] = {}
    for k in {int(x) for x in batch.owner[elements]}:
        row = batch.rows[k]
        first[row.life] = min(first.get(row.life, row.action), row.action)
    for check in search.documented.checks:
        first[check.life] = min(first.get(check.life, check.action), check.action)
    for life, action in first.items():
        each = batch.traces[life]
        size = sum(row.features["size"] for row in each.rows if row.action <= action) + 4 * action
        if best is None or size < best[0]:
            best = size, Life(each.life.name, each.life.dtype, each.life.actions[: action + 1])
    return None if best is None else best[1]
