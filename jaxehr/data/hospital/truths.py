"""What is true of a world, from its law: closed forms, quadrature and Kolmogorov's equations. Nothing is drawn.

`who` is any of age=65.0, sex="female", smoking="never", group="A": patients at entry of whom that is so; what is left
out is averaged over the law. Conditions are named as in DISEASES and TREATMENTS, labs as in LABS; an outcome is a
condition or "death".
"""

from collections.abc import Iterator, Sequence
from itertools import compress, product
from typing import NamedTuple, TypedDict, Unpack

import numpy as np

from jaxehr.data.hospital.centres import (
    DISEASES,
    GROUPS,
    LABS,
    NAMES,
    SEXES,
    SMOKING,
    TREATMENTS,
)
from jaxehr.data.hospital.chain import chain_of, place_of
from jaxehr.data.hospital.world import OLDEST, YOUNGEST, Reals, World, static_terms
from jaxehr.data.kinds import DataError

AGES = 12  # points of the quadrature over ages at entry
POINTS = 64  # of the quadrature over the normal law


class Who(TypedDict, total=False):
    age: float
    sex: str
    smoking: str
    group: str


def joint(world: World, names: Sequence[str], **who: Unpack[Who]) -> Reals:
    """P(conditions at entry) [2, ..., 2], an axis for each name: 0 not there, 1 there."""
    chain = chain_of(world, tuple(names))
    ages, weights = entry_ages(world, who.get("age"))
    state = np.zeros(len(chain.bits))
    for weight, statics in _profiles(world, who):
        state += weight * weights @ chain.forward(statics, ages)
    table = np.zeros((2,) * len(names))
    columns = [chain.conditions.index(place_of(name)) for name in names]
    np.add.at(table, tuple(chain.bits[:, columns].T), state)
    return table


def prevalence(world: World, name: str, **who: Unpack[Who]) -> float:
    """P(condition at entry)."""
    return float(joint(world, [name], **who)[1])


def odds_ratio(world: World, first: str, second: str, **who: Unpack[Who]) -> float:
    """Of two conditions at entry."""
    return _odds_ratio(joint(world, [first, second], **who))


def codes_odds_ratio(world: World, first: str, second: str, **who: Unpack[Who]) -> float:
    """Of the codes of two diseases at the visit of entry: nearer to 1 than that of the diseases."""
    seen = [_channel(world, name) for name in (first, second)]
    return _odds_ratio(seen[0].T @ joint(world, [first, second], **who) @ seen[1])


def code_prevalence(world: World, name: str, **who: Unpack[Who]) -> float:
    """P(code of the disease at the visit of entry)."""
    return float((joint(world, [name], **who) @ _channel(world, name))[1])


def ordered_with(world: World, lab: str, name: str, **who: Unpack[Who]) -> Reals:
    """P(lab ordered at the visit of entry | the code of a disease or treatment is not, is written there) [2]."""
    causes = (NAMES[place] for place in np.flatnonzero(world.order_by[lab_of(lab)]))
    names = [name, *(cause for cause in causes if cause != name)]
    table = joint(world, names, **who)
    ordered = np.empty(table.shape)
    for state in np.ndindex(table.shape):
        ordered[state] = seen(world, lab, list(compress(names, state))).ordered
    there = np.stack([table * ordered, table]).reshape(2, 2, -1).sum(-1)
    both, either = there @ _channel(world, name)
    return both / either


def _channel(world: World, name: str) -> Reals:
    """P(written at a visit | there) [2, 2] of a disease's or treatment's code."""
    if name in DISEASES:
        place = NAMES.index(name)
        chances = np.array([world.false[place], world.sensitivity[place]])
    else:
        chances = np.array([0.0, world.renewed[place_of(name) - len(DISEASES)]])
    return np.stack([1 - chances, chances], axis=1)


def _odds_ratio(table: Reals) -> float:
    return float(table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0]))


def autocorrelation(world: World, lab: str, years, other: str | None = None) -> Reals:
    """Of a lab's deviation with its own, or another lab's, `years` later (any shape)."""
    first, second = lab_of(lab), lab_of(other or lab)
    weights = world.mixing[first] * world.mixing[second]
    return np.exp(-np.multiply.outer(np.asarray(years, float), world.decay)) @ weights


class Seen(NamedTuple):
    """Of a lab at a visit: P(ordered); mean and variance of the deviation where it is."""

    ordered: float
    mean: float
    variance: float


