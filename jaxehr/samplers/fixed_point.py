"""Samplers that iterate on the whole trajectory at once, and Anderson mixing.

The points x_1 ... x_N of a DDIM trajectory solve a triangular system x_i = G_i(x_0 ... x_{i-1}). A sweep evaluates the
denoiser at all of them together, so that with enough devices the trajectory takes as long as its sweeps, not as its
steps: latency is bought with evaluations (Shih et al. 2023, ParaDiGMS; Tang et al. 2024, ParaTAA).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxehr.processes.gaussian import Gaussian
from jaxehr.samplers.chains import Step, ddim_step
from jaxehr.types import Denoiser, Draw, Grid, Noise, Sampler

# (points [w, d], D there [w, d], levels [w + 1]) -> the next points [w, d], from the first point and all D
Form = Callable[[Array, Array, Array], Array]

# Mixing solves normal equations, which the rounding of an accelerator's default (TF32, bfloat16) would spoil.
_dot, _einsum = (partial(f, precision="highest") for f in (jnp.dot, jnp.einsum))


def noise_form(y: Array, d: Array, sigma: Array) -> Array:
    """Sums the noise e = (y - D) / sigma: y_i = y_0 + sum (sigma_{j+1} - sigma_j) e_j, as ParaDiGMS and ParaTAA do."""
    return y[0] + jnp.cumsum((sigma[1:] - sigma[:-1])[:, None] * (y - d) / sigma[:-1, None], axis=0)


def data_form(y: Array, d: Array, sigma: Array) -> Array:
    """Sums the data D, the linear part exactly: y_i / sigma_i = y_0 / sigma_0 + sum (1/sigma_{j+1} - 1/sigma_j) D_j.

    As convergent as Anderson mixing of the other form, without any.
    """
    is_data = sigma[1:] == 0
    after = jnp.where(is_data, 1.0, sigma[1:])
    sums = jnp.cumsum((1 / after - 1 / sigma[:-1])[:, None] * d, axis=0)
    return jnp.where(is_data[:, None], d, after[:, None] * (y[0] / sigma[0] + sums))


class _Path(NamedTuple):
    """A trajectory on its way: points, how many have converged, the square of the last plain sweep's move, and what
    mixing remembers."""

    y: Array
    first: Array
    left: Array
    history: Any


TRUSTED = 100.0  # a residual of a tenth, squared


def picard(
    form: Form = data_form,
    *,
    memory: int = 0,
    triangular: bool = True,
    window: int | None = None,
    tolerance: float = 1e-3,
    max_sweeps: int | Array | None = None,
) -> Sampler:
    """The DDIM trajectory by fixed-point sweeps; at most as many as steps, which is DDIM to rounding.

    form        data_form or noise_form
    memory      sweeps that Anderson mixing looks back on; 0 is plain Picard
    triangular  mix each point by itself and those before it (ParaTAA, Tang et al. 2024, section 4), else all by one
                rule (Walker and Ni 2011)
    window      points swept at once, from the first that has not converged; None is all
    tolerance   a point has converged when a sweep moves it, root mean square, by less than this times 1 + sigma

    Mixing must never leave a sample worse than plain Picard would after as many sweeps. So plain Picard runs beside it,
    in the same sweep: twice the evaluations, at no more latency. The sample is the plain one unless the residual of the
    mixed points is less than a tenth of it; and mixed points whose residual is the larger start again from the plain
    ones. In the data form, which converges as fast without, that is to say that mixing hardly ever counts. Points as
    far as plain Picard would have them exact are never mixed: k sweeps always give the first k points of DDIM.

    x_T is taken as one record: vmap it over a batch, and each record stops by itself. nfe counts sweeps x window, and
    twice that with a memory.
    """

    def sample(key: Noise, denoise: Denoiser, process: Gaussian, x_T: Array, grid: Grid) -> Draw:
        del key
        n, shape = len(grid) - 1, x_T.shape
        w = n if window is None else min(window, n)
        most = n if max_sweeps is None else max_sweeps
        times = jnp.asarray(grid, x_T.dtype)
        scale = process.alpha(times)
        sigma = process.sigma(times) / scale

        def data_at(y, at):
            points = (scale[at][:, None] * y).reshape(-1, *shape)
            return jnp.reshape(jnp.asarray(jax.vmap(denoise)(points, times[at])), y.shape)

        def sweep(path: _Path, done) -> tuple[_Path, Array]:
            """The path after a plain sweep; and what mixing would make of it."""
            y, first = path.y, path.first
            start = jnp.minimum(first, n - w)
            at, into = start + jnp.arange(w), start + 1 + jnp.arange(w)
            levels = jax.lax.dynamic_slice_in_dim(sigma, start, w + 1)
            d = data_at(y[at], at)
            new = form(y[at], d, levels)
            weight = 1 / (1 + levels[1:])
            residual = (new - y[into]) * weight[:, None]
            move = jnp.sqrt(jnp.mean(residual**2, axis=1))
            open_ = into > first

            def with_(new):
                found = y.at[into].set(new)
                if w == n:
                    return found
                # What lies beyond the window follows it, with its last D.
                beyond = jnp.arange(n + 1) > into[-1]
                share = (sigma / sigma[at[-1]])[:, None]
                return jnp.where(
                    beyond[:, None], share * found[at[-1]] + (1 - share) * d[-1], found
                )

            mixed, history = with_(new), path.history
            if memory:
                # The least that plain Picard would have exact now, and one point more.
                free = into > jnp.maximum(done, first) + 1
                weighted = y / (1 + sigma[:, None])
                step, history = _anderson(weighted, residual, into, free, done, history, triangular)
                mixed = with_(y[into] + (residual + step) / weight[:, None])
            still = open_ & (move > tolerance)
            first = jnp.where(still.any(), into[jnp.argmax(still)] - 1, into[-1])
            left = jnp.sum(move**2)
            return _Path(with_(new), first, left, history), mixed

        def sweeps(state):
            paths, starts, done = state
            paths, mixed = jax.vmap(sweep, (0, None))(paths._replace(y=starts), done)
            if memory:
                mend = ~_is_better(paths, n - w, 1.0)
                paths = jax.tree.map(lambda a: a.at[1].set(jnp.where(mend, a[0], a[1])), paths)
                starts = jnp.stack([paths.y[0], jnp.where(mend, mixed[0], mixed[1])])
            else:
                starts = paths.y
            return paths, starts, done + 1

        def unfinished(state):
            paths, _, done = state
            return (paths.first < n).all() & (done < most)

        flat = x_T.reshape(-1)
        y = sigma[:, None] / sigma[0] * (flat / scale[0])
        history = None
        if memory:
            blank = jnp.zeros((memory, n + 1, flat.size), flat.dtype)
            history = (jnp.zeros_like(y), jnp.zeros_like(y), blank, blank)
        infinite = jnp.asarray(jnp.inf, flat.dtype)
        path = _Path(y, jnp.zeros((), int), infinite, history)
        lanes = 2 if memory else 1
        paths = jax.tree.map(lambda leaf: jnp.stack([leaf] * lanes), path)
        paths, _, done = jax.lax.while_loop(
            unfinished, sweeps, (paths, paths.y, jnp.zeros((), int))
        )
        y = paths.y[0]
        if memory:
            y = jnp.where(_is_better(paths, n - w, TRUSTED), paths.y[1], y)
        return Draw(scale[-1] * y[-1].reshape(shape), done * w * lanes)

    return sample


def _is_better(paths: _Path, last: int, times: float) -> Array:
    """Whether the second path's window is further on, or in the same place and its residual so many times smaller."""
    at = jnp.minimum(paths.first, last)
    return (at[1] > at[0]) | ((at[1] == at[0]) & (times * paths.left[1] <= paths.left[0]))


