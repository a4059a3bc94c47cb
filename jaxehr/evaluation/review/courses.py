"""The course of a patient on a sheet: what was measured, when, and what was found; nothing is filled in.

Both sets are seen on the schema's grid, and written in one way: times since the start as coarse as those of either set,
numbers with as many decimals as the less precise set has. Charts are drawn of what is written, and say no more.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxehr.data import Grid, Variable
from jaxehr.data.grid import NONE
from jaxehr.data.placed import Placed
from jaxehr.evaluation.blocks.courses import words_of
from jaxehr.evaluation.review import written
from jaxehr.evaluation.review.clock import Clock

COLUMNS = 12  # of the table of a course
MIDDLE = 0.98  # of the values lie in the charts as they are on every sheet
NO_YES: tuple[str, ...] = ("no", "yes")
FLAGS = dict(zip("01", NO_YES, strict=True))
Cell = tuple[int, int, str]  # line, time, what was found


class Trace(NamedTuple):
    """A variable that was measured in a patient.

    number  whether its values are numbers, and not words
    values  times and what was found, as they are written
    dots    of the chart, from 0 to 1: how late, and how high
    ends    what stands at the foot of the chart, and at its head; nothing of words other than no and yes
    """

    title: str
    number: bool
    values: tuple[tuple[str, str], ...]
    dots: tuple[tuple[float, float], ...]
    ends: tuple[str, ...]


class Course(NamedTuple):
    """traces   of the variables that were measured, in an order that is the same on every sheet
    never       the other variables
    columns     the variables most often measured in all patients
    lines       when, and what was found of each of these
    axis        of the charts: places from 0 to 1, and what is said there
    step        how long a line lasts; "" where each has a moment
    """

    traces: tuple[Trace, ...]
    never: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]
    axis: tuple[tuple[float, str], ...]
    step: str


class Form(NamedTuple):
    """What is the same on every sheet: variables by how often they are measured, with titles and the ends of charts."""

    grid: Grid
    clock: Clock
    order: tuple[int, ...]
    titles: tuple[str, ...]
    ends: Mapping[int, tuple[str, ...]]
    at_once: bool


def courses(grid: Grid, sets: Sequence[Placed], n: int, names: Mapping[str, str]) -> list[Course]:
    """Of n patients of each set, whose rows are 0 to n - 1; one set after the other."""
    times = [own.step * grid.step + own.offset for own in sets]
    clock = Clock.of(times, grid.step)
    frames = [
        _frame(own, clock.floor(at), grid, clock) for own, at in zip(sets, times, strict=True)
    ]
    for j, variable in enumerate(grid.variables):
        cells = [own.where(own.variable == j) for own in sets]
        for frame, texts in zip(frames, _written(cells, variable), strict=True):
            frame.loc[frame["variable"] == j, "text"] = texts.to_numpy(object)
    at_once = all(_at_once(frame) for frame in frames)
    whole = pd.concat(
        [frame.assign(patient=frame["patient"] + i * n) for i, frame in enumerate(frames)]
    )
    # Of several values that are now of one moment the last, as on the grid.
    whole = whole.drop_duplicates(["patient", "variable", "at"], keep="last")
    counts = whole["variable"].value_counts()
    order = tuple(sorted(range(len(grid.variables)), key=lambda j: (-counts.get(j, 0), j)))
    ends = {
        j: _ends(own["text"])
        for j, own in whole.groupby("variable")
        if grid.variables[j].kind == "numerical"
    }
    form = Form(grid, clock, order, _titles(grid, names), ends, at_once)
    found: dict[int, dict[int, list[Cell]]] = {i: defaultdict(list) for i in range(n * len(sets))}
    for cell in whole.itertuples(index=False):
        found[cell.patient][cell.variable].append((cell.line, cell.at, cell.text))
    return [_course(cells, form) for cells in found.values()]


def _frame(own: Placed, at: np.ndarray, grid: Grid, clock: Clock) -> pd.DataFrame:
    line = own.step if clock.unit <= grid.step else at // clock.unit
    return pd.DataFrame(
        {"patient": own.row, "variable": own.variable, "line": line, "at": at, "text": ""}
    )


def _written(cells: Sequence[Placed], variable: Variable) -> list[pd.Series]:
    if variable.kind == "numerical":
        return written.numbers([pd.Series(own.number) for own in cells])
    if variable.dtype == NONE:
        return [pd.Series("yes", index=range(len(own.row))) for own in cells]
    words = written.texts([pd.Series(words_of(own, variable)) for own in cells])
    flags = set().union(*words) <= set(FLAGS)
    return [each.map(FLAGS) if flags else each for each in words]


def _at_once(frame: pd.DataFrame) -> bool:
    """Whether nearly all lines of a patient have a moment, as visits have."""
    return (frame.groupby(["patient", "line"])["at"].nunique() == 1).mean() >= written.MOST


def _titles(grid: Grid, names: Mapping[str, str]) -> tuple[str, ...]:
    codes = [str(v.name) for v in grid.variables]
    said = [
        names.get(code, " ".join(code.replace("//", " ").replace("_", " ").split()))
        for code in codes
    ]
    return tuple(
        f"{title} ({code})" if said.count(title) > 1 else title
        for title, code in zip(said, codes, strict=True)
    )


def _ends(texts: pd.Series) -> tuple[str, str]:
    """Between them lie most of the values."""
    found = texts.iloc[np.argsort(texts.astype(float), kind="stable")]
    out = int((1 - MIDDLE) / 2 * len(found))
    return found.iloc[out], found.iloc[-1 - out]


def _course(cells: Mapping[int, list[Cell]], form: Form) -> Course:
    measured = [j for j in form.order if j in cells]
    columns = form.order[:COLUMNS]
    return Course(
        tuple(_trace(j, cells[j], form) for j in measured),
        tuple(form.titles[j] for j in form.order if j not in cells),
        tuple(form.titles[j] for j in columns),
        tuple(_lines(cells, columns, form)),
        form.clock.axis(),
        "" if form.at_once else form.grid.every,
    )


def _trace(j: int, cells: Sequence[Cell], form: Form) -> Trace:
    _, times, texts = zip(*cells, strict=True)
    values = tuple(zip(map(form.clock.say, times), texts, strict=True))
    number, ends = j in form.ends, NO_YES if set(texts) <= set(NO_YES) else ()
    heights = [ends.index(text) if ends else 0.5 for text in texts]
    if number:
        ends = _around(form.ends[j], texts)
        low, high = map(float, ends)
        heights = [(float(text) - low) / (high - low) if high > low else 0.5 for text in texts]
    dots = zip(map(form.clock.place, times), heights, strict=True)
    return Trace(form.titles[j], number, values, tuple(dots), ends)


def _around(ends: tuple[str, ...], texts: Sequence[str]) -> tuple[str, ...]:
    return min([*ends, *texts], key=float), max([*ends, *texts], key=float)


def _lines(
    cells: Mapping[int, list[Cell]], columns: Sequence[int], form: Form
) -> Iterator[tuple[str, tuple[str, ...]]]:
    rows: dict[int, dict[int, str]] = defaultdict(dict)
    when: dict[int, set[int]] = defaultdict(set)
    for j in columns:
        for line, at, text in cells.get(j, ()):
            rows[line][j] = text
            when[line].add(at)
    for line in sorted(rows):
        first, last = min(when[line]), max(when[line])
        if not form.at_once:
            first = last = line * form.grid.step
        said = [form.clock.say(time) for time in dict.fromkeys((first, last))]
        yield " to ".join(said), tuple(rows[line].get(j, "") for j in columns)
