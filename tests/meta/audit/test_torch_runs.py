"""Changes between two steps are not divergences; an optimizer's own faults are."""

from __future__ import annotations

import copy

import pytest
from adamax_conformance.impl.recording import record
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.tests.meta.audit.auditing import audited, said

torch = pytest.importorskip("torch")

WRONG = {Status.DIVERGES, Status.BROKEN}


class Run:
    """A small training: three parameters in two groups."""

    def __init__(self, folder, kind=torch.optim.Adamax, every=1):
        generator = torch.Generator().manual_seed(8)
        self.generator = generator
        self.thetas = [
            torch.randn(shape, generator=generator).requires_grad_() for shape in ((6, 4), (5,), (3, 3))
        ]
        groups = [{"params": self.thetas[:2], "weight_decay": 0.01}, {"params": self.thetas[2:]}]
        self.optimizer = kind(groups, lr=0.05)
        self.folder = folder
        self.recorder = record(self.optimizer, folder / "recording", every)

    def fill(self, *thetas):
        for theta in thetas or self.thetas:
            theta.grad = torch.randn(theta.shape, generator=self.generator)

    def steps(self, count):
        for _ in range(count):
            self.fill()
            self.optimizer.step()

    def hooked(self, register, count, *, later):
        """Record steps, with hooks that stand before the recorder's or after them."""
        if not later:
            register()
        with self.recorder:
            if later:
                register()
            self.steps(count)

    def audit(self, *options):
        self.code, self.record = audited(self.folder / "recording", self.folder / "report", *options)
        return self

    def wrong(self):
        return [v.check for v in self.record.verdicts if v.status in WRONG]

    def outside(self):
        return said(self.record, "audit/outside")

    def is_right(self, outside=""):
        """Assert that nothing diverges, and what was changed outside a step."""
        assert self.wrong() == []
        assert self.code == 0
        if outside:
            assert self.outside().status is Status.UNSPECIFIED
            assert f"changed outside a step: {outside}" in self.outside().reason
        else:
            assert self.outside().status is Status.SKIPPED
        return self


# Right, and accused once -------------------------------------------------------------------------------------------


def test_a_checkpoint_that_is_restored_inside_of_the_block(tmp_path):
    thetas = [torch.ones(shape, requires_grad=True) for shape in ((6, 4), (5,), (3, 3))]
    before = torch.optim.Adamax([{"params": thetas[:2]}, {"params": thetas[2:]}], lr=0.05)
    for theta in thetas:
        theta.grad = torch.ones_like(theta)
    for _ in range(7):
        before.step()
    run = Run(tmp_path)
    with run.recorder:
        run.optimizer.load_state_dict(before.state_dict())
        run.steps(3)
    run.audit().is_right()
    assert said(run.record, "audit/count").status is Status.CONFORMS
    assert said(run.record, "audit/lockstep/theta").measured["judged"] == 3 * 38


def test_back_to_an_earlier_checkpoint_in_mid_run(tmp_path):
    run = Run(tmp_path)
    with run.recorder:
        run.steps(2)
        saved = copy.deepcopy(run.optimizer.state_dict()), [theta.detach().clone() for theta in run.thetas]
        run.steps(3)
        run.optimizer.load_state_dict(saved[0])
        with torch.no_grad():
            for theta, old in zip(run.thetas, saved[1], strict=True):
                theta.copy_(old)
        run.steps(2)
    run.audit().is_right(
        "theta, m, u and t of parameter 0, parameter 1 and parameter 2 before recorded step 6"
    )


def test_a_state_that_the_user_clears(tmp_path):
    run = Run(tmp_path)
    with run.recorder:
        run.steps(3)
        run.optimizer.state.clear()
        run.steps(3)
    run.audit().is_right("m, u and t of parameter 0, parameter 1 and parameter 2 before recorded step 4")


def test_parameters_that_come_and_go_and_groups_that_change_places(tmp_path):
    run = Run(tmp_path)
    groups = run.optimizer.param_groups
    with run.recorder:
        run.steps(2)
        added = torch.ones(4, requires_grad=True)
        run.thetas.append(added)
        groups[0]["params"].append(added)
        run.steps(2)
        groups[0]["params"].pop(0)
        run.steps(2)
        groups.reverse()
        run.steps(2)
    run.audit().is_right()
    assert said(run.record, "audit/lockstep/theta").measured["judged"] == 4 * 24 + 8 * 5 + 8 * 9 + 6 * 4