def triangular_anderson(
    *,
    memory: int = 3,
    form: Form = noise_form,
    window: int | None = None,
    tolerance: float = 1e-3,
    max_sweeps: int | Array | None = None,
) -> Sampler:
    """ParaTAA: `picard` as Tang et al. (2024) mix it."""
    return picard(form, memory=memory, window=window, tolerance=tolerance, max_sweeps=max_sweeps)


def _anderson(y, residual, into, mix, taken, history, triangular):
    """What type-II mixing adds to the residual (both weighted), and the next history.

    history     y and residual of the last sweep; their differences over `memory` sweeps, in a ring
    """
    y_last, r_last, dy, dr = history
    memory = dy.shape[0]
    full = jnp.zeros_like(r_last).at[into].set(residual)
    slot, known = (taken - 1) % memory, taken > 0
    seen = jnp.zeros(len(y), bool).at[into].set(True)[:, None] & known
    dy = dy.at[slot].set(jnp.where(seen, y - y_last, dy[slot]))
    dr = dr.at[slot].set(jnp.where(seen, full - r_last, dr[slot]))

    s, f = dy[:, into], dr[:, into]
    gram = _einsum("awd,bwd->wab", f, f)
    right = _einsum("awd,wd->wa", f, residual)
    if triangular:
        gram, right = jnp.cumsum(gram, axis=0), jnp.cumsum(right, axis=0)
    else:
        gram, right = gram.sum(0, keepdims=True), right.sum(0, keepdims=True)
    size = jnp.trace(gram, axis1=1, axis2=2)[:, None, None]
    ridge = (1e-6 * size + jnp.finfo(y.dtype).tiny) * jnp.eye(memory)
    gamma = jnp.linalg.solve(gram + ridge, right[..., None])[..., 0]
    gamma = jnp.broadcast_to(gamma, (len(into), memory))
    gamma = jnp.where(mix[:, None] & jnp.isfinite(gamma), gamma, 0.0)
    step = -_einsum("awd,wa->wd", s + f, gamma)
    return step, (y, full, dy, dr)


