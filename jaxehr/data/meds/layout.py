"""MEDS, the Medical Event Data Standard 0.4: a folder of events in Parquet, and what is known of them beside.

    data/**/*.parquet               events: subject_id, time (null: always so), code, numeric_value, text_value
    metadata/dataset.json           name, licence, and who made it when
    metadata/codes.parquet          each code with its description and parents
    metadata/subject_splits.parquet train, tuning or held_out
    metadata/jaxehr.json            ours: what the columns were before they were MEDS; others look past it
    metadata/subject_ids.parquet    ours: the ids of subjects that are no integers of 64 bits

https://github.com/Medical-Event-Data-Standard/meds
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from jaxehr.data.kinds import DataError
from jaxehr.data.meds.columns import Kept

VERSION = "0.4.1"
SCHEMA = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us")),
        pa.field("code", pa.string(), nullable=False),
        pa.field("numeric_value", pa.float32()),
        pa.field("text_value", pa.large_string()),
    ]
)
DATA, METADATA = "data", "metadata"
DATASET, CODES, SPLITS = "dataset.json", "codes.parquet", "subject_splits.parquet"
ORIGIN, SUBJECT_IDS = "jaxehr.json", "subject_ids.parquet"

# Of synthetic patients: above any number that a hospital gives, and told apart by a float64, as JSON, R and
# spreadsheets hold numbers. Of ids that are hashes of 64 bits one in two and a half million would fall among them.
SYNTHETIC_IDS = range(9 * 10**15, 2**53)


@dataclass(frozen=True)
class Metadata:
    """What lies beside the events of a dataset.

    codes       code, and what is known of it: description, parent_codes, others
    splits      the split of each subject, by subject_id
    dataset     of dataset.json: dataset_name, license, ...
    """

    codes: pd.DataFrame | None = None
    splits: pd.Series | None = None
    dataset: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """What the columns of records were, subject_id among them; None where there was no static table, or no events."""

    static: tuple[Kept, ...] | None
    events: tuple[Kept, ...] | None
    static_attrs: dict[str, Any] = field(default_factory=dict)
    events_attrs: dict[str, Any] = field(default_factory=dict)

    def joined(self, other: "Origin") -> "Origin":
        """Of two batches. Raises DataError where their columns differ."""
        return Origin(
            _joined("the static table", self.static, other.static),
            _joined("events", self.events, other.events),
            self.static_attrs,
            self.events_attrs,
        )

    def renumbered(self) -> "Origin":
        """Whose subjects have the ids that MEDS gives them."""
        here = Kept("subject_id", "int64", "integer")
        static, events = (
            columns and tuple(here if c.name == here.name else c for c in columns)
            for columns in (self.static, self.events)
        )
        return replace(self, static=static, events=events)

    def to_json(self) -> dict[str, Any]:
        def told(columns: Sequence[Kept] | None, attrs: dict):
            return columns and {"columns": [c.to_json() for c in columns], "attrs": attrs}

        return {
            "version": 1,
            "static": told(self.static, self.static_attrs),
            "events": told(self.events, self.events_attrs),
        }

    @staticmethod
    def load(folder: Path) -> "Origin | None":
        """None where another program made the dataset."""
        path = folder / METADATA / ORIGIN
        if not path.is_file():
            return None
        value = read_json(path)
        if value.get("version") != 1:
            raise DataError(
                f"{path} has version {value.get('version')}; this jaxehr reads 1: upgrade it, or remove the file, "
                "and static facts stay events"
            )
        told = [value.get(key) or {"columns": None, "attrs": {}} for key in ("static", "events")]
        try:
            columns = [
                None if each["columns"] is None else tuple(map(Kept.from_json, each["columns"]))
                for each in told
            ]
            return Origin(columns[0], columns[1], told[0]["attrs"], told[1]["attrs"])
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is not as jaxehr writes it ({error}); remove it, and static facts stay events"
            ) from None


def _joined(what: str, these, those):
    names = [None if columns is None else [c.name for c in columns] for columns in (these, those)]
    if names[0] != names[1]:
        raise DataError(
            f"{what}: one batch has the columns {names[1]}, and those before it {names[0]}"
        )
    return these and tuple(one.joined(other) for one, other in zip(these, those, strict=True))


def read_metadata(folder: str | Path) -> Metadata:
    """What a dataset says of its codes, its splits and itself; any of it may be absent."""
    beside = Path(folder) / METADATA
    codes = splits = None
    if (beside / CODES).is_file():
        codes = read_parquet_table(beside / CODES)[0].to_pandas()
    if (table := read_splits(Path(folder))) is not None:
        ids = pd.Index(own_ids(Path(folder), table["subject_id"].to_numpy()), name="subject_id")
        splits = pd.Series(table["split"].to_pandas().array, ids, name="split")
    dataset = read_json(beside / DATASET) if (beside / DATASET).is_file() else {}
    return Metadata(codes, splits, dataset)


def read_splits(folder: Path) -> pa.Table | None:
    """subject_id and split; None where the dataset has none."""
    path = folder / METADATA / SPLITS
    if not path.is_file():
        return None
    table, names = read_parquet_table(path, ["subject_id", "split"])
    if len(table.column_names) < 2 or not pa.types.is_integer(
        table.schema.field("subject_id").type
    ):
        raise DataError(
            f"{path} needs subject_id, an integer, and split; it has {', '.join(names)}"
        )
    return table


def own_ids(folder: Path, ids) -> Any:
    """The subjects' own ids for those that stand for them in MEDS. Raises DataError for one that is not known."""
    path = folder / METADATA / SUBJECT_IDS
    if not path.is_file():
        return ids
    table = read_parquet_table(path)[0].to_pandas()
    at = pd.Index(table["subject_id"]).get_indexer(ids)
    if (at < 0).any():
        raise DataError(
            f"subject {ids[at < 0][0]} is not in {path}, which says whose ids those are"
        )
    return table["own_id"].take(at).reset_index(drop=True)


def read_parquet_table(
    path: Path, columns: Sequence[str] | None = None
) -> tuple[pa.Table, list[str]]:
    """(of the columns wanted those that are there, the names of all). Raises DataError for a file that is damaged."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            names = file.schema_arrow.names
            wanted = names if columns is None else [name for name in columns if name in names]
            return file.read(wanted), names
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"{path} cannot be read as Parquet, as if it were cut off or damaged; copy or write it anew: {reason}"
        ) from None


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{path} holds {type(value).__name__}; an object is wanted")
    return value
