"""Grids are data: falling arrays with known ends."""

import numpy as np
import pytest

from jaxehr.samplers import karras


def test_karras_by_hand():
    """rho = 2 from 9 to 1: square roots fall evenly from 3 to 1."""
    np.testing.assert_allclose(karras(3, sigma_min=1.0, sigma_max=9.0, rho=2.0), [9, 4, 1, 0])


def test_the_grid_of_the_paper():
    grid = karras(32, sigma_min=0.02, sigma_max=80.0)
    assert len(grid) == 33 and grid[-1] == 0
    np.testing.assert_allclose(grid[:3], [80, 68.2711, 58.0482], rtol=1e-5)
    np.testing.assert_allclose(grid[-4:-1], [0.0521, 0.0328, 0.02], rtol=2e-3)


def test_a_grid_may_stop_at_its_lowest_noise():
    assert karras(5, sigma_min=0.1, sigma_max=1.0, last=0.1)[-1] == pytest.approx(0.1)
    assert len(karras(5, sigma_min=0.1, sigma_max=1.0, last=0.1)) == 5


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"n": 3, "sigma_min": 0.0}, {"n": 3, "sigma_max": 1e-3}]
)
def test_a_grid_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="got"):
        karras(**wrong)
