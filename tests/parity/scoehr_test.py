"""ScoEHR's autoencoder, score network, loss and step against the authors' own code: same weights, draws and numbers.

Any file of the same layout will do: sizes are read from the arrays. What float32 can lose is measured, not guessed:
everything is worked out in float64 too, and the authors' numbers are held to that by ten times what our own float32
is away from it, and by 1e-4 of the largest value.
"""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from oracles import agree

from jaxehr import denoisers
from jaxehr.losses import denoising_loss, noise_weight
from jaxehr.networks import sinusoidal, tanh_autoencoder, unet_2d
from jaxehr.processes import Gaussian, vp
from jaxehr.recipes.scoehr import autoencoder_model
from jaxehr.samplers import euler_maruyama_step
from jaxehr.synthesis.view import Layout


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


def test_the_step_of_a_draw(arrays, case):
    """Euler and Maruyama from the score that lies in the file; and the drift of the probability flow."""
    t, ds = jnp.asarray(1 - arrays["em.s"]), jnp.asarray(arrays["em.ds"])
    x, score, process = (*(jnp.asarray(arrays[f"em.{n}"]) for n in ("x", "score")), case.process)

    def denoise(x, t):
        return denoisers.SCORE.to_x0(process, score, x, t)

    noise = jnp.asarray(arrays["em.dW"]) / jnp.sqrt(ds)
    found = euler_maruyama_step(noise, denoise, process, x, t, t - ds)
    scale = np.abs(arrays["em.x_next"]).max()
    np.testing.assert_allclose(found, arrays["em.x_next"], atol=1e-5 * scale, rtol=0)
    beta = process.diffusion(t) ** 2
    flow = -process.drift(x, t) + beta * process.score(denoise(x, t), x, t) / 2
    scale = np.abs(arrays["em.ode_drift"]).max()
    np.testing.assert_allclose(flow, arrays["em.ode_drift"], atol=1e-5 * scale, rtol=0)


class Coder:
    """The authors' autoencoder in our words: numbers first, then bits."""

    def __init__(self, arrays):
        numbers, bits = arrays["ae.cts_idx"], arrays["ae.binary_idx"]
        self.order = np.concatenate([numbers, bits])
        self.x = arrays["ae.x"][:, self.order]
        self.params = self.placed(arrays, "ae.w.")
        p = len(numbers)
        self.network = tanh_autoencoder(len(self.order), arrays["ae.latent"].shape[1])
        self.layout = Layout(p, len(bits), (), (-1,) * p, np.zeros((2, p)), np.zeros((2, p)))

    def placed(self, arrays, prefix):
        encoder, decoder = (arrays[f"{prefix}{n}.0.weight"] for n in ("encoder", "decoder"))
        return {
            "encoder": {
                "kernel": encoder[:, self.order].T,
                "bias": arrays[f"{prefix}encoder.0.bias"],
            },
            "decoder": {
                "kernel": decoder[self.order].T,
                "bias": arrays[f"{prefix}decoder.0.bias"][self.order],
            },
        }

    def loss(self, params, x):
        model = autoencoder_model(self.layout, self.network)
        return model.loss(params, jax.random.key(0), x).mean()


def test_the_autoencoder(arrays):
    coder = Coder(arrays)
    code = coder.network.encode(coder.params, jnp.asarray(coder.x))
    np.testing.assert_allclose(code, arrays["ae.latent"], atol=2e-6)
    decoded = jax.nn.sigmoid(coder.network.decode(coder.params, code))
    np.testing.assert_allclose(decoded, arrays["ae.recon"][:, coder.order], atol=2e-6)


def test_the_loss_of_the_autoencoder(arrays):
    """The sums over the batch, of bits and of numbers, over its size. Where all is binary theirs compares with bits
    what is made of the numbers, which no record of ours can ask for."""
    coder = Coder(arrays)
    x = jnp.asarray(coder.x)
    loss, gradient = jax.jit(jax.value_and_grad(coder.loss))(coder.params, x)
    np.testing.assert_allclose(loss, arrays["ae.loss"], rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max()),
        gradient,
        coder.placed(arrays, "ae.g."),
    )
    raw = coder.network.decode(coder.params, coder.network.encode(coder.params, x))
    found = optax.sigmoid_binary_cross_entropy(raw, x >= 0.5).sum() / len(x)
    np.testing.assert_allclose(found, arrays["ae.loss_all_binary"], rtol=1e-5)


def test_the_times_of_a_batch_lie_in_their_strata(arrays):
    """Those of the file, and ours: the i-th of n in order of rows lies within 1 / n of the i-th middle."""
    from jaxehr.losses import stratified

    n = len(arrays["dsm.t"])
    ours = stratified(1e-3)(jax.random.key(0), (n,))
    middle = np.linspace(1 / n + 1e-3, 1 - 1 / n, n)
    theirs = middle + (1 - 2 * arrays["dsm.u"]) / n
    np.testing.assert_allclose(theirs[arrays["dsm.perm"]], arrays["dsm.t"][:, 0], atol=1e-6)
    assert (ours >= 1e-3).all() and (ours <= 1).all()
    from scipy.optimize import linear_sum_assignment

    for t in (np.asarray(ours), theirs):
        apart = np.abs(t[:, None] - middle)
        rows, columns = linear_sum_assignment(apart > 1 / n + 1e-6)
        assert (apart[rows, columns] <= 1 / n + 1e-6).all()
