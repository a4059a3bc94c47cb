"""Dates mean the same in every file that is judged."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import Column, DataError, Schema
from jaxehr.data.dates import write_dates
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.review.sheets import review_packet
from jaxehr.evaluation.rules.rule_file import read_rules
from jaxehr.evaluation.rules.rules import excesses

FORMATS = ("%d.%m.%Y", "%-d.%-m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%b-%Y", "%Y%m%d")


def times(n, seed):
    day = np.random.default_rng(seed).integers(0, 60, n)
    return pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(day, "D"))


@pytest.mark.parametrize("form", FORMATS)
def test_dates_are_days_by_the_schemas_format(form):
    """Also where a file has no day after the twelfth, or writes times or ISO instead."""
    real, early = (
        times(300, 0),
        times(300, 1).where(lambda t: t.dt.day <= 12, pd.Timestamp("2020-02-03")),
    )
    frames = {
        "real": write_dates(real, form),
        "early": write_dates(early, form),
        "times": early,
        "iso": early.dt.strftime("%Y-%m-%d"),
    }
    frames = {name: pd.DataFrame({"came": values}) for name, values in frames.items()}
    sets = comparable(Schema.infer(frames["real"]), frames)
    for found, true in zip(sets, (real, early, early, early), strict=True):
        assert found.numbers[:, 0].tolist() == (true - pd.Timestamp(0)).dt.days.tolist()


def test_a_date_that_is_none_is_named_and_not_left_out():
    real = pd.DataFrame({"came": write_dates(times(60, 0), "%d.%m.%Y"), "age": range(60)})
    for odd in ("31.02.2020", "soon"):
        with pytest.raises(DataError, match=f"the synthetic records holds '{odd}'.*%d.%m.%Y"):
            evaluate(real, real.assign(came=odd), pillars=["fidelity"])


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%d/%m/%Y"])
def test_a_shuffled_date_is_as_bad_in_any_spelling(form):
    """The trend of a date and a number that follows it: lost when the date is shuffled, to the last digit as in ISO."""

    def dated(seed, form, shuffled=False):
        came = times(300, seed)
        rng = np.random.default_rng(seed)
        day = (came - came.min()).dt.days + np.round(rng.normal(size=300), 2)
        came = came.sample(frac=1, random_state=0).reset_index(drop=True) if shuffled else came
        return pd.DataFrame({"came": write_dates(came, form), "day": day})

    def error(form):
        sets = [dated(1, form), dated(2, form, shuffled=True), dated(3, form)]
        report = evaluate(*sets, pillars=["fidelity"])
        return next(m.value for m in report.metrics if m.name == "trend_error")

    assert error(form) == error("%Y-%m-%d") > 0.4


def test_sheets_of_a_review_and_rules_read_dates_as_the_schema_does(tmp_path):
    """No day after the twelfth tells that the day comes first: the schema does."""
    came = times(60, 0).where(lambda t: t.dt.day <= 12, pd.Timestamp("2020-01-03"))
    left = pd.Series(pd.Timestamp("2020-02-14"), came.index)
    real = pd.DataFrame(
        {"came": write_dates(came, "%d/%m/%Y"), "left": write_dates(left, "%d/%m/%Y")}
    )
    columns = tuple(Column(name, "datetime", "str", "%d/%m/%Y") for name in real)
    schema = Schema(columns)
    packet = review_packet(real, real, 60, schema=schema, seed=0)
    said = {value for sheet in packet.sheets for name, value in sheet.facts if name == "came"}
    assert said == set(came.dt.strftime("%Y-%m-%d"))
    (tmp_path / "r.toml").write_text('[[rule]]\nname = "r"\nalways = { came = "< left" }\n')
    rules = partial(excesses, read_rules(tmp_path / "r.toml"))
    late = real.assign(came=write_dates(left + pd.Timedelta("1D"), "%d/%m/%Y"))
    for synthetic, excess in ((real, 0.0), (late, 50 / 60 - 10 / 60)):
        report = evaluate(real, synthetic, schema=schema, pillars=["clinical"], rules=rules)
        assert report.metrics[0].value == pytest.approx(excess)
