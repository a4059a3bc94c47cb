"""Grids of times, falling from noise to data. A grid is data: any falling array will do.

They are NumPy arrays on purpose: a grid that is closed over compiles to a program a third of the size.
"""

import numpy as np
from jaxtyping import Float


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
