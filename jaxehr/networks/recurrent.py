"""The network of TIMEDIFF: a bidirectional recurrent network that is told the time once, behind its layers."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxehr.networks.mlp import Embedding, linear
from jaxehr.networks.recurrence import LSTM, BothWays, Cell
from jaxehr.types import Key, Network


def recurrent(
    features: int,
    *,
    hidden: int,
    layers: int = 3,
    time_width: int = 256,
    embedding: Embedding,
    cell: Cell = LSTM,
) -> Network:
    """Tian et al. (2024) and the authors' RNN, over the steps of a series.

        time         = Linear(GELU(Linear(embedding(t))))
        h            = layers of an LSTM or a GRU that go both ways, from states of 0
        scale, shift = Linear(SiLU(time))                                          # FiLM
        out          = Linear(norm(h) * (1 + scale) + shift)

    apply(params, x, t): x [*batch, step, feature]; t the whole number of the diffusion's step, counted from 0, a
    scalar, which is embedded once for all, or one for each record. Weights begin as PyTorch's do.
    """
    return over_series(_Recurrent(features, hidden, layers, time_width, embedding, cell), features)


def over_series(module: nn.Module, features: int) -> Network:
    """A module of (x [*batch, step, feature], t) as a network."""

    def init(key: Key) -> dict[str, Any]:
        return module.init(key, jnp.zeros((1, 1, features)), jnp.zeros(()))["params"]

    def apply(params, x: Float[Array, "*batch step feature"], t: Float[Array, "..."]) -> Array:
        return jnp.asarray(module.apply({"params": params}, x, t))

    return Network(init, apply)


class _Recurrent(nn.Module):
    features: int
    hidden: int
    layers: int
    time_width: int
    embedding: Embedding
    cell: Cell

    @nn.compact
    def __call__(self, x, t):
        features = self.embedding(jnp.asarray(t, x.dtype))
        inner = nn.gelu(linear(self.time_width, features, "time_0")(features), approximate=False)
        time = nn.silu(linear(self.time_width, inner, "time_1")(inner))
        scale, shift = jnp.split(linear(4 * self.hidden, time, "film")(time), 2, axis=-1)

        h = jnp.moveaxis(x, -2, 0)
        for i in range(self.layers):
            h = BothWays(self.cell, self.hidden, name=f"layer_{i}")(h)
        h = nn.LayerNorm(epsilon=1e-5, use_fast_variance=False, name="norm")(h)
        h = h * (1 + scale) + shift
        return jnp.moveaxis(linear(self.features, h, "head")(h), 0, -2)


def by_step(network: Network, places: Int[np.ndarray, "step feature"], columns: int) -> Network:
    """A network over the steps of a series as one over its rows.

    places  the column that each feature of each step is: of a static one the same at every step, and said is then the
            mean over the steps. What is said of a column without a place is 0
    """

    def apply(params, x: Float[Array, "*batch column"], t: Float[Array, "..."]) -> Array:
        return in_row(network.apply(params, x[..., places], t), places, columns)

    return Network(network.init, apply)


def in_row(
    said: Float[Array, "*batch step feature"], places: Int[np.ndarray, "step feature"], columns: int
) -> Float[Array, "*batch column"]:
    """Of each column the mean over its places; 0 where it has none."""
    often = np.maximum(np.bincount(places.ravel(), minlength=columns), 1).astype(np.float32)
    nothing = jnp.zeros((*said.shape[:-2], columns), said.dtype)
    return nothing.at[..., places].add(said) / often
