"""Utility: is a model trained on the synthetic records as good on real patients as one trained on real ones?

Pairs are named by what is trained on and what is tested on: TSTR is trained on synthetic, tested on real (held out).
Functions that train return a function of the patients to test on: all of them, or those of a subgroup.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks, joined
from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.measures.intervals import CONFIDENCE, GROUPS, Estimate, jackknife
from jaxehr.evaluation.measures.learners import Features, Learner, Target, score, target, trained
from jaxehr.evaluation.measures.metric import SMALL_CELL

FIFTHS = 5


class Tests(NamedTuple):
    """Whom models are tested on; neither were trained on."""

    holdout: Blocks
    synthetic: Blocks

    def of(self, who: Callable[[Blocks], np.ndarray]) -> "Tests":
        """Those among them: who(records) -> rows."""
        return Tests(*(records.rows(who(records)) for records in self))

    def smallest(self, label: str | None) -> int:
        """Of both; of the real ones those whose label is known, where one is asked."""
        if label is None:
            return min(len(records) for records in self)
        return min(int(target(self.holdout, label).known.sum()), len(self.synthetic))


class Split(NamedTuple):
    """Equal numbers to train on; the holdout, and the rest of the synthetic rows, to test on."""

    real: Blocks
    synthetic: Blocks
    tests: Tests


def split(real: Blocks, synthetic: Blocks, holdout: Blocks, most: int) -> Split:
    n = min(len(real), len(synthetic) * 2 // 3, most)
    rest = np.arange(n, min(len(synthetic), n + most // 2))
    held = holdout.rows(np.arange(min(len(holdout), most)))
    first = np.arange(n)
    return Split(real.rows(first), synthetic.rows(first), Tests(held, synthetic.rows(rest)))


def tested(wanted: Target, predicted: np.ndarray) -> Estimate:
    """The score with an interval over the patients tested on."""
    own = groups_of(len(predicted), GROUPS)

    def of(leave: int | None) -> dict[str, float]:
        kept = own != (-1 if leave is None else leave)
        part = Target(wanted.task, wanted.values[kept], wanted.known[kept])
        return {"score": score(part, predicted[kept])}

    return jackknife(of)["score"]


def pairings(
    parts: Split, label: str, learner: Learner, seed: int
) -> Callable[[Tests], dict[str, Estimate]]:
    """tstr, trtr, trts, tsts, tsrtr, and tstr_gap = trtr - tstr on the same patients.

    Synthetic records without the label, or with one class of it, teach nothing, and nothing can be seen on them: the
    score is that of chance.

    Their intervals are of the patients tested on and of those trained on. The latter is measured on real ones: what
    another draw of fresh patients would change. Blocks without relations train to noise, whose spread says nothing.
    """
    features = Features(parts.real, label)
    fit = lambda records: learnt(learner, features, records, label, seed)
    on_synthetic, on_real = fit(parts.synthetic), fit(parts.real)
    on_both = fit(joined(parts.synthetic, parts.real))
    chosen = reference_class(target(parts.real, label))
    own = groups_of(len(parts.real), FIFTHS)
    fifths = [fit(parts.real.rows(np.nonzero(own != g)[0])) for g in range(FIFTHS)]

    def on(tests: Tests) -> dict[str, Estimate]:
        of_real, of_synthetic = target(tests.holdout, label), target(tests.synthetic, label)
        tstr, trtr = on_synthetic(tests.holdout), on_real(tests.holdout)
        half = _training_spread(of_real, [predict(tests.holdout) for predict in fifths], chosen)
        widened = lambda estimate, name="score", sets=1.0: _widened(
            estimate, half[name] * sets**0.5
        )
        calibrated = {
            f"{name}_{k}": widened(v, k)
            for name, p in (("tstr", tstr), ("trtr", trtr))
            for k, v in calibration(of_real, p, chosen).items()
        }
        return {
            "tstr": widened(tested(of_real, tstr)),
            "trtr": widened(tested(of_real, trtr)),
            "trts": widened(_or_chance(tested(of_synthetic, on_real(tests.synthetic)), of_real)),
            "tsts": widened(
                _or_chance(tested(of_synthetic, on_synthetic(tests.synthetic)), of_real)
            ),
            "tsrtr": widened(tested(of_real, on_both(tests.holdout)), sets=0.5),
            "tstr_gap": widened(lost(of_real, trtr, tstr), sets=2.0),
            **calibrated,
        }

    return on


def learnt(
    learner: Learner, features: Features, train: Blocks, label: str, seed: int
) -> Callable[[Blocks], np.ndarray]:
    """`trained`; without any label to learn from, a number is taken for the real mean."""
    wanted = target(train, label)
    if wanted.task == "regression" and not wanted.known.any():
        real = target(features.real, label)
        mean = float(real.values[real.known].mean())
        return lambda records: np.full(len(records), mean)
    return trained(learner, features, train, label, seed)


def _or_chance(found: Estimate, real: Target) -> Estimate:
    """Where the real patients have what a score needs and the synthetic ones do not."""
    y = real.values[real.known]
    if np.isfinite(found.value) or len(np.unique(y)) < 2:
        return found
    return Estimate(chance(real), float("nan"), float("nan"))


def chance(wanted: Target) -> float:
    """The score of a guess: 0.5 of an AUROC, 0 of R^2."""
    return 0.5 if wanted.task == "classification" else 0.0


def lost(wanted: Target, better: np.ndarray, worse: np.ndarray) -> Estimate:
    """The difference of two scores on the same patients."""
    own = groups_of(len(better), GROUPS)

    def of(leave: int | None) -> dict[str, float]:
        kept = own != (-1 if leave is None else leave)
        part = Target(wanted.task, wanted.values[kept], wanted.known[kept])
        return {"lost": score(part, better[kept]) - score(part, worse[kept])}

    return jackknife(of)["lost"]


def _training_spread(asked: Target, predictions: list[np.ndarray], chosen: int) -> dict[str, float]:
    """Half of a 95% interval of score, ece and slope from the rows trained on: a jackknife over fifths of them.

    predictions     without each fifth
    chosen          the class that is calibrated
    """
    from scipy.stats import t

    found: dict[str, list[float]] = {}
    for predicted in predictions:
        figures = {k: v.value for k, v in calibration(asked, predicted, chosen).items()}
        for name, value in {"score": score(asked, predicted), **figures}.items():
            found.setdefault(name, []).append(value)
    wide = float(t.ppf((1 + CONFIDENCE) / 2, FIFTHS - 1))
    return {k: wide * float(np.sqrt((FIFTHS - 1) * np.var(v))) for k, v in found.items()}


def _widened(estimate: Estimate, half: float) -> Estimate:
    """By an independent source of noise."""
    value, low, high = estimate
    below, above = np.hypot(value - low, half), np.hypot(high - value, half)
    return Estimate(value, float(value - below), float(value + above))


def reference_class(wanted: Target) -> int:
    """Whose calibration is measured: the second of two classes, the most frequent of more; 0 for a number."""
    if wanted.task == "regression" or not wanted.known.any():
        return 0
    counts = np.bincount(wanted.values[wanted.known])
    classes = np.flatnonzero(counts)
    return int(classes[-1] if len(classes) <= 2 else counts.argmax())


def calibration(wanted: Target, predicted: np.ndarray, chosen: int) -> dict[str, Estimate]:
    """ece: mean |share - probability| over ten bins of as many patients; slope: of the outcome on the log odds of the
    probability, 1 where it is neither too bold (below) nor too timid.

    chosen  the class whose probability it is; without a patient of it the slope is NaN, and so it is of a prediction
            that is the same for all
    """
    if wanted.task == "regression" or wanted.known.sum() < SMALL_CELL:
        return {}
    y = (wanted.values[wanted.known] == chosen).astype(float)
    p = np.clip(predicted[wanted.known, chosen], 1e-4, 1 - 1e-4)
    own = groups_of(len(y), GROUPS)

    def of(leave: int | None) -> dict[str, float]:
        kept = own != (-1 if leave is None else leave)
        return {"ece": _ece(y[kept], p[kept]), "slope": _slope(y[kept], p[kept])}

    return jackknife(of)


def _ece(y: np.ndarray, p: np.ndarray, bins: int = 10) -> float:
    order = np.argsort(p, kind="stable")
    parts = np.array_split(order, bins)
    return float(sum(len(b) * abs(y[b].mean() - p[b].mean()) for b in parts if len(b)) / len(y))


def _slope(y: np.ndarray, p: np.ndarray, steps: int = 40) -> float:
    """Logistic regression of y on logit p, by Newton's method; NaN where they are separated, or p hardly varies."""
    x = np.stack([np.ones(len(p)), np.log(p / (1 - p))], 1)
    if y.min() == y.max() or np.ptp(x[:, 1]) < 1e-3:
        return float("nan")
    w = np.array([0.0, 1.0])
    for _ in range(steps):
        q = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        curvature = (x * np.maximum(q * (1 - q), 1e-9)[:, None]).T @ x + 1e-6 * np.eye(2)
        step = np.clip(np.linalg.solve(curvature, x.T @ (y - q)), -0.5, 0.5)
        w = w + step
        if np.abs(step).max() < 1e-13:  # the next would be of nothing but rounding
            break
    return float(w[1]) if abs(w[1]) < 10 else float("nan")
