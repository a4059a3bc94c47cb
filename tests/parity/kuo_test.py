"""The network, the loss and the gradients of the longitudinal DPM against the first author's own code: same weights,
draws and numbers.

Any file of the same layout will do: sizes are read from the arrays. What float32 can lose is measured, not guessed:
everything is worked out in float64 too, and the author's numbers are held to that by ten times what our own float32 is
away from it. Their times count from 0, ours from 1; they have channels first, we have them last.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import agree

from jaxehr.denoisers import EPS
from jaxehr.losses import blended_loss
from jaxehr.networks import series_unet, timestep
from jaxehr.processes import Gaussian, ddpm
from jaxehr.samplers import fixed_large


@pytest.fixture(scope="module")
def arrays(parity):
    file = parity / "kuo.npz"
    if not file.is_file():
        pytest.skip(f"there is no {file}")
    return dict(np.load(file, allow_pickle=False))


def our_names(arrays):
    """Where each of the author's layers lies in ours, and how many levels there are."""
    levels = sum(name.startswith("w.downsample.") and name.endswith("bias") for name in arrays)
    names = {"in_0": "bt1.0", "in_1": "bt1.2", "out_0": "bt2.0", "out_1": "bt2.2"}
    names |= {"end": "out_conv"} | film("middle", "mid")
    names |= block("middle_0", "mid_block1") | block("middle_1", "mid_block2")
    for i in range(levels):
        j = levels - 1 - i  # they count the way up from the middle
        names |= block(f"down_{i}", f"down_blocks.{i}") | block(f"up_{i}", f"up_blocks.{j}")
        names |= film(f"down_{i}", f"down.{i}") | film(f"up_{i}", f"up.{j}")
        names |= {f"halved_{i}": f"downsample.{i}", f"doubled_{i}": f"upsample.{j}"}
    return names, levels


def block(ours, theirs):
    places = {"norm_0": "norm1", "conv_0": "conv1", "norm_1": "norm2", "conv_1": "conv2"}
    return {f"{ours}/{place}": f"{theirs}.{name}" for place, name in places.items()}


def film(ours, theirs):
    return {f"{ours}_time_{i}": f"time_emb_{theirs}.mlp.{2 * i}" for i in range(2)}


def placed(arrays, names, prefix):
    """The author's arrays in the tree of ours: kernels [..., in, out]; of the time, cosines before sines."""
    tree = {}
    for ours, theirs in names.items():
        weight = arrays[f"{prefix}{theirs}.weight"]
        layer = tree
        for word in ours.split("/"):
            layer = layer.setdefault(word, {})
        if weight.ndim == 1:
            layer["scale"] = weight
        elif ours.startswith("doubled"):
            layer["kernel"] = weight.transpose(2, 0, 1)
        else:
            kernel = np.moveaxis(weight, (0, 1), (-1, -2))
            layer["kernel"] = kernel[in_our_order(len(kernel))] if "_time_0" in ours else kernel
        layer["bias"] = arrays[f"{prefix}{theirs}.bias"]
    return tree


def in_our_order(features):
    return np.concatenate([np.arange(1, features, 2), np.arange(0, features, 2)])


def last(channels_first):
    """[batch, 1, column, step] -> [batch, step, column]"""
    return np.swapaxes(channels_first[:, 0], 1, 2)


class Case:
    def __init__(self, arrays):
        names, levels = our_names(arrays)
        self.params, self.gradients = (placed(arrays, names, prefix) for prefix in ("w.", "g."))
        self.columns, self.features = arrays["x_pad"].shape[2], arrays["time_table"].shape[1]
        width = len(arrays["w.bt1.0.bias"])
        self.network = series_unet(
            self.columns, width=width, levels=levels, time_features=self.features
        )
        n, first, final = len(arrays["betas"]), *arrays["betas"][[0, -1]].astype(float)
        self.process = Gaussian(ddpm(n, beta_first=first, beta_last=final))
        self.t = arrays["t"] + 1
        self.x0, self.eps, self.u = (last(arrays[name]) for name in ("x_pad", "noise", "u"))
        self.valid = last(arrays["mask"])

    def said(self, params, x0, t, eps, u, valid):
        """(loss_diff and loss, x_t, what is predicted of the noise, what the blend says was clean)."""
        x = self.process.mix(x0, eps, t)
        e = self.network.apply(params, x, t - 1)
        parts = [
            blended_loss(lambda *_: e, self.process, x0, t, eps, u, valid=valid, weight=w).mean()
            for w in (0.0, 20.0)
        ]
        return parts, x, e, EPS.to_x0(self.process, u * eps + (1 - u) * e, x, t)

    def with_gradient(self, params, *draws):
        def loss(params):
            found = self.said(params, *draws)
            return found[0][1], found

        return jax.grad(loss, has_aux=True)(params)

    def inputs(self, dtype):
        draws = (self.params, self.x0, self.t, self.eps, self.u, self.valid)
        return jax.tree.map(lambda a: jnp.asarray(a, dtype), draws)


