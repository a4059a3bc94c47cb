"""What stands in one rule of a file, read: conditions, events, and what is asked of them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxehr.data import DataError, listed
from jaxehr.data.grid import ticks_of
from jaxehr.evaluation.rules.rule import (
    RELATIONS,
    SIGNS,
    WHICH,
    Asked,
    Condition,
    Event,
    Having,
    Rule,
)

NOTHING = ("nothing_after", "nothing_before")
KEYS = ("name", "why", "who", *WHICH, "always", "never", *NOTHING)
OF_EVENTS = ("followed_by", "preceded_by", "within")  # no column is called so
NUMBERS = "20 to 250, or a number after >, >=, < or <="
NUMBER = r"[+-]?[\d.]+(?:[eE][+-]?\d+)?"
Groups = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Where:
    """A rule of a file, for messages: each begins with the file, the line and the rule's name.

    lines   of the file that the rule stands on, the first of them number `first`; none where that is not known
    """

    path: Path
    name: str
    lines: Sequence[str]
    first: int

    def at(self, key: str) -> str:
        """The line that begins with the key, or the rule's own."""
        if not self.lines:
            return f"{self.path}: the rule '{self.name}'"
        begins = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
        line = next((i for i, line in enumerate(self.lines) if begins.match(line)), 0)
        return f"{self.path}, line {self.first + line}: the rule '{self.name}'"


def rule_of(where: Where, said: dict[str, Any], groups: Groups) -> Rule:
    """Raises DataError, in one line, for what no rule can say."""
    unknown = sorted(set(said) - set(KEYS))
    if unknown:
        raise DataError(f"{where.at(unknown[0])} says '{unknown[0]}'; a rule has {', '.join(KEYS)}")
    way = _one_of(where, said, ("always", "never", *NOTHING))
    why, who = str(said.get("why", "")), _conditions(where, "who", said, groups)
    if any(key in said for key in WHICH):
        which = _one_of(where, said, WHICH)
        if way in NOTHING:
            raise DataError(
                f"{where.at(way)} says {which} and {way}; take one away: {way} speaks of all that a patient has"
            )
        return Rule(said["name"], why, who, (), (), None, _asked(where, which, way, said, groups))
    for key in OF_EVENTS:
        if isinstance(said[way], dict) and key in said[way]:
            raise DataError(
                f"{where.at(way)} says {key}, but not of which events: add {', '.join(WHICH[:-1])} or {WHICH[-1]} = "
                "a group of [codes]"
            )
    if way in NOTHING:
        order = (way.removeprefix("nothing_"), _group(where, way, said[way], groups))
        return Rule(said["name"], why, who, (), (), order)
    always, never = (_conditions(where, key, said, groups) for key in ("always", "never"))
    return Rule(said["name"], why, who, always, never, None)


def _one_of(where: Where, said: dict[str, Any], keys: Sequence[str]) -> Any:
    found = [key for key in keys if key in said]
    if len(found) != 1:
        what = " and ".join(found) if found else "none of them"
        raise DataError(
            f"{where.at(found[-1] if found else 'name')} is to say one of {', '.join(keys)}; it says {what}"
        )
    return found[0]


def _conditions(
    where: Where, key: str, said: dict[str, Any], groups: Groups
) -> tuple[Condition | Having, ...]:
    value = dict(_braces(where, key, said.get(key, {})))
    found: list[Condition | Having] = []
    if "code" in value:
        count = value.pop("count", None)
        inside = {part: value.pop(part) for part in ("code", "value") if part in value}
        event = _event(where, key, inside, groups)
        found.append(Having(event, None if count is None else _number(where, key, "count", count)))
    found += [_condition(where, key, column, asked) for column, asked in value.items()]
    return tuple(found)


