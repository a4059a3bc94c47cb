"""The published network, counted."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxehr.networks import fourier, mlp, sinusoidal
from jaxehr.recipes.ehrdiff import CODES, TABLE

SIZES = {  # columns, sizes, embedding, trainable parameters as counted in the authors' code
    "MIMIC": (1782, CODES, sinusoidal(1782), 7_486_444),
    "CinC2012": (115, TABLE, fourier(16), 2_978_790),
    "PTB-ECG": (188, TABLE, fourier(16), 3_063_032),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_number_of_parameters(name):
    columns, sizes, embedding, expected = SIZES[name]
    network = mlp(columns, width=sizes.width, time_width=sizes.time_width, embedding=embedding)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    assert sum(np.prod(x.shape, dtype=int) for x in jax.tree.leaves(shapes)) == expected


def test_one_time_for_all_rows_is_that_time_for_each():
    network = mlp(6, width=(8, 8), time_width=4, embedding=fourier(4))
    params = network.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (5, 6))
    one = network.apply(params, x, jnp.array(0.3))
    each = network.apply(params, x, jnp.full(5, 0.3))
    np.testing.assert_allclose(one, each, atol=1e-6)


def test_rows_do_not_mix():
    network = mlp(6, width=(8, 8), time_width=4, embedding=fourier(4))
    params = network.init(jax.random.key(0))
    x, t = jax.random.normal(jax.random.key(1), (5, 6)), jnp.linspace(-1, 1, 5)
    together = network.apply(params, x, t)
    alone = jnp.stack([network.apply(params, x[i], t[i]) for i in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_noise_passes_a_narrow_layer_by_the_skip():
    """The best that a network of rank 4 can say of 20 independent numbers leaves 16 of them: a mean square of 0.8. With
    the skip, which starts as the identity, nothing is left."""
    x = jax.random.normal(jax.random.key(0), (4000, 20))
    for skip, least, most in ((0, 0.75, 2.0), (20, 0.0, 0.01)):
        network = mlp(20, width=(4, 20), time_width=4, embedding=fourier(4), skip=skip)
        params = network.init(jax.random.key(1))
        optimizer = optax.adam(1e-2)

        def loss(params, network=network):
            return jnp.mean((network.apply(params, x, jnp.array(0.5)) - x) ** 2)

        def step(carry, _, loss=loss, optimizer=optimizer):
            params, state = carry
            updates, state = optimizer.update(jax.grad(loss)(params), state)
            return (optax.apply_updates(params, updates), state), None

        trained = jax.jit(lambda p, s, f=step: jax.lax.scan(f, (p, s), length=500)[0][0])
        left = loss(trained(params, optimizer.init(params)))
        assert least < left < most


def test_weights_start_as_pytorchs_do():
    """Uniform in +-1/sqrt(fan in): bounds, and a standard deviation of bound/sqrt(3) within 4 standard errors."""
    network = mlp(400, width=(300,), time_width=4, embedding=fourier(4))
    block = network.init(jax.random.key(0))["block_0"]
    kernel, bound = np.asarray(block["kernel"]), 400**-0.5
    assert np.abs(kernel).max() <= bound and np.abs(block["bias"]).max() <= bound
    assert kernel.std() == pytest.approx(bound / 3**0.5, rel=4 / (2 * kernel.size) ** 0.5)


def test_an_embedding_too_small_is_refused():
    with pytest.raises(ValueError, match="at least 4"):
        sinusoidal(3)
