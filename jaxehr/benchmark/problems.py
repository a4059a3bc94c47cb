"""Data whose denoiser is known in closed form, so that a sampler's error is the sampler's alone."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxehr.processes import Gaussian
from jaxehr.types import Denoiser, Time

# An accelerator's default (TF32, bfloat16) would bound every sampler's error from below.
_dot = partial(jnp.dot, precision="highest")


class GaussianData(NamedTuple):
    """Independent columns N(mean, std^2). The flow is known in closed form too."""

    mean: Float[Array, "column"]
    std: Float[Array, "column"]

    def denoiser(self, process: Gaussian) -> Denoiser:
        """E[x_0 | x_t]."""

        def denoise(x: Array, t: Time) -> Array:
            alpha, sigma = _levels(process, x, t)
            total = alpha**2 * self.std**2 + sigma**2
            return self.mean + alpha * self.std**2 / total * (x - alpha * self.mean)

        return denoise

    def spread(self, process: Gaussian, t: Time) -> Array:
        """The standard deviation of x_t."""
        return jnp.sqrt(process.alpha(t) ** 2 * self.std**2 + process.sigma(t) ** 2)

    def flow(self, process: Gaussian, x: Array, t: Time, s: Time) -> Array:
        """Where the probability flow takes x from time t to time s."""
        z = (x - process.alpha(t) * self.mean) / self.spread(process, t)
        return process.alpha(s) * self.mean + self.spread(process, s) * z


class Mixture(NamedTuple):
    """A mixture of Gaussians of one width."""

    mean: Float[Array, "component column"]
    std: float
    weight: Float[Array, "component"]

    def denoiser(self, process: Gaussian) -> Denoiser:
        """E[x_0 | x_t]: the components' denoisers, weighted by how likely each is."""

        def denoise(x: Array, t: Time) -> Array:
            alpha, sigma = _levels(process, x, t)
            total = alpha**2 * self.std**2 + sigma**2
            square = jnp.sum(self.mean**2, axis=-1)
            # |x - alpha m|^2 but for |x|^2, which all components share.
            apart = alpha**2 * square - 2 * alpha * _dot(x, self.mean.T)
            share = jax.nn.softmax(jnp.log(self.weight) - apart / (2 * total), axis=-1)
            mean = _dot(share, self.mean)
            return mean + alpha * self.std**2 / total * (x - alpha * mean)

        return denoise


def four_columns() -> GaussianData:
    """Variances from 0.01 to 4: slow and fast columns in one problem."""
    return GaussianData(jnp.array([0.1, -0.3, 0.5, 2.0]), jnp.array([0.1, 0.5, 1.0, 2.0]))


def code_like_gaussian(columns: int, seed: int = 0) -> GaussianData:
    """Means and standard deviations of binary codes with the prevalences of `prevalences`."""
    p = prevalences(columns, seed)
    return GaussianData(jnp.asarray(p), jnp.asarray(np.sqrt(p * (1 - p)) + 0.01))


def code_like_mixture(columns: int, components: int = 20, seed: int = 0) -> Mixture:
    """Twenty kinds of patients, each a row of zeros and ones with a little noise."""
    rng = np.random.default_rng(seed)
    mean = (rng.random((components, columns)) < prevalences(columns, seed)).astype(float)
    return Mixture(jnp.asarray(mean), 0.1, jnp.full(components, 1 / components))


def prevalences(columns: int, seed: int = 0) -> np.ndarray:
    """Beta(0.3, 3): most codes rare, a few common, as in records."""
    return np.random.default_rng(seed).beta(0.3, 3, columns)


def _levels(process: Gaussian, x: Array, t: Time) -> tuple[Array, Array]:
    """alpha and sigma; for a time per row, as a column."""
    alpha, sigma = process.alpha(t), process.sigma(t)
    return (alpha[..., None], sigma[..., None]) if alpha.ndim else (alpha, sigma)
