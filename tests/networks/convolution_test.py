"""Convolutions against the sum that they are, and their derivatives against JAX's own."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxehr.networks.convolution as module
from jaxehr.networks.convolution import FAST, _convolved, convolution, doubled

CASES = [((8,), 1), ((8,), 2), ((4, 6), 1), ((4, 6), 2)]


def around(space):
    return ((1, 1),) * len(space)


def arrays(space):
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.normal(keys[0], (3, *space, 2))
    return x, jax.random.normal(keys[1], ((3,) * len(space) + (2, 5)))


@pytest.mark.parametrize(("space", "stride"), CASES)
def test_each_place_is_the_sum_over_its_neighbours(space, stride):
    x, kernel = (np.asarray(a, np.float64) for a in arrays(space))
    padded = np.pad(x, [(0, 0), *((1, 1) for _ in space), (0, 0)])
    expected = 0.0
    for tap in itertools.product(range(3), repeat=len(space)):
        at = tuple(slice(i, i + n, stride) for i, n in zip(tap, space, strict=True))
        expected = expected + padded[(slice(None), *at)] @ kernel[tap]
    found = convolution(jnp.asarray(x), jnp.asarray(kernel), stride, around(space))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("space", "stride"), CASES)
def test_derivatives_are_those_of_the_plain_convolution(space, stride):
    """Gradients, derivatives along a direction, and the gradient of each record by itself."""
    x, kernel = arrays(space)

    def loss(how):
        return lambda x, kernel: jnp.sum(jnp.sin(how(x, kernel)))

    ours = loss(lambda x, kernel: convolution(x, kernel, stride, around(space)))
    plain = loss(lambda x, kernel: _convolved(x, kernel, stride, around(space), FAST))
    for a, b in zip(*(jax.grad(f, (0, 1))(x, kernel) for f in (ours, plain)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    tangents = (jnp.cos(x), jnp.cos(kernel))
    along = (jax.jvp(f, (x, kernel), tangents)[1] for f in (ours, plain))
    np.testing.assert_allclose(*along, rtol=1e-4)
    each = jax.vmap(jax.grad(ours, 1), (0, None))(x[:, None], kernel)
    np.testing.assert_allclose(each.sum(0), jax.grad(plain, 1)(x, kernel), atol=1e-5)


@pytest.mark.parametrize(("space", "stride"), CASES)
def test_a_kernels_gradient_is_the_sum_over_parts_of_the_batch(space, stride, monkeypatch):
    """Two of the three records, and the third with one of zeros; a derivative along a direction so too."""
    x, kernel = arrays(space)

    def found(places):
        monkeypatch.setattr(module, "PLACES", places)
        f = lambda kernel: jnp.sin(convolution(x, kernel, stride, around(space)))
        along = jax.jvp(f, (kernel,), (jnp.cos(kernel),))[1]
        return jax.grad(lambda kernel: jnp.sum(f(kernel)))(kernel), along, len(module._parts(x))

    (*whole, one), (*parts, two) = found(1_000), found(2 * x[0, ..., 0].size)
    assert (one, two) == (1, 2)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("space", [(5,), (4, 3)])
def test_doubled_places_are_those_of_a_convolution_of_each_twice(space):
    """And so are their gradients."""
    x, kernel = arrays(space)

    def plain(x, kernel):
        for axis in range(1, x.ndim - 1):
            x = jnp.repeat(x, 2, axis)
        return convolution(x, kernel, 1, around(space))

    np.testing.assert_allclose(doubled(x, kernel), plain(x, kernel), atol=1e-5)
    gradients = (
        jax.grad(lambda *a, how=how: jnp.sum(jnp.sin(how(*a))), (0, 1))(x, kernel)
        for how in (doubled, plain)
    )
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
