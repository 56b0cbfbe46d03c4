"""Lives as values: arrays by recipe, and the same life and observations from JSON."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from adamax_conformance.reference.features import Call, Closure, Edit, Loss, Question, Scaler
from adamax_conformance.reference.json_form import compact_numbers, decoded, encoded, from_pool, pooled
from adamax_conformance.reference.life import (
    ACTIONS,
    SAME,
    AddGroup,
    Ask,
    Change,
    Construct,
    Container,
    Copy,
    CopyMethod,
    Drop,
    EditCheckpoint,
    GradientSpec,
    GroupSpec,
    Life,
    Load,
    Memory,
    Number,
    NumberKind,
    Observation,
    OptimizerState,
    Options,
    Outcome,
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
    observations_from_json,
    observations_to_json,
)
from adamax_conformance.reference.values import LONGEST_PATTERN, Values
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None)

FLOATS = st.floats(allow_nan=False)
COUNTS = st.integers(0, 3)
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@st.composite
def values(draw) -> Values:
    shape = draw(SHAPES)
    size = int(np.prod(shape))
    pattern = draw(st.lists(FLOATS, min_size=min(size, 1), max_size=5)) if size else []
    indices = draw(st.lists(st.integers(0, size - 1), unique=True, max_size=3)) if size else []
    return Values(shape, tuple(pattern), tuple((index, draw(FLOATS)) for index in indices))


NUMBERS = st.builds(Number, FLOATS, st.sampled_from(NumberKind))
OPTIONS = st.builds(
    Options,
    st.none() | NUMBERS,
    st.none() | st.tuples(FLOATS, FLOATS),
    st.none() | FLOATS,
    st.none() | FLOATS,
    st.none() | st.booleans(),
)
PARAMETERS = st.builds(ParameterSpec, values(), st.sampled_from(Memory), st.none() | st.just("float64"))
GROUPS = st.builds(GroupSpec, st.lists(PARAMETERS, max_size=2).map(tuple), OPTIONS)
GRADIENTS = st.builds(
    GradientSpec, st.none() | values(), st.sampled_from(Memory), st.none() | COUNTS, st.none() | COUNTS
)
CALLS = st.builds(
    Call,
    st.sampled_from(Closure),
    st.sampled_from(Loss),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(Scaler),
)
DRAWN = {
    Construct: st.builds(
        Construct, COUNTS, st.lists(GROUPS, max_size=2).map(tuple), OPTIONS, st.sampled_from(Container)
    ),
    Step: st.builds(Step, COUNTS, st.lists(GRADIENTS, max_size=2).map(tuple), CALLS),
    Run: st.builds(
        Run, COUNTS, COUNTS, st.lists(st.lists(values(), max_size=2).map(tuple), max_size=2).map(tuple)
    ),
    SetLr: st.builds(SetLr, COUNTS, COUNTS, NUMBERS),
    SetOption: st.builds(
        SetOption,
        COUNTS,
        COUNTS,
        st.sampled_from(("eps", "betas", "maximize")),
        FLOATS | st.tuples(FLOATS, FLOATS) | st.booleans(),
    ),
    AddGroup: st.builds(AddGroup, COUNTS, GROUPS),
    Save: st.builds(Save, COUNTS, COUNTS, st.booleans()),
    SetCount: st.builds(SetCount, COUNTS, st.integers(0, 2**33)),
    Load: st.builds(Load, COUNTS, COUNTS, st.booleans()),
    Copy: st.builds(Copy, COUNTS, COUNTS, st.sampled_from(CopyMethod)),
    Refuse: st.builds(Refuse, COUNTS, st.sampled_from(Refusal)),
    EditCheckpoint: st.builds(EditCheckpoint, COUNTS, st.sampled_from(Edit)),
    Ask: st.builds(Ask, COUNTS, st.sampled_from(Question)),
    Drop: st.builds(Drop, COUNTS),
}
STATES = st.builds(
    OptimizerState,
    st.lists(values(), max_size=2).map(tuple),
    st.none() | st.lists(st.none() | values(), max_size=2).map(tuple),
    st.none() | st.lists(st.none() | values(), max_size=2).map(tuple),
    st.none() | st.lists(st.none() | FLOATS, max_size=2).map(tuple),
)
OBSERVATIONS = st.builds(
    Observation,
    st.sampled_from(Outcome),
    st.text(max_size=5),
    st.dictionaries(COUNTS, STATES, max_size=2),
    st.lists(st.builds(Change, st.sampled_from(Watched), st.text(max_size=5)), max_size=2).map(tuple),
)
LIVES = st.builds(
    Life,
    st.text(max_size=5),
    st.sampled_from(("float32", "float64")),
    st.lists(st.one_of(*DRAWN.values()), max_size=3).map(tuple),
    st.dictionaries(st.sampled_from(("foreach", "capturable")), st.none() | st.booleans(), max_size=2),
)


def through_json(kind, value):
    """A value that went through a line of JSON."""
    return kind.from_json(json.loads(json.dumps(value.to_json(), allow_nan=False)))


def test_every_action_is_drawn() -> None:
    assert set(DRAWN) == set(ACTIONS.values())


@QUICK
@given(LIVES)
def test_a_life_is_the_same_from_json(life) -> None:
    assert through_json(Life, life) == life
    with compact_numbers():
        assert through_json(Life, life) == life
    assert from_pool(json.loads(json.dumps(pooled(life.to_json))), Life.from_json) == life


@pytest.mark.parametrize(
    ("array", "wrong"),
    [
        ([[2], 0, 3], "the numbers 0 to 3 of 2"),
        ([[2], -1, 2], "the numbers -1 to 2 of 2"),
        ([[2], 2, 1], "the numbers 2 to 1 of 2"),
        ([[2], 0, 1, [2]], "exceptions at"),
        ([[2], 0, 1, [True]], "exceptions at"),
        ([[2], 0, 0], "an empty pattern"),
        ([[True], 0, 1], "an array has the shape"),
    ],
)
def test_an_array_is_of_numbers_that_are_there(array, wrong) -> None:
    document = {**pooled(lambda: encoded(Values((2,), (1.0, 2.0)))), "value": array}
    with pytest.raises(ValueError, match=wrong):
        from_pool(document, partial(decoded, Values))


@QUICK
@given(OBSERVATIONS)
def test_an_observation_is_the_same_from_json(observation) -> None:
    assert through_json(Observation, observation) == observation


@QUICK
@given(st.lists(OBSERVATIONS, max_size=3), st.data())
def test_observations_are_the_same_from_json_and_name_an_array_once(drawn, data) -> None:
    observations = [each for one in drawn for each in [one] * data.draw(st.integers(1, 3))]
    written = json.loads(json.dumps(observations_to_json(observations), allow_nan=False))
    assert observations_from_json(written) == tuple(observations)
    for before, after, line in zip(observations, observations[1:], written[1:], strict=False):
        for number, state in after.optimizers.items() if before is after else ():
            written_state = line["optimizers"][str(number)]
            again = [written_state[name] for name in ("theta", "m", "u") if getattr(state, name)]
            assert all(x in {SAME, None} for arrays in again for x in arrays)


@pytest.mark.parametrize(
    "before", [[], [{"outcome": "done", "optimizers": {"0": {"theta": [], "m": [None]}}}]]
)
def test_an_array_is_not_the_same_as_one_that_was_not_there(before) -> None:
    line = {"outcome": "done", "optimizers": {"0": {"theta": [], "m": [SAME]}}}
    with pytest.raises(
        ValueError, match="m of parameter 0 is 'same', and was not there in the observation before"
    ):
        observations_from_json([*before, line])


@pytest.mark.parametrize("special", ["nan", "inf", "-inf", "-0.0", "5e-324", "1.7976931348623157e308"])
@pytest.mark.parametrize("count", [1, 100])
def test_every_number_crosses_exactly_whether_few_or_many(special, count) -> None:
    number = float(special)
    sent = Values((count,), (number,) * count, ((0, number),))
    life = Life("special", "float64", (Step(0, (GradientSpec(sent),)),))
    for read in (through_json(Life, life), from_pool(pooled(life.to_json), Life.from_json)):
        came = read.actions[0].gradients[0].values
        assert np.array(came.pattern).tobytes() == np.array(sent.pattern).tobytes()
        assert np.array(came.exceptions[0][1]).tobytes() == np.array(number).tobytes()


def test_what_cannot_be_part_of_a_life_is_refused_by_name() -> None:
    life = Life("wrong", "float32", (SetOption(0, 0, "eps", object()),))
    with pytest.raises(TypeError, match="a value of the type object cannot be part of a life"):
        life.to_json()


def test_options_that_are_passed_are_those_that_are_not_left_out() -> None:
    options = Options(Number(0.5), eps=0.0, maximize=False)
    assert options.passed() == {"lr": Number(0.5), "eps": 0.0, "maximize": False}


# Arrays by recipe --------------------------------------------------------------------------------------------


@QUICK
@given(values())
def test_an_array_is_its_pattern_repeated_and_its_exceptions(recipe) -> None:
    expected = [recipe.pattern[i % len(recipe.pattern)] for i in range(recipe.size)]
    for index, value in recipe.exceptions:
        expected[index] = value
    assert recipe.expand().shape == recipe.shape
    assert recipe.expand().reshape(-1).tolist() == expected


@QUICK
@given(values(), st.data())
def test_elements_are_taken_as_from_the_whole_array(recipe, data) -> None:
    indices = st.lists(st.integers(0, recipe.size - 1), max_size=9) if recipe.size else st.just([])
    chosen = np.array(data.draw(indices), np.intp)
    assert recipe.take(chosen).tolist() == recipe.expand().reshape(-1)[chosen].tolist()


@QUICK
@given(
    arrays.arrays(np.float64, SHAPES, elements=st.sampled_from((0.0, -0.0, 1.0, float("nan"), float("inf")))),
    st.integers(1, 7),
)
def test_a_folded_array_expands_to_the_same_bits(array, period) -> None:
    assert Values.folded(array, period).expand().tobytes() == array.tobytes()
    assert Values.of(array).expand().tobytes() == array.tobytes()


@QUICK
@given(values())
def test_a_function_of_each_element_is_one_of_the_recipe(recipe) -> None:
    assert recipe.mapped(lambda x: -x).expand().tobytes() == (-recipe.expand()).tobytes()


def test_a_periodic_array_is_folded_to_its_period_and_what_differs() -> None:
    array = np.resize(np.arange(61.0), (1000, 100))
    array[500, 7] = -1.0
    folded = Values.folded(array, 61)
    assert (folded.shape, len(folded.pattern), folded.exceptions) == ((1000, 100), 61, ((50007, -1.0),))


def test_an_array_that_hardly_repeats_stays_whole() -> None:
    array = np.arange(2.0 * LONGEST_PATTERN)
    folded = Values.folded(array, 61)
    assert (len(folded.pattern), folded.exceptions) == (2 * LONGEST_PATTERN, ())
