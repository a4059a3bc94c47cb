"""TIMEDIFF against the authors' own code: same weights, same draws, same numbers.

Any file of the same layout will do: sizes are read from the arrays. Their times count from 0, ours from 1, and their
channels lie before the steps; ours are a row, step after step. Posteriors and the bound are compared with a float64
evaluation that lies in the file. Theirs of the bound is a sum over the steps, ours a mean, and so is the weight.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.losses import mixed_loss
from jaxehr.networks import by_step, recurrent, sinusoidal
from jaxehr.networks.recurrence import LSTM, BothWays
from jaxehr.processes import cosine_betas
from jaxehr.recipes.tabddpm import tabddpm_process
from jaxehr.samplers import ddim_step, in_parts
from jaxehr.synthesis.mixed import noise_and_logits
from jaxehr.synthesis.view import tokens_with


@pytest.fixture(scope="module")
def arrays(parity):
    return dict(np.load(parity / "timediff.npz", allow_pickle=False))


def our_names(arrays, prefix):
    """PyTorch's names and [out, in] kernels as ours; the two ways of a layer side by side."""
    dense = {"time_0": "time_emb.1", "time_1": "time_emb.3", "film": "rnn.time_mlp.1", "head": "fc"}
    params = {
        ours: {"kernel": arrays[f"{prefix}{name}.weight"].T, "bias": arrays[f"{prefix}{name}.bias"]}
        for ours, name in dense.items()
    }
    params["norm"] = {
        "scale": arrays[f"{prefix}rnn.norm.weight"],
        "bias": arrays[f"{prefix}rnn.norm.bias"],
    }
    parts = {"kernel": "weight_ih", "recurrent": "weight_hh", "bias": "bias_ih"}
    parts["recurrent_bias"] = "bias_hh"
    i = 0
    while f"{prefix}rnn.rnn.weight_ih_l{i}" in arrays:
        params[f"layer_{i}"] = {
            ours: np.stack(
                [arrays[f"{prefix}rnn.rnn.{name}_l{i}{way}"].T for way in ("", "_reverse")]
            )
            for ours, name in parts.items()
        }
        i += 1
    return jax.tree.map(jnp.asarray, params)


def row(channels):
    """[batch, channel, step] -> [batch, step * channel]."""
    return jnp.asarray(np.swapaxes(channels, 1, 2).reshape(len(channels), -1))


