"""decode(encode(frame)) == frame, for everything that a hospital's file may hold."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jaxehr.codecs import (
    Bins,
    BoxCox,
    Number,
    Quantile,
    codec_from_json,
    fit_codec,
    matrix,
    parts_of,
)
from jaxehr.data import Column, DataError, Inequality, Range, Schema, long_frame

ROWS = 12


def every_value(frame, schema=None, numbers=Number):
    """The codec that learns what a single patient has, too; what others do is in shared_test."""
    return fit_codec(frame, schema, numbers, min_patients=1)


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8
)


def column(values, missing=False):
    values = st.lists(values, min_size=ROWS, max_size=ROWS)
    if not missing:
        return values
    gaps = st.lists(st.booleans(), min_size=ROWS - 1, max_size=ROWS - 1)
    return st.tuples(values, gaps).map(
        lambda pair: [
            pair[0][0],
            *(None if gap else v for v, gap in zip(pair[0][1:], pair[1], strict=True)),
        ]
    )


def decimal(places):
    return st.integers(-(10**8), 10**8).map(lambda i: i / 10**places)


@st.composite
def frames(draw):
    dates = pd.to_datetime(draw(column(st.integers(0, 30_000))), unit="D")
    stamps = pd.Series(draw(column(st.integers(0, 10**9), True)), dtype="Int64")
    return pd.DataFrame(
        {
            "rank": range(ROWS),  # a table of constants is refused
            "count": pd.Series(draw(column(st.integers(-(10**9), 10**9))), dtype="int64"),
            "count or nothing": pd.Series(
                draw(column(st.integers(-999, 999), True)), dtype="float64"
            ),
            "nullable count": pd.Series(draw(column(st.integers(0, 99), True)), dtype="Int64"),
            "lab": pd.Series(draw(column(decimal(3))), dtype="float64"),
            "lab or nothing": pd.Series(draw(column(decimal(1), True)), dtype="float64"),
            "dead": pd.Series(draw(column(st.booleans())), dtype="bool"),
            "dead or unknown": pd.Series(draw(column(st.booleans(), True)), dtype="boolean"),
            "zero or one": pd.Series(draw(column(st.integers(0, 1))), dtype="int64"),
            "unit": pd.Series(
                draw(column(st.sampled_from(["ICU", "icu", " Ward 3", "é"]))), dtype="str"
            ),
            "unit or nothing": pd.Series(draw(column(st.sampled_from("ABC"), True)), dtype="str"),
            "grade": pd.Series(draw(column(st.sampled_from("xyz")))).astype("category"),
            "triage": pd.Series(
                pd.Categorical(
                    draw(column(st.sampled_from("abc"), True)), list("cdab"), ordered=True
                )
            ),
            "large": pd.Series(draw(column(st.integers(-(2**49), 2**49))), dtype="int64"),
            "far": pd.Series(draw(column(st.integers(2**53 - 2**50, 2**53 - 1))), dtype="int64"),
            "day as text": dates.strftime("%Y-%m-%d").astype("str"),
            "admitted": pd.to_datetime(stamps, unit="s").astype("datetime64[us]"),
            "to the microsecond": pd.to_datetime(
                pd.Series(draw(column(st.integers(15 * 10**14, 16 * 10**14)))), unit="us"
            ).astype("datetime64[us]"),
        }
    )


@settings(max_examples=60, deadline=None)
@given(frames())
def test_decode_is_the_inverse_of_encode(frame):
    codec = codec_from_json(json.loads(json.dumps(every_value(frame).to_json())))
    assert isinstance(codec.schema, Schema)
    parts = codec.encode(frame)
    decoded = codec.decode(parts_of(matrix_float64(parts, codec), codec))
    pd.testing.assert_frame_equal(decoded, frame, check_exact=True)


@settings(max_examples=25, deadline=None)
@given(frames())
def test_decode_is_the_inverse_of_encode_in_bins(frame):
    codec = codec_from_json(json.loads(json.dumps(every_value(frame, None, Bins).to_json())))
    decoded = codec.decode(codec.encode(frame))
    pd.testing.assert_frame_equal(decoded, frame, check_exact=True)


@settings(max_examples=25, deadline=None)
@given(frames())
def test_decode_is_the_inverse_of_encode_in_normal_scores(frame):
    """But for what lies nearer to an end than 1e-7 of the distribution, which becomes the end: as in TabDDPM."""
    codec = codec_from_json(json.loads(json.dumps(every_value(frame, None, Quantile).to_json())))
    decoded = codec.decode(codec.encode(frame))
    real = frame
    assert decoded.dtypes.equals(real.dtypes)
    for name in real:
        if not isinstance(next(c for c in codec.columns if c.name == name), Quantile):
            pd.testing.assert_series_equal(decoded[name], real[name], check_exact=True)
            continue
        quantity = next(c for c in codec.columns if c.name == name).quantity
        a, b = quantity.numbers(decoded[name]), quantity.numbers(real[name])
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * (quantity.high - quantity.low))


def matrix_float64(parts, codec):
    """`matrix`, in the host's precision: what decoding itself may lose, and nothing else."""
    made = matrix(parts, codec).astype(np.float64)
    made[:, : codec.sizes["number"]] = parts["number"]
    return made


