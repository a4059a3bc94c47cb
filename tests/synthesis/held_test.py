"""Rows drawn until they hold: what a draw must be is asked of the first ones, and no row is left out for it."""

import jax
import numpy as np
from synthesis.sampling_test import normal

from jaxehr.synthesis.held import LOOKS, rows_that_hold


def ages(middle: float) -> np.ndarray:
    """Of rows 0 to 5, on the scale of the codec."""
    drawer = normal(middle)

    def all_hold(rows, known, parts):
        return drawer.codec.cells(parts), np.ones(len(rows), bool)

    how = {"total": 6, "batch_size": 4}
    held = list(rows_that_hold(drawer, jax.random.key(0), None, np.arange(6), all_hold, **how))
    rows = np.concatenate([each.rows for each in held])
    assert sorted(rows) == list(range(6))
    return np.concatenate([each.parts["number"][:, 0] for each in held])


def test_a_draw_that_can_be_is_taken_where_there_is_one(caplog):
    """Of N(1/2, 1) .38 lie from 0 to 1: none of 128 one time in 1e26."""
    found = ages(0.5)
    assert ((found >= 0) & (found <= 1)).all() and not caplog.messages


def test_a_row_of_which_no_draw_can_be_is_drawn_all_the_same(caplog):
    """Of N(9, 1) less than one in 1e14 lies from 0 to 1."""
    assert (ages(9.0) > 1).all()
    (said,) = caplog.messages
    assert said == (
        f"of 6 rows no draw of {LOOKS} holds; from here on one that had an age of nobody is taken too"
    )
