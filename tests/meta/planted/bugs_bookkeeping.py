"""Wrong bookkeeping: step counters, groups, options, learning rates, resuming."""

from __future__ import annotations

import numpy as np
from adamax_conformance.tests.meta.planted.arithmetic import narrow
from adamax_conformance.tests.meta.planted.base import Adamax


class BookkeepingBug(Adamax):
    """A right formula on wrong books."""

    family = "bookkeeping"


class StepNotCounted(BookkeepingBug):
    """Every step is the first."""

    def next_step(self, _t):
        return 1


class StepStuckAt256(BookkeepingBug):
    """The counter is a bfloat16, which stops at 256 (ao, DeepSpeed)."""

    def next_step(self, t):
        return min(t + 1, 256)


class StepWrapsAt256(BookkeepingBug):
    """The counter is one byte and starts again after 255."""

    def next_step(self, t):
        return t % 255 + 1


class StepWrapsAt1024(BookkeepingBug):
    """The counter has ten bits and starts again after 1023."""

    def next_step(self, t):
        return t % 1023 + 1


class StepStuckAt1000(BookkeepingBug):
    """The counter stops at a thousand."""

    def next_step(self, t):
        return min(t + 1, 1000)


class StepStuckAt2048(BookkeepingBug):
    """The counter is a half, which stops at 2048."""

    dtypes = ("float32", "float64")

    def next_step(self, t):
        return min(t + 1, 2048)


class StepCountedPerParameter(BookkeepingBug):
    """Every parameter that is visited advances the one counter."""

    def next_step(self, t):
        return t

    def step_of(self, _index):
        self.steps += 1
        return self.steps


class StepCountedPerGroup(BookkeepingBug):
    """Every group advances the one counter."""

    def next_step(self, t):
        return t + len(self.param_groups)


class StepIgnoresZeroGradients(BookkeepingBug):
    """A step whose gradients are all zero is not counted."""

    def __call__(self, gradients):
        before = self.steps
        super().__call__(gradients)
        if not any(np.any(g) for g in gradients):
            self.steps = before


class StepRestartsOnNewLearningRate(BookkeepingBug):
    """Setting a learning rate starts the count again."""

    def __call__(self, gradients):
        rates = [float(group["lr"]) for group in self.param_groups]
        if rates != getattr(self, "_rates", rates):
            self.steps = 0
        self._rates = rates
        super().__call__(gradients)


class StateRestartsAt512(BookkeepingBug):
    """m and u are cleared every 512 steps."""

    def next_step(self, t):
        if t and t % 512 == 0:
            for state in (*self.m, *self.u):
                state[...] = 0
        return t + 1


class FirstParameterOnly(BookkeepingBug):
    """Only the first parameter of a group is stepped."""

    def visit(self, index, group_index, theta, g):
        if theta is self.param_groups[group_index]["params"][0]:
            super().visit(index, group_index, theta, g)


class LastParameterForgotten(BookkeepingBug):
    """The last of several parameters is not stepped."""

    def visit(self, index, group_index, theta, g):
        if index == 0 or index < len(self.m) - 1:
            super().visit(index, group_index, theta, g)


class ParametersBeyondSixteenForgotten(BookkeepingBug):
    """One launch takes sixteen parameters, and there is no second."""

    def visit(self, index, group_index, theta, g):
        if index < 16:
            super().visit(index, group_index, theta, g)


class ParametersBeyondHundredForgotten(BookkeepingBug):
    """One launch takes 110 parameters, as in PyTorch, and there is no second."""

    def visit(self, index, group_index, theta, g):
        if index < 110:
            super().visit(index, group_index, theta, g)


class GradientsRestartPerGroup(BookkeepingBug):
    """Each group takes its gradients from the front, if the shapes allow it."""

    def __call__(self, gradients):
        taken = [gradients[i] for group in self.param_groups for i in range(len(group["params"]))]
        fits = all(a.shape == b.shape for a, b in zip(taken, gradients, strict=True))
        super().__call__(taken if fits else gradients)


