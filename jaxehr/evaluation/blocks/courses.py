"""Events on a grid as every measure sees them: courses, and each patient's summaries of them as columns of a table.

What is made for tables judges the summaries, of each variable how often it was measured, its first, last, mean, least
and greatest value; what is made for series judges the courses.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxehr.data import Column, DataError, Grid, Records, Variable, listed
from jaxehr.data.grid import NONE, TEXT
from jaxehr.data.placed import Placed, check_memory, lengths_of, placed
from jaxehr.evaluation.blocks.series import Series, summaries

CLASSES = 10  # of a variable that become channels, the most frequent
LENGTH = "length of the course"
OF_NUMBERS = ("first", "last", "mean", "least", "greatest")


class Courses(NamedTuple):
    """Of one set of records.

    series      a channel for each number; of a variable of two classes one, 0 or 1; of more a channel for each class
    channels    their names
    firsts      the first channel of each variable, which says when it is measured
    summaries   a column for each summary, in the order of the patients
    columns     what these are
    """

    series: Series
    channels: tuple[str, ...]
    firsts: tuple[int, ...]
    summaries: pd.DataFrame
    columns: tuple[Column, ...]


def courses_of(grid: Grid, sets: Mapping[str, Records]) -> dict[str, Courses]:
    """Of patients in the order of their static table; without one, of those who have an event on the grid.

    The classes of a variable are those of the first set. Raises DataError for events whose times are not those of the
    grid, for a grid that does not fit into memory, and for records none of whose events lies on it.
    """
    check_memory(sum(map(len, sets.values())), grid)
    cells = cells_of(grid, sets)
    first, _ = next(iter(cells.values()))
    classes = [_classes(first, j, v) for j, v in enumerate(grid.variables)]
    steps = max(int(own.step.max()) + 1 for own, _ in cells.values())
    return {name: _courses(grid, classes, steps, *own) for name, own in cells.items()}


def cells_of(grid: Grid, sets: Mapping[str, Records]) -> dict[str, tuple[Placed, int]]:
    """(cells, patients) of each set; patients and errors are those of `courses_of`, but that of memory."""
    cells = {name: _cells(grid, name, records) for name, records in sets.items()}
    first, _ = next(iter(cells.values()))
    for own, _ in cells.values():
        _check_words(grid, first, own)
    return cells


def _cells(grid: Grid, name: str, records: Records) -> tuple[Placed, int]:
    """(cells, patients)."""
    events, static = records.events, records.static
    if events is None:
        raise DataError(f"the {name} records have no events, and the schema's grid is of events")
    grid.check(events)
    subjects = (events if static is None else static)["subject_id"].drop_duplicates()
    cells = placed(events, grid, subjects)
    if not len(cells.row):
        raise DataError(
            f"no event of the {name} records lies on the schema's grid ({grid.length:,} steps of {grid.every} from "
            f"{grid.start}); compare its times and codes with theirs"
        )
    if static is not None:
        return cells, len(subjects)
    present, row = np.unique(cells.row, return_inverse=True)
    return cells._replace(row=row), len(present)


def _classes(cells: Placed, j: int, variable: Variable) -> tuple[str, ...]:
    """Of a variable that is no number, the most frequent first; none of a number, or of what is there or not."""
    if variable.kind == "numerical" or variable.dtype == NONE:
        return ()
    found = pd.Series(words_of(cells.where(cells.variable == j), variable)).value_counts()
    named = sorted(found.index, key=lambda word: (-found[word], word))
    if variable.kind == "binary":
        return tuple(sorted(named))
    return tuple(named[:CLASSES])


def _check_words(grid: Grid, first: Placed, other: Placed) -> None:
    """Raises DataError where another set shares no word of a variable with the first: it is coded in another way."""
    for j, variable in enumerate(grid.variables):
        if variable.kind == "numerical" or variable.dtype == NONE:
            continue
        known, found = (
            set(words_of(cells.where(cells.variable == j), variable)) for cells in (first, other)
        )
        if known and found and not known & found:
            raise DataError(
                f"variable '{variable.name}' shares no value with the real records: they have "
                f"{listed(sorted(known))}, another file {listed(sorted(found))}; code both in one way"
            )


def words_of(cells: Placed, variable: Variable) -> np.ndarray:
    """What the cells of a variable that is no number say."""
    if variable.dtype == TEXT:
        return cells.text.astype(str)
    return np.array([f"{x:g}" for x in cells.number], dtype=object)


def _courses(
    grid: Grid, classes: Sequence[tuple[str, ...]], steps: int, cells: Placed, n: int
) -> Courses:
    names: list[str] = []
    firsts: list[int] = []
    values: list[np.ndarray] = []
    inside: list[np.ndarray] = []
    for j, variable in enumerate(grid.variables):
        own = cells.where(cells.variable == j)
        firsts.append(len(names))
        for name, numbers in _channels(own, variable, classes[j]):
            names.append(name)
            for part, kept in ((numbers, values), (own.offset / grid.step, inside)):
                kept.append(np.full((n, steps), np.nan))
                kept[-1][own.row, own.step] = part
    when = np.nan_to_num(np.stack(inside, 2))
    series = Series(np.stack(values, 2), np.maximum(lengths_of(cells, n), 1), when)
    return Courses(series, tuple(names), tuple(firsts), *_summaries(grid, cells, series, firsts))


def _channels(
    cells: Placed, variable: Variable, classes: tuple[str, ...]
) -> Iterator[tuple[str, np.ndarray]]:
    name = str(variable.name)
    if variable.dtype == NONE:
        yield name, np.ones(len(cells.row))
    elif not classes:
        yield name, cells.number
    elif len(classes) <= 2:
        yield name, (words_of(cells, variable) == classes[-1]).astype(float)
    else:
        words = words_of(cells, variable)
        yield from ((f"{name} = {each}", (words == each).astype(float)) for each in classes)


def _summaries(
    grid: Grid, cells: Placed, series: Series, firsts: Sequence[int]
) -> tuple[pd.DataFrame, tuple[Column, ...]]:
    found: dict[str, np.ndarray] = {LENGTH: series.lengths}
    columns = [Column(LENGTH, "integer", "int64")]
    of = summaries(series)
    for j, (variable, channel) in enumerate(zip(grid.variables, firsts, strict=True)):
        name, counted = str(variable.name), f"{variable.name}, measured"
        found[counted] = of["measured"][:, channel]
        columns.append(Column(counted, "integer", "int64"))
        if variable.kind == "categorical" or variable.dtype == TEXT:
            own = cells.where(cells.variable == j)
            for end, words in _ends(own, words_of(own, variable), len(series)):
                found[f"{name}, {end}"] = words
                columns.append(Column(f"{name}, {end}", "categorical", "object"))
        elif variable.dtype != NONE:
            for what in OF_NUMBERS:
                found[f"{name}, {what}"] = of[what][:, channel]
                columns.append(Column(f"{name}, {what}", "numerical", "float64"))
    return pd.DataFrame(found), tuple(columns)


def _ends(cells: Placed, words: np.ndarray, n: int) -> Iterator[tuple[str, np.ndarray]]:
    """Each patient's first and last word; cells are in the order of patients and steps."""
    new = np.diff(cells.row, prepend=-1) != 0
    for end, at in (("first", new), ("last", np.append(new[1:], True)[: len(new)])):
        found = np.full(n, None, object)
        found[cells.row[at]] = words[at]
        yield end, found
