"""Noise schedules: x_t = alpha(t) x_0 + sigma(t) eps, with eps a unit Gaussian."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxehr.types import Time

Curve = Callable[[Time], Array]


class Schedule(NamedTuple):
    """A forward process is known by two curves of time, by the way back, and by what is lost between two times.

    alpha, sigma    scale of the data and of the noise at time t
    time_of         the time at which sigma / alpha has the given value
    lost            -log (alpha_t / alpha_s)^2 of (t, s): every digit of it, where t and s are near each other too
    """

    alpha: Curve
    sigma: Curve
    time_of: Curve
    lost: Callable[[Time, Time], Array]


def edm() -> Schedule:
    """Karras et al. (2022), Table 1, column "Ours": the time is the noise level, alpha is 1."""
    return Schedule(
        alpha=jnp.ones_like,
        sigma=jnp.asarray,
        time_of=jnp.asarray,
        lost=lambda t, s: jnp.zeros_like(jnp.subtract(t, s)),
    )


def ve() -> Schedule:
    """Variance exploding (NCSN; Song et al. 2021, eq. 31): alpha is 1, and the noise level is the time itself.

    The geometric path sigma_min (sigma_max / sigma_min)^u of the paper is the grid `geometric`, so this is `edm()`.
    """
    return edm()


def vp(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Schedule:
    """Variance preserving, beta(t) linear, t in [0, 1]: Song et al. (2021), eqs. 32 and 33.

    alpha = exp(-B/2) and sigma^2 = 1 - exp(-B), where B(t) = beta_min t + (beta_max - beta_min) t^2 / 2.
    """
    integral, time_at, lost = _linear_beta(beta_min, beta_max)
    return Schedule(
        alpha=lambda t: jnp.exp(-0.5 * integral(t)),
        sigma=lambda t: jnp.sqrt(-jnp.expm1(-integral(t))),
        # (sigma / alpha)^2 = exp(B) - 1
        time_of=lambda ratio: time_at(jnp.log1p(jnp.square(ratio))),
        lost=lost,
    )


def sub_vp(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Schedule:
    """Sub-VP: VP's alpha with sigma = 1 - exp(-B), whose square never exceeds VP's (Song et al. 2021, eq. 34)."""
    integral, time_at, lost = _linear_beta(beta_min, beta_max)
    return Schedule(
        alpha=lambda t: jnp.exp(-0.5 * integral(t)),
        sigma=lambda t: -jnp.expm1(-integral(t)),
        # sigma / alpha = 2 sinh(B / 2)
        time_of=lambda ratio: time_at(2 * jnp.arcsinh(jnp.asarray(ratio) / 2)),
        lost=lost,
    )


def cosine(*, offset: float = 0.008) -> Schedule:
    """Variance preserving with alpha = cos((t + s) / (1 + s) pi/2) / cos(s / (1 + s) pi/2), t in [0, 1).

    Nichol and Dhariwal (2021), eq. 17, as a continuous time. They clip beta at 0.999, which is a last grid time
    below 1: at t = 1 no data is left, and no denoiser has anything to read.
    """
    quarter = np.pi / 2 / (1 + offset)
    top = np.cos(offset * quarter)

    def alpha(t: Time) -> Array:
        return jnp.cos((jnp.asarray(t) + offset) * quarter) / top

    def time_of(ratio: Time) -> Array:
        # alpha = 1 / sqrt(1 + r^2), and arccos(c) as an arctangent, which keeps its digits near c = 1.
        rest = jnp.square(ratio) + (1 - top**2)
        return jnp.arctan2(jnp.sqrt(rest), top) / quarter - offset

    def sigma(t: Time) -> Array:
        # 1 - alpha^2 = (sin^2((t + s) q) - sin^2(s q)) / top^2 = sin(t q) sin((t + 2 s) q) / top^2
        t = jnp.asarray(t)
        return jnp.sqrt(jnp.sin(t * quarter) * jnp.sin((t + 2 * offset) * quarter)) / top

    def lost(t: Time, s: Time) -> Array:
        # 1 - alpha_t / alpha_s = 2 sin((t + s + 2 o) q / 2) sin((t - s) q / 2) / cos((s + o) q), for offset o
        t, s = jnp.asarray(t), jnp.asarray(s)
        rise = jnp.sin((t + s + 2 * offset) * quarter / 2) * jnp.sin((t - s) * quarter / 2)
        gone = 2 * rise / jnp.cos((s + offset) * quarter)
        far = jnp.maximum(alpha(t) / alpha(s), jnp.finfo(gone.dtype).tiny)
        return -2 * jnp.where(gone < 0.5, jnp.log1p(-jnp.minimum(gone, 0.5)), jnp.log(far))

    return Schedule(alpha, sigma, time_of, lost)


def flow() -> Schedule:
    """The straight path of flow matching and rectified flow: x_t = (1 - t) x_0 + t eps (Lipman et al. 2023)."""
    return Schedule(
        alpha=lambda t: 1 - jnp.asarray(t),
        sigma=jnp.asarray,
        time_of=lambda ratio: jnp.asarray(ratio) / (1 + jnp.asarray(ratio)),
        lost=lambda t, s: -2 * jnp.log1p(-jnp.subtract(t, s) / jnp.subtract(1, s)),
    )


def ddpm(n: int = 1000, *, beta_first: float = 1e-4, beta_last: float = 0.02) -> Schedule:
    """DDPM's table (Ho et al. 2020): alpha^2 = prod (1 - beta_i), beta linear, at the whole times 0, 1, ..., n.

    Between them log alpha^2 is interpolated on a straight line, so that every solver may step where it likes.
    Time 0 is the data. Raises ValueError unless 0 < beta_first <= beta_last < 1 and n >= 1.
    """
    if n < 1 or not 0 < beta_first <= beta_last < 1:
        raise ValueError(
            f"need n >= 1 and 0 < beta_first <= beta_last < 1; got {n}, {beta_first}, {beta_last}"
        )
    return table(np.linspace(beta_first, beta_last, n))


def cosine_betas(n: int, *, offset: float = 0.008, largest: float = 0.999) -> np.ndarray:
    """The betas of n steps whose alpha^2 follows Nichol and Dhariwal's (2021) cosine, none above `largest`."""
    u = np.arange(n + 1) / n
    level = np.cos((u + offset) / (1 + offset) * np.pi / 2) ** 2
    return np.minimum(1 - level[1:] / level[:-1], largest)


