"""Sheets of courses: what was measured and no more, in the same form for real and synthetic patients."""

import re

import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.data import DataError, Grid, Records, Schema, Variable
from jaxehr.evaluation.review import written
from jaxehr.evaluation.review.clock import DAY, HOUR, MINUTE, SECOND, Clock
from jaxehr.evaluation.review.sheets import review_packet

START = pd.Timestamp("2000-01-01")
VARIABLES = (
    Variable("HR", "numerical", "float64"),
    Variable("LAB//50912//mg/dL", "numerical", "float64"),
    Variable("rhythm", "categorical", "text"),
    Variable("vent", "binary", "float64"),
    Variable("drug", "binary", "none"),
)
HR, LAB, RHYTHM, VENT, DRUG = (v.name for v in VARIABLES)


def schema_of(records, start="2000-01-01", every="1h"):
    made = Schema.infer(records)
    grid = Grid(every, 24, VARIABLES, start=start)
    return Schema(made.columns, made.events, whole=True, grid=grid)


def records(lines, ids):
    """Of (subject, minute, code, value); ages count from 40."""
    whose, minutes, codes, values = zip(*lines, strict=True)
    events = pd.DataFrame(
        {
            "subject_id": whose,
            "time": START + pd.to_timedelta(np.array(minutes, float), "min"),
            "code": codes,
            "numeric_value": [x if isinstance(x, float) else np.nan for x in values],
            "text_value": [x if isinstance(x, str) else None for x in values],
        }
    )
    return Records(pd.DataFrame({"subject_id": ids, "age": np.arange(len(ids)) + 40}), events)


def stays(n=30, seed=0):
    rng = np.random.default_rng(seed)
    draw = {
        HR: lambda: float(rng.integers(50, 120)),
        LAB: lambda: round(rng.gamma(2, 0.6) + 0.3, 1),
        RHYTHM: lambda: str(rng.choice(["sinus", "AF", "paced"])),
        VENT: lambda: float(rng.random() < 0.5),
        DRUG: lambda: None,
    }
    lines = [
        (7_000_000 + i, 60 * hour + minute, code, make())
        for i in range(n)
        for hour in range(rng.integers(0, 24))
        for code, make in draw.items()
        for minute in rng.permutation(60)[: rng.integers(0, 3)]  # of two in an hour one is kept
    ]
    return records(lines, 7_000_000 + np.arange(n))


def with_seconds(events, rng):
    return events["time"] + pd.to_timedelta(rng.uniform(0, 59, len(events)), "s")


def on_other_days(events, rng):
    days = {who: rng.integers(0, 9_999) for who in events["subject_id"].unique()}
    return events["time"] + pd.to_timedelta(events["subject_id"].map(days), "D")


def disguised(real, retimed):
    """The same patients as another program might write them: in another order, under other ids, with decimals and
    seconds of no meaning or on other days, with events beyond the grid."""
    rng = np.random.default_rng(1)
    events = real.events.assign(time=retimed(real.events, rng))
    values = events["numeric_value"] + np.where(
        events["code"].isin([HR, LAB]), rng.uniform(-0.04, 0.04, len(events)), 0
    )
    late = events[:9].assign(time=events["time"].max() + pd.Timedelta("9D"))
    events = pd.concat(
        [events.assign(numeric_value=values), events[:9].assign(code="other"), late]
    ).sample(frac=1, random_state=0)
    new = dict(zip(real.static["subject_id"], rng.permutation(len(real)), strict=True))
    name = lambda frame: "drawn-" + frame["subject_id"].map(new).astype(str)
    static = real.static.sample(frac=1, random_state=2)
    return Records(
        static.assign(subject_id=name(static), age=static["age"].astype(float)),
        events.assign(subject_id=name(events)),
    )


def pages(packet):
    """What each reads, but its number."""
    found = re.findall(r"<section.*?</section>", packet.to_html(), re.DOTALL)
    return [re.sub(r"sheet-\d+|Sheet \d+", "", page) for page in found]


