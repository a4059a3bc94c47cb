"""Samplers of records that mix numbers and categories."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxehr.processes import LOW, MASK, Masked, Mixed
from jaxehr.processes.masked import ranks
from jaxehr.processes.mixed import part_keys
from jaxehr.samplers.chains import time_type
from jaxehr.samplers.solvers import DPMpp2M, ExponentialSolver
from jaxehr.types import Denoiser, Draw, Grid, Key, Sampler


def alongside(number: str = "number", solver: ExponentialSolver | None = None) -> Sampler:
    """A fast solver for the Gaussian part, and one posterior step of every other part beside each of its steps.

    number      the name of the Gaussian part
    solver      of ours, with one evaluation a step: ExponentialEuler (DDIM), DEISAB2, DPMpp2M (the default), UniPC2,
                UniPC3

    One evaluation of the network serves all parts. The last step, onto the data, is the denoised value.
    """
    solver = DPMpp2M() if solver is None else solver

    def sample(key: Key, denoise: Denoiser, process: Mixed, x_T: Any, grid: Grid) -> Draw:
        gaussian = process.parts[number]
        others = Mixed({name: part for name, part in process.parts.items() if name != number})
        times = jnp.asarray(grid, time_type(x_T))
        levels = gaussian.sigma(times) / gaussian.alpha(times)

        def denoiser_at(rest, seen: list):
            """D of the number part; `seen` keeps what the network says of all parts where it is asked first."""

            def denoise_y(y: Array, level: Array) -> Array:
                t = gaussian.schedule.time_of(level)
                x0: Any = denoise({**rest, number: gaussian.alpha(t) * y}, t)
                seen.append(x0)
                return x0[number]

            return denoise_y

        def one(carry, at):
            x, y, state = carry
            k, t, s, level_t, level_s = at
            rest = {name: x[name] for name in others.parts}
            seen: list[Any] = []
            y, state = solver.advance(denoiser_at(rest, seen), level_t, level_s, y, state)
            drawn = others.posterior(k, {name: seen[0][name] for name in rest}, rest, t, s)
            return ({**drawn, number: x[number]}, y, state), None

        y = x_T[number] / gaussian.alpha(times[0])
        rest = {name: x_T[name] for name in others.parts}
        state = solver.start(denoiser_at(rest, []), levels[0], levels[1], y)
        n = len(times) - 1
        keys = jax.random.split(key, n)
        path = (keys[:-1], times[:-2], times[1:-1], levels[:-2], levels[1:-1])
        (x, y, _), _ = jax.lax.scan(one, (x_T, y, state), path)

        rest = {name: x[name] for name in others.parts}
        x0: Any = denoise({**rest, number: gaussian.alpha(times[-2]) * y}, times[-2])
        last = others.posterior(keys[-1], {k: x0[k] for k in rest}, rest, times[-2], times[-1])
        return Draw({**last, number: x0[number]}, jnp.asarray(n))

    return sample


def unmasking(position: Mapping[str, Array] | None = None) -> Sampler:
    """Masked diffusion with as many cells shown at each step as the grid asks for, in an order drawn for each record.

    position    for each part when each of its cells is shown, the least first: then that is the order

    The order is uniform, so that each cell is hidden at time t with probability t, as in the process's own chain
    (`ancestral`); only the number of cells shown at once does not vary by chance. Cells that are shown together are
    drawn independently: the fewer a step, the closer the draw. Cells of x_T that are not hidden are known and stay.
    """

    def sample(key: Key, denoise: Denoiser, process: Mixed, x_T: Any, grid: Grid) -> Draw:
        order_key, draw_key = jax.random.split(key)
        rank, hidden = _order(order_key, x_T, position)
        times = jnp.asarray(grid, float)

        def one(x, at):
            k, t, s = at
            logits: Any = denoise(x, t)
            keys = part_keys(k, process.parts)
            stay = jnp.round(s * hidden)
            return {
                name: _shown(keys[name], part, logits[name], x[name], rank[name] >= stay)
                for name, part in process.parts.items()
            }, None

        n = len(times) - 1
        x, _ = jax.lax.scan(one, x_T, (jax.random.split(draw_key, n), times[:-1], times[1:]))
        return Draw(x, jnp.asarray(n))

    return sample


def shown_first(
    key: Key,
    denoise: Denoiser,
    process: Mixed,
    x: Mapping[str, Array],
    narrow: Mapping[str, tuple[Array, Array]],
    *,
    turns: int = 2,
) -> Draw:
    """x_T of masked diffusion with some cells drawn before all others, from the classes that they may take.

    Given a first cell drawn so, the others are drawn from their law given it. Were it drawn in its place in a random
    order, those before it would come from their law without the condition.

    narrow      as in Known; each turn is one evaluation, and cells of a turn are drawn independently
    """

    def one(x, at):
        k, turn = at
        logits: Any = denoise(x, 1.0)
        keys = part_keys(k, process.parts)
        return {
            name: _shown(
                keys[name],
                part,
                jnp.where(narrow[name][1], logits[name], LOW),
                x[name],
                narrow[name][0] == turn,
            )
            for name, part in process.parts.items()
        }, None

    x, _ = jax.lax.scan(one, dict(x), (jax.random.split(key, turns), jnp.arange(1, turns + 1)))
    return Draw(x, jnp.asarray(turns))


def _order(
    key: Key, x: Mapping[str, Array], position: Mapping[str, Array] | None
) -> tuple[dict[str, Array], Array]:
    """(rank of each hidden cell among those of its record, how many there are); the highest is shown first."""
    rank, columns = ranks(key, x)
    if position is not None:
        rank = {
            name: jnp.broadcast_to(columns - 1 - jnp.asarray(at), x[name].shape)
            for name, at in position.items()
        }
    names = sorted(x)
    flat = jnp.concatenate([jnp.where(x[name] == MASK, rank[name], columns) for name in names], -1)
    among = jnp.argsort(jnp.argsort(flat, axis=-1), axis=-1)
    ends = list(accumulate(x[name].shape[-1] for name in names))[:-1]
    split = dict(zip(names, jnp.split(among, ends, axis=-1), strict=True))
    return split, (flat < columns).sum(axis=-1, keepdims=True)


def _shown(key: Key, part: Masked, logits: Array, x: Array, show: Array) -> Array:
    drawn = part.drawn(key, logits).astype(x.dtype)
    return jnp.where((x == MASK) & show, drawn, x)
