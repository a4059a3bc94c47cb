"""A static table and the events of the same subjects, joined by subject_id."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from jaxehr.data.events.batches import RowFile
from jaxehr.data.events.by_subject import are_integers
from jaxehr.data.events.cells import Cells
from jaxehr.data.events.columns import UNITS
from jaxehr.data.events.read import read_events
from jaxehr.data.kinds import DataError
from jaxehr.data.lives import say_outside_life
from jaxehr.data.read import read_records
from jaxehr.data.records import Records
from jaxehr.data.schema import Schema
from jaxehr.data.text_files import TEXT_SUFFIXES
from jaxehr.data.visits import Visits
from jaxehr.data.words import matches

log = logging.getLogger(__name__)

Unmatched = Literal["refuse", "drop", "keep"]
UNMATCHED: tuple[Unmatched, ...] = ("refuse", "drop", "keep")


def read_subjects(
    static: str | Path | None,
    events: str | Path,
    schema: Schema | None = None,
    *,
    names: Mapping[str, str] | None = None,
    unmatched: Unmatched = "refuse",
    missing: Sequence[str] = (),
    sep: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
) -> Records:
    """The records of a table with a row per subject and a file with a line per event.

    static      read by `read_records`, with the schema; None where there is no such table
    events      read by `read_events`, which takes the names
    names       as `read_events` has them; the subject's name holds in the static table too, if it is there
    unmatched   subjects of events that the table lacks: an error that counts them, their events left out, or a row
                for each with nothing in it

    Events before a birth or after a death are logged, and kept. Raises DataError for a static row without a subject or
    with another's, and where the files have no id in common.
    """
    reading = {"missing": missing, "sep": sep, "encoding": encoding, "decimal": decimal}
    found = read_events(events, names, **reading)  # type: ignore[arg-type]
    say_outside_life(events, found)
    if static is None:
        return Records(events=found)
    table = read_records(static, schema, names=_named(names), **reading)  # type: ignore[arg-type]
    if "subject_id" not in table:
        raise DataError(
            f"{static} has no column subject_id, which says whose the events are; say which it is: "
            f"--map subject_id=COLUMN (it has {', '.join(map(str, table.columns[:12]))})"
        )
    return joined(table, found, unmatched=unmatched, static_is=str(static), events_are=str(events))


def are_visits(path: str | Path, names: Mapping[str, str] | None, **reading: Any) -> bool:
    """Whether a row of the file is a visit: it is said when it was, and nothing says what is measured in the row."""
    said = set(names or {})
    if "time" not in said or said & {"code", "numeric_value", "text_value"}:
        return False
    if not str(path).lower().endswith((*TEXT_SUFFIXES, ".parquet")):
        return True
    del reading["missing"], reading["decimal"]
    return not {"code", "numeric_value"} & set(RowFile.of(path, **reading).names)


def read_visits(
    path: str | Path,
    names: Mapping[str, str] | None = None,
    schema: Schema | None = None,
    *,
    missing: Sequence[str] = (),
    sep: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
) -> Records:
    """The records of a file with a row for each visit: what is the same in all of a subject's is static, the rest
    events. `write_records` writes such records, and draws of a fit to them, into one file with the same columns.

    names       which columns say whose and when: {"subject_id": "id", "time": "day:days"}, or minutes, hours, seconds
                since the subject's start; without them they are dates
    schema      of the visits that were learnt, to read others by their law
    missing, sep, encoding, decimal     as in `read_records`

    Raises DataError as that does, for a column that is not there or cannot be a variable, for a row without a subject
    or a time, and where rows are no visits.
    """
    reading = {"missing": missing, "sep": sep, "encoding": encoding, "decimal": decimal}
    if schema is not None and schema.visits is not None:
        marks = (*missing, *schema.missing)
        law = Schema(schema.visits.columns, missing=tuple(dict.fromkeys(marks)))
        frame = read_records(path, law, **reading)  # type: ignore[arg-type]
        return schema.visits.records(frame)
    frame = read_records(path, **reading)  # type: ignore[arg-type]
    said = {"subject_id": "subject_id", "time": "time", **(names or {})}
    time, _, counts = said["time"].rpartition(":")
    if said["time"] in frame or not time:
        time, counts = said["time"], ""
    elif counts not in UNITS:
        raise DataError(
            f"time={said['time']}: after the colon stands what '{time}' counts since the subject's start "
            f"({', '.join(UNITS)}); got '{counts}'"
        )
    visits = Visits.draft(frame, subject_id=said["subject_id"], time=time, counts=counts or None)
    records = visits.records(frame)
    if marks := frame.attrs.get("missing"):
        assert records.static is not None
        records.static.attrs["missing"] = marks
    return records


def joined(
    static: pd.DataFrame,
    events: pd.DataFrame,
    *,
    unmatched: Unmatched = "refuse",
    static_is: str = "the static table",
    events_are: str = "events",
) -> Records:
    """Records of a table and of events that both have a column subject_id; errors are those of `read_subjects`.

    static_is, events_are   what the two are called in messages

    Ids are the same if they are so to the letter: 7 and 007 are not. They are int64 in both where all are integers,
    else text in both.
    """
    static, events = _with_ids_alike(static, events, static_is, events_are)
    _check_once(static["subject_id"], static_is)
    subjects = pd.Series(events["subject_id"].unique())
    strange = subjects[~subjects.isin(static["subject_id"])]
    if len(strange) == len(subjects):
        raise DataError(
            f"no subject of {events_are} is in {static_is}: '{subjects[0]}' here, '{static['subject_id'].iloc[0]}' "
            "there; ids are compared to the letter (7 is not 007): say which columns they are "
            "(--map subject_id=COLUMN), or write them alike"
        )
    if len(strange):
        few = ", ".join(map(str, strange.iloc[:4])) + ", ..." * (len(strange) > 4)
        said = f"{len(strange):,} of {len(subjects):,} subjects of {events_are} are not in {static_is} ({few})"
        static, events = _without_strangers(static, events, strange, unmatched, said)
    silent = int((~static["subject_id"].isin(subjects)).sum())
    if silent:
        all_ = f"{len(static):,}"
        log.warning("%s of %s subjects of %s have no event", f"{silent:,}", all_, static_is)
    return Records(static, events)


def _without_strangers(
    static: pd.DataFrame, events: pd.DataFrame, strange: pd.Series, unmatched: Unmatched, said: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both with the same subjects, as it is chosen. Raises DataError where it is to be refused."""
    of_them = events["subject_id"].isin(strange)
    said = f"{said}, with {of_them.sum():,} events"
    if unmatched == "refuse":
        raise DataError(
            f"{said}; --unmatched drop leaves them out, keep gives them a row with nothing in it"
        )
    if unmatched == "drop":
        log.warning("%s; they are left out", said)
        return static, events[~of_them].reset_index(drop=True)
    log.warning("%s; they are kept", said)
    return _with_empty_rows(static, strange), events


