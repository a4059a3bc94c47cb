"""DEIS: Zhang and Chen, "Fast sampling of diffusion models with exponential integrator", ICLR 2023."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from jaxehr.samplers.solvers.exponential import ExponentialSolver


class DEISAB2(ExponentialSolver):
    """rho-AB1 of the authors, of order 2: the noise e = (y - D) / sigma on a line through this step and the last,
    integrated exactly.

    The first step is Euler's. Their tAB1 (`DEIStAB`) has the line in the time of the process instead, and draws differ.
    """

    def order(self, terms):
        return 2

    def start(self, denoise, t, s, y):
        return jnp.zeros_like(
            y
        ), t  # e of the last step, and where that was; no last step: the same place

    def advance(self, denoise, t, s, y, state):
        e_last, t_last = state
        e = (y - denoise(y, t)) / t
        before = t_last != t
        slope = jnp.where(before, (e - e_last) / jnp.where(before, t - t_last, 1.0), 0.0)
        return y + (s - t) * e + 0.5 * (s - t) ** 2 * slope, (e, t)


class DEIStAB(ExponentialSolver):
    """tAB1, tAB2 and tAB3 of the authors: the noise e on a polynomial in the time of the process, through this step and
    the last `degree`, integrated against the noise level (their eq. 15; by 12 points of Gauss and Legendre).

    time_of     the time at a noise-to-signal ratio: `process.schedule.time_of`; `deis_tab` gives it
    degree      1, 2 or 3

    As theirs the first steps have what history there is, the very first is Euler's: so the order is 2 in the end,
    whatever the degree.
    """

    time_of: Callable
    degree: int = 1

    def order(self, terms):
        return 2

    def start(self, denoise, t, s, y):
        return ((jnp.zeros_like(y), t),) * self.degree, jnp.zeros((), int)

    def advance(self, denoise, t, s, y, state):
        past, taken = state
        column, levels = [(y - denoise(y, t)) / t], [t]
        for e, level in past:
            column.append(e)
            levels.append(level)
        now = column[0]
        at, weight = np.polynomial.legendre.leggauss(12)
        ratio = t + (s - t) * (1 + at) / 2
        times, between = [self.time_of(level) for level in levels], self.time_of(ratio)
        y1, product = y, 0.5 * (s - t) * weight
        for k in range(len(levels)):
            y1 = y1 + jnp.where(k <= taken, product.sum() * column[0], 0.0)
            product = product * (between - times[k])
            # Newton's divided differences; where there is no history times are the same.
            apart = [a - b for a, b in zip(times, times[k + 1 :], strict=False)]
            column = [
                (a - b) / jnp.where(gap == 0, 1.0, gap)
                for a, b, gap in zip(column, column[1:], apart, strict=False)
            ]
        return y1, (((now, t), *past)[: self.degree], taken + 1)
