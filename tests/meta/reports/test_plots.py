"""Pictures show what was measured, in the page's colours, with words and data."""

from __future__ import annotations

import importlib.util
import math
import re

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.rules import DOCUMENTED, all_rules
from adamax_conformance.reports.record.record import Record
from adamax_conformance.reports.render import drawing, html
from adamax_conformance.reports.render.plots import pictures
from adamax_conformance.reports.render.summary import summarize
from adamax_conformance.reports.rule import demo
from adamax_conformance.tests.meta.reports.samples import HOSTILE, divergence, header, verdict

DRIFT = {"ulp_by_step": [[t, 0.5 + t / 100, 1.0] for t in range(1, 101)]}
HISTOGRAM = {"histogram": {"edges": [0.0, 0.5, 1.0], "counts": [10, 3]}}
TRAJECTORIES = {
    "trajectories": {"documented": [1.0, 0.5], "other": [1.0, 0.75], "problem": "Minimizing θ²/2"}
}
drawn_with_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="Matplotlib is not installed here"
)


def only(measured):
    (picture,) = pictures(measured, "v1")
    return picture


def rendered(*verdicts):
    return html.render(summarize([Record.of(header(), verdicts)]))


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (DRIFT, ["At 50 of 100 steps", "at step 100, is 1.5 ulp", "the bound is 1 ulp"]),
        ({"ulp_by_step": [[1, 0.5, 1.0], [2, 9.0, 90.0]]}, ["within its bound", "at step 1, with 0.5 ulp"]),
        (HISTOGRAM, ["13 errors", "most (10) lie between 0 and 0.5"]),
        ({"histogram": HISTOGRAM["histogram"] | {"beyond": 7}}, ["7 more are larger"]),
        (TRAJECTORIES, ["Minimizing θ²/2: after 2 steps", "furthest apart at step 2, by 0.25"]),
    ],
)
def test_each_picture_says_in_words_what_is_to_be_seen(measured, words):
    picture = only(measured)
    for word in words:
        assert word in picture.text
    assert picture.rows
    assert {len(row) for row in picture.rows} == {len(picture.columns)}


@drawn_with_matplotlib
@pytest.mark.parametrize("measured", [DRIFT, HISTOGRAM, TRAJECTORIES])
def test_a_picture_has_the_page_s_colours_and_no_others(measured):
    svg = only(measured).svg
    assert "var(--plot-first)" in svg
    assert not re.search(r"#[0-9a-f]{6}\b(?![^<]*\)\")", re.sub(r"url\(#\w+\)|xlink:href=\"#\w+\"", "", svg))
    assert "<style" not in svg
    assert svg.startswith("<svg viewBox=")


@drawn_with_matplotlib
def test_the_names_inside_of_two_pictures_differ():
    first, second = (set(re.findall(r'id="([^"]+)"', pictures(DRIFT, name)[0].svg)) for name in ("v1", "v2"))
    assert first
    assert not first & second


@drawn_with_matplotlib
def test_a_picture_is_the_same_each_time():
    assert only(DRIFT) == only(DRIFT)


@pytest.mark.parametrize("status", [Status.DIVERGES, Status.CONFORMS])
def test_without_matplotlib_the_words_and_the_data_are_there(monkeypatch, status):
    monkeypatch.setattr(drawing, "find_spec", lambda _: None)
    shown = rendered(verdict(status, measured=DRIFT))
    assert "<svg" not in shown
    assert "At 50 of 100 steps up to step 100 an error exceeds its bound" in shown
    assert '<th scope="col">bound in ulp</th>' in shown


@pytest.mark.parametrize(
    "measured",
    [
        {},
        {"ulp_by_step": []},
        {"ulp_by_step": [[1, "nan", "nan"]]},
        {"ulp_by_step": [[1, 2]]},
        {"ulp_by_step": "hostile"},
        {"ulp_by_step": 7},
        {"ulp_by_step": [["x", 1.0, 1.0]]},
        {"histogram": {"edges": [0.0, 1.0], "counts": [1, 2]}},
        {"histogram": {"edges": [0.0, "inf"], "counts": [1]}},
        {"histogram": {"edges": [], "counts": []}},
        {"histogram": []},
        {"trajectories": {"documented": [1.0]}},
        {"trajectories": {"a": [1.0], "b": [1.0], "c": [1.0]}},
        {"trajectories": {"a": [1.0], "b": [1.0, 2.0]}},
        {"trajectories": {"a": [], "b": []}},
        {"trajectories": {"a": ["nan"], "b": ["nan"]}},
        {"trajectories": 1},
    ],
)
def test_a_series_that_is_not_well_formed_is_passed_over(measured):
    assert pictures(measured, "v1") == []
    assert rendered(verdict(Status.DIVERGES, measured=measured))


