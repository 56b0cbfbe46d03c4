"""Wrong for some memory, identity, input, checkpoint or option set between steps."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
from adamax_conformance.tests.meta.planted.arithmetic import narrow
from adamax_conformance.tests.meta.planted.base import Adamax


class MemoryBug(Adamax):
    """Right for gradients with memory of their own, in the order of theta."""

    family = "memory"


class IdentityBug(Adamax):
    """Right for parameters that have nothing in common."""

    family = "identity"


class InputBug(Adamax):
    """Right for a list of arrays of one dtype."""

    family = "input"


class OptionBug(Adamax):
    """Right for options that stay."""

    family = "option"


class CheckpointBug(Adamax):
    """Right for a run in one go."""

    family = "checkpoint"


class StateInOrderOfGradient(MemoryBug):
    """The moment is stored in the order of the gradient's memory, and read in theta's."""

    def visit(self, index, group_index, theta, g):
        super().visit(index, group_index, theta, g)
        if g.flags.f_contiguous and not g.flags.c_contiguous and theta.flags.c_contiguous:
            self.m[index][...] = self.m[index].ravel(order="F").reshape(theta.shape)


class BroadcastGradientAveraged(MemoryBug):
    """A gradient whose elements share one number is divided by their count."""

    def visit(self, index, group_index, theta, g):
        shared = g.size > 1 and not any(g.strides)
        super().visit(index, group_index, theta, g / g.dtype.type(g.size) if shared else g)


class SharedGradientStepsOnce(MemoryBug):
    """Of two parameters with one array as their gradient, the second stays."""

    def visit(self, index, group_index, theta, g):
        if not any(earlier is g for earlier in self.taken):
            self.taken.append(g)
            super().visit(index, group_index, theta, g)

    def gradients_to_read(self, gradients):
        self.taken = []
        return gradients


class AliasedGradientReadLate(MemoryBug):
    """A gradient in the memory of an earlier parameter is read after that was stepped."""

    def gradients_to_read(self, gradients):
        return gradients


class LongStridedNormReadDense(MemoryBug):
    """The norm of a long strided theta is that of the element before."""

    def visit(self, index, group_index, theta, g):
        super().visit(index, group_index, theta, g)
        if theta.size > 30 and not (theta.flags.c_contiguous or theta.flags.f_contiguous):
            self.u[index][...] = np.roll(self.u[index].ravel(), 1).reshape(theta.shape)


class EqualParametersShareNorm(IdentityBug):
    """Parameters that are equal when the optimizer is constructed share their norm."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        first = {}
        for index, (_, theta) in enumerate(self.indexed_parameters()):
            key = theta.shape, theta.dtype, theta.tobytes()
            self.u[index] = first.setdefault(key, self.u[index])


class NeighboursShareMoment(IdentityBug):
    """A parameter that lies right behind one of its shape in memory shares its moment."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        ends = {}
        for index, (_, theta) in enumerate(self.indexed_parameters()):
            start = theta.ctypes.data
            if theta.base is not None and theta.size:
                self.m[index] = ends.get((start, theta.shape), self.m[index])
                ends[start + theta.nbytes, theta.shape] = self.m[index]


class OptionsFoundByShape(IdentityBug):
    """A parameter has the betas of the first group with a parameter of its shape."""

    def visit(self, index, group_index, theta, g):
        shapes = [theta.shape == other.shape for _, other in self.indexed_parameters()]
        groups = [group for group, _ in self.indexed_parameters()]
        self.found = groups[shapes.index(True)]
        super().visit(index, group_index, theta, g)

    def options_of(self, group_index):
        return super().options_of(group_index) | {"betas": self.param_groups[self.found]["betas"]}


class CorrectionCachedByStep(IdentityBug):
    """The bias correction is cached by the step alone, for groups of any beta1."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        self.corrections = {}

    def correction(self, beta1, t):
        return self.corrections.setdefault(t, super().correction(beta1, t))


class GeneratorLosesFirstParameter(InputBug):
    """A generator gives its first parameter to a test of types, and it is lost."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        if not isinstance(params, (list, tuple)):
            next(iter(params), None)
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class CallersGroupsTakeDefaults(InputBug):
    """The defaults are written into the caller's own dicts of groups."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        params = list(params)
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)
        for group in params:
            if isinstance(group, dict):
                group.update({name: group.get(name, value) for name, value in self.defaults.items()})


class ScalarsOfFirstDtype(InputBug):
    """All scalars are rounded to the dtype of the first parameter."""

    def scalars_at(self, options, t, dtype):
        _, first = next(self.indexed_parameters())
        right = super().scalars_at(options, t, dtype)
        rounded = {
            name: first.dtype.type(getattr(right, name)) for name in ("beta1", "complement", "beta2", "rate")
        }
        return replace(right, **rounded)


