"""Subjects of a static table and events, learnt together: in as Records, out as Records, asked for by either part."""

import dataclasses
import json
import logging

import jax
import numpy as np
import pandas as pd
import pytest
from patients import subjects as patients

import jaxehr
from jaxehr import names
from jaxehr.codecs import Bins, codec_from_json, fit_codec
from jaxehr.data import DataError, Records, Schema
from jaxehr.recipes import masked
from jaxehr.synthesis import conditions

KEY = jax.random.key(0)
TINY = {  # one of each way of seeing records
    "ehrdiff": {"posterior_sigma": 0.3, "width": (32,), "time_width": 8},
    "ddpm": {"timesteps": 20, "width": (32,), "time_width": 8},
    "score_sde": {"sampling_steps": 10, "width": (32,), "time_width": 8},
    "tabddpm": {"timesteps": 10, "width": (32,), "time_width": 8},
    "masked": {"width": 32, "blocks": 1},
    "vae": {"latent": 4, "width": (16,)},
    "scoehr": {"latent": 4, "channels": 4, "multipliers": (1,), "blocks": 0, "sampling_steps": 10},
}


def bits(records):
    """[subject, code] in the order of the static table, and whose they are."""
    held = pd.crosstab(records.events["subject_id"], records.events["code"]) > 0
    return held.reindex(records.static["subject_id"], fill_value=False).reset_index(drop=True)


def test_what_is_encoded_comes_back():
    """Events out of order, subjects without any, ids with gaps: each subject keeps its own codes."""
    real = patients()
    codec = fit_codec(real, None, Bins, min_patients=1)
    codec = codec_from_json(json.loads(json.dumps(codec.to_json())))
    parts = codec.encode(real)
    back = codec.decode(parts)
    assert isinstance(back, Records) and len(back) == len(real) == 400
    assert (back.static["subject_id"] == np.arange(1, 401)).all()
    pd.testing.assert_frame_equal(
        back.static[["sex", "ward"]], real.static[["sex", "ward"]], check_dtype=False
    )
    assert back.static["age"].isna().equals(real.static["age"].isna())
    assert list(back.static.columns) == list(real.static.columns)
    assert (bits(back)[["F", "G", "A"]] == bits(real)[["F", "G", "A"]]).all(axis=None)
    assert not bits(real).any(axis=1).all()


def test_parts_stand_side_by_side():
    """The codec of both is that of the table, then that of the codes, but for subjects without a code."""
    real = patients()
    both = fit_codec(real, None, min_patients=1)
    table = fit_codec(real.static, None, min_patients=1)
    assert both.names["bit"] == (*table.names["bit"], "A", "F", "G")
    assert (both.classes, both.missing, both.indicators) == (
        table.classes,
        table.missing,
        table.indicators,
    )
    parts, alone = both.encode(real), table.encode(real.static)
    for kind, array in alone.items():
        np.testing.assert_array_equal(parts[kind][:, : array.shape[1]], array)
    np.testing.assert_array_equal(parts["bit"][:, -3:], bits(real)[["A", "F", "G"]])


@pytest.mark.parametrize("name", TINY)
def test_every_recipe_learns_both(name, tmp_path):
    real = patients(240)
    recipe = names.recipes()[name](real, steps=10, batch_size=32, **TINY[name])
    jaxehr.fit(recipe, real, KEY, run_dir=tmp_path / "run", holdout=0.0)
    synthesizer = jaxehr.load(tmp_path / "run")
    drawn = synthesizer.sample(jax.random.key(1), 30, batch_size=16)
    assert isinstance(drawn, Records)
    assert drawn.static["subject_id"].tolist() == list(range(1, 31))
    assert drawn.static.dtypes.equals(real.static.dtypes)
    assert drawn.events.dtypes.equals(real.events.dtypes)
    assert set(drawn.events["subject_id"]) <= set(drawn.static["subject_id"])
    if name in ("vae", "scoehr"):
        return
    given = {"sex": "f", "F": True, "G": 0}
    drawn = synthesizer.sample(jax.random.key(1), 12, given=given, batch_size=16)
    held = bits(drawn).reindex(columns=["F", "G"], fill_value=False)
    assert (drawn.static["sex"] == "f").all() and held["F"].all() and not held["G"].any()


@pytest.fixture(scope="module")
def learnt():
    real = patients(3000, seed=1)
    recipe = masked(
        real, width=64, blocks=2, steps=800, batch_size=128, learning_rate=2e-3, min_patients=1
    )
    return jaxehr.fit(recipe, real, KEY, holdout=0.0)


def test_a_condition_on_one_part_has_its_law_in_the_other(learnt):
    """P(F | woman) is .6, P(F | man) .01, P(woman | F) .984; n = 1,000 has a standard error below .016. The bounds are
    wider than 5 of these: the network's own error is in them."""
    women = learnt.sample(jax.random.key(1), 1000, given={"sex": "f"})
    men = learnt.sample(jax.random.key(2), 1000, given={"sex": "m"})
    pregnant = learnt.sample(jax.random.key(3), 1000, given={"F": 1})
    assert abs(bits(women)["F"].mean() - 0.6) < 0.08
    assert bits(men)["F"].mean() < 0.06
    assert (pregnant.static["sex"] == "f").mean() > 0.93
    ward = learnt.sample(jax.random.key(4), 1000, given={"A": 1, "age": (60, 80)}).static
    assert ward["age"].between(60, 80).all()
    assert abs((ward["ward"] == "a").mean() - 0.8) < 0.08  # .8/3 / (.8/3 + .2/3)


