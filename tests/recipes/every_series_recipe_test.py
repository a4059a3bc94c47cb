"""What every recipe that learns series must do, from records to records."""

import json

import jax
import numpy as np
import pandas as pd
import pytest

import jaxehr
from jaxehr import names, settings
from jaxehr.data import DataError, Records, Schema
from jaxehr.data.records import same
from jaxehr.samplers import alongside, probability_flow
from jaxehr.synthesis.sampling import drawer_of

pytestmark = pytest.mark.usefixtures("compiled_lightly")

RECIPES = {name: names.recipes()[name] for name in ("ddpm", *names.SERIES_ALONE)}
SMALL = {"width": (32, 32), "time_width": 8, "batch_size": 32, "steps": 40, "min_patients": 3}
SHORT = {  # settings that make a recipe's draws quick
    "ddpm": {"timesteps": 30},
    "timediff": {"timesteps": 30, "hidden": 8, "layers": 1},
    "longitudinal_dpm": {"timesteps": 30, "width": 16, "levels": 0, "steps": 200},
    "courses": {"width": 16, "layers": 1, "sampling_steps": 10},
}
SWAPPED = {"timediff": alongside()}


def stays(n=40, seed=0):
    """A pulse in each of four hours, but for a fifth of them, and a rhythm now and then; half leave after two hours."""
    rng = np.random.default_rng(seed)
    last = rng.choice([2, 4], n)
    rows = [
        (i + 7, 60 * h + int(rng.integers(0, 60)), "HR", float(rng.integers(50, 130)), None)
        for i in range(n)
        for h in range(last[i])
        if h == 0 or rng.random() < 0.8
    ]
    rows += [(i + 7, 5, "rhythm", None, str(rng.choice(["sinus", "af"]))) for i in range(n)]
    events = pd.DataFrame(
        rows, columns=["subject_id", "time", "code", "numeric_value", "text_value"]
    )
    start = pd.Timestamp("2021-05-01").as_unit("us")
    events["time"] = start + pd.to_timedelta(events["time"], "min").dt.as_unit("us")
    events = events.sort_values(["subject_id", "time"], kind="stable", ignore_index=True)
    static = pd.DataFrame(
        {"subject_id": np.arange(n) + 7, "sex": rng.choice(["f", "m"], n), "died": last == 2}
    )
    return Records(static, events)


@pytest.fixture(scope="module", params=RECIPES)
def fitted(request):
    name, records = request.param, stays()
    schema = Schema.infer(records).on_grid(records, every="1h", length=4)
    small = {k: v for k, v in SMALL.items() if k in settings.of(RECIPES[name])}
    recipe = RECIPES[name](records, schema, **{**small, **SHORT[name]})
    return records, jaxehr.fit(recipe, records, jax.random.key(0))


def test_records_come_out_as_they_went_in(fitted):
    records, synthesizer = fitted
    drawn = synthesizer.sample(jax.random.key(1), 30, batch_size=8)
    for ours, theirs in ((drawn.static, records.static), (drawn.events, records.events)):
        assert list(ours.columns) == list(theirs.columns)
        assert ours.dtypes.to_dict() == theirs.dtypes.to_dict()
    assert drawn.static["subject_id"].tolist() == list(range(1, 31))
    assert set(drawn.events["subject_id"]) <= set(range(1, 31))
    assert set(drawn.events["code"]) <= {"HR", "rhythm"}
    value = drawn.events.loc[drawn.events["code"] == "HR", "numeric_value"]
    assert value.between(50, 129).all() and (value == value.round()).all()
    hours = (drawn.events["time"] - drawn.events["time"].min().floor("D")) / pd.Timedelta("1h")
    assert hours.between(0, 4).all() and (hours % 1).nunique() > 3


def test_a_patient_depends_on_the_key_and_its_number_alone(fitted):
    _, synthesizer = fitted
    many = synthesizer.sample(jax.random.key(1), 20, batch_size=8)
    few = synthesizer.sample(jax.random.key(1), 6, batch_size=8)
    pd.testing.assert_frame_equal(few.static, many.static[:6])
    head = many.events[many.events["subject_id"] <= 6].reset_index(drop=True)
    pd.testing.assert_frame_equal(few.events, head)
    assert not many.events.equals(synthesizer.sample(jax.random.key(2), 20, batch_size=8).events)


def test_a_synthesizer_saved_and_loaded_draws_the_same(fitted, tmp_path):
    _, synthesizer = fitted
    synthesizer.save(tmp_path / "s")
    loaded, key = jaxehr.load(tmp_path / "s"), jax.random.key(4)
    ours, theirs = (each.sample(key, 8, batch_size=8) for each in (loaded, synthesizer))
    pd.testing.assert_frame_equal(ours.static, theirs.static)
    pd.testing.assert_frame_equal(ours.events, theirs.events)


def test_settings_that_make_the_recipe_again(fitted):
    _, synthesizer = fitted
    recipe = synthesizer.recipe
    said = json.loads(json.dumps(recipe.settings))
    assert RECIPES[recipe.name](recipe.codec, **said).settings == recipe.settings


def test_the_sampler_is_a_value_that_is_passed(fitted):
    _, synthesizer = fitted
    sampler = SWAPPED.get(synthesizer.recipe.name, probability_flow())
    grid = synthesizer.recipe.stages[-1].model.grid(6)
    drawn = synthesizer.sample(jax.random.key(1), 8, sampler=sampler, grid=grid, batch_size=8)
    assert len(drawn.static) == 8


