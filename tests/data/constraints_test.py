"""Constraints compare times, whatever the spelling of dates."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import Number, Quantile, fit_codec
from jaxehr.data import DataError, Inequality, Range, Schema
from jaxehr.data.dates import write_dates

FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%-d.%-m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%b-%Y", "%Y%m%d")
INEQUALITY = (Inequality("admitted", "discharged"),)


def stays(n=400, seed=0):
    """(admitted, discharged): three weeks at most, over two years."""
    rng = np.random.default_rng(seed)
    first = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, n), "D")
    return pd.Series(first), pd.Series(first + pd.to_timedelta(rng.integers(0, 21, n), "D"))


def written(form, gaps=True):
    first, last = stays()
    frame = pd.DataFrame(
        {"admitted": write_dates(first, form), "discharged": write_dates(last, form)}
    )
    if gaps:
        frame.loc[::10, "discharged"] = None
    return frame, first, last


@pytest.mark.parametrize("form", FORMATS)
def test_an_inequality_of_dates_is_one_of_times(form):
    frame, first, last = written(form)
    schema = replace(Schema.infer(frame), constraints=INEQUALITY)
    assert not schema.broken(frame).any()
    turned = frame.rename(columns={"admitted": "discharged", "discharged": "admitted"})
    truth = (last > first) & frame["discharged"].notna()
    assert schema.broken(turned).tolist() == truth.tolist()


@pytest.mark.parametrize("form", FORMATS)
def test_a_range_of_dates_in_either_spelling(form):
    frame, first, _ = written(form)
    ends = pd.Series(pd.to_datetime(["2020-06-01", "2021-03-31"]))
    truth = ~first.between(*ends)
    for low, high in (ends.dt.strftime("%Y-%m-%d"), write_dates(ends, form)):
        value = {
            **Schema.infer(frame).to_json(),
            "constraints": [{"kind": "range", "column": "admitted", "low": low, "high": high}],
        }
        schema = Schema.from_json(value)
        assert schema.broken(frame).tolist() == truth.tolist()
        assert Schema.from_json(schema.to_json()) == schema
        assert f"{low} <= admitted <= {high}" in str(schema)


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (
            Range("admitted", "01.13.2020"),
            "the end '01.13.2020'; the column holds dates as %d.%m.%Y",
        ),
        (Range("admitted", 0), "the end 0; the column holds dates"),
        (Range("admitted", "2021-01-01", "2020-01-01"), "can never hold"),
        (Range("age", "2020-01-01"), "the column holds numbers"),
        (Inequality("age", "admitted"), "compares dates with numbers"),
        (Inequality("admitted", "sex"), "'sex' is none of the schema's"),
    ],
)
def test_a_constraint_that_cannot_be_is_refused_when_the_schema_is_made(constraint, said):
    frame = written("%d.%m.%Y")[0].assign(age=50, sex="f")
    with pytest.raises(DataError, match=said):
        replace(Schema.infer(frame), constraints=(constraint,))


@pytest.mark.parametrize("numbers", [Number, Quantile])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y", "%-d.%-m.%Y"])
def test_stays_cross_the_ends_of_months_as_often_as_real_ones(form, numbers):
    """Rows drawn as real ones are, from the parts of the codec independently, and those broken left out, as a sampler
    does. The share of stays that end in another month is that of the real rows within 4 standard errors of 2,000 draws
    (6e-5 by chance); as text it would be near 0.
    """
    frame, first, last = written(form, gaps=False)
    codec = fit_codec(
        frame, replace(Schema.infer(frame), constraints=INEQUALITY), numbers, min_patients=1
    )
    rng = np.random.default_rng(1)
    number = codec.encode(frame)["number"]
    rows = rng.integers(0, len(frame), (2000, number.shape[1]))
    number = np.take_along_axis(number, rows, axis=0)
    empty = {"bit": np.zeros((2000, 0), np.int8), "category": np.zeros((2000, 0), np.int32)}
    drawn = codec.decode({"number": number, **empty})
    drawn = drawn[~codec.schema.broken(drawn)]
    strptime = form.replace("%-", "%")
    a, b = (pd.to_datetime(drawn[name], format=strptime) for name in ("admitted", "discharged"))
    assert len(drawn) == 2000 and (a <= b).all()
    crossing = (first.dt.month != last.dt.month).mean()
    error = np.sqrt(crossing * (1 - crossing) * (1 / 2000 + 1 / 400))
    assert abs((a.dt.month != b.dt.month).mean() - crossing) < 4 * error
