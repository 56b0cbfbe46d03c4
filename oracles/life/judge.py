"""The judge of a life: every number after every action, and all else left alone.

Where m and u are seen, each step is judged on its own, from what was seen before it; all steps of a life in one call of
the vectorised oracle. Where they are hidden, their exact values are carried with the radii, and theta, which is
always seen, is exact before each step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from typing import Any, Final

import numpy as np

from ...reference.life import (
    Action,
    AddGroup,
    Ask,
    Construct,
    Copy,
    Drop,
    EditCheckpoint,
    Life,
    Load,
    Observation,
    OptimizerState,
    Outcome,
    Refusal,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
    Watched,
)
from ...reference.values import Values
from ..error_model import ErrorModel
from ..formats import Format
from ..judgement import divergence_of
from ..verdict import Divergence, Quantity
from ..worked import worked_step
from .findings import Aspect, Finding, LifeFindings
from .hidden import HiddenError, HiddenRun
from .model import (
    CheckpointModel,
    OptimizerModel,
    World,
    first_difference,
    gradient_values,
    zeros_like,
)
from .steps import NumberError, SteppedParameter, element_of, judge_steps
from .wording import locate

_OF_QUANTITY: Final = {Quantity.M: Aspect.M, Quantity.U: Aspect.U, Quantity.THETA: Aspect.THETA}

_QUANTITIES: Final = (Quantity.THETA, Quantity.M, Quantity.U)

Arrays = Sequence[Values | None]

_LARGE: Final = 64
"""A reason names the shape of a parameter of more elements: its size may be what matters."""


@dataclass(frozen=True)
class _ChangedNumber:
    """The first number of an optimizer that is not what it must be.

    Attributes:
        quantity: theta, m or u.
        parameter: its index.
        element: its index.
        expected: the number that it must be.
        actual: the number that it is.
    """

    quantity: Quantity
    parameter: int
    element: tuple[int, ...]
    expected: float
    actual: float


class LifeJudge:
    """Judges the observations of one life.

    Args:
        life: what was done.
        error_model: what the subject is judged against, by the dtype of a parameter.
        watched: what the caller holds and must find unchanged.
        nan_spreads: whether a NaN must show in what it enters.
        number: of the life, where several are judged at once.

    Attributes:
        stepped: each parameter in each step that was taken.
        result: what was found.
    """

    def __init__(
        self,
        life: Life,
        error_model: Callable[[str], ErrorModel],
        watched: Collection[Watched] = tuple(Watched),
        *,
        nan_spreads: bool = True,
        number: int = 0,
    ) -> None:
        self._nan_spreads = nan_spreads
        self._number = number
        self._life = life
        self._watched = watched
        self._error_model = error_model
        self._world = World()
        self.stepped: list[SteppedParameter] = []
        self._hidden: dict[int, HiddenRun] = {}
        self.result = LifeFindings()

    def judge(self, observations: Sequence[Observation]) -> LifeFindings:
        """Judge all observations; the findings are in the order of the actions."""
        self.take(observations)
        for error in judge_steps(self.stepped, self._error_model, self.result, nan_spreads=self._nan_spreads):
            self.add(error)
        return self.finish()

    def take(self, observations: Sequence[Observation]) -> None:
        """Judge all observations but the numbers of `stepped`."""
        for index, (action, seen) in enumerate(zip(self._life.actions, observations, strict=False)):
            if seen.outcome is Outcome.UNSUPPORTED:
                self.result.unsupported = f"{type(action).__name__}: {seen.message}"
                break
            if not self._take(index, action, seen):
                break

    def add(self, error: NumberError) -> None:
        """Add a wrong number among `stepped`."""
        self.result.findings.append(self._finding_of(error))

    def finish(self) -> LifeFindings:
        """The findings, in the order of the actions."""
        self.result.findings.sort(key=lambda finding: finding.action)
        return self.result

    def _take(self, index: int, action: Action, seen: Observation) -> bool:
        """Judge one action.

        Returns:
            Whether what follows can be judged.
        """
        for change in seen.changed:
            if change.what in self._watched:
                reason = f"after {locate(self._life, index)}, {change.words}"
                self._find(Aspect.UNTOUCHED, index, reason, "as it was", "changed", watched=change.what.name)
        if isinstance(action, Refuse):
            if seen.outcome is Outcome.DONE:
                self.result.unrefused = f"{action.refusal.value}, and the call was accepted"
                return False
            if action.refusal is Refusal.WRONG_SHAPE and self._is_half_taken(seen):
                self.result.unrefused = f"{action.refusal.value}, and the call was refused half-way"
                return False
            self._leave_alone(index, action, seen, Aspect.REFUSED)
            return True
        if seen.outcome is Outcome.REFUSED:
            reason = f"{locate(self._life, index)}, is allowed, and raised {seen.message}"
            self._find(Aspect.REFUSED, index, reason, "no exception", seen.message)
            return False
        moved = self._apply(action, index, seen)
        aspect = Aspect.CHECKPOINT if isinstance(action, Copy) else Aspect.UNTOUCHED
        self._leave_alone(index, action, seen, aspect, moved)
        for number, state in seen.optimizers.items():
            self._world.optimizers[number].state = state
        return True

    def _is_half_taken(self, seen: Observation) -> bool:
        """Whether earlier parameters were stepped before a gradient was refused.

        The page does not say that all shapes are looked at before the first parameter is stepped.
        """
        changed = (
            _changed_numbers(self._world.optimizers[number].state, state)
            for number, state in seen.optimizers.items()
        )
        return next(itertools.chain.from_iterable(changed), None) is not None

    def _leave_alone(
        self,
        index: int,
        action: Action,
        seen: Observation,
        aspect: Aspect,
        moved: Collection[int] = (),
    ) -> None:
        """Compare every number of every optimizer that an action does not move."""
        for number, state in seen.optimizers.items():
            if number in moved:
                continue
            before = self._world.optimizers[number].state
            for changed in _changed_numbers(before, state):
                whose = self._name(changed, number)
                reason = f"{locate(self._life, index)}, changed {whose} from {changed.expected!r} to {changed.actual!r}"
                if isinstance(action, Copy):
                    reason = (
                        f"after {locate(self._life, index)}, {whose} is {changed.actual!r}; "
                        f"it was {changed.expected!r}"
                    )
                self._find_number(aspect, index, number, changed, reason)

    # Actions -------------------------------------------------------------------------------------------------

    @singledispatchmethod
    def _apply(self, action: Any, index: int, seen: Observation) -> Collection[int]:
        """Judge what an action did to its own optimizer.

        Returns:
            The optimizers whose numbers the action may have changed, and that are judged here.
        """
        raise TypeError(f"{action!r}, action {index + 1} with the outcome {seen.outcome}, is not of a life")

    @_apply.register
    def _(self, action: Construct, _index: int, _seen: Observation) -> Collection[int]:
        model = OptimizerModel.constructed(action.groups, action.options)
        self._world.optimizers[action.optimizer] = model
        self._world.keywords[action.optimizer] = action.options
        return ()

    @_apply.register
    def _(self, action: Run, _index: int, seen: Observation) -> Collection[int]:
        model, state = self._world.optimizers[action.optimizer], seen.optimizers[action.optimizer]
        model.parameters = [p.advanced(action.steps) for p in model.parameters]
        model.steps += action.steps
        if state.m is None or state.u is None:
            # Nothing hidden is known after steps that were not looked at.
            self._hidden.pop(action.optimizer, None)
        return (action.optimizer,)

    @_apply.register
    def _(self, action: SetLr, _index: int, _seen: Observation) -> Collection[int]:
        self._world.optimizers[action.optimizer].set_option(action.group, "lr", float(action.lr.value))
        return ()

    @_apply.register
    def _(self, action: SetOption, _index: int, _seen: Observation) -> Collection[int]:
        self._world.optimizers[action.optimizer].set_option(action.group, action.name, action.value)
        return ()

    @_apply.register
    def _(self, action: AddGroup, _index: int, _seen: Observation) -> Collection[int]:
        keywords = self._world.keywords[action.optimizer]
        self._world.optimizers[action.optimizer].add_group(action.group, keywords)
        self._hidden.pop(action.optimizer, None)
        return ()

    @_apply.register
    def _(self, action: Save, _index: int, _seen: Observation) -> Collection[int]:
        model = self._world.optimizers[action.optimizer]
        self._world.checkpoints[action.checkpoint] = model.checkpoint()
        if action.optimizer in self._hidden:
            self._hidden[action.optimizer].save(action.checkpoint)
        return ()

    @_apply.register
    def _(self, action: SetCount, _index: int, _seen: Observation) -> Collection[int]:
        kept = self._world.checkpoints[action.checkpoint]
        self._world.checkpoints[action.checkpoint] = kept.with_count(action.count)
        return ()

    @_apply.register
    def _(self, action: Copy, _index: int, _seen: Observation) -> Collection[int]:
        self._world.optimizers[action.copy] = self._world.optimizers[action.optimizer].copy()
        self._world.keywords[action.copy] = self._world.keywords[action.optimizer]
        if action.optimizer in self._hidden:
            self._hidden[action.copy] = self._hidden[action.optimizer].copy()
        return ()

    @_apply.register
    def _(self, action: Drop, _index: int, _seen: Observation) -> Collection[int]:
        del self._world.optimizers[action.optimizer]
        return ()

    @_apply.register(EditCheckpoint)
    @_apply.register(Ask)
    def _(self, _action: EditCheckpoint | Ask, _index: int, _seen: Observation) -> Collection[int]:
        return ()

    @_apply.register
    def _(self, action: Load, index: int, seen: Observation) -> Collection[int]:
        number, state = action.optimizer, seen.optimizers[action.optimizer]
        model, kept = self._world.optimizers[number], self._world.checkpoints[action.checkpoint]
        theta = model.state.theta[: len(kept.parameters)] if action.fresh else model.state.theta
        expected = OptimizerState(
            theta, self._kept(model, kept, kept.state.m), self._kept(model, kept, kept.state.u)
        )
        for changed in _changed_numbers(expected, state):
            whose = "the parameters had" if changed.quantity is Quantity.THETA else "the checkpoint has"
            reason = (
                f"after {locate(self._life, index)}, {self._name(changed, number)} is {changed.actual!r}; "
                f"{whose} {changed.expected!r}"
            )
            self._find_number(Aspect.CHECKPOINT, index, number, changed, reason)
        current = [options.lr for options in model.options]
        specs = [parameter.spec for parameter in model.parameters]
        model.load(kept)
        if not action.fresh and len(specs) == len(model.parameters):
            model.parameters = [replace(p, spec=own) for p, own in zip(model.parameters, specs, strict=True)]
        self._compare_rates(index, number, current, state)
        if number in self._hidden and not self._hidden[number].load(action.checkpoint, model.steps):
            del self._hidden[number]
        return (number,)

    def _kept(
        self, model: OptimizerModel, kept: CheckpointModel, arrays: Sequence[Values | None] | None
    ) -> tuple[Values | None, ...] | None:
        """The arrays of a checkpoint, rounded to the parameters' own dtypes."""
        if arrays is None or len(model.parameters) != len(kept.parameters):
            return None if arrays is None else tuple(arrays)
        rounded: list[Values | None] = []
        for own, saved, array in zip(model.parameters, kept.parameters, arrays, strict=True):
            dtype = own.spec.dtype or self._life.dtype
            if array is not None and dtype != (saved.spec.dtype or self._life.dtype):
                array = array.mapped(Format.of(dtype).round_float)  # noqa: PLW2901
            rounded.append(array)
        return tuple(rounded)

    def _compare_rates(
        self, index: int, number: int, current: Sequence[float], state: OptimizerState
    ) -> None:
        """Compare the learning rates that are shown after a checkpoint was loaded.

        A subject may go on with its own rates, as far as it shows them.
        """
        model = self._world.optimizers[number]
        for group, (options, shown) in enumerate(zip(model.options, state.lr or (), strict=False)):
            if shown is None or _is_shown_as(options.lr, shown):
                continue
            if group < len(current) and _is_shown_as(current[group], shown):
                model.set_option(group, "lr", current[group])
                continue
            reason = (
                f"after {locate(self._life, index)}, lr of group {group} is shown as {shown!r}; "
                f"the checkpoint has {options.lr!r}"
            )
            self._find(
                Aspect.CHECKPOINT, index, reason, repr(options.lr), repr(shown), optimizer=number, group=group
            )

    # Steps ---------------------------------------------------------------------------------------------------

    @_apply.register
    def _(self, action: Step, index: int, seen: Observation) -> Collection[int]:
        number, state = action.optimizer, seen.optimizers[action.optimizer]
        model = self._world.optimizers[number]
        gradients = gradient_values(action.gradients, model.state.theta)
        stepped = list(model.parameters)
        for i, (parameter, gradient) in enumerate(zip(model.parameters, gradients, strict=True)):
            if gradient is None:
                self._compare_unmoved(index, number, i, state)
                continue
            stepped[i] = parameter.advanced()
            m, u = _seen(state.m, i), _seen(state.u, i)
            if m is None or u is None:
                if gradient.size and _shows_any(state.m) and _shows_any(state.u):
                    reason = (
                        f"parameter {i} of optimizer {number} has a gradient in {locate(self._life, index)}, "
                        "and no m and u after it, which other parameters have"
                    )
                    self._find(Aspect.THETA, index, reason, "a step", "none", optimizer=number, parameter=i)
                continue
            zeros = zeros_like(parameter.spec.values)
            m_before, u_before = _seen(model.state.m, i), _seen(model.state.u, i)
            self.stepped.append(
                SteppedParameter(
                    index,
                    number,
                    i,
                    model.options[parameter.group],
                    (stepped[i].count, *stepped[i].others),
                    (model.state.theta[i], m_before or zeros, u_before or zeros, gradient),
                    (state.theta[i], m, u),
                    parameter.spec.dtype or self._life.dtype,
                    self._number,
                )
            )
        if state.m is None or state.u is None:
            self._judge_hidden(index, number, gradients, state)
        model.parameters = stepped
        model.steps += 1
        return (number,)

    def _compare_unmoved(self, index: int, number: int, parameter: int, after: OptimizerState) -> None:
        """Compare a parameter without a gradient, which a step leaves alone."""
        before = self._world.optimizers[number].state
        for changed in _changed_numbers(before, after, parameter):
            reason = (
                f"{locate(self._life, index)}, changed {self._name(changed, number)} from "
                f"{changed.expected!r} to {changed.actual!r}; the parameter has no gradient there"
            )
            self._find_number(Aspect.UNTOUCHED, index, number, changed, reason)

    def _judge_hidden(
        self, index: int, number: int, gradients: Sequence[Values | None], state: OptimizerState
    ) -> None:
        model = self._world.optimizers[number]
        if number not in self._hidden:
            if model.steps:
                return
            self._hidden[number] = HiddenRun.start(model, self._life.dtype, self._error_model)
        for error in self._hidden[number].step(model, gradients, state, self.result):
            divergence = self._hidden_divergence(index, number, error)
            self.result.findings.append(Finding(Aspect.THETA, index, divergence))

    # Evidence ------------------------------------------------------------------------------------------------

    def _finding_of(self, error: NumberError) -> Finding:
        stepped, quantity = error.stepped, error.quantity
        whose = self._where(quantity, error.element, stepped.parameter, stepped.optimizer)
        when = f"after {locate(self._life, stepped.action)}"
        evidence = self._evidence(stepped.action, stepped.optimizer)
        if error.judgement is None:
            theta, m, u, g = error.before
            before = f"before it, theta was {theta!r}, m {m!r}, u {u!r} and the gradient {g!r}"
            reason = f"{whose} is {error.actual!r} {when}, and must be {error.expected}; {before}"
            divergence = Divergence(
                quantity,
                reason,
                error.expected,
                repr(error.actual),
                step=stepped.counts[0],
                parameter=stepped.parameter,
                element=error.element,
                extra=evidence,
            )
            return Finding(Aspect.SPECIAL, stepped.action, divergence)
        measured = error.judgement.error_size
        assert measured is not None
        size = _size_in_words(error.actual, measured.in_ulp, measured.over_bound)
        reason = f"{whose} is {size} {when}"
        location = (stepped.counts[0], stepped.parameter, error.element)
        divergence = divergence_of(quantity, reason, error.judgement, location, None)
        if len(stepped.counts) == 1:
            model = self._error_model(stepped.dtype)
            evidence |= worked_step(error.before, error.after, stepped.options, stepped.counts[0], model)
        return Finding(_OF_QUANTITY[quantity], stepped.action, replace(divergence, extra=evidence))

    def _hidden_divergence(self, index: int, number: int, error: HiddenError) -> Divergence:
        whose = self._where(Quantity.THETA, error.element, error.parameter, number)
        size = _size_in_words(error.actual, error.in_ulp, error.over_bound)
        return Divergence(
            quantity=Quantity.THETA,
            reason=f"{whose} is {size} after {locate(self._life, index)} (m and u are hidden)",
            expected=repr(error.exact),
            actual=repr(error.actual),
            expected_hex=error.rounded.hex(),
            actual_hex=error.actual.hex(),
            error_ulp=error.in_ulp,
            error_over_bound=error.over_bound,
            bound=f"{error.radius:.6g}",
            step=error.step,
            parameter=error.parameter,
            element=error.element,
            extra=self._evidence(index, number),
        )

    def _find_number(
        self, aspect: Aspect, index: int, number: int, changed: _ChangedNumber, reason: str
    ) -> None:
        divergence = Divergence(
            changed.quantity,
            reason,
            repr(changed.expected),
            repr(changed.actual),
            changed.expected.hex(),
            changed.actual.hex(),
            parameter=changed.parameter,
            element=changed.element,
            extra=self._evidence(index, number),
        )
        self.result.findings.append(Finding(aspect, index, divergence))

    def _find(
        self, aspect: Aspect, index: int, reason: str, expected: str, actual: str, **facts: Any
    ) -> None:
        evidence = {**self._evidence(index), **facts}
        divergence = Divergence(Quantity.OUTCOME, reason, expected, actual, extra=evidence)
        self.result.findings.append(Finding(aspect, index, divergence))

    def _evidence(self, index: int, number: int | None = None) -> dict[str, Any]:
        """The life up to an action, which may be the last that matters."""
        life = replace(self._life, actions=self._life.actions[: index + 1])
        optimizer = {} if number is None else {"optimizer": number}
        return {"life": life.to_json(), "action": index + 1, **optimizer}

    def _name(self, changed: _ChangedNumber, optimizer: int) -> str:
        return self._where(changed.quantity, changed.element, changed.parameter, optimizer)

    def _where(self, quantity: Quantity, element: tuple[int, ...], parameter: int, optimizer: int) -> str:
        parts = [f"{quantity.value} of element {list(element)}, parameter {parameter}"]
        model = self._world.optimizers.get(optimizer)
        if model is not None and parameter < len(model.parameters):
            values = model.parameters[parameter].spec.values
            parts[0] += f" of shape {list(values.shape)}" if values.size > _LARGE else ""
        if model is not None and len(model.options) > 1 and parameter < len(model.parameters):
            parts.append(f"group {model.parameters[parameter].group}")
        if len(self._world.keywords) > 1:
            parts.append(f"optimizer {optimizer}")
        return ", ".join(parts)


