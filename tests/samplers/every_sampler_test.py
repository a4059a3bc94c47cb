"""What every sampler must do, on Gaussian data whose denoiser, flow and law are known in closed form."""

import itertools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import CLINIC

from jaxehr import names
from jaxehr.benchmark import (
    check,
    observed_order,
    path_error,
    strong_error,
)
from jaxehr.benchmark.errors import grid_to
from jaxehr.processes import Gaussian, cosine, edm, flow, sub_vp, vp
from jaxehr.samplers import (
    DPMpp2M,
    DPMpp2MSDE,
    Heun,
    UniPC2,
    ddim,
    evaluations,
    karras,
    log_snr,
    picard,
    probability_flow,
    reverse_sde,
    triangular_anderson,
    uniform,
)

EDM, KEY = Gaussian(edm()), jax.random.key(0)
SAMPLERS = names.samplers()
RANDOM = {
    "ancestral", "reverse_diffusion", "published_reverse_diffusion", "predictor_corrector", "langevin",
    "euler_maruyama", "published_euler_maruyama", "shark", "churn", "dpmpp_2m_sde",
}  # fmt: skip


def start(process, t, n=64):
    return process.prior(jax.random.key(7), (n, 4), t)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_law_holds(name):
    """The order of the path, or of the law; moments of draws; float32; evaluations, gradients, compilations.

    Those alone whose randomness is from the key have moments looked at. What the table of names says of the cost is
    what is spent. Moments: 1 in 100,000 fails by chance.
    """
    named = SAMPLERS[name]
    laws = list(check(named.sampler, named.order, bias=named.bias))
    assert not [law for law in laws if not law.holds]
    assert any(law.name.startswith("law, ") for law in laws) == (name in RANDOM)
    (spent,) = [law.found for law in laws if law.name == "nfe"]
    assert named.cost is None or f"says {named.cost(10)}," in spent


def test_euler_maruyama_converges_strongly_with_order_1():
    """The noise does not depend on the state, so 1 and not 1/2."""
    order = observed_order(lambda n: strong_error(reverse_sde(), n), 128)
    assert order == pytest.approx(1, abs=0.15)


def test_the_published_grid_takes_63_evaluations():
    assert evaluations(diffrax.Heun(), 31) + 1 == 63


def test_heun_written_out_is_diffrax_heun(float64):
    """The same steps, and with the same error estimate the same adaptive ones."""
    x_T, denoise = start(EDM, 20.0).astype(jnp.float64), CLINIC.denoiser(EDM)
    controller = diffrax.PIDController(rtol=1e-3, atol=1e-4)
    for how, grid in ((None, grid_to(12)), (controller, np.array([20.0, 0.05]))):
        ours, theirs = (
            probability_flow(solver, how)(KEY, denoise, EDM, x_T, grid)
            for solver in (Heun(), diffrax.Heun())
        )
        np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-10)
        assert int(ours.nfe) == int(theirs.nfe)


def test_heun_is_the_edm_scheme():
    """Algorithm 1 of Karras et al. (2022) without churn, written out."""
    denoise, grid = CLINIC.denoiser(EDM), karras(18, sigma_min=0.002, sigma_max=80.0)
    x = x_T = start(EDM, 80.0)
    for t, s in itertools.pairwise(grid):
        d = (x - denoise(x, t)) / t
        x_euler = x + (s - t) * d
        if s > 0:
            d_next = (x_euler - denoise(x_euler, s)) / s
            x = x + (s - t) * (d + d_next) / 2
        else:
            x = x_euler
    draw = probability_flow()(KEY, denoise, EDM, x_T, grid)
    np.testing.assert_allclose(draw.x, x, atol=2e-5)


@pytest.mark.parametrize("other", ["euler", "exponential_euler", "anderson_0"])
def test_ddim_by_other_names(other):
    """Euler in sigma, exponential Euler, and mixing with no memory are DDIM."""
    from jaxehr.samplers import anderson

    sampler = anderson(memory=0) if other == "anderson_0" else SAMPLERS[other].sampler
    grid = karras(20, sigma_min=0.02, sigma_max=80.0)
    arguments = KEY, CLINIC.denoiser(EDM), EDM, start(EDM, 80.0), grid
    found, exact = sampler(*arguments).x, ddim()(*arguments).x
    if other == "anderson_0":
        np.testing.assert_array_equal(found, exact)
    np.testing.assert_allclose(found, exact, atol=2e-5)


def test_at_24_evaluations(float64):
    """2M at most 0.3 of Heun's error, UniPC-2 at most 0.1."""
    heun = path_error(probability_flow(), 12)
    assert path_error(probability_flow(DPMpp2M()), 24) <= 0.3 * heun
    assert path_error(probability_flow(UniPC2()), 24) <= 0.1 * heun


