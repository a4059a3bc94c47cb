"""What is trained to judge: gradient boosting and linear models of scikit-learn, on the features of records."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from jaxehr.data import DataError, listed
from jaxehr.evaluation.blocks.blocks import Blocks

BOOSTED_CODES = (
    300  # the most frequent ones of the real records: boosting looks at every column in every tree
)
LEAF = 20  # rows of a leaf at the least: scikit-learn's own
ONE_HOT = 50  # labels of more values enter linear models by their most frequent ones
LOGISTIC = {
    "max_iter": 100,
    "tol": 1e-3,
}  # its predictions move no more long before the default of 1e-4
Learner = Literal["boosting", "linear"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Features:
    """How records become the input of a learner, the same for every set.

    real        the records that say which codes are frequent, and centre and scale of numbers
    leave_out   the label
    """

    real: Blocks
    leave_out: str | None = None

    def boosting(self, blocks: Blocks) -> Float[np.ndarray, "n feature"]:
        """Numbers, where missing ones stay NaN, which boosting reads; labels as whole numbers; frequent codes."""
        numbers, labels, codes = self._chosen
        parts = (blocks.numbers[:, numbers], blocks.labels[:, labels], blocks.bits[:, codes])
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    def linear(self, blocks: Blocks) -> Any:
        """Numbers standardised, missing ones 0 beside an indicator; labels one-hot; codes as a sparse matrix."""
        from scipy.sparse import csr_array, hstack

        numbers, labels, _ = self._chosen
        parts = []
        for j in numbers:
            seen = self.real.numbers[:, j][~np.isnan(self.real.numbers[:, j])]
            x = blocks.numbers[:, j]
            scaled = (x - seen.mean()) / max(seen.std(), 1e-12) if len(seen) else x
            parts += [np.clip(np.nan_to_num(scaled), -10, 10), np.isnan(x)]
        for j in labels:
            counts = np.bincount(self.real.labels[:, j], minlength=self.real.sizes[j])
            for value in np.argsort(-counts, kind="stable")[:ONE_HOT]:
                parts.append(blocks.labels[:, j] == value)
        static = np.stack(parts, 1).astype(np.float32) if parts else blocks.numbers[:, :0]
        if not self.real.codes:
            return static
        coded = csr_array(blocks.bits[:, self._codes(len(self.real.codes))].astype(np.float32))
        return hstack([csr_array(static), coded], format="csr") if parts else coded

    @property
    def names(self) -> list[str]:
        """Of the columns of `boosting`."""
        numbers, labels, codes = self._chosen
        real = self.real
        return [
            *(real.number_names[j] for j in numbers),
            *(real.label_names[j] for j in labels),
            *(real.codes[j] for j in codes),
        ]

    @property
    def categorical(self) -> np.ndarray:
        """Labels of up to 200 values are split as categories."""
        numbers, labels, codes = self._chosen
        few = [len(self.real.values[j]) <= 200 for j in labels]
        return np.array([False] * len(numbers) + few + [False] * len(codes))

    @property
    def _chosen(self) -> tuple[list[int], list[int], np.ndarray]:
        """Numbers, labels, and the most frequent codes."""
        kept = lambda names: [j for j, name in enumerate(names) if name != self.leave_out]
        real = self.real
        return kept(real.number_names), kept(real.label_names), self._codes(BOOSTED_CODES)

    def _codes(self, most: int) -> np.ndarray:
        order = self.real.frequent(len(self.real.codes))
        return np.array([j for j in order if self.real.codes[j] != self.leave_out][:most], int)


def splittable(x: Float[np.ndarray, "n feature"]) -> Int[np.ndarray, "kept"]:
    """The features that a tree of boosting may split on: 20 rows or more, which is its least leaf, are not of the most
    frequent value. Without the others it is the same tree, sooner."""
    most = []
    for column in x.T:
        counts = np.unique(column, return_counts=True)[1]  # NaN is a value
        most.append(counts.max())
    kept = np.flatnonzero(len(x) - np.array(most) >= LEAF)
    return kept if len(kept) else np.arange(min(1, x.shape[1]))


def boosting(features: Features, task: Task, seed: int, **changes: Any):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = (
        HistGradientBoostingClassifier
        if task == "classification"
        else HistGradientBoostingRegressor
    )
    settings = {
        "max_iter": 100,
        "learning_rate": 0.1,
        "max_leaf_nodes": 31 if features.real.columns else 15,  # of bits alone
        "categorical_features": features.categorical,
        "early_stopping": False,
        "random_state": seed,
    }
    return kind(**{**settings, **changes})


def linear(task: Task, strength: float = 1.0):
    """Logistic regression, or ridge regression."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if task == "classification":
        return LogisticRegression(C=strength, **LOGISTIC)
    return Ridge(alpha=1 / strength, solver="lsqr")


