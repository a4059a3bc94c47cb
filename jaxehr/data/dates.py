"""Dates as text or whole numbers: one reader and one writer, by a format that gives back exactly what was read.

A format is strftime's, with what hospitals' files need beside it: %-d %-m %-H %-I without a leading zero, %^b for MAR,
%P for am and pm in small letters, %3f for milliseconds (%1f to %9f: so many digits). All else stands for itself, a zone
too: times are compared as they are written.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise, product

import numpy as np
import pandas as pd

from jaxehr.data.kinds import DataError

MONTHS = (
    "January February March April May June July August September October November December"
).split()
TWO = np.array([f"{i:02}" for i in range(100)], object)
PLAIN = np.array([str(i) for i in range(100)], object)
FOUR = np.array([f"{i:04}" for i in range(10_000)], object)
NAMED = np.array(["", *MONTHS], object)
SHORT = np.array(["", *(month[:3] for month in MONTHS)], object)
LOUD = np.array(["", *(month[:3].upper() for month in MONTHS)], object)

FIELDS: dict[str, Callable[[pd.DatetimeIndex], np.ndarray]] = {
    "%Y": lambda t: FOUR[t.year],
    "%y": lambda t: TWO[t.year % 100],
    "%m": lambda t: TWO[t.month],
    "%-m": lambda t: PLAIN[t.month],
    "%B": lambda t: NAMED[t.month],
    "%b": lambda t: SHORT[t.month],
    "%^b": lambda t: LOUD[t.month],
    "%d": lambda t: TWO[t.day],
    "%-d": lambda t: PLAIN[t.day],
    "%H": lambda t: TWO[t.hour],
    "%-H": lambda t: PLAIN[t.hour],
    "%I": lambda t: TWO[(t.hour - 1) % 12 + 1],
    "%-I": lambda t: PLAIN[(t.hour - 1) % 12 + 1],
    "%M": lambda t: TWO[t.minute],
    "%S": lambda t: TWO[t.second],
    "%p": lambda t: np.array(["AM", "PM"], object)[t.hour // 12],
    "%P": lambda t: np.array(["am", "pm"], object)[t.hour // 12],
    **{f"%{n}f": lambda t, n=n: _fraction(t, n) for n in range(1, 10)},  # type: ignore[misc]
    "%f": lambda t: _fraction(t, 6),
}
FIELD = re.compile("|".join(sorted(map(re.escape, FIELDS), key=len, reverse=True)))


def check_format(form: str, name: str) -> None:
    """Raises DataError for a format that says what is not known here, or no full date."""
    rest = FIELD.sub("", form)
    if "%" in rest:
        raise DataError(
            f"column '{name}' has the format '{form}'; of '%{rest.partition('%')[2][:1]}' nothing is known, "
            f"there are {' '.join(FIELDS)}"
        )
    fields = FIELD.findall(form)
    for wanted in (("Y", "y"), ("m", "b", "B"), ("d",)):
        if not any(field[-1] in wanted for field in fields):
            raise DataError(
                f"column '{name}' has the format '{form}', which lacks %{wanted[0]}: a date has year, month and day"
            )


def read_dates(values: pd.Series, form: str | None) -> pd.Series:
    """Times without a zone; missing where a value is, and where the format does not read it.

    form    of text, and of whole numbers such as 20210305; None reads ISO 8601. Of a column of times it is not asked,
            and those with a zone are told in UTC
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz else values
    text = as_text(values)
    if form is None:
        return pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(
            None
        )
    strptime = re.sub(r"%\df", "%f", form.replace("%-", "%").replace("%^", "%").replace("%P", "%p"))
    read = pd.to_datetime(text, format=strptime, errors="coerce")
    left = read.isna() & text.notna()
    if read.dt.unit == "ns" and left.any():  # as pandas 2 counts, which ends in 2262
        late = {each: _late(each, strptime) for each in text[left].unique()}
        read = read.astype("datetime64[us]").where(~left, text.map(late).astype("datetime64[us]"))
    return read


def write_dates(times: pd.Series, form: str) -> pd.Series:
    """Text; None where there is no time."""
    there = times.notna().to_numpy()
    t = pd.DatetimeIndex(times[there])
    ends = [0, *(end for found in FIELD.finditer(form) for end in found.span()), len(form)]
    text = np.full(len(t), "", object)
    for i, (a, b) in enumerate(pairwise(ends)):
        text = text + (FIELDS[form[a:b]](t) if i % 2 else form[a:b])
    written = np.full(len(times), None, object)
    written[there] = text
    return pd.Series(written, index=times.index, dtype=object)


def unread(values: pd.Series, form: str) -> pd.Series:
    """Those of the values, none of them missing, that the format does not read, or would write in another way."""
    text = as_text(values)
    read = read_dates(text, form)
    return values[(read.isna() | (write_dates(read, form) != text)).to_numpy(bool)]


def days(values: pd.Series, form: str | None) -> np.ndarray:
    """float64 days since 1970, NaN where there is no time."""
    read = read_dates(values, form)
    return np.where(read.isna(), np.nan, read.astype("datetime64[us]").astype("int64") / 86_400e6)


def looks_like_dates(values: pd.Series) -> bool:
    """At least half of a sample is written as dates are, in one way or several, and is a date."""
    sample = left = _sample(values)
    for form in _candidates(sample):
        left = unread(left, form)
        if 2 * len(left) <= len(sample):
            return True
    return False


def date_formats(values: pd.Series) -> list[str]:
    """The formats that read every value, none of them missing, and write each back as it was; the likeliest first."""
    return [form for form in _candidates(_sample(values)) if fits(values, form)]


