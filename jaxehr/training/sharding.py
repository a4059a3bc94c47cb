"""Where arrays live: a mesh of devices with the axes `data` and `fsdp`.

"pmapped" in today's JAX is `jax.jit` over a mesh: the batch is split over all devices, and XLA adds the all-reduce of
the gradients. Along `data` every device has the whole state; along `fsdp` each has a part of every large array of it
(fully sharded data parallel), which XLA gathers where it is needed. Only this file
and the command line know the axes' names.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

DATA, FSDP = "data", "fsdp"
LARGE = 2**12  # numbers of an array, from which on it is worth being split


def mesh_of(devices: Sequence[jax.Device] | None = None, *, data: int = -1, fsdp: int = 1) -> Mesh:
    """All devices of all processes (or those given), data x fsdp of them; -1 stands for as many as there are.

    Raises ValueError where that is not their number.
    """
    devices = jax.devices() if devices is None else list(devices)
    sizes, n = [data, fsdp], len(devices)
    known = int(np.prod([size for size in sizes if size != -1]))
    if min(sizes) < -1 or 0 in sizes or sizes == [-1, -1]:
        raise ValueError(
            f"a mesh has data and fsdp of at least 1, and -1 for one of them at most; got data={data}, "
            f"fsdp={fsdp}"
        )
    if n % known or (-1 not in sizes and n != known):
        raise ValueError(
            f"a mesh of data={data}, fsdp={fsdp} is of {'a multiple of ' * (-1 in sizes)}{known} devices, and there "
            f"are {n}; fsdp must divide their number, and data=-1 is all that it leaves"
        )
    shape = [n // known if size == -1 else size for size in sizes]
    return Mesh(np.array(devices).reshape(shape), (DATA, FSDP), axis_types=(AxisType.Auto,) * 2)


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def by_row(mesh: Mesh) -> NamedSharding:
    """Rows split over all devices."""
    return NamedSharding(mesh, PartitionSpec((DATA, FSDP)))


def spread(tree: PyTree, mesh: Mesh) -> PyTree:
    """Where each array of a state lies: a large one is split over `fsdp` along its longest axis that this divides."""
    n = mesh.shape[FSDP]

    def place(x) -> NamedSharding:
        even = [axis for axis, length in enumerate(x.shape) if length % n == 0]
        if n == 1 or x.size < LARGE or not even:
            return replicated(mesh)
        longest = max(even, key=lambda axis: x.shape[axis])
        return NamedSharding(mesh, PartitionSpec(*[None] * longest, FSDP))

    return jax.tree.map(place, tree)


def check_batch(batch_size: int, mesh: Mesh) -> None:
    """Raises ValueError where the rows of a batch cannot be split evenly over the devices."""
    if batch_size % mesh.size:
        raise ValueError(
            f"a batch of {batch_size} rows cannot be split evenly over {mesh.size} devices; "
            f"take a multiple of {mesh.size}"
        )
