"""Error against evaluations against milliseconds, sampler by sampler, in one run."""

import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from jaxehr import denoisers
from jaxehr.benchmark import errors, problems
from jaxehr.files import whole, write_text
from jaxehr.networks import fourier, mlp
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers import DPMpp2M, karras, probability_flow
from jaxehr.types import Denoiser, Dynamics, Grid, Sampler

FIRST, LAST = 80.0, 0.02


class Setting(NamedTuple):
    """What samplers are compared on: all start from the same noise and end on the same grid points.

    network     what is timed: the denoiser itself, or for a problem in closed form, whose denoiser costs next to
                nothing, EHRDiff's network of that size, untrained
    grid        (steps) -> the grid, whose last point keeps some noise, so that the flow is smooth to its end
    end         where the exact flow ends, [batch, column]
    middle      what lies between a bit that is 0 and one that is 1
    """

    problem: str
    denoise: Denoiser
    network: Denoiser
    process: Gaussian
    x_T: jax.Array
    grid: Callable[[int], Grid]
    end: np.ndarray
    middle: float = 0.5


class Row(NamedTuple):
    """One line of the table.

    None where a figure does not apply: a random sampler has no path to be compared, and one that takes as many
    evaluations as it needs has no order.
    """

    sampler: str
    problem: str
    dim: int
    batch: int
    nfe: int
    steps: int
    error: float | None
    prevalence_error: float
    order: float | None
    weak_order: float | None
    ms_per_1000: float
    compile_s: float
    ratio_to_network: float
    peak_bytes: int | None


def gaussian_setting(dim: int, batch: int) -> Setting:
    """Gaussian data with the prevalences of codes: the exact flow is known in closed form."""
    data, process = problems.code_like_gaussian(dim), Gaussian(edm())
    x_T = FIRST * jax.random.normal(jax.random.key(1), (batch, dim))
    end = np.asarray(data.flow(process, x_T, FIRST, LAST))
    return Setting("gaussian", data.denoiser(process), _network(dim), process, x_T, _edm_grid, end)


def mixture_setting(dim: int, batch: int) -> Setting:
    """Twenty kinds of patients; the exact flow by 200 steps of Dormand-Prince 8 in float64."""
    process = Gaussian(edm())
    x_T = FIRST * jax.random.normal(jax.random.key(1), (batch, dim))
    with errors.float64():
        data = problems.code_like_mixture(dim)
        end = _end(data.denoiser(process), process, x_T.astype(jnp.float64), diffrax.Dopri8(), 200)
    data = problems.code_like_mixture(dim)
    return Setting("mixture", data.denoiser(process), _network(dim), process, x_T, _edm_grid, end)


def run_setting(name: str, dynamics: Dynamics, grid: Callable[[int], Grid], batch: int) -> Setting:
    """A trained network; the exact flow is 4,000 steps of DPM-Solver++ 2M."""
    first = float(grid(2)[0])

    def positive(steps: int) -> Grid:
        """The recipe's grid, but for the last step to no noise."""
        points = grid(steps + 1)
        return points[:-1] if points[-1] == 0 else points

    denoise, process, columns, middle = dynamics
    x_T = process.prior(jax.random.key(1), (batch, columns), first)
    end = _end(denoise, process, x_T, DPMpp2M(), 4000, positive)
    return Setting(name, denoise, denoise, process, x_T, positive, end, middle)


def _network(dim: int) -> Denoiser:
    network = mlp(dim, width=(1024, 384, 384, 384, 1024), time_width=384, embedding=fourier())
    params = network.init(jax.random.key(0))
    return denoisers.edm(partial(network.apply, params), sigma_data=0.1)


def _edm_grid(steps: int) -> Grid:
    return karras(steps + 1, sigma_min=LAST, sigma_max=FIRST, last=LAST)


