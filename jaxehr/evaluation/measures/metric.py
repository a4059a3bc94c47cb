"""What the evaluation finds: metrics, groups, what is furthest off, pictures; and how a figure is written."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

UNDERPOWERED = "underpowered: not evaluated"
SMALL_CELL = 11  # a smaller count of patients is not shown
BEYOND = 1.7  # times a 95% interval is one of 99.9%
Pillar = Literal["fidelity", "utility", "privacy", "clinical", "fairness"]
Better = Literal["higher", "lower", "closer"]
PILLARS: tuple[Pillar, ...] = ("fidelity", "utility", "privacy", "clinical", "fairness")


class Metric(NamedTuple):
    """One number about the synthetic records.

    floor   the same metric for real patients that were not trained on: as good as it gets. None without a holdout
    better  which way is better; "closer" is closer to `ideal`
    n       rows it was computed on, of each set
    low     to high: 95%
    worst   the same metric for a generator that copies, or that knows nothing of what is measured
    """

    name: str
    pillar: Pillar
    value: float
    floor: float | None
    better: Better
    ideal: float
    n: int
    low: float | None = None
    high: float | None = None
    worst: float | None = None
    status: str = "ok"
    why: str = ""


class Picture(NamedTuple):
    """title, what to look for, <svg>; small ones stand beside the verdict of their pillar."""

    title: str
    caption: str
    svg: str
    pillar: Pillar = "fidelity"
    small: bool = False


class Group(NamedTuple):
    """A metric within a subgroup."""

    by: str
    group: str
    metric: str
    value: float
    floor: float | None


class Furthest(NamedTuple):
    """How far a column, or the relation of two, is off; the floor is that of held-out patients. A tell is what gives
    rows away, by what the detector loses without it."""

    what: Literal["column", "pair", "tell"]
    names: tuple[str, ...]
    value: float
    floor: float | None


def in_short(m: Metric) -> bool:
    """Is it in a short table? Of fairness only gaps beyond chance are, and subgroups that were lost: there is a gap for
    every other figure."""
    if m.pillar != "fairness" or m.status != "ok":
        return True
    return clear_gap(m) or (m.name.startswith("groups_lost") and m.value > 0)


def clear_gap(m: Metric) -> bool:
    """Is it a gap between subgroups that is surely there?"""
    return "_group_gap" in m.name and m.low is not None and surely_above(m) > 0


def surely_above(m: Metric) -> float:
    """The lower end of an interval of 99.9%, for what is found by looking at a score of figures."""
    return m.value if m.low is None else m.value - BEYOND * (m.value - m.low)


def way(metric: Metric) -> str:
    if metric.better == "closer" and metric.floor is not None and metric.ideal == metric.floor != 0:
        return "closer to floor"
    return f"closer to {metric.ideal:g}" if metric.better == "closer" else metric.better


def number(value: float | None) -> str:
    if value is None or is_nan(value):
        return "-"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def interval(metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return ""
    return f"{number(metric.low)}..{number(metric.high)}"


def patients(n: int) -> str:
    """A count as it may be shown."""
    return f"{n:,}" if n == 0 or n >= SMALL_CELL else f"fewer than {SMALL_CELL}"


def ordered(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """Pillar by pillar, in the order they came."""
    return tuple(sorted(metrics, key=lambda m: PILLARS.index(m.pillar)))


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
