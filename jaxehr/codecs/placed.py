"""What is learnt of events on a grid, and the way back: which variables and steps, and when in a step things are."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from jaxehr.codecs.channels import whole
from jaxehr.codecs.quantity import UNITS
from jaxehr.codecs.shared import patients_of
from jaxehr.data.grid import FIRST, NONE, TEXT, Grid
from jaxehr.data.kinds import DataError, listed
from jaxehr.data.placed import EARLY, Placed, lengths_of
from jaxehr.data.schema import Schema

log = logging.getLogger(__name__)


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
            but = " (--start first begins with each one's first)" if why == EARLY else ""
            yield f"{many:,} {why} are left out{but}"


def frequent(cells: Placed, grid: Grid, least: int) -> tuple[Grid, Placed]:
    """The variables that `least` subjects or more have; logs how many are left out. Raises DataError where none is."""
    patients = np.zeros(len(grid.variables), int)
    found = patients_of(cells.variable, cells.row)
    patients[: len(found)] = found
    kept = patients >= max(least, 1)
    if not len(cells.row):
        raise DataError(f"no event lies on the grid ({grid}): {said_of(cells.counts, grid)}")
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
