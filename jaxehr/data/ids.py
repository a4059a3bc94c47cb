"""Ids of synthetic patients."""

import numpy as np
import pandas as pd

from jaxehr.data.kinds import DataError


def new_ids(n: int, first: int, dtype: str) -> pd.Series:
    """first + 1, first + 2, ... in the dtype of the real ids; text ids say that they are synthetic.

    Raises DataError where the dtype is too narrow to number so many.
    """
    numbers = pd.Series(np.arange(first + 1, first + n + 1))
    if any(kind in dtype.lower() for kind in ("int", "float")):
        made = numbers.to_numpy().astype(dtype.lower().split("[")[0])  # int64[pyarrow]
        if n and int(made[-1]) != first + n:
            raise DataError(
                f"ids are {dtype}, in which {first + n:,} subjects have no numbers of their own; "
                "draw fewer, or make them int64 and fit again"
            )
        return numbers.astype(dtype)
    text = "synthetic-" + numbers.astype(str).str.zfill(7)
    return text if dtype.startswith("category") else text.astype(dtype)
