"""Courses drawn on, and gaps of a series filled in: what was measured stays, and the rest has its law given it."""

from functools import partial

import jax
import numpy as np
import pandas as pd
import pytest
from untrained import untrained

from jaxehr.codecs import fit_codec
from jaxehr.data import DataError, Records, Schema
from jaxehr.losses import log_normal
from jaxehr.processes import Gaussian, edm
from jaxehr.recipes import ddpm, ehrdiff, vae
from jaxehr.samplers import karras, probability_flow
from jaxehr.synthesis.diffusion import denoising_model
from jaxehr.synthesis.recipe import Synthesizer
from jaxehr.synthesis.view import layout_of

KEY = jax.random.key(0)
START = pd.Timestamp("2000-01-01")


def stays(n=30, seed=0):
    """Stays of 3 to 6 hours: a pulse each hour, a potassium now and then, sometimes twice in an hour."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        for hour in range(rng.integers(3, 7)):
            rows.append(
                (i + 7, 60 * hour + int(rng.integers(0, 30)), "HR", 60.0 + rng.integers(0, 50))
            )
            for again in range(rng.integers(0, 3) * (hour % 2)):
                rows.append(
                    (i + 7, 60 * hour + 40 + again, "K", round(float(rng.normal(4, 0.5)), 1))
                )
    events = pd.DataFrame(rows, columns=["subject_id", "time", "code", "numeric_value"])
    events["time"] = (START + pd.to_timedelta(events["time"], "min")).astype("datetime64[us]")
    static = pd.DataFrame({"subject_id": np.arange(n) + 7, "age": rng.integers(20, 90, n) * 1.0})
    static.loc[::3, "age"] = np.nan
    return Records(static, events)


def run_of(records, recipe=ddpm, **more):
    schema = Schema.infer(records).on_grid(records, every="1h", length=6)
    small = {"timesteps": 2, "time_width": 8} if recipe is ddpm else {"latent": 2}
    return untrained(recipe(records, schema, min_patients=1, width=(8,), steps=1, **small, **more))


@pytest.fixture(scope="module")
def run():
    return run_of(stays())


def hours(events):
    return (events["time"] - START) / pd.Timedelta("1h")


def test_gaps_are_filled_in_where_they_are_asked_for(run):
    """One event in each step before the end that has none; what was measured, and the rest, stays as it was."""
    real = stays()
    done = run.impute(KEY, real, variables=["K"])
    added = done.events.merge(real.events, how="left", indicator=True)["_merge"] == "left_only"
    pd.testing.assert_frame_equal(
        done.events[~added.to_numpy()].reset_index(drop=True), real.events
    )
    step = hours(done.events) // 1
    k = done.events["code"] == "K"
    assert (done.events["code"][added.to_numpy()] == "K").all() and added.any()
    filled = done.events[k].assign(step=step).drop_duplicates(["subject_id", "step"])
    assert len(filled) == len(
        real.events[real.events["code"] == "HR"]
    )  # one in each hour of a stay
    assert done.events.equals(done.events.sort_values(["subject_id", "time"], kind="stable"))
    assert done.static["age"].notna().all()
    alone = run.impute(KEY, real)
    assert alone.events.equals(real.events) and alone.static["age"].notna().all()


def test_what_lies_before_stays_and_what_follows_does_not_depend_on_the_batch(run):
    real = stays()
    one, other = (run.forecast(KEY, real, until="4h", draws=2, batch_size=b) for b in (7, 64))
    assert one.events.equals(other.events) and one.static.equals(other.static)
    there = real.events.groupby("subject_id")["time"].max() >= START + pd.Timedelta("3h")
    for _, drawn in one.events.groupby("draw"):
        before = drawn[hours(drawn) < 4].drop(columns="draw").reset_index(drop=True)
        pd.testing.assert_frame_equal(
            before, real.events[hours(real.events) < 4].reset_index(drop=True)
        )
        on = set(drawn["subject_id"][hours(drawn) >= 4])
        assert on and on <= set(there.index[there])
    assert one.static["draw"].tolist() == [1] * 30 + [2] * 30
    pd.testing.assert_frame_equal(one.static.iloc[30:, 1:].reset_index(drop=True), real.static)
    whole = run.forecast(KEY, real, until="6h")
    assert whole.events.equals(real.events) and whole.static.equals(real.static)
    gone = run.forecast(KEY, real, until="4h", still_there=True).events
    assert set(gone["subject_id"][hours(gone) >= 4]) - set(there.index[there])


def test_a_prefix_of_nothing_is_a_sample():
    """But for those without an event, of whom a sample makes others."""
    events = stays().events
    run = run_of(Records(events=events))
    drawn, free = run.forecast(KEY, events, until="0h"), run.sample(KEY, 30).events
    same = drawn.assign(subject_id=pd.factorize(drawn["subject_id"])[0] + 1)
    assert same["subject_id"].max() >= 25
    pd.testing.assert_frame_equal(same, free[free["subject_id"] <= same["subject_id"].max()])
    with pytest.raises(ValueError, match="draws in one pass"):
        run_of(Records(events=events), vae).forecast(KEY, events, until="3h")


PHI, STEPS, MEAN, SPREAD = 0.8, 4, 50.0, 4.0


def course(values):
    n, steps = values.shape
    time = START + pd.to_timedelta(np.tile(np.arange(steps), n), "h")
    frame = {
        "subject_id": np.repeat(np.arange(n) + 1, steps),
        "time": time.astype("datetime64[us]"),
    }
    return pd.DataFrame({**frame, "code": "x", "numeric_value": np.round(values.ravel(), 3)})


@pytest.fixture(scope="module")
def autoregression():
    """x_1 ~ N(50, 4^2), x_(i+1) - 50 = .8 (x_i - 50) + noise, hour by hour: the denoiser is known."""
    rng, x = np.random.default_rng(1), np.zeros((400, STEPS))
    x[:, 0] = rng.normal(size=400)
    for i in range(1, STEPS):
        x[:, i] = PHI * x[:, i - 1] + np.sqrt(1 - PHI**2) * rng.normal(size=400)
    x[0], x[1] = 5, -5  # what is drawn is held between the ends
    events = course(MEAN + SPREAD * x)
    schema = Schema.infer(events).on_grid(events, every="1h", length=STEPS)
    recipe = ehrdiff(fit_codec(events, schema, min_patients=1), steps=1, sigma_data=0.1, width=(8,))
    assert recipe.codec.sizes == {"number": STEPS, "bit": 0, "category": 0}
    quantity = recipe.codec.series.channels[0].value.quantity
    span = quantity.high - quantity.low
    mean = (MEAN - quantity.low) / span
    lag = np.abs(np.subtract.outer(np.arange(STEPS), np.arange(STEPS)))
    variance, axes = np.linalg.eigh((SPREAD / span) ** 2 * PHI**lag)

    def denoise_with(params):
        return lambda x, t: mean + axes @ (variance / (variance + t**2) * (axes.T @ (x - mean)))

    model = denoising_model(
        Gaussian(edm()),
        lambda key: {},
        denoise_with,
        layout=layout_of(recipe.codec),
        times=log_normal,
        weight=lambda t: t,
        sampler=probability_flow(),
        grid=partial(karras, sigma_min=0.002, sigma_max=1.0),
        steps=40,
    )
    stage = recipe.stages[0]._replace(model=model)
    return Synthesizer(recipe._replace(stages=(stage,)), {"denoiser": {}})


def values_at(events, hour):
    return events["numeric_value"][hours(events) // 1 == hour].to_numpy()


def near(found, mean, spread, share=0.05):
    """4 standard errors of mean and deviation, beside a bias of RePaint's of that share of the process's: a false alarm
    in 8,000 where there is as much."""
    n, bias = len(found), share * SPREAD
    assert abs(found.mean() - mean) < 4 * spread / np.sqrt(n) + bias
    assert abs(found.std() - spread) < 4 * spread / np.sqrt(2 * n) + bias


def test_what_follows_has_its_law_given_what_was_measured(autoregression):
    """Given that x_2 is 56, x_3 is N(54.8, 2.4^2) and x_4 N(53.84, 16 (1 - .8^4)), whatever x_1 was.

    x_1 and x_2 lie as far apart as one time in twenty; then the bias was measured as .14 deviations."""
    prefix = course(np.array([[51.0, 56.0, 40.0, 40.0]]))
    drawn = autoregression.forecast(KEY, prefix, until="2h", draws=1500)
    assert (values_at(drawn, 0) == 51).all() and (values_at(drawn, 1) == 56).all()
    near(values_at(drawn, 2), 54.8, 2.4, 0.15)
    near(values_at(drawn, 3), 53.84, SPREAD * np.sqrt(1 - PHI**4), 0.15)


def test_a_gap_has_its_law_given_both_sides(autoregression):
    """x_2 given x_1 = 54 and x_3 = 58 is 50 + .8 (4 + 8) / 1.64, with the variance 16 (1 - .64) / 1.64."""
    whole = course(np.tile([54.0, 50.0, 58.0, 52.0], (1500, 1)))
    real = whole[hours(whole) != 1]
    drawn = autoregression.impute(KEY, real, variables=["x"])
    assert drawn[hours(drawn) != 1].reset_index(drop=True).equals(real.reset_index(drop=True))
    near(values_at(drawn, 1), 50 + 0.8 * 12 / 1.64, SPREAD * np.sqrt(0.36 / 1.64))


def test_what_becomes_of_codes_that_were_not_learnt_is_said(run, caplog):
    """Nothing is lost but what lies after the time, and of who has ended not even that."""
    real = stays()
    last = real.events.groupby("subject_id")["time"].max()
    stay = last.index[last >= START + pd.Timedelta("5h")][0]
    gone = last.index[last < START + pd.Timedelta("4h")][0]
    found = [(stay, "note", "1h"), (stay, "scan", None), (stay, "note", "7h"), (gone, "note", "7h")]
    strange = pd.DataFrame(found, columns=["subject_id", "code", "time"])
    strange["time"] = (START + pd.to_timedelta(strange["time"])).astype("datetime64[us]")
    events = pd.concat([real.events, strange], ignore_index=True)
    whole = Records(real.static.assign(age=50.0), events)

    done = run.impute(KEY, whole)
    assert done.events.equals(events)
    said = "4 events of 2 codes that the run did not learn say nothing of what is drawn: "
    assert f"{said}4 are kept as they are" in caplog.messages
    caplog.clear()
    done = run.forecast(KEY, whole, until="6h")
    assert done.events.equals(events.drop(index=len(events) - 2).reset_index(drop=True))
    assert f"{said}3 are kept as they are, 1 are left out as all that follows" in caplog.messages


@pytest.mark.parametrize(
    ("until", "said"),
    [
        ("7h", "beyond the 6 steps of 1h that the run learnt; take 6h or less"),
        ("90min", "take 1h or 2h"),
        ("-1h", "such as 24h; got '-1h'"),
        ("24", "such as 24h; got '24'"),
    ],
)
def test_a_time_that_cannot_be_is_refused(run, until, said):
    with pytest.raises(DataError, match=said):
        run.forecast(KEY, stays(), until=until)


def test_records_that_do_not_fit_are_refused(run):
    real = stays()
    for ask, said in (
        (
            lambda: run.impute(KEY, real, variables=["Na"]),
            "'Na' is no variable that the run learnt",
        ),
        (lambda: run.forecast(KEY, real.static, until="1h"), "the data has no events"),
        (lambda: run.forecast(KEY, real.events, until="1h"), "learnt a table with the series"),
        (
            lambda: run.forecast(KEY, Records(real.static[1:], real.events), until="1h"),
            "have events but no row in the static table, 7",
        ),
    ):
        with pytest.raises(DataError, match=said):
            ask()
