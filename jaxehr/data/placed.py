"""Events as cells of a grid: subject, step and variable, at most one event in each."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxehr.data.grid import NONE, TEXT, Grid
from jaxehr.data.kinds import DataError
from jaxehr.machine import memory

EARLY = "before the start"
BYTES = 60  # that a cell of the grid takes while it is encoded, at most, about


class Placed(NamedTuple):
    """Cells in the order of subjects, steps and variables.

    row, step, variable     of each cell
    offset      microseconds from the beginning of the step to the event
    number      its value, NaN of one that is text or has none
    text        its text, None of one that is a number or has none
    counts      of the events: "all", "merged" (others of their cell that are not the last), "twins" (among these, at
                the same moment), and those that are left out, by why
    """

    row: np.ndarray
    step: np.ndarray
    variable: np.ndarray
    offset: np.ndarray
    number: np.ndarray
    text: np.ndarray
    counts: dict[str, int]

    def where(self, mask: np.ndarray) -> "Placed":
        return self._replace(**{name: getattr(self, name)[mask] for name in self._fields[:-1]})


def placed(events: pd.DataFrame, grid: Grid, subjects: pd.Series) -> Placed:
    """The events of these subjects on the grid; of several in a cell the last (in the order of the rows, where they are
    of one moment), its number their mean where the grid says so.

    Raises DataError where a row lacks its subject or its code.
    """
    lacking = events[["subject_id", "code"]].isna().any(axis=1).to_numpy()
    if lacking.any():
        line = int(np.flatnonzero(lacking)[0]) + 1
        raise DataError(f"record {line} lacks its subject_id or its code; correct or drop it")
    names = pd.Index([v.name for v in grid.variables])
    variable = names.get_indexer(pd.Index(events["code"]))
    row = pd.Index(subjects).get_indexer(pd.Index(events["subject_id"]))
    since = grid.since(events)
    timed = since.notna().to_numpy()
    ticks = since.fillna(0).to_numpy(np.int64)
    step = ticks // grid.step
    number, text, valued = _values(events, grid, variable)
    counts = {"all": len(events)}
    stays = np.ones(len(events), bool)
    for why, out in {
        "of codes that the grid does not name": variable < 0,
        "without a time": ~timed,
        "without a value": ~valued,
        EARLY: step < 0,
        "after the last step": step >= grid.length,
    }.items():
        counts[why] = int((stays & out).sum())
        stays &= ~out
    at = np.flatnonzero(stays & (row >= 0))
    cell = (row[at].astype(np.int64) * grid.length + step[at]) * len(names) + variable[at]
    order = np.lexsort((ticks[at], cell))
    at, cell = at[order], cell[order]
    last = np.append(np.diff(cell) != 0, True)[: len(cell)]
    twins = (np.diff(cell) == 0) & (np.diff(ticks[at]) == 0)
    counts |= {"merged": int((~last).sum()), "twins": int(twins.sum())}
    means = _means(number[at], last) if grid.value == "mean" and len(at) else number[at][last]
    mean = np.array([v.kind == "numerical" for v in grid.variables])[variable[at][last]]
    at = at[last]
    value = np.where(mean, means, number[at])
    return Placed(row[at], step[at], variable[at], ticks[at] % grid.step, value, text[at], counts)


def lengths_of(cells: Placed, n: int) -> np.ndarray:
    """[n]: steps up to a subject's last event, 0 without any."""
    found = np.zeros(n, int)
    np.maximum.at(found, cells.row, cells.step + 1)
    return found


def check_memory(n: int, grid: Grid) -> None:
    """Raises DataError for a grid that takes more than half of the machine's memory as arrays."""
    step, there = n * len(grid.variables) * BYTES, memory()
    needed = step * grid.length
    if needed > there / 2:
        fits = there // 2 // step
        raise DataError(
            f"{len(grid.variables):,} variables in {grid.length:,} steps of {n:,} subjects take about "
            f"{needed / 2**30:,.1f} GiB as arrays, and this machine has {there / 2**30:,.0f}, half of which "
            f"holds {fits:,} steps: in the schema's grid take a longer every, a smaller length, or fewer variables"
        )


def _values(
    events: pd.DataFrame, grid: Grid, variable: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(numbers, texts, whether an event has what its variable needs)."""
    n = len(events)
    number, text = np.full(n, np.nan), np.full(n, None, object)
    if "numeric_value" in events:
        number = events["numeric_value"].to_numpy(np.float64, na_value=np.nan) + 0.0
    if "text_value" in events:
        text = np.array(events["text_value"].astype(object))
        text[pd.isna(text)] = None
    dtypes: Any = np.array([*(v.dtype for v in grid.variables), ""])[variable]  # -1 is the last
    number = np.where((dtypes == TEXT) | (dtypes == NONE), np.nan, number)
    text[dtypes != TEXT] = None
    there = np.isfinite(number) | (text != None) | (dtypes == NONE)  # noqa: E711
    return number, text, there


def _means(number: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Of each cell, whose end is where `last` is."""
    ends = np.flatnonzero(last) + 1
    first = np.append(0, ends[:-1])
    return np.add.reduceat(number, first) / (ends - first)