def test_a_step_that_raised_and_was_tried_again(tmp_path):
    run = Run(tmp_path)
    with run.recorder:
        run.steps(2)
        run.fill()
        run.optimizer.param_groups[0]["capturable"] = True  # refused on a CPU, before anything is changed
        with pytest.raises(AssertionError):
            run.optimizer.step()
        run.optimizer.param_groups[0]["capturable"] = False
        run.optimizer.step()
        run.steps(1)
    assert run.recorder.recorded == 4
    run.audit()
    assert run.wrong() == []
    assert run.code == 0


class Skipping(torch.optim.Adamax):
    """The step does nothing with infinite gradients, or where something says so."""

    skips = False

    @torch.no_grad()
    def step(self, closure=None):
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        if self.skips or not all(grad.isfinite().all() for grad in grads):
            return None
        return super().step(closure)


@pytest.mark.parametrize("first", [True, False], ids=["at the first step", "later"])
@pytest.mark.parametrize("finite", [True, False], ids=["finite", "infinite"])
def test_a_step_that_a_loss_scaler_skips_inside_of_the_optimizer(tmp_path, finite, first):
    run = Run(tmp_path, Skipping)
    with run.recorder:
        run.steps(0 if first else 2)
        run.fill()
        run.optimizer.skips = finite
        if not finite:
            run.thetas[1].grad[2] = float("inf")
        run.optimizer.step()
        run.optimizer.skips = False
        run.steps(3)
    run.audit().is_right()
    verdict = said(run.record, "audit/count")
    assert verdict.status is Status.UNSPECIFIED
    after = 0 if first else 2
    words = f"1 step was skipped with gradients that are {'' if finite else 'not '}finite, after recorded step {after}"
    assert verdict.reason.startswith(words)


@pytest.mark.parametrize("later", [True, False], ids=["hook after ours", "hook before ours"])
def test_a_state_that_lies_elsewhere_between_the_steps(tmp_path, later):
    run = Run(tmp_path)
    away = {}

    def bring_back(optimizer, *_):
        for theta, state in away.items():
            optimizer.state[theta] = state

    def move_away(optimizer, *_):
        away.update(optimizer.state)
        optimizer.state.clear()

    def register():
        run.optimizer.register_step_pre_hook(bring_back)
        run.optimizer.register_step_post_hook(move_away)

    run.hooked(register, 4, later=later)
    run.audit().is_right()


@pytest.mark.parametrize("later", [True, False], ids=["hook after ours", "hook before ours"])
def test_hooks_that_change_gradients_before_and_weights_after_a_step(tmp_path, later):
    run = Run(tmp_path)

    def clip_gradients(*_):
        torch.nn.utils.clip_grad_norm_(run.thetas, 0.1)

    def clip_weights(*_):
        with torch.no_grad():
            run.thetas[0].clamp_(-0.4, 0.4)

    def register():
        run.optimizer.register_step_pre_hook(clip_gradients)
        run.optimizer.register_step_post_hook(clip_weights)

    run.hooked(register, 4, later=later)
    run.audit().is_right("theta of parameter 0 before 3 recorded steps, from 2 to 4")


class Counting(torch.optim.Adamax):
    """A class of one's own whose step calls that of torch."""

    calls = 0

    def step(self, closure=None):
        self.calls += 1
        return super().step(closure)


@pytest.mark.parametrize("closed", [True, False], ids=["closure", "no closure"])
def test_a_class_whose_step_calls_the_one_of_its_base_class(tmp_path, closed):
    run = Run(tmp_path, Counting)

    def closure():
        run.fill()
        return 0.0

    with run.recorder:
        for _ in range(3):
            if closed:
                run.optimizer.step(closure)
            else:
                run.steps(1)
    assert run.recorder.recorded == 3
    run.audit().is_right()


def test_of_one_step_in_two_nothing_is_said_to_be_changed_outside(tmp_path):
    run = Run(tmp_path, every=2)
    with run.recorder:
        run.steps(5)
    assert run.recorder.recorded == 3
    run.audit().is_right()


def test_a_frozen_parameter_that_stays_as_it_is(tmp_path):
    run = Run(tmp_path)
    with run.recorder:
        run.steps(1)
        run.thetas[1].grad = None
        for _ in range(3):
            run.fill(run.thetas[0], run.thetas[2])
            run.optimizer.step()
    run.audit().is_right()
    verdict = said(run.record, "audit/no-gradient")
    assert verdict.status is Status.CONFORMS
    assert verdict.measured["steps of parameters"] == 3


