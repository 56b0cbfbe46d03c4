"""The search for the largest errors, and the page of what it found."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reports.accuracy.constructed import carried_moment, carried_theta, find_near_ties
from adamax_conformance.reports.accuracy.measure import (
    OWN_BINARY64,
    HiddenStateError,
    Model,
    Start,
    measure_runs,
    take_steps,
)
from adamax_conformance.reports.accuracy.page import PAGE, RECORD, join, page
from adamax_conformance.reports.accuracy.search import RUN_STEPS, confirm, search_largest, search_run
from adamax_conformance.reports.cli.accuracy import accuracy
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.reports.record.exit_codes import ExitCode
from click.testing import CliRunner

RECORDED = json.loads(RECORD.read_text("utf-8"))


class Plain:
    """The formula in the arrays' own precision."""

    dtypes = ("float32",)

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8):
        self.params, self.lr, self.betas, self.eps, self.t = list(params), lr, betas, eps, 0
        self.exp_avg = [np.zeros_like(p) for p in self.params]
        self.exp_inf = [np.zeros_like(p) for p in self.params]

    def __call__(self, gradients):
        self.t += 1
        beta1, beta2 = self.betas
        n = np.float32
        for p, m, u, g in zip(self.params, self.exp_avg, self.exp_inf, gradients, strict=True):
            m[...] = n(beta1) * m + n(1 - beta1) * g
            u[...] = np.maximum(n(beta2) * u, abs(g) + n(self.eps))
            p[...] = p - n(self.lr / (1 - beta1**self.t)) * m / u


