"""U-Nets: ScoEHR's over a latent that is laid out as a square, and MedDiff's over a record as a line."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxehr.networks.convolution import Conv, GroupNorm, drawn, fan_out
from jaxehr.networks.mlp import sinusoidal
from jaxehr.types import Key, Network

ZERO = 1e-10  # the gain of a layer that begins at about 0; the authors' own


def unet_2d(
    columns: int,
    *,
    channels: int = 128,
    multipliers: tuple[int, ...] = (1, 2, 2),
    blocks: int = 2,
    groups: int | None = None,
) -> Network:
    """ScoEHR's score network (Naseer et al. 2023; the authors' unet.py, after DDPM's): a row as a square, row by row.

        time  = Linear(SiLU(Linear(sinusoid(t))))                        # of t as it is
        block = shortcut(x) + conv(SiLU(norm(conv(SiLU(norm(x))) + Linear(SiLU(time)))))

    A level has channels * multiplier channels, `blocks` blocks on the way down and one more on the way up, and half the
    side of the one before; in the middle, and wherever the side is 16, there is attention. The last layer begins at 0.
    Columns that fill no such square are padded with zeros to the next that can be halved so often, and cut again.

    groups  of the norms; by default 32 as the authors have it, or so many that each has 4 channels: in a group of
            one channel the norm takes the time away again

    A scalar time is embedded once for all rows. Raises ValueError if the channels do not go into the groups.
    """
    side = square_side(columns, len(multipliers))
    module = _UNet(channels, tuple(multipliers), blocks, _groups(channels, groups), attend=16)
    return _network(module, columns, (side, side))


def square_side(columns: int, levels: int) -> int:
    """Of the smallest square that holds so many columns and can be halved `levels` - 1 times."""
    return _padded(math.isqrt(max(columns, 1) - 1) + 1, levels)


def _padded(places: int, levels: int) -> int:
    halved = 2 ** (levels - 1)
    return -(-places // halved) * halved


def unet_1d(
    columns: int,
    *,
    channels: int = 64,
    multipliers: tuple[int, ...] = (1, 2, 2),
    blocks: int = 2,
    classes: int = 0,
) -> Network:
    """The same along one axis, with the time as a scale and a shift after the second norm (FiLM: Perez et al. 2018).

    A record is padded with zeros to what can be halved as often as there are levels after the first, and cut again.

    classes     number of labels; 0 for none. apply(params, x, t, label): -1 stands for one that is not said
                (classifier-free guidance), and has an embedding of its own

    A scalar time and a scalar label are embedded once for all rows. Raises ValueError if the channels do not go into
    the groups.
    """
    groups = _groups(channels, None)
    module = _UNet(channels, tuple(multipliers), blocks, groups, film=True, classes=classes)
    return _network(module, columns, (_padded(columns, len(multipliers)),))


def _groups(channels: int, groups: int | None) -> int:
    taken = min(32, max(channels // 4, 1)) if groups is None else groups
    if channels < 1 or channels % taken:
        of = groups or (32 if channels >= 128 else 4)
        nearest = max(round(channels / of), 1) * of
        raise ValueError(
            f"channels must be a multiple of {of}, for the groups that norms are taken over; got {channels}, the "
            f"nearest that is: {nearest}"
        )
    return taken


def _network(module: nn.Module, columns: int, space: tuple[int, ...]) -> Network:
    """On rows of numbers, padded with zeros to as many as the space has places."""
    padding = [(0, 0), (0, math.prod(space) - columns)]

    def init(key: Key) -> dict[str, Any]:
        label_key, kernel_key = jax.random.split(key)
        bounds = module.init(label_key, jnp.zeros((1, *space, 1)), jnp.zeros(()))["params"]
        return drawn(kernel_key, bounds)

    def apply(
        params,
        x: Float[Array, "*batch column"],
        t: Float[Array, "..."],
        label: Int[Array, "..."] | None = None,
    ) -> Array:
        rows = jnp.pad(x.reshape(-1, columns), padding).reshape(-1, *space, 1)
        said = jnp.asarray(module.apply({"params": params}, rows, t, label))
        return said.reshape(len(rows), -1)[:, :columns].reshape(x.shape)

    return Network(init, apply)


class _UNet(nn.Module):
    """[batch, *space, 1] -> the same.

    attend  the side at which every block is followed by attention; 0 for none but that of the middle
    film    the time scales and shifts; else it is added
    """

    channels: int
    multipliers: tuple[int, ...]
    blocks: int
    groups: int
    attend: int = 0
    film: bool = False
    classes: int = 0

    @nn.compact
    def __call__(self, x, t, label=None):
        time = self._time(t, label, x.ndim)
        levels = list(enumerate(self.multipliers))
        h = Conv(self.channels, name="begin")(x)
        skips = [h]
        for i, multiplier in levels:
            for j in range(self.blocks):
                h = self._block(h, time, multiplier, f"down_{i}_{j}")
                skips.append(h)
            if i < len(levels) - 1:
                h = Conv(h.shape[-1], stride=2, name=f"down_{i}")(h)
                skips.append(h)
        h = self._residual(h, time, h.shape[-1], "middle_0")
        h = _Attention(self.groups, name="middle_attention")(h)
        h = self._residual(h, time, h.shape[-1], "middle_1")
        for i, multiplier in reversed(levels):
            for j in range(self.blocks + 1):
                both = jnp.concatenate([h, skips.pop()], axis=-1)
                h = self._block(both, time, multiplier, f"up_{i}_{j}")
            if i:
                h = Conv(h.shape[-1], stride=0.5, name=f"up_{i}")(h)
        h = nn.silu(GroupNorm(self.groups, name="end_norm")(h))
        return Conv(1, gain=ZERO, name="end")(h)

    def _time(self, t: Array, label: Array | None, axes: int) -> Array:
        """SiLU of the embedding, with an axis for each of x: all that a block reads of it."""
        width = 4 * self.channels
        hidden = nn.silu(_dense(width, "time_0")(sinusoidal(self.channels)(jnp.asarray(t))))
        time = _dense(width, "time_1")(hidden)
        if self.classes:
            table = nn.Embed(
                self.classes + 1, width, embedding_init=nn.initializers.normal(1.0), name="label"
            )
            time += table(jnp.mod(-1 if label is None else label, self.classes + 1))
        return nn.silu(time).reshape(-1, *(1,) * (axes - 2), width)

    def _block(self, x: Array, time: Array, multiplier: int, name: str) -> Array:
        h = self._residual(x, time, self.channels * multiplier, name)
        if h.shape[1] != self.attend:
            return h
        return _Attention(self.groups, name=f"{name}_attention")(h)

    def _residual(self, x: Array, time: Array, features: int, name: str) -> Array:
        return _Residual(features, self.groups, self.film, name=name)(x, time)


class _Residual(nn.Module):
    features: int
    groups: int
    film: bool

    @nn.compact
    def __call__(self, x, time):
        h = Conv(self.features, name="conv_0")(nn.silu(GroupNorm(self.groups, name="norm_0")(x)))
        norm = GroupNorm(self.groups, name="norm_1")
        if self.film:
            scale, shift = jnp.split(_dense(2 * self.features, "time")(time), 2, axis=-1)
            h = norm(h) * (1 + scale) + shift
        else:
            h = norm(h + _dense(self.features, "time")(time))
        h = Conv(self.features, gain=ZERO, name="conv_1")(nn.silu(h))
        return h + (x if x.shape[-1] == self.features else _dense(self.features, "shortcut")(x))


class _Attention(nn.Module):
    """One head over all places, added to what comes in."""

    groups: int

    @nn.compact
    def __call__(self, x):
        features = x.shape[-1]
        h = GroupNorm(self.groups, name="norm")(x).reshape(len(x), -1, features)
        query, key, value = (_dense(features, name)(h) for name in ("query", "key", "value"))
        weight = nn.softmax(jnp.einsum("bic,bjc->bij", query, key) * features**-0.5)
        return x + _dense(features, "out", ZERO)(weight @ value).reshape(x.shape)


def _dense(features: int, name: str, gain: float = 1.0) -> nn.Dense:
    return nn.Dense(features, kernel_init=fan_out(gain), name=name)
