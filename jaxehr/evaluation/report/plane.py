"""A picture of patients in a plane: where the real ones lie, as areas, and synthetic ones, as rings, by the two
directions in which the summaries of real courses differ most. No real patient is drawn singly."""

import numpy as np
from jaxtyping import Float

from jaxehr.evaluation.blocks.series import Series, whole
from jaxehr.evaluation.measures.metric import SMALL_CELL, Picture
from jaxehr.evaluation.measures.series.outcomes import features
from jaxehr.evaluation.measures.series.scaling import observed_moments
from jaxehr.evaluation.report.plots import REAL, SYNTHETIC, figure, plain, svg
from jaxehr.evaluation.report.trajectories import strangers

MOST = 500  # synthetic patients that are drawn
FARTHEST = 5.0  # deviations of a summary, beyond which it turns the plane no more
ACROSS = 40  # hexagons in a row, of many patients


def picture(
    real: Series, synthetic: Series, held: Series | None = None, *, seed: int = 0
) -> Picture:
    """Held-out patients help to fill the areas, not to find the plane."""
    shown = synthetic.rows(strangers(real, synthetic, MOST, seed))
    shares, known, drawn, *fresh = plane(real, shown, *(() if held is None else (held,)))
    said = (
        f"Rings, {len(shown)} synthetic patients, should lie as the grey does: the darker, the more real patients are "
        f"there, and blank where they are fewer than {SMALL_CELL}. The axes are the two principal components of what "
        "sums up each variable of a real course: first, last, mean, least and greatest value, deviation, and how often "
        "it is measured. What lies farther out stands at the edge."
    )
    fig = scatter(np.concatenate([known, *fresh]), drawn, shares)
    return Picture("Patients in a plane", said, svg(fig, "Patients in a plane"), "fidelity")


def plane(real: Series, *others: Series) -> tuple[np.ndarray, ...]:
    """(shares of the variance of real patients [2], where these lie [n, 2], where the others do [m, 2] ...).

    Principal components of the summaries of real courses, in deviations from their mean; one that a patient lacks, as a
    variable was never measured, is that mean.
    """
    from sklearn.decomposition import PCA

    summaries = features(real).astype(float)
    mean, spread = observed_moments(whole(summaries[:, None]))

    def scaled(found: Float[np.ndarray, "n feature"]) -> Float[np.ndarray, "n feature"]:
        return np.clip(np.nan_to_num((found - mean) / spread), -FARTHEST, FARTHEST)

    components = PCA(2, svd_solver="full").fit(scaled(summaries))
    places = (components.transform(scaled(features(each))) for each in (real, *others))
    return np.nan_to_num(components.explained_variance_ratio_), *places


def scatter(real: np.ndarray, synthetic: np.ndarray, shares: np.ndarray):
    """Hexagons of 11 real patients or more, and a ring for each synthetic one."""
    from matplotlib.colors import LinearSegmentedColormap

    fig = figure(5.6, 4.2)
    ax = fig.subplots()
    both = np.concatenate([real, synthetic])
    low, high = np.quantile(both, [0.005, 0.995], axis=0)
    wide = np.maximum(high - low, 1e-6)
    low, high = low - 0.05 * wide, high + 0.05 * wide
    across = int(np.clip(np.sqrt(len(real) / 15), 6, ACROSS))
    grey = LinearSegmentedColormap.from_list("real", ["#e9edf0", REAL])
    areas = ax.hexbin(
        *np.clip(real, low, high).T, gridsize=across, mincnt=SMALL_CELL, cmap=grey, linewidths=0,
        extent=(low[0], high[0], low[1], high[1]),
    )  # fmt: skip
    areas.set_clim(0)
    ax.scatter(
        *np.clip(synthetic, low, high).T,
        s=9,
        facecolors="none",
        edgecolors=SYNTHETIC,
        linewidths=0.6,
    )
    first, second = (f"component, {share:.0%} of the variance" for share in shares)
    ax.set(xlabel=f"first {first}", ylabel=f"second {second}")
    plain(ax)
    return fig
