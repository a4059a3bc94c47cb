"""Draws under conditions, and missing cells filled in."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.data import Codec, CodesCodec, DataError, KnownParts, Parts
from jaxehr.data.columns import Category, Flag
from jaxehr.data.numbers import Bins, Number, Quantile

log = logging.getLogger(__name__)

Drawn = Callable[[KnownParts | None, int], Iterator[Parts]]
Test = Callable[[pd.Series], np.ndarray]

POOL, ENOUGH = 4096, 512  # draws to look for a condition among; as many that meet it are plenty


def pinned(drawn: Drawn, given: Mapping[str, Any], codec: Codec) -> KnownParts:
    """What is known of each record under the conditions: one row, or as many as there are different ones.

    A value is known as it stands. For a range or a list of values the cell is first drawn: of records that the model
    draws given the values alone, those that meet the other conditions say what these cells are, jointly. The rest of
    each record is then drawn, inside the diffusion, given all of them.

    Raises DataError for a condition on a column that is not there, on a value never seen, or on a range that is empty
    or outside of what was learnt. Logs a warning where the model hardly ever draws what is asked for.
    """
    values, tests = _read(given, codec)
    exact = codec.known(pd.DataFrame({name: [value] for name, value in values.items()}, index=[0]))
    if isinstance(codec, CodesCodec):
        return exact
    wanted = tests or {name: _equal(value) for name, value in values.items()}
    pool, seen = _pool(drawn, exact if values and tests else None, wanted, codec)
    _judge(len(pool), seen, given, tests)
    return codec.known(pool[list(tests)].assign(**values)) if tests else exact


def _pool(
    drawn: Drawn, known: KnownParts | None, wanted: Mapping[str, Test], codec: Codec
) -> tuple[pd.DataFrame, int]:
    """(the draws that pass all tests, of how many)."""
    found: list[pd.DataFrame] = []
    seen = 0
    for parts in drawn(known, 1024):
        frame = codec.decode(parts)
        seen += len(frame)
        found.append(frame[np.all([test(frame[name]) for name, test in wanted.items()], axis=0)])
        if sum(map(len, found)) >= ENOUGH or seen >= POOL:
            break
    return pd.concat(found, ignore_index=True), seen


def _judge(met: int, seen: int, given: Mapping[str, Any], tests: Mapping[str, Test]) -> None:
    said = ", ".join(f"{name}={value!r}" for name, value in given.items())
    if not met and tests:
        raise DataError(
            f"of {seen:,} patients drawn none has {said}; there is nothing to go by: ask for a wider range"
        )
    if not tests and met < seen / 1000:
        log.warning(
            "of %d patients drawn without the condition %s: the training records hardly show it, if at all",
            seen,
            f"{met or 'none'} {'have' if met > 1 else 'has'} {said}",
        )
    elif tests and met < 30:
        log.warning(
            "of %d patients drawn only %d have %s: %s repeat what these few have",
            seen,
            met,
            said,
            ", ".join(tests),
        )


def imputed(
    drawn: Drawn, data: pd.DataFrame, recipe: Any, *, unseen_as_missing: bool, batch_size: int
) -> pd.DataFrame:
    """See `Synthesizer.impute`."""
    codec = recipe.codec
    if isinstance(codec, CodesCodec):
        raise DataError("codes have no missing cells: a code is there or not; impute is for tables")
    absent = [column.name for column in codec.columns if column.name not in data.columns]
    if absent or data.empty:
        raise DataError(
            f"the data has no column {', '.join(map(repr, absent))}, which the run was trained on"
            if absent
            else "the data has no rows"
        )
    given = data[[column.name for column in codec.columns]].reset_index(drop=True)
    if unseen_as_missing:
        given = given.assign(**{c.name: _only_seen(given[c.name], c) for c in codec.columns})
    frames: list[pd.DataFrame] = []
    done = 0
    for parts in drawn(codec.known(given), min(batch_size, len(data))):
        frames.append(codec.decode(parts))
        done += len(frames[-1])
        if done >= len(data):
            break
    filled = pd.concat(frames, ignore_index=True)[: len(data)].set_axis(data.index)
    result = data.copy()
    for name in given.columns:
        gaps = given[name].isna().to_numpy()
        if gaps.any():
            result[name] = data[name].where(~gaps, filled[name])
    return result


def _only_seen(values: pd.Series, column: Any) -> pd.Series:
    if not isinstance(column, Category | Flag):
        return values
    return values.where(values.isin([v for v in column.values if v is not None]))


def parse(pairs: Sequence[str], codec: Codec) -> dict[str, Any]:
    """["sex=F", "age=65:80", "ward=icu|er"] -> {"sex": "F", "age": (65, 80), "ward": ["icu", "er"]}.

    Texts become what the column holds. Raises DataError for one that does not read, or a column that is not there.
    """
    given: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = (
            pair.rpartition("=") if isinstance(codec, CodesCodec) else pair.partition("=")
        )
        if not equals:
            raise DataError(f"--given takes COLUMN=VALUE; got '{pair}'")
        if isinstance(codec, CodesCodec):
            given[name] = _flag(name, text)
            continue
        column = next((c for c in codec.columns if c.name == name), None)
        given[name] = text if column is None else _value(column, text)
    return given


def _flag(name: str, text: str) -> bool:
    if text.lower() not in ("0", "1", "true", "false"):
        raise DataError(f"the code {name} is given as 1 (there) or 0 (not there); got '{text}'")
    return text.lower() in ("1", "true")


def _value(column: Any, text: str) -> Any:
    if isinstance(column, Number | Quantile | Bins):
        low, colon, high = text.partition(":")
        ends = tuple(_number(column, end) if end else None for end in (low, high))
        return ends if colon else ends[0]
    spelling = {str(value): value for value in getattr(column, "values", ()) if value is not None}
    found = [spelling.get(word, word) for word in text.split("|")]
    return found if len(found) > 1 else found[0]


def _number(column: Number | Quantile | Bins, text: str) -> Any:
    if column.quantity.kind == "datetime":
        return text if column.quantity.format else pd.Timestamp(text)
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"'{column.name}' is {column.quantity.kind}: a condition is a number or LOW:HIGH; got '{text}'"
        ) from None


def _read(given: Mapping[str, Any], codec: Codec) -> tuple[dict[str, Any], dict[str, Test]]:
    """(values known as they stand, tests of the other conditions), by column."""
    values: dict[str, Any] = {}
    tests: dict[str, Test] = {}
    if isinstance(codec, CodesCodec):
        return dict(given), tests
    columns = {column.name: column for column in codec.columns}
    for name, wanted in given.items():
        if name not in columns:
            raise DataError(
                f"there is no column '{name}' to put a condition on; the columns are {', '.join(sorted(columns))}"
            )
        column = columns[name]
        if isinstance(column, Number | Quantile | Bins):
            low, high = wanted if isinstance(wanted, tuple | list) else (wanted, wanted)
            ends = _ends(column, low, high)
            if isinstance(wanted, tuple | list):
                tests[name] = _within(column, *ends)
            else:
                values[name] = wanted
        elif isinstance(wanted, tuple | list | set):
            for value in wanted:
                _seen(column, value)
            tests[name] = _one_of(list(wanted))
        else:
            _seen(column, wanted)
            values[name] = wanted
    return values, tests


def _ends(column: Number | Quantile | Bins, low: Any, high: Any) -> tuple[float, float]:
    """The ends of a range, as numbers. Raises DataError where no value seen lies between them."""
    quantity = column.quantity
    ends = [
        float(default) if end is None else float(quantity.numbers(pd.Series([end]))[0])
        for end, default in ((low, quantity.low), (high, quantity.high))
    ]
    shown = f"{low if low is not None else ''}:{high if high is not None else ''}"
    if ends[0] > ends[1]:
        raise DataError(
            f"the range {shown} of '{column.name}' is empty: its low end is above its high end"
        )
    if ends[1] < quantity.low or ends[0] > quantity.high:
        seen = quantity.series(np.array([quantity.low, quantity.high])).tolist()
        raise DataError(
            f"'{column.name}' was between {seen[0]} and {seen[1]} in training; {shown} cannot be drawn"
        )
    return ends[0], ends[1]


def _within(column: Number | Quantile | Bins, low: float, high: float) -> Test:
    def test(cells: pd.Series) -> np.ndarray:
        numbers = column.quantity.numbers(cells)
        return (numbers >= low) & (numbers <= high)

    return test


def _seen(column: Any, value: Any) -> None:
    values = getattr(column, "values", None)
    if values is not None and value not in [v for v in values if v is not None]:
        known = ", ".join(repr(v) for v in values if v is not None)
        raise DataError(f"'{column.name}' was never {value!r} in training; it was one of {known}")


def _equal(value: Any) -> Test:
    return lambda cells: (cells == value).fillna(False).to_numpy(bool)


def _one_of(wanted: list[Any]) -> Test:
    return lambda cells: cells.isin(wanted).to_numpy()
