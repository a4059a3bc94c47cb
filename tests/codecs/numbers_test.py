"""Which values of a number become classes, and which lie in bins; and powers of numbers."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import Bins, BoxCox, fit_codec


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


def boxcox(values, least=1):
    return fit_codec(pd.DataFrame({"lab": values}), None, BoxCox, least).columns[0]


def test_numbers_are_scaled_by_the_likeliest_power():
    """As scipy's own search has it: Brent's, without bounds."""
    from scipy import stats

    for seed, draw in enumerate(
        (lambda rng: rng.gamma(2, 30, 500), lambda rng: rng.beta(5, 1, 500))
    ):
        x = draw(np.random.default_rng(seed))
        expected, power = stats.boxcox(x + 1e-3)
        column = boxcox(x)
        assert column.power == pytest.approx(power, abs=1e-3)
        expected = (expected - expected.min()) / np.ptp(expected)
        (found,) = column.encode(pd.Series(x))
        np.testing.assert_allclose(found, expected, atol=1e-3)
        assert (found.min(), found.max()) == (0, 1)
        assert (column.mean, column.std) == (found.mean(), found.std())


LIFE = np.random.default_rng(0)
NUMBERS = {
    "copies of a virus": np.round(10 ** LIFE.uniform(-1, 7, 400), 2),
    "below 0": LIFE.normal(-3, 5, 300),
    "far from 0": 1e5 + LIFE.integers(0, 9, 300),
    "counts": LIFE.geometric(0.2, 300) - 1,
    "one that is far out": np.append(LIFE.normal(37, 0.1, 300), 1e6),
    "hardly two": np.append(np.zeros(300), 1e-9),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_comes_back_whatever_the_power(name):
    values = pd.Series(NUMBERS[name])
    column = boxcox(values)
    (scaled,) = column.encode(values)
    assert scaled.min() >= 0 and scaled.max() <= 1
    back = column.decode(len(values), scaled)
    if column.quantity.decimals is None:
        np.testing.assert_allclose(back, values, atol=1e-9 * np.ptp(values), rtol=0)
    else:
        pd.testing.assert_series_equal(back, values, check_names=False)
    assert BoxCox.from_json(column.to_json()) == column
