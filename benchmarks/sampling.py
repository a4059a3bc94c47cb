"""What a sampler costs beyond its network: ours through Diffrax, a hand-written scan of the same method, and the bare
network, taking turns in one run.

    python benchmarks/sampling.py [--columns 1782] [--batch-size 1024] [--steps 16] [--rounds 7] [--out FILE.json]

Two sizes: the records' own (a network of milliseconds), and a micro one (24 columns, batch 16, 200 steps) where what
Diffrax adds to each step can be seen at all.
"""

import argparse
import json
import statistics
import time
from functools import partial

import diffrax
import jax
import jax.numpy as jnp

from jaxehr import denoisers
from jaxehr.networks import fourier, mlp
from jaxehr.processes import Gaussian, edm
from jaxehr.recipes.ehrdiff import CODES
from jaxehr.samplers import DPMpp2M, karras, probability_flow, reverse_sde

EDM, KEY = Gaussian(edm()), jax.random.key(0)


def euler(denoise, key, x, t, s, state):
    return x + (s - t) * (x - denoise(x, t)) / t, state


def heun(denoise, key, x, t, s, state):
    d = (x - denoise(x, t)) / t
    ahead = x + (s - t) * d
    return x + (s - t) * (d + (ahead - denoise(ahead, s)) / s) / 2, state


def dpmpp_2m(denoise, key, x, t, s, state):
    d_last, t_last = state
    d, h = denoise(x, t), jnp.log(t / s)
    slope = jnp.where(
        t_last > t, (d - d_last) / jnp.log(jnp.where(t_last > t, t_last, 2 * t) / t), 0.0
    )
    return s / t * x - jnp.expm1(-h) * (d + 0.5 * h * slope), (d, t)


def euler_maruyama(denoise, key, x, t, s, state):
    noise = jax.random.normal(key, x.shape)
    return x - 2 * (t - s) * (x - denoise(x, t)) / t + jnp.sqrt(2 * t * (t - s)) * noise, state


METHODS = {  # the step by hand, the same of ours, evaluations a step
    "euler": (euler, probability_flow(diffrax.Euler()), 1),
    "heun": (heun, probability_flow(), 2),
    "dpmpp_2m": (dpmpp_2m, probability_flow(DPMpp2M()), 1),
    "euler_maruyama": (euler_maruyama, reverse_sde(), 1),
}


def programs(columns: int, width: tuple[int, ...], time_width: int, steps: int, method: str):
    """Each takes (params, x_T) to x, with the same evaluations of the network."""
    network = mlp(columns, width=width, time_width=time_width, embedding=fourier())
    grid = karras(steps + 1, sigma_min=0.02, last=0.02)
    step, sampler, each = METHODS[method]

    def denoiser(params):
        return denoisers.edm(partial(network.apply, params), sigma_data=0.074)

    def bare(params, x):
        def evaluate(x, t):
            return network.apply(params, x, t), None

        return jax.lax.scan(evaluate, x / 80, jnp.linspace(0.0, 1.0, each * steps))[0]

    def by_hand(params, x):
        denoise = denoiser(params)

        def one(carry, at):
            x, state = step(denoise, *at[:1], carry[0], *at[1:], carry[1])
            return (x, state), None

        path = jnp.asarray(grid, x.dtype)
        start = x, (jnp.zeros_like(x), path[0])
        keys = jax.random.split(KEY, steps)
        return jax.lax.scan(one, start, (keys, path[:-1], path[1:]))[0][0]

    def ours(params, x):
        return sampler(KEY, denoiser(params), EDM, x, grid).x

    return network.init, {"bare network": bare, "by hand": by_hand, "ours": ours}, each * steps


def measure(size: str, method: str, columns, width, time_width, batch, steps, rounds) -> dict:
    init, functions, evaluations = programs(columns, width, time_width, steps, method)
    params = init(jax.random.key(0))
    x_T = 80 * jax.random.normal(jax.random.key(1), (batch, columns))
    compiled, compile_s = {}, {}
    for name, function in functions.items():
        began = time.perf_counter()
        compiled[name] = jax.jit(function).lower(params, x_T).compile()
        compile_s[name] = time.perf_counter() - began
        jax.block_until_ready(compiled[name](params, x_T))
    times: dict[str, list[float]] = {name: [] for name in compiled}
    for _ in range(rounds):
        for name, program in compiled.items():
            began = time.perf_counter()
            jax.block_until_ready(program(params, x_T))
            times[name].append(time.perf_counter() - began)

    def ratio(a: str, b: str) -> float:
        return statistics.median(x / y for x, y in zip(times[a], times[b], strict=True))

    over = statistics.median(x - y for x, y in zip(times["ours"], times["by hand"], strict=True))
    return {
        "size": size,
        "method": method,
        "columns": columns,
        "batch": batch,
        "steps": steps,
        "ms_per_evaluation": round(1e3 * statistics.median(times["ours"]) / evaluations, 4),
        "ours_to_network": round(ratio("ours", "bare network"), 3),
        "by_hand_to_network": round(ratio("by hand", "bare network"), 3),
        "ours_to_by_hand": round(ratio("ours", "by hand"), 3),
        "us_per_step_over_by_hand": round(1e6 * over / steps, 2),
        "compile_s": round(compile_s["ours"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--columns", type=int, default=1782)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", help="JSON file for the figures")
    options = parser.parse_args()

    large = options.columns, CODES.width, CODES.time_width, options.batch_size, options.steps
    micro = 24, (64, 64), 32, 16, 200
    rows = []
    for size, sizes, rounds in (("micro", micro, 60), ("records", large, options.rounds)):
        for method in METHODS:
            rows.append(measure(size, method, *sizes, rounds))
            print(json.dumps(rows[-1]), flush=True)
    about = {"device": jax.devices()[0].device_kind, "jax": jax.__version__, "rows": rows}
    if options.out:
        with open(options.out, "w") as file:
            json.dump(about, file, indent=1)


if __name__ == "__main__":
    main()