def anderson(
    step: Step | None = None, *, memory: int = 2, limit: float = 1.0, ridge: float = 1e-8
) -> Sampler:
    """Anderson mixing of successive steps: a reconstruction of MedDiff (He et al. 2023), whose code is not public.

        r = x - g(x);   gamma = argmin |r - Y gamma|;   x_next = g(x) - (S - Y) gamma

    with S and Y the differences of x and of r over the last `memory` steps, type II as in the authors' GDA-AM code,
    for each record by itself. g is another map at every step of the grid, so that nothing is being solved: mixing
    steps of different noise levels is not consistent with any equation, and errors are larger than DDIM's as measured.
    It is here to be studied. For a true fixed point see `picard`.

    step        a deterministic step; by default DDIM's
    memory      0 is `sequential(step)` itself
    limit       the safeguard: a correction longer than this times |r| is not made (inf: always made)
    ridge       on Y'Y, relative to |Y|^2 + |S|^2
    """
    step = ddim_step() if step is None else step

    def sample(key: Noise, denoise: Denoiser, process: Gaussian, x_T: Array, grid: Grid) -> Draw:
        times = jnp.asarray(grid, x_T.dtype)
        n = len(times) - 1
        keys = key if jnp.issubdtype(key.dtype, jnp.inexact) else jax.random.split(key, n)

        def one(state, at):
            x, x_last, r_last, s, y, i = state
            noise, t, next_t = at
            g = step(noise, denoise, process, x, t, next_t)
            if not memory:
                return (g, x, r_last, s, y, i + 1), None
            r = x - g
            slot = (i - 1) % memory
            s = jnp.where(i > 0, s.at[slot].set((x - x_last).ravel()), s)
            y = jnp.where(i > 0, y.at[slot].set((r - r_last).ravel()), y)
            gram = _dot(y, y.T) + (
                ridge * (jnp.sum(y**2) + jnp.sum(s**2)) + jnp.finfo(x.dtype).tiny
            ) * jnp.eye(memory)
            gamma = jnp.linalg.solve(gram, _dot(y, r.ravel()))
            change = _dot((s - y).T, gamma).reshape(x.shape)
            kept = (i > 0) & jnp.isfinite(change).all() & (_norm(change) <= limit * _norm(r))
            return (g - jnp.where(kept, change, 0.0), x, r, s, y, i + 1), None

        blank = jnp.zeros((memory, x_T.size), x_T.dtype)
        state = (x_T, x_T, jnp.zeros_like(x_T), blank, blank, jnp.zeros((), int))
        (x, *_), _ = jax.lax.scan(one, state, (keys, times[:-1], times[1:]))
        return Draw(x, jnp.asarray(n))

    return sample


def _norm(x: Float[Array, "..."]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum(x**2))
