"""Pictures of a report, as inline SVG: the same bytes for the same records."""

import io
from collections.abc import Sequence

import numpy as np

from jaxehr.evaluation.fidelity import all_correlations
from jaxehr.evaluation.frames import Bits, Records, Table

SMALL_CELL = 11  # a value that fewer real patients have is not shown by name
REAL, SYNTHETIC = "#4c5b6b", "#d1603d"
PANELS = 24


def figure(width: float, height: float):
    """A Matplotlib figure of its own: no global state is touched."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def svg(fig) -> str:
    """The figure as an <svg> element."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "jaxehr", "svg.fonttype": "path", "font.size": 8}):
        buffer = io.StringIO()
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=130)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _plain(ax) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=7)


def prevalence(real: Bits, synthetic: Bits, holdout: Bits | None):
    """Prevalence of each code, synthetic against real, on linear and logarithmic axes; grey is the holdout."""
    fig = figure(9, 4.2)
    p, n = real.bits.mean(0, dtype=float), len(real)
    sets = [(synthetic, SYNTHETIC, "synthetic")]
    if holdout is not None:
        sets.insert(0, (holdout, "#a8b3bd", "holdout"))
    for ax, scale in zip(fig.subplots(1, 2), ("linear", "log"), strict=True):
        top = p.max() * 1.15
        low = 0 if scale == "linear" else 0.5 / n
        ax.plot([low, top], [low, top], color="black", linewidth=0.6, zorder=1)
        for records, color, name in sets:
            q = np.maximum(records.bits.mean(0, dtype=float), low)
            ax.scatter(
                p, q, s=7, color=color, alpha=0.6, label=name, linewidths=0, rasterized=len(p) > 500
            )
        ax.set(xscale=scale, yscale=scale, xlabel="prevalence, real", ylabel="prevalence, other")
        ax.set_title(
            "all codes" if scale == "linear" else "rare codes (absent ones lie on the floor)"
        )
        _plain(ax)
    fig.axes[0].legend(frameon=False, markerscale=2)
    return fig


def codes_per_patient(real: Bits, synthetic: Bits):
    """How many codes a patient has."""
    fig = figure(9, 2.6)
    ax = fig.subplots()
    a, b = real.bits.sum(1), synthetic.bits.sum(1)
    edges = np.arange(0, np.quantile(np.concatenate([a, b]), 0.999) + 2) - 0.5
    for counts, color, name in ((a, REAL, "real"), (b, SYNTHETIC, "synthetic")):
        ax.hist(
            counts, edges, density=True, histtype="step", color=color, label=name, linewidth=1.4
        )
    ax.set(xlabel="codes of a patient", ylabel="share of patients")
    ax.legend(frameon=False)
    _plain(ax)
    return fig


def columns(real: Table, synthetic: Table, errors: dict[str, float]):
    """Each column, real against synthetic, the worst first."""
    worst = sorted(errors, key=lambda name: -errors[name])[:PANELS]
    rows = -(-len(worst) // 4)
    fig = figure(9, 1.8 * rows)
    axes = np.atleast_1d(fig.subplots(rows, 4, squeeze=False)).ravel()
    for ax, name in zip(axes, worst, strict=False):
        draw = _numbers if name in real.number_names else _labels
        draw(ax, real, synthetic, name)
        ax.set_title(f"{name}  ({errors[name]:.3f})", fontsize=8)
        _plain(ax)
    for ax in axes[len(worst) :]:
        ax.set_visible(False)
    return fig


def _numbers(ax, real: Table, synthetic: Table, name: str) -> None:
    j = real.number_names.index(name)
    a, b = (t.numbers[:, j][~np.isnan(t.numbers[:, j])] for t in (real, synthetic))
    if not len(a):
        return
    low, high = np.quantile(a, [0.005, 0.995])
    edges = np.linspace(low, high, 31)
    if edges[0] == edges[-1]:
        edges = np.array([edges[0] - 0.5, edges[0] + 0.5])
    for x, color in ((a, REAL), (b, SYNTHETIC)):
        heights = np.histogram(x, edges)[0] / max(len(x), 1)
        ax.stairs(heights, edges, color=color, linewidth=1.2)
    ax.set_yticks([])


def _labels(ax, real: Table, synthetic: Table, name: str) -> None:
    j = real.label_names.index(name)
    names = ("missing", *real.values[j])
    counts = np.bincount(real.labels[:, j], minlength=len(names))
    shown = [i for i in np.argsort(-counts, kind="stable")[:6] if counts[i] >= SMALL_CELL]
    shares = [np.bincount(t.labels[:, j], minlength=len(names)) / len(t) for t in (real, synthetic)]
    rest = [1 - share[shown].sum() for share in shares]
    ticks = [names[i][:10] for i in shown] + ["other"] * int(max(rest) > 1e-9)
    place = np.arange(len(ticks))
    for share, other, color, shift in zip(
        shares, rest, (REAL, SYNTHETIC), (-0.2, 0.2), strict=True
    ):
        ax.bar(place + shift, [*share[shown], other][: len(ticks)], 0.38, color=color)
    ax.set_xticks(place, ticks, rotation=30, ha="right")
    ax.set_yticks([])


def heat_maps(real: Records, synthetic: Records):
    """Correlations in the real records, in the synthetic ones, and the difference."""
    codes = None
    if isinstance(real, Bits):
        codes = np.argsort(-real.bits.sum(0), kind="stable")[:60]
    r, s = all_correlations(real, codes), all_correlations(synthetic, codes)
    fig = figure(9, 3.1)
    pictures = ((r, "real"), (s, "synthetic"), (s - r, "synthetic - real"))
    image = None
    for ax, (values, title) in zip(fig.subplots(1, 3), pictures, strict=True):
        image = ax.imshow(
            np.nan_to_num(values), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest"
        )
        ax.set_title(title)
        ax.set(xticks=[], yticks=[])
    fig.colorbar(image, ax=fig.axes, shrink=0.8)
    return fig


def pictures(
    real: Records, synthetic: Records, holdout: Records | None, errors: dict[str, float]
) -> Sequence[tuple[str, str, object]]:
    """(title, what to look for, figure) of each picture that applies to the records."""
    maps = heat_maps(real, synthetic)
    if isinstance(real, Bits) and isinstance(synthetic, Bits):
        held = holdout if isinstance(holdout, Bits) else None
        return [
            (
                "Prevalence of codes",
                "Each point is a code; on the line both agree. Grey points show how far two halves of real patients "
                "differ by chance.",
                prevalence(real, synthetic, held),
            ),
            (
                "Codes per patient",
                "Both lines should coincide.",
                codes_per_patient(real, synthetic),
            ),
            ("Correlation of the 60 most frequent codes", "The third should be white.", maps),
        ]
    assert isinstance(real, Table) and isinstance(synthetic, Table)
    return [
        (
            "Columns",
            "Grey is real, orange synthetic; the number is the distance of the two, worst column first. Values that "
            f"fewer than {SMALL_CELL} real patients have are counted under other.",
            columns(real, synthetic, errors),
        ),
        ("Correlation of columns", "The third should be white.", maps),
    ]
