"""Samplers that solve a differential equation. Diffrax is the engine."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from jaxehr.processes.gaussian import Gaussian
from jaxehr.types import Denoiser, Draw, Grid, Key, Sampler


def probability_flow(solver: diffrax.AbstractSolver | None = None) -> Sampler:
    """The probability-flow ODE, solved by any Diffrax ODE solver on the steps of the grid.

    solver      by default diffrax.Heun(), which on the Karras grid is the EDM scheme

    In y = x / alpha and sigma = sigma_t / alpha_t the flow of every Gaussian process is
    dy/dsigma = (y - D) / sigma  (Karras et al. 2022, eq. 1 with s = 1), so the noise-to-signal ratio is the
    time that we integrate in. A last grid point without noise is reached by one Euler step, which lands on the
    denoised value itself (Alg. 1, line 7: there the slope at the end is not defined).

    The sampler is deterministic: its key is not used. The grid must be concrete (not traced), falling.
    """
    solver = diffrax.Heun() if solver is None else solver

    def sample(key: Key, denoise: Denoiser, process: Gaussian, x_T, grid: Grid) -> Draw:
        del key
        with jax.ensure_compile_time_eval():
            alpha = np.asarray(process.alpha(grid))
            noise = np.asarray(process.sigma(grid)) / alpha

        def slope(sigma, y, args):
            t = process.schedule.time_of(sigma)
            return (y - denoise(process.alpha(t) * y, t)) / sigma

        to_data = noise[-1] == 0
        path = noise[:-1] if to_data else noise
        y, steps = x_T / alpha[0], len(path) - 1
        if steps:
            y = _solve(solver, slope, y, path)
        if to_data:
            t = jnp.asarray(grid[-2], y.dtype)
            y = denoise(process.alpha(t) * y, t)
        nfe = evaluations(solver, steps) + int(to_data)
        return Draw(alpha[-1] * y, jnp.asarray(nfe))

    return sample


def evaluations(solver: diffrax.AbstractSolver, steps: int) -> int:
    """Evaluations of the vector field that a Diffrax solver spends on so many steps."""
    if steps == 0:
        return 0
    tableau = getattr(solver, "tableau", None)
    if tableau is None:  # Euler's family: one evaluation a step
        return steps
    if tableau.fsal:  # the last stage of a step is the first of the next
        return steps * (tableau.num_stages - 1) + 1
    return steps * tableau.num_stages


def _solve(solver, slope, y, path):
    """Forward mode only, final value only, no error callback: the cheapest program (and NaN shows itself)."""
    return diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        solver,
        t0=float(path[0]),
        t1=float(path[-1]),
        dt0=None,
        y0=y,
        stepsize_controller=diffrax.StepTo(ts=jnp.asarray(path, y.dtype)),
        saveat=diffrax.SaveAt(t1=True),
        adjoint=diffrax.ForwardMode(),
        max_steps=len(path),
        throw=False,
    ).ys[0]
