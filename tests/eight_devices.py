"""Run by eight_devices_test.py in a process of its own, with eight simulated devices."""

import json
import shutil
import tempfile
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from oracles import CLINIC

from jaxehr import denoisers, names
from jaxehr.losses import edm_weight, log_normal
from jaxehr.networks import fourier, mlp
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers import karras, probability_flow
from jaxehr.synthesis.diffusion import Layout, diffusion_model
from jaxehr.training import best_of, init_state
from jaxehr.training.room import held
from jaxehr.training.sharding import check_batch, mesh_of, replicated
from jaxehr.training.step import make_chunk, state_shapes
from jaxehr.types import Model

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


MODEL = diffusion_model(
    EDM,
    mlp(COLUMNS, width=(512, 512), time_width=8, embedding=fourier(4)),
    partial(denoisers.edm, sigma_data=0.4),
    layout=Layout(0, COLUMNS, (), (), np.zeros((2, 0)), np.zeros((2, 0))),
    times=log_normal,
    weight=edm_weight(0.4),
    sampler=probability_flow(),
    grid=karras,
    steps=8,
)
OPTIMIZER = optax.adamw(3e-4, weight_decay=0.0)


def trained(mesh, begun):
    """The losses of 60 steps, and the state after them."""
    places = jax.tree.map(lambda x: x.sharding, state_shapes(MODEL, OPTIMIZER, mesh))
    state = jax.device_put(begun, places)
    table = (np.random.default_rng(0).random((200, COLUMNS)) < 0.2).astype(np.int8)
    key, table = jax.device_put((KEY, table), replicated(mesh))
    chunk = make_chunk(MODEL, OPTIMIZER, batch_size=BATCH, ema_decay=0.99, mesh=mesh)
    found = []
    for _ in range(3):
        state, metrics = chunk(state, key, table, length=20)
        found.append(np.asarray(metrics.loss))
    assert chunk._cache_size() == 1  # a state comes out where it went in
    return np.concatenate(found), state


def training() -> None:
    """Data alone, and both axes: the losses and parameters of one device, of which each holds its share."""
    begun = jax.tree.map(np.asarray, jax.jit(partial(init_state, MODEL, OPTIMIZER))(KEY))
    losses, state = trained(mesh_of(jax.devices()[:1]), begun)
    for sizes in ({}, {"data": 4, "fsdp": 2}):
        mesh = mesh_of(**sizes)
        spread_losses, spread_state = trained(mesh, begun)
        np.testing.assert_allclose(spread_losses, losses, rtol=1e-6)
        near = partial(np.testing.assert_allclose, atol=1e-5)
        jax.tree.map(near, spread_state.params, state.params)
        assert all(len(x.sharding.device_set) == 8 for x in jax.tree.leaves(spread_state))
        assert held(spread_state) <= 1.1 * held(state) / mesh.shape["fsdp"]
    thin = state_shapes(MODEL, OPTIMIZER, mesh_of(data=1, fsdp=-1))
    assert held(thin) <= 1.1 * held(state) / 8


def resuming() -> None:
    """A run that was stopped on eight devices, its state split, goes on: on these bit for bit, on one nearly."""
    model = Model(
        lambda key: {"w": jax.random.normal(key, (128, 128)) / 12},
        lambda p, key, x0: jnp.square(x0 @ p["w"] - jax.random.normal(key, x0.shape)).mean(-1),
        None,
    )
    table = np.random.default_rng(0).normal(size=(200, 128)).astype(np.float32)
    options = {"batch_size": BATCH, "steps_per_dispatch": 10, "held_out": table[:50]}
    split, one = mesh_of(data=4, fsdp=2), mesh_of(jax.devices()[:1])
    with tempfile.TemporaryDirectory() as folder:
        fit = partial(best_of, model, optax.adam(1e-3), table, KEY, **options)
        unbroken = fit(steps=20, mesh=split).params
        fit(steps=10, mesh=split, run=Path(folder, "a"))
        shutil.copytree(Path(folder, "a"), Path(folder, "b"))
        on = {"a": (split, 0.0), "b": (one, 1e-5)}
        for name, (mesh, error) in on.items():
            found = fit(steps=20, mesh=mesh, run=Path(folder, name), resume=True).params
            np.testing.assert_allclose(found["w"], unbroken["w"], rtol=0, atol=error)
            lines = Path(folder, name, "metrics.jsonl").read_text().splitlines()
            assert [json.loads(line)["step"] for line in lines] == [10, 20]


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


def what_does_not_divide() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        check_batch(30, mesh_of())
    for sizes in ({"data": 3}, {"data": -1, "fsdp": 3}, {"data": 4, "fsdp": 4}):
        with pytest.raises(ValueError, match="there are 8; fsdp must divide"):
            mesh_of(**sizes)
    for sizes in ({"data": -1, "fsdp": -1}, {"data": 0}, {"data": -2}):
        with pytest.raises(ValueError, match="at least 1, and -1 for one of them"):
            mesh_of(**sizes)


if __name__ == "__main__":
    assert jax.device_count() == 8
    training()
    resuming()
    for name in names.samplers():
        sampling(name)
    what_does_not_divide()
    print("the same on one device and on eight")