@settings(max_examples=100, deadline=None)
@given(column(st.floats(-1e12, 1e12)))
def test_full_precision_comes_back_to_the_last_bits_of_the_larger_end(values):
    assume(len(set(values)) > 1)
    frame = pd.DataFrame({"wave": pd.Series(values, dtype="float64")})
    codec = every_value(frame, Schema((Column("wave", "numerical", "float64"),)))
    off = np.abs(codec.decode(codec.encode(frame))["wave"] - frame["wave"]).max()
    assert off <= 2.0**-49 * frame["wave"].abs().max()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pd.Series([2**53 + 1, 0], dtype="int64"), "'x' has integers as large as 9.01e"),
        (pd.Series([2**52, -(2**52)], dtype="int64"), "not kept exactly; declare it id"),
        (pd.Series(pd.to_datetime([1, 10**18 + 1], unit="ns")), "whole in ns only, too fine"),
    ],
)
def test_what_float64_would_change_is_refused(values, said):
    with pytest.raises(DataError, match=said):
        every_value(pd.DataFrame({"x": values, "age": [1, 2]}))


def test_codecs_of_before_have_no_levels():
    """A column written without them decodes as it did."""
    frame = pd.DataFrame({"grade": pd.Series(list("xyzx"), dtype="category")})
    value = every_value(frame).to_json()
    for name in ("levels", "ordered"):
        del value["parts"]["static"]["columns"][0][name]
    codec = codec_from_json(json.loads(json.dumps(value)))
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 9), st.text("abc.1", min_size=1, max_size=4)), min_size=1))
def test_codes_there_and_back(pairs):
    frame = pd.DataFrame(sorted(pairs), columns=["subject_id", "code"])
    assume(frame.groupby("subject_id")["code"].agg(frozenset).nunique() > 1)
    codec = codec_from_json(json.loads(json.dumps(every_value(frame).to_json())))
    parts = codec.encode(frame)
    assert parts["bit"].sum() == len(frame)
    back = long_frame(parts["bit"], frame["subject_id"].unique(), codec.codes)
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    numbered = codec.decode(parts_of(matrix(parts, codec), codec))
    assert numbered["subject_id"].nunique() == frame["subject_id"].nunique()
    assert list(numbered["code"]) == list(frame["code"])


def test_ids_are_made_anew():
    frame = pd.DataFrame(
        {
            "mrn": [f"H{i:03}" for i in range(30)],
            "patient_id": range(100, 130),
            "age": [40, 50] * 15,
        }
    )
    codec = every_value(frame)
    assert [c.kind for c in codec.schema.columns] == ["id", "id", "integer"]
    decoded = codec.decode(codec.encode(frame), first=5)
    assert decoded["patient_id"].tolist() == list(range(6, 36))
    assert not set(decoded["mrn"]) & set(frame["mrn"])
    assert decoded["mrn"].is_unique


