"""Every figure of a report, as it was before the evaluation saw blocks: to 1e-9.

    python tests/evaluation/figures_test.py     writes the figures of the code that is imported

The records are drawn here, by seed; tests/fixtures/figures/ holds what was found of them at commit 680f400.
"""

import json
import math
import platform
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxehr.data import Schema

FIGURES = Path(__file__).parents[1] / "fixtures" / "figures"
# Trees, solvers and float32 sums are the same to the last digits only where these are.
MADE_WITH = {
    **{name: version(name) for name in ("numpy", "scipy", "scikit-learn", "jax")},
    "machine": platform.machine(),
}
TABLE_RULES = """
[[rule]]
name = "pressure"
always = { sbp = "60 to 160" }
[[rule]]
name = "leaves_after_coming"
always = { gone = ">= came" }
[[rule]]
name = "no_old_men_without_insulin"
who = { age = ">= 60", sex = "m" }
never = { insulin = "No" }
"""
CODE_RULES = """
[codes]
heart = ["ICD//2*"]
drug = ["DRUG//*"]
[[rule]]
name = "no_drug_with_heart"
who = { code = "heart" }
never = { code = "drug" }
"""


def mixed(n, seed, wide=1.0):
    """Numbers with gaps, an order, dates, booleans, categories, and a family of drugs."""
    rng = np.random.default_rng(seed)
    age = rng.normal(60, 12 * wide, n)
    ill = rng.random(n) < 1 / (1 + np.exp(-(age - 62) / 6))
    came = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 90, n), "D")
    sbp = np.round(80 + age + rng.normal(0, 8, n))
    drug = lambda p: np.where(rng.random(n) < p, "Up", np.where(rng.random(n) < 0.6, "No", "Down"))
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "age": np.round(age, 1),
            "sbp": np.where(rng.random(n) < 0.2, np.nan, sbp),
            "dbp": np.where(rng.random(n) < 0.1, np.nan, np.round(sbp * 0.6 - rng.gamma(2, 2, n))),
            "visits": rng.poisson(2.0, n),
            "came": came,
            "gone": came + pd.to_timedelta(rng.integers(0, 20, n), "D"),
            "ward": rng.choice(["er", "icu", "day"], n, p=[0.6, 0.3, 0.1]),
            "sex": np.where(rng.random(n) < 0.1, None, np.where(rng.random(n) < 0.5, "f", "m")),
            "insulin": drug(0.3),
            "metformin": drug(0.2),
            "death": ill & (rng.random(n) < 0.8),
        }
    )


def numbers(n, seed, wide=1.0):
    rng = np.random.default_rng(seed)
    base = rng.normal(0, wide, n)
    found = {f"lab{j}": np.round(base * (j + 1) / 4 + rng.normal(0, 1, n), 1 + j) for j in range(4)}
    found["lab1"][rng.random(n) < 0.15] = np.nan
    return pd.DataFrame({**found, "risk": np.round(base + rng.normal(0, 0.5, n), 2)})


def categories(n, seed, wide=1.0):
    rng = np.random.default_rng(seed)
    ill = rng.random(n) < 0.4 * wide
    return pd.DataFrame(
        {
            "stage": np.where(ill, rng.choice(["II", "III"], n), rng.choice(["I", "II"], n)),
            "site": np.where(rng.random(n) < 0.2, None, rng.choice(list("abcd"), n)),
            "smokes": np.where(rng.random(n) < (0.7 if wide == 1 else 0.4), ill, ~ill),
            "group": np.where(ill, "x", rng.choice(["x", "y", "z"], n)),
        }
    )


def codes(n, seed, wide=1.0):
    """Thirty codes of two kinds, from rare to common, more frequent in the ill."""
    rng = np.random.default_rng(seed)
    ill = rng.random((n, 1)) < 0.4
    found = rng.random((n, 30)) < np.geomspace(0.01, 0.4, 30) * np.where(ill, 1.6 * wide, 0.6)
    found[:, -1] |= ~found.any(axis=1)
    kind = ["DRUG" if j % 3 == 0 else "ICD" for j in range(30)]
    row, column = np.nonzero(found)
    return pd.DataFrame({"subject_id": row, "code": [f"{kind[j]}//{j:02}" for j in column]})


