"""UniPC: Zhao et al., "UniPC: a unified predictor-corrector framework for fast sampling of diffusion models", 2023."""

from collections.abc import Callable
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from jaxehr.samplers.solvers.exponential import ExponentialSolver, moments, phi_1

bh2 = phi_1  # B_2(h) = e^h - 1, which for the prediction of data is 1 - e^-h


def bh1(h: Array) -> Array:
    """B_1(h) = h."""
    return h


class _UniPC(ExponentialSolver):
    """The evaluation that begins a step, at the point that was predicted, first corrects that point (a polynomial
    through it and the last p levels) and then predicts the next (one through the last p). The first steps have what
    history there is. The last point is left as predicted: correcting it too would cost one evaluation more.

    b   the authors' B(h): bh2 or bh1. It matters where a weight is one half, as published, and not solved for: in the
        predictor through two levels and in the first corrector
    """

    p: ClassVar[int]
    b: Callable = bh2

    def start(self, denoise, t, s, y):
        return y, ((jnp.zeros_like(y), t),) * self.p, jnp.zeros((), int)

    def advance(self, denoise, t, s, y, state):
        y_1, past, taken = state
        d, (d_1, t_1) = denoise(y, t), past[0]
        h_1, h = jnp.log(t_1 / t), jnp.log(t / s)
        levels = ((d, t), *past)

        corrected = t / t_1 * y_1 + _integral(levels, t_1, h_1, taken + 1)
        half = t / t_1 * y_1 + phi_1(h_1) * d_1 + self.b(h_1) * (d - d_1) / 2
        here = jnp.where(taken >= 2, corrected, jnp.where(taken == 1, half, y))

        # With one level the slope is 0.
        _, slope = _differences(levels[:2], taken + 1)
        y1 = s / t * here + phi_1(h) * d + self.b(h) * 0.5 * h * slope
        if self.p > 2:
            predicted = s / t * here + _integral(levels[: self.p], t, h, taken + 1)
            y1 = jnp.where(taken + 1 > 2, predicted, y1)
        return y1, (here, levels[: self.p], taken + 1)


class UniPC2(_UniPC):
    """UniPC-2, data prediction: order 3 at one evaluation a step."""

    p = 2

    def order(self, terms):
        return 3


class UniPC3(_UniPC):
    """UniPC-3, data prediction: order 4 at one evaluation a step, as far as errors of 1e-7 were looked at. Its first
    steps are of order 3, on levels of noise where D hardly changes."""

    p = 3

    def order(self, terms):
        return 4


def _integral(levels, start: Array, h: Array, known: Array) -> Array:
    """The integral of e^-(h - u) D over [0, h], u = lambda - lambda_start, with D the polynomial through `levels`.

    These are pairs of a value and its noise level, the newest first; `known` of them are there.
    """
    weights, total = moments(len(levels), h), jnp.zeros(())
    product = [jnp.ones_like(h)]  # Newton's, in powers of u
    for (_, level), c in zip(levels, _differences(levels, known), strict=True):
        total = total + c * sum(
            power * weight for power, weight in zip(product, weights, strict=False)
        )
        u = jnp.log(start / level)
        raised, kept = [jnp.zeros_like(h), *product], [*product, jnp.zeros_like(h)]
        product = [a - u * b for a, b in zip(raised, kept, strict=True)]
    return total


def _differences(levels, known: Array) -> list[Array]:
    """Newton's divided differences in lambda, newest level first; 0 from where the history ends."""
    column, found = [d for d, _ in levels], []
    for k in range(len(levels)):
        found.append(jnp.where(k < known, column[0], 0.0))
        apart = [jnp.log(b / a) for (_, a), (_, b) in zip(levels, levels[k + 1 :], strict=False)]
        column = [
            (a - b) / jnp.where(gap == 0, 1.0, gap)
            for a, b, gap in zip(column, column[1:], apart, strict=False)
        ]
    return found
