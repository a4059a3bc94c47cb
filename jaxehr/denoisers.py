"""From what a network predicts to what samplers and losses read: the clean data."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxehr.processes import Gaussian
from jaxehr.types import Denoiser, Time

Value = Float[Array, "..."]


class Prediction(NamedTuple):
    """A way to say x_0 given x_t: all ways are affine in x_0, so each turns into any other through it.

    to_x0   (process, value, x, t) -> x_0
    of_x0   (process, x_0, x, t) -> value
    """

    to_x0: Callable[[Gaussian, Value, Value, Time], Value]
    of_x0: Callable[[Gaussian, Value, Value, Time], Value]


def _levels(process: Gaussian, x: Value, t: Time) -> tuple[Array, Array]:
    """alpha and sigma, shaped to broadcast against x."""

    def rows(value: Array) -> Array:
        return value.reshape(value.shape + (1,) * (x.ndim - value.ndim)) if value.ndim else value

    return rows(process.alpha(t)), rows(process.sigma(t))


def _eps_to_x0(process, eps, x, t):
    alpha, sigma = _levels(process, x, t)
    return (x - sigma * eps) / alpha


def _eps_of_x0(process, x0, x, t):
    alpha, sigma = _levels(process, x, t)
    return (x - alpha * x0) / sigma


def _v_to_x0(process, v, x, t):
    alpha, sigma = _levels(process, x, t)
    return (alpha * x - sigma * v) / (alpha**2 + sigma**2)


def _v_of_x0(process, x0, x, t):
    alpha, sigma = _levels(process, x, t)
    return alpha * (x - alpha * x0) / sigma - sigma * x0


def _score_to_x0(process, score, x, t):
    alpha, sigma = _levels(process, x, t)
    return (x + sigma**2 * score) / alpha


def _slopes(process, x, t):
    """d alpha / dt and d sigma / dt, shaped as `_levels`."""
    t = jnp.asarray(t, x.dtype)
    return jax.jvp(lambda t: _levels(process, x, t), (t,), (jnp.ones_like(t),))[1]


def _flow_to_x0(process, u, x, t):
    (alpha, sigma), (d_alpha, d_sigma) = _levels(process, x, t), _slopes(process, x, t)
    return (sigma * u - d_sigma * x) / (sigma * d_alpha - alpha * d_sigma)


def _flow_of_x0(process, x0, x, t):
    (alpha, sigma), (d_alpha, d_sigma) = _levels(process, x, t), _slopes(process, x, t)
    return d_alpha * x0 + d_sigma * (x - alpha * x0) / sigma


EPS = Prediction(_eps_to_x0, _eps_of_x0)  # the noise: Ho et al. (2020)
X0 = Prediction(lambda process, x0, x, t: x0, lambda process, x0, x, t: x0)
V = Prediction(_v_to_x0, _v_of_x0)  # alpha eps - sigma x_0: Salimans and Ho (2022)
SCORE = Prediction(_score_to_x0, lambda process, x0, x, t: process.score(x0, x, t))
FLOW = Prediction(_flow_to_x0, _flow_of_x0)  # alpha' x_0 + sigma' eps: Lipman et al. (2023)


def edm_output(sigma_data: float) -> Prediction:
    """F of the EDM preconditioning, in y = x / alpha and sigma_t / alpha_t: Karras et al. (2022), eq. 7."""

    def parts(process, x, t):
        alpha, sigma = _levels(process, x, t)
        ratio = sigma / alpha
        c_out = ratio * sigma_data / jnp.sqrt(ratio**2 + sigma_data**2)
        return edm_skip(ratio, sigma_data) * x / alpha, c_out

    def to_x0(process, value, x, t):
        skipped, c_out = parts(process, x, t)
        return skipped + c_out * value

    def of_x0(process, x0, x, t):
        skipped, c_out = parts(process, x, t)
        return (x0 - skipped) / c_out

    return Prediction(to_x0, of_x0)


def predicting(
    prediction: Prediction, process: Gaussian, network: Callable[[Array, Array], Array]
) -> Denoiser:
    """The denoiser of a network that predicts noise, score, v or flow from (x, t)."""

    def denoise(x: Float[Array, "*batch column"], t: Time) -> Float[Array, "*batch column"]:
        t = jnp.asarray(t, x.dtype)
        return prediction.to_x0(process, network(x, t), x, t)

    return denoise


TINY = 1e-12  # a variance of the noise: at 0 what lies nearest is certain


def of_bits(process: Gaussian, logit: Value, x: Value, t: Time, *, low: float) -> Value:
    """E[x_0 | x_t] of bits that are `low` or 1, by Bayes' rule.

    logit   log odds of a 1 given all else, which a network may predict. The bit's own x_t adds the log ratio of two
            normal densities, alpha (1 - low) (x_t - alpha (1 + low) / 2) / sigma^2
    """
    alpha, sigma = _levels(process, x, t)
    evidence = alpha * (1 - low) * (x - alpha * (1 + low) / 2) / jnp.maximum(sigma**2, TINY)
    return low + (1 - low) * jax.nn.sigmoid(logit + evidence)


def of_one_hot(process: Gaussian, logits: Value, x: Value, t: Time, *, low: float) -> Value:
    """The same of a category, the last axis, whose class is 1 and whose others are `low`."""
    alpha, sigma = _levels(process, x, t)
    evidence = alpha * (1 - low) * x / jnp.maximum(sigma**2, TINY)
    return low + (1 - low) * jax.nn.softmax(logits + evidence)


def edm(network: Callable[[Array, Array], Array], *, sigma_data: float) -> Denoiser:
    """The preconditioning of Karras et al. (2022), Table 1 and eq. 7.

        D(x; sigma) = c_skip x + c_out F(c_in x, c_noise)

    network     F: (scaled x, c_noise) -> raw output of x's shape
    sigma_data  standard deviation of the training data, all columns together

    The time is the noise level sigma (the schedule `edm`): a scalar or one per row.
    """

    def denoise(x: Float[Array, "*batch column"], sigma: Time) -> Float[Array, "*batch column"]:
        sigma = jnp.asarray(sigma, x.dtype)
        c_noise = jnp.log(sigma) / 4
        column = sigma[..., None] if sigma.ndim else sigma
        total = column**2 + sigma_data**2
        c_skip = edm_skip(column, sigma_data)
        c_out = column * sigma_data / jnp.sqrt(total)
        c_in = 1 / jnp.sqrt(total)
        return c_skip * x + c_out * network(c_in * x, c_noise)

    return denoise


def edm_skip(sigma: Time, sigma_data: float) -> Array:
    """c_skip of the EDM preconditioning: the share of x that passes by the network."""
    return jnp.asarray(sigma_data**2 / (sigma**2 + sigma_data**2))


def guided(denoise: Denoiser, without: Denoiser, weight: float | Array) -> Denoiser:
    """Classifier-free guidance (Ho and Salimans 2022, eq. 6) on x_0 and on logits: affine in both."""

    def denoise_guided(x, t):
        return jax.tree.map(lambda a, b: b + weight * (a - b), denoise(x, t), without(x, t))

    return denoise_guided


def classifier_guided(
    denoise: Denoiser,
    process: Gaussian,
    log_probability: Callable[[Array, Time], Array],
    weight: float | Array,
) -> Denoiser:
    """Classifier guidance (Dhariwal and Nichol 2021, Algorithm 2): e - w sigma grad log p(y | x_t) stands for the noise
    e, and so x_0 + w sigma^2 / alpha grad log p(y | x_t) for x_0.

    log_probability     (x, t) -> log p(y | x_t), one for each row of x
    weight              1 is Bayes' rule: the denoiser of the records that have y
    """

    def denoise_guided(x: Float[Array, "*batch column"], t: Time) -> Float[Array, "*batch column"]:
        slope = jax.grad(lambda x: jnp.sum(log_probability(x, t)))(x)
        alpha, sigma = _levels(process, x, jnp.asarray(t, x.dtype))
        return denoise(x, t) + weight * sigma**2 / alpha * slope

    return denoise_guided