class Hidden(Plain):
    """The same, with m and u under names that nobody knows."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr, betas, eps)
        self.mine = self.exp_avg, self.exp_inf
        del self.exp_avg, self.exp_inf

    def __call__(self, gradients):
        self.exp_avg, self.exp_inf = self.mine
        super().__call__(gradients)
        del self.exp_avg, self.exp_inf


MODEL = Model("float32", ErrorModel(Format.BINARY32))


def test_the_page_is_made_from_the_record():
    assert PAGE.read_text("utf-8") == page(RECORDED)
    assert {"numpy", "torch"} <= {each["subject"] for each in RECORDED}


def test_no_recorded_error_is_beyond_its_bound():
    assert all(each["error"] <= each["bound"] for answer in RECORDED for each in answer["known"])


def test_our_own_errors_are_the_recorded_ones_and_those_of_one_step_are_proved(tmp_path):
    (own,) = (answer for answer in RECORDED if answer["subject"] == "numpy")
    file = tmp_path / "own.json"
    file.write_text(json.dumps(own))
    ran = CliRunner().invoke(accuracy, ["numpy", "--again", str(file), "--json"], standalone_mode=False)
    assert ran.exception is None, ran.exception
    answer = json.loads(ran.stdout)
    again = answer["known"]
    assert answer["near ties"] == own["near ties"]
    assert len(again) == len(own["known"]) == 8
    for now, then in zip(again, own["known"], strict=True):
        assert now["error"] == pytest.approx(then["error"], rel=1e-3)
        assert now["bound"] == pytest.approx(then["bound"], rel=1e-3)
        assert then["proved"] is not then["whole run"]
        if now["dtype"] == "float32" and then["proved"]:
            assert 0.4999 < now["error"] <= now["bound"] < 0.5001
        elif then["proved"]:
            bound = OWN_BINARY64[Quantity(now["quantity"])]
            assert 0.9 * bound <= now["error"] <= now["bound"] == bound


def test_a_search_finds_errors_that_rounding_each_operation_makes_and_finds_them_again():
    with Subject.in_process(Plain) as subject:
        found = search_largest(subject, MODEL, 30)
        assert found == search_largest(subject, MODEL, 30)
        assert found[Quantity.M].error > 0.9
        assert found[Quantity.U].error > 0.7
        assert found[Quantity.THETA].error > 1.0
        for quantity, known in found.items():
            assert known.error <= known.bound <= known.largest_bound * (1 + 1e-6)
            again = confirm(subject, MODEL, quantity, known.start)
            assert (again.error, again.bound) == (known.error, known.bound)


def test_an_optimizer_that_computes_below_its_dtype_is_measured_in_its_dtype():
    class Narrow(Plain):
        dtypes = ("float64",)

        def __call__(self, gradients):
            assert all(g.dtype == np.float64 for g in gradients)
            super().__call__([g.astype(np.float32) for g in gradients])
            for arrays in (self.params, self.exp_avg, self.exp_inf):
                for array in arrays:
                    array[...] = array.astype(np.float32)

    with Subject.in_process(Narrow, dtypes=("float64",)) as subject:
        found = search_largest(subject, Model("float64", ErrorModel(Format.BINARY32)), 3)
    assert all(0 < known.error <= known.bound and not known.is_proved for known in found.values())


def test_a_longer_search_finds_no_less():
    with Subject.in_process(Plain) as subject:
        short, long = (search_largest(subject, MODEL, rounds) for rounds in (6, 24))
    assert all(long[quantity].error >= short[quantity].error for quantity in short)


def test_a_run_is_measured_from_its_start_and_without_m_and_u():
    with Subject.in_process(Hidden, dtypes=("float32",)) as subject:
        with pytest.raises(HiddenStateError, match="m and u of the subject cannot be seen"):
            search_largest(subject, MODEL, 1)
        known = search_run(subject, MODEL, 3)
        start = known.start
        assert len(start.gradients) == RUN_STEPS
        assert 0.5 < known.error <= known.bound <= known.largest_bound
        theta, gradients = np.array([start.theta]), np.array(start.gradients)[:, None]
        (again,) = measure_runs(subject, MODEL, start.options, theta, gradients)
    assert (again.error, again.bound) == (known.error, known.bound)


def test_rounding_once_is_a_bound_of_an_optimizer_that_is_known_to():
    wide = Model("float32", ErrorModel(Format.BINARY32), ErrorModel(Format.BINARY64))
    with Subject.in_process(Adamax) as subject:
        found = search_largest(subject, wide, 9)
    assert all(0.49 < known.error <= known.bound < 0.5001 for known in found.values())


def test_a_carry_shows_the_largest_error_that_is_proved_of_the_moment():
    own = Model("float64", ErrorModel(Format.BINARY64), everywhere=OWN_BINARY64)
    with Subject.in_process(Adamax) as subject:
        known = confirm(subject, own, Quantity.M, carried_moment(Format.BINARY64))
        assert 2.46 < known.error < known.bound == 2.5
    plain = carried_moment(Format.BINARY32)
    with Subject.in_process(Plain) as subject:
        known = confirm(subject, MODEL, Quantity.M, plain)
    assert 0.9 < known.error < known.bound


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_that_is_too_long_is_carried_over_a_power_of_two(dtype):
    format_ = Format.of(dtype)
    model = Model(dtype, ErrorModel(format_), everywhere=OWN_BINARY64 if dtype == "float64" else {})
    start = Start(Hyperparameters(0.1, 0.3, 0.5, 2.0**-20), 1.0, (format_.round_float(0.7),))
    with Subject.in_process(Adamax if dtype == "float64" else Plain) as subject:
        carried = carried_theta(subject, model, start)
        assert carried.gradients == start.gradients
        known = confirm(subject, model, Quantity.THETA, carried)
        ((before, _, _), (after, _, _)) = take_steps(
            subject, dtype, start.options, np.array([carried.theta]), np.array(carried.gradients)[:, None]
        )
    step = abs(float(before[0]) - float(after[0]))
    power = 2.0 ** math.floor(math.log2(step))
    assert before[0] * after[0] < 0
    assert abs(abs(float(after[0])) - power) <= 8 * format_.ulp(power / 2)
    assert known.error <= known.bound


def test_theta_is_rounded_correctly_next_to_near_ties_and_not_at_all_of_them():
    with Subject.in_process(Plain) as subject:
        found = find_near_ties(subject, MODEL, inputs=24)
        assert found == find_near_ties(subject, MODEL, inputs=24)
    assert found.distance < 2.0**-10
    assert found.inputs == 24
    assert found.correct < 20 < found.ordinary
    assert 0.5 < found.error < 0.51
    with Subject.in_process(Adamax) as subject:
        once = find_near_ties(subject, MODEL, inputs=24)
    assert once.correct == once.ordinary == 24
    assert 0.499 < once.error <= 0.5


def test_an_optimizer_whose_norm_depends_on_lr_has_no_near_ties():
    class Coupled(Plain):
        def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8):
            super().__init__(params, lr, betas, eps + 100 * lr)

    with (
        Subject.in_process(Coupled) as subject,
        pytest.raises(ValueError, match="0 of 2 near-ties could be constructed"),
    ):
        find_near_ties(subject, MODEL, inputs=2)


def test_subjects_with_the_same_numbers_share_a_row_and_what_is_not_measured_is_said():
    known = {
        "dtype": "float32",
        "quantity": "m",
        "whole run": False,
        "error": 0.5,
        "bound": 1.0,
        "proved": False,
    }
    answers = [
        {"subject": name, "version": "torch 2", "known": [{**known, "error": error}], "not measured": left}
        for name, error, left in (("torch", 0.5, []), ("torch[x]", 0.5, ["float64: why"]), ("other", 0.6, []))
    ]
    shown = page(answers)
    assert "| `torch`, `torch[x]` torch 2 | float32 | 0.5000 (1) |" in shown
    assert "| `other` torch 2 | float32 | 0.6000 (1) |" in shown
    assert "- `torch[x]`: float64: why" in shown


def test_the_largest_error_of_two_searches_of_a_version_stays():
    def answer(version, **errors):
        known = [
            {"dtype": "float32", "quantity": q, "whole run": False, "error": e} for q, e in errors.items()
        ]
        return {"subject": "mine", "version": version, "known": known, "near ties": []}

    joined = join(answer("1", m=3.0, u=0.5), answer("1", m=2.0, u=1.0, theta=4.0))
    assert {e["quantity"]: e["error"] for e in joined["known"]} == {"m": 3.0, "u": 1.0, "theta": 4.0}
    newer = answer("2", m=2.0)
    assert join(answer("1", m=3.0), newer) is newer
    assert join(None, newer) is newer


def test_a_dtype_without_a_known_rule_is_said_and_the_other_is_measured(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        """
import numpy as np
from adamax_conformance.impl import Adamax

