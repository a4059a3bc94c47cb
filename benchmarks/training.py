"""Records per second of our training step, against a PyTorch twin: the same network, optimizer and batch, in one run.

    python benchmarks/training.py [--columns 902] [--batch-size 1024] [--steps 10] [--rounds 5] [--out FILE.json]

The two take turns, round by round, so that what else the machine does falls on both. Without torch ours is timed
alone, and the output says so.
"""

import argparse
import itertools
import json
import math
import os
import statistics
import time
from functools import partial

import jax
import numpy as np
import optax

from jaxehr import denoisers
from jaxehr.losses import edm_weight, log_normal
from jaxehr.networks import mlp, sinusoidal
from jaxehr.processes import Gaussian, edm
from jaxehr.recipes.ehrdiff import CODES
from jaxehr.samplers import karras, probability_flow
from jaxehr.synthesis.diffusion import diffusion_model
from jaxehr.synthesis.view import Layout
from jaxehr.training.sharding import mesh_of, replicated
from jaxehr.training.step import init_state, make_chunk

SIGMA_DATA, EMA, RATE = 0.074, 0.999, 3e-4


def ours(table: np.ndarray, batch_size: int, steps: int):
    """run() takes `steps` steps; also the seconds of compilation."""
    columns = table.shape[1]
    network = mlp(
        columns, width=CODES.width, time_width=CODES.time_width, embedding=sinusoidal(columns)
    )
    model = diffusion_model(
        Gaussian(edm()),
        network,
        partial(denoisers.edm, sigma_data=SIGMA_DATA),
        layout=Layout(0, columns, (), (), np.zeros((2, 0)), np.zeros((2, 0))),
        times=log_normal,
        weight=edm_weight(SIGMA_DATA),
        sampler=probability_flow(),
        grid=partial(karras, sigma_min=0.02),
        steps=32,
    )
    optimizer, mesh = optax.adamw(RATE, weight_decay=0.0), mesh_of()
    whole = replicated(mesh)
    state = jax.device_put(init_state(model, optimizer, jax.random.key(0)), whole)
    key, resident = jax.device_put((jax.random.key(1), table), whole)
    chunk = make_chunk(model, optimizer, batch_size=batch_size, ema_decay=EMA, mesh=mesh)
    began = time.perf_counter()
    program = chunk.lower(state, key, resident, length=steps).compile()
    compile_s = time.perf_counter() - began

    def run():
        nonlocal state
        state, metrics = program(state, key, resident)
        jax.block_until_ready(metrics)

    return run, compile_s


def twin(table: np.ndarray, batch_size: int, steps: int):
    """The same in PyTorch, written as its users would: eager, fused AdamW, foreach average."""
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count() or 1)
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as JAX's default
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    columns, widths, t = table.shape[1], CODES.width, CODES.time_width

    class Block(nn.Module):
        def __init__(self, wide, next_wide):
            super().__init__()
            self.time, self.out = nn.Linear(t, wide), nn.Linear(wide, next_wide)

        def forward(self, x, time):
            return self.out(torch.relu(x + self.time(time)))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            half = columns // 2
            frequency = torch.exp(-math.log(10_000) * torch.arange(half) / (half - 1))
            self.register_buffer("frequency", frequency)
            self.time = nn.Sequential(nn.Linear(2 * half, t), nn.SiLU(), nn.Linear(t, t))
            wide = (columns, *widths, columns)
            self.blocks = nn.ModuleList(Block(a, b) for a, b in itertools.pairwise(wide))

        def forward(self, x, noise):
            angle = noise[:, None] * self.frequency
            time = self.time(torch.cat([angle.sin(), angle.cos()], 1))
            for block in self.blocks:
                x = block(x, time)
            return x

    network = Network().to(device)
    parameters = list(network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0, fused=True)
    resident = torch.as_tensor(table, device=device)

    def run():
        for _ in range(steps):
            rows = torch.randint(len(resident), (batch_size,), device=device)
            x0 = resident[rows].float()
            sigma = torch.exp(-1.2 + 1.2 * torch.randn(batch_size, device=device))[:, None]
            x = x0 + sigma * torch.randn_like(x0)
            total = sigma**2 + SIGMA_DATA**2
            output = network(x / total.sqrt(), sigma[:, 0].log() / 4)
            denoised = SIGMA_DATA**2 / total * x + sigma * SIGMA_DATA / total.sqrt() * output
            weight = total / (sigma * SIGMA_DATA) ** 2
            loss = (weight[:, 0] * (denoised - x0).square().mean(1)).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            torch._foreach_lerp_(average, parameters, 1 - EMA)
        if device == "cuda":
            torch.cuda.synchronize()

    return run, torch.__version__


def seconds(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=902)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=10, help="steps in a dispatch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", help="JSON file for the figures")
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    table = (rng.random((20_000, options.columns)) < 0.0055).astype(np.int8)
    arguments = table, options.batch_size, options.steps
    step, compile_s = ours(*arguments)
    try:
        other, torch_version = twin(*arguments)
    except ImportError:
        other, torch_version = None, None
        print("torch is not installed: ours is timed alone (pip install torch)")
    step()
    if other:
        other()
    pairs = [(seconds(step), seconds(other) if other else None) for _ in range(options.rounds)]

    records = options.steps * options.batch_size
    row = {
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "torch": torch_version,
        "columns": options.columns,
        "batch_size": options.batch_size,
        "records_per_s": round(records / statistics.median(a for a, _ in pairs)),
        "compile_s": round(compile_s, 2),
    }
    if other:
        row["torch_records_per_s"] = round(records / statistics.median(b for _, b in pairs))
        row["ratio"] = round(statistics.median(b / a for a, b in pairs), 3)
        row["ratio_range"] = [round(f(b / a for a, b in pairs), 3) for f in (min, max)]
    print(json.dumps(row, indent=1))
    if options.out:
        with open(options.out, "w") as file:
            json.dump(row, file, indent=1)


if __name__ == "__main__":
    main()
