"""The U-Nets: a training step and an evaluation over those of a PyTorch twin, in one run.

    python benchmarks/unet.py [--network 2d 1d] [--columns 144] [--sizes 32:64 64:64 128:32] [--rounds 5] [--core 0]
                              [--out FILE.json]

A size is channels:batch; the network, loss and optimiser are ScoEHR's (its own size is 128:256), of 1d the network is
MedDiff's. The two take turns, round by round, so that what else the machine does falls on both. With --core, one core
has both, and CPU seconds are compared: on a busy machine PyTorch's threads wait for each other, and would lose by that.
"""

import argparse
import itertools
import json
import math
import os
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxehr.networks import unet_1d, unet_2d
from jaxehr.training.sharding import data_mesh, replicated
from jaxehr.training.step import init_state, make_chunk
from jaxehr.types import Model

MULTIPLIERS, BLOCKS, RATE, EMA = (1, 2, 2), 2, 1e-3, 0.999
NETWORKS = {"1d": unet_1d, "2d": unet_2d}


def levels(t):
    """alpha and sigma of the variance-preserving process, beta from 0.1 to 20."""
    log_alpha = -0.25 * t**2 * 19.9 - 0.05 * t
    return jnp.exp(log_alpha), jnp.sqrt(-jnp.expm1(2 * log_alpha))


def ours(name: str, rows: np.ndarray, channels: int, batch: int, steps: int):
    """run() takes `steps` steps, evaluate() as many evaluations; also the parameters and the seconds of compilation."""
    network = NETWORKS[name](rows.shape[1], channels=channels)

    def loss(params, key, z):
        time_key, noise_key = jax.random.split(key)
        t = jax.random.uniform(time_key, (batch,), minval=1e-3)
        alpha, sigma = (level[:, None] for level in levels(t))
        eps = jax.random.normal(noise_key, z.shape)
        score = network.apply(params, alpha * z + sigma * eps, t)
        return jnp.sum((sigma * score + eps) ** 2, axis=1)

    model = Model(network.init, loss, lambda *_, **__: None)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(RATE))
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
        return jax.lax.scan(said, x, jnp.linspace(1.0, 0.0, steps))[0]

    evaluating = jax.jit(evaluations).lower(params, x).compile()
    params = jax.tree.map(jnp.copy, params)  # the state's own are donated

    def run():
        nonlocal state
        state, metrics = program(state, key, resident)
        jax.block_until_ready(metrics)

    def evaluate():
        jax.block_until_ready(evaluating(params, x))

    return run, evaluate, sum(leaf.size for leaf in jax.tree.leaves(params)), compile_s


