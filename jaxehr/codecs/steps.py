"""Channels over the steps of a grid as arrays: where each entry lies, and from cells to arrays and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jaxehr.codecs.channels import Channel, Scale, encoded, stand_in
from jaxehr.codecs.numbers import Number, Quantile
from jaxehr.codecs.parts import DTYPES, KnownParts, Parts
from jaxehr.codecs.placed import clock_and_lags
from jaxehr.codecs.quantity import UNITS
from jaxehr.data.grid import NONE, TEXT, Grid
from jaxehr.data.placed import Placed, lengths_of

ENDED, CLOCK = "ended", "clock"


@dataclass(frozen=True)
class Steps:
    """The entries of a step lie side by side, step after step.

    grid        of the schema, with the variables that are learnt
    steps       as many as enough subjects reach, at most the grid's length
    clock       from the beginning of a step to the moment at which most of it was measured
    tick        the unit in which clock and lags are whole numbers
    ends        a bit in each step says that a subject has ended: they end at different steps
    """

    grid: Grid
    channels: tuple[Channel, ...]
    steps: int
    clock: Scale
    tick: str
    ends: bool

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
    def values(self) -> tuple[int, ...]:
        """Which entries of the number part of a step are values of variables, or its clock: all but lags."""
        columns = [each for c in self.channels for each in ((c.value, False), (c.lag, True))]
        numbers = [
            is_lag
            for column, is_lag in (*columns, (self.clock, False))
            for kind, _ in column.parts()
            if kind == "number"
        ]
        return tuple(i for i, is_lag in enumerate(numbers) if not is_lag)

    @property
    def codes(self) -> tuple[int, ...]:
        """Which entries of the bit part of a step say that something without a number is missing: a diagnosis."""
        bits = self.step_names["bit"]
        return tuple(
            bits.index(f"{c.name} is missing")
            for c in self.channels
            if c.optional and "number" not in dict(c.value.parts())
        )

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

    def there(self, parts: Parts) -> np.ndarray:
        """[n, step, variable]: what is measured. Nothing is once a subject has ended."""
        n = len(parts["bit"])
        bits = parts["bit"].reshape(n, self.steps, -1)
        # A subject has as many steps as do not say that it has ended, whichever these are.
        ended = (bits[:, :, -1] == 1).sum(1) if self.ends else np.zeros(n, int)
        alive = np.arange(self.steps) < (self.steps - ended)[:, None]
        found = np.repeat(alive[:, :, None], len(self.channels), axis=2)
        names = self.step_names["bit"]
        for j, c in enumerate(self.channels):
            if c.optional:
                found[:, :, j] &= bits[:, :, names.index(f"{c.name} is missing")] == 0
        return found

    def cells_of(self, parts: Parts, where: np.ndarray) -> tuple[np.ndarray, ...]:
        """(row, microseconds since the start, variable, value) of these [n, step, variable], subject by subject in
        time."""
        n, size = len(parts["bit"]), UNITS[self.tick]
        steps = {k: iter(np.moveaxis(a.reshape(n, self.steps, -1), 2, 0)) for k, a in parts.items()}
        found, lags = [], []
        for j, c in enumerate(self.channels):
            at = np.nonzero(where[:, :, j])
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
        return row[order], since[order], variable[order], value[order]

    def arrays(self, cells: Placed, n: int) -> Parts:
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
            put(c.value, own, values_of(cells.where(own), c.variable.dtype))
            put(c.lag, own, lags[own])
            if c.optional:
                missing = np.ones(shape, np.int8)
                missing[cells.row[own], cells.step[own]] = 0
                found["bit"].append(missing)
        put(self.clock, np.arange(len(clock)), clock)
        if self.ends:
            found["bit"].append(np.arange(self.steps) >= lengths_of(cells, n)[:, None])
        return {k: side_by_side(found[k], n, self.steps, dtype) for k, dtype in DTYPES.items()}

    def known_cells(
        self,
        cells: Placed,
        n: int,
        absent: np.ndarray,
        known: np.ndarray,
        ended: np.ndarray | None = None,
    ) -> KnownParts:
        """The cells, and what else is known in the steps [n, step] that are: what is absent, and who has ended."""
        parts, there = self.arrays(cells, n), measured(cells, absent.shape)
        masks: dict[str, list[np.ndarray]] = {k: [] for k in DTYPES}
        bits = parts["bit"].reshape(n, self.steps, -1)
        for j, c in enumerate(self.channels):
            for kind, name in c.parts():
                missing = name == f"{c.name} is missing"
                masks[kind].append(known if missing else there[:, :, j])
                if missing:
                    bits[:, :, self.step_names["bit"].index(name)] = absent[:, :, j]
        masks["number"] += [np.asarray(there.any(axis=2))] * len(self.clock.parts())
        masks["bit"] += [known] * self.ends
        if self.ends and ended is not None:
            bits[:, :, -1] = ended
        parts["bit"] = bits.reshape(n, -1)
        whole_masks = {k: side_by_side(found, n, self.steps, bool) for k, found in masks.items()}
        return KnownParts(parts, whole_masks, np.zeros_like(whole_masks["category"]), {})


def measured(cells: Placed, shape: tuple[int, ...]) -> np.ndarray:
    """[n, step, variable]"""
    found = np.zeros(shape, bool)
    found[cells.row, cells.step, cells.variable] = True
    return found


def values_of(cells: Placed, dtype: str) -> np.ndarray:
    return cells.text if dtype in (TEXT, NONE) else cells.number


def side_by_side(arrays: Sequence[np.ndarray], n: int, steps: int, dtype: Any) -> np.ndarray:
    """[n, step] each -> [n, step x entry]."""
    if not arrays:
        return np.zeros((n, 0), dtype)
    return np.stack(arrays, axis=2).astype(dtype).reshape(n, -1)