class Mine(Adamax):
    def __call__(self, gradients):
        if gradients[0].dtype == np.float64:
            gradients = [g * 1.5 + 0.1 for g in gradients]
        super().__call__(gradients)
"""
    )
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(accuracy, ["mine.py:Mine", "--rounds", "3", "--json"], standalone_mode=False)
    assert ran.exception is None, ran.exception
    assert {each["dtype"] for each in json.loads(ran.stdout)["known"]} == {"float32"}
    assert "not measured: mine.py:Mine follows no known rule in float64" in ran.stderr
    assert json.loads(ran.stdout)["not measured"]
    assert ran.return_value == ExitCode.NOTHING_JUDGED


@pytest.mark.parametrize(
    ("words", "text", "code", "message"),
    [
        (["numpi"], None, ExitCode.USAGE, "did you mean numpy?"),
        (["numpy", "--dtype", "bfloat16"], None, ExitCode.NOTHING_JUDGED, "numpy has no bfloat16"),
        (["numpy"], "{", ExitCode.USAGE, "is not an answer of `accuracy --json`"),
        (["numpy"], '{"known": [{"dtype": "float8"}]}', ExitCode.USAGE, "is not an answer of"),
        (["numpy", "--again", "nowhere.json"], None, ExitCode.USAGE, "nowhere.json cannot be read"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, words, text, code, message):
    if text is not None:
        (tmp_path / "answer.json").write_text(text)
        words = [*words, "--again", str(tmp_path / "answer.json")]
    ran = CliRunner().invoke(accuracy, words, standalone_mode=False)
    assert isinstance(ran.exception, CommandError)
    assert ran.exception.exit_code == code
    assert message in ran.exception.message
    assert "\n" not in ran.exception.message
