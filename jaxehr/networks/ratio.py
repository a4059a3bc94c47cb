"""From all cells and codes of a record to one number: how much likelier it is under one law than under another."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxehr.networks.codes import code_reader
from jaxehr.networks.numbers import Numbers, Pairs
from jaxehr.networks.tokens import inputs_of, token_network
from jaxehr.types import Key, Network


def ratio_network(
    classes: Sequence[int],
    *,
    width: int,
    blocks: int,
    numbers: Numbers | None = None,
    codes: int = 0,
) -> Network:
    """(params, x) -> a logarithm of a ratio, 0 before it is trained; x is (cells [*batch, cell], codes [*batch, code]).

    A number for each cell and code that is there is added up, and what `token_network` makes of all of them. Of the
    finer half of a number it sees where that lies, but not which it is: what is drawn is rounded afterwards, and of the
    values of whole numbers, say, some finer intervals hold none.

    classes, numbers    of the cells, as in `token_network`
    codes               how many there are, each 1 or 0
    """
    tokens = token_network(classes, outputs=0, width=width, blocks=blocks, rank=1, numbers=numbers)
    listed = code_reader(codes, width + 1)
    first, rows = inputs_of(classes)
    read_at_all = np.ones((rows, 1), np.float32)
    for fine in () if numbers is None else numbers.fine:
        if fine >= 0:
            read_at_all[first[fine] : first[fine] + 1 + classes[fine]] = 0.0

    def init(key: Key) -> dict[str, Any]:
        own, more = jax.random.split(key)
        pairs = (f"pair_{name}" for name in Pairs._fields)
        said = {"say", "bias", "density", "density_bias", *pairs}  # what logits of classes ask for
        first: Any = tokens.init(own)
        params = {name: part for name, part in first.items() if name not in said}
        if codes:
            rows: Any = listed.init(more)
            params["there"] = rows["there"]
        for name in {"table", "number", "there"} & set(params):
            params[name] = params[name].at[:, width:].set(0.0)
        out = jnp.zeros(width + 1).at[width].set(1.0)
        return params | {"out": out, "out_bias": jnp.zeros(())}

    def apply(params, x: tuple[Any, Any], t: Any = None) -> Float[Array, "*batch"]:
        cells, bits = x
        of_cells = params | {"table": params["table"] * read_at_all}
        read = tokens.read(of_cells, cells.astype(jnp.int32))
        if codes:
            there = params["there"]
            read = read + listed.apply({"there": there, "not": jnp.zeros_like(there)}, bits)
        return tokens.thought(params, read) @ params["out"] + params["out_bias"]

    return Network(init, apply)
