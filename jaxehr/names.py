"""The names of the command line: the only place where a name picks a recipe, a baseline or a sampler."""

from collections.abc import Callable
from typing import NamedTuple

from jaxehr.types import Sampler


class NamedSampler(NamedTuple):
    """A sampler as the command line and the benchmark know it.

    cost    (steps) -> evaluations on a grid whose last step lands on the data; None where that is found out on the way
    order   of the path for a deterministic sampler, weak for a random one; None where it has none
    bias    that a random one keeps however many steps it takes, as a share of the spread
    """

    about: str
    sampler: Sampler
    cost: Callable[[int], int] | None
    order: float | None
    bias: float = 0.0


def recipes() -> dict[str, Callable]:
    from jaxehr import recipes

    return {
        "ehrdiff": recipes.ehrdiff,
        "ddpm": recipes.ddpm,
        "ddim": recipes.ddim,
        "masked": recipes.masked,
        "tabddpm": recipes.tabddpm,
        "meddiff": recipes.meddiff,
        "ncsn": recipes.ncsn,
        "score_sde": recipes.score_sde,
        "score_sde_ve": recipes.score_sde_ve,
        "score_sde_sub_vp": recipes.score_sde_sub_vp,
        "scoehr": recipes.scoehr,
        "timediff": recipes.timediff,
        "longitudinal_dpm": recipes.longitudinal_dpm,
        "courses": recipes.courses,
        "vae": recipes.vae,
        "gan": recipes.gan,
    }


def baselines() -> dict[str, Callable]:
    from jaxehr import baselines

    return {
        "marginals": baselines.marginals,
        "copula": baselines.copula,
        "cart": baselines.cart,
        "smote": baselines.smote,
        "bootstrap": baselines.bootstrap,
    }


SERIES_ALONE = ("timediff", "longitudinal_dpm", "courses")  # recipes that learn nothing else

OWN_SAMPLER = {  # what --nfe alone means for a recipe
    "ehrdiff": "heun",
    "ddpm": "ancestral",
    "ddim": "ddim",
    "masked": "unmasking",
    "tabddpm": "ancestral",
    "meddiff": "ddim",
    "ncsn": "langevin",
    "score_sde": "predictor_corrector",
    "score_sde_ve": "predictor_corrector",
    "score_sde_sub_vp": "predictor_corrector",
    "scoehr": "published_euler_maruyama",
    "timediff": "ancestral",
    "longitudinal_dpm": "ancestral",
    "courses": "ancestral",
}


