"""How the commands read files of records: the same options in each."""

import argparse
import csv
import re
from pathlib import Path


def add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how files are read, where they do not say it themselves")
    group.add_argument(
        "--missing",
        metavar="TEXTS",
        help="what stands for a missing value beside an empty cell: 'NA,?,.' (--missing=-9,-99 with a minus, "
        "'\"<0,5\",NA' with a comma)",
    )
    group.add_argument("--sep", metavar="S", help="between fields: ',', ';', '|' or tab")
    group.add_argument("--encoding", metavar="E", help="of text: latin-1, cp1252, utf-16, ...")
    group.add_argument("--decimal", metavar="D", help="in front of decimals: . or ,")
    group.add_argument(
        "--map",
        action="append",
        metavar="NEW=OLD",
        help="columns called otherwise in the file: subject_id=patient_id,code=icd9; more in `jaxehr help events`",
    )
    group.add_argument(
        "--unmatched",
        choices=("refuse", "drop", "keep"),
        default="refuse",
        help="subjects of events that the table lacks: stop and say how many (by default), leave their events out, or "
        "keep them, with nothing known in the table",
    )


EVENTS = """\
--data static.csv --events events.csv takes a table with a row for each subject, and a file with a line for each event
of theirs; a column subject_id in both says whose it is. --map says which columns of events are what, once or more:

  --map subject_id=RecordID            in the table too, if it is there
  --map time=charttime                 dates, in the way they are written
  --map time=minute:minutes            since the subject's start (seconds, minutes, hours, days)
  --map 'time=day:%d.%m.%Y'            dates in a format of your own
  --map code=itemid+unit               codes of several columns: 50912//mg/dL
  --map code=LAB//itemid+unit          with a text in front: LAB//50912//mg/dL
  --map numeric_value=value            what is no number is kept as text_value
  --map 'numeric_value=HR|SysABP|Temp'   a column for each measurement: an event of each that has a value (* is all)

--data visits.csv --map subject_id=id,time=day:days reads a row as a visit, with a column for each thing that is
measured; what is the same in all visits of a subject is static, and one such file comes out.

--data FOLDER --layout mimic3 (mimic4, eicu) reads the tables of MIMIC-III, MIMIC-IV and eICU as they are distributed,
with _stays behind the name vitals and labs of each stay in intensive care, --layout physionet2012 that challenge's.
--data FOLDER without --layout reads a MEDS dataset: data/**/*.parquet, and what lies in metadata/; FOLDER@train, in any
option that takes records, only the subjects of that split.
"""


def add_layout(parser: argparse._ActionsContainer, folders: str) -> None:
    parser.add_argument(
        "--layout",
        metavar="NAME",
        help=f"of {folders}: mimic3, eicu_stays, physionet2012, ...; more in `jaxehr help events`",
    )


def add_events(parser: argparse.ArgumentParser) -> None:
    """For commands that take subjects with static facts and events."""
    group = parser.add_argument_group("events", EVENTS)
    group.add_argument("--events", metavar="FILE", help="CSV or Parquet: a line for each event")
    add_layout(group, "the folder that --data names")


OF_FILES = ("missing", "sep", "encoding", "decimal", "map")


def read(
    options,
    path: str | Path,
    schema=None,
    *,
    events: str | None = None,
    layout: str | None = None,
):
    """The records of a file or folder, as the options and a schema say: a table or codes, or Records where there are
    events with more to them than codes, as a series has.

    events      the file of the events of these subjects, where the path is a table's
    layout      of the folder
    """
    from jaxehr import data

    timed = _timed(options, schema)
    names, reading = _names(options.map), _reading(options)
    if layout is not None:
        if events or names:
            raise ValueError(
                "--layout says what the columns are; give it without a file of events and --map"
            )
        records = data.read_layout(path, layout, unmatched=options.unmatched, **reading)
    elif events is not None:
        unmatched = options.unmatched
        records = data.read_subjects(
            path, events, schema, names=names, unmatched=unmatched, **reading
        )
    elif (dataset := _dataset(path)) is not None:
        given = [name for name in OF_FILES if getattr(options, name) is not None]
        if given:
            raise ValueError(f"--{given[0]} is for files; {path} is a folder, and read as MEDS")
        folder, split = dataset
        records = data.read_meds(folder, split=split)
    elif _of_visits(path, names, schema, timed, reading):
        records = data.read_visits(path, names, schema, **reading)
    elif timed or _beyond_codes(names):
        records = data.read_subjects(None, path, schema, names=names, **reading)
    else:
        return data.read_records(path, schema, names=names, **reading)
    if not timed:
        data.say_learnt(events or path, () if records.events is None else records.events.columns)
    return records