def _size_in_words(actual: float, in_ulp: float, over_bound: float) -> str:
    if not math.isfinite(actual):
        return f"{actual!r}, and must be finite,"
    if math.isinf(over_bound):
        return f"off by {in_ulp:.4g} ulp, where no error is admissible,"
    return f"off by {in_ulp:.4g} ulp, {over_bound:.4g} times the proven bound,"


def _shows_any(arrays: Sequence[Values | None] | None) -> bool:
    return arrays is not None and any(each is not None for each in arrays)


def _seen(arrays: Arrays | None, index: int) -> Values | None:
    return arrays[index] if arrays is not None and index < len(arrays) else None


def _changed_numbers(
    then: OptimizerState, now: OptimizerState, only: int | None = None
) -> Iterator[_ChangedNumber]:
    """The first number of each quantity that is not as it must be.

    A number that was not there before must be 0, and one that is hidden is not compared.

    Args:
        then: as it must be.
        now: as it is.
        only: the index of the parameter to look at; all are if it is None.
    """
    for quantity in _QUANTITIES:
        before: Arrays = getattr(then, quantity.value) or ()
        after: Arrays = getattr(now, quantity.value) or ()
        for parameter, (a, b) in enumerate(zip(before, after, strict=False)):
            if b is None or only not in {None, parameter}:
                continue
            expected = zeros_like(b) if a is None else a
            index = first_difference(expected, b)
            if index is not None:
                yield _ChangedNumber(
                    quantity,
                    parameter,
                    element_of(index, b.shape),
                    _number(expected, index),
                    _number(b, index),
                )
                break


def _number(values: Values, index: int) -> float:
    """One element; NaN where there is none."""
    return float(values.take(np.array([index]))[0]) if index < values.size else math.nan


def _is_shown_as(lr: float, shown: float) -> bool:
    """Compare a learning rate with the one shown, which may be rounded to a format."""
    return shown in {lr, *(format_.round_float(lr) for format_ in Format)}
