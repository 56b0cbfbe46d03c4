"""Deviations of the books: counters, options, and what is carried of m and u."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from .machine import ANY, Machine, SavedBooks, Source
from .machine import Origin as From

_COUNT: Final = "t counts the steps of the parameter"
_OPTION: Final = "a step uses its group's options in force"
_STATE: Final = "m and u are those that the parameter's step before left"


class OfCount(Machine):
    """A deviation of the counter."""

    documented = _COUNT


class OfOption(Machine):
    """A deviation of where options come from."""

    documented = _OPTION


class OfState(Machine):
    """A deviation of what is carried."""

    documented = _STATE


# Learning rates and options ---------------------------------------------------------------------------------


class RateOfStepBefore(OfOption):
    slug = "lr-of-step-before"
    sentence = "a learning rate that is set takes effect one step late"
    line = "a step uses the lr of the step before"

    def construct(
        self, options: Sequence[dict[str, Any]], shapes: Sequence[Sequence[tuple[int, ...]]]
    ) -> None:
        super().construct(options, shapes)
        self._last = [each["lr"] for each in self.options]

    def option(self, name: str, i: int) -> Any:
        group = self.group_of[i]
        return self._last[group] if name == "lr" and group < len(self._last) else super().option(name, i)

    def end(self) -> None:
        super().end()
        self._last = [each["lr"] for each in self.options]


class RateOfStepBeforeFromFirst(OfOption):
    slug = "lr-of-step-before"
    sentence = "a learning rate that is set after the first step takes effect one step late"
    line = "a step uses the lr of the step before"

    def option(self, name: str, i: int) -> Any:
        last = getattr(self, "_last", None)
        return last[self.group_of[i]] if name == "lr" and last is not None else super().option(name, i)

    def end(self) -> None:
        super().end()
        self._last = [each["lr"] for each in self.options]


class RateAtConstruction(OfOption):
    slug = "lr-frozen"
    sentence = "the learning rate is the one at construction; setting it has no effect"
    line = "a step uses the lr of the construction"

    def add_group(self, options: dict[str, Any], shapes: Sequence[tuple[int, ...]]) -> None:
        super().add_group(options, shapes)
        self._first = [*getattr(self, "_first", []), options["lr"]]

    def option(self, name: str, i: int) -> Any:
        return self._first[self.group_of[i]] if name == "lr" else super().option(name, i)


def _of_other_group(name: str, which: str) -> type[Machine]:
    class OfOtherGroup(OfOption):
        slug = f"{name.replace('_', '-')}-of-{which}-group"
        sentence = f"every group uses the {name} of the {which} group"
        line = f"a step uses the {name} of the {which} group"

        def option(self, asked: str, i: int) -> Any:
            if asked != name:
                return super().option(asked, i)
            return self.options[0 if which == "first" else -1][asked]

    return OfOtherGroup


def _missing_in_group(name: str, neutral: Any, which: str) -> type[Machine]:
    class MissingInGroup(OfOption):
        slug = f"{name.replace('_', '-')}-missing-in-{which}-group"
        sentence = f"the {which} group has no {name}"
        line = f"{name} = {neutral} in the {which} group"

        def option(self, asked: str, i: int) -> Any:
            group, last = self.group_of[i], len(self.options) - 1
            hit = {
                "first": group == 0 and last > 0,
                "second": group == 1,
                "last": group == last > 0,
                "further": group > 0,
            }[which]
            return neutral if asked == name and hit else super().option(asked, i)

    return MissingInGroup


_PARTS: Final = {
    "betas": ("beta1", "beta2"),
    "eps": ("eps",),
    "weight_decay": ("weight_decay",),
    "maximize": ("maximize",),
    "lr": ("lr",),
}


def _frozen(name: str, *, by_group: bool) -> type[Machine]:
    parts = _PARTS[name]

    class Frozen(OfOption):
        slug = f"{name.replace('_', '-')}-frozen{'' if by_group else '-at-first-group'}"
        sentence = f"{name} is frozen at its first value{'' if by_group else ', that of the first group'}"
        line = f"a step uses the {name} of the first step"

        def option(self, asked: str, i: int) -> Any:
            if asked not in parts:
                return super().option(asked, i)
            kept = self.__dict__.setdefault("_frozen_" + name, {})
            return kept.setdefault((asked, self.group_of[i] if by_group else 0), super().option(asked, i))

    return Frozen


def _frozen_in_process(name: str) -> type[Machine]:
    parts = _PARTS[name]

    class FrozenInProcess(OfOption):
        slug = f"{name.replace('_', '-')}-frozen-in-process"
        sentence = f"{name} is frozen at the first value that any optimizer of the process had"
        line = f"every optimizer uses the {name} of the first"
        needs_process = True

        def option(self, asked: str, i: int) -> Any:
            if asked not in parts:
                return super().option(asked, i)
            return self.process.setdefault(f"frozen {asked}", super().option(asked, i))

    return FrozenInProcess


# Counters -----------------------------------------------------------------------------------------------------


class CounterSharedByGroups(OfCount):
    slug = "counter-shared-by-groups"
    sentence = "the groups share a counter, and each group advances it"
    line = "t counts the steps of all groups together"

    def count(self, i: int) -> None:
        super().count(i)
        first = i == 0 or self.group_of[i] != self.group_of[i - 1]
        self._ticks = getattr(self, "_ticks", 0) + first
        self.counts[i] = self._ticks

    def load(self, saved: SavedBooks) -> None:
        super().load(saved)
        self._ticks = max(self.counts, default=0)


class CounterSharedByParameters(OfCount):
    slug = "counter-shared-by-parameters"
    sentence = "the parameters share a counter, and each parameter advances it"
    line = "t counts the steps of all parameters together"

    def count(self, i: int) -> None:
        before = max(self.counts)
        super().count(i)
        self.counts[i] = before + 1


class CounterSharedByOptimizers(OfCount):
    slug = "counter-shared-by-optimizers"
    sentence = "all optimizers of the process share a counter"
    line = "t counts the steps of all optimizers together"
    needs_process = True

    def begin(self, zero_gradients: Sequence[bool]) -> None:
        super().begin(zero_gradients)
        self.process["t"] = self.process.get("t", 0) + 1

    def time(self, i: int) -> int:
        return int(self.process.get("t", 1))


class CounterSharedByParametersAndOptimizers(OfCount):
    slug = "counter-shared-by-all"
    sentence = "all parameters of all optimizers share a counter"
    line = "t counts the steps of all parameters of the process"
    needs_process = True

    def count(self, i: int) -> None:
        super().count(i)
        self.process["t"] = self.process.get("t", 0) + 1
        self.counts[i] = self.process["t"]


class CounterRestartedByLoad(OfCount):
    slug = "counter-restarted-by-load"
    sentence = "loading a checkpoint restarts the step counter"
    line = "t = 0 after a checkpoint was loaded"

    def load(self, saved: SavedBooks) -> None:
        super().load(saved)
        self.counts = [0] * len(self.counts)


class CounterNotLoaded(OfCount):
    slug = "counter-not-loaded"
    sentence = "loading a checkpoint leaves the step counter as it is"
    line = "t is not taken from the checkpoint"

    def load(self, saved: SavedBooks) -> None:
        before = self.counts
        super().load(saved)
        self.counts = [*before, *[0] * len(self.counts)][: len(self.counts)]


class CounterAheadAfterLoad(OfCount):
    slug = "counter-ahead-after-load"
    sentence = "loading a checkpoint advances the step counter by one"
    line = "t = t + 1 when a checkpoint is loaded"

    def load(self, saved: SavedBooks) -> None:
        super().load(saved)
        self.counts = [n + 1 for n in self.counts]


class CounterBehindAfterLoad(OfCount):
    slug = "counter-behind-after-load"
    sentence = "loading a checkpoint sets the step counter back by one"
    line = "t = t - 1 when a checkpoint is loaded"

    def load(self, saved: SavedBooks) -> None:
        super().load(saved)
        self.counts = [max(n - 1, 0) for n in self.counts]


class CounterCountsSkipped(OfCount):
    slug = "counter-counts-skipped"
    sentence = "a step without a gradient is counted"
    line = "t counts the calls, with a gradient or without"

    def skip(self, i: int) -> None:
        super().skip(i)
        self.counts[i] += 1


class CounterCountsRefused(OfCount):
    slug = "counter-counts-refused"
    sentence = "a refused step is counted"
    line = "t counts the calls, refused ones too"

    def refuse(self) -> None:
        super().refuse()
        self.counts = [n + 1 for n in self.counts]


def _moving_when_refused(counted: str) -> type[Machine]:
    class RefusedStepMoves(OfState):
        slug = "refused-step-moves-theta"
        sentence = "a step that it refuses moves theta before it is refused"
        documented = "a refused call changes nothing"
        line = "theta, m and u change in a refused call"
        moves_refused = True

        def refuse(self) -> None:
            super().refuse()
            self._refused = True
            if counted != "none":
                moved = len(self.counts) if counted == "all" else 1
                self.counts = [n + (i < moved) for i, n in enumerate(self.counts)]

        def kept(self, moment: str, i: int) -> Source:
            return ANY if getattr(self, "_refused", False) else super().kept(moment, i)

        def begin(self, zero_gradients: Sequence[bool]) -> None:
            self._refused = False
            super().begin(zero_gradients)

        def set(self, group: int, name: str, value: Any) -> None:
            self._refused = False
            super().set(group, name, value)

        def save(self) -> SavedBooks:
            self._refused = False
            return super().save()

    return RefusedStepMoves


class CounterRestartedByRate(OfCount):
    slug = "counter-restarted-by-lr"
    sentence = "setting the learning rate restarts the step counter"
    line = "t = 0 when lr is set"

    def set(self, group: int, name: str, value: Any) -> None:
        super().set(group, name, value)
        if name == "lr":
            self.counts = [0 if g == group else n for n, g in zip(self.counts, self.group_of, strict=True)]


class CounterRestartedByAnyRate(OfCount):
    slug = "counter-restarted-by-lr"
    sentence = "setting a learning rate restarts every step counter"
    line = "t = 0 when lr is set"

    def set(self, group: int, name: str, value: Any) -> None:
        super().set(group, name, value)
        if name == "lr":
            self.counts = [0] * len(self.counts)


class CounterDoubled(OfCount):
    slug = "counter-doubled"
    sentence = "each step is counted twice"
    line = "t = 2*(number of steps)"

    def time(self, i: int) -> int:
        return 2 * super().time(i)


def wrapped(bits: int, *, signed: bool = False, to_one: bool = False) -> type[Machine]:
    """A counter of so many bits: it wraps to 0, to 1, or to the negative."""
    size = 1 << bits
    kind = "a signed" if signed else "a"

    class Wrapped(OfCount):
        slug = f"counter-wraps-2^{bits}{'-signed' * signed}{'-to-1' * to_one}"
        sentence = f"the step counter wraps at 2^{bits - signed}, like {kind} {bits}-bit integer" + (
            ", to 1" * to_one
        )
        line = f"t modulo 2^{bits}"

        def time(self, i: int) -> int:
            t = super().time(i)
            if to_one:
                return (t - 1) % size + 1
            t %= size
            return t - size if signed and t >= size // 2 else t

    return Wrapped


def restarting(period: int, *, to_one: bool) -> type[Machine]:
    """A counter that starts again after any number of steps: at 0, or at 1."""

    class Restarting(OfCount):
        slug = f"counter-restarts-after-{period if to_one else period - 1}"
        sentence = f"the step counter starts again at {int(to_one)} after {period if to_one else period - 1}"
        line = f"(t - 1) modulo {period} + 1" if to_one else f"t modulo {period}"

        def time(self, i: int) -> int:
            t = super().time(i)
            return (t - 1) % period + 1 if to_one else t % period

    return Restarting


def capped(last: int) -> type[Machine]:
    """A counter that stops."""

    class Capped(OfCount):
        slug = f"counter-stops-at-{last}"
        sentence = f"the step counter stops at {last}"
        line = f"min(t, {last})"

        def time(self, i: int) -> int:
            return min(super().time(i), last)

    return Capped


# m and u -------------------------------------------------------------------------------------------------------

_NAMES: Final = {"m": ("m",), "u": ("u",), "m-and-u": ("m", "u")}


class _Resets(OfState):
    """A deviation by events; what is zero is seen so at once, or at the next step."""

    def on(self, event: str, members: Iterable[int]) -> None:
        """Something happens to some parameters."""

    def set(self, group: int, name: str, value: Any) -> None:
        super().set(group, name, value)
        if name == "lr":
            self.on("lr", [i for i, own in enumerate(self.group_of) if own == group])
            self.on("any-lr", range(len(self.counts)))

    def load(self, saved: SavedBooks) -> None:
        super().load(saved)
        self.on("load", range(len(self.counts)))

    def save(self) -> SavedBooks:
        saved = super().save()
        self.on("save", range(len(self.counts)))
        return saved

    def refuse(self) -> None:
        super().refuse()
        self.on("refusal", range(len(self.counts)))

    def skip(self, i: int) -> None:
        super().skip(i)
        self.on("skip", [i])

    def begin(self, zero_gradients: Sequence[bool]) -> None:
        super().begin(zero_gradients)
        self.on("zero", [i for i, zero in enumerate(zero_gradients) if zero])


_EVENTS: Final = {
    "lr": "setting the learning rate",
    "any-lr": "setting the learning rate of any group",
    "load": "loading a checkpoint",
    "save": "saving a checkpoint",
    "refusal": "a refused step",
    "skip": "a step without a gradient",
    "zero": "a gradient of zeros",
}


def _reset(what: str, event: str, *, counts: bool = False) -> type[Machine]:
    named = what.replace("-", " ") + (" and the step counter" if counts else "")

    class Reset(_Resets):
        slug = f"{what}{'-and-counter' * counts}-reset-by-{'lr' if event == 'any-lr' else event}"
        sentence = f"{_EVENTS[event]} resets {named} to zero"
        line = f"{', '.join(_NAMES[what])} = 0 after {_EVENTS[event]}"

        def on(self, happened: str, members: Iterable[int]) -> None:
            super().on(happened, members)
            if happened != event:
                return
            for moment in _NAMES[what]:
                self.zeroed[moment] |= set(members)
            if counts:
                self.counts = [0 if i in members else n for i, n in enumerate(self.counts)]

    return Reset


def reset_at(what: str, step: int, every: int = 0, *, counts: bool = False) -> type[Machine]:
    """Moments that are zero again before a step, and periodically after it."""

    def is_reset(t: int) -> bool:
        return t == step or (every > 0 and t > step and (t - step) % every == 0)

    class ResetAtStep(OfState):
        slug = f"{what}{'-and-counter' * counts}-reset-at-step-{step}{f'-every-{every}' if every else ''}"
        sentence = (
            f"{what.replace('-', ' ')}{' and the step counter' * counts} start again at step {step}"
            f"{f' and every {every} steps' if every else ''}"
        )
        line = f"{', '.join(_NAMES[what])} = 0 before step {step}"

        def count(self, i: int) -> None:
            super().count(i)
            if is_reset(self.counts[i]):
                for moment in _NAMES[what]:
                    self.zeroed[moment].add(i)

        def time(self, i: int) -> int:
            t = super().time(i)
            if not counts or t < step:
                return t
            return (t - step) % every + 1 if every else t - step + 1

    return ResetAtStep


def _shared(what: str) -> type[Machine]:
    class Shared(OfState):
        slug = f"{what}-shared-by-parameters"
        sentence = f"parameters of one shape share {what.replace('-', ' ')}"
        line = f"{what.replace('-', ' ')} of another parameter of the same shape"

        def begin(self, zero_gradients: Sequence[bool]) -> None:
            super().begin(zero_gradients)
            self._stepped: dict[tuple[int, ...], int] = {}

        def count(self, i: int) -> None:
            super().count(i)
            self._earlier = self._stepped.get(self.shapes[i])
            self._stepped[self.shapes[i]] = i

        def source(self, moment: str, i: int) -> Source:
            if moment not in _NAMES[what] or self._earlier is None:
                return super().source(moment, i)
            return Source(From.STEPPED, self._earlier)

        def shown(self, moment: str, i: int) -> int:
            if moment not in _NAMES[what]:
                return super().shown(moment, i)
            return max(j for j, shape in enumerate(self.shapes) if shape == self.shapes[i])

    return Shared


def _swapped(what: str, event: str) -> type[Machine]:
    class Swapped(OfState):
        slug = f"{what}-swapped-by-{event}"
        sentence = (
            f"{what.replace('-', ' ')} of parameters of one shape are swapped "
            f"{'in every step' if event == 'step' else 'when a checkpoint is loaded'}"
        )
        line = f"{what.replace('-', ' ')} of another parameter of the same shape"

        def partner(self, moment: str, i: int) -> int:
            if moment not in _NAMES[what]:
                return i
            alike = [j for j, shape in enumerate(self.shapes) if shape == self.shapes[i]]
            return alike[(alike.index(i) + 1) % len(alike)] if len(alike) == 2 else alike[-1 - alike.index(i)]

        def shown(self, moment: str, i: int) -> int:
            return self.partner(moment, i) if event == "step" else super().shown(moment, i)

        def restored(self, moment: str, i: int, checkpoint: int) -> Source:
            if event == "load":
                return Source(From.SAVED, self.partner(moment, i), checkpoint)
            return super().restored(moment, i, checkpoint)

    return Swapped


def _not_restored(what: str) -> type[Machine]:
    class NotRestored(OfState):
        slug = f"{what}-not-loaded"
        sentence = f"loading a checkpoint leaves {what.replace('-', ' ')} as it is"
        line = f"{what.replace('-', ' ')} is not taken from the checkpoint"

        def restored(self, moment: str, i: int, checkpoint: int) -> Source:
            if moment in _NAMES[what]:
                return Source(From.BEFORE, i)
            return super().restored(moment, i, checkpoint)

    return NotRestored


_WIDTHS: Final = (*range(4, 17), 24, 31, 32)
_GROUPS: Final = ("first", "second", "last", "further")
_OPTIONS: Final = ("lr", "beta1", "beta2", "eps", "weight_decay", "maximize")

BOOKS: Final[tuple[type[Machine], ...]] = (
    RateOfStepBefore,
    RateOfStepBeforeFromFirst,
    RateAtConstruction,
    *(_of_other_group(name, which) for name in _OPTIONS for which in ("first", "last")),
    *(_missing_in_group("weight_decay", 0.0, which) for which in _GROUPS),
    *(_missing_in_group("maximize", False, which) for which in ("first", "further")),
    *(_frozen(name, by_group=by_group) for name in _PARTS for by_group in (True, False)),
    *(_frozen_in_process(name) for name in _PARTS),
    CounterSharedByGroups,
    CounterSharedByParameters,
    CounterSharedByOptimizers,
    CounterSharedByParametersAndOptimizers,
    CounterRestartedByLoad,
    CounterNotLoaded,
    CounterAheadAfterLoad,
    CounterBehindAfterLoad,
    CounterCountsSkipped,
    CounterCountsRefused,
    *map(_moving_when_refused, ("none", "all", "first")),
    CounterRestartedByRate,
    CounterRestartedByAnyRate,
    CounterDoubled,
    *(wrapped(bits) for bits in _WIDTHS),
    *(wrapped(bits, to_one=True) for bits in _WIDTHS),
    *(wrapped(bits, signed=True) for bits in (8, 16, 32)),
    *(
        _reset(what, event, counts=counts)
        for what in _NAMES
        for event in ("lr", "any-lr", "load", "save", "refusal", "skip", "zero")
        for counts in (False, True)
        if not counts or what == "m-and-u"
    ),
    *(_shared(what) for what in _NAMES),
    *(_swapped(what, event) for what in _NAMES for event in ("step", "load")),
    *(_not_restored(what) for what in _NAMES),
)
"""All of them; the steps at which something is reset are found in what was observed."""
