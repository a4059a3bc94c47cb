"""Records as arrays, and back: encode, and decode as its exact inverse on real subjects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.codes import Code, CodesCodec
from jaxehr.codecs.columns import Learnt, NumberKind
from jaxehr.codecs.numbers import Number
from jaxehr.codecs.offsets import Offset
from jaxehr.codecs.parts import DTYPES, KnownParts, Parts, joined, joined_known
from jaxehr.codecs.series import SeriesCodec
from jaxehr.codecs.shared import MIN_PATIENTS
from jaxehr.codecs.table import TableCodec
from jaxehr.data.checks import check_values
from jaxehr.data.ids import new_ids
from jaxehr.data.kinds import listed
from jaxehr.data.records import Records, records_of, say_indices
from jaxehr.data.schema import DataError, Schema

Part = TableCodec | CodesCodec | SeriesCodec
PARTS: dict[str, type[Part]] = {"static": TableCodec, "codes": CodesCodec, "series": SeriesCodec}


@dataclass(frozen=True)
class Codec:
    """Codecs of the parts of a record, side by side: the entries of the static table come before those of events.

    parts   static, what the events are (codes or series), or both; what they encode is joined kind by kind
            (jaxehr.codecs.parts)
    rows    subjects that it was learnt from
    """

    schema: Schema
    parts: dict[str, Part]
    rows: int

    @property
    def columns(self) -> tuple[Learnt, ...]:
        """Of the static table, without ids."""
        return self._table.columns

    @property
    def learnt(self) -> tuple[Any, ...]:
        """All of the static table that is encoded, in the order of the parts."""
        return self._table.learnt

    @property
    def offsets(self) -> tuple[Offset, ...]:
        return self._table.offsets

    @property
    def codes(self) -> tuple[Any, ...]:
        return self._codes.codes

    @property
    def series(self) -> SeriesCodec | None:
        """That of the events, where they are a series."""
        found: Any = self.parts.get("series")
        return found

    @property
    def layout(self) -> dict[str, np.ndarray]:
        """Of the series, for each kind of array [step, entry]: its column; all other columns are of the static table.

        Raises DataError where there is no series.
        """
        if self.series is None:
            raise DataError("the records have no series; a grid in the schema makes one of events")
        static = self._table.sizes
        return {kind: static[kind] + columns for kind, columns in self.series.layout.items()}

    @property
    def by_name(self) -> dict[str, Learnt | Code]:
        """What may be given: columns and codes. A code that is called as a column is not among them."""
        return {**self._codes.by_name, **self._table.by_name}

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple(k for part in self.parts.values() for k in part.classes)

    @property
    def missing(self) -> tuple[int, ...]:
        """For each category the class of a missing value, -1 where there is none."""
        return tuple(k for part in self.parts.values() for k in part.missing)

    @property
    def scales(self) -> np.ndarray:
        """[2, number]: mean and standard deviation of each entry of the number part over the rows that have one."""
        return np.concatenate([part.scales for part in self.parts.values()], axis=1)

    @property
    def indicators(self) -> tuple[int, ...]:
        """For each entry of the number part the bit that says it is missing, -1 where there is none."""
        found, bits = [], 0
        for part in self.parts.values():
            found += [bits + bit if bit >= 0 else -1 for bit in part.indicators]
            bits += part.sizes["bit"]
        return tuple(found)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """What the columns of each kind of array are called."""
        return {
            kind: tuple(name for part in self.parts.values() for name in part.names[kind])
            for kind in DTYPES
        }

    @property
    def sizes(self) -> dict[str, int]:
        return {kind: sum(part.sizes[kind] for part in self.parts.values()) for kind in DTYPES}

    def encode(self, data: pd.DataFrame | Records) -> Parts:
        """The arrays of n subjects, in the order of the static table, or of their first event without one.

        Raises DataError for a missing column, and a category or a code that was never seen.
        """
        records = records_of(data)
        self.schema.check(records)
        return joined([part.encode(records) for part in self.parts.values()])

    def known(self, frame: pd.DataFrame, *, missing: Sequence[str] = ()) -> KnownParts:
        """What a frame gives, of which columns may be left out and cells be missing: those are to be filled in.

        frame       columns of the static table, and codes as columns, True or False
        missing     columns that are known to be missing, in all rows
        Raises DataError for a column that is not learnt or was never missing, or a category that was never seen.
        """
        self.check_names(dict.fromkeys(frame.columns))
        found = []
        for part in self.parts.values():
            own = [name for name in frame.columns if str(name) in part.by_name]
            found.append(part.known(frame[own], missing=missing))
        return joined_known(found)

    def known_of(
        self, data: pd.DataFrame | Records, *, variables: Sequence[Any] = ()
    ) -> KnownParts:
        """What there is of these subjects: all codes, and the cells of the table that are not missing; of a series all,
        and where it has no value that it has none, but for these variables, which are to be filled in.

        Raises DataError for a cell that its column's kind cannot hold, and a category or a code that was never seen.
        """
        records = self._checked(data)
        asked = {"series": (variables,)}
        found = [p.known_of(records, *asked.get(name, ())) for name, p in self.parts.items()]
        return joined_known(found)

    def known_until(self, data: pd.DataFrame | Records, step: int) -> KnownParts:
        """The table as it is, and the series before a step; what is missing there is known to be. Errors as above."""
        records = self._checked(data)
        assert self.series is not None
        table = [
            p.known_as_it_is(records) for p in self.parts.values() if isinstance(p, TableCodec)
        ]
        return joined_known([*table, self.series.known_until(records, step)])

    def _checked(self, data: pd.DataFrame | Records) -> Records:
        records = records_of(data)
        for column in self.schema.columns:
            if column.kind != "id" and records.static is not None:
                check_values(records.static[column.name], column)
        return records

    def check_names(self, given: Mapping[Any, Any]) -> None:
        """Raises DataError for a name that is neither a column nor a code, or both."""
        table, codes = self._table.by_name, self._codes.by_name
        for name, value in ((str(name), str(value)) for name, value in given.items()):
            if name in table and name in codes:
                raise DataError(
                    f"'{name}' is a column and a code; rename one of the two, so that it can be said which is meant"
                )
            if name in table or name in codes:
                continue
            if name in (column.name for column in self.schema.of_kind("id")):
                raise DataError(
                    f"'{name}' is an id: it is not learnt, each patient drawn gets a new one, and no condition can be "
                    "put on it"
                )
            what = " and no ".join([*(["column"] if table else []), *(["code"] if codes else [])])
            told = [f"the columns are {listed(sorted(table), name)}"] if table else []
            if codes:
                meant = [value, *get_close_matches(name, codes, n=1), next(iter(codes))]
                near = next(code for code in meant if code in codes)
                told.append(
                    f'of {len(codes):,} codes one is given by its own name: --given "{near}=1" for those who have it, '
                    "0 for those who have not"
                )
            raise DataError(f"there is no {what} '{name}' to put a condition on; {'; '.join(told)}")

    def cells(
        self, parts: Parts, from_high: Mapping[str, np.ndarray] | None = None
    ) -> pd.DataFrame:
        """The static table without its ids; without any column where there is no such table.

        from_high   as in KnownParts
        """
        n = len(parts["bit"])
        values = self._table.decode(self._split(parts)["static"], from_high=from_high)
        names = [name for name in self.schema.names if name in values]
        return pd.DataFrame({name: values[name] for name in names}, index=pd.RangeIndex(n))

    def named(self, parts: Parts, names: Iterable[str]) -> pd.DataFrame:
        """These columns of the static table, and these codes as columns, True where a subject has one."""
        cells, bits = self.cells(parts), self._split(parts)["codes"]["bit"]
        flags = {
            name: bits[:, code.place] == 1
            for name in names
            if isinstance(code := self.by_name[name], Code)
        }
        return cells.assign(**flags)[list(names)]

    def assembled(self, cells: pd.DataFrame, parts: Parts, *, first: int = 0) -> Any:
        """Records as they came (a frame, or Records) of the cells of the static table, and of the events in `parts`.

        Subjects are numbered from first + 1.
        """
        n = len(cells)
        static = events = None
        if self.schema.columns:
            ids = {c.name: new_ids(n, first, c.dtype) for c in self.schema.of_kind("id")}
            static = pd.DataFrame({c: ids.get(c, cells.get(c)) for c in self.schema.names})
            static.attrs["format"] = self.schema.spelling
        if self.schema.events:
            name = "codes" if self.series is None else "series"
            part: Any = self.parts[name]
            events = part.decode(self._split(parts)[name], self.schema, first=first)
            if self.schema.visits is not None:
                events.attrs["visits"] = self.schema.visits.to_json()
        if self.schema.whole or (static is not None and events is not None):
            return Records(static, events)
        return events if static is None else static

    def decode(
        self, parts: Parts, *, first: int = 0, from_high: Mapping[str, np.ndarray] | None = None
    ) -> Any:
        """Subjects in the columns, order and dtypes of the records, numbered from first + 1."""
        return self.assembled(self.cells(parts, from_high), parts, first=first)

    def kept(self, cells: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
        """Cells of the static table, in which those asked for that follow from others do."""
        return self._table.kept(cells, asked)

    def encodable(self, static: pd.DataFrame) -> np.ndarray:
        """Which rows of a static table hold nothing but values that were there in training."""
        return self._table.encodable(static)

    def of_series(self, parts: Parts) -> Parts:
        """Those of the series."""
        return self._split(parts)["series"]

    def exist(self, parts: Parts) -> np.ndarray:
        """Which are subjects: without a static table one who has no event has no line anywhere."""
        if "static" in self.parts:
            return np.ones(len(parts["bit"]), bool)
        if self.series is not None:
            return self.series.exist(parts)
        return np.asarray(parts["bit"].any(axis=1))

    def possible(self, parts: Parts, from_high: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which subjects can be: see `TableCodec.possible`."""
        return self._table.possible(self._split(parts)["static"], from_high)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": self.schema.to_json(),
            "rows": self.rows,
            "parts": {name: part.to_json() for name, part in self.parts.items()},
        }

    @property
    def _table(self) -> TableCodec:
        found: Any = self.parts.get("static", TableCodec(()))
        return found

    @property
    def _codes(self) -> CodesCodec:
        found: Any = self.parts.get("codes", CodesCodec(()))
        return found

    def _split(self, parts: Parts) -> dict[str, Parts]:
        """The arrays of each part, those of none for one that there is not."""
        found, taken = {}, dict.fromkeys(DTYPES, 0)
        for name in PARTS:
            sizes = self.parts[name].sizes if name in self.parts else dict.fromkeys(DTYPES, 0)
            found[name] = {
                kind: array[:, taken[kind] : taken[kind] + sizes[kind]]
                for kind, array in parts.items()
            }
            taken = {kind: taken[kind] + sizes[kind] for kind in DTYPES}
        return found