def parts(make, n):
    """Real, synthetic and held out: a fifth of the synthetic patients are copies, the others off."""
    real, held = make(n, 0), make(n, 1)
    drawn = make(n, 2, 1.3)
    if "subject_id" in real:
        copied = real[real["subject_id"] < n // 5]
        drawn = pd.concat([copied, drawn[drawn["subject_id"] >= n // 5]], ignore_index=True)
    else:
        drawn = pd.concat([real.head(n // 5), drawn.tail(n - n // 5)], ignore_index=True)
    if "ward" in drawn:
        drawn.loc[n - 3 :, "ward"] = "ward"
    return real, drawn, held


def report(make, n, rules=None, **asked):
    from jaxehr import evaluate

    if rules is not None:
        asked["rules"] = _rules(rules)
    return evaluate(*parts(make, n), **asked).to_json()


def without_holdout(make, n):
    from jaxehr import evaluate

    return evaluate(*parts(make, n)[:2]).to_json()


def _rules(text):
    from jaxehr.evaluation.rules.rule_file import read_rules
    from jaxehr.evaluation.rules.rules import excesses

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.toml"
        path.write_text(text)
        return partial(excesses, read_rules(path))


def judged(make, n):
    """What a sampler is judged by."""
    from jaxehr.benchmark.quality import judge

    real, drawn, _ = parts(make, n)
    found = judge(Schema.infer(real), real)
    return {name: [*figures] for name, figures in found.figures(drawn)._asdict().items()} | {
        "error_of": found.error,
        "floor": [[*each] for each in found.floor],
    }


def audited():
    from jaxehr.audit import audit
    from jaxehr.evaluation.measures.membership import Scores

    rng = np.random.default_rng(0)
    scores = [Scores(rng.normal(0.3, 1, 1200), rng.normal(0, 1, 1100)) for _ in range(2)]
    return [metric._asdict() for metric in audit(*scores)]


def sheets(make):
    from jaxehr.evaluation.review.sheets import review_packet

    packet = review_packet(*parts(make, 60)[:2], 3, names={"age": "years", "ICD//29": "a"}, seed=7)
    return {"sheets": [sheet.facts for sheet in packet.sheets], "origins": packet.origins}


CASES = {
    "mixed": lambda: report(mixed, 220, TABLE_RULES, label="death", by="age:30"),
    "numbers": lambda: report(numbers, 130, label="risk"),
    "categories": lambda: report(categories, 130, label="stage", by="smokes"),
    "codes": lambda: report(codes, 220, CODE_RULES, label="ICD//28", by="DRUG//27"),
    "few": lambda: [without_holdout(make, 60) for make in (mixed, codes)],
    "judge": lambda: [judged(make, 200) for make in (numbers, codes)],
    "audit": audited,
    "sheets": lambda: [sheets(make) for make in (mixed, codes)],
}


def apart(found, kept, where=""):
    """Where they differ by more than 1e-9 of a figure, or at all in anything else."""
    if isinstance(kept, dict):
        if list(found) != list(kept):
            yield f"{where}: has {list(found)}, had {list(kept)}"
        for key in kept.keys() & found.keys():
            yield from apart(found[key], kept[key], f"{where}.{key}")
    elif isinstance(kept, list):
        if len(found) != len(kept):
            yield f"{where}: {len(found)} of them, had {len(kept)}"
        for i, (one, other) in enumerate(zip(found, kept, strict=False)):
            yield from apart(one, other, f"{where}[{_named(other, i)}]")
    elif isinstance(kept, float):
        same = found is not None and math.isclose(found, kept, rel_tol=1e-9, abs_tol=1e-9)
        if not same and not (found is not None and math.isnan(found) and math.isnan(kept)):
            yield f"{where}: {found!r}, was {kept!r}"
    elif found != kept:
        yield f"{where}: {found!r}, was {kept!r}"


def _named(each, i):
    return each.get("name", i) if isinstance(each, dict) else i


def plain(found):
    return json.loads(json.dumps(found))


@pytest.mark.parametrize("case", CASES)
def test_no_figure_changed(case, monkeypatch):
    monkeypatch.setattr("jaxehr.evaluation.report.plots.pictures", lambda job, metrics: ())
    kept = json.loads((FIGURES / f"{case}.json").read_text())
    other = {name: by for name, by in kept["made_with"].items() if MADE_WITH[name] != by}
    if other:
        pytest.skip(f"the figures were found with {other}; here are {MADE_WITH}")
    assert list(apart(plain(CASES[case]()), kept["found"])) == []


def test_a_changed_figure_is_seen():
    kept = json.loads((FIGURES / "judge.json").read_text())["found"]
    changed = json.loads(json.dumps(kept))
    changed[0]["auc"][0] += 1e-8
    changed[1]["error_of"] = "shape_error"
    assert list(apart(kept, kept)) == []
    assert len(list(apart(changed, kept))) == 2


def write():
    FIGURES.mkdir(parents=True, exist_ok=True)
    for case, found in CASES.items():
        text = json.dumps({"made_with": MADE_WITH, "found": found()}, separators=(",", ":"))
        (FIGURES / f"{case}.json").write_text(text + "\n")


if __name__ == "__main__":
    write()
