"""How far a sampler's draws are from the truth, on data whose flow and law are known in closed form.

Where the denoiser is affine, every sampler that takes its noise as an argument is affine in (x_T, noise): the law of
its output is Gaussian, and a Jacobian gives it exactly, without Monte Carlo.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxehr.benchmark.problems import ColumnMixtures, four_columns, four_gaussians, four_mixtures
from jaxehr.processes import Gaussian, edm, vp
from jaxehr.samplers.grids import karras
from jaxehr.types import Grid, Sampler

FIRST, LAST = 20.0, 0.05  # noise over signal at the ends of `grid_to`
KEY = 0


class Problem(NamedTuple):
    """Data and how it is noised."""

    name: str
    data: ColumnMixtures
    process: Gaussian


def affine() -> Problem:
    """Gaussian columns of widths from 0.1 to 2."""
    return Problem("Gaussian columns, EDM", four_gaussians(), Gaussian(edm()))


def bent() -> Problem:
    """A denoiser that is not affine, in a process whose scale changes."""
    return Problem("mixtures, VP", four_mixtures(), Gaussian(vp()))


@contextmanager
def float64() -> Iterator[None]:
    """Double precision on the host: a TPU has none."""
    try:
        host = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS leaves the CPU out
        host = None
    with jax.enable_x64(True), jax.default_device(host):
        yield


def grid_to(n: int, process: Gaussian | None = None) -> Grid:
    """n Karras steps from noise 20 to 0.05, where some noise is left: the flow is smooth all the way."""
    ratio = karras(n + 1, sigma_min=LAST, sigma_max=FIRST, last=LAST)
    return ratio if process is None else np.asarray(process.schedule.time_of(ratio), float)


def _ends(grid: Grid) -> tuple[float, float]:
    return float(grid[0]), float(grid[-1])


@float64()
def path_error(sampler: Sampler, n: int, problem: Problem | None = None) -> float:
    """The largest distance of 64 draws from the exact flow, after n steps; float64. By default on `affine`."""
    _, data, process = affine() if problem is None else problem
    grid = grid_to(n, process)
    first, last = _ends(grid)
    x_T = data.draw(jax.random.key(7), process, 64, first)
    draw = jax.jit(lambda key, x: sampler(key, data.denoiser(process), process, x, grid).x)
    exact = data.flow(process, x_T, first, last)
    return float(np.abs(np.asarray(draw(jax.random.key(KEY), x_T)) - exact).max())


@float64()
def law_error(sampler: Sampler, n: int, process: Gaussian | None = None) -> float:
    """The Wasserstein-2 distance of the law of the draws from the true marginal, exactly; float64. By default on EDM.

    The sampler must take noise [n, column] in the place of its key.
    """
    data, process = four_columns(), Gaussian(edm()) if process is None else process
    denoise, grid = data.denoiser(process), grid_to(n, process)
    columns, last = len(data.mean), grid[-1]

    def end(x_T, z):
        """The columns do not mix, so one number of noise per step serves them all."""
        noise = jnp.broadcast_to(z[:, None], (n, columns))
        return sampler(noise, denoise, process, x_T, grid).x

    @jax.jit
    def apart(centre, quiet):
        mean, of_start = jax.jvp(lambda x: end(x, quiet), (centre,), (jnp.ones(columns),))
        of_noise = jax.jacfwd(lambda z: end(centre, z))(quiet)
        start = data.spread(process, grid[0])
        spread = jnp.sqrt((of_start * start) ** 2 + jnp.sum(of_noise**2, axis=1))
        true = process.alpha(last) * data.mean
        gap = (mean - true) ** 2 + (spread - data.spread(process, last)) ** 2
        return jnp.sqrt(gap.sum())

    return float(apart(process.alpha(grid[0]) * data.mean, jnp.zeros(n)))


@float64()
def takes_noise(sampler: Sampler) -> bool:
    """Whether noise in the place of the key can be the noise of a draw; nothing is compiled to find out."""
    data, process, grid = four_columns(), Gaussian(edm()), grid_to(4)
    draw = lambda noise, x: sampler(noise, data.denoiser(process), process, x, grid).x
    try:
        jax.eval_shape(draw, jnp.zeros((4, 4)), jnp.zeros(4))
    except (TypeError, ValueError, AttributeError):
        return False
    return True


def moments_error(sampler: Sampler, n: int, problem: Problem, draws: int) -> float:
    """How far the draws are from their true law: the largest of four moments of each column, in float32, from keys.

    Neyman's smooth test. The share F(x) of the true law below a draw is uniform in [0, 1]; the moments are the means of
    its Legendre polynomials of degrees 1 to 4, normalised: location, width, lean and tails. A law off by a share of its
    spread is off by about as much here. Each has a standard error of 1 / sqrt(draws).
    """
    _, data, process = problem
    grid = grid_to(n, process)
    start_key, draw_key = jax.random.split(jax.random.key(3))
    x_T = data.draw(start_key, process, draws, grid[0])

    @jax.jit
    @jax.vmap
    def draw(key, x):
        return sampler(key, data.denoiser(process), process, x, grid).x

    x = np.asarray(draw(jax.random.split(draw_key, draws), x_T), float)
    uniform = 2 * data.share(process, x, _ends(grid)[1]) - 1
    legendre = np.polynomial.legendre.legvander(uniform, 4)[..., 1:]
    return float(np.abs((legendre * np.sqrt([3, 5, 7, 9])).mean(0)).max())


def rounding_error(sampler: Sampler, n: int = 80) -> float:
    """How far 64 draws in float32 are from the same in float64: the largest distance, on `affine`; on the host.

    Compiled as written: (x + c) - c is not made x, as one compiler would and another not. A sampler that is random must
    take noise in the place of its key.
    """
    _, data, process = affine()
    with float64():
        x_T = np.asarray(data.draw(jax.random.key(7), process, 64, FIRST))
        noise = np.asarray(jax.random.normal(jax.random.key(8), (n, *x_T.shape)))

    def drawn(dtype):
        draw = lambda z, x: sampler(z, data.denoiser(process), process, x, grid_to(n)).x
        given = noise.astype(dtype), x_T.astype(dtype)
        as_written: dict[str, str | bool] = {"xla_disable_hlo_passes": "algsimp"}
        traced = jax.jit(draw).trace(*given)
        # A batched linear solve dies (SIGSEGV) without that pass of XLA.
        options = None if "triangular_solve" in str(traced.jaxpr) else as_written
        program = traced.lower().compile(compiler_options=options)
        return np.asarray(program(*given), float)

    with float64():
        exact = drawn(np.float64)
        with jax.enable_x64(False):
            return float(np.abs(drawn(np.float32) - exact).max())


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


class Record(NamedTuple):
    """What a draw of one record costs, and whether it is random.

    counted     rows that the denoiser sees as it runs
    nfe         as the draw says
    random      whether another key gives another record
    """

    counted: int
    nfe: int
    random: bool


@float64()
def one_record(sampler: Sampler, grid: Grid) -> Record:
    """A record drawn from each of two keys, by one program."""
    data, process = four_columns(), Gaussian(edm())
    seen = []

    def denoise(x, t):
        jax.debug.callback(lambda x: seen.append(np.size(x) // 4), x)
        return data.denoiser(process)(x, t)

    x_T = FIRST * jax.random.normal(jax.random.key(7), (4,))
    draw = jax.jit(lambda key, x: sampler(key, denoise, process, x, grid))
    a, nfe = jax.device_get(draw(jax.random.key(KEY), x_T))
    jax.effects_barrier()
    counted = sum(seen)
    b, _ = jax.device_get(draw(jax.random.key(KEY + 1), x_T))
    return Record(counted, int(nfe), not np.array_equal(a, b, equal_nan=True))


def counted_evaluations(sampler: Sampler, grid: Grid) -> tuple[int, int]:
    """(rows that the denoiser sees as a draw of one record runs, nfe as the draw says)."""
    return one_record(sampler, grid)[:2]


def is_random(sampler: Sampler) -> bool:
    """Whether two keys give two draws."""
    return one_record(sampler, grid_to(8)).random