def fits(values: pd.Series, form: str) -> bool:
    """Whether the format reads every value and writes it back; a sample, looked at first, tells most that do not."""
    return unread(_sample(values), form).empty and unread(values, form).empty


def nearest_format(values: pd.Series) -> str:
    """The format that reads most of a sample of values that look like dates."""
    sample = _sample(values)
    return min(_candidates(sample), key=lambda form: len(unread(sample, form)))


def day_first(form: str) -> bool:
    return next(field[-1] for field in FIELD.findall(form)) == "d"


def day_and_month_swapped(form: str) -> str | None:
    """The format with day and month in each other's place; None where that makes no difference to a reader: the month
    is named, or the year comes first."""
    fields = [field[-1] for field in FIELD.findall(form)]
    if "m" not in fields or fields[0] in "Yy":
        return None
    swap = {"d": "m", "m": "d"}
    return re.sub(r"%(-?)([dm])", lambda found: f"%{found[1]}{swap[found[2]]}", form)


def _fraction(t: pd.DatetimeIndex, digits: int) -> np.ndarray:
    billionths = t.microsecond.to_numpy(np.int64) * 1000 + t.nanosecond.to_numpy(np.int64)
    return np.array([f"{each:09}"[:digits] for each in billionths], object)


def _late(value: str, strptime: str) -> np.datetime64:
    try:
        return np.datetime64(datetime.strptime(value, strptime), "us")
    except ValueError:
        return np.datetime64("NaT", "us")


def as_text(values: pd.Series) -> pd.Series:
    """Dates as their file spells them: whole numbers without a decimal point; what is missing stays so."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        whole = values.where(values.isna() | (values % 1 == 0) & (values.abs() < 2**53))
        values = whole.astype("Int64")
    text = values.astype("string").astype(object)
    return text.where(values.notna(), None)


def _sample(values: pd.Series, most: int = 1000) -> pd.Series:
    """From all over the column, since files are often sorted."""
    return values.iloc[:: max(len(values) // most, 1)]


DATE = re.compile(
    r"""
    (?: (?P<Y>\d{4}) (?P<s1>[-/. ]?) (?P<m>\d{1,2}) (?P=s1) (?P<d>\d{1,2})
      | (?P<a>\d{1,2}) (?P<s2>[-/. ]) (?P<b>\d{1,2}) (?P=s2) (?P<year>\d{4}|\d\d)
      | (?P<day>\d{1,2}) (?P<s3>[-/. ]?) (?P<name>[A-Za-z]{3,9}) (?P=s3) (?P<y3>\d{4}|\d\d)
      | (?P<name4>[A-Za-z]{3,9}) [ ] (?P<day4>\d{1,2}) (?P<s4>,?[ ]) (?P<y4>\d{4}) )
    (?: (?P<T>[ T]?) (?P<H>\d{1,2}) (?P<colon>:?) (?P<M>\d\d)
        (?: (?P=colon) (?P<S>\d\d) (?: (?P<point>[.,]) (?P<f>\d{1,9}) )? )?
        (?P<before>[ ]?) (?P<p>[AP]M|[ap]m)? )?
    (?P<zone> Z | [ ]?(?:UTC|GMT) | [ ]?[+-]\d\d:?\d\d )?
    """,
    re.VERBOSE,
)


def _candidates(sample: pd.Series) -> list[str]:
    """Every format that a few of the values could have; padded before plain, and as the separator has it: 3/5 begins
    with the month, 3.5 and 3-5 with the day."""
    some = as_text(sample.drop_duplicates().iloc[:20]).dropna()  # numbers beyond 2^53 are no dates
    return list(dict.fromkeys(form for value in some for form in _formats_of(value)))


def _formats_of(value: str) -> Iterator[str]:
    found = DATE.fullmatch(value.strip())
    if found is None:
        return
    before, after = value.split(value.strip())
    for date, time in product(_date_parts(found), _time_parts(found)):
        yield before + date + time + (found["zone"] or "") + after


def _date_parts(found: re.Match) -> list[str]:
    year = {4: "%Y", 2: "%y"}
    days, months = ("%d", "%-d"), ("%m", "%-m")
    if found["Y"]:
        s = found["s1"]
        return [f"%Y{s}{m}{s}{d}" for m, d in product(months, days)][: None if s else 1]
    if found["a"]:
        s, y = found["s2"], year[len(found["year"])]
        day_first = [f"{d}{s}{m}{s}{y}" for d, m in product(days, months)]
        month_first = [f"{m}{s}{d}{s}{y}" for m, d in product(months, days)]
        return [*month_first, *day_first] if s == "/" else [*day_first, *month_first]
    name = found["name"] or found["name4"]
    if not any(month.lower().startswith(name.lower()) for month in MONTHS):
        return []
    month = "%^b" if name.isupper() else "%b" if len(name) == 3 else "%B"
    if found["name"]:
        s, y = found["s3"], year[len(found["y3"])]
        return [f"{d}{s}{month}{s}{y}" for d in days]
    return [f"{month} {d}{found['s4']}%Y" for d in days]


def _time_parts(found: re.Match) -> list[str]:
    if not found["H"]:
        return [""]
    c, p = found["colon"], found["p"]
    hours = ("%I", "%-I") if p else ("%H", "%-H")
    rest = f"{c}%M" + (f"{c}%S" if found["S"] else "")
    if found["f"]:
        rest += found["point"] + (f"%{len(found['f'])}f" if len(found["f"]) != 6 else "%f")
    half = found["before"] + ("" if not p else "%p" if p.isupper() else "%P")
    return [f"{found['T']}{hour}{rest}{half}" for hour in (hours if c else hours[:1])]
