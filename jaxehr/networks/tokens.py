"""A residual network from partly hidden categories to the logits of all."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxehr.networks.numbers import FEATURES, Mixture, Numbers, Pairs, Scales
from jaxehr.types import Key, Network, Params, X

# Logistic densities that lie under the classes of a number: weights, places and scales of four that are a standard
# normal one together, to 2% where |z| < 2.2 and 6% where |z| < 3 (least squares of the logarithm).
NORMAL = np.array(
    [
        [0.0966, 0.4034, 0.4034, 0.0966],
        [-1.3472, -0.4348, 0.4348, 1.3472],
        [0.3661, 0.3967, 0.3967, 0.3661],
    ]
)
COMPONENTS = NORMAL.shape[1]
FINEST = -4.5  # log of the least scale of a density: about a thousandth of all


class Start(NamedTuple):
    """What an untrained network says already; see jaxehr.synthesis.associations.

    log_frequency   [outputs] of each class by itself
    read            [inputs, rank] of each class that is seen, in the order of `inputs_of`
    say             [rank, outputs]: read of all that is seen, times this, is added to the logits
    pairs           what numbers say of each other; by default nothing
    """

    log_frequency: np.ndarray
    read: np.ndarray
    say: np.ndarray
    pairs: Pairs | None = None


class TokenNetwork(NamedTuple):
    """A network of tokens as pure functions: whole, and cell by cell, for a draw that needs little of it at each step.

    init    (key) -> params
    apply   (params, x, t) -> the logits of all classes in one row; x may be a batch, t has no meaning
    read    (params, x) -> a sum over what is seen of a record
    thought (params, read) -> hidden state
    said    (params, state, x, cells, form, width) -> the logits of these cells, [cell, class] for `width` classes
    shown   (params, read, x, cells, values, form) -> (x, read) with these values in these cells, of which those that
            lie behind the last cell are none
    forms   of each cell; those of one are said and shown together
    """

    init: Callable[[Key], Params]
    apply: Callable[..., X]
    read: Callable[[Params, Array], Any]
    thought: Callable[[Params, Any], Any]
    said: Callable[[Params, Any, Array, Array, int, int], Array]
    shown: Callable[[Params, Any, Array, Array, Array, int], tuple[Array, Any]]
    forms: tuple[int, ...]


PLAIN, COARSE, FINE = range(3)  # forms: no number, the first half of one, its second


def inputs_of(classes: Sequence[int] | np.ndarray) -> tuple[np.ndarray, int]:
    """(the first row of each token in the table of inputs, how many rows that has): a row for each class, and before
    them one for the hidden cell."""
    ends = np.cumsum([0, *(np.asarray(classes) + 1)])
    return ends[:-1], int(ends[-1])


def token_network(
    classes: Sequence[int],
    *,
    places: Sequence[int] | np.ndarray | None = None,
    outputs: int | None = None,
    width: int,
    blocks: int,
    rank: int = 16,
    numbers: Numbers | None = None,
    start: Start | None = None,
) -> TokenNetwork:
    """Reads categories of which some are hidden (-1), and gives the logits of all classes in one row.

        [h, s] = sum of a row of the table for each cell + features of the numbers that are seen @ W
        h = h + Linear(SiLU(Linear(LayerNorm(h))))          # `blocks` times
        logits = [LayerNorm(h), s] @ O + bias               # O of h from 0; bias, and read and say of s, from `start`

    What is seen reaches the logits without a hidden layer too, through the `rank` numbers s. Of a number's classes,
    which are intervals, the logarithm of what a mixture of logistic densities has in each is added: a column that
    follows from others is then a matter of where the densities lie, not of a logit for each interval.

    classes     of each column; those of two are bits
    places      where the logits of each lie in that row, `outputs` its length; by default side by side

    No time goes in: what is hidden says it all (Ou et al. 2024).
    """
    sizes = np.asarray(classes)
    first = np.cumsum([0, *sizes[:-1]]) if places is None else np.asarray(places)
    outputs = int(sizes.sum()) if outputs is None else outputs
    numbers = Numbers() if numbers is None else numbers
    net = _Net(sizes, first, outputs, width, blocks, rank, numbers, Scales.of(numbers))

    def init(key: Key) -> dict[str, Any]:
        return net.init(key, start)

    def apply(
        params, x: Int[Array, "*batch column"], t: Float[Array, "..."] | None = None
    ) -> Float[Array, "*batch class"]:
        return net.apply(params, x)

    return TokenNetwork(init, apply, net.seen, net.thought, net.said, net.shown, net.forms)


def cell_reader(classes: Sequence[int], outputs: int, *, numbers: Numbers | None = None) -> Network:
    """Reads cells as a `token_network` of them does, for another network: the sum of what is seen [..., outputs]. Of
    the finer half of a number there is no row in it: where the number lies says it too, and less of who has it."""
    sizes, numbers = np.asarray(classes), Numbers() if numbers is None else numbers
    net = _Net(sizes, 0 * sizes, 0, outputs, 0, 0, numbers, Scales.of(numbers))
    finer = np.isin(np.arange(len(sizes)), numbers.fine)
    rows = np.repeat(~finer, sizes + 1).astype(np.float32)[:, None]

    def init(key: Key) -> dict[str, Any]:
        params = net.init(key, None)
        return {name: params[name] for name in ("table", "number") if name in params}

    def apply(params, x: Int[Array, "*batch column"]) -> Float[Array, "*batch output"]:
        return net.seen({**params, "table": params["table"] * rows}, x.astype(jnp.int32))

    return Network(init, apply)


def told(params: dict[str, Any], seen: Float[Array, "... output"]) -> dict[str, Any]:
    """The parameters of a network that is told something beside what it reads, width + rank numbers that are added to
    what it sees; of a batch a row for each."""
    return {**params, "told": seen}


class _Net(NamedTuple):
    """The network of `token_network`; see there."""

    classes: np.ndarray
    first: np.ndarray
    outputs: int
    width: int
    blocks: int
    rank: int
    numbers: Numbers
    scales: Scales

    def init(self, key: Key, start: Start | None) -> dict[str, Any]:
        _, rows = inputs_of(self.classes)
        p, k = len(self.numbers.coarse), iter(jax.random.split(key, 2 * self.blocks + 3))
        columns, both = max(len(self.classes), 1), self.width + self.rank
        table = jax.random.normal(next(k), (rows, both)) * columns**-0.5
        say = jnp.zeros((both, self.outputs))
        bias = jnp.zeros(self.outputs)
        if start is not None:
            found = start.read.shape[1]
            table = table.at[:, self.width : self.width + found].set(start.read)
            say = say.at[self.width : self.width + found].set(start.say)
            bias = jnp.asarray(start.log_frequency, jnp.float32)
        params: dict[str, Any] = {"table": table, "say": say, "bias": bias}
        params["read"] = jnp.zeros(self.width)
        params |= residual_blocks(k, self.width, self.blocks)
        if p:
            params["number"] = jax.random.normal(next(k), (p * FEATURES, both)) * columns**-0.5
            params["density"] = jnp.zeros((both, p * 3 * COMPONENTS))
            one = np.stack([np.log(NORMAL[0]), NORMAL[1], np.log(NORMAL[2])])
            params["density_bias"] = jnp.asarray(np.tile(one.ravel(), p), jnp.float32)
            pairs = Pairs.none(p) if start is None or start.pairs is None else start.pairs
            for name, part in pairs._asdict().items():
                params[f"pair_{name}"] = jnp.asarray(part, jnp.float32)
            if start is not None:
                flat = self.with_masses(params, jnp.zeros(both), jnp.full(len(self.classes), -1))
                params["bias"] = bias - flat
        return params

    def apply(self, params: dict[str, Any], x: Array) -> Array:
        x = x.astype(jnp.int32)
        h = self.thought(params, self.seen(params, x))
        logits = h @ params["say"] + params["bias"]
        if not self.numbers.coarse:
            return logits
        free = np.ones(self.outputs, np.float32)
        for fine, cuts in zip(self.numbers.fine, self.numbers.cuts, strict=True):
            if fine >= 0:  # it is noise but for where the densities lie
                free[self.first[fine] : self.first[fine] + cuts] = 0.0
        return logits * free + self.with_masses(params, h, x)

    def thought(self, params: dict[str, Any], seen: Array) -> Array:
        h, skip = seen[..., : self.width] + params["read"], seen[..., self.width :]
        return jnp.concatenate([through_blocks(params, h, self.blocks), skip], axis=-1)

    @property
    def forms(self) -> tuple[int, ...]:
        coarse, fine = self.numbers.coarse, self.numbers.fine
        cells = range(len(self.classes))
        return tuple(COARSE if i in coarse else FINE if i in fine else PLAIN for i in cells)

    def number_of(self, cells: Array) -> Array:
        """Of each cell which number it is of; 0 where of none."""
        found = np.zeros(len(self.classes), int)
        for cell_of in (self.numbers.coarse, self.numbers.fine):
            for q, cell in enumerate(cell_of):
                found[cell] = q if cell >= 0 else found[cell]
        return jnp.asarray(found)[cells]

    def said(
        self, params: dict[str, Any], h: Array, x: Array, cells: Array, form: int, width: int
    ) -> Array:
        """[cell, class] of one record; what lies behind a cell's own classes has no meaning."""
        logits = jnp.zeros((len(cells), width))
        if form != FINE:
            at = jnp.asarray(self.first)[cells][:, None] + np.arange(width)
            logits = jnp.tensordot(h, params["say"][:, at], 1) + params["bias"][at]
        if form == PLAIN:
            return logits
        which = self.number_of(cells)
        mixture = self.mixture(params, h, x, which)
        mass = (
            self.scales.masses(mixture, which)
            if form == COARSE
            else self.scales.finer_masses(mixture, x, which)
        )
        mass = mass[:, :width]
        return logits + jnp.pad(mass, ((0, 0), (0, width - mass.shape[1])))

    def shown(
        self, params: dict[str, Any], seen: Array, x: Array, cells: Array, values: Array, form: int
    ) -> tuple[Array, Array]:
        """Of one record."""
        before, after = x[cells], x.at[cells].set(values, mode="drop")
        values = jnp.where(cells < len(x), values, before)
        row = jnp.asarray(inputs_of(self.classes)[0])[cells] + 1
        table = params["table"]
        seen = seen + (table[row + values] - table[row + before]).sum(0)
        if form == PLAIN:
            return after, seen
        which = self.number_of(cells)
        change = self.scales.features(after, which) - self.scales.features(x, which)
        change = jnp.where((values != before)[:, None], change, 0.0)
        number = params["number"].reshape(-1, FEATURES, self.width + self.rank)[which]
        return after, seen + jnp.tensordot(change, number, 2)

    def seen(self, params: dict[str, Any], x: Array) -> Array:
        """[..., width + rank]: the sum of what is seen."""
        first, _ = inputs_of(self.classes)
        bits, others = np.flatnonzero(self.classes == 2), np.flatnonzero(self.classes != 2)
        table, h = jnp.asarray(params["table"]), jnp.zeros((*x.shape[:-1], self.width + self.rank))
        h = h + params.get("told", 0.0)
        if len(bits):
            hidden, no, yes = (table[first[bits] + i] for i in range(3))
            is_seen, is_one = (
                (x[..., bits] >= 0).astype(h.dtype),
                (x[..., bits] == 1).astype(h.dtype),
            )
            h = h + hidden.sum(0) + is_seen @ (no - hidden) + is_one @ (yes - no)
        if len(others):
            h = h + table[x[..., others] + 1 + first[others]].sum(-2)
        if not self.numbers.coarse:
            return h
        features = self.scales.features(x)
        return h + features.reshape(*features.shape[:-2], -1) @ params["number"]

    def mixture(
        self, params: dict[str, Any], h: Array, x: Array, which: Any = slice(None)
    ) -> Mixture:
        """Of these numbers, by their place in `numbers`: about where they should lie by the others that are seen."""
        p = len(self.numbers.coarse)
        density = params["density"].reshape(-1, p, 3 * COMPONENTS)[:, which]
        said = jnp.tensordot(h, density, 1) + params["density_bias"].reshape(p, -1)[which]
        weight, mean, log_scale = jnp.split(said[..., None, :], 3, axis=-1)
        pairs = Pairs(*(params[f"pair_{name}"] for name in Pairs._fields))
        centre, log_size = (part[..., None, None] for part in self.scales.expected(pairs, x, which))
        mean, log_scale = centre + jnp.exp(log_size) * mean, log_size + log_scale
        return Mixture(mean, jnp.maximum(log_scale, FINEST), jax.nn.log_softmax(weight))

    def with_masses(self, params: dict[str, Any], h: Array, x: Array) -> Array:
        """[..., outputs]: what the densities of the numbers add to the logits."""
        coarse, fine = np.array(self.numbers.coarse), np.array(self.numbers.fine)
        mixture = self.mixture(params, h, x)
        real = np.arange(self.scales.valued.shape[1]) < self.classes[coarse][:, None]
        at = (self.first[coarse][:, None] + np.arange(real.shape[1]))[real]
        mass = self.scales.masses(mixture).reshape(*h.shape[:-1], -1)
        row = jnp.zeros((*h.shape[:-1], self.outputs)).at[..., at].set(mass[..., real.ravel()])
        halves = np.flatnonzero(fine >= 0)
        if not len(halves):
            return row
        real = np.arange(self.scales.ends.shape[-1] - 1) < np.array(self.numbers.cuts)[halves, None]
        at = (self.first[fine[halves]][:, None] + np.arange(real.shape[1]))[real]
        part = Mixture(*(each[..., halves, :, :] for each in mixture))
        mass = self.scales.finer_masses(part, x, halves).reshape(*h.shape[:-1], -1)
        return row.at[..., at].set(mass[..., real.ravel()])


def residual_blocks(keys: Iterator[Key], width: int, blocks: int) -> dict[str, Array]:
    """The parameters of `through_blocks`; takes two keys for each block."""
    params, scale = {}, width**-0.5
    for i in range(blocks):
        params[f"in_{i}"] = jax.random.normal(next(keys), (width, width)) * scale
        params[f"in_bias_{i}"] = jnp.zeros(width)
        params[f"out_{i}"] = jax.random.normal(next(keys), (width, width)) * (0.3 * scale)
    return params


def through_blocks(params: dict[str, Any], h: Array, blocks: int) -> Array:
    """h = h + Linear(SiLU(Linear(LayerNorm(h)))) so often, and LayerNorm at the end."""
    for i in range(blocks):
        u = normed(h) @ params[f"in_{i}"] + params[f"in_bias_{i}"]
        h = h + jax.nn.silu(u) @ params[f"out_{i}"]
    return normed(h)


def normed(h: Array) -> Array:
    """LayerNorm without weights, which the layer after it has."""
    h = h - h.mean(-1, keepdims=True)
    return h * jax.lax.rsqrt((h**2).mean(-1, keepdims=True) + 1e-6)
