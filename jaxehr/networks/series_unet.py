"""The U-Net of the longitudinal DPM: along the time of a patient, a row of numbers for each step."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxehr.networks.convolution import GroupNorm, convolution, drawn
from jaxehr.networks.mlp import timestep
from jaxehr.types import Key, Network

GROUPS = 8  # of the norms; fewer channels have a group each


def series_unet(
    columns: int, *, width: int = 256, levels: int = 3, time_features: int = 128
) -> Network:
    """Kuo, Jorm and Barbieri (2023; the first author's example): [*batch, step, column] -> the same.

        in    = Linear(SiLU(Linear(x)))                                        # of each step alone, as is `out`
        block = x + conv(SiLU(norm(conv(SiLU(norm(x) * (1 + gain) + shift)))))
        gain, shift = Linear(SiLU(Linear(sinusoid(t))))                        # FiLM; an MLP for each level and way

    On the way down every level has a block, whose result is kept, and a convolution of four taps and stride 2; in the
    middle there are two blocks; on the way up a transposed convolution of four taps, with a last step of zeros where
    what was kept has one more, to which that is added, and a block. All levels are `width` wide. Weights and biases
    start uniform in +-1/sqrt(fan in), as PyTorch's do.

    A scalar time is embedded once for all rows. Any number of steps will do that can be halved so often; what
    `whole_steps` gives needs no zeros. Raises ValueError if the width does not go into the groups.
    """
    if width < 1 or width % min(GROUPS, width):
        raise ValueError(
            f"width must be a multiple of {GROUPS}, the groups that norms are taken over; got {width}"
        )
    module = _SeriesUNet(columns, width, levels, time_features)

    def init(key: Key) -> dict[str, Any]:
        x = jnp.zeros((1, 2**levels, columns))
        bounds = module.init(key, x, jnp.zeros(()))["params"]
        return drawn(key, bounds, ("kernel", "bias"))

    def apply(params, x: Float[Array, "*batch step column"], t: Float[Array, "..."]) -> Array:
        rows = x.reshape(-1, *x.shape[-2:])
        return jnp.asarray(module.apply({"params": params}, rows, t)).reshape(x.shape)

    return Network(init, apply)


def whole_steps(steps: int, levels: int = 3) -> int:
    """The least number of steps, as many at least, that can be halved so often without a rest."""
    return -(-steps // 2**levels) * 2**levels


class _SeriesUNet(nn.Module):
    columns: int
    width: int
    levels: int
    time_features: int

    @nn.compact
    def __call__(self, x, t):
        time = timestep(self.time_features)(jnp.atleast_1d(t))
        h = _two_layers(self.width, self.width, x, "in")
        skips = []
        for i in range(self.levels):
            h = self._block(h, self._film(time, f"down_{i}_time"), f"down_{i}")
            skips.append(h)
            h = _Taps(self.width, _halved, 4, name=f"halved_{i}")(h)
        film = self._film(time, "middle_time")
        h = self._block(self._block(h, film, "middle_0"), film, "middle_1")
        for i in reversed(range(self.levels)):
            skip = skips.pop()
            h = _Taps(self.width, _doubled, 4, name=f"doubled_{i}")(h)
            h = jnp.pad(h, ((0, 0), (0, skip.shape[1] - h.shape[1]), (0, 0))) + skip
            h = self._block(h, self._film(time, f"up_{i}_time"), f"up_{i}")
        return _two_layers(self.width, self.columns, _Taps(self.width, _kept, name="end")(h), "out")

    def _film(self, time: Array, name: str) -> tuple[Array, Array]:
        """Gain and shift, each [1 or batch, 1, width]."""
        both = _two_layers(2 * self.width, 2 * self.width, time, name)
        gain, shift = jnp.split(both[:, None], 2, axis=-1)
        return gain, shift

    def _block(self, x: Array, film: tuple[Array, Array], name: str) -> Array:
        return _Block(self.width, name=name)(x, *film)


class _Block(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x, gain, shift):
        h = _norm(self.width, "norm_0")(x) * (1 + gain) + shift
        h = _Taps(self.width, _kept, name="conv_0")(nn.silu(h))
        h = _norm(self.width, "norm_1")(h)
        return x + _Taps(self.width, _kept, name="conv_1")(nn.silu(h))


class _Taps(nn.Module):
    """Kernel and bias of a convolution over time, as wide as what it reads.

    along   (x, kernel) -> the convolution
    """

    width: int
    along: Callable[[Array, Array], Array]
    taps: int = 3

    @nn.compact
    def __call__(self, x: Any) -> Array:
        bound = nn.initializers.constant((self.taps * self.width) ** -0.5)
        kernel = self.param("kernel", bound, (self.taps, self.width, self.width))
        bias = self.param("bias", bound, (self.width,))
        return self.along(x, jnp.asarray(kernel)) + bias


def _kept(x: Array, kernel: Array) -> Array:
    return convolution(x, kernel, 1, ((1, 1),))


def _halved(x: Array, kernel: Array) -> Array:
    return convolution(x, kernel, 2, ((1, 1),))


def _doubled(x: Array, kernel: Array) -> Array:
    """PyTorch's ConvTranspose1d of stride 2 and padding 1: place 2 n - 1 + k has tap k of place n.

    An even place sees the one before it and itself, an odd one itself and the next.
    """
    even = convolution(x, kernel[jnp.array([3, 1])], 1, ((1, 0),))
    odd = convolution(x, kernel[jnp.array([2, 0])], 1, ((0, 1),))
    return jnp.stack([even, odd], axis=2).reshape(len(x), -1, x.shape[-1])


def _two_layers(hidden: int, width: int, x: Array, name: str) -> Array:
    h = _dense(hidden, x, f"{name}_0")(x)
    return jnp.asarray(_dense(width, h, f"{name}_1")(nn.silu(h)))


def _dense(width: int, x: Array, name: str) -> nn.Dense:
    bound = nn.initializers.constant(x.shape[-1] ** -0.5)
    return nn.Dense(width, kernel_init=bound, bias_init=bound, name=name)


def _norm(width: int, name: str) -> GroupNorm:
    return GroupNorm(min(GROUPS, width), epsilon=1e-5, name=name)