class StateSharedBetweenGroups(BookkeepingBug):
    """State is kept by the index in the group, so groups of equal shapes share it."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        self.share()

    def share(self):
        first = len(self.param_groups[0]["params"]) if self.param_groups else 0
        for index in range(first, len(self.m)):
            other = index - first
            if other < first and self.m[other].shape == self.m[index].shape:
                self.m[index], self.u[index] = self.m[other], self.u[other]

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.share()


class NormSharedByShape(BookkeepingBug):
    """Parameters of one shape share their norm."""

    def store(self, index, theta, new_theta, m, u):
        super().store(index, theta, new_theta, m, u)
        for other in self.u:
            if other.shape == theta.shape:
                other[...] = u


class MomentStartsAtGradient(BookkeepingBug):
    """The first gradient is the first moment, undamped."""

    def first_moment(self, m, g, scalars):
        return g.copy() if scalars.t == 1 else super().first_moment(m, g, scalars)


class NormStartsAtOne(BookkeepingBug):
    """u is 1 before the first step."""

    def norm(self, u, g, scalars):
        return super().norm(np.ones_like(u) if scalars.t == 1 else u, g, scalars)


class FirstGroupRules(BookkeepingBug):
    """The first group's options hold for every group."""

    def options_of(self, _group_index):
        return self.param_groups[0]


class LastGroupRules(BookkeepingBug):
    """The last group's options hold for every group."""

    def options_of(self, _group_index):
        return self.param_groups[-1]


class GroupOptionIgnored(BookkeepingBug):
    """A group's own `option` is ignored; the constructor's holds."""

    option: str

    def options_of(self, group_index):
        return super().options_of(group_index) | {self.option: self.defaults[self.option]}


class GroupLearningRateIgnored(BookkeepingBug):
    """The constructor's learning rate overwrites a group's own."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        for group in self.param_groups:
            group["lr"] = lr


class GroupBetasIgnored(GroupOptionIgnored):
    """A group's own betas are ignored."""

    option = "betas"


class GroupEpsIgnored(GroupOptionIgnored):
    """A group's own eps is ignored."""

    option = "eps"


class GroupWeightDecayIgnored(GroupOptionIgnored):
    """A group's own weight_decay is ignored."""

    option = "weight_decay"


class GroupMaximizeIgnored(GroupOptionIgnored):
    """A group's own maximize is ignored."""

    option = "maximize"


class MissingOptionsTakenFromFirstGroup(BookkeepingBug):
    """An option that a group leaves out is the first group's, not the constructor's."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        params = list(params)
        if params and isinstance(params[0], dict):
            first = {k: v for k, v in params[0].items() if k != "params"}
            params = [first | group for group in params]
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class ZeroLearningRateMeansDefault(BookkeepingBug):
    """A learning rate of 0 counts as none, and the default is taken."""

    def options_of(self, group_index):
        right = super().options_of(group_index)
        return right | {"lr": right["lr"] or 2e-3}


class LearningRateFrozen(BookkeepingBug):
    """The learning rate is read once, at the first step."""

    def options_of(self, group_index):
        self._rates = getattr(self, "_rates", [group["lr"] for group in self.param_groups])
        return super().options_of(group_index) | {"lr": self._rates[group_index]}


class LearningRateFrozenForSecondGroup(BookkeepingBug):
    """A schedule reaches the first group only."""

    def options_of(self, group_index):
        self._rates = getattr(self, "_rates", [group["lr"] for group in self.param_groups])
        right = super().options_of(group_index)
        return right if group_index == 0 else right | {"lr": self._rates[group_index]}


class LearningRateOneStepLate(BookkeepingBug):
    """A new learning rate takes effect one step late."""

    def __call__(self, gradients):
        rates = [group["lr"] for group in self.param_groups]
        for group, rate in zip(self.param_groups, getattr(self, "_rates", rates), strict=True):
            group["lr"] = rate
        super().__call__(gradients)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate
        self._rates = rates


class LearningRateOfFirstGroupForAll(BookkeepingBug):
    """A learning rate set on the first group is given to every group."""

    def __call__(self, gradients):
        rate = self.param_groups[0]["lr"]
        if rate != getattr(self, "_rate", rate):
            for group in self.param_groups:
                group["lr"] = rate
        self._rate = rate
        super().__call__(gradients)


class LearningRateOnlyFalls(BookkeepingBug):
    """A learning rate that is raised again has no effect."""

    def options_of(self, group_index):
        lowest = self.__dict__.setdefault("_lowest", {})
        lowest[group_index] = min(
            lowest.get(group_index, np.inf), float(self.param_groups[group_index]["lr"])
        )
        return super().options_of(group_index) | {"lr": lowest[group_index]}


class ResumeLosesMoment(BookkeepingBug):
    """m is zero after resuming."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.m = [np.zeros_like(m) for m in self.m]


