"""The fairness pillar: fidelity and utility within each subgroup, the worst of them, and the gap between them.

Every figure is better when lower. What is compared is how far a subgroup is beyond its own floor.
"""

from collections.abc import Callable

import numpy as np

from jaxehr.evaluation import fidelity
from jaxehr.evaluation.detection import detection
from jaxehr.evaluation.fairness import DETECTION_ROWS, Grouping, subgroups
from jaxehr.evaluation.frames import Bits, Records
from jaxehr.evaluation.intervals import GROUPS, jackknife
from jaxehr.evaluation.job import FEWEST, Job
from jaxehr.evaluation.judge_utility import TRAINED_ROWS, parts, score_name
from jaxehr.evaluation.learners import Features, Target, score, target, trained
from jaxehr.evaluation.nearest import groups_of
from jaxehr.evaluation.report import UNDERPOWERED, Group, Metric

Figures = Callable[[int | None], dict[str, float]]
WANTED = {
    "prevalence_gap",
    "log_odds_gap",
    "codes_per_patient_distance",
    "pair_gap",
    "shape_error",
    "trend_error",
    "missing_share_error",
}


def judge(job: Job, grouping: Grouping) -> tuple[list[Metric], list[Group], str]:
    """Metrics, the figures of each subgroup, and a note on those that are too small to show."""
    found, small = subgroups(job.sets, grouping)
    said = f"{small} subgroups by {grouping.by} have fewer than 11 patients in a file: not shown"
    if len(found) < 2:
        empty = Metric(
            f"group_gap[{grouping.by}]", "fairness", float("nan"), None, "lower", 0.0, 0,
            status=UNDERPOWERED, why="fewer than two subgroups have 11 patients in every file",
        )  # fmt: skip
        return [empty], [], said if small else ""
    predicted = _predicted(job)
    drawn, held = {}, {}
    for name, sets in found:
        drawn[name], held[name] = _figures(sets, job.seed)
        if predicted is not None:
            drawn[name], held[name] = _with_utility(drawn[name], held[name], sets, predicted, job)
    names = set.intersection(*(set(of(None)) for of in drawn.values()))
    metrics = [m for name in sorted(names) for m in _compared(name, drawn, held, grouping, found)]
    groups = [
        Group(grouping.by, group, name, drawn[group](None)[name], held[group](None).get(name))
        for group in drawn
        for name in sorted(names)
    ]
    return metrics, groups, said if small else ""


def _figures(sets: dict[str, Records], seed: int) -> tuple[Figures, Figures]:
    """Of the synthetic records within a subgroup, and of the holdout at the same number of rows."""
    n = min(len(x) for name, x in sets.items() if name != "real")
    made: list[Figures] = []
    for name in ("synthetic", "holdout"):
        if name not in sets:
            made.append(lambda leave: {})
            continue
        made.append(_fidelity(sets["real"], sets[name].rows(np.arange(n)), seed))
    return made[0], made[1]


def _fidelity(real: Records, other: Records, seed: int) -> Figures:
    if isinstance(real, Bits):
        families: tuple[Callable, ...] = (fidelity.prevalence, fidelity.code_pairs)
    else:
        families = (fidelity.shapes, fidelity.trends, fidelity.missing)
    made = [family(real, other) for family in families]
    n = min(len(real), len(other), DETECTION_ROWS)
    rows = np.arange(n)
    told = {}
    if n >= FEWEST:
        auc = detection(real.rows(rows), other.rows(rows), "linear", seed).value
        told = {"detection_auc_linear": auc}

    def figures(leave: int | None) -> dict[str, float]:
        found = {k: v for of in made for k, v in of(leave).items()}
        return {k: v for k, v in found.items() if k in WANTED and np.isfinite(v)} | told

    return figures


def _predicted(job: Job) -> dict[str, Callable[[Records], np.ndarray]] | None:
    if job.label is None or job.holdout is None:
        return None
    chosen, _ = parts(job, TRAINED_ROWS)
    features = Features(chosen.real, job.label)
    return {
        way: trained("boosting", features, records, job.label, job.seed)
        for way, records in (("tstr", chosen.synthetic), ("trtr", chosen.real))
    }


def _with_utility(drawn: Figures, held: Figures, sets: dict, predicted: dict, job: Job):
    """Adds what training on synthetic patients costs this subgroup; the floor is no cost."""
    assert job.label is not None
    name = f"tstr_gap_{score_name(job)}"
    asked = target(sets["holdout"], job.label)
    p = {way: predict(sets["holdout"]) for way, predict in predicted.items()}
    own = groups_of(len(sets["holdout"]), GROUPS)

    def of(leave: int | None) -> dict[str, float]:
        kept = own != (-1 if leave is None else leave)
        part = Target(asked.task, asked.values[kept], asked.known[kept])
        return {name: score(part, p["trtr"][kept]) - score(part, p["tstr"][kept])}

    if not np.isfinite(of(None)[name]):
        return drawn, held
    return (lambda leave: drawn(leave) | of(leave)), (lambda leave: held(leave) | {name: 0.0})


def _compared(name: str, drawn: dict, held: dict, grouping: Grouping, found: list) -> list[Metric]:
    floors = {group: of(None).get(name, 0.0) for group, of in held.items()}

    def beyond(leave: int | None) -> dict[str, float]:
        return {g: of(leave).get(name, np.nan) - floors[g] for g, of in drawn.items()}

    at = beyond(None)
    worst = max(at, key=lambda g: at[g])
    by = {g: x for g, x in jackknife(lambda leave: _span(beyond(leave), worst)).items()}
    n = min(min(len(x) for x in sets.values()) for _, sets in found)
    gap, most = (_with_spread(by[key]) for key in ("gap", "worst"))
    floor = floors[worst]
    return [
        Metric(
            f"{name}_worst_group[{grouping.by}]", "fairness", most.value + floor, floor, "lower",
            0.0, n, _plus(most.low, floor), _plus(most.high, floor), why=f"the subgroup {worst}",
        ),
        Metric(
            f"{name}_group_gap[{grouping.by}]", "fairness", gap.value, None, "lower", 0.0, n,
            gap.low, gap.high, why="between the subgroups, each beyond its own floor",
        ),
    ]  # fmt: skip


def _span(values: dict[str, float], worst: str) -> dict[str, float]:
    found = np.array(list(values.values()))
    return {"gap": float(np.nanmax(found) - np.nanmin(found)), "worst": values[worst]}


def _with_spread(estimate):
    """Detection is not taken again without each group: it has no interval here."""
    spread = estimate.high - estimate.low > 1e-9
    return estimate if spread else estimate._replace(low=None, high=None)


def _plus(x: float | None, y: float) -> float | None:
    return None if x is None else x + y
