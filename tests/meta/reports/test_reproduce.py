"""Reproduction scripts are short, and need the framework alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.impl.adapters.registry import BUILTIN
from adamax_conformance.oracles.error_model import Form
from adamax_conformance.oracles.exact.trajectory import element_trajectory
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case, Group, Layout, Parameter
from adamax_conformance.reference.contract import CLAUSES
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, Epsilon, Rule, all_rules
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.render import evidence
from adamax_conformance.reports.reproduce.example_case import distinguishing_case, documented_numbers
from adamax_conformance.reports.reproduce.script import LINES, script, smallest_case
from adamax_conformance.reports.rule import demo
from adamax_conformance.tests.meta.reports.reproducing import TWO_GROUPS, diverging, exactly, output
from adamax_conformance.tests.meta.reports.samples import HOSTILE, case, divergence


@pytest.mark.parametrize("subject", ["numpy", "adamax_conformance.impl:Adamax"])
@pytest.mark.parametrize("quantity", [Quantity.THETA, Quantity.M, Quantity.U])
def test_a_script_runs_the_recorded_case_and_reads_the_number_that_is_meant(subject, quantity):
    made = replace(exactly(TWO_GROUPS, quantity, 1, (1, 0), "1e-5"), subject=subject)
    assert output(script(made)).endswith("so it conforms\n")
    wrong = replace(made, divergence=replace(made.divergence, expected="7.5"))
    assert output(script(wrong)).endswith("expected: 7.5 so it diverges\n")


@pytest.mark.parametrize("layout", [Layout.CONTIGUOUS, Layout.STRIDED, Layout.TRANSPOSED, Layout.REVERSED])
def test_a_script_lays_arrays_out_as_the_case_does(layout):
    made = exactly(replace(TWO_GROUPS, layout=layout), Quantity.THETA, 1, (1, 0), "1e-5")
    assert output(script(replace(made, subject="numpy"))).endswith("so it conforms\n")


def test_a_script_needs_nothing_but_python_and_its_framework():
    source = script(replace(exactly(TWO_GROUPS, Quantity.THETA, 1, (1, 0), "1e-5"), subject="numpy"))
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.endswith("so it conforms\n")


def test_a_script_of_a_file_finds_its_factory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("from adamax_conformance.impl import Adamax\n")
    made = replace(exactly(TWO_GROUPS, Quantity.THETA, 1, (1, 0), "1e-5"), subject="mine.py:Adamax")
    assert output(script(made)).endswith("so it conforms\n")


def test_a_script_passes_no_option_that_is_off_to_an_optimizer_of_one_s_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = (
        "from adamax_conformance.impl import Adamax",
        "def few(params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8):",
        "    return Adamax(params, lr, betas, eps)",
    )
    (tmp_path / "mine.py").write_text("\n".join(lines))
    outcome = {"quantity": Quantity.OUTCOME, "error_ulp": None}
    made = diverging(check="rule/documented", subject="mine.py:few", evidence=outcome)
    assert output(script(made)).endswith("so it conforms\n")


@pytest.mark.parametrize(
    ("expected", "actual_gradient", "says"),
    [("nan", 1.0, "diverges"), ("nan", float("nan"), "conforms"), ("inf", 1.0, "diverges")],
)
def test_a_script_compares_special_values_as_such(expected, actual_gradient, says):
    run = Case("special", (Group(Hyperparameters(), (Parameter.of([1.0], [[actual_gradient]]),)),))
    changes = {"case": run.to_json(), "expected": expected, "bound": None, "step": 1, "element": (0,)}
    assert output(script(diverging(subject="numpy", evidence=changes))).endswith(f"so it {says}\n")


@pytest.mark.parametrize(("expected", "says"), [("2e-323", "diverges"), ("5.4e-324", "conforms")])
def test_a_script_compares_subnormal_numbers_exactly(expected, says):
    run = Case("subnormal", (Group(Hyperparameters(lr=0.0), (Parameter.of([5e-324], [[0.0]]),)),))
    changes = {"case": run.to_json(), "expected": expected, "bound": "1e-324", "step": 1, "element": (0,)}
    assert output(script(diverging(subject="numpy", dtype="float64", evidence=changes))).endswith(
        f"so it {says}\n"
    )


def test_a_script_of_a_keyword_only_argument_passes_it_by_position():
    assert output(script(diverging(check="contract/maximize-keyword-only", subject="numpy"))).endswith(
        "conforms\n"
    )


def test_a_script_of_a_subject_that_raises_shows_its_exception(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raises.py").write_text("def factory(*_, **__):\n    raise KeyError('lr')\n")
    changes = {"quantity": Quantity.OUTCOME, "expected": "a step", "step": None, "element": None}
    source = script(diverging(subject="raises.py:factory", evidence=changes))
    with pytest.raises(KeyError, match="lr"):
        output(source)


@pytest.mark.parametrize(
    "rule", [DOCUMENTED, Rule(epsilon=Epsilon.IN_DENOMINATOR)], ids=lambda rule: rule.name
)
def test_a_script_about_the_rule_finds_that_a_faithful_subject_conforms(rule):
    outcome = {"quantity": Quantity.OUTCOME, "error_ulp": None}
    made = diverging(check="rule/documented", subject="numpy", measured={"rule": rule.name}, evidence=outcome)
    lines = output(script(made)).splitlines()
    assert [line.split()[0] for line in lines] == ["numpy", "theta", "m", "u"]
    assert all(line.endswith("so it conforms") for line in lines[1:])


@pytest.mark.parametrize(
    "rule", [rule for rule in all_rules() if len(rule.deviations) == 1], ids=lambda r: r.name
)
@pytest.mark.parametrize("format_", list(Format))
def test_on_its_distinguishing_case_another_rule_is_beyond_the_documented_bound(rule, format_):
    run = distinguishing_case(format_, rule)
    theta, *_ = documented_numbers(run, format_, Form.WEIGHTED)
    *_, other = element_trajectory(run, 0, (), rule)
    assert abs(float(other.state.theta) - theta.expected) > theta.bound > 0


CHECKS = ("value/lockstep/theta", "rule/documented", "rule/scalars", *(f"contract/{c.id}" for c in CLAUSES))


@pytest.mark.parametrize("subject", [*BUILTIN, "torch:a.b.C", "a.b:c.d", "x.py:f"])
def test_every_script_has_fewer_lines_than_promised_and_is_python(subject):
    for check in CHECKS:
        source = script(
            diverging(subject=subject, check=check, evidence={"case": TWO_GROUPS.to_json(), "step": 2})
        )
        if source is not None:
            ast.parse(source)
            assert source.count("\n") < LINES, check


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "process:./program"},
        {"subject": "nobody knows"},
        {"subject": "torch[differentiable]"},
        {"subject": "mindspore[nn]", "check": "contract/lr/none"},
        {"subject": "mindspore[nn]", "evidence": {"case": case(maximize=True).to_json()}},
        {"dtype": "float8"},
        {"device": "an abacus"},
        {"check": "relations/mirror"},
        {"check": "bookkeeping/resume"},
        {"check": "ledger/an-entry"},
        {"check": "contract/unheard-of"},
        {"evidence": {"case": None}},
        {"evidence": {"case": {"name": "x", "groups": []}}},
        {"evidence": {"element": (5,)}},
        {"evidence": {"element": (0, 0)}},
        {"evidence": {"element": None}},
        {"evidence": {"parameter": 7}},
        {"evidence": {"quantity": Quantity.GRADIENT}},
        {"subject": "mindspore", "evidence": {"case": replace(case(), layout=Layout.STRIDED).to_json()}},
    ],
)
def test_what_a_script_cannot_show_has_none(changes):
    assert script(diverging(**changes)) is None


def test_a_large_case_is_cut_to_the_element_that_diverges():
    theta = np.arange(1000.0).reshape(10, 100)
    run = Case("large", (Group(Hyperparameters(), (Parameter.of(theta, [theta / 8] * 5),), (0.1,) * 5),))
    changes = {"case": run.to_json(), "element": (3, 7), "step": 4}
    cut, place = smallest_case(divergence(**changes))
    assert (place, cut.steps, cut.parameters[0].theta.shape) == (0, 4, ())
    assert cut.parameters[0].theta == 307.0
    assert cut.groups[0].learning_rates == (0.1,) * 4
    assert max(map(len, script(diverging(evidence=changes)).splitlines())) < 200


def test_a_case_too_long_to_paste_has_no_script():
    run = Case("long", (Group(Hyperparameters(), (Parameter.of([0.1], [[0.1]] * 3000),)),))
    assert script(diverging(evidence={"case": run.to_json(), "element": (0,), "step": 3000})) is None


@pytest.mark.parametrize("payload", HOSTILE)
@pytest.mark.parametrize("check", ["value/x", "rule/documented", "contract/lr/none"])
def test_nothing_in_a_record_becomes_code(payload, check):
    changes = {
        "reason": payload,
        "expected": payload,
        "bound": payload,
        "case": case(payload).to_json(),
        "extra": {payload: payload},
    }
    plain = {**changes, "reason": "plain", "expected": "plain", "bound": "plain"}
    measured = {"rule": payload, "form": payload}
    made = script(
        diverging(check=check, reason=payload, reproduce=payload, measured=measured, evidence=changes)
    )
    reference = script(diverging(check=check, reason="plain", evidence=plain))

    def code(source):
        return [type(node) for node in ast.walk(ast.parse(source))]

    assert code(made) == code(reference)


@pytest.mark.parametrize(
    "payload", ["x.py:f()", "a;b:c", "torch:os.system('x')", "a.b:c)#", "x.py:f\nimport os"]
)
def test_a_subject_whose_name_is_no_name_has_no_script(payload):
    assert script(diverging(subject=payload)) is None


def test_a_quote_in_a_path_stays_in_its_string():
    source = script(diverging(subject="it's\\a'\";import os;'.py:f"))
    assert [type(node).__name__ for node in ast.parse(source).body[:3]] == ["Import", "Import", "Assign"]


def test_a_known_divergence_that_no_single_run_shows_has_the_ledger_s_script():
    entry = next(entry for entry in ledger.load().entries if entry.script)
    made = diverging(check=entry.check, subject="process:./program", measured={"ledger": entry.id})
    assert script(made) == (ledger.SCRIPTS / entry.script).read_text(encoding="utf-8")
    assert script(replace(made, check="bookkeeping/resume")) is None
    assert script(replace(made, measured={"ledger": "../ledger"})) is None


def test_a_divergence_of_the_rule_with_a_number_of_its_own_is_shown_on_its_own_case():
    made = replace(
        exactly(TWO_GROUPS, Quantity.M, 1, (1, 0), "1e-5"), check="rule/subnormals", subject="numpy"
    )
    assert "m of parameter 1, element [1, 0], after step 2" in output(script(made))


# Evidence


@pytest.mark.parametrize(
    ("expected", "actual", "marks"),
    [
        ("0.99800002", "0.99800020", ("02", "20")),
        ("1.5", "1.25", ("5", "25")),
        ("0x1.fef9dc0000000p-1", "0x1.fef9e20000000p-1", ("dc", "e2")),
        ("1.0", "1.0", ("", "")),
        ("1.5", "nan", ("", "")),
        ("ValueError", "TypeError: no", ("", "")),
        ("-1.5", "1.5", ("-1.5", "1.5")),
    ],
)
def test_digits_that_differ_are_found(expected, actual, marks):
    one, other = evidence.mark_differences(expected, actual)
    assert (one.different, other.different) == marks
    assert one.same + one.different + one.after == expected
    assert other.same + other.different + other.after == actual


@pytest.mark.parametrize(
    ("check", "quantity", "words"),
    [
        ("contract/lr/zero", Quantity.OUTCOME, "ValueError if lr is less than 0, and 0 is not"),
        ("value/lockstep/m", Quantity.M, "m ← β₁·m + (1 − β₁)·g"),
        ("value/lockstep/u", Quantity.U, "u ← max(β₂·u, |g| + ε)"),
        ("special/nan", Quantity.THETA, "θ ← θ − γ·m / ((1 − β₁ᵗ)·u)"),
        ("rule/documented", Quantity.OUTCOME, "g ← g + λ·θ"),
    ],
)
def test_what_the_page_says_is_quoted_for_each_layer(check, quantity, words):
    made = diverging(check=check, evidence={"quantity": quantity})
    assert any(words in line for line in evidence.statement(made))


def test_the_smallest_case_is_shown_with_its_numbers():
    lines = dict(evidence.case_lines(divergence()))
    assert lines["lr"] == "0.002"
    assert lines["theta before"] == "[1.0, -2.0]"
    assert lines["gradient 3"] == "[3.0, 0.001]"


def test_a_long_case_shows_its_last_steps_and_says_so():
    run = Case("long", (Group(Hyperparameters(), (Parameter.of([0.1], [[0.1]] * 30),)),))
    lines = dict(evidence.case_lines(divergence(case=run.to_json(), step=30, element=(0,))))
    assert "gradient 30" in lines
    assert "steps 1 to 22" in lines["gradients"]


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_every_other_rule_trains_differently_on_the_small_problem(rule):
    if rule == DOCUMENTED:
        return
    drawn = demo.trajectories(demo.rule_named(rule.name))
    assert drawn["documented"] != drawn[rule.name]
    assert len(drawn["documented"]) == len(drawn[rule.name])
