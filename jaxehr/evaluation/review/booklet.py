"""The sheets as one page of HTML, to be read on a screen or printed."""

import html
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from jaxehr.data.kinds import listed
from jaxehr.evaluation.review.courses import Course, Trace
from jaxehr.evaluation.review.facts import Line

WIDE, HIGH, EDGE = 220, 30, 4  # of a chart, in pixels


class Sheet(NamedTuple):
    facts: tuple[Line, ...]
    course: Course | None = None


STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #111; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
body.courses { max-width: 56rem }
section { border-top: 2px solid #111; padding: .6rem 0 1.6rem } h2 { font-size: 1.1rem; margin: .2rem 0 .5rem }
h3 { font-size: .95rem; margin: 1.1rem 0 .3rem } table { border-collapse: collapse; width: 100% }
td { padding: .16rem .6rem .16rem 0; vertical-align: top } tr { border-bottom: 1px solid #ddd }
.facts td:first-child { color: #555; width: 40% } p.ask { margin: .8rem 0 0 } p.small { font-size: 12px; color: #555 }
.course { table-layout: fixed; font-size: 12px; line-height: 1.3; overflow-wrap: break-word }
.course td, .course th { padding: .1rem .35rem .1rem 0 } .times td:first-child, .course i { color: #555 }
.course th { font-size: 11px; text-align: left; vertical-align: bottom } .course i { font-style: normal }
.charts td { vertical-align: middle } .charts th:nth-child(1) { width: 18% } .charts th:nth-child(2) { width: 3.6rem }
.charts th:nth-child(3) { width: 226px }
.charts .ends { text-align: right; white-space: pre; font-size: 9px; color: #555 } .charts span { white-space: nowrap }
svg { display: block }
@media print {
body { margin: 0; max-width: none; font-size: 11px } section { break-before: page; border: 0 }
.course { font-size: 8.5px } .course th { font-size: 8px } .course td, .facts td { padding-top: 0; padding-bottom: 0 }
tr { break-inside: avoid } }
"""

COVER = """<h1>Patients to review</h1>
<p>Each sheet is a patient: a real one, or one that a program made up. Any number may be made up: all, or none.</p>
<p>For each sheet please write two answers into answers.csv, or tick them here and have them copied:</p>
<ol><li><b>Realistic?</b> Could this be a real patient: yes or no.</li>
<li><b>Origin?</b> If you had to say: real or synthetic.</li></ol>
<p>Please do not talk about the sheets with other reviewers before all have answered. A value that is missing says
&ldquo;not recorded&rdquo;. The sheets hold records of real patients: do not copy or keep them.</p>"""

OF_COURSES = """
<p>Times count from the start of a patient's record. Nothing is filled in: a cell that is empty, and a place without a
dot, is where nothing was measured. The charts of a variable have the same scale on all sheets, but are wider where a
patient's values are beyond it.</p>"""


def booklet(sheets: Sequence[Sheet]) -> str:
    courses = any(sheet.course is not None for sheet in sheets)
    cover, kind = COVER + OF_COURSES * courses, ' class="courses"' * courses
    pages = "".join(_page(i + 1, sheet) for i, sheet in enumerate(sheets))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Patients to review</title>'
        f"<style>{STYLE}</style></head><body{kind}>{cover}{pages}</body></html>\n"
    )


def _page(number: int, sheet: Sheet) -> str:
    return (
        f'<section id="sheet-{number}"><h2>Sheet {number}</h2>{_facts(sheet.facts)}'
        f"{'' if sheet.course is None else _course(sheet.course)}"
        '<p class="ask">Realistic? &#9744; yes &#9744; no &emsp; Origin? &#9744; real &#9744; synthetic</p></section>'
    )


def _facts(lines: Sequence[Line]) -> str:
    rows, before = [], None
    for left, right in lines:
        said = "" if left == before else left
        rows.append(f"<tr><td>{html.escape(said)}</td><td>{html.escape(right)}</td></tr>")
        before = left
    return f'<table class="facts">{"".join(rows)}</table>' if rows else ""


def _course(course: Course) -> str:
    if not course.traces:
        return "<h3>Course</h3><p>Nothing was measured.</p>"
    return f"<h3>Course</h3>{_times(course)}<h3>Each variable</h3>{_charts(course)}{_never(course.never)}"


def _times(course: Course) -> str:
    step = f", lines of {course.step}" if course.step else ""
    heads = "".join(f"<th>{html.escape(title)}</th>" for title in (f"time{step}", *course.columns))
    rows = "".join(
        f"<tr><td>{when}</td>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
        for when, cells in course.lines
    )
    return (
        f'<table class="course times"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _charts(course: Course) -> str:
    above = "".join(
        f'<text x="{_x(at):.1f}" y="9" text-anchor="{_anchor(at)}">{said}</text>'
        for at, said in course.axis
    )
    grid = "".join(f"M{_x(at):.1f} 0v{HIGH}" for at, _ in course.axis)
    rows = "".join(_row(trace, grid, trace.title in course.columns) for trace in course.traces)
    axis = f'<svg width="{WIDE}" height="11" font-size="9" fill="#555">{above}</svg>'
    return (
        f'<table class="course charts"><thead><tr><th>variable</th><th></th><th>{axis}</th><th>what was found</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(trace: Trace, grid: str, above: bool) -> str:
    """above    the values stand in the table above"""
    dots = "".join(f"M{_x(x):.1f} {_y(y):.1f}h0" for x, y in trace.dots)
    chart = (
        f'<svg width="{WIDE}" height="{HIGH}"><path d="{grid}" stroke="#ddd"/>'
        f'<path d="{dots}" stroke="#1f4e79" stroke-width="3.4" stroke-linecap="round"/></svg>'
    )
    ends = "\n".join(reversed(trace.ends))
    said = _counted(trace) if above else _listed(trace)
    return (
        f'<tr><td>{html.escape(trace.title)}</td><td class="ends">{ends}</td><td>{chart}</td>'
        f"<td>{said}</td></tr>"
    )


def _counted(trace: Trace) -> str:
    found = [text for _, text in trace.values]
    if trace.number:
        ends = dict.fromkeys((min(found, key=float), max(found, key=float)))
        return f"{len(found)} value{'s' * (len(found) > 1)}: {' to '.join(ends)}"
    words = sorted(Counter(found).items())
    return ", ".join(f"{n} times {html.escape(word)}" for word, n in words)


def _listed(trace: Trace) -> str:
    """Values by their times; of words that come again, the times after the word."""
    if trace.number:
        return ", ".join(f"<span><i>{when}</i> {text}</span>" for when, text in trace.values)
    runs = groupby(trace.values, key=itemgetter(1))
    return "; ".join(
        f"{html.escape(word)} <i>{', '.join(when for when, _ in run)}</i>" for word, run in runs
    )


def _never(titles: Sequence[str]) -> str:
    return f'<p class="small">Never measured: {html.escape(listed(titles))}.</p>' if titles else ""


def _anchor(at: float) -> str:
    return "start" if at == 0 else "end" if at > 0.95 else "middle"


def _x(at: float) -> float:
    return EDGE + at * (WIDE - 2 * EDGE)


def _y(height: float) -> float:
    return HIGH - EDGE - height * (HIGH - 2 * EDGE)
