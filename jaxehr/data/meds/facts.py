"""The static table as events of MEDS, which has no other place for it, and back.

Each cell that is not missing is an event without a time:

    STATIC//sex//F          a category, or True and False: its value is a part of the code
    STATIC//age             a number is the event's numeric_value; its text_value too where float32 is not exact
    STATIC//born            a date, and text of many values, is the event's text_value
    STATIC                  a subject of whom nothing is known
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.kinds import DataError
from jaxehr.data.meds.columns import Kept

STATIC = "STATIC"
BETWEEN = "//"
FEW = 100  # different texts of a column, at most, that are categories rather than names or notes


def kept_of(static: pd.DataFrame) -> tuple[Kept, ...]:
    """What the columns of a static table are, and which of them are a part of their codes."""
    columns = [Kept.of(static[name]) for name in static.columns]
    return tuple(replace(c, in_code=_in_code(static[c.name], c)) for c in columns)


def _in_code(values: pd.Series, column: Kept) -> bool:
    if column.name == "subject_id" or column.holds not in ("text", "boolean", "integer"):
        return False
    if column.categories is not None:
        return len(column.categories) <= FEW
    return column.holds == "boolean" or (column.holds == "text" and values.nunique() <= FEW)


def code_of(column: Kept) -> str:
    return f"{STATIC}{BETWEEN}{column.name}"


def check_names(columns: Sequence[Kept]) -> None:
    """Raises DataError where the codes of two columns could be the same."""
    for one in columns:
        for other in columns:
            if one.in_code and other.name.startswith(one.name + BETWEEN):
                raise DataError(
                    f"the columns '{one.name}' and '{other.name}' could not be told apart in codes, "
                    f"whose parts '{BETWEEN}' divides; rename one"
                )


def facts_of(static: pd.DataFrame, columns: Sequence[Kept]) -> pa.Table:
    """The events: row (of the static table), code, numeric_value and text_value."""
    pieces, told = [], np.zeros(len(static), bool)
    for column in columns:
        values = static[column.name]
        rows = np.flatnonzero(values.notna())
        told[rows] = True
        pieces.append(_facts(values.iloc[rows], column, rows))
    nothing = np.flatnonzero(~told)
    pieces.append(_piece(nothing, pa.array([STATIC] * len(nothing), pa.large_string())))
    return pa.concat_tables(pieces)


def _facts(values: pd.Series, column: Kept, rows: np.ndarray) -> pa.Table:
    texts, code = column.texts(values), code_of(column)
    if column.in_code:
        head, between = (pa.scalar(text, pa.large_string()) for text in (code + BETWEEN, ""))
        return _piece(rows, pc.binary_join_element_wise(head, texts, between))
    codes = pa.array([code] * len(rows), pa.large_string())
    if column.holds not in ("integer", "number"):
        return _piece(rows, codes, text_value=texts)
    numbers, inexact = column.numbers(values)
    return _piece(rows, codes, numbers, pc.if_else(pa.array(inexact), texts, None))


def _piece(rows: np.ndarray, codes: pa.Array, numeric_value=None, text_value=None) -> pa.Table:
    n = len(rows)
    return pa.table(
        {
            "row": rows,
            "code": codes.cast(pa.large_string()),
            "numeric_value": pa.nulls(n, pa.float32()) if numeric_value is None else numeric_value,
            "text_value": pa.nulls(n, pa.large_string()) if text_value is None else text_value,
        }
    )


def columns_of_codes(codes: pa.Array, columns: Sequence[Kept]) -> tuple[np.ndarray, list]:
    """(which column each code tells of, the values in codes).

    len(columns) stands for the code of a subject of whom nothing is known, -1 for one that is no fact.
    """
    whole = {code_of(c): j for j, c in enumerate(columns) if not c.in_code}
    whole[STATIC] = len(columns)
    heads = [(code_of(c) + BETWEEN, j) for j, c in enumerate(columns) if c.in_code]
    which, values = np.full(len(codes), -1), [None] * len(codes)
    for i, code in enumerate(codes.to_pylist()):
        if code in whole:
            which[i] = whole[code]
        elif code.startswith(STATIC):
            for head, j in heads:
                if code.startswith(head):
                    which[i], values[i] = j, code.removeprefix(head)
    return which, values


def table_of(facts: pa.Table, columns: Sequence[Kept]) -> pd.DataFrame:
    """The static table, subjects in the order of their first fact; its subject_id is as it is in MEDS.

    Raises DataError where a subject has two values of a column, and for a value that does not read as it did.
    """
    row, subjects = pd.factorize(facts["subject_id"].to_numpy())
    codes = facts["code"].combine_chunks().dictionary_encode()
    which, values = columns_of_codes(codes.dictionary, columns)
    index = codes.indices.to_numpy()
    made = {"subject_id": pd.Series(subjects)}
    for j, column in enumerate(columns):
        mine = np.flatnonzero(which[index] == j)
        rows = row[mine]
        _check_once(rows, subjects, column.name)
        of = facts.take(pa.array(mine))
        texts = of["text_value"].combine_chunks()
        if column.in_code:
            texts = pa.array(values, pa.large_string()).take(codes.indices.take(pa.array(mine)))
        numbers = of["numeric_value"].combine_chunks()
        made[column.name] = column.values(texts, numbers, rows, len(subjects))
    return pd.DataFrame(made, copy=False)


def _check_once(rows: np.ndarray, subjects: np.ndarray, name: str) -> None:
    found, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        twice = found[counts > 1]
        raise DataError(
            f"subject {subjects[twice[0]]} has {counts.max()} values of the static column '{name}', as have "
            f"{len(twice) - 1:,} others; keep one event of each"
        )
