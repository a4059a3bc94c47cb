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
from jaxehr.evaluation.measures.proportions import effective, newcombe, wilson
from jaxehr.evaluation.rules.conditions import broken
from jaxehr.evaluation.rules.patients import Patients
from jaxehr.evaluation.rules.rule import Event, Rule, RuleFile

HIDDEN = 10  # the largest count of patients that is never told


class Rate(NamedTuple):
    """How often a rule is broken, among the n patients of whom it can be told; of a rule on each event the mean of the
    patients' own shares.

    bound       "at most" or "at least" where a count below 11 is behind the rate; else ""
    effective   how many patients with one event each would tell as much (Kish 1965); n of a rule on patients
    events      that were asked of; None of a rule that asks of none, or of one of each patient
    """

    rate: float
    low: float
    high: float
    n: int
    bound: str
    effective: float
    events: int | None = None

    @property
    def patients(self) -> int:
        return round(self.rate * self.n)

    def __str__(self) -> str:
        sign = {"at most": "≤ ", "at least": "≥ ", "": ""}[self.bound]
        events = "" if self.events is None else f" ({self.events:,} events)"
        return f"{sign}{self.rate:.2%} of {self.n:,}{events}"


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

    @property
    def told(self) -> str:
        """Both rates."""
        return f"synthetic {self.synthetic}, real {self.real}"

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.rule}: not evaluated, {self.said}"
        line = f"{self.rule}: {self.value:+.2%} ({self.low:+.2%} to {self.high:+.2%}); {self.told}"
        return line + (f" ({self.said})" if self.said else "")


def rates(rules: RuleFile, data: Data, name: str = "real") -> dict[str, Rate | None]:
    """The rate of each rule on a table (a row per patient), on codes (subject_id and code, perhaps time and more), or
    on records that have both.

    None where fewer than 22 patients are concerned: too few to tell both sides.
    name    of the records, for errors
    Raises DataError for a rule that names a column that is not there, or compares text; a starter set leaves it out.
    """
    return _rates(Patients(data, rules, name))


def excesses(
    rules: RuleFile,
    real: Data,
    synthetic: Data,
    holdout: Data | None = None,
) -> tuple[tuple[Excess, ...], tuple[str, ...]]:
    """Every rule as its excess over the real records' rate; and notes on rules that these records cannot be asked.

    Raises DataError as `rates` does.
    """
    known, drawn = Patients(real, rules, "real"), Patients(synthetic, rules, "synthetic")
    found, others = _rates(known), _rates(drawn)
    held = {} if holdout is None else rates(rules, holdout, "holdout")
    judged = []
    for rule in rules.rules:
        mine, theirs = found.get(rule.name), others.get(rule.name)
        if rule.name not in found or (rules.starter and mine is None):
            continue
        if mine is None or theirs is None:
            said = _why_not(known if mine is None else drawn, rule)
            none = (None, None, None, None, 0)
            judged.append(Excess(rule.name, rule.why, *none, mine, theirs, said))
        else:
            judged.append(_excess(rule, mine, theirs, held.get(rule.name)))
    return tuple(judged), tuple(_notes(rules, found))


def _rates(patients: Patients) -> dict[str, Rate | None]:
    found = {}
    for rule in patients.rules.rules:
        try:
            _check_columns(patients, rule)
            found[rule.name] = _rate(patients, rule)
        except DataError:
            if not patients.rules.starter:  # which know spellings, not every file
                raise
    return found


def _why_not(patients: Patients, rule: Rule) -> str:
    """Why a rule says nothing of these records."""
    if any(patients.column(name) is None for name in rule.columns):
        return f"it never applied: the {patients.name} records lack a column that it speaks of"
    unknown = [groups for groups in rule.needs if not patients.matching(Event(groups)).any()]
    if unknown:
        group = "' or '".join(unknown[0])
        return f"it never applied: no code of the {patients.name} records is of the group '{group}'"
    return f"fewer than {2 * (HIDDEN + 1)} {patients.name} patients are concerned"


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
    found = broken(patients, rule)
    shares = found.share[found.concerned]
    n, count = len(shares), float(shares.sum())
    if n < 2 * (HIDDEN + 1):
        return None
    told = min(max(count, HIDDEN), n - HIDDEN)
    bound = "at most" if count <= HIDDEN else "at least" if count >= n - HIDDEN else ""
    worth = float(n)
    if not bound and found.events is not None:
        worth = effective(shares, found.events)
    return Rate(told / n, *wilson(told / n * worth, worth), n, bound, worth, found.events)


def _excess(rule: Rule, real: Rate, drawn: Rate, held: Rate | None) -> Excess:
    value, said = drawn.rate - real.rate, ""
    low, high = newcombe(
        drawn.rate * drawn.effective, drawn.effective, real.rate * real.effective, real.effective
    )
    floor = None if held is None else held.rate - real.rate
    # All that may be known of either then is on which side of its bound it lies.
    if real.bound and real.bound == drawn.bound:
        few = "break" if real.bound == "at most" else "keep"
        as_if = "as often as if at most" if rule.shared else "at most"
        said = f"{as_if} {HIDDEN} patients {few} it, real or synthetic"
        value, floor = 0.0, None if held is None else 0.0
        low, high = (-real.high, drawn.high) if few == "break" else (drawn.low - 1, 1 - real.low)
    elif real.rate > 0.9:
        said = "most real patients break it: another unit, or another meaning of the column?"
    return Excess(rule.name, rule.why, value, low, high, floor, drawn.n, real, drawn, said)
