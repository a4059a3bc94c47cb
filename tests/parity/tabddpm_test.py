"""TabDDPM against the authors' own code: same weights, same draws, same numbers.

The arrays lie in the folder named by JAXEHR_PARITY, by default tests/fixtures/parity. Any file of the same layout will
do: sizes are read from the arrays. Their times count from 0, ours from 1. Posteriors are compared with a float64
evaluation that lies in the file, since the authors' normaliser has errors of up to 4e-4 of its own.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxehr.losses import mixed_loss
from jaxehr.networks import tabddpm_mlp, timestep
from jaxehr.processes import LOW, cosine_betas
from jaxehr.recipes.tabddpm import tabddpm_process
from jaxehr.samplers import ddim_step, fixed_large, in_parts
from jaxehr.synthesis.mixed import noise_and_logits
from jaxehr.synthesis.view import tokens_with


@pytest.fixture(scope="module")
def arrays(parity):
    return dict(np.load(parity / "tabddpm.npz", allow_pickle=False))


def our_names(arrays, prefix):
    """PyTorch's names and [out, in] kernels as ours."""
    theirs = {
        "time_0": "time_embed.0",
        "time_1": "time_embed.2",
        "proj": "proj",
        "head": "mlp.head",
    }
    blocks = sum(f"{prefix}mlp.blocks.{i}.linear.weight" in arrays for i in range(99))
    theirs |= {f"block_{i}": f"mlp.blocks.{i}.linear" for i in range(blocks)}
    params = {
        ours: {
            "kernel": jnp.asarray(arrays[f"{prefix}{name}.weight"].T),
            "bias": jnp.asarray(arrays[f"{prefix}{name}.bias"]),
        }
        for ours, name in theirs.items()
    }
    return params | {"label": {"embedding": jnp.asarray(arrays[f"{prefix}label_emb.weight"])}}


class Case:
    """The authors' model in our words."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.timesteps = int(arrays["T"])
        self.numbers = arrays["x0_num"].shape[1]
        self.tokens = tokens_with(arrays["num_classes"].tolist(), (-1,) * self.numbers)
        self.params = self.in_places(our_names(arrays, "w."))
        self.process = tabddpm_process(self.tokens, self.timesteps)
        time_width = self.params["time_0"]["bias"].shape[0]
        self.network = tabddpm_mlp(
            self.numbers + self.tokens.width,
            width=tuple(
                self.params[f"block_{i}"]["kernel"].shape[1]
                for i in range(sum(name.startswith("block") for name in self.params))
            ),
            time_width=time_width,
            embedding=timestep(time_width),
            labels=self.params["label"]["embedding"].shape[0],
        )
        self.t = jnp.asarray(arrays["t"] + 1.0, jnp.float32)
        self.label = jnp.asarray(arrays["y"])
        self.x0, self.x = (self.record(arrays, at) for at in ("x0", "xt"))

    @property
    def places(self):
        """Where the columns of the authors' rows lie in ours, which have padding."""
        return np.append(np.arange(self.numbers), self.numbers + self.tokens.places)

    def in_places(self, params):
        """Weights, or their gradient, with 0 for what is read from padding and said of it."""

        def placed(kernel, shape, at):
            return jnp.zeros(shape).at[at].set(kernel)

        columns = self.numbers + self.tokens.width
        proj, head = params["proj"], params["head"]
        hidden, last = proj["kernel"].shape[1], head["kernel"].shape[0]
        at = self.places
        return params | {
            "proj": proj | {"kernel": placed(proj["kernel"], (columns, hidden), at)},
            "head": {
                "kernel": placed(head["kernel"], (last, columns), (slice(None), at)),
                "bias": placed(head["bias"], columns, at),
            },
        }

    def record(self, arrays, at):
        cells = jnp.asarray(arrays[f"{at}_cat"])
        groups = {name: cells[:, list(members)] for name, members in self.tokens.groups.items()}
        return {"number": jnp.asarray(arrays[f"{at}_num"]), **groups}

    def denoiser(self, params):
        said = lambda row, t: self.network.apply(params, row, t - 1, self.label)
        return noise_and_logits(self.process, self.tokens, log_one_hot=True)(said)

    def loss(self, params):
        x0_hat = self.denoiser(params)(self.x, self.t)
        last = self.timesteps
        return mixed_loss(self.process, self.x0, x0_hat, self.x, self.t, timesteps=last)

    def flat(self, padded):
        """Groups of padded classes as one row of all, as the authors have them."""
        row = np.concatenate(
            [np.reshape(padded[n], (len(self.t), -1)) for n in self.tokens.groups], 1
        )
        return row[:, self.tokens.places]

    def each(self, of):
        """of(process, group) for each group of categories, in one row."""
        return self.flat({n: of(self.process.parts[n], n) for n in self.tokens.groups})


