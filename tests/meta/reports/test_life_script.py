"""Scripts of lives: each performs its life alone, and shows the divergence."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adapters.factory import FactoryAdapter
from adamax_conformance.impl.host.life import LifePerformer
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.life.judge import LifeJudge
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reference.features import Call, Closure, Question
from adamax_conformance.reference.life import (
    AddGroup,
    Ask,
    Construct,
    Container,
    Copy,
    CopyMethod,
    Drop,
    GradientSpec,
    GroupSpec,
    Life,
    Load,
    Memory,
    Number,
    NumberKind,
    Options,
    ParameterSpec,
    Refusal,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
    Watched,
)
from adamax_conformance.reference.values import Values
from adamax_conformance.reports.record.record import Record
from adamax_conformance.reports.render import evidence, html, markdown
from adamax_conformance.reports.render.summary import summarize
from adamax_conformance.reports.reproduce.life_script import LONGEST
from adamax_conformance.reports.reproduce.script import script
from adamax_conformance.tests.conformance.cases.lives import Feature
from adamax_conformance.tests.conformance.cases.probes import PROBES
from adamax_conformance.tests.meta.reports import life_bugs
from adamax_conformance.tests.meta.reports.samples import HOSTILE, header, verdict

THETA = Values.of([1.0, -2.0, 0.5])
G = Values.of([0.5, 0.25, -0.75])
H = Values.of([0.125, 1.25, 0.375])
OPTIONS = Options(Number(0.1), (0.8, 0.7), 0.01, 0.25)
START = Construct(0, (GroupSpec((ParameterSpec(THETA), ParameterSpec(THETA))),), OPTIONS, Container.DICTS)
STEP = Step(0, (GradientSpec(G), GradientSpec(H)))
PIERCED = Step(0, (GradientSpec(Values.of([0.5, math.inf, math.nan])), GradientSpec(H)))
TILED = Values((7, 300), G.pattern)


def life_of(*actions, dtype="float32") -> Life:
    return Life("test", dtype, actions)


def large_life() -> Life:
    start = Construct(0, (GroupSpec((ParameterSpec(THETA), ParameterSpec(TILED))),), OPTIONS, Container.LIST)
    return life_of(start, *[Step(0, (GradientSpec(G), GradientSpec(TILED)))] * 2)


LIVES = {
    life_bugs.ForgetsTheCount: life_of(START, STEP, STEP, STEP, Save(0, 0), Load(0, 0, fresh=True), STEP),
    life_bugs.IgnoresALaterRate: life_of(START, STEP, SetLr(0, 0, Number(2, NumberKind.INT)), STEP),
    life_bugs.ScalesGradients: life_of(START, STEP),
    life_bugs.KeepsTheCallersDicts: life_of(START),
    life_bugs.SharesItsCheckpoint: life_of(START, STEP, Save(0, 0), STEP),
    life_bugs.RefusesAfterLoading: life_of(START, STEP, Save(0, 0, copied=True), Load(0, 0), STEP),
    life_bugs.CleansInfinities: life_of(START, STEP, PIERCED),
    life_bugs.MovesOnARefusal: life_of(START, STEP, Refuse(0, Refusal.TOO_FEW_GRADIENTS)),
    life_bugs.LosesTheTail: large_life(),
    life_bugs.CountsToLittle: life_of(START, Run(0, 255, ((G, H), (H, G))), STEP),
    life_bugs.ShowsAnotherRate: life_of(START, STEP, Save(0, 0), Load(0, 0)),
}


def judged(life: Life, factory) -> list[Divergence]:
    """The divergences of a life of a factory."""
    adapter = FactoryAdapter(factory)
    observations = LifePerformer(adapter, adapter.describe()).perform(life)
    found = LifeJudge(life, lambda dtype: ErrorModel(Format.of(dtype))).judge(observations)
    return [finding.divergence for finding in found.findings]


def diverging(divergence: Divergence, subject: str, **changes):
    """A verdict of a life."""
    made = verdict(
        Status.DIVERGES, divergence=divergence, check="lives/x", subject=subject, reason=divergence.reason
    )
    return replace(made, **{"dtype": "float32", "device": "cpu", **changes})


def output(source: str) -> str:
    """The output of a script that is run in this process."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "script", "exec"), {"__name__": "__main__"})
    return printed.getvalue()


