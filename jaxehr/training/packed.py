"""Bits as bits until a batch of them is drawn: an eighth of int8, on the host and on each device."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt8

from jaxehr.types import X


@partial(jax.tree_util.register_dataclass, data_fields=["bytes"], meta_fields=["columns"])
class Bits:
    """[n, columns] of 0 and 1, eight in a byte; as a tree its one leaf has the n rows first, as any table's."""

    def __init__(self, bytes: UInt8[Array | np.ndarray, "n byte"], columns: int):
        self.bytes, self.columns = bytes, columns


def packed(table: X) -> X:
    """The table with each part of int8 that holds nothing but 0 and 1 as `Bits`."""

    def part(values: np.ndarray) -> Any:
        is_bits = values.dtype == np.int8 and values.ndim == 2 and values.size
        if not is_bits or values.min() < 0 or values.max() > 1:
            return values
        return Bits(np.packbits(values, axis=1), values.shape[1])

    return jax.tree.map(part, table)


def unpacked(table: X) -> X:
    """The inverse of `packed`, on the device."""

    def part(values: Any) -> Any:
        if not isinstance(values, Bits):
            return values
        bits = jnp.unpackbits(values.bytes, axis=1, count=values.columns)
        return bits.astype(jnp.int8)

    return jax.tree.map(part, table, is_leaf=lambda values: isinstance(values, Bits))


def width(table: X) -> int:
    """The columns of all parts."""
    return sum(
        part.columns if isinstance(part, Bits) else part.size // part.shape[0]
        for part in jax.tree.leaves(table, is_leaf=lambda values: isinstance(values, Bits))
    )
