"""TabDDPM: a step of its chain over the bare network's evaluation, and its training step over a PyTorch twin's.

    python benchmarks/tabddpm.py [--rows 10000] [--timesteps 1000] [--chain 100] [--rounds 5] [--out FILE.json]

A table of 8 numbers and 13 categories of 2 to 12 values; the [256, 256] network and batch of 4,096. Programs take
turns, round by round. Of the chain, `--chain` steps are timed: it costs the same at every step.
"""

import argparse
import json
import os
import statistics
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxehr.networks import tabddpm_mlp, timestep
from jaxehr.recipes.tabddpm import tabddpm_model
from jaxehr.synthesis.view import tokens_with
from jaxehr.training.sharding import mesh_of, replicated
from jaxehr.training.step import init_state, make_chunk

NUMBERS, CLASSES = 8, (2, 2, 2, 2, 2, 2, 3, 4, 5, 6, 8, 10, 12)
WIDTH, TIME_WIDTH, BATCH, RATE, EMA = (256, 256), 128, 4096, 1e-3, 0.999
COLUMNS = NUMBERS + sum(CLASSES)
TOKENS = tokens_with(CLASSES, indicators=(-1,) * NUMBERS)


def network(columns: int = NUMBERS + TOKENS.width):
    """Ours; without padding, with COLUMNS."""
    return tabddpm_mlp(columns, width=WIDTH, time_width=TIME_WIDTH, embedding=timestep(TIME_WIDTH))


def model(timesteps: int, steps: int):
    return tabddpm_model(
        network(),
        TOKENS,
        timesteps=timesteps,
        sampling_steps=steps,
    )


def chains(rows: int, timesteps: int, steps: int):
    """The bare network and our chain, as programs of `steps` evaluations on `rows` records."""
    ours, plain = model(timesteps, steps), network(COLUMNS)
    grid = np.arange(steps, -1.0, -1.0)

    def bare(params, x):
        def one(x, t):
            return plain.apply(params, x, t), None

        return jax.lax.scan(one, x, jnp.arange(steps, dtype=jnp.float32))[0]

    def draw(params, keys):
        return jax.vmap(lambda key: ours.draw(params, key, grid=grid).x)(keys)

    x = jax.random.normal(jax.random.key(1), (rows, COLUMNS))
    keys = jax.random.split(jax.random.key(2), rows)
    each = {"bare network": (bare, plain, x), "chain": (draw, ours, keys)}
    programs = {}
    for name, (function, of, argument) in each.items():
        params = of.init(jax.random.key(0))
        program = jax.jit(function).lower(params, argument).compile()
        programs[name] = lambda program=program, given=(params, argument): jax.block_until_ready(
            program(*given)
        )
    return programs


def made_table(rows: int, rng) -> dict[str, np.ndarray]:
    x = {
        name: np.stack([rng.integers(0, CLASSES[j], rows) for j in members], 1).astype(np.int8)
        for name, members in TOKENS.groups.items()
    }
    return {**x, "number": rng.normal(0.5, 0.1, (rows, NUMBERS)).astype(np.float32)}


def training(table, steps: int):
    ours, mesh = model(1000, 1000), mesh_of()
    optimizer, whole = optax.adamw(RATE, weight_decay=1e-5), replicated(mesh)
    state = jax.device_put(init_state(ours, optimizer, jax.random.key(0)), whole)
    key, resident = jax.device_put((jax.random.key(1), table), whole)
    chunk = make_chunk(ours, optimizer, batch_size=BATCH, ema_decay=EMA, mesh=mesh)
    program = chunk.lower(state, key, resident, length=steps).compile()

    def run():
        nonlocal state
        state, metrics = program(state, key, resident)
        jax.block_until_ready(metrics)

    return run