@pytest.mark.parametrize("bug", life_bugs.BUGS, ids=lambda bug: bug.__name__)
def test_a_script_shows_the_divergence_of_a_wrong_subject_and_none_of_a_right_one(bug) -> None:
    (first, *_) = judged(LIVES[bug], bug)
    source = script(diverging(first, f"{Path(life_bugs.__file__)}:{bug.__name__}"))
    assert "diverges" in output(source), source
    right = output(script(diverging(first, "numpy")))
    assert "diverges" not in right
    assert judged(LIVES[bug], Adamax) == []


def test_every_bug_is_shown() -> None:
    assert set(LIVES) == set(life_bugs.BUGS)


def test_a_script_names_the_actions_and_prints_the_number_next_to_the_expected_one() -> None:
    (first, *_) = judged(LIVES[life_bugs.IgnoresALaterRate], life_bugs.IgnoresALaterRate)
    source = script(diverging(first, f"{Path(life_bugs.__file__)}:IgnoresALaterRate"))
    comments = [line for line in source.splitlines() if line.startswith("# ")]
    assert comments[1:] == [
        "# 1. constructing optimizer 0 from a list of dicts",
        "# 2. a step of optimizer 0",
        "# 3. setting lr of group 0 of optimizer 0 to 2 (int)",
        "# 4. a step of optimizer 0",
    ]
    assert comments[0].startswith("# lives/x: theta of element [0], parameter 0 is off by")
    shown = output(source)
    assert "theta of parameter 0, element [0], after action 4 is 0.8" in shown
    assert "expected: " in shown


# Every action ------------------------------------------------------------------------------------------------


def wrong_number(
    life: Life, quantity=Quantity.THETA, parameter=0, element=(0,), expected="7.5", **extra
) -> Divergence:
    """A divergence that expects another number of a life."""
    return Divergence(
        quantity,
        "a reason",
        expected,
        "1.0",
        bound="0.001",
        parameter=parameter,
        element=element,
        extra={"life": life.to_json(), "optimizer": 0, **extra},
    )


def replayed(
    life: Life, quantity: Quantity, parameter: int, element: tuple[int, ...], optimizer: int = 0
) -> None:
    """Assert that a script of our Adamax ends with the number that the host observes."""
    adapter = FactoryAdapter(Adamax)
    *_, last = LifePerformer(adapter, adapter.describe()).perform(life)
    array = getattr(last.optimizers[optimizer], quantity.value)[parameter].expand()
    expected = repr(float(array[element]))
    found = wrong_number(life, quantity, parameter, element, expected, optimizer=optimizer)
    source = script(diverging(replace(found, bound=None), "numpy"))
    assert output(source).endswith("so it conforms\n"), source


@pytest.mark.parametrize("quantity", [Quantity.THETA, Quantity.M, Quantity.U])
def test_a_script_performs_every_action_as_the_host_does(quantity) -> None:
    life = life_of(
        START,
        STEP,
        SetLr(0, 0, Number(0.25, NumberKind.ARRAY)),
        SetOption(0, 0, "eps", 0.5),
        AddGroup(0, GroupSpec((ParameterSpec(Values.of([[1.0, 2.0]])),), Options(Number(0.5)))),
        Step(0, (GradientSpec(G), GradientSpec(None, same_as=0), GradientSpec(Values.of([[0.5, -1.0]])))),
        Save(0, 0),
        Run(0, 3, ((G, H, Values.of([[0.5, -1.0]])),)),
        SetCount(0, 500),
        Load(0, 0, fresh=True),
        Copy(0, 1, CopyMethod.PICKLE),
        Refuse(0, Refusal.WRONG_SHAPE),
        Refuse(0, Refusal.TOO_MANY_GRADIENTS),
        Refuse(0, Refusal.NEGATIVE_LR),
        Copy(0, 2, CopyMethod.DEEPCOPY),
        Drop(2),
        Step(0, (GradientSpec(G), GradientSpec(None, parameter=0), GradientSpec(Values.of([[0.5, -1.0]])))),
    )
    replayed(life, quantity, 1, (2,))
    replayed(life, quantity, 2, (0, 1), optimizer=1)


REFUSED = {Feature.GRADIENT_DTYPE}
"""Features that our Adamax refuses to have."""


