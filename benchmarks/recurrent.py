"""The network of TIMEDIFF: a training step and an evaluation over those of a PyTorch twin (nn.LSTM), in one run.

    python benchmarks/recurrent.py [--sizes 23:92:25:64 6:256:24:64] [--gru] [--rounds 5] [--core 0] [--out FILE.json]

A size is features:hidden:steps of a series:batch; those above are the authors' for MIMIC-III, and for Stocks. The loss
is that of the noise, Adam and the average are the authors'. Turns, and one core for both, as in benchmarks/twins.py.
"""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
from twins import compared, kept, machine, ours, parser_of, theirs, torch_device

from jaxehr.networks import GRU, LSTM, recurrent, sinusoidal
from jaxehr.processes import Gaussian, cosine_betas, table

T, EMBEDDING, WIDTH, LAYERS = 1_000, 64, 256, 3
RATE, BETAS, EMA = 8e-5, (0.9, 0.99), 0.995


def own(cell, rows: np.ndarray, hidden: int, batch: int, steps: int):
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

    adam, times = optax.adam(RATE, *BETAS), np.arange(steps)
    return ours(network, loss, adam, rows, times, batch=batch, ema=EMA)


def twin(cell, rows: np.ndarray, hidden: int, batch: int, steps: int):
    """The same in PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    device = torch_device()
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

    cumulative = np.cumprod(1 - cosine_betas(T))
    alpha, sigma = (
        torch.as_tensor(level, dtype=torch.float32, device=device)
        for level in (np.sqrt(cumulative), np.sqrt(1 - cumulative))
    )

    def loss(network, x0):
        t, eps = torch.randint(T, (batch,), device=device), torch.randn_like(x0)
        x = alpha[t][:, None, None] * x0 + sigma[t][:, None, None] * eps
        return F.mse_loss(network(x, t.float()), eps)

    network, times = Network().to(device), np.arange(steps)
    return theirs(network, loss, rows, times, batch=batch, ema=EMA, lr=RATE, betas=BETAS)


def row_of(cell, size: str, steps: int, rounds: int) -> dict:
    features, hidden, length, batch = map(int, size.split(":"))
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, size=(1_024, length, features)).astype(np.float32)
    arguments = cell, rows, hidden, batch, steps
    return {"size": size, **compared(own(*arguments), twin(*arguments), batch * steps, rounds)}


def main() -> None:
    parser = parser_of(__doc__, ["23:92:25:64", "6:256:24:64"], steps=4)
    parser.add_argument("--gru", action="store_true")
    options = parser.parse_args()
    name, cell = ("GRU", GRU) if options.gru else ("LSTM", LSTM)
    found = machine(options.core) | {"cell": name, "rows": []}
    for size in options.sizes:
        found["rows"].append(row_of(cell, size, options.steps, options.rounds))
        print(json.dumps(found["rows"][-1]), flush=True)
    kept(found, options.out)


if __name__ == "__main__":
    main()
