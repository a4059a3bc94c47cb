"""report.html: one page that needs nothing else, reads without colour, prints, and is used with the keyboard alone."""

import html
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from jaxehr.evaluation.judges.verdict import NOT_ASKED, Verdict, standing
from jaxehr.evaluation.measures.catalogue import ENTRIES
from jaxehr.evaluation.measures.metric import (
    PILLARS,
    Metric,
    Picture,
    Pillar,
    interval,
    number,
    way,
)

if TYPE_CHECKING:
    from jaxehr.evaluation.report.report import Report

MARKS = {
    "value": '<circle cx="{x:.1f}" cy="9" r="4.2" fill="currentColor"/>',
    "floor": '<path d="M{x:.1f} 1.5V16.5" stroke="currentColor" stroke-width="2.2"/>',
    "worst": '<path d="M{x:.1f} 9m-3.5 -3.5l7 7m0 -7l-7 7" stroke="currentColor" stroke-width="1.5"/>',
}
SHOWN = {
    "as real": "as real",
    "near": "near",
    "off": "off",
    "far off": "far off",
    "leak": "leak",
    "no leak": "within chance",
    "unclear": "cannot tell",
    "alone": "-",
    "not evaluated": "not evaluated",
}


def page(report: "Report") -> str:
    judged = [p for p in PILLARS if any(m.pillar == p for m in report.metrics)]
    links = "".join(f'<a href="#{p}">{p.capitalize()}</a>' for p in judged)
    asked = [p for p in PILLARS if p in judged or p in ("fidelity", "utility", "privacy")]
    cards = "".join(_card(p, report) for p in asked)
    parts = "".join(_section(p, report) for p in judged)
    config = " · ".join(f"{k.replace('_', ' ')} {v}" for k, v in report.config.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Synthetic records: report</title>'
        f'<style>{style()}</style></head><body><a class="skip" href="#verdicts">To the verdicts</a>'
        f'<header><h1>Synthetic records</h1><p class="soft">{html.escape(config)}</p></header>'
        f'<nav aria-label="Pillars">{links}</nav>'
        f'<main><div class="cards" id="verdicts">{cards}</div>{_notes(report.notes)}{_release(report)}{KEY}{parts}'
        '<p class="small">Intervals are of 95%; what is said of a figure is so at 99.9%. Privacy figures show what '
        "these attacks find: a model can pass them and still leak who was in its data. "
        "No row of a real patient and no count below 11 is in this report. "
        "Not for clinical use.</p></main></body></html>\n"
    )


KEY = (
    '<p class="key"><span><svg viewBox="0 0 18 18" aria-hidden="true">'
    + MARKS["value"].format(x=9)
    + "</svg> these records, with a 95% interval</span>"
    + '<span><svg viewBox="0 0 18 18" aria-hidden="true">'
    + MARKS["floor"].format(x=9)
    + "</svg> floor: fresh real patients, as good as it gets</span>"
    + '<span><svg viewBox="0 0 18 18" aria-hidden="true">'
    + MARKS["worst"].format(x=9)
    + "</svg> worst: copies, shuffled columns, or chance</span></p>"
)


def style() -> str:
    return files("jaxehr.evaluation.report").joinpath("report.css").read_text(encoding="utf-8")


def _card(pillar: Pillar, report: "Report") -> str:
    said = report.verdicts.get(pillar) or Verdict("Not judged", NOT_ASKED)
    pictures = [p for p in report.pictures if p.small and p.pillar == pillar]
    return (
        f'<section class="card"><p class="pillar">{pillar}</p><h2>{html.escape(said.heading)}</h2>'
        f"<p>{html.escape(said.words)}</p>{''.join(_figure(p) for p in pictures)}</section>"
    )


def _figure(picture: Picture) -> str:
    return f"<figure>{picture.svg}<figcaption>{html.escape(picture.caption)}</figcaption></figure>"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return f"<ul>{''.join(f'<li>{html.escape(note)}</li>' for note in notes)}</ul>"


def _release(report: "Report") -> str:
    """What may leave the house, and what not."""
    said = report.verdicts.get("privacy")
    judged = said is not None and any(
        m.pillar == "privacy" and m.status == "ok" for m in report.metrics
    )
    first = "The synthetic records: only after their privacy was judged, with held-out patients."
    if judged and said is not None:
        first = f"The synthetic records: under privacy stands “{said.heading}”; a person is to weigh it."
    return (
        f'<div id="release"><h3>What to release</h3><ul><li>{html.escape(first)}</li>'
        "<li>This page and report.json: they hold no row of a real patient, and no count below 11.</li>"
        "<li>Not the run’s folder: a model may remember whom it learnt from, and whoever has it can ask it more than "
        "these records answer.</li><li>Not the real records, nor the held-out ones.</li></ul></div>"
    )


def _furthest(report: "Report") -> str:
    """Where to look first: columns, pairs, and what gives rows away."""
    shown = ""
    for what, title, head in FURTHEST:
        found = [each for each in report.furthest if each.what == what]
        rows = "".join(
            f'<tr><th scope="row">{html.escape(" and ".join(each.names))}</th><td class="n">{number(each.value)}</td>'
            + (f'<td class="n">{number(each.floor)}</td>' if what != "tell" else "")
            + "</tr>"
            for each in found
        )
        floor = '<th scope="col" class="n">floor</th>' if what != "tell" else ""
        if rows:
            shown += (
                f'<div><table><caption>{title}</caption><thead><tr><th scope="col"></th><th scope="col" class="n">'
                f"{head}</th>{floor}</tr></thead><tbody>{rows}</tbody></table></div>"
            )
    return f'<h3>Furthest off</h3><div class="beside">{shown}</div>' if shown else ""