def seen(world: World, lab: str, state: Sequence[str] = ()) -> Seen:
    """Of patients with the conditions in `state` and no other, by Gauss-Hermite quadrature."""
    place = lab_of(lab)
    deviation, weight = np.polynomial.hermite_e.hermegauss(POINTS)
    odds = world.order_odds(state_of(state))[place] + world.order_value[place] * deviation
    weight = weight / weight.sum() / (1 + np.exp(-odds))
    chance = weight.sum()
    mean = weight @ deviation / chance
    return Seen(float(chance), float(mean), float(weight @ deviation**2 / chance - mean**2))


def state_of(names: Sequence[str]) -> Reals:
    """[J] 1 for the conditions that are named."""
    there = np.zeros(len(NAMES))
    there[[place_of(name) for name in names]] = 1
    return there


def treatment_of(name: str) -> int:
    """Its place in NAMES. Raises DataError for another name."""
    if name not in TREATMENTS:
        raise DataError(f"no treatment '{name}'; there are {', '.join(TREATMENTS)}")
    return place_of(name)


def lab_of(name: str) -> int:
    """Its place in LABS. Raises DataError for another name."""
    if name not in LABS:
        raise DataError(f"no lab '{name}'; there are {', '.join(LABS)}")
    return list(LABS).index(name)


class Effect(NamedTuple):
    """P(outcome in time) of patients without it at entry.

    given, withheld    were all of them treated from entry on; were none
    treated, untreated of those who are at entry, and of those who are not: what a naive contrast takes
    ratio              hazard ratio of the treatment
    """

    given: float
    withheld: float
    treated: float
    untreated: float
    ratio: float


def effect(world: World, treatment: str, outcome: str, years: float, **who: Unpack[Who]) -> Effect:
    """What a treatment does to P(outcome within `years` of entry), and what it seems to do."""
    place, ends = treatment_of(treatment), place_of(outcome)
    chain = chain_of(world, (treatment, outcome, "death"))
    bit = 1 << chain.conditions.index(place)
    state = np.arange(len(chain.bits))
    without = ~chain.has(ends)
    treated = state & bit > 0
    sums, counts = np.zeros(4), np.zeros(4)
    ages, weights = entry_ages(world, who.get("age"))
    for weight, statics in _profiles(world, who):
        for age, part, law in zip(ages, weights, chain.forward(statics, ages), strict=True):
            fixed = chain.risk(statics, age, years, ends, barred=[place])
            natural = chain.risk(statics, age, years, ends)
            risks = (fixed[state | bit], fixed[state & ~bit], natural, natural)
            for i, (risk, of) in enumerate(zip(risks, (1, 1, treated, ~treated), strict=True)):
                mass = weight * part * law * without * of
                sums[i] += mass @ risk
                counts[i] += mass.sum()
    given, withheld, with_it, without_it = (float(risk) for risk in sums / counts)
    return Effect(given, withheld, with_it, without_it, float(np.exp(world.effect[ends, place])))


def entry_ages(world: World, age: float | None = None) -> tuple[Reals, Reals]:
    """Ages at entry and their weights, by Gauss-Jacobi quadrature of the Beta law; or the one that is given."""
    if age is not None:
        return np.array([float(age)]), np.ones(1)
    from scipy.special import roots_jacobi

    a, b = world.age
    value, weight = roots_jacobi(AGES, b - 1, a - 1)
    return YOUNGEST + (OLDEST - YOUNGEST) * (value + 1) / 2, weight / weight.sum()


def _profiles(world: World, who: Who) -> Iterator[tuple[float, Reals]]:
    """P(statics) and the terms [5] of each profile that `who` allows; the chances add up to 1."""
    if unknown := set(who) - set(Who.__annotations__):
        raise DataError(f"who: {unknown.pop()} is none of {', '.join(Who.__annotations__)}")
    found = []
    for male, smoking, group in product(*(range(len(each)) for each in (SEXES, SMOKING, GROUPS))):
        named = {"sex": SEXES[male], "smoking": SMOKING[smoking], "group": GROUPS[group]}
        if all(who.get(name, value) == value for name, value in named.items()):
            chance = world.male if male else 1 - world.male
            chance *= world.smoking[male, smoking] * world.group[group]
            places = (np.array([place]) for place in (male, smoking, group))
            found.append((chance, static_terms(*places)[0]))
    total = sum(chance for chance, _ in found)
    if not total:
        raise DataError(f"no patient is {who}: sex, smoking and group are spelt as in the records")
    for chance, statics in found:
        yield chance / total, statics
