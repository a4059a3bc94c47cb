"""What stands in the way of learning records, all of it at once."""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from jaxehr.codecs.codec import fit_codec
from jaxehr.codecs.quantity import Quantity
from jaxehr.codecs.shared import MIN_PATIENTS
from jaxehr.data.checks import check_values
from jaxehr.data.records import Records, records_of
from jaxehr.data.schema import Column, DataError, Schema


def refusals(
    data: pd.DataFrame | Records, schema: Schema, min_patients: int = MIN_PATIENTS
) -> tuple[str, ...]:
    """What `fit_codec` refuses, in a line each: of every column, and of the records but for these columns."""
    static = records_of(data).static
    found = {
        c.name: line
        for c in (() if static is None else schema.columns)
        for line in _of_column(static, c, min_patients)
    }
    kept = tuple(c for c in schema.columns if c.name not in found)
    if found and all(c.kind == "id" for c in kept):
        return tuple(found.values())
    laws = tuple(law for law in schema.constraints if not found.keys() & set(law.names))
    try:
        fit_codec(data, replace(schema, columns=kept, constraints=laws), min_patients=min_patients)
    except DataError as error:
        return (*found.values(), str(error))
    return tuple(found.values())


def _of_column(frame: pd.DataFrame, column: Column, least: int) -> Iterator[str]:
    if column.kind == "id":
        return
    values = frame[column.name]
    try:
        check_values(values, column)
        if column.kind in ("numerical", "integer", "datetime") and values.notna().sum() >= least:
            Quantity.fit(values, column, least)
    except DataError as error:
        yield str(error)