def test_conditions_on_the_static_table_hold(fitted):
    _, synthesizer = fitted
    drawn = synthesizer.sample(jax.random.key(1), 8, given={"sex": "f", "died": True}, batch_size=8)
    assert (drawn.static["sex"] == "f").all() and drawn.static["died"].all()
    assert drawn.events["subject_id"].nunique() > 1


def newcomers():
    """Other stays, the last patient first, half of them of a sex that nobody knows, with a pulse that is beyond all
    those that were learnt, and a code that was not."""
    real = stays(16, seed=5)
    ids = real.static["subject_id"]
    first = real.events.groupby("subject_id").head(1)
    events = pd.concat([real.events, first.assign(code="note", numeric_value=2.5)])
    events = events.sort_values(["subject_id", "time"], kind="stable", ignore_index=True)
    events.loc[(events["code"] == "HR").idxmax(), "numeric_value"] = 250.123456789
    by_place = events["subject_id"].map(dict(zip(ids, range(len(ids), 0, -1), strict=True)))
    events = events.iloc[np.argsort(by_place, kind="stable")].reset_index(drop=True)
    static = real.static[::-1].reset_index(drop=True)
    return Records(static.assign(sex=static["sex"].where(static.index % 2 == 0)), events)


def hours(events, records):
    """Since the first event of each subject in the records."""
    first = records.events.groupby("subject_id")["time"].min()
    return (events["time"] - events["subject_id"].map(first)) / pd.Timedelta("1h")


def test_a_course_is_drawn_on_from_what_was_measured(fitted):
    """Which comes back to the digit, whether it was learnt or not."""
    _, synthesizer = fitted
    real, key = newcomers(), jax.random.key(5)
    real = Records(real.static.assign(sex="f"), real.events)
    drawn, again = (synthesizer.forecast(key, real, until="2h", batch_size=8) for _ in range(2))
    assert same(drawn, again)
    pd.testing.assert_frame_equal(drawn.static, real.static)
    since, measured = hours(drawn.events, real), hours(real.events, real)
    before = drawn.events[since < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, real.events[measured < 2].reset_index(drop=True))
    after, learnt = drawn.events[since >= 2], real.events["code"] != "note"
    there = set(real.events["subject_id"][learnt & (measured >= 1)])
    assert len(after) and set(after["subject_id"]) <= there and since.max() < 4
    assert set(after["code"]) <= {"HR", "rhythm"}
    pulse = after.loc[after["code"] == "HR", "numeric_value"]
    assert pulse.between(50, 129).all() and (pulse == pulse.round()).all()


def test_draws_hold_what_is_known_and_heed_it(fitted):
    """As the model has them: what is drawn of a patient is another where its own pulse was, and only then."""
    records, synthesizer = fitted
    recipe, model = synthesizer.recipe, synthesizer.model
    params = synthesizer.params[recipe.stages[-1].name]
    drawer, draws = drawer_of(model, params, recipe.codec, recipe.view), []
    events = records.events[records.events["subject_id"] < 15]
    calm = (events["subject_id"] == 7) & (events["code"] == "HR")
    for value in (50.0, 120.0):
        own = events.assign(numeric_value=events["numeric_value"].mask(calm, value))
        known = recipe.codec.known_until(Records(records.static[:8], own), 2)
        known = recipe.view.known(known)
        x, _ = drawer.x(jax.random.key(5), np.arange(8), known)
        for mask, ours, theirs in zip(
            *map(jax.tree.leaves, (known.mask, x, known.x0)), strict=True
        ):
            assert mask.any() and not mask.all()
            np.testing.assert_allclose(ours[mask], theirs[mask], atol=1e-6)  # float32
        free = zip(*map(jax.tree.leaves, (known.mask, x)), strict=True)
        draws.append([np.where(mask, 0, part) for mask, part in free])
    others = [[part[1:] for part in drawn] for drawn in draws]
    assert all(map(np.array_equal, *others)) and not all(map(np.array_equal, *draws))


def test_gaps_are_filled_in_and_what_is_there_stays(fitted):
    _, synthesizer = fitted
    real = newcomers()
    done = synthesizer.impute(jax.random.key(5), real, variables=["HR"], batch_size=8)
    assert done.static["sex"].isin(["f", "m"]).all()
    rest = real.static["sex"].isna()
    pd.testing.assert_frame_equal(
        done.static.assign(sex=done.static["sex"].mask(rest)), real.static
    )
    added = done.events.merge(real.events, how="left", indicator=True)["_merge"] == "left_only"
    stood = done.events[~added.to_numpy()].reset_index(drop=True)
    pd.testing.assert_frame_equal(stood, real.events)
    filled = done.events[added.to_numpy()]
    assert (
        len(filled)
        and (filled["code"] == "HR").all()
        and filled["numeric_value"].between(50, 129).all()
    )
    step = hours(done.events, real) // 1
    pulses = done.events.assign(step=step)[done.events["code"] == "HR"]
    assert not filled.assign(step=step).duplicated(["subject_id", "step"]).any()
    steps = pulses.groupby("subject_id")["step"].nunique()
    assert (steps == step.groupby(done.events["subject_id"]).max() + 1).all()


@pytest.mark.parametrize("name", names.SERIES_ALONE)
def test_records_without_a_series_are_refused(name):
    with pytest.raises(DataError, match="have no series; a grid in the schema makes one"):
        RECIPES[name](stays().static, steps=5)
