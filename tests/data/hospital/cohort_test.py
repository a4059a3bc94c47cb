"""Worlds and cohorts: which numbers depend on which seed."""

from dataclasses import fields, replace

import numpy as np
import pytest

from jaxehr.data import DataError
from jaxehr.data.hospital.centres import DIES, NAMES
from jaxehr.data.hospital.cohort import BLOCK, Cohort, cohort
from jaxehr.data.hospital.world import World, world_of

PARAMETERS = [field.name for field in fields(World) if field.name != "seed"]
OF_PATIENTS = ["male", "smoking", "group", "region", "age", "followed", "entry", "began"]
OF_VISITS = ["patient", "visit_age", "inpatient", "coded", "background", "renewed", "deviation"]


def same(first, second, names):
    return [np.array_equal(getattr(first, name), getattr(second, name)) for name in names]


def test_a_seed_gives_one_world_and_another_seed_another():
    world_of.cache_clear()
    first = world_of(3)
    world_of.cache_clear()
    assert all(same(first, world_of(3), PARAMETERS))
    assert not any(same(first, world_of(4), PARAMETERS))


def test_a_world_is_what_it_is_whoever_comes():
    worlds = [cohort(n, seed, world=5).world for n, seed in ((1, 0), (1500, 0), (20, 9))]
    assert all(same(worlds[0], each, PARAMETERS) == [True] * len(PARAMETERS) for each in worlds)


@pytest.mark.parametrize("seed", range(20))
def test_every_world_is_one(seed):
    """Chances are chances, labs have variance 1, hazards rise with age and every effect keeps its sign."""
    world = world_of(seed)
    for name in ("smoking", "group", "region"):
        np.testing.assert_allclose(getattr(world, name).sum(-1), 1)
    for name in ("male", "sensitivity", "false", "background", "renewed"):
        assert np.all((getattr(world, name) > 0) & (np.asarray(getattr(world, name)) < 1))
    np.testing.assert_allclose((world.mixing**2).sum(1), 1)
    assert np.all(world.rate > 0) and np.all(world.slope > 0) and np.all(world.decay > 0)
    assert np.array_equal(np.sign(world.effect), np.sign(world_of(0).effect))


def test_a_cohort_is_the_same_bit_for_bit():
    first, again, other = cohort(700, 1), cohort(700, 1), cohort(700, 2)
    assert all(same(first, again, [*OF_PATIENTS, *OF_VISITS, "ordered"]))
    assert not any(same(first, other, [*OF_PATIENTS, *OF_VISITS, "ordered"]))


def test_the_first_patients_are_the_same_however_many_follow():
    few, many = cohort(BLOCK + 300, 1), cohort(2 * BLOCK + 10, 1)
    n, v = len(few.age), len(few.patient)
    for names, rows in ((OF_PATIENTS, n), (OF_VISITS, v)):
        for name in names:
            assert np.array_equal(getattr(few, name), getattr(many, name)[:rows]), name
    assert len(many.age) == 2 * BLOCK + 10 and not np.array_equal(many.age[:10], many.age[-10:])


def test_what_is_done_is_done_and_nothing_else_changes():
    done = {"group": "B", "age": 65, "region": "east", "statin": 1}
    free, given = cohort(2000, 1), cohort(2000, 1, do=done)
    assert np.all(given.group == 1) and np.all(given.age == 65)
    assert np.all(given.region == 1)
    assert np.all(given.state(given.age)[:, NAMES.index("statin")])
    assert all(same(free, given, ["male", "smoking", "followed", "entry"]))
    withheld = cohort(2000, 1, do={"statin": 0})
    assert np.all(np.isinf(withheld.began[:, NAMES.index("statin")]))
    before = free.began[:, :12] <= free.age[:, None]
    assert np.array_equal(free.began[:, :12][before], withheld.began[:, :12][before])
    assert free.began[:, DIES].mean() > withheld.began[:, DIES].mean()


def test_a_course_is_one():
    """Nobody dies before entry, all die, nothing begins after death, and visits lie between entry and the end."""
    drawn = cohort(3000, 4)
    death = drawn.began[:, DIES]
    assert np.all(np.isfinite(death)) and np.all(death > drawn.age)
    begun = drawn.began[:, :DIES]
    assert np.all((begun <= death[:, None]) | np.isinf(begun)) and np.all(begun > 0)
    first = np.diff(drawn.patient, prepend=-1) == 1
    assert np.array_equal(drawn.visit_age[first], drawn.age)
    assert np.all(np.diff(drawn.visit_age)[~first[1:]] >= 0)
    assert np.all(drawn.visit_age <= drawn.ends[drawn.patient])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n": 0}, "patients: a whole number from 1 is wanted; got 0"),
        ({"n": 2.5}, "patients: a whole number from 1 is wanted; got 2.5"),
        ({"n": 1, "seed": -1}, "a seed: a whole number from 0 is wanted; got -1"),
        ({"n": 1, "world": -1}, "the seed of a world: a whole number from 0 is wanted; got -1"),
        ({"n": 1, "do": {"sex": "m"}}, "sex='m'; wanted is one of female, male"),
        ({"n": 1, "do": {"statin": 0.5}}, "statin=0.5; wanted is one of 0, 1"),
        ({"n": 1, "do": {"age": 12}}, "age=12; wanted is 20 to 90"),
        (
            {"n": 1, "do": {"stroke": 1}},
            "nothing is called 'stroke'; there are sex, smoking, group, region, statin",
        ),
    ],
)
def test_what_cannot_be_is_refused(arguments, said):
    with pytest.raises(DataError, match=said):
        cohort(**arguments)


def test_a_world_that_was_changed_is_taken():
    rare = replace(world_of(0), visits=1e-9)
    drawn = cohort(50, world=rare)
    assert isinstance(drawn, Cohort) and len(drawn.patient) == 50
