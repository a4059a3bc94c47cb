"""Data whose denoiser is known in closed form, so that a sampler's error is the sampler's alone."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import ndtr

from jaxehr.processes import Gaussian
from jaxehr.types import Denoiser, Key, Time

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


class ColumnMixtures(NamedTuple):
    """Independent columns, each a mixture of Gaussians: not affine, and yet the flow is known.

    A flow in one dimension keeps the order of its points, and so their shares: F_s(x_s) = F_t(x_t).
    """

    mean: Float[np.ndarray, "component column"]
    std: Float[np.ndarray, "component column"]
    weight: Float[np.ndarray, "component"]

    def denoiser(self, process: Gaussian) -> Denoiser:
        """E[x_0 | x_t]: the components' denoisers, weighted by how likely each is."""

        def denoise(x: Array, t: Time) -> Array:
            alpha, sigma = (level[..., None] for level in _levels(process, x, t))
            mean, std, weight = (jnp.asarray(part, x.dtype) for part in self)
            x = x[..., None, :]
            total = (alpha * std) ** 2 + sigma**2
            apart = x - alpha * mean
            odds = jnp.log(weight)[:, None] - (jnp.log(total) + apart**2 / total) / 2
            of_each = mean + alpha * std**2 / total * apart
            return jnp.sum(jax.nn.softmax(odds, axis=-2) * of_each, axis=-2)

        return denoise

    def draw(self, key: Key, process: Gaussian, n: int, t: Time) -> Float[Array, "n column"]:
        """Records at time t."""
        which_key, x0_key, noise_key = jax.random.split(key, 3)
        shape, columns = (n, self.mean.shape[1]), np.arange(self.mean.shape[1])
        which = jax.random.choice(which_key, len(self.weight), shape, p=jnp.asarray(self.weight))
        mean, std = (jnp.asarray(part)[which, columns] for part in self[:2])
        x0 = mean + std * jax.random.normal(x0_key, shape)
        return process.corrupt(noise_key, x0, t)

    def share(self, process: Gaussian, x: np.ndarray, t: float) -> np.ndarray:
        """F_t(x), column by column; on the host."""
        alpha, sigma = float(process.alpha(t)), float(process.sigma(t))
        z = (x[..., None, :] - alpha * self.mean) / np.hypot(alpha * self.std, sigma)
        return (self.weight[:, None] * ndtr(z)).sum(-2)

    def flow(self, process: Gaussian, x: Array, t: float, s: float) -> np.ndarray:
        """Where the probability flow takes x from time t to time s, by bisection; on the host, in float64."""
        wanted = self.share(process, np.asarray(x, float), t)
        reach = float(process.alpha(s)) * np.abs(self.mean).max() + 10 * float(
            np.hypot(self.std.max(), process.sigma(s))
        )
        low, high = np.full(wanted.shape, -reach), np.full(wanted.shape, reach)
        for _ in range(80):
            middle = (low + high) / 2
            below = self.share(process, middle, s) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2


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


def four_gaussians() -> ColumnMixtures:
    """`four_columns` as mixtures of one component."""
    data = four_columns()
    mean, std = (np.asarray(part, float)[None] for part in data)
    return ColumnMixtures(mean, std, np.ones(1))


def four_mixtures() -> ColumnMixtures:
    """Columns of two kinds: apart, within one another, hardly different, lopsided."""
    return ColumnMixtures(
        mean=np.array([[-1.0, 0.2, 0.0, 2.0], [1.0, 0.2, 0.4, 0.0]]),
        std=np.array([[0.5, 0.3, 0.6, 0.4], [0.7, 1.5, 0.5, 1.0]]),
        weight=np.array([0.35, 0.65]),
    )


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