@pytest.mark.parametrize(
    "probe", [each for each in PROBES if each.feature not in REFUSED], ids=lambda probe: probe.id
)
def test_a_script_performs_the_life_of_every_probe(probe) -> None:
    for life in probe.make(Format.BINARY32):
        last = life.actions[-1]
        if isinstance(last, Step) and all(
            not spec.is_absent for step in life.actions if isinstance(step, Step) for spec in step.gradients
        ):
            shape = life.actions[0].groups[0].parameters[0].values.shape
            replayed(life, Quantity.THETA, 0, (0,) * len(shape), optimizer=last.optimizer)


def test_a_script_passes_gradients_of_the_dtype_that_the_life_has() -> None:
    (life,) = next(each for each in PROBES if each.feature is Feature.GRADIENT_DTYPE).make(Format.BINARY32)
    found = wrong_number(life, Quantity.THETA, 0, (0,), "0.0")
    with pytest.raises(TypeError, match="gradient 0 has dtype float64; its parameter has float32"):
        output(script(diverging(found, "numpy")))


@pytest.mark.parametrize(
    "container", [each for each in Container if each is not Container.NAMED], ids=lambda c: c.name
)
def test_a_script_passes_params_as_the_life_does(container) -> None:
    replayed(life_of(replace(START, container=container), STEP), Quantity.THETA, 1, (2,))


def needs(framework):
    missing = importlib.util.find_spec(framework) is None
    return pytest.mark.skipif(missing, reason=f"{framework} is not installed here")


@needs("torch")
@pytest.mark.parametrize(
    "subject", ["torch", "torch[foreach]", "torch[tensor-lr]", "torch:torch.optim.Adamax"]
)
def test_a_script_of_torch_performs_a_life_with_the_framework_alone(subject) -> None:
    life = life_of(
        replace(START, options=Options(Number(0.1), (0.8, 0.7), 0.01)),
        STEP,
        Step(0, (GradientSpec(None), GradientSpec(H))),
        Save(0, 0),
        Step(0, (GradientSpec(G), GradientSpec(None, same_as=0))),
        Load(0, 0, fresh=True),
        Copy(0, 1, CopyMethod.DEEPCOPY),
        Step(1, STEP.gradients),
    )
    for quantity in (Quantity.THETA, Quantity.M, Quantity.U):
        found = wrong_number(life, quantity, 1, (2,), optimizer=1)
        assert output(script(diverging(found, subject))).endswith("expected: 7.5 so it diverges\n")


# What is too long, or cannot be written ----------------------------------------------------------------------


def test_a_large_array_is_written_by_its_pattern() -> None:
    found = wrong_number(large_life(), parameter=1, element=(6, 299))
    source = script(diverging(found, "numpy"))
    assert "array([0.5, 0.25, -0.75], (7, 300))" in source
    assert output(source).endswith("so it diverges\n")


def many(count: int, values: Values) -> Life:
    """A life of many parameters that are all alike."""
    groups = (GroupSpec((ParameterSpec(values),) * count),)
    start = Construct(0, groups, OPTIONS, Container.LIST)
    return life_of(start, *[Step(0, (GradientSpec(values),) * count)] * 2)


def test_a_life_of_many_parameters_is_cut_to_the_one_that_diverges() -> None:
    source = script(diverging(wrong_number(many(600, G), parameter=500, element=(1,)), "numpy"))
    assert "# The other parameters are left out; this is parameter 500." in source
    assert output(source).endswith("so it diverges\n")
    assert len(source) < 2000


def test_a_life_of_dense_numbers_is_cut_to_the_numbers_of_the_element_that_diverges() -> None:
    dense = Values.of(np.linspace(0.5, 1.5, 3000).reshape(30, 100))
    source = script(diverging(wrong_number(many(1, dense), element=(12, 34)), "numpy"))
    assert "# Every element has the numbers of element [12, 34]." in source
    assert repr(dense.expand()[12, 34].item()) in source
    assert output(source).endswith("so it diverges\n")


