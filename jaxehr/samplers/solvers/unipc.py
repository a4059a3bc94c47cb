"""UniPC: Zhao et al., "UniPC: a unified predictor-corrector framework for fast sampling of diffusion models", 2023."""

import jax.numpy as jnp

from jaxehr.samplers.solvers.dpmpp import divided
from jaxehr.samplers.solvers.exponential import ExponentialSolver, phi_1, phi_2, phi_3


class UniPC2(ExponentialSolver):
    """UniPC-2 with B_2(h) = e^h - 1, data prediction: order 3 at one evaluation a step.

    The evaluation that begins a step, at the point that was predicted, first corrects that point (a parabola through
    it and the last two levels) and then predicts the next (a line). The last point is left as predicted: correcting it
    too would cost one evaluation more.
    """

    def order(self, terms):
        return 3

    def start(self, denoise, t, s, y):
        nothing = jnp.zeros_like(y)
        return y, (nothing, t), (nothing, t), jnp.zeros((), int)

    def advance(self, denoise, t, s, y, state):
        y_1, (d_1, t_1), (d_2, t_2), taken = state
        d = denoise(y, t)
        h_1 = jnp.log(t_1 / t)
        slope = divided(d, d_1, t, t_1)
        # Newton's parabola through D at t, t_1 and t_2, in its value and derivatives at t_1.
        apart = jnp.log(t_2 / t)
        bend = (slope - divided(d_1, d_2, t_1, t_2)) / jnp.where(taken >= 2, apart, 1.0)
        bend = jnp.where(taken >= 2, bend, 0.0)
        first = slope - h_1 * bend
        corrected = t / t_1 * y_1 + phi_1(h_1) * d_1
        corrected += h_1 * phi_2(h_1) * first + 2 * h_1**2 * phi_3(h_1) * bend
        # Its first step is corrected with half the difference, as published.
        trapezoid = t / t_1 * y_1 + phi_1(h_1) * (d_1 + d) / 2
        here = jnp.where(taken >= 2, corrected, jnp.where(taken == 1, trapezoid, y))

        h = jnp.log(t / s)
        y1 = s / t * here + phi_1(h) * (d + 0.5 * h * slope)
        return y1, (here, (d, t), (d_1, t_1), taken + 1)
