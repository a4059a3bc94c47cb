"""MedDiff's guidance: of codes whose law is known, by an exact denoiser and classifier, and by one that is learnt."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from untrained import untrained as with_no_training

from jaxehr.data import DataError
from jaxehr.denoisers import X0, of_bits, predicting
from jaxehr.losses import whole
from jaxehr.processes import Gaussian, ddpm
from jaxehr.recipes import meddiff
from jaxehr.recipes.meddiff import (
    by_classifier,
    classifier_stage,
    noised_classifier,
    told_the_label,
)
from jaxehr.samplers import ddim, uniform
from jaxehr.synthesis.label import label_drawn
from jaxehr.synthesis.labelled import labelled_model
from jaxehr.synthesis.sampling import _draw_batch
from jaxehr.synthesis.view import Layout
from jaxehr.types import Network

KEY = jax.random.key(0)
PROCESS = Gaussian(ddpm())
CODES, COUNTS = 8, (700, 300)
SHARES = np.array(
    [np.linspace(0.1, 0.5, CODES), np.linspace(0.5, 0.1, CODES)]
)  # of each code, by label
LAYOUT = Layout(0, CODES, (), (), np.zeros((2, 0)), np.zeros((2, 0)))
N = 4000


def log_odds(x):
    """log p(y = 1 | x) / p(y = 0 | x) of codes that are there or not."""
    there, absent = (np.log(s[1] / s[0]) for s in (SHARES, 1 - SHARES))
    return x @ there + (1 - x) @ absent + np.log(COUNTS[1] / COUNTS[0])


def log_label(x, t):
    """log p(y | x_t): each code is -1 or 1, and noised."""
    alpha, sigma = (f(jnp.asarray(t))[..., None, None] for f in (PROCESS.alpha, PROCESS.sigma))
    near = [-((x[..., None, :] - alpha * v) ** 2) / (2 * sigma**2) for v in (-1.0, 1.0)]
    of_code = jnp.logaddexp(near[0] + jnp.log(1 - SHARES), near[1] + jnp.log(SHARES))
    return jax.nn.log_softmax(of_code.sum(-1) + jnp.log(jnp.array(COUNTS)))


def of_one(x, t, label):
    """E[x_0 | x_t, y]; of -1, E[x_0 | x_t]."""
    logit = jnp.log(SHARES / (1 - SHARES))
    each = of_bits(
        PROCESS, jnp.broadcast_to(logit, (*x.shape[:-1], 2, CODES)), x[..., None, :], t, low=-1.0
    )
    share = jnp.where(label < 0, jnp.exp(log_label(x, t)), jax.nn.one_hot(label, 2))
    return (share[..., None] * each).sum(-2)


EXACT = Network(lambda key: {}, lambda params, x, t, label=-1: of_one(x, t, jnp.asarray(label)))
AS_IT_IS = partial(predicting, X0, PROCESS)
FORMS = {
    "by_classifier": by_classifier(EXACT, AS_IT_IS, PROCESS, log_label),
    "classifier_free": told_the_label(EXACT, AS_IT_IS),
}


def model_of(form, steps=50):
    return labelled_model(
        PROCESS,
        EXACT.init,
        FORMS[form],
        label=label_drawn(COUNTS),
        label_dropout=0.1,
        layout=LAYOUT,
        times=whole(1000),
        sampler=ddim(),
        grid=partial(uniform, first=1000.0),
        steps=steps,
        centred=True,
        clipped=True,
    )


@pytest.mark.parametrize("form", FORMS)
def test_guidance_makes_labels_easier_to_find_and_at_0_they_have_their_law(form):
    """4,000 draws; 4 standard errors: 1 in 16,000 for each figure, 1 in 900 for the 18 of a form; and .01 for what 50
    steps miss."""
    model = model_of(form)
    draw = jax.jit(
        lambda w: jax.vmap(lambda k: model.draw({}, k, guidance=w).x)(jax.random.split(KEY, N))
    )
    right, apart = [], []
    real = np.array(COUNTS) @ SHARES / sum(COUNTS)
    for w in (0.0, 1.0, 2.0, 4.0):
        x = draw(w)
        record, label = np.asarray(x["record"]) >= 0.5, np.asarray(x["label"])
        assert abs(label.mean() - 0.3) < 4 * (0.21 / N) ** 0.5
        right.append(((log_odds(record) > 0) == label).mean())
        apart.append(np.corrcoef(record.mean(0), real)[0, 1])
        if w == 0.0:
            for y in (0, 1):
                error = np.abs(record[label == y].mean(0) - SHARES[y])
                assert (
                    error < 0.01 + 4 * (SHARES[y] * (1 - SHARES[y]) / (label == y).sum()) ** 0.5
                ).all()
    assert draw._cache_size() == 1
    assert (np.diff(right) > 0.01).all() and right[-1] > 0.97
    assert apart[0] > 0.97 and apart[-1] < apart[0]


def test_the_classifier_learns_of_noised_records_what_guides():
    """Its gradient is near that of the exact log p(y = 1 | x_t), at some noise and at much: their cosine over 256
    records. That of one that has not learnt is not."""
    reader = noised_classifier(CODES, 2, (32,))
    stage = classifier_stage(PROCESS, reader, LAYOUT, whole(1000), 400)

    def batch(key):
        label_key, key = jax.random.split(jax.random.fold_in(key, 1))
        label = jax.random.bernoulli(label_key, 0.3, (256,)).astype(int)
        codes = jax.random.bernoulli(key, jnp.asarray(SHARES)[label])
        return {"record": codes.astype(jnp.int8), "label": label}

    def step(carry, key):
        params, state = carry
        grads = jax.grad(lambda p: stage.model.loss(p, key, batch(key)).mean())(params)
        moves, state = stage.optimizer.update(grads, state, params)
        return (optax.apply_updates(params, moves), state), None

    params = stage.model.init(KEY)
    start = (params, stage.optimizer.init(params))
    keys = jax.random.split(KEY, stage.steps)
    (learnt, _), _ = jax.jit(lambda start: jax.lax.scan(step, start, keys))(start)
    some = batch(jax.random.key(9))
    for t in (300.0, 600.0):
        x = PROCESS.corrupt(KEY, 2.0 * some["record"] - 1, t)
        slope = lambda says, x=x, t=t: jax.grad(lambda x: says(x, t)[:, 1].sum())(x)
        exact, found, before = (
            np.ravel(slope(says))
            for says in (log_label, partial(reader.apply, learnt), partial(reader.apply, params))
        )
        cosine = lambda a, exact=exact: a @ exact / np.linalg.norm(a) / np.linalg.norm(exact)
        assert cosine(found) > 0.75 and cosine(before) < 0.6, (
            t,
            cosine(found),
            cosine(before),
        )


def test_a_label_alone_is_refused():
    with pytest.raises(DataError, match="there is nothing to learn but the label 'died'"):
        meddiff(patients()[["died"]], label="died")


def test_a_code_is_no_label():
    codes = pd.DataFrame({"subject_id": np.arange(1, 101), "code": ["G", "H"] * 50})
    with pytest.raises(
        ValueError, match="'G' is a code; leave the label out, and draw with --given G=1"
    ):
        meddiff(codes, label="G")
    with pytest.raises(
        ValueError, match="the label 'X' is to be a column of a table, and these are codes"
    ):
        meddiff(codes, label="X")


def patients(n=300):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.integers(20, 90, n)),
            "ward": rng.choice(["icu", "er", "rehab"], n),
            "back": pd.Series(rng.choice(["<30", ">30", "no"], n)).where(rng.random(n) < 0.7),
            "died": rng.random(n) < 0.3,
        }
    )


def untrained(label, **changes):
    sizes = {"width": (8,), "time_width": 8, "classifier_width": (8,)}
    sizes |= {"steps": 1, "timesteps": 20, "sampling_steps": 4}
    return with_no_training(meddiff(patients(), label=label, **sizes, **changes))


def test_under_a_label_no_resampling_is_needed_and_one_program_draws_under_all_weights():
    """Any sampler does; where other cells are given, none."""
    run, sampler = untrained("back"), ddim()
    how = {"sampler": sampler, "batch_size": 64}
    drawn = run.sample(KEY, 50, given={"back": ">30"}, guidance=1.0, **how)
    assert (drawn["back"] == ">30").all() and drawn["ward"].nunique() > 1
    programs = _draw_batch._cache_size()
    more = run.sample(KEY, 50, given={"back": "<30"}, guidance=3.0, **how)
    assert (more["back"] == "<30").all() and not more["age"].equals(drawn["age"])
    assert _draw_batch._cache_size() == programs
    with pytest.raises(ValueError, match="draws the rest by RePaint"):
        run.sample(KEY, 5, given={"ward": "er"}, sampler=sampler)


@pytest.mark.parametrize(
    ("label", "changes", "said"),
    [
        ("age", {}, "the label 'age' is a number, and a classifier of records needs classes"),
        ("born", {}, "the label 'born' is a date, and a classifier of records needs classes"),
        (
            "sex",
            {},
            "the label 'sex' is no column; the columns are age, ward, back, died, ill, few",
        ),
        ("few", {}, "the label 'few' has one value only that is not of too few patients"),
        ("id", {}, "the label 'id' is an id, which is not learnt; the columns are age"),
        (
            "died",
            {"label_dropout": 1.0},
            "label_dropout is a share of the rows, from 0 to below 1; got 1.0",
        ),
        ("ill", {}, "the label 'ill' has one value only"),
    ],
)
def test_a_label_that_cannot_be_is_refused(label, changes, said):
    times = pd.date_range("2020-01-01", periods=300)
    few = ["no"] * 297 + ["yes"] * 3
    more = {"ill": True, "few": few, "born": times, "id": [f"P{i:03d}" for i in range(300)]}
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        meddiff(patients().assign(**more), label=label, **changes)


@pytest.mark.parametrize(
    ("label", "changes", "guidance", "said"),
    [
        ("died", {}, -1.0, "guidance must be a number from 0 to 100; got -1.0"),
        ("died", {}, float("nan"), "guidance must be a number from 0 to 100; got nan"),
        (None, {}, 2.0, "this run of meddiff was trained without a label, which guidance needs"),
        (
            "died",
            {"classifier": False, "label_dropout": 0.0},
            2.0,
            "trained without label_dropout above 0",
        ),
    ],
)
def test_guidance_that_cannot_be_is_refused(label, changes, guidance, said):
    with pytest.raises(ValueError, match=said):
        untrained(label, **changes).sample(KEY, 4, guidance=guidance)


def test_the_network_is_a_unet_and_an_mlp_where_widths_are_given():
    """And only without a classifier it has rows for labels."""
    small = {"channels": 8, "multipliers": (1, 2), "classifier_width": (8,), "time_width": 8}
    found = {}
    for width in (None, (8,)):
        for classifier in (True, False):
            recipe = meddiff(patients(), label="back", width=width, classifier=classifier, **small)
            assert [s.name for s in recipe.stages] == [
                "label",
                *["classifier"] * classifier,
                "denoiser",
            ]
            model = recipe.stages[-1].model({"label": {}, "classifier": {}})
            found[width, classifier] = jax.eval_shape(model.init, KEY)
    assert all("middle_attention" in found[None, classifier] for classifier in (True, False))
    assert all("block_0" in found[(8,), classifier] for classifier in (True, False))
    assert {how for how, shapes in found.items() if "label" in shapes} == {
        (None, False),
        ((8,), False),
    }
