"""Utility: is a model trained on the synthetic records as good on real patients as one trained on real ones?

Pairs are named by what is trained on and what is tested on: TSTR is trained on synthetic, tested on real (held out).
Most functions here train, and return a function of the patients to test on: all of them, or those of a subgroup.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxehr.evaluation.frames import Bits, Records, joined
from jaxehr.evaluation.intervals import CONFIDENCE, GROUPS, Estimate, jackknife
from jaxehr.evaluation.learners import (
    LOGISTIC,
    Features,
    Learner,
    Target,
    one_thread,
    score,
    target,
    trained,
)
from jaxehr.evaluation.nearest import groups_of
from jaxehr.evaluation.proportions import wilson
from jaxehr.evaluation.report import SMALL_CELL

PREDICTED = 20  # columns or codes of dimension-wise prediction
SHARES = (0.0, 0.25, 0.5, 1.0)  # of synthetic rows added to as many real ones; none comes first
ASKED = 50  # features whose importance is measured
FIFTHS = 5
TOP = 10  # features whose overlap is taken


class Tests(NamedTuple):
    """Whom models are tested on; neither were trained on."""

    holdout: Records
    synthetic: Records

    def of(self, who: Callable[[Records], np.ndarray]) -> "Tests":
        """Those among them: who(records) -> rows."""
        return Tests(*(records.rows(who(records)) for records in self))

    def smallest(self, label: str | None) -> int:
        """Of both: those whose label is known, where one is asked."""
        if label is None:
            return min(len(records) for records in self)
        return min(int(target(records, label).known.sum()) for records in self)


class Split(NamedTuple):
    """Equal numbers to train on; the holdout, and the rest of the synthetic rows, to test on."""

    real: Records
    synthetic: Records
    tests: Tests


def split(real: Records, synthetic: Records, holdout: Records, most: int) -> Split:
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

    Their intervals are of the patients tested on and of those trained on. The latter is measured on real ones: what
    another draw of fresh patients would change. Records without relations train to noise, whose spread says nothing.
    """
    features = Features(parts.real, label)
    fit = lambda records: trained(learner, features, records, label, seed)
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
            "trts": widened(tested(of_synthetic, on_real(tests.synthetic))),
            "tsts": widened(tested(of_synthetic, on_synthetic(tests.synthetic))),
            "tsrtr": widened(tested(of_real, on_both(tests.holdout)), sets=0.5),
            "tstr_gap": widened(_lost(of_real, trtr, tstr), sets=2.0),
            **calibrated,
        }

    return on


def _lost(wanted: Target, better: np.ndarray, worse: np.ndarray) -> Estimate:
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

    chosen  the class whose probability it is; without a patient of it the slope is NaN
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
    """Logistic regression of y on logit p, by Newton's method; NaN where they are separated."""
    if y.min() == y.max():
        return float("nan")
    x = np.stack([np.ones(len(p)), np.log(p / (1 - p))], 1)
    w = np.array([0.0, 1.0])
    for _ in range(steps):
        q = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        curvature = (x * np.maximum(q * (1 - q), 1e-9)[:, None]).T @ x + 1e-6 * np.eye(2)
        w = w + np.clip(np.linalg.solve(curvature, x.T @ (y - q)), -0.5, 0.5)
    return float(w[1]) if abs(w[1]) < 10 else float("nan")


def ranking_agreement(parts: Split, label: str, seed: int) -> Callable[[Tests], Estimate]:
    """SRA: the share of pairs of learners that are ordered the same by TSTS as by TRTR (Jordon et al. 2018).

    Its interval takes the 15 pairs for independent trials, and is rough.
    """
    fit = lambda train: [_fitted(train, models, label, parts.real) for models in _models(seed)]
    on_real, on_synthetic = fit(parts.real), fit(parts.synthetic)

    def on(tests: Tests) -> Estimate:
        real = [predict(tests.holdout) for predict in on_real]
        drawn = [predict(tests.synthetic) for predict in on_synthetic]
        if not np.isfinite([real, drawn]).all():
            return Estimate(float("nan"), float("nan"), float("nan"))
        a, b = np.array(real), np.array(drawn)
        above = np.triu_indices(len(a), 1)
        same = np.sign(a[:, None] - a)[above] == np.sign(b[:, None] - b)[above]
        return Estimate(float(same.mean()), *wilson(int(same.sum()), len(same)))

    return on


