"""Series on a grid: what comes back is what was measured, when, and nothing else."""

import json
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jaxehr.baselines import bootstrap
from jaxehr.codecs import Bins, Quantile, codec_from_json, fit_codec
from jaxehr.codecs.shared import shared
from jaxehr.data import DataError, Grid, Records, Schema, Variable, hints, stacked
from jaxehr.data.placed import check_memory

HOUR = 60


def stays(n=40, seed=0, hours=12):
    """Stays of 4 to 12 hours: a pulse every hour or so with a pressure beside it, labs now and then with a rhythm of
    their own, a drug that is there or not, a grade in words, and a flag."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        end = HOUR * rng.integers(4, hours + 1)
        for minute in range(int(rng.integers(0, 9)), end, 61):
            rows.append((100 + i, minute, "HR", float(rng.integers(50, 130)), None))
            if rng.random() < 0.8:
                rows.append((100 + i, minute, "SBP", float(rng.integers(80, 160)), None))
        for minute in rng.choice(np.arange(2, end), 3, replace=False):
            rows.append((100 + i, int(minute), "K", round(float(rng.normal(4, 0.5)), 1), None))
            rows.append((100 + i, int(minute), "ward", None, str(rng.choice(["a", "b", "c"]))))
        rows.append((100 + i, int(rng.integers(0, end)), "drug", None, None))
        rows.append((100 + i, int(rng.integers(0, end)), "vent", float(rng.integers(0, 2)), None))
    frame = pd.DataFrame(
        rows, columns=["subject_id", "time", "code", "numeric_value", "text_value"]
    )
    frame["time"] = pd.Timestamp("2000-01-01") + pd.to_timedelta(frame["time"], "min")
    frame["time"] = frame["time"].astype("datetime64[us]")
    frame = frame.sort_values(["subject_id", "time"], kind="stable").reset_index(drop=True)
    static = pd.DataFrame({"subject_id": np.arange(n) + 100, "age": 40.0 + np.arange(n) % 30})
    return Records(static, frame)


def on_grid(records, every="1h", length=12, **said):
    return Schema.infer(records).on_grid(records, every=every, length=length, **said)


def in_order(events, ids):
    """Events in one order, by the place of their subject, without texts that pandas calls otherwise."""
    frame = events.assign(subject_id=pd.Index(ids).get_indexer(events["subject_id"]))
    frame = frame.astype({"code": str}).sort_values(["subject_id", "time", "code"], kind="stable")
    return frame.reset_index(drop=True).astype(object).where(lambda f: f.notna(), None)


def last_of_each(events, every="1h"):
    step = (events["time"] - pd.Timestamp("2000-01-01")) // pd.Timedelta(every)
    return events[~events.assign(step=step).duplicated(["subject_id", "code", "step"], keep="last")]


@pytest.mark.parametrize("numbers", [None, Quantile])
@pytest.mark.parametrize("alone", [False, True])
def test_what_is_encoded_comes_back_but_for_what_a_step_merges(numbers, alone):
    records = stays()
    if alone:
        records = Records(events=records.events)
    schema = on_grid(records)
    kinds = {v.name: v.kind for v in schema.grid.variables}
    assert kinds == {
        **dict.fromkeys(("HR", "SBP", "K"), "numerical"),
        **{"drug": "binary", "vent": "binary", "ward": "categorical"},
    }
    options = {} if numbers is None else {"numbers": numbers}
    codec = fit_codec(records, schema, min_patients=1, **options)
    codec = codec_from_json(json.loads(json.dumps(codec.to_json())))
    back = codec.decode(codec.encode(records))
    wanted = last_of_each(records.events)
    assert len(wanted) < len(records.events)
    ids = records.events["subject_id"].unique()
    found = in_order(back.events, np.sort(back.events["subject_id"].unique()))
    pd.testing.assert_frame_equal(found, in_order(wanted, ids), check_column_type=False)
    assert back.events["time"].dtype == records.events["time"].dtype


def test_what_a_step_merges_is_counted(caplog):
    records = stays()
    early = records.events.iloc[[0]].assign(time=pd.Timestamp("1999-12-31"))
    late = records.events.iloc[[0]].assign(time=pd.Timestamp("2000-01-03"))
    timeless = records.events.iloc[[0]].assign(time=pd.NaT)
    twin = records.events.iloc[[0]]
    events = pd.concat([records.events, twin, early, late, timeless], ignore_index=True)
    merged = len(records.events) - len(last_of_each(records.events)) + 1
    with caplog.at_level(logging.WARNING):
        fit_codec(Records(records.static, events), on_grid(records), min_patients=1)
    line = next(line for line in caplog.messages if line.startswith("series: of"))
    assert f"of {len(events):,} events {merged:,} (" in line
    assert "1 of them at the very same time: the last of them is kept" in line
    for why in ("1 without a time", "1 before the start", "1 after the last step"):
        assert f"{why} are left out" in line


def test_the_order_of_rows_does_not_matter():
    records = stays()
    schema = on_grid(records)
    events = records.events.sample(frac=1, random_state=3)
    codec = fit_codec(records, schema, min_patients=1)
    one, other = codec.encode(records), codec.encode(Records(records.static, events))
    for kind, part in one.items():
        np.testing.assert_array_equal(part, other[kind])


def test_the_mean_of_a_step_is_that_of_its_numbers():
    times = pd.to_datetime(["2000-01-01 00:10", "2000-01-01 00:30", "2000-01-01 01:30"] * 2)
    events = pd.DataFrame(
        {
            "subject_id": [1, 1, 1, 2, 2, 2],
            "time": times,
            "code": "HR",
            "numeric_value": [60.0, 70, 80, 90, 100, 110],
        }
    )
    schema = on_grid(Records(events=events), length=2, value="mean")
    codec = fit_codec(Records(events=events), schema, min_patients=1)
    back = codec.decode(codec.encode(Records(events=events))).events
    assert back["numeric_value"].tolist() == [65, 80, 95, 110]
    assert back["time"].dt.strftime("%H:%M").tolist() == ["00:30", "01:30"] * 2


def test_the_layout_says_where_each_step_and_entry_lies():
    records = stays()
    codec = fit_codec(records, on_grid(records), min_patients=1)
    parts, names = codec.encode(records), codec.names
    step_names, layout = codec.series.step_names, codec.layout
    for kind, columns in layout.items():
        assert columns.shape == (12, len(step_names[kind]))
        for (step, entry), column in np.ndenumerate(columns):
            assert names[kind][column] == f"{step_names[kind][entry]}, step {step + 1}"
    rest = set(range(parts["number"].shape[1])) - set(layout["number"].ravel())
    assert [names["number"][column] for column in rest] == ["age"]
    # The pressure of a subject, by hand.
    own = last_of_each(records.events).query("subject_id == 107 and code == 'SBP'")
    step = ((own["time"] - pd.Timestamp("2000-01-01")) // pd.Timedelta("1h")).to_numpy()
    numbers = parts["number"][7][layout["number"][:, step_names["number"].index("SBP")]]
    quantity = next(c.value.quantity for c in codec.series.channels if c.name == "SBP")
    low, high = quantity.low, quantity.high
    np.testing.assert_allclose(numbers[step] * (high - low) + low, own["numeric_value"])
    missing = parts["bit"][7][layout["bit"][:, step_names["bit"].index("SBP is missing")]]
    np.testing.assert_array_equal(np.flatnonzero(missing == 0), step)
    ended = parts["bit"][:, layout["bit"][:, step_names["bit"].index("ended")]]
    last = records.events.groupby("subject_id")["time"].max() - pd.Timestamp("2000-01-01")
    np.testing.assert_array_equal((ended == 0).sum(1), last // pd.Timedelta("1h") + 1)
    wanted = {
        "SBP": "SBP is missing",
        "SBP, lag": "SBP is missing",
        "HR": "ended",
        "clock": "ended",
    }
    for entry, bit in wanted.items():  # a pulse is missing only where there is no more step
        numbers = layout["number"][:, step_names["number"].index(entry)]
        bits = layout["bit"][:, step_names["bit"].index(bit)]
        assert [codec.indicators[number] for number in numbers] == bits.tolist()


def test_hourly_series_without_gaps_are_numbers_alone():
    """As the stocks of TIMEDIFF: six numbers in each of 24 steps."""
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        [(i, t, f"x{j}") for i in range(20) for t in range(24) for j in range(6)],
        columns=["subject_id", "time", "code"],
    ).assign(numeric_value=rng.normal(size=20 * 24 * 6))
    for counts in ("hours", "days"):
        every = {"hours": "1h", "days": "1d"}[counts]
        schema = on_grid(Records(events=events), every, None, counts=counts)
        assert schema.grid.length == 24 and schema.grid.start == "0"
        codec = fit_codec(Records(events=events), schema)
        assert codec.sizes == {"number": 24 * 6, "bit": 0, "category": 0}
        back = codec.decode(codec.encode(Records(events=events))).events
        pd.testing.assert_frame_equal(back[["time", "code"]], events[["time", "code"]])


def test_time_starts_with_the_first_event_where_dates_are_real():
    records = stays()
    shift = pd.to_timedelta((records.events["subject_id"] * 7919) % 4000, "h")
    events = records.events.assign(time=(records.events["time"] + shift).astype("datetime64[us]"))
    moved = Records(records.static, events)
    schema = on_grid(moved)
    assert schema.grid.start == "first"
    codec = fit_codec(moved, schema, min_patients=1)
    back = codec.decode(codec.encode(moved)).events
    first = back.groupby("subject_id")["time"].transform("min")
    assert (first == pd.Timestamp("2000-01-01")).all()
    since = events["time"] - events.groupby("subject_id")["time"].transform("min")
    wanted = last_of_each(events.assign(time=pd.Timestamp("2000-01-01") + since))
    ids = records.static["subject_id"]
    pd.testing.assert_frame_equal(
        in_order(back, np.arange(len(ids)) + 1), in_order(wanted, ids), check_column_type=False
    )


def test_what_is_measured_at_one_moment_stays_so_when_numbers_are_inexact():
    """Draws are never exact. Noise of a hundredth of the scale moves a step's events together, and not apart."""
    records = stays(300)
    codec = fit_codec(records, on_grid(records), Quantile)
    parts = codec.encode(records)
    noise = np.random.default_rng(0).normal(scale=0.01, size=parts["number"].shape)
    back = codec.decode({**parts, "number": parts["number"] + noise}).events
    kept = last_of_each(records.events)

    def told(events):
        """The share of pressures beside a pulse of the same moment, and quantiles of the minutes between pulses."""
        pulse = events[events["code"] == "HR"]
        beside = events[events["code"] == "SBP"].merge(pulse, on=["subject_id", "time"])
        gaps = pulse.groupby("subject_id")["time"].diff().dropna().dt.total_seconds() / 60
        return len(beside) / (events["code"] == "SBP").sum(), gaps.quantile([0.1, 0.5, 0.9])

    share, gaps = told(back)
    assert told(kept)[0] == 1 and share > 0.9
    np.testing.assert_allclose(gaps, told(kept)[1], atol=6)


