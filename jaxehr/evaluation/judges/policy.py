"""Utility for decisions: policies learnt on synthetic courses beside those learnt on real ones."""

from collections.abc import Iterator, Mapping
from functools import partial

from jaxehr.data import Grid
from jaxehr.evaluation.judges.job import Job, Step, measured
from jaxehr.evaluation.measures.catalogue import POLICY
from jaxehr.evaluation.measures.decisions import Roles, decisions_of
from jaxehr.evaluation.measures.metric import Metric
from jaxehr.evaluation.measures.policy import Decisions, policy_agreement

SAME = "the policy learnt on real patients expects as much from everybody"


def steps(job: Job, grid: Grid | None, roles: Roles | None) -> list[Step]:
    """Raises DataError where the series has no such action and reward."""
    if roles is None:
        return []
    decisions = decisions_of(grid, roles, job.matched)
    run = partial(of_decisions, decisions, job.seed)
    return [Step("utility", f"a policy of {roles.action}", tuple(POLICY), run)]


def of_decisions(sets: Mapping[str, Decisions], seed: int) -> Iterator[Metric]:
    """The floor is what other real courses teach; the worst a policy that brings nothing, or acts like none."""
    real, n = sets["real"], len(sets["synthetic"].lengths)
    found = policy_agreement(real, sets["synthetic"], seed).figures
    floors = policy_agreement(real, sets["holdout"], seed).figures if "holdout" in sets else {}
    ends = {
        "policy_value": {
            "worst": found["value_habit"].value,
            "ideal": found["value_real"].value,
        }
    }
    for name in POLICY:
        figure = name.removeprefix("policy_")
        alone = figure in ("value_real", "value_habit")
        floor = None if alone or not floors else floors[figure].value
        how = ends.get(name, {} if alone else {"worst": 0.0})
        yield measured(name, found[figure], n, floor=floor, undefined=SAME, **how)
