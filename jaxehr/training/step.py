"""One training step, pure; and many of them in one dispatch.

Everything random is a function of (key, step): which rows, which noise levels, which noise. There is no iterator
to lose, so a resumed run equals an unbroken one bit for bit on the same devices.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, PyTree

from jaxehr.numerics import seeded
from jaxehr.training.packed import unpacked
from jaxehr.training.sharding import by_row, replicated, spread
from jaxehr.types import Key, Model, Params, X


class State(NamedTuple):
    """All that a run is made of between two steps."""

    params: Params
    ema: Params  # the running average of params: what is sampled from
    opt_state: PyTree
    step: Int[Array, ""]


class Metrics(NamedTuple):
    """finite says whether the step was taken."""

    loss: Float[Array, "..."]
    grad_norm: Float[Array, "..."]
    finite: Bool[Array, "..."]


def init_state(model: Model, optimizer: optax.GradientTransformation, key: Key) -> State:
    params = model.init(key)
    ema = jax.tree.map(jnp.copy, params)
    return State(params, ema, optimizer.init(params), jnp.zeros((), jnp.int32))


def state_shapes(model: Model, optimizer: optax.GradientTransformation, mesh: Mesh) -> State:
    """The shapes of a state, and where each of its arrays lies."""
    shapes = jax.eval_shape(partial(init_state, model, optimizer), seeded(0))
    return jax.tree.map(
        lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
        shapes,
        spread(shapes, mesh),
    )


def train_step(
    state: State,
    key: Key,
    x0: X,
    *,
    model: Model,
    optimizer: optax.GradientTransformation,
    ema_decay: float,
) -> tuple[State, Metrics]:
    """One gradient step on a batch; of one whose loss, gradient or update is not finite only the step is counted.

    The average starts quickly: at update n its decay is min(ema_decay, (1 + n) / (10 + n)).
    """

    def mean_loss(params):
        return jnp.mean(model.loss(params, key, x0))

    loss, gradient = jax.value_and_grad(mean_loss)(state.params)
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)

    n = state.step + 1
    decay = jnp.minimum(ema_decay, (1 + n) / (10 + n))
    ema = optax.incremental_update(params, state.ema, 1 - decay)

    norm = optax.tree.norm(gradient)
    finite = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.isfinite(optax.tree.norm(updates))
    taken, left = (params, ema, opt_state), (state.params, state.ema, state.opt_state)
    params, ema, opt_state = jax.tree.map(lambda new, old: jnp.where(finite, new, old), taken, left)
    return State(params, ema, opt_state, n), Metrics(loss, norm, finite)


def batch_at(key: Key, table: X, batch_size: int) -> X:
    """Rows drawn with replacement."""
    return rows_at(table, jax.random.randint(key, (batch_size,), 0, rows_of(table)))


def rows_at(table: X, rows: Int[Array, "batch"]) -> X:
    """Rows of each part of the table, in the dtype they lie there; packed bits are int8."""
    return unpacked(jax.tree.map(lambda part: part[rows], table))


def rows_of(table: X) -> int:
    """The number of rows of a table or a tree of tables."""
    return jax.tree.leaves(table)[0].shape[0]


def make_chunk(
    model: Model,
    optimizer: optax.GradientTransformation,
    *,
    batch_size: int,
    ema_decay: float,
    mesh: Mesh,
) -> Callable[..., tuple[State, Metrics]]:
    """chunk(state, key, table, length=K): K steps in one dispatch; metrics are per step.

    The state's buffers are donated, and stay where `state_shapes` says; the table is whole on each device.
    """
    places = jax.tree.map(lambda x: x.sharding, state_shapes(model, optimizer, mesh))
    kept = places, replicated(mesh)

    def body(key, table, state, _):
        rows, noise = jax.random.split(jax.random.fold_in(key, state.step))
        x0 = jax.lax.with_sharding_constraint(batch_at(rows, table, batch_size), by_row(mesh))
        return train_step(state, noise, x0, model=model, optimizer=optimizer, ema_decay=ema_decay)

    @partial(jax.jit, static_argnames="length", donate_argnums=0, out_shardings=kept)
    def chunk(state, key, table, *, length):
        return jax.lax.scan(partial(body, key, table), state, None, length=length)

    return chunk
