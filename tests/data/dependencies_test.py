"""What is planted in a table is found, and nothing in columns that have nothing to do with each other."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.data import Equal, Implication, Inequality, Product, Schema, Sum, dependencies
from jaxehr.data.dependencies.dependency import ALPHA, holds


def independent(n, seed, columns=8):
    """Normal, skewed, counted, with gaps, dates, flags and categories, each drawn by itself."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2020-01-01")
    frame = {}
    for i in range(columns // 2):
        frame[f"x{i}"] = rng.normal(50 + 9 * i, 12, n).round(1)
        frame[f"count{i}"] = rng.poisson(1 + i, n)
        frame[f"flag{i}"] = rng.random(n) < 0.1 + 0.2 * i
        frame[f"class{i}"] = rng.choice(list("abcdefgh")[: 2 + i], n)
        frame[f"lab{i}"] = np.where(rng.random(n) < 0.3, np.nan, rng.gamma(2, 9, n).round())
    frame["seen"] = start + pd.to_timedelta(rng.integers(0, 300, n), "D")
    return pd.DataFrame(frame)


def planted(n=600):
    rng = np.random.default_rng(1)
    frame = independent(n, 0)
    days = rng.integers(0, 30, n)
    frame["left"] = frame["seen"] + pd.to_timedelta(days, "D")
    frame["stay"] = days
    frame["copy"] = frame["lab1"]
    frame["all"] = (frame["x0"] + frame["x1"] + frame["x3"]).round(1)
    frame["kg"], frame["m"] = rng.normal(75, 12, n).round(1), rng.normal(1.7, 0.1, n).round(2)
    frame["bmi"] = (frame["kg"] / frame["m"] ** 2).round(1)
    frame["most"] = frame["x2"] + rng.exponential(9, n).round(1)
    frame["smoker"] = rng.choice(["never", "once", "now"], n)
    frame["packs"] = np.where(frame["smoker"] == "never", 0, rng.integers(1, 40, n))
    frame["code"] = rng.choice([f"c{i}" for i in range(12)], n)
    frame["group"] = frame["code"].map(lambda code: f"group {int(code[1:]) % 3}")
    for name in ("sbp", "dbp"):
        frame[name] = rng.normal(100, 20, n).round()
    gaps = rng.random(n) < 0.2
    frame.loc[gaps, ["sbp", "dbp"]] = np.nan
    return frame


def of(frame):
    return dependencies(frame, Schema.infer(frame))


def test_what_is_planted_is_found_and_nothing_else():
    """The rest is independent: 1 such table in 100 shows something more."""
    frame = planted()
    found = of(frame)
    laws = [law for each in found for law in each.laws]
    assert {law for law in laws if not isinstance(law, Implication)} == {
        Equal("copy", "lab1"),
        Sum("left", ("seen", "stay")),
        Sum("all", ("x0", "x1", "x3")),
        Product("bmi", ("kg",), ("m", "m"), 1.0, 0.051),
        Inequality("x2", "most"),
    }
    said = {each.said for each in found}
    assert "smoker = never <=> packs = 0" in said or "packs = 0 <=> smoker = never" in said
    assert "sbp, dbp are missing together, or none is" in said
    assert any(each.startswith("code determines group (12 values, 3)") for each in said)
    assert len(found) == 8
    schema = replace(Schema.infer(frame), constraints=tuple(laws))
    assert not schema.broken(frame).any() and all(each.always for each in found)
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    copy = next(each for each in found if each.laws == (Equal("copy", "lab1"),))
    assert copy.held == copy.of == frame["lab1"].notna().sum()
    # The chance is that of the product of the marginals, here by its definition.
    shares = frame["lab1"].value_counts(normalize=True)
    assert copy.chance == pytest.approx((shares**2).sum())


def test_nothing_is_found_where_nothing_is():
    """The probability that a table of independent columns shows anything is 0.01 at most, and so 0.1 for ten."""
    assert [str(each) for seed in range(10) for each in of(independent(300, seed))] == []


def test_a_law_is_found_by_the_binomial_tail_times_the_number_of_tests():
    """On all of n patients, by chance on a share of 0.9 each: with the probability 0.9^n."""
    for n, tests in ((109, 1), (112, 1), (112, 1000), (150, 1000), (150, 100_000)):
        enough = 0.1 * n >= 11 and tests * 0.9**n <= ALPHA
        assert holds([n], [n], [0.9], tests).tolist() == [enough], (n, tests)
    # A tenth of those who would break it may, and no more.
    assert holds([1981, 1979], [2000, 2000], [0.9, 0.9], 10).tolist() == [True, False]


@pytest.mark.parametrize(("n", "shown"), [(10, False), (40, True)])
def test_what_fewer_than_eleven_patients_have_is_not_told(n, shown):
    frame = independent(500, 3)
    frame["ward"], frame["died"] = "a", np.arange(500) % 2 == 0
    frame.loc[np.arange(n) * 2, "ward"] = "b"
    frame.loc[::5, "ward"] = frame["ward"].where(frame["ward"] == "b", "c")
    said = [each.said for each in of(frame)]
    assert ("ward = b => died = True" in said) == shown


def test_no_value_is_named_that_fewer_than_eleven_patients_have():
    """Of codes some are rare: these say nothing, be it that they do determine the group."""
    rng = np.random.default_rng(8)
    frame = independent(700, 7, columns=2).assign(code=rng.geometric(0.2, 700).astype(str))
    frame["group"] = np.where(frame["code"].astype(int) % 3 == 0, "a", "b")
    frame["sick"] = frame["code"].isin(["2", "5", "30"]) | (rng.random(700) < 0.3)
    counts = frame["code"].value_counts()
    assert (counts < 11).sum() > 5
    found = of(frame)
    assert any(each.said.startswith("code determines group") for each in found)
    assert any("sick = True" in each.said for each in found)
    for law in (law for each in found for law in each.laws):
        values = {**law.when, **law.then}.get("code", [])
        assert (counts[[values] if isinstance(values, str) else values] >= 11).all(), law


@pytest.mark.parametrize("odd", [0, 3, 20])
def test_how_many_fewer_than_eleven_are_is_not_told(odd):
    """A law that some break is told with its share, or 'all but fewer than 11', and is asked of draws in this case."""
    frame = independent(3000, 4)[["x0", "x1"]]
    frame["total"] = frame["x0"] + frame["x1"]
    frame.loc[: odd - 1, "total"] = frame["total"] + 7.5
    (found,) = [each for each in of(frame) if isinstance(each.laws[0], Sum)]
    assert found.held == 3000 - odd
    expected = {
        0: "in all 3,000 patients",
        3: "in all but fewer than 11 of",
        20: "in 99.3% of 3,000",
    }
    assert expected[odd] in str(found)
    assert found.always == (odd < 11) and "2,997" not in str(found)


def test_the_most_telling_comes_first_and_what_follows_is_left_out():
    """a <= b <= c say that a <= c; of a sum of what is never negative each part is below the total."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.integers(0, 50, 800)})
    frame["b"] = frame["a"] + rng.integers(0, 30, 800)
    frame["c"] = frame["b"] + rng.integers(0, 30, 800)
    frame["d"], frame["e"] = rng.integers(1, 90, 800), rng.integers(1, 50, 800)
    frame["f"] = frame["d"] + frame["e"]
    frame["sick"] = rng.random(800) < 0.5
    frame["drug"] = np.where(frame["sick"], rng.choice(["low", "high", "none"], 800), "none")
    found = of(frame)
    assert [each.telling for each in found] == sorted((e.telling for e in found), reverse=True)
    # That who has a drug is sick says the same.
    assert [each.said for each in found if "<=" not in each.said] == [
        "f = d + e",
        "sick = False => drug = none",
    ]
    orders = {each.said for each in found if "<=" in each.said}
    assert {"a <= b", "b <= c"} <= orders and not {"a <= c", "d <= f", "e <= f"} & orders


ODD = {
    "one row": {"a": [1]},
    "one value": {"a": [1] * 30, "b": ["x"] * 30},
    "no value": {"a": [np.nan] * 30, "b": np.arange(30) * 0.7},
    "mostly 0": {"a": [0] * 60 + [1, 2, 3, 5] * 5, "b": [0] * 40 + [1, 2] * 20, "c": [0, 1] * 40},
    "too large": {"a": [1e300, -1e300, 1.5] * 20, "b": [np.inf, 2, 0.5, 3] * 15},
}


@pytest.mark.parametrize("what", ODD)
def test_a_table_of_which_there_is_nothing_to_say(what):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = pd.DataFrame(ODD[what])
        assert not dependencies(frame, Schema.draft(frame)[0])


def test_classes_of_a_number_are_told_by_where_they_begin():
    """Three who are in another class are no reason to leave it; the ends are no patient's own numbers."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"age": rng.integers(18, 95, 900), "egfr": rng.normal(70, 20, 900)})
    frame["group"] = np.select([frame["age"] < 40, frame["age"] < 65], ["young", "middle"], "old")
    frame["kidney"] = np.select([frame["egfr"].isna(), frame["egfr"] < 60], [0, 1], 0)
    frame.loc[:2, "kidney"] = 1 - frame.loc[:2, "kidney"]
    found = {each.said: each for each in of(frame)}
    assert set(found) == {
        "age determines group (another value from 40, 65 on)",
        "egfr determines kidney (another value from 60 on)",
    }
    by_age, by_egfr = found.values()
    assert by_age.laws == (
        Implication({"age": {"high": 39}}, {"group": "young"}),
        Implication({"age": {"low": 40, "high": 64}}, {"group": "middle"}),
        Implication({"age": {"low": 65}}, {"group": "old"}),
    )
    assert by_age.held == 900 and by_egfr.held == 897 and by_egfr.always
    ends = [end for law in by_egfr.laws for value in law.when.values() for end in value.values()]
    assert not frame["egfr"].isin(ends).any()
    assert not any(law.broken(frame, {}).any() for law in by_age.laws)
    assert sum(law.broken(frame, {}).sum() for law in by_egfr.laws) == 3


CONSTRAINTS = [
    ({"kind": "implication", "when": {"a": {"low": "1"}}, "then": {"b": 2}}, "a range is"),
    (
        {"kind": "implication", "when": {"c": {"low": 1}}, "then": {"b": 2}},
        "categorical, no number",
    ),
    ({"kind": "equal", "column": "a", "source": "a"}, "needs two columns of numbers, of dates"),
    ({"kind": "equal", "column": "a", "source": "c"}, "needs two columns of numbers, of dates"),
    ({"kind": "equal", "column": "a", "source": "z"}, "'z' is none of the schema's"),
    ({"kind": "sum", "total": "a", "parts": ["b"]}, "two parts or more"),
    ({"kind": "sum", "total": "a", "parts": ["b", "day"]}, "a date is the sum of one date"),
    ({"kind": "sum", "total": "a", "parts": "b"}, "not a constraint"),
    ({"kind": "sum", "total": "a", "parts": ["b", "d"], "within": -1}, "it is 0 or a number above"),
    ({"kind": "product", "column": "a", "factors": ["a"]}, "none that is the column itself"),
    ({"kind": "product", "column": "a", "factors": ["b"], "times": 0}, "it is a number, not 0"),
    ({"kind": "product", "column": "a", "factors": ["c"]}, "needs columns of numbers"),
    ({"kind": "implication", "when": {"a": 1}, "then": {"a": 2}}, "needs columns in 'when'"),
    ({"kind": "implication", "when": {"a": "1"}, "then": {"b": 2}}, "'1'; a value is a number"),
    ({"kind": "implication", "when": ["a"], "then": {"b": 2}}, "not a constraint"),
    ({"kind": "implication", "when": {"day": "2020"}, "then": {"b": 2}}, "of a date it is null"),
    ({"kind": "inequalty", "low": "a", "high": "b"}, '{"kind": "sum", "total": COLUMN'),
]


@pytest.mark.parametrize(("constraint", "said"), CONSTRAINTS)
def test_a_constraint_that_cannot_be_is_refused_in_one_line(constraint, said):
    day = pd.Timestamp("2020-01-01")
    frame = pd.DataFrame({"a": [1, 2], "b": [1, 3], "c": ["x", "y"], "d": [2, 3], "day": [day] * 2})
    value = {**Schema.infer(frame).to_json(), "constraints": [constraint]}
    with pytest.raises(ValueError, match=r".") as refused:
        Schema.from_json(value)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_constraint_is_about_rows_that_have_all_of_it():
    nan = np.nan
    frame = pd.DataFrame(
        {
            "a": [0.3, nan, 0.4, 1],
            "b": [0.1, 1, 0.1, 0],
            "c": [0.2, 1, 0.2, 1],
            "s": [*list("xyx"), None],
        }
    )
    frame["t"] = [*list("xzx"), None]
    columns = {c.name: c for c in Schema.infer(frame).columns}
    for law, broken in [
        (Sum("a", ("b", "c")), [False, False, True, False]),
        (Product("c", ("b",), times=2), [False, True, False, True]),
        (Product("b", ("c",), ("b",)), [True, False, True, False]),  # 1 / 0 is no value
        (Equal("t", "s"), [False, True, False, False]),
        (Implication({"s": "x"}, {"a": [0.3, None]}), [False, False, True, False]),
        (Implication({"s": None}, {"t": None, "b": 0}), [False] * 4),
        (Implication({"a": None}, {"t": "y"}), [False, True, False, False]),
    ]:
        assert law.broken(frame, columns).tolist() == broken, law


def test_the_schema_has_what_is_found_and_chosen(tmp_path, capsys):
    frame = planted()
    frame["left"] = frame["left"].astype("str")
    data, out = tmp_path / "data.csv", tmp_path / "schema.json"
    frame.to_csv(data, index=False)
    arguments = ["schema", "--data", str(data), "--overwrite"]
    assert main([*arguments, "--out", str(out)]) == 0 and not Schema.load(out).constraints
    shown = capsys.readouterr().out
    (number,) = [line.split()[0] for line in shown.splitlines() if "copy = lab1: in all" in line]
    assert main([*arguments, "--out", str(out), "--constraints", number]) == 0
    assert Schema.load(out).constraints == (Equal("copy", "lab1"),)
    assert "always copy = lab1" in str(Schema.load(out))
    assert main([*arguments, "--out", str(out), "--constraints", "found"]) == 0
    assert len(Schema.load(out).constraints) == sum(len(each.laws) for each in of(frame))
    capsys.readouterr()
    for wrong, said in [
        ("99", "the numbers 1 to 8"),
        ("all", "numbers of what"),
        ("3-", "got '3-'"),
    ]:
        assert main([*arguments, "--out", str(tmp_path / "new.json"), "--constraints", wrong]) == 2
        (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("jaxehr: ")]
        assert said in line and not (tmp_path / "new.json").exists()
    assert main([*arguments, "--constraints", "found"]) == 2
    assert "give --out schema.json" in capsys.readouterr().err
