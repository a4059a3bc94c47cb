"""Samplers that solve a differential equation. Diffrax is the engine.

In y = x / alpha and the noise-to-signal ratio sigma = sigma_t / alpha_t every Gaussian process has the same equations,

    probability flow    dy = (y - D) / sigma dsigma                            (Karras et al. 2022, eq. 1 with s = 1)
    reverse SDE         dy = 2 (y - D) / sigma dsigma + sqrt(2 sigma) dw       (Song et al. 2021, eq. 6, for VE)

so that ratio is the time we integrate in: as -sigma, which grows from noise to data.

A grid point without noise can only be the last: it is reached by one Euler step, which lands on the denoised value
itself (Karras et al., Alg. 1, line 7: there the slope at the end is not defined). A grid that is traced (data of a
jitted function) must have noise at every point.
"""

from collections.abc import Callable
from typing import NamedTuple, get_origin

import diffrax
import jax
import jax.numpy as jnp
import lineax
import numpy as np
from jaxtyping import Array, Float

from jaxehr.processes.gaussian import Gaussian
from jaxehr.samplers.solvers import DEIStAB, Heun
from jaxehr.types import Denoiser, Draw, Grid, Key, Noise, Sampler


def probability_flow(
    solver: diffrax.AbstractSolver | None = None,
    controller: diffrax.AbstractStepSizeController | None = None,
    *,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> Sampler:
    """The probability-flow ODE, solved by any Diffrax ODE solver.

    solver      by default Heun's method (`diffrax.Heun`, written out), which on the Karras grid is the EDM scheme
    controller  None steps on the grid. A diffrax.PIDController chooses its own steps between the ends of the grid,
                by the error of all of x_T together; vmap the sampler for steps of each record's own
    adjoint     None is diffrax.ForwardMode(), the cheapest, which jax.jvp passes; for jax.grad through a draw give
                diffrax.RecursiveCheckpointAdjoint()

    The sampler is deterministic: its key is not used.
    """
    solver = Heun() if solver is None else solver

    def sample(key: Noise, denoise: Denoiser, process: Gaussian, x_T: Array, grid: Grid) -> Draw:
        del key

        def terms(denoise_y, path, y):
            return diffrax.ODETerm(lambda t, y, args: (denoise_y(y, -t) - y) / -t)

        return _solved(solver, controller, adjoint, terms, denoise, process, x_T, grid)

    return sample


def deis_tab(degree: int = 1) -> Sampler:
    """DEIS with polynomials in the process's own time, tAB1 to tAB3 of its authors: `solvers.DEIStAB`.

    Raises ValueError unless the degree is 1, 2 or 3.
    """
    if degree not in (1, 2, 3):
        raise ValueError(f"DEIS has tAB1, tAB2 and tAB3; got a degree of {degree}")

    def sample(key: Noise, denoise: Denoiser, process: Gaussian, x_T: Array, grid: Grid) -> Draw:
        solver = DEIStAB(process.schedule.time_of, degree)
        return probability_flow(solver)(key, denoise, process, x_T, grid)

    return sample


def reverse_sde(
    solver: diffrax.AbstractSolver | None = None,
    *,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> Sampler:
    """The reverse-time SDE, solved by any Diffrax SDE solver on the steps of the grid.

    solver      by default diffrax.Euler(), that is Euler-Maruyama; the noise is additive, so Ito and Stratonovich agree
    adjoint     as for `probability_flow`; for jax.grad give diffrax.DirectAdjoint(), and the noise in the place
                of the key, since UnsafeBrownianPath does not let gradients pass

    Steps are fixed, and each draws its own increment (diffrax.UnsafeBrownianPath): a VirtualBrownianTree would cost
    several times the network.
    """
    solver = diffrax.Euler() if solver is None else solver

    def sample(key: Noise, denoise: Denoiser, process: Gaussian, x_T: Array, grid: Grid) -> Draw:
        def terms(denoise_y, path, y):
            return diffrax.MultiTerm(
                diffrax.ODETerm(lambda t, y, args: 2 * (denoise_y(y, -t) - y) / -t),
                diffrax.ControlTerm(_spread, _brownian(solver, key, path, y)),
            )

        return _solved(solver, None, adjoint, terms, denoise, process, x_T, grid)

    return sample


class Increments(diffrax.AbstractPath):
    """A Brownian path that is given: on the steps of `times` its increments are sqrt(step) z."""

    times: Float[Array, "point"]
    z: Float[Array, "step ..."]

    @property
    def t0(self):  # type: ignore[override]
        return self.times[0]

    @property
    def t1(self):  # type: ignore[override]
        return self.times[-1]

    def evaluate(self, t0, t1=None, left=True):
        step = jnp.searchsorted(self.times, 0.5 * (t0 + t1), method="compare_all") - 1
        return jnp.sqrt(t1 - t0) * self.z[step]


class Likelihood(NamedTuple):
    log_density: Float[Array, ""]  # nats, of the whole record
    latent: Array  # where the flow ends
    nfe: Array


def log_likelihood(
    denoise: Denoiser,
    process: Gaussian,
    x: Float[Array, "column"],
    grid: Grid,
    *,
    key: Key | None = None,
    probes: int = 0,
    solver: diffrax.AbstractSolver | None = None,
    controller: diffrax.AbstractStepSizeController | None = None,
) -> Likelihood:
    """The log density of one record by the instantaneous change of variables (Song et al. 2021, eq. 39); vmap for more.

    x           a record at time grid[-1], where some noise must be left
    grid        falling, as for a draw; walked from its end to its start, where the density is the prior's
    probes      0 takes the trace of the denoiser's Jacobian exactly, in `column` passes; else Hutchinson's estimate
                with as many Rademacher probes, drawn once from `key`
    solver      by default diffrax.Tsit5(); controller None steps on the grid

    Raises ValueError if the grid ends without noise, or if probes are wanted without a key.
    """
    solver = diffrax.Tsit5() if solver is None else solver
    path = _ratio(process, grid)
    if not isinstance(path, jax.core.Tracer) and path[-1] <= 0:
        raise ValueError("a density is taken where some noise is left; the grid ends at 0")
    if probes and key is None:
        raise ValueError("Hutchinson's estimate draws its probes from a key; none was given")
    last = jnp.asarray(grid[-1], x.dtype)
    y = x / process.alpha(last)
    vectors = (
        jax.random.rademacher(key, (probes, *y.shape), y.dtype)
        if probes and key is not None
        else jnp.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
    )
    denoise_y = _in_ratio(denoise, process)

    def rates(sigma, state, args):
        y, _ = state
        d, push = jax.linearize(lambda y: denoise_y(y, sigma), y)
        trace = jnp.sum(jax.vmap(push)(vectors) * vectors) / (probes or 1)
        divergence = (x.size - trace) / sigma
        return (y - d) / sigma, divergence

    (y, divergence), steps = _integrate(
        solver, controller, None, diffrax.ODETerm(rates), (y, jnp.zeros((), y.dtype)), path[::-1]
    )
    prior = jax.scipy.stats.norm.logpdf(y, scale=path[0]).sum()
    log_density = prior + divergence - x.size * jnp.log(process.alpha(last))
    nfe = evaluations(solver, steps) * (1 + len(vectors))
    return Likelihood(log_density, y * process.alpha(grid[0]), jnp.asarray(nfe))


def evaluations(solver: diffrax.AbstractSolver, steps):
    """Evaluations of the network that a Diffrax solver spends on so many steps.

    By its tableau where it has one; else as many as are met in tracing its `init` and its `step`, which must then not
    hide them in a loop.
    """
    tableau = getattr(solver, "tableau", None)
    if tableau is None:
        before, each = _traced_evaluations(solver)
    elif hasattr(tableau, "ignore_stage_f"):  # a stochastic Runge-Kutta method
        skipped = tableau.ignore_stage_f
        before, each = 0, len(tableau.b_sol) - (0 if skipped is None else int(sum(skipped)))
    elif tableau.fsal:  # the last stage of a step is the first of the next
        before, each = 1, tableau.num_stages - 1
    else:
        before, each = 0, tableau.num_stages
    return before * (steps > 0) + each * steps


def _brownian(solver, key: Noise, path: Array, y: Array) -> diffrax.AbstractPath:
    if jnp.issubdtype(key.dtype, jnp.inexact):
        return Increments(path, key)
    needed = getattr(solver, "minimal_levy_area", diffrax.BrownianIncrement)
    offered = (diffrax.BrownianIncrement, diffrax.SpaceTimeLevyArea, diffrax.SpaceTimeTimeLevyArea)
    area = next(kind for kind in offered if issubclass(kind, needed))
    return diffrax.UnsafeBrownianPath(jax.ShapeDtypeStruct(y.shape, y.dtype), key, levy_area=area)


def is_stochastic(solver: diffrax.AbstractSolver) -> bool:
    """Whether a solver of Diffrax is made for SDEs: its terms are a drift and a diffusion."""
    structure = solver.term_structure
    return (get_origin(structure) or structure) is diffrax.MultiTerm


def _traced_evaluations(solver) -> tuple[int, int]:
    rows = 0

    def slope(t, y, args):
        nonlocal rows
        rows += y.size
        return y

    y, terms = jnp.zeros((1,)), diffrax.ODETerm(slope)
    if is_stochastic(solver):
        noise = Increments(jnp.array([-2.0, -1.0]), jnp.zeros((1, 1)))
        terms = diffrax.MultiTerm(terms, diffrax.ControlTerm(_spread, noise))  # type: ignore[assignment]
    state = solver.init(terms, -2.0, -1.0, y, None)
    before, rows = rows, 0
    solver.step(terms, -2.0, -1.0, y, None, state, made_jump=False)
    return before, rows


def _spread(t, y, args):
    return lineax.DiagonalLinearOperator(jnp.sqrt(-2 * t) * jnp.ones_like(y))


def _ratio(process: Gaussian, grid: Grid):
    """Noise over signal at each point: NumPy's where the grid is concrete, which compiles to a smaller program."""
    if isinstance(grid, jax.core.Tracer):
        return process.sigma(grid) / process.alpha(grid)
    with jax.ensure_compile_time_eval():
        ratio = np.asarray(process.sigma(grid)) / np.asarray(process.alpha(grid))
    if not (np.diff(ratio) < 0).all():
        raise ValueError(
            f"noise must fall from point to point of the grid; from {grid[0]:g} to {grid[-1]:g} it does not "
            "(a grid is in the process's own time: sigma for edm and ve, [0, 1] for vp)"
        )
    return ratio


def _in_ratio(denoise: Denoiser, process: Gaussian) -> Callable[[Array, Array], Array]:
    def denoise_y(y, ratio):
        t = process.schedule.time_of(ratio)
        return denoise(process.alpha(t) * y, t)

    return denoise_y


def _solved(solver, controller, adjoint, make_terms, denoise, process, x_T, grid) -> Draw:
    if not isinstance(process, Gaussian):
        raise TypeError(
            f"an ODE or SDE moves numbers (a Gaussian process); got {type(process).__name__}. "
            "For categories use ancestral() or unmasking(), for both together alongside()"
        )
    ratio = _ratio(process, grid)
    to_data = not isinstance(ratio, jax.core.Tracer) and ratio[-1] == 0
    path = -(ratio[:-1] if to_data else ratio)
    y, denoise_y = x_T / process.alpha(grid[0]), _in_ratio(denoise, process)
    nfe = 0
    if len(path) > 1:
        path = jnp.asarray(path, y.dtype)
        terms = make_terms(denoise_y, path, y)
        y, steps = _integrate(solver, controller, adjoint, terms, y, path)
        nfe = evaluations(solver, steps)
    if to_data:
        y, nfe = denoise_y(y, jnp.asarray(-path[-1], y.dtype)), nfe + 1
    return Draw(process.alpha(grid[-1]) * y, jnp.asarray(nfe))


class _OnGrid(diffrax.StepTo):
    """StepTo without its run-time checks: they call the host, and across devices each costs an all-reduce.

    `_ratio` has checked the grid before anything is compiled.
    """

    def wrap(self, direction):
        return self

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        return self.ts[1], 2


def _integrate(solver, controller, adjoint, terms, y, path):
    """(y at the end of the path, steps taken). Final value only, and no error callback, which is the cheapest program;
    where a solver fails, NaN shows it."""
    path = jnp.asarray(path, jax.tree.leaves(y)[0].dtype)
    adaptive = controller is not None
    solution = diffrax.diffeqsolve(
        terms,
        solver,
        t0=path[0],
        t1=path[-1],
        dt0=path[1] - path[0] if adaptive else None,
        y0=y,
        stepsize_controller=controller if adaptive else _OnGrid(ts=path),
        saveat=diffrax.SaveAt(t1=True),
        adjoint=diffrax.ForwardMode() if adjoint is None else adjoint,
        max_steps=100_000 if adaptive else len(path),
        throw=False,
    )
    steps = solution.stats["num_steps"] if adaptive else len(path) - 1
    return jax.tree.map(lambda leaf: leaf[0], solution.ys), steps
