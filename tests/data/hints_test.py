"""Hints: said where there is something to look at, and not elsewhere."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import Inequality, Range, Schema, broken_constraints, hints
from jaxehr.data.hints import sentinels


def told(**columns):
    frame = pd.DataFrame(columns)
    return [f"{hint}" for hint in hints(frame, Schema.infer(frame))]


def amounts(low, high, n=1000, seed=0):
    return np.random.default_rng(seed).integers(low, high, n)


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (18, 90, [999]),
        (18, 90, [99]),
        (0, 40, [-9]),
        (0, 3, [9]),
        (60, 200, [-1]),
        (18, 60, [77, 88, 99]),
        (0, 50, [-99, 9999]),
        (1, 100, [123_456]),
    ],
)
def test_planted_sentinels_are_pointed_out(low, high, marks):
    numbers = amounts(low, high).astype(float)
    numbers[: 5 * len(marks)] = np.repeat(marks, 5)
    assert sorted(value for value, count, _ in sentinels(numbers) if count == 5) == sorted(marks)
    (said, *_) = told(lab=numbers)
    assert said.startswith("lab: 5 rows have exactly") and "--missing" in said


@pytest.mark.parametrize(
    "numbers",
    [
        amounts(0, 100),  # 99 is an age here
        amounts(-20, 20),
        np.random.default_rng(0).poisson(1.2, 1000),
        np.round(np.random.default_rng(0).lognormal(3, 1, 1000), 1),
        np.round(np.random.default_rng(0).normal(0, 1, 1000), 1),
        amounts(0, 2),
        np.array([0, 1, 2, 3, 4] * 10 + [60]),  # far, and not repeated
    ],
)
def test_amounts_without_sentinels_have_none(numbers):
    assert sentinels(numbers.astype(float)) == []


def test_dates_that_stand_for_none():
    days = pd.Series(pd.Timestamp("1950-01-01") + pd.to_timedelta(amounts(0, 20_000), "D"))
    text = days.dt.strftime("%Y-%m-%d")
    assert told(born=text) == []
    for odd in ("9999-12-31", "1900-01-01"):
        (said,) = told(born=text.where(text.index > 4, odd))
        assert said.startswith("born: 5 rows") and f'--missing="{odd}"' in said
    numbers = days.dt.strftime("%Y%m%d").astype(float).where(days.index > 2, 99_991_231)
    (said,) = told(died=numbers.where(days.index < 900))
    assert '--missing="99991231"' in said


def test_day_and_month_that_no_value_tells_apart():
    early = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(amounts(0, 300), "D"))
    early = early[early.dt.day <= 12].reset_index(drop=True)
    for form, other in {"%m/%d/%Y": "%d/%m/%Y", "%d.%m.%Y": "%m.%d.%Y"}.items():
        (said,) = told(seen=early.dt.strftime(form))
        assert f"read as {form}" in said and f'"format": "{other}"' in said
    assert (
        told(seen=early.dt.strftime("%Y-%m-%d")) == told(seen=early.dt.strftime("%d %b %Y")) == []
    )
    late = early.where(early.index > 0, pd.Timestamp("2020-01-30"))
    assert told(seen=late.dt.strftime("%m/%d/%Y")) == []


def test_rows_that_are_not_patients():
    (said,) = told(subject_id=np.repeat(amounts(0, 10**6, 50), 4), age=amounts(18, 90, 200) * 1.5)
    assert "50 different ones in 200 rows: a row is not a patient" in said


def test_whole_numbers_that_may_be_more_than_amounts():
    different = np.random.default_rng(0).permutation(90_000)[:100]
    (said,) = told(paid=different)
    assert "make it id" in said
    (said,) = told(date_of_birth=np.repeat([44_197, *amounts(20_000, 45_000, 99)], 2))
    assert "44197 is Excel's number of the day 2021-01-01" in said


def test_people_are_named_as_what_they_are():
    (said,) = told(mail=[f"p{i % 90}@example.org" for i in range(100)])
    assert "e-mail addresses: replaced, not learnt; to learn them make it categorical" in said


def test_real_rows_that_break_a_constraint_are_counted():
    frame = pd.DataFrame({"came": ["05.02.2020", "03.04.2020", "30.01.2020"], "age": [40, 130, 50]})
    frame["left"] = ["04.03.2020", "02.05.2020", "29.01.2020"]
    laws = (Inequality("came", "left"), Range("age", 0, 120), Range("came", "2020-01-01"))
    schema = replace(Schema.infer(frame), constraints=laws)
    said = [str(hint) for hint in broken_constraints(frame, schema)]
    assert [text[: text.index(" rows")] for text in said] == [
        "came <= left: 1 of 3",
        "0 <= age <= 120: 1 of 3",
    ]


def test_what_comes_round_is_pointed_out():
    """Only where all hours are there, and the column is called so: it stays as it is."""
    hours = np.tile(np.arange(24), 5)
    for name, values, said in [
        ("admitHour", hours, '"period": 24, "start": 0'),
        ("month", np.tile(np.arange(1, 13), 10), '"period": 12, "start": 1'),
        ("day_of_week", np.tile(np.arange(7), 10), '"period": 7, "start": 0'),
        ("dow", np.tile(np.arange(1, 8), 10), '"period": 7, "start": 1'),
    ]:
        (hint,) = told(**{name: values})
        assert said in hint
        frame = pd.DataFrame({name: values})
        known = Schema.infer(frame).with_period(name, values.max() - values.min() + 1, values.min())
        assert hints(frame, known) == () and Schema.infer(frame).columns[0].period is None
    gap = np.where(hours == 23, 30, hours)
    for other in {"window": hours % 6 + hours // 23}, {"hour": hours + 5}, {"hour": gap}:
        assert told(**other) == []
