"""A static table and the events of the same subjects, joined by subject_id."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa

from jaxehr.data.events.by_subject import are_integers
from jaxehr.data.events.cells import Cells
from jaxehr.data.events.read import read_events
from jaxehr.data.kinds import DataError
from jaxehr.data.lives import say_outside_life
from jaxehr.data.read import read_records
from jaxehr.data.records import Records
from jaxehr.data.schema import Schema
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
