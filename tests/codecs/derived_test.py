"""What follows from other columns is not learnt, comes back as it was, and is kept in every draw."""

import json
from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import Bins, Number, Quantile, codec_from_json, fit_codec
from jaxehr.codecs.derived import Derived
from jaxehr.data import DataError, Equal, Implication, Inequality, Product, Schema, Sum
from jaxehr.recipes import masked
from jaxehr.synthesis.recipe import Synthesizer

LAWS = (
    Equal("day", "hospital_day"),
    Equal("ward_again", "ward"),
    Equal("seen_again", "seen"),
    Sum("total", ("a", "b")),
    Sum("left", ("seen", "stay")),
    Product("bmi", ("kg",), ("m", "m"), within=0.06),
    Equal("total_again", "total"),
    Inequality("seen", "left"),
    Implication({"ward": "none"}, {"a": 0}),
)
FOLLOWING = {"day", "ward_again", "seen_again", "total", "left", "bmi", "total_again"}


def stays(n=400, seed=0):
    rng = np.random.default_rng(seed)
    seen = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, n), "D"))
    stay, ward = rng.integers(0, 20, n), rng.choice(["icu", "er", "none"], n)
    a, b = rng.integers(1, 9, n) * (ward != "none"), rng.integers(0, 9, n)
    kg, m = rng.normal(75, 9, n).round(1), rng.normal(1.7, 0.1, n).round(2)
    kg = np.where(rng.random(n) < 0.2, np.nan, kg)
    frame = pd.DataFrame({"hospital_day": rng.gamma(3, 2, n), "ward": ward, "stay": stay, "a": a})
    frame = frame.assign(total=a + b, b=b, kg=kg, m=m, bmi=(kg / m**2).round(1), seen=seen)
    frame.loc[rng.random(n) < 0.3, "bmi"] = np.nan  # beside where kg is missing
    frame.loc[rng.random(n) < 0.1, "ward"] = None
    left = (seen + pd.to_timedelta(stay, "D")).dt.strftime("%d.%m.%Y")
    frame = frame.assign(day=frame["hospital_day"], ward_again=frame["ward"], left=left)
    return frame.assign(seen_again=seen.dt.strftime("%Y-%m-%d"), total_again=frame["total"])


def schema_of(frame, laws=LAWS):
    return replace(Schema.infer(frame), constraints=laws)


def parts_of(codec, frame, seed=0):
    """Arrays of a draw of which each entry is that of another real row: nothing but the codec keeps a law."""
    rng = np.random.default_rng(seed)
    return {k: rng.permuted(part, axis=0) for k, part in codec.encode(frame).items()}


@pytest.mark.parametrize("numbers", [Number, Quantile, Bins])
def test_what_follows_is_not_learnt_and_comes_back_as_it_was(numbers):
    frame = stays()
    codec = fit_codec(frame, schema_of(frame), numbers, min_patients=1)
    assert {c.name for c in codec.columns if isinstance(c, Derived)} == FOLLOWING
    names = {name for each in codec.names.values() for name in each}
    # Of the index only whether it is there is learnt, since it may be missing beside what it follows from.
    assert {n for n in names if n.split(" is ")[0].split(",")[0] in FOLLOWING} == {"bmi is None"}
    again = codec.decode(codec.encode(frame))
    pd.testing.assert_frame_equal(again, frame, check_exact=False, rtol=1e-9)
    written = json.loads(json.dumps(codec.to_json()))
    assert json.loads(json.dumps(codec_from_json(written).to_json())) == written


@pytest.mark.parametrize("numbers", [Number, Quantile, Bins])
def test_every_draw_keeps_what_follows_whatever_is_drawn(numbers):
    """But for what is held at an end of what was learnt: with all patients learnt from, sums have none of these."""
    frame = stays()
    codec = fit_codec(frame, schema_of(frame), numbers, min_patients=1)
    drawn = codec.decode(parts_of(codec, frame))
    columns = {c.name: c for c in codec.schema.columns}
    lone = fit_codec(frame, Schema.infer(frame), numbers, min_patients=1)
    apart = lone.decode(parts_of(lone, frame))
    for law in LAWS[:7]:
        assert law.broken(apart, columns).mean() > 0.3, law  # as it would be without
        # A date that is later than any, and an index outside of what was seen, are held at the ends.
        assert law.broken(drawn, columns).mean() < (0.05 if law.column in ("left", "bmi") else 1e-9)
    assert (drawn["ward"].isna() == drawn["ward_again"].isna()).all()
    assert drawn["bmi"].isna()[drawn["kg"].isna()].all() and drawn["bmi"].isna().mean() > 0.3
    assert (drawn.dtypes == frame.dtypes).all()


