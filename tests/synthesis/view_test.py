"""How a recipe sees records."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import Number, Quantile, fit_codec
from jaxehr.codecs.numbers import Bins
from jaxehr.data import Schema, long_frame
from jaxehr.synthesis.view import layout_of, matrix_view, token_view


@pytest.mark.parametrize("numbers", [Number, Quantile])
def test_even_numbers_weigh_as_a_fair_bit_and_come_back(numbers):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sodium": np.round(rng.normal(140, 4, 500), 1),
            "platelets": rng.gamma(2, 100, 500).round(),
            "gap": np.where(rng.random(500) < 0.3, np.nan, np.round(rng.normal(0, 1, 500), 2)),
            "male": rng.random(500) < 0.5,
            "ward": rng.choice(["icu", "er"], 500),
        }
    )
    codec = fit_codec(frame, None, numbers, min_patients=1)
    view, layout = matrix_view(codec, even=True), layout_of(codec, even=True)
    parts = codec.encode(frame)
    x = view.to_x(parts)
    there = frame["gap"].notna().to_numpy()
    for j, rows in enumerate((slice(None), slice(None), there)):
        assert x[rows, j].mean() == pytest.approx(0.5, abs=1e-5)
        assert x[rows, j].std() == pytest.approx(0.5, abs=1e-5)
    np.testing.assert_allclose(layout.scales, 0.5)
    seen = x[:, : layout.numbers]
    assert (seen >= layout.ends[0] - 1e-5).all() and (seen <= layout.ends[1] + 1e-5).all()
    pd.testing.assert_frame_equal(codec.decode(view.of_x(x)), frame)

    plain = matrix_view(codec)
    np.testing.assert_array_equal(plain.to_x(parts)[:, layout.numbers :], x[:, layout.numbers :])
    known = view.known(codec.known(frame[["sodium", "ward"]]))
    np.testing.assert_allclose(known.x0[:, 0], x[:, 0], rtol=1e-6)
    assert known.mask[:, 0].all() and not known.mask[:, 1].any()


def test_a_number_that_hardly_varies_is_not_blown_up():
    doses = np.zeros(3000)
    doses[:20] = np.arange(1, 21)
    frame = pd.DataFrame({"dose": doses, "age": np.arange(3000) % 70 + 20.0})
    x = matrix_view(codec := fit_codec(frame, None, Quantile), even=True).to_x(codec.encode(frame))
    assert 3 < abs(x[:, 0]).max() < 6


def test_bins_cannot_be_even():
    values = np.random.default_rng(0).normal(size=(2000, 2))
    codec = fit_codec(pd.DataFrame(values, columns=["a", "b"]), None, Bins)
    with pytest.raises(ValueError, match="here they are Bins"):
        matrix_view(codec, even=True)


def test_a_number_that_never_varies_is_even_too():
    frame = pd.DataFrame({"a": [1.5, np.nan, 1.5, 1.5] * 20, "b": np.arange(80.0)})
    codec = fit_codec(frame, None, Quantile)
    x = matrix_view(codec, even=True).to_x(codec.encode(frame))
    assert np.isfinite(x).all() and np.isfinite(layout_of(codec, even=True).ends).all()


def test_more_categories_than_16_bits_hold_come_back():
    n = 40_000
    names = [f"c{i:05d}" for i in range(n)]
    frame = pd.DataFrame(
        {"place": pd.Categorical(names, names), "sex": ["a", "b", "c", "a"] * (n // 4)}
    )
    codec = fit_codec(frame, Schema.infer(frame), Bins, 1)
    view, parts = token_view(codec), codec.encode(frame)
    x = view.to_x(parts)
    assert x["of_65536"].dtype == np.int32 and x["of_4"].dtype == np.int8
    pd.testing.assert_frame_equal(codec.decode(view.of_x(x)), frame)


@pytest.mark.parametrize(
    ("classes", "dtype"), [(127, np.int8), (128, np.int16), (32_767, np.int16), (32_768, np.int32)]
)
def test_a_token_has_the_bits_that_it_needs(classes, dtype):
    frame = pd.DataFrame({"place": pd.Categorical.from_codes(np.arange(classes), range(classes))})
    (x,) = (
        token_view(fit_codec(frame, None, Bins, 1))
        .to_x(fit_codec(frame, None, Bins, 1).encode(frame))
        .values()
    )
    assert x.dtype == dtype and (x[:, 0] == np.arange(classes)).all()


def test_bits_of_codes_are_not_copied_on_their_way():
    """A matrix of int8 is all the memory they take, in one view or the other."""
    bits = np.random.default_rng(0).random((60, 9)) < 0.5
    bits[:, 0] |= ~bits.any(1)
    frame = long_frame(bits, np.arange(60), [f"C{j}" for j in range(9)])
    codec = fit_codec(frame)
    parts = codec.encode(frame)
    assert matrix_view(codec).to_x(parts) is parts["bit"]
    assert token_view(codec).to_x(parts)["of_2"] is parts["bit"]