FURTHEST = (
    ("column", "Columns, or codes", "distance"),
    ("pair", "Pairs of them", "distance"),
    ("tell", "What gives a row away: the detector’s AUC without it falls by", "AUC lost"),
)


def _section(pillar: Pillar, report: "Report") -> str:
    metrics = [m for m in report.metrics if m.pillar == pillar]
    figures = "".join(
        f"<h3>{html.escape(p.title)}</h3>{_figure(p)}"
        for p in report.pictures
        if p.pillar == pillar and not p.small
    )
    said = report.verdicts[pillar]
    groups = _groups(report) if pillar == "fairness" else ""
    groups += _furthest(report) if pillar == "fidelity" else ""
    return (
        f'<details open id="{pillar}"><summary>{pillar.capitalize()}<span>{html.escape(said.heading)}</span></summary>'
        f"{_table(pillar, metrics)}{groups}{figures}</details>"
    )


def _table(pillar: str, metrics: Sequence[Metric]) -> str:
    head = "".join(
        f'<th scope="col"{kind}>{name}</th>'
        for name, kind in (
            ("figure", ""),
            ("value", ' class="n"'),
            ("95% interval", ' class="n"'),
            ("floor", ' class="n"'),
            ("worst", ' class="n"'),
            ("", ""),
            ("better", ""),
            ("rows", ' class="n"'),
            ("stands", ""),
            ("what it says", ""),
        )
    )
    rows = "".join(_row(m) for m in metrics)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{pillar} figures"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(m: Metric) -> str:
    shown = html.escape(m.name).replace("_", "_<wbr>")
    name = f'<th scope="row"><code>{shown}</code></th>'
    if m.status != "ok":
        said = html.escape(f"{m.status}: {m.why}")
        return f'<tr>{name}<td colspan="8">{said}</td><td class="about">{_about(m)}</td></tr>'
    stands = SHOWN[standing(m)]
    strong = ' class="strong"' if stands in ("leak", "far off", "off") else ""
    cells = "".join(
        f'<td class="n">{cell}</td>'
        for cell in (number(m.value), interval(m), number(m.floor), number(m.worst))
    )
    return (
        f'<tr>{name}{cells}<td class="strip">{strip(m)}</td><td class="way">{way(m)}</td>'
        f'<td class="n">{m.n:,}</td><td{strong}>{stands}</td><td class="about">{_about(m)}</td></tr>'
    )


def _about(m: Metric) -> str:
    entry = ENTRIES.get(m.name)
    said = entry.about if entry else ""
    return html.escape(f"{said} {m.why}".strip() if m.status == "ok" else said)


def strip(m: Metric) -> str:
    """Value, interval, floor and worst case on one line."""
    marks = {"value": m.value, "floor": m.floor, "worst": m.worst}
    found = [x for x in (*marks.values(), m.low, m.high) if x is not None]
    low, high = min(found), max(found)
    if len(found) < 2 or high - low < 1e-12:
        return ""
    place = lambda x: 8 + 128 * (x - low) / (high - low)
    line = '<path d="M4 9H140" stroke="#c3cad1" stroke-width="1"/>'
    if m.low is not None and m.high is not None:
        line += f'<path d="M{place(m.low):.1f} 9H{place(m.high):.1f}" stroke="currentColor" stroke-width="2.6"/>'
    drawn = "".join(MARKS[name].format(x=place(x)) for name, x in marks.items() if x is not None)
    said = f"value {number(m.value)}, floor {number(m.floor)}, worst {number(m.worst)}"
    return f'<svg viewBox="0 0 144 18" role="img" aria-label="{said}">{line}{drawn}</svg>'


def _groups(report: "Report") -> str:
    """A table for each way to divide the patients: a line for each figure, a column for each subgroup."""
    if not report.groups:
        return ""
    tables = "".join(_of_groups(report, by) for by in dict.fromkeys(g.by for g in report.groups))
    return (
        "<h3>Each subgroup</h3><p>The figure, and beside it its floor. Subgroups of fewer than 11 patients in any file "
        "are not shown. A small subgroup is further off by chance: read each value beside its floor.</p>"
        + tables
    )


def _of_groups(report: "Report", by: str) -> str:
    found = {(g.metric, g.group): g for g in report.groups if g.by == by}
    groups = list(dict.fromkeys(group for _, group in found))
    head = "".join(f'<th scope="col" class="n">{html.escape(group)}</th>' for group in groups)
    rows = ""
    for metric in dict.fromkeys(metric for metric, _ in found):
        cells = (found.get((metric, group)) for group in groups)
        shown = "".join(
            f'<td class="n">{"-" if g is None else f"{number(g.value)} ({number(g.floor)})"}</td>'
            for g in cells
        )
        rows += f'<tr><th scope="row"><code>{html.escape(metric)}</code></th>{shown}</tr>'
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="by {html.escape(by)}"><table><thead><tr>'
        f'<th scope="col">by {html.escape(by)}</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
