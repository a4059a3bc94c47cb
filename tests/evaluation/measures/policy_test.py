"""Policies of a decision process whose best one, and what each is worth, are known in closed form.

A patient is well or ill. Waiting is free and a treatment costs 1; to be well is worth 1. The well fall ill in one of
ten steps, whatever is done; the ill get well in every second step of treatment, and never without. It is best to treat
the ill alone, which gains nothing in the step itself: one who looks no step ahead never treats.
"""

from dataclasses import replace

import numpy as np
import pytest

from jaxehr.data.hospital import truths
from jaxehr.data.hospital.centres import DIES, NAMES
from jaxehr.data.hospital.course import courses as lives
from jaxehr.data.hospital.world import static_terms, world_of
from jaxehr.evaluation.measures.policy import (
    NOBODY,
    Decisions,
    clusters,
    learnt,
    policy_agreement,
    process_of,
    steps_of,
)

GAMMA = 0.9
WELL, ILL, WAIT, TREAT = 0, 1, 0, 1
# Bellman's equations of two states, by Cramer's rule: (of the well, of the ill)
BEST = (0.46 / 0.064, 0.26 / 0.064)
BY_COIN = 0.1175 / 0.0415  # of the well, where every second step is treated


def measured(states, rng):
    """Points around two centres that are far apart, and a variable that says nothing and is often missing."""
    x = np.stack([5.0 * states, -9.0 * states], -1) + 0.1 * rng.normal(size=(*states.shape, 2))
    idle = np.where(rng.random(states.shape) < 0.5, np.nan, 1.0)
    return np.concatenate([x, idle[..., None]], -1)


def pairs(counts):
    """Courses of two steps: {(state, action, reward, state that follows): how many}."""
    rows = np.repeat(np.array([*counts], float), [*counts.values()], 0)
    states = rows[:, [0, 3]].astype(int)
    return Decisions(
        measured(states, np.random.default_rng(0)),
        np.stack([rows[:, 1].astype(int), np.full(len(rows), WAIT)], 1),
        np.stack([rows[:, 2], np.full(len(rows), 99.0)], 1),  # nobody knows what follows it
        np.full(len(rows), 2),
        np.zeros(len(rows), bool),
    )


EXACT = {
    (WELL, WAIT, 1, WELL): 18,
    (WELL, WAIT, 1, ILL): 2,
    (WELL, TREAT, 0, WELL): 9,
    (WELL, TREAT, 0, ILL): 1,
    (ILL, WAIT, 0, ILL): 20,
    (ILL, TREAT, -1, WELL): 5,
    (ILL, TREAT, -1, ILL): 5,
}


def policy_of(decisions, **how):
    """(action and value of the well, of the ill)."""
    states = clusters(decisions, 2, 0)(decisions)
    process = process_of(steps_of(decisions, states), 2, 1 + decisions.actions.max())
    found = learnt(process, gamma=GAMMA, **how)
    place = [states[(decisions.features[..., 0] > 2.5) == ill][0] for ill in (False, True)]
    return found.action[place], found.value[place]


def test_the_best_policy_and_its_values():
    action, value = policy_of(pairs(EXACT))
    assert list(action) == [WAIT, TREAT]
    np.testing.assert_allclose(value, BEST)


def test_an_action_that_was_hardly_ever_taken_is_not_learnt():
    """However much is said to be gained by it."""
    more = EXACT | {(ILL, 2, 100, WELL): 5}
    action, value = policy_of(pairs(more))
    assert list(action) == [WAIT, TREAT]
    np.testing.assert_allclose(value, BEST)
    assert list(policy_of(pairs(more), seldom=0.2)[0]) == [WAIT, 2]


def test_an_action_that_was_never_taken_is_not_learnt():
    """However much is lost by all others: the well never had the third."""
    worse = {(s, a, r - 200, onward): n for (s, a, r, onward), n in EXACT.items()}
    action, value = policy_of(pairs(worse | {(ILL, 2, -999, WELL): 5}), seldom=0.0)
    assert list(action) == [WAIT, TREAT]
    np.testing.assert_allclose(value, np.array(BEST) - 200 / (1 - GAMMA))


@pytest.mark.parametrize(("ended", "worth"), [(True, 1.5), (False, 2.0)])
def test_nothing_follows_a_last_step_where_the_course_has_ended(ended, worth):
    """1 is gained in each of three steps: V = 1 + V/2 times 2/3, or times 1 where it is not known what follows."""
    steps = np.zeros((40, 5), int)
    course = Decisions(
        *(measured(steps, np.random.default_rng(0)), steps, steps + 1.0),
        *(np.full(40, 3), np.full(40, ended)),
    )
    process = process_of(steps_of(course, steps), 2, 1)
    found = learnt(process, gamma=0.5)
    assert found.value[0] == pytest.approx(worth)
    assert list(found.action) == [0, NOBODY]


def test_a_step_whose_reward_is_not_known_is_not_learnt_from():
    """Whatever it leads to: here all get well, of the ill who wait too."""
    told = pairs(EXACT)
    more = pairs({(ILL, WAIT, 0, WELL): 500})
    parts = ("features", "actions", "rewards", "lengths", "ended")
    both = [np.concatenate([getattr(told, name), getattr(more, name)]) for name in parts]
    both[2][len(told.lengths) :] = np.nan
    action, value = policy_of(Decisions(*both))
    assert list(action) == [WAIT, TREAT]
    np.testing.assert_allclose(value, BEST)


