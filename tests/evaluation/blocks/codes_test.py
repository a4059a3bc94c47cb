"""Codes of two sets of records are the same, or it is said why not."""

import pandas as pd
import pytest

from jaxehr.data import DataError, Schema
from jaxehr.evaluation.blocks.frames import comparable


def test_codes_that_are_text_here_and_numbers_there_are_refused():
    """Else nobody in the other set would have any code."""
    real = pd.DataFrame({"subject_id": [1, 1, 2], "code": ["250", "99", "250"]})
    schema, other = Schema.infer(real), real.astype({"code": int})
    with pytest.raises(DataError, match="code '250' is text in one set of records and a number"):
        comparable(schema, {"real": real, "synthetic": other})
    same, strange = comparable(
        schema, {"real": real, "synthetic": real.assign(code=["V58", "V59", "V60"])}
    )
    assert same.bits.sum() == 3 and strange.bits.sum() == 0
