"""What reviewers answered, scored: whether they could tell, whether they agree, and how realistic they found what.

The realism figures are those of ScoEHR (Naseer et al. 2023, section 6.2): the share of the real, and of the synthetic,
sheets that all reviewers, most of them, or at least one found realistic.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxehr.data import DataError, read_texts
from jaxehr.evaluation.measures.proportions import newcombe, wilson

WORDS = {
    "realistic": {"yes": 1, "y": 1, "1": 1, "true": 1, "no": 0, "n": 0, "0": 0, "false": 0},
    "origin": {"real": 1, "r": 1, "synthetic": 0, "s": 0, "fake": 0},
}
Marks = Float[np.ndarray, "reviewer sheet"]  # 1 or 0; NaN is no answer


class Share(NamedTuple):
    """hits of n, with Wilson's 95% interval; value is None where nobody answered."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.value is None:
            return "no answer"
        return f"{self.value:.0%} ({self.low:.0%} to {self.high:.0%}, n = {self.n})"


@dataclass(frozen=True)
class Score:
    """told       share of right guesses of the origin, for each reviewer and "majority"; 0.5 is chance
    kappa      agreement, for each question: Fleiss' for all, Cohen's for each two; None is undefined
    realistic  "all", "majority", "at least one" -> of real and of synthetic sheets
    excess     of those: synthetic less real, with Newcombe's 95% interval
    """

    sheets: int
    told: dict[str, Share]
    kappa: dict[str, dict[str, float | None]]
    realistic: dict[str, dict[str, Share]]
    excess: dict[str, tuple[float, float, float]]

    def to_json(self) -> str:
        shares = lambda by: {name: share._asdict() for name, share in by.items()}
        value = asdict(self) | {
            "told": shares(self.told),
            "realistic": {rule: shares(by) for rule, by in self.realistic.items()},
        }
        return json.dumps({"version": 1, **value}, indent=1) + "\n"

    def __str__(self) -> str:
        lines = [f"{self.sheets} sheets", "origin told rightly (50% is chance)"]
        lines += [f"  {name:<20}{share}{_verdict(share)}" for name, share in self.told.items()]
        lines.append("agreement (kappa)")
        for question, by in self.kappa.items():
            for who, value in by.items():
                said = "undefined: all answers are the same" if value is None else f"{value:.3f}"
                lines.append(f"  {question:<12}{who:<20}{said}")
        lines.append("found realistic by        real                           synthetic")
        for rule, found in self.realistic.items():
            lines.append(f"  {rule:<24}{found['real']!s:<31}{found['synthetic']}")
        return "\n".join(lines)


def _verdict(share: Share) -> str:
    if share.low is None or share.high is None:
        return ""
    return "" if share.low <= 0.5 <= share.high else ": not chance"


def score_review(folder: str | Path) -> Score:
    """Scores every answers/*.csv of a review's folder, a file for each reviewer, against its key.csv.

    Raises DataError, naming file and sheet, for an answer that cannot be read.
    """
    folder = Path(folder)
    if not (folder / "key.csv").is_file():
        raise DataError(
            f"{folder} holds no review: it has no key.csv (make one with `jaxehr review`)"
        )
    key = pd.read_csv(folder / "key.csv").set_index("sheet")["origin"]
    files = sorted((folder / "answers").glob("*.csv"))
    if not files:
        raise DataError(f"{folder / 'answers'} is empty; put each reviewer's answers.csv there")
    answers = [_read(path, key.index) for path in files]
    marks = {q: np.stack([each[q].to_numpy(float) for each in answers]) for q in WORDS}
    return score(marks, (key == "real").to_numpy(), [path.stem for path in files])


def _read(path: Path, sheets: pd.Index) -> pd.DataFrame:
    frame = read_texts(path, encoding="cp1252")  # of a comment, where it is not UTF-8
    frame.columns = [str(name).split(" (")[0].strip().lower() for name in frame.columns]
    lacking = {"sheet", *WORDS} - set(frame.columns)
    if lacking:
        raise DataError(
            f"{path} has no column {min(lacking)}; it is to have sheet, realistic, origin"
        )
    numbers = pd.to_numeric(frame["sheet"], errors="coerce")
    if not numbers.is_unique or not numbers.isin(sheets).all():
        odd = frame["sheet"][numbers.duplicated() | ~numbers.isin(sheets)].iloc[0]
        raise DataError(f"{path} has the sheet {odd!r} twice, or it is none of the review's")
    found = {}
    for question, words in WORDS.items():
        said = frame[question].str.strip().str.lower()
        odd = ~said.isin([*words, ""])
        if odd.any():
            raise DataError(
                f"{path}, sheet {frame['sheet'][odd].iloc[0]}: {question} is {frame[question][odd].iloc[0]!r}; "
                f"it is to be {' or '.join(list(words)[:: len(words) // 2][:2])}, or empty"
            )
        found[question] = said.map(words).to_numpy(float)
    return pd.DataFrame(found, index=numbers.astype(int)).reindex(sheets)


