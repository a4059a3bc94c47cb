"""What the figures of a pillar come to, in plain words. No figure is made of others: the words say which stand out.

Whatever is said to be so is so at one level, 99.9% for each figure: a pillar has some twenty, and at 95% one of them
would stand out by chance alone.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from jaxehr.evaluation.measures.catalogue import COPIES, ENTRIES, PUBLISHED_PRIVACY
from jaxehr.evaluation.measures.metric import (
    BEYOND,
    PILLARS,
    Metric,
    Pillar,
    clear_gap,
    number,
    surely_above,
)

Standing = Literal[
    "as real", "near", "off", "far off", "unclear", "leak", "no leak", "not evaluated", "alone"
]
NEAR, FAR = 0.1, 0.4  # of the way from the floor to the worst case
LEVEL = "99.9%"


class Verdict(NamedTuple):
    heading: str
    words: str


def standing(metric: Metric) -> Standing:
    """Where a figure stands between fresh real patients (the floor) and the worst case.

    "unclear" is a figure as noisy as that: it may be the floor, and it may be far off.
    """
    if metric.status != "ok":
        return "not evaluated"
    if metric.pillar == "privacy" and metric.name not in COPIES:
        return "leak" if leaks(metric) else "no leak"
    if metric.floor is None:
        return "alone"
    floor = badness(metric, metric.floor)
    beyond, noise = badness(metric, metric.value) - floor, _noise(metric)
    span = math.inf if metric.worst is None else badness(metric, metric.worst) - floor
    if beyond <= noise:
        return "unclear" if beyond + noise >= FAR * span else "as real"
    if metric.worst is None or span <= noise:
        return "off"
    way = beyond / span
    return "near" if way < NEAR else "off" if way < FAR else "far off"


def _noise(metric: Metric) -> float:
    """Half of a 99.9% interval of value - floor: the floor is as noisy as the value. The wider side is taken, since the
    other may be cut off where the figure can be no more."""
    if metric.low is None or metric.high is None:
        return 0.0
    return 2**0.5 * BEYOND * max(metric.high - metric.value, metric.value - metric.low)


def leaks(metric: Metric) -> bool:
    """Is it surely beyond its ideal on the leaking side? A bound of epsilon is a bound already; a count of copies has
    no control, nor have figures as published, and says nothing of this."""
    return metric.name not in UNCONTROLLED and surely_above(metric) > metric.ideal


def badness(metric: Metric, value: float) -> float:
    if metric.better == "higher":
        return metric.ideal - value
    return value - metric.ideal if metric.better == "lower" else abs(value - metric.ideal)


def verdicts(metrics: Sequence[Metric], not_judged: Mapping[Pillar, str]) -> dict[Pillar, Verdict]:
    """Of every pillar that has figures, or of which it is known why not; a leak comes first."""
    judged = {m.pillar for m in metrics} | set(not_judged)
    found = {p: verdict(p, metrics, not_judged.get(p, "")) for p in PILLARS if p in judged}
    return dict(sorted(found.items(), key=lambda item: item[1].heading not in (LEAK, COPIED)))


def verdict(pillar: Pillar, metrics: Sequence[Metric], missing: str = "") -> Verdict:
    """missing    why it was not judged, or not all of it"""
    asked = [m for m in metrics if m.pillar == pillar]
    if not asked:
        return Verdict("Not judged", missing or NOT_ASKED)
    done = [m for m in asked if m.status == "ok"]
    left = _left(asked) + (f" {missing}" if missing else "")
    if pillar == "privacy":
        return _of_privacy(asked, left, bool(missing))
    if not done:
        return Verdict("Underpowered", left.strip())
    if pillar == "fairness":
        return _of_fairness(done, left)
    if pillar == "utility":
        if _unpredictable(done):
            return _of_unpredictable(done, left)
        if missing:
            return _beside_floor(pillar, asked, left)._replace(heading="Judged in part")
    if all(standing(m) == "alone" for m in done):
        said = "There are no held-out patients to say how near is near; read the figures below."
        return Verdict("Without a yardstick", said + left)
    return _beside_floor(pillar, asked, left)


def _left(asked: Sequence[Metric]) -> str:
    """How many could not be evaluated, and why most of them could not."""
    why = Counter(m.why for m in asked if m.status != "ok")
    if not why:
        return ""
    most, count = why.most_common(1)[0]
    others = f", {sum(why.values()) - count} for other reasons" if len(why) > 1 else ""
    return f" {sum(why.values())} of {len(asked)} figures could not be evaluated: {most}{others}."


def _beside_floor(pillar: Pillar, asked: list[Metric], left: str) -> Verdict:
    stands = {m.name: standing(m) for m in asked}
    count = lambda *ways: sum(s in ways for s in stands.values())
    at, near, off, far = (count(s) for s in ("as real", "near", "off", "far off"))
    unclear, told = count("unclear"), at + near + off + far
    main = [s for name, s in stands.items() if name.startswith(MAIN.get(pillar, ""))]
    if off + far:
        heading = HEADINGS[pillar][3 if "far off" in main else 2]
    elif 2 * told < told + unclear + count("not evaluated") or not {"as real", "near"} & set(main):
        heading = "Underpowered"
    else:
        heading = HEADINGS[pillar][1 if near else 0]
    words = f"{at} of {told + unclear} figures are as fresh real patients have them"
    words += "".join(
        f", {n} {what}"
        for n, what in (
            (near, "near"),
            (off, "off"),
            (far, "far off"),
            (unclear, "cannot tell"),
        )
        if n
    )
    words += f" (each at {LEVEL})"
    rest = [m for m in asked if stands[m.name] in ("near", "off", "far off")]
    if rest:
        m = max(rest, key=_way)
        words += (
            f". Furthest: {m.name}, {number(m.value)} where real patients have {number(m.floor)}"
        )
        words += _meaning(m)
    return Verdict(heading, f"{words}.{left}")


def _meaning(m: Metric) -> str:
    return f" ({ENTRIES[m.name].about.rstrip('.')})" if m.name in ENTRIES else ""


def _way(metric: Metric) -> float:
    floor = badness(metric, metric.floor or 0.0)
    whole = badness(metric, metric.worst) - floor if metric.worst is not None else math.inf
    return (badness(metric, metric.value) - floor) / whole if whole > 0 else 0.0


def _unpredictable(done: list[Metric]) -> bool:
    """Is a model that was trained on real patients no better than chance, with every learner?"""
    real = [m for m in done if m.name.startswith("trtr_")]
    return bool(real) and all(surely_above(m) <= (m.worst or 0.0) for m in real)


def _of_unpredictable(done: list[Metric], left: str) -> Verdict:
    best = max((m for m in done if m.name.startswith("trtr_")), key=lambda m: m.value)
    score = "AUROC" if "auroc" in best.name else "R^2"
    within = "" if best.low is None else f" ({number(best.low)} to {number(best.high)})"
    said = (
        f"This label cannot be predicted from these columns: a model trained on real patients has {score} "
        f"{number(best.value)}{within}, where {number(best.worst)} is chance. What synthetic records are worth cannot "
        "be learnt from it; choose another label, or give more patients."
    )
    return Verdict("This label cannot be predicted", said + left)


def _of_privacy(asked: list[Metric], left: str, in_part: bool) -> Verdict:
    counted = [m for m in asked if m.name in COPIES and m.status == "ok"]
    attacks = [m for m in asked if m.name not in UNCONTROLLED]
    done = [m for m in attacks if m.status == "ok"]
    leaking = [m for m in done if leaks(m)]
    said = _counted(counted) + left
    if leaking:
        shown = "; ".join(
            f"{m.name} {number(m.value)} where {m.ideal:g} is none{_meaning(m)}"
            for m in leaking[:3]
        )
        more = f" and {len(leaking) - 3} more" if len(leaking) > 3 else ""
        few = f"{len(leaking)} of {len(done)} figures tell training patients from others (each at {LEVEL}): "
        return Verdict(LEAK, f"{few}{shown}{more}.{said}")
    # Where controls could be taken, they say whether copies are more than chance.
    controlled = any(m.name == "exact_copies_excess" for m in done)
    if not controlled and any(standing(m) in ("near", "off", "far off") for m in counted):
        return Verdict(COPIED, said.strip())
    if in_part:
        return Verdict(UNSEEN if attacks else "Only copies were counted", said.strip())
    if 2 * len(done) < len(attacks):
        none = (
            f"None of the {len(done)} figures that could be evaluated is beyond chance."
            if done
            else ""
        )
        return Verdict("Underpowered", f"{none}{said}".strip())
    return Verdict(
        "No leak was found",
        f"None of {len(done)} figures is beyond chance (at {LEVEL}). That is absence of evidence, not proof.{said}",
    )


def _counted(copies: list[Metric]) -> str:
    found = [
        f"{_share(m.value)} {COUNTED[m.name]} ({_share(m.floor)} of other real ones)"
        for m in copies
    ]
    return f" Counted: {'; '.join(found)}." if found else ""


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2%}"


def _of_fairness(done: list[Metric], left: str) -> Verdict:
    lost = [m for m in done if m.name.startswith("groups_lost") and m.value > 0]
    if lost:
        said = "; ".join(f"by {m.name[len('groups_lost[') : -1]}: {m.why}" for m in lost)
        return Verdict("Subgroups are missing", f"The synthetic records are {said}.{left}")
    gaps = [m for m in done if "_group_gap" in m.name]
    clear = [m for m in gaps if clear_gap(m)]
    if not clear:
        return Verdict(
            "No gap beyond chance",
            f"None of {len(gaps)} gaps between subgroups is beyond chance (at {LEVEL}).{left}",
        )
    m = max(clear, key=lambda m: surely_above(m) / m.value)  # gaps have the units of their figures
    said = f"{len(clear)} of {len(gaps)} gaps between subgroups are beyond chance (at {LEVEL})"
    said += f"; the clearest is {m.name}, {number(m.value)}."
    return Verdict("Subgroups differ", said + left)


COUNTED = {
    "copied_rows": "of synthetic rows equal a training row",
    "nearly_copied_rows": "equal one in nine cells of ten",
    "copied_numbers": "of the numbers are a single training patient's own",
}
UNCONTROLLED = {**COPIES, **PUBLISHED_PRIVACY}
LEAK, COPIED, UNSEEN = "It leaks", "Copies were found", "Leaks would not be seen"
# The figures without which a headline does not stand; of other pillars any may carry it.
MAIN: dict[str, tuple[str, ...]] = {"utility": ("tstr_auroc", "tstr_r2", "tstr_gap")}
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
        "Less useful than real patients in part",
        "Much less useful than real patients",
    ),
    "clinical": (
        "As sensible as real patients",
        "Nearly as sensible",
        "Rules are broken more often",
        "Rules are broken far more often",
    ),
}
NOT_ASKED = "It was not asked for."
