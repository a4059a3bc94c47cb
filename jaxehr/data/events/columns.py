"""Which columns of a long file say whose an event is, when it was, what it was and how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jaxehr.data.dates import check_format
from jaxehr.data.kinds import DataError
from jaxehr.data.records import EVENT_COLUMNS

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
UNKNOWN = "UNK"  # in a code whose first column has a value, for another that has none
JOINT = "//"


@dataclass(frozen=True)
class EventMap:
    """What makes an event of a row.

    subject_id      a column
    prefix, code    the code is the prefix and the values of these columns, joined by //
    time            a column; None where events have no time
    timed           a unit since the subject's start, a format of dates, or "": ISO 8601, or as the values show
    numeric_value   columns; of several each that has a value makes an event, whose code ends in the column's name
    text_value      a column
    named           the code ends in the column's name
    called          what values of the code's first column are called in it
    where           the values that a column must have for the row to be an event, "" is none; ("*",) is any
    dated           a row without a time is no event; else it is one that always holds
    """

    subject_id: str
    code: tuple[str, ...]
    prefix: str = ""
    time: str | None = None
    timed: str = ""
    numeric_value: tuple[str, ...] = ()
    text_value: str | None = None
    named: bool = False
    called: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dated: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are read."""
        single = [each for each in (self.time, self.text_value) if each is not None]
        return tuple(
            dict.fromkeys([self.subject_id, *self.code, *single, *self.numeric_value, *self.where])
        )

    @classmethod
    def of(
        cls,
        said: Mapping[str, str],
        columns: Sequence[str],
        path: str | Path,
        *,
        by: str = "--map",
    ) -> "EventMap":
        """From what is said of the MEDS names, of a file's columns; a column that has such a name needs no saying.

        said    {"subject_id": "RecordID", "time": "minute:minutes", "code": "LAB//itemid+unit",
                "numeric_value": "HR|SysABP", "text_value": "comment"}
        by      who says so, in messages

        Raises DataError for a name that is none, and for a column that is not there.
        """
        for new in said:
            if new not in EVENT_COLUMNS:
                raise DataError(
                    f"{by} names {', '.join(EVENT_COLUMNS)}; got '{new}' on the left of '{new}={said[new]}'"
                )
        look = _Columns(said, tuple(columns), Path(path), by)
        subject, text = look.one("subject_id"), look.one("text_value")
        time, timed = look.time()
        prefix, code = look.code()
        numeric = look.several("numeric_value", {subject, text, time, *code})
        if len(numeric) > 1 and text is not None:
            raise DataError(
                f"{by} text_value={text}: of several columns of numeric_value it is not known whose text that is"
            )
        named = len(numeric) > 1 or (not code and not prefix)
        if subject is None or (named and not numeric):
            lacking = "subject_id" if subject is None else "code"
            visit = f", or where a row is a visit, when it was: {by} time=COLUMN:days"
            raise DataError(
                f"{path} has no column '{lacking}'; say which it is: --map {lacking}=COLUMN"
                f"{visit if lacking == 'code' and time is None else ''} (it has {', '.join(columns[:12])})"
            )
        return cls(subject, code, prefix, time, timed, numeric, text, named)


@dataclass(frozen=True)
class _Columns:
    """What is said, looked up in the columns of a file."""

    said: Mapping[str, str]
    columns: tuple[str, ...]
    path: Path
    by: str

    def one(self, new: str) -> str | None:
        if new not in self.said:
            return new if new in self.columns else None
        return self._there(new, self.said[new])

    def several(self, new: str, taken: set) -> tuple[str, ...]:
        """A|B|C, and * for all that are not taken."""
        if self.said.get(new) == "*":
            return tuple(each for each in self.columns if each not in taken)
        if new not in self.said or self.said[new] in self.columns:
            found = self.one(new)
            return () if found is None else (found,)
        return tuple(self._there(new, each) for each in self.said[new].split("|"))

    def time(self) -> tuple[str | None, str]:
        """COLUMN, COLUMN:UNIT or COLUMN:FORMAT."""
        text = self.said.get("time")
        if text is None or text in self.columns:
            return self.one("time"), ""
        column, _, timed = text.partition(":")
        while column not in self.columns and ":" in timed:  # a column's name may hold a colon
            more, _, timed = timed.partition(":")
            column = f"{column}:{more}"
        if column not in self.columns:
            column, timed = text.partition(":")[0], text.partition(":")[2]
        column = self._there("time", column)
        if "%" in timed:
            check_format(timed, column)
        elif timed not in UNITS:
            raise DataError(
                f"{self.by} time={text}: after the colon stands what '{column}' counts since the subject's start "
                f"({', '.join(UNITS)}), or a format of dates such as %d.%m.%Y; got '{timed}'"
            )
        return column, timed

    def code(self) -> tuple[str, tuple[str, ...]]:
        """COLUMN, A+B, TEXT//A+B, or TEXT// alone: (text in front, columns)."""
        text = self.said.get("code")
        if text is None or text in self.columns:
            found = self.one("code")
            return "", () if found is None else (found,)
        prefix, _, rest = text.rpartition(JOINT)
        if not rest:
            return prefix, ()
        parts = [rest] if rest in self.columns else rest.split("+")
        return prefix, tuple(self._there("code", part) for part in parts)

    def _there(self, new: str, column: str) -> str:
        column = column if column in self.columns else column.strip()
        if column not in self.columns:
            raise DataError(
                f"{self.by} {new}={self.said[new]}: {self.path} has no column '{column}'; "
                f"it has {', '.join(self.columns[:12])}"
            )
        return column
