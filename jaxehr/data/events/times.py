"""When events were: dates in the way they are written, or a count from the subject's start, which is 2000-01-01."""

import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.dates import (
    date_formats,
    day_and_month_swapped,
    fits,
    looks_like_dates,
    nearest_format,
    read_dates,
)
from jaxehr.data.events.cells import Cells
from jaxehr.data.events.columns import UNITS, EventMap
from jaxehr.data.kinds import DataError
from jaxehr.data.words import NUMBER, matches

log = logging.getLogger(__name__)

EPOCH = np.datetime64("2000-01-01", "us")
FURTHEST = 2.0**62  # microseconds from the epoch


def time_format(batch: pa.Table, how: EventMap, cells: Cells, what: str) -> str | None:
    """The format in which the times of a first batch are written; None is ISO 8601, and where there is none to find.

    Raises DataError for plain numbers, of which it is not said what they count.
    """
    if how.time is None or how.timed in UNITS:
        return None
    column = batch.column(how.time)
    types = pa.types
    if types.is_timestamp(column.type) or types.is_date(column.type):
        return None
    if types.is_temporal(column.type):
        raise DataError(
            f"{what}: '{how.time}' is {column.type}, which is no date; write it as text or numbers, or as timestamps"
        )
    if "%" in how.timed:
        return how.timed
    texts = cells.texts(column).unique().drop_null()
    if not len(texts):
        return None
    values = texts.to_pandas()
    if matches(texts, NUMBER).mean() > 0.5 and not looks_like_dates(values):
        raise DataError(
            f"{what}: '{how.time}' holds numbers such as {texts[0].as_py()}; say what they count from the subject's "
            f"start: --map time={how.time}:minutes (or {', '.join(each for each in UNITS if each != 'minutes')})"
        )
    if 2 * read_dates(values, None).notna().sum() >= len(values):
        return None
    if not looks_like_dates(values):
        raise DataError(
            f"{what}: '{how.time}' holds no dates that are known, such as '{texts[0].as_py()}'; say their format: "
            f"--map 'time={how.time}:%d.%m.%Y %H:%M'"
        )
    return _found(values, what, how.time)


def _found(values: pd.Series, what: str, name: str) -> str:
    """The format of dates that are not ISO; logs it, and whether day and month could be swapped."""
    form = (date_formats(values) or [nearest_format(values)])[0]
    other = day_and_month_swapped(form)
    doubt = other is not None and fits(values, other)
    log.warning(
        "%s: '%s' is read as %s%s",
        *(what, name, form),
        f"; if it is {other}, say so: --map 'time={name}:{other}'" if doubt else "",
    )
    return form


def read_times(
    column, how: EventMap, form: str | None, cells: Cells
) -> tuple[pa.Array, np.ndarray]:
    """(timestamps in microseconds, whether a value is there that does not read)."""
    if pa.types.is_temporal(column.type):
        times = column.cast(pa.timestamp("us"), safe=False).combine_chunks()
        return times, np.zeros(len(column), bool)
    if how.timed in UNITS:
        return _counted(column, UNITS[how.timed], cells)
    texts = cells.texts(column).dictionary_encode()
    dates = read_dates(texts.dictionary.to_pandas().astype(object), form)
    times = pa.array(dates.astype("datetime64[us]"), pa.timestamp("us")).take(texts.indices)
    there = pc.is_valid(texts).to_numpy(zero_copy_only=False)
    return times, there & ~pc.is_valid(times).to_numpy(zero_copy_only=False)


def _counted(column, seconds: int, cells: Cells) -> tuple[pa.Array, np.ndarray]:
    numbers, odd = cells.numbers(column)
    passed = np.rint(numbers.to_numpy(zero_copy_only=False).astype(float) * seconds * 1e6)
    far = np.abs(passed) >= FURTHEST
    gone = np.isnan(passed) | far
    since = EPOCH + np.where(gone, 0, passed).astype("int64").astype("timedelta64[us]")
    times = pa.array(pd.Series(since).mask(gone), pa.timestamp("us"))
    return times, far | pc.is_valid(odd).to_numpy(zero_copy_only=False)
