"""The privacy pillar, a step at a time. The worst case of every figure is a generator that copies the training rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.blocks.distances import Distances
from jaxehr.evaluation.blocks.nearest import Rows
from jaxehr.evaluation.judges.job import Job, Step, measured, not_evaluated
from jaxehr.evaluation.measures import attacks, copies, membership, privacy
from jaxehr.evaluation.measures.catalogue import MEMBERSHIP, NEIGHBOURS
from jaxehr.evaluation.measures.intervals import Estimate, jackknife
from jaxehr.evaluation.measures.membership import Attack, Scores
from jaxehr.evaluation.measures.metric import SMALL_CELL, Metric

COUNTS: dict[str, Callable[[Any, Any], Estimate]] = {
    "copied_rows": copies.copied_rows,
    "nearly_copied_rows": copies.nearly_copied_rows,
    "copied_numbers": copies.copied_numbers,
}
RATES = {"tpr_at_1pct": 0.01, "tpr_at_01pct": 0.001}


@dataclass(frozen=True)
class Setting:
    """Three sets of one size, with the distances between them."""

    sets: dict[str, Blocks]
    rows: dict[str, Rows]
    distances: Distances

    @property
    def copied(self) -> "Setting":
        swap = lambda sets: {**sets, "synthetic": sets["real"]}
        return Setting(swap(self.sets), swap(self.rows), self.distances.of_copies())

    @property
    def fresh(self) -> "Setting":
        """Half of the holdout is judged; the other half stands beside as many training rows."""
        d = self.distances.of_fresh()
        own = np.arange(self.distances.n) * self.distances.groups // self.distances.n
        start = int(np.nonzero(own >= self.distances.groups // 2)[0][0])
        first, second = np.arange(d.n), np.arange(start, start + d.n)
        part = {
            "synthetic": ("holdout", first),
            "holdout": ("holdout", second),
            "real": ("real", first),
        }
        sets = {name: self.sets[of].rows(index) for name, (of, index) in part.items()}
        rows = {name: self.rows[of].take(index) for name, (of, index) in part.items()}
        return Setting(sets, rows, d)


def steps(job: Job) -> list[Step]:
    needs = ("holdout",)
    setting = lambda: Setting(job.equal, job.rows, job.distances)
    has_numbers = bool(job.real.number_names)
    counted = tuple(name for name in COUNTS if has_numbers or name != "copied_numbers")
    excess = ("copied_numbers_excess",) if has_numbers else ()
    found = [
        Step("privacy", "counting copies", counted, lambda: of_copies(job, counted), least=2),
        *(
            Step("privacy", "copied numbers", (name,), lambda: of_numbers(job), SMALL_CELL, needs)
            for name in excess
        ),
        Step("privacy", "copies", tuple(NEIGHBOURS), lambda: of_neighbours(setting()), needs=needs),
    ]
    for attacker, of in {
        "membership_neighbour": lambda s: membership.by_neighbour(s.distances),
        "membership_kernel": lambda s: membership.by_kernel(s.rows, s.distances),
    }.items():
        names = tuple(f"{attacker}_{name}" for name in MEMBERSHIP)
        run = lambda a=attacker, f=of: of_membership(a, f, setting(), job.seed)
        found.append(Step("privacy", "membership", names, run, needs=needs))
    for name, attack in {
        "attribute_inference_excess": lambda s: attacks.attribute_inference(
            s.sets, s.rows, job.seed
        ),
        "singling_out_excess": lambda s: attacks.singling_out(s.sets, job.seed),
        "linkability_excess": lambda s: attacks.linkability(s.sets, s.rows, job.seed),
    }.items():
        run = lambda n=name, f=attack: of_attack(n, f, setting())
        found.append(Step("privacy", "attacks", (name,), run, needs=needs))
    return found


def of_copies(job: Job, names: tuple[str, ...]) -> Iterator[Metric]:
    """The floor is of the holdout; without one, of the training patients, each beside all others."""
    for name in names:
        of = COUNTS[name]
        floor = of(job.real, job.holdout).value
        yield measured(
            name, of(job.real, job.synthetic), len(job.synthetic), floor=floor, worst=1.0
        )


def of_numbers(job: Job) -> Iterator[Metric]:
    real, drawn, held = job.real, job.synthetic, job.holdout
    assert held is not None
    n = min(len(real), len(held))
    half = np.arange(len(held)) < len(held) // 2
    fresh = [held.rows(np.nonzero(part)[0]) for part in (half, ~half)]
    floor = copies.excess_of_numbers(real, *fresh).value
    worst = copies.excess_of_numbers(real, real, held).value
    estimate = copies.excess_of_numbers(real, drawn, held)
    yield measured("copied_numbers_excess", estimate, n, floor=floor, worst=worst)


def of_neighbours(setting: Setting) -> Iterator[Metric]:
    d = setting.distances
    found = jackknife(privacy.neighbours(d))
    floors = privacy.neighbours(d.of_fresh())(None)
    worsts = privacy.neighbours(d.of_copies())(None)
    for name, estimate in found.items():
        if name in privacy.EXCESSES:
            estimate = privacy.with_exact_interval(name, estimate, d)
        yield measured(name, estimate, d.n, floor=floors[name], worst=worsts[name])


def of_membership(
    attacker: str, made: Callable[[Setting], Attack], setting: Setting, seed: int
) -> Iterator[Metric]:
    """The floors are by halves of the holdout; where these are too few for a rate, it has none."""
    found, floor, worst = (made(s) for s in (setting, setting.fresh, setting.copied))
    yield from of_scores(attacker, found, seed, floor(None), worst(None))


def of_scores(
    attacker: str,
    attack: Attack,
    seed: int,
    floor: Scores | None = None,
    worst: Scores | None = None,
) -> Iterator[Metric]:
    """AUC, true positive rates and epsilon's bound of an attack's scores, with those of other scores beside them."""
    scores = attack(None)
    n = min(len(scores.members), len(scores.others))
    beside = [s and membership.given(s) for s in (floor, worst)]
    areas = [a and membership.area(a).value for a in beside]
    found = membership.area(attack)
    yield measured(f"{attacker}_auc", found, n, floor=areas[0], worst=areas[1])
    for name, rate in RATES.items():
        share = membership.true_positives(attack, rate)
        if share is None:
            why = (
                f"{rate:.1%} of {n:,} held-out patients are fewer than {membership.FALSE_POSITIVES}"
            )
            yield not_evaluated(f"{attacker}_{name}", why, n)
            continue
        rates = [a and membership.true_positives(a, rate) for a in beside]
        values = [r.value if r else None for r in rates]
        yield measured(f"{attacker}_{name}", share, n, floor=values[0], worst=values[1])
    bounds = [s and membership.epsilon_bound(s, seed) for s in (scores, floor, worst)]
    if bounds[0] is None:
        yield not_evaluated(f"{attacker}_epsilon", "fewer than 200 patients on a side", n)
    else:
        yield measured(f"{attacker}_epsilon", bounds[0], n, floor=bounds[1], worst=bounds[2])


def of_attack(
    name: str, attack: Callable[[Setting], attacks.Trial], setting: Setting
) -> Iterator[Metric]:
    trial = attack(setting)
    if trial.estimate is None:
        why = f"only {trial.n} conditions were found that one synthetic record alone fulfils"
        yield not_evaluated(name, why, trial.n)
        return
    beside = [attack(s).estimate for s in (setting.fresh, setting.copied)]
    floor, worst = (None if e is None else e.value for e in beside)
    yield measured(name, trial.estimate, trial.n, floor=floor, worst=worst)