def test_errors_that_are_not_finite_count_as_exceeding():
    assert "At 1 of 2 steps" in only({"ulp_by_step": [[1, "inf", 1.0], [2, 0.5, 1.0]]}).text


@pytest.mark.parametrize(
    ("counts", "largest", "said"),
    [
        ([10, 3, 0, 0], 0.999, "13 errors from 0 to 0.999;"),
        ([10, 3, 0, 0], None, "13 errors from 0 to 1;"),
        ([10, 3, 0, 1], 9.0, "14 errors from 0 to 2;"),
        ([10, 3, 0, 1], "much", "14 errors from 0 to 2;"),
    ],
)
def test_a_histogram_ends_in_words_at_the_largest_error(counts, largest, said):
    series = {"edges": [0.0, 0.5, 1.0, 1.5, 2.0], "counts": counts}
    assert only({"histogram": series, "largest_ulp": largest}).text.startswith(said)


def test_pictures_of_divergences_leave_room_for_those_of_accuracy():
    measured = {"ulp_by_step": [[1, 0.5, 1.0], [2, 0.6, 1.0]]} | HISTOGRAM
    wrong = [
        verdict(
            Status.DIVERGES,
            check=f"value/lockstep/{i}",
            measured=measured,
            divergence=divergence(reason=str(i)),
        )
        for i in range(20)
    ]
    page = rendered(*wrong, verdict(check="value/long", measured=measured))
    assert 'id="accuracy"' in page


@drawn_with_matplotlib
def test_what_is_beyond_the_bound_or_the_scale_is_marked_in_the_drawing():
    inside, outside = ([[1, 0.5, 1.0], [2, error, 1.0]] for error in (0.6, 1.6))
    assert "beyond the bound" not in only({"ulp_by_step": inside}).svg
    assert "beyond the bound" in only({"ulp_by_step": outside}).svg
    larger = {"histogram": HISTOGRAM["histogram"] | {"beyond": 7}}
    assert "larger than 1 ulp" not in only(HISTOGRAM).svg
    assert "larger than 1 ulp" in only(larger).svg
    assert only(larger).rows[-1] == ("1", "∞", "7")


def test_a_long_series_is_thinned_and_its_peak_stays():
    series = [[t, 9.0 if t == 5_003 else 0.5, 1.0] for t in range(1, 10_001)]
    picture = only({"ulp_by_step": series})
    assert len(picture.rows) <= 400
    assert ("5003", "9", "1") in picture.rows


@drawn_with_matplotlib
@pytest.mark.parametrize("payload", HOSTILE)
def test_a_name_in_a_picture_stays_a_name(payload):
    names = {payload + "1": [1.0, 2.0], payload[:9] + "2": [2.0, 1.0]}
    svg = only({"trajectories": names}).svg
    plain = only({"trajectories": {"a": [1.0, 2.0], "b": [2.0, 1.0]}}).svg
    assert set(re.findall(r"<([a-z]+)", svg)) == set(re.findall(r"<([a-z]+)", plain))


@pytest.mark.parametrize(
    "rule", [rule for rule in all_rules() if len(rule.deviations) == 1], ids=lambda r: r.name
)
def test_another_rule_is_drawn_against_the_documented_one(rule):
    shown = rendered(verdict(Status.DIVERGES, check="rule/documented", measured={"rule": rule.name}))
    assert "What it does to training." in shown
    assert rule.name in shown


@pytest.mark.parametrize("name", [DOCUMENTED.name, "unheard-of", None, 7])
def test_the_documented_rule_is_not_drawn_against_itself(name):
    assert "What it does to training" not in rendered(
        verdict(Status.DIVERGES, check="rule/documented", measured={"rule": name})
    )


def test_the_documented_rule_reaches_the_optimum_of_the_small_problem():
    thetas = demo.trajectories(DOCUMENTED)["documented"]
    assert all(map(math.isfinite, thetas))
    assert abs(thetas[-1]) < abs(thetas[0]) / 10
