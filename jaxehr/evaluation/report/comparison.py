"""Several synthetic files beside each other, judged against the same real records: the benchmark table of a paper."""

import html
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jaxehr.evaluation.judges.verdict import badness
from jaxehr.evaluation.measures.metric import Metric, in_short, number, way
from jaxehr.evaluation.report.report import VERSION, Report, write_texts


@dataclass(frozen=True)
class Comparison:
    """Reports by the name of their synthetic file."""

    reports: dict[str, Report]

    @property
    def metrics(self) -> list[str]:
        """Names, in the order of the first report that has them."""
        names: dict[str, None] = {}
        for report in self.reports.values():
            names |= dict.fromkeys(m.name for m in report.metrics)
        return list(names)

    def row(self, name: str) -> dict[str, Metric]:
        found = {file: {m.name: m for m in r.metrics} for file, r in self.reports.items()}
        return {file: by[name] for file, by in found.items() if name in by}

    def best(self, name: str) -> set[str]:
        """Files whose interval holds the best value; nothing where none is evaluated."""
        done = {file: m for file, m in self.row(name).items() if m.status == "ok"}
        if len(done) < 2:
            return set()
        top = min(done.values(), key=lambda m: badness(m, m.value))
        return {file for file, m in done.items() if m.value == top.value or _reaches(m, top)}

    def told(self) -> list[str]:
        """The verdicts on each file, a leak first."""
        of = lambda report: "; ".join(f"{p}: {v.heading}" for p, v in report.verdicts.items())
        return [f"{file}: {of(report)}" for file, report in self.reports.items()]

    def to_json(self) -> dict:
        return {
            "version": VERSION,
            "reports": {file: report.to_json() for file, report in self.reports.items()},
        }

    def to_markdown(self) -> str:
        strong = lambda text: f"**{text}**"
        lines = self._lines(strong, escape=lambda text: text.replace("|", r"\|"))
        head = ["metric", *lines[0]]
        rule = ["---", *["---:"] * (len(head) - 2), "---"]
        rows = [f"| {' | '.join(cells)} |" for cells in (head, rule, *lines[1:])]
        return "\n".join(rows) + f"\n\n{CAPTION}\n"

    def to_latex(self) -> str:
        r"""A tabular for \usepackage{booktabs}."""
        lines = self._lines(lambda text: rf"\textbf{{{text}}}", escape=_tex)
        body = [" & ".join(cells) + r" \\" for cells in (["metric", *lines[0]], *lines[1:])]
        columns = "l" + "r" * (len(lines[0]) - 1) + "l"
        top = [
            rf"% {CAPTION}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            body[0],
            r"\midrule",
        ]
        return "\n".join([*top, *body[1:], r"\bottomrule", r"\end{tabular}"]) + "\n"

    def to_html(self) -> str:
        from jaxehr.evaluation.report.page import style

        lines = self._lines(lambda text: f"<b>{text}</b>", escape=html.escape)
        head = "".join(f'<th scope="col">{cell}</th>' for cell in ("metric", *lines[0]))
        rows = "".join(
            f'<tr><th scope="row"><code>{cells[0]}</code></th>'
            + "".join(f'<td class="n">{cell}</td>' for cell in cells[1:-1])
            + f"<td>{cells[-1]}</td></tr>"
            for cells in lines[1:]
        )
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Synthetic records beside each other'
            f"</title><style>{style()}</style></head><body>"
            "<header><h1>Synthetic records beside each other</h1></header>"
            f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in self.told())}</ul>"
            f'<p class="small">{CAPTION}</p><div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div></body></html>\n"
        )

    def _lines(self, strong: Callable[[str], str], escape: Callable[[str], str]) -> list[list[str]]:
        """The heads after the first, then a line for each metric."""
        lines = [[*map(escape, self.reports), "real, held out", "better"]]
        for name in self.metrics:
            row, best = self.row(name), self.best(name)
            if not any(in_short(m) for m in row.values()):
                continue
            cells = [escape(name)]
            for file in self.reports:
                text = escape(_cell(row.get(file)))
                cells.append(strong(text) if file in best else text)
            any_ = next(iter(row.values()))
            floors = [m.floor for m in row.values() if m.floor is not None]
            floor = number(floors[0]) if floors else "-"
            lines.append([*cells, floor, escape(way(any_))])
        return lines

    def save(self, folder: str | Path) -> None:
        """Writes comparison.json, .md, .tex and .html, and each file's report in a folder of its name."""
        texts = {
            "comparison.json": json.dumps(self.to_json(), indent=1) + "\n",
            "comparison.md": self.to_markdown(),
            "comparison.tex": self.to_latex(),
            "comparison.html": self.to_html(),
        }
        write_texts(folder, texts)
        for file, report in self.reports.items():
            report.save(Path(folder) / file)

    def __str__(self) -> str:
        return "\n".join([*self.told(), "", self.to_markdown()])


CAPTION = (
    "Value and half of its 95% interval; bold where it is the best or its interval reaches the best. "
    "real, held out: the same metric for fresh real patients."
)


def _reaches(metric: Metric, best: Metric) -> bool:
    if metric.low is None or metric.high is None:
        return False
    return metric.low <= best.value <= metric.high


def _cell(metric: Metric | None) -> str:
    if metric is None:
        return "-"
    if metric.status != "ok" or not math.isfinite(metric.value):
        return "not evaluated"
    if metric.low is None or metric.high is None:
        return number(metric.value)
    return f"{number(metric.value)} ± {number((metric.high - metric.low) / 2)}"


def _tex(text: str) -> str:
    for sign in "&%$#_{}":
        text = text.replace(sign, rf"\{sign}")
    return text.replace("±", r"$\pm$")
