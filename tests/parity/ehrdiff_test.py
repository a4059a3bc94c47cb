"""EHRDiff against the authors' own code: same weights, same draws, same numbers.

The arrays lie in the folder named by JAXEHR_PARITY, by default tests/fixtures/parity. Any file of the same layout will
do: the sizes of the network are read from its weights.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr import denoisers
from jaxehr.losses import denoising_loss, edm_weight
from jaxehr.networks import mlp, sinusoidal
from jaxehr.processes import Gaussian, edm
from jaxehr.samplers import karras, probability_flow

SIGMA_DATA = 0.14  # of the authors' MIMIC configuration


@pytest.fixture(scope="module")
def arrays(parity):
    return dict(np.load(parity / "ehrdiff.npz", allow_pickle=False))


def our_names(arrays, prefix):
    """PyTorch's names and [out, in] kernels as ours."""
    middle = sum(f"{prefix}block_mid.{i}.out_proj.1.weight" in arrays for i in range(99))
    blocks = ["block_in", *(f"block_mid.{i}" for i in range(middle)), "block_out"]
    theirs = {"time_in": "time_embedding.1", "time_out": "time_embedding.3"}
    for i, block in enumerate(blocks):
        theirs[f"time_{i}"] = f"{block}.time_mlp.0"
        theirs[f"block_{i}"] = f"{block}.out_proj.1"
    return {
        ours: {
            "kernel": jnp.asarray(arrays[f"{prefix}{name}.weight"].T),
            "bias": jnp.asarray(arrays[f"{prefix}{name}.bias"]),
        }
        for ours, name in theirs.items()
    }


@pytest.fixture(scope="module")
def ours(arrays):
    params = our_names(arrays, "w.")
    columns = arrays["x"].shape[1]
    blocks = sum(name.startswith("block") for name in params)
    width = tuple(params[f"block_{i}"]["kernel"].shape[1] for i in range(blocks - 1))
    time_width = params["time_out"]["bias"].shape[0]
    features = params["time_in"]["kernel"].shape[0]
    network = mlp(columns, width=width, time_width=time_width, embedding=sinusoidal(features))

    def denoiser(params):
        return denoisers.edm(partial(network.apply, params), sigma_data=SIGMA_DATA)

    return network, params, denoiser


def losses(denoiser, params, arrays):
    return denoising_loss(
        denoiser(params),
        Gaussian(edm()),
        jnp.asarray(arrays["x"]),
        jnp.asarray(arrays["sigma"][:, 0]),
        jnp.asarray(arrays["noise"]),
        weight=edm_weight(SIGMA_DATA),
    )


def test_every_weight_has_a_place(arrays, ours):
    network, params, _ = ours
    initial = network.init(jax.random.key(0))
    assert jax.tree.map(jnp.shape, initial) == jax.tree.map(jnp.shape, params)
    assert sum(name.startswith("w.") for name in arrays) == len(jax.tree.leaves(params))


def test_denoised_values(arrays, ours):
    _, params, denoiser = ours
    noised = arrays["x"] + arrays["sigma"] * arrays["noise"]
    denoised = denoiser(params)(jnp.asarray(noised), jnp.asarray(arrays["sigma"][:, 0]))
    np.testing.assert_allclose(denoised, arrays["denoised"], atol=2e-6, rtol=0)


def test_loss(arrays, ours):
    _, params, denoiser = ours
    rows = losses(denoiser, params, arrays)
    np.testing.assert_allclose(rows, arrays["loss_row"], rtol=1e-5)
    np.testing.assert_allclose(rows.mean(), arrays["loss"], rtol=1e-5)


def test_gradients(arrays, ours):
    """Within 1e-5 of the largest gradient: float32 sums in another order."""
    _, params, denoiser = ours
    gradient = jax.grad(lambda p: losses(denoiser, p, arrays).mean())(params)
    expected = our_names(arrays, "g.")
    largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(expected))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5 * largest, rtol=1e-4),
        gradient,
        expected,
    )


def test_sampler(arrays, ours):
    _, params, denoiser = ours
    grid = karras(32, sigma_min=0.02, sigma_max=80.0)
    np.testing.assert_allclose(grid, arrays["sigma_grid"], rtol=1e-12)
    x_T = 80.0 * jnp.asarray(arrays["z"])
    draw = probability_flow()(jax.random.key(0), denoiser(params), Gaussian(edm()), x_T, grid)
    assert draw.nfe == 63
    np.testing.assert_allclose(draw.x, arrays["sample"], atol=1e-5, rtol=0)
