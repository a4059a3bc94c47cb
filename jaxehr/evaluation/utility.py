"""Utility: is a model trained on the synthetic records as good on real patients as one trained on real ones?"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from jaxehr.data import DataError
from jaxehr.evaluation.frames import Bits, Records, Table


def features(records: Records, leave_out: str | None = None) -> np.ndarray:
    """float32 [n, feature]; missing numbers stay NaN, which gradient boosting reads."""
    if isinstance(records, Bits):
        keep = [j for j, code in enumerate(records.codes) if code != leave_out]
        return records.bits[:, keep].astype(np.float32)
    numbers = [j for j, name in enumerate(records.number_names) if name != leave_out]
    labels = [j for j, name in enumerate(records.label_names) if name != leave_out]
    parts = [records.numbers[:, numbers], records.labels[:, labels]]
    return np.concatenate(parts, axis=1).astype(np.float32)


def booster(records: Records, seed: int, leave_out: str | None = None):
    """scikit-learn's histogram gradient boosting; labels of up to 200 values are split as categories."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    categorical = None
    if isinstance(records, Table):
        labels = [
            len(values) <= 200
            for name, values in zip(records.label_names, records.values, strict=True)
            if name != leave_out
        ]
        numbers = sum(name != leave_out for name in records.number_names)
        categorical = np.array([False] * numbers + labels)
    return HistGradientBoostingClassifier(
        max_iter=100,
        learning_rate=0.1,
        max_leaf_nodes=15 if isinstance(records, Bits) else 31,
        categorical_features=categorical,
        early_stopping=False,
        random_state=seed,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenMP on one thread: on shared cores its threads wait for each other, up to 100 times slower as measured."""
    import sklearn.ensemble  # noqa: F401  the limit binds only libraries that are loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="openmp"):
        yield


def target(records: Records, label: str) -> np.ndarray:
    """The label of each row. Raises DataError if there is no such boolean or categorical column, or code."""
    if isinstance(records, Bits):
        if label not in records.codes:
            raise DataError(f"the label '{label}' is not a code of the real records")
        return records.bits[:, records.codes.index(label)].astype(int)
    if label not in records.label_names:
        known = ", ".join(records.label_names) or "none here"
        raise DataError(f"the label '{label}' must be a boolean or categorical column ({known})")
    return records.labels[:, records.label_names.index(label)]


def transfer_auroc(train: Records, test: Records, label: str, seed: int) -> float:
    """AUROC on `test` of a model trained on `train`; one class against the rest, macro mean, if there are many.

    NaN where a set has one class only.
    """
    y, y_test = target(train, label), target(test, label)
    classes = np.intersect1d(np.unique(y), np.unique(y_test))
    if len(classes) < 2:
        return float("nan")
    known, known_test = np.isin(y, classes), np.isin(y_test, classes)
    with one_thread():
        model = booster(train, seed, label).fit(features(train, label)[known], y[known])
        probability = model.predict_proba(features(test, label)[known_test])
    return area_under_curve(y_test[known_test], probability)


def area_under_curve(y: np.ndarray, probability: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    if probability.shape[1] == 2:
        return float(roc_auc_score(y, probability[:, 1]))
    return float(roc_auc_score(y, probability, multi_class="ovr", average="macro"))
