"""Denoising losses: how far the denoiser is from the clean data, noise level by noise level."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxehr.processes import Gaussian, Mixed, Multinomial
from jaxehr.types import Denoiser, Key

Times = Callable[[Key, tuple[int, ...]], Array]  # (key, shape) -> the times of a training batch


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


def blended_loss(
    noise_of: Callable[[Array, Array], Array],
    process: Gaussian,
    x0: Float[Array, "batch step column"],
    t: Float[Array, "batch"],
    eps: Float[Array, "batch step column"],
    u: Float[Array, "batch step column"],
    *,
    valid: Float[Array, "batch step #column"],
    weight: float = 20.0,
) -> Float[Array, "batch"]:
    """(e - eps)^2 + weight (x_0' - x_0)^2, per row the mean over what is valid (Kuo, Jorm and Barbieri 2023).

    e is the noise that is predicted, and x_0' = (x_t - sigma (u eps + (1 - u) e)) / alpha what it and the true noise
    together say was clean, so that x_0' - x_0 = (1 - u) sigma / alpha (eps - e).

    noise_of    (x_t, t) -> e
    u           uniform in [0, 1]: how much of the noise is the true one, entry by entry
    valid       0 takes an entry out: of a step that is there to fill a row, or one that is missing
    """
    e = noise_of(process.mix(x0, eps, t), t)
    ratio = (process.sigma(t) / process.alpha(t))[:, None, None]
    square = jnp.square(e - eps) * (1 + weight * jnp.square((1 - u) * ratio))
    entries = jnp.sum(jnp.broadcast_to(valid, square.shape), (-2, -1))
    return jnp.sum(square * valid, (-2, -1)) / jnp.maximum(entries, 1.0)


def log_normal(
    key: Key, shape: tuple[int, ...], *, mean: float = -1.2, std: float = 1.2
) -> Float[Array, "..."]:
    """Noise levels with ln sigma ~ N(mean, std^2): Karras et al. (2022), Table 1."""
    return jnp.exp(mean + std * jax.random.normal(key, shape))


def edm_weight(sigma_data: float) -> Callable[[Array], Array]:
    """(sigma^2 + sigma_data^2) / (sigma sigma_data)^2: Karras et al. (2022), Table 1."""
    return lambda sigma: (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


def noise_weight(process: Gaussian) -> Callable[[Array], Array]:
    """alpha^2 / sigma^2, which makes the denoising loss that of the noise: L_simple (Ho et al. 2020, eq. 14)."""
    return lambda t: jnp.square(process.alpha(t) / process.sigma(t))


def whole(timesteps: int) -> Times:
    """Any of 1, 2, ..., timesteps."""
    return lambda key, shape: jax.random.randint(key, shape, 1, timesteps + 1).astype(jnp.float32)


def between(first: float, last: float = 1.0) -> Times:
    """Uniform times."""
    return lambda key, shape: jax.random.uniform(key, shape, minval=first, maxval=last)


def stratified(first: float, last: float = 1.0) -> Times:
    """A time from each of as many strata as there are rows, in any order (the authors' code of ScoEHR).

    Each stratum is as wide as two of n equal parts, so that neighbours overlap.
    """

    def times(key: Key, shape: tuple[int, ...]) -> Array:
        jitter_key, order_key = jax.random.split(key)
        n = math.prod(shape)
        reach = min(1 / n, (last - first) / 2)
        middle = jnp.linspace(first + reach, last - reach, n)
        t = middle + reach * jax.random.uniform(jitter_key, (n,), minval=-1.0)
        return jax.random.permutation(order_key, jnp.clip(t, first, last)).reshape(shape)

    return times


def one_of(levels: Float[Array | np.ndarray, "level"]) -> Times:
    """Any of the noise levels."""
    return lambda key, shape: jax.random.choice(key, jnp.asarray(levels, jnp.float32), shape)


def mixed_loss(
    process: Mixed,
    x0: Any,
    x0_hat: Any,
    x: Any,
    t: Float[Array, "batch"],
    *,
    timesteps: int,
    of_categories: float = 1.0,
    observed: Array | float = 1.0,
) -> Float[Array, "batch"]:
    """Mean over numbers of (eps - eps_hat)^2, plus over categories of T KL(q(x_s | x_t, x_0) || p) + KL(x_T), per row.

    L_simple and the variational bound (Kotelnikov et al. 2023, eqs. 6 and 7), with t one of 1 ... T for each row and
    s = t - 1.

    of_categories   weight of the second. TIMEDIFF's (Tian et al. 2024) lambda times the steps of a series: theirs is
                    of a sum over the steps, and a mean over the variables, where this is a mean over both
    observed        as in `denoising_loss`, of the numbers
    """
    total, bound, columns = jnp.zeros(t.shape), jnp.zeros(t.shape), 0
    for name, part in process.parts.items():
        if isinstance(part, Multinomial):
            kl = part.kl(x0[name], part.normalised(x0_hat[name]), x[name], t, t - 1)
            prior = part.prior_kl(x0[name], float(timesteps))
            # T times a KL of about 1/T, from logarithms near each other: rounding counts T-fold. A row in a batch of
            # 8 is rounded otherwise than in one of 64; they agree to 4e-5 at T = 1,000, to 2e-6 at 10.
            bound += jnp.sum(timesteps * kl + prior, axis=-1)
            columns += x0[name].shape[-1]
        else:
            weight = noise_weight(part)(t)[:, None]
            square = weight * jnp.square(x0_hat[name] - x0[name]) * observed
            total += jnp.mean(square, axis=-1)
    return total + of_categories * bound / max(columns, 1)