def test_out_of_range_draws_are_clipped_to_what_was_seen():
    codec = every_value(pd.DataFrame({"lab": [1.25, 3.5], "age": [10, 20]}))
    decoded = codec.decode(parts_of(np.array([[-3.0, 9.0], [0.5004, 0.449]]), codec))
    assert decoded["lab"].tolist() == [1.25, 2.38]
    assert decoded["age"].tolist() == [20, 14]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, np.inf], "infinite"),
        (["a", 1], "mixes text"),
    ],
)
def test_values_that_cannot_be_learnt(values, said):
    with pytest.raises(DataError, match=said):
        every_value(pd.DataFrame({"x": pd.Series(values, dtype=object if "a" in values else None)}))


@pytest.mark.parametrize("least", [1, 11])
@pytest.mark.parametrize("kind", ["as read", "as numbers"])
def test_a_column_without_any_value_comes_back_empty_and_is_said(least, kind, caplog):
    dtypes = ("float64", "Int64", "str", "datetime64[us]", "datetime64[us, UTC]", "boolean")
    frame = pd.DataFrame({dtype: pd.Series([None] * 40, dtype=dtype) for dtype in dtypes})
    frame = frame.assign(level=pd.Categorical([None] * 40, ["a"][: least == 1]), age=[1, 2] * 20)
    schema = Schema.infer(frame)
    if kind == "as numbers":
        schema = schema.with_kind("float64", "numerical").with_kind("Int64", "integer")
        schema = schema.with_kind("datetime64[us]", "datetime")
    codec = fit_codec(frame, schema, min_patients=least)
    again = codec_from_json(json.loads(json.dumps(codec.to_json())))
    back = again.decode(again.encode(frame))
    assert back[[*dtypes, "level"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(back.drop(columns="age"), frame.drop(columns="age"))
    for name in (*dtypes, "level"):
        assert f"column '{name}': has no value at all: it is kept, and empty" in caplog.text
    with pytest.raises(DataError, match="'str' has 'new'"):
        codec.encode(frame.assign(str="new"))


def test_zero_has_no_sign(caplog):
    """-0.0 is the number 0, and is drawn as 0.0; beside a 1 it may be meant otherwise, and is refused."""
    frame = pd.DataFrame({"base_excess": [-0.0, 0.0, 1.5, -2.5] * 10})
    for numbers in (Number, BoxCox, Quantile, Bins):
        codec = every_value(frame, numbers=numbers)
        back = codec.decode(codec.encode(frame))["base_excess"]
        assert not np.signbit(back[back == 0]).any() and (back == frame["base_excess"]).all()
    with pytest.raises(DataError, match=r"'x' is 0 or 1, but holds -0.0 in 2 rows, .*; write 0"):
        every_value(pd.DataFrame({"x": [-0.0, 1.0, 0.0, -0.0]}))


def test_an_index_that_has_a_name_is_said(caplog):
    frame = pd.DataFrame({"age": range(12)}, index=pd.Index(range(12), name="patient"))
    every_value(frame)
    assert "the index, 'patient', is not learnt and not drawn: reset_index()" in caplog.text
    caplog.clear()
    every_value(frame.reset_index(drop=True))
    assert not caplog.text


def test_free_text_is_refused_and_can_be_declared_an_id():
    frame = pd.DataFrame(
        {"note": [f"patient seen {i % 290}" for i in range(300)], "age": range(300)}
    )
    with pytest.raises(DataError, match="'note' has 290 different texts"):
        Schema.infer(frame)


def test_a_category_never_seen_is_named():
    codec = every_value(pd.DataFrame({"sex": ["f", "m", "f"]}))
    with pytest.raises(DataError, match="'sex' has 'x'"):
        codec.encode(pd.DataFrame({"sex": ["x"]}))


def test_a_kind_that_does_not_fit_is_refused():
    frame = pd.DataFrame({"lab": [1.5, 2.0], "unit": ["a", "b"]})
    schema = Schema.infer(frame)
    with pytest.raises(DataError, match=r"'lab' is to be integer, but holds 1\.5"):
        every_value(frame, schema.with_kind("lab", "integer"))
    with pytest.raises(DataError, match="'unit' is to be numerical"):
        every_value(frame, schema.with_kind("unit", "numerical"))
    codec = every_value(frame, schema.with_kind("lab", "categorical"))
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)


def spiky(n=6000, seed=0):
    """A lab that is 0 for a third and -9 (not measured) for a tenth, else log-normal; and one with hard ends."""
    rng = np.random.default_rng(seed)
    lab = np.round(np.exp(rng.normal(2, 0.7, n)), 2)
    lab[rng.random(n) < 1 / 3] = 0.0
    lab[rng.random(n) < 0.1] = -9.0
    return pd.DataFrame({"lab": lab, "score": np.round(rng.uniform(3, 97, n), 1)})


def drawn_from_scale(codec, n, seed=1):
    """What a perfect model would draw: each array of the codec from its own distribution on the real rows, smoothed."""
    rng = np.random.default_rng(seed)
    parts = codec.encode(spiky())
    rows = rng.integers(0, len(parts["number"]), n)
    parts = {name: part[rows] for name, part in parts.items()}
    if codec.sizes["category"]:  # bins: the place inside is drawn
        parts["number"] = rng.random(parts["number"].shape)
    else:  # scores: a little noise, as a model's draws have
        parts["number"] = parts["number"] + rng.normal(0, 0.002, parts["number"].shape)
    return codec.decode(parts)


@pytest.mark.parametrize("numbers", [Quantile, Bins])
def test_spikes_come_back_as_spikes_and_ends_do_not_pile_up(numbers):
    """Shares of the spikes within 4 standard errors (1 in 8,000 by chance); nothing outside, no mass at the ends."""
    real = spiky()
    drawn = drawn_from_scale(every_value(real, None, numbers), 20_000)
    for value in (0.0, -9.0):
        p = (real["lab"] == value).mean()
        assert abs((drawn["lab"] == value).mean() - p) < 4 * np.sqrt(p * (1 - p) / 6000)
    between = drawn["lab"][(drawn["lab"] > -9) & (drawn["lab"] < 0)]
    assert len(between) < 20
    for name in real:
        assert drawn[name].between(real[name].min(), real[name].max()).all()
    for end in (real["score"].min(), real["score"].max()):
        assert (drawn["score"] == end).mean() < (real["score"] == end).mean() + 0.002


def test_a_column_of_one_value_is_kept_and_not_learnt():
    frame = pd.DataFrame({"site": ["A"] * 9, "unit": [7] * 9, "age": range(9), "seen": [True] * 9})
    codec = codec_from_json(json.loads(json.dumps(every_value(frame).to_json())))
    assert codec.sizes == {"number": 1, "bit": 0, "category": 0}
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    with pytest.raises(DataError, match="'unit' has 8, but had one value only"):
        codec.encode(frame.assign(unit=8))
    sometimes = pd.DataFrame({"dose": [5.0, None, 5.0], "age": [1, 2, 3]})
    codec = every_value(sometimes)
    assert codec.sizes == {"number": 1, "bit": 1, "category": 0}
    pd.testing.assert_frame_equal(codec.decode(codec.encode(sometimes)), sometimes)


def stays(n=400, seed=0):
    rng = np.random.default_rng(seed)
    admitted = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 500, n), unit="D")
    return pd.DataFrame(
        {
            "admitted": admitted,
            "discharged": admitted + pd.to_timedelta(rng.integers(0, 30, n), unit="D"),
            "diastolic": rng.integers(50, 90, n),
            "systolic": rng.integers(90, 180, n),
        }
    )


