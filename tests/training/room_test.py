"""A network that its machine cannot hold is refused before any of it is made."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxehr import machine
from jaxehr.training import train
from jaxehr.training.room import check_room, held, least
from jaxehr.training.step import State
from jaxehr.types import Model


def state(parameters):
    shape = jax.ShapeDtypeStruct((parameters,), jnp.float32)
    return State(shape, shape, (shape, shape), jax.ShapeDtypeStruct((), jnp.int32))


def test_what_the_machine_holds_is_let_by_and_no_more():
    """Adam's state is four times the parameters, which are there twice while a step is timed, beside the gradient."""
    table, (device, *_) = np.zeros((1024, 1024), np.float32), jax.devices("cpu")
    assert held(table) == table.nbytes
    room = (machine.memory() - table.nbytes) // (9 * 4)

    def check(parameters, devices):
        shapes = state(parameters)
        check_room("denoiser", shapes.params, least(shapes, table), devices)

    check(room - 1, [device])
    with pytest.raises(ValueError, match=r"denoiser: .* parameters take .* GiB .*smaller --length"):
        check(room + 1, [device])
    check(room // 2 - 2**20, [device, device])
    with pytest.raises(ValueError, match="this machine has"):
        check(room // 2 + 2**20, [device, device])


def test_training_asks_first():
    model = Model(lambda key: jnp.zeros(2**42), lambda *_: jnp.zeros(1), lambda *_: None)
    with pytest.raises(ValueError, match=r"model: 4,398,046,511,104 parameters take .* GiB"):
        train(model, optax.adam(1e-3), np.zeros((8, 2)), jax.random.key(0), steps=1, batch_size=4)


def test_a_step_that_takes_more_than_its_state_is_not_begun():
    """A loss over [2^22, batch, 2^20] of a few parameters: 64 TiB at once."""

    def loss(params, key, x0):
        return (
            jnp.ones((2**22, 4, 2**20)) * jax.random.normal(key, (2**22, 4, 2**20)) * params
        ).std(axis=(0, 2))

    model = Model(lambda key: jnp.ones(()), loss, lambda *_: None)
    with pytest.raises(ValueError, match=r"model: 1 parameters take .* GiB while they are trained"):
        train(model, optax.adam(1e-3), np.zeros((8, 2)), jax.random.key(0), steps=1, batch_size=4)
