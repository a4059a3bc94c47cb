"""Patients as they are: what stands once for each of them, and what happened to them."""

from dataclasses import dataclass

import pandas as pd

from jaxehr.data.kinds import DataError

# The columns of events that are looked at, by their names in MEDS; the last three may be absent.
EVENT_COLUMNS = ("subject_id", "code", "time", "numeric_value", "text_value")


@dataclass(frozen=True)
class Records:
    """Static facts and events of the same subjects; one of the two may be absent.

    static  one row per subject; it has a column subject_id where there are events too
    events  a row per event: subject_id and code, and where they are known time (null for what is always so),
            numeric_value and text_value, as MEDS names them

    Raises DataError where both are absent, or a column that joins them is.
    """

    static: pd.DataFrame | None = None
    events: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if self.static is None and self.events is None:
            raise DataError("records need a static table or events; got neither")
        if self.events is not None:
            lacking = [name for name in EVENT_COLUMNS[:2] if name not in self.events.columns]
            if lacking:
                raise DataError(
                    f"events need the columns subject_id and code; they lack {', '.join(lacking)} "
                    f"and have {', '.join(map(str, self.events.columns))}"
                )
            if self.static is not None and "subject_id" not in self.static.columns:
                raise DataError(
                    "the static table needs a column subject_id, which says whose the events are; "
                    f"it has {', '.join(map(str, self.static.columns))}"
                )