@pytest.mark.parametrize(
    ("start", "retimed"), [("2000-01-01", with_seconds), ("first", on_other_days)]
)
def test_sheets_do_not_tell_how_their_file_was_written(start, retimed):
    """The same patients in a disguise make the same pages, to the last byte."""
    real = stays()
    drawn = disguised(real, retimed)
    packet = review_packet(real, drawn, 30, schema=schema_of(real, start), seed=3)
    found = pd.Series(pages(packet)).groupby(list(packet.origins)).apply(sorted)
    assert found["real"] == found["synthetic"] and len(set(found["real"])) == 30
    text = packet.to_html()
    assert not re.search(r"drawn-|70000\d\d|20\d\d-|\d:\d\d:\d\d|\d\.\d\d</|nan|None", text)

    changed = drawn.events.assign(numeric_value=drawn.events["numeric_value"] + 1)  # is seen
    other = review_packet(
        real, Records(drawn.static, changed), 30, schema=schema_of(real, start), seed=3
    )
    found = pd.Series(pages(other)).groupby(list(other.origins)).apply(set)
    assert len(found["real"] & found["synthetic"]) <= 2  # who has no number at all


def test_a_course_by_hand():
    lines = [
        (1, 5, HR, 80.0),
        (1, 50, HR, 90.0),  # the last of its hour
        (1, 185, HR, 70.0),
        (1, 70, LAB, 1.5),
        (1, 20, RHYTHM, "AF"),
        (1, 200, RHYTHM, "AF"),
        (1, 260, RHYTHM, "sinus"),
        (1, 20, VENT, 1.0),
        (1, 80, VENT, 0.0),
    ]
    real = records(lines, [1, 2])
    made = records([(1, 30, HR, 75.0), (1, 31, RHYTHM, "sinus"), (1, 600, VENT, 0.0)], [1, 2])
    names = {LAB: "creatinine (mg/dL)", RHYTHM: "rhythm <ECG>"}
    packet = review_packet(real, made, 2, schema=schema_of(real), names=names, seed=0)
    (course,) = [sheet.course for sheet in packet.sheets if len(sheet.course.traces) == 4]
    assert course.columns == ("rhythm <ECG>", "HR", "vent", "creatinine (mg/dL)", "drug")
    assert course.lines == (
        ("0:00", ("AF", "90", "yes", "", "")),
        ("1:00", ("", "", "no", "1.5", "")),
        ("3:00", ("AF", "70", "", "", "")),
        ("4:00", ("sinus", "", "", "", "")),
    )
    assert course.never == ("drug",) and course.step == "1h"
    rhythm, hr, vent, lab = course.traces
    assert hr.values == (("0:50", "90"), ("3:05", "70")) and hr.ends == ("70", "90")
    assert hr.dots == ((50 / 600, 1.0), (185 / 600, 0.0))
    assert rhythm.values == (("0:20", "AF"), ("3:20", "AF"), ("4:20", "sinus"))
    assert vent.ends == ("no", "yes") and [y for _, y in vent.dots] == [1, 0]
    assert lab.values == (("1:10", "1.5"),)
    assert course.axis[:2] == ((0.0, "0"), (0.2, "2 h"))
    text = packet.to_html()
    assert "rhythm &lt;ECG&gt;" in text and text.count("Nothing was measured.") == 2


