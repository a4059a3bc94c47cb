"""The longitudinal DPM: a record as a sheet of steps and back, what has a part in the loss, where draws begin, and who
is drawn anew."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recipes.every_series_recipe_test import stays

from jaxehr.codecs import BoxCox, fit_codec
from jaxehr.data import Records, Schema
from jaxehr.losses import whole
from jaxehr.processes import ddpm as betas
from jaxehr.recipes.longitudinal_dpm import (
    FromNormal,
    longitudinal_dpm,
    longitudinal_dpm_model,
    sheet_of,
)
from jaxehr.synthesis.view import token_view
from jaxehr.types import Known, Network

PROCESS, KEY = FromNormal(betas(30, beta_last=0.01)), jax.random.key(3)


def admitted():
    """Stays of four hours, some without a pulse, with an age that one in eight lacks, a ward of three and an hour."""
    records, rng = stays(), np.random.default_rng(1)
    n = len(records.static)
    age = np.where(rng.random(n) < 0.125, np.nan, rng.integers(20, 60, n))
    ward = rng.choice(["icu", "er", "rehab"], n)
    static = records.static.assign(age=age, ward=ward, hour=rng.integers(0, 24, n))
    records = Records(static, records.events)
    schema = Schema.infer(records).with_period("hour", 24)
    return records, schema.on_grid(records, every="1h", length=4)


class Seen:
    def __init__(self):
        records, schema = admitted()
        self.codec = fit_codec(records, schema, BoxCox, 3)
        self.x = token_view(self.codec).to_x(self.codec.encode(records))
        self.sheet = sheet_of(self.codec, 3)  # four hours fill eight steps
        self.laid = np.asarray(jax.jit(self.sheet.of_record)(self.x))
        self.missing = np.asarray(self.sheet.tokens.missing(self.x)) > 0
        self.steps = len(self.sheet.places)
        self.record = jax.jit(jax.vmap(self.sheet.record))

    def column(self, place):
        """Of the sheet, in the first step."""
        return list(self.sheet.places[0]).index(place)

    @property
    def ward(self):
        """The columns of its three classes, and the group that it lies in."""
        tokens, last = self.sheet.tokens, len(self.sheet.tokens.classes) - 1
        assert tokens.classes[last] == 3
        (group,) = (name for name, members in tokens.groups.items() if last in members)
        return [self.column(self.sheet.numbers + p) for p in tokens.places[-3:]], group


@pytest.fixture(scope="module")
def seen():
    return Seen()


@pytest.fixture(scope="module")
def wrong(seen):
    """Of a network that is wrong by 1,000 where nothing has a part, and says 0 elsewhere: the loss, where something has
    a part, and what the network has read."""
    counts = np.ones((40, seen.sheet.numbers + seen.sheet.tokens.width))
    counts[:, : seen.sheet.numbers] = ~seen.missing
    valid = np.pad(counts[:, seen.sheet.places], ((0, 0), (0, 4), (0, 0)))
    said, read = jnp.asarray(1e3 * (1 - valid), jnp.float32), []

    def apply(params, x, t):
        read.extend((x, t))
        return said

    network = Network(lambda key: {}, apply)
    how = {"timesteps": 30, "sampling_steps": 30, "clean_weight": 0.0}
    model = longitudinal_dpm_model(PROCESS, network, seen.sheet, **how)
    loss, (x, t) = jax.jit(lambda: (model.loss({}, KEY, seen.x), read))()
    return loss, valid, x, t


def test_a_record_is_laid_out_and_read_off(seen):
    """Each step holds its own entries and all of the table, from -1 to 1; what fills the sheet is 0."""
    assert seen.laid.shape == (40, 8, seen.sheet.features)
    assert (seen.laid[:, 4:] == 0).all() and np.abs(seen.laid).max() == 1
    number = seen.codec.layout["number"]
    own = 2 * seen.x["number"][:, number] - 1
    np.testing.assert_allclose(seen.laid[:, :4, : number.shape[1]], own, atol=1e-6)
    columns, group = seen.ward
    ward = np.eye(3)[seen.x[group][:, -1]] * 2 - 1
    assert (seen.laid[:, :4, columns] == ward[:, None]).all()
    found = seen.record(seen.laid)
    for name, part in seen.x.items():
        np.testing.assert_allclose(found[name], part, atol=1e-6, err_msg=name)


def test_what_is_static_is_the_mean_over_the_steps(seen):
    """Two steps that say the last ward are outvoted by two that say the first, more loudly; an age lies between."""
    laid, (columns, group) = seen.laid[:1].copy(), seen.ward
    laid[0, :4, columns] = np.array([[1.0, -1, -1]] * 2 + [[-1, -1, 0.5]] * 2).T
    age = seen.codec.names["number"].index("age")
    laid[0, :4, seen.column(age)] = [-0.5, 0.5, 1.0, -0.6]
    found = seen.record(laid)
    assert found[group][0, -1] == 0
    assert found["number"][0, age] == pytest.approx((0.1 + 1) / 2)


def test_what_fills_the_sheet_and_what_is_missing_have_no_part_in_the_loss(seen, wrong):
    """It is the mean square of the noise over the rest."""
    assert 0.2 < seen.missing.mean() < 0.9
    loss, valid, *_ = wrong
    eps = np.asarray(jax.random.normal(jax.random.split(KEY, 4)[1], valid.shape))
    expected = (eps**2 * valid).sum((1, 2)) / valid.sum((1, 2))
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_the_network_reads_noised_records_and_times_from_0(seen, wrong):
    """Whole sheets are noised; where a number is missing there is noise from the first, of its mean and spread."""
    _, valid, x, told = wrong
    t_key, noise_key, _, _ = jax.random.split(KEY, 4)
    t = whole(30)(t_key, (40,))
    np.testing.assert_array_equal(told, t - 1)
    eps = jax.random.normal(noise_key, x.shape)
    x0 = np.asarray((x - PROCESS.mix(jnp.zeros_like(x), eps, t)) / PROCESS.alpha(t)[:, None, None])
    hidden = valid == 0
    hidden[:, 4:] = False
    np.testing.assert_allclose(x0[~hidden], seen.laid[~hidden], atol=1e-4)
    pulse = (x0[:, :4, 0][hidden[:, :4, 0]] + 1) / 2
    mean, std = seen.codec.scales[:, seen.sheet.places[0, 0]]
    assert abs(pulse.mean() - mean) < 4 * std / len(pulse) ** 0.5  # beyond by chance: 1 in 16,000
    assert len(np.unique(pulse.round(5))) > 0.9 * len(pulse)


def test_draws_begin_at_a_variance_of_1_whatever_the_betas_leave():
    """Within 5 standard errors: 1 in a million."""
    x = np.asarray(PROCESS.prior(KEY, (100_000,), 30.0))
    assert abs(x.var() - 1) < 5 * (2 / len(x)) ** 0.5
    assert PROCESS.sigma(30.0) ** 2 < 0.2


def test_who_is_drawn_anew(seen):
    """Those of whom a value lies beyond its scale: not what is missing there, nor a place on a circle or a time inside
    a step."""
    names, within = seen.codec.names["number"], jax.jit(seen.sheet.within)
    assert within(seen.x).all()
    assert seen.missing[:, names.index("age")].any()
    held = [name for name in names if name == "age" or name.startswith("HR, step")]
    assert len(held) == 5
    for j, name in enumerate(names):
        for value in (-0.01, 1.01):
            number = seen.x["number"].copy()
            number[:, j] = value
            fits = seen.missing[:, j] | (name not in held)
            np.testing.assert_array_equal(within({**seen.x, "number": number}), fits, err_msg=name)


def test_what_is_known_of_a_record_is_known_of_its_sheet(seen):
    """A ward in all classes and steps, a pulse in its own step; of a category only what is allowed is read off."""
    one = jax.tree.map(lambda part: part[0], seen.x)
    mask = jax.tree.map(lambda part: np.zeros(part.shape, bool), one)
    (columns, group), pulse = seen.ward, seen.sheet.places[0, 0]
    mask["number"][pulse] = mask[group][-1] = True
    found = seen.sheet.known(Known(one, mask, {}))
    expected = np.zeros(seen.laid.shape[1:], bool)
    expected[:4, columns] = expected[0, 0] = True
    np.testing.assert_array_equal(found.mask, expected)
    np.testing.assert_array_equal(found.x0, seen.laid[0])
    only = {"of_2": np.zeros((*one["of_2"].shape, 2), bool)}
    only["of_2"][:, 1] = True
    assert (seen.sheet.record(found.x0, only)["of_2"] == 1).all()


def test_a_network_too_narrow_to_hand_on_the_noise_is_refused(seen):
    columns = seen.sheet.features
    assert 16 < columns <= 32
    with pytest.raises(ValueError, match=f"noise of {columns} columns.*width=(24|32) or more"):
        longitudinal_dpm(seen.codec, width=16)
    assert longitudinal_dpm(seen.codec, width=32).settings["width"] == 32
