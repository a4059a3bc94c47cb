"""What is true of a lab that is measured at two visits, as of `truths`: by quadrature, nothing is drawn."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxehr.data.hospital.truths import autocorrelation, lab_of, state_of, treatment_of
from jaxehr.data.hospital.world import Reals, World

POINTS = 24  # of the quadrature, over each of two normal deviations


class Seen(NamedTuple):
    """P(ordered at both); means, variances and correlation of the two deviations where it is."""

    ordered: Reals
    means: tuple[Reals, Reals]
    variances: tuple[Reals, Reals]
    correlation: Reals


def seen(
    world: World, lab: str, years, state: Sequence[str] = (), later: Sequence[str] | None = None
) -> Seen:
    """Of patients with the conditions in `state` and no other, and `years` later (any shape) with those in `later`, by
    default the same."""
    place, (node, mass) = lab_of(lab), np.polynomial.hermite_e.hermegauss(POINTS)
    kept = autocorrelation(world, lab, years)[..., None, None]
    first = node[:, None] + 0 * kept
    second = kept * first + np.sqrt(1 - kept**2) * node
    weight = np.multiply.outer(mass, mass) / mass.sum() ** 2
    for deviation, names in ((first, state), (second, state if later is None else later)):
        odds = world.order_odds(state_of(names))[place] + world.order_value[place] * deviation
        weight = weight / (1 + np.exp(-odds))
    chance = weight.sum((-2, -1))
    mean = lambda values: (weight * values).sum((-2, -1)) / chance
    means = mean(first), mean(second)
    off = [values - m[..., None, None] for values, m in zip((first, second), means, strict=True)]
    variances = mean(off[0] ** 2), mean(off[1] ** 2)
    return Seen(chance, means, variances, mean(off[0] * off[1]) / np.sqrt(np.prod(variances, 0)))


class Change(NamedTuple):
    """By how much a lab is higher at the second visit where it is measured at both, on the scale on which it is normal.

    effect   what the treatment does to the lab's mean
    begun    of who began it between the visits: the effect, age, and that treatment and value say who is measured
    without  of who did not
    """

    effect: float
    begun: Reals
    without: Reals


def change(world: World, lab: str, treatment: str, years, state: Sequence[str] = ()) -> Change:
    """Of patients with the conditions in `state` and no other at the first visit, nor but for the treatment at the
    second, `years` later."""
    place = lab_of(lab)
    effect = float(world.shift[place, treatment_of(treatment)])
    aged = world.by_decade[place] * np.asarray(years, float) / 10

    def drifted(later: Sequence[str]) -> Reals:
        before, after = seen(world, lab, years, state, later).means
        return aged + world.spread[place] * (after - before)

    return Change(effect, effect + drifted([*state, treatment]), drifted(state))
