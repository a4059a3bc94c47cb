"""What is asked for as a condition: read, refused, warned of; and constraints kept by drawing anew."""

import logging

import jax
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr.data import DataError, Inequality, Range, Schema
from jaxehr.recipes import conditions, masked


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
    schema = Schema("table", columns, (Inequality("diastolic", "systolic"), Range("age", 0, 120)))
    recipe = masked(data, schema, width=64, blocks=2, steps=500, batch_size=256, learning_rate=5e-3)
    return jaxehr.fit(recipe, data, jax.random.key(0))


def test_the_words_of_the_command_line(synthesizer):
    codec = synthesizer.recipe.codec
    given = conditions.parse(
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
        conditions.parse(["age=old"], codec)
    with pytest.raises(DataError, match="takes COLUMN=VALUE"):
        conditions.parse(["age"], codec)


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
        ({"age": (130, 140)}, "'age' was between 18 and 94 in training; 130:140 cannot be drawn"),
        ({"age": 200}, "cannot be drawn"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(synthesizer, given, said):
    with pytest.raises(DataError, match=said):
        synthesizer.sample(jax.random.key(0), 4, given=given)


@pytest.mark.parametrize("pregnant", [True, False])
def test_what_training_never_showed_is_warned_of(synthesizer, caplog, pregnant):
    """A model that draws the training records themselves: none is a pregnant man, many are other men."""
    codec = synthesizer.recipe.codec

    def drawn(known, batch_size):
        while True:
            yield codec.encode(clinic())

    with caplog.at_level(logging.WARNING):
        known = conditions.pinned(drawn, {"sex": "m", "pregnant": pregnant}, codec)
    assert ("none has sex='m', pregnant=True" in caplog.text) == pregnant
    assert known.masks["bit"].sum() == 2


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
    with pytest.raises(DataError, match="'ward' has 'moon'"):
        synthesizer.impute(jax.random.key(0), gaps)
    filled = synthesizer.impute(jax.random.key(0), gaps, unseen_as_missing=True)
    assert filled["ward"].iloc[0] in ("icu", "er", "rehab")
    with pytest.raises(DataError, match="no column 'ward'"):
        synthesizer.impute(jax.random.key(0), gaps.drop(columns="ward"))
