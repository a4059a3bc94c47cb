"""What is written: the schema, one page that needs nothing else, and no patient in it."""

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from patients import codes, table

from jaxehr.evaluation import Comparison, Metric, evaluate
from jaxehr.evaluation.judges.verdict import leaks, standing, verdict
from jaxehr.evaluation.measures.metric import in_short
from jaxehr.evaluation.report.comparison import _tex

FIELDS = [
    "name", "pillar", "value", "floor", "better", "ideal", "n", "low", "high", "worst", "status", "why",
]  # fmt: skip


@pytest.fixture(scope="module")
def reports():
    real, fresh, held = (table(260, seed) for seed in range(3))
    judge = lambda records: evaluate(real, records, held, label="death", by="sex")
    return {"fresh": judge(fresh), "copy": judge(real)}


class Page(HTMLParser):
    """Tags must close in order."""

    VOID = {"meta", "link", "br", "path", "circle", "use", "rect", "image", "wbr"}

    def __init__(self, text):
        super().__init__()
        self.open, self.count = [], {}
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1


def test_the_schema_of_report_json(reports, tmp_path):
    reports["fresh"].save(tmp_path)
    value = json.loads((tmp_path / "report.json").read_text())
    assert value["version"] == 3
    assert set(value) == {"version", "verdicts", "metrics", "groups", "furthest", "config"}
    for metric in value["metrics"]:
        assert list(metric) == FIELDS
        assert (metric["value"] is None) == (metric["status"] != "ok")
        if metric["low"] is not None:
            assert metric["low"] <= metric["value"] <= metric["high"]
    assert {g["by"] for g in value["groups"]} == {"sex"}
    assert value["config"]["real_patients"] == "260"
    names = {metric["name"] for metric in value["metrics"]}
    assert {"shape_error", "trend_error", "detection_auc", "tstr_auroc", "trtr_auroc"} <= names
    assert {"share_closer_to_train", "exact_copies_excess"} <= names


def test_the_page_needs_nothing_else_and_closes_its_tags(reports):
    page = reports["fresh"].to_html()
    assert len(page) < 5e6
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//|@import|<script|url\(http", page)
    count = Page(page).count
    assert count["h1"] == 1 and count["details"] == 4 and count["section"] == 4
    assert page.count('role="img" aria-label=') >= 6
    first = page[: page.index("<details")]
    for pillar in ("fidelity", "utility", "privacy"):
        assert verdict(pillar, reports["fresh"].metrics).heading in first
    assert first.count("<figure>") == 3