def test_nothing_is_measured_after_the_end():
    records = stays()
    codec = fit_codec(records, on_grid(records), min_patients=1)
    parts = codec.encode(records)
    ended = codec.layout["bit"][:, codec.series.step_names["bit"].index("ended")]
    parts["bit"][:, codec.layout["bit"]] = 0  # all is measured in all steps
    parts["bit"][:, ended] = np.arange(12) >= 3
    back = codec.decode(parts).events
    assert back.groupby("subject_id")["time"].max().max() < pd.Timestamp("2000-01-01 03:00")
    assert (back.groupby(["subject_id", "code"]).size() == 3).all()


def test_values_of_few_patients_are_not_kept():
    """One patient, measured again and again, is one patient."""
    records = stays(60)
    odd = records.events.iloc[:300].assign(subject_id=100, numeric_value=999.25, text_value="zz")
    times = pd.Timestamp("2000-01-01") + pd.to_timedelta(np.arange(300) * 2, "min")
    odd = odd.assign(time=times.astype("datetime64[us]"))
    events = pd.concat([records.events, odd], ignore_index=True)
    codec = fit_codec(Records(records.static, events), on_grid(records))
    text = json.dumps(codec.to_json())
    assert "999.25" not in text and '"zz"' not in text
    pulse = next(c.value for c in codec.series.channels if c.name == "HR").quantity
    assert pulse.decimals == 0 and pulse.high < 400
    # Of two patients the average is half of one and half of the other, who has more.
    assert set(shared(np.repeat([1.0, 5.0], [50, 100]), 2, np.repeat([0, 1], [50, 100]))) == {3}


