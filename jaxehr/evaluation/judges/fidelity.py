"""The fidelity pillar, a step at a time."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.rows import comparable_rows, points
from jaxehr.evaluation.judges.job import Job, Step, measured
from jaxehr.evaluation.measures import manifold, worst
from jaxehr.evaluation.measures.catalogue import (
    CODES,
    DETECTION,
    MISSING,
    PAIRS,
    SHAPES,
    SUPPORT,
    UNSEEN,
)
from jaxehr.evaluation.measures.detection import ROWS, detect_linearly, log_cluster
from jaxehr.evaluation.measures.frequencies import Figures, prevalence, shapes, unseen
from jaxehr.evaluation.measures.intervals import Estimate, jackknife
from jaxehr.evaluation.measures.metric import Metric
from jaxehr.evaluation.measures.pairs import missing, pairs

SHARES = ("missing_share_error",)
CLUSTER_ROWS = 5_000
Measure = Callable[[Blocks, Blocks], Figures]
Bad = Callable[[Job, int], Blocks]


class Family(NamedTuple):
    """Figures of columns or codes, or of pairs of them.

    there   the blocks that it is meant for: it is taken where they have a column
    bad     records as bad as can be for it, if there are such
    """

    what: str
    names: tuple[str, ...]
    measure: Measure
    there: Callable[[Blocks], Collection]
    bad: Bad | None


def steps(job: Job) -> list[Step]:
    found = [
        Step("fidelity", f.what, f.names, partial(of_columns, job, f.measure, f.bad), least=1)
        for f in FAMILIES
        if f.there(job.real)
    ]
    found.append(Step("fidelity", "neighbours", tuple(SUPPORT), lambda: of_patients(job)))
    found.append(Step("fidelity", "detection", tuple(DETECTION), lambda: of_all_columns(job)))
    return found


def worst_of_ranges(job: Job, n: int) -> Blocks:
    return worst.uniform(job.real, n, job.seed)


def worst_of_relations(job: Job, n: int) -> Blocks:
    return worst.shuffled(job.matched["synthetic"], job.seed)


FAMILIES = (
    Family("columns", tuple(SHAPES), shapes, lambda x: x.columns, worst_of_ranges),
    Family("codes", tuple(CODES), prevalence, lambda x: x.codes, worst_of_ranges),
    Family("pairs", tuple(PAIRS), pairs, lambda x: x.columns + x.codes, worst_of_relations),
    Family("missing values", tuple(MISSING), missing, lambda x: x.columns, worst_of_relations),
    Family("values never seen", tuple(UNSEEN), unseen, lambda x: x.label_names, None),
)


def of_columns(job: Job, family: Measure, bad: Bad | None) -> Iterator[Metric]:
    """The figures of a family, with their floors and worsts."""
    drawn, held = job.matched["synthetic"], job.matched.get("holdout")
    n = len(drawn)
    found = jackknife(family(job.real, drawn))
    floors = {} if held is None else family(job.real, held)(None)
    worsts = {} if bad is None else family(job.real, bad(job, n))(None)
    if "missing_share_error" in worsts:  # which keeps its shares when columns are shuffled
        worsts |= {
            k: v for k, v in family(job.real, worst_of_ranges(job, n))(None).items() if k in SHARES
        }
    for name, estimate in found.items():
        ideal = None
        if name == "codes_per_patient":
            ideal = float(job.real.bits.sum(1).mean())
        yield measured(
            name, estimate, n, floor=floors.get(name), worst=worsts.get(name), ideal=ideal
        )


def of_patients(job: Job) -> Iterator[Metric]:
    d, rows = job.distances, job.rows
    at = {name: points(part) for name, part in rows.items()}
    radius = manifold.radius(rows["real"])

    def figures(name: str):
        seen = d if name == "synthetic" else d.relabelled({"synthetic": name, "real": "real"})
        support = manifold.support(seen, radius, at["real"], at[name])
        variety = manifold.variety(seen, rows["real"], rows[name])
        return lambda leave: {**support(leave), **variety(leave)}

    found = jackknife(figures("synthetic"))
    floors = figures("holdout")(None) if "holdout" in rows else {}
    for name, estimate in found.items():
        floor = floors.get(name)
        ideal = floor if name == "authenticity" else None
        yield measured(name, estimate, d.n, floor=floor, worst=0.0, ideal=ideal)


def of_all_columns(job: Job) -> Iterator[Metric]:
    """The floor is the holdout in the place of the synthetic records."""
    told = {name: found.estimate for name, found in job.told_apart.items()}
    n = len(job.parts(ROWS)["real"])
    yield measured("detection_auc", told["synthetic"], n, floor=_floor(told), worst=1.0)
    for name, of, most, bad in (
        ("detection_auc_linear", linearly, ROWS, 1.0),
        ("log_cluster", log_clusters, CLUSTER_ROWS, float(np.log(0.25))),
    ):
        parts = job.parts(most)
        n, real = len(parts["real"]), parts.pop("real")
        found = {set_: of(job, real, records) for set_, records in parts.items()}
        floor = _floor(found)
        ideal = floor if name == "log_cluster" else None
        yield measured(name, found["synthetic"], n, floor=floor, worst=bad, ideal=ideal)


def _floor(found: dict[str, Estimate]) -> float | None:
    return found["holdout"].value if "holdout" in found else None


def linearly(job: Job, real: Blocks, other: Blocks) -> Estimate:
    return detect_linearly(real, other, job.seed)


def log_clusters(job: Job, real: Blocks, other: Blocks) -> Estimate:
    rows = comparable_rows({"real": real, "other": other}, job.real)
    return log_cluster(points(rows["real"]), points(rows["other"]), job.seed)