class GroupsOfGeneratorTakeDefaults(InputBug):
    """Groups from a generator lose their own options."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        if not isinstance(params, (list, tuple)):
            params = [{"params": each["params"]} if isinstance(each, dict) else each for each in params]
        super().__init__(params, lr, betas, eps, weight_decay, maximize=maximize)


class OptionOfLastStep(OptionBug):
    """A learning rate takes effect if `is_new` says so."""

    def options_of(self, group_index):
        options = super().options_of(group_index)
        in_force = self.__dict__.setdefault("in_force", {})
        if group_index not in in_force or self.is_new(in_force[group_index], options["lr"]):
            in_force[group_index] = options["lr"]
        return options | {"lr": in_force[group_index]}

    def is_new(self, last, now):
        """Compare the learning rate in force with the one that is set."""
        raise NotImplementedError


class ThirdDtypeKeepsFirstRate(InputBug):
    """A learning rate that is set is not taken where three dtypes meet."""

    def options_of(self, group_index):
        options = super().options_of(group_index)
        rates = self.__dict__.setdefault("rates", {})
        first = rates.setdefault(group_index, options["lr"])
        dtypes = {theta.dtype for _, theta in self.indexed_parameters()}
        return options | {"lr": first} if len(dtypes) > 2 else options


class GradientOfOtherDtypeRead(InputBug):
    """A gradient of another dtype than its parameter is read from its other end."""

    def visit(self, index, group_index, theta, g):
        super().visit(index, group_index, theta, g if g.dtype == theta.dtype else g[..., ::-1])


class SetArrayLearningRateIgnored(OptionOfLastStep):
    """A learning rate that is set to a 0-d array later is not taken."""

    def is_new(self, last, now):  # noqa: ARG002 - whatever the last one was
        return not isinstance(now, np.ndarray)


class SmallChangeOfLearningRateIgnored(OptionOfLastStep):
    """A learning rate within 1e-4 (relative) of the one in force is not taken."""

    def is_new(self, last, now):
        return not math.isclose(last, now, rel_tol=1e-4)


class TinyLearningRateIgnored(OptionOfLastStep):
    """A learning rate that is set below 1e-8 is not taken."""

    def is_new(self, last, now):  # noqa: ARG002 - whatever the last one was
        return now >= 1e-8


class IntegerLearningRateUncorrected(OptionBug):
    """A learning rate that is an int is not divided by 1 - beta1^t."""

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, dtype)
        return replace(right, rate=right.lr) if isinstance(options["lr"], int) else right


class SecondLoadLosesMoment(CheckpointBug):
    """An optimizer that loads a second time starts from a moment of zero."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        if self.__dict__.get("loaded"):
            self.m = [np.zeros_like(m) for m in self.m]
        self.loaded = True


class LoadIntoUsedKeepsLargerNorm(CheckpointBug):
    """An optimizer in use that loads keeps the larger of its norm and the loaded one."""

    def load_state_dict(self, state):
        used = self.u
        super().load_state_dict(state)
        self.u = [np.maximum(old, new) for old, new in zip(used, self.u, strict=True)]


class LoadNeverGoesBack(CheckpointBug):
    """An optimizer that loads an earlier checkpoint keeps its own count of steps."""

    def load_state_dict(self, state):
        steps = self.steps
        super().load_state_dict(state)
        self.steps = max(steps, self.steps)


class SavingRoundsNorm(CheckpointBug):
    """Saving rounds the live norm to the next narrower format."""

    def state_dict(self):
        for u in self.u:
            u[...] = narrow(u)
        return super().state_dict()


class CheckpointFollowsNorm(CheckpointBug):
    """A checkpoint holds the live norm, which goes on changing."""

    def state_dict(self):
        return super().state_dict() | {"exp_inf": list(self.u)}


class CopyRestartsCount(CheckpointBug):
    """A copy of the optimizer counts its steps from zero."""

    def __deepcopy__(self, memo):
        result = type(self).__new__(type(self))
        memo[id(self)] = result
        result.__dict__.update(copy.deepcopy(self.__dict__, memo) | {"steps": 0})
        return result


class PickledNormLost(CheckpointBug):
    """A pickled optimizer leaves its norm behind."""

    def __getstate__(self):
        return self.__dict__ | {"u": [np.zeros_like(u) for u in self.u]}


class RefusedStepCounted(CheckpointBug):
    """A step that is refused for a missing gradient is counted."""

    def check_gradients(self, gradients):
        if len(gradients) < len(self.m):
            self.steps = self.next_step(self.steps)
        super().check_gradients(gradients)


BUGS = (
    StateInOrderOfGradient,
    BroadcastGradientAveraged,
    SharedGradientStepsOnce,
    AliasedGradientReadLate,
    LongStridedNormReadDense,
    EqualParametersShareNorm,
    NeighboursShareMoment,
    OptionsFoundByShape,
    CorrectionCachedByStep,
    GeneratorLosesFirstParameter,
    CallersGroupsTakeDefaults,
    ScalarsOfFirstDtype,
    GroupsOfGeneratorTakeDefaults,
    ThirdDtypeKeepsFirstRate,
    GradientOfOtherDtypeRead,
    SetArrayLearningRateIgnored,
    SmallChangeOfLearningRateIgnored,
    TinyLearningRateIgnored,
    IntegerLearningRateUncorrected,
    SecondLoadLosesMoment,
    LoadIntoUsedKeepsLargerNorm,
    LoadNeverGoesBack,
    SavingRoundsNorm,
    CheckpointFollowsNorm,
    CopyRestartsCount,
    PickledNormLost,
    RefusedStepCounted,
)
