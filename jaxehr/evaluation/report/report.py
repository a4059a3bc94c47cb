"""A report: report.json for programs, report.html for people, the same numbers in both.

The schema of report.json, version 3 (version 2 had no verdicts and nothing of what is furthest off):

    version     3
    verdicts    a list of pillar, heading, words; a leak comes first
    metrics     a list of
                  name, pillar      fidelity | utility | privacy | clinical | fairness
                  value             null where status is not "ok"
                  floor             the same metric for real patients that were not trained on; null without them
                  better, ideal     higher | lower | closer (to ideal)
                  n                 rows it was computed on, of each set
                  low, high         95% interval of value
                  worst             the same metric for copies of the training rows (privacy), for shuffled columns or
                                    columns of which only the ranges are known (fidelity), or for chance (utility)
                  status, why       "ok", or "underpowered: not evaluated" and the reason
    groups      a list of by, group, metric, value, floor: the metrics within each subgroup of 11 or more
    furthest    the columns, the codes, and the pairs of either or of both that are furthest off, the worst of each
                first: a list of
                  what              column | pair | tell
                  names             one, or two
                  value, floor      the distance from 0 to 1 (of codes: of log odds; of pairs: of phi); of a tell,
                                    what the detector reads off a row, the AUC that it loses without it
    config      what was compared, sizes, seed, notes
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from jaxehr.evaluation.judges.verdict import Verdict, verdicts
from jaxehr.evaluation.measures.metric import (
    Furthest,
    Group,
    Metric,
    Picture,
    Pillar,
    in_short,
    interval,
    is_nan,
    number,
    way,
)
from jaxehr.evaluation.report.page import page
from jaxehr.files import write_text

VERSION = 3


@dataclass(frozen=True)
class Report:
    """The outcome of `evaluate`.

    not_judged  why a pillar was not, or not all of it
    """

    metrics: tuple[Metric, ...]
    pictures: tuple[Picture, ...]
    notes: tuple[str, ...]
    config: dict[str, Any]
    groups: tuple[Group, ...] = ()
    furthest: tuple[Furthest, ...] = ()
    not_judged: Mapping[Pillar, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Metric:
        """report["detection_auc"]"""
        return {metric.name: metric for metric in self.metrics}[name]

    @property
    def verdicts(self) -> dict[Pillar, Verdict]:
        return verdicts(self.metrics, self.not_judged)

    def to_json(self) -> dict[str, Any]:
        """The schema at the head of this file."""
        return {
            "version": VERSION,
            "verdicts": [{"pillar": p, **v._asdict()} for p, v in self.verdicts.items()],
            "metrics": [_plain(metric) for metric in self.metrics],
            "groups": [_plain(group) for group in self.groups],
            "furthest": [_plain(each) for each in self.furthest],
            "config": {**self.config, "notes": list(self.notes)},
        }

    def to_html(self) -> str:
        return page(self)

    def save(self, folder: str | Path) -> None:
        """Writes report.json and report.html."""
        text = json.dumps(self.to_json(), indent=1) + "\n"
        write_texts(folder, {"report.json": text, "report.html": self.to_html()})

    def __str__(self) -> str:
        told = [f"{pillar}: {v.heading}. {v.words}" for pillar, v in self.verdicts.items()]
        shown = [m for m in self.metrics if in_short(m)]
        wide = max((len(m.name) for m in shown), default=0) + 2
        head = f"{'metric':<{wide}}{'value':>9}  {'95%':<18}{'floor':>9}{'worst':>9}   better"
        lines = [*told, "", head]
        for m in shown:
            if m.status != "ok":
                lines.append(f"{m.name:<{wide}}{m.status}: {m.why}")
                continue
            lines.append(
                f"{m.name:<{wide}}{number(m.value):>9}  {interval(m):<18}{number(m.floor):>9}"
                f"{number(m.worst):>9}   {way(m)}"
            )
        if len(shown) < len(self.metrics):
            lines.append("fairness: gaps that are not beyond chance are in the saved report")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _plain(value: NamedTuple) -> dict[str, Any]:
    return {k: None if is_nan(v) else v for k, v in value._asdict().items()}


def write_texts(folder: str | Path, texts: dict[str, str]) -> None:
    """Each whole, or not at all."""
    for name, text in texts.items():
        write_text(Path(folder) / name, text)
