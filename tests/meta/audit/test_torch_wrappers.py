"""Optimizers that are wrapped, sharded or compiled.

They are recorded, or refused in one line.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from adamax_conformance.impl.recording import record
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.tests.meta.audit.auditing import audited, said

torch = pytest.importorskip("torch")

WRONG = {Status.DIVERGES, Status.BROKEN}


def wrong(found):
    return [verdict.check for verdict in found.verdicts if verdict.status in WRONG]


class Resets(torch.optim.Adamax):
    """The third step begins from nothing."""

    calls = 0

    def step(self, closure=None):
        self.calls += 1
        if self.calls == 3:
            for state in self.state.values():
                state["exp_avg"].zero_()
        return super().step(closure)


@pytest.mark.parametrize("kind", [torch.optim.Adamax, Resets])
def test_an_optimizer_that_accelerate_has_prepared(tmp_path, kind):
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    model, optimizer = accelerator.prepare(model, kind(model.parameters(), lr=0.1))
    with record(optimizer, tmp_path / "recording", model=model) as recording:
        for _ in range(8):
            with accelerator.accumulate(model):
                accelerator.backward(model(torch.randn(5, 4)).square().sum())
                optimizer.step()
                optimizer.zero_grad()
    assert recording.recorded == 4
    code, found = audited(tmp_path / "recording", tmp_path / "report")
    assert said(found, "audit/lockstep/m").measured["judged"] == 4 * 15
    assert code == (kind is Resets)
    assert ("audit/lockstep/m" in wrong(found)) == (kind is Resets)
    if kind is Resets:
        assert "step 3" in said(found, "audit/lockstep/m").reason


RANK = """
import itertools, os, sys
import torch
from adamax_conformance.impl.recording import record
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel

rank, meeting, folder = int(sys.argv[1]), *sys.argv[2:]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)


class Forgets(torch.optim.Adamax):
    calls = 0

    def step(self, closure=None):
        self.calls += 1
        if self.calls == 3 and rank == 1:
            for state in self.state.values():
                state["exp_avg"].zero_()
        return super().step(closure)


for kind, what in itertools.product(("zero", "fsdp", "fsdp2"), ("right", "wrong")):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 1))
    if kind == "zero":
        wrapped = DistributedDataParallel(model)
        optimizer = ZeroRedundancyOptimizer(wrapped.parameters(), torch.optim.Adamax, lr=0.1)
        if what == "wrong" and rank == 1:
            optimizer._sync_param_groups = lambda *_: None
    elif kind == "fsdp":
        wrapped = FullyShardedDataParallel(model, use_orig_params=True, device_id=torch.device("cpu"))
        optimizer = (torch.optim.Adamax if what == "right" else Forgets)(wrapped.parameters(), lr=0.1)
    else:
        mesh = init_device_mesh("cpu", (2,))
        for layer in model:
            fully_shard(layer, mesh=mesh)
        wrapped = fully_shard(model, mesh=mesh)
        optimizer = (torch.optim.Adamax if what == "right" else Forgets)(model.parameters(), lr=0.1)
    torch.manual_seed(rank)
    with record(optimizer, os.path.join(folder, kind, what), model=model):
        for step in range(4):
            optimizer.zero_grad()
            wrapped(torch.randn(5, 4)).square().sum().backward()
            optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
            optimizer.step()
torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """The recordings of two processes that share an optimizer's parameters."""
    if not torch.distributed.is_available():
        pytest.skip("torch has no groups of processes here")
    folder = tmp_path_factory.mktemp("sharded")
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), str(folder / "meeting"), str(folder)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for rank in ranks:
        _, problem = rank.communicate(timeout=300)
        assert rank.returncode == 0, problem[-2000:]
    return folder


@pytest.mark.parametrize(("kind", "at"), [("zero", "step 2"), ("fsdp", "step 3"), ("fsdp2", "step 3")])
def test_each_process_of_a_sharded_optimizer_records_its_part_in_its_own_folder(sharded, tmp_path, kind, at):
    judged, recordings = 0, sharded / kind / "right"
    other = ["audit", str(recordings), str(recordings / "rank-1")]
    with pytest.raises(CommandError, match="it has the recordings rank-0, rank-1: name one of them"):
        cli.main(other, standalone_mode=False)
    for rank in range(2):
        code, found = audited(recordings / f"rank-{rank}", tmp_path / f"right-{rank}")
        assert wrong(found) == []
        assert code == 0
        assert said(found, "audit/recording").measured["rank"] == rank
        judged += said(found, "audit/lockstep/theta").measured["judged"]
    assert judged == 4 * 19
    both = ["audit", str(recordings), "--report", str(tmp_path / "both"), "--quiet"]
    assert cli.main(both, standalone_mode=False) == 0
    assert audited(recordings.with_name("wrong") / "rank-0", tmp_path / "wrong-0")[0] == 0
    code, found = audited(recordings.with_name("wrong") / "rank-1", tmp_path / "wrong-1")
    assert code == 1
    places = [verdict.reason for verdict in found.verdicts if verdict.status in WRONG]
    assert any(at in place for place in places), places


