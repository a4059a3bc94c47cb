"""Grids of times, falling from noise to data. A grid is data: any falling array will do.

They are NumPy arrays on purpose: a grid that is closed over compiles to a program a third of the size.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxehr.processes.gaussian import Gaussian


def karras(
    n: int,
    *,
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
    rho: float = 7.0,
    last: float = 0.0,
) -> Float[np.ndarray, "point"]:
    """Noise levels of Karras et al. (2022), eq. 5, falling, with a last 0.

    n       number of steps; the grid has n + 1 points
    rho     7 spends most steps at low noise; 1 is uniform
    last    the final point; `sigma_min` itself where a draw is to stop there (n - 1 steps)
    Raises ValueError if n < 1 or not 0 < sigma_min < sigma_max.
    """
    if n < 1:
        raise ValueError(f"a grid needs at least 1 step; got n = {n}")
    if not 0 < sigma_min < sigma_max:
        raise ValueError(
            f"noise levels must satisfy 0 < sigma_min < sigma_max; got {sigma_min} and {sigma_max}"
        )
    ramp = np.linspace(0, 1, n)
    sigma = (
        sigma_max ** (1 / rho) + ramp * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))
    ) ** rho
    return np.append(sigma, last) if last < sigma_min else sigma


def uniform(n: int, *, first: float = 1.0, last: float = 0.0) -> Float[np.ndarray, "point"]:
    """n equal steps of time from `first` to `last`. Raises ValueError if n < 1 or not 0 <= last < first."""
    return first + _ramp(n, first, last) * (last - first)


def quadratic(n: int, *, first: float = 1.0, last: float = 0.0) -> Float[np.ndarray, "point"]:
    """Times whose roots are equally spaced, so that steps shrink towards the data (Song, Meng, Ermon 2021, D.2)."""
    return (first**0.5 + _ramp(n, first, last) * (last**0.5 - first**0.5)) ** 2


def cosine_steps(n: int, *, first: float = 1.0, last: float = 0.0) -> Float[np.ndarray, "point"]:
    """A quarter of a cosine: the steps are longest at `first` and vanish at `last`."""
    return last + (first - last) * (1 - np.sin(_ramp(n, first, last) * np.pi / 2))


def geometric(
    n: int, *, first: float, last: float, to_data: bool = False
) -> Float[np.ndarray, "point"]:
    """Times in a constant ratio: NCSN's levels (Song and Ermon 2019) and, for EDM, equal steps of log-SNR.

    to_data     append a last 0, the denoising step; the grid then has n + 2 points
    Raises ValueError if n < 1 or not 0 < last < first.
    """
    if not last > 0:
        raise ValueError(f"a geometric grid ends above 0; got last = {last}")
    grid = first * (last / first) ** _ramp(n, first, last)
    return np.append(grid, 0.0) if to_data else grid


def log_snr(n: int, process: Gaussian, *, first: float, last: float) -> Float[np.ndarray, "point"]:
    """Times at which log (alpha / sigma) falls in equal steps, from time `first` to time `last` > 0 of any process."""
    with jax.ensure_compile_time_eval():
        ratio = [float(process.sigma(t) / process.alpha(t)) for t in (first, last)]
        times = process.schedule.time_of(jnp.asarray(geometric(n, first=ratio[0], last=ratio[1])))
        grid = np.array(times, float)
    grid[0], grid[-1] = first, last
    return grid


def _ramp(n: int, first: float, last: float) -> Float[np.ndarray, "point"]:
    if n < 1:
        raise ValueError(f"a grid needs at least 1 step; got n = {n}")
    if not 0 <= last < first:
        raise ValueError(f"times must satisfy 0 <= last < first; got {first} and {last}")
    return np.linspace(0, 1, n + 1)