@pytest.mark.parametrize(
    ("process", "first", "last"),
    [
        (EDM, 80.0, 0.01),
        (Gaussian(vp()), 1.0, 0.01),
        (Gaussian(sub_vp()), 1.0, 0.05),
        (Gaussian(cosine()), 0.99, 0.01),
        (Gaussian(flow()), 0.99, 0.01),
    ],
)
@pytest.mark.parametrize("solver", [diffrax.Tsit5(), UniPC2()])
def test_the_flow_of_every_process(process, first, last, solver):
    """A grid in the process's own time; VP has no more noise than data, and a scale that changes."""
    x_T = start(process, first)
    grid = log_snr(200, process, first=first, last=last)
    draw = probability_flow(solver)(KEY, CLINIC.denoiser(process), process, x_T, grid)
    np.testing.assert_allclose(draw.x, CLINIC.flow(process, x_T, first, last), atol=3e-4)


@pytest.mark.parametrize("name", ["dpmpp_2m", "deis", "unipc", "dpmpp_3m", "dpmpp_2s"])
def test_our_solvers_in_a_bare_diffeqsolve(name, float64):
    """The probability flow from 20 down to 0.05 as anyone would write it, with sigma falling."""
    solver = {"dpmpp_2m": DPMpp2M(), "unipc": UniPC2()}.get(name)
    if solver is None:
        from jaxehr.samplers import DEISAB2, DPMpp2S, DPMpp3M

        solver = {"deis": DEISAB2(), "dpmpp_3m": DPMpp3M(), "dpmpp_2s": DPMpp2S()}[name]
    y, grid, denoise = start(EDM, 20.0).astype(jnp.float64), grid_to(40), CLINIC.denoiser(EDM)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda sigma, y, args: (y - denoise(y, sigma)) / sigma),
        solver,
        t0=grid[0],
        t1=grid[-1],
        dt0=None,
        y0=y,
        stepsize_controller=diffrax.StepTo(ts=grid),
    )
    ours = probability_flow(solver)(KEY, denoise, EDM, y, grid)
    np.testing.assert_allclose(solution.ys[0], ours.x, rtol=1e-10)


def test_our_stochastic_solver_in_a_bare_diffeqsolve():
    grid, denoise = -grid_to(40), CLINIC.denoiser(EDM)
    path = diffrax.UnsafeBrownianPath((4,), KEY)
    terms = diffrax.MultiTerm(
        diffrax.ODETerm(lambda t, y, args: 2 * (denoise(y, -t) - y) / -t),
        diffrax.ControlTerm(lambda t, y, args: jnp.sqrt(-2 * t), path),
    )
    solution = diffrax.diffeqsolve(
        terms,
        DPMpp2MSDE(),
        t0=grid[0],
        t1=grid[-1],
        dt0=None,
        y0=start(EDM, 20.0)[0],
        stepsize_controller=diffrax.StepTo(ts=grid),
        adjoint=diffrax.ForwardMode(),
    )
    ours = reverse_sde(DPMpp2MSDE())(KEY, denoise, EDM, start(EDM, 20.0)[0], -grid)
    np.testing.assert_allclose(solution.ys[0], ours.x, rtol=1e-5)


@pytest.mark.parametrize("make", [picard, triangular_anderson])
def test_searches_end_where_ddim_ends(make, float64):
    """As many sweeps as steps, and nothing left to chance: DDIM to rounding, whatever the mixing did on the way."""
    x_T, grid, denoise = (
        start(EDM, 20.0, 1)[0].astype(jnp.float64),
        grid_to(25),
        CLINIC.denoiser(EDM),
    )
    exact = ddim()(KEY, denoise, EDM, x_T, grid).x
    draw = make(tolerance=0.0)(KEY, denoise, EDM, x_T, grid)
    np.testing.assert_allclose(draw.x, exact, rtol=1e-9)
    each = 25 if make is picard else 50  # plain Picard runs beside the mixing
    assert int(draw.nfe) <= 25 * each
    early = make(tolerance=1e-4)(KEY, denoise, EDM, x_T, grid)
    assert int(early.nfe) < 25 * 20
    np.testing.assert_allclose(early.x, exact, atol=1e-3)
    windowed = make(tolerance=1e-5, window=8)(KEY, denoise, EDM, x_T, grid)
    np.testing.assert_allclose(windowed.x, exact, atol=1e-3)


def test_each_record_of_a_search_stops_by_itself():
    """An easy record beside a hard one spends what it spends alone."""
    easy, hard = CLINIC.mean, CLINIC.mean + 6000.0
    sample = lambda x: picard(tolerance=1e-4)(KEY, CLINIC.denoiser(EDM), EDM, x, grid_to(30)).nfe
    both = jax.vmap(sample)(jnp.stack([easy, hard]))
    assert int(both[0]) == int(sample(easy)) < int(both[1]) == int(sample(hard))


