"""A table and the codes of the same patients: a model of each, which is told what is known of the other part.

    p(table, codes | known) = p(table | known codes, known cells) p(codes | table, known codes)

The table is drawn first, the codes given all of it: no part is drawn independently of the other, and a condition on
either needs no approximation. The table's network is trained beside no code in most rows, beside some or all in others
(processes.listed.known); that of the codes beside any cells.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from jaxehr.networks import told
from jaxehr.processes import MASK
from jaxehr.processes.listed import known as some_known
from jaxehr.synthesis.view import CODES, Tokens
from jaxehr.types import Draw, Grid, Key, Known, Model, Network, Params, Sampler


def beside(
    table: Model, codes: Model, tokens: Tokens, cell_reader: Network, code_reader: Network
) -> Model:
    """The Model of both, on the rows of a `token_view` with `listed`; its process and its grid are those of the table.

    tokens          of the table
    cell_reader     what the network of the codes is told of the table's cells, side by side
    code_reader     what that of the table is told of the codes, 1, 0 or hidden

    The loss is a sum: of the table its bound on -log p(table | the codes that are known), of the codes -log p of one
    factor of p(codes | the cells that are seen), as processes.listed asks for it.
    """
    parts: dict[str, Any] = {"table": table, "codes": codes}
    parts |= {"cells_read": cell_reader, "codes_read": code_reader}

    def init(key: Key) -> dict[str, Params]:
        keys = jax.random.split(key, len(parts))
        return {name: part.init(k) for (name, part), k in zip(parts.items(), keys, strict=True)}

    def of_table(params: Params, codes: Array) -> Params:
        return told(params["table"], code_reader.apply(params["codes_read"], codes))

    def of_codes(params: Params, cells: Array) -> Params:
        return told(params["codes"], cell_reader.apply(params["cells_read"], cells))

    def loss(params: Params, key: Key, x0: Any) -> Array:
        table_key, codes_key, known_key, cells_key = jax.random.split(key, 4)
        cells = {name: part for name, part in x0.items() if name != CODES}
        is_known, weight = some_known(known_key, x0[CODES])
        seen = jnp.where(is_known, x0[CODES], MASK)
        first = weight * table.loss(of_table(params, seen), table_key, cells)
        some_cells = partly_hidden(cells_key, tokens.in_one_row(cells))
        return first + codes.loss(of_codes(params, some_cells), codes_key, x0)

    def draw(
        params: Params,
        key: Key,
        *,
        sampler: Sampler | None = None,
        grid: Grid | None = None,
        known: Known | None = None,
    ) -> Draw:
        table_key, codes_key = jax.random.split(key)
        given: Any = known
        whole = params["table"]
        if known is not None:
            seen = jnp.where(given.mask[CODES], given.x0[CODES], MASK)
            whole = of_table(params, seen)
        x, nfe = table.draw(whole, table_key, sampler=sampler, grid=grid, known=known)
        found = codes.draw(of_codes(params, tokens.in_one_row(x)), codes_key, known=known)
        return Draw({**x, **found.x}, nfe + found.nfe)

    return Model(init, loss, draw, table.grid, process=table.process, narrows=table.narrows)


WHOLE = 0.1  # of the rows the codes are learnt given all cells


def partly_hidden(key: Key, cells: Int[Array, "row cell"]) -> Int[Array, "row cell"]:
    """A few rows whole, of the others as many cells as may be: a network that saw all of every row would soon know the
    patients by them."""
    whole_key, share_key, cell_key = jax.random.split(key, 3)
    rows = len(cells)
    whole = jax.random.permutation(whole_key, jnp.arange(rows)) < WHOLE * rows
    share = jnp.where(whole[:, None], 1.0, jax.random.uniform(share_key, (rows, 1)))
    return jnp.where(jax.random.uniform(cell_key, cells.shape) < share, cells, MASK)
