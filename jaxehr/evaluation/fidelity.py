"""Fidelity: do the synthetic records look like the real ones?"""

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.frames import Bits, Records, Table

MIN_PATIENTS = 5  # below it, whether a code appears again is chance


def prevalence_agreement(real: Bits, other: Bits) -> dict[str, float]:
    """Pearson, Spearman and slope of code prevalences (Choi et al. 2017, dimension-wise probability), the share of
    codes with 5 real patients that appear at all, and codes per patient."""
    from scipy.stats import spearmanr

    p, q = real.bits.mean(0, dtype=float), other.bits.mean(0, dtype=float)
    counts = real.bits.sum(0)
    asked = counts >= min(MIN_PATIENTS, counts.max())
    varies = len(p) > 1 and p.std() > 0 and q.std() > 0
    return {
        "prevalence_pearson": float(np.corrcoef(p, q)[0, 1]) if varies else float("nan"),
        "prevalence_spearman": float(spearmanr(p, q).statistic) if varies else float("nan"),
        "prevalence_slope": float(np.polyfit(p, q, 1)[0]) if varies else float("nan"),
        "codes_present": float((q[asked] > 0).mean()),
        "codes_per_patient": float(other.bits.sum(1).mean()),
    }


def shape_errors(real: Table, other: Table) -> dict[str, float]:
    """For each column the distance of its distributions, in [0, 1].

    Numbers: Kolmogorov-Smirnov. Labels: total variation. A missing value counts as a value of its own.
    """
    errors = {}
    for j, name in enumerate(real.number_names):
        errors[name] = kolmogorov_smirnov(real.numbers[:, j], other.numbers[:, j])
    for j, name in enumerate(real.label_names):
        errors[name] = total_variation(real.labels[:, j], other.labels[:, j])
    return errors


def kolmogorov_smirnov(a: Float[np.ndarray, "n"], b: Float[np.ndarray, "m"]) -> float:
    """The largest gap of the two distribution functions; missing values lie below all others."""
    a, b = (np.sort(np.where(np.isnan(x), -np.inf, x)) for x in (a, b))
    points = np.concatenate([a, b])
    below_a = np.searchsorted(a, points, side="right") / len(a)
    below_b = np.searchsorted(b, points, side="right") / len(b)
    return float(np.abs(below_a - below_b).max())


def total_variation(a: np.ndarray, b: np.ndarray) -> float:
    """Half the sum of the differences in frequency, for whole numbers from 0."""
    k = int(max(a.max(), b.max())) + 1
    p, q = np.bincount(a, minlength=k) / len(a), np.bincount(b, minlength=k) / len(b)
    return float(np.abs(p - q).sum() / 2)


def trend_errors(real: Table, other: Table) -> dict[tuple[str, str], float]:
    """For each pair of columns how far apart their relations are, in [0, 1].

    Two numbers: |r - r'| / 2 of the correlations over rows that have both. Otherwise the total variation of the two
    contingency tables, numbers in the deciles of the real records.
    """
    errors = {}
    r, s = correlation(real.numbers), correlation(other.numbers)
    names = real.number_names
    for i in range(len(names)):
        for j in range(i):
            gap = abs(r[i, j] - s[i, j]) / 2
            if np.isfinite(gap):
                errors[names[j], names[i]] = float(gap)
    binned, binned_other = in_deciles(real, real), in_deciles(other, real)
    names = (*real.number_names, *real.label_names)
    for i in range(len(real.number_names), len(names)):
        for j in range(i):
            k = int(max(binned[:, j].max(), binned_other[:, j].max())) + 1
            pair = [x[:, i] * k + x[:, j] for x in (binned, binned_other)]
            errors[names[j], names[i]] = total_variation(*pair)
    return errors


def correlation(numbers: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "p p"]:
    """Pearson over the rows that have both; NaN where fewer than 10 do, or one does not vary."""
    seen = (~np.isnan(numbers)).astype(float)
    centre = np.nanmean(numbers, axis=0, keepdims=True) if len(numbers) else 0.0
    x = np.where(seen > 0, numbers - centre, 0.0)
    n = seen.T @ seen
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (x.T @ seen) / n  # of column i, where j is seen too
        covariance = (x.T @ x) / n - mean * mean.T
        spread = (x**2).T @ seen / n - mean**2
        r = covariance / np.sqrt(spread * spread.T)
    return np.where((n >= 10) & (spread > 1e-12) & (spread.T > 1e-12), r, np.nan)


def in_deciles(table: Table, real: Table) -> np.ndarray:
    """All columns as small whole numbers: the deciles of `real` for numbers, 0 for missing, and labels."""
    columns = []
    for j in range(table.numbers.shape[1]):
        seen = real.numbers[:, j][~np.isnan(real.numbers[:, j])]
        edges = np.unique(np.quantile(seen, np.linspace(0.1, 0.9, 9))) if len(seen) else seen
        x = table.numbers[:, j]
        columns.append(np.where(np.isnan(x), 0, np.searchsorted(edges, x, side="right") + 1))
    columns += list(table.labels.T)
    return np.stack(columns, 1)


def all_correlations(records: Records, codes: np.ndarray | None = None) -> np.ndarray:
    """For the heat maps: numbers and labels (each against its most frequent value); or the codes asked for."""
    if isinstance(records, Bits):
        return correlation(records.bits[:, codes].astype(float))
    first = [column == np.bincount(column).argmax() for column in records.labels.T]
    columns = [records.numbers, *[c[:, None].astype(float) for c in first]]
    return correlation(np.concatenate(columns, axis=1))


def detection_auc(real: Records, other: Records, seed: int) -> float:
    """How well gradient boosting tells the two sets apart, by 3-fold cross-validation: 0.5 is not at all."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from jaxehr.evaluation.utility import area_under_curve, booster, features, one_thread

    x = np.concatenate([features(real), features(other)])
    y = np.repeat([0, 1], [len(real), len(other)])
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    with one_thread():
        model = booster(real, seed)
        probability = cross_val_predict(model, x, y, cv=folds, method="predict_proba")
    return area_under_curve(y, probability)
