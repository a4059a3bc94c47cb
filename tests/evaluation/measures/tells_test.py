"""What is read off several columns at once, by hand."""

import numpy as np
import pandas as pd
from patients import coded

from jaxehr.data import Schema
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.measures.tells import views


def seen(frame):
    """Both views, a feature's values by its name."""
    table = comparable(Schema.infer(frame), {"real": frame})[0]
    return [dict(zip(view.names, view.x.T, strict=True)) for view in views(table)]


def many(rows, n=60):
    return pd.concat([pd.DataFrame(rows)] * n, ignore_index=True)


def test_columns_that_share_their_values():
    frame = many(
        {"d1": ["401", "250", "V45", None, None], "d2": ["401", "401", "V45", "250", None]}
    )
    _, found = seen(frame)
    assert found["d1 = d2"][:5].tolist() == [1, 0, 1, 0, 0]
    assert found["number of '401' in d1 and 1 like it"][:4].tolist() == [2, 1, 0, 0]
    assert found["different values in d1 and 1 like it"][:3].tolist() == [1, 2, 1]
    assert found["number of missing cells"][:5].tolist() == [0, 0, 0, 1, 2]


def test_categories_are_in_their_order():
    """Numbers by size, then words: 9 is before 10, and a missing one has no place."""
    own, _ = seen(many({"code": ["10", "9", "V45", "E8", None], "x": [0.5, 1, 2, 3, 4]}))
    assert own["code"][:4].tolist() == [1, 0, 3, 2] and np.isnan(own["code"][4])


def test_numbers_in_an_order_and_what_others_say_of_them():
    rng = np.random.default_rng(0)
    low = rng.normal(80, 10, 500).round(1)
    gap = rng.exponential(5, 500).round(1)
    frame = pd.DataFrame(
        {"low": low, "high": low + gap, "gap": gap, "far": rng.normal(9e3, 1, 500)}
    )
    own, found = seen(frame)
    # An order by the ranges alone is none that a row could break.
    assert [name for name in found if " - " in name] == ["high - low"]
    np.testing.assert_allclose(found["high - low"], gap, atol=1e-3)
    rest = {name: found[f"{name} given other numbers"].std() for name in own}
    assert rest["high"] < 0.05 and rest["far"] > 0.9


def test_codes_by_number_kind_and_pairs():
    rows = np.tile([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]], (60, 1))
    both = coded(rows.astype(np.int8), ("DIAG//a", "DIAG//b", "DRUG//c", "DRUG//d"))
    own, found = (dict(zip(v.names, v.x.T, strict=True)) for v in views(both))
    assert own["number of codes"][:4].tolist() == [3, 1, 0, 3]
    assert found["number of DRUG codes"][:4].tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(
        found["frequency of the rarest code"][:2], np.log([60, 180]), rtol=1e-6
    )
    np.testing.assert_allclose(found["frequency of the rarest pair"][:1], np.log(60), rtol=1e-6)
    lift = np.log((120 + 1) / (180 * 120 / 240 + 1))  # of a and b
    others = 2 * np.log(61 / (180 * 60 / 240 + 1)) / 2 + np.log(61 / (120 * 60 / 240 + 1))
    np.testing.assert_allclose(
        found["sum of the lifts of pairs of codes"][0], lift + others, rtol=1e-5
    )
    assert np.isnan(found["frequency of the rarest pair"][1])


def test_a_feature_without_values_is_a_mark():
    frame = many({"x": [1.0, 2, 3, 4], "rare": [np.nan] * 4})
    frame.loc[:9, "rare"] = 7.5
    frame.loc[0, "rare"] = 8.5
    own, _ = seen(frame)
    assert own["rare"].sum() == 10 and not np.isnan(own["rare"]).any()