@pytest.fixture(scope="module")
def case(arrays):
    return Case(arrays)


def test_schedule(arrays, case):
    np.testing.assert_allclose(cosine_betas(case.timesteps), arrays["betas"], rtol=1e-6)
    schedule = case.process.parts["number"].schedule
    t = jnp.arange(1.0, case.timesteps + 1)
    alpha2 = np.asarray(schedule.alpha(t)) ** 2
    np.testing.assert_allclose(alpha2, arrays["alphas_cumprod"], rtol=2e-5, atol=1e-9)
    before = np.asarray(schedule.alpha(t - 1)) ** 2
    np.testing.assert_allclose(before, arrays["alphas_cumprod_prev"], rtol=2e-5, atol=1e-9)
    np.testing.assert_allclose(
        2 * np.log(np.asarray(schedule.sigma(t))), arrays["log_1_min_cumprod_alpha"], atol=2e-5
    )


def test_every_weight_has_a_place(arrays, case):
    initial = case.network.init(jax.random.key(0))
    assert jax.tree.map(jnp.shape, initial) == jax.tree.map(jnp.shape, case.params)
    assert sum(name.startswith("w.") for name in arrays) == len(jax.tree.leaves(case.params))


def test_network_output(arrays, case):
    net_in = jnp.zeros((len(case.t), case.numbers + case.tokens.width))
    net_in = net_in.at[:, case.places].set(arrays["net_in"])
    found = case.network.apply(case.params, net_in, case.t - 1, case.label)
    np.testing.assert_allclose(found[:, case.places], arrays["net_out"], atol=2e-5)
    x0_hat = case.denoiser(case.params)(case.x, case.t)
    np.testing.assert_allclose(x0_hat["number"], arrays["pred_xstart"], rtol=1e-4, atol=1e-4)
    logits = case.each(lambda part, name: part.normalised(x0_hat[name]))
    np.testing.assert_allclose(logits, arrays["log_x0_hat"], atol=2e-5)


def test_multinomial_posteriors(arrays, case):
    forward = case.each(lambda part, n: part.log_forward(part.one_hot(case.x0[n]), case.t))
    np.testing.assert_allclose(np.exp(forward), np.exp(arrays["q_pred"]), atol=1e-6)

    def posterior(log_x0):
        return np.exp(
            case.each(
                lambda part, n: part.log_posterior(log_x0(part, n), case.x[n], case.t, case.t - 1)
            )
        )

    true = posterior(lambda part, n: part.one_hot(case.x0[n]))
    np.testing.assert_allclose(true, arrays["ref64.q_posterior_prob"], atol=2e-6)
    np.testing.assert_allclose(true, np.exp(arrays["q_posterior"]), atol=1e-3)
    x0_hat = case.denoiser(case.params)(case.x, case.t)
    plugged = posterior(lambda part, n: part.normalised(x0_hat[n]))
    np.testing.assert_allclose(plugged, arrays["ref64.p_posterior_prob"], atol=2e-6)