def test_a_new_grid_of_the_same_length_compiles_nothing():
    """A grid may be data: it then has noise at every point."""
    denoise, x_T = CLINIC.denoiser(EDM), start(EDM, 20.0)
    for sampler in (probability_flow(DPMpp2M()), reverse_sde(), ddim()):
        draw = jax.jit(lambda grid, sampler=sampler: sampler(KEY, denoise, EDM, x_T, grid).x)
        for rho in (3.0, 5.0, 7.0):
            grid = karras(12, sigma_min=0.05, sigma_max=20.0, rho=rho, last=0.05)
            fixed = sampler(KEY, denoise, EDM, x_T, grid).x
            np.testing.assert_allclose(draw(jnp.asarray(grid)), fixed, rtol=2e-3, atol=2e-4)
        assert draw._cache_size() == 1


@pytest.mark.parametrize(
    "sampler",
    [
        probability_flow(adjoint=diffrax.RecursiveCheckpointAdjoint()),
        probability_flow(DPMpp2M(), adjoint=diffrax.RecursiveCheckpointAdjoint()),
        reverse_sde(adjoint=diffrax.DirectAdjoint()),
        ddim(),
    ],
    ids=["heun", "dpmpp_2m", "euler_maruyama", "ddim"],
)
def test_gradients_pass_backward_too(sampler):
    """The problem is linear: a difference is the derivative. The draws move with the data."""
    grid = karras(20, sigma_min=0.02, sigma_max=80.0)
    noise = jax.random.normal(KEY, (20, 4, 4))  # one for each step; only the random ones read it

    @jax.jit
    @jax.value_and_grad
    def drawn(mean):
        data = CLINIC._replace(mean=CLINIC.mean + mean)
        return sampler(noise, data.denoiser(EDM), EDM, start(EDM, 80.0, 4), grid).x.mean()

    slope, (ahead, behind) = drawn(0.0)[1], (drawn(mean)[0] for mean in (1.0, -1.0))
    np.testing.assert_allclose(slope, (ahead - behind) / 2, rtol=1e-3)
    assert slope == pytest.approx(1, abs=0.05)


def test_steps_by_error_meet_their_tolerance():
    x_T = start(EDM, 20.0)
    controller = diffrax.PIDController(rtol=1e-5, atol=1e-5)
    sampler = probability_flow(diffrax.Tsit5(), controller)
    draw = sampler(KEY, CLINIC.denoiser(EDM), EDM, x_T, np.array([20.0, 0.05]))
    np.testing.assert_allclose(draw.x, CLINIC.flow(EDM, x_T, 20.0, 0.05), atol=1e-3)
    assert 30 < int(draw.nfe) < 600
    each = jax.vmap(lambda x: sampler(KEY, CLINIC.denoiser(EDM), EDM, x, grid_to(1)).nfe)(x_T[:8])
    assert each.shape == (8,)


def test_no_default_path_uses_a_brownian_tree(monkeypatch):
    """It would cost several times the network. None can be made here; one that is wanted is noticed."""

    def refused(*arguments, **options):
        raise AssertionError("a VirtualBrownianTree is made")

    monkeypatch.setattr(diffrax.VirtualBrownianTree, "__init__", refused)

    def planted(key, denoise, process, x_T, grid):
        tree = diffrax.VirtualBrownianTree(0.0, 1.0, 1e-3, x_T.shape, key)
        return ddim()(key, denoise, process, x_T + tree.evaluate(1.0), grid)

    traced = lambda sampler: jax.eval_shape(
        lambda key: sampler(key, CLINIC.denoiser(EDM), EDM, jnp.ones(4), grid_to(8)).x, KEY
    )
    for name in RANDOM:
        traced(SAMPLERS[name].sampler)
    with pytest.raises(AssertionError, match="a VirtualBrownianTree is made"):
        traced(planted)


def test_a_deterministic_chain_draws_no_noise():
    """What is not added is not drawn either."""

    def program(sampler):
        draw = lambda key: sampler(key, CLINIC.denoiser(EDM), EDM, jnp.ones(4), grid_to(8)).x
        return str(jax.make_jaxpr(draw)(KEY))

    assert "random_bits" in program(ddim(1.0)) and "random_bits" not in program(ddim(0.0))


def test_peak_memory_does_not_grow_with_the_steps():
    x_T = jnp.ones((256, 4))

    def temporary(n):
        draw = lambda x: (
            probability_flow(DPMpp2M())(KEY, CLINIC.denoiser(EDM), EDM, x, grid_to(n)).x
        )
        memory = jax.jit(draw).lower(x_T).compile().memory_analysis()
        return memory.temp_size_in_bytes

    # But for the grid itself: 4 bytes a point, twice.
    assert temporary(320) <= temporary(20) + 16 * 300


def test_uniform_time_reaches_the_data_on_a_process_that_ends_at_it():
    process = Gaussian(vp())
    draw = ddim()(KEY, CLINIC.denoiser(process), process, start(process, 1.0), uniform(400))
    assert jnp.isfinite(draw.x).all() and int(draw.nfe) == 400
