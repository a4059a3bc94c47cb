"""How records are drawn: along a path from noise to data, in one pass of a network, or not at all."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxehr.samplers import inpaint, restricted, shown_first
from jaxehr.types import Denoiser, Draw, Grid, Key, Known, Params, Sampler, X

INPAINT_STEPS = 50  # of a draw that is given something; each is taken 10 times

# (key, the sampler asked for, what is known) -> a sampler that leaves it as it is
Hold = Callable[[Key, Sampler | None, Known], Sampler]


class Walked(NamedTuple):
    """A record as it lies at `end`, the last time of the grid, and the evaluations spent on it."""

    x: X
    nfe: Any
    end: float


def inpainted(first_key: Key, sampler: Sampler | None, known: Known) -> Sampler:
    """RePaint: what is known is noised beside the rest. Raises ValueError where a sampler is asked for."""
    if sampler is not None:
        raise ValueError(
            "where a part of a record is given, this recipe draws the rest by RePaint, ten evaluations a step: "
            "leave the sampler out (--sampler and --nfe)"
        )
    return inpaint(known)


def shown(own: Sampler) -> Hold:
    """Any sampler, from an x_T whose known cells are not hidden; what is narrow is drawn before all else."""

    def hold(first_key: Key, sampler: Sampler | None, known: Known) -> Sampler:
        def sample(key: Key, denoise: Denoiser, process: Any, x_T: Any, grid: Grid) -> Draw:
            believe = restricted(denoise, known)
            x0: Any = known.x0
            mask: Any = known.mask
            x = {name: jnp.where(mask[name], x0[name], part) for name, part in x_T.items()}
            spent: Any = 0
            if known.narrow is not None:
                x, spent = shown_first(first_key, believe, process, x, known.narrow)
            x, nfe = (own if sampler is None else sampler)(key, believe, process, x, grid)
            return Draw(x, nfe + spent)

        return sample

    return hold


def noise_to_data(
    process: Any,
    shape: Any,
    *,
    sampler: Sampler,
    grid: Callable[[int], Grid],
    steps: int,
    hold: Hold = inpainted,
    held_steps: int = INPAINT_STEPS,
) -> Callable[..., Walked]:
    """walk(keys, denoise, sampler=None, grid=None, known=None): how a recipe draws, where nothing else is asked of it.

    shape       of x, as the prior of the process takes it
    sampler     the recipe's own, on its own kind of grid (n -> Grid) with `steps` steps
    hold        how what is known of a record stays so; then the grid has at most `held_steps`

    Of the two keys the first is for where the path begins, the second for the path.
    """
    own, own_grid, held_grid = sampler, grid(steps), grid(min(steps, held_steps))

    def walk(
        keys: tuple[Key, Key],
        denoise: Denoiser,
        *,
        sampler: Sampler | None = None,
        grid: Grid | None = None,
        known: Known | None = None,
    ) -> Walked:
        first_key, path_key = keys
        if known is None:
            chosen = own if sampler is None else sampler
        else:
            chosen = hold(first_key, sampler, known)
        if grid is None:
            grid = own_grid if known is None else held_grid
        x_T = process.prior(first_key, shape, float(grid[0]))
        x, nfe = chosen(path_key, denoise, process, x_T, grid)
        return Walked(x, nfe, float(grid[-1]))

    return walk


def at_once(
    name: str, draw: Callable[[Params, Key], Float[Array, "column"]]
) -> Callable[..., Draw]:
    """`Model.draw` of what makes a record in one pass. Raises ValueError where a sampler, a grid, or a record that is
    known in part is wanted of it."""

    def one(
        params: Params,
        key: Key,
        *,
        sampler: Sampler | None = None,
        grid: Grid | None = None,
        known: Known | None = None,
    ) -> Draw:
        if sampler is not None or grid is not None:
            raise ValueError(f"{name} draws in one pass; it has no sampler to swap")
        if known is not None:
            raise ValueError(
                f"{name} draws in one pass; it cannot be given a part of the record, as masked can, and ddpm; "
                "a range, such as age=60:70, is met by drawing anew"
            )
        return Draw(draw(params, key), jnp.ones((), jnp.int32))

    return one


def no_draw(why: str) -> Callable[..., Draw]:
    """`Model.draw` of what is trained for another's sake: raises ValueError."""

    def draw(params: Params, key: Key, **asked: Any) -> Draw:
        raise ValueError(why)

    return draw
