"""The judge of a life: every number after every action against what must hold, and everything else left alone.

Where m and u are seen, each step is judged on its own, from what was seen before it; all steps of a life in one call of
the vectorised oracle. Where they are hidden, their exact values are carried with the radii, and theta, which is
always seen, is exact before each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...reference.hyperparameters import Hyperparameters
from ...reference.life import (
    Action,
    AddGroup,
    Construct,
    Copy,
    Drop,
    Life,
    Load,
    Observation,
    OptimizerState,
    Outcome,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
    Values,
    Watched,
)
from ..batch.arrays import ArraySteps, StepErrors
from ..error_model import ErrorModel
from ..judgement import Judgement, divergence_of
from ..verdict import Divergence, Quantity
from .hidden import HiddenRun
from .model import OptimizerModel, World, gradient_values, same_numbers, zeros_like
from .special import special_errors

QUANTITIES: Final = (Quantity.M, Quantity.U, Quantity.THETA)


class Aspect(Enum):
    """What is wrong about a life."""

    M = "m"
    U = "u"
    THETA = "theta"
    SPECIAL = "special"
    """A number that is not finite, or should not be."""
    UNTOUCHED = "untouched"
    """Something that an action must leave alone has changed."""
    REFUSED = "refused"
    """A call that is right was refused, or one that was refused left a trace."""
    CHECKPOINT = "checkpoint"
    """A checkpoint or a copy brought back something else."""


_OF_QUANTITY: Final = {Quantity.M: Aspect.M, Quantity.U: Aspect.U, Quantity.THETA: Aspect.THETA}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong about a life.

    Attributes:
        aspect: what is wrong.
        action: the index of the action after which it shows.
        divergence: the evidence.
    """

    aspect: Aspect
    action: int
    divergence: Divergence


@dataclass
class LifeFindings:
    """What was found of lives.

    Attributes:
        findings: in the order of the actions.
        judged: numbers compared.
        open: those without a finite bound.
        largest_over_bound: the largest error as a fraction of its bound.
        unsupported: the first action that the subject does not support, and why.
        unrefused: calls that were accepted where a refusal was expected.
    """

    findings: list[Finding] = field(default_factory=list)
    judged: int = 0
    open: int = 0
    largest_over_bound: float = 0.0
    unsupported: str = ""
    unrefused: str = ""


@dataclass
class _Rows:
    """Elements of one parameter in one step, to be judged together with all others."""

    action: int
    optimizer: int
    parameter: int
    steps: tuple[int, ...]
    values: tuple[Values, Values, Values, Values]
    after: tuple[Values, Values, Values]
    dtype: str
    indices: npt.NDArray[np.intp]


