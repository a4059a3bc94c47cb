"""When what is measured: gaps between measurements, what is missing and with what, and how long courses are."""

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.blocks.series import Series
from jaxehr.evaluation.measures.metric import SMALL_CELL
from jaxehr.evaluation.measures.series.correlation import FEWEST, lagged, mean_known


def gaps(series: Series) -> list[Float[np.ndarray, "gap"]]:
    """Steps between a measurement and the next of the same patient: of each variable, and last of any of them."""
    times = np.where(series.observed, series.times, np.inf)
    either = times.min(axis=2, keepdims=True)
    return [_gaps(part) for part in np.moveaxis(np.concatenate([times, either], axis=2), 2, 0)]


def _gaps(times: Float[np.ndarray, "n step"]) -> Float[np.ndarray, "gap"]:
    patient, step = np.nonzero(np.isfinite(times))
    when = times[patient, step]
    return np.diff(when)[np.diff(patient) == 0]


def gap_errors(real: Series, other: Series) -> dict[str, float]:
    """Distances of the distributions of gaps, as the mean over variables of 30 or more real gaps.

    gap_distance, gap_ks                Wasserstein's, in steps, and that of Kolmogorov and Smirnov, from 0 to 1
    visit_gap_distance, visit_gap_ks    of the gaps between measurements of whatever variable

    A variable that is never measured twice in the others is there as if each gap were the whole grid.
    """
    never = np.array([float(real.values.shape[1])])
    of = [
        _apart(a, b if len(b) else never) if len(a) >= FEWEST else (np.nan, np.nan)
        for a, b in zip(gaps(real), gaps(other), strict=True)
    ]
    of_variables, of_visits = np.array(of[:-1]), of[-1]
    return {
        "gap_distance": mean_known(of_variables[:, 0]),
        "gap_ks": mean_known(of_variables[:, 1]),
        "visit_gap_distance": of_visits[0],
        "visit_gap_ks": of_visits[1],
    }


def _apart(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    from scipy.stats import ks_2samp, wasserstein_distance

    ks = ks_2samp(a, b, method="asymp").statistic
    return float(wasserstein_distance(a, b)), float(ks)


def missing_errors(real: Series, other: Series) -> dict[str, float]:
    """What is missing at the steps that patients have.

    missing_by_variable_error   mean difference, over variables, of the share that is missing
    missing_by_step_error       the same for each step of each variable, where 11 real patients or more have the step
    missing_together_error      mean difference of how two variables are missing at the same step (phi)
    missing_in_time_error       the same for a variable and any, itself too, a step later
    measured_at_once_distance   Wasserstein's of how many variables are measured at a step, in variables
    """
    from scipy.stats import wasserstein_distance

    a, b = (_measured(series) for series in (real, other))
    shares = [np.nanmean(part.values, axis=(0, 1)) for part in (a, b)]
    at_step = [_at_steps(part) for part in (a, b)]
    enough = real.within.sum(0) >= SMALL_CELL
    phi = [lagged(part, [0, 1]) for part in (a, b)]
    apart = np.abs(phi[0] - np.nan_to_num(phi[1]))
    itself = np.eye(apart.shape[1], dtype=bool)
    counts = [part.values.sum(2)[part.within] for part in (a, b)]
    return {
        "missing_by_variable_error": float(np.abs(shares[0] - shares[1]).mean()),
        "missing_by_step_error": mean_known(np.abs(at_step[0] - at_step[1])[enough]),
        "missing_together_error": mean_known(apart[0, ~itself]),
        "missing_in_time_error": mean_known(apart[1]),
        "measured_at_once_distance": float(wasserstein_distance(*counts)),
    }


def _measured(series: Series) -> Series:
    """1 where a value was measured and 0 where not, of the steps that patients have."""
    values = np.where(series.within[..., None], series.observed, np.nan)
    return Series(values, series.lengths)


def _at_steps(measured: Series) -> Float[np.ndarray, "step variable"]:
    """Shares at each step; NaN where no patient has it."""
    at_risk = measured.within.sum(0)[:, None]
    share = np.nansum(measured.values, axis=0) / np.maximum(at_risk, 1)
    return np.where(at_risk > 0, share, np.nan)


def length_errors(real: Series, other: Series) -> dict[str, float]:
    """Distances of the distributions of how many steps a patient has."""
    distance, ks = _apart(real.lengths, other.lengths)
    return {"length_distance": distance, "length_ks": ks}