def _models(seed: int) -> list:
    """Six of different kinds and strengths, for a class or (the second of each) a number."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.naive_bayes import BernoulliNB
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    stump = {"random_state": seed, "min_samples_leaf": 20}
    return [
        (LogisticRegression(C=1.0, **LOGISTIC), Ridge(1.0)),
        (LogisticRegression(C=1e-3, **LOGISTIC), Ridge(1e4)),
        (BernoulliNB(), Ridge(1e2)),
        (KNeighborsClassifier(25), KNeighborsRegressor(25)),
        (DecisionTreeClassifier(max_depth=2, **stump), DecisionTreeRegressor(max_depth=2, **stump)),
        (DecisionTreeClassifier(max_depth=8, **stump), DecisionTreeRegressor(max_depth=8, **stump)),
    ]


def _fitted(train: Records, models: tuple, label: str, real: Records) -> Callable[[Records], float]:
    """Scores the model on records; NaN where it cannot be trained."""
    features, wanted = Features(real, label), target(train, label)
    y = wanted.values[wanted.known]
    if wanted.task == "classification" and len(np.unique(y)) < 2:
        return lambda test: float("nan")
    model = models[0 if wanted.task == "classification" else 1]
    with one_thread():
        model.fit(features.linear(train)[np.nonzero(wanted.known)[0]], y)

    def scored(test: Records) -> float:
        asked = target(test, label)
        with one_thread():
            if wanted.task == "regression":
                return score(asked, model.predict(features.linear(test)))
            classes = max(int(asked.values.max()), int(y.max())) + 1
            probability = np.zeros((len(test), classes))
            probability[:, model.classes_] = model.predict_proba(features.linear(test))
            return score(asked, probability)

    return scored


def dimension_wise(parts: Split, seed: int) -> Callable[[Tests], dict[str, np.ndarray]]:
    """For up to 20 codes or labels: AUROC on the holdout of predicting each from all others, trained on real rows and
    on synthetic ones (MedGAN's dimension-wise prediction)."""
    fitted: dict[str, list[Callable[[Records], np.ndarray]]] = {}
    for name in predictable(parts.real):
        features = Features(parts.real, name)
        both = (parts.real, parts.synthetic)
        fitted[name] = [trained("linear", features, records, name, seed) for records in both]

    def on(tests: Tests) -> dict[str, np.ndarray]:
        found: list[list[float]] = []
        for name, of in fitted.items():
            asked = target(tests.holdout, name)
            scores = [score(asked, predict(tests.holdout)) for predict in of]
            found += [scores] if np.isfinite(scores).all() else []
        both = np.array(found, float).reshape(-1, 2)
        return {"trtr": both[:, 0], "tstr": both[:, 1]}

    return on


def dimension_gap(scores: dict[str, np.ndarray]) -> Estimate:
    """Mean AUROC lost over the columns, with its standard error over them."""
    lost = scores["trtr"] - scores["tstr"]
    if len(lost) < 2:
        return Estimate(float("nan"), float("nan"), float("nan"))
    half = 1.96 * lost.std(ddof=1) / len(lost) ** 0.5
    return Estimate(float(lost.mean()), float(lost.mean() - half), float(lost.mean() + half))


def dimension_pearson(scores: dict[str, np.ndarray]) -> Estimate:
    """Over the columns; Fisher's interval."""
    a, b = scores["trtr"], scores["tstr"]
    if len(a) < 5 or a.std() == 0 or b.std() == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    r = float(np.corrcoef(a, b)[0, 1])
    z, half = np.arctanh(np.clip(r, -1 + 1e-9, 1 - 1e-9)), 1.96 / (len(a) - 3) ** 0.5
    return Estimate(r, float(np.tanh(z - half)), float(np.tanh(z + half)))


def predictable(real: Records) -> Sequence[str]:
    """Codes spread evenly over the 100 most frequent; labels of two to ten values that vary."""
    if isinstance(real, Bits):
        most = np.argsort(-real.bits.sum(0), kind="stable")[:100]
        chosen = most[np.unique(np.linspace(0, len(most) - 1, PREDICTED).astype(int))]
        return [real.codes[j] for j in chosen]
    varies = []
    for j, name in enumerate(real.label_names):
        counts = np.bincount(real.labels[:, j])[1:]
        if 2 <= (counts > 0).sum() <= 10 and np.sort(counts)[-2] >= 0.01 * len(real):
            varies.append(name)
    return varies[:PREDICTED]


def augmentation(parts: Split, label: str, seed: int) -> Callable[[Tests], dict[float, Estimate]]:
    """What adding a share of as many synthetic rows to the real ones brings to boosting, on the same patients."""
    features = Features(parts.real, label)
    fitted = {}
    for share in SHARES:
        added = parts.synthetic.rows(np.arange(int(share * len(parts.synthetic))))
        fitted[share] = trained("boosting", features, joined(parts.real, added), label, seed)

    def on(tests: Tests) -> dict[float, Estimate]:
        asked = target(tests.holdout, label)
        without, *with_ = (predict(tests.holdout) for predict in fitted.values())
        gains = (_lost(asked, after, without) for after in with_)
        return dict(zip(SHARES[1:], gains, strict=True))

    return on


def importance_overlap(parts: Split, label: str, seed: int) -> Callable[[Tests], Estimate]:
    """Jaccard overlap of the ten features that matter most, trained on real rows and on synthetic ones.

    A feature matters by how much the score on the holdout falls when its column is shuffled. The interval takes
    the features that are in either ten for independent trials, and is rough.
    """
    features = Features(parts.real, label)
    fitted = [
        trained("boosting", features, records, label, seed)
        for records in (parts.real, parts.synthetic)
    ]

    def on(tests: Tests) -> Estimate:
        asked = target(tests.holdout, label)
        if not np.isfinite([score(asked, predict(tests.holdout)) for predict in fitted]).all():
            return Estimate(float("nan"), float("nan"), float("nan"))
        tops = []
        for predict in fitted:
            drops = _drops(predict, tests.holdout, features, asked, seed)
            tops.append(set(np.argsort(-drops, kind="stable")[: min(TOP, max(len(drops) // 2, 1))]))
        shared, either = len(tops[0] & tops[1]), len(tops[0] | tops[1])
        return Estimate(shared / either, *wilson(shared, either))

    return on


def _drops(
    predict: Callable[[Records], np.ndarray],
    test: Records,
    features: Features,
    asked: Target,
    seed: int,
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    base = score(asked, predict(test))
    drops = []
    for name in features.names[:ASKED]:
        shuffled = test.with_shuffled(name, rng)
        drops.append(base - score(asked, predict(shuffled)))
    return np.nan_to_num(np.array(drops))