class Case:
    """The authors' model in our words."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.timesteps, classes = int(arrays["T"]), arrays["num_classes"].tolist()
        self.variables, self.steps = arrays["x0_num"].shape[1:]
        numbers = self.variables * self.steps
        self.tokens = tokens_with(classes * self.steps, (-1,) * numbers)
        self.process = tabddpm_process(self.tokens, self.timesteps)
        of_numbers = np.arange(numbers).reshape(self.steps, -1)
        of_classes = numbers + self.tokens.places.reshape(self.steps, -1)
        self.places = np.concatenate([of_numbers, of_classes], 1)
        self.params = our_names(arrays, "w.")
        time_width, features = arrays["w.time_emb.1.weight"].shape
        self.embedding, self.hidden = sinusoidal(features), arrays["w.fc.weight"].shape[1] // 2
        self.by_step = recurrent(
            self.places.shape[1],
            hidden=self.hidden,
            layers=sum(name.startswith("layer") for name in self.params),
            time_width=time_width,
            embedding=self.embedding,
        )
        self.network = by_step(self.by_step, self.places, numbers + self.tokens.width)
        self.t = jnp.asarray(arrays["t"] + 1.0, jnp.float32)
        self.x0, self.x = (self.record(at) for at in ("x0", "xt"))

    def record(self, at):
        cells = row(self.arrays[f"{at}_cat"])
        groups = {name: cells[:, list(members)] for name, members in self.tokens.groups.items()}
        return {"number": row(self.arrays[f"{at}_num"]), **groups}

    def denoiser(self, params):
        said = lambda x, t: self.network.apply(params, x, t - 1)
        return noise_and_logits(self.process, self.tokens, log_one_hot=True)(said)

    def loss(self, params, weight):
        x0_hat = self.denoiser(params)(self.x, self.t)
        return mixed_loss(
            *(self.process, self.x0, x0_hat, self.x, self.t),
            timesteps=self.timesteps,
            of_categories=weight * self.steps,
        )

    def each(self, of):
        """of(process, group) for each group, as the authors have them: [batch, class of a channel, step]."""
        found = [
            np.reshape(of(self.process.parts[n], n), (len(self.t), -1)) for n in self.tokens.groups
        ]
        flat = np.concatenate(found, 1)[:, self.tokens.places]
        return np.swapaxes(flat.reshape(len(flat), self.steps, -1), 1, 2)

    def categories(self):
        return ((n, part) for n, part in self.process.parts.items() if n != "number")


@pytest.fixture(scope="module")
def case(arrays):
    return Case(arrays)


@pytest.fixture(scope="module")
def x0_hat(case):
    return jax.jit(lambda p: case.denoiser(p)(case.x, case.t))(case.params)


def near(found, theirs, share=1e-5):
    """Within a share of the largest."""
    np.testing.assert_allclose(found, theirs, rtol=0, atol=share * np.abs(theirs).max())


def test_schedule(arrays, case):
    np.testing.assert_allclose(cosine_betas(case.timesteps), arrays["betas"], rtol=1e-5)
    schedule, t = case.process.parts["number"].schedule, jnp.arange(1.0, case.timesteps + 1)
    for at, name in ((t, "alphas_cumprod"), (t - 1, "alphas_cumprod_prev")):
        np.testing.assert_allclose(
            np.asarray(schedule.alpha(at)) ** 2, arrays[name], rtol=1e-5, atol=1e-9
        )


def test_every_weight_has_a_place(arrays, case):
    initial = jax.eval_shape(case.network.init, jax.random.key(0))
    assert jax.tree.map(jnp.shape, initial) == jax.tree.map(jnp.shape, case.params)
    sizes = sum(a.size for name, a in arrays.items() if name.startswith("w."))
    assert sizes == sum(leaf.size for leaf in jax.tree.leaves(case.params))


def test_network_output(arrays, case):
    """Angles of up to 999 are rounded in float32: the sinusoid to 999 / 2^24 of 1."""
    t = case.t - 1
    np.testing.assert_allclose(case.embedding(t), arrays["time_sinusoid"], atol=6e-5)
    steps_first = jnp.moveaxis(jnp.asarray(arrays["net_in"]), 2, 0)
    h = steps_first
    for i in range(sum(name.startswith("layer") for name in case.params)):
        h = BothWays(LSTM, case.hidden).apply({"params": case.params[f"layer_{i}"]}, h)
    near(jnp.moveaxis(h, 0, 1), arrays["lstm_out"])
    said = case.by_step.apply(case.params, jnp.moveaxis(steps_first, 0, 1), t)
    near(jnp.swapaxes(said, 1, 2), arrays["net_out"])


def test_what_the_network_reads_and_says_of_a_row(arrays, case, x0_hat):
    seen = []
    read = lambda x, t: seen.append(x) or jnp.zeros_like(x)
    noise_and_logits(case.process, case.tokens, log_one_hot=True)(read)(case.x, case.t)
    near(np.swapaxes(seen[0][:, case.places], 1, 2), arrays["net_in"])
    scale = np.abs(arrays["pred_xstart_unclipped"])
    np.testing.assert_allclose(
        x0_hat["number"], row(arrays["pred_xstart_unclipped"]), rtol=1e-4, atol=1e-6 * scale.max()
    )
    logits = case.each(lambda part, n: part.normalised(x0_hat[n]))
    near(logits, arrays["log_x0_hat"])


def test_posteriors(arrays, case, x0_hat):
    forward = case.each(lambda part, n: part.log_forward(part.one_hot(case.x0[n]), case.t))
    near(np.exp(forward), np.exp(arrays["q_pred"]))

    def posterior(log_x0):
        return np.exp(
            case.each(lambda p, n: p.log_posterior(log_x0(p, n), case.x[n], case.t, case.t - 1))
        )

    near(posterior(lambda p, n: p.one_hot(case.x0[n])), arrays["ref64.q_posterior_prob"])
    near(posterior(lambda p, n: p.normalised(x0_hat[n])), arrays["ref64.p_posterior_prob"])


def test_losses(arrays, case, x0_hat):
    kl = sum(
        part.kl(case.x0[n], part.normalised(x0_hat[n]), case.x[n], case.t, case.t - 1).sum(-1)
        for n, part in case.categories()
    )
    # Each entry is a probability times a difference of two logarithms, rounded to 2^-24 of about 1; summed as they are.
    entries = sum(arrays["num_classes"]) * case.steps
    rounding = entries**0.5 * 2.0**-22
    np.testing.assert_allclose(kl, arrays["ref64.Lt_row"], rtol=1e-5, atol=rounding)
    rows = case.loss(case.params, 0.0)
    np.testing.assert_allclose(rows.mean(), arrays["loss_gauss"], rtol=1e-5)
    bound = case.loss(case.params, 1.0) - rows
    vb_row = case.timesteps * arrays["ref64.Lt_row"] + arrays["kl_prior_row"]
    columns = len(arrays["num_classes"])
    np.testing.assert_allclose(bound.mean(), vb_row.mean() / columns, rtol=1e-5)
    np.testing.assert_allclose(bound.mean(), arrays["loss_multi"], rtol=1e-4)
    whole = case.loss(case.params, float(arrays["loss_lambda"])).mean()
    np.testing.assert_allclose(whole, arrays["loss"], rtol=1e-4)


def test_gradients(arrays, case):
    weight = float(arrays["loss_lambda"])
    found = jax.jit(jax.grad(lambda p: case.loss(p, weight).mean()))(case.params)
    expected = our_names(arrays, "g.")
    largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(expected))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4 * largest), found, expected
    )


def test_one_reverse_step(arrays, case, x0_hat):
    """All rows at once, each at its own time, x_0 held in [-1, 1], with the authors' noise."""
    gumbel = -np.log(-np.log(arrays["step_u"] + 1e-30) + 1e-30)
    padded = np.zeros((len(gumbel), case.tokens.width), np.float32)
    padded[:, case.tokens.places] = row(gumbel)
    noise = {"number": row(arrays["step_z"]), **case.tokens.spread(padded)}
    held = {**x0_hat, "number": jnp.clip(x0_hat["number"], -1, 1)}
    step = in_parts({n: ddim_step(1.0) for n in case.process.parts})

    @jax.jit
    @jax.vmap
    def steps(noise, x0_hat, x, t):
        return step(noise, lambda *_: x0_hat, case.process, x, t, t - 1)

    found = steps(noise, held, case.x, case.t)
    near(found["number"], row(arrays["step_num"]), 2e-5)
    quiet = {**noise, "number": jnp.zeros_like(noise["number"])}
    near(steps(quiet, held, case.x, case.t)["number"], row(arrays["p_mean"]), 2e-5)
    near(
        steps(quiet, case.x0 | {k: v for k, v in x0_hat.items() if k != "number"}, case.x, case.t)[
            "number"
        ],
        row(arrays["q_mean"]),
        2e-5,
    )
    cells = np.zeros(row(arrays["step_cat"]).shape, int)
    for name, members in case.tokens.groups.items():
        cells[:, list(members)] = found[name]
    np.testing.assert_array_equal(cells, row(arrays["step_cat"]))
