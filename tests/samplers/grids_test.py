"""Grids are data: falling arrays with known ends."""

import numpy as np
import pytest

from jaxehr.processes import Gaussian, vp
from jaxehr.samplers import cosine_steps, geometric, karras, log_snr, quadratic, uniform


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


@pytest.mark.parametrize("grid", [uniform, quadratic, cosine_steps])
def test_times_fall_from_end_to_end(grid):
    times = grid(10, first=1.0, last=0.1)
    assert len(times) == 11 and (np.diff(times) < 0).all()
    np.testing.assert_allclose(times[[0, -1]], [1.0, 0.1], atol=1e-15)
    with pytest.raises(ValueError, match="got n = 0"):
        grid(0)
    with pytest.raises(ValueError, match="0 <= last < first"):
        grid(5, first=0.1, last=1.0)


def test_levels_in_a_constant_ratio():
    grid = geometric(4, first=16.0, last=1.0)
    np.testing.assert_allclose(grid, [16, 8, 4, 2, 1])
    np.testing.assert_allclose(geometric(2, first=4.0, last=1.0, to_data=True), [4, 2, 1, 0])
    with pytest.raises(ValueError, match="ends above 0"):
        geometric(4, first=1.0, last=0.0)


def test_equal_steps_of_log_snr_on_any_process():
    process = Gaussian(vp())
    grid = log_snr(8, process, first=1.0, last=0.01)
    steps = np.diff(np.log(np.asarray(process.alpha(grid) / process.sigma(grid))))
    np.testing.assert_allclose(steps, steps.mean(), rtol=2e-3)
    assert grid[0] == 1.0 and grid[-1] == 0.01
