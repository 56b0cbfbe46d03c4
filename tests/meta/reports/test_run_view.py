"""The overview of an audited run is drawn from its record."""

from __future__ import annotations

import importlib.util
import math

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.record.record import Record
from adamax_conformance.reports.render import html, markdown
from adamax_conformance.reports.render.heat_map import BEYOND, HeatMap, level
from adamax_conformance.reports.render.rates import RateCurves
from adamax_conformance.reports.render.run_view import run_views
from adamax_conformance.reports.render.summary import summarize
from adamax_conformance.tests.meta.reports.samples import HOSTILE, header, verdict


def tensor(**changes):
    values = {"parameter": 0, "name": "w", "group": 0, "largest": 0.5, "exceeded": 0, "first": None}
    return values | {"over_bound": [0.25, 0.5]} | changes


def measured(**changes):
    group = {"group": 0, "tensors": 1, "largest": 0.5, "exceeded": 0, "first": None}
    by_tensor = {"columns": [1, 2], "tensors": [tensor()], "left out": 0, "groups": [group]}
    return {"judged": 4, "worst": [], "by_tensor": by_tensor | changes}


def summary(*all_measured):
    verdicts = [
        verdict(Status.CONFORMS, check=f"audit/lockstep/{quantity}", measured=each)
        for quantity, each in zip(("theta", "m", "u"), all_measured, strict=False)
    ]
    return summarize([Record.of(header(), verdicts)])


@pytest.mark.parametrize(
    ("over_bound", "found"),
    [(0.0, 0), (0.25, 0), (0.26, 1), (0.5, 1), (0.75, 2), (1.0, 3), (1.001, BEYOND), (math.inf, BEYOND)],
)
def test_a_level_is_a_quarter_of_the_bound(over_bound, found):
    assert level(over_bound) == found


def test_the_largest_of_three_quantities_counts():
    (view,) = run_views(summary(measured(), measured(tensors=[tensor(largest=0.9, over_bound=[0.9, None])])))
    assert view.heat_map.rows == (("w", (0.9, 0.5)),)
    assert view.tables[0].rows[0][2:4] == ("0.9", "m")
    assert view.sentences[-1] == "Nearest to its bound is m of w, at 0.900 of it."


@pytest.mark.parametrize(
    "changes",
    [
        {"tensors": [{}]},
        {"tensors": 7},
        {"columns": ["x"]},
        {"columns": [1]},
        {"tensors": [tensor(largest="much")]},
        {"groups": [{}]},
        {"groups": None},
    ],
)
def test_a_view_that_is_not_well_formed_is_passed_over(changes):
    assert run_views(summary(measured(**changes))) == []


@pytest.mark.parametrize("payload", HOSTILE)
def test_a_tensor_s_name_stays_a_name(payload):
    shown = summary(measured(tensors=[tensor(name=payload)]))
    assert len(run_views(shown)) == 1
    page = html.render(shown)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert markdown.render(shown)


def test_the_text_of_a_heat_map_has_a_sign_for_each_column():
    heat_map = HeatMap((1, 11, 21), (("a", (0.1, None, 2.0)), ("long", (0.6, 0.9, 0.3))), 5)
    first, second, legend = heat_map.text().splitlines()
    assert first == "a     ▁ ✗"
    assert second == "long  ▅▇▃"
    assert legend.startswith("recorded steps from 1 on, 10 to a sign")
    assert "each 10 recorded steps" in heat_map.sentence
    assert "the worst 2 of 5 tensors; 1 of these has errors beyond it" in heat_map.sentence


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="Matplotlib is not installed here")
def test_only_what_is_beyond_its_bound_is_marked_in_the_drawing():
    inside, outside = (HeatMap((1, 2), (("a", (0.5, x)),), 1).picture("p").svg for x in (1.0, 1.5))
    assert inside.count("var(--diverges)") < outside.count("var(--diverges)")


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"0": [[1, 0.5], [2, 0.5]]}, "The learning rate is 0.5 in every step."),
        ({"0": [[1, 0.5], [9, 0.1]]}, "The learning rate is from 0.5 at step 1 to 0.1 at step 9."),
        (
            {"0": [[1, 0.1], [3, 0.5], [9, 0.2]], "1": [[1, 1.0]], "2": [[1, 1.0]]},
            "The learning rate is from 0.1 at step 1 up to 0.5 at step 3, and to 0.2 at step 9 for group 0; 1 in every "
            "step for groups 1, 2.",
        ),
    ],
)
def test_learning_rates_in_words(rates, words):
    assert RateCurves.of(rates).sentence == words


@pytest.mark.parametrize("rates", [None, {}, {"0": []}, {"0": [[1, "nan"]]}])
def test_no_learning_rate_is_no_curve(rates):
    assert RateCurves.of(rates) is None


def test_the_bars_of_a_curve_go_from_zero_to_its_largest_rate():
    assert RateCurves.of({"0": [[1, 0.0], [2, 0.5], [3, 1.0]]}).text() == "▁▄█"
