"""DEIS: Zhang and Chen, "Fast sampling of diffusion models with exponential integrator", ICLR 2023."""

import jax.numpy as jnp

from jaxehr.samplers.solvers.exponential import ExponentialSolver


class DEISAB2(ExponentialSolver):
    """rho-AB1 of the authors, of order 2: the noise e = (y - D) / sigma on a line through this step and the last,
    integrated exactly.

    The first step is Euler's. Their tAB puts the line in the time of the process instead, and draws differ.
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
