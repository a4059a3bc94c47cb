"""Records as arrays, and back: encode, and decode as its exact inverse on real rows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.codes import CodesCodec as CodesCodec
from jaxehr.codecs.columns import Learnt, NumberKind, column_from_json, fit_column, new_ids
from jaxehr.codecs.numbers import Arrays, Number, Quantile
from jaxehr.codecs.offsets import Offset
from jaxehr.codecs.parts import DTYPES, KnownParts, Parts
from jaxehr.codecs.shared import MIN_PATIENTS
from jaxehr.data.kinds import listed
from jaxehr.data.schema import DataError, Schema

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableCodec:
    """Of a table with one row per patient. Ids are not learnt: decode makes new ones.

    offsets     distances between two columns, of which one is never below the other; they follow the columns
    """

    schema: Schema
    columns: tuple[Learnt, ...]  # all but ids, in the schema's order
    rows: int
    offsets: tuple[Offset, ...] = ()

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        schema: Schema,
        numbers: NumberKind = Number,
        min_patients: int = MIN_PATIENTS,
    ) -> "TableCodec":
        """Learns ranges, decimals and categories. Raises DataError where the frame does not fit the schema."""
        schema.check(frame)
        if not 1 <= min_patients <= len(frame):
            raise DataError(
                f"there are {len(frame):,} rows and min_patients is {min_patients}: what fewer patients have is not "
                "learnt; give more rows, or min_patients=1 (--min-patients 1), which learns all"
            )
        learnt = [c for c in schema.columns if c.kind != "id"]
        if not learnt:
            raise DataError("all columns are ids; there is nothing to learn")
        columns = {c.name: fit_column(frame[c.name], c, numbers, min_patients) for c in learnt}
        offsets = tuple(Offset.found(frame, schema, columns, numbers, min_patients))
        codec = cls(schema, tuple(columns.values()), len(frame), offsets)
        if not any(codec.sizes.values()):
            raise DataError(
                f"no column has more than one value (rows: {len(frame):,}); there is nothing to learn"
            )
        return codec

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
        scaled = [c for c in self.learnt if isinstance(c, Number | Quantile)]
        return np.array([(c.mean, c.std) for c in scaled]).reshape(-1, 2).T

    @property
    def indicators(self) -> tuple[int, ...]:
        """For each entry of the number part the bit that says it is missing, -1 where there is none."""
        found, bits = [], 0
        for column in self.learnt:
            parts = [part for part, _ in column.parts()]
            if "number" in parts:
                found.append(bits if "bit" in parts else -1)
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

    def encode(self, frame: pd.DataFrame) -> Parts:
        """The parts of n rows. Raises DataError for a missing column or a category that was never seen."""
        self.schema.check(frame)
        frame = self._with_gaps(frame)
        return self._stacked({c.name: c.encode(frame[c.name]) for c in self.learnt}, len(frame))

    def known(self, frame: pd.DataFrame, *, missing: Sequence[str] = ()) -> KnownParts:
        """What a frame gives, of which columns may be left out and cells be missing: those are to be filled in.

        missing     columns that are known to be missing, in all rows
        Raises DataError for a column that is not learnt or was never missing, or a category that was never seen.
        """
        n = len(frame)
        for name in frame.columns:
            if name not in self.by_name:
                raise DataError(
                    f"there is no column '{name}' that can be given; the columns are "
                    f"{listed(sorted(self.by_name), name)}"
                )
        frame = self._with_gaps(frame)
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
        self, parts: Parts, *, first: int = 0, from_high: Mapping[str, np.ndarray] | None = None
    ) -> pd.DataFrame:
        """Rows in the columns, order and dtypes of the records; ids are numbered from first + 1.

        from_high   as in KnownParts
        """
        n = len(parts["bit"])
        values = self._values(parts)
        for offset in self.offsets:
            values |= offset.pair(values, self.by_name, (from_high or {}).get(offset.name))
        ids = {c.name: new_ids(n, first, c.dtype) for c in self.schema.of_kind("id")}
        frame = pd.DataFrame({name: {**values, **ids}[name] for name in self.schema.names})
        frame.attrs["format"] = self.schema.spelling
        return frame

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

    def numbered(self, frame: pd.DataFrame, first: int) -> pd.DataFrame:
        """The same rows with ids from first + 1."""
        ids = self.schema.of_kind("id")
        return frame.assign(**{c.name: new_ids(len(frame), first, c.dtype) for c in ids})

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": self.schema.to_json(),
            "columns": [column.to_json() for column in self.columns],
            "rows": self.rows,
            "offsets": [offset.to_json() for offset in self.offsets],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "TableCodec":
        columns = tuple(column_from_json(column) for column in value["columns"])
        offsets = tuple(Offset.from_json(offset) for offset in value["offsets"])
        return cls(Schema.from_json(value["schema"]), columns, value["rows"], offsets)


Codec = TableCodec | CodesCodec


def fit_codec(
    frame: pd.DataFrame,
    schema: Schema | None = None,
    numbers: NumberKind = Number,
    min_patients: int = MIN_PATIENTS,
) -> Codec:
    """The codec of these records; the schema is inferred if not given.

    numbers         what numerical, integer and datetime columns become: Number, Quantile or Bins
    min_patients    who have what is kept of the values (jaxehr.codecs.shared); 1 keeps all of them
    """
    if named := [str(name) for name in frame.index.names if name is not None]:
        log.warning(
            "the index, %s, is not learnt and not drawn: reset_index() makes it a column",
            ", ".join(map(repr, named)),
        )
    schema = Schema.infer(frame) if schema is None else schema
    if schema.records == "codes":
        return CodesCodec.fit(frame, schema, min_patients)
    return TableCodec.fit(frame, schema, numbers, min_patients)


def codec_of(
    data: pd.DataFrame | Codec,
    schema: Schema | None,
    numbers: NumberKind,
    min_patients: int = MIN_PATIENTS,
) -> Codec:
    """The codec of these records, as `fit_codec` has it, or the one that is given."""
    if isinstance(data, pd.DataFrame):
        return fit_codec(data, schema, numbers, min_patients)
    return data


def codec_from_json(value: dict[str, Any]) -> Codec:
    return (CodesCodec if "codes" in value else TableCodec).from_json(value)
