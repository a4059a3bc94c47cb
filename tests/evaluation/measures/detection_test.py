"""The detector finds what was planted, names it, and finds nothing between two samples of one law."""

import numpy as np
import pandas as pd
import pytest
from patients import coded, table

from jaxehr.data import Schema
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.measures.detection import _mean, detect, detect_linearly
from jaxehr.evaluation.measures.intervals import Estimate


def pair(real, other):
    return comparable(Schema.infer(real), {"real": real, "other": other})


def test_two_samples_of_one_law_cannot_be_told_apart():
    """The mean of four AUCs, of 400 patients a side, within 4 standard errors: false alarms 6 in 100,000."""
    found = [detect(*pair(table(400, s), table(400, 100 + s)), seed=s).estimate for s in range(4)]
    errors = np.array([(e.high - e.low) / (2 * 1.96) for e in found])
    mean = np.mean([e.value for e in found])
    assert abs(mean - 0.5) < 4 * np.sqrt((errors**2).sum()) / 4
    assert errors == pytest.approx(np.sqrt(1 / (6 * 400)), rel=0.1)  # of an AUC of one half


def test_columns_that_agree_give_rows_away():
    """A fifth of the real rows repeat a diagnosis, as often as chance has it of the others: 1 in 40."""

    def rows(seed, repeated):
        rng = np.random.default_rng(seed)
        d1, d2 = rng.integers(100, 140, (2, 1500))
        d2 = np.where(rng.random(1500) < repeated, d1, d2)
        return pd.DataFrame({"d1": d1, "d2": d2, "x": rng.normal(size=1500)}).astype(
            {"d1": str, "d2": str}
        )

    schema = Schema.infer(rows(0, 0.2))
    real, other = comparable(schema, {"real": rows(0, 0.2), "other": rows(1, 0.0)})
    found = detect(real, other, seed=0)
    # Told perfectly by d1 = d2: (0.22 - 0.025) / 2 above one half.
    assert found.estimate.low > 0.56
    assert next(iter(found.gives_away(0))) in ("d1 = d2", "different values in d1 and 1 like it")
    assert abs(detect_linearly(real, other, seed=0).value - 0.5) < 0.05


def test_the_number_of_codes_gives_rows_away():
    """Three codes each, where others have as many in the mean: one or five."""

    def bits(seed, numbers):
        rng = np.random.default_rng(seed)
        most = rng.random((600, 30)).argsort(1) < rng.choice(numbers, (600, 1))
        return coded(most.astype(np.int8), tuple(f"c{j}" for j in range(30)))

    found = detect(bits(0, [3]), bits(1, [1, 5]), seed=0)
    assert found.estimate.low > 0.99
    assert "number of codes" in list(found.gives_away(0))[:2]


def test_a_number_that_others_determine_gives_rows_away():
    """The sum of two: of the other rows it is that of another row."""

    def rows(seed):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(2, 800)).round(3)
        return pd.DataFrame({"a": a, "b": b, "total": a + b})

    real, other = rows(0), rows(1)
    other["total"] = np.random.default_rng(2).permutation(other["total"])
    assert detect(*pair(real, other), seed=0).estimate.low > 0.9


def test_the_interval_of_folds():
    """Five independent figures of one error each: theirs together is a fifth of five, by its root."""
    found = _mean([Estimate(v, v - 0.05, v + 0.05) for v in (0.5, 0.6, 0.7, 0.6, 0.6)])
    assert found.value == pytest.approx(0.6)
    assert found.high - found.low == pytest.approx(0.1 / np.sqrt(5))
    assert _mean([Estimate(0.99, 0.9, 1.08)]).high == 1.0
