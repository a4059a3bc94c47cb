"""The published network, counted; how it begins; and what it does with rows, times and lengths."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.networks import series_unet, whole_steps

NETWORK = series_unet(3, width=8, levels=1, time_features=4)


@pytest.fixture(scope="module")
def begun():
    return jax.jit(NETWORK.init)(jax.random.key(0))


@pytest.fixture(scope="module")
def case(begun):
    """(apply, x, t): a record of seven steps, which leave a rest when they are halved; the same with one entry moved,
    each in turn; and at other times."""
    x = jax.random.normal(jax.random.key(1), (7, 3))
    moved = x + jnp.eye(21).reshape(21, 7, 3)
    t = jnp.zeros(24).at[22:].set(jnp.array([3.0, 499.0]))
    return (
        jax.jit(lambda x, t: NETWORK.apply(begun, x, t)),
        jnp.concatenate([x[None], moved, jnp.stack([x, x])]),
        t,
    )


def test_the_number_of_parameters_is_as_in_the_authors_code():
    network = series_unet(9, width=16, time_features=12)
    shapes = jax.tree.leaves(jax.eval_shape(network.init, jax.random.key(0)))
    assert sum(np.prod(x.shape, dtype=int) for x in shapes) == 31_241


def test_weights_and_biases_begin_as_pytorchs_do(begun):
    """Uniform in +-1/sqrt(fan in). Of 256 draws the largest is within 4% of it but in 1 of 30,000; the mean is within
    4 standard errors."""
    for name, fan_in in (("halved_0", 4 * 8), ("middle_time_0", 4), ("in_0", 3)):
        layer = jax.tree.map(np.asarray, begun[name])
        assert all(np.abs(layer[part]).max() <= fan_in**-0.5 for part in ("kernel", "bias"))
        assert layer["bias"].std() > 0.2 * fan_in**-0.5
    kernel = np.asarray(begun["halved_0"]["kernel"])
    assert np.abs(kernel).max() > 0.96 * 32**-0.5
    assert abs(kernel.mean()) < 4 * 32**-0.5 / 3**0.5 / kernel.size**0.5
    norm = begun["down_0"]["norm_0"]
    assert (norm["scale"] == 1).all() and (norm["bias"] == 0).all()


def test_rows_do_not_mix_and_one_alone_is_as_among_others(case):
    apply, x, t = case
    together = apply(x, t)
    np.testing.assert_allclose(apply(x[::-1], t[::-1]), together[::-1], atol=1e-5)
    np.testing.assert_allclose(jax.jit(jax.vmap(apply))(x, t), together, atol=1e-5)


def test_the_time_and_every_step_and_column_are_read(case):
    apply, x, t = case
    said = np.asarray(apply(x, t)).reshape(24, 21)
    change = np.abs(said - said[0])
    assert change[22:].max(1).min() > 1e-3  # of the times
    assert change[1:22].max(1).min() > 1e-3  # of each entry of the input somewhere
    assert change[1:22].max(0).min() > 1e-3  # each of the output by something


def test_lengths_that_can_be_halved():
    assert [whole_steps(n) for n in (1, 8, 9, 60, 100)] == [8, 8, 16, 64, 104]
    assert whole_steps(5, levels=1) == 6


def test_a_width_that_does_not_go_into_the_groups_is_refused():
    with pytest.raises(ValueError, match=r"width must be a multiple of 8.*got 20"):
        series_unet(3, width=20)
