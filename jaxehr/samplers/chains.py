"""Discrete chains: a step from one grid point to the next, and the samplers that repeat one."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxehr.processes.gaussian import Gaussian, standard_normal
from jaxehr.processes.mixed import part_keys
from jaxehr.types import Denoiser, Draw, Grid, Noise, Sampler, Time, X

# (key, denoise, process, x at t, t, s) -> x at s < t
Step = Callable[[Noise, Denoiser, Any, X, Time, Time], X]


def sequential(step: Step, *, evaluations: int = 1) -> Sampler:
    """The sampler that takes `step` between all neighbours of the grid, in a lax.scan.

    evaluations     of the network in one step

    The grid may be data of a jitted function: a new one of the same length compiles nothing anew.
    """

    def sample(key: Noise, denoise: Denoiser, process: Any, x_T: X, grid: Grid) -> Draw:
        steps = len(grid) - 1
        times = jnp.asarray(grid, time_type(x_T))

        def one(x, at):
            noise, t, s = at
            return step(noise, denoise, process, x, t, s), None

        x, _ = jax.lax.scan(one, x_T, (_of_each_step(key, steps), times[:-1], times[1:]))
        return Draw(x, jnp.asarray(steps * evaluations))

    return sample


def time_type(x: X):
    """The float type of x; of records that are all categories, JAX's own."""
    floats = (leaf for leaf in jax.tree.leaves(x) if jnp.issubdtype(leaf.dtype, jnp.inexact))
    return jnp.result_type(*floats, float)


def ancestral() -> Sampler:
    """DDPM's chain (Ho et al. 2020, Algorithm 2): each step draws from q(x_s | x_t, x_0 = D(x_t, t)).

    The variance is the posterior's (their beta tilde). It is DDIM with eta = 1, for any process that has a posterior.
    """
    return ddim(1.0)


def ddim(eta: float = 0.0) -> Sampler:
    """Song, Meng and Ermon (2021), eq. 12, between any two times: eta 0 is deterministic, eta 1 is DDPM."""
    return sequential(ddim_step(eta))


def ddim_step(eta: float = 0.0) -> Step:
    """One step of `ddim`."""

    def step(key, denoise, process, x, t, s):
        return process.posterior(key, denoise(x, t), x, t, s, eta)

    return step


def fixed_large(
    key: Noise, denoise: Denoiser, process: Gaussian, x: Array, t: Time, s: Time
) -> Array:
    """DDPM's step with the larger of its two variances, beta_ts = 1 - alpha_ts^2 (Ho et al. 2020, section 3.2).

    The mean is the posterior's; at s = 0 no noise is added.
    """
    mean = posterior_mean(process, denoise(x, t), x, t, s)
    beta = -jnp.expm1(-process.schedule.lost(t, s))
    spread = jnp.where(jnp.asarray(s) > 0, jnp.sqrt(beta), 0.0)
    return mean + spread * standard_normal(key, x)


def posterior_mean(process: Gaussian, x0: Array, x: Array, t: Time, s: Time) -> Array:
    """The mean of q(x_s | x_t, x_0)."""
    return process.posterior(jnp.zeros_like(x), x0, x, t, s)


def in_parts(steps: Mapping[str, Step]) -> Step:
    """A step of a mixed record from a step for each part; the network is evaluated once for all."""

    def step(key, denoise, process, x, t, s):
        x0, keys = denoise(x, t), part_keys(key, process.parts)

        def one(name: str) -> Array:
            return steps[name](keys[name], lambda *_: x0[name], process.parts[name], x[name], t, s)

        return {name: one(name) for name in process.parts}

    return step


def reverse_diffusion(
    key: Noise, denoise: Denoiser, process: Gaussian, x: Array, t: Time, s: Time
) -> Array:
    """The reverse diffusion step of Song et al. (2021), eq. 46, in x / alpha: theirs for VE, another one for VP.

    With r = sigma / alpha and y = x / alpha: y_s = y_t + (r_t^2 - r_s^2) score + sqrt(r_t^2 - r_s^2) z.
    """
    ratio_t, ratio_s = process.sigma(t) / process.alpha(t), process.sigma(s) / process.alpha(s)
    y, gap = x / process.alpha(t), jnp.maximum(ratio_t**2 - ratio_s**2, 0)
    mean = y + gap * (denoise(x, t) - y) / ratio_t**2
    noise = jnp.where(ratio_s > 0, jnp.sqrt(gap), 0.0)  # at the end their code keeps the mean
    return process.alpha(s) * (mean + noise * standard_normal(key, x))


