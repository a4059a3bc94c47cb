"""Fidelity, all columns at once: can a classifier tell the sets apart, and do clusters hold as many of each?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.blocks.blocks import Blocks, joined
from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.measures.intervals import GROUPS, Estimate, auc, jackknife
from jaxehr.evaluation.measures.learners import (
    Features,
    area_under_curve,
    linear,
    one_thread,
    splittable,
)
from jaxehr.evaluation.measures.proportions import Z
from jaxehr.evaluation.measures.tells import View, views

ROWS = 10_000  # of each set: enough to place the AUC within 0.004
FOLDS = 5
SPLITS = 2  # to stop by, of each view
ASKED_ROWS = 2_000  # for what gives rows away
CLUSTERS = 20
BOOSTED = {
    "max_iter": 400,  # at most: those that tell nothing new stop at once
    "learning_rate": 0.1,
    "early_stopping": True,
    "n_iter_no_change": 20,
}


@dataclass(frozen=True)
class Detection:
    """Synthetic rows told from real ones, by `detect`.

    estimate    AUC: 0.5 is not at all
    """

    estimate: Estimate
    last: "Detector"
    views: tuple[View, View]
    y: np.ndarray
    held: np.ndarray  # rows of the last fold

    def gives_away(self, seed: int) -> dict[str, float]:
        """AUC that is lost where a feature is shuffled among rows that were not trained on, the most telling first."""
        rng = np.random.default_rng(seed)
        rows = rng.permutation(self.held)[:ASKED_ROWS]
        y = self.y[rows] == 1
        with one_thread():
            parts = [view.x[rows] for view in self.views]
            scores = [self.last.score(i, x) for i, x in enumerate(parts)]
            whole = area_under_curve(y, np.sum(scores, axis=0))
            lost = {}
            for name in dict.fromkeys(name for view in self.views for name in view.names):
                order, told = rng.permutation(len(rows)), list(scores)
                for i, view in enumerate(self.views):
                    if name in view.names:
                        j = view.names.index(name)
                        told[i] = self._without(i, parts[i], j, order, scores[i])
                lost[name] = whole - area_under_curve(y, np.sum(told, axis=0))
        return dict(sorted(lost.items(), key=lambda item: -item[1]))

    def _without(
        self, view: int, x: np.ndarray, j: int, order: np.ndarray, scores: np.ndarray
    ) -> np.ndarray:
        """The scores with feature j in another order: asked of the rows that it changes alone."""
        if j not in self.last.kept[view]:
            return scores
        mixed, (rows,) = x[order, j], np.nonzero(x[order, j] != x[:, j])
        changed, told = x[rows], scores.copy()
        if len(rows):
            changed[:, j] = mixed[rows]
            told[rows] = self.last.score(view, changed)
        return told


@dataclass(frozen=True)
class Detector:
    """Boosters of each view, and the features that they look at; what they say is added."""

    models: tuple[list[Any], list[Any]]
    kept: tuple[np.ndarray, np.ndarray]

    @staticmethod
    def fit(seen: tuple[View, View], y: np.ndarray, rows: np.ndarray, seed: int) -> "Detector":
        from sklearn.ensemble import HistGradientBoostingClassifier

        # A few patients say little of when to stop.
        share = float(np.clip(200 / len(rows), 0.1, 0.3))
        settings = {**BOOSTED, "validation_fraction": share}
        parts = [view.x[rows] for view in seen]
        kept = tuple(splittable(x) for x in parts)
        models = tuple(
            [
                HistGradientBoostingClassifier(random_state=seed + i, **settings).fit(
                    x[:, own], y[rows]
                )
                for i in range(SPLITS)
            ]
            for x, own in zip(parts, kept, strict=True)
        )
        return Detector(models, kept)  # type: ignore[arg-type]

    def score(self, view: int, x: np.ndarray) -> Float[np.ndarray, "n"]:
        """Log odds of being synthetic, as its boosters have them together."""
        x = x[:, self.kept[view]]
        return np.sum([model.decision_function(x) for model in self.models[view]], axis=0)


def detect(real: Blocks, other: Blocks, seed: int) -> Detection:
    """Boosters that tell the sets apart, each set in turn held out in a fifth.

    What is judged is fixed beforehand, and the same for every pair of sets: two views of a row (`tells.views`), for
    each two boosters of up to 400 trees, which stop by a tenth of the rows held out from training, each by another; the
    log odds of the four are added. A view that tells nothing stops at once and adds next to nothing, so that nothing
    is chosen by its success: two samples of one law have 0.5 in expectation. The AUC is the mean of five folds', its
    interval DeLong's within each.
    """
    seen = views(joined(real, other))
    y = np.repeat([0, 1], [len(real), len(other)])
    found = []
    with one_thread():
        for train, held in _folds(y, seed):
            last = Detector.fit(seen, y, train, seed)
            told = last.score(0, seen[0].x[held]) + last.score(1, seen[1].x[held])
            found.append(auc(told[y[held] == 1], told[y[held] == 0]))
    return Detection(_mean(found), last, seen, y, held)


def detect_linearly(real: Blocks, other: Blocks, seed: int) -> Estimate:
    """The same by a logistic regression of the columns as they are."""
    features = Features(joined(real, other))
    x = features.linear(features.real)
    y = np.repeat([0, 1], [len(real), len(other)])
    found = []
    with one_thread():
        for train, held in _folds(y, seed):
            model = linear("classification", strength=0.1).fit(x[train], y[train])
            told = model.decision_function(x[held])
            found.append(auc(told[y[held] == 1], told[y[held] == 0]))
    return _mean(found)


def _folds(y: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(y, y)


def _mean(found: list[Estimate]) -> Estimate:
    """Of folds: their errors are independent given what was trained."""
    value = float(np.mean([each.value for each in found]))
    errors = [(each.high - each.low) / (2 * Z) for each in found]
    half = Z * float(np.sqrt(np.sum(np.square(errors)))) / len(found)
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))


def log_cluster(real: np.ndarray, other: np.ndarray, seed: int) -> Estimate:
    """Log of the mean over 20 clusters of (share of real rows in it - share of real rows overall)^2: lower is better
    (Goncalves et al. 2020). The clusters are k-means of both sets together."""
    from sklearn.cluster import MiniBatchKMeans

    both = np.concatenate([real, other])
    k = min(CLUSTERS, len(both) // 10)
    with one_thread():
        model = MiniBatchKMeans(k, random_state=seed, n_init=3, batch_size=2048)
        cluster = model.fit_predict(both)
    inside = []
    for part in (cluster[: len(real)], cluster[len(real) :]):
        own = groups_of(len(part), GROUPS)
        inside.append(np.stack([np.bincount(part[own == g], minlength=k) for g in range(GROUPS)]))

    def of(leave: int | None) -> dict[str, float]:
        a, b = (np.delete(x, leave, 0) if leave is not None else x for x in inside)
        a, b = a.sum(0), b.sum(0)
        share = a / np.maximum(a + b, 1)
        apart = ((share - a.sum() / (a.sum() + b.sum())) ** 2).mean()
        return {"log_cluster": float(np.log(max(apart, 1e-12)))}

    return jackknife(of)["log_cluster"]
