"""What few patients have is not learnt: no value of fewer than `min_patients` is in a codec, or comes out of one."""

import json
import logging
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxehr.codecs import Bins, BoxCox, Number, Quantile, codec_from_json, fit_codec
from jaxehr.codecs.shared import other, shared
from jaxehr.data import Column, DataError, Inequality, Schema, long_frame

KINDS = [Number, BoxCox, Quantile, Bins]


def numbers_in(value):
    if isinstance(value, dict):
        return [n for each in value.values() for n in numbers_in(each)]
    if isinstance(value, list):
        return [n for each in value for n in numbers_in(each)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=11, max_size=400), st.integers(1, 11))
def test_each_value_is_that_of_enough_rows_and_averages_are_kept(values, least):
    numbers = np.array(values, float)
    kept = shared(numbers, least)
    assert (np.unique(kept, return_counts=True)[1] >= least).all()
    assert (np.diff(kept) >= 0).all()
    distinct, counts = np.unique(numbers, return_counts=True)
    often = distinct[counts >= least]
    for value in often:
        assert (kept == value).sum() >= (numbers == value).sum()
    others = numbers[~np.isin(numbers, often)]
    if len(others) >= least or not len(others):
        assert kept.sum() == pytest.approx(numbers.sum())
    assert kept.min() >= numbers.min() and kept.max() <= numbers.max()


@pytest.mark.parametrize("numbers", KINDS)
@pytest.mark.parametrize("n", [30, 129, 900, 1025, 2000])
def test_no_patient_is_read_from_the_numbers_of_a_codec(n, numbers):
    """Neither as a stored number, nor by solving for the sorted values, of which there are n, that quantiles
    interpolate. Two of n may be met by chance: an average that is a value to 5 decimals."""
    rng = np.random.default_rng(n)
    values = np.round(rng.lognormal(1, 0.6, n), 5)
    frame = pd.DataFrame({"x": values, "s": rng.choice(list("ab"), n)})
    column = fit_codec(frame, None, numbers).columns[0]
    stored = np.array(numbers_in(column.to_json()))
    assert np.isin(np.round(values, 5), np.round(stored, 5)).sum() <= 2
    knots = np.array(getattr(column, "knots", ()))
    if not len(knots):
        return
    at = np.linspace(0, 1, len(knots)) * (n - 1)
    below = np.minimum(at.astype(int), n - 2)
    weights = np.zeros((len(knots), n))
    weights[np.arange(len(knots)), below] = 1 - (at - below)
    weights[np.arange(len(knots)), below + 1] += at - below
    solved = np.linalg.lstsq(weights, knots, rcond=None)[0]
    assert (np.round(solved, 5) == np.sort(values)).sum() <= 2


@pytest.mark.parametrize("numbers", KINDS)
def test_ends_are_averages_and_values_between_them_come_back(numbers):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"lab": np.round(rng.normal(50, 9, 2000), 3)})
    codec = codec_from_json(json.loads(json.dumps(fit_codec(frame, None, numbers).to_json())))
    quantity = codec.columns[0].quantity
    lowest, highest = np.sort(frame["lab"])[:22], np.sort(frame["lab"])[-22:]
    assert lowest[:11].mean() - 1e-3 <= quantity.low <= lowest.mean() + 1e-3
    assert highest.mean() - 1e-3 <= quantity.high <= highest[-11:].mean() + 1e-3
    back = codec.decode(codec.encode(frame))["lab"]
    pd.testing.assert_series_equal(
        back, frame["lab"].clip(quantity.low, quantity.high), check_exact=numbers is not Quantile
    )


def test_what_all_but_few_lack_does_not_show_in_an_average():
    """One number among zeros is not the highest eleven over eleven."""
    frame = pd.DataFrame({"dose": [0.0] * 499 + [77.31], "age": np.arange(500) % 60})
    for numbers in KINDS:
        codec = fit_codec(frame, None, numbers)
        stored = np.array(numbers_in(codec.to_json()))
        assert not np.isclose(stored[:, None] * np.arange(1, 501), 77.31, rtol=1e-9).any()
        assert (codec.decode(codec.encode(frame))["dose"] == 0).all()