def test_nothing_is_filled_in_and_nothing_is_left_out():
    """Of every patient as many values as hours with one, counted from the events: listed, drawn, and in the table."""
    real = stays()
    packet = review_packet(real, stays(seed=1), 30, schema=schema_of(real), seed=0)
    hour = real.events["time"].dt.floor("h")
    counts = real.events.assign(hour=hour).groupby(["subject_id", "code"])["hour"].nunique()
    seen = 0
    for sheet, origin in zip(packet.sheets, packet.origins, strict=True):
        if origin == "real":
            who = 7_000_000 + int(dict(sheet.facts)["age"]) - 40
            known = counts[who] if who in counts.index else {}
            expected = {v.name.replace("//", " "): known.get(v.name, 0) for v in VARIABLES}
            for trace in sheet.course.traces:
                assert len(trace.values) == len(trace.dots) == expected.pop(trace.title)
                column = sheet.course.columns.index(trace.title)
                cells = [cells[column] for _, cells in sheet.course.lines if cells[column]]
                assert cells == [text for _, text in trace.values]
                seen += len(cells)
            assert set(expected.values()) <= {0} and set(expected) == set(sheet.course.never)
    assert seen == counts.sum() > 500


def test_a_visit_is_a_line_at_its_moment_where_both_sets_have_visits():
    day = 24 * 60
    visits = [(i, day * d, code, 1.0) for i in (1, 2) for d in (0, 192, 300) for code in (HR, LAB)]
    real, other = (records(visits, [1, 2]) for _ in range(2))
    schema = schema_of(real, every="90d")
    when = lambda packet: {tuple(when for when, _ in sheet.course.lines) for sheet in packet.sheets}
    assert when(review_packet(real, other, 2, schema=schema)) == {("0 d", "192 d", "300 d")}
    at = other.events["time"] + pd.to_timedelta(np.arange(12) % 2, "D")  # no visits
    other = Records(other.static, other.events.assign(time=at))
    assert when(review_packet(real, other, 2, schema=schema)) == {("0 d", "180 d", "270 d")}


def test_charts_have_one_scale_on_all_sheets():
    real = stays()
    raised = real.events["numeric_value"] + np.where(real.events["code"] == HR, 100, 0)
    high = Records(real.static, real.events.assign(numeric_value=raised))
    packet = review_packet(real, high, 30, schema=schema_of(real))
    ends = [t.ends for sheet in packet.sheets for t in sheet.course.traces if t.title == "HR"]
    assert len(ends) > 50 and all(float(a) < 60 and float(b) > 210 for a, b in ends)