def test_a_life_that_is_too_long_even_so_has_no_script() -> None:
    life = life_of(START, *[STEP] * (LONGEST // 40))
    assert script(diverging(wrong_number(life), "numpy")) is None


def test_a_cut_life_keeps_the_group_that_a_later_action_means() -> None:
    groups = tuple(GroupSpec((ParameterSpec(Values.of(range(9))),), OPTIONS) for _ in range(300))
    gradients = tuple(GradientSpec(Values.of(range(1, 10))) for _ in groups)
    life = life_of(
        Construct(0, groups, OPTIONS),
        Step(0, gradients),
        SetLr(0, 7, Number(8.0)),
        SetLr(0, 8, Number(0.5)),
        Step(0, (*gradients[:7], GradientSpec(None, same_as=3), *gradients[8:])),
        Run(0, 2, (tuple(g.values for g in gradients),)),
    )
    source = script(diverging(wrong_number(life, parameter=7, element=(2,)), "numpy"))
    assert "= optimizer.param_groups[0], 8.0" in source
    assert "0.5\n" not in source
    assert output(source).endswith("so it diverges\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "process:./program"},
        {"subject": "mindspore"},
        {"device": "abacus"},
        {"life": life_of()},
        {"life": life_of(START, replace(STEP, call=Call(Closure.POSITIONAL)))},
        {"life": life_of(START, Ask(0, Question.ZERO_GRAD))},
        {"life": life_of(replace(START, container=Container.NAMED))},
        {"life": life_of(START, Step(0, (GradientSpec(G, Memory.SPARSE_ROWS), GradientSpec(H))))},
        {"life": life_of(START, SetLr(0, 0, Number(0.5, NumberKind.FILLED)))},
        {"life": {"name": "x"}},
        {"life": "a life"},
        {"life": {"name": "x", "dtype": "float32", "actions": [{"action": "Fly"}]}},
        {"evidence": {"quantity": Quantity.GRADIENT}},
        {"evidence": {"element": None}},
        {"evidence": {"expected": "something else"}},
        {"evidence": {"quantity": Quantity.OUTCOME, "extra": {"watched": Watched.CALL.name}}},
    ],
)
def test_a_life_that_a_script_cannot_show_has_none(changes) -> None:
    life = changes.get("life", life_of(START, STEP))
    written = life.to_json() if isinstance(life, Life) else life
    found = wrong_number(life_of(START))
    altered = dict(changes.get("evidence", {}))
    extra = {"life": written, **altered.pop("extra", {})}
    found = replace(found, extra={**found.extra, **extra}, **altered)
    more = {"device": changes["device"]} if "device" in changes else {}
    assert script(diverging(found, changes.get("subject", "numpy"), **more)) is None


@pytest.mark.parametrize("payload", HOSTILE)
def test_nothing_in_the_record_of_a_life_becomes_code(payload) -> None:
    def source(text: str) -> list[type]:
        actions = (START, SetOption(0, 0, text, (0.5, 0.25)), STEP)
        life = Life(text, "float32", actions, {})
        found = replace(wrong_number(life, **{text: text}), reason=text)
        return [type(node) for node in ast.walk(ast.parse(script(diverging(found, "numpy", reason=text))))]

    assert source(payload) == source("plain")


# In reports --------------------------------------------------------------------------------------------------


def test_the_formula_is_quoted_for_a_number_that_a_step_makes_and_not_for_one_that_it_leaves_alone() -> None:
    (wrong, *_) = judged(LIVES[life_bugs.IgnoresALaterRate], life_bugs.IgnoresALaterRate)
    (moved, *_) = judged(LIVES[life_bugs.MovesOnARefusal], life_bugs.MovesOnARefusal)
    assert evidence.statement(diverging(wrong, "numpy")) != ()
    assert evidence.statement(diverging(moved, "numpy")) == ()


def test_the_reports_show_the_script_of_a_life_and_not_its_json() -> None:
    (first, *_) = judged(LIVES[life_bugs.IgnoresALaterRate], life_bugs.IgnoresALaterRate)
    facts = dict(evidence.figures(first))
    assert "life" not in facts
    assert (facts["action"], facts["optimizer"]) == ("4", "0")
    summary = summarize([Record.of(header(), [diverging(first, "numpy")])])
    for report in (html.render(summary), markdown.render(summary)):
        assert "# 3. setting lr of group 0 of optimizer 0 to 2 (int)" in report
        assert "pattern&#39;: " not in report
        assert "'pattern': " not in report
