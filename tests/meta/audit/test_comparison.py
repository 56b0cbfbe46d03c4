"""Two recordings of one run are the same, or part at a step that is named."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record
from adamax_conformance.impl.recording.format import file_name
from adamax_conformance.reports.cli import comparing
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.tests.meta.audit.wrong import Plain

DTYPE = np.float32


class Off(Plain):
    """One element of theta is a little off after the third step."""

    def after(self, theta, i, t):
        if (i, t) == (1, 3):
            theta = theta.copy()
            theta[2] += 100 * np.spacing(theta[2])
        return theta


class Reordered(Plain):
    """The moment is interpolated, which is another right evaluation."""

    def move(self, i, t, own, g):
        m, n = self.exp_avg[i], self.parameters[i].dtype.type
        old, decayed = m.copy(), g + n(own.weight_decay) * self.parameters[i]
        super().move(i, t, own, g)
        if t == 2:
            m[...] = old + n(1 - own.beta1) * (decayed - old)


def run(folder: Path, kind=Plain, *, seed=8, lr=0.1, steps=5, start=0.0, noisy=False):
    rng = np.random.default_rng(seed)
    thetas = [rng.standard_normal(shape).astype(DTYPE) for shape in ((4, 3), (5,))]
    thetas[0][1, 1] += DTYPE(start)
    optimizer = kind([{"params": thetas, "weight_decay": 0.01}], lr=lr)
    with record(optimizer, folder):
        for t in range(1, steps + 1):
            gradients = [rng.standard_normal(theta.shape).astype(DTYPE) for theta in thetas]
            gradients[1][4] += DTYPE(noisy and t == 4) / 2**20
            optimizer(gradients)
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return run(tmp_path_factory.mktemp("one") / "recording")


@pytest.fixture
def compare(one, tmp_path, capsys):
    """The exit code and the lines of a comparison with another run."""

    def compare(kind=Plain, **options):
        run(tmp_path / "other", kind, **options)
        code = cli.main(["audit", str(one), str(tmp_path / "other")], standalone_mode=False)
        return code, capsys.readouterr().out.splitlines()

    return compare


def test_two_runs_that_are_the_same_do_not_part(compare):
    assert compare() == (0, ["they do not part: 5 recorded steps are the same, bit for bit"])


def test_a_run_that_goes_on_does_not_part_from_a_shorter_one(compare):
    code, lines = compare(steps=7)
    assert code == 0
    assert lines[0] == "they do not part: 5 recorded steps are the same, bit for bit"
    assert lines[1].endswith("goes on after them, to step 7")


def test_the_optimizer_that_is_wrong_is_named(compare):
    code, lines = compare(Off)
    assert code == 1
    words = "they part at the recorded step 3, in theta after it of parameter 1: 1 of 5 elements differ, the first [2]"
    assert lines[0].startswith(words)
    assert lines[1].startswith("cause: the optimizers: from the same state and the same gradient")
    assert lines[2] == "2 of 5 recorded steps are the same before it"
    assert "recording: theta of this step is within its bound" in lines[3]
    assert "other: theta of this step is beyond its bound" in lines[4]


def test_what_cannot_be_judged_is_not_within_its_bound(compare, monkeypatch):
    monkeypatch.setattr(comparing, "_largest_over_bound", lambda *_: None)
    code, lines = compare(Off)
    assert code == 3
    assert all("theta of this step cannot be judged" in line for line in lines[3:5])


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--step", "3"], "--step"),
        (["--unfinished"], "--unfinished"),
        (["--output", "elsewhere"], "--report"),
        (["--quiet"], "--quiet"),
    ],
)
def test_an_option_that_a_comparison_does_not_use_is_refused(one, words, option):
    with pytest.raises(
        CommandError, match=f"{option} is not used where two recordings are compared"
    ) as caught:
        cli.main(["audit", str(one), str(one), *words], standalone_mode=False)
    assert caught.value.exit_code == 2


def test_two_right_evaluations_part_and_both_are_right(compare):
    code, lines = compare(Reordered)
    assert code == 0
    assert lines[0].startswith("they part at the recorded step 2, in m after it of parameter 0")
    assert all("is within its bound" in line for line in lines[3:5])


@pytest.mark.parametrize(
    ("options", "words", "cause"),
    [
        ({"noisy": True}, "step 4, in the gradient of parameter 1: 1 of 5 elements", "the gradients differ"),
        ({"start": 2**-20}, "step 1, in theta before it of parameter 0: 1 of 12 elements", "something else"),
        ({"lr": 0.2}, "step 1: lr of parameter 0 is 0.1 in one, and 0.2 in the other", "something else"),
    ],
)
def test_a_difference_that_the_optimizers_do_not_make(compare, options, words, cause):
    code, lines = compare(**options)
    assert code == 0
    assert words in lines[0]
    assert lines[1].startswith("cause: not the optimizers")
    assert cause in lines[1]
    assert len(lines) == 3


def test_runs_without_a_step_in_common_and_damaged_ones_are_not_compared(one, tmp_path):
    with (
        pytest.warns(UserWarning, match="no step was seen"),
        record(Adamax([np.ones(1)]), tmp_path / "empty"),
    ):
        pass
    with pytest.raises(CommandError, match="no recorded step in common") as caught:
        cli.main(["audit", str(one), str(tmp_path / "empty")], standalone_mode=False)
    assert caught.value.exit_code == 3
    run(tmp_path / "other")
    (tmp_path / "other" / file_name(2)).unlink()
    with pytest.raises(CommandError, match="it cannot be read"):
        cli.main(["audit", str(one), str(tmp_path / "other")], standalone_mode=False)


RANK = """
import sys
import torch
from adamax_conformance.impl.recording import record
from torch.nn.parallel import DistributedDataParallel

