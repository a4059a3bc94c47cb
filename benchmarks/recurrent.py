"""The network of TIMEDIFF: a training step and an evaluation over those of a PyTorch twin (nn.LSTM), in one run.

    python benchmarks/recurrent.py [--sizes 23:92:25:64 6:256:24:64] [--gru] [--rounds 5] [--core 0] [--out FILE.json]

A size is features:hidden:steps of a series:batch; those above are the authors' for MIMIC-III, and for Stocks. The loss
is that of the noise, Adam and the average are the authors'. Turns, and one core for both, as in benchmarks/unet.py.
"""

import argparse
import json
import math
import os
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from unet import in_turns

from jaxehr.networks import GRU, LSTM, recurrent, sinusoidal
from jaxehr.processes import Gaussian, cosine_betas, table
from jaxehr.training.sharding import data_mesh, replicated
from jaxehr.training.step import init_state, make_chunk
from jaxehr.types import Model

T, EMBEDDING, WIDTH, LAYERS = 1_000, 64, 256, 3
RATE, BETAS, EMA = 8e-5, (0.9, 0.99), 0.995


def ours(cell, rows: np.ndarray, hidden: int, batch: int, steps: int):
    """run() takes `steps` steps, evaluate() as many evaluations; also the parameters and the seconds of compilation."""
    network = recurrent(
        rows.shape[-1], hidden=hidden, layers=LAYERS, embedding=sinusoidal(EMBEDDING), cell=cell
    )
    process = Gaussian(table(cosine_betas(T)))

    def loss(params, key, x0):
        time_key, noise_key = jax.random.split(key)
        t = jax.random.randint(time_key, (batch,), 1, T + 1).astype(jnp.float32)
        eps = jax.random.normal(noise_key, x0.shape)
        said = network.apply(params, process.mix(x0, eps, t), t - 1)
        return jnp.mean((said - eps) ** 2, axis=(1, 2))

    model = Model(network.init, loss, lambda *_, **__: None)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(RATE, *BETAS))
    mesh = data_mesh()
    state = jax.device_put(init_state(model, optimizer, jax.random.key(0)), replicated(mesh))
    key, resident = jax.device_put((jax.random.key(1), rows), replicated(mesh))
    chunk = make_chunk(model, optimizer, batch_size=batch, ema_decay=EMA, mesh=mesh)
    began = time.perf_counter()
    program = chunk.lower(state, key, resident, length=steps).compile()
    compile_s = time.perf_counter() - began
    params, x = state.params, resident[:batch]

    def evaluations(params, x):
        said = lambda x, t: (network.apply(params, x, t), None)
        return jax.lax.scan(said, x, jnp.arange(steps, dtype=jnp.float32))[0]

    evaluating = jax.jit(evaluations).lower(params, x).compile()
    params = jax.tree.map(jnp.copy, params)  # the state's own are donated

    def run():
        nonlocal state
        state, metrics = program(state, key, resident)
        jax.block_until_ready(metrics)

    def evaluate():
        jax.block_until_ready(evaluating(params, x))

    return run, evaluate, sum(leaf.size for leaf in jax.tree.leaves(params)), compile_s


def twin(cell, rows: np.ndarray, hidden: int, batch: int, steps: int):
    """The same in PyTorch, written as its users would: eager, fused Adam, foreach average."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as JAX's default
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    features, layer = rows.shape[-1], nn.GRU if cell is GRU else nn.LSTM

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            half = EMBEDDING // 2
            frequency = torch.exp(-math.log(10_000) * torch.arange(half) / (half - 1))
            self.register_buffer("frequency", frequency)
            self.time = nn.Sequential(
                nn.Linear(EMBEDDING, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH)
            )
            self.layers = layer(features, hidden, LAYERS, batch_first=True, bidirectional=True)
            self.film = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 4 * hidden))
            self.norm, self.head = nn.LayerNorm(2 * hidden), nn.Linear(2 * hidden, features)

        def forward(self, x, t):
            angle = t[:, None] * self.frequency
            time = self.time(torch.cat([angle.sin(), angle.cos()], 1))
            scale, shift = self.film(time)[:, None].chunk(2, -1)
            return self.head(self.norm(self.layers(x)[0]) * (1 + scale) + shift)

    network = Network().to(device)
    parameters = list(network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=RATE, betas=BETAS, fused=True)
    resident = torch.as_tensor(rows, device=device)
    kept = np.cumprod(1 - cosine_betas(T))
    alpha, sigma = (
        torch.as_tensor(level, dtype=torch.float32, device=device)
        for level in (np.sqrt(kept), np.sqrt(1 - kept))
    )

    def run():
        for _ in range(steps):
            x0 = resident[torch.randint(len(resident), (batch,), device=device)]
            t = torch.randint(T, (batch,), device=device)
            eps = torch.randn_like(x0)
            x = alpha[t][:, None, None] * x0 + sigma[t][:, None, None] * eps
            loss = F.mse_loss(network(x, t.float()), eps)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            torch._foreach_lerp_(average, parameters, 1 - EMA)
        if device == "cuda":
            torch.cuda.synchronize()

    def evaluate():
        x = resident[:batch]
        with torch.inference_mode():
            for t in range(steps):
                x = network(x, torch.full((batch,), float(t), device=device))
        if device == "cuda":
            torch.cuda.synchronize()

    return run, evaluate, sum(p.numel() for p in parameters)


def row_of(cell, size: str, steps: int, rounds: int) -> dict:
    features, hidden, length, batch = map(int, size.split(":"))
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, size=(1_024, length, features)).astype(np.float32)
    arguments = cell, rows, hidden, batch, steps
    step, evaluation, parameters, compile_s = ours(*arguments)
    other_step, other_evaluation, other_parameters = twin(*arguments)
    if parameters != other_parameters:
        raise SystemExit(f"no twin: {parameters:,} parameters, {other_parameters:,} in PyTorch")
    row = {"size": size, "parameters": parameters}
    for what, pair in (
        ("training", (step, other_step)),
        ("evaluation", (evaluation, other_evaluation)),
    ):
        found = in_turns(*pair, rounds)
        ratios = [b / a for a, b in found]
        row[f"{what}_records_per_s"] = round(batch * steps / statistics.median(a for a, _ in found))
        row[f"{what}_over_torch"] = round(statistics.median(ratios), 3)
        row[f"{what}_range"] = [round(f(ratios), 3) for f in (min, max)]
    return {**row, "compile_s": round(compile_s, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["23:92:25:64", "6:256:24:64"])
    parser.add_argument("--gru", action="store_true")
    parser.add_argument("--steps", type=int, default=4, help="steps in a dispatch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, help="the one that all is done on")
    parser.add_argument("--out", help="JSON file for the figures")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    import torch

    found = {
        "device": jax.devices()[0].device_kind,
        "cores": len(os.sched_getaffinity(0)),
        "jax": jax.__version__,
        "torch": torch.__version__,
        "cell": "GRU" if options.gru else "LSTM",
        "rows": [],
    }
    for size in options.sizes:
        found["rows"].append(
            row_of(GRU if options.gru else LSTM, size, options.steps, options.rounds)
        )
        print(json.dumps(found["rows"][-1]), flush=True)
    if options.out:
        with open(options.out, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
