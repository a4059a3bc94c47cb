"""The published network, counted; and what both U-Nets do with rows, times and labels."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.networks import unet_1d, unet_2d
from jaxehr.networks.convolution import GroupNorm
from jaxehr.networks.unet import square_side

SMALL = {"channels": 8, "multipliers": (1, 2), "blocks": 1}
NETWORKS = {"square": (unet_2d(14, **SMALL), 14), "line": (unet_1d(9, classes=2, **SMALL), 9)}


def at_random(network, seed=1):
    """Parameters none of which is 0 or 1, as many begin, so that an error shows."""
    shapes, tree = jax.tree.flatten(jax.eval_shape(network.init, jax.random.key(0)))
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(tree, [0.4 * rng.normal(size=x.shape).astype("f") for x in shapes])


@pytest.fixture(scope="module", params=NETWORKS)
def case(request):
    """(apply with its parameters, x with a row more than it has columns, a time for each row)"""
    network, columns = NETWORKS[request.param]
    params, rows = at_random(network), columns + 1
    x = np.random.default_rng(0).normal(size=(rows, columns)).astype("f")
    return (
        jax.jit(lambda x, t: network.apply(params, x, t)),
        x,
        np.linspace(0.1, 1, rows).astype("f"),
    )


@pytest.mark.parametrize(
    ("latent", "expected"), [(64, 24_515_585), (144, 24_515_585), (256, 24_847_105)]
)
def test_the_number_of_parameters_is_as_in_the_authors_code(latent, expected):
    shapes = jax.eval_shape(unet_2d(latent).init, jax.random.key(0))
    assert sum(np.prod(x.shape, dtype=int) for x in jax.tree.leaves(shapes)) == expected


@pytest.fixture(scope="module")
def begun():
    """A network of one narrow level, and how it begins."""
    network = unet_2d(16, channels=16, multipliers=(1,), blocks=0)
    return network, jax.jit(network.init)(jax.random.key(0))


def test_weights_begin_as_the_authors_do(begun):
    """Uniform in +-sqrt(3 / fan out), next to nothing where a layer is to begin at 0. Of 4,608 draws the largest is
    within 0.2% of the bound but in 1 of 10,000; the mean is within 4 standard errors."""
    params, bound = begun[1], (3 / (9 * 16)) ** 0.5
    kernel = np.asarray(params["up_0_0"]["conv_0"]["kernel"])
    assert kernel.shape == (3, 3, 32, 16) and 0.998 * bound < np.abs(kernel).max() <= bound
    assert abs(kernel.mean()) < 4 * bound / 3**0.5 / kernel.size**0.5
    assert 0 < np.abs(params["up_0_0"]["conv_1"]["kernel"]).max() < 1e-5
    middle = (params[f"middle_{i}"]["conv_0"]["kernel"] for i in range(2))
    assert not np.allclose(*middle)


def test_it_begins_at_nothing_so_that_the_loss_is_the_number_of_columns(begun):
    """|sqrt(v) s + eps|^2 is chi-squared with 16 degrees of freedom where s is 0: 5 standard errors, 1 in a million.

    Whatever its width: the last layer begins at about 0.
    """
    network, params = begun
    eps = jax.random.normal(jax.random.key(1), (256, 16))
    said = jax.jit(network.apply)(params, eps, jnp.linspace(1e-3, 1, 256))
    assert jnp.abs(said).max() < 1e-3
    assert abs(float(jnp.square(said + eps).sum(-1).mean()) - 16) < 5 * (2 * 16 / 256) ** 0.5


def test_one_record_alone_at_one_time_for_all_is_as_among_others(case):
    apply, x, t = case
    together = apply(x, np.full_like(t, 0.3))
    np.testing.assert_allclose(jax.vmap(lambda row: apply(row, 0.3))(x), together, atol=1e-4)


def test_rows_do_not_mix(case):
    apply, x, t = case
    other = x.copy()
    other[2:] += 1
    np.testing.assert_allclose(apply(other, t)[:2], apply(x, t)[:2], atol=1e-5)


def test_the_time_and_every_column_are_read(case):
    apply, x, t = case
    assert np.abs(apply(x, t) - apply(x, t / 2)).max(-1).min() > 1e-3
    moved = np.repeat(x[:1], len(x), 0)  # the last row is left as it is, of each other one column
    moved[:-1] += np.eye(x.shape[1], dtype="f")
    apart = apply(moved, np.full_like(t, 0.3))
    change = np.abs(apart[:-1] - apart[-1])
    assert change.max(1).min() > 1e-3  # each column of the input somewhere
    assert change.max(0).min() > 1e-3  # each of the output by something


def test_a_label_that_is_not_said_has_an_embedding_of_its_own():
    network, columns = NETWORKS["line"]
    params, x = at_random(network), jnp.ones((3, columns))
    apply = jax.jit(lambda label=None: network.apply(params, x, jnp.array(0.5), label))
    said = apply(jnp.array([0, 1, -1]))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(said[i] - said[j]).max() > 1e-3
    np.testing.assert_allclose(apply()[0], said[2], atol=1e-4)


@pytest.mark.parametrize(("space", "groups"), [((9,), 1), ((4, 3), 3), ((4, 3), 6)])
def test_the_norm_is_flaxs_far_from_0_too(space, groups):
    """And its gradient. Each record's channels lie around 100 with a spread of 1, to float32's rounding of that."""
    rng = np.random.default_rng(0)
    x, weight = rng.normal(100, size=(2, *space, 6)), rng.normal(size=(2, *space, 6))
    params = {"scale": jnp.linspace(1, 2, 6), "bias": jnp.linspace(-1, 1, 6)}

    def found(norm):
        return jax.value_and_grad(
            lambda x, p: jnp.sum(norm.apply({"params": p}, x) * weight), (0, 1)
        )(jnp.asarray(x, "f"), params)

    theirs = found(nn.GroupNorm(groups, epsilon=1e-6, use_fast_variance=False))
    for a, b in zip(*map(jax.tree.leaves, (found(GroupNorm(groups)), theirs)), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_columns_go_into_the_next_square_that_can_be_halved():
    sides = {1: 4, 16: 4, 17: 8, 64: 8, 144: 12, 145: 16, 784: 28, 902: 32}
    assert {n: square_side(n, 3) for n in sides} == sides
    assert square_side(10, 1) == 4 and square_side(9, 1) == 3


def test_channels_that_do_not_go_into_the_groups_are_refused():
    """And the nearest that do are named: they are taken."""
    for channels in range(1, 200):
        try:
            unet_2d(64, channels=channels)
        except ValueError as error:
            nearest = int(str(error).rpartition(": ")[2])
            assert f"got {channels}, the nearest" in str(error) and abs(nearest - channels) <= 16
            unet_2d(64, channels=nearest)
            assert channels % (4 if channels < 128 else 32)
    with pytest.raises(ValueError, match=r"channels must be a multiple of 32.*got 130.*: 128$"):
        unet_2d(64, channels=130)
