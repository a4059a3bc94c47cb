"""DEIS and UniPC against their authors' formulas, written out in NumPy on VP."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from jaxehr.benchmark import observed_order, path_error
from jaxehr.benchmark.errors import bent
from jaxehr.processes import Gaussian, vp
from jaxehr.samplers import (
    DEISAB2,
    DEIStAB,
    UniPC2,
    UniPC3,
    bh1,
    bh2,
    deis_tab,
    probability_flow,
)

GRID = np.array([1.0, 0.83, 0.69, 0.5, 0.36, 0.25, 0.16, 0.1, 0.05, 0.02])
X_T = np.random.default_rng(0).normal(size=6)


def alpha(t):
    return np.exp(-0.5 * (0.1 * t + 9.95 * t**2))


def sigma(t):
    return np.sqrt(1 - alpha(t) ** 2)


def data(x, t, lib=np):
    return lib.sin(1.3 * x + 3 * t) + 0.3 * x


def drawn(sampler):
    with jax.enable_x64(True):
        denoise = lambda x, t: data(x, t, jnp)
        x_T = jnp.asarray(X_T)
        return np.asarray(sampler(jax.random.key(0), denoise, Gaussian(vp()), x_T, GRID).x)


def tab(r):
    """Zhang and Chen (2023), eqs. 14 and 15: Lagrange polynomials in t, x_s = Psi x_t + sum C_j eps_j, with the
    integral of 1/2 Psi(s, u) g^2(u) / sigma_u L_j(u) = alpha_s (sigma / alpha)'(u) L_j(u) from t to s."""
    x, times, eps = X_T, [], []

    def rate(u):
        return 0.5 * (0.1 + 19.9 * u) / (alpha(u) * sigma(u))  # (sigma / alpha)'

    for t, s in itertools.pairwise(GRID):
        times, eps = [t, *times][: r + 1], [(x - alpha(t) * data(x, t)) / sigma(t), *eps][: r + 1]
        x = alpha(s) / alpha(t) * x
        for j, e in enumerate(eps):
            others = np.delete(times, j)
            scale = math.prod(times[j] - others)
            weight = quad(lambda u, o=others: rate(u) * math.prod(u - o), t, s, epsabs=1e-13)[0]
            x = x + alpha(s) * weight / scale * e
    return x


def unipc(p, b):
    """Zhao et al. (2023), Algorithms 5 to 8: the weights solve R rho = phi / B, by the code of the authors."""
    lam = np.log(alpha(GRID) / sigma(GRID))
    x, base, known = X_T, X_T, [data(X_T, GRID[0])]
    for i in range(1, len(GRID)):
        order, t, s = min(p, i), GRID[i - 1], GRID[i]
        hh = -(lam[i] - lam[i - 1])
        r = [(lam[i - 1 - k] - lam[i - 1]) / -hh for k in range(1, order)] + [1.0]
        phi, factorial, rows, right = np.expm1(hh) / hh - 1, 1, [], []
        for k in range(1, order + 1):
            rows.append(np.power(r, k - 1))
            right.append(phi * factorial / b(hh))
            factorial *= k + 1
            phi = phi / hh - 1 / factorial
        rows, right = np.array(rows), np.array(right)
        steps = [(known[-1 - k] - known[-1]) / r[k - 1] for k in range(1, order)]
        ahead = [0.5] if order == 2 else np.linalg.solve(rows[:-1, :-1], right[:-1])
        back = [0.5] if order == 1 else np.linalg.solve(rows, right)
        base = sigma(s) / sigma(t) * base - alpha(s) * np.expm1(hh) * known[-1]
        combined = lambda weights, ds: sum((w * d for w, d in zip(weights, ds, strict=True)), 0.0)
        x = base - alpha(s) * b(hh) * combined(ahead, steps)
        if i + 1 < len(GRID):  # the last point is left as predicted
            new = data(x, s)
            base = base - alpha(s) * b(hh) * combined(back, [*steps, new - known[-1]])
            known.append(new)
    return x


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_tab_is_the_authors(degree):
    found = drawn(deis_tab(degree))
    np.testing.assert_allclose(found, tab(degree), rtol=1e-9)
    assert np.abs(found - drawn(probability_flow(DEISAB2()))).max() > 2e-3


@pytest.mark.parametrize(("solver", "p"), [(UniPC2, 2), (UniPC3, 3)])
@pytest.mark.parametrize(("ours", "theirs"), [(bh1, lambda hh: hh), (bh2, np.expm1)])
def test_unipc_is_the_authors(solver, p, ours, theirs):
    found = drawn(probability_flow(solver(b=ours)))
    np.testing.assert_allclose(found, unipc(p, theirs), rtol=1e-9)


def test_in_the_noise_level_itself_tab1_is_rho_ab1():
    sampler = probability_flow(DEIStAB(lambda ratio: ratio, 1))
    np.testing.assert_allclose(drawn(sampler), drawn(probability_flow(DEISAB2())), rtol=1e-12)


@pytest.mark.parametrize(("degree", "first"), [(2, 2.9), (3, 3.5)])
def test_the_order_of_tab_falls_to_that_of_its_first_step(degree, first):
    """From nearly the degree + 1 at 40 steps to 2, that of one step of Euler's."""
    error = lambda n: path_error(deis_tab(degree), n, bent())
    assert observed_order(error, 40) > first - 0.1
    assert observed_order(error, 2560) == pytest.approx(2, abs=0.25)


def test_there_is_no_tab4():
    with pytest.raises(ValueError, match="tAB1, tAB2 and tAB3; got a degree of 4"):
        deis_tab(4)
