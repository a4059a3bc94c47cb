"""The U-Nets: a training step and an evaluation over those of a PyTorch twin, in one run.

    python benchmarks/unet.py [--network 2d 1d] [--columns 144] [--sizes 32:64 64:64 128:32] [--rounds 5] [--core 0]
                              [--out FILE.json]

A size is channels:batch; the network, loss and optimiser are ScoEHR's (its own size is 128:256), of 1d the network is
MedDiff's. Turns, and one core for both, as in benchmarks/twins.py.
"""

import itertools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
from twins import compared, kept, machine, ours, parser_of, theirs, torch_device

from jaxehr.networks import unet_1d, unet_2d

MULTIPLIERS, BLOCKS, RATE, EMA = (1, 2, 2), 2, 1e-3, 0.999
NETWORKS = {"1d": unet_1d, "2d": unet_2d}


def levels(t):
    """alpha and sigma of the variance-preserving process, beta from 0.1 to 20."""
    log_alpha = -0.25 * t**2 * 19.9 - 0.05 * t
    return jnp.exp(log_alpha), jnp.sqrt(-jnp.expm1(2 * log_alpha))


def own(name: str, rows: np.ndarray, channels: int, batch: int, times: np.ndarray):
    network = NETWORKS[name](rows.shape[1], channels=channels)

    def loss(params, key, z):
        time_key, noise_key = jax.random.split(key)
        t = jax.random.uniform(time_key, (batch,), minval=1e-3)
        alpha, sigma = (level[:, None] for level in levels(t))
        eps = jax.random.normal(noise_key, z.shape)
        score = network.apply(params, alpha * z + sigma * eps, t)
        return jnp.sum((sigma * score + eps) ** 2, axis=1)

    return ours(network, loss, optax.adam(RATE), rows, times, batch=batch, ema=EMA)


def twin(name: str, rows: np.ndarray, channels: int, batch: int, times: np.ndarray):
    """The same in PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    device = torch_device()
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

    def loss(network, z):
        t = 1e-3 + (1 - 1e-3) * torch.rand(batch, device=device)
        log_alpha = (-0.25 * t**2 * 19.9 - 0.05 * t)[:, None]
        sigma, eps = (-torch.expm1(2 * log_alpha)).sqrt(), torch.randn_like(z)
        score = network(log_alpha.exp() * z + sigma * eps, t)
        return (sigma * score + eps).square().sum(1).mean()

    return theirs(Network().to(device), loss, rows, times, batch=batch, ema=EMA, lr=RATE)


def row_of(name: str, rows: np.ndarray, size: str, steps: int, rounds: int) -> dict:
    channels, batch = map(int, size.split(":"))
    arguments = name, rows, channels, batch, np.linspace(1.0, 0.0, steps)
    figures = compared(own(*arguments), twin(*arguments), batch * steps, rounds)
    return {"channels": channels, "batch": batch, **figures}


def main() -> None:
    parser = parser_of(__doc__, ["32:64", "64:64", "128:32"], steps=2)
    parser.add_argument("--network", choices=NETWORKS, nargs="+", default=["2d"])
    parser.add_argument("--columns", type=int, default=144)
    options = parser.parse_args()
    found = machine(options.core) | {"columns": options.columns}
    rng = np.random.default_rng(0)
    rows = np.tanh(rng.normal(size=(4_096, options.columns))).astype(np.float32)
    for name, size in itertools.product(options.network, options.sizes):
        row = row_of(name, rows, size, options.steps, options.rounds)
        found.setdefault(name, []).append(row)
        print(name, json.dumps(row), flush=True)
    kept(found, options.out)


if __name__ == "__main__":
    main()
