"""What the exponential integrators share."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.samplers.solvers.exponential import phi_1, phi_2, phi_3


@pytest.mark.parametrize(("degree", "phi"), [(0, phi_1), (1, phi_2), (2, phi_3)])
def test_weights_are_the_integrals_that_they_stand_for(degree, phi):
    """h^k phi = integral over [0, h] of e^-(h - u) u^k / k!, by 60 points of Gauss and Legendre."""
    at, weight = np.polynomial.legendre.leggauss(60)
    h = np.array([1e-6, 1e-3, 0.05, 0.19, 0.2, 0.21, 0.5, 0.999, 1.0, 1.5, 4.0])
    u = h[:, None] * (at + 1) / 2
    exact = (np.exp(u - h[:, None]) * (u / h[:, None]) ** degree) @ weight * h / 2
    with jax.enable_x64(True):
        found = phi(jnp.asarray(h))
    np.testing.assert_allclose(found, exact / math.factorial(degree), rtol=1e-13)
    single = phi(jnp.asarray(h, jnp.float32))
    np.testing.assert_allclose(single, exact / math.factorial(degree), rtol=2e-6)
