"""Baselines: each is what its name says, on records whose law is known."""

import numpy as np
import pandas as pd
import pytest

from jaxehr import names
from jaxehr.baselines import bootstrap, copula, marginals, smote
from jaxehr.cli import main
from jaxehr.data import long_frame

BASELINES = names.baselines()


def normals(n, rho, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    return z[:, 0], rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1], rng


def table(n=2000, seed=0, rho=0.6):
    """age and death from two normals of correlation rho; hdl is missing more often in the old."""
    a, b, rng = normals(n, rho, seed)
    return pd.DataFrame(
        {
            "id": [f"p{i:05}" for i in range(n)],
            "age": np.round(60 + 12 * a).astype("int32"),
            "death": b > 1,
            "ward": pd.Categorical(rng.choice(["er", "icu", "rehab"], n, p=[0.6, 0.3, 0.1])),
            "hdl": np.where(rng.random(n) < np.where(a > 0, 0.5, 0.1), np.nan, 50 + 5 * b).round(1),
            "seen": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.round(90 + 20 * b), unit="D"),
            "note": pd.Series(np.where(rng.random(n) < 0.3, None, "x"), dtype=object),
        }
    )


def codes(n=3000, seed=0):
    """Eight rare codes, the first two of a tetrachoric correlation of 0.7, and one that nearly everybody has."""
    a, b, rng = normals(n, 0.7, seed)
    bits = rng.random((n, 9)) < 0.05
    bits[:, 0], bits[:, 1], bits[:, 8] = a > 1.5, b > 1.5, rng.random(n) < 0.9
    return long_frame(bits, np.arange(n) + 50, [f"C{j}" for j in range(9)])


@pytest.mark.parametrize("kind", [table, codes])
@pytest.mark.parametrize("make", BASELINES.values(), ids=BASELINES)
def test_records_come_out_as_they_went_in(make, kind):
    train = kind(400)
    drawn = make(train, 5000 if kind is codes else 300, 0)
    assert list(drawn.columns) == list(train.columns)
    assert drawn.dtypes.to_dict() == train.dtypes.to_dict()
    if kind is codes:
        assert drawn["subject_id"].nunique() == 5000  # in two blocks
        assert not drawn.duplicated().any()
    else:
        assert len(drawn) == 300 and not set(drawn["id"]) & set(train["id"])
        assert drawn["hdl"].isna().any() and drawn["note"].isna().any()
    pd.testing.assert_frame_equal(make(train, 50, 3), make(train, 50, 3))
    assert not make(train, 50, 3).equals(make(train, 50, 4))
    with pytest.raises(ValueError, match="at least 1; got 0"):
        make(train, 0, 0)


def test_marginals_keep_each_column_and_no_relation():
    """4 standard errors: 1 in 16,000 each."""
    train, n = table(), 20_000
    drawn = marginals(train, n, 1)
    for share in (lambda f: f["death"].mean(), lambda f: f["hdl"].isna().mean()):
        p = share(train)
        assert abs(share(drawn) - p) < 4 * (p * (1 - p) / n) ** 0.5
    assert abs(np.corrcoef(drawn["age"], drawn["death"])[0, 1]) < 4 / n**0.5
    assert np.corrcoef(train["age"], train["death"])[0, 1] > 0.3


def test_the_copula_finds_the_correlation_of_two_bits():
    """Bits cut from normals with a known correlation: P(both) comes back, where their own correlation used as the
    normals' would not give it. The training set has its own error too. 4 standard errors: 1 in 16,000."""
    n, m = 40_000, 40_000
    a, b, _ = normals(n, 0.7, 3)
    train = long_frame(np.stack([a > 1.5, b > 1.5, np.ones(n)], 1), np.arange(n), ["A", "B", "all"])
    drawn = copula(train, m, 1)
    held = pd.crosstab(drawn["subject_id"], drawn["code"])
    both = ((held["A"] > 0) & (held["B"] > 0)).mean()
    truth = ((a > 1.5) & (b > 1.5)).mean()
    assert abs(both - truth) < 4 * (truth / m) ** 0.5
    assert truth > 5 * (a > 1.5).mean() * (b > 1.5).mean()


