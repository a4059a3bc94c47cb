"""Copies counted by hand, and on the small wide table on which nothing else can be said."""

import numpy as np
import pandas as pd
import pytest
from patients import frame

from jaxehr.data import Schema
from jaxehr.evaluation import evaluate
from jaxehr.evaluation.blocks.frames import comparable
from jaxehr.evaluation.measures import copies


def sets(*frames):
    names = [str(i) for i in range(len(frames))]
    return comparable(Schema.infer(frames[0]), dict(zip(names, frames, strict=True)))


def test_rows_by_hand():
    """Of ten cells one may differ: of the others the first is a copy, the second nearly one, the third is neither."""
    rng = np.random.default_rng(0)
    names = [f"c{j}" for j in range(8)]
    first = pd.DataFrame(rng.random((30, 8)), columns=names)
    first = first.assign(
        sex=rng.choice(["f", "m"], 30), gap=np.where(np.arange(30) < 10, np.nan, 1.5)
    )
    other = first.iloc[[2, 14, 21]].reset_index(drop=True)
    other.loc[1, "c0"], other.loc[2, ["c0", "c1"]] = 7.0, 7.0
    real, others = sets(first, other)
    assert copies.copied_rows(real, others).value == pytest.approx(1 / 3)
    assert copies.nearly_copied_rows(real, others).value == pytest.approx(2 / 3)
    assert copies.copied_rows(real, None).value == 0.0
    twice = pd.concat([first, first.head(6)], ignore_index=True)
    (real,) = sets(twice)
    assert (
        copies.copied_rows(real, None).value
        == copies.nearly_copied_rows(real, None).value
        == 12 / 36
    )


def test_codes_by_hand():
    """A patient of ten codes or more may differ in one."""
    real = (np.random.default_rng(1).random((40, 60)) < 0.4).astype(np.int8)
    other = real[:3].copy()
    other[1, 0] ^= 1
    other[2, :20] ^= 1
    a, b = sets(frame(real), frame(other))
    assert copies.copied_rows(a, b).value == pytest.approx(1 / 3)
    assert copies.nearly_copied_rows(a, b).value == pytest.approx(2 / 3)


def test_numbers_by_hand():
    """1 and 2 have a patient each, 3 has two: the other numbers meet 1 and 2, twice among four that are there."""
    real, other = sets(
        pd.DataFrame({"a": [1.0, 2, 3, 3, np.nan]}), pd.DataFrame({"a": [1.0, 2, 3, 9, np.nan]})
    )
    assert copies.copied_numbers(real, other).value == 0.5
    # Among themselves: a value of two patients is a single one's to each of them.
    assert copies.copied_numbers(real, None).value == 0.5
    held = real.rows(np.array([2, 3, 4, 4, 4]))
    assert copies.excess_of_numbers(real, other, held).value == 0.5
    assert copies.excess_of_numbers(real, other, real).value == 0.0


def wide(n, seed):
    """118 patients of 82 measurements to three decimals: hardly two have the same."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.normal(size=(n, 82)).round(3), columns=[f"m{j}" for j in range(82)])


def test_four_numbers_of_five_copied_are_said_on_118_rows():
    """Every column of the synthetic rows is one of the training rows' in another order, but for a fifth of the cells:
    no row is a copy, and each number is somebody's. Held-out patients are too few for anything else."""
    real, held, fresh = wide(118, 0), wide(30, 1), wide(118, 2)
    rng = np.random.default_rng(3)
    mixed = real.apply(lambda column: rng.permutation(column.to_numpy()))
    mixed = mixed.where(rng.random(mixed.shape) < 0.81, fresh)
    judged = lambda *sets: evaluate(*sets, pillars=("privacy",))
    found = judged(real, mixed, held)
    assert found["copied_numbers"].value > 0.75 > 0.1 > found["copied_numbers"].floor
    said = found.verdicts
    assert next(iter(said)) == "privacy" and said["privacy"].heading == "It leaks"
    assert "Give" not in said["privacy"].words
    assert "held-out records have fewer than 100 patients" in said["privacy"].words
    alone = judged(real, mixed).verdicts["privacy"]
    assert alone.heading == "Copies were found" and "Give held-out patients" in alone.words

    clean = judged(real, fresh, held).verdicts
    assert clean["privacy"].heading == "Underpowered"
    assert judged(real, fresh).verdicts["privacy"].heading == "Only copies were counted"


def test_a_generator_that_is_too_wide_copies_no_numbers():
    """Uniform over the range of integers that most patients have in its middle: it meets single patients' values at
    the ends more often than fresh patients do, and held-out ones' as often. At 99.9%."""
    law = lambda seed: pd.DataFrame({"a": np.random.default_rng(seed).normal(0, 20, 400).round()})
    real, held = law(0), law(1)
    low, high = real["a"].min(), real["a"].max()
    spread = pd.DataFrame({"a": np.random.default_rng(2).integers(low, high, 400).astype(float)})
    found = evaluate(real, spread, held, pillars=("privacy",))
    assert found["copied_numbers"].value > found["copied_numbers"].floor
    assert found.verdicts["privacy"].heading != "It leaks"
