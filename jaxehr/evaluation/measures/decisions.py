"""What was decided, and what it brought, read off courses: two variables of a series are the action and the reward."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxehr.data import DataError, Grid, Variable, listed
from jaxehr.data.grid import NONE, TEXT
from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.measures.policy import Decisions

CHOICES = 10  # values of a number that may be actions


class Roles(NamedTuple):
    """The variables of a series that say what was done in a step, and what was gained in it."""

    action: str
    reward: str


def decisions_of(
    grid: Grid | None, roles: Roles, sets: Mapping[str, Blocks]
) -> dict[str, Decisions]:
    """Of each set; the first says which actions there are.

    An action is a class of its variable, and that it is not recorded in a step is one too: of a drug that is recorded
    when it is given, that it is not. A reward that is not recorded is not known, and its step not learnt from. States
    are made of all other variables. A course that ends before the grid does has ended: nothing follows.

    Raises DataError where these variables cannot be what they are asked to be.
    """
    if grid is None:
        raise DataError(
            "a policy is learnt from a series, and these records have none: a grid in the schema makes one of events "
            "(jaxehr schema FILE --every 1h --length 48)"
        )
    variables = {str(v.name): v for v in grid.variables}
    _check(roles, variables)
    names = [*variables]
    action, reward = (names.index(name) for name in roles)
    first = next(iter(sets.values()))
    values = _choices(first, variables[roles.action], _channels(first, action))
    found = {}
    for name, blocks in sets.items():
        course = blocks.courses
        gained = course.values[..., first.firsts[reward]]
        _check_reward(roles.reward, name, np.isfinite(gained[course.within]).mean())
        taken = [*_channels(first, action), *_channels(first, reward)]
        found[name] = Decisions(
            np.delete(course.values, taken, axis=2),
            _actions(course.values[..., _channels(first, action)], values),
            gained,
            course.lengths,
            course.lengths < grid.length,
        )
    if len(np.unique(next(iter(found.values())).actions[first.courses.within])) < 2:
        raise DataError(
            f"'{roles.action}' is the same in all steps of the real records: there is nothing to decide"
        )
    return found


def _check(roles: Roles, variables: Mapping[str, Variable]) -> None:
    for role, name in roles._asdict().items():
        if name not in variables:
            raise DataError(
                f"the series has no variable '{name}' to be the {role}; it has {listed(variables, name)}"
            )
    if roles.action == roles.reward:
        raise DataError(f"'{roles.action}' cannot be the action and the reward; name two variables")
    if len(variables) < 3:
        raise DataError(
            "the series has no variable but the action and the reward: there is nothing to decide by"
        )
    reward = variables[roles.reward]
    if reward.kind != "numerical":
        way = "" if reward.dtype in (TEXT, NONE) else '; if it is one, say so: "kind": "numerical"'
        raise DataError(
            f"'{roles.reward}' is {reward.kind} and cannot be the reward, which is a number{way}"
        )


def _check_reward(name: str, whose: str, share: float) -> None:
    if share < 0.5:
        raise DataError(
            f"the reward '{name}' is recorded in {share:.0%} of the steps of the {whose} records, and half are needed: "
            "record it in every step, 0 where nothing is gained"
        )


def _choices(first: Blocks, action: Variable, channels: list[int]) -> np.ndarray | None:
    """The values of an action that is a number; None of one that has classes."""
    if action.kind != "numerical":
        return None
    found = first.courses.values[..., channels[0]]
    values = np.unique(found[np.isfinite(found)])
    if len(values) > CHOICES or (values % 1 != 0).any():
        raise DataError(
            f"'{action.name}' is a number of {len(values):,} values and cannot be the action, which is a category, "
            f"something that is done or not, or a whole number of at most {CHOICES} values; write down classes of it"
        )
    return values


def _actions(x: np.ndarray, values: np.ndarray | None) -> Int[np.ndarray, "n step"]:
    """[n, step, channel] -> 0 where nothing is recorded, then the classes; the last is another than these."""
    seen = np.isfinite(x[..., 0])
    if values is not None:
        at = np.minimum(np.searchsorted(values, x[..., 0]), len(values) - 1)
        place = np.where(values[at] == x[..., 0], at, len(values))
    elif x.shape[2] == 1:
        place = np.where(seen, x[..., 0], 0).astype(int)
    else:
        place = np.where((x == 1).any(2), (x == 1).argmax(2), x.shape[2])
    return np.where(seen, 1 + place, 0)


def _channels(blocks: Blocks, j: int) -> list[int]:
    """Of the variable j."""
    ends = [*blocks.firsts, len(blocks.channels)]
    return list(range(ends[j], ends[j + 1]))
