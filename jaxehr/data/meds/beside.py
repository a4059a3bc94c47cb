"""What lies beside the events of a MEDS dataset that is written."""

import datetime
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jaxehr.data.meds.facts import STATIC, code_of, columns_of_codes
from jaxehr.data.meds.layout import (
    CODES,
    DATASET,
    ORIGIN,
    SCHEMA,
    SPLITS,
    SUBJECT_IDS,
    VERSION,
    Metadata,
    Origin,
)
from jaxehr.version import __version__

SPLIT_SCHEMA = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)
CODE_SCHEMA = pa.schema(
    [
        pa.field("code", pa.string(), nullable=False),
        pa.field("description", pa.string()),
        pa.field("parent_codes", pa.list_(pa.string())),
    ]
)
# Of dataset.json, what names columns of the events.
COLUMN_LISTS = (
    "raw_source_id_columns",
    "code_modifier_columns",
    "additional_value_modality_columns",
    "site_id_columns",
    "other_extension_columns",
)


def write_metadata(
    folder: Path,
    metadata: Metadata,
    *,
    name: str,
    synthetic: bool,
    origin: Origin,
    codes: list[str],
    ids: np.ndarray,
    own_ids: pd.Series | None,
) -> None:
    """All of it. `ids` are those of MEDS; `own_ids` the subjects' own, where those differ."""
    if synthetic:
        origin, splits = origin.renumbered(), pd.Series("train", pd.RangeIndex(len(ids)))
    elif metadata.splits is not None:
        splits = metadata.splits.reindex(ids if own_ids is None else own_ids)
    else:
        splits = None
    if splits is not None:
        table = pa.table(
            {"subject_id": ids, "split": pa.array(splits, pa.string(), from_pandas=True)}
        )
        pq.write_table(table.drop_null().cast(SPLIT_SCHEMA), folder / SPLITS)
    if own_ids is not None and not synthetic:
        table = pd.DataFrame({"subject_id": ids, "own_id": own_ids})
        table.to_parquet(folder / SUBJECT_IDS, index=False)
    pq.write_table(_codes(metadata.codes, codes, origin), folder / CODES)
    _write_json(folder / DATASET, _dataset(metadata, origin, name))
    _write_json(folder / ORIGIN, origin.to_json())


def _codes(known: pd.DataFrame | None, codes: list[str], origin: Origin) -> pa.Table:
    """A row for each code that is written, with all that is known of it."""
    columns = [c for c in origin.static or () if c.name != "subject_id"]
    which, values = columns_of_codes(pa.array(codes, pa.string()), columns)
    told: dict[str, list] = {"code": codes, "description": [], "parent_codes": []}
    for j, value in zip(which, values, strict=True):
        about, parents = None, None
        if j == len(columns):
            about = "of this subject the static table knows nothing"
        elif j >= 0:
            about = columns[j].name if value is None else f"{columns[j].name}: {value}"
            parents = [STATIC if value is None else code_of(columns[j])]
        told["description"].append(about)
        told["parent_codes"].append(parents)
    ours = pa.table(told, CODE_SCHEMA)
    if known is None:
        return ours
    table = pa.Table.from_pandas(known[known["code"].isin(codes)], preserve_index=False)
    for field in CODE_SCHEMA:
        if field.name in table.column_names:
            i = table.column_names.index(field.name)
            table = table.set_column(i, field, table[field.name].cast(field.type))
    table = table.replace_schema_metadata(None)
    rest = ours.filter(pc.invert(pc.is_in(ours["code"], table["code"].combine_chunks())))
    return pa.concat_tables([table, rest], promote_options="permissive")


def _dataset(metadata: Metadata, origin: Origin, name: str) -> dict:
    given = {key: value for key, value in metadata.dataset.items() if key not in COLUMN_LISTS}
    made = {
        "dataset_name": name,
        **given,
        "etl_name": "jaxehr",
        "etl_version": __version__,
        "meds_version": VERSION,
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    others = [c.name for c in origin.events or () if c.name not in SCHEMA.names]
    for key in COLUMN_LISTS:
        named = [each for each in metadata.dataset.get(key) or () if each in others]
        others = [each for each in others if each not in named]
        if key == COLUMN_LISTS[-1]:
            named += others
        made |= {key: named} if named else {}
    return made


def _write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
