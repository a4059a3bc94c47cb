"""Dates come back as they were written, or are refused in a line that names the value."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import Bins, Number, codec_from_json
from jaxehr.codecs import fit_codec as fit_codec_of
from jaxehr.data import Column, DataError, Schema
from jaxehr.data.dates import date_formats, read_dates, write_dates


def fit_codec(frame, schema=None, numbers=Number):
    """Of all values, also those that few have."""
    return fit_codec_of(frame, schema, numbers, min_patients=1)


def moments(n=300, seed=0, last=2068):
    """To the second, from 1969 on: what two digits of a year can tell apart."""
    seconds = np.random.default_rng(seed).integers(0, (last - 1970) * 365 * 86_400, n)
    return pd.Series(pd.Timestamp("1970-01-01") + pd.to_timedelta(seconds, "s"))


# strftime's own words where it has them; without leading zeros as Excel writes.
SPELLINGS = {
    "%Y-%m-%d": lambda t: t.strftime("%Y-%m-%d"),
    "%d-%m-%Y": lambda t: t.strftime("%d-%m-%Y"),
    "%-d.%-m.%Y": lambda t: f"{t.day}.{t.month}.{t.year}",
    "%-m/%-d/%Y": lambda t: f"{t.month}/{t.day}/{t.year}",
    "%d/%m/%y": lambda t: t.strftime("%d/%m/%y"),
    "%d-%b-%Y": lambda t: t.strftime("%d-%b-%Y"),
    "%d-%^b-%y": lambda t: t.strftime("%d-%b-%y").upper(),
    "%d%^b%Y": lambda t: t.strftime("%d%b%Y").upper(),
    "%B %-d, %Y": lambda t: f"{t.strftime('%B')} {t.day}, {t.year}",
    "%m/%d/%Y %I:%M:%S %p": lambda t: t.strftime("%m/%d/%Y %I:%M:%S %p"),
    "%-m/%-d/%Y %-I:%M %p": lambda t: (
        f"{t.month}/{t.day}/{t.year} {(t.hour - 1) % 12 + 1}:{t.minute:02} {'AP'[t.hour > 11]}M"
    ),
    "%Y-%m-%dT%H:%M:%SZ": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "%Y-%m-%d %H:%M:%S+01:00": lambda t: t.strftime("%Y-%m-%d %H:%M:%S+01:00"),
    "%Y-%m-%dT%H:%M:%S.%f": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{t.second:06}",
    "%Y-%m-%d %H:%M:%S.%3f": lambda t: t.strftime("%Y-%m-%d %H:%M:%S.") + f"{t.second:03}",
    "%Y-%m-%d %H:%M:%S.%7f": lambda t: t.strftime("%Y-%m-%d %H:%M:%S.") + f"{t.second:05}00",
    "%d.%m.%Y ": lambda t: t.strftime("%d.%m.%Y "),
    "%Y%m%d": lambda t: t.strftime("%Y%m%d"),
    "%Y%m%d%H%M%S": lambda t: t.strftime("%Y%m%d%H%M%S"),
}


@pytest.mark.parametrize("numbers", [Number, Bins])
@pytest.mark.parametrize("form", SPELLINGS)
def test_a_spelling_is_recognised_and_kept(form, numbers):
    """Dates, in order, and back to the letter; one in ten is missing."""
    times = moments(last=1990 if "f" in form else 2068)  # 2^50 microseconds are 35 years
    text = times.map(SPELLINGS[form]).astype("str").where(times.index % 10 > 0)
    frame = pd.DataFrame({"seen": text, "age": times.index % 80})
    codec = codec_from_json(json.loads(json.dumps(fit_codec(frame, None, numbers).to_json())))
    column = codec.schema.columns[0]
    assert (column.kind, column.format) == ("datetime", form)
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    read, day = read_dates(text, form), times.dt.normalize()
    assert (read.dt.normalize() == day)[text.notna()].all() and read[text.isna()].isna().all()


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float64"])
def test_whole_numbers_that_are_dates(dtype):
    """Drawn in between they are dates again: no 19670488."""
    days = moments(last=2020).dt.strftime("%Y%m%d").astype(int).astype(dtype)
    if dtype != "int64":
        days[::7] = pd.NA if dtype == "Int64" else np.nan
    frame = pd.DataFrame({"born": days, "age": days.index % 80})
    codec = fit_codec(frame)
    assert codec.schema.columns[0] == Column("born", "datetime", dtype, "%Y%m%d")
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    parts = codec.encode(frame)
    parts["number"][:, 0] = np.random.default_rng(0).random(len(frame))
    drawn = codec.decode(parts)["born"].dropna().astype(int).astype(str)
    assert pd.to_datetime(drawn, format="%Y%m%d", errors="coerce").notna().all()


def test_a_year_that_nanoseconds_cannot_hold():
    text = moments(last=2020).dt.strftime("%Y-%m-%d")
    for values in (text.where(text.index % 9 > 0, "9999-12-31"), "1512" + text.str[4:]):
        frame = pd.DataFrame({"until": values.astype("str")})
        for numbers in (Number, Bins):
            codec = fit_codec(frame, None, numbers)
            assert codec.schema.columns[0].kind == "datetime"
            pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    stamps = pd.DataFrame({"until": pd.Series(["2020-01-02", "9999-12-31"], dtype="datetime64[s]")})
    codec = fit_codec(stamps)
    pd.testing.assert_frame_equal(codec.decode(codec.encode(stamps)), stamps)


@pytest.mark.parametrize(
    ("odd", "form"),
    [
        ("0000-00-00", "%Y-%m-%d"),
        ("2021-02-30", "%Y-%m-%d"),
        ("unknown", "%d.%m.%Y"),
        ("3.4.2020", "%d.%m.%Y"),  # read, it would be written as 03.04.2020
        ("2020-01-01T10:00:00+02:00", "%Y-%m-%dT%H:%M:%S+01:00"),
    ],
)
def test_one_value_that_is_no_date_is_named(odd, form):
    dates = write_dates(moments(last=2020), form)
    frame = pd.DataFrame({"seen": dates.where(dates.index != 123, odd), "age": dates.index % 80})
    with pytest.raises(DataError) as caught:
        fit_codec(frame)
    for word in ("column 'seen'", "date", form, repr(odd), "--missing"):
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_that_is_no_date_is_named_as_its_file_spells_it():
    days = moments(last=2020).dt.strftime("%Y%m%d").astype(float)
    frame = pd.DataFrame({"seen": days.where(days.index != 123, 0).where(days.index != 7)})
    with pytest.raises(DataError, match=r"dates as %Y%m%d, but '0' is none; .*--missing=\"0\""):
        fit_codec(frame)


@pytest.mark.parametrize("ends", [("+01:00", "+02:00"), ("", ".500000"), ("Z", "")])
def test_dates_of_two_spellings_are_neither_categories_nor_ids(ends):
    """Half of each, and no value twice."""
    text = moments(last=2020).dt.strftime("%Y-%m-%dT%H:%M:%S")
    frame = pd.DataFrame({"seen": [value + ends[i % 2] for i, value in enumerate(text)]})
    with pytest.raises(DataError, match="column 'seen' holds dates as %Y-%m-%dT"):
        fit_codec(frame)


@pytest.mark.parametrize("text", ["1-0-1", "120/80", "12345-6789-01", "250.00", "12.5.3"])
def test_what_is_no_date_is_not_taken_for_one(text):
    assert not date_formats(pd.Series([text, text]))


def test_day_and_month_as_the_separator_has_it_where_both_are_possible():
    for sep, form in {"/": "%m/%d/%Y", ".": "%d.%m.%Y", "-": "%d-%m-%Y"}.items():
        both = date_formats(pd.Series([f"03{sep}04{sep}2020", f"12{sep}12{sep}2021"]))
        assert both[0] == form and len(both) == 2


def test_a_format_in_the_schema_is_followed_and_checked():
    """03/04 is the third of April where the schema says so; a format that cannot be, or none, is one line."""
    frame = pd.DataFrame({"seen": ["03/04/2020", "05/06/2020", "07/08/2020"]})
    column = Column("seen", "datetime", "str", "%d/%m/%Y")
    codec = fit_codec(frame, Schema((column,)))
    assert codec.columns[0].quantity.numbers(frame["seen"])[0] == 18_355  # days to 3 April 2020
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    for odd in ("31/04/2020", "3/04/2020"):
        with pytest.raises(DataError, match=f"holds dates as %d/%m/%Y, but '{odd}' is none"):
            codec.encode(frame.assign(seen=odd))
    schema = codec.schema.with_kind("seen", "categorical")
    assert schema.columns[0] == Column("seen", "categorical", "str")
    for form, said in {"%d/%m/%Q": "of '%Q' nothing is known", "%d/%m": "lacks %Y"}.items():
        with pytest.raises(DataError, match=said):
            Schema((Column("seen", "datetime", "str", form),))
    with pytest.raises(DataError, match='say it, such as "format": "%m/%d/%Y"'):
        fit_codec(frame, Schema((Column("seen", "datetime", "str"),)))