def test_the_copula_keeps_mixed_relations_and_who_is_missing():
    """Each relation of the records within 4 standard errors of a correlation, 4 / sqrt(n) for two samples of at least
    n: below 1 in 1,000 over all."""
    train, n = table(8000), 8000
    drawn = copula(train, n, 1)
    error = 4 * (2 / n) ** 0.5

    def relations(frame):
        old = frame["age"].rank()
        return {
            "number and bit": np.corrcoef(old, frame["death"])[0, 1],
            "number and missing": np.corrcoef(old, frame["hdl"].isna())[0, 1],
            "number and date": np.corrcoef(old, frame["seen"].rank())[0, 1],
            "where both are there": frame["hdl"].corr(frame["age"], method="spearman"),
            "number and independent text": np.corrcoef(old, frame["note"].isna())[0, 1],
        }

    wanted, found = relations(train), relations(drawn)
    for name in wanted:
        assert found[name] == pytest.approx(wanted[name], abs=error), name
    assert wanted["number and missing"] > 0.3 and wanted["number and date"] > 0.5
    assert drawn["hdl"].isna().mean() == pytest.approx(train["hdl"].isna().mean(), abs=0.025)
    assert drawn["hdl"].dropna().isin(train["hdl"]).all()


def test_smote_lies_between_a_patient_and_a_near_one():
    """Two clusters far apart: nothing lies between them, within them numbers are new, and choices are one of two."""
    rng = np.random.default_rng(0)
    ill = rng.random(400) < 0.5
    train = pd.DataFrame(
        {"x": np.where(ill, 1.0, 0.0) + rng.random(400) / 10, "y": rng.random(400), "ill": ill}
    )
    drawn = smote(train, 500, 1)
    assert not drawn["x"].between(0.11, 0.99).any()
    assert (drawn["ill"] == (drawn["x"] > 0.5)).all()
    assert not drawn["y"].isin(train["y"]).all()


def test_smote_takes_codes_from_a_patient_and_its_nearest():
    """Patients of two kinds without a common code: no synthetic one has codes of both."""
    rng = np.random.default_rng(0)
    bits = np.zeros((300, 40), np.int8)
    bits[:150, :20], bits[150:, 20:] = rng.random((150, 20)) < 0.5, rng.random((150, 20)) < 0.5
    names = [f"{'A' if j < 20 else 'B'}{j}" for j in range(40)]
    drawn = smote(long_frame(bits, np.arange(300), names), 200, 0)
    assert drawn.groupby("subject_id")["code"].agg(lambda c: c.str[0].nunique()).eq(1).all()


def test_a_neighbour_is_the_nearest_other_patient():
    from jaxehr.baselines.interpolation import _neighbours

    x = np.random.default_rng(0).normal(size=(60, 5))
    distance = ((x[:, None] - x) ** 2).sum(2) + np.diag(np.full(60, np.inf))
    found = _neighbours(x, 3)(np.arange(60))
    np.testing.assert_array_equal(np.sort(found), np.sort(distance.argsort(1)[:, :3]))


def test_the_bootstrap_copies():
    train = table(200)
    rows = lambda frame: set(map(str, frame.drop(columns="id").itertuples(index=False)))
    assert rows(bootstrap(train, 500, 0)) <= rows(train)
    assert not rows(marginals(train, 500, 0)) <= rows(train)
    held = lambda frame: set(frame.groupby("subject_id")["code"].agg("|".join))
    assert held(bootstrap(codes(), 500, 0)) <= held(codes())


def test_the_command(tmp_path, capsys):
    table(60).to_csv(tmp_path / "train.csv", index=False)
    where = ["--data", str(tmp_path / "train.csv"), "--out", str(tmp_path / "drawn.csv")]
    assert main(["baseline", "copula", *where, "-n", "40"]) == 0
    assert list(pd.read_csv(tmp_path / "drawn.csv").columns) == list(table(1).columns)
    assert main(["baseline", "copulas", *where, "-n", "40"]) == 2
    assert "did you mean copula?" in capsys.readouterr().err
