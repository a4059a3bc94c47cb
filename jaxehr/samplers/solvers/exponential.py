"""What the exponential integrators share, and the first-order one.

They solve the probability flow in y = x / alpha with the noise level sigma as time,

    dy/dsigma = (y - D(y, sigma)) / sigma,

treating the linear part exactly: with lambda = -ln sigma and h = lambda_s - lambda_t > 0, from t down to s < t,

    y_s = (s / t) y_t + s * integral of e^lambda D dlambda                    (Lu et al. 2022b, Proposition 4.1)

and differ in how they extrapolate D. Each is a `diffrax.AbstractSolver`: in `diffrax.diffeqsolve` it takes that
equation as its term, integrated from the largest sigma down (t0 > t1), or from -sigma_max up to -sigma_min, which is
what our samplers do, since no Brownian path runs backwards. D is read off the term: D = y - sigma dy/dsigma.
"""

import math
from collections.abc import Callable
from typing import ClassVar

import diffrax
import jax.numpy as jnp
from jaxtyping import Array


class _FixedStepSolver(diffrax.AbstractSolver):
    """Fixed steps only: there is no error estimate. The state is the solver's own."""

    interpolation_cls: ClassVar[Callable] = diffrax.LocalLinearInterpolation

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def start(self, denoise, t, s, y):
        """The state before the first step, which goes from y at t to s."""
        return None


class ExponentialSolver(_FixedStepSolver):
    """Of the probability flow. A subclass gives `order`, `advance`, and `start` if it has a state."""

    term_structure: ClassVar = diffrax.AbstractTerm

    def init(self, terms, t0, t1, y0, args):
        denoise = lambda y, t: denoised(terms, y, t, args, t0, t1)
        return self.start(denoise, jnp.abs(t0), jnp.abs(t1), y0)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        del made_jump
        denoise = lambda y, t: denoised(terms, y, t, args, t0, t1)
        y1, state = self.advance(denoise, jnp.abs(t0), jnp.abs(t1), y0, solver_state)
        return y1, None, {"y0": y0, "y1": y1}, state, diffrax.RESULTS.successful

    def advance(self, denoise, t, s, y, state):
        """(y at s, the next state), from y at t > s. `denoise(y, t)` is D at any level of the step."""
        raise NotImplementedError


class StochasticSolver(_FixedStepSolver, diffrax.AbstractItoSolver):
    """The same for the reverse SDE, dy = 2 (y - D) / sigma dsigma + sqrt(2 sigma) dw with sigma falling.

    The term is a `diffrax.MultiTerm` of that drift and a control term, over the time -sigma. `advance` has one argument
    more: `noise()`, a standard normal draw, the Brownian increment of the step over the root of its length.
    """

    term_structure: ClassVar = diffrax.MultiTerm

    def init(self, terms, t0, t1, y0, args):
        drift, _ = terms.terms
        denoise = lambda y, t: denoised(drift, y, t, args, t0, t1, share=2)
        return self.start(denoise, jnp.abs(t0), jnp.abs(t1), y0)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        del made_jump
        drift, control = terms.terms
        denoise = lambda y, t: denoised(drift, y, t, args, t0, t1, share=2)
        noise = lambda: control.contr(t0, t1) / jnp.sqrt(t1 - t0)
        y1, state = self.advance(denoise, jnp.abs(t0), jnp.abs(t1), y0, solver_state, noise)
        return y1, None, {"y0": y0, "y1": y1}, state, diffrax.RESULTS.successful

    def advance(self, denoise, t, s, y, state, noise):
        """(y at s, the next state), from y at t > s."""
        raise NotImplementedError


def denoised(terms, y: Array, t: Array, args, t0, t1, *, share: int = 1) -> Array:
    """D at (y, t) during the step from t0 to t1, whichever way the time runs; the term is `share` (y - D) / t."""
    sign = jnp.where(t0 < 0, -1, 1)
    increment = terms.vf_prod(sign * t, y, args, terms.contr(t0, t1))
    return y - t * increment / (share * (jnp.abs(t1) - jnp.abs(t0)))


def phi_1(h: Array) -> Array:
    """1 - e^-h, the weight of a constant D."""
    return -jnp.expm1(-h)


def phi_2(h: Array) -> Array:
    """The weight of h D', the derivative in lambda: (h - 1 + e^-h) / h."""
    return _phi(2, h)


def phi_3(h: Array) -> Array:
    """The weight of h^2 D'': (h^2 / 2 - h + 1 - e^-h) / h^2."""
    return _phi(3, h)


def moments(n: int, h: Array) -> list[Array]:
    """The weights of 1, u, u^2, ..., n of them: the integrals of e^-(h - u) u^k over [0, h]."""
    return [phi_1(h), *(math.factorial(k) * h**k * _phi(k + 1, h) for k in range(1, n))]


def _phi(k: int, h: Array) -> Array:
    """phi_k = 1 / (k - 1)! - phi_(k - 1) / h, which cancels below 1: there by its series."""
    series = sum((-h) ** (j - k) * (1 / math.factorial(j)) for j in range(k + 17, k - 1, -1)) * h
    before = phi_1(h) if k == 2 else _phi(k - 1, h)
    return jnp.where(h < 1, series, 1 / math.factorial(k - 1) - before / jnp.where(h < 1, 1.0, h))


class ExponentialEuler(ExponentialSolver):
    """D held constant over the step: y_s = (s / t) y + (1 - s / t) D.

    DDIM with eta = 0 (Song, Meng, Ermon 2021, eq. 12), DPM-Solver-1, and also plain Euler in sigma: all one method.
    """

    def order(self, terms):
        return 1

    def advance(self, denoise, t, s, y, state):
        return s / t * y + (1 - s / t) * denoise(y, t), state
