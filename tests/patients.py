"""Patients made up by a known law: independent samples of it are what a perfect generator would give."""

import numpy as np
import pandas as pd

from jaxehr.data import Records, long_frame
from jaxehr.evaluation.blocks.blocks import Blocks


def table(n, seed):
    """Age drives blood pressure and death; pressure is missing one time in five, more often on the ward."""
    rng = np.random.default_rng(seed)
    age = rng.normal(60, 12, n)
    er = rng.random(n) < 0.7
    unseen = rng.random(n) < np.where(er, 0.25, 0.08)
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "age": np.round(age, 1),
            "sbp": np.where(unseen, np.nan, np.round(80 + age + rng.normal(0, 8, n))),
            "los": np.round(rng.gamma(2.0, 2.0, n) + age / 20, 1),
            "ward": np.where(er, "er", "icu"),
            "sex": np.where(rng.random(n) < 0.5, "f", "m"),
            "death": rng.random(n) < 1 / (1 + np.exp(-(age - 75) / 5)),
        }
    )


def bits(n, seed, columns=40):
    """Codes from rare to common, all more frequent in the four in ten who are ill."""
    rng = np.random.default_rng(seed)
    ill = rng.random((n, 1)) < 0.4
    found = rng.random((n, columns)) < np.geomspace(0.002, 0.3, columns) * np.where(ill, 1.6, 0.6)
    found[:, -1] |= ~found.any(axis=1)
    return found.astype(np.int8)


def coded(matrix, names):
    """Blocks of codes alone."""
    none = np.zeros((len(matrix), 0))
    return Blocks(none, none.astype(int), matrix, (), (), tuple(names), ())


def frame(matrix):
    return long_frame(matrix, np.arange(len(matrix)), [f"C{j:02}" for j in range(matrix.shape[1])])


def codes(n, seed, columns=40):
    return frame(bits(n, seed, columns))


def shuffled(records, seed=0):
    """Each column in an order of its own."""
    rng = np.random.default_rng(seed)
    return records.apply(lambda column: column.to_numpy()[rng.permutation(len(records))])


def subjects(n=400, seed=0):
    """Half are women, of whom six in ten have F, and one in a hundred men; one in six has no code at all."""
    rng = np.random.default_rng(seed)
    woman = rng.random(n) < 0.5
    ids = np.arange(n) * 3 + 100
    age = np.where(rng.random(n) < 0.2, np.nan, rng.integers(20, 90, n))
    static = pd.DataFrame(
        {
            "sex": np.where(woman, "f", "m"),
            "subject_id": ids,
            "age": age,
            "ward": rng.choice(["a", "b", "c"], n),
        }
    )
    held = np.stack(
        [
            rng.random(n) < np.where(woman, 0.6, 0.01),
            rng.random(n) < 0.3,
            rng.random(n) < np.where(static["ward"] == "a", 0.8, 0.1),
        ],
        axis=1,
    )
    row, code = rng.permutation(np.argwhere(held)).T
    events = pd.DataFrame({"subject_id": ids[row], "code": np.array(["F", "G", "A"])[code]})
    return Records(static, events)


def whole(n, seed, tied=True):
    """A static table and codes of the same patients: women have F codes, the old O codes, the ill all more often.

    tied    else the events are those of another patient: each part is as it was, and what ties them is lost
    """
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    age = np.round(rng.normal(60, 12, n), 1)
    ill = rng.random(n) < 0.4
    static = pd.DataFrame({"subject_id": np.arange(n) + 1000, "age": age, "sex": sex, "ill": ill})
    static["bmi"] = np.where(rng.random(n) < 0.1, np.nan, np.round(rng.normal(27, 4, n), 1))
    factor = {"F": np.where(sex == "f", 1.6, 0.4), "O": np.where(age > 60, 1.6, 0.4), "X": 1.0}
    names = [f"{kind}//{j}" for kind in factor for j in range(6)]
    p = np.stack([share * factor[kind] * np.ones(n) for kind in factor for share in SHARES], 1)
    has = rng.random((n, len(names))) < p * np.where(ill, 1.4, 0.8)[:, None]
    row, column = np.nonzero(has)
    whose = np.arange(n) if tied else rng.permutation(n)
    events = pd.DataFrame(
        {"subject_id": static["subject_id"].to_numpy()[whose[row]], "code": np.array(names)[column]}
    )
    return Records(static, events)


SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