@pytest.mark.parametrize(
    ("one", "other", "step", "unit"),
    [
        (DAY * 5, DAY * 3, 90 * DAY, DAY),
        (HOUR * 5, SECOND * 3, HOUR, HOUR),
        (SECOND * 5, SECOND * 7, HOUR, MINUTE),
        (SECOND * 5, SECOND * 7, 365 * DAY, DAY),
        (SECOND // 20, SECOND // 50, SECOND // 100, SECOND // 100),
    ],
)
def test_times_are_as_coarse_as_the_coarser_set(one, other, step, unit):
    rng = np.random.default_rng(0)
    sets = [each * rng.integers(1, 500, 400) for each in (one, other)]
    assert Clock.of(sets, step).unit == Clock.of(sets[::-1], step).unit == unit


def test_times_are_said_shortly():
    assert Clock(MINUTE, 2 * DAY).say(25 * HOUR + 7 * MINUTE) == "25:07"
    assert Clock(MINUTE, 9 * DAY).say(25 * HOUR + 7 * MINUTE) == "1 d 1:07"
    assert Clock(SECOND, HOUR).say(61 * SECOND) == "0:01:01"
    assert Clock(DAY, 999 * DAY).say(192 * DAY) == "192 d"
    assert Clock(SECOND // 100, SECOND).say(SECOND * 3 // 100) == "0.03 s"
    assert [said for _, said in Clock(DAY, 4000 * DAY).axis()] == [
        "0",
        "2 y",
        "4 y",
        "6 y",
        "8 y",
        "10 y",
    ]


def test_numbers_have_the_decimals_of_the_less_precise_set():
    """A value in a hundred may be finer, single precision is not, and three figures are enough."""
    rng = np.random.default_rng(0)
    tenths = pd.Series(rng.integers(340, 410, 400) / 10)
    others = pd.Series(rng.normal(37, 1, 400))
    assert written.numbers([tenths, others])[1].str.fullmatch(r"\d\d\.\d").all()
    assert (
        written.numbers([others, tenths.astype("float32").astype(float)])[0].str[-2].eq(".").all()
    )
    few = tenths.round(0)
    few[:3] += 0.25
    assert written.numbers([few, others])[0].str.fullmatch(r"\d\d").all()
    assert written.numbers([others / 5, others / 5])[0].str.fullmatch(r"\d\.\d\d").all()


def test_a_series_on_the_command_line(tmp_path, capsys):
    """Table and events, and a file of visits; answers are scored as those of a table."""
    paths = {}
    for name, seed in (("real", 0), ("made", 1)):
        made = stays(seed=seed)
        paths[name], paths[f"{name}_events"] = (
            str(tmp_path / f"{name}{x}.csv") for x in ("", "_events")
        )
        made.static.to_csv(paths[name], index=False)
        made.events.to_csv(paths[f"{name}_events"], index=False)
    schema, out = str(tmp_path / "schema.json"), tmp_path / "out"
    both = ["--data", paths["real"], "--events", paths["real_events"], "--every", "1h"]
    assert main(["schema", *both, "--out", schema]) == 0
    files = ["--real", paths["real"], "--real-events", paths["real_events"], "--schema", schema]
    files += ["--synthetic", paths["made"], "--synthetic-events", paths["made_events"]]
    assert main(["review", *files, "-n", "5", "--out", str(out)]) == 0
    assert (out / "packet" / "patients.html").read_text().count("Each variable") >= 8
    form = pd.read_csv(out / "packet" / "answers.csv", dtype=object)
    form.iloc[:, 1], form.iloc[:, 2] = "yes", pd.read_csv(out / "key.csv")["origin"]
    form.to_csv(out / "answers" / "a.csv", index=False)
    assert main(["review", "--score", str(out)]) == 0
    assert "a                   100%" in capsys.readouterr().out

    rng = np.random.default_rng(0)
    for name in ("real", "made"):
        visits = pd.DataFrame(
            {"who": np.repeat(np.arange(40), 3), "day": np.tile([0, 100, 250], 40)}
        )
        visits["bili"] = rng.gamma(2, 1, 120).round(1)
        visits.to_csv(tmp_path / f"{name}_visits.csv", index=False)
    real = str(tmp_path / "real_visits.csv")
    read = ["--map", "subject_id=who,time=day:days"]
    schema = str(tmp_path / "visits.json")
    assert main(["schema", "--data", real, *read, "--every", "90d", "--out", schema]) == 0
    files = ["--real", real, "--synthetic", str(tmp_path / "made_visits.csv"), "--schema", schema]
    assert main(["review", *files, "-n", "5", "--out", str(tmp_path / "visits")]) == 0
    text = (tmp_path / "visits" / "packet" / "patients.html").read_text()
    assert text.count("<td>100 d</td>") == 10 and "2000" not in text


def test_events_off_the_grid_are_refused_as_in_an_evaluation():
    real = stays()
    late = Records(real.static, real.events.assign(time=real.events["time"] + pd.Timedelta("9D")))
    with pytest.raises(
        DataError, match="no event of the synthetic records lies on the schema's grid"
    ):
        review_packet(real, late, 5, schema=schema_of(real))


def test_of_events_alone_a_patient_is_who_has_one_on_the_grid():
    lines = [(who, 60 * 24 * (who % 2) + 5, HR, 80.0 + who) for who in range(8)]  # half come late
    events = Records(events=records(lines, range(8)).events)
    schema = schema_of(events)
    packet = review_packet(events, events, 4, schema=schema)
    found = sorted(sheet.course.lines[0][1][0] for sheet in packet.sheets)
    assert found == sorted(["80", "82", "84", "86"] * 2)
    with pytest.raises(DataError, match="5 real patients are wanted, and there are 4"):
        review_packet(events, events, 5, schema=schema)
