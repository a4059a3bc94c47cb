"""Conditions on masked diffusion, with networks whose law is known: all columns apart, or by enumeration."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from oracles import cell_by_cell

from jaxehr.codecs import Bins, fit_codec
from jaxehr.data import Inequality, Range, Schema
from jaxehr.processes import MASK
from jaxehr.recipes import masked
from jaxehr.recipes.masked import masked_model
from jaxehr.samplers import unmasking
from jaxehr.synthesis.cells import path_of
from jaxehr.synthesis.recipe import Recipe, Stage, Synthesizer
from jaxehr.synthesis.view import token_view, tokens_of

KEY = jax.random.key(0)


def untrained(frame, *constraints):
    """The network is at each column's frequencies, and its columns know nothing of each other."""
    schema = Schema(Schema.infer(frame).columns, (), constraints)
    recipe = masked(frame, schema, width=16, blocks=1, steps=10, min_patients=1, look_trees=0)
    params = recipe.stages[0].model.init(KEY)
    silent = {"say": 0 * params["say"]}
    if "pair_log_gain" in params:
        silent["pair_log_gain"] = jnp.full_like(params["pair_log_gain"], -20.0)
    return Synthesizer(recipe, {"denoiser": {**params, **silent}})


@pytest.fixture(scope="module")
def exact():
    """x is continuous, in 1,024 cells; ill grows with the cell, and so does the ward of who is ill: by enumeration."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=4000),
            "ill": rng.random(4000) < 0.5,
            "ward": rng.choice(["er", "icu", "rehab"], 4000),
        }
    )
    codec = fit_codec(frame, None, Bins, min_patients=1)
    tokens, cells = tokens_of(codec), 32 * 32
    assert tokens.classes == (2, 32, 32, 3)  # ill; x coarse and fine; ward
    states = np.array(
        [(i, c // 32, c % 32, w) for c in range(cells) for i in (0, 1) for w in range(3)]
    )
    ill = (states[:, 1] * 32 + states[:, 2] + 0.5) / cells
    wards = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])[states[:, 0], states[:, 3]]
    law = np.where(states[:, 0] == 1, ill, 1 - ill) * wards / cells
    ordered, places = states[:, list(tokens.row)], np.split(tokens.places, [2, 34, 66])

    def apply(params, row, t=None):
        fits = jnp.all((row[..., None, :] == MASK) | (row[..., None, :] == ordered), axis=-1)
        weight = jnp.where(fits, law, 0.0)
        out = jnp.zeros((*row.shape[:-1], tokens.width))
        for j, place in enumerate(places):
            hot = jax.nn.one_hot(states[:, j], tokens.classes[j])
            out = out.at[..., place].set(jnp.log(weight @ hot + 1e-30))
        return out

    path = path_of(codec, tokens)
    network = cell_by_cell(apply, tokens)
    model = masked_model(network, tokens, path, places=codec.sizes["number"], steps=4)
    stage = Stage("denoiser", model, None, 0)
    view = token_view(codec, numbers=False)
    recipe = Recipe("masked", {}, codec, view, (stage,), 1)
    return Synthesizer(recipe, {"denoiser": {}}), np.array(codec.by_name["x"].knots), states, law


def enumerated(exact, low, high, wards):
    """P(ill, ward | x in the range, ward in the list)."""
    _, knots, states, law = exact
    inside = np.clip(
        (np.clip(high, knots[:-1], knots[1:]) - np.clip(low, knots[:-1], knots[1:])), 0, None
    )
    share = inside / np.diff(knots)
    weight = law * share[states[:, 1] * 32 + states[:, 2]] * np.isin(states[:, 3], wards)
    table = np.zeros((2, 3))
    np.add.at(table, (states[:, 0], states[:, 3]), weight)
    return table / table.sum()


@pytest.mark.parametrize(
    ("low", "high", "wards"),
    [(0.31, 9.0, None), (1.02, 1.05, None), (-0.4, 0.7, ["icu", "rehab"]), (-9.0, 9.0, ["er"])],
    ids=["cut bin", "in one bin", "with a list", "a value"],
)
def test_a_range_has_the_conditional_law_and_no_value_comes_twice(exact, low, high, wards):
    """Six shares within 4.5 standard errors, a Kolmogorov-Smirnov distance within 2.2: 1 in 7,000 by chance."""
    from scipy.stats import kstest

    synthesizer, knots, _, _ = exact
    n, given = 4000, {"x": (low if low > -9 else None, high if high < 9 else None)}
    names = ["er", "icu", "rehab"]
    given |= {} if wards is None else {"ward": wards}
    drawn = synthesizer.sample(KEY, n, given=given, batch_size=4000)
    assert drawn["x"].between(low, high).all() and drawn["x"].nunique() == n
    low, high = max(low, knots[0]), min(high, knots[-1])
    law = enumerated(
        exact, low, high, [0, 1, 2] if wards is None else [names.index(w) for w in wards]
    )
    found = np.array(
        [
            [((drawn["ill"] == i) & (drawn["ward"] == w)).mean() for w in names]
            for i in (False, True)
        ]
    )
    assert (np.abs(found - law) < 4.5 * np.sqrt(law * (1 - law) / n) + 1e-9).all()
    if wards is None:  # x itself is uniform over the cells
        at = np.interp([low, high], knots, np.arange(len(knots)))
        scaled = (np.interp(drawn["x"], knots, np.arange(len(knots))) - at[0]) / (at[1] - at[0])
        assert kstest(scaled, "uniform").statistic < 2.2 / np.sqrt(n)


def pressures(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    low = rng.integers(60, 80, n)
    gap = rng.choice([0, 10, 20, 40], n, p=[0.1, 0.2, 0.3, 0.4])
    return pd.DataFrame({"low": low, "high": low + gap})


def test_a_given_high_column_leaves_the_distance_to_be_drawn():
    """Untrained, the distance is drawn from its frequencies, and low is high minus that, where there was such a low.

    4.5 standard errors: 1 in 100,000.
    """
    frame, n = pressures(), 2000
    synthesizer = untrained(frame, Inequality("low", "high"))
    law = (frame["high"] - frame["low"]).value_counts(normalize=True)

    def check(drawn, high, distances):
        assert (drawn["high"] == high).all()
        found = (high - drawn["low"]).value_counts(normalize=True)
        assert set(found.index) == set(distances)
        for distance in distances:
            p = law[distance] / law[distances].sum()
            assert abs(found[distance] - p) < 4.5 * np.sqrt(p * (1 - p) / n) + 1e-9

    check(synthesizer.sample(KEY, n, given={"high": 79}), 79, [0, 10])
    check(synthesizer.sample(KEY, n, given={"high": 100}), 100, [40])  # 100 - 20 was never a low
    check(synthesizer.sample(KEY, n, given={"high": 90}), 90, [20])
    gaps = pd.DataFrame({"low": [np.nan] * n, "high": [79] * n})
    check(synthesizer.impute(KEY, gaps), 79, [0, 10])
    both = synthesizer.sample(KEY, 50, given={"high": 90, "low": 70})
    assert (both["high"] == 90).all() and (both["low"] == 70).all()
    narrow = synthesizer.sample(KEY, 300, given={"high": (95, 105)})
    assert narrow["high"].between(95, 105).all() and narrow["high"].nunique() > 5


def test_imputed_rows_keep_constraints_by_their_law_or_are_named(caplog):
    """Untrained, a cell is drawn from its frequencies; beside low = 3 it is drawn from those not below 3.

    4.5 standard errors: 1 in 100,000 for each of three shares.
    """
    rng = np.random.default_rng(0)
    low, high = rng.integers(0, 5, 4000), rng.integers(0, 6, 4000)
    low, high = np.minimum(low, high), np.maximum(low, high)
    frame = pd.DataFrame({"low": low, "high": high, "age": rng.integers(20, 60, 4000)}).astype(
        float
    )
    frame.loc[::5, "low"] = np.nan
    frame.loc[1::6, "high"] = np.nan
    synthesizer = untrained(frame, Inequality("low", "high"), Range("age", 0, 120))
    law = frame["high"].value_counts(normalize=True)
    n = 3000
    gaps = pd.DataFrame({"low": [3.0] * n, "high": [np.nan] * n, "age": [30.0] * n})
    gaps.loc[n] = [4.0, 1.0, np.nan]  # broken already
    gaps.loc[n + 1] = [9.0, np.nan, 40.0]  # no high is 9
    with caplog.at_level(logging.WARNING):
        filled = synthesizer.impute(KEY, gaps, batch_size=1024)
    found = filled["high"][:n].value_counts(normalize=True)
    assert set(found.index) == {3, 4, 5}
    for value in (3, 4, 5):
        p = law[value] / law[[3, 4, 5]].sum()
        assert abs(found[value] - p) < 4.5 * np.sqrt(p * (1 - p) / n)
    assert filled.loc[n, ["low", "high"]].tolist() == [4, 1] and filled["age"].notna().all()
    assert np.isnan(filled.loc[n + 1, "high"])
    assert f"rows {n + 1} (the first is row 1)" in caplog.text
    assert "1 rows are left as they are" in caplog.text and f"rows {n + 2} (" in caplog.text
    pd.testing.assert_frame_equal(filled, synthesizer.impute(KEY, gaps, batch_size=500))


def test_missing_is_a_condition_too():
    frame = (
        pressures().assign(lab=np.random.default_rng(1).normal(size=4000)).astype({"low": float})
    )
    frame.loc[::4, "low"] = np.nan
    frame.loc[::3, "lab"] = np.nan
    frame["ward"] = np.where(
        np.arange(4000) % 5 == 0, None, np.where(np.arange(4000) % 2, "er", "icu")
    )
    synthesizer = untrained(frame)
    drawn = synthesizer.sample(KEY, 100, given={"low": None, "lab": float("nan"), "ward": None})
    assert drawn[["low", "lab", "ward"]].isna().all(axis=None) and drawn["high"].notna().all()
    some = synthesizer.sample(KEY, 200, given={"ward": ["er", None], "lab": (0, None)})
    assert set(some["ward"].dropna()) == {"er"} and some["ward"].isna().any()
    assert (some["lab"] >= 0).all()


def clinic_with_rare_values(n=4000):
    """dx: a, b, missing, and 40 values of ten rows each; sex: f, and 12 such; note: only such values, or none."""
    rng = np.random.default_rng(0)
    dx = rng.permutation(np.repeat(["a", "b", None, "r"], [2000, 1200, 400, 400])).astype(object)
    dx[dx == "r"] = [f"r{i // 10}" for i in range(400)]
    sex, note = np.full(n, "f", object), np.full(n, None, object)
    sex[rng.permutation(n)[:120]] = [f"s{i // 10}" for i in range(120)]
    note[rng.permutation(n)[:2000]] = [f"n{i // 10}" for i in range(2000)]
    return pd.DataFrame({"dx": dx, "sex": sex, "note": note})


def test_what_stands_for_rare_values_is_drawn_where_it_is_asked_for_alone(caplog):
    """Untrained, dx is drawn from its frequencies: with 'other' as they are, without as they are given that it is not.

    4.5 standard errors: 1 in 10,000 for all of the shares together.
    """
    frame, n = clinic_with_rare_values(), 2000

    def fitted(**settings):
        recipe = masked(frame, width=16, blocks=1, steps=10, look_trees=0, **settings)
        params = recipe.stages[0].model.init(KEY)
        return Synthesizer(recipe, {"denoiser": {**params, "say": 0 * params["say"]}})

    def check(drawn, law):
        found = drawn["dx"].fillna("none").value_counts(normalize=True)
        assert set(found.index) == set(law)
        for value, p in law.items():
            assert abs(found[value] - p) < 4.5 * np.sqrt(p * (1 - p) / n) + 2e-3

    with caplog.at_level(logging.WARNING):
        synthesizer = fitted()
    assert "'dx' 10%, 'sex' 3% of the rows have one" in caplog.text
    drawn = synthesizer.sample(KEY, n)
    check(drawn, {"a": 5 / 9, "b": 3 / 9, "none": 1 / 9})
    assert set(drawn["sex"]) == {"f"} and 0.4 < drawn["note"].isna().mean() < 0.6
    check(synthesizer.sample(KEY, n, sampler=unmasking()), {"a": 5 / 9, "b": 3 / 9, "none": 1 / 9})
    check(fitted(rare="other").sample(KEY, n), {"a": 0.5, "b": 0.3, "none": 0.1, "other": 0.1})
    caplog.clear()
    asked = synthesizer.sample(KEY, n, given={"dx": ["b", "other"], "sex": "other"})
    assert set(asked["sex"]) == {"other"} and not caplog.records
    check(asked, {"b": 3 / 4, "other": 1 / 4})
    gaps = pd.DataFrame({"dx": [None] * n, "sex": ["f"] * n, "note": [None] * n}, dtype=object)
    filled = synthesizer.impute(KEY, gaps)
    check(filled, {"a": 5 / 8, "b": 3 / 8})
    assert set(filled["note"]) == {"other"}
    with pytest.raises(ValueError, match="rare is 'left out' or 'other'; got 'no'"):
        fitted(rare="no")