def twin(name: str, rows: np.ndarray, channels: int, batch: int, steps: int):
    """The same in PyTorch, written as its users would: eager, fused Adam, foreach average."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as JAX's default
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    conv, axes = (nn.Conv1d, 1) if name == "1d" else (nn.Conv2d, 2)
    width, film = 4 * channels, name == "1d"
    side = rows.shape[1] if film else math.isqrt(rows.shape[1])
    groups = min(32, max(channels // 4, 1))
    norm = lambda features: nn.GroupNorm(groups, features, eps=1e-6)

    class Residual(nn.Module):
        def __init__(self, before, features):
            super().__init__()
            self.norms = nn.ModuleList([norm(before), norm(features)])
            self.convs = nn.ModuleList(conv(a, features, 3, padding=1) for a in (before, features))
            self.time = nn.Linear(width, features * (2 if film else 1))
            self.shortcut = conv(before, features, 1) if before != features else nn.Identity()

        def forward(self, x, time):
            h = self.convs[0](F.silu(self.norms[0](x)))
            time = self.time(time)[(..., *(None,) * axes)]
            if film:
                scale, shift = time.chunk(2, 1)
                h = self.norms[1](h) * (1 + scale) + shift
            else:
                h = self.norms[1](h + time)
            return self.convs[1](F.silu(h)) + self.shortcut(x)

    class Attention(nn.Module):
        def __init__(self, features):
            super().__init__()
            self.norm, self.scale = norm(features), features**-0.5
            self.parts = nn.ModuleList(nn.Linear(features, features) for _ in range(4))

        def forward(self, x, time):
            query, key, value, out = self.parts
            h = self.norm(x).flatten(2).transpose(1, 2)
            h = F.scaled_dot_product_attention(
                query(h)[:, None], key(h)[:, None], value(h)[:, None]
            )
            return x + out(h[:, 0]).transpose(1, 2).reshape(x.shape)

    class Up(nn.Module):
        def __init__(self, features):
            super().__init__()
            self.conv = conv(features, features, 3, padding=1)

        def forward(self, x):
            return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            half = channels // 2
            frequency = torch.exp(-math.log(10_000) * torch.arange(half) / (half - 1))
            self.register_buffer("frequency", frequency)
            self.time = nn.Sequential(
                nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
            )
            self.begin = conv(1, channels, 3, padding=1)
            skips, h = [channels], channels
            self.down, self.up = nn.ModuleList(), nn.ModuleList()
            for i, multiplier in enumerate(MULTIPLIERS):
                for _ in range(BLOCKS):
                    self.down.append(Residual(h, channels * multiplier))
                    h = channels * multiplier
                    skips.append(h)
                if i < len(MULTIPLIERS) - 1:
                    self.down.append(conv(h, h, 3, stride=2, padding=1))
                    skips.append(h)
            self.middle = nn.ModuleList([Residual(h, h), Attention(h), Residual(h, h)])
            for i, multiplier in reversed(list(enumerate(MULTIPLIERS))):
                for _ in range(BLOCKS + 1):
                    self.up.append(Residual(h + skips.pop(), channels * multiplier))
                    h = channels * multiplier
                if i:
                    self.up.append(Up(h))
            self.end = nn.Sequential(norm(h), nn.SiLU(), conv(h, 1, 3, padding=1))

        def forward(self, x, t):
            angle = t[:, None] * self.frequency
            time = self.time(torch.cat([angle.sin(), angle.cos()], 1))
            h = self.begin(x.reshape(len(x), 1, *(side,) * axes))
            skips = [h]
            for module in self.down:
                h = module(h, time) if isinstance(module, Residual) else module(h)
                skips.append(h)
            for module in self.middle:
                h = module(h, time)
            for module in self.up:
                if isinstance(module, Residual):
                    h = module(torch.cat([h, skips.pop()], 1), time)
                else:
                    h = module(h)
            return self.end(h).reshape(x.shape)

    network = Network().to(device)
    parameters = list(network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=RATE, fused=True)
    resident = torch.as_tensor(rows, device=device)

    def run():
        for _ in range(steps):
            z = resident[torch.randint(len(resident), (batch,), device=device)]
            t = 1e-3 + (1 - 1e-3) * torch.rand(batch, device=device)
            log_alpha = (-0.25 * t**2 * 19.9 - 0.05 * t)[:, None]
            sigma, eps = (-torch.expm1(2 * log_alpha)).sqrt(), torch.randn_like(z)
            score = network(log_alpha.exp() * z + sigma * eps, t)
            loss = (sigma * score + eps).square().sum(1).mean()
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
            for t in np.linspace(1.0, 0.0, steps):
                x = network(x, torch.full((batch,), float(t), device=device))
        if device == "cuda":
            torch.cuda.synchronize()

    return run, evaluate, sum(p.numel() for p in parameters)


def seconds(run) -> float:
    clock = time.process_time if len(os.sched_getaffinity(0)) == 1 else time.perf_counter
    began = clock()
    run()
    return clock() - began


def in_turns(a, b, rounds: int) -> list[tuple[float, float]]:
    """Seconds of a and of b, after one round of warm-up."""
    a(), b()
    return [(seconds(a), seconds(b)) for _ in range(rounds)]


def row_of(name: str, rows: np.ndarray, size: str, steps: int, rounds: int) -> dict:
    channels, batch = map(int, size.split(":"))
    arguments = name, rows, channels, batch, steps
    step, evaluation, parameters, compile_s = ours(*arguments)
    other_step, other_evaluation, other_parameters = twin(*arguments)
    if parameters != other_parameters:
        raise SystemExit(f"no twin: {parameters:,} parameters, {other_parameters:,} in PyTorch")
    row = {"channels": channels, "batch": batch, "parameters": parameters}
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
    parser.add_argument("--network", choices=NETWORKS, nargs="+", default=["2d"])
    parser.add_argument("--columns", type=int, default=144)
    parser.add_argument("--sizes", nargs="+", default=["32:64", "64:64", "128:32"])
    parser.add_argument("--steps", type=int, default=2, help="steps in a dispatch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, help="the one that all is done on")
    parser.add_argument("--out", help="JSON file for the figures")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    import torch

    rng = np.random.default_rng(0)
    rows = np.tanh(rng.normal(size=(4_096, options.columns))).astype(np.float32)
    found = {
        "device": jax.devices()[0].device_kind,
        "cores": len(os.sched_getaffinity(0)),
        "jax": jax.__version__,
        "torch": torch.__version__,
        "columns": options.columns,
    }
    for name, size in itertools.product(options.network, options.sizes):
        row = row_of(name, rows, size, options.steps, options.rounds)
        found.setdefault(name, []).append(row)
        print(name, json.dumps(row), flush=True)
    if options.out:
        with open(options.out, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
