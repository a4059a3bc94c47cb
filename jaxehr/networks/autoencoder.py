"""The autoencoder of medGAN and ScoEHR: one layer to a code in (-1, 1), one back."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxehr.types import Key, Params


class Autoencoder(NamedTuple):
    """encode    (params, x [*batch, column]) -> the code [*batch, latent]
    decode      (params, code) -> x before the sigmoid, the log odds of a column that is a bit
    """

    init: Callable[[Key], Params]
    encode: Callable[[Params, Array], Array]
    decode: Callable[[Params, Array], Array]


def tanh_autoencoder(columns: int, latent: int) -> Autoencoder:
    """tanh(Linear(x)) and Linear(code), which a sigmoid brings to (0, 1): Naseer et al. (2023), the authors' start.

    Weights begin uniform in +-sqrt(6 / (fan in + fan out)), biases at 0.01.
    """

    def layer(width: int) -> nn.Dense:
        return nn.Dense(
            width,
            kernel_init=nn.initializers.xavier_uniform(),
            bias_init=nn.initializers.constant(0.01),
        )

    encoder, decoder = layer(latent), layer(columns)

    def init(key: Key) -> dict[str, Any]:
        encoder_key, decoder_key = jax.random.split(key)
        return {
            "encoder": encoder.init(encoder_key, jnp.zeros((1, columns)))["params"],
            "decoder": decoder.init(decoder_key, jnp.zeros((1, latent)))["params"],
        }

    def encode(params, x: Float[Array, "*batch column"]) -> Float[Array, "*batch latent"]:
        return jnp.tanh(jnp.asarray(encoder.apply({"params": params["encoder"]}, x)))

    def decode(params, code: Float[Array, "*batch latent"]) -> Float[Array, "*batch column"]:
        return jnp.asarray(decoder.apply({"params": params["decoder"]}, code))

    return Autoencoder(init, encode, decode)
