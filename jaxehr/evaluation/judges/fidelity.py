"""The fidelity pillar, a step at a time."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from jaxehr.evaluation.blocks.frames import Records, Table
from jaxehr.evaluation.judges.job import Job, Step, measured
from jaxehr.evaluation.measures import fidelity, manifold, worst
from jaxehr.evaluation.measures.catalogue import CODES, DETECTION, DIFFERENCE, MISSING, SUPPORT
from jaxehr.evaluation.measures.detection import ROWS, detect_linearly, log_cluster
from jaxehr.evaluation.measures.intervals import Estimate, jackknife
from jaxehr.evaluation.measures.metric import Metric

SHARES = ("missing_share_error",)
CLUSTER_ROWS = 5_000
PAIR_NAMES = ("pair_gap", "pair_pearson")
Family = Callable[..., fidelity.Figures]
Bad = Callable[[Job, int], Records]


def steps(job: Job) -> list[Step]:
    families: list[tuple[Family, str, Bad | None]]
    if job.is_codes:
        families = [
            (fidelity.prevalence, "frequencies of codes", worst_of_ranges),
            (fidelity.code_pairs, "pairs of codes", worst_of_relations),
        ]
        names = [tuple(n for n in CODES if n not in PAIR_NAMES), (*PAIR_NAMES, *DIFFERENCE)]
    else:
        families = [
            (fidelity.shapes, "columns", worst_of_ranges),
            (fidelity.trends, "pairs of columns", worst_of_relations),
            (fidelity.missing, "missing values", worst_of_relations),
        ]
        names = [("shape_error",), ("trend_error", *DIFFERENCE), tuple(MISSING)]
        if isinstance(job.real, Table) and job.real.label_names:
            families.append((fidelity.unseen, "values never seen", None))
            names.append(("unseen_values",))
    found = [
        Step("fidelity", what, given, partial(of_columns, job, family, bad), least=1)
        for (family, what, bad), given in zip(families, names, strict=True)
    ]
    found.append(Step("fidelity", "neighbours", tuple(SUPPORT), lambda: of_patients(job)))
    found.append(Step("fidelity", "detection", tuple(DETECTION), lambda: of_all_columns(job)))
    return found


def worst_of_ranges(job: Job, n: int) -> Records:
    return worst.uniform(job.real, n, job.seed)


def worst_of_relations(job: Job, n: int) -> Records:
    return worst.shuffled(job.matched["synthetic"], job.seed)


def of_columns(job: Job, family: Family, bad: Bad | None) -> Iterator[Metric]:
    """bad: records as bad as can be for the family, if there are such."""
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
            ideal = float(job.real.bits.sum(1).mean())  # type: ignore[union-attr]
        yield measured(
            name, estimate, n, floor=floors.get(name), worst=worsts.get(name), ideal=ideal
        )


def of_patients(job: Job) -> Iterator[Metric]:
    d, rows = job.distances, job.rows
    points = {name: manifold.points(part) for name, part in rows.items()}

    def figures(name: str):
        seen = d if name == "synthetic" else d.relabelled({"synthetic": name, "real": "real"})
        support = manifold.support(seen, rows["real"], points["real"], points[name])
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


def linearly(job: Job, real: Records, other: Records) -> Estimate:
    return detect_linearly(real, other, job.seed)


def log_clusters(job: Job, real: Records, other: Records) -> Estimate:
    from jaxehr.evaluation.blocks.distances import comparable_rows

    rows = comparable_rows({"real": real, "other": other}, job.real)
    return log_cluster(manifold.points(rows["real"]), manifold.points(rows["other"]), job.seed)
