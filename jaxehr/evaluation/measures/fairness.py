"""Subgroups of patients, for fairness: are the synthetic records as faithful and as useful for each of them?"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxehr.data import DataError, listed
from jaxehr.evaluation.blocks.blocks import Blocks
from jaxehr.evaluation.measures.metric import SMALL_CELL

EXPECTED = 30  # synthetic patients of a subgroup, without which it is not missed


class Grouping(NamedTuple):
    """by "sex" or "age:10"; `of` gives the name of each row's subgroup, "" where it is not known."""

    by: str
    of: Callable[[Blocks], np.ndarray]


def groupings(real: Blocks, by: str) -> list[Grouping]:
    """Of "sex,age:10". Raises DataError for a column that is not there, or a number without a width."""
    return [_grouping(real, each.strip()) for each in by.split(",") if each.strip()]


def _grouping(real: Blocks, by: str) -> Grouping:
    if by in real.codes:
        j = real.codes.index(by)
        ways = np.array([f"without {by}", f"with {by}"], object)
        return Grouping(by, lambda blocks: ways[blocks.bits[:, j]])
    known = (*real.label_names, *real.number_names)
    plain = by in known or ":" not in by
    name, colon, width = (by, "", "") if plain else by.rpartition(":")
    if name in real.label_names:
        if colon:
            raise DataError(
                f"subgroups by '{name}' are its values, which have no width; write '{name}', not '{by}'"
            )
        j = real.label_names.index(name)
        values = np.array(["", *real.values[j]], object)
        return Grouping(by, lambda records: values[records.labels[:, j]])
    if name not in known:
        what = (
            f"column in the real records ({listed(known, name)})"
            if known
            else "code in the real records"
        )
        what += f", nor one of their {len(real.codes):,} codes" if known and real.codes else ""
        raise DataError(f"subgroups by '{by if real.codes else name}': no such {what}")
    try:
        step = float(width)
    except ValueError:
        step = 0.0
    if not step > 0:
        raise DataError(
            f"subgroups by '{name}' need a width above 0, as in '{name}:10'; got '{by}'"
        )
    j = real.number_names.index(name)
    return Grouping(by, lambda records: _bins(records.numbers[:, j], step))


def _bins(values: np.ndarray, step: float) -> np.ndarray:
    start = np.floor(values / step) * step
    return np.array(["" if np.isnan(a) else f"{a:g} to {a + step:g}" for a in start], object)


def subgroups(
    sets: dict[str, Blocks], grouping: Grouping
) -> tuple[list[tuple[str, dict[str, Blocks]]], int, list[str]]:
    """The subgroups that have 11 or more patients in every set, with their records; how many are too small; and those
    of them that the synthetic records lost: 30 would be there by their share of the real ones, and fewer than 11 are.
    Chance does so once in 50,000."""
    named = {name: grouping.of(records) for name, records in sets.items()}
    groups = sorted(set(named["real"]) - {""}, key=_by_number)
    found, lost = [], []
    for group in groups:
        rows = {name: np.nonzero(of == group)[0] for name, of in named.items()}
        if min(len(index) for index in rows.values()) >= SMALL_CELL:
            found.append((group, {name: sets[name].rows(index) for name, index in rows.items()}))
        expected = len(rows["real"]) / len(sets["real"]) * len(sets["synthetic"])
        if expected >= EXPECTED and len(rows["synthetic"]) < SMALL_CELL:
            lost.append(group)
    return found, len(groups) - len(found), lost


def _by_number(group: str) -> tuple[bool, float, str]:
    """Puts 20 to 30 before 100 to 110, and both before words."""
    number = re.fullmatch(r"([-+]?\d+(\.\d+)?(e[-+]?\d+)?)( to .*)?", group)
    return (False, float(number[1]), group) if number else (True, 0.0, group)
