"""Data frames made comparable: the same columns, in the same numbers, for every set of records."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from jaxehr.data import Column, DataError, Grid, Records, Schema, code_matrix, records_of
from jaxehr.data.dates import days, read_dates
from jaxehr.data.records import check_joined
from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.courses import courses_of

NUMBERS = ("numerical", "integer", "datetime")
LABELS = ("categorical", "boolean")
Data = pd.DataFrame | Records  # a frame is a table, or codes where it has subject_id and code


def comparable(schema: Schema, sets: Mapping[str, Data]) -> tuple[Blocks, ...]:
    """The sets of records, in the columns of the schema. Raises DataError naming columns that are missing or extra.

    Where the schema leaves out a column of the first set, it was chosen, and others may be there: none is extra.
    """
    found = {name: with_times(schema, name, data) for name, data in sets.items()}
    records = {name: records_of(data) for name, data in found.items()}
    first = next(iter(records.values()))
    check_parts(records)
    tables = {name: each.static for name, each in records.items() if each.static is not None}
    _check_columns(schema, tables, {"subject_id"} if first.events is not None else set())
    if schema.grid is not None:
        return _with_courses(schema, schema.grid, records, tables)
    numbers, labels, values = _columns(
        schema.columns, [*tables.values()], [*map(len, records.values())]
    )
    bits, codes = _bits([*records.values()])
    if not numbers[0].shape[1] + labels[0].shape[1] + len(codes):
        raise DataError("all columns are ids; there is nothing to compare")
    of_numbers, of_labels = _names(schema.columns)
    twice = {*of_numbers, *of_labels} & set(codes)
    if twice:
        raise DataError(f"'{min(twice)}' is both a static column and a code; rename one")
    return tuple(
        Blocks(*each, of_numbers, of_labels, codes, values)
        for each in zip(numbers, labels, bits, strict=True)
    )


def _with_courses(
    schema: Schema, grid: Grid, records: Mapping[str, Records], tables: Mapping[str, pd.DataFrame]
) -> tuple[Blocks, ...]:
    """Of a series: the static table with its summaries beside it, and the courses themselves."""
    found = courses_of(grid, records)
    columns = (*schema.columns, *next(iter(found.values())).columns)
    of_numbers, of_labels = _names(columns)
    both = [*of_numbers, *of_labels]
    if twice := [name for name in both if both.count(name) > 1]:
        raise DataError(f"'{twice[0]}' is both a static column and a summary of events; rename one")
    wide = [
        pd.concat(
            [*([tables[name].reset_index(drop=True)] if tables else []), own.summaries], axis=1
        )
        for name, own in found.items()
    ]
    numbers, labels, values = _columns(
        columns, wide, [*map(len, wide)], next(iter(found.values())).summaries
    )
    return tuple(
        Blocks(x, y, np.zeros((len(x), 0), np.int8), of_numbers, of_labels, (), values, *own[:3])
        for x, y, own in zip(numbers, labels, found.values(), strict=True)
    )


def _names(columns: Sequence[Column]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of numbers, and of labels."""
    of_numbers = tuple(c.name for c in columns if c.kind in NUMBERS)
    return of_numbers, tuple(c.name for c in columns if c.kind in LABELS)


def with_times(schema: Schema, name: str, data: Data) -> Data:
    """The records with dates as times, read by the schema's format; other files may have them as times, or in ISO 8601.

    Raises DataError for a value that is neither; `name` says whose it is.
    """
    frame = records_of(data).static
    dated = [] if frame is None else [c for c in schema.of_kind("datetime") if c.name in frame]
    if frame is None or not dated:
        return data
    frame = frame.assign(**{c.name: _times(frame[c.name], c, name) for c in dated})
    return replace(data, static=frame) if isinstance(data, Records) else frame


def _times(values: pd.Series, column: Column, name: str) -> pd.Series:
    numbers = pd.api.types.is_numeric_dtype(values)
    read = read_dates(values, column.format)
    left = read.isna() & values.notna()
    if left.any() and not numbers:
        read = read.where(~left, read_dates(values.where(left), None))
    odd = values[read.isna() & values.notna()]
    if len(odd) and numbers:
        raise DataError(
            f"column '{column.name}' is datetime in the real records, but numbers elsewhere"
        )
    if len(odd):
        raise DataError(
            f"column '{column.name}' of the {name} records holds {str(odd.iloc[0])!r}, which is no date as the real "
            f"ones have it ({column.format or 'ISO 8601'}); write it in that way, or give a --schema with its format"
        )
    return read


def on_grid(grid: Grid | None, data: Data) -> Data:
    """The records without those events of a series that lie before or after its steps, which no draw has."""
    records = records_of(data)
    if grid is None or records.events is None:
        return data
    since = grid.since(records.events)
    off = ((since < 0) | (since >= grid.length * grid.step)).to_numpy(bool, na_value=False)
    return replace(records, events=records.events[~off].reset_index(drop=True))


def unknown_codes(real: Data, synthetic: Data) -> int:
    """How many codes of the synthetic records no real patient has."""
    found, known = (records_of(data).events for data in (synthetic, real))
    if found is None or known is None:
        return 0
    return len(set(found["code"]) - set(known["code"]))