def published_reverse_diffusion(
    key: Noise, denoise: Denoiser, process: Gaussian, x: Array, t: Time, s: Time
) -> Array:
    """The reverse diffusion step as Song et al. (2021) discretise it, eq. 46 and their code: on VE that above, on VP

        x_s = (2 - sqrt(1 - beta)) x_t + beta score + sqrt(beta) z

    where sqrt(1 - beta) = alpha_t / alpha_s. For any process beta is sigma_t^2 - (alpha_t / alpha_s)^2 sigma_s^2.
    """
    kept = process.alpha(t) / process.alpha(s)
    beta = jnp.maximum(process.sigma(t) ** 2 - (kept * process.sigma(s)) ** 2, 0)
    mean = (2 - kept) * x + beta * process.score(denoise(x, t), x, t)
    noise = jnp.where(
        process.sigma(s) > 0, jnp.sqrt(beta), 0.0
    )  # at the end their code keeps the mean
    return mean + noise * standard_normal(key, x)


def euler_maruyama_step(
    key: Noise, denoise: Denoiser, process: Gaussian, x: Array, t: Time, s: Time
) -> Array:
    """A step of Euler and Maruyama on the reverse SDE in x and t themselves (Song et al. 2021, eq. 6)

        x_s = x_t - (f x_t - g^2 score) (t - s) + g sqrt(t - s) z

    as published for ScoEHR, whose last step, to s = 0, adds its noise too. `reverse_sde` works in x / alpha instead.
    """
    score = process.score(denoise(x, t), x, t)
    g = process.diffusion(t)
    mean = x - (process.drift(x, t) - g**2 * score) * (t - s)
    return mean + g * jnp.sqrt(t - s) * standard_normal(key, x)


def predictor_corrector(
    predictor: Step = reverse_diffusion, *, snr: float = 0.16, corrections: int = 1
) -> Sampler:
    """Song et al. (2021), Algorithms 2 and 3: Langevin steps at each time, then a step of the predictor.

    snr             the signal-to-noise rule: Langevin's step is 2 (snr sigma_t)^2, times alpha_t^2 / alpha_s^2
    corrections     Langevin steps before each step of the predictor

    The authors' step is 2 (snr |z| / |score|)^2 with norms averaged over the batch, so that a record depends on those
    drawn beside it. With many columns |z| comes to sqrt(d), |score| to sqrt(d) / sigma_t, and theirs to the step here.
    With few columns the ratio of one record's own norms has heavy tails, and the law of the draws is not the data's.
    """

    def step(key, denoise, process, x, t, s):
        correct_key, predict_key = jax.random.split(key)
        shrink = jnp.where(s > 0, (process.alpha(t) / process.alpha(s)) ** 2, 1.0)
        size = 2 * shrink * (snr * process.sigma(t)) ** 2

        def correct(x, key):
            noise = jax.random.normal(key, x.shape, x.dtype)
            score = process.score(denoise(x, t), x, t)
            return x + size * score + jnp.sqrt(2 * size) * noise, None

        x, _ = jax.lax.scan(correct, x, jax.random.split(correct_key, corrections))
        return predictor(predict_key, denoise, process, x, t, s)

    return sequential(step, evaluations=1 + corrections)


def langevin(*, steps: int = 5, epsilon: float = 0.1) -> Sampler:
    """Annealed Langevin dynamics: Song and Ermon (2019), Algorithm 1, with the denoising step of their followers.

        x <- x + a score + sqrt(2 a) z,   a = epsilon sigma_i^2,   `steps` times at each level sigma_i

    epsilon     of the level's own variance; the paper's step is given as a multiple of sigma_i^2 / sigma_L^2, so its
                epsilon 2e-5 at sigma_L = 0.01 (and a half of it in a) is 0.1 here

    The first point of the grid is where x_T lies already; there is nothing to settle.
    """

    def step(key, denoise, process, x, t, s):
        def dwell(x, key):
            a = epsilon * process.sigma(s) ** 2
            score = process.score(denoise(x, s), x, s)
            return x + a * score + jnp.sqrt(2 * a) * jax.random.normal(key, x.shape, x.dtype), None

        x = x * process.alpha(s) / process.alpha(t)
        return jax.lax.scan(dwell, x, jax.random.split(key, steps))[0]

    walk = sequential(step, evaluations=steps)

    def sample(key: Noise, denoise: Denoiser, process: Gaussian, x_T: Array, grid: Grid) -> Draw:
        if isinstance(grid, jax.core.Tracer) or grid[-1] != 0:
            return walk(key, denoise, process, x_T, grid)
        x, nfe = walk(key, denoise, process, x_T, grid[:-1])
        clean = jnp.asarray(denoise(x, jnp.asarray(grid[-2], x_T.dtype)))
        return Draw(process.alpha(grid[-1]) * clean, nfe + 1)

    return sample


def _of_each_step(key: Noise, steps: int):
    """A key for each step; noise that was given is already one draw for each."""
    return key if jnp.issubdtype(key.dtype, jnp.inexact) else jax.random.split(key, steps)