LAWS = (Inequality("admitted", "discharged"), Inequality("diastolic", "systolic"))


@pytest.mark.parametrize("numbers", [Number, BoxCox, Quantile, Bins])
def test_an_inequality_holds_by_construction(numbers):
    """Whatever is drawn: here uniform noise far beyond the scale."""
    frame = stays()
    schema = Schema(Schema.infer(frame).columns, (), LAWS)
    codec = codec_from_json(json.loads(json.dumps(every_value(frame, schema, numbers).to_json())))
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    rng = np.random.default_rng(0)
    noise = {
        "number": rng.uniform(-1, 2, (500, codec.sizes["number"])),
        "bit": np.zeros((500, 0), np.int8),
        "category": np.stack([rng.integers(0, k, 500) for k in codec.classes], 1)
        if codec.classes
        else np.zeros((500, 0), int),
    }
    drawn = codec.decode(noise)
    assert not schema.broken(drawn).any()
    assert (drawn["discharged"] > drawn["admitted"]).any()
    assert drawn["systolic"].between(90, 179).all()


def test_constraints_in_a_schema_file(tmp_path):
    frame = stays()
    schema = Schema(Schema.infer(frame).columns, (), (*LAWS, Range("systolic", 0, 300)))
    schema.save(tmp_path / "schema.json")
    assert Schema.load(tmp_path / "schema.json") == schema
    assert "always diastolic <= systolic" in str(schema) and "0 <= systolic <= 300" in str(schema)
    value = schema.to_json()
    for odd, said in [
        ({"kind": "equality"}, "not a constraint"),
        ({"kind": "range", "column": "pulse"}, "'pulse' is none of the schema's"),
    ]:
        with pytest.raises(DataError, match=said):
            Schema.from_json({**value, "constraints": [odd]})
    broken = frame.assign(systolic=[40] + [120] * 399)
    assert schema.broken(broken).tolist() == [True] + [False] * 399