class LifeJudge:
    """Judges the observations of one life.

    Args:
        life: what was done.
        error_model: what the subject is judged against, by the dtype of a parameter.
        watched: what the caller holds and must find unchanged.
    """

    def __init__(
        self,
        life: Life,
        error_model: Callable[[str], ErrorModel],
        watched: Collection[Watched] = tuple(Watched),
    ) -> None:
        self._life = life
        self._watched = watched
        self._error_model = error_model
        self._world = World()
        self._rows: list[_Rows] = []
        self._steps: dict[tuple[Hyperparameters, int], int] = {}
        self._hidden: dict[int, HiddenRun] = {}
        self.result = LifeFindings()

    def judge(self, observations: Sequence[Observation]) -> LifeFindings:
        """Judge all observations; the findings are in the order of the actions."""
        for index, (action, seen) in enumerate(zip(self._life.actions, observations, strict=False)):
            if seen.outcome is Outcome.UNSUPPORTED:
                self.result.unsupported = f"{type(action).__name__}: {seen.message}"
                break
            if not self._take(index, action, seen):
                break
        self._judge_rows()
        self.result.findings.sort(key=lambda finding: finding.action)
        return self.result

    # Actions -------------------------------------------------------------------------------------------------

    def _take(self, index: int, action: Action, seen: Observation) -> bool:
        """Judge one action; whether what follows can be judged."""
        for change in seen.changed:
            if change.what in self._watched:
                self._find(Aspect.UNTOUCHED, index, f"after {_describe(action)}, {change.words}")
        if isinstance(action, Refuse):
            if seen.outcome is Outcome.DONE:
                self.result.unrefused = f"{action.refusal.value}, and the call was accepted"
                return False
            self._leave_alone(index, action, seen, Aspect.REFUSED)
            return True
        if seen.outcome is Outcome.REFUSED:
            self._find(Aspect.REFUSED, index, f"{_describe(action)} raised {seen.message}")
            return False
        moved = self._apply(index, action, seen)
        self._leave_alone(index, action, seen, Aspect.UNTOUCHED, moved)
        for number, state in seen.optimizers.items():
            self._world.optimizers[number].state = state
        return True

    def _apply(self, index: int, action: Action, seen: Observation) -> set[int]:
        """Judge what an action did to its own optimizer; the optimizers whose state may have changed."""
        world = self._world
        match action:
            case Construct():
                model = OptimizerModel.constructed(action.groups, action.options)
                world.optimizers[action.optimizer], world.keywords[action.optimizer] = model, action.options
                return set()
            case Step():
                self._step(index, action, seen.optimizers[action.optimizer])
                return {action.optimizer}
            case Run():
                model = world.optimizers[action.optimizer]
                model.parameters = [p.advanced(action.steps) for p in model.parameters]
                model.steps += action.steps
                self._hide(action.optimizer, seen.optimizers[action.optimizer])
                return {action.optimizer}
            case SetLr():
                options = world.optimizers[action.optimizer].options
                old = options[action.group]
                options[action.group] = Hyperparameters.from_options(
                    {**old.options(), "lr": float(action.lr.value)}
                )
            case SetOption():
                options = world.optimizers[action.optimizer].options
                old = options[action.group]
                options[action.group] = Hyperparameters.from_options(
                    {**old.options(), action.name: action.value}
                )
            case AddGroup():
                world.optimizers[action.optimizer].add_group(action.group, world.keywords[action.optimizer])
                self._hidden.pop(action.optimizer, None)
            case Save():
                world.checkpoints[action.checkpoint] = world.optimizers[action.optimizer].checkpoint()
                if action.optimizer in self._hidden:
                    self._hidden[action.optimizer].save(action.checkpoint)
            case SetCount():
                kept = world.checkpoints[action.checkpoint]
                more = [p.advanced(action.count - p.count) for p in kept.parameters]
                world.checkpoints[action.checkpoint] = type(kept)(tuple(more), kept.options, kept.state)
            case Load():
                self._load(index, action, seen.optimizers[action.optimizer])
                return {action.optimizer}
            case Copy():
                world.optimizers[action.copy] = world.optimizers[action.optimizer].copy()
                world.keywords[action.copy] = world.keywords[action.optimizer]
                if action.optimizer in self._hidden:
                    self._hidden[action.copy] = self._hidden[action.optimizer].copy()
            case Drop():
                del world.optimizers[action.optimizer]
        return set()

    def _leave_alone(
        self,
        index: int,
        action: Action,
        seen: Observation,
        aspect: Aspect,
        moved: set[int] = frozenset(),  # type: ignore[assignment]
    ) -> None:
        """Every number of every optimizer is as it was, but of those that an action moves."""
        if isinstance(action, Copy):
            aspect = Aspect.CHECKPOINT
        for number, state in seen.optimizers.items():
            if number in moved:
                continue
            before = self._world.optimizers[number].state
            for name, now, then in (
                ("theta", state.theta, before.theta),
                ("m", state.m, before.m),
                ("u", state.u, before.u),
            ):
                where = _first_change(then, now)
                if where is not None:
                    whose = f"{name} of parameter {where} of optimizer {number}"
                    self._find(aspect, index, f"{_describe(action)} changed {whose}")

    def _load(self, index: int, action: Load, state: OptimizerState) -> None:
        model, kept = self._world.optimizers[action.optimizer], self._world.checkpoints[action.checkpoint]
        theta = model.state.theta[: len(kept.parameters)] if action.fresh else model.state.theta
        current = [options.lr for options in model.options]
        for name, now, then in (
            ("theta", state.theta, theta),
            ("m", state.m, kept.state.m),
            ("u", state.u, kept.state.u),
        ):
            where = _first_change(then, now)
            if where is not None:
                found = f"{name} of parameter {where} is not what the checkpoint holds"
                if name == "theta":
                    found = f"theta of parameter {where} has changed"
                self._find(Aspect.CHECKPOINT, index, f"after {_describe(action)}, {found}")
        model.load(kept)
        for group, shown in enumerate(state.lr or ()):
            saved = kept.options[group].lr if group < len(kept.options) else None
            own = current[group] if group < len(current) else None
            if shown is not None and saved is not None and not _is_shown_as(saved, shown):
                if own is not None and _is_shown_as(own, shown):
                    options = kept.options[group].options()
                    model.options[group] = Hyperparameters.from_options({**options, "lr": own})
                else:
                    words = f"lr of group {group} is shown as {shown!r}; the checkpoint has {saved!r}"
                    self._find(Aspect.CHECKPOINT, index, f"after {_describe(action)}, {words}")
        if action.optimizer in self._hidden:
            self._hidden[action.optimizer].load(action.checkpoint)

    # Steps ---------------------------------------------------------------------------------------------------

    def _step(self, index: int, action: Step, state: OptimizerState) -> None:
        model = self._world.optimizers[action.optimizer]
        gradients = gradient_values(action.gradients, model.state.theta)
        stepped = list(model.parameters)
        for i, (parameter, gradient) in enumerate(zip(model.parameters, gradients, strict=True)):
            m, u = _seen(state.m, i), _seen(state.u, i)
            before_m, before_u = _seen(model.state.m, i), _seen(model.state.u, i)
            if gradient is None:
                self._unmoved(index, action, i, model.state, state)
                continue
            stepped[i] = parameter.advanced()
            if m is None or u is None:
                continue
            zeros = zeros_like(parameter.spec.values)
            before = (model.state.theta[i], before_m or zeros, before_u or zeros, gradient)
            after = (state.theta[i], m, u)
            options = model.options[parameter.group]
            counts = (stepped[i].count, *stepped[i].others)
            self._rows.append(
                _Rows(
                    index,
                    action.optimizer,
                    i,
                    tuple(self._step_index(options, t) for t in counts),
                    before,
                    after,
                    parameter.spec.dtype or self._life.dtype,
                    _distinct(*before, *after),
                )
            )
        if any(each is None for each in (state.m, state.u)):
            self._hidden_step(index, action, model, gradients, state)
        model.parameters = stepped
        model.steps += 1

    def _step_index(self, options: Hyperparameters, t: int) -> int:
        return self._steps.setdefault((options, t), len(self._steps))

    def _unmoved(
        self, index: int, action: Step, i: int, before: OptimizerState, after: OptimizerState
    ) -> None:
        """A parameter without a gradient is left alone."""
        for name, then, now in (
            ("theta", before.theta, after.theta),
            ("m", before.m, after.m),
            ("u", before.u, after.u),
        ):
            if then is None or now is None or then[i] is None or now[i] is None:
                continue
            if not same_numbers(then[i], now[i]):
                words = (
                    f"parameter {i} of optimizer {action.optimizer} has no gradient, and its {name} changed"
                )
                self._find(Aspect.UNTOUCHED, index, words)

    def _hide(self, optimizer: int, state: OptimizerState) -> None:
        """A run that was not looked at: nothing hidden is known after it."""
        if state.m is None or state.u is None:
            self._hidden.pop(optimizer, None)

    def _hidden_step(
        self,
        index: int,
        action: Step,
        model: OptimizerModel,
        gradients: Sequence[Values | None],
        state: OptimizerState,
    ) -> None:
        run = self._hidden.get(action.optimizer)
        if run is None:
            if model.steps:
                return
            run = self._hidden[action.optimizer] = HiddenRun(model, self._life.dtype, self._error_model)
        for finding in run.step(model, gradients, state):
            if finding.quantity is not None:
                self.result.judged += finding.judged
                self.result.open += finding.open
            if finding.divergence is not None:
                self.result.findings.append(Finding(Aspect.THETA, index, finding.divergence))

    # Numbers -------------------------------------------------------------------------------------------------

    def _judge_rows(self) -> None:
        for dtype in dict.fromkeys(rows.dtype for rows in self._rows):
            rows = [each for each in self._rows if each.dtype == dtype]
            judge = ArraySteps(list(self._steps), self._error_model(dtype))
            for finding in self._judged(judge, rows, dtype):
                self.result.findings.append(finding)

    def _judged(self, judge: ArraySteps, rows: Sequence[_Rows], dtype: str) -> Iterator[Finding]:
        sizes = [each.indices.size for each in rows]
        before = tuple(np.concatenate([each.values[k].take(each.indices) for each in rows]) for k in range(4))
        after = tuple(np.concatenate([each.after[k].take(each.indices) for each in rows]) for k in range(3))
        owner = np.repeat(np.arange(len(rows)), sizes)
        which = np.array([each.steps[0] for each in rows], np.intp)[owner]
        found = judge.judge(which, before, after)  # type: ignore[arg-type]
        self._count(found)
        # theta, m, u and g before, theta, m and u after: what is not finite has rules of its own.
        for k, quantity, expected in special_errors(
            list(self._steps), which, before, after, self._error_model(dtype)
        ):
            each = rows[owner[k]]
            came = float(after[{Quantity.THETA: 0, Quantity.M: 1, Quantity.U: 2}[quantity]][k])
            where = self._where(each, int(k - np.flatnonzero(owner == owner[k])[0]))
            reason = f"{quantity.value} of {where} is {came!r}, and must be {expected}"
            divergence = Divergence(quantity, reason, expected, repr(came), extra=self._evidence())
            yield Finding(Aspect.SPECIAL, each.action, divergence)
        suspects = np.flatnonzero(
            (found.judged & (~found.decided | (found.error > found.radius))).any(axis=0)
        )
        told: set[tuple[int, Quantity]] = set()
        for k in suspects:
            each = rows[owner[k]]
            for quantity, judgement in self._exactly(judge, each, before, after, int(k)).items():
                over = judgement.error_size.over_bound if judgement.error_size else 0.0
                self.result.largest_over_bound = max(self.result.largest_over_bound, over)
                if over > 1 and (each.action, quantity) not in told:
                    told.add((each.action, quantity))
                    yield Finding(
                        _OF_QUANTITY[quantity],
                        each.action,
                        self._divergence(
                            each, quantity, judgement, int(k - np.flatnonzero(owner == owner[k])[0])
                        ),
                    )

    def _exactly(
        self, judge: ArraySteps, rows: _Rows, before: Sequence[Any], after: Sequence[Any], k: int
    ) -> Mapping[Quantity, Judgement]:
        """One element by the exact oracle: under the count that it may have, the one that explains the most."""
        values = [float(x[k]) for x in before], [float(x[k]) for x in after]
        answers = [judge.exactly(step, *values) for step in rows.steps]

        def worst(answer: Mapping[Quantity, Judgement]) -> float:
            return max((j.error_size.over_bound for j in answer.values() if j.error_size), default=0.0)

        return min(answers, key=worst)

    def _count(self, found: StepErrors) -> None:
        self.result.judged += int(found.judged.sum())
        opened = found.judged & (found.radius == math.inf)
        self.result.open += int(opened.sum())
        sure = found.judged & found.decided & ~opened & (found.radius > 0)
        if sure.any():
            self.result.largest_over_bound = max(
                self.result.largest_over_bound, float((found.error[sure] / found.radius[sure]).max())
            )

    def _where(self, rows: _Rows, row: int) -> str:
        shape = rows.after[0].shape
        element = [int(i) for i in np.unravel_index(int(rows.indices[row]), shape)] if shape else []
        parts = [f"element {element}", f"parameter {rows.parameter}"]
        if len(self._world.optimizers) > 1:
            parts.append(f"optimizer {rows.optimizer}")
        return f"{', '.join(parts)}, after action {rows.action + 1} ({_describe(self._life.actions[rows.action])})"

    def _divergence(self, rows: _Rows, quantity: Quantity, judgement: Judgement, row: int) -> Divergence:
        measured = judgement.error_size
        assert measured is not None
        size = (
            "not within any bound"
            if math.isinf(measured.over_bound)
            else (f"off by {measured.in_ulp:.4g} ulp, {measured.over_bound:.4g} times the proven bound")
        )
        reason = f"{quantity.value} of {self._where(rows, row)} is {size}"
        t = list(self._steps)[rows.steps[0]][1]
        shape = rows.after[0].shape
        element = tuple(int(i) for i in np.unravel_index(int(rows.indices[row]), shape)) if shape else ()
        found = divergence_of(quantity, reason, judgement, (t, rows.parameter, element), None)
        return _with_evidence(found, self._evidence())

    def _evidence(self) -> Mapping[str, Any]:
        return {"life": self._life.to_json()}

    def _find(self, aspect: Aspect, index: int, reason: str) -> None:
        divergence = Divergence(Quantity.OUTCOME, reason, "as it was", "changed", extra=self._evidence())
        self.result.findings.append(Finding(aspect, index, divergence))


