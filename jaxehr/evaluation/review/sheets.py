"""A blinded review by clinicians: readable sheets of real and synthetic patients, shuffled, with nothing on them that
tells one from the other but what they say.

What could tell is taken away: ids, the order of rows and of codes, dtypes, decimals, dates and seconds of events, the
spelling of yes and of what is missing, and the time and order of files (there is one). The seed of the shuffle is drawn
unless given, and kept with the key.

The sheets show real patients: they are to be handled as such.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int

from jaxehr.data import DataError, Records, Schema, records_of
from jaxehr.data.placed import Placed
from jaxehr.data.records import table_of
from jaxehr.evaluation.blocks.courses import cells_of
from jaxehr.evaluation.blocks.frames import Data, check_parts, with_times
from jaxehr.evaluation.review.booklet import Sheet, booklet
from jaxehr.evaluation.review.courses import Course, courses
from jaxehr.evaluation.review.facts import Line, code_lines, column_lines
from jaxehr.files import write_text

ANSWERS = "sheet,realistic (yes or no),origin (real or synthetic),remarks"


class Packet(NamedTuple):
    """sheets[i] is sheet i + 1, and origins[i] what it is: real or synthetic."""

    sheets: tuple[Sheet, ...]
    origins: tuple[str, ...]
    seed: int

    def save(self, folder: str | Path) -> None:
        """Writes packet/, the sheets and an answer form, for the reviewers; answers/, empty, for what comes back; and
        key.csv, which is not for them. Raises DataError if the folder holds a review."""
        folder = Path(folder)
        if (folder / "key.csv").exists():
            raise DataError(f"{folder} holds a review already; choose another folder")
        (folder / "answers").mkdir(parents=True, exist_ok=True)
        write_text(folder / "packet" / "patients.html", self.to_html())
        form = [ANSWERS, *(f"{i + 1},,," for i in range(len(self.sheets)))]
        write_text(folder / "packet" / "answers.csv", "\n".join(form) + "\n")
        key = pd.DataFrame({"sheet": range(1, len(self.origins) + 1), "origin": self.origins})
        write_text(folder / "key.csv", key.assign(seed=self.seed).to_csv(index=False))

    def to_html(self) -> str:
        return booklet(self.sheets)


def review_packet(
    real: Data,
    synthetic: Data,
    n: int,
    *,
    schema: Schema | None = None,
    names: Mapping[str, str] | None = None,
    seed: int | None = None,
) -> Packet:
    """n sheets of each, shuffled.

    schema  of the real records; inferred if not given. With a grid, events are courses, else codes
    names   what codes or columns are called in plain words
    seed    None draws one: with a known seed, the order could be worked out
    Raises DataError for columns that differ, for fewer than n patients, and as `evaluate` for events off the grid.
    """
    schema = Schema.infer(real) if schema is None else schema
    seed = secrets.randbits(63) if seed is None else seed
    rng = np.random.default_rng(seed)
    names = {} if names is None else names
    sets = {"real": records_of(real), "synthetic": records_of(synthetic)}
    check_parts(sets)
    cells = {} if schema.grid is None else cells_of(schema.grid, sets)
    sizes = [m for _, m in cells.values()] or [*map(len, sets.values())]
    places = [_chosen(which, m, n, rng) for which, m in zip(sets, sizes, strict=True)]

    facts: list[tuple[Line, ...]] = [()] * (2 * n)
    found: list[Course | None] = [None] * (2 * n)
    if sets["real"].static is not None:
        tables = [_table(schema, *each) for each in zip(sets.items(), places, strict=True)]
        facts = [*column_lines(tables, schema, names)]
    if schema.grid is not None:
        own = [_rows(one, place) for (one, _), place in zip(cells.values(), places, strict=True)]
        found = [*courses(schema.grid, own, n, names)]
    elif sets["real"].events is not None:
        frames = [_codes(*each) for each in zip(sets.values(), places, strict=True)]
        both = zip(facts, code_lines(frames, n, names), strict=True)
        facts = [(*once, *codes) for once, codes in both]
    sheets = [Sheet(*each) for each in zip(facts, found, strict=True)]
    order = rng.permutation(2 * n)
    return Packet(
        tuple(sheets[i] for i in order),
        tuple("real" if i < n else "synthetic" for i in order),
        seed,
    )


def _chosen(which: str, patients: int, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    if n < 1 or patients < n:
        raise DataError(f"{n} {which} patients are wanted, and there are {patients:,}")
    return rng.permutation(patients)[:n]


def _table(schema: Schema, which: tuple[str, Records], place: Int[np.ndarray, "n"]) -> pd.DataFrame:
    """Of the patients chosen, in the schema's columns."""
    name, records = which
    assert records.static is not None
    if missing := [column for column in schema.names if column not in records.static]:
        raise DataError(f"the {name} records lack {missing}, which the real ones have")
    chosen = records.static[schema.names].iloc[place].reset_index(drop=True)
    return table_of(with_times(schema, name, Records(static=chosen)))


def _codes(records: Records, place: Int[np.ndarray, "n"]) -> pd.DataFrame:
    """subject_id, from 0 on, and code."""
    assert records.events is not None
    whose = (records.events if records.static is None else records.static)["subject_id"].unique()
    number = {whose[row]: i for i, row in enumerate(place)}
    own = records.events.loc[records.events["subject_id"].isin(number), ["subject_id", "code"]]
    return own.assign(subject_id=own["subject_id"].map(number)).drop_duplicates()


def _rows(cells: Placed, place: Int[np.ndarray, "n"]) -> Placed:
    """Rows from 0 on."""
    row = pd.Index(place).get_indexer(pd.Index(cells.row))
    return cells._replace(row=row).where(row >= 0)
