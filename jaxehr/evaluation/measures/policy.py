"""Utility for decisions: does a policy learnt on synthetic courses act as one learnt on real ones, and is it as good?

After Kuo, Jorm and Barbieri (2023). States are clusters of what is measured in a step (k-means, on real steps alone).
The policy is learnt offline by batch-constrained Q-learning, which never takes an action that was hardly ever taken in
a state (Fujimoto, Meger and Precup 2019; for single actions Fujimoto et al. 2019). Over a table of states and actions
the Q-values that its updates converge to are those of a finite decision process, which policy iteration finds exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxehr.evaluation.blocks.nearest import groups_of
from jaxehr.evaluation.blocks.series import check_lengths, within
from jaxehr.evaluation.measures.intervals import GROUPS, Estimate, jackknife
from jaxehr.evaluation.measures.learners import one_thread

STATES = 100
SEEDS = 3  # of the clusters, over which figures are means
GAMMA = 0.99  # of a reward a step later
SELDOM = 0.3  # actions taken so much less often than the most frequent one of the state are not learnt: the authors'
CLUSTERED = 20_000  # steps that the clusters are sought on
NOBODY = -1  # the action of a state that nobody was in
ENDS, UNKNOWN = -1, -2  # in the place of the state that follows


@dataclass(frozen=True)
class Decisions:
    """What was measured, done and gained in each step of a patient's course.

    features    NaN where nothing was measured; in the place of the mean of the real steps then
    actions     0, 1, ...: the same number for the same action in every set
    rewards     what followed the action of the step; NaN where that is not known, and the step is not learnt from
    lengths     steps of each patient; what lies beyond does not matter
    ended       nothing follows a patient's last step, as after a death; else it is not known what follows, and the
                step is not learnt from
    Raises ValueError where they do not fit each other.
    """

    features: Float[np.ndarray, "n step variable"]
    actions: Int[np.ndarray, "n step"]
    rewards: Float[np.ndarray, "n step"]
    lengths: Int[np.ndarray, "n"]
    ended: Bool[np.ndarray, "n"]

    def __post_init__(self):
        n, steps = self.features.shape[:2]
        for name, wanted in (
            ("actions", (n, steps)),
            ("rewards", (n, steps)),
            ("lengths", (n,)),
            ("ended", (n,)),
        ):
            if (found := getattr(self, name).shape) != wanted:
                raise ValueError(
                    f"{name} are wanted as {wanted}, as the features have it; got {found}"
                )
        check_lengths(self.lengths, steps)
        if (self.actions[self.within] < 0).any():
            raise ValueError("actions are wanted as 0, 1, ... in all steps; some are below 0")
        if np.isinf(self.rewards[self.within]).any():
            raise ValueError("rewards are wanted finite; some are not")

    @property
    def within(self) -> Bool[np.ndarray, "n step"]:
        return within(self.lengths, self.features.shape[1])


class Steps(NamedTuple):
    """One a row, patient by patient: whose, the state, what was done and gained, and the state that follows."""

    patient: np.ndarray
    state: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    onward: np.ndarray  # ENDS where nothing follows, UNKNOWN where that is not known

    def where(self, mask: np.ndarray) -> "Steps":
        return Steps(*(part[mask] for part in self))


class Process(NamedTuple):
    """The finite decision process that steps show.

    taken   how often each action was taken in each state
    reward  its mean, 0 where it never was
    onward  the share of the times after which each state follows; what is left of 1 ends
    """

    taken: Float[np.ndarray, "state action"]
    reward: Float[np.ndarray, "state action"]
    onward: Float[np.ndarray, "state action state"]

    @property
    def habit(self) -> Float[np.ndarray, "state action"]:
        """The share of each action in a state, of those who acted; 0 where nobody was."""
        return self.taken / np.maximum(self.taken.sum(1, keepdims=True), 1)


class Policy(NamedTuple):
    """action  of each state, NOBODY where nobody was;  value  what is to be gained from it on, 0 there"""

    action: Int[np.ndarray, "state"]
    value: Float[np.ndarray, "state"]


class Agreement(NamedTuple):
    """figures     same_action      share of real steps in which both policies act the same
                action_overlap   1 - the total variation between how often they take each action in real steps
                value_pearson    of what they expect to gain from real steps on
                value            gained from the first steps of real patients on, in the real process, by the other
                                 policy; where it has no action that was ever taken there, by what was done
                value_real       by the policy that was learnt there
                value_habit      by what was done
    shares      of real steps, by the action of the real and of the other policy; last those without any
    """

    figures: dict[str, Estimate]
    shares: Float[np.ndarray, "policy action"]


def policy_agreement(
    real: Decisions,
    other: Decisions,
    seed: int = 0,
    *,
    seeds: int = SEEDS,
    states: int = STATES,
    gamma: float = GAMMA,
    seldom: float = SELDOM,
) -> Agreement:
    """A policy learnt on the others against one learnt on real courses; intervals are jackknifed over patients. The
    floor is what other real courses reach.

    seeds   of the clusters: figures are means over these
    states  clusters, at most a tenth of the real steps
    gamma   what a reward is worth a step later
    seldom  an action is learnt where it was taken so often at least, as a share of the state's most frequent one
    Raises ValueError for gamma outside [0, 1).
    """
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma is what a reward is worth a step later, 0 to below 1; got {gamma}")
    groups = [groups_of(len(each.lengths), GROUPS) for each in (real, other)]
    ways = [_in_states(real, other, states, seed + i) for i in range(seeds)]

    def compared(leave: int | None) -> tuple[dict[str, float], np.ndarray]:
        found = [_compared(*way, groups, leave, gamma, seldom) for way in ways]
        figures = {name: float(np.mean([each[name] for each, _ in found])) for name in found[0][0]}
        return figures, np.mean([shares for _, shares in found], axis=0)

    with one_thread():  # systems this small are solved sooner than threads are set to work
        return Agreement(jackknife(lambda leave: compared(leave)[0]), compared(None)[1])


def _in_states(
    real: Decisions, other: Decisions, states: int, seed: int
) -> tuple[list[Steps], list[int]]:
    """(the steps of both, how many states and actions there are)."""
    cluster = clusters(real, states, seed)
    steps = [steps_of(each, cluster(each)) for each in (real, other)]
    size = [
        1 + max(int(part.max()) for part in parts)
        for parts in ([s.state for s in steps], [s.action for s in steps])
    ]
    return steps, size


def _compared(
    steps: list[Steps],
    size: list[int],
    groups: list[np.ndarray],
    leave: int | None,
    gamma: float,
    seldom: float,
) -> tuple[dict[str, float], np.ndarray]:
    """`_figures` without a group of patients."""
    seen, drawn = (
        s.where(group[s.patient] != leave) for s, group in zip(steps, groups, strict=True)
    )
    both = [process_of(each, *size) for each in (seen, drawn)]
    ours, theirs = (learnt(process, gamma=gamma, seldom=seldom) for process in both)
    return _figures(seen, both[0], ours, theirs, gamma)


def _figures(
    seen: Steps, process: Process, ours: Policy, theirs: Policy, gamma: float
) -> tuple[dict[str, float], np.ndarray]:
    """(the figures, the shares of `Agreement`) on these real steps."""
    actions = process.taken.shape[1]
    acts = [policy.action[seen.state] for policy in (ours, theirs)]
    shares = np.stack(
        [np.bincount(np.where(a == NOBODY, actions, a), minlength=actions + 1) for a in acts]
    ) / len(seen.state)
    begin = seen.state[np.diff(seen.patient, prepend=-1) != 0]
    gained = lambda weight: float(value_of(process, weight, gamma)[begin].mean())
    figures = {
        "same_action": float(((acts[0] == acts[1]) & (acts[0] != NOBODY)).mean()),
        "action_overlap": float(1 - np.abs(shares[0] - shares[1]).sum() / 2),
        "value_pearson": _pearson(ours.value[seen.state], theirs.value[seen.state]),
        "value": gained(followed(theirs, process)),
        "value_real": gained(followed(ours, process)),
        "value_habit": gained(process.habit),
    }
    return figures, shares


def clusters(
    real: Decisions, k: int, seed: int
) -> Callable[[Decisions], Int[np.ndarray, "n step"]]:
    """Which of k clusters of real steps each step of a set is nearest to, each variable over its real spread."""
    from sklearn.cluster import KMeans

    x = real.features[real.within]
    each = np.maximum((~np.isnan(x)).sum(0), 1)
    mean = np.nansum(x, 0) / each
    std = np.sqrt(np.nansum((x - mean) ** 2, 0) / each)

    def scaled(x: np.ndarray) -> np.ndarray:
        return np.nan_to_num((x - mean) / np.where(std > 0, std, 1.0))

    rng = np.random.default_rng(seed)
    some = scaled(x[rng.permutation(len(x))[:CLUSTERED]])
    k = min(k, max(len(x) // 10, 1), len(np.unique(some, axis=0)))
    with one_thread():
        model = KMeans(k, random_state=seed, n_init=3).fit(some)

    def cluster(decisions: Decisions) -> np.ndarray:
        n, steps, variables = decisions.features.shape
        with one_thread():
            found = model.predict(scaled(decisions.features.reshape(-1, variables)))
        return np.asarray(found).reshape(n, steps)

    return cluster


def steps_of(decisions: Decisions, states: Int[np.ndarray, "n step"]) -> Steps:
    """All steps, of those in which a patient still is."""
    n, steps = states.shape
    onward = np.concatenate([states[:, 1:], np.zeros((n, 1), states.dtype)], axis=1)
    last = np.where(decisions.ended, ENDS, UNKNOWN)
    onward[np.arange(n), decisions.lengths - 1] = last
    patient = np.repeat(np.arange(n)[:, None], steps, axis=1)
    parts = (patient, states, decisions.actions, decisions.rewards, onward)
    return Steps(*(part[decisions.within] for part in parts))


def process_of(steps: Steps, states: int, actions: int) -> Process:
    """As maximum likelihood has it, of the steps of which it is known what was gained and what follows."""
    steps = steps.where((steps.onward != UNKNOWN) & ~np.isnan(steps.reward))
    pair = steps.state.astype(np.int64) * actions + steps.action
    taken = np.bincount(pair, minlength=states * actions)
    reward = np.bincount(pair, steps.reward, minlength=states * actions)
    goes = steps.onward != ENDS
    onward = np.bincount(pair[goes] * states + steps.onward[goes], minlength=len(taken) * states)
    each = np.maximum(taken, 1)
    return Process(
        taken.reshape(states, actions).astype(float),
        (reward / each).reshape(states, actions),
        (onward.reshape(-1, states) / each[:, None]).reshape(states, actions, states),
    )


def learnt(process: Process, *, gamma: float = GAMMA, seldom: float = SELDOM) -> Policy:
    """The best policy among actions that were not taken seldom: policy iteration (Howard 1960), from the habit on."""
    taken = process.taken
    allowed = (taken > 0) & (taken >= seldom * taken.max(1, keepdims=True))
    action, at = taken.argmax(1), np.arange(len(taken))
    while True:
        value = value_of(process, _always(action, taken), gamma)
        q = np.where(allowed, process.reward + gamma * process.onward @ value, -np.inf)
        # Of actions that are as good the one that is there stays, or two might take turns for ever.
        better = q.max(1) > q[at, action] + 1e-9 * np.abs(value).max(initial=1.0)
        if not better.any():
            return Policy(np.where(taken.any(1), action, NOBODY), value)
        action = np.where(better, q.argmax(1), action)


def value_of(
    process: Process, weight: Float[np.ndarray, "state action"], gamma: float
) -> Float[np.ndarray, "state"]:
    """What is gained from each state on, where actions are taken with these weights: Bellman's equations, solved."""
    reward = (weight * process.reward).sum(1)
    onward = np.einsum("sa,sat->st", weight, process.onward)
    return np.linalg.solve(np.eye(len(reward)) - gamma * onward, reward)


def followed(policy: Policy, process: Process) -> Float[np.ndarray, "state action"]:
    """The weights of a policy in a process: what was done there, where the policy has no action that ever was."""
    always = _always(np.maximum(policy.action, 0), process.taken)
    known = (policy.action != NOBODY) & (always * process.taken).any(1)
    return np.where(known[:, None], always, process.habit)


def _always(action: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """The weights of one action in each state; none where nobody was."""
    return ((np.arange(taken.shape[1]) == action[:, None]) & taken.any(1, keepdims=True)) * 1.0


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    """NaN where the first does not vary, 0 where only the second does not."""
    if a.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1]) if b.std() > 0 else 0.0
