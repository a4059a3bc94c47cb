"""A file of clinical rules, read: vocabularies, groups of codes, spellings of columns, and the rules themselves."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jaxehr.data import DataError

STARTER = Path(__file__).parent / "starter"
KEYS = {"name", "why", "who", "always", "never", "nothing_after", "nothing_before"}
SIGNS: tuple[Literal["<=", ">=", "<", ">"], ...] = ("<=", ">=", "<", ">")


@dataclass(frozen=True)
class Condition:
    """What is asked of one column, or of a patient's codes.

    column  "code" asks whether the patient has any code of a group
    kind    "any": one of `values`;  "range": values[0] to values[1];  a sign: against values[0], a number or a column
    """

    column: str
    kind: Literal["any", "range", "<=", ">=", "<", ">"]
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Rule:
    """Among the patients of whom all of `who` holds, it is broken where `never` holds, or `always` does not.

    order   ("after" or "before", group): nothing is later, or earlier, than these codes; wants the column time
    """

    name: str
    why: str
    who: tuple[Condition, ...]
    always: tuple[Condition, ...]
    never: tuple[Condition, ...]
    order: tuple[str, str] | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it speaks of; code is one."""
        found = ["code", "time"] if self.order else []
        for condition in (*self.who, *self.always, *self.never):
            found.append(condition.column)
            if condition.kind in SIGNS and isinstance(condition.values[0], str):
                found.append(condition.values[0])
        return tuple(dict.fromkeys(found))


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


def starter_rules(name: Literal["codes", "labs"]) -> RuleFile:
    """The rules that come with the package: ICD-9 and ICD-10 codes and drugs, or common labs and vital signs.

    They know many spellings; what a file does not have is skipped, and said.
    """
    return _read(STARTER / f"{name}.toml", starter=True)


def read_rules(path: str | Path) -> RuleFile:
    """The rules of a file. Raises DataError, in one line, for one that cannot be read or says what no rule can."""
    return _read(Path(path), starter=False)


def _read(path: Path, *, starter: bool) -> RuleFile:
    if not path.is_file():
        raise DataError(f"no such file of rules: {path}")
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not TOML: {error}") from None
    unknown = set(said) - {"vocabularies", "codes", "columns", "rule"}
    if unknown or not said.get("rule"):
        what = f"has [{min(unknown)}]" if unknown else "has no [[rule]]"
        raise DataError(f"{path} {what}; it may have [vocabularies], [codes], [columns], [[rule]]")
    rule = said["rule"]
    if not isinstance(rule, list) or not all(isinstance(each, dict) for each in rule):
        raise DataError(f"{path}: rule = {rule!r}; begin each rule with [[rule]]")
    words = {
        name: _spellings(path, _table(f"{path}:", name, said))
        for name in ("vocabularies", "codes", "columns")
    }
    rules = tuple(_rule(path, i, value, words["codes"]) for i, value in enumerate(rule))
    names = [rule.name for rule in rules]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{path} has two rules named '{twice[0]}'; rename one")
    return RuleFile(
        path.name, starter, words["vocabularies"], words["codes"], words["columns"], rules
    )


def _table(where: str, name: str, said: dict[str, Any]) -> dict[str, Any]:
    value = said.get(name, {})
    if not isinstance(value, dict):
        raise DataError(
            f"{where} {name} = {value!r}; it is to be names with values, {{ NAME = VALUE }}"
        )
    return value


def _spellings(path: Path, said: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, values in said.items():
        values = values if isinstance(values, list) else [values]
        if not values or not all(isinstance(value, str) for value in values):
            raise DataError(f"{path}: '{name}' is to be a list of texts; got {values!r}")
        found[name] = tuple(values)
    return found


def _rule(path: Path, i: int, said: dict[str, Any], groups: dict[str, tuple[str, ...]]) -> Rule:
    name = said.get("name")
    if not isinstance(name, str):
        raise DataError(f"{path}: rule {i + 1} has no name")
    where = f"{path}: the rule '{name}'"
    unknown = set(said) - KEYS
    if unknown:
        raise DataError(f"{where} says '{min(unknown)}'; a rule has {', '.join(sorted(KEYS))}")
    ways = [key for key in ("always", "never", "nothing_after", "nothing_before") if key in said]
    if len(ways) != 1:
        what = " and ".join(ways) if ways else "none of them"
        raise DataError(
            f"{where} is to say one of always, never, nothing_after, nothing_before; it says {what}"
        )
    conditions = {
        key: tuple(
            _condition(where, column, value, groups)
            for column, value in _table(f"{where} says", key, said).items()
        )
        for key in ("who", "always", "never")
    }
    order = None
    if ways[0].startswith("nothing_"):
        order = (ways[0].removeprefix("nothing_"), _group(where, said[ways[0]], groups))
    return Rule(name, str(said.get("why", "")), order=order, **conditions)


def _condition(
    where: str, column: str, value: Any, groups: dict[str, tuple[str, ...]]
) -> Condition:
    values = value if isinstance(value, list) else [value]
    if column == "code":
        return Condition(column, "any", tuple(_group(where, each, groups) for each in values))
    if isinstance(value, list) or not isinstance(value, str):
        if not values or not all(isinstance(each, str | int | float) for each in values):
            raise DataError(f"{where} asks of '{column}' {value!r}; say a value, or a list of them")
        return Condition(column, "any", tuple(values))
    span = re.fullmatch(r"\s*(-?[\d.]+) to (-?[\d.]+)\s*", value)
    if span:
        low, high = map(_number_or_column, span.groups())
        if isinstance(low, str) or isinstance(high, str) or low > high:
            raise DataError(f"{where} asks of '{column}' {value!r}, which nothing can be")
        return Condition(column, "range", (low, high))
    for sign in SIGNS:
        if value.startswith(sign):
            return Condition(column, sign, (_number_or_column(value[len(sign) :].strip()),))
    return Condition(column, "any", (value,))


def _number_or_column(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _group(where: str, name: Any, groups: dict[str, tuple[str, ...]]) -> str:
    if not isinstance(name, str) or name not in groups:
        raise DataError(
            f"{where} names the codes {name!r}, which are no group of [codes] "
            f"({', '.join(groups) or 'there is none'})"
        )
    return name
