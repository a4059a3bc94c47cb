"""The utility pillar: what is trained once, and tested on everybody or on those of a subgroup.

The floor is a second set of real patients in the place of the synthetic ones, where there are enough to spare.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.judges.job import Job, Step, measured
from jaxehr.evaluation.measures import downstream, utility
from jaxehr.evaluation.measures.catalogue import CALIBRATION, DIMENSIONS, DOWNSTREAM, PAIRINGS
from jaxehr.evaluation.measures.intervals import Estimate
from jaxehr.evaluation.measures.learners import Features, Learner, target
from jaxehr.evaluation.measures.metric import SMALL_CELL, Metric

SAME = (
    "the model trained on synthetic records predicts the same for everyone, or right for everyone"
)
TRAINED_ROWS = 10_000  # of each set
COMPARED_ROWS = 2_000  # where many models are trained
AUGMENTATION = {
    "augmentation_gain_25pct": 0.25,
    "augmentation_gain_50pct": 0.5,
    "augmentation_gain": 1.0,
}
Who = Callable[[Blocks], np.ndarray]  # rows of the patients to test on
Tested = Callable[[Who], Iterator[Metric]]  # nothing where they are fewer than 11


def everyone(records: Blocks) -> np.ndarray:
    return np.arange(len(records))


class Study(NamedTuple):
    """`learn` trains its models when first called, and gives what tests them."""

    what: str
    names: tuple[str, ...]
    learn: Callable[[], Tested]
    needs: tuple[str, ...] = ("holdout", "label")


def studies(job: Job) -> list[Study]:
    suffix = score_name(job)
    found = []
    learners: tuple[tuple[Learner, str], ...] = (("boosting", ""), ("linear", "_linear"))
    for learner, ending in learners:
        names = tuple(f"{name}_{suffix}{ending}" for name in PAIRINGS)
        calibrated = tuple(CALIBRATION) if suffix == "auroc" and not ending else ()
        learn = cache(partial(of_pairings, job, learner, ending))
        found.append(Study(f"training by {learner}", names + calibrated, learn))
    learn = cache(partial(of_downstream, job))
    found.append(Study("comparing learners", tuple(DOWNSTREAM), learn))
    if downstream.predictable(job.real):
        learn = cache(partial(of_dimensions, job))
        found.append(Study("columns from columns", tuple(DIMENSIONS), learn, ("holdout",)))
    return found


def steps(found: list[Study]) -> list[Step]:
    run = lambda study: study.learn()(everyone)
    return [Step("utility", s.what, s.names, partial(run, s), needs=s.needs) for s in found]


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


def enough(split: utility.Split | None, who: Who, label: str | None) -> utility.Tests | None:
    """Those among the patients to test on; None where fewer than 11 of them (have the label)."""
    if split is None:
        return None
    tests = split.tests.of(who)
    return tests if tests.smallest(label) >= SMALL_CELL else None


def of_pairings(job: Job, learner: Learner, ending: str) -> Tested:
    assert job.label is not None
    chosen, _ = parts(job, TRAINED_ROWS)
    n, name = len(chosen.real), score_name(job)
    on = utility.pairings(chosen, job.label, learner, job.seed)

    def tested(who: Who) -> Iterator[Metric]:
        tests = enough(chosen, who, job.label)
        if tests is None:
            return
        found = on(tests)
        chance = 0.5 if name == "auroc" else 0.0
        real = found["trtr"].value
        # What real patients teach is the floor of the others, and has none itself.
        floors = {"tstr_gap": 0.0, "trtr": None}
        for pair in PAIRINGS:
            worst = real - chance if pair == "tstr_gap" else chance
            floor = floors.get(pair, real)
            yield measured(f"{pair}_{name}{ending}", found[pair], n, floor=floor, worst=worst)
        if ending or name != "auroc":
            return
        for figure in ("ece", "slope"):
            if f"tstr_{figure}" in found:
                at_best = found[f"trtr_{figure}"].value
                worst = 0.5 if figure == "ece" else 0.0
                estimate = found[f"tstr_{figure}"]
                yield measured(
                    f"tstr_{figure}", estimate, n, floor=at_best, worst=worst, undefined=SAME
                )

    return tested


def of_downstream(job: Job) -> Tested:
    chosen, fresh = parts(job, COMPARED_ROWS)
    n = len(chosen.real)
    drawn, real = _compared(job, chosen), None if fresh is None else _compared(job, fresh)

    def tested(who: Who) -> Iterator[Metric]:
        tests, spare = enough(chosen, who, job.label), enough(fresh, who, job.label)
        if tests is None:
            return
        found = drawn(tests)
        floors = {} if real is None or spare is None else real(spare)
        for name, estimate in found.items():
            floor = floors[name].value if floors else None
            worst = None if name in AUGMENTATION else 0.0
            yield measured(name, estimate, n, floor=floor, worst=worst)

    return tested


def _compared(job: Job, split: utility.Split) -> Callable[[utility.Tests], dict[str, Estimate]]:
    """The figures of DOWNSTREAM."""
    assert job.label is not None
    ranking = downstream.ranking_agreement(split, job.label, job.seed)
    features = Features(split.real, job.label)
    on_real = utility.learnt("boosting", features, split.real, job.label, job.seed)
    importance = downstream.importance_overlap(split, on_real, job.label, job.seed)
    adding = downstream.augmentation(split, on_real, job.label, job.seed)

    def figures(tests: utility.Tests) -> dict[str, Estimate]:
        gains = adding(tests)
        return {
            "ranking_agreement": ranking(tests),
            "importance_overlap": importance(tests),
            **{name: gains[share] for name, share in AUGMENTATION.items()},
        }

    return figures


def of_dimensions(job: Job) -> Tested:
    chosen, fresh = parts(job, COMPARED_ROWS)
    n = len(chosen.real)
    on = downstream.dimension_wise(chosen, job.seed)
    fresh_on = None if fresh is None else downstream.dimension_wise(fresh, job.seed)

    def tested(who: Who) -> Iterator[Metric]:
        tests, spare = enough(chosen, who, None), enough(fresh, who, None)
        if tests is None:
            return
        found = on(tests)
        beside = None if fresh_on is None or spare is None else fresh_on(spare)
        for name, of, worst in (
            ("dimension_pearson", downstream.dimension_pearson, 0.0),
            ("dimension_gap", downstream.dimension_gap, None),
        ):
            floor = None if beside is None else of(beside).value
            if worst is None and len(found["trtr"]):
                worst = float(np.mean(found["trtr"]) - 0.5)
            yield measured(name, of(found), n, floor=floor, worst=worst)

    return tested
