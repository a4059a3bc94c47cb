"""Courses, a step at a time: what the summaries of a series do not say. Each figure is that of the held-out patients in
the place of the synthetic ones too, by as many of them: the floor."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.judges.job import Job, Step, measured
from jaxehr.evaluation.measures.catalogue import (
    CORRELATIONS,
    MEASURED,
    NEAR_COURSES,
    OUTCOMES,
    POST_HOC,
    PUBLISHED_PRIVACY,
)
from jaxehr.evaluation.measures.intervals import GROUPS, Estimate, jackknife
from jaxehr.evaluation.measures.learners import target
from jaxehr.evaluation.measures.metric import Metric
from jaxehr.evaluation.measures.series import outcomes, post_hoc
from jaxehr.evaluation.measures.series.correlation import correlation_errors
from jaxehr.evaluation.measures.series.measurement import (
    gap_errors,
    length_errors,
    missing_errors,
)
from jaxehr.evaluation.measures.series.privacy import distances, nearness
from jaxehr.evaluation.measures.series.published_privacy import (
    adversarial_accuracy,
    membership_risk,
)
from jaxehr.evaluation.measures.series.scaling import by_train

SEEDS = 3
ITERATIONS = (
    500  # thousands, as published, take ten minutes for 800 stays of 48 steps and 37 variables
)
STUDENT = 4.30  # of 95%, for the mean of three
NETWORK_ROWS = 4_000  # of each set, that networks read
DISTANCE_ROWS = 2_000  # of each set: distances cost their square
WORST = {"series_discriminative": 0.5}


def steps(job: Job) -> list[Step]:
    """None where there is no series."""
    if job.real.series is None:
        return []
    found = [
        Step("fidelity", "when what is measured", tuple(MEASURED), lambda: of_measuring(job)),
        Step("fidelity", "courses", tuple(CORRELATIONS), lambda: of_correlations(job)),
        Step("fidelity", "courses by networks", tuple(POST_HOC), lambda: of_networks(job)),
    ]
    needs = ("holdout",)
    for what, names, figures in (
        ("courses by nearness", NEAR_COURSES, of_nearness),
        ("courses, as published", PUBLISHED_PRIVACY, of_published),
    ):
        found.append(Step("privacy", what, tuple(names), partial(figures, job), needs=needs))
    if _is_outcome(job):
        run = partial(of_outcome, job)
        what, both = "outcomes by networks", ("holdout", "label")
        found.append(Step("utility", what, tuple(OUTCOMES), run, needs=both))
    return found


def of_measuring(job: Job) -> Iterator[Metric]:
    def figures(real: Blocks, other: Blocks) -> Mapping[str, float]:
        a, b = real.measured, other.measured
        return {**missing_errors(a, b), **gap_errors(a, b), **length_errors(a, b)}

    return _compared(job, figures)


def of_correlations(job: Job) -> Iterator[Metric]:
    return _compared(job, lambda real, other: correlation_errors(real.courses, other.courses))


def _compared(job: Job, figures: Callable[[Blocks, Blocks], Mapping[str, float]]) -> Iterator:
    drawn, held = job.matched["synthetic"], job.matched.get("holdout")
    floors = {} if held is None else figures(job.real, held)

    def of(leave: int | None) -> dict[str, float]:
        return dict(figures(_without(job.real, leave), _without(drawn, leave)))

    for name, estimate in jackknife(of).items():
        yield measured(f"series_{name}", estimate, len(drawn), floor=floors.get(name))


def _without(records: Blocks, group: int | None) -> Blocks:
    """All but a twentieth; they are in random order."""
    if group is None:
        return records
    return records.rows(np.flatnonzero(groups_of(len(records), GROUPS) != group))


def of_networks(job: Job) -> Iterator[Metric]:
    """Discriminative: from real patients. Predictive: of those held out, where there are any, by what was learnt of
    synthetic patients, and for the floor of real ones."""
    parts = {name: x.courses for name, x in job.parts(NETWORK_ROWS).items()}
    real, n = parts["real"], len(parts["real"])
    others = {name: each for name, each in parts.items() if name != "real"}
    how: Any = {"scaling": by_train, "seeds": SEEDS, "seed": job.seed, "iterations": ITERATIONS}
    told = {
        name: post_hoc.discriminative(real, each, job.real.courses, **how).score
        for name, each in others.items()
    }
    yield _over_seeds("series_discriminative", told["synthetic"], told.get("holdout"), n)

    tested = parts.get("holdout", real)
    learnt = {"synthetic": others["synthetic"], **({"floor": real} if "holdout" in parts else {})}
    ways = {"series_predictive_all": post_hoc.predictive_all}
    if real.values.shape[2] > 1:
        ways["series_predictive_last"] = post_hoc.predictive_last
    for name, way in ways.items():
        off = {key: way(tested, each, job.real.courses, **how) for key, each in learnt.items()}
        yield _over_seeds(name, off["synthetic"], off.get("floor"), n)


def of_outcome(job: Job) -> Iterator[Metric]:
    """Of a label that is there or not, by a network that reads the course alone."""
    assert job.label is not None and job.holdout is not None
    sets = {"real": job.real, "synthetic": job.synthetic, "holdout": job.holdout}
    known = {}
    for name, records in sets.items():
        said = target(records, job.label)
        kept = np.flatnonzero(said.known)[:NETWORK_ROWS]
        has = said.values[kept] == said.values[said.known].max()
        known[name] = outcomes.Patients(records.courses.rows(kept), has)
    scores = outcomes.pairings(
        known["real"],
        known["synthetic"],
        known["holdout"],
        outcomes.recurrent,
        seeds=SEEDS,
        seed=job.seed,
    )
    found = outcomes.estimates(known["holdout"].outcome, scores)
    real, n = found["trtr"].value, min(len(each.outcome) for each in known.values())
    for pairing, estimate in found.items():
        gap = pairing == "tstr_gap"
        floor = None if pairing == "trtr" else 0.0 if gap else real
        name, worst = f"series_{pairing}_auroc", real - 0.5 if gap else 0.5
        yield measured(name, estimate, n, floor=floor, worst=worst)


def of_nearness(job: Job) -> Iterator[Metric]:
    assert job.holdout is not None
    sets = (job.real.courses, job.synthetic.courses, job.holdout.courses)
    d = distances(*sets, seed=job.seed)
    found = nearness(d)
    for name, of in (
        ("series_nnaa_loss", "nnaa_loss"),
        ("series_membership_auc", "membership_auc"),
    ):
        yield measured(name, found[of], d.n)


def of_published(job: Job) -> Iterator[Metric]:
    assert job.holdout is not None
    n = min(job.smallest, DISTANCE_ROWS)
    real, other, held = (
        job.sets[name].courses.rows(np.arange(n)) for name in ("real", "synthetic", "holdout")
    )
    found = adversarial_accuracy(real, other, held, seed=job.seed)
    yield measured("series_published_nnaa", found.loss, n)
    risk = membership_risk(real, other, held, seed=job.seed)
    yield measured("series_published_membership_f1", risk, n)


def _over_seeds(name: str, values: np.ndarray, floor: np.ndarray | None, n: int) -> Metric:
    """The mean over seeds, with the interval that the spread of three gives."""
    half = STUDENT * float(values.std(ddof=1)) / len(values) ** 0.5
    mean = float(values.mean())
    least = None if floor is None else float(floor.mean())
    estimate = Estimate(mean, mean - half, mean + half)
    return measured(name, estimate, n, floor=least, worst=WORST.get(name))


def _is_outcome(job: Job) -> bool:
    if job.label is None:
        return False
    found = target(job.real, job.label)
    return found.task == "classification" and len(np.unique(found.values[found.known])) == 2
