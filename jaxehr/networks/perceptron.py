"""Networks without a time: the plain perceptron, and medGAN's generator."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxehr.types import Key, Network


def perceptron(
    inputs: int,
    outputs: int,
    *,
    width: tuple[int, ...] = (),
    activation: Callable[[Array], Array] = jax.nn.relu,
) -> Network:
    """Linear layers with `activation` between them: apply(params, x) -> [*batch, outputs]."""
    module = _Perceptron((*width, outputs), activation)

    def init(key: Key) -> dict[str, Any]:
        return module.init(key, jnp.zeros((1, inputs)))["params"]

    def apply(params, x: Float[Array, "*batch column"]) -> Array:
        return jnp.asarray(module.apply({"params": params}, x))

    return Network(init, apply)


class _Perceptron(nn.Module):
    width: tuple[int, ...]
    activation: Callable

    @nn.compact
    def __call__(self, x):
        for i, width in enumerate(self.width):
            x = nn.Dense(width, name=f"layer_{i}")(x if i == 0 else self.activation(x))
        return x


def residual_generator(latent: int, *, blocks: int = 2) -> Network:
    """medGAN's generator (Choi et al. 2017, section 3.3): z -> a code of the autoencoder, as wide as z.

        block = ReLU(norm(W x)) + x, and tanh in the last

    The norm is of a layer (theirs: of a batch), so that a patient's draw does not depend on the others drawn with it.
    """
    module = _Residual(blocks)

    def init(key: Key) -> dict[str, Any]:
        return module.init(key, jnp.zeros((1, latent)))["params"]

    def apply(params, z: Float[Array, "*batch feature"]) -> Array:
        return jnp.asarray(module.apply({"params": params}, z))

    return Network(init, apply)


class _Residual(nn.Module):
    blocks: int

    @nn.compact
    def __call__(self, x):
        for i in range(self.blocks):
            h = nn.LayerNorm(name=f"norm_{i}")(nn.Dense(x.shape[-1], name=f"layer_{i}")(x))
            x = x + (nn.tanh(h) if i == self.blocks - 1 else nn.relu(h))
        return x
