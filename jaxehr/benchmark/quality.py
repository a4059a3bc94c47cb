"""What a sampler makes of a trained run: the quality of its records against the evaluations that it spends."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxehr.benchmark.table import cost_of, pareto, save_page, steps_for
from jaxehr.data import DataError, Schema, records_of
from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.judges.job import FEWEST
from jaxehr.evaluation.measures.detection import ROWS, detect
from jaxehr.evaluation.measures.frequencies import prevalence, shapes
from jaxehr.evaluation.measures.intervals import Estimate, jackknife
from jaxehr.evaluation.measures.worst import shuffled
from jaxehr.types import Grid, Sampler

WORDS = {"shape_error": "shape error", "prevalence_gap": "prevalence error"}


class Trained(NamedTuple):
    """A trained run, as its samplers are compared.

    about       where it comes from: its recipe, steps and version
    draw        (sampler, grid, n) -> n synthetic patients, from the same seed for every sampler
    spent       (sampler, grid) -> evaluations of the network that a patient costs, the mean where patients differ
    grid        (steps) -> the run's own kind of grid
    is_random   whether a sampler adds noise on its way
    """

    name: str
    about: Mapping[str, Any]
    draw: Callable[[Sampler, Grid, int], pd.DataFrame]
    spent: Callable[[Sampler, Grid], int]
    grid: Callable[[int], Grid]
    is_random: Callable[[Sampler], bool]


class Figures(NamedTuple):
    """How far records are from real ones.

    auc     of a classifier that tells them apart (evaluation.detection); 0.5 is not at all
    error   of a static table, shape_error; of codes alone, prevalence_gap (evaluation.measures.frequencies)
    """

    auc: Estimate
    error: Estimate


class Point(NamedTuple):
    """What is to be drawn: a sampler with so many steps."""

    name: str
    sampler: Sampler
    steps: int
    nfe: int
    random: bool


class Quality(NamedTuple):
    """One line of the table. Figures are None where its records could not be judged, and `why` says so."""

    sampler: str
    random: bool
    steps: int
    nfe: int
    figures: Figures | None
    why: str | None = None


@dataclass(frozen=True)
class Judge:
    """Holds n draws against n real patients; n others in their place give the floor.

    real    the records of at least 2 n patients, trained on or not
    """

    schema: Schema
    real: pd.DataFrame
    n: int
    seed: int = 0

    @property
    def error(self) -> str:
        """The name of the error among the metrics."""
        return "shape_error" if self._blocks.columns else "prevalence_gap"

    @cached_property
    def floor(self) -> Figures:
        real = self._blocks
        return self._figures(real.rows(self._order[: self.n]), real.rows(self._order[self.n :]))

    def figures(self, drawn: pd.DataFrame) -> Figures:
        """Raises DataError where they cannot be compared."""
        real, other = comparable(self.schema, {"real": self.real, "drawn": drawn})
        return self._figures(real.rows(self._order[: self.n]), other)

    def seconds(self) -> float:
        """That judging takes."""
        real = self._blocks.rows(self._order[: self.n])
        began = time.perf_counter()
        self._figures(real, shuffled(real, self.seed))
        return time.perf_counter() - began

    @cached_property
    def _blocks(self) -> Blocks:
        return comparable(self.schema, {"real": self.real})[0]

    @cached_property
    def _order(self) -> np.ndarray:
        """Of 2 n real patients, in random order: files are often sorted."""
        rng = np.random.default_rng(self.seed)
        return rng.permutation(len(records_of(self.real)))[: 2 * self.n]

    def _figures(self, real: Blocks, other: Blocks) -> Figures:
        measure = {"shape_error": shapes, "prevalence_gap": prevalence}[self.error]
        error = jackknife(measure(real, other))[self.error]
        return Figures(detect(real, other, self.seed).estimate, _from_0(error))


def _from_0(found: Estimate) -> Estimate:
    """An error is never less."""
    return found._replace(low=max(found.low, 0.0))


def judge(schema: Schema, real: pd.DataFrame, n: int | None = None, seed: int = 0) -> Judge:
    """A Judge by n patients, by default as many as there can be: half of them, at most 10,000.

    Raises ValueError where there are too few.
    """
    patients = len(records_of(real))
    half = patients // 2
    if half < FEWEST:
        raise ValueError(
            f"the real records are of {patients:,} patients; {2 * FEWEST} are wanted: half to judge by, "
            "half as the floor"
        )
    if n is not None and not FEWEST <= n <= half:
        raise ValueError(
            f"draws must be from {FEWEST} to {half:,}, half of the real patients; got {n:,}"
        )
    return Judge(schema, real, min(half, ROWS) if n is None else n, seed)


def points(
    trained: Trained, samplers: Mapping[str, Sampler], evaluations: Sequence[int]
) -> list[Point]:
    """For each sampler and number of evaluations the most steps that it allows, each once."""
    found = {}
    for name, sampler in samplers.items():
        spent = lambda steps, sampler=sampler: trained.spent(sampler, trained.grid(steps))
        cost, random = cost_of(spent), trained.is_random(sampler)
        for nfe in sorted(evaluations):
            steps = steps_for(cost, nfe)
            if steps is not None and (name, steps) not in found:
                cost_of_all = spent(steps) if cost is None else cost[0] + (steps - 2) * cost[1]
                found[name, steps] = Point(name, sampler, steps, cost_of_all, random)
    return list(found.values())


def seconds(trained: Trained, judge: Judge, todo: Sequence[Point]) -> float:
    """About how long `compare` will take, from a draw of a few patients, and from judging real ones whose columns were
    shuffled: what can be told apart takes longer than what cannot."""
    judging = judge.seconds()
    first, few, took = min(todo, key=lambda point: point.nfe), min(judge.n, 256), []
    with contextlib.suppress(DataError):  # its own line will say so
        for _ in range(2):  # the first one compiles
            began = time.perf_counter()
            trained.draw(first.sampler, trained.grid(first.steps), few)
            took.append(time.perf_counter() - began)
    slow, quick = took if len(took) == 2 else (0.0, 0.0)
    each = quick / few / max(first.nfe, 1) * judge.n
    compiling = max(slow - quick, 0.0)
    return len(todo) * (judging + compiling) + each * sum(point.nfe for point in todo)


def compare(
    trained: Trained,
    judge: Judge,
    todo: Sequence[Point],
    tick: Callable[[int, str], Any] = lambda done, what: None,
) -> Iterator[Quality]:
    """A line for each point, as they are judged. What cannot be judged has a line that says why."""
    for i, point in enumerate(todo):
        tick(i, f"{point.name} {point.nfe}")
        figures, why = None, None
        try:
            drawn = trained.draw(point.sampler, trained.grid(point.steps), judge.n)
            figures = judge.figures(drawn)
        except DataError as refused:
            why = str(refused)
        yield Quality(point.name, point.random, point.steps, point.nfe, figures, why)
    tick(len(todo), "done")


def told_apart(row: Quality) -> float | None:
    """What the Pareto front is of: less than 0.5 is chance."""
    return None if row.figures is None else max(row.figures.auc.value, 0.5)


def off(row: Quality) -> float | None:
    return None if row.figures is None else row.figures.error.value


def save_quality(
    rows: Sequence[Quality], trained: Trained, judge: Judge, path: Path, command: str
) -> None:
    """JSON with the floor, the rows and the command; the picture beside it as SVG and PNG."""
    flat = partial(_flat, judge.error)
    found = {
        "command": command,
        "run": {"name": trained.name, **trained.about},
        "real_patients": judge.n,
        "draws": judge.n,
        "seed": judge.seed,
        "floor": flat(judge.floor),
        "rows": [
            {**row._asdict(), "figures": None if row.figures is None else flat(row.figures)}
            for row in rows
        ],
        "front_of_detection_auc": sorted(pareto(rows, told_apart), key=lambda of: of[1]),
    }
    save_page(found, picture(rows, trained, judge), path)


def _flat(error: str, figures: Figures) -> dict[str, list[float]]:
    """[value, low, high] by name."""
    return {"detection_auc": list(figures.auc), error: list(figures.error)}


def picture(rows: Sequence[Quality], trained: Trained, judge: Judge):
    """Both figures against evaluations, with intervals; the front is a line below, the floor a grey band."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = fig.subplots(1, 2)
    _panel(left, rows, told_apart, lambda figures: figures.auc, judge.floor.auc)
    _panel(right, rows, off, lambda figures: figures.error, judge.floor.error)
    left.set(ylabel="detection AUC (0.5: not told from real)")
    right.set(ylabel=WORDS[judge.error], yscale="log")
    right.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    fig.suptitle(f"{trained.name}: {judge.n:,} patients of each sampler, 95% intervals", fontsize=9)
    return fig


