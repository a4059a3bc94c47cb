"""Which values of a number become classes, and which lie in bins."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import Bins, fit_codec


def spikes(often: dict[float, int], n: int, least: int):
    """Of a column with so many rows of some values, and other rows that all differ."""
    others = np.random.default_rng(0).uniform(10, 20, n - sum(often.values()))
    values = np.concatenate([others, *(np.full(k, value) for value, k in often.items())])
    (column,) = fit_codec(pd.DataFrame({"lab": values}), None, Bins, least).columns
    return column.spikes


@pytest.mark.parametrize("least", [1, 11])
def test_a_value_of_one_row_in_a_hundred_is_a_class(least):
    assert spikes({5.0: 30, 7.0: 29}, 3000, least) == (5.0,)


def test_a_value_of_fewer_than_two_rows_or_the_least_number_of_patients_is_none():
    assert spikes({5.0: 2, 7.0: 1}, 150, 1) == (5.0,)
    assert spikes({5.0: 11, 7.0: 10}, 500, 11) == (5.0,)


def test_few_values_are_classes_all_of_them():
    """128 values of 11 rows or more are classes each; with one more they are bins, since none is of 1 in 100 rows."""
    column = lambda k: pd.DataFrame({"lab": np.repeat(np.arange(k) + 0.5, 12)})
    of = lambda k: fit_codec(column(k), None, Bins).columns[0].spikes
    assert of(128) == tuple(np.arange(128) + 0.5)
    assert of(129) == ()
