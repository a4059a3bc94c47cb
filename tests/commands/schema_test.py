"""jaxehr schema and help: what would be learnt is shown, written, and explained whole."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.data import Equal, Implication, Inequality, Product, Range, Schema, Sum
from jaxehr.data.dates import FIELDS
from jaxehr.data.kinds import EVENT_KINDS, KINDS


def table(path, n=200, **columns):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "patient_id": np.repeat(np.arange(n // 2), 2),
            "age": rng.integers(18, 90, n),
            "lab": np.where(rng.random(n) < 0.1, -9.0, rng.normal(5, 1, n).round(1)),
            "seen": (
                pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, n), "D")
            ).strftime("%d.%m.%Y"),
            **columns,
        }
    )
    frame.to_csv(path, index=False)
    return frame


def test_what_would_be_learnt_is_shown_and_written(tmp_path, capsys):
    frame = table(tmp_path / "data.csv")
    out = tmp_path / "schema.json"
    arguments = ["schema", "--data", str(tmp_path / "data.csv"), "--out", str(out)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "table: one row per patient, 4 columns (200 rows)" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("seen")]
    assert line.split()[1:4] == ["datetime", "str", "%d.%m.%Y"]
    assert f"{frame['age'].min()} to {frame['age'].max()}" in shown
    assert "hint: patient_id: 100 different ones in 200 rows" in shown
    assert "hint: lab: " in shown and "exactly -9" in shown
    assert Schema.load(out) == Schema.infer(pd.read_csv(tmp_path / "data.csv"))
    assert main(arguments) == 2 and "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0


def test_a_refused_fit_leaves_the_schema_to_edit(tmp_path, capsys):
    """What it names can be mended there, and is then learnt; an edited one is not written over."""
    table(tmp_path / "data.csv", ward=[f"w{i % 150}" for i in range(200)])
    fit = ["fit", "ddpm", "--data", str(tmp_path / "data.csv"), "--out", str(tmp_path / "run")]
    fit += ["--steps", "2", "--batch-size", "8", "--set", "width=(8, 8)"]
    assert main(fit) == 2
    said, draft = capsys.readouterr().err, tmp_path / "run.schema.json"
    assert "'ward' has 150 different texts" in said and str(draft) in said
    assert said.count("\n") == 1 and not (tmp_path / "run").exists()
    edited = json.loads(draft.read_text())
    assert [c["kind"] for c in edited["columns"] if c["name"] == "ward"] == ["id"]
    for column in edited["columns"]:
        if column["name"] == "ward":
            column["kind"] = "categorical"
    draft.write_text(json.dumps(edited))
    assert main(fit) == 2 and "of an earlier try" in capsys.readouterr().err
    assert json.loads(draft.read_text()) == edited
    days = np.arange(200) % 7
    table(
        tmp_path / "data.csv", day=days, again=days
    )  # without the texts it is learnt; hints are said
    assert main(fit) == 0
    said = capsys.readouterr().err
    assert "hint: patient_id: 100 different ones" in said and "%d.%m.%Y" in said
    assert "always so in these rows: again = day. To have draws keep it: jaxehr schema" in said


FIT = ["--steps", "2", "--batch-size", "8", "--set", "width=8", "--set", "blocks=1"]
REFUSED = {  # columns that `fit` refuses, and what is said of them
    "integers": {"big": np.repeat([2**53 + 1, 2**53 + 3], 100)},
    "integers apart": {"big": np.repeat([0, 2**51], 100)},
    "times": {"seen": np.repeat(["2020-01-01T00:00:00.000001", "1890-01-01T00:00:00.000002"], 100)},
    "no number": {"x": np.resize([1.5, np.inf], 200)},
    "minus zero": {"x": np.resize([-0.0, 1.0], 200)},
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_fit_refuses_is_said_before(tmp_path, capsys, what):
    """To the letter, of every column, and beside all others."""
    frame = table(tmp_path / "data.parquet", **REFUSED[what])
    frame.to_parquet(tmp_path / "data.parquet")
    data = ["--data", str(tmp_path / "data.parquet")]
    assert main(["fit", "masked", *data, "--out", str(tmp_path / "run"), *FIT]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("jaxehr: ")]
    (name,) = REFUSED[what]
    reason = line.removeprefix("jaxehr: ").partition(". The schema")[0]
    assert f"column '{name}'" in reason
    assert main(["schema", *data]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert f"cannot be learnt as it is: {reason}" in shown
    assert len([x for x in shown if x.startswith("cannot be learnt")]) == 1


def test_all_that_fit_refuses_is_said_at_once(tmp_path, capsys):
    frame = pd.DataFrame(
        {name: column for each in REFUSED.values() for name, column in each.items()}
    )
    frame.assign(age=np.arange(200) % 50).to_parquet(tmp_path / "data.parquet")
    assert main(["schema", "--data", str(tmp_path / "data.parquet")]) == 0
    said = [x for x in capsys.readouterr().out.splitlines() if x.startswith("cannot be learnt")]
    assert sorted(line.split("'")[1] for line in said) == ["big", "seen", "x"]
    frame.head(5).assign(age=range(5))[["age"]].to_csv(tmp_path / "few.csv", index=False)
    assert main(["schema", "--data", str(tmp_path / "few.csv")]) == 0
    assert "there are 5 rows and min_patients is 11" in capsys.readouterr().out
    frame.assign(age=np.arange(200) % 50)[["age"]].to_csv(tmp_path / "well.csv", index=False)
    assert main(["schema", "--data", str(tmp_path / "well.csv")]) == 0
    assert "cannot be learnt" not in capsys.readouterr().out


def test_a_wide_table_is_shortened_but_not_by_schema(tmp_path, capsys, caplog):
    """The first columns and the last, and how many of each kind there are between; a file and `schema` have all."""
    rng, n = np.random.default_rng(0), 40
    words = {f"lab_{i}": np.where(np.arange(n) < 12, "?", rng.integers(0, 9, n)) for i in range(90)}
    frame = pd.DataFrame({**words, "sex": ["f", "m"] * 20})
    frame.to_csv(tmp_path / "wide.csv", index=False)
    read = ["--data", str(tmp_path / "wide.csv"), "--missing", "?"]
    out = ["--out", str(tmp_path / "schema.json")]
    assert main(["schema", *read, *out]) == 0
    assert sum(line.startswith("lab_") for line in capsys.readouterr().out.splitlines()) == 90
    assert sum("read as missing: '?'" in line for line in caplog.messages) == 90

    schema = Schema.load(tmp_path / "schema.json")
    assert len(schema.columns) == 91
    lines = str(schema).splitlines()
    assert sum(line.startswith("  lab_") for line in lines) == 24
    assert lines[21] == "  ... 66 more: 66 integer" and lines[26].split()[0] == "sex"

    caplog.clear()
    baseline = ["baseline", "marginals", *read, "-n", "3", "--out", str(tmp_path / "drawn.csv")]
    assert main(baseline) == 0
    assert sum("read as missing: '?'" in line for line in caplog.messages) == 20
    said = capsys.readouterr().err
    assert "and 70 more lines such as column '...': read as missing: ..." in said
    wrong = [
        "evaluate",
        "--real",
        str(tmp_path / "wide.csv"),
        "--synthetic",
        str(tmp_path / "drawn.csv"),
    ]
    assert main([*wrong, "--missing", "?", "--label", "lab_9o", "--out", str(tmp_path / "r")]) == 2
    assert re.search(
        r"'lab_9o' must be a column .*\(lab_9, .* and 79 more\)", capsys.readouterr().err
    )


def test_help_names_every_key_kind_and_word_of_a_format(capsys):
    assert main(["help", "schema"]) == 0
    page = capsys.readouterr().out
    frame = pd.DataFrame({"a": ["01.02.2020", "03.04.2021"], "b": [1, 2]}).assign(
        c=[1, 2], d=[2, 3]
    )
    laws = (Range("a", "2020-01-01"), Inequality("a", "a"), Product("b", ("c",), ("d",)))
    laws += (Equal("b", "c"), Sum("b", ("c", "d")), Implication({"b": 1}, {"c": None}))
    value = Schema(Schema.infer(frame).columns, (), laws, ("?",)).to_json()
    keys = {*value, *value["columns"][0], *(key for law in value["constraints"] for key in law)}
    kinds = {*KINDS, *EVENT_KINDS, *(law.kind for law in laws)}
    text = page[page.index("\n\nversion") :]
    heads = {word for pair in re.findall(r"^ *(\w+)  |`(\w+)`", text, re.M) for word in pair}
    assert keys <= heads and kinds | set(KINDS) <= set(re.findall(r"\w+", text))
    for word in set(FIELDS) - {f"%{n}f" for n in (2, 4, 5, 6, 7, 8)}:
        assert word in page, word
    example = page[page.index("{") : page.index("\n\nversion")]
    assert Schema.from_json(json.loads(example)).constraints[1].column == "age"