def test_complex_parameters_next_to_real_ones(tmp_path):
    run = Run(tmp_path)
    turned = torch.randn(4, dtype=torch.complex64, generator=run.generator).requires_grad_()
    run.optimizer.param_groups[1]["params"].append(turned)
    with run.recorder:
        for _ in range(3):
            turned.grad = torch.randn(4, dtype=torch.complex64, generator=run.generator)
            run.steps(1)
    run.audit().is_right()
    assert said(run.record, "audit/lockstep/u").measured["judged"] == 3 * (38 + 2 * 4)


class InBackward:
    """Steps of an optimizer for each parameter, as soon as its gradient is there.

    Args:
        folder: of the recording.
        kinds: of the optimizers of the weight and of the bias.
        every: as `record` takes it.
    """

    def __init__(self, folder, kinds, every=1):
        torch.manual_seed(8)
        self.model = torch.nn.Linear(4, 3)
        thetas = dict(self.model.named_parameters())
        optimizers = {
            theta: kind([theta], lr=0.05) for theta, kind in zip(thetas.values(), kinds, strict=True)
        }

        def step(theta):
            optimizers[theta].step()
            theta.grad = None

        for theta in thetas.values():
            theta.register_post_accumulate_grad_hook(step)
        with record(optimizers, folder / "recording", every, model=self.model) as self.recorder:
            for _ in range(6):
                self.model(torch.randn(5, 4)).square().sum().backward()
        self.code, self.record = audited(folder / "recording", folder / "report")


@pytest.mark.parametrize(("every", "steps"), [(1, 6), (4, 2)])
def test_an_optimizer_for_each_parameter_that_steps_in_the_backward_pass(tmp_path, every, steps):
    run = InBackward(tmp_path, [torch.optim.Adamax] * 2, every)
    assert run.recorder.recorded == 2 * steps
    assert [v.check for v in run.record.verdicts if v.status in WRONG] == []
    assert run.code == 0
    assert said(run.record, "audit/outside").status is Status.SKIPPED
    assert said(run.record, "audit/count").status is Status.CONFORMS
    assert said(run.record, "audit/lockstep/theta").measured["judged"] == steps * 15


