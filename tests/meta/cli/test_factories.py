"""A factory is judged in all that it has, and the rest is skipped."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
from adamax_conformance.oracles.verdict import Status

OUTSIDE = "eps is added where u divides, and is not in the maximum"


@pytest.fixture
def ask(run):
    """Run a command on a class of `factories.py` in float32."""
    folder = run("--version").folder
    shutil.copy(Path(__file__).with_name("factories.py"), folder)

    def call(command, name, *more):
        return run(command, f"factories.py:{name}", "--dtype", "float32", *more)

    return call


@pytest.fixture
def check(ask):
    """Check a class of `factories.py` in float32."""
    return partial(ask, "check")


def globs(*names):
    return [word for name in names for word in ("--check", name)]


def statuses(ran):
    return {v.check: v.status for v in ran.verdicts()}


def test_a_factory_of_a_plain_list_is_judged_in_what_it_has(check):
    ran = check("Plain", *globs("value/*", "relations/*", "bookkeeping/*", "lives/groups"))
    assert ran.code == 0, ran.out
    found = statuses(ran)
    judged = {"value/trajectory/theta", "value/scales/theta", "relations/mirror", "bookkeeping/layout/many"}
    lacking = {"bookkeeping/groups", "bookkeeping/group-defaults", "bookkeeping/resume", "lives/groups"}
    assert {found[c] for c in judged} == {Status.CONFORMS}
    assert {found[c] for c in lacking} == {Status.SKIPPED}


def test_a_factory_that_takes_dicts_for_arrays_is_judged_without_groups(check):
    ran = check("Unchecking", *globs("lives/*"))
    found = statuses(ran)
    assert not {Status.DIVERGES, Status.BROKEN} & set(found.values()), ran.out
    assert found["lives/groups"] is Status.SKIPPED
    assert {found["lives/drawn-memory"], found["lives/sizes"], found["lives/refused-step"]} == {
        Status.CONFORMS
    }


def test_the_cause_of_a_wrong_factory_of_a_plain_list_is_named(check):
    ran = check("UncheckingAhead", *globs("value/scales/*"))
    assert ran.code == 1
    assert "the bias correction uses t + 1" in ran.out


def test_nothing_is_put_down_to_flushing_where_another_cause_explains_ordinary_numbers(check):
    ran = check("UncheckingAhead", *globs("rule/*"))
    assert ran.diverging() == {"rule/documented"}
    assert statuses(ran)["rule/subnormals"] is Status.SKIPPED


def test_a_wrong_factory_of_a_plain_list_is_named(check):
    ran = check("WithoutBiasCorrection", *globs("rule/*"))
    assert ran.diverging() == {"rule/documented"}
    assert "no bias correction" in ran.out


@pytest.mark.parametrize(
    ("name", "more"), [("Renamed", []), ("Unsaid", ["--state", "first,norm"])], ids=["attribute", "option"]
)
def test_m_and_u_are_found_under_names_that_are_said(check, name, more):
    ran = check(name, *globs("value/scales/*", "rule/documented"), *more)
    assert ran.code == 0, ran.out
    assert set(statuses(ran).values()) == {Status.CONFORMS}


@pytest.mark.parametrize("name", ["Still", "ReturnsNewArrays"])
def test_a_theta_that_never_moves_is_one_finding(check, name):
    ran = check(name, *globs("rule/*", "value/scales/*", "contract/lr/*"))
    assert ran.code == 1
    assert ran.diverging() == {"rule/documented"}
    assert "theta never moves" in ran.out
    assert ran.verdicts(Status.CONFORMS) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NeedsMore", "missing 1 required positional argument: 'momentum'; it is called as factory(params,"),
        ("nothing", "the factory returns NoneType; want an optimizer"),
    ],
)
def test_what_cannot_be_constructed_is_one_line(check, name, said):
    ran = check(name)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_names_of_the_state_that_are_not_two_are_refused(check):
    ran = check("Plain", "--state", "m")
    assert ran.code == 2
    assert "'m' is not two names" in ran.err


@pytest.mark.parametrize("state", [(), ("--state", "m,u")], ids=["hidden", "named"])
def test_the_cause_of_one_s_own_is_named_though_it_refuses_half_way(ask, state):
    ran = ask("diagnose", "EpsOutside", *state)
    assert ran.code == 1
    first, *more = ran.out.splitlines()
    assert f"it has no argument maximize; {OUTSIDE}" in first
    assert "refused" in "".join([first, *more])
    assert any(
        line.startswith("  the subject: u = max(beta2*u, |g|), and theta is divided by u + eps")
        for line in more
    )


def test_a_report_opens_with_the_cause_of_one_s_own_and_ends_with_how_to_name_its_state(check):
    ran = check("EpsOutside", *globs("contract/lr/*", "contract/defaults", "value/scales/*"))
    assert ran.code == 1
    shown = [line for line in ran.out.splitlines() if OUTSIDE in line]
    assert shown[0].startswith("factories.py:EpsOutside: one cause explains 1 of 1 divergence: ")
    assert "m and u of factories.py:EpsOutside were not seen" in ran.err
    assert "--state M,U" in ran.err


def test_names_that_no_state_has_are_said(check):
    ran = check("EpsOutside", "--state", "first,norm", *globs("value/scales/*"))
    assert "factories.py:EpsOutside has no m and u under the names first,norm" in ran.err


def test_an_identification_looks_at_m_and_u_under_the_names_that_are_said(ask):
    ran = ask("identify", "EpsOutside", "--state", "m,u")
    assert "  u: within the bound" in ran.out
    assert "  u: within" not in ask("identify", "EpsOutside").out


def test_an_optimizer_that_has_no_eps_is_identified_and_its_values_conform(check):
    ran = check("WithoutEps", *globs("value/scales/*", "rule/*"))
    found = {verdict.check: verdict for verdict in ran.verdicts()}
    assert "without eps" in found.pop("rule/documented").reason
    assert {verdict.status for verdict in found.values()} == {Status.CONFORMS}, ran.out


def test_what_has_no_known_rule_is_not_said_to_flush_subnormal_numbers(check):
    ran = check("CorrectionSquared", *globs("rule/*"))
    assert ran.diverging() == {"rule/documented"}
    assert "flush" not in ran.out
    assert "no known rule" in ran.out


def test_a_theta_that_was_never_compared_does_not_conform(check):
    ran = check("StateStaysZero", *globs("value/lockstep/*", "value/scales/*"))
    assert ran.code == 1
    assert not [each for each in ran.verdicts(Status.CONFORMS) if each.check.endswith("/theta")]