def _of_visits(path, names: dict[str, str], schema, timed: bool, reading: dict) -> bool:
    """Whether the file's rows are visits. Raises ValueError where it is not said that they are to be a series."""
    from jaxehr import data

    if schema is not None:
        return schema.visits is not None
    if not data.are_visits(path, names, **reading):
        return False
    if not timed:
        raise ValueError(
            f"the rows of {path} are visits, which are learnt as a series; say how long a step is: jaxehr schema "
            "--every 90d ... --out schema.json, and give fit that --schema (of a long file, say --map code=COLUMN)"
        )
    return True


def _timed(options, schema) -> bool:
    """Whether events are to be a series, of whose times and values nothing is left out."""
    asked = getattr(options, "every", None) is not None
    return asked or (schema is not None and schema.grid is not None)


def _dataset(path: str | Path) -> tuple[Path, str | None] | None:
    """(folder, split) of FOLDER and of FOLDER@train; None where there is no such folder."""
    if Path(path).is_dir():
        return Path(path), None
    folder, at, split = str(path).rpartition("@")
    return (Path(folder), split) if at and Path(folder).is_dir() else None


def _reading(options) -> dict:
    return {
        "missing": () if options.missing is None else between_commas(options.missing),
        "sep": options.sep,
        "encoding": options.encoding,
        "decimal": options.decimal,
    }


def load_schema(path: str | None):
    """The schema of a file; None where there is none. Of a run's own file only as it was written."""
    from jaxehr import data
    from jaxehr.synthesis import run

    if path is None:
        return None
    run.check_schema_file(Path(path))
    return data.Schema.load(path)


def schema_of(records, schema=None):
    """The schema given, with what the records were read by; or that of the records."""
    from jaxehr import data

    if schema is None:
        return data.Schema.infer(records)
    parts = data.records_of(records)
    frames = [frame for frame in (parts.static, parts.events) if frame is not None]
    return schema.with_missing(text for f in frames for text in f.attrs.get("missing", ()))


def between_commas(text: str) -> tuple[str, ...]:
    """Between commas, but for those in quotes: "<0,5",NA."""
    (parts,) = csv.reader([text], skipinitialspace=True)
    return tuple(part.strip() for part in parts if part.strip())


def _names(texts: list[str] | None) -> dict[str, str]:
    """Of NEW=OLD,NEW=OLD; a comma that no NEW= follows is the name's. Raises ValueError for what is not so."""
    from jaxehr.data.records import EVENT_COLUMNS

    names: dict[str, str] = {}
    for text in texts or ():
        for part in re.split(r",(?=\s*[A-Za-z_]+\s*=)", text):
            new, equals, old = (each.strip() for each in part.partition("="))
            if not (new and equals and old):
                raise ValueError(
                    f"--map takes NEW=OLD, such as subject_id=patient_id or code=icd9; got '{text}'"
                )
            if new not in EVENT_COLUMNS:
                raise ValueError(
                    f"--map names columns {', '.join(EVENT_COLUMNS)}; got '{new}' on the left of '{part.strip()}'"
                )
            if names.setdefault(new, old) != old:
                raise ValueError(f"--map says what {new} is twice: {names[new]} and {old}")
    return names


def _beyond_codes(names: dict[str, str]) -> bool:
    """Whether a file's columns are mapped to more than whose a code is, and which."""
    built = re.search(r"//|\+", names.get("code", ""))
    return built is not None or not names.keys() <= {"subject_id", "code"}
