"""Data frames made comparable: the same columns, in the same numbers, for every set of records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Int8

from jaxehr.data import Column, DataError, Schema, code_matrix
from jaxehr.data.dates import days, read_dates


@dataclass(frozen=True)
class Table:
    """Numbers are NaN, and labels 0, where a value is missing; `values` gives the spelling of labels 1, 2, ..."""

    numbers: Float[np.ndarray, "n p"]
    labels: Int[np.ndarray, "n q"]
    number_names: tuple[str, ...]
    label_names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self, index: np.ndarray) -> "Table":
        return replace(self, numbers=self.numbers[index], labels=self.labels[index])

    def with_shuffled(self, name: str, rng: np.random.Generator) -> "Table":
        """One column in another order."""
        order = rng.permutation(len(self))
        if name in self.number_names:
            j = self.number_names.index(name)
            return replace(self, numbers=_replaced(self.numbers, j, self.numbers[order, j]))
        j = self.label_names.index(name)
        return replace(self, labels=_replaced(self.labels, j, self.labels[order, j]))


@dataclass(frozen=True)
class Bits:
    """Patient x code."""

    bits: Int8[np.ndarray, "n code"]
    codes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.bits)

    def rows(self, index: np.ndarray) -> "Bits":
        return replace(self, bits=self.bits[index])

    def with_shuffled(self, name: str, rng: np.random.Generator) -> "Bits":
        """One code in another order."""
        j = self.codes.index(name)
        order = rng.permutation(len(self))
        return replace(self, bits=_replaced(self.bits, j, self.bits[order, j]))


Records = Table | Bits


def _replaced(matrix: np.ndarray, j: int, column: np.ndarray) -> np.ndarray:
    changed = matrix.copy()
    changed[:, j] = column
    return changed


def joined(a: Records, b: Records) -> Records:
    """The rows of both."""
    if isinstance(a, Bits):
        return replace(a, bits=np.concatenate([a.bits, b.bits]))  # type: ignore[union-attr]
    numbers = np.concatenate([a.numbers, b.numbers])  # type: ignore[union-attr]
    return replace(a, numbers=numbers, labels=np.concatenate([a.labels, b.labels]))  # type: ignore[union-attr]


def some(records: Records, n: int, seed: int) -> Records:
    """n rows in random order: files are often sorted, and a sorted head is not a sample."""
    return records.rows(np.random.default_rng(seed).permutation(len(records))[:n])


def comparable(schema: Schema, frames: dict[str, pd.DataFrame]) -> tuple[Records, ...]:
    """The sets of records, in the columns of the schema. Raises DataError naming columns that are missing or extra.

    Where the schema leaves out a column of the first set, it was chosen, and others may be there: none is extra.
    """
    chosen = not set(next(iter(frames.values())).columns) <= set(_named(schema))
    for name, frame in frames.items():
        if frame.empty:
            raise DataError(f"the {name} records are empty")
        _check_columns(schema, name, frame if not chosen else frame.filter(_named(schema)))
    sets = [with_times(schema, name, frame) for name, frame in frames.items()]
    if schema.records == "codes":
        codes = code_matrix(sets[0])[2]
        return tuple(Bits(code_matrix(frame, codes)[0].toarray(), codes) for frame in sets)
    return _tables(schema, sets)


def with_times(schema: Schema, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The records with dates as times, read by the schema's format; other files may have them as times, or in ISO 8601.

    Raises DataError for a value that is neither; `name` says whose it is.
    """
    dated = [c for c in schema.of_kind("datetime") if c.name in frame.columns]
    return frame.assign(**{c.name: _times(frame[c.name], c, name) for c in dated})


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


def overlap(real: Records, held: Records) -> tuple[int, float]:
    """How many held-out rows equal a real one, and how many would if they were as alike as real rows are among
    themselves."""
    a, b = _as_bytes(real), _as_bytes(held)
    shared = int(np.isin(b, a).sum())
    _, inverse, counts = np.unique(a, return_inverse=True, return_counts=True)
    return shared, float((counts[inverse] > 1).mean() * len(b))


def _as_bytes(records: Records) -> np.ndarray:
    """A row as one value."""
    if isinstance(records, Bits):
        rows = np.packbits(records.bits, axis=1)
    else:
        parts = (records.numbers.astype(np.float64), records.labels.astype(np.int64))
        rows = np.concatenate([np.ascontiguousarray(part).view(np.uint8) for part in parts], axis=1)
    rows = np.ascontiguousarray(rows)
    return rows.view(np.dtype((np.void, rows.shape[1]))).reshape(-1)


def unknown_codes(real: pd.DataFrame, synthetic: pd.DataFrame) -> int:
    """How many codes of the synthetic records no real patient has."""
    return len(set(synthetic["code"]) - set(real["code"]))


def _named(schema: Schema) -> list[str]:
    return [c.name for c in (*schema.columns, *schema.events)]


def _check_columns(schema: Schema, name: str, frame: pd.DataFrame) -> None:
    missing = [column for column in _named(schema) if column not in frame.columns]
    extra = [column for column in frame.columns if column not in _named(schema)]
    if schema.records == "codes":
        extra = []  # MEDS files have more, and may
    said = [f"lack {missing}"] if missing else []
    said += [f"have {extra}, which the real ones lack"] if extra else []
    if said:
        raise DataError(f"the {name} records {' and '.join(said)}; give files of the same columns")


def _tables(schema: Schema, sets: Sequence[pd.DataFrame]) -> tuple[Table, ...]:
    numbers = schema.of_kind("numerical", "integer", "datetime")
    labels = schema.of_kind("categorical", "boolean")
    if not numbers and not labels:
        raise DataError("all columns are ids; there is nothing to compare")
    coded, values = [], []
    for column in labels:
        text = [_spelled(frame[column.name]) for frame in sets]
        _check_labels(column.name, text)
        known = sorted(set().union(*(t.dropna().unique() for t in text)))
        coded.append([pd.Index(known).get_indexer(pd.Index(t)) + 1 for t in text])
        values.append(tuple(known))
    return tuple(
        Table(
            _stack([_numbers(frame[c.name], c.name, c.kind) for c in numbers], len(frame), float),
            _stack([column[i] for column in coded], len(frame), int),
            tuple(c.name for c in numbers),
            tuple(c.name for c in labels),
            tuple(values),
        )
        for i, frame in enumerate(sets)
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
    spelled = values.map(_one, na_action="ignore")
    return spelled.astype(object).where(values.notna(), None)


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
