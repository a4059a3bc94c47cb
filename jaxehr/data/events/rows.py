"""Rows of a long file as events: whose, when, what and how much; and what is left out, counted."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.events.by_subject import SCHEMA
from jaxehr.data.events.cells import Cells
from jaxehr.data.events.columns import JOINT, UNITS, UNKNOWN, EventMap
from jaxehr.data.events.times import read_times
from jaxehr.data.kinds import DataError
from jaxehr.data.words import matches

DECIMAL_COMMA = r"^[-+]?[0-9]+,[0-9]+$"

log = logging.getLogger(__name__)


@dataclass
class LeftOut:
    """What was read of a file and did not become an event, for each reason: how many rows, and the first of them."""

    what: str
    rows: int = 0
    events: int = 0
    unread: int = 0  # times
    reasons: dict[str, tuple[int, str]] = field(default_factory=dict)
    notes: dict[str, tuple[int, str]] = field(default_factory=dict)

    def row(self, reason: str, where: np.ndarray, values: pa.Array | None = None) -> None:
        self._count(self.reasons, reason, where, values)

    def note(self, what: str, where: np.ndarray, values: pa.Array | None = None) -> None:
        """Of rows that stay."""
        self._count(self.notes, what, where, values)

    def _count(self, counts: dict, what: str, where: np.ndarray, values) -> None:
        many = int(where.sum())
        if many == 0:
            return
        before, first = counts.get(what, (0, ""))
        if not first:
            at = int(np.argmax(where))
            first = f"row {self.rows + at + 1:,}"
            first += f": '{values[at].as_py()}'" if values is not None else ""
        counts[what] = before + many, first

    def say(self) -> None:
        """Logs it. Raises DataError where most times do not read."""
        out = self._reasons()
        if 2 * self.unread > self.rows:
            comma = ", --decimal , where 1,5 is a number" if re.search(r"'-?\d+,\d+'", out) else ""
            raise DataError(
                f"{self.what}: of {self.rows:,} rows {out}; say what is written there: time=COLUMN:UNIT "
                f"({', '.join(UNITS)}){comma}, or a format of dates, as in 'time=COLUMN:%d.%m.%Y %H:%M'"
            )
        if out:
            left = sum(many for many, _ in self.reasons.values())
            log.warning(
                "%s: %s of %s rows are left out: %s",
                *(self.what, f"{left:,}", f"{self.rows:,}", out),
            )
        for note, (many, at) in self.notes.items():
            log.warning("%s: %s %s (first %s)", self.what, f"{many:,}", note, at)

    def check(self) -> None:
        """Raises DataError where nothing is left."""
        if not self.events:
            why = self._reasons() or "there are no values"
            raise DataError(f"{self.what}: none of {self.rows:,} rows is an event; {why}")

    def _reasons(self) -> str:
        return ", ".join(f"{many:,} {why} (first {at})" for why, (many, at) in self.reasons.items())


def mapped(
    batch: pa.Table, how: EventMap, form: str | None, cells: Cells, left_out: LeftOut
) -> pa.Table:
    """The events of a batch. A row is left out for the first of the reasons that holds."""
    stays = np.ones(batch.num_rows, bool)

    def leave_out(where: np.ndarray, reason: str, values=None) -> None:
        left_out.row(reason, where & stays, values)
        stays[where] = False

    for name, wanted in how.where.items():
        values = cells.texts(batch.column(name))
        if wanted == ("*",):
            leave_out(_no(pc.is_valid(values)), f"without {name}")
        else:
            other = _no(pc.is_in(pc.fill_null(values, ""), pa.array(wanted)))
            leave_out(other, f"of other {name} than {_or(wanted)}")
    subject = cells.ids(batch.column(how.subject_id))
    leave_out(_no(pc.is_valid(subject)), f"without {how.subject_id}")
    code, padded = _codes(batch, how, cells)
    leave_out(_no(pc.is_valid(code)), f"without {' and '.join(how.code)}")
    time = pa.nulls(batch.num_rows, pa.timestamp("us"))
    if how.time is not None:
        time, unread = read_times(batch.column(how.time), how, form, cells)
        left_out.unread += int((unread & stays).sum())
        leave_out(unread, f"with a {how.time} that does not read", batch.column(how.time))
        if how.dated:
            leave_out(_no(pc.is_valid(time)), f"without {how.time}")
        else:
            left_out.note(
                f"rows have no {how.time}: they always hold", _no(pc.is_valid(time)) & stays
            )
    left_out.note("codes have blanks around them, which are taken off", padded & stays)
    columns = {"subject_id": subject, "time": time, "code": code}
    events = _with_values(batch, pa.table(columns), stays, how, cells, left_out)
    left_out.rows += batch.num_rows
    left_out.events += events.num_rows
    return events


def _or(wanted: Sequence[str]) -> str:
    few = " or ".join(wanted[:3])
    return few + f" or {len(wanted) - 3:,} more" * (len(wanted) > 3)


def _no(mask) -> np.ndarray:
    return ~np.asarray(mask.to_numpy(zero_copy_only=False), bool)


def _codes(batch: pa.Table, how: EventMap, cells: Cells) -> tuple[pa.Array, np.ndarray]:
    """(codes, whether there were blanks around the first column's): null where the first column has no value."""
    rows = batch.num_rows
    padded = np.zeros(rows, bool)
    parts: list = [pa.scalar(how.prefix, pa.string())] if how.prefix else []
    for i, name in enumerate(how.code):
        texts = cells.texts(batch.column(name))
        if i == 0 and how.called:
            at = pc.index_in(texts, pa.array(how.called, pa.string()))
            texts = pc.coalesce(pa.array(how.called.values(), pa.string()).take(at), texts)
        padded |= cells.padded(batch.column(name)) if i == 0 else False
        parts.append(texts if i == 0 else pc.fill_null(texts, UNKNOWN))
    if not how.code:
        return pa.array(np.full(rows, how.prefix, object), pa.string()), padded
    return pc.binary_join_element_wise(*parts, JOINT), padded


def _with_values(
    batch: pa.Table,
    events: pa.Table,
    stays: np.ndarray,
    how: EventMap,
    cells: Cells,
    left_out: LeftOut,
) -> pa.Table:
    """With numeric_value and text_value; of several columns of numbers, an event of each that has a value."""
    text = pa.nulls(batch.num_rows, pa.string())
    if how.text_value is not None:
        text = cells.texts(batch.column(how.text_value))
    if not how.numeric_value:
        numbers = pa.nulls(batch.num_rows, pa.float64())
        events = events.append_column("numeric_value", numbers).append_column("text_value", text)
        return events.filter(pa.array(stays)).cast(SCHEMA)
    found, row = [], []
    for name in how.numeric_value:
        numbers, words = _value(batch, name, text, stays, cells, left_out)
        each = events.append_column("numeric_value", numbers).append_column("text_value", words)
        chosen = stays
        if how.named:
            chosen = stays & ~(_no(pc.is_valid(numbers)) & _no(pc.is_valid(words)))
            ended = name if not (how.prefix or how.code) else None
            code = ended or pc.binary_join_element_wise(each.column("code"), name, JOINT)
            code = pa.array([ended] * len(each)) if ended else code
            each = each.set_column(2, "code", code)
        found.append(each.filter(pa.array(chosen)))
        row.append(np.flatnonzero(chosen))
    order = np.argsort(np.concatenate(row), kind="stable")
    return pa.concat_tables(found).take(pa.array(order)).cast(SCHEMA)


def _value(
    batch: pa.Table, name: str, text: pa.Array, stays: np.ndarray, cells: Cells, left_out: LeftOut
) -> tuple[pa.Array, pa.Array]:
    """(numbers, texts): without texts that say the number again, and with what was to be a number and is none."""
    numbers, odd = cells.numbers(batch.column(name))
    there = ~_no(pc.is_valid(odd)) & stays
    given = pc.is_valid(Cells().texts(batch.column(name))).to_numpy(zero_copy_only=False)
    marked = stays & given & _no(pc.is_valid(numbers)) & _no(pc.is_valid(odd))
    left_out.note(f"values of {name} are read as missing", marked, batch.column(name))
    if text.null_count == len(text):
        commas = cells.decimal is None and matches(pc.fill_null(odd, ""), DECIMAL_COMMA).any()
        hint = "; --decimal , where 1,5 is a number" if commas else ""
        kept = f"values of {name} are no numbers, and are kept as text_value{hint}"
        left_out.note(kept, there, odd)
        return numbers, odd
    again, _ = cells.numbers(text)
    text = pc.if_else(pc.fill_null(pc.equal(again, numbers), False), None, text)
    lost = there & ~_no(pc.is_valid(text))
    left_out.note(f"values of {name} are no numbers, and the text beside them is kept", lost, odd)
    return numbers, pc.coalesce(text, odd)