def twin(table, steps: int):
    """The same in PyTorch: one network, all categories side by side, a sum over each column's own slice."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(os.cpu_count() or 1)
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as JAX's default
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            half = TIME_WIDTH // 2
            frequency = torch.exp(-np.log(10_000) * torch.arange(half) / half)
            self.register_buffer("frequency", frequency.float())
            w = TIME_WIDTH
            self.time = nn.Sequential(nn.Linear(w, w), nn.SiLU(), nn.Linear(w, w))
            self.proj = nn.Linear(COLUMNS, TIME_WIDTH)
            wide = [TIME_WIDTH, *WIDTH]
            self.blocks = nn.ModuleList(nn.Linear(a, b) for a, b in zip(wide, WIDTH, strict=False))
            self.head = nn.Linear(WIDTH[-1], COLUMNS)

        def forward(self, x, t):
            angle = t[:, None] * self.frequency
            h = self.proj(x) + self.time(torch.cat([angle.cos(), angle.sin()], 1))
            for block in self.blocks:
                h = torch.relu(block(h))
            return self.head(h)

    net = Network().to(device)
    parameters = list(net.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=1e-5, fused=True)
    u = np.arange(1001) / 1000
    level = np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2
    kept = np.append(1.0, np.cumprod(1 - np.minimum(1 - level[1:] / level[:-1], 0.999)))
    kept = torch.as_tensor(kept, dtype=torch.float32, device=device)
    cells = np.zeros((len(table["number"]), len(CLASSES)), np.int64)
    for name, members in TOKENS.groups.items():
        cells[:, list(members)] = table[name]
    cells, numbers = (torch.as_tensor(x, device=device) for x in (cells, table["number"]))
    draw = partial(torch.randint, size=(BATCH,), device=device)

    def posterior(p, x, k, a_s, a_ts):
        logits = torch.log(a_s * p + (1 - a_s) / k + 1e-30) + torch.log(a_ts * x + (1 - a_ts) / k)
        return F.log_softmax(logits, 1)

    def run():
        for _ in range(steps):
            rows, t = draw(len(cells)), draw(1000) + 1
            a_t, a_s = kept[t][:, None], kept[t - 1][:, None]
            z = torch.randn(BATCH, NUMBERS, device=device)
            y = a_t.sqrt() * numbers[rows] + (1 - a_t).sqrt() * z
            hot, noised = [], []
            for j, k in enumerate(CLASSES):
                fresh = torch.rand(BATCH, device=device) > a_t[:, 0]
                x = torch.where(fresh, draw(k), cells[rows, j])
                hot.append(F.one_hot(cells[rows, j], k).float())
                noised.append(F.one_hot(x, k).float())
            out = net(torch.cat([y, *noised], 1), (t - 1).float())
            loss = (out[:, :NUMBERS] - z).square().mean()
            start, bound = NUMBERS, 0.0
            for k, x0, x in zip(CLASSES, hot, noised, strict=True):
                guess = F.softmax(out[:, start : start + k], 1)
                q, p = (posterior(v, x, k, a_s, a_t / a_s) for v in (x0, guess))
                bound = bound + (q.exp() * (q - p)).sum(1)
                start += k
            loss = loss + (1000 * bound / len(CLASSES)).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            torch._foreach_lerp_(average, parameters, 1 - EMA)
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def seconds(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def median_ratio(a, b, rounds: int) -> tuple[float, float]:
    """(median of b's seconds over a's, a's median seconds), in turns after one round of warm-up."""
    a(), b()
    pairs = [(seconds(a), seconds(b)) for _ in range(rounds)]
    return statistics.median(y / x for x, y in pairs), statistics.median(x for x, _ in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--timesteps", type=int, default=1000)
    parser.add_argument("--chain", type=int, default=100, help="steps of the chain that are timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", help="JSON file for the figures")
    options = parser.parse_args()

    programs = chains(options.rows, options.timesteps, options.chain)
    over_network, of_network = median_ratio(
        programs["bare network"], programs["chain"], options.rounds
    )
    row = {
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "rows": options.rows,
        "ms_per_network_evaluation": round(1e3 * of_network / options.chain, 4),
        "chain_step_over_network": round(over_network, 3),
    }
    table = made_table(40_000, np.random.default_rng(0))
    ours = training(table, 10)
    try:
        import torch

        over_twin, of_ours = median_ratio(ours, twin(table, 10), options.rounds)
        row |= {"torch": torch.__version__, "training_over_torch": round(over_twin, 3)}
    except ImportError:
        print("torch is not installed: the training step is timed alone (pip install torch)")
        ours()
        of_ours = statistics.median(seconds(ours) for _ in range(options.rounds))
    row["training_records_per_s"] = round(10 * BATCH / of_ours)
    print(json.dumps(row, indent=1))
    if options.out:
        with open(options.out, "w") as file:
            json.dump(row, file, indent=1)


if __name__ == "__main__":
    main()
