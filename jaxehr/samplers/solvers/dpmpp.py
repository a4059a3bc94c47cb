"""DPM-Solver++: Lu et al., "DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models", 2022."""

import jax.numpy as jnp

from jaxehr.samplers.solvers.exponential import (
    ExponentialSolver,
    StochasticSolver,
    phi_1,
    phi_2,
    phi_3,
)


class DPMpp2S(ExponentialSolver):
    """Single step, order 2, two evaluations: D half way (in lambda) serves the whole step. Algorithm 1."""

    def order(self, terms):
        return 2

    def advance(self, denoise, t, s, y, state):
        middle, h = jnp.sqrt(t * s), jnp.log(t / s)
        u = middle / t * y + phi_1(h / 2) * denoise(y, t)
        return s / t * y + phi_1(h) * denoise(u, middle), state


class DPMpp2M(ExponentialSolver):
    """Multistep, order 2, one evaluation: D on a line through this step and the last. Algorithm 2."""

    def order(self, terms):
        return 2

    def start(self, denoise, t, s, y):
        return jnp.zeros_like(
            y
        ), t  # D of the last step, and where that was; no last step: the same place

    def advance(self, denoise, t, s, y, state):
        d_last, t_last = state
        d, h = denoise(y, t), jnp.log(t / s)
        ahead = d + 0.5 * h * divided(d, d_last, t, t_last)
        return s / t * y + phi_1(h) * ahead, (d, t)


class DPMpp3M(ExponentialSolver):
    """Multistep, order 3, one evaluation a step: D on a parabola through this step and the last two.

    d2_scale    2 is the second derivative (order 3); 1 is what the authors' code and its descendants have, which is
                of order 2 only, though with few steps it may come out ahead

    Two evaluations before the first step find a slope there, so that the start is of second order too.
    """

    d2_scale: float = 2.0

    def order(self, terms):
        return 3 if self.d2_scale == 2.0 else 2

    def start(self, denoise, t, s, y):
        h = jnp.log(t / s)
        d = denoise(y, t)
        middle = jnp.sqrt(t * s)
        slope = 2 * (denoise(middle / t * y + phi_1(h / 2) * d, middle) - d) / h
        # One step back on the line through both, so that the first steps find a history.
        return (d - h * slope, t * t / s), (d - 2 * h * slope, t * (t / s) ** 2), jnp.zeros((), int)

    def advance(self, denoise, t, s, y, state):
        (d_1, t_1), (d_2, t_2), taken = state
        d, h = denoise(y, t), jnp.log(t / s)
        slope = divided(d, d_1, t, t_1)
        # The second divided difference; a made-up history is a straight line and has none.
        bend = (slope - divided(d_1, d_2, t_1, t_2)) / jnp.log(t_2 / t)
        bend = jnp.where(taken >= 2, bend, 0.0)
        first = slope + jnp.where(taken >= 2, jnp.log(t_1 / t) * bend, 0.0)
        y1 = (
            s / t * y + phi_1(h) * d + h * phi_2(h) * first + self.d2_scale * h**2 * phi_3(h) * bend
        )
        return y1, ((d, t), (d_1, t_1), taken + 1)


class DPMpp2MSDE(StochasticSolver):
    """2M for the reverse SDE, weakly of order 2.

    eta     share of the noise: 1 is the reverse SDE, 0 is 2M
    """

    eta: float = 1.0

    def order(self, terms):
        return 2

    def start(self, denoise, t, s, y):
        return jnp.zeros_like(y), t

    def advance(self, denoise, t, s, y, state, noise):
        d_last, t_last = state
        d, h = denoise(y, t), jnp.log(t / s)
        ahead = d + 0.5 * h * divided(d, d_last, t, t_last)
        kept = s / t * jnp.exp(-self.eta * h)
        spread = s * jnp.sqrt(phi_1(2 * self.eta * h))
        return kept * y + phi_1((1 + self.eta) * h) * ahead + spread * noise(), (d, t)


def divided(d, d_last, t, t_last):
    """The slope of D in lambda between two levels; 0 where they are the same."""
    apart = jnp.log(t_last / t)
    return jnp.where(apart > 0, (d - d_last) / jnp.where(apart > 0, apart, 1.0), 0.0)
