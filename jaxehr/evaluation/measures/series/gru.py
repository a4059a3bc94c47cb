"""The recurrent network of the judges, trained by one program: every step of every seed in one scan.

It is the cell of the published scores' code (TensorFlow 1): the reset gate is applied before the product with the
state's matrix, as in Cho et al. (2014), and the gates' bias starts at 1. cuDNN's and PyTorch's cell resets after it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from jaxehr.numerics import in_float32
from jaxehr.types import Params

RATE = 1e-3  # of Adam: TensorFlow's own
Loss = Callable[[Params, Any], Float[Array, ""]]  # (params, rows) -> mean over them


class Shape(NamedTuple):
    inputs: int
    hidden: int
    outputs: int


def init(rng: np.random.Generator, shape: Shape, seeds: int) -> dict[str, np.ndarray]:
    """Networks beside each other: matrices by Glorot and Bengio's uniform law; biases 0, but 1 of the gates."""
    d, h, o = shape
    bias = lambda value, columns: np.full((seeds, columns), value, np.float32)

    def glorot(rows: int, columns: int) -> np.ndarray:
        most = np.sqrt(6 / (rows + columns))
        return rng.uniform(-most, most, (seeds, rows, columns)).astype(np.float32)

    return {
        "gates": glorot(d + h, 2 * h),
        "gates_bias": bias(1.0, 2 * h),
        "candidate": glorot(d + h, h),
        "candidate_bias": bias(0.0, h),
        "out": glorot(h, o),
        "out_bias": bias(0.0, o),
    }


def states(params: Params, x: Float[Array, "n step d"]) -> Float[Array, "n step h"]:
    """The state after each step, from a first one of zeros. What inputs add is one product for all steps."""
    d, h = x.shape[-1], params["candidate"].shape[1]
    x = jnp.swapaxes(x, 0, 1)
    to_gates = x @ params["gates"][:d] + params["gates_bias"]
    to_candidate = x @ params["candidate"][:d] + params["candidate_bias"]

    def step(state, from_x):
        reset, update = jnp.split(jax.nn.sigmoid(from_x[0] + state @ params["gates"][d:]), 2, -1)
        candidate = jnp.tanh(from_x[1] + (reset * state) @ params["candidate"][d:])
        state = update * state + (1 - update) * candidate
        return state, state

    start = jnp.zeros((x.shape[1], h))
    return jnp.swapaxes(jax.lax.scan(step, start, (to_gates, to_candidate))[1], 0, 1)


def each_step(params: Params, x: Float[Array, "n step d"]) -> Float[Array, "n step o"]:
    return states(params, x) @ params["out"] + params["out_bias"]


def last_step(
    params: Params, x: Float[Array, "n step d"], lengths: Int[Array, "n"]
) -> Float[Array, "n o"]:
    """From the state at each row's own end."""
    ends = jnp.take_along_axis(states(params, x), lengths[:, None, None] - 1, axis=1)[:, 0]
    return ends @ params["out"] + params["out_bias"]


@in_float32
def trained(
    loss: Loss, params: Params, data: Any, order: Int[np.ndarray, "seed iteration row"]
) -> Params:
    """Networks beside each other, each from its own first parameters and by its own batches, by Adam at 1e-3.

    data    arrays with a row per patient
    order   the rows of each batch
    """
    return _trained(loss, params, data, order)


@partial(jax.jit, static_argnames="loss")
def _trained(loss: Loss, params: Params, data: Any, order: Array) -> Params:
    adam = optax.adam(RATE)

    def one(params, order):
        def step(carry, rows):
            params, state = carry
            batch = jax.tree.map(lambda part: part[rows], data)
            gradient = jax.grad(loss)(params, batch)
            updates, state = adam.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, adam.init(params)), order)[0][0]

    return jax.vmap(one)(params, order)


def batches(
    rng: np.random.Generator, rows: Int[np.ndarray, "n"], iterations: int, batch: int
) -> Int[np.ndarray, "iteration row"]:
    """Of each iteration, drawn afresh: no row twice within a batch."""
    size = min(batch, len(rows))
    chosen = [rng.choice(len(rows), size, replace=False) for _ in range(iterations)]
    return rows[np.stack(chosen)]
