"""The laws that every sampler obeys, tested on Gaussian data, where all answers are known in closed form.

On such data the denoiser is affine, so every sampler that takes its noise as an argument is affine in (x_T, noise): the
law of its output is Gaussian, and a Jacobian gives it exactly, without Monte Carlo.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxehr.benchmark.problems import four_columns
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers.grids import karras
from jaxehr.types import Grid, Sampler

FIRST, LAST = 20.0, 0.05
KEY = 0
TOLERANCE = 0.15  # of an observed order against the stated one
ALLOWED = 0.1  # of the spread: bias that is left to a sampler which has no order
FINE = 1e-9  # errors of a high order come down to it in float64 before they settle to their order
CONVERGED = 1e-3  # the error of a sampler that has no order, where more steps need not help


class Law(NamedTuple):
    """One law, whether it holds, and the figures that say so."""

    name: str
    holds: bool
    found: str


TO_DATA = karras(10, sigma_min=LAST, sigma_max=FIRST)


@contextmanager
def float64() -> Iterator[None]:
    """Double precision on the host: a TPU has none."""
    try:
        host = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS leaves the CPU out
        host = None
    with jax.enable_x64(True), jax.default_device(host):
        yield


def not_compiled(refused: Exception) -> str:
    """In a line, what is wrong with a solver that JAX refused to trace."""
    found = str(refused).splitlines()[0]
    return f"it cannot be compiled: where it looks at values, jnp.where or lax.cond is wanted ({found})"


def grid_to(n: int) -> Grid:
    """n Karras steps from noise 20 to 0.05, where some noise is left: the flow is smooth all the way."""
    return karras(n + 1, sigma_min=LAST, sigma_max=FIRST, last=LAST)


@float64()
def path_error(sampler: Sampler, n: int) -> float:
    """The largest distance of 64 draws from the exact flow, after n steps; float64."""
    data, process = four_columns(), Gaussian(edm())
    x_T = FIRST * jax.random.normal(jax.random.key(7), (64, 4))

    @jax.jit
    def apart(key, x_T):
        x = sampler(key, data.denoiser(process), process, x_T, grid_to(n)).x
        return jnp.abs(x - data.flow(process, x_T, FIRST, LAST)).max()

    return float(apart(jax.random.key(KEY), x_T))


@float64()
def law_error(sampler: Sampler, n: int) -> float:
    """The Wasserstein-2 distance of the law of the draws from the true marginal, exactly; float64.

    The sampler must take noise [n, column] in the place of its key.
    """
    data, process = four_columns(), Gaussian(edm())
    denoise, grid = data.denoiser(process), grid_to(n)
    columns = len(data.mean)

    def end(x_T, z):
        """The columns do not mix, so one number of noise per step serves them all."""
        noise = jnp.broadcast_to(z[:, None], (n, columns))
        return sampler(noise, denoise, process, x_T, grid).x

    @jax.jit
    def apart(centre, quiet):
        mean, of_start = jax.jvp(lambda x: end(x, quiet), (centre,), (jnp.ones(columns),))
        of_noise = jax.jacfwd(lambda z: end(centre, z))(quiet)
        start = data.spread(process, FIRST)
        spread = jnp.sqrt((of_start * start) ** 2 + jnp.sum(of_noise**2, axis=1))
        gap = (mean - data.mean) ** 2 + (spread - data.spread(process, LAST)) ** 2
        return jnp.sqrt(gap.sum())

    return float(apart(data.mean, jnp.zeros(n)))


def observed_order(error: Callable[[int], float], n: int = 80) -> float:
    """log2 of how much the error falls from n steps to 2n."""
    return float(np.log2(error(n) / error(2 * n)))


@float64()
def strong_error(sampler: Sampler, n: int, finest: int = 2048) -> float:
    """The root mean square distance from `finest` steps along the same Brownian path; finest is a multiple of n."""
    data, process = four_columns(), Gaussian(edm())
    denoise = data.denoiser(process)
    fine = grid_to(finest)
    x_T = FIRST * jax.random.normal(jax.random.key(1), (64, 4))
    z = jax.random.normal(jax.random.key(2), (finest, 64, 4))
    increments = z * np.sqrt(-np.diff(fine))[:, None, None]
    coarse = fine[:: finest // n]
    summed = increments.reshape(n, finest // n, 64, 4).sum(1)
    noise = summed / np.sqrt(-np.diff(coarse))[:, None, None]

    @jax.jit
    def apart(noise, z):
        ends = (
            sampler(given, denoise, process, x_T, grid).x
            for given, grid in ((noise, coarse), (z, fine))
        )
        return jnp.sqrt(jnp.mean(jnp.subtract(*ends) ** 2))

    return float(apart(noise, z))


@float64()
def counted_evaluations(sampler: Sampler, grid: Grid) -> tuple[int, int]:
    """(calls of the denoiser as they happen, nfe as the draw says), for one record."""
    data, process = four_columns(), Gaussian(edm())
    calls = []

    def denoise(x, t):
        jax.debug.callback(lambda t: calls.append(np.size(t)), t)
        return data.denoiser(process)(x, t)

    x_T = FIRST * jax.random.normal(jax.random.key(7), (4,))
    draw = jax.jit(lambda key, x: sampler(key, denoise, process, x, grid))
    nfe = int(draw(jax.random.key(KEY), x_T).nfe)
    jax.effects_barrier()
    return sum(calls), nfe


@float64()
def is_random(sampler: Sampler) -> bool:
    """Whether two keys give two draws."""
    data, process = four_columns(), Gaussian(edm())
    x_T = FIRST * jnp.ones(4)
    draw = jax.jit(lambda key: sampler(key, data.denoiser(process), process, x_T, grid_to(8)).x)
    a, b = (draw(jax.random.key(k)) for k in (0, 1))
    return not np.array_equal(np.asarray(a), np.asarray(b))


def moments_error(sampler: Sampler, n: int, draws: int = 20_000) -> float:
    """How far mean and spread of the draws are from the true marginal, as a share of its spread; the largest of 8.

    The standard error of 20,000 draws is 0.7%.
    """
    data, process = four_columns(), Gaussian(edm())
    start_key, draw_key = jax.random.split(jax.random.key(3))
    z = jax.random.normal(start_key, (draws, 4))
    x_T = data.mean + data.spread(process, FIRST) * z

    @jax.jit
    @jax.vmap
    def draw(key, x):
        return sampler(key, data.denoiser(process), process, x, grid_to(n)).x

    x = draw(jax.random.split(draw_key, draws), x_T)
    spread = data.spread(process, LAST)
    of_mean = jnp.abs(x.mean(0) - data.mean) / spread
    of_spread = jnp.abs(x.std(0) / spread - 1)
    return float(jnp.maximum(of_mean, of_spread).max())


def check(sampler: Sampler, stated: float | None = None) -> Iterator[Law]:
    """The laws, for any sampler of one step per grid interval.

    stated      its order: of the path if it is deterministic, of the law (weak) if it is random; None asks for 1/2
                at the least, which is to converge, or to have converged
    """
    try:
        random = is_random(sampler)
    except jax.errors.JAXTypeError as refused:
        yield Law("jit", False, not_compiled(refused))
        return
    if random:
        try:
            error, kind = (lambda n: law_error(sampler, n)), "weak order"
            error(4)
        except (TypeError, ValueError, AttributeError):
            error = None
    else:
        error, kind = (lambda n: path_error(sampler, n)), "order"
    if error is None:
        errors = moments_error(sampler, 40), moments_error(sampler, 320)
        found = (
            f"moments off by {errors[0]:.1%} and {errors[1]:.1%} of the spread at 40 and 320 steps"
        )
        yield Law("law", errors[1] < ALLOWED, found)
    else:
        yield _convergence(error, kind, stated)
    counted, nfe = counted_evaluations(sampler, TO_DATA)
    yield Law("nfe", counted == nfe, f"says {nfe}, counted {counted}, in 10 steps")
    yield from _program(sampler)


def _convergence(error: Callable[[int], float], kind: str, stated: float | None) -> Law:
    errors = error(80), error(160)
    order = float(np.log2(errors[0] / errors[1]))
    found = f"errors {errors[0]:.1e} and {errors[1]:.1e} at 80 and 160 steps"
    if stated is None:
        return Law(kind, order > 0.5 or errors[1] < CONVERGED, f"{order:.2f}; {found}")
    if errors[1] >= FINE:
        holds = abs(order - stated) < TOLERANCE
        return Law(kind, holds, f"{order:.2f}, stated {stated:g}; {found}")
    # Nothing is left to see there. With few steps the order is that stated, or more, as long as it is above rounding.
    few = [error(n) for n in (5, 10, 20, 40)]
    pairs = [(a, b) for a, b in itertools.pairwise(few) if b > FINE] or [(few[0], few[1])]
    order = min(float(np.log2(a / b)) for a, b in pairs)
    found = f"{order:.2f} at least, with 5 to 40 steps, stated {stated:g}; {found}"
    return Law(kind, order > stated - TOLERANCE, found)


def _program(sampler: Sampler) -> Iterator[Law]:
    """Gradients of a jitted draw that lands on the data, and how often it compiles."""
    data, process = four_columns(), Gaussian(edm())

    @jax.jit
    def drawn(key, mean, x_T):
        def end(mean):
            denoise = data._replace(mean=data.mean + mean).denoiser(process)
            return sampler(key, denoise, process, x_T, TO_DATA).x

        return jax.jvp(end, (mean,), (1.0,))

    keys = map(jax.random.key, range(3))
    slopes = [drawn(key, 0.1 * i, FIRST * jnp.ones(4))[1] for i, key in enumerate(keys)]
    finite = bool(np.isfinite(slopes).all())
    yield Law("gradients", finite, "finite" if finite else "not finite")
    n = drawn._cache_size()  # type: ignore[attr-defined]
    yield Law("compilations", n == 1, f"{n} for three keys and parameters")
