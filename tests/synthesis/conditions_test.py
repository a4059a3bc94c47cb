"""What is asked for as a condition: read, refused, warned of; and constraints kept by drawing anew."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr.codecs import Bins, fit_codec
from jaxehr.data import DataError, Inequality, Range, Schema
from jaxehr.recipes import masked
from jaxehr.synthesis import conditions, wishes
from jaxehr.synthesis.recipe import Recipe, Stage, Synthesizer
from jaxehr.synthesis.view import matrix_view
from jaxehr.types import Draw, Model


def clinic(n=600, seed=0):
    """No man is pregnant; the diastolic pressure has gaps and is below the systolic."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    diastolic = rng.integers(50, 100, n)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 95, n),
            "sex": sex,
            "pregnant": (sex == "f") & (rng.random(n) < 0.3),
            "ward": rng.choice(["icu", "er", "rehab"], n),
            "admitted": pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 300, n), "D"),
            "diastolic": np.where(rng.random(n) < 0.2, np.nan, diastolic),
            "systolic": diastolic + rng.integers(0, 60, n),
        }
    )


@pytest.fixture(scope="module")
def synthesizer():
    data = clinic()
    columns = Schema.infer(data).columns
    schema = Schema(columns, (), (Inequality("diastolic", "systolic"), Range("age", 0, 120)))
    recipe = masked(data, schema, width=64, blocks=2, steps=500, batch_size=256, learning_rate=5e-3)
    return jaxehr.fit(recipe, data, jax.random.key(0))


def test_the_words_of_the_command_line(synthesizer):
    codec = synthesizer.recipe.codec
    given = wishes.parse(
        [
            "age=65:80",
            "ward=icu|er",
            "sex=f",
            "pregnant=True",
            "systolic=:120",
            "admitted=2022-02-01:",
        ],
        codec,
    )
    assert given == {
        "age": (65, 80),
        "ward": ["icu", "er"],
        "sex": "f",
        "pregnant": True,
        "systolic": (None, 120),
        "admitted": (pd.Timestamp("2022-02-01"), None),
    }
    with pytest.raises(DataError, match="a condition is a number or LOW:HIGH; got 'old'"):
        wishes.parse(["age=old"], codec)
    with pytest.raises(DataError, match="takes COLUMN=VALUE"):
        wishes.parse(["age"], codec)


