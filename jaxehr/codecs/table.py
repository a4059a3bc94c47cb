"""The static table as arrays, a row of them for each subject, and back; decode is the exact inverse on real rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.columns import Learnt, NumberKind, column_from_json, encodable, fit_column
from jaxehr.codecs.derived import Derived, completed, derived, followed
from jaxehr.codecs.numbers import Arrays, Number, Scaled
from jaxehr.codecs.offsets import Offset
from jaxehr.codecs.parts import DTYPES, KnownParts, Parts
from jaxehr.codecs.shared import MIN_PATIENTS
from jaxehr.data.records import Records
from jaxehr.data.schema import DataError, Schema


@dataclass(frozen=True)
class TableCodec:
    """Of a table with one row per patient. Ids are not learnt.

    columns     all but ids, in the order of the schema
    offsets     distances between two columns, of which one is never below the other; they follow the columns
    """

    columns: tuple[Learnt, ...]
    offsets: tuple[Offset, ...] = ()

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        schema: Schema,
        numbers: NumberKind = Number,
        min_patients: int = MIN_PATIENTS,
    ) -> "TableCodec":
        """Learns ranges, decimals and categories. Raises DataError where there are fewer rows than min_patients."""
        if not 1 <= min_patients <= len(frame):
            raise DataError(
                f"there are {len(frame):,} rows and min_patients is {min_patients}: what fewer patients have is not "
                "learnt; give more rows, or min_patients=1 (--min-patients 1), which learns all"
            )
        learnt = [c for c in schema.columns if c.kind != "id"]
        columns = {c.name: fit_column(frame[c.name], c, numbers, min_patients) for c in learnt}
        columns = derived(frame, schema, columns, numbers, min_patients)
        own = {name: c for name, c in columns.items() if not isinstance(c, Derived)}
        offsets = tuple(Offset.found(frame, schema, own, numbers, min_patients))
        return cls(tuple(columns.values()), offsets)

    @property
    def learnt(self) -> tuple[Learnt, ...]:
        """All that is encoded, in the order of the parts."""
        return (*self.columns, *(offset.gap for offset in self.offsets))

    @property
    def by_name(self) -> dict[str, Learnt]:
        return {column.name: column for column in self.columns}

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple(k for column in self.learnt for k in column.classes())

    @property
    def missing(self) -> tuple[int, ...]:
        """For each category the class of a missing value, -1 where there is none."""
        return tuple(
            column.missing if i == 0 else -1
            for column in self.learnt
            for i in range(len(column.classes()))
        )

    @property
    def scales(self) -> np.ndarray:
        """[2, number]: mean and standard deviation of each entry of the number part over the rows that have one."""
        scaled = [c.scales for c in self.learnt if isinstance(c, Scaled)]
        return np.concatenate([np.zeros((0, 2)), *scaled]).T

    @property
    def indicators(self) -> tuple[int, ...]:
        """For each entry of the number part the bit that says it is missing, -1 where there is none."""
        found, bits = [], 0
        for column in self.learnt:
            parts = [part for part, _ in column.parts()]
            found += [bits if "bit" in parts else -1] * parts.count("number")
            bits += parts.count("bit")
        return tuple(found)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """What the columns of each part are called."""
        names: dict[str, list[str]] = {"number": [], "bit": [], "category": []}
        for column in self.learnt:
            for part, name in column.parts():
                names[part].append(name)
        return {part: tuple(found) for part, found in names.items()}

    @property
    def sizes(self) -> dict[str, int]:
        return {part: len(names) for part, names in self.names.items()}

    def encode(self, records: Records) -> Parts:
        """The arrays of n rows. Raises DataError for a category that was never seen."""
        assert records.static is not None
        frame = self._with_gaps(records.static)
        return self._stacked({c.name: c.encode(frame[c.name]) for c in self.learnt}, len(frame))

    def known(self, frame: pd.DataFrame, *, missing: Sequence[str] = ()) -> KnownParts:
        """What a frame gives, of which columns may be left out and cells be missing: those are to be filled in.

        missing     columns that are known to be missing, in all rows
        Raises DataError for a column that was never missing, or a category that was never seen.
        """
        n = len(frame)
        frame = self._with_gaps(completed(frame, self.by_name))
        frame = frame.assign(
            **{
                o.name: frame[o.name].where(frame[o.name] >= 0)
                for o in self.offsets
                if o.name in frame
            }
        )
        given = set(frame.columns)
        blank = pd.Series([None] * n, index=frame.index, dtype=object)
        arrays: dict[str, Arrays] = {}
        masks: dict[str, Arrays] = {}
        for c in self.learnt:
            if c.name in missing:
                arrays[c.name] = c.encode(blank)
                # A number that is missing is not known to be what stands in for it.
                masks[c.name] = tuple(np.full(n, part != "number") for part, _ in c.parts())
                continue
            arrays[c.name], seen = c.known(frame.get(c.name, blank))
            masks[c.name] = tuple(mask & (c.name in given) for mask in seen)
        known = self._stacked(masks, n, bool)
        asked = [c.name in given for c in self.learnt for _ in c.classes()]
        filled = ~known["category"] & np.array(asked, bool)
        return KnownParts(self._stacked(arrays, n), known, filled, self._from_high(frame))

    def known_of(self, records: Records) -> KnownParts:
        """The cells that are not missing."""
        assert records.static is not None
        return self.known(records.static[[column.name for column in self.columns]])

    def known_as_it_is(self, records: Records) -> KnownParts:
        """All cells; of one that is missing that it is, where there were such in training."""
        assert records.static is not None
        frame = records.static[[column.name for column in self.columns]]
        n, gaps = len(frame), {c.name: frame[c.name].isna() for c in self.columns if _may_lack(c)}
        rows = {c.name: np.asarray(gaps.get(c.name, np.zeros(n)), bool) for c in self.learnt}
        gone = self._stacked(
            {c.name: (rows[c.name],) * len(c.parts()) for c in self.learnt}, n, bool
        )
        there, lacking = self.known(frame), self.known(frame, missing=list(gaps))
        return there._replace(
            parts={k: np.where(rows, lacking.parts[k], there.parts[k]) for k, rows in gone.items()},
            masks={k: np.where(rows, lacking.masks[k], there.masks[k]) for k, rows in gone.items()},
            filled=there.filled & ~gone["category"],
        )

    def _from_high(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        there = {
            name: frame[name].notna().to_numpy() if name in frame else np.zeros(len(frame), bool)
            for offset in self.offsets
            for name in (offset.low, offset.high)
        }
        return {o.name: there[o.high] & ~there[o.low] for o in self.offsets}

    def _with_gaps(self, frame: pd.DataFrame) -> pd.DataFrame:
        gaps = {
            o.name: o.distance(frame, self.by_name)
            for o in self.offsets
            if {o.low, o.high} <= set(frame.columns)
        }
        return frame.assign(**gaps) if gaps else frame

    def _stacked(self, arrays: dict[str, tuple[np.ndarray, ...]], n: int, dtype=None) -> Parts:
        """The arrays of every column, side by side in their parts."""
        found: dict[str, list[np.ndarray]] = {"number": [], "bit": [], "category": []}
        for column in self.learnt:
            for (part, _), array in zip(column.parts(), arrays[column.name], strict=True):
                found[part].append(array)
        return {
            part: np.stack(found[part], 1).astype(dtype or own)
            if found[part]
            else np.zeros((n, 0), dtype or own)
            for part, own in DTYPES.items()
        }

    def decode(
        self, parts: Parts, *, from_high: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, pd.Series]:
        """The columns of n rows, by name, in their dtypes.

        from_high   as in KnownParts
        """
        values = self._values(parts)
        for offset in self.offsets:
            values |= offset.pair(values, self.by_name, (from_high or {}).get(offset.name))
        return followed(values, self.by_name)

    def _values(self, parts: Parts) -> dict[str, pd.Series]:
        taken = dict.fromkeys(DTYPES, 0)
        values: dict[str, pd.Series] = {}
        for column in self.learnt:
            arrays = []
            for part, _ in column.parts():
                arrays.append(parts[part][:, taken[part]])
                taken[part] += 1
            values[column.name] = column.decode(len(parts["bit"]), *arrays)
        return values

    def possible(self, parts: Parts, from_high: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which rows can be: where the higher of two columns is given, the distance may lead below what was ever seen
        of the lower one, or above."""
        found = np.ones(len(parts["bit"]), bool)
        for offset in self.offsets:
            if from_high[offset.name].any():
                found &= offset.possible(self._values(parts), self.by_name, from_high[offset.name])
        return found

    def kept(self, frame: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
        """The rows, in which what is asked for of a column that follows from others is made to do so, be it beyond what
        was learnt: it is said by the row."""
        index = frame.index
        frame, asked = frame.reset_index(drop=True), asked.reset_index(drop=True)
        again = followed(dict(frame.items()), self.by_name, (-np.inf, np.inf))
        names = [c.name for c in self.columns if isinstance(c, Derived)]
        new = {name: frame[name].where(~asked[name], again[name]) for name in names}
        return frame.assign(**new).set_axis(index)

    def encodable(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows hold nothing but values that were there in training."""
        found = np.ones(len(frame), bool)
        for column in self.columns:
            found &= encodable(column, frame[column.name])
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": [column.to_json() for column in self.columns],
            "offsets": [offset.to_json() for offset in self.offsets],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "TableCodec":
        columns = tuple(_from_json(column) for column in value["columns"])
        return cls(columns, tuple(Offset.from_json(offset) for offset in value["offsets"]))


def _may_lack(column: Learnt) -> bool:
    """Whether training had missing values of it."""
    try:
        column.encode(pd.Series([None], dtype=object))
    except DataError:
        return False
    return bool(column.parts())


def _from_json(value: dict[str, Any]) -> Learnt:
    column: Learnt = (
        Derived.from_json(value) if value["type"] == "Derived" else column_from_json(value)
    )
    return column
