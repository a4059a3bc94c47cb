"""Draws of a record of which a part is known."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxehr.processes import LOW
from jaxehr.samplers.chains import Step, ddim_step, time_type
from jaxehr.types import Denoiser, Draw, Grid, Key, Known, Sampler, Time, X


def inpaint(known: Known, step: Step | None = None, *, resamplings: int = 10) -> Sampler:
    """Replacement with resampling (RePaint: Lugmayr et al. 2022, Algorithm 1), for any process and step.

    At each time of the grid the known cells are put in the place of what the chain has there, noised to that time;
    then the step is undone by noise and taken again, so that the unknown cells settle beside the known ones.

    step            by default the ancestral one
    resamplings     steps taken at each time; 1 is replacement alone, which is not the conditional distribution. Masked
                    diffusion needs no more than 1: its known cells are never noised
    """
    step = ddim_step(1.0) if step is None else step

    def sample(key: Key, denoise: Denoiser, process: Any, x_T: X, grid: Grid) -> Draw:
        n = len(grid) - 1
        times = jnp.asarray(grid, time_type(x_T))
        believe = restricted(denoise, known)

        def replaced(k: Key, x: X, t: Time) -> X:
            return _where(known.mask, process.pinned(k, known.x0, t), x)

        def one(x, at):
            k, t, s = at

            def again(x, k):
                there, here, back = jax.random.split(k, 3)
                x_s = step(there, believe, process, replaced(here, x, t), t, s)
                return process.corrupt(back, x_s, t, s), x_s

            _, x_s = jax.lax.scan(again, x, jax.random.split(k, resamplings))
            return jax.tree.map(lambda leaf: leaf[-1], x_s), None

        x, _ = jax.lax.scan(one, x_T, (jax.random.split(key, n), times[:-1], times[1:]))
        return Draw(_where(known.mask, known.x0, x), jnp.asarray(n * resamplings))

    return sample


def restricted(denoise: Denoiser, known: Known) -> Denoiser:
    """The denoiser, with the classes that a cell may not take left out of its logits."""
    allowed: Any = known.allowed
    if not allowed:
        return denoise

    def believe(x: X, t: Time) -> X:
        x0: Any = denoise(x, t)
        fits = {name: jnp.where(ok, x0[name], LOW) for name, ok in allowed.items()}
        return {**x0, **fits}

    return believe


def _where(mask: X, x: X, other: X) -> X:
    return jax.tree.map(lambda m, a, b: jnp.where(m, a, b).astype(b.dtype), mask, x, other)
