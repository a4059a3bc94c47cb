"""How the commands read files of records: the same options in each."""

import argparse
from pathlib import Path


def add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how files are read, where they do not say it themselves")
    group.add_argument(
        "--missing",
        metavar="TEXTS",
        help='what stands for a missing value beside an empty cell: "NA,?,." (--missing=-9,-99 with a minus)',
    )
    group.add_argument("--sep", metavar="S", help="between fields: ',', ';', '|' or tab")
    group.add_argument("--encoding", metavar="E", help="of text: latin-1, cp1252, utf-16, ...")
    group.add_argument("--decimal", metavar="D", help="in front of decimals: . or ,")
    group.add_argument(
        "--map",
        metavar="NEW=OLD,...",
        help="columns called otherwise in the file: subject_id=patient_id,code=icd9",
    )


MAPPED = ("subject_id", "code")  # what a file of codes needs


def read(options, path: str | Path, schema=None):
    """The records of a file, as the options and a schema say."""
    from jaxehr import data

    return data.read_records(
        path,
        schema,
        missing=() if options.missing is None else _parts(options.missing),
        sep=options.sep,
        encoding=options.encoding,
        decimal=options.decimal,
        names=_names(options.map),
    )


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
    return schema.with_missing(records.attrs.get("missing", ()))


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _names(text: str | None) -> dict[str, str]:
    """Raises ValueError for what is not NEW=OLD,NEW=OLD, and for a NEW that no file needs."""
    pairs = [part.partition("=") for part in _parts(text or "")]
    for new, equals, old in pairs:
        if not (new.strip() and equals and old.strip()):
            raise ValueError(
                f"--map takes NEW=OLD,NEW=OLD, such as subject_id=patient_id,code=icd9; got '{text}'"
            )
        if new.strip() not in MAPPED:
            raise ValueError(
                f"--map names columns {' and '.join(MAPPED)}; got '{new.strip()}' on the left of '{new}={old}'"
            )
    return {new.strip(): old.strip() for new, _, old in pairs}