def score(marks: Mapping[str, Marks], real: np.ndarray, reviewers: list[str]) -> Score:
    """marks["realistic"] is 1 for yes, marks["origin"] 1 for real."""
    right = np.where(np.isnan(marks["origin"]), np.nan, marks["origin"] == real)
    told = {name: _share(row) for name, row in zip(reviewers, right, strict=True)}
    if len(reviewers) > 1:
        verdict = _majority(marks["origin"])
        told["majority"] = _share(np.where(np.isnan(verdict), np.nan, verdict == real))
    answered = ~np.isnan(marks["realistic"]).all(axis=0)
    said = marks["realistic"][:, answered]
    if not answered.any():
        raise DataError("nobody answered whether a sheet is realistic")
    rules = {  # a tie is no majority
        "all": np.nanmin(said, axis=0),
        "majority": np.nan_to_num(_majority(said)),
        "at least one": np.nanmax(said, axis=0),
    }
    realistic, excess = {}, {}
    for rule, found in rules.items():
        by = {"real": found[real[answered]], "synthetic": found[~real[answered]]}
        realistic[rule] = {origin: _share(values) for origin, values in by.items()}
        if all(len(values) for values in by.values()):
            hits, n = int(by["synthetic"].sum()), len(by["synthetic"])
            others, m = int(by["real"].sum()), len(by["real"])
            excess[rule] = (hits / n - others / m, *newcombe(hits, n, others, m))
    kappa = {question: _kappas(each, reviewers) for question, each in marks.items()}
    return Score(len(real), told, kappa, realistic, excess)


def _majority(marks: Marks) -> Float[np.ndarray, "sheet"]:
    """1 where more than half of those who answered say 1, 0 where less; NaN for a tie, or no answer."""
    yes, no = (marks == 1).sum(0), (marks == 0).sum(0)
    return np.where(yes > no, 1.0, np.where(no > yes, 0.0, np.nan))


def _share(values: np.ndarray) -> Share:
    given = values[~np.isnan(values)]
    if not len(given):
        return Share(None, None, None, 0)
    return Share(float(given.mean()), *wilson(int(given.sum()), len(given)), len(given))


def _kappas(marks: Marks, reviewers: list[str]) -> dict[str, float | None]:
    if len(reviewers) < 2:
        return {}
    found = {"Fleiss, all": fleiss_kappa(marks)}
    for i, j in combinations(range(len(reviewers)), 2):
        found[f"{reviewers[i]}, {reviewers[j]}"] = cohen_kappa(marks[i], marks[j])
    return found


def cohen_kappa(a: Float[np.ndarray, "sheet"], b: Float[np.ndarray, "sheet"]) -> float | None:
    """Cohen (1960), over the sheets that both answered: (p_o - p_e) / (1 - p_e), chance by each one's own shares."""
    both = ~np.isnan(a) & ~np.isnan(b)
    if not both.any():
        return None
    p, q = a[both].mean(), b[both].mean()
    chance = p * q + (1 - p) * (1 - q)
    return None if chance >= 1 else float(((a[both] == b[both]).mean() - chance) / (1 - chance))


def fleiss_kappa(marks: Marks) -> float | None:
    """Fleiss (1971), over the sheets that all answered; chance by the shares of all together."""
    whole = marks[:, ~np.isnan(marks).any(axis=0)]
    reviewers, sheets = whole.shape
    if not sheets:
        return None
    yes = whole.sum(0)
    pairs = yes * (yes - 1) + (reviewers - yes) * (reviewers - yes - 1)
    agreement = (pairs / (reviewers * (reviewers - 1))).mean()
    p = whole.mean()
    chance = p**2 + (1 - p) ** 2
    return None if chance >= 1 else float((agreement - chance) / (1 - chance))
