"""Pictures of a report, as inline SVG: the same bytes for the same records, and readable without colour.

Real patients are filled areas, synthetic ones lines or hatched bars. Nothing that fewer than 11 real patients have is
drawn by itself.
"""

import io
from collections.abc import Iterator, Sequence

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.judges.job import FEWEST, Job
from jaxehr.evaluation.measures.counts import correlations
from jaxehr.evaluation.measures.frequencies import shape_errors
from jaxehr.evaluation.measures.metric import SMALL_CELL, Metric, Picture

REAL, SYNTHETIC, HELD = "#8b98a5", "#b3401c", "#20262c"
PANELS = 24
BIN_ROWS = 40
NAMED = 60  # columns of a matrix that have their names beside it
PAIRS = {
    "tstr": "train on synthetic,\ntest on real",
    "trtr": "train on real,\ntest on real",
    "trts": "train on real,\ntest on synthetic",
    "tsts": "train and test\non synthetic",
    "tsrtr": "train on both,\ntest on real",
}
SCORES = {"auroc": "AUROC (0.5 is chance)", "r2": "R² (0 is chance)"}


def figure(width: float, height: float):
    """A Matplotlib figure of its own: no global state is touched."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def svg(fig, title: str) -> str:
    """The figure as an <svg> element that says what it is."""
    import matplotlib as mpl

    options = {
        "svg.hashsalt": "jaxehr",
        "svg.fonttype": "path",
        "font.size": 8,
        "hatch.linewidth": 0.6,
    }
    with mpl.rc_context(options):  # type: ignore[arg-type]
        buffer = io.StringIO()
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=130)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    return text.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def plain(ax) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=7)


def prevalence(real: Blocks, synthetic: Blocks, holdout: Blocks | None, scales: Sequence[str]):
    """Prevalence of each code of 11 or more real patients, synthetic against real; crosses are the holdout."""
    fig = figure(4.6 * len(scales), 3.6 if len(scales) > 1 else 3.2)
    counts = real.bits.sum(0)
    shown = counts >= SMALL_CELL
    p, low = counts[shown] / len(real), SMALL_CELL / len(real) / 3
    sets = [(synthetic, SYNTHETIC, "o", "synthetic")]
    if holdout is not None:
        sets.insert(0, (holdout, HELD, "+", "held out"))
    for ax, scale in zip(fig.subplots(1, len(scales), squeeze=False)[0], scales, strict=True):
        top = p.max(initial=low) * 1.15
        start = 0 if scale == "linear" else low
        ax.plot([start, top], [start, top], color="black", linewidth=0.6, zorder=1)
        for records, color, marker, name in sets:
            q = np.maximum(records.bits[:, shown].mean(0, dtype=float), start)
            face = {"facecolors": "none"} if marker == "o" else {}
            ax.scatter(
                p, q, s=14, color=color, marker=marker, label=name, linewidths=0.7, alpha=0.8,
                rasterized=len(p) > 800, **face,
            )  # fmt: skip
        ax.set(
            xscale=scale, yscale=scale, xlabel="share of real patients", ylabel="share of others"
        )
        plain(ax)
    fig.axes[0].legend(frameon=False)
    return fig


def codes_per_patient(real: Blocks, synthetic: Blocks):
    """How many codes a patient has; a number that fewer than 11 real patients have is not drawn."""
    fig = figure(9, 2.6)
    ax = fig.subplots()
    a, b = real.bits.sum(1), synthetic.bits.sum(1)
    most = int(np.quantile(np.concatenate([a, b]), 0.999)) + 1
    edges = np.arange(0, most + 2) - 0.5
    heights = [_heights(x, edges) for x in (a, b)]
    ax.stairs(heights[0], edges, color=REAL, fill=True, label="real")
    ax.stairs(heights[1], edges, color=SYNTHETIC, linewidth=1.4, label="synthetic")
    ax.set(xlabel="codes of a patient", ylabel="share of patients")
    ax.legend(frameon=False)
    plain(ax)
    return fig


def _heights(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    counts = np.histogram(values, edges)[0]
    return np.where(counts >= SMALL_CELL, counts, 0) / max(len(values), 1)


def columns(real: Blocks, synthetic: Blocks, errors: dict[str, float], most: int, across: int):
    """Each column, real against synthetic, the worst first."""
    worst = sorted(errors, key=lambda name: (-errors[name], name))[:most]
    rows = -(-len(worst) // across)
    fig = figure(2.3 * across, 1.75 * rows)
    axes = np.atleast_1d(fig.subplots(rows, across, squeeze=False)).ravel()
    for ax, name in zip(axes, worst, strict=False):
        draw = _numbers if name in real.number_names else _labels
        draw(ax, real, synthetic, name)
        ax.set_title(f"{short(name, 22)}  ({errors[name]:.3f})", fontsize=8)
        plain(ax)
    for ax in axes[len(worst) :]:
        ax.set_visible(False)
    return fig


def short(text: str, most: int) -> str:
    """Dollars begin a formula in Matplotlib."""
    text = text.replace("$", r"\$")
    return text if len(text) <= most else text[: most - 1] + "…"


def _numbers(ax, real: Blocks, synthetic: Blocks, name: str) -> None:
    j = real.number_names.index(name)
    a, b = (t.numbers[:, j][~np.isnan(t.numbers[:, j])] for t in (real, synthetic))
    if len(a) < SMALL_CELL:
        return
    low, high = np.quantile(a, [0.01, 0.99])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = _edges(a, low, high)
    ax.stairs(_heights(a, edges), edges, color=REAL, fill=True)
    ax.stairs(_heights(b, edges), edges, color=SYNTHETIC, linewidth=1.2)
    ax.set_yticks([])


def _edges(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Up to 30 bins, but so few that they hold some 40 patients each: what fewer than 11 have leaves a gap. Of whole
    numbers a bin holds a whole number of them."""
    bins = int(np.clip(len(values) // BIN_ROWS, 3, 30))
    if (values != np.round(values)).any():
        return np.linspace(low, high, bins + 1)
    first, wide = np.floor(low), np.ceil((np.ceil(high) - np.floor(low) + 1) / bins)
    return np.arange(first, np.ceil(high) + wide + 1, wide) - 0.5


def _labels(ax, real: Blocks, synthetic: Blocks, name: str) -> None:
    j = real.label_names.index(name)
    names = ("missing", *real.values[j])
    counts = np.bincount(real.labels[:, j], minlength=len(names))
    shown = [i for i in np.argsort(-counts, kind="stable")[:5] if counts[i] >= SMALL_CELL]
    shares = [np.bincount(t.labels[:, j], minlength=len(names)) / len(t) for t in (real, synthetic)]
    rest = [1 - share[shown].sum() for share in shares]
    enough = counts.sum() - counts[shown].sum() >= SMALL_CELL
    ticks = [short(names[i], 9) for i in shown] + ["other"] * int(enough)
    place = np.arange(len(ticks))
    looks = ({"color": REAL}, {"facecolor": "white", "edgecolor": SYNTHETIC, "hatch": "////"})
    for share, other, look, shift in zip(shares, rest, looks, (-0.2, 0.2), strict=True):
        ax.bar(place + shift, [*share[shown], other][: len(ticks)], 0.38, **look)
    ax.set_xticks(place, ticks, rotation=30, ha="right")
    ax.set_yticks([])


def heat_maps(real: Blocks, synthetic: Blocks):
    """Correlations in the real records, in the synthetic ones, and the difference."""
    codes = _drawn_codes(real)
    r, s = correlations(real, codes), correlations(synthetic, codes)
    names = [*real.columns, *(real.codes[j] for j in codes)]
    fig = figure(9, 3.1 if len(names) > NAMED else 3.9)
    drawn = ((r, "real"), (s, "synthetic"), (s - r, "synthetic - real"))
    image = None
    places, ticks = range(len(names)), [short(name, 18) for name in names]
    small = {"fontsize": float(np.clip(175 / max(len(names), 1), 2.8, 7))}
    for i, (ax, (values, title)) in enumerate(zip(fig.subplots(1, 3), drawn, strict=True)):
        image = ax.imshow(
            np.nan_to_num(values), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest"
        )
        ax.set_title(title)
        ax.set(xticks=[], yticks=[])
        if len(names) <= NAMED:
            ax.set_xticks(places, ticks, rotation=90, **small)
            ax.tick_params(length=1)
        if len(names) <= NAMED and i == 0:
            ax.set_yticks(places, ticks, **small)
    fig.colorbar(image, ax=fig.axes, shrink=0.8)
    return fig


def _drawn_codes(real: Blocks) -> np.ndarray:
    """The most frequent ones: so many that their names stand beside those of the columns, and 20 at the least."""
    return real.frequent(max(NAMED - len(real.columns), 20))


def _correlated(real: Blocks) -> str:
    codes = len(_drawn_codes(real))
    of_codes = f"the {codes} most frequent codes"
    if not codes:
        return "Correlation of columns"
    return f"Correlation of {'columns and ' if real.columns else ''}{of_codes}"


def distances(job: Job, wide: bool):
    """How near the nearest training patient is: of synthetic patients, and of real ones that were held out."""
    fig = figure(9 if wide else 4.6, 3.2)
    ax = fig.subplots()
    d = job.distances
    levels = np.linspace(0, 1, 101)
    for name, color, style, said in (
        ("synthetic", SYNTHETIC, "-", "synthetic"),
        ("holdout", HELD, "--", "held out"),
    ):
        if (name, "real") in d.between:
            near = np.quantile(d.least(name, "real"), levels[1:-1])
            ax.plot(
                near, levels[1:-1], color=color, linestyle=style, label=said, drawstyle="steps-post"
            )
    what = {"hamming": "differing codes", "gower": "Gower's distance"}[job.rows["real"].kind]
    ax.set(
        xlabel=f"{what}, to the nearest training patient",
        ylabel="share as near",
        ylim=(0, 1),
    )
    ax.legend(frameon=False, loc="lower right")
    plain(ax)
    return fig


def scores(metrics: Sequence[Metric]):
    """Values with their intervals, and the floor of each as a bar."""
    fig = figure(4.6, 3.2)
    ax = fig.subplots()
    for i, m in enumerate(reversed(metrics)):
        low, high = (m.value if x is None else x for x in (m.low, m.high))
        ax.plot([low, high], [i, i], color=SYNTHETIC, linewidth=1.2)
        ax.plot(m.value, i, "o", color=SYNTHETIC, markersize=5)
        if m.floor is not None:
            ax.plot(m.floor, i, "|", color="black", markersize=14, markeredgewidth=1.6)
    names = [PAIRS.get(m.name.split("_")[0], m.name) for m in reversed(metrics)]
    ax.set_yticks(range(len(metrics)), names)
    ax.set(
        xlabel=SCORES.get(metrics[0].name.rsplit("_", 1)[-1], ""), ylim=(-0.6, len(metrics) - 0.4)
    )
    ax.grid(axis="x", color="#dde2e6", linewidth=0.6)
    plain(ax)
    return fig


def pictures(job: Job, metrics: Sequence[Metric]) -> Iterator[Picture]:
    """Small ones for the first screen, one a pillar; then the rest."""
    real, synthetic = job.real, job.matched["synthetic"]
    yield from _of_columns(job) if real.columns else ()
    yield from _of_codes(job) if real.codes else ()
    useful = [m for m in metrics if m.pillar == "utility" and m.status == "ok"]
    if useful:
        asked = [m for m in useful if not m.name.endswith("_linear")]
        asked = [
            m for m in asked if m.name.split("_")[0] in ("tstr", "trtr", "tsrtr", "trts", "tsts")
        ]
        asked = [m for m in asked if m.name.endswith(("auroc", "r2")) and "gap" not in m.name]
        caption = (
            "How well a model predicts. Dots have intervals of 95%; uprights are real patients."
        )
        yield _drawn("Usefulness", caption, scores(asked or useful[:5]), "utility", small=True)
    if job.holdout is not None and job.smallest >= FEWEST and _has(metrics, "privacy"):
        caption = "Held-out patients show how near strangers are. A line above theirs leans on the training patients."
        yield _drawn("Nearness", caption, distances(job, wide=False), "privacy", small=True)
    said = (
        "The third should be white. Of a category it is its most frequent value that is correlated; names stand where "
        f"there are up to {NAMED}, from the top and from the left."
    )
    yield _drawn(_correlated(real), said, heat_maps(real, synthetic), "fidelity")


def _has(metrics: Sequence[Metric], pillar: str) -> bool:
    return any(m.pillar == pillar and m.status == "ok" for m in metrics)


def _of_columns(job: Job) -> Iterator[Picture]:
    real, synthetic = job.real, job.matched["synthetic"]
    errors = shape_errors(real, synthetic)
    caption = (
        "Areas and full bars are real, lines and hatched bars synthetic; the number is the distance of the two, worst "
        f"first. What fewer than {SMALL_CELL} real patients have is not drawn, or counted under other."
    )
    small = columns(real, synthetic, errors, 4, 2)
    yield _drawn("The columns furthest off", caption, small, "fidelity", small=True)
    drawn = columns(real, synthetic, errors, PANELS, 4)
    left = sorted(errors, key=lambda name: (-errors[name], name))[PANELS:]
    rest = f" Not drawn are {len(left)}, that are nearer: {', '.join(left)}." if left else ""
    yield _drawn("Columns", caption + rest, drawn, "fidelity")


def _of_codes(job: Job) -> Iterator[Picture]:
    real, synthetic, held = job.real, job.matched["synthetic"], job.matched.get("holdout")
    caption = (
        "Each ring is a code; on the line both agree. Crosses show how far fresh real patients are from it by "
        f"chance. Codes of fewer than {SMALL_CELL} real patients are not drawn."
    )
    small = prevalence(real, synthetic, held, ["log"])
    yield _drawn("How frequent codes are", caption, small, "fidelity", small=True)
    both = prevalence(real, synthetic, held, ["linear", "log"])
    yield _drawn("Prevalence of codes", caption, both, "fidelity")
    told = "The line should follow the area."
    yield _drawn("Codes per patient", told, codes_per_patient(real, synthetic), "fidelity")


def _drawn(title: str, caption: str, fig, pillar, *, small: bool = False) -> Picture:
    return Picture(title, caption, svg(fig, title), pillar, small)
