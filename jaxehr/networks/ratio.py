"""From all categories of a record to one number: how much likelier it is under one law than under another."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxehr.networks.tokens import Numbers, token_network
from jaxehr.types import Key, Network


def ratio_network(
    classes: Sequence[int], *, width: int, blocks: int, numbers: Numbers | None = None
) -> Network:
    """(params, x) -> a logarithm of a ratio, 0 before it is trained.

    A number for each category that is seen is added up, and what `token_network` makes of all of them.

    classes, numbers    as in `token_network`
    """
    tokens = token_network(classes, outputs=0, width=width, blocks=blocks, rank=1, numbers=numbers)

    def init(key: Key) -> dict[str, Any]:
        said = ("say", "bias", "density", "density_bias")  # what no logit of a class asks for
        params = {name: part for name, part in tokens.init(key).items() if name not in said}
        for name in {"table", "number"} & set(params):
            params[name] = params[name].at[:, width:].set(0.0)
        out = jnp.zeros(width + 1).at[width].set(1.0)
        return params | {"out": out, "out_bias": jnp.zeros(())}

    def apply(params, x: Int[Array, "*batch column"], t: Any = None) -> Float[Array, "*batch"]:
        h = tokens.thought(params, tokens.read(params, x.astype(jnp.int32)))
        return h @ params["out"] + params["out_bias"]

    return Network(init, apply)
