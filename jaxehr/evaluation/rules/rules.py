"""Clinical rules: how often records break them, and how much more often than real records do.

A file of rules is TOML that a clinician can read and write; `starter/codes.toml` says at its head what a rule may
say. Real records break rules too, so what counts is the excess over their own rate.

No count below 11 leaves this file: where fewer patients break a rule, or fewer keep it, the rate is given as a bound,
that of 10, and an excess is computed from what is given.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jaxehr.data import DataError
from jaxehr.evaluation.blocks.frames import Data
from jaxehr.evaluation.measures.proportions import newcombe, wilson
from jaxehr.evaluation.rules.conditions import Patients, broken
from jaxehr.evaluation.rules.rule_file import Rule, RuleFile

HIDDEN = 10  # the largest count of patients that is never told


class Rate(NamedTuple):
    """How often a rule is broken, among the n patients of whom it can be told.

    bound   "at most" or "at least" where a count below 11 is behind the rate; else ""
    """

    rate: float
    low: float
    high: float
    n: int
    bound: str

    @property
    def patients(self) -> int:
        return round(self.rate * self.n)

    def __str__(self) -> str:
        sign = {"at most": "≤ ", "at least": "≥ ", "": ""}[self.bound]
        return f"{sign}{self.rate:.2%} of {self.n:,}"


class Excess(NamedTuple):
    """One rule on synthetic records, beside real ones.

    value       rate of the synthetic records less that of the real ones; low, high: its 95% interval (Newcombe)
    floor       the same for the holdout in the place of the synthetic records
    n           synthetic patients of whom the rule can be told
    value is None, and `said` tells why, where it cannot be judged.
    """

    rule: str
    why: str
    value: float | None
    low: float | None
    high: float | None
    floor: float | None
    n: int
    real: Rate | None
    synthetic: Rate | None
    said: str

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.rule}: not evaluated, {self.said}"
        line = f"{self.rule}: {self.value:+.2%} ({self.low:+.2%} to {self.high:+.2%})"
        line += f"; synthetic {self.synthetic}, real {self.real}"
        return line + (f" ({self.said})" if self.said else "")


def rates(rules: RuleFile, data: Data, name: str = "real") -> dict[str, Rate | None]:
    """The rate of each rule on a table (a row per patient), on codes (subject_id and code, perhaps time and more), or
    on records that have both.

    None where fewer than 22 patients are concerned: too few to tell both sides.
    name    of the records, for errors
    Raises DataError for a rule that names a column that is not there, or compares text; a starter set leaves it out.
    """
    patients = Patients(data, rules, name)
    found = {}
    for rule in rules.rules:
        try:
            _check_columns(patients, rule)
            found[rule.name] = _rate(patients, rule)
        except DataError:
            if not rules.starter:  # which know spellings, not every file
                raise
    return found


def excesses(
    rules: RuleFile,
    real: Data,
    synthetic: Data,
    holdout: Data | None = None,
) -> tuple[tuple[Excess, ...], tuple[str, ...]]:
    """Every rule as its excess over the real records' rate; and notes on rules that these records cannot be asked.

    Raises DataError as `rates` does.
    """
    found = rates(rules, real, "real")
    drawn = rates(rules, synthetic, "synthetic")
    held = {} if holdout is None else rates(rules, holdout, "holdout")
    judged = tuple(
        _excess(rule, found[rule.name], drawn.get(rule.name), held.get(rule.name))
        for rule in rules.rules
        if rule.name in found and not (rules.starter and found[rule.name] is None)
    )
    return judged, tuple(_notes(rules, found))


def _notes(rules: RuleFile, found: dict[str, Rate | None]) -> Iterator[str]:
    """What a starter set could not be asked here."""
    missing = [rule.name for rule in rules.rules if rule.name not in found]
    nobody = [name for name, rate in found.items() if rate is None]
    several = f"of the {len(rules.rules)} rules of {rules.source}"
    if rules.starter and missing:
        yield (
            f"{several}, {len(missing)} speak of columns that these records do not have, or not as numbers: "
            f"{_listed(missing, 4)}"
        )
    if rules.starter and nobody:
        yield f"{several}, {len(nobody)} concern fewer than {2 * HIDDEN + 2} real patients: {_listed(nobody, 4)}"


def _check_columns(patients: Patients, rule: Rule) -> None:
    missing = [name for name in rule.columns if patients.column(name) is None]
    if missing:
        raise DataError(
            f"the rule '{rule.name}' of {patients.rules.source} names the column '{missing[0]}', which the "
            f"{patients.name} records lack (they have {_listed(patients.columns)}); "
            "correct it, or say under [columns] what your file calls it"
        )


def _listed(names: Iterable, most: int = 12) -> str:
    listed = [str(name) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _rate(patients: Patients, rule: Rule) -> Rate | None:
    concerned, breaks = broken(patients, rule)
    n, count = int(concerned.sum()), int((concerned & breaks).sum())
    if n < 2 * (HIDDEN + 1):
        return None
    told = min(max(count, HIDDEN), n - HIDDEN)
    bound = "at most" if count <= HIDDEN else "at least" if count >= n - HIDDEN else ""
    return Rate(told / n, *wilson(told, n), n, bound)


def _excess(rule: Rule, real: Rate | None, drawn: Rate | None, held: Rate | None) -> Excess:
    if real is None or drawn is None:
        whose = "real" if real is None else "synthetic"
        said = f"fewer than {2 * (HIDDEN + 1)} {whose} patients are concerned"
        return Excess(rule.name, rule.why, None, None, None, None, 0, real, drawn, said)
    value, said = drawn.rate - real.rate, ""
    low, high = newcombe(drawn.patients, drawn.n, real.patients, real.n)
    floor = None if held is None else held.rate - real.rate
    if (
        real.bound and real.bound == drawn.bound
    ):  # all that is known of either is which side of its bound it lies
        few = "break" if real.bound == "at most" else "keep"
        said = f"at most {HIDDEN} patients {few} it, real or synthetic"
        value, floor = 0.0, None if held is None else 0.0
        low, high = (-real.high, drawn.high) if few == "break" else (drawn.low - 1, 1 - real.low)
    elif real.rate > 0.9:
        said = "most real patients break it: another unit, or another meaning of the column?"
    return Excess(rule.name, rule.why, value, low, high, floor, drawn.n, real, drawn, said)
