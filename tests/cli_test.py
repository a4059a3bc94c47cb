"""The command line, as a person types it: the whole round, and every mistake with one line and exit code 2."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from jaxehr.cli import main
from jaxehr.data import read_records

RULES = """
[[rule]]
name = "no one below 30"
always = { age = "30 to 120" }
"""
SMALL = ["--set", "width=(16, 16)", "--set", "time_width=8", "--batch-size", "32", "--steps", "30"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A table, a file of codes, and a run of each."""
    folder = tmp_path_factory.mktemp("cli")
    rows = range(120)
    table = pd.DataFrame(
        {
            "age": [20 + i % 60 for i in rows],
            "sex": ["fm"[i % 2] for i in rows],
            "lab": [None if i % 5 == 0 else i / 8 for i in rows],
            "death": [i % 7 == 0 for i in rows],
        }
    )
    table.to_csv(folder / "table.csv", index=False)
    table.iloc[::-1].to_csv(folder / "holdout.csv", index=False)
    codes = [(i, f"C{j}") for i in range(80) for j in range(6) if (i + j) % (j + 2) == 0 or j == 0]
    pd.DataFrame(codes, columns=["subject_id", "code"]).to_csv(folder / "codes.csv.gz", index=False)
    for kind in ("table.csv", "codes.csv.gz"):
        run = str(folder / kind.split(".")[0])
        assert main(["fit", "ehrdiff", "--data", str(folder / kind), "--out", run, *SMALL]) == 0
    return folder


def refused(capsys, *arguments):
    """The one line of a command that fails."""
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("jaxehr: ")
    return lines[-1] if len(lines) == 1 else "\n".join(lines)


def test_a_table_there_and_back(home, capsys):
    out = home / "synthetic.csv"
    command = ["sample", str(home / "table"), "-n", "40", "--out", str(out), "--batch-size", "16"]
    assert main(command) == 0
    drawn, real = read_records(out), read_records(home / "table.csv")
    assert len(drawn) == 40 and list(drawn.columns) == list(real.columns)
    files = ["--real", home / "table.csv", "--synthetic", out, "--holdout", home / "holdout.csv"]
    report = home / "report"
    command = [
        "evaluate",
        *files,
        "--label",
        "death",
        "--out",
        report,
        "--schema",
        home / "table" / "schema.json",
    ]
    assert main([str(a) for a in command]) == 0
    names = {m["name"] for m in json.loads((report / "report.json").read_text())["metrics"]}
    assert names >= {
        "shape_error",
        "trend_error",
        "detection_auc",
        "tstr_auroc",
        "trtr_auroc",
        "share_closer_to_train",
        "exact_copies_excess",
    }
    (home / "rules.toml").write_text(RULES)
    command = [
        "evaluate",
        *files,
        "--only",
        "clinical",
        "--rules",
        home / "rules.toml",
        "--run",
        home / "table",
        "--overwrite",
        "--out",
        report,
    ]
    assert main([str(a) for a in command]) == 0
    assert "no one below 30" in (report / "report.html").read_text()
    run = json.loads((home / "table" / "run.json").read_text())
    said = json.loads((report / "report.json").read_text())["config"]
    assert (said["recipe"], said["steps"]) == (run["recipe"], run["settings"]["steps"])
    assert said["trained with jaxehr"] == run["jaxehr"] and len(said["on"]) == len("2026-01-31")
    two = ["--compare", f"a={out}", f"b={home / 'table.csv'}", "--only", "fidelity,fairness"]
    command = ["evaluate", *files[:2], *two, "--by", "sex", "--out", home / "two"]
    assert main([str(a) for a in command]) == 0
    assert (home / "two" / "comparison.tex").exists()
    assert "| metric | a | b |" in capsys.readouterr().out


def test_codes_with_another_sampler(home, capsys):
    out = home / "synthetic.parquet"
    sample = [
        "sample",
        str(home / "codes"),
        "-n",
        "30",
        "--batch-size",
        "32",
        "--out",
        str(out),
        "--set",
        "posterior_sigma=0.5",
    ]
    assert main([*sample, "--sampler", "euler", "--nfe", "12"]) == 0
    assert "12 evaluations" in capsys.readouterr().err
    assert read_records(out)["subject_id"].nunique() == 30


def test_a_sampler_that_cannot_promise_its_evaluations(home, capsys):
    sample = ["sample", str(home / "codes"), "-n", "30", "--out", str(home / "never.csv")]
    assert main([*sample, "--sampler", "picard", "--nfe", "40"]) == 2
    assert "it stops when its error is small; leave --nfe out" in capsys.readouterr().err
    assert main([*sample, "--sampler", "bosh3", "--nfe", "3"]) == 2
    assert "--nfe must be at least 5 for bosh3; got 3" in capsys.readouterr().err
    assert not (home / "never.csv").exists()