PARTS = {"static": "a static table", "events": "events (subject_id and code)"}


def check_parts(sets: Mapping[str, Records]) -> None:
    """Raises DataError for records that are empty, of other parts than the first ones, or of subjects without a row."""
    first = next(iter(sets.values()))
    for name, records in sets.items():
        if not len(records):
            raise DataError(f"the {name} records are empty")
        for part, what in PARTS.items():
            frame, wanted = getattr(records, part), getattr(first, part)
            if frame is None and wanted is not None:
                raise DataError(f"the {name} records lack {what}, which the real ones have")
            if frame is not None and wanted is None:
                raise DataError(f"the {name} records have {what}, which the real ones lack")
        if records.static is not None and records.events is not None:
            check_joined(records.static, records.events)


def _check_columns(schema: Schema, tables: Mapping[str, pd.DataFrame], ids: set[str]) -> None:
    """ids: what says whose a row is, which no schema needs to name."""
    names = [column.name for column in schema.columns if column.name not in ids]
    chosen = any(not set(frame) <= {*names, *ids} for frame in [*tables.values()][:1])
    for name, frame in tables.items():
        missing = [column for column in names if column not in frame]
        extra = [] if chosen else [c for c in frame if c not in {*names, *ids}]
        said = [f"lack {missing}"] if missing else []
        said += [f"have {extra}, which the real ones lack"] if extra else []
        if said:
            raise DataError(
                f"the {name} records {' and '.join(said)}; give files of the same columns"
            )


def _columns(
    columns: Sequence[Column],
    tables: Sequence[pd.DataFrame],
    sizes: Sequence[int],
    summaries: Container[str] = (),
) -> tuple[list[np.ndarray], list[np.ndarray], tuple[tuple[str, ...], ...]]:
    """Numbers and labels of each set, and how the labels are spelled.

    summaries   columns of which sets may share no value
    """
    coded, values = [], []
    for column in (c for c in columns if c.kind in LABELS):
        text = [_spelled(frame[column.name]) for frame in tables]
        if column.name not in summaries:
            _check_labels(column.name, text)
        known = sorted(set().union(*(t.dropna().unique() for t in text)))
        coded.append([pd.Index(known).get_indexer(pd.Index(t)) + 1 for t in text])
        values.append(tuple(known))
    numbers = [
        [_numbers(frame[c.name], c.name, c.kind) for c in columns if c.kind in NUMBERS]
        for frame in tables
    ]
    labels = [[column[i] for column in coded] for i in range(len(tables))]
    stacked = lambda sets, dtype: [
        _stack(own, n, dtype) for own, n in zip(sets or [[]] * len(sizes), sizes, strict=True)
    ]
    return stacked(numbers, float), stacked(labels, int), tuple(values)


def _bits(sets: Sequence[Records]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Patient x code of each set, in the codes of the first."""
    if sets[0].events is None:
        return [np.zeros((len(each), 0), np.int8) for each in sets], ()
    codes = code_matrix(sets[0].events)[2]
    for events in [each.events for each in sets[1:] if each.events is not None]:
        _check_codes(codes, events["code"].unique())
    subjects = lambda each: None if each.static is None else each.static["subject_id"]
    found = [code_matrix(each.events, codes, subjects(each))[0] for each in sets]
    return [bits.toarray() for bits in found], codes


def _check_codes(known: Sequence, found: Sequence) -> None:
    """Raises DataError where no code is one of the first set's, but would be as text."""
    if not set(known) & set(found) and (alike := set(map(str, known)) & set(map(str, found))):
        raise DataError(
            f"code '{min(alike)}' is text in one set of records and a number in another, and so are the others; make "
            "them one or the other: astype(str)"
        )


def _check_labels(name: str, text: list[pd.Series]) -> None:
    """Raises DataError where another set shares no value with the first: it is coded in another way."""
    known = set(text[0].dropna())
    for other in text[1:]:
        found = set(other.dropna())
        if found and not known & found:
            raise DataError(
                f"column '{name}' shares no value with the real records: they have {_few(known)}, "
                f"another file {_few(found)}; code both in one way"
            )


def _few(values: set) -> str:
    shown = ", ".join(f"'{value}'" for value in sorted(values)[:3])
    return shown + (" ..." if len(values) > 3 else "")


def _stack(columns: list[np.ndarray], n: int, dtype) -> np.ndarray:
    return np.stack(columns, 1) if columns else np.zeros((n, 0), dtype)


def _spelled(values: pd.Series) -> pd.Series:
    """Text, the same for True, 1 and 1.0, whatever the file's dtype."""
    if pd.api.types.is_bool_dtype(values):
        values = values.astype("object")
    place, different = pd.factorize(values)  # -1 of a missing value
    spelled = np.array([*different.to_series().map(_one), None], object)
    return pd.Series(spelled[place], values.index, dtype=object)


def _one(value) -> str:
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _numbers(values: pd.Series, name: str, kind: str) -> np.ndarray:
    if kind == "datetime":
        return days(values, None)
    try:
        return pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataError(
            f"column '{name}' is {kind} in the real records, but holds text elsewhere"
        ) from None
