"""The utility pillar, a step at a time.

The floor is a second set of real patients in the place of the synthetic ones, where there are enough to spare.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from jaxehr.evaluation import utility
from jaxehr.evaluation.catalogue import CALIBRATION, DIMENSIONS, DOWNSTREAM, PAIRINGS
from jaxehr.evaluation.job import Job, Step, measured
from jaxehr.evaluation.learners import Learner, target
from jaxehr.evaluation.report import Metric

TRAINED_ROWS = 10_000  # of each set
AUGMENTATION = {
    "augmentation_gain_25pct": 0.25,
    "augmentation_gain_50pct": 0.5,
    "augmentation_gain": 1.0,
}
COMPARED_ROWS = 2_000  # where many models are trained


def steps(job: Job) -> list[Step]:
    needs = ("holdout", "label")
    suffix = score_name(job)
    found = []
    learners: tuple[tuple[Learner, str], ...] = (("boosting", ""), ("linear", "_linear"))
    for learner, ending in learners:
        names = tuple(f"{name}_{suffix}{ending}" for name in PAIRINGS)
        calibrated = tuple(CALIBRATION) if suffix == "auroc" and not ending else ()
        run = partial(of_pairings, job, learner, ending)
        found.append(
            Step("utility", f"training by {learner}", names + calibrated, run, needs=needs)
        )
    compare, predict = partial(of_downstream, job), partial(of_dimensions, job)
    found.append(Step("utility", "comparing learners", tuple(DOWNSTREAM), compare, needs=needs))
    if utility.predictable(job.real):
        names = tuple(DIMENSIONS)
        found.append(Step("utility", "columns from columns", names, predict, needs=("holdout",)))
    return found


def score_name(job: Job) -> str:
    if job.label is None:
        return "auroc"
    return "auroc" if target(job.real, job.label).task == "classification" else "r2"


def parts(job: Job, most: int) -> tuple[utility.Split, utility.Split | None]:
    """The synthetic records, and other real ones in their place; equal numbers to train on."""
    assert job.holdout is not None
    # Two fifths of the real rows leave three fifths: as many to train on, and half as many to test on.
    n = min(len(job.real) * 2 // 5, len(job.synthetic) * 2 // 3, most)
    chosen = utility.split(job.real, job.synthetic, job.holdout, n)
    rest = job.real.rows(np.arange(n, min(len(job.real), n + -(-3 * n // 2))))
    fresh = utility.split(job.real, rest, job.holdout, n) if len(rest) * 2 // 3 >= n else None
    return chosen, fresh


def of_pairings(job: Job, learner: Learner, ending: str) -> Iterator[Metric]:
    assert job.label is not None
    chosen, _ = parts(job, TRAINED_ROWS)
    n, name = len(chosen.real), score_name(job)
    found = utility.pairings(chosen, job.label, learner, job.seed)
    chance = 0.5 if name == "auroc" else 0.0
    real = found["trtr"].value
    for pair in PAIRINGS:
        floor, worst = (0.0, real - chance) if pair == "tstr_gap" else (real, chance)
        bad = worst if real > chance else None
        yield measured(f"{pair}_{name}{ending}", found[pair], n, floor=floor, worst=bad)
    if ending or name != "auroc":
        return
    for figure in ("ece", "slope"):
        if f"tstr_{figure}" in found:
            at_best = found[f"trtr_{figure}"].value
            worst = 0.5 if figure == "ece" else 0.0
            yield measured(f"tstr_{figure}", found[f"tstr_{figure}"], n, floor=at_best, worst=worst)


def of_downstream(job: Job) -> Iterator[Metric]:
    assert job.label is not None
    chosen, fresh = parts(job, COMPARED_ROWS)
    n = len(chosen.real)
    for name, of, worst in (
        ("ranking_agreement", utility.ranking_agreement, 0.0),
        ("importance_overlap", utility.importance_overlap, 0.0),
    ):
        floor = None if fresh is None else of(fresh, job.label, job.seed).value
        yield measured(name, of(chosen, job.label, job.seed), n, floor=floor, worst=worst)
    curve = utility.augmentation(chosen, job.label, job.seed)
    beside = {} if fresh is None else utility.augmentation(fresh, job.label, job.seed)
    for name, share in AUGMENTATION.items():
        floor = utility.gain(beside, share).value if beside else None
        yield measured(name, utility.gain(curve, share), n, floor=floor)


def of_dimensions(job: Job) -> Iterator[Metric]:
    chosen, fresh = parts(job, COMPARED_ROWS)
    n = len(chosen.real)
    found = utility.dimension_wise(chosen, job.seed)
    beside = None if fresh is None else utility.dimension_wise(fresh, job.seed)
    for name, of, worst in (
        ("dimension_pearson", utility.dimension_pearson, 0.0),
        ("dimension_gap", utility.dimension_gap, None),
    ):
        floor = None if beside is None else of(beside).value
        bad = float(np.mean(found["trtr"]) - 0.5) if worst is None and len(found["trtr"]) else worst
        yield measured(name, of(found), n, floor=floor, worst=bad)
