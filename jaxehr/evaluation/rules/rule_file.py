"""A file of clinical rules, read: vocabularies, groups of codes, spellings of columns, and the rules themselves."""

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from jaxehr.data import DataError
from jaxehr.evaluation.rules.grammar import Where, rule_of
from jaxehr.evaluation.rules.rule import RuleFile

STARTER = Path(__file__).parent / "starter"
Starter = Literal["codes", "labs", "events"]
STARTERS: tuple[Starter, ...] = ("codes", "labs", "events")


def starter_rules(name: Starter) -> RuleFile:
    """The rules that come with the package: ICD-9 and ICD-10 codes and drugs; common labs and vital signs in columns;
    or those as events, with their order in time.

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
        text = path.read_text(encoding="utf-8")
        said = tomllib.loads(text)
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
    places = _places(path, text, rule)
    rules = tuple(rule_of(*each, words["codes"]) for each in zip(places, rule, strict=True))
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


def _places(path: Path, text: str, rules: list[dict[str, Any]]) -> list[Where]:
    """Where each rule stands. Raises DataError for one without a name."""
    lines = text.splitlines()
    heads = [i for i, line in enumerate(lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
    found = []
    for i, rule in enumerate(rules):
        if not isinstance(rule.get("name"), str):
            raise DataError(f"{path}: rule {i + 1} has no name")
        own, first = lines[:0], 0
        if len(heads) == len(rules):
            own, first = lines[heads[i] : [*heads, len(lines)][i + 1]], heads[i] + 1
        found.append(Where(path, rule["name"], own, first))
    return found