def _with_evidence(divergence: Divergence, extra: Mapping[str, Any]) -> Divergence:
    from dataclasses import replace

    return replace(divergence, extra={**divergence.extra, **extra})


def _seen(arrays: Sequence[Values | None] | None, index: int) -> Values | None:
    return arrays[index] if arrays is not None and index < len(arrays) else None


def _first_change(then: Sequence[Values | None] | None, now: Sequence[Values | None] | None) -> int | None:
    """The first parameter whose numbers differ; what was not there is 0, and what is hidden is not compared."""
    if then is None or now is None:
        return None
    for i, (a, b) in enumerate(zip(then, now, strict=False)):
        if a is None and b is not None:
            a = zeros_like(b)
        if a is not None and b is not None and not same_numbers(a, b):
            return i
    return None


def _is_shown_as(lr: float, shown: float) -> bool:
    """Whether a learning rate may be shown so: as it is, or rounded to a format that holds it."""
    if lr == shown:
        return True
    return any(float(kind(lr)) == shown for kind in (np.float32, np.float16))


def _distinct(*arrays: Values) -> npt.NDArray[np.intp]:
    """The elements of which the others are repetitions: a common period, and all exceptions."""
    size = arrays[0].size
    period = max((len(a.pattern) for a in arrays), default=0)
    if any(period % max(len(a.pattern), 1) for a in arrays):
        return np.arange(size)
    exceptions = [index for a in arrays for index, _ in a.exceptions]
    return np.unique(np.concatenate([np.arange(min(period, size)), np.array(exceptions, np.intp)]))


def _describe(action: Action) -> str:
    """An action as a sentence has it."""
    match action:
        case Construct():
            return f"constructing optimizer {action.optimizer}"
        case Step():
            return f"a step of optimizer {action.optimizer}"
        case Run():
            return f"{action.steps} steps of optimizer {action.optimizer}"
        case SetLr():
            return f"setting lr of group {action.group} to {action.lr.value!r} ({action.lr.kind.value})"
        case SetOption():
            return f"setting {action.name} of group {action.group} to {action.value!r}"
        case AddGroup():
            return "adding a group"
        case Save():
            return f"saving optimizer {action.optimizer}"
        case SetCount():
            return f"setting the number of steps in checkpoint {action.checkpoint} to {action.count}"
        case Load():
            into = "a new optimizer" if action.fresh else f"optimizer {action.optimizer}"
            return f"loading checkpoint {action.checkpoint} into {into}"
        case Copy():
            return f"copying optimizer {action.optimizer} by {action.method.value}"
        case Refuse():
            return f"a call that has to be refused ({action.refusal.value})"
        case Drop():
            return f"dropping optimizer {action.optimizer}"