def table(betas: np.ndarray) -> Schedule:
    """Any table of betas: alpha^2 = prod (1 - beta_i) at the whole times 0, 1, ..., n, variance preserving.

    Between them log alpha^2 is interpolated on a straight line. Raises ValueError unless every beta is above 0 and at
    most 1.
    """
    betas = np.asarray(betas, np.float64)
    if not len(betas) or not ((betas > 0) & (betas <= 1)).all():
        raise ValueError(f"betas must be above 0 and at most 1; got {betas}")
    # Not jnp.interp, whose binary search is a loop within a sampler's loop: XLA did not compile it for a GPU.
    with np.errstate(divide="ignore"):
        loss = -np.append(0.0, np.cumsum(np.log1p(-betas)))
    n, step = len(betas), np.diff(loss)
    # In two halves of float32, whose differences keep what that of single numbers would lose.
    high = loss[:-1].astype(np.float32)
    low = loss[:-1] - high

    def at(values: np.ndarray, i: Array) -> Array:
        return jnp.asarray(values, float)[i]

    def place(t: Time) -> tuple[Array, Array]:
        """The whole time below t, and what is lost from there."""
        t = jnp.asarray(t, float)
        t = jnp.where(t < 0, 0.0, jnp.where(t > n, n, t))
        i = jnp.minimum(t.astype(int), n - 1)
        return i, (t - i) * at(step, i)

    def lost(t: Time, s: Time) -> Array:
        (i, beyond_i), (j, beyond_j) = place(t), place(s)
        whole = (at(high, i) - at(high, j)) + (at(low, i) - at(low, j))
        return whole + (beyond_i - beyond_j)

    def time_of(ratio: Time) -> Array:
        level, inner = jnp.log1p(jnp.square(ratio)), jnp.asarray(loss[1:-1], float)
        i = jnp.searchsorted(inner, level, "right", method="compare_all")
        return jnp.where(level > loss[-1], n, i + (level - at(loss, i)) / at(step, i))

    return Schedule(
        alpha=lambda t: jnp.exp(-0.5 * lost(t, 0.0)),
        sigma=lambda t: jnp.sqrt(-jnp.expm1(-lost(t, 0.0))),
        time_of=time_of,
        lost=lost,
    )


def _linear_beta(beta_min: float, beta_max: float) -> tuple[Curve, Curve, Callable]:
    """B(t), the integral of beta; its inverse, the positive root of the quadratic; and B(t) - B(s): all free of
    cancellation."""
    slope = beta_max - beta_min

    def integral(t: Time) -> Array:
        return beta_min * jnp.asarray(t) + 0.5 * slope * jnp.square(t)

    def time_at(b: Time) -> Array:
        return 2 * jnp.asarray(b) / (beta_min + jnp.sqrt(beta_min**2 + 2 * slope * b))

    def between(t: Time, s: Time) -> Array:
        return jnp.subtract(t, s) * (beta_min + 0.5 * slope * jnp.add(t, s))

    return integral, time_at, between