@pytest.fixture(scope="module")
def case(arrays):
    return Case(arrays)


@pytest.fixture(scope="module")
def single(case):
    """(gradients, what is `said`) in float32: one program, compiled in a hurry, for it runs once."""
    inputs = case.inputs(jnp.float32)
    program = jax.jit(case.with_gradient).lower(*inputs)
    found = program.compile({"xla_backend_optimization_level": 0})(*inputs)
    return jax.tree.map(np.asarray, found)


@pytest.fixture(scope="module")
def double(case):
    with jax.enable_x64(True):
        found = jax.jit(case.said)(*case.inputs(jnp.float64))
        return jax.tree.map(np.asarray, found)


def test_every_weight_has_a_place(arrays, case):
    initial = jax.eval_shape(case.network.init, jax.random.key(0))
    assert jax.tree.map(jnp.shape, initial) == jax.tree.map(jnp.shape, case.params)
    count = sum(name.startswith("w.") for name in arrays)
    assert count == len(jax.tree.leaves(case.params))


def test_the_schedule(arrays, case, single):
    n = len(arrays["betas"])
    found = case.process.alpha(np.arange(1.0, n + 1)) ** 2
    np.testing.assert_allclose(found, arrays["alphas_bar"], rtol=1e-5)
    np.testing.assert_allclose(single[1][1], last(arrays["x_t"]), atol=1e-5)


def test_the_time_is_embedded_as_it_is(arrays, case):
    found = timestep(case.features)(jnp.asarray(arrays["t"], jnp.float32))
    theirs = arrays["time_table"][:, in_our_order(case.features)]
    np.testing.assert_allclose(found, theirs, atol=2e-5)


def test_the_noise(arrays, single, double):
    agree(last(arrays["net_out"]), single[1][2], double[2])


def test_what_the_blend_says_was_clean(arrays, single, double):
    agree(last(arrays["x0_hat"]), single[1][3], double[3])


def test_the_loss(arrays, single, double):
    for parts in (single[1][0], double[0]):
        np.testing.assert_allclose(parts, (arrays["loss_diff"], arrays["loss"]), rtol=1e-5)
    assert arrays["loss"] - arrays["loss_diff"] == pytest.approx(arrays["loss_rec"], rel=1e-5)


def test_the_gradients(case, single):
    """Within 1e-4 of the largest."""
    largest = max(np.abs(g).max() for g in jax.tree.leaves(case.gradients))
    for place, value in jax.tree_util.tree_leaves_with_path(case.gradients):
        found = single[0]
        for key in place:
            found = found[key.key]
        name = jax.tree_util.keystr(place)
        np.testing.assert_allclose(found, value, atol=1e-4 * largest, rtol=0, err_msg=name)


@pytest.mark.parametrize("t", [1, 2, 100, 500])
def test_a_step_of_a_draw_is_that_of_the_example(t):
    """x <- (x - beta / sqrt(1 - abar) e) / sqrt(1 - beta) + sqrt(beta) z, without noise in the last step: the chain
    `fixed_large`, by what e says was clean. In formulas, for the file has no draw."""
    betas = np.linspace(1e-4, 0.01, 500)
    beta, alpha_bar = betas[t - 1], np.cumprod(1 - betas)[t - 1]
    x, e, z = np.random.default_rng(t).normal(size=(3, 6, 4))
    expected = (x - beta / np.sqrt(1 - alpha_bar) * e) / np.sqrt(1 - beta)
    expected += np.sqrt(beta) * z if t > 1 else 0
    process = Gaussian(ddpm(500, beta_last=0.01))
    x, e, z = (jnp.asarray(a, jnp.float32) for a in (x, e, z))
    denoise = lambda x, t: EPS.to_x0(process, e, x, t)
    found = fixed_large(z, denoise, process, x, jnp.array(float(t)), jnp.array(t - 1.0))
    np.testing.assert_allclose(found, expected, atol=2e-5)
