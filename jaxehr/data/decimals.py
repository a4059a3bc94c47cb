"""Which mark stands before decimals, and whether one stands between thousands: told by a file's columns together."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from jaxehr.data.kinds import DataError
from jaxehr.data.words import COMMA, GROUPS, Words, are_few, is_in, matches

log = logging.getLogger(__name__)


def with_decimals(
    columns: Sequence[Words],
    not_numbers: Sequence[str],
    *,
    sep: str,
    decimal: str | None,
    path: Path,
) -> list[Words]:
    """The columns, whose numbers say what their commas mean.

    not_numbers     what stands for a missing value
    sep             of the file: where it is a comma, a number's comma stands between thousands
    decimal         taken where the columns leave a choice

    Logs decimal commas and marks of thousands. Raises DataError where 1,234 can be both, and `decimal` is not given.
    """
    if decimal not in (None, ".", ","):
        raise DataError(f"--decimal is . or ,; got '{decimal}'")
    rests = [column.where(~is_in(column.texts, not_numbers)) for column in columns]
    commas = [
        len(rest.texts) and pc.any(pc.match_substring(rest.texts, ",")).as_py() for rest in rests
    ]
    marks = [_marks(rest) if has else "" for rest, has in zip(rests, commas, strict=True)]
    chosen = _chosen(columns, marks, rests, sep, decimal, path)
    found = []
    for column, rest, mark in zip(columns, rests, marks, strict=True):
        grouped = chosen == "," and len(rest.texts) > 0 and _grouped_by_points(rest)
        if chosen == "," and ("," in mark or grouped):
            column = replace(column, decimal=",")
        elif chosen == "." and "." in mark:
            column = replace(column, grouped=True)
            log.warning("column '%s' of %s has commas between thousands", column.name, path)
        found.append(column)
    if chosen == "," and any("," in mark for mark in marks):
        log.warning("%s is read with decimal commas; they are written as points", path)
    return found


def _marks(rest: Words) -> str:
    """What may stand in front of the decimals of a column whose numbers have commas: ",", ".", both, or none.

    A few texts that are no numbers, such as <0,5, say nothing of it.
    """
    comma, groups = (matches(rest.texts, pattern) for pattern in (COMMA, GROUPS))
    numbers = comma | groups
    if are_few(~numbers):
        comma, groups, rest = comma[numbers], groups[numbers], rest.where(numbers)
        if not pc.any(pc.match_substring(rest.texts, ",")).as_py():
            return ""
    return "," * bool(comma.all()) + "." * bool(groups.all())


def _chosen(columns, marks, rests, sep: str, decimal: str | None, path: Path) -> str:
    certain = {mark for mark in marks if len(mark) == 1}
    either = [column.name for column, mark in zip(columns, marks, strict=True) if mark == ",."]
    if not certain and not either:
        return "."
    if decimal is not None:
        return decimal
    if sep == ",":
        return "."  # a decimal comma would need quotes: a list of codes has them too
    points = any(_has_points(rest) for rest, mark in zip(rests, marks, strict=True) if not mark)
    certain |= {"."} if points else set()
    if len(certain) == 1:
        return certain.pop()
    name = either[0] if either else next(c.name for c, m in zip(columns, marks, strict=True) if m)
    raise DataError(
        f"{path}: the commas in the numbers of column '{name}' may stand for decimals or between thousands; "
        "say which: --decimal , (or --decimal .)"
    )


def _has_points(rest: Words) -> bool:
    """Numbers with a decimal point that is not one between thousands."""
    if not len(rest.texts) or not rest.are_numbers().all():
        return False
    return bool(matches(rest.texts, r"^[-+]?([0-9]*\.([0-9]{1,2}|[0-9]{4,})|0\.[0-9]+)$").any())


def _grouped_by_points(rest: Words) -> bool:
    pointed = np.asarray(matches(rest.texts, r"^[-+]?[1-9][0-9]{0,2}(\.[0-9]{3})+$"))
    return bool(pointed.any() and (pointed | matches(rest.texts, r"^[-+]?[0-9]{1,3}$")).all())