def test_what_is_known_of_a_record():
    frame = pd.DataFrame({"age": [30, 40, 50], "sex": ["f", "m", "x"], "hdl": [1.5, None, 2.5]})
    codec = every_value(frame)
    known = codec.known(pd.DataFrame({"sex": ["m", None], "hdl": [None, 2.0]}))
    assert known.masks["number"].tolist() == [[False, False], [False, True]]
    assert known.masks["bit"].tolist() == [[True], [True]]  # hdl is there, known or to be filled in
    assert known.parts["bit"].tolist() == [[0], [0]]
    assert known.masks["category"].tolist() == [[True], [False]]
    assert known.filled.tolist() == [[False], [True]]
    with pytest.raises(DataError, match="there is no column 'weight'"):
        codec.known(pd.DataFrame({"weight": [70]}))
    with pytest.raises(DataError, match="'sex' has 'y'"):
        codec.known(pd.DataFrame({"sex": ["y"]}))


@pytest.mark.parametrize("numbers", [Number, BoxCox, Quantile, Bins])
@pytest.mark.parametrize("rows", [1, 50])
def test_records_in_which_nothing_varies_are_refused(numbers, rows):
    """There is nothing to learn: one row, constant columns, patients who all have the same codes."""
    same = pd.DataFrame({"age": [40] * rows, "sex": ["f"] * rows, "lab": [1.5] * rows})
    said = rf"no column has more than one value \(rows: {rows}\); there is nothing to learn"
    with pytest.raises(DataError, match=said):
        fit_codec(same, numbers=numbers, min_patients=1)
    codes = pd.DataFrame({"subject_id": range(rows), "code": "A"})
    said = rf"all patients have the same codes \(patients: {rows}\); there is nothing to learn"
    with pytest.raises(DataError, match=said):
        fit_codec(codes, numbers=numbers, min_patients=1)


def test_an_inequality_whose_columns_have_gaps_is_said_to_be_kept_by_drawing_anew(caplog):
    frame = pd.DataFrame({"low": [1.0, 2.0, 3.0] * 10, "high": [4.0, 5.0, 6.0] * 10})
    schema = replace(Schema.infer(frame), constraints=(Inequality("low", "high"),))
    assert every_value(frame, schema).offsets and not caplog.text
    frame.loc[:3, "high"] = np.nan
    assert not every_value(frame, schema).offsets
    assert "low <= high is kept by drawing anew, since 4 rows lack one of the two" in caplog.text
