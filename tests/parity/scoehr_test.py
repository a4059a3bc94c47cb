"""ScoEHR's score network and loss against the authors' own code: same weights, same draws, same numbers.

Any file of the same layout will do: sizes are read from the arrays. What float32 can lose is measured, not guessed:
everything is worked out in float64 too, and the authors' numbers are held to that by ten times what our own float32
is away from it, and by 1e-4 of the largest value.
"""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr import denoisers
from jaxehr.losses import denoising_loss, noise_weight
from jaxehr.networks import sinusoidal, unet_2d
from jaxehr.processes import Gaussian, vp


@pytest.fixture(scope="module")
def arrays(parity):
    return dict(np.load(parity / "scoehr.npz", allow_pickle=False))


def block_names(theirs, ours, shortcut):
    places = {"norm1": "norm_0", "conv1": "conv_0", "temb_proj": "time", "norm2": "norm_1"}
    places |= {"conv2": "conv_1"} | ({"shortcut": "shortcut"} if shortcut else {})
    return {f"{ours}/{place}": f"{theirs}.{name}" for name, place in places.items()}


def our_names(arrays):
    """Where each of the authors' layers lies in ours, and how many levels and blocks there are."""
    down = sorted({n.split(".")[4] for n in arrays if n.startswith("unet.w.down_modules.")})
    levels = 1 + max(int(re.match(r"\d+", name)[0]) for name in down)
    blocks = sum(name.startswith("0a_") for name in down)
    names = {"time_0": "temb_net.main.0", "time_1": "temb_net.main.2", "begin": "begin_conv"}
    for i in range(levels):
        for j in range(blocks + 1):
            ways = {f"up_{i}_{j}": f"up_modules.{levels - 1 - i}.{i}a_{j}a_block"}
            if j < blocks:
                ways[f"down_{i}_{j}"] = f"down_modules.{i}.{i}a_{j}a_block"
            for ours, theirs in ways.items():
                shortcut = f"unet.w.{theirs}.shortcut.weight" in arrays
                names |= block_names(theirs, ours, shortcut)
        if i < levels - 1:
            names[f"down_{i}"] = f"down_modules.{i}.{i}b_downsample"
            names[f"up_{i + 1}"] = f"up_modules.{levels - 2 - i}.{i + 1}b_upsample.up_conv"
    names |= block_names("mid_modules.0", "middle_0", False)
    names |= block_names("mid_modules.2", "middle_1", False)
    attention = {"attn_q": "query", "attn_k": "key", "attn_v": "value", "proj_out": "out"}
    attention["norm"] = "norm"
    names |= {f"middle_attention/{v}": f"mid_modules.1.{k}" for k, v in attention.items()}
    return names | {"end_norm": "end_conv.0", "end": "end_conv.2"}, levels, blocks


def placed(arrays, names, prefix):
    """The authors' arrays in the tree of ours; kernels [..., in, out], those over one place without its axes."""
    tree = {}
    for ours, theirs in names.items():
        weight = arrays.get(f"{prefix}{theirs}.weight")
        layer = tree
        for word in ours.split("/"):
            layer = layer.setdefault(word, {})
        if weight is not None and weight.ndim == 1:
            layer["scale"] = weight
        elif weight is not None:
            kernel = np.moveaxis(weight, (0, 1), (-1, -2))
            layer["kernel"] = kernel[0, 0] if kernel.shape[:-2] == (1, 1) else kernel
        layer["bias"] = arrays[f"{prefix}{theirs}.bias"]
    return tree


