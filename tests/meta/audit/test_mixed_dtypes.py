"""Parameters of 16 bits with a finer state, or with finer copies."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl.recording import record, record_arrays
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.meta.audit.auditing import audited, said

torch = pytest.importorskip("torch")

WRONG = {Status.DIVERGES, Status.BROKEN}
STEPS = 5


def with_one_rounding(p, m, u, rate):
    p.copy_(p.float().addcdiv_(m, u, value=-rate))


def in_place(p, m, u, rate):
    p.addcdiv_(m, u, value=-rate)


def by_a_rounded_quotient(p, m, u, rate):
    p.add_((m / u).to(p.dtype), alpha=-rate)


def by_a_rounded_step(p, m, u, rate):
    p.add_((m / u * -rate).to(p.dtype))


class FineState(torch.optim.Optimizer):
    """Adamax whose m and u are float32, whatever its parameters are.

    Args:
        update: how theta comes from m and u.
        copies: whether a float32 copy goes on next to each parameter.
        spoil: is called at the end of the third step.
    """

    def __init__(self, params, update=with_one_rounding, *, copies=False, spoil=lambda _: None):
        super().__init__(params, {"lr": 0.05, "betas": (0.9, 0.999), "eps": 1e-8})
        self.update, self.copies, self.spoil, self.calls = update, copies, spoil, 0

    @torch.no_grad()
    def step(self, _closure=None):
        self.calls += 1
        for group in self.param_groups:
            for p in group["params"]:
                self.step_one(p, self.state[p], group)
        if self.calls == 3:
            self.spoil(self)

    def step_one(self, p, state, group):
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(p, dtype=torch.float32)
            state["exp_inf"] = torch.zeros_like(p, dtype=torch.float32)
            if self.copies:
                state["master_param"] = p.float().clone()
        state["step"] += 1
        g = p.grad.float()
        m = state["exp_avg"].lerp_(g, 1 - group["betas"][0])
        u = state["exp_inf"].mul_(group["betas"][1])
        torch.maximum(u, g.abs().add_(group["eps"]), out=u)
        rate = group["lr"] / (1 - group["betas"][0] ** state["step"].item())
        if self.copies:
            p.copy_(state["master_param"].addcdiv_(m, u, value=-rate))
        else:
            self.update(p, m, u, rate)


def run(folder, *, dtype=torch.bfloat16, **options):
    """Record a run of two tensors of 16 bits, and of one of float32; audit it."""
    generator = torch.Generator().manual_seed(8)
    thetas = [torch.randn(shape, generator=generator).to(dtype) for shape in ((6, 4), (5,))]
    thetas = [theta.requires_grad_() for theta in (*thetas, torch.randn(6, generator=generator))]
    optimizer = FineState(list(zip(("weight", "bias", "norm"), thetas, strict=True)), **options)
    with record(optimizer, folder / "recording"):
        for _ in range(STEPS):
            for theta in thetas:
                theta.grad = torch.randn(theta.shape, generator=generator).to(theta.dtype)
            optimizer.step()
    return audited(folder / "recording", folder / "report")


def wrong(found):
    return {verdict.check for verdict in found.verdicts if verdict.status in WRONG}


def reasons(found):
    return " | ".join(verdict.reason for verdict in found.verdicts if verdict.status in WRONG)


def judged(found, quantity):
    """The number of elements of a quantity that were judged, by dtype."""
    check = f"audit/lockstep/{quantity}"
    return {v.dtype: v.measured["judged"] for v in found.verdicts if v.check == check}


@pytest.mark.parametrize(
    ("dtype", "update"),
    [
        (torch.bfloat16, with_one_rounding),
        (torch.bfloat16, by_a_rounded_step),
        (torch.float16, in_place),
        (torch.float16, by_a_rounded_quotient),
    ],
)
def test_a_float32_state_of_parameters_of_16_bits_is_judged_as_what_it_is(tmp_path, dtype, update):
    code, found = run(tmp_path, dtype=dtype, update=update)
    assert (code, wrong(found)) == (0, set())
    name = str(dtype).rpartition(".")[2]
    for quantity in ("theta", "m", "u"):
        assert judged(found, quantity) == {name: STEPS * 29, "float32": STEPS * 6}
    assert said(found, "audit/lockstep/m").reason == (
        f"theta is {name}, m and u are float32: each is judged in its format"
    )


def test_master_weights_are_the_theta_that_is_judged(tmp_path):
    code, found = run(tmp_path, copies=True)
    assert (code, wrong(found)) == (0, set())
    assert judged(found, "theta") == {"float32": STEPS * 35}


def weight(optimizer):
    """The first parameter, and its state."""
    p = optimizer.param_groups[0]["params"][0]
    return p, optimizer.state[p]


def narrow_m(optimizer):
    m = weight(optimizer)[1]["exp_avg"]
    m.copy_(m.bfloat16())


def forget_m(optimizer):
    weight(optimizer)[1]["exp_avg"].zero_()


def go_too_far(optimizer):
    p, state = weight(optimizer)
    p.add_(state["exp_avg"] / state["exp_inf"], alpha=-0.05)


def keep_copy(optimizer):
    weight(optimizer)[0].mul_(1.1)


def alter_copy(optimizer):
    weight(optimizer)[1]["master_param"].mul_(1 + 2**-18)


@pytest.mark.parametrize(
    ("spoil", "copies", "check"),
    [
        (narrow_m, False, "audit/lockstep/m"),
        (forget_m, False, "audit/lockstep/m"),
        (go_too_far, False, "audit/lockstep/theta"),
        (keep_copy, True, "audit/master-weights"),
        (alter_copy, True, "audit/lockstep/theta"),
    ],
)
def test_what_is_wrong_with_a_finer_state_or_copy_is_found_and_named(tmp_path, spoil, copies, check):
    code, found = run(tmp_path, spoil=spoil, copies=copies)
    assert code == 1
    assert check in wrong(found)
    assert "weight" in reasons(found)
    assert "step 3" in reasons(found)


def test_a_theta_of_16_bits_that_does_not_move_is_found(tmp_path):
    code, found = run(tmp_path, update=lambda *_: None)
    assert code == 1
    assert "audit/lockstep/theta" in wrong(found)
    assert "audit/lockstep/m" not in wrong(found)


OPTIONS = Hyperparameters(lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, maximize=False)


def first_step(folder, gradient, state):
    """Record and audit one step of float32 parameters."""
    g = gradient.astype(np.float32)
    theta = np.ones(g.shape, np.float32)
    m, u = np.float32(0.1) * g, np.abs(g) + np.float32(1e-8)
    after = theta - np.float32(0.1) / np.float32(0.1) * m / u
    before = ([theta], [None], [None])
    with record_arrays(folder / "recording", ["w"], subject="mine") as recording:
        recording.step(1, [gradient], before, ([after], [m.astype(state)], [u.astype(state)]), OPTIONS)
    return audited(folder / "recording", folder / "report")


def test_a_state_that_is_coarser_than_the_parameters_is_not_judged_and_not_green(tmp_path):
    code, found = first_step(tmp_path, np.linspace(-1, 1, 32, dtype=np.float32), np.float16)
    assert (code, wrong(found)) == (3, set())
    assert "arrays of several dtypes" in said(found, "audit/unjudged").reason


def test_a_gradient_that_is_coarser_than_the_parameters_is_judged_as_the_number_that_it_is(tmp_path):
    code, found = first_step(tmp_path, np.linspace(-1, 1, 32).astype(np.float16), np.float32)
    assert (code, wrong(found)) == (0, set())
    assert judged(found, "m") == {"float32": 32}


class NarrowedTerms(torch.optim.Adamax):
    """Adamax whose terms with the gradient are formed in the gradient's dtype."""

    @torch.no_grad()
    def step(self, _closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["step"] = torch.tensor(0.0)
                    state["exp_avg"], state["exp_inf"] = torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                m = state["exp_avg"].mul_(0.9).add_(p.grad * 0.1)
                u = state["exp_inf"].mul_(0.999)
                torch.maximum(u, p.grad.abs().add_(1e-8).float(), out=u)
                p.addcdiv_(m, u, value=-group["lr"] / (1 - 0.9 ** state["step"].item()))


def with_coarse_gradients(folder, optimizer, dtype):
    """Record a run of float32 parameters whose gradients are of 16 bits; audit it."""
    generator = torch.Generator().manual_seed(8)
    with record(optimizer, folder / "recording"):
        for _ in range(STEPS):
            for theta in optimizer.param_groups[0]["params"]:
                theta.grad = torch.randn(theta.shape, generator=generator).to(dtype)
            optimizer.step()
    return audited(folder / "recording", folder / "report")


def parameters():
    """Two parameters of float32, whose gradients may be of any dtype."""
    generator = torch.Generator().manual_seed(7)
    thetas = [torch.randn(shape, generator=generator).requires_grad_() for shape in ((6, 4), (5,))]
    if not hasattr(thetas[0], "grad_dtype"):
        pytest.skip("this version of torch has no gradients of another dtype")
    for theta in thetas:
        theta.grad_dtype = None
    return thetas


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        (torch.float16, {"foreach": False}),
        (torch.bfloat16, {"foreach": False, "maximize": True}),
        (torch.bfloat16, {"foreach": True}),
    ],
)
def test_torch_reads_a_gradient_of_16_bits_as_it_is_where_it_takes_one(tmp_path, dtype, options):
    optimizer = torch.optim.Adamax(parameters(), lr=0.1, weight_decay=0.1, **options)
    code, found = with_coarse_gradients(tmp_path, optimizer, dtype)
    assert (code, wrong(found)) == (0, set())
    assert judged(found, "m") == {"float32": STEPS * 29}


def test_torch_itself_refuses_a_gradient_of_16_bits_without_decay(tmp_path):
    optimizer = torch.optim.Adamax(parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match="expected dtype float"):
        with_coarse_gradients(tmp_path, optimizer, torch.bfloat16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_terms_that_are_formed_in_the_gradients_dtype_are_found_and_named(tmp_path, dtype):
    code, found = with_coarse_gradients(tmp_path, NarrowedTerms(parameters(), lr=0.1), dtype)
    assert code == 1
    assert "audit/lockstep/m" in wrong(found)
    name = str(dtype).rpartition(".")[2]
    assert found.diagnoses[0]["causes"][0]["cause"] == f"gradient-terms-in-{name}"
