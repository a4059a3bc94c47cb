"""A report: report.json for programs, report.html for people, the same numbers in both."""

import html
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

VERSION = 1


class Metric(NamedTuple):
    """One number about the synthetic records.

    floor   the same metric for real patients that were not trained on: as good as it gets. None without a holdout
    better  which way is better; "closer" is closer to `ideal`
    n       synthetic rows it was computed on
    """

    name: str
    pillar: Literal["fidelity", "utility", "privacy"]
    value: float
    floor: float | None
    better: Literal["higher", "lower", "closer"]
    ideal: float
    n: int


class Picture(NamedTuple):
    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Report:
    """The outcome of `evaluate`."""

    metrics: tuple[Metric, ...]
    pictures: tuple[Picture, ...]
    notes: tuple[str, ...]
    config: dict[str, Any]

    def __getitem__(self, name: str) -> Metric:
        """report["detection_auc"]"""
        return {metric.name: metric for metric in self.metrics}[name]

    def to_json(self) -> dict[str, Any]:
        metrics = [
            {k: None if _is_nan(v) else v for k, v in metric._asdict().items()}
            for metric in self.metrics
        ]
        config = {**self.config, "notes": list(self.notes)}
        return {"version": VERSION, "metrics": metrics, "config": config}

    def to_html(self) -> str:
        return _page(self)

    def save(self, folder: str | Path) -> None:
        """Writes report.json and report.html."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "report.json": json.dumps(self.to_json(), indent=1) + "\n",
            "report.html": self.to_html(),
        }
        for name, text in texts.items():
            beside = folder / f".{name}.part"
            beside.write_text(text, encoding="utf-8")
            os.replace(beside, folder / name)

    def __str__(self) -> str:
        lines = [f"{'metric':<24}{'value':>10}{'floor':>10}   better"]
        for m in self.metrics:
            lines.append(f"{m.name:<24}{_number(m.value):>10}{_number(m.floor):>10}   {_way(m)}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


ABOUT = {
    "prevalence_pearson": "Correlation of code prevalences, synthetic against real. Common codes dominate it.",
    "prevalence_spearman": "Rank correlation of code prevalences: rare codes count as much as common ones.",
    "prevalence_slope": "Slope of synthetic on real prevalence: below 1, the synthetic patients have too little.",
    "codes_present": "Share of the codes held by at least 5 real patients that appear in the synthetic records.",
    "codes_per_patient": "Mean number of codes of a patient.",
    "shape_error": "Mean distance of each column's distribution (Kolmogorov-Smirnov, or total variation).",
    "trend_error": "Mean distance of the relation of each pair of columns.",
    "detection_auc": "How well gradient boosting tells synthetic from real patients: 0.5 cannot, 1 always.",
    "tstr_auroc": "Trained on synthetic patients, tested on real ones.",
    "trtr_auroc": "Trained on real patients, tested on the same real ones: what to reach.",
    "share_closer_to_train": "Share of synthetic patients nearer to a training patient than to any of as many held-out "
    "patients. Above the floor, the model leans on those it was trained on.",
    "exact_copies_excess": "Share that equals a training patient, beyond the share that equals a held-out one.",
}

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #20262c; max-width: 62rem; margin: 2.5rem auto; padding: 0 1.5rem }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem }
p.lead, figcaption, td.about { color: #5b6670 } table { border-collapse: collapse; width: 100%; margin-top: .6rem }
th { text-align: left; font-weight: 600; border-bottom: 2px solid #20262c; padding: .3rem .7rem .3rem 0 }
td { border-bottom: 1px solid #e1e5e9; padding: .4rem .7rem .4rem 0; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.about { font-size: .87rem } code { font-size: .9rem } figure { margin: .6rem 0 } svg { width: 100%; height: auto }
.pillar { font-weight: 600; padding-top: 1.1rem; border: 0 } li { margin: .2rem 0 }
@media print { body { margin: 0; max-width: none; font-size: 11px } figure, tr { break-inside: avoid } }
"""


def _page(report: Report) -> str:
    figures = "".join(
        f"<h2>{html.escape(p.title)}</h2><figure>{p.svg}<figcaption>{html.escape(p.caption)}</figcaption></figure>"
        for p in report.pictures
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in report.notes)
    config = ", ".join(f"{k}: {v}" for k, v in report.config.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Synthetic records: report</title>'
        f"<style>{STYLE}</style></head><body><h1>Synthetic records</h1>"
        f'<p class="lead">{html.escape(config)}</p>'
        "<p>The floor is the same metric for real patients that the model never saw, at the same number of rows: what "
        "a perfect generator would score. Read every value beside it.</p>"
        f"{_table(report.metrics)}<ul>{notes}</ul>{figures}"
        '<p class="lead">The privacy figures are smoke tests: they catch copies, and a model can pass them and still '
        "leak who was in its data. Not for clinical use.</p></body></html>\n"
    )


def _table(metrics: tuple[Metric, ...]) -> str:
    rows, pillar = [], None
    for m in metrics:
        if m.pillar != pillar:
            pillar = m.pillar
            rows.append(f'<tr><td class="pillar" colspan="6">{pillar.capitalize()}</td></tr>')
        cells = (_number(m.value), _number(m.floor))
        rows.append(
            f"<tr><td><code>{m.name}</code></td>"
            + "".join(f'<td class="n">{cell}</td>' for cell in cells)
            + f'<td>{_way(m)}</td><td class="n">{m.n:,}</td>'
            + f'<td class="about">{html.escape(ABOUT[m.name])}</td></tr>'
        )
    head = (
        '<tr><th>metric</th><th class="n">value</th><th class="n">floor</th><th>better</th>'
        '<th class="n">rows</th><th></th></tr>'
    )
    return f"<table>{head}{''.join(rows)}</table>"


def _way(metric: Metric) -> str:
    return f"closer to {metric.ideal:g}" if metric.better == "closer" else metric.better


def _number(value: float | None) -> str:
    return "-" if value is None or _is_nan(value) else f"{value:.4f}"


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
