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
from typing import Any

import numpy as np
import pandas as pd

from jaxehr.codecs.bins import Bins
from jaxehr.codecs.channels import (
    Channel,
    channel,
    scale,
)
from jaxehr.codecs.columns import NumberKind, column_from_json
from jaxehr.codecs.numbers import Number
from jaxehr.codecs.parts import DTYPES, KnownParts, Parts
from jaxehr.codecs.placed import (
    clock_and_lags,
    events_of,
    first_of_steps,
    frequent,
    reached,
    said_of,
    tick_of,
)
from jaxehr.codecs.quantity import UNITS
from jaxehr.codecs.shared import MIN_PATIENTS
from jaxehr.codecs.steps import CLOCK, Steps, measured, values_of
from jaxehr.data.grid import Grid
from jaxehr.data.ids import new_ids
from jaxehr.data.kinds import DataError
from jaxehr.data.placed import Placed, check_memory, lengths_of, placed
from jaxehr.data.records import Records
from jaxehr.data.schema import Schema

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeriesCodec(Steps):
    """Channels over the steps of a grid; the entries of a step lie side by side, step after step.

    rows        subjects
    """

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
        if silent := int((lengths == 0).sum()):
            log.warning("series: %s of %s subjects have no event on it", f"{silent:,}", f"{n:,}")
        ends = int((lengths < steps).sum()) >= max(min_patients, 1)
        tick = tick_of(cells, min_patients)
        clock, lags = clock_and_lags(cells, UNITS[tick])
        lasts = lengths if ends else np.full(n, steps)
        channels = tuple(
            channel(
                variable,
                values_of(own := cells.where(cells.variable == j), variable.dtype),
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

    def encode(self, records: Records) -> Parts:
        """The arrays of the subjects of the static table, in its order; without one, of those who have an event on the
        grid, in the order of their first.

        Raises DataError for a category that was never seen.
        """
        return self.arrays(*self._cells(records))

    def known(self, frame: pd.DataFrame, *, missing: Sequence[str] = ()) -> KnownParts:
        """Nothing: a frame has no series."""
        n = len(frame)
        parts = {k: np.zeros((n, size), DTYPES[k]) for k, size in self.sizes.items()}
        masks = {k: np.zeros((n, size), bool) for k, size in self.sizes.items()}
        return KnownParts(parts, masks, masks["category"], {})

    def known_of(self, records: Records, variables: Sequence[Any] = ()) -> KnownParts:
        """What was measured, and when each subject ends. Where one of these variables was not, before that, it is to be
        filled in; where another was not, that is known."""
        cells, n = self._cells(records)
        asked = self._asked(cells, n, variables)
        known = np.ones((n, self.steps), bool)
        return self.known_cells(cells, n, ~asked & ~measured(cells, asked.shape), known)

    def known_until(self, records: Records, step: int) -> KnownParts:
        """What was measured before a step, and that all else was not; every subject is still there."""
        cells, n = self._cells(records)
        cells = cells.where(cells.step < step)
        known = np.broadcast_to(np.arange(self.steps) < step, (n, self.steps))
        absent = ~measured(cells, (n, self.steps, len(self.channels)))
        return self.known_cells(cells, n, absent, known, ended=np.zeros_like(known))

    def gaps(self, records: Records, variables: Sequence[Any]) -> np.ndarray:
        """[n, step, variable]: where one of these variables was not measured, before the subject's end."""
        return self._asked(*self._cells(records), variables)

    def lengths(self, records: Records) -> np.ndarray:
        """[n]: steps up to a subject's last event, 0 without any."""
        return lengths_of(*self._cells(records))

    def exist(self, parts: Parts) -> np.ndarray:
        """Who has an event."""
        return np.asarray(self.there(parts).any(axis=(1, 2)))

    def decode(self, parts: Parts, schema: Schema, *, first: int = 0) -> pd.DataFrame:
        """Events, subject by subject in time, at times inside their steps; subjects are numbered from first + 1."""
        cells = self.cells_of(parts, self.there(parts))
        (dtype,) = (column.dtype for column in schema.events if column.name == "subject_id")
        return events_of(cells, self.grid, schema, new_ids(len(parts["bit"]), first, dtype))

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

    def _asked(self, cells: Placed, n: int, variables: Sequence[Any]) -> np.ndarray:
        own = [v in variables for v in self.variables]
        alive = np.arange(self.steps) < lengths_of(cells, n)[:, None]
        shape = (n, self.steps, len(self.channels))
        return alive[:, :, None] & np.array(own) & ~measured(cells, shape)


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
