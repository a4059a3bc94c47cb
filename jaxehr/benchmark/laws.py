"""The laws that every sampler obeys, on data where all answers are known in closed form.

Affine and not, in a process of constant scale (EDM) and in one whose scale changes (VP), in float64 and in float32.
"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxehr.benchmark import errors
from jaxehr.benchmark.problems import four_columns
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers.grids import karras
from jaxehr.types import Sampler

TOLERANCE = 0.15  # of an observed order against the stated one; with few steps, as a share of it
FINE = 1e-9  # errors of a high order come down to it in float64 before they settle to their order
CONVERGED = 1e-3  # the error of a sampler that has no order, where more steps need not help
CHOSEN = 1e-2  # the error of one that chooses its own steps, and so is as good on any grid
ROUNDED = 1e-3  # what float32 may cost on the way from noise 20 to 0.05; ours cost a tenth of it
LEFT = 0.02  # of the spread: what a method of order 1 has left at 160 steps
DRAWS = 40_000
CHANCE = 5 / DRAWS**0.5  # of the largest of 16 moments: 1 in 100,000 is beyond
TO_DATA = karras(10, sigma_min=errors.LAST, sigma_max=errors.FIRST)


class Law(NamedTuple):
    """One law, whether it holds, and the figures that say so."""

    name: str
    holds: bool
    found: str


def not_compiled(refused: Exception) -> str:
    """In a line, what is wrong with a solver that JAX refused to trace."""
    found = str(refused).splitlines()[0]
    return f"it cannot be compiled: where it looks at values, jnp.where or lax.cond is wanted ({found})"


def check(sampler: Sampler, stated: float | None = None, *, bias: float = 0.0) -> Iterator[Law]:
    """The laws, for any sampler of one step per grid interval.

    stated      its order: of the path if it is deterministic, of the law (weak) if it is random; None asks for 1/2
                at the least, which is to converge, or to have converged. Not seen of a random one whose noise cannot
                be given: its law is then all that is judged
    bias        that a random sampler keeps however many steps it takes, as a share of the spread
    """
    try:
        counted, nfe, random = errors.one_record(sampler, TO_DATA)
    except jax.errors.JAXTypeError as refused:
        yield Law("jit", False, not_compiled(refused))
        return
    given = not random or errors.takes_noise(sampler)
    if not random:
        for problem in (errors.affine(), errors.bent()):
            error = partial(errors.path_error, sampler, problem=problem)
            law = _convergence(error, f"order, {problem.name}", stated)
            if stated is None and not law.holds and _own_steps(sampler):
                law = _accuracy(error, law.name)
            yield law
    elif given:
        error = partial(errors.law_error, sampler)
        yield _convergence(error, f"weak order, {errors.affine().name}", stated)
    if random:
        for problem in (errors.bent(),) if given else (errors.affine(), errors.bent()):
            yield _moments(sampler, problem, bias)
    if given:
        apart = errors.rounding_error(sampler)
        yield Law("float32", apart < ROUNDED, f"{apart:.1e} from float64 in 80 steps")
    yield Law("nfe", counted == nfe, f"says {nfe}, the network saw {counted} rows, in 10 steps")
    yield from _program(sampler)


def _own_steps(sampler: Sampler) -> bool:
    """Whether a finer grid costs it nothing: it then chooses its steps by the error."""
    few, many = (errors.counted_evaluations(sampler, errors.grid_to(n))[1] for n in (40, 160))
    return many < 2 * few


def _accuracy(error: Callable[[int], float], name: str) -> Law:
    found = error(160)
    return Law(name, found < CHOSEN, f"its steps are its own; error {found:.1e}")


def _convergence(error: Callable[[int], float], name: str, stated: float | None) -> Law:
    n, found = 80, [error(80), error(160)]
    if stated is not None and found[1] >= FINE and not _close(found, stated):
        n, found = 160, [found[1], error(320)]  # some settle late
    order = float(np.log2(found[0] / found[1]))
    said = f"errors {found[0]:.1e} and {found[1]:.1e} at {n} and {2 * n} steps"
    if stated is None:
        return Law(name, order > 0.5 or found[1] < CONVERGED, f"{order:.2f}; {said}")
    if found[1] >= FINE:
        return Law(name, _close(found, stated), f"{order:.2f}, stated {stated:g}; {said}")
    # Nothing is left to see there. With few steps the order is that stated, or more, as long as it is above rounding.
    few = [error(n) for n in (5, 10, 20, 40)]
    pairs = [(a, b) for a, b in itertools.pairwise(few) if b > FINE] or [(few[0], few[1])]
    order = min(float(np.log2(a / b)) for a, b in pairs)
    said = f"{order:.2f} at least, with 5 to 40 steps, stated {stated:g}; {said}"
    return Law(name, order > stated * (1 - TOLERANCE), said)


def _close(found: list[float], stated: float) -> bool:
    return bool(abs(np.log2(found[0] / found[1]) - stated) < TOLERANCE)


def _moments(sampler: Sampler, problem: errors.Problem, bias: float) -> Law:
    off = errors.moments_error(sampler, 160, problem, DRAWS)
    allowed = max(bias, LEFT) + CHANCE
    found = f"moments off by {off:.1%} of the spread at 160 steps, {allowed:.1%} allowed"
    return Law(f"law, {problem.name}", off < allowed, found)


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
    slopes = [drawn(key, 0.1 * i, errors.FIRST * jnp.ones(4))[1] for i, key in enumerate(keys)]
    finite = bool(np.isfinite(slopes).all())
    yield Law("gradients", finite, "finite" if finite else "not finite")
    n = drawn._cache_size()  # type: ignore[attr-defined]
    yield Law("compilations", n == 1, f"{n} for three keys and parameters")