@contextmanager
def one_thread() -> Iterator[None]:
    """On shared cores the threads of OpenMP and BLAS wait for each other, up to 100 times slower as measured.

    A logistic regression that stops at its last iteration is good enough to judge by, and says nothing.
    """
    from sklearn.exceptions import ConvergenceWarning

    with _libraries().limit(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@cache
def _libraries() -> Any:
    """Those that have threads. To look for them takes as long as to train a small tree."""
    import sklearn.ensemble  # noqa: F401  only libraries that are loaded are found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@dataclass(frozen=True)
class Target:
    """What is predicted: a label's classes, or a number. `known` are the rows that have one."""

    task: Task
    values: np.ndarray
    known: np.ndarray


def target(blocks: Blocks, label: str) -> Target:
    """Raises DataError if there is no such column, or code."""
    if label in blocks.number_names:
        values = blocks.numbers[:, blocks.number_names.index(label)]
        return Target("regression", values, ~np.isnan(values))
    if label in blocks.label_names:
        values = blocks.labels[:, blocks.label_names.index(label)]
        return Target("classification", values, values > 0)
    if label in blocks.codes:
        values = blocks.bits[:, blocks.codes.index(label)].astype(int)
        return Target("classification", values, np.ones(len(values), bool))
    raise DataError(f"the label '{label}' {_must_be(blocks, label)}")


def _must_be(blocks: Blocks, label: str) -> str:
    if not blocks.columns:
        return "is not a code of the real records"
    columns = listed((*blocks.label_names, *blocks.number_names), label)
    known = f"must be a column of the real records ({columns})"
    return known + (f", or one of their {len(blocks.codes):,} codes" if blocks.codes else "")


def trained(
    learner: Learner, features: Features, train: Blocks, label: str, seed: int
) -> Callable[[Blocks], np.ndarray]:
    """Predicts, for records, the probability of each class (columns by class number) or the number.

    A class that was not trained on has probability 0.
    """
    wanted = target(train, label)
    view = features.boosting if learner == "boosting" else features.linear
    y = wanted.values[wanted.known]
    classes = _classes(features.real, label)
    if wanted.task == "classification" and len(np.unique(y)) < 2:
        only = np.zeros(classes)
        only[y[:1]] = 1.0
        return lambda blocks: np.tile(only, (len(blocks), 1))
    x = view(train)[np.nonzero(wanted.known)[0]]
    kept: Any = slice(None)
    if learner == "boosting":
        kept = splittable(x)
        x = x[:, kept]
        x[:, np.isnan(x).all(0)] = 0  # which boosting refuses: a column without a value
        categorical = features.categorical[kept]
        model: Any = boosting(features, wanted.task, seed, categorical_features=categorical)
    else:
        model = linear(wanted.task)
    with one_thread():
        model.fit(x, y)

    def predict(blocks: Blocks) -> np.ndarray:
        with one_thread():
            if wanted.task == "regression":
                return model.predict(view(blocks)[:, kept])
            probability = np.zeros((len(blocks), classes))
            probability[:, model.classes_] = model.predict_proba(view(blocks)[:, kept])
            return probability

    return predict


def _classes(real: Blocks, label: str) -> int:
    """Those of a label, missing among them, or of a code; 0 of a number."""
    if label in real.label_names:
        return real.sizes[real.label_names.index(label)]
    return 2 if label in real.codes else 0


def score(wanted: Target, predicted: np.ndarray) -> float:
    """AUROC (one class against the rest, mean over classes, if there are many), or R^2. NaN where it is not defined."""
    y, p = wanted.values[wanted.known], predicted[wanted.known]
    if wanted.task == "regression":
        spread = ((y - y.mean()) ** 2).mean() if len(y) else 0.0
        return float(1 - ((y - p) ** 2).mean() / spread) if spread > 0 else float("nan")
    present = [c for c in np.unique(y) if (y != c).any()]
    if len(present) == 2:
        present = present[1:]
    areas = [area_under_curve(y == c, p[:, c]) for c in present]
    return float(np.mean(areas)) if areas else float("nan")


def area_under_curve(positive: np.ndarray, scores: np.ndarray) -> float:
    """P(a positive scores higher than a negative), ties split."""
    from scipy.stats import rankdata

    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - n * (n + 1) / 2) / (n * m))
