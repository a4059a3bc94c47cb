"""What an evaluation works on: the sets of records in random order, and the distances that metrics share."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.distances import Distances, measure
from jaxehr.evaluation.blocks.nearest import Rows
from jaxehr.evaluation.blocks.rows import comparable_rows
from jaxehr.evaluation.measures.catalogue import ENTRIES
from jaxehr.evaluation.measures.detection import ROWS, Detection, detect
from jaxehr.evaluation.measures.intervals import Estimate
from jaxehr.evaluation.measures.metric import UNDERPOWERED, Metric, Pillar

NEIGHBOUR_ROWS = 20_000  # of each set: distances cost their square
SETS = {"real": "training", "synthetic": "synthetic", "holdout": "held-out"}
FEWEST = 100  # rows of a set, without which only columns are compared


class Step(NamedTuple):
    """A part of the evaluation.

    names       of the metrics that it yields, for when it cannot be done
    least       rows that each set must have
    needs       what else must be there: "holdout", "label"
    """

    pillar: Pillar
    what: str
    names: tuple[str, ...]
    run: Callable[[], Iterable[Metric]]
    least: int = FEWEST
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """Blocks are in random order, so that the first n are a sample and contiguous groups are random ones."""

    sets: dict[str, Blocks]
    label: str | None
    seed: int

    @property
    def real(self) -> Blocks:
        return self.sets["real"]

    @property
    def synthetic(self) -> Blocks:
        return self.sets["synthetic"]

    @property
    def holdout(self) -> Blocks | None:
        return self.sets.get("holdout")

    @property
    def smallest(self) -> int:
        return min(len(records) for records in self.sets.values())

    @cached_property
    def matched(self) -> dict[str, Blocks]:
        """The synthetic records and the holdout at one number of rows, and all real ones."""
        n = min(len(x) for name, x in self.sets.items() if name != "real")
        cut = {name: x.rows(np.arange(n)) for name, x in self.sets.items() if name != "real"}
        return {"real": self.real, **cut}

    @cached_property
    def equal(self) -> dict[str, Blocks]:
        """All sets at one number of rows: a larger set is nearer to everything."""
        n = min(self.smallest, NEIGHBOUR_ROWS)
        return {name: records.rows(np.arange(n)) for name, records in self.sets.items()}

    @cached_property
    def rows(self) -> dict[str, Rows]:
        return comparable_rows(self.equal, self.real)

    def parts(self, most: int) -> dict[str, Blocks]:
        """All sets at one number of rows, up to so many."""
        n = min(len(self.real), len(self.matched["synthetic"]), most)
        return {name: records.rows(np.arange(n)) for name, records in self.matched.items()}

    @cached_property
    def told_apart(self) -> dict[str, Detection]:
        """The synthetic records from the real ones, and the holdout from them."""
        parts = self.parts(ROWS)
        real = parts.pop("real")
        return {name: detect(real, records, self.seed) for name, records in parts.items()}

    @cached_property
    def distances(self) -> Distances:
        return measure(self.rows)


def done(job: Job, step: Step) -> Iterable[Metric]:
    """What it yields; nothing evaluated where a set has too few rows."""
    small = [SETS[name] for name, records in job.sets.items() if len(records) < step.least]
    if small:
        why = f"the {' and '.join(small)} records have fewer than {step.least} patients"
        return [not_evaluated(name, why, job.smallest) for name in step.names]
    return step.run()


def measured(
    name: str,
    estimate: Estimate | float,
    n: int,
    *,
    floor: float | None = None,
    worst: float | None = None,
    ideal: float | None = None,
    undefined: str = "it is not defined on these records",
) -> Metric:
    """A metric of the catalogue; not evaluated where its value is not defined, and `undefined` says why.

    An interval ends where the figure can be no more: what is cut off holds no value, so that its level stays.
    """
    entry = ENTRIES[name]
    if not isinstance(estimate, Estimate):
        estimate = Estimate(float(estimate), math.nan, math.nan)
    if not math.isfinite(estimate.value):
        return not_evaluated(name, undefined, n)
    estimate = Estimate(estimate.value, *(float(np.clip(x, *entry.reach)) for x in estimate[1:]))
    floor, worst, low, high = (
        x if x is not None and math.isfinite(x) else None for x in (floor, worst, *estimate[1:])
    )
    best = entry.ideal if ideal is None else ideal
    return Metric(
        name, entry.pillar, estimate.value, floor, entry.better, best, n, low, high, worst
    )


def not_evaluated(name: str, why: str, n: int) -> Metric:
    entry = ENTRIES[name]
    return Metric(
        name,
        entry.pillar,
        math.nan,
        None,
        entry.better,
        entry.ideal,
        n,
        status=UNDERPOWERED,
        why=why,
    )