class Case:
    """The authors' score network in our words; `params` in float32."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.names, levels, blocks = our_names(arrays)
        self.params = placed(arrays, self.names, "unet.w.")
        channels = self.params["begin"]["bias"].shape[0]
        widths = [self.params[f"down_{i}_0"]["norm_1"]["scale"].shape[0] for i in range(levels)]
        multipliers = tuple(width // channels for width in widths)
        self.columns, self.channels = arrays["unet.x"].shape[1], channels
        self.network = unet_2d(
            self.columns, channels=channels, multipliers=multipliers, blocks=blocks, groups=32
        )
        ends = (float(arrays["sde.beta_min"]), float(arrays["sde.beta_max"]))
        self.process = Gaussian(vp(beta_min=ends[0], beta_max=ends[1]))

    def score(self, params, x, t):
        return self.network.apply(params, x, t)

    def losses(self, params, x0, t, eps):
        """|std score + eps|^2, as the loss of a denoiser."""
        network = partial(self.network.apply, params)
        return self.columns * denoising_loss(
            denoisers.predicting(denoisers.SCORE, self.process, network),
            self.process,
            x0,
            t,
            eps,
            weight=noise_weight(self.process),
        )

    def gradient(self, params, x0, t, eps):
        return jax.grad(lambda params: self.losses(params, x0, t, eps).mean())(params)

    def draws(self):
        return self.arrays["dsm.x0"], self.arrays["dsm.t"][:, 0], self.arrays["dsm.eps"]


@pytest.fixture(scope="module")
def case(arrays):
    return Case(arrays)


def in_both(f, *inputs):
    """f of the inputs, in float32 and in float64."""
    single = jax.jit(f)(*jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), inputs))
    with jax.enable_x64(True):
        double = jax.jit(f)(*jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), inputs))
    return jax.tree.map(np.asarray, (single, double))


def agree(theirs, single, double):
    scale = np.abs(double).max()
    lost = max(np.abs(single - double).max(), 4 * np.finfo(np.float32).eps * scale)
    assert lost < 1e-5 * scale
    np.testing.assert_allclose(theirs, double, atol=10 * lost, rtol=0)


def test_every_weight_has_a_place(arrays, case):
    initial = jax.eval_shape(case.network.init, jax.random.key(0))
    assert jax.tree.map(jnp.shape, initial) == jax.tree.map(jnp.shape, case.params)
    count = sum(name.startswith("unet.w.") for name in arrays)
    assert count == len(jax.tree.leaves(case.params))


def test_the_coefficients_of_the_sde(arrays, case):
    """Theirs of the variance is 1 - exp(-B) in float32, which keeps an absolute error of a rounding of 1."""
    t, process = arrays["sde.t"][:, 0], case.process
    for theirs, ours in (
        ("mean_weight", process.alpha(t)),
        ("f_at_x1", process.drift(jnp.ones(len(t)), t)),
        ("g", process.diffusion(t)),
        ("beta", process.diffusion(t) ** 2),
    ):
        np.testing.assert_allclose(ours, arrays[f"sde.{theirs}"][:, 0], rtol=1e-5)
    np.testing.assert_allclose(process.sigma(t) ** 2, arrays["sde.var"][:, 0], atol=2e-7)


def test_the_time_is_embedded_as_it_is(arrays, case):
    found = sinusoidal(case.channels)(jnp.asarray(arrays["unet.t"]))
    np.testing.assert_allclose(found, arrays["unet.time_sinusoid"], atol=5e-7)


def test_the_score(arrays, case):
    found = in_both(case.score, case.params, arrays["unet.x"], arrays["unet.t"])
    agree(arrays["unet.out"], *found)


def test_the_loss(arrays, case):
    single, double = in_both(case.losses, case.params, *case.draws())
    np.testing.assert_allclose(single, arrays["dsm.loss_row"], rtol=1e-4)
    np.testing.assert_allclose(double, arrays["dsm.loss_row"], rtol=1e-4)
    np.testing.assert_allclose(single.mean(), arrays["dsm.loss"], rtol=1e-4)


def test_the_gradient(arrays, case):
    """Those of them that the file holds, and the norm of each, within 1e-4 of the largest: some are 0 but for
    rounding, since a norm takes away what is added to a group of one channel."""
    ours = jax.tree.map(np.asarray, jax.jit(case.gradient)(case.params, *case.draws()))
    theirs = placed(arrays, case.names, "unet.g.")
    largest = max(np.abs(g).max() for g in jax.tree.leaves(theirs))
    found = {jax.tree_util.keystr(k): v for k, v in jax.tree_util.tree_leaves_with_path(ours)}
    for place, value in jax.tree_util.tree_leaves_with_path(theirs):
        name = jax.tree_util.keystr(place)
        np.testing.assert_allclose(found[name], value, atol=1e-4 * largest, rtol=0, err_msg=name)
    norms = np.sort([np.linalg.norm(g) for g in jax.tree.leaves(ours)])
    expected = np.sort(arrays["unet.grad_norm"])
    np.testing.assert_allclose(norms, expected, atol=1e-4 * expected[-1], rtol=1e-4)