def fit_codec(
    data: pd.DataFrame | Records,
    schema: Schema | None = None,
    numbers: NumberKind = Number,
    min_patients: int = MIN_PATIENTS,
) -> Codec:
    """The codec of these records; the schema is inferred if not given.

    numbers         what numerical, integer and datetime columns become: Number, BoxCox, Quantile or Bins
    min_patients    who have what is kept of the values (jaxehr.codecs.shared); 1 keeps all of them

    Raises DataError where the records do not fit the schema, or there is nothing to learn.
    """
    schema = Schema.infer(data) if schema is None else schema
    records = records_of(data)
    say_indices(records, "not learnt and not drawn")
    schema.check(records)
    parts: dict[str, Part] = {}
    if records.static is not None:
        parts["static"] = TableCodec.fit(records.static, schema, numbers, min_patients)
    if records.events is not None and schema.grid is not None:
        parts["series"] = SeriesCodec.fit(records, schema, numbers, min_patients)
    elif records.events is not None:
        parts["codes"] = CodesCodec.fit(records, min_patients)
    rows = len(records.static) if records.static is not None else next(iter(parts.values())).rows  # type: ignore[union-attr]
    codec = Codec(schema, parts, rows)
    if all(c.kind == "id" for c in schema.columns) and not schema.events:
        raise DataError("all columns are ids; there is nothing to learn")
    if not any(codec.sizes.values()):
        raise DataError(
            f"no column has more than one value (rows: {rows:,}); there is nothing to learn"
        )
    return codec


def codec_of(
    data: pd.DataFrame | Records | Codec,
    schema: Schema | None,
    numbers: NumberKind,
    min_patients: int = MIN_PATIENTS,
) -> Codec:
    """The codec of these records, as `fit_codec` has it, or the one that is given."""
    if isinstance(data, Codec):
        return data
    return fit_codec(data, schema, numbers, min_patients)


def codec_from_json(value: dict[str, Any]) -> Codec:
    parts = {name: PARTS[name].from_json(part) for name, part in value["parts"].items()}
    return Codec(Schema.from_json(value["schema"]), parts, value["rows"])