@pytest.mark.parametrize(
    ("values", "became"),
    [
        (["a"] * 60 + ["b"] * 30 + ["Tristan"] * 4 + ["Ascension"] * 7, "other"),
        (["Other"] * 60 + ["b"] * 30 + ["Tristan"] * 11 + ["c"] * 10 + ["d"], "other (rare)"),
        (["a"] * 60 + ["b"] * 30 + ["Tristan"] * 5, "a"),  # too few for a value of their own
        ([1] * 60 + [2] * 30 + [71] * 5 + [72] * 6, 9),
        ([1] * 60 + [98] * 30 + [71] * 5 + [72] * 6, 99),
        ([1] * 60 + [99] * 30 + [71] * 5 + [72] * 6, 999),
        ([1.5] * 60 + [2.5] * 30 + [7.25] * 5 + [8.25] * 6, 9.0),
        ([True] * 60 + [False] * 10, True),
        ([True] * 60 + [False] * 20 + [None] * 10, True),
        (["a"] * 60 + [None] * 30 + ["Tristan"] * 5, "a"),
        (["a"] * 30 + [None] * 60 + ["Tristan"] * 5, None),
    ],
)
@pytest.mark.parametrize("categorical", [False, True])
def test_a_rare_category_becomes_another(values, became, categorical, caplog):
    column = pd.Series(values, dtype="category" if categorical else None)
    frame = pd.DataFrame({"x": column, "age": np.arange(len(values)) % 5})
    schema = Schema(
        (Column("x", "categorical", str(frame["x"].dtype)), Column("age", "integer", "int64")),
    )
    with caplog.at_level(logging.WARNING):
        codec = codec_from_json(json.loads(json.dumps(fit_codec(frame, schema).to_json())))
    counts = Counter(values)
    rare = [n for n in counts.values() if n < 11]
    what = "1 value" if len(rare) == 1 else f"{len(rare)} values"
    said = f"column 'x': {what} of fewer than 11 patients ({sum(rare)} rows) became "
    assert said + ("missing" if became is None else repr(became)) in caplog.text
    if "Tristan" in values and counts["Tristan"] < 11:
        assert "Tristan" not in json.dumps(codec.to_json())
    back = codec.decode(codec.encode(frame))["x"]
    assert back.dtype == frame["x"].dtype or categorical
    wanted = [became if counts[v] < 11 else v for v in values]
    assert [None if pd.isna(v) else v for v in back] == wanted


def test_a_column_without_rare_values_still_refuses_one_never_seen():
    frame = pd.DataFrame({"x": ["a", "b"] * 20, "age": np.arange(40) % 3})
    with pytest.raises(DataError, match="'x' has 'c'"):
        fit_codec(frame).encode(frame.assign(x="c"))


def test_other_fits_the_dtype():
    assert other([1, 127], "int8", 1) is None
    assert other([1, 20], "int8", 1) == 99
    assert other(["other", "other (rare)"], "str", "a") == "other (rare 2)"


def test_unseen_levels_of_few_are_not_kept_which_is_said_and_order_is(caplog):
    values = pd.Categorical(
        ["lo"] * 30 + ["hi"] * 30 + ["Tristan"] * 12 + ["once"],
        ["lo", "never", "hi", "Tristan", "once"],
        ordered=True,
    )
    frame = pd.DataFrame({"x": values, "age": np.arange(73) % 5})
    codec = fit_codec(frame)
    back = codec.decode(codec.encode(frame))["x"].cat
    assert list(back.categories) == ["lo", "hi", "Tristan"] and back.ordered
    assert "'x': 1 of its categories that no row has ('never') are left out" in caplog.text
    caplog.clear()
    kept = fit_codec(frame, min_patients=1)
    assert "no row has" not in caplog.text
    assert list(kept.decode(kept.encode(frame))["x"].cat.categories) == list(
        frame["x"].cat.categories
    )


@pytest.mark.parametrize("numbers", KINDS)
def test_missing_values_of_few_are_not_learnt(numbers, caplog):
    """Neither that 4 patients lack a value, nor the values of 4 that nobody else has."""
    rng = np.random.default_rng(0)
    lab = np.round(rng.normal(50, 9, 400), 1)
    day = pd.Series(
        pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, 400), unit="D")
    )
    few = np.arange(400) < 4
    frame = pd.DataFrame(
        {
            "hdl": np.where(few, np.nan, lab),
            "troponin": np.where(few, lab, np.nan),
            "seen": day.mask(few),
            "stopped": day.where(few),
            "code": pd.Series(np.where(few, 7, 0)).astype("Int64").where(few),
        }
    )
    codec = codec_from_json(json.loads(json.dumps(fit_codec(frame, None, numbers).to_json())))
    back = codec.decode(codec.encode(frame))
    assert back["hdl"].notna().all() and back["seen"].notna().all()
    assert back[["troponin", "stopped", "code"]].isna().all(axis=None)
    assert back.dtypes.to_dict() == frame.dtypes.to_dict()
    assert "column 'hdl': the missing values of 4 patients, too few to be learnt" in caplog.text
    assert "column 'troponin': the values of 4 patients, too few to be learnt" in caplog.text
    known = codec.known(frame)
    assert codec.sizes["bit"] == 0 and known.masks["number"].any()


