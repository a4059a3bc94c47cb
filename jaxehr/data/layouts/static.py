"""The static table of a layout: a row per subject, of what tables say of them once, or first."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from jaxehr.data.dates import read_dates
from jaxehr.data.events.batches import RowFile
from jaxehr.data.events.cells import Cells
from jaxehr.data.kinds import DataError
from jaxehr.data.spelling import typed
from jaxehr.data.words import words_of_series

log = logging.getLogger(__name__)

YEAR = 365.2425  # days


@dataclass(frozen=True)
class StaticColumn:
    """What a column is made of.

    column          another's values, of which some stand for others
    years, most, then   full years from one date to another; those above `most` are `then`
    """

    name: str
    column: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    years: tuple[str, str] | None = None
    most: int | None = None
    then: int | None = None

    @classmethod
    def of(cls, name: str, value: Mapping[str, Any]) -> "StaticColumn":
        """Raises TypeError or KeyError for what it cannot be."""
        fields: dict[str, Any] = {k: tuple(v) if k == "years" else v for k, v in value.items()}
        made = cls(name, **fields)
        if (made.column is None) == (made.years is None):
            raise KeyError(f"static column '{name}' needs either column or years")
        return made

    @property
    def needs(self) -> tuple[str, ...]:
        return self.years if self.years is not None else (str(self.column),)

    def made(self, table: pd.DataFrame) -> pd.Series:
        """Of texts, texts; logs how many values others stand for."""
        if self.years is not None:
            begun, ended = (read_dates(table[name], None) for name in self.years)
            full = np.floor((ended - begun).dt.total_seconds() / (86_400 * YEAR)).astype("Int64")
            above = (
                (full > self.most).fillna(False) if self.most is not None else full.isna() & False
            )
            self._say(int(above.sum()), f"above {self.most}", str(self.then))
            full = full.mask(above, self.then)
            return full.astype("string").astype(object).where(full.notna(), None)
        found = table[self.column]
        for text, other in self.values.items():
            self._say(int((found == text).sum()), f"'{text}'", other)
        return found.replace(dict(self.values)) if self.values else found

    def _say(self, many: int, what: str, other: str) -> None:
        if many:
            log.warning(
                "%s: %s values are %s, and taken as %s", self.name, f"{many:,}", what, other
            )


def static_table(
    subject_id: str,
    table: RowFile,
    more: RowFile | None,
    first: str | None,
    columns: Sequence[StaticColumn],
    cells: Cells,
    *,
    person: str | None,
    beside: Sequence[tuple[RowFile, str]] = (),
) -> pd.DataFrame:
    """subject_id and the columns, typed as a text file's are.

    beside  other tables, with a row for each value of a key that `table` has too

    Raises DataError for a column that no table has, and for a key that stands twice.
    """
    needed = list(dict.fromkeys(name for column in columns for name in column.needs))
    others = [*(file for file, _ in beside), *([more] if more is not None else [])]
    there = {name for file in (table, *others) for name in file.names}
    if lacking := [name for name in needed if name not in there]:
        raise DataError(
            f"{table.path} has no column {lacking[0]}; it has {', '.join(table.names[:12])}"
        )
    own = [name for name in needed if name in table.names]
    who = [person] if person and person in table.names else []
    keys = [key for _, key in beside]
    texts = whole_table(table, [subject_id, *own, *who, *keys], cells).to_pandas()
    for file, key in beside:
        theirs = [name for name in needed if name in file.names and name not in own]
        texts, own = _joined(texts, file, key, theirs, cells), [*own, *theirs]
    if more is not None and first is not None:
        asked = dict.fromkeys([first, *(name for name in needed if name not in own)])
        rows = whole_table(more, [subject_id, *asked], cells).to_pandas()
        order = read_dates(rows[first], None).sort_values(kind="stable").index
        firsts = rows.loc[order].drop_duplicates(subject_id)
        texts = texts.merge(firsts, on=subject_id, how="left")
    if who:
        _say_persons(texts[who[0]], table)
    made = {"subject_id": texts[subject_id], **{c.name: c.made(texts) for c in columns}}
    values: dict[str, pd.Series] = {}
    formats: dict[str, str] = {}
    for name, each in made.items():
        values[name], form = typed(words_of_series(each.rename(name)))
        formats |= {name: form} if form else {}
    frame = pd.DataFrame(values)
    if formats:
        frame.attrs["format"] = formats
    return frame


def _joined(
    texts: pd.DataFrame, file: RowFile, key: str, asked: Sequence[str], cells: Cells
) -> pd.DataFrame:
    rows = whole_table(file, [key, *asked], cells).to_pandas().dropna(subset=[key])
    if len(twice := rows[key][rows[key].duplicated()]):
        raise DataError(f"{file.path} has {twice.iloc[0]} in column {key} twice; keep one row")
    return texts.merge(rows, on=key, how="left")


def whole_table(file: RowFile, columns: Sequence[str], cells: Cells) -> pa.Table:
    """All rows of these columns, as texts."""
    columns = list(dict.fromkeys(columns))
    texts = {name: pa.string() for name in columns}
    batches = [
        pa.table({name: cells.texts(batch.column(name)) for name in columns})
        for batch in file.batches(columns)
    ]
    return pa.concat_tables([pa.schema(texts).empty_table(), *batches]).combine_chunks()


def _say_persons(persons: pd.Series, table: RowFile) -> None:
    if persons.nunique() < len(persons):
        log.warning(
            "%s: the %s subjects are %s persons (%s); a person's are not to be parted between training and holdout",
            *(table.path, f"{len(persons):,}", f"{persons.nunique():,}", persons.name),
        )