def test_losses(arrays, case):
    x0_hat = case.denoiser(case.params)(case.x, case.t)
    kl = sum(
        part.kl(case.x0[n], part.normalised(x0_hat[n]), case.x[n], case.t, case.t - 1).sum(-1)
        for n, part in case.process.parts.items()
        if n != "number"
    )
    np.testing.assert_allclose(kl, arrays["ref64.Lt_row"], atol=2e-4)
    columns, last = len(case.tokens.classes), float(case.timesteps)
    prior = sum(
        part.prior_kl(case.x0[n], last).sum(-1)
        for n, part in case.process.parts.items()
        if n != "number"
    )
    np.testing.assert_allclose(prior, arrays["kl_prior_row"], atol=1e-5)
    rows = case.loss(case.params)
    bound = (last * kl + prior) / columns
    np.testing.assert_allclose(rows - bound, arrays["gauss_loss_row"], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(bound.mean(), arrays["loss_multi"], rtol=1e-4)
    np.testing.assert_allclose(rows.mean(), arrays["loss"], rtol=5e-5)


def test_gradients(arrays, case):
    """Within 1e-3 of the largest: the authors' normaliser is in theirs."""
    gradient = jax.grad(lambda p: case.loss(p).mean())(case.params)
    expected = case.in_places(our_names(arrays, "g."))
    largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(expected))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3 * largest), gradient, expected
    )


def test_gaussian_mean_and_variance(arrays, case):
    """Read off the step: without noise it is the mean, and the noise tells the variance."""
    process, x = case.process.parts["number"], case.x["number"]
    x0_hat = case.denoiser(case.params)(case.x, case.t)["number"]

    @jax.jit
    def steps(noise):
        def one(x0_hat, x, t):
            return fixed_large(noise, lambda *_: x0_hat, process, x, t, t - 1)

        return jax.vmap(one)(x0_hat, x, case.t)

    mean = np.asarray(steps(jnp.zeros(case.numbers)))
    np.testing.assert_allclose(mean, arrays["p_mean"], rtol=2e-3, atol=2e-4)
    spread = np.asarray(steps(jnp.ones(case.numbers))) - mean
    noisy = arrays["t"] > 0  # theirs adds none at t = 0, whatever its variance
    np.testing.assert_allclose(
        spread[noisy], np.sqrt(arrays["p_variance"])[noisy], rtol=1e-2, atol=1e-3
    )
    assert (spread[~noisy] == 0).all()
    assert (np.abs(np.sqrt(arrays["p_variance"])[noisy]) > 0).all()
    quiet = jnp.zeros(case.numbers)
    true = jax.vmap(lambda x0, x, t: process.posterior(quiet, x0, x, t, t - 1))(
        case.x0["number"], x, case.t
    )
    np.testing.assert_allclose(true, arrays["q_mean"], rtol=1e-3, atol=1e-4)


def test_one_reverse_step(arrays, case):
    """All rows at once, each at its own time, with the authors' noise: the same numbers and the same classes."""
    u = arrays["step_u"]
    gumbel = -np.log(-np.log(u + 1e-30) + 1e-30)
    padded = np.full((len(u), case.tokens.width), LOW, np.float32)
    padded[:, case.tokens.places] = gumbel
    noise = {"number": jnp.asarray(arrays["step_z"]), **case.tokens.spread(padded)}
    x0_hat = case.denoiser(case.params)(case.x, case.t)
    step = in_parts({n: fixed_large if n == "number" else ddim_step() for n in case.process.parts})

    @jax.jit
    @jax.vmap
    def steps(noise, x0_hat, x, t):
        return step(noise, lambda *_: x0_hat, case.process, x, t, t - 1)

    found = steps(noise, x0_hat, case.x, case.t)
    np.testing.assert_allclose(found["number"], arrays["step_num"], rtol=2e-3, atol=1e-3)
    cells = np.zeros(arrays["step_cat"].shape, int)
    for name, members in case.tokens.groups.items():
        cells[:, list(members)] = found[name]
    np.testing.assert_array_equal(cells, arrays["step_cat"])
