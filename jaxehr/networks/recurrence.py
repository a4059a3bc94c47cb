"""Recurrent layers, whose inputs and derivatives are products of matrices over all steps at once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

States = tuple[
    Array, ...
]  # what is handed on from step to step, the output first; [*batch, hidden] each


class Cell(NamedTuple):
    """What a layer does from one step to the next.

    gates       whose sums are taken, in PyTorch's order
    states      how many are handed on
    of_input    the sums of the gates over the input [..., gates * hidden] -> their share of z
    of_state    the same over the state before
    step        (z, states) -> (states, what `slope` needs)
    slope       (that, dz, d states) -> d states, linear in the last two
    """

    gates: int
    states: int
    of_input: Callable[[Array], Array]
    of_state: Callable[[Array], Array]
    step: Callable[[Array, States], tuple[States, States]]
    slope: Callable[[States, Array, States], States]


def _lstm_step(z: Array, states: States) -> tuple[States, States]:
    c = states[1]
    scale = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], z.dtype), c.shape[-1])
    i, f, g, o = jnp.split(jnp.tanh(scale * z), 4, axis=-1)
    enter, stay, leave = (0.5 + 0.5 * gate for gate in (i, f, o))
    new = stay * c + enter * g
    seen = jnp.tanh(new)
    by_i, by_f, by_o = (0.25 - 0.25 * gate * gate for gate in (i, f, o))
    of_gates = by_i * g, by_f * c, enter * (1 - g * g), by_o * seen
    return (leave * seen, new), (*of_gates, leave * (1 - seen * seen), stay)


def _lstm_slope(kept: States, dz: Array, states: States) -> States:
    by_i, by_f, by_g, by_o, by_c, stay = kept
    i, f, g, o = jnp.split(dz, 4, axis=-1)
    new = stay * states[1] + by_i * i + by_f * f + by_g * g
    return by_o * o + by_c * new, new


def _gru_step(z: Array, states: States) -> tuple[States, States]:
    (h,) = states
    r_and_u, x_n, h_n = jnp.split(z, (2 * h.shape[-1], 3 * h.shape[-1]), axis=-1)
    r, u = jnp.split(jnp.tanh(0.5 * r_and_u), 2, axis=-1)
    reset, stay = 0.5 + 0.5 * r, 0.5 + 0.5 * u
    n = jnp.tanh(x_n + reset * h_n)
    by_r, by_u, by_n = 0.25 - 0.25 * r * r, 0.25 - 0.25 * u * u, (1 - stay) * (1 - n * n)
    kept = by_r * h_n * by_n, by_u * (h - n), by_n, reset * by_n, stay
    return (n + stay * (h - n),), kept


def _gru_slope(kept: States, dz: Array, states: States) -> States:
    by_r, by_u, by_x, by_h, stay = kept
    r, u, x_n, h_n = jnp.split(dz, 4, axis=-1)
    return (by_r * r + by_u * u + by_x * x_n + by_h * h_n + stay * states[0],)


# Of a GRU's new value the share of the state is weighed by r, and that of the input is not: they are not one sum.
def _gru_input(sums: Array) -> Array:
    return jnp.concatenate([sums, jnp.zeros_like(sums[..., : sums.shape[-1] // 3])], axis=-1)


def _gru_state(sums: Array) -> Array:
    r, u, n = jnp.split(sums, 3, axis=-1)
    return jnp.concatenate([r, u, jnp.zeros_like(n), n], axis=-1)


LSTM = Cell(4, 2, lambda sums: sums, lambda sums: sums, _lstm_step, _lstm_slope)
GRU = Cell(3, 1, _gru_input, _gru_state, _gru_step, _gru_slope)


class Ways(NamedTuple):
    """Directions in which a layer goes, each in its own order of time.

    sums    of the gates over the input
    bias    what is added to z at every step
    kernel  of the sums over the state before
    """

    sums: Sequence[Float[Array, "time *batch gate"]]
    bias: Sequence[Float[Array, " part"]]
    kernel: Sequence[Float[Array, "hidden gate"]]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def recur(cell: Cell, ways: Ways) -> list[Float[Array, "time *batch hidden"]]:
    """The outputs of each way from states of 0, all ways in one scan."""
    return _walk(cell, ways, lambda states, kept: states[0])


@recur.defjvp
def _derivative(cell: Cell, primals: tuple[Ways], tangents: tuple[Ways]) -> tuple[list, list]:
    """That of the kernels is one product over all steps, where JAX makes one for each step, and adds them up. What is
    left to a scan is linear, and so is its transpose, which a gradient is made of."""
    (ways,), (changed,) = primals, tangents
    found = _walk(cell, ways, lambda states, kept: (states[0], kept))
    outputs, kept = ([one[i] for one in found] for i in range(2))
    driven = []
    for h, sums, bias, kernel in zip(outputs, *changed, strict=True):
        before = jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])
        of_kernel = cell.of_state(over_steps(before, kernel))
        driven.append(cell.of_input(sums) + of_kernel + bias)

    def step(states, at):
        each = zip(states, *at, ways.kernel, strict=True)
        states = [cell.slope(k, dz + cell.of_state(d[0] @ w), d) for d, dz, k, w in each]
        return states, [d[0] for d in states]

    return outputs, jax.lax.scan(step, _at_rest(cell, ways), (driven, kept))[1]


def _walk(cell: Cell, ways: Ways, told: Callable[[States, States], Any]) -> list:
    """told(states, kept) of every step, for each way."""

    def step(states, at):
        found = [
            cell.step(cell.of_input(sums) + cell.of_state(now[0] @ kernel) + bias, now)
            for now, sums, bias, kernel in zip(states, at, ways.bias, ways.kernel, strict=True)
        ]
        return [now for now, _ in found], [told(*one) for one in found]

    return jax.lax.scan(step, _at_rest(cell, ways), list(ways.sums))[1]


def _at_rest(cell: Cell, ways: Ways) -> list[States]:
    return [
        (jnp.zeros((*sums.shape[1:-1], len(kernel)), sums.dtype),) * cell.states
        for sums, kernel in zip(ways.sums, ways.kernel, strict=True)
    ]


def over_steps(x: Array, kernel: Array) -> Array:
    """x @ kernel, as one product of two matrices: of more axes XLA takes up to a tenth longer."""
    return (x.reshape(-1, x.shape[-1]) @ kernel).reshape(*x.shape[:-1], kernel.shape[-1])


class BothWays(nn.Module):
    """A layer that goes ahead and back: [time, *batch, feature] -> [time, *batch, 2 hidden], as PyTorch's.

    Two biases for each gate, of the input and of the state, as PyTorch has them: in an LSTM they are only ever added,
    but both are learnt, so that their sum moves twice as fast, and the norm of a gradient counts both. All begins
    uniform in +-1/sqrt(hidden).
    """

    cell: Cell
    hidden: int

    @nn.compact
    def __call__(self, x: Any) -> Array:
        cell, gates = self.cell, self.cell.gates * self.hidden
        kernel = self._begun("kernel", x.shape[-1], gates)
        recurrent = self._begun("recurrent", self.hidden, gates)
        bias, of_state = self._begun("bias", gates), self._begun("recurrent_bias", gates)

        sums = [over_steps(each, of) for each, of in zip((x, x[::-1]), kernel, strict=True)]
        biases = cell.of_input(bias) + cell.of_state(of_state)
        ahead, back = recur(cell, Ways(sums, list(biases), list(recurrent)))
        return jnp.concatenate([ahead, back[::-1]], axis=-1)

    def _begun(self, name: str, *shape: int) -> Array:
        """Of both ways."""
        bound = self.hidden**-0.5

        def uniform(key, shape, dtype=jnp.float32):
            return jax.random.uniform(key, shape, dtype, -bound, bound)

        return self.param(name, uniform, (2, *shape))
