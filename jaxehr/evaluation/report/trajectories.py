"""A picture of courses: some synthetic patients' own, over bands of all real ones. No real patient is drawn singly.

An edge of a band is the mean of the 11 patients' values about a quantile, and not any patient's value. A step where the
edge would want more patients than have a value there is left out, and so is a synthetic course that equals a real one.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxehr.evaluation.blocks.series import Series
from jaxehr.evaluation.measures.metric import SMALL_CELL, Picture
from jaxehr.evaluation.report.plots import REAL, SYNTHETIC, figure, plain, short, svg

BANDS = ((0.1, 0.9), (0.25, 0.75))
MARKERS = "os^Dvx"  # a patient has one in every panel
PANELS = 12
ACROSS = 3


def picture(real: Series, synthetic: Series, names: Sequence[str], *, seed: int = 0) -> Picture:
    """Up to 12 variables, those most often measured in the real courses first, and six synthetic patients."""
    order = np.argsort(-real.observed.sum((0, 1)), kind="stable")
    shown = strangers(real, synthetic, len(MARKERS), seed)
    said = (
        "Bands hold half and four fifths of real patients, where enough have a value; their edges are means over "
        f"{SMALL_CELL}. Lines are {len(shown)} synthetic patients, each with a mark of its own: dots are measurements."
    )
    left = [names[j] for j in order[PANELS:]]
    rest = f" Not drawn are {len(left)}, that are measured less: {', '.join(left)}." if left else ""
    fig = courses(real, synthetic.rows(shown), names, order[:PANELS])
    return Picture("Courses", said + rest, svg(fig, "Courses"), "fidelity")


def measured(real: Series, synthetic: Series, names: Sequence[str]) -> Picture:
    """Of each variable the share of the patients still there who have it measured, step by step."""
    shares = []
    for series in (real, synthetic):
        there = series.within.sum(0)
        share = series.observed.sum(0).T / np.maximum(there, 1)
        shares.append(np.where(there >= SMALL_CELL, share, np.nan))
    fig = figure(9, max(0.9 + 0.11 * len(names), 1.9))
    drawn = ((shares[0], "real"), (shares[1], "synthetic"), (shares[1] - shares[0], "difference"))
    for i, (ax, (values, title)) in enumerate(zip(fig.subplots(1, 3), drawn, strict=True)):
        looks = {"cmap": "RdBu_r", "vmin": -1} if title == "difference" else {"cmap": "Greys"}
        image = ax.imshow(values, aspect="auto", vmax=1, interpolation="nearest", **looks)
        ax.set_title(title)
        ax.set_xlabel("step")
        ax.set_yticks(range(len(names)), [short(name, 18) for name in names] if i == 0 else [])
        ax.tick_params(labelsize=5, length=1)
        fig.colorbar(image, ax=ax, shrink=0.8).ax.tick_params(labelsize=5)
    said = f"Shares of patients, where {SMALL_CELL} or more are still there."
    return Picture("What is measured when", said, svg(fig, "What is measured when"), "fidelity")


def courses(real: Series, shown: Series, names: Sequence[str], variables: Int[np.ndarray, "panel"]):
    """A panel for each variable: the bands of the real courses, and every course of `shown`."""
    rows = -(-len(variables) // ACROSS)
    fig = figure(3 * ACROSS, 1.9 * rows)
    axes = fig.subplots(rows, ACROSS, squeeze=False).ravel()
    steps = np.arange(real.values.shape[1])
    for ax, j in zip(axes, variables, strict=False):
        for band, alpha in zip(BANDS, (0.35, 0.6), strict=True):
            low, high = (edge(real.values[..., j], q) for q in band)
            ax.fill_between(steps, low, high, color=REAL, alpha=alpha, linewidth=0)
        for i, marker in zip(range(len(shown)), MARKERS, strict=False):
            seen = shown.observed[i, :, j]
            at, y = shown.times[i, seen, j], shown.values[i, seen, j]
            ax.plot(at, y, color=SYNTHETIC, linewidth=0.6, marker=marker, markersize=2.2, alpha=0.8)
        ax.set_title(short(names[j], 30), fontsize=8)
        plain(ax)
    for ax in axes[len(variables) :]:
        ax.set_visible(False)
    return fig


def edge(values: Float[np.ndarray, "n step"], q: float) -> Float[np.ndarray, "step"]:
    """At each step the mean of the 11 values about the quantile q; NaN where there are not so many about it."""
    beside, found = SMALL_CELL // 2, np.full(values.shape[1], np.nan)
    for step, column in enumerate(values.T):
        known = np.sort(column[~np.isnan(column)])
        place = round(q * (len(known) - 1))
        if beside <= place < len(known) - beside:
            found[step] = known[place - beside : place + beside + 1].mean()
    return found


def strangers(real: Series, synthetic: Series, most: int, seed: int) -> Int[np.ndarray, "row"]:
    """Synthetic rows in random order, none of which equals a real course in all that was measured."""
    known = set(map(_as_bytes, real.values))
    order = np.random.default_rng(seed).permutation(len(synthetic))
    fresh = [i for i in order if _as_bytes(synthetic.values[i]) not in known]
    return np.array(fresh[:most], int)


def _as_bytes(course: Float[np.ndarray, "step variable"]) -> bytes:
    return np.where(np.isnan(course), np.nan, course + 0.0).astype(np.float64).tobytes()
