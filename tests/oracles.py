"""Problems whose answer is known in closed form."""

from typing import NamedTuple

import jax.numpy as jnp


class GaussianData(NamedTuple):
    """Independent columns N(mean, std^2)."""

    mean: jnp.ndarray
    std: jnp.ndarray

    def denoiser(self, process):
        """E[x_0 | x_t]."""

        def denoise(x, t):
            alpha, sigma = process.alpha(t), process.sigma(t)
            total = alpha**2 * self.std**2 + sigma**2
            return self.mean + alpha * self.std**2 / total * (x - alpha * self.mean)

        return denoise

    def flow(self, process, x, t, s):
        """Where the probability flow takes x from time t to time s."""

        def spread(t):
            return jnp.sqrt(process.alpha(t) ** 2 * self.std**2 + process.sigma(t) ** 2)

        z = (x - process.alpha(t) * self.mean) / spread(t)
        return process.alpha(s) * self.mean + spread(s) * z


CLINIC = GaussianData(jnp.array([0.1, -0.3, 0.5, 2.0]), jnp.array([0.1, 0.5, 1.0, 2.0]))
