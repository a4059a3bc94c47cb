"""Gaussian diffusion: x_t = alpha(t) x_0 + sigma(t) eps.

Everything follows from the two curves. With f = alpha' / alpha, the SDE that has these marginals is

    dx = f(t) x dt + g(t) dw,        g^2 = (sigma^2)' - 2 f sigma^2            (Song et al. 2021, eq. 5)

and, with alpha_ts = alpha_t / alpha_s and sigma_ts^2 = sigma_t^2 - alpha_ts^2 sigma_s^2, Bayes' rule gives
q(x_s | x_t, x_0), whose variance is sigma_ts^2 sigma_s^2 / sigma_t^2               (Ho et al. 2020, eqs. 6, 7).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxehr.processes.schedules import Curve, Schedule
from jaxehr.types import Key, Noise, Time


class Gaussian(NamedTuple):
    """The process of a schedule. Times are scalars, or one per row of x."""

    schedule: Schedule

    def alpha(self, t: Time) -> Array:
        return self.schedule.alpha(jnp.asarray(t))

    def sigma(self, t: Time) -> Array:
        return self.schedule.sigma(jnp.asarray(t))

    def prior(self, key: Key, shape: tuple[int, ...], t: Time) -> Float[Array, "..."]:
        """x_T: the data is forgotten, only the noise of time t is left."""
        noise = jax.random.normal(key, shape)
        return _rows(self.sigma(t), noise) * noise

    def corrupt(
        self, key: Key, x: Float[Array, "..."], t: Time, s: Time | None = None
    ) -> Float[Array, "..."]:
        """One draw of q(x_t | x_s), s < t; None is the data, s = 0."""
        eps = jax.random.normal(key, x.shape, x.dtype)
        if s is None:
            return self.mix(x, eps, t)
        kept = self.alpha(t) / self.alpha(s)
        spread = _root(self.sigma(t) ** 2 - (kept * self.sigma(s)) ** 2)
        return _rows(kept, x) * x + _rows(spread, x) * eps

    def pinned(self, key: Key, x0: Float[Array, "..."], t: Time) -> Float[Array, "..."]:
        """Cells at time t whose clean value is known: noised like any other."""
        return self.corrupt(key, x0, t)

    def mix(self, x0: Float[Array, "..."], eps: Float[Array, "..."], t: Time) -> Array:
        """x_t for a given noise eps."""
        return _rows(self.alpha(t), x0) * x0 + _rows(self.sigma(t), x0) * eps

    def posterior(
        self,
        key: Noise,
        x0: Float[Array, "..."],
        x: Float[Array, "..."],
        t: Time,
        s: Time,
        eta: float = 1.0,
    ) -> Float[Array, "..."]:
        """One draw of q(x_s | x_t, x_0).

        eta     1 is DDPM's posterior, 0 is DDIM's deterministic step (Song, Meng, Ermon 2021, eq. 12)
        """
        alpha_s, sigma_s = _rows(self.alpha(s), x), _rows(self.sigma(s), x)
        alpha_t, sigma_t = _rows(self.alpha(t), x), _rows(self.sigma(t), x)
        variance_ts = sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2
        variance = eta**2 * variance_ts * sigma_s**2 / sigma_t**2

        eps = (x - alpha_t * x0) / sigma_t
        mean = alpha_s * x0 + _root(sigma_s**2 - variance) * eps
        if isinstance(eta, int | float) and eta == 0:
            return mean  # noise that nobody sees would cost as much as a small network
        return mean + _root(variance) * standard_normal(key, x)

    def drift(self, x: Float[Array, "..."], t: Time) -> Float[Array, "..."]:
        """f(t) x of the forward SDE."""
        return _rows(_slope(self.schedule.alpha, t) / self.alpha(t), x) * x

    def diffusion(self, t: Time) -> Array:
        """g(t) of the forward SDE."""
        sigma = self.sigma(t)
        f = _slope(self.schedule.alpha, t) / self.alpha(t)
        return _root(2 * sigma * (_slope(self.schedule.sigma, t) - f * sigma))

    def score(self, x0: Float[Array, "..."], x: Float[Array, "..."], t: Time) -> Array:
        """The gradient of log q(x_t | x_0); with x0 from a denoiser, of log q(x_t) (Tweedie)."""
        return (_rows(self.alpha(t), x) * x0 - x) / _rows(self.sigma(t), x) ** 2


def standard_normal(key: Noise, like: Float[Array, "..."]) -> Float[Array, "..."]:
    """Normal draws of `like`'s shape; noise given in the place of a key is the draw."""
    if jnp.issubdtype(key.dtype, jnp.inexact):
        return key
    return jax.random.normal(key, like.shape, like.dtype)


def _rows(value: Array, x: Array) -> Array:
    """A value per row, shaped to broadcast against x; a scalar stays one."""
    return jnp.reshape(value, value.shape + (1,) * (x.ndim - value.ndim) if value.ndim else ())


def _slope(curve: Curve, t: Time) -> Array:
    t = jnp.asarray(t, float)
    return jax.jvp(curve, (t,), (jnp.ones_like(t),))[1]


def _root(variance: Array) -> Array:
    """A square root whose gradient is 0, not NaN, where the variance is 0."""
    positive = variance > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1.0)), 0.0)
