"""Denoising losses: how far the denoiser is from the clean data, noise level by noise level."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxehr.processes.gaussian import Gaussian
from jaxehr.types import Denoiser, Key


def denoising_loss(
    denoise: Denoiser,
    process: Gaussian,
    x0: Float[Array, "batch column"],
    t: Float[Array, "batch"],
    eps: Float[Array, "batch column"],
    *,
    weight: Callable[[Array], Array],
    observed: Float[Array, "batch column"] | None = None,
) -> Float[Array, "batch"]:
    """weight(t) times the mean over columns of (D(x_t, t) - x_0)^2, per row.

    The noise-prediction loss of DDPM is this one with weight alpha^2 / sigma^2.

    observed    0 takes an entry out of the sum (a value that is missing), not out of the number of columns
    """
    square = jnp.square(denoise(process.mix(x0, eps, t), t) - x0)
    return weight(t) * jnp.mean(square if observed is None else square * observed, axis=-1)


def log_normal(
    key: Key, shape: tuple[int, ...], *, mean: float = -1.2, std: float = 1.2
) -> Float[Array, "..."]:
    """Noise levels with ln sigma ~ N(mean, std^2): Karras et al. (2022), Table 1."""
    return jnp.exp(mean + std * jax.random.normal(key, shape))


def edm_weight(sigma_data: float) -> Callable[[Array], Array]:
    """(sigma^2 + sigma_data^2) / (sigma sigma_data)^2: Karras et al. (2022), Table 1."""
    return lambda sigma: (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2