class CountedByGroup(torch.optim.Optimizer):
    """Adamax with a count for each group, and none in the states."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, _closure=None):
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["exp_avg"], state["exp_inf"] = torch.zeros_like(p), torch.zeros_like(p)
                g = p.grad.add(p, alpha=group["weight_decay"])
                state["exp_avg"].lerp_(g, 1 - group["betas"][0])
                torch.maximum(
                    state["exp_inf"].mul_(group["betas"][1]), g.abs().add_(group["eps"]), out=state["exp_inf"]
                )
                rate = group["lr"] / (1 - group["betas"][0] ** group["step"])
                p.addcdiv_(state["exp_avg"], state["exp_inf"], value=-rate)


def test_an_optimizer_that_counts_by_group(tmp_path):
    run = Run(tmp_path, CountedByGroup)
    with run.recorder:
        run.steps(4)
    run.audit().is_right()


# Wrong -------------------------------------------------------------------------------------------------------------


def faulty(at, act, before=None):
    """An Adamax that does something wrong in its step number `at`, by its calls."""

    class Faulty(torch.optim.Adamax):
        calls = 0

        def step(self, closure=None):
            self.calls += 1
            if self.calls == at and before is not None:
                before(self)
            loss = super().step(closure)
            if self.calls == at and act is not None:
                act(self)
            return loss

    return Faulty


def first(optimizer):
    return optimizer.param_groups[0]["params"][0]


@torch.no_grad()
def alter_m(optimizer):
    optimizer.state[first(optimizer)]["exp_avg"].mul_(1.01)


@torch.no_grad()
def alter_theta(optimizer):
    first(optimizer).mul_(1.01)


def reset(optimizer):
    optimizer.state.clear()


def restore_count(optimizer):
    for state in optimizer.state.values():
        state["step"] -= 1


class LosesSteps(torch.optim.Adamax):
    """The fourth step counts, and does nothing else."""

    calls = 0

    def step(self, closure=None):
        self.calls += 1
        if self.calls != 4:
            return super().step(closure)
        for state in self.state.values():
            state["step"] += 1
        return None


class LosesOneTensor(torch.optim.Adamax):
    """One parameter takes no part in the fourth step."""

    calls = 0

    def step(self, closure=None):
        self.calls += 1
        theta = first(self)
        kept = theta.grad
        if self.calls == 4:
            theta.grad = None
        loss = super().step(closure)
        theta.grad = kept
        return loss


@pytest.mark.parametrize(
    ("kind", "checks"),
    [
        (LosesSteps, {"audit/lockstep/m", "audit/lockstep/u", "audit/lockstep/theta"}),
        (LosesOneTensor, {"audit/lockstep/m", "audit/count"}),
        (faulty(4, None, reset), {"audit/lockstep/m", "audit/count"}),
        (faulty(4, alter_m), {"audit/lockstep/m"}),
        (faulty(4, alter_theta), {"audit/lockstep/theta"}),
        (faulty(4, restore_count), {"audit/count"}),
    ],
    ids=["step lost", "step of a tensor lost", "state reset", "m altered", "theta altered", "count restored"],
)
def test_what_the_optimizer_itself_does_wrongly_is_found(tmp_path, kind, checks):
    run = Run(tmp_path, kind)
    with run.recorder:
        run.steps(6)
    run.audit()
    assert run.code == 1
    assert checks <= set(run.wrong())
    places = [v.reason for v in run.record.verdicts if v.status in WRONG and v.check in checks]
    assert all("step 4" in place for place in places), places


def test_what_one_of_several_optimizers_does_wrongly_is_found(tmp_path):
    run = InBackward(tmp_path, [torch.optim.Adamax, faulty(3, alter_m)])
    assert run.code == 1
    assert said(run.record, "audit/lockstep/m").status is Status.DIVERGES
    assert "3 elements of bias" in said(run.record, "audit/lockstep/m").reason
    assert "after step 3" in said(run.record, "audit/lockstep/m").reason


class MovesFrozen(torch.optim.Adamax):
    """Decay is applied to parameters without a gradient, too."""

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            if p.grad is None:
                p.mul_(0.99)
        return super().step(closure)


def test_a_parameter_without_a_gradient_that_a_step_moves_is_found(tmp_path):
    run = Run(tmp_path, MovesFrozen)
    with run.recorder:
        for _ in range(3):
            run.fill(run.thetas[0], run.thetas[2])
            run.optimizer.step()
    run.audit()
    assert run.code == 1
    assert run.wrong() == ["audit/no-gradient"]
    words = "theta of parameter 1 at 3 recorded steps, from 1 to 3"
    assert words in said(run.record, "audit/no-gradient").reason


def test_a_run_of_which_a_part_cannot_be_judged_is_not_green(tmp_path):
    run = Run(tmp_path)
    with run.recorder:
        run.steps(1)
        run.optimizer.param_groups[1]["betas"] = (0.9, 1.0)
        run.steps(1)
    run.audit()
    assert run.wrong() == []
    assert run.code == 3
    assert "parameter 2 has lr=0.05, betas=(0.9, 1.0)" in said(run.record, "audit/unjudged").reason


def nan(optimizer):
    optimizer.state[first(optimizer)]["exp_avg"].view(-1)[3] = float("nan")


def test_a_nan_that_a_step_makes_of_finite_numbers_is_found(tmp_path):
    run = Run(tmp_path, faulty(2, nan))
    with run.recorder:
        run.steps(3)
    run.audit()
    assert run.code == 1
    assert run.wrong() == ["audit/lockstep/m"]
    words = "one element of parameter 0 at step 2 is off"
    assert said(run.record, "audit/lockstep/m").reason.startswith(words)


@torch.no_grad()
def alter_a_little(optimizer):
    """One small number is 40 ulp off, next to larger errors within larger bounds."""
    m = optimizer.state[first(optimizer)]["exp_avg"]
    m.view(-1)[3] *= 1 + 40 * 2**-24


def test_the_picture_over_the_steps_shows_the_step_that_is_beyond_its_bound(tmp_path):
    run = Run(tmp_path, faulty(3, alter_a_little))
    with run.recorder:
        run.steps(130)
    run.audit()
    assert "audit/lockstep/m" in run.wrong()
    points = said(run.record, "audit/lockstep/m").measured["ulp_by_step"]
    assert len(points) <= 128
    assert [step for step, error, bound in points if error > bound] == [3]
