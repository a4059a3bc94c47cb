"""Masked draws along a path: of each step only the cells that it shows are asked of the network."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from jaxehr.networks import TokenNetwork
from jaxehr.processes import LOW, MASK, Path
from jaxehr.processes.multinomial import chosen
from jaxehr.synthesis.view import Tokens
from jaxehr.types import Denoiser, Draw, Grid, Key, Params, Sampler


class _Kind(NamedTuple):
    """Cells of one group and form, of which a step shows `most` at most. They lie from `first` on in the row."""

    group: str
    form: int
    first: int
    most: int


class _Tiles(NamedTuple):
    """Cells of a kind that are shown in one step, one tile after another.

    kind    [tile] which of `kinds`
    cells   [tile, cell] of the row; what lies behind the last is none
    begins  [tile] whether a step begins, so that the network is asked anew
    """

    kinds: tuple[_Kind, ...]
    kind: Int[np.ndarray, "tile"]
    cells: Int[np.ndarray, "tile cell"]
    begins: Bool[np.ndarray, "tile"]


def along_path(
    network: TokenNetwork, tokens: Tokens, path: Path, params: Params, allowed: Any = None
) -> Sampler:
    """Shows the cells of a record in the order of the path, as many at each step as the grid asks for.

    allowed     as in Known

    The law is that of `unmasking` in this order. The input of the network is a sum over cells, to which each step adds
    what it shows; its logits are made of the cells of the step alone. Cells of a step are drawn independently, but for
    the second half of a number, which sees its first. Those of x_T that are not hidden stay.
    """

    def sample(key: Key, denoise: Denoiser, process: Any, x_T: Any, grid: Grid) -> Draw:
        tiles = _tiles(network, tokens, path.steps(grid))
        shows = [_shows(network, tokens, kind, params, allowed) for kind in tiles.kinds]

        def one(carry, at):
            x, read, state = carry
            u, kind, cells, begins = at
            state = jax.lax.cond(begins, lambda: network.thought(params, read), lambda: state)
            x, read = jax.lax.switch(kind, shows, u, state, x, read, cells)
            return (x, read, state), None

        x = tokens.in_one_row(x_T)
        read = network.read(params, x)
        nothing = jax.tree.map(jnp.zeros_like, jax.eval_shape(network.thought, params, read))
        chance = jax.random.uniform(key, tiles.cells.shape)
        ahead = (chance, *map(jnp.asarray, (tiles.kind, tiles.cells, tiles.begins)))
        (x, _, _), _ = jax.lax.scan(one, (x, read, nothing), ahead)
        found = {name: part.astype(x_T[name].dtype) for name, part in tokens.by_group(x).items()}
        return Draw(found, jnp.asarray(int(tiles.begins.sum())))

    return sample


def _shows(network: TokenNetwork, tokens: Tokens, kind: _Kind, params: Params, allowed: Any):
    """(uniform numbers, state, x, read, cells) -> (x, read) with those cells drawn that are hidden."""
    classes = np.array(tokens.classes_of(kind.group))
    valid = jnp.arange(classes.max()) < classes[:, None]
    if allowed is not None and kind.group in allowed:
        valid = valid & allowed[kind.group]

    def show(u: Array, state: Any, x: Array, read: Any, cells: Array) -> tuple[Array, Any]:
        cells = cells[: kind.most]
        logits = network.said(params, state, x, cells, kind.form, int(classes.max()))
        logits = jnp.where(valid[cells - kind.first], logits, LOW)
        likely = jnp.exp(logits - logits.max(axis=-1, keepdims=True))
        values = chosen(u[: kind.most], likely).astype(x.dtype)
        values = jnp.where(x[cells] == MASK, values, x[cells])
        return network.shown(params, read, x, cells, values, kind.form)

    return show


def _tiles(network: TokenNetwork, tokens: Tokens, steps: list[tuple[int, ...]]) -> _Tiles:
    groups = [(name, i) for name, members in tokens.groups.items() for i in range(len(members))]
    found: list[tuple[str, int]] = []  # of each tile
    cells: list[list[int]] = []
    begins: list[bool] = []
    for step in steps:
        alike: dict[tuple[str, int], list[int]] = {}
        for cell in step:
            alike.setdefault((groups[cell][0], network.forms[cell]), []).append(cell)
        found += alike
        cells += alike.values()
        begins += [i == 0 for i in range(len(alike))]
    names = list(dict.fromkeys(found))
    most = [max(len(c) for c, f in zip(cells, found, strict=True) if f == name) for name in names]
    kinds = tuple(
        _Kind(*name, groups.index((name[0], 0)), m) for name, m in zip(names, most, strict=True)
    )
    padded = np.full((len(cells), max(most, default=1)), len(groups))
    for row, members in zip(padded, cells, strict=True):
        row[: len(members)] = members
    return _Tiles(kinds, np.array([names.index(f) for f in found], int), padded, np.array(begins))