def _end(denoise, process, x_T, solver, steps, grid=_edm_grid) -> np.ndarray:
    sampler = probability_flow(solver)
    draw = jax.jit(lambda x: sampler(jax.random.key(0), denoise, process, x, grid(steps)).x)
    return np.asarray(draw(x_T))


def measure(
    setting: Setting,
    samplers: dict[str, Sampler],
    evaluations: Sequence[int],
    *,
    rounds: int = 5,
    orders: bool = True,
    tick: Callable[[str], Any] = lambda name: None,
) -> Iterator[Row]:
    """A row for each sampler and number of evaluations (the most steps that it allows), as they are measured.

    Times are the median of `rounds`, each taken right after one of the bare denoiser, whose ratio is so the machine's.
    """
    (batch, dim), half = setting.x_T.shape, setting.middle
    bare_s, keys = _bare(setting), jax.random.split(jax.random.key(2), batch)
    for name, sampler in samplers.items():
        tick(name)
        random = errors.is_random(sampler)
        order, weak_order = None, None
        cost = cost_of(partial(_counted, sampler))
        if orders and cost is not None:
            order, weak_order = _orders(sampler, random)
        seen = set()
        for nfe in evaluations:
            steps = steps_for(cost, nfe)
            if steps is None or steps in seen:
                continue
            seen.add(steps)
            timed, compile_s = _program(setting, setting.denoise, sampler, steps)
            x, spent = jax.device_get(timed(keys, setting.x_T))
            spent = int(np.max(spent))
            if setting.network is not setting.denoise:
                timed, compile_s = _program(setting, setting.network, sampler, steps)
            timed_spent = int(np.max(jax.device_get(timed(keys, setting.x_T))[1]))
            each, ratios = [], []
            for _ in range(rounds):
                one = bare_s()
                began = time.perf_counter()
                jax.block_until_ready(timed(keys, setting.x_T))
                each.append((time.perf_counter() - began) / timed_spent)
                ratios.append(each[-1] / one)
            memory = timed.memory_analysis()
            yield Row(
                name,
                setting.problem,
                dim,
                batch,
                spent,
                steps,
                None if random else float(np.sqrt(np.mean((x - setting.end) ** 2))),
                float(np.abs((x >= half).mean(0) - (setting.end >= half).mean(0)).mean()),
                order,
                weak_order,
                1e3 * statistics.median(each) * spent * 1000 / batch,
                compile_s,
                statistics.median(ratios),
                int(memory.temp_size_in_bytes) if memory else None,
            )


def _program(setting: Setting, denoise: Denoiser, sampler: Sampler, steps: int):
    """((keys, x_T) -> (x, nfe), compiled, and the seconds that took). Each record has a key, and stops, by itself."""
    grid = setting.grid(steps)

    def draw(key, x):
        found = sampler(key, denoise, setting.process, x, grid)
        return found.x, found.nfe

    keys = jax.random.split(jax.random.key(2), len(setting.x_T))
    began = time.perf_counter()
    program = jax.jit(jax.vmap(draw)).lower(keys, setting.x_T).compile()
    return program, time.perf_counter() - began


Cost = tuple[int, int]  # evaluations of two steps, of each one more


def steps_for(cost: Cost | None, nfe: int) -> int | None:
    """The most steps that cost at most `nfe` evaluations; None if one step costs more.

    A sampler whose cost is found out on the way takes as many steps as it may spend.
    """
    if cost is None:
        return nfe
    of_two, each = cost
    steps = 2 + (nfe - of_two) // each
    return steps if steps >= 1 else None


def cost_of(spent: Callable[[int], int]) -> Cost | None:
    """Of (steps) -> evaluations; None where they are found out on the way."""
    costs = [spent(n) for n in (2, 3, 4)]
    each = costs[1] - costs[0]
    return (costs[0], each) if each > 0 and costs[2] - costs[1] == each else None


def _counted(sampler: Sampler, steps: int) -> int:
    return errors.counted_evaluations(sampler, errors.grid_to(steps))[1]


