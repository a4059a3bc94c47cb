"""Clinical rules: planted violations are found at their rate, real records' own is taken off, small counts hide."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from jaxehr.data import DataError
from jaxehr.evaluation.measures.proportions import newcombe, wilson
from jaxehr.evaluation.rules.rule_file import read_rules, starter_rules
from jaxehr.evaluation.rules.rules import excesses, rates


def rules(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return read_rules(path)


def table(n=1000, broken=0, **columns):
    """Men and women by turns; the first `broken` men are pregnant."""
    sex = np.where(np.arange(n) % 2 == 0, "male", "female")
    pregnant = (np.arange(n) < 2 * broken) & (sex == "male")
    return pd.DataFrame({"Sex": sex, "pregnant": pregnant, "sbp": 120.0, "dbp": 70.0, **columns})


PREGNANT = """
[columns]
gender = ["sex"]
[[rule]]
name = "no pregnancy in men"
who = { gender = "MALE" }
never = { pregnant = true }
"""


def test_a_planted_violation_is_found_at_its_rate(tmp_path):
    mine = rules(tmp_path, PREGNANT)
    (found,), notes = excesses(mine, table(broken=50), table(broken=150), table(broken=60))
    assert (found.real.rate, found.synthetic.rate, found.n) == (0.1, 0.3, 500)
    assert found.value == pytest.approx(0.2) and found.floor == pytest.approx(0.02)
    assert found.low < 0.2 < found.high and found.low > 0.1
    assert notes == ()


def test_no_count_below_11_is_told(tmp_path):
    """1, 5 and 10 broken look alike, as do 490, 495 and 500 of 500; 11 is told."""
    mine = rules(tmp_path, PREGNANT)
    few = [rates(mine, table(broken=k))["no pregnancy in men"] for k in (0, 1, 5, 10)]
    assert len({str(rate) for rate in few}) == 1 and few[0].bound == "at most"
    many = [rates(mine, table(broken=k))["no pregnancy in men"] for k in (490, 495, 500)]
    assert len({str(rate) for rate in many}) == 1 and many[0].bound == "at least"
    told = rates(mine, table(broken=11))["no pregnancy in men"]
    assert told.bound == "" and told.patients == 11
    assert rates(mine, table(n=42))["no pregnancy in men"] is None
    ((found,), _) = excesses(mine, table(), table(n=42))
    assert found.value is None and "fewer than 22 synthetic patients" in str(found)
    few, none = (excesses(mine, table(broken=3), table(n=300, broken=k))[0][0] for k in (7, 0))
    assert few == none and few.value == 0 and few.low < -10 / 500 and few.high > 10 / 150


def test_every_way_to_ask_against_pandas(tmp_path):
    rng = np.random.default_rng(0)
    n = 4000
    frame = pd.DataFrame(
        {
            "age": rng.integers(0, 100, n),
            "ward": rng.choice(["ICU", "er", "[60-70)"], n),
            "low": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "high": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "came": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, n), unit="D"),
            "left": (
                pd.Timestamp("2020-02-01") + pd.to_timedelta(rng.integers(0, 99, n), unit="D")
            ).strftime("%Y-%m-%d"),
            "flag": rng.random(n) < 0.3,
        }
    )
    asked = {
        'always = { age = "18 to 65" }': (frame["age"] >= 0, ~frame["age"].between(18, 65)),
        'always = { low = "<= high" }': (
            frame[["low", "high"]].notna().all(axis=1),
            frame["low"] > frame["high"],
        ),
        'always = { came = "< left" }': (
            frame["age"] >= 0,
            frame["came"] >= frame["left"].astype("datetime64[ns]"),
        ),
        'who = { age = ">= 18", ward = "i*" }\nnever = { flag = true }': (
            (frame["age"] >= 18) & (frame["ward"] == "ICU"),
            frame["flag"],
        ),
        'never = { ward = ["er", "[60-70)"], low = "> 0" }': (
            frame["low"].notna(),
            frame["ward"].isin(["er", "[60-70)"]) & (frame["low"] > 0),
        ),
    }
    for text, (concerned, broken) in asked.items():
        rate = rates(rules(tmp_path, f'[[rule]]\nname = "r"\n{text}'), frame)["r"]
        assert rate.n == concerned.sum(), text
        assert rate.rate == pytest.approx(broken[concerned].mean()), text


CODES = """
[vocabularies]
ICD9 = ["DIAG//", "ICD9CM/"]
DRUG = ["DRUG//"]
[codes]
pregnancy = ["ICD9 630-679", "ICD9 V22-V24"]
prostate = ["ICD9 185"]
insulin = ["DRUG *insulin*"]
diabetes = ["ICD9 250"]
death = ["MEDS_DEATH"]
[[rule]]
name = "not both"
who = { code = "pregnancy" }
never = { code = "prostate" }
[[rule]]
name = "indication"
who = { code = "insulin" }
always = { code = "diabetes" }
"""


def long(*patients):
    return pd.DataFrame(
        [(i, code) for i, codes in enumerate(patients) for code in codes],
        columns=["subject_id", "code"],
    )


def test_rules_on_codes(tmp_path):
    mine = rules(tmp_path, CODES)
    frame = long(
        *[("DIAG//650", "DIAG//401")] * 30,
        *[("DIAG//V23", "ICD9CM/185.0")] * 20,
        *[("DRUG//insulin glargine", "DIAG//250.02")] * 60,
        *[("DRUG//insulin", "DIAG//25")] * 40,
        *[("DIAG//680", "DIAG//185")] * 50,
    )
    found = rates(mine, frame)
    assert found["not both"].n == 50 and found["not both"].rate == pytest.approx(0.4)
    assert found["indication"].n == 100 and found["indication"].rate == pytest.approx(0.4)
    shuffled = frame.sample(frac=1, random_state=0)
    assert rates(mine, shuffled) == found


def test_nothing_after_death(tmp_path):
    mine = rules(tmp_path, CODES + '[[rule]]\nname = "after"\nnothing_after = "death"\n')
    late = np.arange(100) < 30  # of 100 who died, 30 have an event a day later; 50 did not die
    rows = [(i, "MEDS_DEATH", "2020-05-01") for i in range(100)]
    rows += [(i, "DIAG//401", "2020-05-02" if late[i] else "2020-05-01") for i in range(100)]
    rows += [(100 + i, "DIAG//401", "2021-01-01") for i in range(50)]
    frame = pd.DataFrame(rows, columns=["subject_id", "code", "time"])
    assert rates(mine, frame)["after"] == pytest.approx(rates(mine, frame[::-1])["after"])
    assert (rates(mine, frame)["after"].rate, rates(mine, frame)["after"].n) == (0.3, 100)


def test_sex_may_stand_beside_the_codes():
    frame = long(*[("DIAG//650", "DIAG//401")] * 60)
    frame["sex"] = np.where(frame["subject_id"] < 45, "F", "M")
    found = rates(starter_rules("codes"), frame)
    assert found["no pregnancy in men"] is None  # 15 men: too few to say
    frame["sex"] = np.where(frame["subject_id"] < 30, "F", "M")
    assert found.keys() == rates(starter_rules("codes"), frame).keys()
    assert rates(starter_rules("codes"), frame)["no pregnancy in men"].bound == "at least"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[rule]]\nname = "r"\nnever = { pregnent = true }', "names the column 'pregnent'"),
        ('[[rule]]\nname = "r"\nnever = { sbp = "> map" }', "names the column 'map'"),
        ('[[rule]]\nname = "r"\nnever = { Sex = "> 3" }', "neither number nor date"),
        ('[[rule]]\nname = "r"\nnothing_after = "x"', "no group of \\[codes\\]"),
        ('[[rule]]\nname = "r"\nalways = { code = "x" }', "no group of \\[codes\\]"),
        ('[[rule]]\nname = "r"\nwho = { Sex = "m" }', "it says none of them"),
        ('[[rule]]\nname = "r"\nalways = { sbp = "3 to 2" }', "which nothing can be"),
        ('[[rule]]\nname = "r"\nalways = { sbp = "1.2.3 to 4" }', "which nothing can be"),
        ('[[rule]]\nname = "r"\nnever = "sbp == 3"', "says never = 'sbp == 3'"),
        ('[[rule]]\nname = "r"\nnothing_after = ["x"]', "no group of \\[codes\\]"),
        ('rule = "never"', "begin each rule with"),
        ('codes = ["x"]\n[[rule]]\nname = "r"\nnever = { sbp = 3 }', "names with values"),
        ('[[rule]]\nname = "r"\nallways = { sbp = 3 }', "says 'allways'"),
        ('[[rule]]\nname = "r"\nnever = { sbp = 3 }\n' * 2, "two rules named 'r'"),
        ("[[rule]]\nnever = { sbp = 3 }", "has no name"),
        ('[rules]\nname = "r"', "has \\[rules\\]"),
        ("", "has no"),
        ("[[rule", "is not TOML"),
    ],
)
def test_a_rule_that_cannot_be_asked_is_one_clear_line(tmp_path, text, said):
    with pytest.raises(DataError, match=said) as caught:
        rates(rules(tmp_path, text), table())
    assert "\n" not in str(caught.value)


def test_the_starter_set_says_what_it_skips():
    judged, notes = excesses(starter_rules("labs"), table(), table())
    assert "systolic pressure is above diastolic" in {each.rule for each in judged}
    assert "speak of columns that these records do not have" in notes[0]
    strange = table(sbp=1000.0, age="[70-80)")
    found = {each.rule: each for each in excesses(starter_rules("labs"), strange, table())[0]}
    pressure = found["systolic pressure, mmHg: 20 to 375"]
    assert "another unit" in pressure.said and pressure.value < -0.9
    assert "age, years: 0 to 120" not in found


def test_intervals_hold_their_level():
    """Wilson and Newcombe hold 95% over the binomial law itself, not a sample: between .92 and .98 at these shares."""
    n, m, p, q = 60, 80, 0.15, 0.1
    weight = np.outer(binom.pmf(range(n + 1), n, p), binom.pmf(range(m + 1), m, q))
    one = [wilson(k, n) for k in range(n + 1)]
    held = sum(w for w, (low, high) in zip(weight.sum(1), one, strict=True) if low <= p <= high)
    assert 0.92 < held < 0.98
    both = [
        weight[k, j]
        for k in range(n + 1)
        for j in range(m + 1)
        if weight[k, j] > 1e-9 and newcombe(k, n, j, m)[0] <= p - q <= newcombe(k, n, j, m)[1]
    ]
    assert 0.92 < sum(both) < 0.98
