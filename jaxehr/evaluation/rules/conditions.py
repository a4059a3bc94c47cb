"""Whether a clinical rule is broken, patient by patient; what is missing leaves it open."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxehr.evaluation.rules.patients import Flags, Patients, is_any, is_so, numbers_of
from jaxehr.evaluation.rules.rule import Asked, Condition, Event, Having, Rule
from jaxehr.evaluation.rules.timeline import Lines, Places


class Broken(NamedTuple):
    """Of whom a rule can be told, and how much each breaks it: 0 or 1, or the share of a patient's events.

    events      that were asked of all those whom it concerns; None of a rule that asks of none, or one of each patient
    """

    concerned: Flags
    share: Float[np.ndarray, "patient"]
    events: int | None = None


def broken(patients: Patients, rule: Rule) -> Broken:
    """Raises DataError for columns that cannot be compared, and a span in another unit than the times."""
    concerned, _ = _all(patients, rule.who, among=True)
    if rule.asked is not None:
        patients_of = lambda events: np.bincount(patients.subject[events], minlength=patients.count)
        at, known, breaks = _asked(patients, rule.asked, rule.name)
        known &= concerned[patients.subject[at]]
        told, bad = patients_of(at[known]), patients_of(at[known & breaks])
        share = bad / np.maximum(told, 1) if rule.shared else bad > 0
        events = int(told.sum()) if rule.asked.which in ("all", "each") else None
        return Broken(told > 0, share.astype(float), events)
    if rule.order:
        known, breaks = _order(patients, *rule.order)
    elif rule.never:
        known, breaks = _all(patients, rule.never)
    else:
        known, holds = _all(patients, rule.always)
        breaks = ~holds
    return Broken(concerned & known, breaks.astype(float))


def _all(
    patients: Patients, conditions: tuple[Condition | Having, ...], *, among: bool = False
) -> tuple[Flags, Flags]:
    """(known, holds) of all conditions together; `among` knows only of those for whom it holds."""
    known, holds = np.ones(patients.count, bool), np.ones(patients.count, bool)
    for condition in conditions:
        having = isinstance(condition, Having)
        seen, true = (_having if having else _one)(patients, condition)  # type: ignore[arg-type]
        known, holds = known & seen, holds & true
    return (known & holds, holds) if among else (known, holds)


def _having(patients: Patients, asked: Having) -> tuple[Flags, Flags]:
    whose = patients.subject[patients.matching(asked.event)]
    many = np.bincount(whose[whose >= 0], minlength=patients.count)
    so = many > 0 if asked.count is None else is_so(many, asked.count)
    return np.ones(patients.count, bool), so


def _one(patients: Patients, condition: Condition) -> tuple[Flags, Flags]:
    values = patients.values(condition.column)
    if condition.kind == "any":
        return values.notna().to_numpy(), is_any(values, condition.values)
    numbers = numbers_of(values)
    seen = ~np.isnan(numbers)
    if condition.other is None:
        return seen, is_so(numbers, condition)
    limit = numbers_of(patients.values(condition.other))
    return seen & ~np.isnan(limit), is_so(numbers, condition, limit)


def _order(patients: Patients, way: str, group: str) -> tuple[Flags, Flags]:
    """Of the patients with such a code, whether another is after the first, or before the last of them."""
    at = _ends(patients, Event((group,)), last=way == "before")
    whose, (low, high) = patients.subject[at], _span(patients, at, way, strict=True)[:2]
    known, breaks = np.zeros(patients.count, bool), np.zeros(patients.count, bool)
    known[whose] = True
    breaks[whose] = patients.timeline.count(at, ~patients.lines(group), low, high) > 0
    return known, breaks


def _asked(patients: Patients, asked: Asked, rule: str) -> tuple[Places, Lines, Lines]:
    """(the events that are asked of, of which it can be told, which break the rule)."""
    if asked.within is not None:
        patients.timeline.check_span(asked.within, rule)
    if asked.relation == "change":
        return _changes(patients, asked)
    if asked.which in ("first", "last"):
        at = _ends(patients, asked.event, last=asked.which == "last")
    else:
        at = np.flatnonzero(patients.matching(asked.event) & (patients.subject >= 0))
    if asked.relation == "value":
        assert asked.value is not None
        known, so = patients.worth(at, asked.value)
        return at, known, so != asked.must
    return _others(patients, asked, at[patients.timeline.there[at]])


def _others(patients: Patients, asked: Asked, at: Places) -> tuple[Places, Lines, Lines]:
    """Whether there is another event. One at the same time is in the right order, whichever is asked for; where the
    record does not reach as far as the span, and there is none in it, it cannot be told."""
    assert asked.other is not None
    way = WAYS[asked.relation]
    low, high, reaches = _span(patients, at, way, asked.within, strict=not asked.must)
    found = patients.timeline.count(at, patients.matching(asked.other), low, high) > 0
    return at, found | reaches, found != asked.must


WAYS = {"followed_by": "after", "preceded_by": "before", "near": "near"}


def _span(
    patients: Patients, at: Places, way: str, within: float | None = None, *, strict: bool
) -> tuple[np.ndarray, np.ndarray, Lines]:
    """Ranks from and to of what is after, before or near; strict leaves out what is at the same time."""
    timeline = patients.timeline
    low, high, reaches = timeline.spans(
        at, 0 if way == "after" else within, 0 if way == "before" else within
    )
    return low + (strict and way == "after"), high - (strict and way == "before"), reaches


def _changes(patients: Patients, asked: Asked) -> tuple[Places, Lines, Lines]:
    """Of each value and the next of its kind; no more than `within` apart."""
    assert asked.value is not None
    timeline, numbers = patients.timeline, patients.numbers
    order = timeline.sorted_by_value(patients.matching(asked.event) & ~np.isnan(numbers), numbers)
    whose, moments = patients.subject[order], timeline.moments[timeline.rank[order]]
    pair = whose[1:] == whose[:-1]
    if asked.within is not None:
        pair &= moments[1:] - moments[:-1] <= asked.within
    so = is_so(np.diff(numbers[order]), asked.value)
    return order[:-1], pair, so != asked.must


def _ends(patients: Patients, event: Event, *, last: bool) -> Places:
    """The first or last of each patient's events that are so; of several at that time the least or greatest value."""
    has_values = patients.column("numeric_value") is not None
    order = patients.timeline.sorted_by_value(
        patients.matching(event), patients.numbers if has_values else patients.subject
    )
    whose = pd.Series(patients.subject[order])
    return order[~whose.duplicated(keep="last" if last else "first").to_numpy()]
