"""What is drawn and left out is said as what it is."""

import jax
import jax.numpy as jnp
import pandas as pd

from jaxehr.codecs import fit_codec
from jaxehr.synthesis.sampling import draw_records, drawer_of
from jaxehr.synthesis.view import matrix_view
from jaxehr.types import Draw, Model

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