class ResumeLosesNorm(BookkeepingBug):
    """u is zero after resuming."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.u = [np.zeros_like(u) for u in self.u]


class ResumeLosesStep(BookkeepingBug):
    """The count starts again after resuming."""

    def load_state_dict(self, state):
        super().load_state_dict(dict(state, step=0))


class ResumeLosesOneStep(BookkeepingBug):
    """The count is one behind after resuming."""

    def load_state_dict(self, state):
        super().load_state_dict(dict(state, step=max(state["step"] - 1, 0)))


class ResumeSavesStepInOneByte(BookkeepingBug):
    """The count is saved in one byte."""

    def state_dict(self):
        return super().state_dict() | {"step": self.steps % 256}


class ResumeSavesStepInBfloat16(BookkeepingBug):
    """The count is cast to bfloat16 when it is loaded, as PyTorch casts its step."""

    dtypes = ("float32", "float64")

    def load_state_dict(self, state):
        step = state["step"]
        lost_bits = max(step.bit_length() - 8, 0)
        super().load_state_dict(dict(state, step=round(step / 2**lost_bits) * 2**lost_bits))


class ResumeSavesStepInHalf(BookkeepingBug):
    """The count is cast to a half when loaded, which holds odd numbers up to 2048."""

    dtypes = ("float32", "float64")

    def load_state_dict(self, state):
        super().load_state_dict(dict(state, step=int(np.float16(state["step"]))))


class ResumeRoundsState(BookkeepingBug):
    """m and u are saved in the next narrower format."""

    def state_dict(self):
        right = super().state_dict()
        return right | {name: [narrow(x) for x in right[name]] for name in ("exp_avg", "exp_inf")}


class ResumeReversesState(BookkeepingBug):
    """The parameters' states come back in the opposite order, if the shapes allow it."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        if [m.shape for m in self.m] == [m.shape for m in self.m[::-1]]:
            self.m, self.u = self.m[::-1], self.u[::-1]


class ResumeFirstParameterOnly(BookkeepingBug):
    """Only the first parameter's state comes back."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.m[1:] = [np.zeros_like(m) for m in self.m[1:]]
        self.u[1:] = [np.zeros_like(u) for u in self.u[1:]]


class ResumeSharesState(BookkeepingBug):
    """After resuming, parameters of one shape share one state."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        first = {m.shape: index for index, m in reversed(list(enumerate(self.m)))}
        self.m = [self.m[first[m.shape]] for m in self.m]
        self.u = [self.u[first[u.shape]] for u in self.u]


class ResumeLosesLearningRate(BookkeepingBug):
    """A learning rate that was set during the run is not saved."""

    def state_dict(self):
        right = super().state_dict()
        return right | {
            "param_groups": [{k: v for k, v in g.items() if k != "lr"} for g in right["param_groups"]]
        }


BUGS = (
    StepNotCounted,
    StepStuckAt256,
    StepWrapsAt256,
    StepWrapsAt1024,
    StepStuckAt1000,
    StepStuckAt2048,
    StepCountedPerParameter,
    StepCountedPerGroup,
    StepIgnoresZeroGradients,
    StepRestartsOnNewLearningRate,
    StateRestartsAt512,
    FirstParameterOnly,
    LastParameterForgotten,
    ParametersBeyondSixteenForgotten,
    ParametersBeyondHundredForgotten,
    GradientsRestartPerGroup,
    StateSharedBetweenGroups,
    NormSharedByShape,
    MomentStartsAtGradient,
    NormStartsAtOne,
    FirstGroupRules,
    LastGroupRules,
    GroupLearningRateIgnored,
    GroupBetasIgnored,
    GroupEpsIgnored,
    GroupWeightDecayIgnored,
    GroupMaximizeIgnored,
    MissingOptionsTakenFromFirstGroup,
    ZeroLearningRateMeansDefault,
    LearningRateFrozen,
    LearningRateFrozenForSecondGroup,
    LearningRateOneStepLate,
    LearningRateOfFirstGroupForAll,
    LearningRateOnlyFalls,
    ResumeLosesMoment,
    ResumeLosesNorm,
    ResumeLosesStep,
    ResumeLosesOneStep,
    ResumeSavesStepInOneByte,
    ResumeSavesStepInBfloat16,
    ResumeSavesStepInHalf,
    ResumeRoundsState,
    ResumeReversesState,
    ResumeFirstParameterOnly,
    ResumeSharesState,
    ResumeLosesLearningRate,
)
