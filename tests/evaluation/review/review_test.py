"""A blinded review: nothing but its content tells a sheet's origin, and scores equal scikit-learn's and a hand's."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.data import DataError, Schema, long_frame
from jaxehr.evaluation.review.score import cohen_kappa, fleiss_kappa, score, score_review
from jaxehr.evaluation.review.sheets import review_packet


def table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient_id": rng.permutation(n) + 1000,
            "age": rng.integers(18, 95, n),
            "hdl": np.where(rng.random(n) < 0.3, np.nan, rng.normal(50, 9, n).round(1)),
            "sex": rng.choice(["f", "m"], n),
            "ward": rng.choice(["icu", "er", "rehab"], n),
            "admitted": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, n), "D"),
            "death": rng.random(n) < 0.2,
        }
    )


def disguised(frame):
    """The same patients as another program might write them."""
    rng = np.random.default_rng(1)
    other = frame.sample(frac=1, random_state=3).assign(patient_id=range(len(frame)))
    return other.assign(
        age=other["age"].astype(float),
        hdl=other["hdl"] + rng.uniform(-0.04, 0.04, len(other)),  # the same to one decimal
        ward=other["ward"].astype("category"),
        sex=" " + other["sex"].astype(object) + " ",
        admitted=other["admitted"].astype(str),
        death=other["death"].astype(int),
    )


def test_sheets_do_not_tell_how_their_file_was_written():
    """The same patients in another disguise make the same sheets, whatever their order, ids, dtypes and spelling."""
    real, n = table(), 300
    packet = review_packet(real, disguised(real), n, schema=Schema.infer(real), seed=5)
    sheets = {"real": [], "synthetic": []}
    for sheet, origin in zip(packet.sheets, packet.origins, strict=True):
        sheets[origin].append(sheet)
    assert sorted(sheets["real"]) == sorted(sheets["synthetic"])
    text = packet.to_html()
    assert "synthetic-" not in text and not re.search(r"patient.id", text.split("Sheet 1<")[1])
    assert "not recorded" in text and "nan" not in text.lower() and "None" not in text


def test_sheets_of_codes():
    bits = np.random.default_rng(0).random((60, 30)) < 0.2
    bits[:, 0] |= ~bits.any(axis=1)
    codes = [f"{'DRUG' if j % 3 else 'DIAG'}//{j:02}" for j in range(30)]
    real = long_frame(bits, np.arange(60), codes)
    other = pd.concat([real, real[:200]]).sample(
        frac=1, random_state=0
    )  # another order, lines twice
    other["subject_id"] = "synthetic-" + other["subject_id"].astype(str)
    names = {"DIAG//00": "Cholera <1>"}
    packet = review_packet(real, other, 60, schema=Schema.infer(real), names=names, seed=0)
    found = pd.Series(packet.sheets).groupby(list(packet.origins)).apply(sorted)
    assert found["real"] == found["synthetic"]
    text = packet.to_html()
    assert (
        "Cholera &lt;1&gt;" in text and text.count("<section") == 120 and "synthetic-" not in text
    )


def test_the_order_tells_nothing_and_is_not_known():
    """Origins by place: of 40 shuffles each place is real in 20 +- 4 sd; and without a seed no two are alike."""
    real = table(40)
    packets = [review_packet(real, real, 10, seed=s) for s in range(40)]
    places = np.array([[origin == "real" for origin in p.origins] for p in packets])
    assert (places.sum(axis=1) == 10).all()
    assert (abs(places.mean(axis=0) - 0.5) < 4 * 0.5 / 40**0.5).all()
    assert review_packet(real, real, 10).seed != review_packet(real, real, 10).seed


def marks(reviewers=3, sheets=80, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(sheets) < 0.5
    said = np.where(rng.random((reviewers, sheets)) < 0.7, truth, ~truth).astype(float)
    return said, truth


def test_cohens_kappa_is_scikit_learns():
    from sklearn.metrics import cohen_kappa_score

    (a, b, _), _ = marks()
    assert cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
    a[3] = np.nan  # the sheets that both answered
    there = ~np.isnan(a)
    assert cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a[there], b[there]))
    assert cohen_kappa(np.ones(5), np.ones(5)) is None


def test_fleiss_kappa_by_its_definition():
    """Over all pairs of reviewers by brute force; and for 2 with the same shares it is Scott's pi, which is Cohen's."""
    said, _ = marks(4, 50)
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    agreed = np.mean([said[i] == said[j] for i, j in pairs])
    p = said.mean()
    chance = p**2 + (1 - p) ** 2
    assert fleiss_kappa(said) == pytest.approx((agreed - chance) / (1 - chance))
    a, b = np.array([1.0, 1, 0, 0, 1, 0]), np.array([1.0, 0, 1, 0, 1, 0])
    assert fleiss_kappa(np.stack([a, b])) == pytest.approx(cohen_kappa(a, b))
    assert fleiss_kappa(np.stack([a, a, a])) == pytest.approx(1.0)


def test_the_realism_figures_by_hand():
    """Four sheets, three reviewers: all, most and one of them find realistic what a hand counts."""
    realistic = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], float)
    origin = np.array([[1, 0, 0, 1], [1, 1, 0, 1], [1, np.nan, 1, 1]])
    real = np.array([True, True, False, False])
    found = score({"realistic": realistic, "origin": origin}, real, ["a", "b", "c"])
    shares = {
        rule: (by["real"].value, by["synthetic"].value) for rule, by in found.realistic.items()
    }
    assert shares == {"all": (0.5, 0), "majority": (1, 0), "at least one": (1, 0.5)}
    assert {name: share.value for name, share in found.told.items()} == pytest.approx(
        {"a": 0.5, "b": 0.75, "c": 1 / 3, "majority": 2 / 3}  # sheet 2 is a tie
    )
    assert found.told["c"].n == 3 and found.told["majority"].n == 3
    assert found.excess["all"][0] == -0.5


def test_a_reviewer_who_guesses_is_at_chance_and_one_who_sees_is_not():
    """Of 200 reviewers who toss a coin over 100 sheets, Wilson's interval misses 50% in about 5%: below 11% but for 1
    in 5,000; one who is right in 70% is told apart."""
    rng = np.random.default_rng(0)
    real = np.arange(100) < 50
    coin = (rng.random((200, 100)) < 0.5).astype(float)
    found = score({"origin": coin, "realistic": coin}, real, [str(i) for i in range(200)])
    missed = [not share.low <= 0.5 <= share.high for share in found.told.values()]
    assert np.mean(missed) < 0.11
    sees = np.where(rng.random((1, 100)) < 0.7, real, ~real).astype(float)
    assert score({"origin": sees, "realistic": sees}, real, ["x"]).told["x"].low > 0.5


def test_the_whole_round_on_the_command_line(tmp_path, capsys):
    table().to_csv(tmp_path / "real.csv", index=False)
    table(seed=1).to_csv(tmp_path / "made.csv", index=False)
    files = ["--real", str(tmp_path / "real.csv"), "--synthetic", str(tmp_path / "made.csv")]
    out = tmp_path / "review"
    assert main(["review", *files, "-n", "12", "--out", str(out)]) == 0
    assert sorted(path.name for path in (out / "packet").iterdir()) == [
        "answers.csv",
        "patients.html",
    ]
    key = pd.read_csv(out / "key.csv")
    form = pd.read_csv(out / "packet" / "answers.csv", dtype=object)
    assert list(form["sheet"].astype(int)) == list(key["sheet"]) == list(range(1, 25))
    assert str(key["seed"][0]) not in (out / "packet" / "patients.html").read_text()

    form.iloc[:, 1], form.iloc[:, 2] = "Yes", key["origin"]
    form.to_csv(out / "answers" / "dr_a.csv", index=False)
    form.iloc[:, 2] = "real"
    # As a European Excel saves it.
    form = form.assign(remarks="früh")
    form.to_csv(out / "answers" / "dr_b.csv", index=False, sep=";", encoding="cp1252")
    assert main(["review", "--score", str(out)]) == 0
    saved = json.loads((out / "score.json").read_text())
    assert (saved["told"]["dr_a"]["value"], saved["told"]["dr_b"]["value"]) == (1.0, 0.5)
    assert saved["kappa"]["realistic"]["Fleiss, all"] is None  # everyone said yes
    assert saved["realistic"]["all"]["synthetic"]["value"] == 1.0
    assert "dr_a" in capsys.readouterr().out
    assert main(["review", *files, "-n", "12", "--out", str(out)]) == 2
    assert "holds a review already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"realistic": "maybe"}, "realistic is 'maybe'; it is to be yes or no"),
        ({"origin": "robot"}, "origin is 'robot'; it is to be real or synthetic"),
        ({"sheet": 99}, "has the sheet '99'"),
    ],
)
def test_an_answer_that_cannot_be_read_is_one_clear_line(tmp_path, changed, said):
    review_packet(table(9), table(9), 2).save(tmp_path)
    form = pd.DataFrame({"sheet": range(1, 5), "realistic": "yes", "origin": "real"}, dtype=object)
    for column, value in changed.items():
        form.loc[1, column] = value
    form.to_csv(tmp_path / "answers" / "a.csv", index=False)
    with pytest.raises(DataError, match=re.escape(said)):
        score_review(tmp_path)


def test_too_few_patients_and_other_columns_are_refused():
    with pytest.raises(DataError, match="10 synthetic patients are wanted, and there are 9"):
        review_packet(table(20), table(9), 10)
    with pytest.raises(DataError, match="the synthetic records lack \\['hdl'\\]"):
        review_packet(table(20), table(20).drop(columns="hdl"), 10)