def test_another_recipe_and_the_samplers_of_every_kind(home, capsys):
    run = home / "ddpm"
    fit = ["fit", "ddpm", "--data", str(home / "codes.csv.gz"), "--out", str(run)]
    small = ["--steps", "150", "--batch-size", "64", "--set", "width=(32,)", "--set"]
    assert main([*fit, *small, "learning_rate=3e-3", "--set", "timesteps=50"]) == 0
    ways = [[], ["--nfe", "20"], ["--sampler", "unipc", "--nfe", "10"], ["--sampler", "picard"],
            ["--sampler", "langevin", "--nfe", "30"]]  # fmt: skip
    for i, way in enumerate(ways):
        out = home / f"ddpm_{i}.csv"
        sample = ["sample", str(run), "-n", "20", "--batch-size", "32", "--out", str(out)]
        assert main([*sample, *way]) == 0
        assert read_records(out)["subject_id"].nunique() == 20
    assert "20 evaluations in 20 steps of ancestral" in capsys.readouterr().err


def test_the_samplers_are_listed(capsys):
    assert main(["samplers"]) == 0
    out = capsys.readouterr().out
    assert "triangular_anderson" in out and "dpmpp_2m_sde" in out


def test_min_patients_says_what_it_drops(home, caplog):
    fit = ["fit", "ehrdiff", "--data", str(home / "codes.csv.gz"), "--out", str(home / "common")]
    assert main([*fit, "--min-patients", "20", *SMALL]) == 0
    assert "dropped 3 codes with fewer than 20 patients" in caplog.text
    kept = json.loads((home / "common" / "codec.json").read_text())["parts"]["codes"]
    assert len(kept["codes"]) == 3


def test_resume_needs_no_settings_again(home):
    run = str(home / "again")
    fit = ["fit", "ehrdiff", "--data", str(home / "table.csv"), "--out", run]
    assert main([*fit, *SMALL]) == 0
    assert main([*fit, "--resume"]) == 0


