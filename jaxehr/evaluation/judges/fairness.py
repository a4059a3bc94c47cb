"""The fairness pillar: every metric of fidelity and utility within each subgroup, the worst of them, and the gap.

Fidelity is that of a subgroup's records by themselves. Utility is of models that were trained on all patients, tested
on those of the subgroup. A small subgroup is further off by chance alone: what is compared is how much worse each is
than its own floor.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import permutations

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.judges import fidelity as judge_fidelity
from jaxehr.evaluation.judges.job import FEWEST, Job, done
from jaxehr.evaluation.judges.utility import Study
from jaxehr.evaluation.judges.verdict import badness
from jaxehr.evaluation.measures.fairness import Grouping, subgroups
from jaxehr.evaluation.measures.metric import UNDERPOWERED, Group, Metric
from jaxehr.evaluation.measures.proportions import Z

GROUP_ROWS = 2_000  # of a subgroup in each set, for fidelity


def judge(
    job: Job, studies: Sequence[Study], grouping: Grouping
) -> tuple[list[Metric], list[Group], str]:
    """Metrics, the figures of each subgroup, and a note on those that are too small to show.

    studies     of utility, those that can be made
    """
    found, small, lost = subgroups(job.sets, grouping)
    studies = studies if job.smallest >= FEWEST else ()
    said = f"{small} subgroups by {grouping.by} have fewer than 11 patients in a file: not shown"
    missed = [_lost(grouping.by, lost, len(found) + small, len(job.synthetic))]
    if len(found) < 2:
        empty = Metric(
            f"group_gap[{grouping.by}]", "fairness", float("nan"), None, "lower", 0.0, 0,
            status=UNDERPOWERED, why="fewer than two subgroups have 11 patients in every file",
        )  # fmt: skip
        return [*missed, empty], [], said if small else ""
    figures = {
        group: {m.name: m for m in (*_fidelity(job, sets), *_utility(studies, grouping, group))}
        for group, sets in found
    }
    names = dict.fromkeys(name for metrics in figures.values() for name in metrics)
    gaps: list[Metric] = missed
    for name in names:
        known = {group: metrics[name] for group, metrics in figures.items() if name in metrics}
        gaps += compared(name, known, grouping.by)
    groups = [
        Group(grouping.by, group, m.name, m.value, m.floor)
        for group, metrics in figures.items()
        for m in metrics.values()
        if m.status == "ok"
    ]
    return gaps, groups, said if small else ""


def _lost(by: str, lost: list[str], groups: int, n: int) -> Metric:
    """The share of the subgroups that the synthetic records do not have."""
    why = f"without {', '.join(lost)}" if lost else ""
    share = len(lost) / groups if groups else 0.0
    return Metric(
        f"groups_lost[{by}]", "fairness", share, None, "lower", 0.0, n, worst=1.0, why=why
    )


def _fidelity(job: Job, sets: dict[str, Blocks]) -> Iterator[Metric]:
    some = {
        name: records.rows(np.arange(min(len(records), GROUP_ROWS)))
        for name, records in sets.items()
    }
    own = Job(some, job.label, job.seed)
    for step in judge_fidelity.steps(own):
        yield from done(own, step)


def _utility(studies: Sequence[Study], grouping: Grouping, group: str) -> Iterator[Metric]:
    who = lambda records: np.flatnonzero(grouping.of(records) == group)
    for study in studies:
        yield from (m for m in study.learn()(who) if not m.name.startswith("trtr_"))


def compared(name: str, figures: dict[str, Metric], by: str) -> list[Metric]:
    """The worst subgroup, and the clearest gap: where two subgroups or more have the figure and its interval.

    The gap's interval is Tukey and Kramer's: it holds for all pairs of subgroups at once, so that the widest of many
    is no finding by itself. Floors are as noisy as values, unless they are 0 by definition. Without floors a gap has
    no interval, since a small subgroup is further off by its size alone.
    """
    known = {g: m for g, m in figures.items() if m.status == "ok" and m.low is not None}
    with_floor = {g: m for g, m in known.items() if m.floor is not None}
    has_floor = len(with_floor) > 1
    known = with_floor if has_floor else known
    if len(known) < 2:
        return []
    beyond = {g: _beyond(m) if has_floor else badness(m, m.value) for g, m in known.items()}
    errors = {g: _error(m) for g, m in known.items()}
    most = max(errors.values())  # for a figure that stays the same without any of its patients
    exact = name.startswith("tstr_gap")  # its floor is 0 by definition
    wide = _widest(len(known)) * (1.0 if exact else 2**0.5)

    def half(pair: tuple[str, str]) -> float:
        return wide * math.hypot(*(errors[g] or most for g in pair))

    gaps = {pair: beyond[pair[0]] - beyond[pair[1]] for pair in permutations(known, 2)}
    pair = max(gaps, key=lambda pair: gaps[pair] - half(pair))
    gap, around = gaps[pair], half(pair)
    has_interval = has_floor and most > 0
    low, high = (gap - around, gap + around) if has_interval else (None, None)
    worst = max(beyond, key=beyond.__getitem__)
    m = known[worst]
    n = min(m.n for m in known.values())
    where = f"{pair[0]} and {pair[1]}" + (", each beyond its own floor" if has_floor else "")
    return [
        m._replace(
            name=f"{name}_worst_group[{by}]",
            pillar="fairness",
            worst=None,
            why=f"the subgroup {worst}",
        ),
        Metric(
            f"{name}_group_gap[{by}]", "fairness", gap, None, "lower", 0, n, low, high, why=where
        ),
    ]


def _beyond(m: Metric) -> float:
    assert m.floor is not None
    return badness(m, m.value) - badness(m, m.floor)


def _error(m: Metric) -> float:
    assert m.low is not None and m.high is not None
    return max(m.value - m.low, m.high - m.value) / Z


@cache
def _widest(groups: int) -> float:
    """The widest difference between so many equal values, at 95%, in standard errors of a difference."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(0.95, groups, np.inf)) / 2**0.5
