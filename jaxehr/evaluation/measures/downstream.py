"""Utility beyond one score: do synthetic records choose the same learner and features, add to real ones, and keep what
every column says of every other?

Functions that train return a function of the patients to test on: all of them, or those of a subgroup.
"""

from collections.abc import Callable, Sequence

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks, joined
from jaxehr.evaluation.measures.intervals import Estimate
from jaxehr.evaluation.measures.learners import (
    LOGISTIC,
    Features,
    Target,
    one_thread,
    score,
    target,
    trained,
)
from jaxehr.evaluation.measures.proportions import wilson
from jaxehr.evaluation.measures.utility import Split, Tests, learnt, lost

PREDICTED = 20  # columns or codes of dimension-wise prediction
SHARES = (0.25, 0.5, 1.0)  # of synthetic rows added to as many real ones
ASKED = 50  # features whose importance is measured
TOP = 10  # features whose overlap is taken
Predict = Callable[[Blocks], np.ndarray]


def ranking_agreement(parts: Split, label: str, seed: int) -> Callable[[Tests], Estimate]:
    """SRA: the share of pairs of learners that are ordered the same by TSTS as by TRTR (Jordon et al. 2018).

    Its interval takes the 15 pairs for independent trials, and is rough.
    """
    fit = lambda train: [_fitted(train, models, label, parts.real) for models in _models(seed)]
    on_real, on_synthetic = fit(parts.real), fit(parts.synthetic)

    def on(tests: Tests) -> Estimate:
        real = [predict(tests.holdout) for predict in on_real]
        drawn = [predict(tests.synthetic) for predict in on_synthetic]
        if not np.isfinite(real).all():
            return Estimate(float("nan"), float("nan"), float("nan"))
        # NaN, of learners that the synthetic records could not train, orders none.
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


def _fitted(train: Blocks, models: tuple, label: str, real: Blocks) -> Callable[[Blocks], float]:
    """Scores the model on records; NaN where it cannot be trained."""
    features, wanted = Features(real, label), target(train, label)
    y = wanted.values[wanted.known]
    if not len(y) or (wanted.task == "classification" and len(np.unique(y)) < 2):
        return lambda test: float("nan")
    model = models[0 if wanted.task == "classification" else 1]
    with one_thread():
        model.fit(features.linear(train)[np.nonzero(wanted.known)[0]], y)

    def scored(test: Blocks) -> float:
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
    """For up to 20 labels and 20 codes: AUROC on the holdout of predicting each from all others, trained on real rows
    and on synthetic ones (MedGAN's dimension-wise prediction)."""
    fitted: dict[str, list[Predict]] = {}
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
    """Over the columns; Fisher's interval. 0 where records teach nothing of any column."""
    a, b = scores["trtr"], scores["tstr"]
    if len(a) < 5 or a.std() == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    r = float(np.corrcoef(a, b)[0, 1]) if b.std() > 0 else 0.0
    z, half = np.arctanh(np.clip(r, -1 + 1e-9, 1 - 1e-9)), 1.96 / (len(a) - 3) ** 0.5
    return Estimate(r, float(np.tanh(z - half)), float(np.tanh(z + half)))


def predictable(real: Blocks) -> Sequence[str]:
    """Labels of two to ten values that vary, and codes spread evenly over the 100 most frequent."""
    varies = []
    for j, name in enumerate(real.label_names):
        counts = np.bincount(real.labels[:, j])[1:]
        if 2 <= (counts > 0).sum() <= 10 and np.sort(counts)[-2] >= 0.01 * len(real):
            varies.append(name)
    most = real.frequent(100)
    spread = np.unique(np.linspace(0, len(most) - 1, PREDICTED).astype(int)) if len(most) else most
    return [*varies[:PREDICTED], *(real.codes[j] for j in most[spread])]


def augmentation(
    parts: Split, on_real: Predict, label: str, seed: int
) -> Callable[[Tests], dict[float, Estimate]]:
    """What adding a share of as many synthetic rows to the real ones brings to boosting, on the same patients.

    on_real     boosting that was trained on the real rows alone
    """
    features = Features(parts.real, label)
    fitted = [on_real]
    for share in SHARES:
        added = parts.synthetic.rows(np.arange(int(share * len(parts.synthetic))))
        fitted.append(learnt("boosting", features, joined(parts.real, added), label, seed))

    def on(tests: Tests) -> dict[float, Estimate]:
        asked = target(tests.holdout, label)
        without, *with_ = (predict(tests.holdout) for predict in fitted)
        gains = (lost(asked, after, without) for after in with_)
        return dict(zip(SHARES, gains, strict=True))

    return on


def importance_overlap(
    parts: Split, on_real: Predict, label: str, seed: int
) -> Callable[[Tests], Estimate]:
    """Jaccard overlap of the ten features that matter most, trained on real rows and on synthetic ones.

    A feature matters by how much the score on the holdout falls when its column is shuffled, if it falls. The interval
    takes the features that are in either ten for independent trials, and is rough.
    """
    features = Features(parts.real, label)
    fitted = [on_real, learnt("boosting", features, parts.synthetic, label, seed)]

    def on(tests: Tests) -> Estimate:
        asked = target(tests.holdout, label)
        if not np.isfinite([score(asked, predict(tests.holdout)) for predict in fitted]).all():
            return Estimate(float("nan"), float("nan"), float("nan"))
        tops = []
        for predict in fitted:
            drops = _drops(predict, tests.holdout, features, asked, seed)
            most = np.argsort(-drops, kind="stable")[: min(TOP, max(len(drops) // 2, 1))]
            tops.append({j for j in most if drops[j] > 0})
        shared, either = len(tops[0] & tops[1]), len(tops[0] | tops[1])
        if not either:
            return Estimate(float("nan"), float("nan"), float("nan"))
        return Estimate(shared / either, *wilson(shared, either))

    return on


def _drops(
    predict: Predict,
    test: Blocks,
    features: Features,
    asked: Target,
    seed: int,
) -> np.ndarray:
    """How much the score falls where each feature is shuffled; asked again, at once, of the rows that it changes."""
    rng = np.random.default_rng(seed)
    rows: list[np.ndarray] = []
    changed: list[Blocks] = []
    for name in features.names[:ASKED]:
        shuffled = test.with_shuffled(name, rng)
        rows.append(test.differing(shuffled))
        changed.append(shuffled.rows(rows[-1]))
    whole, *again = np.split(
        predict(joined(test, *changed)), np.cumsum([len(test), *map(len, rows)])[:-1]
    )
    base = score(asked, whole)
    drops = []
    for own, predicted in zip(rows, again, strict=True):
        mixed = whole.copy()
        mixed[own] = predicted
        drops.append(base - score(asked, mixed))
    return np.nan_to_num(np.array(drops))
