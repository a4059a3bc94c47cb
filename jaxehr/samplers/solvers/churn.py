"""The stochastic sampler of EDM: Karras et al. (2022), Algorithm 2."""

import jax.numpy as jnp

from jaxehr.samplers.solvers.exponential import StochasticSolver


class Churn(StochasticSolver):
    """Each step first adds noise, from t to (1 + gamma) t, and then takes a step of Heun from there. Weakly of order 1.

    gamma       the paper's min(S_churn / steps, sqrt(2) - 1)
    low, high   S_tmin, S_tmax: the levels at which noise is added
    inflate     S_noise: standard deviation of the new noise. The paper has 1.003 to 1.007 for networks that take too
                much noise away; with an exact denoiser that is a bias which no number of steps brings down, and so
                no order
    """

    gamma: float = 0.4
    low: float = 0.05
    high: float = 50.0
    inflate: float = 1.0

    def order(self, terms):
        return 1 if self.inflate == 1 else None

    def advance(self, denoise, t, s, y, state, noise):
        within = (t >= self.low) & (t <= self.high)
        raised = jnp.where(within, 1 + self.gamma, 1.0) * t
        # The root of raised^2 - t^2, which rounding would bring below 0 where nothing is raised.
        added = jnp.where(within, (self.gamma * (2 + self.gamma)) ** 0.5, 0.0) * t
        y = y + added * self.inflate * noise()
        slope = (y - denoise(y, raised)) / raised
        euler = y + (s - raised) * slope
        return y + (s - raised) * (slope + (euler - denoise(euler, s)) / s) / 2, state
