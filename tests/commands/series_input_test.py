"""Events that are not as they should be, made a series: each is told in one line, by the command as in Python."""

import logging

import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.codecs import fit_codec
from jaxehr.data import DataError, Records, Schema, hints

MAP = "subject_id=mrn,time=minute:minutes,code=item,numeric_value=value"


def stays(n=40):
    """(a row for each subject, an event for each hour of three to eight, of three codes)."""
    rng = np.random.default_rng(0)
    rows = [
        (
            i,
            60 * hour + int(rng.integers(0, 50)),
            item,
            round(float(rng.normal(mean, mean / 10)), 1),
        )
        for i in range(n)
        for hour in range(int(rng.integers(3, 9)))
        for item, mean in (("HR", 80), ("K", 4), ("T", 37))
    ]
    events = pd.DataFrame(rows, columns=["mrn", "minute", "item", "value"])
    return pd.DataFrame({"mrn": range(n), "age": rng.integers(20, 90, n)}), events


def by_command(folder, static, events, *grid):
    """What `jaxehr schema` printed and refused; it warns in the log."""
    static.to_csv(folder / "static.csv", index=False)
    events.to_csv(folder / "events.csv", index=False)
    files = ["--data", str(folder / "static.csv"), "--events", str(folder / "events.csv")]
    return main(["schema", *files, "--map", MAP, "--every", "1h", *grid])


def by_python(static, events, **grid):
    """The hints; what is refused is raised."""
    names = {"mrn": "subject_id", "item": "code", "value": "numeric_value"}
    since = pd.to_timedelta(events["minute"], "min")
    events = events.assign(time=pd.Timestamp("2000-01-01") + since).drop(columns="minute")
    records = Records(static.rename(columns=names), events.rename(columns=names))
    schema = Schema.infer(records).on_grid(records, "1h", **grid)
    fit_codec(records, schema)
    return [str(hint) for hint in hints(records, schema)]


STATIC, EVENTS = stays()
COLD = (EVENTS["item"] == "T") & (EVENTS["mrn"] % 4 == 0)
LIKE = EVENTS.head(5)


@pytest.mark.parametrize(
    ("static", "events", "said"),
    [
        pytest.param(
            STATIC,
            pd.concat([EVENTS, LIKE.assign(value=1.0)]),
            "5 of them at the very same time: the last of them is kept",
            id="duplicate times",
        ),
        pytest.param(
            STATIC,
            pd.concat([EVENTS, LIKE.assign(minute=-30)]),
            "5 before the start are left out (--start first begins with each one's first)",
            id="negative times",
        ),
        pytest.param(
            pd.concat([STATIC, pd.DataFrame({"mrn": [900, 901], "age": [5, 6]})]),
            EVENTS,
            "series: 2 of 42 subjects have no event on it",
            id="a subject without an event",
        ),
        pytest.param(
            STATIC,
            pd.concat([EVENTS, LIKE.head(1).assign(item="once")]),
            "1 variables of fewer than 11 patients are left out: once",
            id="a code seen once",
        ),
        pytest.param(
            STATIC,
            pd.concat([EVENTS, LIKE.assign(value=np.nan)]),
            "5 without a value are left out",
            id="no value",
        ),
    ],
)
def test_what_is_odd_is_told_and_learnt_from(tmp_path, caplog, static, events, said):
    with caplog.at_level(logging.WARNING):
        assert by_command(tmp_path, static, events) == 0
    (line,) = [line for line in caplog.messages if said in line]
    assert "\n" not in line
    caplog.clear()
    by_python(static, events)
    assert said in caplog.text


def test_rows_may_stand_in_any_order(tmp_path, capsys):
    shown = []
    for events in (EVENTS, EVENTS.sample(frac=1, random_state=0)):
        assert by_command(tmp_path, STATIC, events) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


def test_units_mixed_within_a_code_are_told(tmp_path, capsys):
    mixed = EVENTS.assign(value=EVENTS["value"].where(~COLD, EVENTS["value"] * 1.8 + 32))
    said = f"and {COLD.sum():,} from"
    assert by_command(tmp_path, STATIC, mixed) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "two units" in each]
    assert line.startswith("hint: T: ") and said in line
    (hint,) = by_python(STATIC, mixed)
    assert hint.startswith("T: ") and said in hint


@pytest.mark.parametrize(
    ("static", "command", "python"),
    [
        pytest.param(
            STATIC.iloc[:-2],
            "2 of 40 subjects of .* are not in .* --unmatched drop",
            "2 subjects have events but no row in the static table, 38 for one",
            id="no row",
        ),
        pytest.param(
            pd.concat([STATIC, STATIC.head(1)]),
            "1 subjects have more than one row in",
            "1 subjects in more than one row, 0 for one",
            id="two rows",
        ),
    ],
)
def test_subjects_that_do_not_match_are_refused(tmp_path, capsys, static, command, python):
    assert by_command(tmp_path, static, EVENTS) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert pd.Series([line]).str.contains(command).all()
    with pytest.raises(DataError, match=python):
        by_python(static, EVENTS)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (
            {"start": "2099-01-01"},
            "no event lies on the grid (series: 3 variables, every 1h from 2099-01-01",
        ),
        (
            {"length": 50_000_000},
            "3 variables in 50,000,000 steps of 40 subjects take about",
        ),
    ],
)
def test_a_grid_that_cannot_be_learnt_is_told(tmp_path, capsys, grid, said):
    options = [text for name, value in grid.items() for text in (f"--{name}", str(value))]
    assert by_command(tmp_path, STATIC, EVENTS, *options) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "cannot be learnt" in each]
    assert said in line
    with pytest.raises(DataError) as refused:
        by_python(STATIC, EVENTS, **grid)
    assert said in str(refused.value) and "\n" not in str(refused.value)
