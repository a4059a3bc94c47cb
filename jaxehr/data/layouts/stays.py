"""Stays of persons: what happened to a person in a stay is the stay's, at times since it began."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from jaxehr.data.dates import read_dates
from jaxehr.data.events.batches import RowFile
from jaxehr.data.events.cells import Cells
from jaxehr.data.events.times import EPOCH
from jaxehr.data.layouts.static import whole_table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stays:
    """frame     stay, person (texts), begins, ends; in the order in which they begin"""

    frame: pd.DataFrame

    @classmethod
    def read(
        cls, file: RowFile, stay: str, person: str, begins: str, ends: str, cells: Cells
    ) -> "Stays":
        """Of these columns of a table. A stay without an end lasts until the person's next; logs how many do, and how
        many have no beginning, and so no events."""
        rows = whole_table(file, [stay, person, begins, ends], cells).to_pandas()
        frame = pd.DataFrame({"stay": rows[stay], "person": rows[person]})
        for name, column in (("begins", begins), ("ends", ends)):
            frame[name] = read_dates(rows[column], None).astype("datetime64[us]")
        for name, column, what in (
            ("begins", begins, "no event is theirs"),
            ("ends", ends, "they last until the next, or for good"),
        ):
            if many := int(frame[name].isna().sum()):
                log.warning("%s: %s stays have no %s: %s", file.path, f"{many:,}", column, what)
        frame = frame.dropna(subset=["stay", "person", "begins"])
        return cls(frame.sort_values("begins", kind="stable", ignore_index=True))

    def cut(self, tables: Iterable[pa.Table], what: str) -> Iterator[pa.Table]:
        """Events of persons as those of their stays, of two that overlap the one that began later; logs how many lie in
        none.

        what    the file, in words
        """
        whole = outside = 0
        for table in tables:
            events = pd.DataFrame(
                {
                    "person": table.column("subject_id").to_pandas(),
                    "time": table.column("time").to_pandas().astype("datetime64[us]"),
                    "row": np.arange(table.num_rows),
                }
            ).sort_values("time", kind="stable")
            found = pd.merge_asof(
                events, self.frame, left_on="time", right_on="begins", by="person"
            )
            inside = found["stay"].notna() & ~(found["time"] > found["ends"])
            found = found[inside]
            since = (EPOCH + (found["time"] - found["begins"])).astype("datetime64[us]")
            whole, outside = whole + len(events), outside + int((~inside).sum())
            kept = table.take(pa.array(found["row"].to_numpy()))
            kept = kept.set_column(0, "subject_id", pa.array(found["stay"], pa.string()))
            yield kept.set_column(1, "time", pa.array(since, pa.timestamp("us")))
        if outside:
            log.warning(
                "%s: %s of %s events lie in no stay, and are left out",
                *(what, f"{outside:,}", f"{whole:,}"),
            )
