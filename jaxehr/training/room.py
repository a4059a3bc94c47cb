"""Whether a network has room where it is trained, asked before it is made."""

import math

import jax

from jaxehr.machine import memory
from jaxehr.training.step import State
from jaxehr.types import Params, X

GIB = 2**30


def least(state: State, table: X) -> int:
    """Bytes that a device holds at the least: the state twice, while a step is timed, its gradient, and the table.

    state   shapes
    """
    return 2 * held(state) + held(state.params) + held(table)


def held(tree) -> int:
    """Bytes that a device holds of arrays, or of shapes: all of them, where these are not split over several."""

    def here(x) -> int:
        place = getattr(x, "sharding", None)
        return (
            math.prod(x.shape if place is None else place.shard_shape(x.shape)) * x.dtype.itemsize
        )

    return sum(map(here, jax.tree.leaves(tree)))


def check_room(name: str, params: Params, need: int, devices) -> None:
    """Raises ValueError where each of the devices needs more bytes than it has."""
    own = devices[0].memory_stats() or {}
    there, what = own.get("bytes_limit"), devices[0].device_kind
    if there is None:  # of CPUs
        need, there, what = need * len(devices), memory(), "this machine"
    if need > there:
        many = sum(x.size for x in jax.tree.leaves(params))
        raise ValueError(
            f"{name}: {many:,} parameters take {need / GIB:,.1f} GiB while they are trained, and {what} has "
            f"{there / GIB:,.1f}; make the network smaller (`jaxehr recipes NAME` names its settings), or of a series "
            "take a longer --every, a smaller --length or fewer variables"
        )
