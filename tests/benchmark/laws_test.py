"""Solvers that are wrong on purpose fail the law that they break, and sound ones pass it."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from jaxehr.benchmark import as_sampler, check, errors
from jaxehr.benchmark.laws import ROUNDED, TO_DATA
from jaxehr.processes.gaussian import standard_normal
from jaxehr.samplers import DPMpp2MSDE, ancestral, ddim, probability_flow, reverse_sde
from jaxehr.samplers.solvers import ExponentialSolver
from jaxehr.samplers.solvers.dpmpp import divided
from jaxehr.samplers.solvers.exponential import phi_1
from jaxehr.types import Draw


def law(sampler, name, stated=None):
    """The first law of that name; those after it are not looked at."""
    return next(law for law in check(sampler, stated) if law.name.startswith(name))


class LessAhead(DPMpp2MSDE):
    """Weakly of order 1: .4 for .5."""

    def advance(self, denoise, t, s, y, state, noise):
        d_last, t_last = state
        d, h = denoise(y, t), jnp.log(t / s)
        ahead = d + 0.4 * h * divided(d, d_last, t, t_last)
        kept, spread = s / t * jnp.exp(-h), s * jnp.sqrt(phi_1(2 * h))
        return kept * y + phi_1(2 * h) * ahead + spread * noise(), (d, t)


class Cancels(ExponentialSolver):
    """Exponential Euler through a number that float32 does not hold."""

    def order(self, terms):
        return 1

    def advance(self, denoise, t, s, y, state):
        return (s / t * y + (1 - s / t) * denoise(y, t) + 1e6) - 1e6, state


def alpha_forgotten(key, denoise, process, x, t, s):
    kept = process.sigma(s) / process.sigma(t)
    return kept * x + (1 - kept) * denoise(x, t)


def rows_mixed(key, denoise, process, x, t, s):
    """Records that lean on those drawn beside them."""
    x = process.posterior(key, denoise(x, t), x, t, s, 0.0)
    return x + 0.01 * (x.mean(axis=0, keepdims=True) - x) if x.ndim > 1 else x


def stacked(key, denoise, process, x_T, grid):
    """Two evaluations as one call of two rows; says one a step."""
    times = jnp.asarray(grid, x_T.dtype)

    def one(x, at):
        x0 = denoise(jnp.stack([x, x + 1e-6]), at[0]).mean(0)
        return process.posterior(key, x0, x, *at, 0.0), None

    x, _ = jax.lax.scan(one, x_T, (times[:-1], times[1:]))
    return Draw(x, jnp.asarray(len(grid) - 1))


def noisy(scale):
    """The ancestral chain with `scale` (y - E[y]) times its noise, from keys of its own."""

    def sample(key, denoise, process, x_T, grid):
        times = jnp.asarray(grid, x_T.dtype)

        def one(x, at):
            k, t, s = at
            z = scale(x / process.alpha(t)) * standard_normal(k, x)
            return process.posterior(z, denoise(x, t), x, t, s), None

        keys = jax.random.split(key, len(grid) - 1)
        x, _ = jax.lax.scan(one, x_T, (keys, times[:-1], times[1:]))
        return Draw(x, jnp.asarray(len(grid) - 1))

    return sample


WRONG = {
    "stated too high": (reverse_sde(LessAhead()), "weak order", 2),
    "alpha forgotten": (as_sampler(alpha_forgotten), "order, mixtures", None),
    "rows mixed": (as_sampler(rows_mixed), "order, Gaussian", None),
    "6% too much noise": (noisy(lambda y: 1.06), "law, Gaussian", None),
    "no noise away from the mean": (noisy(lambda y: jnp.exp(-(y**2) / 8)), "law, mixtures", None),
}
SOUND = {
    "2M-SDE": (reverse_sde(DPMpp2MSDE()), "weak order", 2),
    "ddim on VP": (ddim(), "order, mixtures", None),
    "ancestral": (noisy(lambda y: 1.0), "law, Gaussian", None),
    "adaptive": (
        probability_flow(diffrax.Bosh3(), diffrax.PIDController(rtol=1e-4, atol=1e-4)),
        "order, Gaussian",
        None,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails_the_law_it_breaks(name):
    found = law(*WRONG[name])
    assert not found.holds, found


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_passes_it(name):
    """Moments of draws: 1 in 100,000 fails by chance."""
    found = law(*SOUND[name])
    assert found.holds, found


def test_rows_of_one_call_are_counted_each():
    assert errors.counted_evaluations(stacked, TO_DATA) == (20, 10)
    assert errors.counted_evaluations(ddim(), TO_DATA) == (10, 10)


def test_what_float32_does_not_hold_is_seen():
    assert errors.rounding_error(probability_flow(Cancels())) > ROUNDED
    assert errors.rounding_error(ddim()) < ROUNDED / 10


def test_a_bias_that_is_stated_is_allowed():
    wide = noisy(lambda y: 1.06)
    found = next(x for x in check(wide, bias=0.1) if x.name.startswith("law"))
    assert found.holds and "12.5% allowed" in found.found


def test_the_draws_of_a_problem_have_its_shares():
    """Kolmogorov and Smirnov at 1 in 10,000 for each of 8 columns, at either end of the grid."""
    for problem in (errors.affine(), errors.bent()):
        t = float(errors.grid_to(4, problem.process)[-1])
        x = problem.data.draw(jax.random.key(0), problem.process, 4000, t)
        for column in problem.data.share(problem.process, np.asarray(x), t).T:
            assert kstest(column, "uniform").pvalue > 1e-4


def test_the_flow_of_the_mixtures_is_what_a_fine_solve_ends_at():
    assert errors.path_error(probability_flow(diffrax.Tsit5()), 160, errors.bent()) < 1e-6


def test_draws_that_are_right_are_right_from_keys_too():
    """The exact law and the moments of draws agree that the ancestral chain is off by the same at 20 steps."""
    off = errors.moments_error(ancestral(), 20, errors.affine(), 10_000)
    assert off > 0.1 and errors.law_error(ancestral(), 20) > 0.1
