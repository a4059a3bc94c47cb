"""What is drawn and left out is said as what it is."""

import jax
import jax.numpy as jnp
import pandas as pd
import pytest

from jaxehr.codecs import fit_codec
from jaxehr.data import DataError
from jaxehr.synthesis.records import draw_records
from jaxehr.synthesis.sampling import Drawer, drawer_of
from jaxehr.synthesis.view import matrix_view
from jaxehr.types import Draw, Model, Possible

CODES = pd.DataFrame({"subject_id": range(24), "code": ["A", "B"] * 12})


def half_without() -> Model:
    """Every other patient, by its key, has no code at all."""

    def draw(params, key, *, sampler=None, grid=None, known=None):
        some = jax.random.bernoulli(key)
        return Draw(jnp.stack([some, some]).astype(jnp.int8), jnp.ones((), jnp.int32))

    return Model(lambda key: {}, lambda params, key, x0: x0[:, 0], draw)


def test_patients_without_a_code_are_left_out_and_said_as_that(caplog):
    codec = fit_codec(CODES)
    drawer = drawer_of(half_without(), {}, codec, matrix_view(codec))
    frames = list(draw_records(drawer, jax.random.key(0), 500, batch_size=1000))
    assert pd.concat(frames)["subject_id"].nunique() == 500
    (said,) = caplog.messages
    assert said.endswith("of the draws had no code at all and were drawn anew")
    assert 40 < float(said.split("%")[0]) < 60  # beyond by chance: 1 in 1e9


TABLE = pd.DataFrame({"age": [*range(24), *range(24)]})


def normal(middle: float) -> Drawer:
    """Ages on the scale of the codec are N(middle, 1); only those from 0 to 1 can be."""
    codec = fit_codec(TABLE)
    possible = Possible(lambda x: ((x >= 0) & (x <= 1)).all(-1), "had an age of nobody", "be young")

    def draw(params, key, *, sampler=None, grid=None, known=None):
        return Draw(middle + jax.random.normal(key, (1,)), jnp.ones((), jnp.int32))

    model = Model(lambda key: {}, lambda params, key, x0: x0[:, 0], draw, possible=possible)
    return drawer_of(model, {}, codec, matrix_view(codec))


def test_draws_that_cannot_be_are_made_anew_and_their_share_is_said(caplog):
    """Of N(1/2, 1) 61.71% lie beyond 0 and 1; 5 standard errors of 8,000 draws are 2.7%: 1 in a million."""
    frames = list(draw_records(normal(0.5), jax.random.key(0), 3000, batch_size=2000))
    age = pd.concat(frames)["age"]
    assert len(age) == 3000
    assert age.value_counts(normalize=True).max() < 0.1  # held at an end: a third or more
    (said,) = caplog.messages
    assert said.endswith("% of the draws had an age of nobody and were drawn anew")
    assert abs(float(said.split("%")[0]) - 61.71) < 2.7


def test_where_hardly_any_draw_can_be_it_ends():
    """Of N(9, 1) less than one in 1e14 lies from 0 to 1."""
    said = "of 6,000 patients drawn all but 0 had an age of nobody; be young"
    with pytest.raises(DataError, match=said):
        list(draw_records(normal(9.0), jax.random.key(0), 5, batch_size=2000))