def _orders(sampler: Sampler, random: bool) -> tuple[float | None, float | None]:
    """(of the path, of the law), observed from 40 to 80 steps."""
    try:
        if random:
            return None, errors.observed_order(partial(errors.law_error, sampler), 40)
        return errors.observed_order(partial(errors.path_error, sampler), 40), None
    except (TypeError, ValueError, AttributeError):  # its noise is not an argument
        return None, None


def _bare(setting: Setting, evaluations: int = 10) -> Callable[[], float]:
    """() -> seconds of one evaluation of the network, in a scan that cannot be optimised away."""
    levels = jnp.asarray(setting.grid(evaluations)[:-1], setting.x_T.dtype)

    @jax.jit
    def scan(x):
        def evaluate(x, t):
            return jnp.asarray(setting.network(x, t)), None

        return jax.lax.scan(evaluate, x, levels)[0]

    jax.block_until_ready(scan(setting.x_T))

    def seconds() -> float:
        began = time.perf_counter()
        jax.block_until_ready(scan(setting.x_T))
        return (time.perf_counter() - began) / evaluations

    return seconds


def pareto(
    rows: Iterable[Any], error: Callable[[Any], float | None] = lambda row: row.error
) -> set[tuple[str, int]]:
    """(sampler, nfe) of the rows that no row with as few evaluations beats in error."""
    known = [(row, error(row)) for row in rows]
    found = [(row, e) for row, e in known if e is not None and np.isfinite(e)]
    best: set[tuple[str, int]] = set()
    for row, e in found:
        if not any(other.nfe <= row.nfe and less < e for other, less in found):
            best.add((row.sampler, row.nfe))
    return best


def save(rows: Sequence[Row], path: Path) -> None:
    """JSON rows, with the device and the versions; a picture beside it as SVG and PNG."""
    save_page({"rows": [row._asdict() for row in rows]}, work_precision(rows), path)


def save_page(found: dict[str, Any], figure, path: Path) -> None:
    """What was found as JSON, with the device and the versions; its picture beside it as SVG and PNG."""
    about = {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "jax": jax.__version__,
        **found,
    }
    write_text(path, json.dumps(about, indent=1) + "\n")
    for kind in ("svg", "png"):
        date = {"Date": None} if kind == "svg" else None
        with whole(path.with_suffix(f".{kind}")) as beside:
            figure.savefig(beside, format=kind, dpi=130, metadata=date)


def work_precision(rows: Sequence[Row]):
    """Error against evaluations, and against milliseconds; the Pareto front is ringed."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(11, 4.6), layout="constrained")
    best = pareto(rows)
    drawn = [r for r in rows if r.error is not None and np.isfinite(r.error)]
    names = list(dict.fromkeys(r.sampler for r in drawn))
    marks = "osD^v<>PX*hp"
    for ax, key, label in zip(
        fig.subplots(1, 2, sharey=True),
        ("nfe", "ms_per_1000"),
        ("evaluations", "ms for 1,000 records"),
        strict=True,
    ):
        for i, name in enumerate(names):
            own = sorted((r for r in drawn if r.sampler == name), key=lambda r: r.nfe)
            x, y = [getattr(r, key) for r in own], [r.error for r in own]
            style = {"marker": marks[i % len(marks)], "markersize": 4, "linewidth": 0.9}
            ax.plot(x, y, label=name, color=f"C{i % 10}", **style)
        front = [r for r in drawn if (r.sampler, r.nfe) in best]
        ax.scatter(
            [getattr(r, key) for r in front],
            [r.error for r in front],
            s=90,
            facecolors="none",
            edgecolors="black",
            linewidths=0.8,
        )
        ax.set(xscale="log", yscale="log", xlabel=label)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.2)
    fig.axes[0].set_ylabel("error, root mean square")
    fig.axes[1].legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return fig