def test_few_who_break_it_are_learnt_as_if_they_did_not_and_of_more_it_is_drawn_anew(caplog):
    frame = stays(seed=1)
    schema = schema_of(frame, (Equal("day", "hospital_day"),))
    frame.loc[:9, "day"] += 1
    assert isinstance(fit_codec(frame, schema).by_name["day"], Derived)
    assert "10" not in caplog.messages[-1] and "fewer than 11 patients" in caplog.messages[-1]
    frame.loc[:10, "day"] += 1
    assert not isinstance(fit_codec(frame, schema).by_name["day"], Derived)
    assert "day = hospital_day is kept by drawing anew, since 11 rows are not so" in caplog.text


def test_nothing_follows_from_itself():
    frame = stays()
    laws = (Equal("day", "hospital_day"), Equal("hospital_day", "day"), Sum("total", ("a", "b")))
    laws += (Sum("a", ("total_again", "stay")), Equal("total_again", "total"))
    codec = fit_codec(frame, schema_of(frame, laws), min_patients=1)
    following = {c.name for c in codec.columns if isinstance(c, Derived)}
    assert following == {"day", "total", "total_again"}


@pytest.fixture(scope="module")
def synthesizer():
    """An untrained network: columns know nothing of each other."""
    frame = stays(600)
    recipe = masked(frame, schema_of(frame), width=8, blocks=1, steps=10)
    params = jax.jit(recipe.stages[0].model.init)(jax.random.key(0))
    return Synthesizer(recipe, {"denoiser": params}), frame


def test_draws_of_a_model_keep_the_constraints(synthesizer):
    model, frame = synthesizer
    schema = schema_of(frame)
    drawn = model.sample(jax.random.key(1), 300)
    assert len(drawn) == 300 and not schema.broken(drawn).any()
    assert (drawn.columns == frame.columns).all() and drawn["total"].nunique() > 9


@pytest.mark.parametrize(
    "given",
    [
        {"total_again": 7},
        {"total": 7, "a": 3},
        {"total": (3, 9), "left": ("2020-03-01", None)},
        {"ward_again": "icu"},
        {"ward_again": None},
        {"bmi": None},
        {"day": 3.5},
    ],
)
def test_a_condition_on_what_follows_is_met(synthesizer, given):
    model, frame = synthesizer
    given = {name: frame["day"].round(12)[0] if name == "day" else v for name, v in given.items()}
    drawn = model.sample(jax.random.key(2), 20, given=given)
    assert len(drawn) == 20 and not schema_of(frame).broken(drawn).any()
    for name, value in given.items():
        cells = drawn[name]
        if value is None:
            assert cells.isna().all()
        elif isinstance(value, list):
            assert cells.isin(value).all()
        elif name == "left":
            assert (pd.to_datetime(cells, format="%d.%m.%Y") >= "2020-03-01").all()
        elif isinstance(value, tuple):
            assert cells.between(*value).all()
        else:
            assert (cells == value).all() if name != "day" else np.allclose(cells, value)


def test_a_condition_that_contradicts_what_follows_is_refused(synthesizer):
    model, _ = synthesizer
    with pytest.raises(DataError, match=r"cannot be: total = a \+ b holds in every row"):
        model.sample(jax.random.key(2), 5, given={"total": 9, "a": 1, "b": 2})


def test_gaps_are_filled_in_so_that_it_follows(synthesizer):
    """Of a sum the one part that is missing is what is left; a total is that of what is there or filled in."""
    model, frame = synthesizer
    gaps = frame.head(60).copy()
    gaps["total_again"] = gaps["total"] = gaps["total"].astype("Int64")
    gaps["b"], gaps["a"] = gaps["b"].astype("Int64"), gaps["a"].astype("Int64")
    gaps.loc[:19, "b"] = pd.NA
    gaps.loc[20:39, ["total", "total_again"]] = pd.NA
    gaps.loc[40:59, ["day", "left"]] = None
    gaps.loc[50:59, "hospital_day"] = None
    filled = model.impute(jax.random.key(3), gaps)
    truth = frame.head(60)
    assert (filled["b"][:20] == truth["b"][:20]).all()
    assert (filled["total"][20:40] == truth["total"][20:40]).all()
    np.testing.assert_allclose(filled["day"][40:50], truth["day"][40:50])
    assert (filled["left"][40:] == truth["left"][40:]).all()
    assert filled["bmi"].notna().all() and not schema_of(frame).broken(filled).any()
