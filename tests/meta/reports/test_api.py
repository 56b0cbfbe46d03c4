"""The Python interface, as somebody's own tests use it."""

from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.reference import formula
from adamax_conformance.reference.formula import Scalars, State
from adamax_conformance.reports import api

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[3]
OPTIMIZERS = Path(__file__).parents[1] / "cli" / "optimizers.py"
OPTIONS = {"lr": 0.1, "betas": (0.8, 0.7), "eps": 0.01, "weight_decay": 0.25}
RULE = ["rule/*"]


def stepped(dtype="float32", steps=3):
    """The states around the last of some steps of our own optimizer, and its gradient."""
    theta = np.array([1.5, -0.25, 4.0], dtype)
    optimizer = Adamax([theta], **OPTIONS)
    gradient = np.array([0.5, -2.0, 0.125], dtype)
    for _ in range(steps):
        before = [array.copy() for array in (theta, optimizer.exp_avg[0], optimizer.exp_inf[0])]
        optimizer((gradient,))
    return before, (theta, optimizer.exp_avg[0], optimizer.exp_inf[0]), gradient


def test_the_interface_is_imported_in_less_than_half_a_second_and_without_the_oracle():
    code = (
        "import time; start = time.perf_counter(); import adamax_conformance.reports.api; "
        "print(time.perf_counter() - start); import sys; print([m for m in ('mpmath', 'numba', 'pytest', 'rich') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, loaded = done.stdout.splitlines()
    assert float(seconds) < 0.5
    assert loaded == "[]"


def test_an_exact_step_is_that_of_rational_arithmetic():
    (theta, m, u), _, gradient = stepped()
    exact = api.exact_step(theta, gradient, m, u, 3, **OPTIONS)
    beta1, beta2 = map(Fraction, OPTIONS["betas"])
    scalars = Scalars(Fraction(0.1), beta1, beta2, Fraction(0.01), Fraction(0.25), maximize=False)
    for i in range(theta.size):
        before = State(*(Fraction(float(array[i])) for array in (theta, m, u)))
        after = formula.step(before, Fraction(float(gradient[i])), 3, scalars)
        for name in ("theta", "m", "u"):
            made, wanted = getattr(exact, name), getattr(after, name)
            assert abs(Fraction(made.decimals[i]) - wanted) <= abs(wanted) / 10**39
            assert abs(made.nearest[i] - float(wanted)) <= abs(float(wanted)) * 2.0**-24
            assert 0 < made.bound[i] < 1e-5


def test_a_right_step_is_within_its_bound_and_a_wrong_one_is_named():
    before, after, gradient = stepped()
    right = api.judge_step(before, after, gradient, 3, **OPTIONS)
    assert right.ok
    assert right.judged == 9
    wrong = api.judge_step(before, after, gradient, 2, **OPTIONS)
    assert not wrong.ok
    assert {number.quantity for number in wrong.wrong} == {"theta"}
    assert "times the proven bound" in str(wrong)


def test_a_step_is_judged_by_any_rule():
    before, after, gradient = stepped()
    other = api.Rule(bias_correction=api.BiasCorrection.NONE)
    assert not api.judge_step(before, after, gradient, 3, rule=other, **OPTIONS).ok


def test_numbers_of_another_format_or_shape_are_refused():
    with pytest.raises(ValueError, match=r"gradient has the element 0\.1, which is not a float32"):
        api.exact_step([0.5], [0.1], dtype="float32")
    with pytest.raises(ValueError, match=r"gradient has shape \(2,\); theta has \(1,\)"):
        api.exact_step([0.5], [0.5, 0.5])
    with pytest.raises(ValueError, match="not finite"):
        api.exact_step([0.5], [np.inf])


def test_nothing_that_was_not_compared_is_right():
    before, after, gradient = stepped()
    found = api.judge_step(before, after, gradient * np.nan, 3, **OPTIONS)
    assert not found.ok
    assert "nothing was compared" in str(found)


def test_a_report_says_what_the_command_line_says(tmp_path):
    report = api.check(f"{OPTIMIZERS}:DecayDecoupled", dtypes=["float32"], checks=RULE, report=tmp_path)
    assert not report.ok
    (finding,) = report.findings
    assert "apart from the gradient" in finding.cause
    assert finding.formula
    assert finding.followed
    assert "DecayDecoupled" in finding.script
    assert "apart from the gradient" in report.to_html()
    assert (tmp_path / "index.html").is_file()


def test_a_subject_that_cannot_be_judged_raises_the_line_of_the_command():
    with pytest.raises(api.NotJudgedError, match="did you mean numpy"):
        api.check("nunpy")
    with pytest.raises(ValueError, match="at the top level of a module"):
        api.check(lambda _: None)


def test_a_failure_reads_as_the_finding_and_the_fixture_and_marker_are_opt_in(pytester):
    pytester.makepyfile(mine=OPTIMIZERS.read_text(encoding="utf-8"))
    pytester.makeconftest('pytest_plugins = ["adamax_conformance.reports.api.pytest_plugin"]')
    pytester.makepyfile(
        test_optim="""
        import pytest
        from mine import Adamax, WithoutBiasCorrection

        @pytest.mark.adamax(dtypes=["float32"], checks=["rule/*"])
        def test_right(adamax_conforms):
            assert adamax_conforms(Adamax).ok

        @pytest.mark.adamax(dtypes=["float32"], checks=["rule/*"])
        def test_wrong(adamax_conforms):
            adamax_conforms(WithoutBiasCorrection)
        """
    )
    result = pytester.runpytest_subprocess("--strict-markers", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*rule/documented*no bias correction*", "*the page*", "*it does*", "*alone:*"]
    )


def test_the_snippets_of_the_readme_run(pytester):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("### In your own tests")[2].partition("\n### ")[0]
    first, second = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    package = pytester.mkpydir("mypackage")
    (package / "optim.py").write_text(OPTIMIZERS.read_text(encoding="utf-8"))
    options = 'Adamax, dtypes=["float32"], checks=["rule/*"])'
    pytester.makepyfile(test_optim=first.replace("Adamax)", options))
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    namespace = {}
    exec(second, namespace)
    assert namespace["judged"].ok