def courses(n, seed, steps=15):
    """Drawn from the process, the first step well, every second one treated."""
    rng = np.random.default_rng(seed)
    states = np.zeros((n, steps), int)
    actions = rng.integers(0, 2, (n, steps))
    for i in range(1, steps):
        falls, heals = rng.random((2, n)) < np.array([[0.1], [0.5]])
        stays = ~heals | (actions[:, i - 1] == WAIT)
        states[:, i] = np.where(states[:, i - 1] == ILL, stays, falls)
    rewards = (states == WELL) - (actions == TREAT) * 1.0
    lengths = rng.integers(5, steps + 1, n)
    features = measured(states, rng)
    return Decisions(features, actions, rewards, lengths, np.zeros(n, bool))


@pytest.fixture(scope="module")
def real():
    return courses(300, 0)


def agreement(real, other):
    return policy_agreement(real, other, states=2, gamma=GAMMA, seeds=1)


def test_fresh_courses_teach_the_same_policy(real):
    """That the ill are treated is plain by more than ten standard errors. Values are known: at twice the 95% interval,
    1 in 2,000 each by chance."""
    found = agreement(real, courses(300, 1))
    figures = found.figures
    for name in ("same_action", "action_overlap", "value_pearson"):
        assert figures[name].value == pytest.approx(1)
    for name, known in (("value", BEST[0]), ("value_real", BEST[0]), ("value_habit", BY_COIN)):
        low, value, high = figures[name].low, figures[name].value, figures[name].high
        assert 0 < abs(value - known) < high - low < known
    well = (real.features[..., 0] < 2.5)[real.within].mean()
    np.testing.assert_allclose(found.shares, [[well, 1 - well, 0]] * 2)


def test_courses_in_which_actions_have_each_others_effect_teach_the_opposite(real):
    """Who treats the well alone has nothing: they pay what it is worth to be well, and the ill stay ill."""
    other = courses(300, 1)
    figures = agreement(real, replace(other, actions=1 - other.actions)).figures
    assert figures["same_action"].value == 0
    assert figures["value"].value == pytest.approx(0, abs=1e-9)
    assert figures["value_habit"].value > 2
    well = (real.features[..., 0] < 2.5)[real.within].mean()
    assert figures["action_overlap"].value == pytest.approx(1 - abs(2 * well - 1))


def test_where_no_policy_was_learnt_patients_are_treated_as_they_were(real):
    """Synthetic patients who are all well, and have one action, say nothing of the ill."""
    other = courses(300, 1)
    healthy = replace(
        other,
        features=np.where(np.arange(3) < 2, 0.0, other.features),
        actions=np.full_like(other.actions, 7),
    )
    found = agreement(real, healthy)
    well = (real.features[..., 0] < 2.5)[real.within].mean()
    assert found.figures["same_action"].value == 0
    assert found.figures["value"].value == pytest.approx(found.figures["value_habit"].value)
    np.testing.assert_allclose(found.shares[1, [7, 8]], [well, 1 - well])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"actions": np.zeros((300, 4), int)},
            r"actions are wanted as \(300, 15\).*got \(300, 4\)",
        ),
        ({"lengths": np.zeros(300, int)}, "between 1 and the 15 steps; got 0 to 0"),
        ({"actions": np.full((300, 15), -1)}, "actions are wanted as 0, 1"),
        ({"rewards": np.full((300, 15), np.inf)}, "rewards are wanted finite"),
    ],
)
def test_what_does_not_fit_is_refused(real, change, said):
    with pytest.raises(ValueError, match=said):
        replace(real, **change)


def test_a_reward_that_never_fades_is_refused(real):
    with pytest.raises(ValueError, match=r"0 to below 1; got 1"):
        policy_agreement(real, real, gamma=1)


def test_a_treatment_of_the_ill_is_learnt_from_states_that_say_who_is_ill():
    """The hospital of known law: of those who take a statin more die within five years, for they are iller; of all
    fewer would, if all did. One state for everybody shows the former, within 5 standard errors of what is true of it
    (1 in a million), and nobody is treated; where states tell illnesses apart most are: .72 to .80 of five seeds."""
    world, who = world_of(0), {"age": 70.0, "sex": "male", "smoking": "former", "group": "B"}
    truth = truths.effect(world, "statin", "death", 5.0, **who)
    assert truth.given < truth.withheld and truth.untreated < truth.treated
    n, one = 40_000, np.array([1])
    left = np.random.default_rng(0).standard_exponential((n, DIES + 1))
    statics = np.repeat(static_terms(one, one, one), n, axis=0)
    began = lives(world, statics, np.full(n, 70.0), left, {})
    there = (began[:, None, :DIES] <= 70).astype(float)
    statin = NAMES.index("statin")
    decisions = Decisions(
        np.delete(there, statin, axis=2),
        there[..., statin].astype(int),
        -1.0 * (began[:, [DIES]] <= 75.0),
        *(np.ones(n, int), np.ones(n, bool)),
    )
    treated, gained = {}, {}
    for states in (1, 100):
        place = clusters(decisions, states, 0)(decisions)
        process = process_of(steps_of(decisions, place), states, 2)
        found = learnt(process, seldom=0.1)
        treated[states] = (found.action[place] == TREAT).mean()
        gained[states] = process.reward[place[:, 0]].mean(0)
    waits = (decisions.actions == WAIT).mean()
    for action, share, risk in (
        (WAIT, waits, truth.untreated),
        (TREAT, 1 - waits, truth.treated),
    ):
        error = (risk * (1 - risk) / (n * share)) ** 0.5
        assert abs(gained[1][action] + risk) < 5 * error
    assert treated[1] == 0 and treated[100] > 0.6
    assert gained[100][TREAT] > gained[100][WAIT]
