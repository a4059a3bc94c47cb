"""The parameters of a world, drawn from its seed alone."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from jaxehr.data.hospital.centres import (
    BACKGROUND,
    CONDITIONS,
    DISEASES,
    FALSE,
    GROUPS,
    LABS,
    MORTALITY,
    NAMES,
    REFERENCE_AGE,
    REGIONS,
    RENEWED,
    SENSITIVITY,
    TREATMENTS,
)
from jaxehr.data.kinds import DataError

Reals = NDArray[np.float64]
YOUNGEST, OLDEST = 20.0, 90.0  # at entry
FOLLOWED = (
    2.0,
    10.0,
)  # years: the shortest and the longest time between entry and the end of the record


@dataclass(frozen=True, eq=False)
class World:
    """What is true of every patient of a hospital. J conditions (diseases, then treatments), L labs.

    male, smoking, group, region   P(male); P(smoking | sex) [2, 3]; P(group) [3]; P(region) [4]
    age                            a and b of the Beta law of age at entry, between YOUNGEST and OLDEST
    rate, slope, static, effect    of the hazards [J + 1], the last of death; static [J + 1, 5] is of male, former,
                                   current, group B, group C; effect [J + 1, J] is of the other conditions
    visits, burdened, regional     visits a year without disease; what a disease adds, as a part of it; [4]
    inpatient                      log odds without disease; what a disease adds to it
    sensitivity, false             P(code at a visit | there), P( | not there) [12]
    background, renewed            P(code at a visit) [8]; P(drug at a visit | taken) [2]
    mean, by_male, by_decade, spread, shift    of the labs [L]; shift [L, J]
    decay, mixing                  rates of the factors [L]; lab deviation = mixing [L, L] @ factors
    order, order_by, order_value   log odds of being ordered [L]; what a condition adds [L, J]; a deviation of 1 [L]
    """

    seed: int
    male: float
    smoking: Reals
    group: Reals
    region: Reals
    age: Reals
    rate: Reals
    slope: Reals
    static: Reals
    effect: Reals
    visits: float
    burdened: float
    regional: Reals
    inpatient: Reals
    sensitivity: Reals
    false: Reals
    background: Reals
    renewed: Reals
    mean: Reals
    by_male: Reals
    by_decade: Reals
    spread: Reals
    shift: Reals
    decay: Reals
    mixing: Reals
    order: Reals
    order_by: Reals
    order_value: Reals

    def log_hazard(self, statics: Reals, state: Reals) -> Reals:
        """[n, J + 1] at the reference age, of statics [n, 5] and state [n, J]; each grows by slope per year."""
        return np.log(self.rate) + statics @ self.static.T + state @ self.effect.T

    def visit_rate(self, state: Reals, region: NDArray) -> Reals:
        """Visits a year, of state [..., J] and region [...]."""
        burden = state[..., : len(DISEASES)].sum(-1)
        return self.visits * self.regional[region] * (1 + self.burdened * burden)

    def lab_means(self, male: Reals, age: Reals, state: Reals) -> Reals:
        """[n, L]: what the labs deviate from, on the scale (some are logarithms) on which they are normal."""
        aged = (age[:, None] - REFERENCE_AGE) / 10 * self.by_decade
        return self.mean + male[:, None] * self.by_male + aged + state @ self.shift.T

    def order_odds(self, state: Reals) -> Reals:
        """Log odds [..., L] that a lab without deviation is ordered at a visit."""
        return self.order + state @ self.order_by.T


@lru_cache(maxsize=8)
def world_of(seed: int) -> World:
    """The world of a seed: each number of `centres` moved, none beyond what keeps its meaning."""
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"the seed of a world: a whole number from 0 is wanted; got {seed!r}")
    draw = np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(0,)))
    fields = {
        "seed": int(seed),
        **_people(draw),
        **_hazards(draw),
        **_encounters(draw),
        **_labs(draw),
    }
    for value in fields.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return World(**fields)


def _around(draw: np.random.Generator, centre, by: float) -> Reals:
    """Times exp(by e), e normal and cut at 2: signs and zeros stay."""
    centre = np.asarray(centre, float)
    return centre * np.exp(by * np.clip(draw.standard_normal(centre.shape), -2, 2))


def _odds(p) -> Reals:
    return np.log(np.asarray(p) / (1 - np.asarray(p)))


def _people(draw: np.random.Generator) -> dict:
    smoking = draw.dirichlet((55, 25, 20)), draw.dirichlet((42, 33, 25))
    return {
        "male": float(draw.uniform(0.45, 0.52)),
        "smoking": np.array(smoking),
        "group": draw.dirichlet((60, 20, 20)),
        "region": draw.dirichlet((25,) * len(REGIONS)),
        "age": draw.uniform((2.0, 1.5), (2.6, 2.0)),
    }


def _hazards(draw: np.random.Generator) -> dict:
    rows = [*CONDITIONS.values(), MORTALITY]
    static = [(r.male, r.former, r.current, r.group_b, r.group_c) for r in rows]
    effect = [[r.causes.get(name, 0.0) for name in NAMES] for r in rows]
    return {
        "rate": _around(draw, [r.rate / 1000 for r in rows], 0.2),
        "slope": _around(draw, [r.slope for r in rows], 0.08),
        "static": _around(draw, static, 0.2),
        "effect": _around(draw, effect, 0.2),
    }


def _encounters(draw: np.random.Generator) -> dict:
    return {
        "visits": float(_around(draw, 1.2, 0.15)),
        "burdened": float(_around(draw, 0.4, 0.15)),
        "regional": _around(draw, np.ones(len(REGIONS)), 0.2),
        "inpatient": np.array([draw.uniform(-2.8, -2.2), draw.uniform(0.2, 0.4)]),
        "sensitivity": np.clip(_around(draw, [SENSITIVITY] * len(DISEASES), 0.2), 0, 0.9),
        "false": _around(draw, [FALSE] * len(DISEASES), 0.3),
        "background": _around(draw, list(BACKGROUND.values()), 0.3),
        "renewed": np.clip(_around(draw, [RENEWED] * len(TREATMENTS), 0.1), 0, 0.95),
    }


def _labs(draw: np.random.Generator) -> dict:
    labs = list(LABS.values())
    spread = np.array([lab.spread for lab in labs])
    by_name = lambda values: [[v.get(name, 0.0) for name in NAMES] for v in values]
    return {
        "mean": np.array([lab.mean for lab in labs])
        + 0.2 * spread * draw.uniform(-1, 1, len(labs)),
        "by_male": _around(draw, [lab.male for lab in labs], 0.2),
        "by_decade": _around(draw, [lab.by_decade for lab in labs], 0.2),
        "spread": _around(draw, spread, 0.1),
        "shift": _around(draw, by_name([lab.shifts for lab in labs]), 0.2),
        "decay": _around(draw, [lab.decay for lab in labs], 0.2),
        "mixing": _mixing(_around(draw, [lab.with_first for lab in labs[1:]], 0.2)),
        "order": _odds([lab.ordered for lab in labs]) + draw.uniform(-0.3, 0.3, len(labs)),
        "order_by": _around(draw, by_name([lab.orders for lab in labs]), 0.2),
        "order_value": _around(draw, [lab.by_value for lab in labs], 0.2),
    }


def _mixing(with_first: Reals) -> Reals:
    """Rows of length 1: the first lab is the first factor, the others are part of it and of one of their own."""
    own = np.sqrt(1 - with_first**2)
    mixing = np.diag(np.concatenate([[1.0], own]))
    mixing[1:, 0] = with_first
    return mixing


def static_terms(male: NDArray, smoking: NDArray, group: NDArray) -> Reals:
    """[n, 5] of sex, smoking and group given by their places in SEXES, SMOKING and GROUPS."""
    former, current = smoking == 1, smoking == 2
    others = [group == place for place in range(1, len(GROUPS))]
    return np.stack([male == 1, former, current, *others], axis=1).astype(float)
