"""What each step of training draws."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxehr.training.sharding import mesh_of
from jaxehr.training.step import init_state, make_chunk
from jaxehr.types import Model

ROWS = 100_000


def steps_of(loss):
    """The mean losses of 16 steps of 4 rows; the rows are their own numbers."""
    model = Model(lambda key: {"w": jnp.zeros(())}, loss, lambda *a, **k: None, None)
    optimizer = optax.sgd(0.0)
    chunk = make_chunk(model, optimizer, batch_size=4, ema_decay=0.9, mesh=mesh_of())
    state = init_state(model, optimizer, jax.random.key(0))
    _, metrics = chunk(state, jax.random.key(1), jnp.arange(ROWS, dtype=jnp.float32), length=16)
    return np.asarray(metrics.loss)


@pytest.mark.parametrize(
    "loss", [lambda p, key, x0: x0 + 0 * p["w"], lambda p, key, x0: jax.random.uniform(key, (4,)) + 0 * p["w"]],
    ids=["rows", "noise"],
)  # fmt: skip
def test_every_step_has_rows_and_noise_of_its_own(loss):
    """Two of 16 are alike by chance in fewer than 1 of 10,000 runs."""
    assert len(set(steps_of(loss).tolist())) == 16


def test_rows_and_noise_are_of_different_keys():
    """The noise's key would not draw the same rows: were it theirs, every step would."""

    def same(p, key, x0):
        return (jax.random.randint(key, (4,), 0, ROWS) == x0) + 0.0 * p["w"]

    assert steps_of(same).max() == 0
