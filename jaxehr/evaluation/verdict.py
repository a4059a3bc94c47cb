"""What the figures of a pillar come to, in plain words. No figure is made of others: the words say which stand out."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from jaxehr.evaluation.report import Metric, Pillar, clear_gap, number, surely_above

Standing = Literal["as real", "near", "off", "far off", "leak", "no leak", "not evaluated", "alone"]
NEAR, FAR = 0.1, 0.4  # of the way from the floor to the worst case


class Verdict(NamedTuple):
    heading: str
    words: str


def standing(metric: Metric) -> Standing:
    """Where a figure stands between fresh real patients (the floor) and the worst case."""
    if metric.status != "ok":
        return "not evaluated"
    if metric.pillar == "privacy":
        return "leak" if leaks(metric) else "no leak"
    if metric.floor is None:
        return "alone"
    value, floor = badness(metric, metric.value), badness(metric, metric.floor)
    half = _half(metric)
    # The floor is as noisy as the value: their difference is so by the square root of 2.
    if value <= floor or abs(metric.value - metric.floor) <= 2**0.5 * half:
        return "as real"
    if metric.worst is None or badness(metric, metric.worst) - floor <= half:
        return "off"
    way = (value - floor) / (badness(metric, metric.worst) - floor)
    return "near" if way < NEAR else "off" if way < FAR else "far off"


def _half(metric: Metric) -> float:
    if metric.low is None or metric.high is None:
        return 0.0
    return (metric.high - metric.low) / 2


def leaks(metric: Metric) -> bool:
    """Is it surely beyond its ideal on the leaking side? A bound of epsilon is a bound already."""
    return surely_above(metric) > metric.ideal


def badness(metric: Metric, value: float) -> float:
    if metric.better == "higher":
        return metric.ideal - value
    return value - metric.ideal if metric.better == "lower" else abs(value - metric.ideal)


def verdict(pillar: Pillar, metrics: Sequence[Metric]) -> Verdict:
    asked = [m for m in metrics if m.pillar == pillar]
    by = {s: [m for m in asked if standing(m) == s] for s in ("not evaluated", "alone", "leak")}
    done = [m for m in asked if m.status == "ok"]
    if not done:
        return Verdict("Not judged", NOT_JUDGED[pillar])
    left = f" Not evaluated: {len(by['not evaluated'])}." if by["not evaluated"] else ""
    if pillar == "privacy":
        return _of_privacy(done, by["leak"], left)
    if pillar == "fairness":
        return _of_fairness(done, left)
    if len(by["alone"]) == len(done):
        said = "There are no held-out patients to say how near is near; read the figures below."
        return Verdict("Without a yardstick", said + left)
    return _beside_floor(pillar, done, left)


def _beside_floor(pillar: Pillar, done: list[Metric], left: str) -> Verdict:
    stands = {m.name: standing(m) for m in done}
    count = lambda *ways: sum(s in ways for s in stands.values())
    at, near, off, far = (count(s) for s in ("as real", "near", "off", "far off"))
    heading = HEADINGS[pillar][
        0 if not near + off + far else 1 if not off + far else 2 if not far else 3
    ]
    words = f"{at} of {at + near + off + far} figures are as fresh real patients have them"
    words += f", {near} are near" if near else ""
    words += f", {off} off" if off else ""
    words += f", {far} far off" if far else ""
    rest = [m for m in done if stands[m.name] in ("near", "off", "far off")]
    if rest:
        m = max(rest, key=_way)
        words += (
            f". Furthest: {m.name}, {number(m.value)} where real patients have {number(m.floor)}"
        )
    return Verdict(heading, f"{words}.{left}")


def _way(metric: Metric) -> float:
    floor = badness(metric, metric.floor or 0.0)
    whole = badness(metric, metric.worst) - floor if metric.worst is not None else math.inf
    return (badness(metric, metric.value) - floor) / whole if whole > 0 else 0.0


def _of_privacy(done: list[Metric], leaking: list[Metric], left: str) -> Verdict:
    if leaking:
        shown = ", ".join(
            f"{m.name} {number(m.value)} where {m.ideal:g} is none" for m in leaking[:3]
        )
        more = f" and {len(leaking) - 3} more" if len(leaking) > 3 else ""
        said = f"{len(leaking)} of {len(done)} attacks tell training patients from others: {shown}{more}."
        return Verdict("It leaks", said + left)
    return Verdict(
        "No leak was found",
        f"None of {len(done)} figures is beyond chance (at 99.9%). That is absence of evidence, not proof.{left}",
    )


def _of_fairness(done: list[Metric], left: str) -> Verdict:
    gaps = [m for m in done if "_group_gap" in m.name]
    clear = [m for m in gaps if clear_gap(m)]
    if not clear:
        return Verdict(
            "No gap beyond chance",
            f"None of {len(gaps)} gaps between subgroups is beyond chance.{left}",
        )
    m = max(clear, key=lambda m: surely_above(m) / m.value)  # gaps have the units of their figures
    said = f"{len(clear)} of {len(gaps)} gaps between subgroups are beyond chance"
    said += f"; the clearest is {m.name}, {number(m.value)}."
    return Verdict("Subgroups differ", said + left)


HEADINGS: dict[str, tuple[str, str, str, str]] = {
    "fidelity": (
        "As real patients",
        "Close to real patients",
        "Like real patients in part",
        "Far from real patients in part",
    ),
    "utility": (
        "As useful as real patients",
        "Nearly as useful",
        "Less useful than real patients",
        "Much less useful than real patients",
    ),
    "clinical": (
        "As sensible as real patients",
        "Nearly as sensible",
        "Rules are broken more often",
        "Rules are broken far more often",
    ),
}
NOT_JUDGED = {
    "fidelity": "There are too few patients.",
    "utility": "Give a label and held-out patients to test on.",
    "privacy": "Give held-out patients: without them, closeness cannot be told from copying.",
    "clinical": "Give rules.",
    "fairness": "Give subgroups of 11 patients or more.",
}