def test_a_table_is_imputed_by_the_codes(learnt):
    """Who has F is a woman, who has not by .28 / (.28 + .71): imputed so, and all that was there is kept."""
    real = patients(600, seed=2)
    gaps = real.static.assign(sex=real.static["sex"].where(np.arange(600) % 2 == 0))
    filled = learnt.impute(jax.random.key(5), Records(gaps, real.events))
    assert filled.events is real.events
    assert filled.static["sex"].notna().all()
    assert (filled.static["sex"][::2] == real.static["sex"][::2]).all()
    asked, has = np.arange(600) % 2 == 1, bits(real)["F"].to_numpy()
    assert (filled.static["sex"][asked & has] == "f").mean() > 0.9
    assert (
        abs((filled.static["sex"][asked & ~has] == "f").mean() - 0.288) < 0.16
    )  # 4 errors and more
    with pytest.raises(DataError, match="trained on events too"):
        learnt.impute(KEY, gaps)


def test_records_of_one_part_come_back_as_records():
    real = patients()
    for part in (Records(static=real.static), Records(events=real.events)):
        codec = fit_codec(part, None, min_patients=1)
        back = codec_from_json(codec.to_json()).decode(codec.encode(part))
        assert isinstance(back, Records)
        assert (back.static is None) == (part.static is None)
        frame = part.static if part.events is None else part.events
        alone = fit_codec(frame, None, min_patients=1)
        bare = alone.decode(alone.encode(frame))
        pd.testing.assert_frame_equal(bare, back.static if part.events is None else back.events)


def test_rare_codes_leave_their_patients():
    """Of 400, three have R, and one of them nothing else: R is not learnt, the patient is."""
    real = patients()
    alone = real.static["subject_id"][~bits(real).any(axis=1)].iloc[0]
    rare = pd.DataFrame({"subject_id": [alone, 100, 103], "code": "R"})
    records = Records(real.static, pd.concat([real.events, rare]))
    codec = fit_codec(records)
    assert "R" not in codec.codes and codec.rows == 400
    assert len(codec.encode(records)["bit"]) == 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s, e: (pd.concat([s, s[:2]]), e), "2 subjects in more than one row, 100 for one"),
        (lambda s, e: (s[5:], e), "have events but no row in the static table"),
        (lambda s, e: (s.assign(subject_id=np.nan), e), "lacks its subject_id"),
        (lambda s, e: (s.drop(columns="subject_id"), e), "needs a column subject_id"),
        (lambda s, e: (s, e.drop(columns="code")), "they lack code"),
        (lambda s, e: (None, None), "got neither"),
    ],
)
def test_what_does_not_join_is_said(change, said):
    real = patients()
    with pytest.raises(DataError, match=said):
        static, events = change(real.static, real.events)
        fit_codec(Records(static, events))


def test_the_schema_names_both_and_neither_is_left_out():
    real = patients()
    schema = Schema.from_json(json.loads(json.dumps(Schema.infer(real).to_json())))
    assert schema == Schema.infer(real) and [c.name for c in schema.events] == [
        "subject_id",
        "code",
    ]
    assert next(c for c in schema.columns if c.name == "subject_id").kind == "id"
    with pytest.raises(DataError, match="lacks events, which the schema names"):
        schema.check(real.static)
    with pytest.raises(DataError, match="has events, which the schema does not name"):
        dataclasses.replace(schema, events=()).check(real)


def test_a_schema_of_before_reads_as_it_did():
    pair = [
        {"name": "subject_id", "kind": "id", "dtype": "int64"},
        {"name": "code", "kind": "code", "dtype": "str"},
    ]
    schema = Schema.from_json({"version": 1, "records": "codes", "columns": pair})
    assert schema.columns == () and [c.name for c in schema.events] == ["subject_id", "code"]


def test_a_name_of_both_is_refused_where_it_is_given(learnt):
    real = patients()
    events = real.events.replace({"code": {"G": "ward"}})
    codec = fit_codec(Records(real.static, events), None, Bins, min_patients=1)
    with pytest.raises(DataError, match="'ward' is a column and a code"):
        codec.check_names({"ward": "a"})
    with pytest.raises(DataError, match=r"no column and no code 'X' .* of 3 codes"):
        learnt.sample(KEY, 5, given={"X": 1})


def test_a_code_that_is_hardly_drawn_is_warned_of(caplog):
    """Of 4,000 drawn half have G, alone or not; none has G beside the sex of those who have not."""
    real = patients(4000)
    women = real.static["subject_id"][real.static["sex"] == "f"]
    held = pd.DataFrame({"subject_id": women, "code": "G"})
    codec = fit_codec(Records(real.static, held), None, Bins, min_patients=1)
    pool = codec.encode(Records(real.static, held))
    for given, warned in (({"G": 1}, False), ({"G": 1, "sex": "m"}, True)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            asked = conditions.given_of(given, codec, narrows=True)
            conditions.warn_of_the_unseen(asked, iter([pool]), codec)
        assert (
            "of 4000 patients drawn without the condition none has G=1" in caplog.text
        ) == warned
