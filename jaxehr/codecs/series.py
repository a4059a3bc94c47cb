"""What is measured of each subject over time, as arrays on a grid of steps, and back to events.

Each variable is a channel with an entry in every step: its value, whether it is missing there, and when in the step it
was measured. Steps that have several variables mostly have them at one moment, so that is said once: the clock, from
the beginning of a step to when most of it was measured; and of each variable its lag behind that, mostly 0.
What is constant is no entry: of hourly values neither clock nor lags, of series without gaps no bits. Where subjects
end at different steps, a bit in each step says that a subject has ended. Nothing is filled in: an entry of a number
that is missing stands at the mean, one of a category at the first class, and is no event when it comes back.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.bins import Bins
from jaxehr.codecs.channels import (
    Channel,
    Scale,
    channel,
    encoded,
    scale,
    stand_in,
)
from jaxehr.codecs.columns import NumberKind, column_from_json
from jaxehr.codecs.numbers import Number, Quantile
from jaxehr.codecs.parts import DTYPES, KnownParts, Parts
from jaxehr.codecs.placed import (
    Placed,
    check_memory,
    clock_and_lags,
    events_of,
    first_of_steps,
    frequent,
    lengths_of,
    placed,
    reached,
    said_of,
    tick_of,
)
from jaxehr.codecs.quantity import UNITS
from jaxehr.codecs.shared import MIN_PATIENTS
from jaxehr.data.grid import NONE, TEXT, Grid
from jaxehr.data.kinds import DataError
from jaxehr.data.records import Records
from jaxehr.data.schema import Schema

log = logging.getLogger(__name__)

ENDED, CLOCK = "ended", "clock"


@dataclass(frozen=True)
class SeriesCodec:
    """Channels over the steps of a grid; the entries of a step lie side by side, step after step.

    grid        of the schema, with the variables that are learnt
    steps       as many as enough subjects reach, at most the grid's length
    clock       from the beginning of a step to the moment at which most of it was measured
    tick        the unit in which clock and lags are whole numbers
    ends        a bit in each step says that a subject has ended: they end at different steps
    rows        subjects
    """

    grid: Grid
    channels: tuple[Channel, ...]
    steps: int
    clock: Scale
    tick: str
    ends: bool
    rows: int = 0

    @classmethod
    def fit(
        cls,
        records: Records,
        schema: Schema,
        numbers: NumberKind = Number,
        min_patients: int = MIN_PATIENTS,
    ) -> "SeriesCodec":
        """Learns the variables that `min_patients` or more have; logs what is left out, and what a step merges.

        Raises DataError where there is no such variable, and for a grid that does not fit into memory.
        """
        assert schema.grid is not None
        if numbers is Bins:
            raise DataError(
                "this recipe holds numbers as classes, and does not learn series; take one that holds numbers, such as "
                "ehrdiff or ddpm, or leave the grid out of the schema"
            )
        grid, subjects = schema.grid, _subjects(records)
        check_memory(len(subjects), grid)
        cells = placed(_events(records), grid, subjects)
        log.warning("series: %s", said_of(cells.counts, grid))
        grid, cells = frequent(cells, grid, min_patients)
        steps, cells = reached(cells, min_patients)
        cells, n = _with_rows(cells, records, len(subjects))
        lengths = lengths_of(cells, n)
        ends = int((lengths < steps).sum()) >= max(min_patients, 1)
        tick = tick_of(cells, min_patients)
        clock, lags = clock_and_lags(cells, UNITS[tick])
        lasts = lengths if ends else np.full(n, steps)
        channels = tuple(
            channel(
                variable,
                _values(own := cells.where(cells.variable == j), variable.dtype),
                lags[cells.variable == j],
                own.row,
                lasts,
                numbers,
                min_patients,
            )
            for j, variable in enumerate(grid.variables)
        )
        first = first_of_steps(cells)
        time = scale(CLOCK, clock[first], cells.row[first], numbers, min_patients)
        return cls(grid, channels, steps, time, tick, ends, n)

    @property
    def variables(self) -> tuple[Any, ...]:
        """The codes that are learnt."""
        return tuple(v.name for v in self.grid.variables)

    @property
    def by_name(self) -> dict[str, Any]:
        """Nothing of a series can be given by its name."""
        return {}

    @property
    def missing(self) -> tuple[int, ...]:
        """No class of a category says that it is missing: a bit does."""
        return (-1,) * len(self.classes)

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple(k for c in self.channels for k in c.value.classes()) * self.steps

    @cached_property
    def step_names(self) -> dict[str, tuple[str, ...]]:
        """What the entries of one step are called, kind by kind: channel by channel, then the clock, and the end."""
        entries = [entry for c in self.channels for entry in c.parts()] + list(self.clock.parts())
        entries += [("bit", ENDED)] if self.ends else []
        return {kind: tuple(name for k, name in entries if k == kind) for kind in DTYPES}

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        steps = range(1, self.steps + 1)
        return {
            kind: tuple(f"{name}, step {step}" for step in steps for name in found)
            for kind, found in self.step_names.items()
        }

    @property
    def sizes(self) -> dict[str, int]:
        return {kind: self.steps * len(names) for kind, names in self.step_names.items()}

    @property
    def layout(self) -> dict[str, np.ndarray]:
        """Of each kind [step, entry]: which column of the part holds it; entries are called as in `step_names`."""
        return {
            kind: np.arange(self.steps * len(names)).reshape(self.steps, len(names))
            for kind, names in self.step_names.items()
        }

    @property
    def indicators(self) -> tuple[int, ...]:
        """For each entry of the number part the bit that says it is missing: its variable's, or that of the end."""
        bits, width = self.step_names["bit"], len(self.step_names["bit"])
        ended = width - 1 if self.ends else -1
        found: list[int] = []
        for c in self.channels:
            own = bits.index(f"{c.name} is missing") if c.optional else ended
            found += [own] * [kind for kind, _ in c.parts()].count("number")
        found += [ended] * len(self.clock.parts())
        return tuple(
            b + width * step if b >= 0 else -1 for step in range(self.steps) for b in found
        )

    @property
    def scales(self) -> np.ndarray:
        """[2, number]: mean and standard deviation of each entry of the number part over the cells that have one."""
        columns = [column for c in self.channels for column in (c.value, c.lag)] + [self.clock]
        found = [c.scales for c in columns if isinstance(c, Number | Quantile)]
        return np.tile(np.concatenate([np.zeros((0, 2)), *found]).T, self.steps)

    def encode(self, records: Records) -> Parts:
        """The arrays of the subjects of the static table, in its order; without one, of those who have an event on the
        grid, in the order of their first.

        Raises DataError for a category that was never seen.
        """
        return self._parts(*self._cells(records))

    def known(self, frame: pd.DataFrame, *, missing: Sequence[str] = ()) -> KnownParts:
        """Nothing: a frame has no series."""
        n = len(frame)
        parts = {k: np.zeros((n, size), DTYPES[k]) for k, size in self.sizes.items()}
        masks = {k: np.zeros((n, size), bool) for k, size in self.sizes.items()}
        return KnownParts(parts, masks, masks["category"], {})

    def known_of(self, records: Records) -> KnownParts:
        """What was measured, and when each subject ends. What was not, before that, is to be filled in."""
        cells, n = self._cells(records)
        parts = self._parts(cells, n)
        alive = np.arange(self.steps) < lengths_of(cells, n)[:, None]
        there = np.zeros((n, self.steps, len(self.channels)), bool)
        there[cells.row, cells.step, cells.variable] = True
        masks = {k: [] for k in DTYPES}  # type: ignore[var-annotated]
        bits = parts["bit"].reshape(n, self.steps, -1)
        for j, c in enumerate(self.channels):
            for kind, name in c.parts():
                missing = name == f"{c.name} is missing"
                masks[kind].append(np.ones_like(alive) if missing else there[:, :, j])
                if missing:
                    bits[:, :, self.step_names["bit"].index(name)] = ~alive
        masks["number"] += [there.any(axis=2)] * len(self.clock.parts())
        masks["bit"] += [np.ones_like(alive)] * self.ends
        parts["bit"] = bits.reshape(n, -1)
        whole_masks = {k: _side_by_side(found, n, self.steps, bool) for k, found in masks.items()}
        return KnownParts(parts, whole_masks, np.zeros_like(whole_masks["category"]), {})

    def there(self, parts: Parts) -> np.ndarray:
        """[n, step, variable]: what is measured. Nothing is once a subject has ended."""
        n = len(parts["bit"])
        bits = parts["bit"].reshape(n, self.steps, -1)
        # A subject has as many steps as do not say that it has ended, whichever these are.
        length = self.steps - (bits[:, :, -1] == 1).sum(1) if self.ends else self.steps
        alive = np.arange(self.steps) < np.reshape(length, (-1, 1))
        found = np.repeat(alive[:, :, None], len(self.channels), axis=2)
        names = self.step_names["bit"]
        for j, c in enumerate(self.channels):
            if c.optional:
                found[:, :, j] &= bits[:, :, names.index(f"{c.name} is missing")] == 0
        return np.broadcast_to(found, (n, self.steps, len(self.channels)))

    def exist(self, parts: Parts) -> np.ndarray:
        """Who has an event."""
        return np.asarray(self.there(parts).any(axis=(1, 2)))

    def decode(self, parts: Parts, schema: Schema, *, first: int = 0) -> pd.DataFrame:
        """Events, subject by subject in time, at times inside their steps; subjects are numbered from first + 1."""
        n, size = len(parts["bit"]), UNITS[self.tick]
        steps = {k: iter(np.moveaxis(a.reshape(n, self.steps, -1), 2, 0)) for k, a in parts.items()}
        there = self.there(parts)
        found, lags = [], []
        for j, c in enumerate(self.channels):
            at = np.nonzero(there[:, :, j])
            value, lag = (
                column.decode(len(at[0]), *(next(steps[k])[at] for k, _ in column.parts()))
                for column in (c.value, c.lag)
            )
            for kind, _ in c.parts()[len(c.value.parts()) + len(c.lag.parts()) :]:
                next(steps[kind])
            found.append((*at, np.full(len(at[0]), j), value.astype(object).to_numpy()))
            lags.append(lag.to_numpy(float))
        row, step, variable, value = (np.concatenate(each) for each in zip(*found, strict=True))
        clock = [next(steps[k])[row, step] for k, _ in self.clock.parts()]
        at = self.clock.decode(len(row), *clock).to_numpy(float) + np.concatenate(lags)
        within = np.clip(at, 0, (self.grid.step - 1) // size).astype(np.int64) * size
        since = step * self.grid.step + within
        order = np.lexsort((variable, since, row))
        cells = (row[order], since[order], variable[order], value[order])
        return events_of(cells, self.grid, schema, n, first)

    def to_json(self) -> dict[str, Any]:
        return {
            "grid": self.grid.to_json(),
            "channels": [c.to_json() for c in self.channels],
            "steps": self.steps,
            "clock": self.clock.to_json(),
            "tick": self.tick,
            "ends": self.ends,
            "rows": self.rows,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "SeriesCodec":
        channels = tuple(Channel.from_json(each) for each in value["channels"])
        grid, clock = Grid.from_json(value["grid"]), column_from_json(value["clock"])
        rest = (value["tick"], value["ends"], value["rows"])
        return cls(grid, channels, value["steps"], clock, *rest)

    def _cells(self, records: Records) -> tuple[Placed, int]:
        subjects = _subjects(records)
        cells = placed(_events(records), self.grid, subjects)
        return _with_rows(cells.where(cells.step < self.steps), records, len(subjects))

    def _parts(self, cells: Placed, n: int) -> Parts:
        shape = (n, self.steps)
        found: dict[str, list[np.ndarray]] = {kind: [] for kind in DTYPES}
        clock, lags = clock_and_lags(cells, UNITS[self.tick])

        def put(column: Any, where: np.ndarray, values: np.ndarray) -> None:
            arrays = encoded(column, values)
            for (kind, _), fill, array in zip(
                column.parts(), stand_in(column), arrays, strict=True
            ):
                whole = np.full(shape, fill, DTYPES[kind])
                whole[cells.row[where], cells.step[where]] = array
                found[kind].append(whole)

        for j, c in enumerate(self.channels):
            own = cells.variable == j
            put(c.value, own, _values(cells.where(own), c.variable.dtype))
            put(c.lag, own, lags[own])
            if c.optional:
                missing = np.ones(shape, np.int8)
                missing[cells.row[own], cells.step[own]] = 0
                found["bit"].append(missing)
        put(self.clock, np.arange(len(clock)), clock)
        if self.ends:
            found["bit"].append(np.arange(self.steps) >= lengths_of(cells, n)[:, None])
        return {k: _side_by_side(found[k], n, self.steps, dtype) for k, dtype in DTYPES.items()}


def _values(cells: Placed, dtype: str) -> np.ndarray:
    return cells.text if dtype in (TEXT, NONE) else cells.number


def _with_rows(cells: Placed, records: Records, n: int) -> tuple[Placed, int]:
    """(cells, subjects): without a static table those alone who have a cell."""
    if records.static is not None:
        return cells, n
    present, row = np.unique(cells.row, return_inverse=True)
    return cells._replace(row=row), len(present)


def _subjects(records: Records) -> pd.Series:
    found = _events(records)["subject_id"].drop_duplicates()
    return found if records.static is None else records.static["subject_id"]


def _events(records: Records) -> pd.DataFrame:
    assert records.events is not None
    return records.events


def _side_by_side(arrays: Sequence[np.ndarray], n: int, steps: int, dtype: Any) -> np.ndarray:
    """[n, step] each -> [n, step x entry]."""
    if not arrays:
        return np.zeros((n, 0), dtype)
    return np.stack(arrays, axis=2).astype(dtype).reshape(n, -1)
