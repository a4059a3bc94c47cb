"""From what a network predicts to what samplers and losses read: the clean data."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxehr.types import Denoiser, Time


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
