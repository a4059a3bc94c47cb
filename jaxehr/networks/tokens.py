"""A residual network from partly hidden categories to the logits of all."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxehr.networks.mlp import linear
from jaxehr.types import Key, Network


def token_network(
    classes: Sequence[int],
    *,
    outputs: int | None = None,
    width: int,
    blocks: int,
    embedding: int = 16,
    start: np.ndarray | None = None,
) -> Network:
    """Reads categories of which some are hidden (-1), and gives the logits of all classes in one row.

        h = Linear([embedding of each category; value and mask of each bit])
        h = h + Linear(SiLU(Linear(LayerNorm(h))))          # `blocks` times
        logits = Linear(LayerNorm(h)) + bias                # from 0; the bias starts at `start`

    classes     of each column; those of two are bits
    outputs     length of that row; by default the classes of all columns, without padding
    start       log-frequencies in that row: an untrained network draws each column from its own distribution

    No time goes in: what is hidden says it all (Ou et al. 2024).
    """
    outputs = outputs or sum(classes)
    module = _Tokens(tuple(classes), outputs, width, blocks, embedding)

    def init(key: Key) -> dict[str, Any]:
        params = module.init(key, jnp.zeros((1, len(classes)), jnp.int32))["params"]
        bias = jnp.zeros(outputs) if start is None else jnp.asarray(start, jnp.float32)
        return {**params, "log_frequency": bias}

    def apply(
        params, x: Int[Array, "*batch column"], t: Float[Array, "..."] | None = None
    ) -> Float[Array, "*batch class"]:
        rest = {name: value for name, value in params.items() if name != "log_frequency"}
        return jnp.asarray(module.apply({"params": rest}, x)) + params["log_frequency"]

    return Network(init, apply)


class _Tokens(nn.Module):
    classes: tuple[int, ...]
    outputs: int
    width: int
    blocks: int
    embedding: int

    @nn.compact
    def __call__(self, x):
        classes = np.array(self.classes)
        bits, others = np.flatnonzero(classes == 2), np.flatnonzero(classes != 2)
        inputs = []
        if len(bits):
            seen = (x[..., bits] >= 0).astype(jnp.float32)
            inputs += [x[..., bits] * seen, seen]
        if len(others):
            # One table for all columns; each has a row more, for the hidden category.
            first = np.cumsum([0, *(classes[others] + 1)])
            table = nn.Embed(int(first[-1]), self.embedding, name="embedding")
            rows = x[..., others].astype(jnp.int32) + 1 + first[:-1]
            found = table(rows)
            inputs.append(found.reshape(*found.shape[:-2], -1))
        seen_of_all = jnp.concatenate(inputs, axis=-1)
        h = linear(self.width, seen_of_all, "read")(seen_of_all)
        for i in range(self.blocks):
            u = nn.LayerNorm(name=f"norm_{i}")(h)
            u = nn.silu(linear(self.width, u, f"in_{i}")(u))
            h = h + linear(self.width, u, f"out_{i}")(u)
        h = nn.LayerNorm(name="norm")(h)
        logits = nn.Dense(
            self.outputs,
            use_bias=False,
            kernel_init=nn.initializers.zeros_init(),
            name="logits",
        )
        return logits(h)