def test_the_same_records_give_the_same_bytes(reports, tmp_path):
    reports["fresh"].save(tmp_path / "a")
    real, fresh, held = (table(260, seed) for seed in range(3))
    evaluate(real, fresh, held, label="death", by="sex").save(tmp_path / "b")
    for name in ("report.json", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_small_cells_and_rows_are_not_shown():
    real = table(600, 0)
    real.loc[:5, "ward"] = "leper colony"
    real["los"] += 0.123456
    report = evaluate(real, real.copy(), real.copy(), pillars=("fidelity", "privacy"))
    text = report.to_html() + json.dumps(report.to_json())
    assert "leper" not in text
    assert not any(str(value) in text for value in real["los"].head(100))


def test_words_of_a_leak_and_of_none(reports):
    fresh, copy = (verdict("privacy", reports[name].metrics) for name in ("fresh", "copy"))
    assert fresh.heading == "No leak was found" and "absence of evidence, not proof" in fresh.words
    assert copy.heading == "It leaks" and "exact_copies_excess 1.00" in copy.words


def test_where_a_figure_stands():
    m = Metric("shape_error", "fidelity", 0.02, 0.019, "lower", 0.0, 100, 0.015, 0.025, 1.0)
    assert standing(m) == "as real"
    assert standing(m._replace(low=0.0199, high=0.0201)) == "near"
    assert standing(m._replace(value=0.3, low=0.29, high=0.31)) == "off"
    assert standing(m._replace(value=0.6, low=0.59, high=0.61)) == "far off"
    assert standing(m._replace(floor=None)) == "alone"
    p = Metric("nnaa_loss", "privacy", 0.02, 0.0, "closer", 0.0, 100, 0.001, 0.039)
    assert not leaks(p)  # beyond its 95%, but one of a score of figures
    assert leaks(p._replace(low=0.01))
    assert not leaks(p._replace(value=-0.02, low=-0.021, high=-0.019))


def test_several_files_beside_each_other(reports, tmp_path):
    comparison = Comparison(reports)
    comparison.save(tmp_path)
    lines = (tmp_path / "comparison.md").read_text().splitlines()
    assert lines[0] == "| metric | fresh | copy | real, held out | better |"
    by = {line.split(" | ")[0][2:]: line for line in lines[2:] if line.startswith("|")}
    assert " 1.00" in by["exact_copies_excess"] and "**" in by["exact_copies_excess"]
    assert len({line.count(" | ") for line in by.values()}) == 1
    latex = (tmp_path / "comparison.tex").read_text()
    assert latex.count(r"\\") == len(by) + 1 and r"shape\_error" in latex
    assert latex.count(r"\toprule") == latex.count(r"\bottomrule") == 1
    Page((tmp_path / "comparison.html").read_text())
    assert set(json.loads((tmp_path / "comparison.json").read_text())["reports"]) == set(reports)
    assert (tmp_path / "copy" / "report.html").exists()
    assert _tex("a_b & 5% ± 1") == r"a\_b \& 5\% $\pm$ 1"


@dataclass
class Broken:
    """As a file of rules gives it."""

    rule: str
    value: float | None
    low: float | None
    high: float | None
    floor: float | None
    n: int
    said: str
    told: str = "synthetic 4.1% of 300, real 0.1% of 300"


def test_rules_join_as_the_clinical_pillar():
    def rules(real, synthetic, holdout):
        assert holdout is not None
        broken = Broken("no pregnant men", 0.04, 0.03, 0.05, 0.001, 300, "")
        unasked = Broken("no ghosts", None, None, None, None, 0, "fewer than 22 patients")
        return [broken, unasked], ["one rule speaks of columns that are not there"]

    real, fresh, held = (codes(120, seed) for seed in range(3))
    report = evaluate(real, fresh, held, rules=rules, pillars=("clinical",))
    assert [m.name for m in report.metrics] == ["no pregnant men", "no ghosts"]
    assert report["no ghosts"].status == "underpowered: not evaluated"
    assert "one rule speaks of columns that are not there" in report.notes
    assert verdict("clinical", report.metrics).heading == "Nearly as sensible"
    assert "no pregnant men" in report.to_html() and report["no pregnant men"].why == Broken.told


def test_only_gaps_that_are_surely_there_are_in_short():
    """95% intervals from above 0: of 0.1 to 1.9 the one of 99.9% is not, of 0.5 to 1.5 it is."""
    gap = lambda low, high: Metric(
        "shape_error_group_gap[sex]", "fairness", 1.0, None, "lower", 0, 99, low, high
    )
    assert not in_short(gap(0.1, 1.9)) and in_short(gap(0.5, 1.5))
    assert verdict("fairness", [gap(0.1, 1.9)]).heading == "No gap beyond chance"


def test_the_page_says_what_to_release_and_what_gives_rows_away(reports):
    fresh, copy = (reports[name].to_html() for name in ("fresh", "copy"))
    for page in (fresh, copy):
        assert "What to release" in page and "Not the run’s folder" in page
    assert "under privacy stands “It leaks”" in copy
    assert "only after their privacy was judged" not in copy
    assert "Pairs of them" in fresh


def test_what_gives_rows_away_is_named():
    real, odd, held = (table(500, seed) for seed in range(3))
    odd["los"] += 6
    report = evaluate(real, odd, held, pillars=("fidelity",))
    told = [each.names[0] for each in report.furthest if each.what == "tell"]
    assert told[0] in ("los", "los given other numbers")
    page = report.to_html()
    assert told[0] in page[page.index("What gives a row away") :]
    assert "only after their privacy was judged" in page