def test_recipes_and_help_teach(capsys):
    assert main(["recipes"]) == 0
    text = capsys.readouterr().out
    assert "ehrdiff" in text and "learning_rate=0.0003" in text and "posterior_sigma" in text
    done = subprocess.run(
        [sys.executable, "-m", "jaxehr", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "jaxehr sample" in done.stdout


MISTAKES = {  # what is typed after fit, and what is said
    "no file": (["ehrdiff", "--data", "nowhere.csv"], "no such file: nowhere.csv"),
    "not a table": (
        ["ehrdiff", "--data", "table"],
        "table has no folder data/; a MEDS dataset has",
    ),
    "empty": (["ehrdiff", "--data", "empty.csv"], "is empty"),
    "only a header": (["ehrdiff", "--data", "header.csv"], "has no rows"),
    "no values": (["ehrdiff", "--data", "gap.csv"], "no column has more than one value"),
    "named twice": (["ehrdiff", "--data", "twice.csv"], "'age' appears more than once"),
    "recipe": (["ehrdif", "--data", "table.csv"], "did you mean ehrdiff?"),
    "setting": (["ehrdiff", "--data", "table.csv", "--set", "stepz=3"], "did you mean steps?"),
    "value": (["ehrdiff", "--data", "table.csv", "--set", "rho=big"], "rho takes float; got 'big'"),
    "no equals": (["ehrdiff", "--data", "table.csv", "--set", "rho"], "takes name=value"),
    "steps": (
        ["ehrdiff", "--data", "table.csv", "--steps", "0"],
        "steps must be at least 1; got 0",
    ),
    "no label": (
        ["masked", "--data", "table.csv", "--label", "sex"],
        "has no label (recipes that have one: tabddpm, meddiff); masked learns every column alike, and draws "
        "under any: fit it without one, and sample --given sex=VALUE",
    ),
    "no label by a setting": (
        ["gan", "--data", "table.csv", "--set", "label=sex"],
        "gan has no label",
    ),
    "schema": (
        ["ehrdiff", "--data", "holdout.csv", "--schema", "other.json"],
        "no column 'weight', which the schema names",
    ),
    "no schema": (["ehrdiff", "--data", "table.csv", "--schema", "no.json"], "no such schema file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_fit(home, capsys, monkeypatch, mistake):
    arguments, said = MISTAKES[mistake]
    monkeypatch.chdir(home)
    (home / "empty.csv").write_text("")
    (home / "header.csv").write_text("age,sex\n")
    (home / "gap.csv").write_text("age,lab\n" + "1,\n" * 12)
    (home / "twice.csv").write_text("age,age\n1,2\n2,3\n")
    schema = json.loads((home / "table" / "schema.json").read_text())
    schema["columns"].append({"name": "weight", "kind": "numerical", "dtype": "float64"})
    (home / "other.json").write_text(json.dumps(schema))
    line = refused(capsys, "fit", *arguments, "--out", "new")
    assert said in line and "\n" not in line
    assert not (home / "new").exists()


def test_a_run_is_not_overwritten(home, capsys):
    arguments = ["fit", "ehrdiff", "--data", home / "table.csv", "--out", home / "table", *SMALL]
    before = (home / "table" / "run.json").read_text()
    assert "holds a run already; continue it with --resume" in refused(capsys, *arguments)
    assert (home / "table" / "run.json").read_text() == before


def test_mistakes_in_sample(home, capsys, tmp_path):
    out = tmp_path / "s.csv"
    end = ["--out", out]
    assert "must be at least 1; got 0" in refused(capsys, "sample", home / "table", "-n", 0, *end)
    assert "is not a run" in refused(capsys, "sample", tmp_path, "-n", 1, *end)
    more = ["--sampler", "huen"]
    assert "did you mean heun?" in refused(capsys, "sample", home / "table", "-n", 1, *end, *more)
    other = tmp_path / "other"
    other.mkdir()
    about = json.loads((home / "table" / "run.json").read_text())
    for version, advice in ((99, "upgrade jaxehr"), (1, "train again, in another folder")):
        (other / "run.json").write_text(json.dumps({**about, "version": version}))
        said = refused(capsys, "sample", other, "-n", 1, *end)
        assert f"has format version {version}" in said and advice in said
    wrong = ["sample", home / "table", "-n", 1, "--out", tmp_path / "s.xlsx"]
    assert "records are written in these" in refused(capsys, *wrong)
    command = ["sample", home / "table", "-n", 1, "--out"]
    for where in ("/dev/full/s.csv", home / "table.csv" / "deeper" / "s.csv"):
        assert "a file stands where a folder is wanted: " in refused(capsys, *command, where)
    no_batch = [*command, out, "--batch-size", 0]
    assert "records of a batch must be at least 1; got 0" in refused(capsys, *no_batch)
    assert not out.exists()


def test_mistakes_in_evaluate(home, capsys, tmp_path):
    real = read_records(home / "table.csv")
    real.rename(columns={"lab": "labs"}).to_csv(tmp_path / "other.csv", index=False)
    end = ["--out", tmp_path / "report"]
    said = refused(
        capsys,
        "evaluate",
        "--real",
        home / "table.csv",
        "--synthetic",
        tmp_path / "other.csv",
        *end,
    )
    assert "lack ['lab'] and have ['labs']" in said
    files = ["--real", home / "table.csv", "--synthetic", home / "table.csv"]
    label = refused(capsys, "evaluate", *files, "--label", "agee", *end)
    assert "the label 'agee' must be a column of the real records (sex, death, age, lab)" in label
    twice = ["--compare", "a=x.csv", "a=y.csv"]
    assert "names a file twice" in refused(capsys, "evaluate", *files[:2], *twice, *end)
    assert "takes NAME=FILE" in refused(capsys, "evaluate", *files[:2], "--compare", "x.csv", *end)
    assert "unknown pillar 'all'" in refused(capsys, "evaluate", *files, "--only", "all", *end)
    assert not (tmp_path / "report").exists()


def test_a_schema_that_leaves_a_column_out(home, tmp_path):
    """Only what it names is judged, whatever else the files hold; without it they must agree."""
    schema = json.loads((home / "table" / "schema.json").read_text())
    schema["columns"] = [c for c in schema["columns"] if c["name"] != "lab"]
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    read_records(home / "table.csv").assign(note="x").to_csv(tmp_path / "other.csv", index=False)
    files = ["--real", str(home / "table.csv"), "--synthetic", str(tmp_path / "other.csv")]
    end = ["--out", str(tmp_path / "report")]
    assert main(["evaluate", *files, *end, "--schema", str(tmp_path / "schema.json")]) == 0
    found = json.loads((tmp_path / "report" / "report.json").read_text())["metrics"]
    assert not [m for m in found if m["name"].startswith("missing")]  # which only lab has
    assert main(["evaluate", *files, *end, "--overwrite"]) == 2


def test_a_disk_that_fills_leaves_the_old_file(home, capsys, monkeypatch, tmp_path):
    out = tmp_path / "s.csv"
    out.write_text("before")

    def full(frame, *arguments, **options):
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    command = ["sample", home / "table", "-n", 3, "--out", out, "--overwrite"]
    assert "No space left" in refused(capsys, *command)
    assert out.read_text() == "before" and list(tmp_path.iterdir()) == [out]


def test_an_audit_of_one_file_twice_is_refused(home, capsys, tmp_path):
    one = home / "table.csv"
    files = ["--members", one, "--nonmembers", one, "--out", tmp_path / "audit"]
    assert "hold the same records" in refused(capsys, "audit", home / "table", *files)


def test_columns_that_a_schema_does_not_name_are_said(home, capsys, tmp_path):
    wider = pd.read_csv(home / "table.csv").assign(note="none")
    wider.to_csv(tmp_path / "wider.csv", index=False)
    schema = tmp_path / "schema.json"
    schema.write_text((home / "table" / "schema.json").read_text())
    files = ["--data", tmp_path / "wider.csv", "--schema", schema, "--out", tmp_path / "run"]
    assert main([str(a) for a in ("fit", "ehrdiff", *files, *SMALL)]) == 0
    assert "not in the schema, and so left out: note" in capsys.readouterr().err