def _braces(where: Where, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(
            f"{where.at(key)} says {key} = {value!r}; it is to be names with values, {{ NAME = VALUE }}"
        )
    return value


def _asked(where: Where, which: Any, way: str, said: dict[str, Any], groups: Groups) -> Asked:
    event = _event(where, which, said[which], groups)
    value = dict(_braces(where, way, said[way]))
    within = _span(where, way, value.pop("within")) if "within" in value else None
    strange = [key for key in value if key not in RELATIONS]
    if strange or len(value) != 1:
        what = f"'{strange[0]}'" if strange else " and ".join(value) or "none of them"
        also = "; what is so of the patient stands in who" if strange else ""
        raise DataError(
            f"{where.at(way)} asks {what} of events; {way} takes one of {', '.join(RELATIONS)}, and within{also}"
        )
    ((relation, wanted),) = value.items()
    if relation == "near" and within is None:
        raise DataError(f'{where.at(way)} asks what is near, but not how near; add within = "24h"')
    if relation == "value" and within is not None:
        raise DataError(
            f"{where.at(way)} says within of a value, which is looked at when it is measured; take it away"
        )
    if relation == "change" and which in ("first", "last"):
        raise DataError(
            f"{where.at(which)} asks for the change of one event; of changes ask all or each"
        )
    named = next(each for each in RELATIONS if each == relation)
    made = Asked(which, event, named, way == "always", within=within)
    if named == "change":
        return replace(made, value=_number(where, way, named, wanted))
    if named == "value":
        return replace(made, value=_value(where, way, wanted, groups))
    return replace(made, other=_event(where, way, wanted, groups))


def _event(where: Where, key: str, value: Any, groups: Groups) -> Event:
    """Of "GROUP", ["GROUP", "GROUP"], or { code = either of them, value = VALUE }."""
    said = value if isinstance(value, dict) else {"code": value}
    if "code" not in said or (strange := set(said) - {"code", "value"}):
        what = "no code" if "code" not in said else f"'{min(strange)}'"
        raise DataError(
            f"{where.at(key)} says {what} of events in {key} = {value!r}; events are a group of [codes], or "
            "{ code = GROUP, value = VALUE }"
        )
    codes = said["code"] if isinstance(said["code"], list) else [said["code"]]
    named = tuple(_group(where, key, each, groups) for each in codes or [codes])
    return Event(named, _value(where, key, said["value"], groups) if "value" in said else None)


def _group(where: Where, key: str, name: Any, groups: Groups) -> str:
    if not isinstance(name, str) or name not in groups:
        raise DataError(
            f"{where.at(key)} names the codes {name!r}, which are no group of [codes] "
            f"({listed(groups, str(name)) or 'there is none'})"
        )
    return name


def _value(where: Where, key: str, value: Any, groups: Groups) -> Condition:
    found = _condition(where, key, "value", value)
    if isinstance(value, str) and re.fullmatch(rf"\s*{NUMBER}\s*[-–]\s*{NUMBER}\s*", value):
        raise DataError(f"{where.at(key)} asks of 'value' {value!r}; a range is written 20 to 250")
    if found.other is not None:
        _group(where, key, found.other, groups)
    return found


def _number(where: Where, key: str, name: str, value: Any) -> Condition:
    found = _condition(where, key, name, value)
    if found.other is not None or found.texts:
        raise DataError(f"{where.at(key)} asks of '{name}' {value!r}; say numbers: {NUMBERS}")
    return found


def _span(where: Where, key: str, value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    ticks = ticks_of(value) if isinstance(value, str) else None
    if ticks is None or ticks < 0:
        raise DataError(
            f"{where.at(key)} says within = {value!r}, which is no length of time; say 6h, 30min or 7d, or, where "
            "times are numbers, how many of what they count"
        )
    return ticks


def _condition(where: Where, key: str, column: str, value: Any) -> Condition:
    values = value if isinstance(value, list) else [value]
    if isinstance(value, list) or not isinstance(value, str):
        if not values or not all(isinstance(each, str | int | float) for each in values):
            raise DataError(
                f"{where.at(key)} asks of '{column}' {value!r}; say a value, or a list of them"
            )
        return Condition(column, "any", tuple(values))
    span = re.fullmatch(rf"\s*({NUMBER}) to ({NUMBER})\s*", value)
    if span:
        low, high = map(_number_or_name, span.groups())
        if isinstance(low, str) or isinstance(high, str) or low > high:
            raise DataError(f"{where.at(key)} asks of '{column}' {value!r}, which nothing can be")
        return Condition(column, "range", (low, high))
    for sign in SIGNS:
        if value.startswith(sign) and (rest := value[len(sign) :].strip()) and rest[0] not in "<>=":
            return Condition(column, sign, (_number_or_name(rest),))
    if re.match(r"[<>=≤≥!]", value):
        raise DataError(
            f"{where.at(key)} asks of '{column}' {value!r}, which is not understood; say a value, a list of them, "
            f"{NUMBERS}"
        )
    return Condition(column, "any", (value,))


def _number_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
