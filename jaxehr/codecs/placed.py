"""Events as cells of a grid: subject, step and variable, at most one event in each."""

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxehr.codecs.channels import whole
from jaxehr.codecs.quantity import UNITS
from jaxehr.codecs.shared import patients_of
from jaxehr.data.grid import FIRST, NONE, TEXT, Grid
from jaxehr.data.kinds import DataError, listed
from jaxehr.data.schema import Schema

log = logging.getLogger(__name__)

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
        "before the start": step < 0,
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


def check_memory(n: int, grid: Grid) -> None:
    """Raises DataError for a grid that takes more than half of the machine's memory as arrays."""
    needed = n * grid.length * len(grid.variables) * BYTES
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # where the system does not say
        there = 16 * 2**30
    if needed > there / 2:
        raise DataError(
            f"{len(grid.variables):,} variables in {grid.length:,} steps of {n:,} subjects take about "
            f"{needed / 2**30:,.1f} GiB as arrays, and this machine has {there / 2**30:,.0f}: in the schema's grid "
            "take a longer every, a smaller length, or fewer variables"
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


def said_of(counts: dict[str, int], grid: Grid) -> str:
    """What became of the events, in one line."""
    return "; ".join(_said(counts, grid))


def _said(counts: dict[str, int], grid: Grid) -> Iterator[str]:
    whole = counts["all"]
    which = "the last of them" if grid.value == "last" else "their mean"
    twins = f", {counts['twins']:,} of them at the very same time" if counts["twins"] else ""
    yield (
        f"of {whole:,} events {counts['merged']:,} ({counts['merged'] / whole:.1%}) share their {grid.every} with a "
        f"later one of their kind{twins}: {which} is kept"
    )
    for why, many in counts.items():
        if many and why not in ("all", "merged", "twins"):
            yield f"{many:,} {why} are left out"


def frequent(cells: Placed, grid: Grid, least: int) -> tuple[Grid, Placed]:
    """The variables that `least` subjects or more have; logs how many are left out. Raises DataError where none is."""
    patients = np.zeros(len(grid.variables), int)
    found = patients_of(cells.variable, cells.row)
    patients[: len(found)] = found
    kept = patients >= max(least, 1)
    if not kept.any():
        raise DataError(
            f"no variable of the grid has {least} patients; the most frequent has {patients.max()}: give more "
            "patients, or min_patients=1 (--min-patients 1), which learns all"
        )
    if not kept.all():
        names = [str(v.name) for v, keep in zip(grid.variables, kept, strict=True) if not keep]
        log.warning(
            "series: %s variables of fewer than %d patients are left out: %s",
            *(f"{len(names):,}", least, listed(names)),
        )
    variables = tuple(v for v, keep in zip(grid.variables, kept, strict=True) if keep)
    place = np.cumsum(kept) - 1
    cells = cells.where(kept[cells.variable])
    return replace(grid, variables=variables), cells._replace(variable=place[cells.variable])


def reached(cells: Placed, least: int) -> tuple[int, Placed]:
    """(steps that `least` subjects or more reach, the cells of these); logs what lies after them."""
    lengths = np.sort(lengths_of(cells, int(cells.row.max()) + 1))
    steps = int(lengths[-max(least, 1)])
    beyond = cells.step >= steps
    if beyond.any():
        log.warning(
            "series: %s events after step %d, which fewer than %d patients reach, are left out",
            *(f"{beyond.sum():,}", steps, least),
        )
    return steps, cells.where(~beyond)


def lengths_of(cells: Placed, n: int) -> np.ndarray:
    """[n]: steps up to a subject's last event, 0 without any."""
    found = np.zeros(n, int)
    np.maximum.at(found, cells.row, cells.step + 1)
    return found


def tick_of(cells: Placed, least: int) -> str:
    """The coarsest unit of time in which all events lie whole in their steps, but those of too few patients."""
    return next(unit for unit, size in UNITS.items() if whole(cells.offset, cells.row, least, size))


def clock_and_lags(cells: Placed, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each cell (from the beginning of its step to its clock, from that to the cell), as whole units.

    size    of a unit, in microseconds
    The clock of a step is the moment at which most of its cells are, of several such the first.
    """
    own = cells.offset // size
    step = np.cumsum(first_of_steps(cells)) - 1
    order = np.lexsort((own, step))
    new = (np.diff(step[order], prepend=-1) != 0) | (np.diff(own[order], prepend=-1) != 0)
    moments = order[new]  # a cell of each moment of each step
    many = np.bincount(np.cumsum(new) - 1)
    most = np.lexsort((own[moments], -many, step[moments]))
    first = np.diff(step[moments][most], prepend=-1) != 0
    clock = own[moments[most[first]]][step]
    return clock, own - clock


def first_of_steps(cells: Placed) -> np.ndarray:
    """Which cells are the first of their subject's step."""
    new = (np.diff(cells.row, prepend=-1) != 0) | (np.diff(cells.step, prepend=-1) != 0)
    return np.asarray(new)


def events_of(
    cells: tuple[np.ndarray, ...],
    grid: Grid,
    schema: Schema,
    ids: pd.Series,
    start: pd.Series | None = None,
) -> pd.DataFrame:
    """Events of (row, microseconds since the start, variable, value), in order, of the subjects with these ids.

    start   of each, as `Grid.starts` says it; where there is none, and it is no date, its first event is the start
    """
    row, since, variable, value = cells
    begun = None if start is None else start.take(row).reset_index(drop=True)
    if grid.start == FIRST and len(row):
        begins = np.append(True, np.diff(row) != 0)
        first = since[begins][np.cumsum(begins) - 1]
        since = since - first if begun is None else np.where(begun.notna(), since, since - first)
    dtypes = {column.name: column.dtype for column in schema.events}
    names = [v.name for v in grid.variables]
    kind = pd.CategoricalDtype(names) if dtypes["code"] == "category" else dtypes["code"]
    frame = {
        "subject_id": ids.take(row).reset_index(drop=True).astype(ids.dtype),
        "time": grid.times(since, begun),
        "code": pd.Series(pd.Index(names, dtype=object).take(variable), dtype=object).astype(kind),
    }
    own = [v.dtype for v in grid.variables]
    numeric = [dtype for dtype in own if dtype not in (TEXT, NONE)]
    is_text = np.array([dtype == TEXT for dtype in own])[variable]
    if numeric:
        valued = np.array([dtype not in (TEXT, NONE) for dtype in own])[variable]
        numbers = np.where(valued, value, np.nan).astype(np.float64)
        frame["numeric_value"] = pd.Series(numbers).astype(numeric[0])
    if any(dtype == TEXT for dtype in own):
        words = value.copy()
        words[~is_text] = None
        frame["text_value"] = pd.Series(words, dtype=pd.Series(["a"]).dtype)
    return pd.DataFrame(frame)
