"""What clinical rules say, as values: of a patient's columns, of events, and of their order in time."""

import re
from dataclasses import dataclass
from typing import Any, Literal

Sign = Literal["<=", ">=", "<", ">"]
Which = Literal["all", "each", "first", "last"]
Relation = Literal["value", "change", "followed_by", "preceded_by", "near"]
SIGNS: tuple[Sign, ...] = ("<=", ">=", "<", ">")
WHICH: tuple[Which, ...] = ("all", "each", "first", "last")
RELATIONS: tuple[Relation, ...] = ("value", "change", "followed_by", "preceded_by", "near")


@dataclass(frozen=True)
class Condition:
    """What is asked of one column, of a value or of a count.

    kind    "any": one of `values`;  "range": values[0] to values[1];  a sign: against values[0], a number, or the name
            of a column (of an event's value: of a group, whose value at the same time it is)
    """

    column: str
    kind: Literal["any", "range"] | Sign
    values: tuple[Any, ...]

    @property
    def other(self) -> str | None:
        """The column or group that it is held against."""
        against = self.values[0]
        return against if self.kind in SIGNS and isinstance(against, str) else None

    @property
    def texts(self) -> bool:
        """Whether it asks for a text."""
        return self.kind == "any" and any(isinstance(value, str) for value in self.values)

    @property
    def numbers(self) -> bool:
        """Whether it asks for a number."""
        return self.kind != "any" or not all(isinstance(value, str) for value in self.values)


@dataclass(frozen=True)
class Event:
    """Events with a code of one of the groups and, if it is said, with such a value."""

    groups: tuple[str, ...]
    value: Condition | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return ("code", *(() if self.value is None else columns_of_value(self.value)))


@dataclass(frozen=True)
class Having:
    """How many such events a patient has; one or more if no count is said."""

    event: Event
    count: Condition | None = None


@dataclass(frozen=True)
class Asked:
    """What is asked of a patient's events.

    which       a rule is broken by a patient with "all" by one of them, with "first" and "last" by that one; "each" is
                the share of a patient's events that break it
    relation    of the event: its value; the change to the next of its kind; or whether there is an `other` event after
                it, before it, or either, as `must` says
    within      microseconds, or a float in what times count that are numbers; None is however long
    """

    which: Which
    event: Event
    relation: Relation
    must: bool
    value: Condition | None = None
    other: Event | None = None
    within: int | float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        found = list(self.event.columns)
        if self.value is not None:
            found += columns_of_value(self.value)
        if self.other is not None:
            found += self.other.columns
        aligned = self.value is not None and self.value.other is not None
        if self.which in ("first", "last") or self.relation != "value" or aligned:
            found.append("time")
        return tuple(found)


@dataclass(frozen=True)
class Rule:
    """Among the patients of whom all of `who` holds, it is broken where `never` holds, or `always` does not.

    order   ("after" or "before", group): nothing is later, or earlier, than these codes; wants the column time
    asked   of events, in the place of always, never and order
    """

    name: str
    why: str
    who: tuple[Condition | Having, ...]
    always: tuple[Condition | Having, ...]
    never: tuple[Condition | Having, ...]
    order: tuple[str, str] | None
    asked: Asked | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it speaks of; code is one."""
        found = ["code", "time"] if self.order else []
        for condition in (*self.who, *self.always, *self.never):
            if isinstance(condition, Having):
                found += condition.event.columns
            else:
                found += filter(None, (condition.column, condition.other))
        found += () if self.asked is None else self.asked.columns
        return tuple(dict.fromkeys(found))

    @property
    def shared(self) -> bool:
        """Whether a patient may break it by a share of the events."""
        return self.asked is not None and self.asked.which == "each"

    @property
    def needs(self) -> tuple[tuple[str, ...], ...]:
        """Groups of codes: without a code of one of each nobody is concerned."""
        found = [
            each.event.groups for each in self.who if isinstance(each, Having) and not each.count
        ]
        found += [] if self.order is None else [(self.order[1],)]
        found += [] if self.asked is None else [self.asked.event.groups]
        return tuple(found)


@dataclass(frozen=True)
class RuleFile:
    """The rules of a file, and its words for codes and columns."""

    source: str
    starter: bool
    vocabularies: dict[str, tuple[str, ...]]
    codes: dict[str, tuple[str, ...]]
    columns: dict[str, tuple[str, ...]]
    rules: tuple[Rule, ...]

    def is_in(self, code: str, group: str) -> bool:
        return any(self._matches(code, entry) for entry in self.codes[group])

    def _matches(self, code: str, entry: str) -> bool:
        """An entry is "VOCABULARY from-to", "VOCABULARY start", or the whole code with * for anything."""
        word, _, rest = entry.partition(" ")
        if word not in self.vocabularies:
            return like(code, entry)
        return any(
            code.startswith(prefix) and _within(code[len(prefix) :].replace(".", ""), rest.strip())
            for prefix in self.vocabularies[word]
        )


def columns_of_value(asked: Condition) -> list[str]:
    """What of events a condition on their value looks at."""
    return ["numeric_value"] * asked.numbers + ["text_value"] * asked.texts


def like(text: str, pattern: str) -> bool:
    """The same but for upper and lower case; * stands for anything, and nothing else for anything but itself."""
    parts = map(re.escape, pattern.lower().split("*"))
    return re.fullmatch(".*".join(parts), text.lower(), re.DOTALL) is not None


def _within(code: str, span: str) -> bool:
    if "*" in span:
        return like(code, span)
    low, _, high = (part.strip().replace(".", "") for part in span.partition("-"))
    high = high or low
    return low <= code[: len(low)] and code[: len(high)] <= high and len(code) >= len(low)