# Compiled -----------------------------------------------------------------------------------------------------------


class Traceable(torch.optim.Optimizer):
    """Adamax as one graph."""

    def __init__(self, params, lr=0.05):
        super().__init__(params, {"lr": lr, "betas": (0.9, 0.999), "eps": 1e-8})

    @torch.no_grad()
    def step(self, _closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["step"] = torch.tensor(0.0)
                    state["exp_avg"], state["exp_inf"] = torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                state["exp_avg"].lerp_(p.grad, 1 - group["betas"][0])
                u = state["exp_inf"].mul_(group["betas"][1])
                torch.maximum(u, p.grad.abs().add_(group["eps"]), out=u)
                c = self.correction(group["betas"][0], state["step"])
                p.addcdiv_(state["exp_avg"], u * c, value=-group["lr"])

    def correction(self, beta1, t):
        return 1 - beta1**t


def training(kind, compiled):
    """An optimizer, and a function that takes a step."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    theta = torch.randn(4, 3).requires_grad_()
    optimizer = kind([theta])

    @compiled
    def step():
        optimizer.step()

    def train():
        theta.grad = torch.randn(4, 3)
        step()

    return optimizer, train


class Counting(torch.optim.Adamax):
    """A class of one's own whose step calls that of torch."""

    def step(self, closure=None):
        return super().step(closure)


def in_parts(step):
    return torch.compile(step, backend="eager")


def as_a_whole(step):
    return torch.compile(step, backend="eager", fullgraph=True)


class Stale(Traceable):
    """From the fourth step on, the bias correction is that of the third."""

    def correction(self, beta1, t):
        return super().correction(beta1, torch.clamp(t, max=3.0))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch itself, as it compiles
@pytest.mark.parametrize("kind", [torch.optim.Adamax, Counting, Traceable, Stale, Resets])
def test_a_step_that_is_compiled_in_parts_is_recorded_and_what_is_wrong_with_it_is_found(tmp_path, kind):
    optimizer, train = training(kind, in_parts)
    train()
    with record(optimizer, tmp_path / "recording") as recording:
        for _ in range(4):
            train()
    assert recording.recorded == 4
    code, found = audited(tmp_path / "recording", tmp_path / "report")
    assert said(found, "audit/outside").status is Status.SKIPPED
    assert said(found, "audit/lockstep/theta").measured["judged"] == 4 * 12
    if kind is Stale:
        assert (code, "audit/lockstep/theta" in wrong(found)) == (1, True)
        assert said(found, "audit/lockstep/theta").reason.startswith("the step counter stops at 3")
    elif kind is Resets:
        assert (code, "audit/lockstep/m" in wrong(found)) == (1, True)
        assert "m of parameter 0, element [0, 0], after step 3" in said(found, "audit/lockstep/m").reason
    else:
        assert (code, wrong(found)) == (0, [])


def test_a_step_that_is_compiled_as_a_whole_is_refused_before_it_is_taken(tmp_path):
    optimizer, train = training(Traceable, as_a_whole)
    words = "a step that torch.compile compiles as a whole .* cannot be recorded"
    with pytest.raises(torch._dynamo.exc.Unsupported, match=words), record(optimizer, tmp_path):
        train()
    assert not optimizer.state
    train()  # as before, once nobody watches
    assert len(optimizer.state) == 1


def test_steps_that_call_no_hooks_are_not_missed_in_silence(tmp_path):
    theta = torch.ones(3, requires_grad=True)
    theta.grad = torch.ones(3)
    optimizer = torch.optim.Adamax([theta])
    with (
        torch.no_grad(),
        pytest.warns(UserWarning, match="no step was seen, so .* has none"),
        record(optimizer, tmp_path / "recording"),
    ):
        torch.optim.Adamax.step.__wrapped__.__wrapped__(optimizer)
    assert audited(tmp_path / "recording", tmp_path / "report")[0] == 3
