"""What a sampler costs beyond its network: time per evaluation over the bare network's, in one run.

    python benchmarks/sampling.py [--columns 902] [--batch-size 1024] [--steps 32] [--rounds 7] [--out FILE.json]

Three programs take turns: the bare network in a scan, the EDM scheme written out by hand in a scan, and our
probability flow through Diffrax, all with the same number of evaluations.
"""

import argparse
import json
import statistics
import time
from functools import partial

import jax
import jax.numpy as jnp

from jaxehr import denoisers
from jaxehr.networks import mlp, sinusoidal
from jaxehr.processes import Gaussian, edm
from jaxehr.recipes.ehrdiff import CODES
from jaxehr.samplers import karras, probability_flow


def programs(columns: int, steps: int):
    """Each takes (params, x_T) to x, in 2 steps - 1 evaluations."""
    network = mlp(
        columns, width=CODES.width, time_width=CODES.time_width, embedding=sinusoidal(columns)
    )
    grid = karras(steps, sigma_min=0.02)

    def denoiser(params):
        return denoisers.edm(partial(network.apply, params), sigma_data=0.074)

    def bare(params, x):
        def evaluate(x, t):
            return network.apply(params, x, t), None

        return jax.lax.scan(evaluate, x / 80, jnp.linspace(0.0, 1.0, 2 * steps - 1))[0]

    def by_hand(params, x):
        denoise = denoiser(params)

        def heun(x, ts):
            t, s = ts
            d = (x - denoise(x, t)) / t
            x_euler = x + (s - t) * d
            return x + (s - t) * (d + (x_euler - denoise(x_euler, s)) / s) / 2, None

        x, _ = jax.lax.scan(heun, x, (jnp.asarray(grid[:-2]), jnp.asarray(grid[1:-1])))
        return denoise(x, jnp.asarray(grid[-2]))

    def flow(params, x):
        return probability_flow()(jax.random.key(0), denoiser(params), Gaussian(edm()), x, grid).x

    return network.init, {"bare network": bare, "by hand": by_hand, "probability flow": flow}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=902)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", help="JSON file for the figures")
    options = parser.parse_args()

    init, functions = programs(options.columns, options.steps)
    params = init(jax.random.key(0))
    x_T = 80 * jax.random.normal(jax.random.key(1), (options.batch_size, options.columns))
    compiled, compile_s = {}, {}
    for name, function in functions.items():
        began = time.perf_counter()
        compiled[name] = jax.jit(function).lower(params, x_T).compile()
        compile_s[name] = round(time.perf_counter() - began, 2)
        jax.block_until_ready(compiled[name](params, x_T))
    times: dict[str, list[float]] = {name: [] for name in compiled}
    for _ in range(options.rounds):
        for name, program in compiled.items():
            began = time.perf_counter()
            jax.block_until_ready(program(params, x_T))
            times[name].append(time.perf_counter() - began)

    evaluations = 2 * options.steps - 1
    rows = [
        {
            "program": name,
            "ms_per_evaluation": round(1e3 * statistics.median(times[name]) / evaluations, 3),
            "ratio_to_network": round(
                statistics.median(
                    a / b for a, b in zip(times[name], times["bare network"], strict=True)
                ),
                3,
            ),
            "compile_s": compile_s[name],
        }
        for name in compiled
    ]
    about = {"device": jax.devices()[0].device_kind, "jax": jax.__version__, **vars(options)}
    about.pop("out")
    print(json.dumps({**about, "rows": rows}, indent=1))
    if options.out:
        with open(options.out, "w") as file:
            json.dump({**about, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