def _named(names: Mapping[str, str] | None) -> dict[str, str]:
    return {new: old for new, old in (names or {}).items() if new == "subject_id"}


def _with_ids_alike(
    static: pd.DataFrame, events: pd.DataFrame, static_is: str, events_are: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both with ids of one type. Raises DataError for a row of the table without one."""
    of_rows = Cells().ids(pa.array(static["subject_id"], from_pandas=True))
    if of_rows.null_count:
        row = of_rows.is_null().index(True).as_py() + 1
        raise DataError(f"row {row:,} of {static_is} has no subject_id; correct or drop it")
    rows, subjects = pd.factorize(events["subject_id"])
    of_events = Cells().ids(pa.array(subjects, from_pandas=True))
    whole = are_integers(of_rows) and are_integers(of_events)
    kind = pa.int64() if whole else pa.string()
    if not whole:
        _say_text(of_rows, static_is)
        _say_text(of_events, events_are)
    found = of_events.cast(kind).take(pa.array(rows)).to_pandas()
    return (
        static.assign(subject_id=of_rows.cast(kind).to_pandas().set_axis(static.index)),
        events.assign(subject_id=found.set_axis(events.index)),
    )


def _say_text(ids: pa.Array, where: str) -> None:
    """Logs what keeps ids that look like integers from being some."""
    large = [i for i in ids.filter(pa.array(matches(ids, r"^-?[1-9][0-9]{18,}$"))).to_pylist()]
    large = [each for each in large if not -(2**63) <= int(each) < 2**63]
    if large:
        log.warning(
            "%s: subject ids such as %s are beyond int64; all are kept as text", where, large[0]
        )


def _check_once(ids: pd.Series, where: str) -> None:
    twice = ids[ids.duplicated()].unique()
    if len(twice):
        few = ", ".join(map(str, twice[:4])) + ", ..." * (len(twice) > 4)
        raise DataError(
            f"{len(twice):,} subjects have more than one row in {where} ({few}); keep one row for each, or give what "
            "happened to them as events"
        )


def _with_empty_rows(static: pd.DataFrame, subjects: pd.Series) -> pd.DataFrame:
    """With a row for each of the subjects, of whom nothing is known; whole numbers with gaps are still written so."""
    formats = dict(static.attrs.get("format", {}))
    for name in static.columns.drop("subject_id"):
        if pd.api.types.is_integer_dtype(static[name].dtype):
            formats.setdefault(str(name), ".0f")
    attrs = {**static.attrs, "format": formats}
    made = pd.concat([static, subjects.to_frame("subject_id")], ignore_index=True)
    made.attrs = attrs
    return made