def samplers() -> dict[str, NamedSampler]:
    import diffrax

    from jaxehr import samplers as ours

    def ode(about: str, solver, order: float) -> NamedSampler:
        cost = lambda n: ours.evaluations(solver, n - 1) + 1
        return NamedSampler(about, ours.probability_flow(solver), cost, order)

    def sde(about: str, solver, order: float) -> NamedSampler:
        cost = lambda n: ours.evaluations(solver, n - 1) + 1
        return NamedSampler(about, ours.reverse_sde(solver), cost, order)

    def chain(about: str, sampler: Sampler, each: int, order: float | None) -> NamedSampler:
        return NamedSampler(about, sampler, lambda n: n * each, order)

    def search(about: str, sampler: Sampler) -> NamedSampler:
        return NamedSampler(about, sampler, None, 1)

    adaptive = ours.probability_flow(
        diffrax.Tsit5(), diffrax.PIDController(rtol=1e-4, atol=1e-4, dtmax=None)
    )
    return {
        "heun": ode("probability flow, Heun: the EDM scheme", ours.Heun(), 2),
        "euler": ode("probability flow, Euler", diffrax.Euler(), 1),
        "ralston": ode("probability flow, Ralston", diffrax.Ralston(), 2),
        "bosh3": ode("probability flow, Bogacki-Shampine 3", diffrax.Bosh3(), 3),
        "tsit5": ode("probability flow, Tsitouras 5", diffrax.Tsit5(), 5),
        "dopri5": ode("probability flow, Dormand-Prince 5", diffrax.Dopri5(), 5),
        "dopri8": ode("probability flow, Dormand-Prince 8", diffrax.Dopri8(), 8),
        "tsit5_adaptive": NamedSampler(
            "probability flow, Tsitouras 5, steps by error", adaptive, None, None
        ),
        "exponential_euler": ode("exponential Euler (= DDIM)", ours.ExponentialEuler(), 1),
        "deis": ode("DEIS, rho-AB1", ours.DEISAB2(), 2),
        "deis_tab1": chain("DEIS, tAB1", ours.deis_tab(1), 1, 2),
        # Their first step is Euler's: the order falls to 2, slowly, from about theirs.
        "deis_tab2": chain("DEIS, tAB2: order 3 that falls to 2", ours.deis_tab(2), 1, None),
        "deis_tab3": chain("DEIS, tAB3: order 4 that falls to 2", ours.deis_tab(3), 1, None),
        "dpmpp_2s": ode("DPM-Solver++ 2S", ours.DPMpp2S(), 2),
        "dpmpp_2m": ode("DPM-Solver++ 2M", ours.DPMpp2M(), 2),
        "dpmpp_3m": ode("DPM-Solver++ 3M, order 3", ours.DPMpp3M(), 3),
        "dpmpp_3m_public": ode("DPM-Solver++ 3M as published", ours.DPMpp3M(d2_scale=1.0), 2),
        "unipc": ode("UniPC-2", ours.UniPC2(), 3),
        "unipc_bh1": ode("UniPC-2, bh1", ours.UniPC2(b=ours.bh1), 3),
        "unipc3": ode("UniPC-3, order 4", ours.UniPC3(), 4),
        "ddim": chain("DDIM, eta 0", ours.ddim(), 1, 1),
        "ancestral": chain("DDPM's chain (DDIM, eta 1)", ours.ancestral(), 1, 1),
        "reverse_diffusion": chain(
            "reverse diffusion in x / alpha", ours.sequential(ours.reverse_diffusion), 1, 1
        ),
        "published_reverse_diffusion": chain(
            "reverse diffusion as published for VP",
            ours.sequential(ours.published_reverse_diffusion),
            1,
            1,
        ),
        "predictor_corrector": chain(
            "predictor-corrector, 1 Langevin step", ours.predictor_corrector(), 2, None
        ),
        "langevin": NamedSampler(
            "annealed Langevin, 5 steps a level",
            ours.langevin(),
            lambda n: 5 * (n - 1) + 1,
            None,
            bias=0.1,
        ),
        "euler_maruyama": sde("reverse SDE, Euler-Maruyama", diffrax.Euler(), 1),
        "published_euler_maruyama": chain(
            "reverse SDE, Euler-Maruyama in x and t",
            ours.sequential(ours.euler_maruyama_step),
            1,
            1,
        ),
        "shark": sde("reverse SDE, ShARK", diffrax.ShARK(), 2),
        "churn": sde(
            "EDM stochastic, most churn",
            ours.Churn(gamma=2**0.5 - 1, low=0.0, high=float("inf"), inflate=1.0),
            1,
        ),
        "dpmpp_2m_sde": sde("DPM-Solver++ 2M, SDE", ours.DPMpp2MSDE(), 2),
        "anderson": chain("Anderson over DDIM steps (reconstruction)", ours.anderson(), 1, None),
        "picard": search("Picard, data form, all steps at once", ours.picard()),
        "picard_noise": search("Picard, noise form", ours.picard(ours.noise_form)),
        "triangular_anderson": search("ParaTAA, memory 3", ours.triangular_anderson()),
    }


def samplers_of(recipe) -> dict[str, NamedSampler]:
    """Those that a recipe allows: of numbers, of numbers beside categories, of hidden categories."""
    from jaxehr.processes import Gaussian, Masked, Mixed

    process = recipe.stages[-1].model.process
    if not isinstance(process, Mixed):
        return samplers()
    parts = process.parts.values()
    if any(isinstance(part, Masked) for part in parts):
        return masked_samplers()
    return mixed_samplers(numbers=any(isinstance(part, Gaussian) for part in parts))


def mixed_samplers(*, numbers: bool = True) -> dict[str, NamedSampler]:
    """Of records that mix numbers and categories; solvers need a part of numbers to work on."""
    from jaxehr import samplers as ours

    def beside(about: str, solver, order: float) -> NamedSampler:
        about = f"numbers by {about}, categories step by step beside"
        return NamedSampler(about, ours.alongside(solver=solver), lambda n: n, order)

    chains = {
        "ancestral": NamedSampler("the chain of both", ours.ancestral(), lambda n: n, 1),
        "ddim": NamedSampler(
            "DDIM for numbers, the chain for categories", ours.ddim(), lambda n: n, 1
        ),
    }
    solvers = {
        "exponential_euler": beside("exponential Euler", ours.ExponentialEuler(), 1),
        "deis": beside("DEIS, rho-AB1", ours.DEISAB2(), 2),
        "dpmpp_2m": beside("DPM-Solver++ 2M", ours.DPMpp2M(), 2),
        "unipc": beside("UniPC-2", ours.UniPC2(), 3),
        "unipc3": beside("UniPC-3", ours.UniPC3(), 4),
    }
    return {**chains, **solvers} if numbers else chains


def masked_samplers() -> dict[str, NamedSampler]:
    """Of records whose cells are hidden and shown."""
    from jaxehr import samplers as ours

    about = "cells shown in an order of each record's own, evenly"
    return {
        "unmasking": NamedSampler(about, ours.unmasking(), lambda n: n, None),
        "ancestral": NamedSampler("cells shown by chance", ours.ancestral(), lambda n: n, None),
    }
