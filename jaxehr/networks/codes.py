"""A residual network from what is seen of a patient's codes to how many there are, and which comes next."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxehr.networks.tokens import residual_blocks, through_blocks
from jaxehr.types import Key, Network

MOST = 100  # codes left of which each number has a row of its own
FEATURES = 3  # of the number of codes left


class Said(NamedTuple):
    """Logits: of the first hidden code that is there [code], and of the number of codes [code + 1]."""

    first: Array
    number: Array


def code_network(
    codes: int,
    *,
    width: int,
    blocks: int,
    rank: int,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> Network:
    """Reads bits of which some are hidden (-1), and how many are 1 of those (-1 where that is not known): Said.

        [h, s] = sum of a row for each code that is there, one for each that is not + features of how many are left
                 + what it is told (jaxehr.networks.tokens.told)
        h = h + Linear(SiLU(Linear(LayerNorm(h))))          # `blocks` times
        logits = [LayerNorm(h), s] @ O + bias               # O from 0

    start   the biases, of the codes and of their number; 0 by default
    """
    both = width + rank

    def init(key: Key) -> dict[str, Any]:
        k = iter(jax.random.split(key, 2 * blocks + 3))

        biases = (np.zeros(codes), np.zeros(codes + 1)) if start is None else start
        params = {
            "there": 0.4 * jax.random.normal(next(k), (codes, both)),
            "not": jnp.zeros((codes, both)),
            "read": jnp.zeros(both),
            "left": 0.4 * jax.random.normal(next(k), (MOST + 2, both)),
            "many": 0.4 * jax.random.normal(next(k), (FEATURES, both)),
            "first": jnp.zeros((both, codes)),
            "first_bias": jnp.asarray(biases[0], jnp.float32),
            "number": jnp.zeros((both, codes + 1)),
            "number_bias": jnp.asarray(biases[1], jnp.float32),
        }
        return params | residual_blocks(k, width, blocks)

    def apply(
        params: dict[str, Any], x: Int[Array, "*batch code"], left: Int[Array, "*batch"]
    ) -> Said:
        h = _seen(params, x) + params["read"]
        h = h + params["left"][jnp.minimum(left, MOST) + 1] + _many(x, left) @ params["many"]
        h = h + params.get("told", 0.0)
        h, skip = h[..., :width], h[..., width:]
        h = jnp.concatenate([through_blocks(params, h, blocks), skip], axis=-1)
        first = h @ params["first"] + params["first_bias"]
        return Said(first, h @ params["number"] + params["number_bias"])

    return Network(init, apply)


def code_reader(codes: int, outputs: int) -> Network:
    """Reads bits of which some are hidden for another network: the sum of what is seen [..., outputs], 0 at first."""

    def init(key: Key) -> dict[str, Array]:
        return {
            "there": 0.4 * jax.random.normal(key, (codes, outputs)),
            "not": jnp.zeros((codes, outputs)),
        }

    return Network(init, _seen)


def _seen(params: dict[str, Any], x: Int[Array, "*batch code"]) -> Float[Array, "*batch output"]:
    """A row for each code that is there, and one for each that is not."""
    there, absent = ((x == value).astype(jnp.float32) for value in (1, 0))
    return there @ params["there"] + absent @ params["not"]


def _many(x: Array, left: Array) -> Float[Array, "*batch feature"]:
    """How many are left: by itself, of those hidden, and its logarithm; zeros where that is not known."""
    hidden = jnp.maximum((x < 0).sum(-1), 1)
    n = jnp.maximum(left, 0).astype(jnp.float32)
    return jnp.stack([n / 5, 50 * n / hidden, jnp.log1p(n)], axis=-1)
