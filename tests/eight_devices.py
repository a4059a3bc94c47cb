"""Run by eight_devices_test.py in a process of its own, with eight simulated devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from oracles import CLINIC

from jaxehr import denoisers, names
from jaxehr.losses import edm_weight, log_normal
from jaxehr.networks import fourier, mlp
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers import karras, probability_flow
from jaxehr.synthesis.diffusion import Layout, diffusion_model
from jaxehr.training import init_state
from jaxehr.training.sharding import check_batch, data_mesh, replicated
from jaxehr.training.step import make_chunk

COLUMNS, BATCH, KEY = 12, 64, jax.random.key(3)
EDM = Gaussian(edm())
FIXED = (
    "heun",
    "dpmpp_2m",
    "unipc",
    "ddim",
    "ancestral",
    "euler_maruyama",
)  # ask nothing of each other
COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")


def losses(devices: int, length: int):
    model = diffusion_model(
        EDM,
        mlp(COLUMNS, width=(16, 16), time_width=8, embedding=fourier(4)),
        partial(denoisers.edm, sigma_data=0.4),
        layout=Layout(0, COLUMNS, (), (), np.zeros((2, 0)), np.zeros((2, 0))),
        times=log_normal,
        weight=edm_weight(0.4),
        sampler=probability_flow(),
        grid=karras,
        steps=8,
    )
    optimizer = optax.adamw(1e-3, weight_decay=0.0)
    table = jnp.asarray(np.random.default_rng(0).random((200, COLUMNS)) < 0.2, jnp.int8)
    mesh = data_mesh(jax.devices()[:devices])
    state = init_state(model, optimizer, KEY)
    state, key, table = jax.device_put((state, KEY, table), replicated(mesh))
    chunk = make_chunk(model, optimizer, batch_size=BATCH, ema_decay=0.99, mesh=mesh)
    state, metrics = chunk(state, key, table, length=length)
    assert len(jax.tree.leaves(state)[0].sharding.device_set) == devices
    return np.asarray(metrics.loss)


def training() -> None:
    np.testing.assert_allclose(losses(8, 60), losses(1, 60), rtol=1e-6)


def sampling(name: str) -> None:
    """One device, and eight under jit; `FIXED` under literal pmap too. Each record draws from a key of its own."""
    grid, sampler = karras(12, sigma_min=0.02, sigma_max=80.0), names.samplers()[name].sampler
    x_T, keys = EDM.prior(KEY, (64, 4), 80.0), jax.random.split(KEY, 64)

    def sample(keys, x):
        one = lambda key, x: sampler(key, CLINIC.denoiser(EDM), EDM, x, grid).x
        return jax.vmap(one)(keys, x)

    one = jax.jit(sample)(keys, x_T)
    rows = NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data"))
    spread = jax.device_put((keys, x_T), rows)
    program = jax.jit(sample).lower(*spread).compile()
    eight = program(*spread)
    assert len(eight.sharding.device_set) == 8
    np.testing.assert_allclose(eight, one, atol=1e-5)
    if name in FIXED:
        pmapped = jax.pmap(sample)(keys.reshape(8, 8), x_T.reshape(8, 8, 4))
        np.testing.assert_allclose(pmapped.reshape(64, 4), one, atol=1e-5)
        text = program.as_text()
        found = [c for c in COLLECTIVES if c in text]
        assert not found, f"{name}: {found}"


def uneven_batch() -> None:
    try:
        check_batch(30, data_mesh())
    except ValueError as error:
        assert "multiple of 8" in str(error)
    else:
        raise AssertionError("a batch of 30 on 8 devices was let through")


if __name__ == "__main__":
    assert jax.device_count() == 8
    training()
    for name in names.samplers():
        sampling(name)
    uneven_batch()
    print("the same on one device and on eight")
