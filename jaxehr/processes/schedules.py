"""Noise schedules: x_t = alpha(t) x_0 + sigma(t) eps, with eps a unit Gaussian."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from jaxehr.types import Time

Curve = Callable[[Time], Array]


class Schedule(NamedTuple):
    """A forward process is known by two curves of time, and by the way back.

    alpha, sigma    scale of the data and of the noise at time t
    time_of         the time at which sigma / alpha has the given value
    """

    alpha: Curve
    sigma: Curve
    time_of: Curve


def edm() -> Schedule:
    """Karras et al. (2022), Table 1, column "Ours": the time is the noise level, alpha is 1."""
    return Schedule(alpha=jnp.ones_like, sigma=jnp.asarray, time_of=jnp.asarray)


def vp(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Schedule:
    """Variance preserving, beta(t) linear, t in [0, 1]: Song et al. (2021), eqs. 32 and 33.

    alpha = exp(-B/2) and sigma^2 = 1 - exp(-B), where B(t) = beta_min t + (beta_max - beta_min) t^2 / 2.
    """
    slope = beta_max - beta_min

    def integral(t: Time) -> Array:
        return beta_min * jnp.asarray(t) + 0.5 * slope * jnp.square(t)

    def time_of(noise_to_signal: Time) -> Array:
        # (sigma / alpha)^2 = exp(B) - 1, then the positive root of the quadratic B(t), free of cancellation.
        b = jnp.log1p(jnp.square(noise_to_signal))
        return 2 * b / (beta_min + jnp.sqrt(beta_min**2 + 2 * slope * b))

    return Schedule(
        alpha=lambda t: jnp.exp(-0.5 * integral(t)),
        sigma=lambda t: jnp.sqrt(-jnp.expm1(-integral(t))),
        time_of=time_of,
    )
