"""What a value of one column says of another: implications, and columns that determine others."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxehr.data.dependencies.dependency import LEAST, NEARLY, Dependency, holds
from jaxehr.data.dependencies.missing import together
from jaxehr.data.implications import Implication
from jaxehr.data.kinds import Column

MANY = 32  # different numbers, of which each is a class; of more those that 1 in 20 have
MOST = 1_000  # classes of a column
COVERED = 0.9  # of the rows, by values that determine another column


class Coded(NamedTuple):
    """A column as classes.

    codes   [n] the class of each row; the last one is that of all other values, of which nothing is said
    values  of each class but the last; None is a missing value
    said    [k] which classes something may be said of: the last is none, nor is what fewer than 11 patients have
    """

    name: str
    codes: np.ndarray
    values: tuple[Any, ...]
    said: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        return np.bincount(self.codes, minlength=len(self.said)) / len(self.codes)

    @property
    def missing(self) -> int:
        """Its class; -1 where there is none."""
        return self.values.index(None) if None in self.values else -1


class Rule(NamedTuple):
    """Where `when` has one of these classes, `then` has this one, or is missing.

    breaks  [k, k'] the cells of the table of both that it forbids, in the order that the pair was asked in
    """

    when: Coded
    classes: tuple[int, ...]
    then: Coded
    result: int
    or_missing: bool
    held: int
    of: int
    chance: float
    breaks: np.ndarray


def implications(
    frame: pd.DataFrame, columns: Mapping[str, Column], known: set[frozenset[str]]
) -> list[Dependency]:
    """What determines a column, and else which single values do, that enough patients have.

    known   pairs of which it is known already that they are equal
    """
    found, aside = together(frame)
    coded = coded_columns(frame, columns, aside)
    tests = sum(len(each.said) for each in coded) * max(len(coded) - 1, 1)
    shares = {each.name: each.shares for each in coded}
    kept: list[Rule] = []
    for a, b in combinations(coded, 2):
        if frozenset((a.name, b.name)) in known:
            continue
        k = len(b.said)
        counts = np.bincount(a.codes * k + b.codes, minlength=len(a.said) * k)
        counts = counts.reshape(len(a.said), k)
        whole = _determined(a, b, counts, shares[b.name], tests)
        whole = whole or _determined(b, a, counts.T, shares[a.name], tests)
        if whole is not None:
            found.append(whole)
            continue
        rules = [*_rules(a, b, counts, shares[b.name], tests)]
        turned = [*_rules(b, a, counts.T, shares[a.name], tests)]
        rules += [rule._replace(breaks=rule.breaks.T) for rule in turned]
        kept += _without_what_follows(rules)
    return [*found, *_both_ways([_dependency(rule) for rule in _widest(kept)])]


def coded_columns(
    frame: pd.DataFrame, columns: Mapping[str, Column], aside: Collection[str] = ()
) -> list[Coded]:
    """Those of which there is something to say.

    aside   columns that another one is missing with: what that says is said of it alone
    """
    found = [_coded(frame[name], columns[name], name in aside) for name in frame]
    return [each for each in found if each.said.any()]


def _coded(values: pd.Series, column: Column, aside: bool) -> Coded:
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    few = column.kind in ("categorical", "boolean") or len(distinct) <= MANY
    least = LEAST if few else max(LEAST, len(values) / 20)
    if column.kind == "datetime":
        least = len(values) + 1  # no single date
    kept = np.flatnonzero(counts >= least)
    kept = kept[np.argsort(-counts[kept], kind="stable")][:MOST]
    place = np.full(len(distinct) + 1, len(kept) + 1)
    place[kept] = np.arange(len(kept))
    missing = int((codes < 0).sum())
    place[-1] = len(kept)  # of missing values, whose code is -1
    which: tuple[Any, ...] = (*(_plain(value) for value in distinct[kept]), None)
    said = np.append(np.ones(len(kept), bool), (missing >= LEAST and not aside, False))
    return Coded(column.name, place[codes].astype(np.int64), which, said)


def _determined(
    a: Coded, b: Coded, counts: np.ndarray, shares: np.ndarray, tests: int
) -> Dependency | None:
    """Where nearly each value of a has one value of b; one rule for each value of b."""
    rows, best = counts.sum(axis=1), np.where(b.said, counts, -1).argmax(axis=1)
    right = counts[np.arange(len(counts)), best]
    use = a.said & (right >= LEAST) & (right >= NEARLY * rows)
    of, held = int(rows[use].sum()), int(right[use].sum())
    results = np.unique(best[use])
    if use.sum() < 2 or len(results) < 2 or of < COVERED * rows.sum():
        return None
    chance = float((rows * shares[best])[use].sum() / of)
    if not holds([held], [of], [chance], tests)[0]:
        return None
    laws = tuple(
        Implication({a.name: _one([a.values[c] for c in np.flatnonzero(use & (best == result))])},
                    {b.name: b.values[result]})
        for result in results
    )  # fmt: skip
    said = f"{a.name} determines {b.name} ({use.sum():,} values, {len(results):,})"
    return Dependency(laws, said, held, of, chance)


def _rules(
    a: Coded, b: Coded, counts: np.ndarray, shares: np.ndarray, tests: int
) -> Iterator[Rule]:
    """What the values of a say of b; those that say the same of it are one rule."""
    lacks = counts[:, b.missing]
    there = np.where(b.said, counts, -1)
    there[:, b.missing] = -1
    plain = np.zeros(len(counts), bool)
    there_are = (counts.sum(axis=1) > 0)[:, None] & (counts.sum(axis=0) > 0)
    for or_missing in (False, True):
        among = there if or_missing else np.where(b.said, counts, -1)
        best = among.argmax(axis=1)
        held = among[np.arange(len(counts)), best]
        of = counts.sum(axis=1) - (lacks if or_missing else 0)
        chance = shares[best] / (1 - shares[b.missing] if or_missing else 1)
        good = a.said & (held >= NEARLY * of) & (held > 0) & (of > 0)
        if or_missing:
            good &= ~plain & (lacks > 0)
        good[good] = holds(held[good], of[good], np.minimum(chance[good], 1), tests)
        plain = good
        for result in np.unique(best[good]):
            classes = np.flatnonzero(good & (best == result))
            breaks = np.zeros(counts.shape, bool)
            breaks[classes] = True
            breaks[:, result] = False
            if or_missing:
                breaks[:, b.missing] = False
            breaks &= there_are
            total = int(of[classes].sum())
            yield Rule(
                *(a, tuple(classes.tolist()), b, int(result), or_missing),
                *(int(held[classes].sum()), total, float(min(chance[classes[0]], 1)), breaks),
            )


def _without_what_follows(rules: list[Rule]) -> list[Rule]:
    """Those that forbid what no other one of the pair forbids as well."""
    kept: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: (-rule.breaks.sum(), len(rule.classes))):
        if not any((rule.breaks <= other.breaks).all() for other in kept):
            kept.append(rule)
    return kept


def _widest(rules: list[Rule]) -> list[Rule]:
    """Those whose patients are not among the patients of whom another one says the same."""
    alike: dict[tuple[str, int], list[tuple[Rule, np.ndarray]]] = defaultdict(list)
    for rule in rules:
        rows = np.packbits(np.isin(rule.when.codes, rule.classes))
        alike[rule.then.name, rule.result].append((rule, rows))
    found = []
    for each in alike.values():
        kept: list[np.ndarray] = []
        for rule, rows in sorted(each, key=lambda pair: (-pair[0].of, len(pair[0].classes))):
            if not any((rows & ~other == 0).all() for other in kept):
                found.append(rule)
                kept.append(rows)
    return found


def _dependency(rule: Rule) -> Dependency:
    when = {rule.when.name: _one([rule.when.values[c] for c in rule.classes])}
    result = rule.then.values[rule.result]
    law = Implication(when, {rule.then.name: [result, None] if rule.or_missing else result})
    return Dependency((law,), str(law), rule.held, rule.of, rule.chance)


def _both_ways(found: list[Dependency]) -> list[Dependency]:
    """Two of which each says the other one turned round, on the same patients, are one."""
    taken = {each.said: each for each in found}
    for each in found:
        law = each.laws[0]
        assert isinstance(law, Implication)
        turned = Implication(law.then, law.when)
        other = taken.get(str(turned))
        if other is not None and str(law) in taken and not (each.breaks or other.breaks):
            said = str(law).replace(" => ", " <=> ")
            del taken[str(law)], taken[str(turned)]
            taken[said] = each._replace(laws=(law, turned), said=said)
    return list(taken.values())


def _one(values: list[Any]) -> Any:
    """Of numbers in their order, of texts the most frequent first."""
    if all(isinstance(value, int | float) for value in values):
        values = sorted(values)
    return values[0] if len(values) == 1 else values


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own, which JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value
