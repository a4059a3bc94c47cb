"""The published autoencoder, counted."""

import jax
import numpy as np

from jaxehr.networks import tanh_autoencoder


def test_it_has_as_many_parameters_as_the_authors_and_begins_as_theirs():
    params = jax.jit(tanh_autoencoder(625, 144).init)(jax.random.key(0))
    assert sum(x.size for x in jax.tree.leaves(params)) == 180_769
    bound = (6 / (625 + 144)) ** 0.5
    for layer in params.values():
        assert (layer["bias"] == np.float32(0.01)).all()
        kernel = np.abs(layer["kernel"])
        assert 0.999 * bound < kernel.max() <= bound * (1 + 1e-6)
        np.testing.assert_allclose(kernel.mean(), bound / 2, rtol=0.01)