def test_conditions_of_every_kind_hold_together(synthesizer):
    given = {
        "sex": "f",
        "ward": ["icu", "er"],
        "age": (60, None),
        "admitted": (None, pd.Timestamp("2022-06-01")),
    }
    drawn = synthesizer.sample(jax.random.key(1), 300, given=given)
    assert (drawn["sex"] == "f").all() and set(drawn["ward"]) == {"icu", "er"}
    assert (drawn["age"] >= 60).all() and (drawn["admitted"] <= "2022-06-01").all()
    assert drawn["pregnant"].any() and drawn["diastolic"].isna().any()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"weight": 70}, "no column 'weight' to put a condition on"),
        ({"sex": "x"}, "'sex' was never 'x' in training; it was one of 'f', 'm'"),
        ({"ward": ["icu", "moon"]}, "'ward' was never 'moon'"),
        ({"age": (80, 60)}, "the range 80:60 of 'age' is empty"),
        ({"age": (130, 140)}, "'age' was learnt between 18 and 94; 130:140 cannot be drawn"),
        ({"age": 200}, "cannot be drawn"),
        ({"age": 45.5}, "'age' is whole numbers; 45.5 cannot be drawn"),
        ({"age": None}, "'age' was never missing in training"),
        ({"age": float("nan")}, "'age' was never missing in training"),
        ({"sex": None}, "'sex' was never missing in training"),
        ({"age": "old"}, "'age' is integer: a condition is a number or LOW:HIGH; got 'old'"),
        ({"age": "40,5"}, "got '40,5'; decimals have a point"),
        ({"age": (20, 30, 40)}, r"a range of 'age' is a pair \(low, high\)"),
        ({"admitted": "soon"}, "'admitted' is a date .* 'soon' does not read as one"),
        ({"pregnant": 2}, "'pregnant' was never 2 in training; it was one of False, True"),
        ({"diastolic": 90, "systolic": 60}, "cannot be: diastolic <= systolic holds in every row"),
        ({"diastolic": (95, None), "systolic": (None, 70)}, "diastolic <= systolic holds in"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(synthesizer, given, said):
    with pytest.raises(DataError, match=said):
        synthesizer.sample(jax.random.key(0), 4, given=given)


@pytest.mark.parametrize("said", [True, 1, 1.0, "1", "true"])
def test_a_boolean_is_said_in_many_ways(synthesizer, said):
    drawn = synthesizer.sample(jax.random.key(0), 4, given={"pregnant": said})
    assert drawn["pregnant"].all()


def test_a_value_that_no_draw_can_be_is_refused():
    """Ages of a few values, one far away: 112 lies between 89 and 113."""
    ages = np.append(np.tile(np.arange(60, 90), 30), [113] * 20)
    frame = pd.DataFrame({"age": ages, "sex": np.resize(["f", "m"], len(ages))})
    column = fit_codec(frame, None, Bins).by_name["age"]
    with pytest.raises(
        DataError, match=r"'age' is never drawn as 112: .* nearest that can be is 113"
    ):
        wishes.wish(column, 112)
    assert wishes.wish(column, 113).value.tolist() == [113]


def test_what_is_given_comes_back_to_the_last_digit():
    """x is float32 on the device; a time of day over two years is not. All but what is given is drawn half way."""
    times = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(2000) * 31_537, "s")
    hours = pd.to_timedelta(np.resize([0, 2, 4], 2000), "h")
    frame = pd.DataFrame({"at": times, "end": times + hours, "lab": np.linspace(0, 1, 2000) ** 2})
    schema = Schema(Schema.infer(frame).columns, (), (Inequality("at", "end"),))
    codec = fit_codec(frame, schema, min_patients=1)

    def draw(params, key, *, known, **_):
        half = jnp.full(4, 0.5)
        x = half if known is None else jnp.where(known.mask, known.x0, half)
        return Draw(x, jnp.asarray(1))

    model = Model(lambda key: {}, lambda *_: jnp.zeros(1), draw)
    recipe = Recipe("halves", {}, codec, matrix_view(codec), (Stage("one", model, None, 0),), 1)
    given = {"end": frame["end"][1234], "lab": float(frame["lab"][1234])}
    drawn = Synthesizer(recipe, {"one": {}}).sample(jax.random.key(0), 8, given=given)
    assert (drawn["end"] == given["end"]).all() and (drawn["lab"] == given["lab"]).all()
    assert (drawn["end"] - drawn["at"] == pd.Timedelta("2h")).all()


def test_names_with_an_equals_sign():
    rows = {"subject_id": [1, 1, 2, 2], "code": ["LAB=HIGH", "LAB", "LAB=HIGH", "AGE"]}
    codec = fit_codec(pd.DataFrame(rows), min_patients=1)
    assert wishes.parse(["LAB=HIGH=1", "LAB=0"], codec) == {"LAB=HIGH": "1", "LAB": "0"}
    with pytest.raises(
        DataError, match=r"no code 'code' .* of 3 codes .* --given \"LAB=1\" for those"
    ):
        wishes.parse(["code=LAB"], codec)
    with pytest.raises(DataError, match=r"no code 'LOB' .* --given \"LAB=1\" for those"):
        wishes.parse(["LOB=1"], codec)
    with pytest.raises(DataError, match="takes CODE=1 or CODE=0; got 'LAB'"):
        wishes.parse(["LAB"], codec)
    with pytest.raises(DataError, match="'LAB=HIGH' says no value; write 'LAB=HIGH=1'"):
        wishes.parse(["LAB=HIGH"], codec)
    table = fit_codec(
        pd.DataFrame({"a=b": [1.0, None, 3.0] * 9, "c": ["x=1", "y", "z|w"] * 9}), min_patients=1
    )
    found = wishes.parse(["a=b=2:", "c=x=1|y"], table)
    assert found == {"a=b": (2.0, None), "c": ["x=1", "y"]}
    assert wishes.parse(["a=b=", "c=z|w"], table) == {"a=b": None, "c": "z|w"}
    with pytest.raises(DataError, match=r"never '70:80' .*; what is no number has no range, but a"):
        wishes.parse(["c=70:80"], table)


