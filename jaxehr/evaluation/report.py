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
    furthest    the columns and the pairs of columns (or codes) that are furthest off, worst first: a list of
                  what              column | pair | tell
                  names             one, or two
                  value, floor      the distance from 0 to 1 (of codes: of log odds; of pairs: of phi); of a tell,
                                    what the detector reads off a row, the AUC that it loses without it
    config      what was compared, sizes, seed, notes
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from jaxehr.files import write_text

if TYPE_CHECKING:
    from jaxehr.evaluation.verdict import Verdict

VERSION = 3
UNDERPOWERED = "underpowered: not evaluated"
SMALL_CELL = 11  # a smaller count of patients is not shown
BEYOND = 1.7  # times a 95% interval is one of 99.9%
Pillar = Literal["fidelity", "utility", "privacy", "clinical", "fairness"]
Better = Literal["higher", "lower", "closer"]
PILLARS: tuple[Pillar, ...] = ("fidelity", "utility", "privacy", "clinical", "fairness")


class Metric(NamedTuple):
    """One number about the synthetic records.

    floor   the same metric for real patients that were not trained on: as good as it gets. None without a holdout
    better  which way is better; "closer" is closer to `ideal`
    n       rows it was computed on, of each set
    low     to high: 95%
    worst   the same metric for a generator that copies, or that knows nothing of what is measured
    """

    name: str
    pillar: Pillar
    value: float
    floor: float | None
    better: Better
    ideal: float
    n: int
    low: float | None = None
    high: float | None = None
    worst: float | None = None
    status: str = "ok"
    why: str = ""


class Picture(NamedTuple):
    """title, what to look for, <svg>; small ones stand beside the verdict of their pillar."""

    title: str
    caption: str
    svg: str
    pillar: Pillar = "fidelity"
    small: bool = False


class Group(NamedTuple):
    """A metric within a subgroup."""

    by: str
    group: str
    metric: str
    value: float
    floor: float | None


class Furthest(NamedTuple):
    """How far a column, or the relation of two, is off; the floor is that of held-out patients. A tell is what gives
    rows away, by what the detector loses without it."""

    what: Literal["column", "pair", "tell"]
    names: tuple[str, ...]
    value: float
    floor: float | None


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
    def verdicts(self) -> "dict[Pillar, Verdict]":
        from jaxehr.evaluation.verdict import verdicts

        return verdicts(self)

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
        from jaxehr.evaluation.page import page

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


def in_short(m: Metric) -> bool:
    """Is it in a short table? Of fairness only gaps beyond chance are, and subgroups that were lost: there is a gap for
    every other figure."""
    if m.pillar != "fairness" or m.status != "ok":
        return True
    return clear_gap(m) or (m.name.startswith("groups_lost") and m.value > 0)


def clear_gap(m: Metric) -> bool:
    """Is it a gap between subgroups that is surely there?"""
    return "_group_gap" in m.name and m.low is not None and surely_above(m) > 0


def surely_above(m: Metric) -> float:
    """The lower end of an interval of 99.9%, for what is found by looking at a score of figures."""
    return m.value if m.low is None else m.value - BEYOND * (m.value - m.low)


def _plain(value: NamedTuple) -> dict[str, Any]:
    return {k: None if _is_nan(v) else v for k, v in value._asdict().items()}


def write_texts(folder: str | Path, texts: dict[str, str]) -> None:
    """Each whole, or not at all."""
    for name, text in texts.items():
        write_text(Path(folder) / name, text)


def way(metric: Metric) -> str:
    if metric.better == "closer" and metric.floor is not None and metric.ideal == metric.floor != 0:
        return "closer to floor"
    return f"closer to {metric.ideal:g}" if metric.better == "closer" else metric.better


def number(value: float | None) -> str:
    if value is None or _is_nan(value):
        return "-"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def interval(metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return ""
    return f"{number(metric.low)}..{number(metric.high)}"


def patients(n: int) -> str:
    """A count as it may be shown."""
    return f"{n:,}" if n == 0 or n >= SMALL_CELL else f"fewer than {SMALL_CELL}"


def ordered(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """Pillar by pillar, in the order they came."""
    return tuple(sorted(metrics, key=lambda m: PILLARS.index(m.pillar)))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
