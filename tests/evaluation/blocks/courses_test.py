"""Events on a grid as measures see them: what was measured, and what summaries say of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import DataError, Grid, Records, Schema, Variable
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.blocks.blocks import joined
from jaxehr.evaluation.blocks.frames import comparable, on_grid

VARIABLES = (
    Variable("HR", "numerical", "float64"),
    Variable("rhythm", "categorical", "text"),
    Variable("drug", "binary", "none"),
    Variable("flag", "binary", "text"),
)
GRID = Grid("1h", 4, VARIABLES, start="2000-01-01")


def records(lines, subjects=None):
    """Of (subject, minute, code, value)."""
    events = pd.DataFrame(
        {
            "subject_id": [line[0] for line in lines],
            "time": pd.Timestamp("2000-01-01")
            + pd.to_timedelta([line[1] for line in lines], "min"),
            "code": [line[2] for line in lines],
            "numeric_value": [x if isinstance(x := line[3], float) else np.nan for line in lines],
            "text_value": [x if isinstance(x := line[3], str) else None for line in lines],
        }
    )
    if subjects is None:
        return Records(events=events)
    static = pd.DataFrame({"subject_id": subjects, "age": np.arange(len(subjects)) + 50.0})
    return Records(static, events)


LINES = [
    (7, 15, "HR", 80.0),
    (7, 130, "HR", 90.0),
    (7, 150, "HR", 100.0),
    (7, 20, "rhythm", "sinus"),
    (7, 200, "rhythm", "AF"),
    (5, 70, "rhythm", "flutter"),
    (5, 75, "drug", None),
    (5, 80, "flag", "y"),
    (7, 81, "flag", "n"),
]


def blocks(*sets):
    schema = Schema.infer(sets[0])
    schema = Schema(schema.columns, schema.events, whole=True, grid=GRID)
    return comparable(schema, {f"set {i}": each for i, each in enumerate(sets)})


def test_courses_are_what_was_measured_and_when_in_the_order_of_the_table():
    (found,) = blocks(records(LINES, [5, 7, 9]))
    series = found.courses
    assert found.channels == (
        "HR",
        "rhythm = AF",
        "rhythm = flutter",
        "rhythm = sinus",
        "drug",
        "flag",
    )
    assert found.firsts == (0, 1, 4, 5)
    assert series.lengths.tolist() == [
        2,
        4,
        1,
    ]  # one who has no event has a step, with nothing in it
    expected = np.full((3, 4, 6), np.nan)
    expected[1, [0, 2], 0] = 80, 100  # the last of an hour
    expected[1, 0, 1:4], expected[1, 3, 1:4], expected[0, 1, 1:4] = (0, 0, 1), (1, 0, 0), (0, 1, 0)
    expected[0, 1, 4], expected[0, 1, 5], expected[1, 1, 5] = 1, 1, 0
    np.testing.assert_array_equal(series.values, expected)
    assert series.times[1, [0, 2], 0] == pytest.approx([0.25, 2.5])
    np.testing.assert_array_equal(found.measured.observed, ~np.isnan(expected[..., [0, 1, 4, 5]]))


def test_summaries_stand_beside_the_table():
    (found,) = blocks(records(LINES, [5, 7, 9]))
    number = dict(zip(found.number_names, found.numbers.T, strict=True))
    assert number["age"].tolist() == [50, 51, 52]
    assert number["length of the course"].tolist() == [2, 4, 1]
    assert number["HR, measured"].tolist() == [0, 2, 0] and number["drug, measured"].tolist() == [
        1,
        0,
        0,
    ]
    for name, value in {"first": 80, "last": 100, "mean": 90, "least": 80, "greatest": 100}.items():
        np.testing.assert_array_equal(number[f"HR, {name}"], [np.nan, value, np.nan])
    words = {
        name: [None if k == 0 else values[k - 1] for k in column]
        for name, values, column in zip(
            found.label_names, found.values, found.labels.T, strict=True
        )
    }
    assert words["rhythm, first"] == ["flutter", "sinus", None]
    assert words["rhythm, last"] == ["flutter", "AF", None]
    assert words["flag, first"] == ["y", "n", None]


def test_without_a_table_patients_are_those_with_an_event_on_the_grid():
    late = [*LINES, (3, 999, "HR", 70.0)]
    (found,) = blocks(records(late))
    assert found.courses.lengths.tolist() == [4, 2]


def test_rows_and_sets_keep_courses_beside_their_patients():
    one, two = blocks(records(LINES, [5, 7, 9]), records(LINES[:4], [7]))
    both = joined(one.rows(np.array([1])), two)
    np.testing.assert_array_equal(both.courses.values[0, :, 0], [80, np.nan, 100, np.nan])
    np.testing.assert_array_equal(both.courses.values[1, :, 0], [80, np.nan, 100, np.nan])
    assert both.courses.lengths.tolist() == [4, 3]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            [(1, 600, "HR", 1.0)],
            "no event of the set 1 records lies on the schema's grid .4 steps of 1h",
        ),
        (
            [(1, 0, "rhythm", "other")],
            "'rhythm' shares no value.*AF, flutter, sinus, another file other",
        ),
    ],
)
def test_records_that_are_not_of_the_grid_are_refused(other, said):
    with pytest.raises(DataError, match=said):
        blocks(records(LINES), records(other))


def test_times_that_are_numbers_elsewhere_are_refused():
    other = records(LINES)
    numbers = Records(events=other.events.assign(time=np.arange(len(LINES))))
    with pytest.raises(DataError, match="the times of the events are numbers"):
        blocks(other, numbers)


def test_rules_see_what_is_on_the_grid():
    """The first minute of the first step to the last of the last, and what has no time; of a table all."""
    lines = [(i, m, "HR", float(m)) for i in (1, 2) for m in (-1, 0, 239, 240)]
    real = records([*lines, (2, 0, "drug", None)], [1, 2])
    real.events.loc[8, "time"] = pd.NaT
    seen = []
    evaluate(
        real,
        real,
        schema=replace(Schema.infer(real), grid=GRID),
        rules=lambda *sets: (seen.extend(sets[:2]) or (), ()),
        pillars=["clinical"],
    )
    for each in seen:
        assert each.events["numeric_value"].dropna().tolist() == [0, 239, 0, 239]
        assert len(each.events) == 5 and each.static is real.static
    assert on_grid(None, real) is real and on_grid(GRID, real.static) is real.static