@pytest.mark.parametrize("numbers", KINDS)
def test_digits_and_times_of_day_of_few_are_not_kept(numbers):
    rng = np.random.default_rng(0)
    lab, day = np.round(rng.normal(50, 9, 300), 1), pd.Timestamp("2020-01-01")
    seen = day + pd.to_timedelta(rng.integers(0, 99, 300), unit="D").to_series(index=range(300))
    lab[0], seen[0] = 50.12345, day + pd.Timedelta("5D 3h 17min")
    codec = fit_codec(pd.DataFrame({"lab": lab, "seen": seen}), None, numbers)
    assert codec.columns[0].quantity.decimals == 1
    assert codec.columns[1].quantity.unit == "D"
    every = fit_codec(pd.DataFrame({"lab": lab, "seen": seen}), None, numbers, min_patients=1)
    assert every.columns[0].quantity.decimals == 5 and every.columns[1].quantity.unit == "min"


@pytest.mark.parametrize("numbers", KINDS)
def test_an_inequality_holds_with_ends_that_are_averages(numbers):
    """The highest average of the lower column may lie above that of the higher one."""
    low = [50] * 60 + [99] * 9 + [200]
    high = [100] * 69 + [200]
    frame = pd.DataFrame({"low": low, "high": high, "age": np.arange(70) % 20})
    schema = Schema(Schema.infer(frame).columns, (), (Inequality("low", "high"),))
    for least in (5, 10, 11):
        codec = fit_codec(frame, schema, numbers, least)
        rng = np.random.default_rng(0)
        parts = {
            "number": rng.uniform(-1, 2, (500, codec.sizes["number"])),
            "bit": rng.integers(0, 2, (500, codec.sizes["bit"])).astype(np.int8),
            "category": np.stack([rng.integers(0, k, 500) for k in codec.classes], 1)
            if codec.classes
            else np.zeros((500, 0), int),
        }
        assert not schema.broken(codec.decode(parts)).any()


def test_a_small_table_is_still_learnt():
    """118 rows: eight bins and more for a column, whose quantiles are those of the patients within about the standard
    error of one (0.3 standard deviations at .9, for a log-normal)."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"lab": np.round(rng.lognormal(1, 0.5, 118), 2)})
    codec = fit_codec(frame, None, Bins)
    parts = codec.encode(frame)
    assert codec.classes[0] >= 8
    rows = rng.integers(0, 118, 20_000)
    drawn = codec.decode(
        {
            "number": rng.random((20_000, codec.sizes["number"])),
            "bit": parts["bit"][rows],
            "category": parts["category"][rows],
        }
    )["lab"]
    spread = frame["lab"].std()
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert abs(drawn.quantile(share) - frame["lab"].quantile(share)) < 0.25 * spread
    assert abs(drawn.mean() - frame["lab"].mean()) < 0.1 * spread


def test_rare_codes_are_left_out_with_their_count(caplog):
    bits = np.zeros((100, 3), bool)
    bits[:60, 0], bits[40:95, 1], bits[90:, 2] = True, True, True
    frame = long_frame(bits, np.arange(100), ["A", "B", "RARE"])
    codec = codec_from_json(json.loads(json.dumps(fit_codec(frame).to_json())))
    assert (
        "dropped 1 codes with fewer than 11 patients, and 5 patients who had no other"
        in caplog.text
    )
    assert codec.codes == ("A", "B") and codec.rows == 95
    np.testing.assert_array_equal(codec.encode(frame)["bit"], bits[:95, :2])
    assert fit_codec(frame, min_patients=1).codes == ("A", "B", "RARE")


def test_more_patients_are_asked_for_than_there_are():
    with pytest.raises(DataError, match="there are 9 rows and min_patients is 11"):
        fit_codec(pd.DataFrame({"age": range(9)}))