def _panel(
    ax,
    rows: Sequence[Quality],
    value: Callable[[Quality], float | None],
    of: Callable[[Figures], Estimate],
    floor: Estimate,
) -> None:
    marks = "osD^v<>PX*hp"
    told = [row for row in rows if row.figures is not None]
    for i, name in enumerate(dict.fromkeys(row.sampler for row in told)):
        own = sorted((row for row in told if row.sampler == name), key=lambda row: row.nfe)
        found = np.array([of(row.figures) for row in own if row.figures is not None])
        ax.errorbar(
            [row.nfe for row in own],
            found[:, 0],
            yerr=np.maximum([found[:, 0] - found[:, 1], found[:, 2] - found[:, 0]], 0),
            label=name + (" (random)" if own[0].random else ""),
            color=f"C{i % 10}",
            marker=marks[i % len(marks)],
            linestyle="--" if own[0].random else "-",
            markersize=4,
            linewidth=0.9,
            elinewidth=0.6,
        )
    best = pareto(told, value)
    front = sorted((r for r in told if (r.sampler, r.nfe) in best), key=lambda row: row.nfe)
    at = [[row.nfe for row in front], [of(row.figures).value for row in front if row.figures]]
    ax.plot(*at, color="black", linewidth=0.8, marker="o", markersize=9, fillstyle="none",
            drawstyle="steps-post", label="Pareto front")  # fmt: skip
    ax.axhspan(floor.low, floor.high, color="#8b98a5", alpha=0.35, linewidth=0)
    ax.axhline(floor.value, color="#8b98a5", linewidth=1, label="real against real")
    ax.set(xscale="log", xlabel="evaluations of the network")
    shown: list[int] = []
    for nfe in sorted({row.nfe for row in told}, reverse=True):
        if not shown or shown[-1] > 1.15 * nfe:  # or their labels would touch
            shown.append(nfe)
    ax.set_xticks(shown, [str(nfe) for nfe in shown])
    ax.minorticks_off()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.2)