@pytest.mark.parametrize("patients", [5, 12, 40, 3000])
def test_shared_numbers_are_those_of_enough_patients(patients):
    """Of numbers of which no two are alike, each stands for a run of them, in order."""
    rng = np.random.default_rng(patients)
    whose, numbers = rng.integers(0, patients, 2000), rng.normal(size=2000)
    found = shared(numbers, 11, whose)
    if patients < 11:
        assert not len(found)
        return
    order = np.argsort(numbers)
    theirs = pd.DataFrame({"group": found, "whose": whose[order], "number": numbers[order]})
    assert theirs.groupby("group")["whose"].nunique().min() >= 11
    assert theirs.groupby("group").size().max() < 40 * 11 * 11 / patients + 40
    each = theirs.groupby(["group", "whose"])["number"].mean().groupby("group").mean()
    np.testing.assert_allclose(each, each.index)
    often = np.repeat([7.0, 8.0, 9.0], 40)  # as many patients have stays
    assert shared(often, 11, np.arange(120)).tolist() == often.tolist()


def test_rare_variables_and_late_steps_are_left_out(caplog):
    records = stays(60)
    lone = records.events.iloc[:5].assign(code="once")
    late = records.events.iloc[:3].assign(time=pd.Timestamp("2000-01-02"))
    events = pd.concat([records.events, lone, late], ignore_index=True)
    schema = on_grid(Records(records.static, events), length=48)
    with caplog.at_level(logging.WARNING):
        codec = fit_codec(Records(records.static, events), schema)
    assert "1 variables of fewer than 11 patients are left out: once" in caplog.text
    last = records.events.groupby("subject_id")["time"].max() - pd.Timestamp("2000-01-01")
    steps = int((last // pd.Timedelta("1h")).sort_values().iloc[-11]) + 1
    assert f"events after step {steps}, which fewer than 11 patients reach" in caplog.text
    assert codec.series.steps == steps < 48
    assert "once" not in json.dumps(codec.to_json()["parts"])


def test_a_subject_without_events_has_none():
    records = stays()
    static = pd.concat([records.static, pd.DataFrame({"subject_id": [999], "age": [50.0]})])
    records = Records(static.reset_index(drop=True), records.events)
    codec = fit_codec(records, on_grid(records), min_patients=1)
    back = codec.decode(codec.encode(records))
    assert len(back.static) == 41 and 41 not in set(back.events["subject_id"])


def test_batches_are_as_one():
    records = stays()
    codec = fit_codec(records, on_grid(records), min_patients=1)
    parts = codec.encode(records)
    batches = [
        codec.decode({k: part[i : i + 8] for k, part in parts.items()}, first=i)
        for i in range(0, 40, 8)
    ]
    pd.testing.assert_frame_equal(stacked(batches).events, codec.decode(parts).events)


def test_a_grid_that_does_not_fit_is_refused_before_anything_is_made():
    variables = tuple(Variable(f"x{j}", "numerical", "float64") for j in range(500))
    grid = Grid("1min", 1_000_000, variables)
    with pytest.raises(
        DataError,
        match=r"500 variables in 1,000,000 steps of 10,000.*half of which holds .* steps: .*take a long",
    ):
        check_memory(10_000, grid)


def test_what_does_not_take_series_says_so():
    records = stays()
    with pytest.raises(DataError, match="of series is not there yet"):
        bootstrap(records, 10, 0, schema=on_grid(records))


def test_two_units_under_one_code_are_reported():
    records = stays(60)
    pounds = (records.events["code"] == "K") & (records.events["subject_id"] % 5 == 0)
    number = records.events["numeric_value"].where(~pounds, records.events["numeric_value"] * 39)
    mixed = Records(records.static, records.events.assign(numeric_value=number))
    schema = on_grid(mixed)
    assert not [hint for hint in hints(records, schema) if "two units" in str(hint)]
    (hint,) = [hint for hint in hints(mixed, schema) if "two units" in str(hint)]
    assert hint.column == "K" and f"{pounds.sum():,} from" in hint.text


def test_what_is_no_grid_is_refused():
    records = stays()
    schema = on_grid(records)
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    for change, said in {
        "every": ("5", "lasts some time"),
        "length": (0, "1 step or more"),
        "value": ("max", "last or mean"),
        "start": ("birth", "a date such as"),
        "variables": ((), "names no variable"),
    }.items():
        value, said = said
        with pytest.raises(DataError, match=said):
            replace(schema.grid, **{change: value})
    with pytest.raises(DataError, match="time of each event"):
        on_grid(Records(events=records.events.drop(columns="time")))
    with pytest.raises(DataError, match="say what they count"):
        on_grid(Records(events=records.events.assign(time=1.0)))
    with pytest.raises(DataError, match=r"make them so by pd.to_datetime"):
        on_grid(Records(events=records.events.assign(time="2000-01-01")))
    with pytest.raises(DataError, match="does not learn series"):
        fit_codec(records, schema, Bins)
    with pytest.raises(DataError, match="a grid is of events"):
        Schema.infer(records.static).on_grid(records.static, "1h")
