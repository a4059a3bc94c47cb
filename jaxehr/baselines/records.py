"""What the baselines share: cells of the training records, and patients made of bits, as frames."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.sparse import csr_array, vstack

from jaxehr.data import DataError, Records, Schema, long_frame, records_of
from jaxehr.data.grid import refuse_series
from jaxehr.data.ids import new_ids

BLOCK = 4096  # patients that are dense at a time


def begun(
    train: pd.DataFrame | Records, n: int, seed: int, schema: Schema | None
) -> tuple[Schema, np.random.Generator]:
    if n < 1:
        raise ValueError(f"the number of records to draw must be at least 1; got {n}")
    schema = Schema.infer(train) if schema is None else schema
    refuse_series(schema.grid, "a baseline")
    schema.check(train)
    return schema, np.random.default_rng(seed)


def begun_apart(
    train: pd.DataFrame | Records, n: int, seed: int, schema: Schema | None
) -> tuple[pd.DataFrame, Schema, np.random.Generator]:
    """As `begun`, with the one frame that there is. Raises DataError where there are a table and codes."""
    schema, rng = begun(train, n, seed, schema)
    if schema.columns and schema.events:
        raise DataError(
            "this baseline is of a table or of codes; give one of the two (records.static, or records.events), or take "
            "cart, which draws both"
        )
    records = records_of(train)
    return (records.events if records.static is None else records.static), schema, rng


def cells(
    train: pd.DataFrame, schema: Schema, n: int, rows: Callable[[str], np.ndarray]
) -> pd.DataFrame:
    """Cells of the training records, column by column: what a cell holds is kept to the letter."""
    values = {}
    for column in schema.columns:
        if column.kind == "id":
            values[column.name] = new_ids(n, 0, column.dtype)
        else:
            values[column.name] = train[column.name].iloc[rows(column.name)].reset_index(drop=True)
    frame = pd.DataFrame(values)
    frame.attrs["format"] = schema.spelling
    return frame


def coded(bits, schema: Schema, codes: tuple[str, ...]) -> pd.DataFrame:
    subject, code = schema.events
    ids = np.asarray(new_ids(bits.shape[0], 0, subject.dtype))
    frame = long_frame(bits, ids, codes)
    return frame.astype({"subject_id": subject.dtype, "code": code.dtype})


def patients(
    some: Callable[[int], np.ndarray], schema: Schema, codes: tuple[str, ...], n: int
) -> pd.DataFrame:
    """n patients with a code out of as many draws as it takes."""
    kept: list[csr_array] = []
    found = 0
    while found < n:
        bits = some(min(BLOCK, max(n - found, 64)))
        bits = bits[bits.any(axis=1)][: n - found]
        kept.append(csr_array(bits))
        found += len(bits)
    return coded(vstack(kept, format="csr"), schema, codes)


def prevalence(bits: csr_array) -> Float[np.ndarray, "code"]:
    return np.asarray(bits.sum(axis=0, dtype=np.float64)).ravel() / bits.shape[0]