def test_conditions_on_a_column_that_is_empty_or_an_id():
    frame = pd.DataFrame({"note": [None] * 30, "age": [1, 2, 3] * 10, "pat_id": range(30)})
    codec = fit_codec(frame.assign(note=frame["note"].astype("str")))
    assert wishes.parse(["note="], codec) == {"note": None}
    with pytest.raises(DataError, match="'note' was never 'x' in training; it was empty"):
        wishes.parse(["note=x"], codec)
    with pytest.raises(DataError, match="'pat_id' is an id: it is not learnt"):
        wishes.parse(["pat_id=3"], codec)


def test_a_time_of_day_may_end_a_range():
    times = pd.Timestamp("2022-01-01") + pd.to_timedelta(np.arange(600) * 90, "min")
    codec = fit_codec(pd.DataFrame({"at": times}))
    low, high = pd.Timestamp("2022-01-02 10:30"), pd.Timestamp("2022-01-03 08:00")
    assert wishes.parse(["at=2022-01-02 10:30:2022-01-03 08:00"], codec) == {"at": (low, high)}
    assert wishes.parse(["at=2022-01-02 10:30"], codec) == {"at": low}
    assert wishes.parse(["at=:2022-01-03 08:00"], codec) == {"at": (None, high)}


@pytest.mark.parametrize("pregnant", [True, False])
def test_what_training_never_showed_is_warned_of(synthesizer, caplog, pregnant):
    """A model that draws the training records themselves: none is a pregnant man, many are other men."""
    codec = synthesizer.recipe.codec

    def drawn():
        while True:
            yield codec.encode(clinic())

    with caplog.at_level(logging.WARNING):
        asked = {"sex": "m", "pregnant": pregnant}
        given = conditions.given_of(asked, codec, narrows=True)
        conditions.warn_of_the_unseen(given, drawn(), codec)
    assert ("none has sex='m', pregnant=True" in caplog.text) == pregnant
    assert given.known.masks["bit"].sum() == 2


def test_a_condition_all_the_same_holds(synthesizer):
    drawn = synthesizer.sample(jax.random.key(0), 4, given={"sex": "m", "pregnant": True})
    assert (drawn["sex"] == "m").all() and drawn["pregnant"].all()


def test_constraints_hold_in_every_row_and_what_was_drawn_anew_is_said(synthesizer, caplog):
    with caplog.at_level(logging.WARNING):
        drawn = synthesizer.sample(jax.random.key(3), 2000)
    assert not synthesizer.recipe.codec.schema.broken(drawn).any()
    assert len(drawn) == 2000 and drawn["diastolic"].isna().any()
    assert "of the draws broke a constraint of the schema and were drawn anew" in caplog.text


def test_imputed_cells_follow_the_others(synthesizer):
    """Pregnancy is filled in for women and men: never for men in the data."""
    data = clinic(400, seed=5)
    gaps = data.assign(pregnant=data["pregnant"].astype("boolean").mask(np.arange(400) % 2 == 0))
    filled = synthesizer.impute(jax.random.key(1), gaps)
    women, men = (filled["sex"] == s for s in "fm")
    asked = np.arange(400) % 2 == 0
    assert filled.loc[men & asked, "pregnant"].mean() < 0.1
    # 4 standard errors of a share of 0.3 among 100 women: 1 in 16,000, beside what training misses.
    assert abs(filled.loc[women & asked, "pregnant"].mean() - 0.3) < 4 * 0.046 + 0.05
    assert filled["diastolic"].notna().all()


def test_a_category_never_seen_is_named_and_filled_in_on_request(synthesizer):
    gaps = clinic(20).assign(ward=["moon"] + ["icu"] * 19)
    said = r"'ward' has 'moon', which was not there in training; .* \(--unseen-as-missing\) draws"
    with pytest.raises(DataError, match=said):
        synthesizer.impute(jax.random.key(0), gaps)
    filled = synthesizer.impute(jax.random.key(0), gaps, unseen_as_missing=True)
    assert filled["ward"].iloc[0] in ("icu", "er", "rehab")
    with pytest.raises(DataError, match="no column 'ward'"):
        synthesizer.impute(jax.random.key(0), gaps.drop(columns="ward"))
