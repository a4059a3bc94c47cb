"""How a recipe sees records."""

import numpy as np
import pandas as pd
import pytest

from jaxehr.codecs import Bins, Number, Quantile, fit_codec
from jaxehr.data import Records, Schema, long_frame
from jaxehr.synthesis.view import CODES, layout_of, matrix_view, token_view, tokens_of


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


def test_codes_that_are_listed_are_a_part_of_their_own():
    """There and back beside a table, and known where they are known: the tokens are then the table's alone."""
    frame = pd.DataFrame(
        {"subject_id": range(60), "sex": ["f", "m"] * 30, "ward": list("abc") * 20}
    )
    frame["lab"] = np.where(np.arange(60) % 7 == 0, np.nan, np.arange(60.0))
    events = long_frame(np.random.default_rng(0).random((60, 4)) < 0.5, np.arange(60), list("WXYZ"))
    codec = fit_codec(Records(frame, events), None, Bins, 1)
    view, parts = token_view(codec, listed=True), codec.encode(Records(frame, events))
    x = view.to_x(parts)
    np.testing.assert_array_equal(x[CODES], parts["bit"][:, -4:])
    tokens = tokens_of(codec, codes=False)
    assert {k: v.shape[1:] for k, v in x.items() if k not in (CODES, "number")} == tokens.shapes
    assert tokens.classes == tokens_of(codec).classes[:1] + tokens_of(codec).classes[5:]
    back = view.of_x(x)
    for kind in parts:
        np.testing.assert_array_equal(back[kind], parts[kind])
    known = view.known(codec.known(pd.DataFrame({"Y": [True], "sex": ["m"]})))
    np.testing.assert_array_equal(known.mask[CODES], [[False, False, True, False]])
    assert known.x0[CODES][0, 2] == 1 and known.mask["of_2"].sum() == 1
    assert set(known.allowed) == set(tokens.groups)


def test_bits_of_codes_are_not_copied_on_their_way():
    """A matrix of int8 is all the memory they take, in one view or the other."""
    bits = np.random.default_rng(0).random((60, 9)) < 0.5
    bits[:, 0] |= ~bits.any(1)
    frame = long_frame(bits, np.arange(60), [f"C{j}" for j in range(9)])
    codec = fit_codec(frame)
    parts = codec.encode(frame)
    assert matrix_view(codec).to_x(parts) is parts["bit"]
    for x in (token_view(codec).to_x(parts), token_view(codec, listed=True).to_x(parts)):
        assert np.shares_memory(*x.values(), parts["bit"])