rank, meeting, folder, what = int(sys.argv[1]), *sys.argv[2:]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)


class Forgets(torch.optim.Adamax):
    calls = 0

    def step(self, closure=None):
        self.calls += 1
        if self.calls == 3:
            for state in self.state.values():
                state["exp_avg"].zero_()
        return super().step(closure)


torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(6, 4))
kind = Forgets if what == "wrong" and rank else torch.optim.Adamax
optimizer = kind(model.parameters(), lr=0.05)
torch.manual_seed(rank)
with record(optimizer, folder, model=model.module):
    for step in range(4):
        optimizer.zero_grad()
        model(torch.randn(8, 6)).square().mean().backward()
        if what == "apart" and rank and step == 2:
            model.module.bias.grad[1] += 1  # one rank's gradient is not what was reduced
        optimizer.step()
torch.distributed.destroy_process_group()
"""


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("what", ["together", "apart", "wrong"])
def test_two_ranks_record_in_a_folder_each_and_are_compared(tmp_path, what, capsys):
    folder = tmp_path / "recording"
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), str(tmp_path / "meeting"), str(folder), what],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for rank in ranks:
        _, problem = rank.communicate(timeout=300)
        assert rank.returncode == 0, problem[-2000:]
    code = cli.main(["audit", str(folder / "rank-0"), str(folder / "rank-1")], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert code == (what == "wrong")
    if what == "together":
        assert lines == ["they do not part: 4 recorded steps are the same, bit for bit"]
    elif what == "apart":
        words = (
            "they part at the recorded step 3, in the gradient of bias: 1 of 4 elements differ, the first [1]"
        )
        assert lines[0].startswith(words)
    else:
        assert lines[0].startswith("they part at the recorded step 3, in m after it of weight")
        assert "rank-0: m of this step is within its bound" in lines[3]
        assert "rank-1: m of this step is beyond its bound" in lines[4]
    both = ["audit", str(folder), "--report", str(tmp_path / "both"), "--quiet"]
    assert cli.main(both, standalone_mode=False) == (what == "wrong")


def test_a_folder_with_one_recording_is_compared_as_it(one, tmp_path, capsys):
    run(tmp_path / "run" / "rank-0")
    assert cli.main(["audit", str(one), str(tmp_path / "run")], standalone_mode=False) == 0
    assert "they do not part" in capsys.readouterr().out
