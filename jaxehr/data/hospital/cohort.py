"""Patients of a world with all that is hidden: the latent course, every visit, every value, seen or not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from jaxehr.data.hospital.centres import (
    DIES,
    DISEASES,
    GROUPS,
    LABS,
    REGIONS,
    SEXES,
    SMOKING,
    TREATMENTS,
)
from jaxehr.data.hospital.course import courses
from jaxehr.data.hospital.world import (
    FOLLOWED,
    OLDEST,
    YOUNGEST,
    Reals,
    World,
    static_terms,
    world_of,
)
from jaxehr.data.kinds import DataError

BLOCK = 1000  # patients drawn at once: those of a block are the same however many blocks there are
STATICS = {"sex": SEXES, "smoking": SMOKING, "group": GROUPS, "region": REGIONS}
Do = Mapping[str, str | float]


@dataclass(frozen=True, eq=False)
class Cohort:
    """n patients and their V visits, those of a patient together and in order; J, L as in World.

    male, smoking, group, region    [n] places in SEXES, SMOKING, GROUPS, REGIONS
    age, followed                   [n] years: at entry; from entry to the end of the record for who lives so long
    entry                           [n] days from 2010-01-01 to entry, with their fractions
    began                           [n, J + 1] ages at which conditions begin, and of death: also after the record's end
    patient, visit_age, inpatient   [V] row of the patient, age at the visit, kind of visit
    coded, background, renewed      [V, 12], [V, 8], [V, 2] what is written at the visit
    deviation, ordered              [V, L] of each lab from its mean, in spreads; whether it is measured
    """

    world: World
    male: NDArray
    smoking: NDArray
    group: NDArray
    region: NDArray
    age: Reals
    followed: Reals
    entry: Reals
    began: Reals
    patient: NDArray
    visit_age: Reals
    inpatient: NDArray
    coded: NDArray
    background: NDArray
    renewed: NDArray
    deviation: Reals
    ordered: NDArray

    @property
    def statics(self) -> Reals:
        """[n, 5], as hazards take them."""
        return static_terms(self.male, self.smoking, self.group)

    @property
    def ends(self) -> Reals:
        """[n] age at the end of the record: death or the end of follow-up."""
        return np.minimum(self.age + self.followed, self.began[:, DIES])

    def state(self, ages: Reals) -> NDArray:
        """[n, J] what has begun at these ages [n]."""
        return self.began[:, :DIES] <= ages[:, None]

    def visit_state(self) -> NDArray:
        """[V, J]"""
        return self.began[self.patient, :DIES] <= self.visit_age[:, None]

    def values(self) -> Reals:
        """[V, L] of the labs, measured or not, before they are rounded."""
        means = self.world.lab_means(
            self.male[self.patient], self.visit_age, self.visit_state().astype(float)
        )
        values = means + self.world.spread * self.deviation
        logs = [lab.log for lab in LABS.values()]
        values[:, logs] = np.exp(values[:, logs])
        return values


def cohort(n: int, seed: int = 0, *, world: int | World = 0, do: Do | None = None) -> Cohort:
    """n patients, as `cohorts` makes them, in one."""
    parts = list(cohorts(n, seed, world=world, do=do))
    first = np.cumsum([0, *(len(part.age) for part in parts)])
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Cohort)
        if field.name not in ("world", "patient")
    }
    patient = np.concatenate([p.patient + start for p, start in zip(parts, first, strict=False)])
    return Cohort(world=parts[0].world, patient=patient, **joined)


def cohorts(
    n: int, seed: int = 0, *, world: int | World = 0, do: Do | None = None
) -> Iterator[Cohort]:
    """n patients of a world, in blocks of BLOCK; the last is cut.

    world  its seed, or a World that was changed by `dataclasses.replace`
    do     what is set whatever the law says of it: static facts ({"sex": "male", "smoking": "never", "group": "B",
           "region": "east", "age": 65}) and treatments from entry on ({"statin": 1}, {"statin": 0}). The course of a
           life is raced with the same random numbers: two cohorts of a seed differ there by what was done alone.

    Raises DataError for a number that cannot be, or a `do` that names nothing of the law.
    """
    for what, number, least in (("patients", n, 1), ("a seed", seed, 0)):
        if not isinstance(number, int | np.integer) or number < least:
            raise DataError(f"{what}: a whole number from {least} is wanted; got {number!r}")
    law = world if isinstance(world, World) else world_of(world)
    done = _checked(do or {})
    return (
        _block(law, int(seed), start // BLOCK, min(BLOCK, n - start), done)
        for start in range(0, n, BLOCK)
    )


def _checked(do: Do) -> dict[str, float]:
    """Places in the tuples of names, and the age."""
    known: dict[str, tuple] = {**STATICS, **dict.fromkeys(TREATMENTS, (0, 1))}
    checked: dict[str, float] = {}
    for name, value in do.items():
        if name == "age" and isinstance(value, Real) and YOUNGEST <= value <= OLDEST:
            checked[name] = float(value)
        elif name == "age":
            raise DataError(f"do: age={value!r}; wanted is {YOUNGEST:.0f} to {OLDEST:.0f}")
        elif name not in known:
            raise DataError(f"do: nothing is called '{name}'; there are {', '.join(known)}, age")
        elif value not in known[name]:
            choices = ", ".join(map(str, known[name]))
            raise DataError(f"do: {name}={value!r}; wanted is one of {choices}")
        else:
            checked[name] = known[name].index(value)
    return checked


def _block(world: World, seed: int, block: int, n: int, do: dict[str, float]) -> Cohort:
    """Each part of the law has a stream of its own; all BLOCK patients are drawn, and n kept."""
    streams = iter(
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, block, part)))
        for part in range(5)
    )
    people = _people(next(streams), world, do)
    treated = {name: int(do[name]) for name in TREATMENTS if name in do}
    terms = static_terms(people["male"], people["smoking"], people["group"])
    left = next(streams).standard_exponential((BLOCK, DIES + 1))
    people["began"] = courses(world, terms, people["age"], left, treated)
    visits = _visits(next(streams), world, people)
    written = _written(next(streams), world, people, visits)
    measured = _labs(next(streams), world, people, visits)
    kept = visits["patient"] < n
    of_visits = {name: value[kept] for name, value in (visits | written | measured).items()}
    return Cohort(world=world, **{name: value[:n] for name, value in people.items()}, **of_visits)


def _people(draw: np.random.Generator, world: World, do: dict[str, float]) -> dict[str, NDArray]:
    chances = draw.random((4, BLOCK))
    ages = draw.beta(world.age[0], world.age[1], BLOCK)
    male = (chances[0] < world.male).astype(np.int64)
    male[:] = do.get("sex", male)
    smoking = (chances[1][:, None] > world.smoking.cumsum(1)[male][:, :-1]).sum(1)
    people = {
        "male": male,
        "smoking": smoking,
        "group": (chances[2][:, None] > world.group.cumsum()[:-1]).sum(1),
        "region": (chances[3][:, None] > world.region.cumsum()[:-1]).sum(1),
        "age": YOUNGEST + (OLDEST - YOUNGEST) * ages,
        "followed": draw.uniform(*FOLLOWED, BLOCK),
        "entry": draw.uniform(0, 5 * 365.25, BLOCK),
    }
    for name in people.keys() & do.keys():
        people[name][:] = do[name]
    return people


def _visits(draw: np.random.Generator, world: World, people: dict) -> dict[str, NDArray]:
    """One at entry; then a Poisson process whose rate changes when a disease begins, by inverting its integral."""
    began, entry = people["began"], people["age"]
    end = np.minimum(entry + people["followed"], began[:, DIES])
    edges = np.clip(np.sort(began[:, : len(DISEASES)], axis=1), entry[:, None], end[:, None])
    edges = np.hstack([entry[:, None], edges, end[:, None]])  # [n, 14]: a disease more after each
    state = np.tri(len(DISEASES) + 1, len(DISEASES), -1)
    rate = world.visit_rate(state, people["region"][:, None])
    passed = np.cumsum(np.diff(edges, axis=1) * rate, axis=1)
    count = draw.poisson(passed[:, -1])
    patient = np.repeat(np.arange(BLOCK), count + 1)
    at = draw.random(len(patient)) * passed[patient, -1]
    at[np.cumsum(count + 1) - 1] = 0  # the visit at entry
    at = at[np.lexsort((at, patient))]
    piece = (at[:, None] > passed[patient][:, :-1]).sum(1)
    before = np.hstack([np.zeros((BLOCK, 1)), passed])[patient, piece]
    ages = edges[patient, piece] + (at - before) / rate[patient, piece]
    ages = np.clip(ages, entry[patient], end[patient])
    burden = (began[patient, : len(DISEASES)] <= ages[:, None]).sum(1)
    odds = world.inpatient[0] + world.inpatient[1] * burden
    return {
        "patient": patient,
        "visit_age": ages,
        "inpatient": draw.random(len(patient)) < _chance(odds),
    }


def _written(
    draw: np.random.Generator, world: World, people: dict, visits: dict
) -> dict[str, NDArray]:
    patient = visits["patient"]
    state = people["began"][patient, :DIES] <= visits["visit_age"][:, None]
    ill, taking = state[:, : len(DISEASES)], state[:, len(DISEASES) :]
    of = lambda chance: draw.random((len(patient), chance.shape[-1])) < chance
    return {
        "coded": of(np.where(ill, world.sensitivity, world.false)),
        "background": of(world.background),
        "renewed": of(world.renewed * taking),
    }


def _labs(
    draw: np.random.Generator, world: World, people: dict, visits: dict
) -> dict[str, NDArray]:
    """Factors are Ornstein-Uhlenbeck processes, by their exact transition over each gap; then who is measured."""
    patient, ages = visits["patient"], visits["visit_age"]
    state = people["began"][patient, :DIES] <= ages[:, None]
    gaps = np.diff(ages, prepend=0.0)
    first = np.flatnonzero(np.diff(patient, prepend=-1))
    gaps[first] = np.inf  # nothing is kept, and the first visit is of the stationary law
    kept = np.exp(-world.decay * gaps[:, None])
    factors = np.sqrt(-np.expm1(-2 * world.decay * gaps[:, None]))
    factors *= draw.standard_normal(factors.shape)
    last = np.append(first[1:], len(patient))
    for k in range(1, int((last - first).max())):
        rows = first[last - first > k] + k
        factors[rows] += kept[rows] * factors[rows - 1]
    deviation = factors @ world.mixing.T
    odds = world.order_odds(state.astype(float)) + world.order_value * deviation
    return {"deviation": deviation, "ordered": draw.random(odds.shape) < _chance(odds)}


def _chance(odds: Reals) -> Reals:
    return 1 / (1 + np.exp(-odds))
