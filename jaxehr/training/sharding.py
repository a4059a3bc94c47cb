"""Where arrays live: a mesh of devices with one axis, `data`.

"pmapped" in today's JAX is `jax.jit` over a mesh: the batch is split over `data`, parameters are replicated, and
XLA adds the all-reduce of the gradients. Nothing outside this file knows the axis's name.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """All devices (or those given) in one row."""
    devices = jax.devices() if devices is None else list(devices)
    return Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def by_row(mesh: Mesh) -> NamedSharding:
    """Rows split over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def check_batch(batch_size: int, mesh: Mesh) -> None:
    """Raises ValueError where the rows of a batch cannot be split evenly over the devices."""
    if batch_size % mesh.size:
        raise ValueError(
            f"a batch of {batch_size} rows cannot be split evenly over {mesh.size} devices; "
            f"take a multiple of {mesh.size}"
        )
