"""Records as a MEDS dataset, batch by batch."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jaxehr.data.kinds import DataError
from jaxehr.data.meds.beside import write_metadata
from jaxehr.data.meds.events import told
from jaxehr.data.meds.layout import DATA, METADATA, SCHEMA, SYNTHETIC_IDS, Metadata, Origin
from jaxehr.data.records import Records, records_of
from jaxehr.files import whole_folder

log = logging.getLogger(__name__)

SHARD_EVENTS = 1_000_000  # in a shard, unless one subject has more


def write_meds(
    records: Records | pd.DataFrame,
    folder: str | Path,
    *,
    synthetic: bool = False,
    metadata: Metadata | None = None,
    shard_events: int = SHARD_EVENTS,
) -> None:
    """As `meds_writer` of one batch. `read_meds` gives the same back, subjects together and their events sorted."""
    with meds_writer(
        folder, synthetic=synthetic, metadata=metadata, shard_events=shard_events
    ) as write:
        write(records)


@contextmanager
def meds_writer(
    folder: str | Path,
    *,
    synthetic: bool = False,
    metadata: Metadata | None = None,
    shard_events: int = SHARD_EVENTS,
) -> Iterator[Callable[[Records | pd.DataFrame], None]]:
    """write(records), as often as there are batches; a subject is whole in one of them. Written beside, then renamed.

    The static table becomes events without a time (facts.py). Subjects keep ids that are integers of 64 bits;
    others are numbered from 1, and their own ids kept in metadata/subject_ids.parquet.

    synthetic   the subjects are no one: they get ids of `SYNTHETIC_IDS`, which no hospital has, and are all of the
                split train, since what is drawn is there to be learnt from, never to be tested on
    metadata    of the codes, what is known of those that are written; splits and dataset.json of real subjects

    Raises DataError for what MEDS cannot hold and for a folder that holds other things than a dataset.
    """
    folder = Path(folder)
    check_dataset_folder(folder)
    with whole_folder(folder) as beside:
        for name in (DATA, METADATA):
            (beside / name).mkdir()
        dataset = _Dataset(beside / DATA, synthetic, shard_events)
        try:
            yield dataset.write
        finally:
            dataset.close()
        write_metadata(
            beside / METADATA,
            metadata or Metadata(),
            name=folder.absolute().name,
            synthetic=synthetic,
            origin=dataset.checked(),
            codes=list(dataset.codes),
            ids=np.concatenate(dataset.ids),
            own_ids=pd.concat(dataset.own_ids, ignore_index=True) if dataset.own_ids else None,
        )


def check_dataset_folder(folder: Path) -> None:
    """Raises DataError where a dataset in its place would take away something else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; a MEDS dataset is a folder")
    names = sorted(path.name for path in folder.iterdir())
    others = [name for name in names if name not in (DATA, METADATA)]
    if others or (names and DATA not in names):
        raise DataError(
            f"{folder} holds {', '.join((others or names)[:4])}, which is no part of a MEDS dataset and would be lost; "
            "choose another folder"
        )


class _Dataset:
    """The shards, and what the metadata need of them."""

    def __init__(self, folder: Path, synthetic: bool, shard_events: int):
        self.folder, self.synthetic, self.shard_events = folder, synthetic, shard_events
        self.origin: Origin | None = None
        self.keeps: bool | None = None  # whether the subjects keep their ids
        self.ids: list[np.ndarray] = []
        self.own_ids: list[pd.Series] = []
        self.codes: dict[str, None] = {}
        self.inexact = self.subjects = self.shards = self.events = 0
        self.writer: pq.ParquetWriter | None = None

    def write(self, records: Records | pd.DataFrame) -> None:
        batch = told(records_of(records), self.origin)
        self.origin, table = batch.origin, batch.table
        self.inexact += batch.inexact
        self.codes |= dict.fromkeys(table["code"].unique().to_pylist())
        subject = table["subject"].to_numpy()
        ids = self._ids(batch.subjects, subject)
        table = table.set_column(0, SCHEMA.field(0), [ids[subject]])
        ends = np.flatnonzero(np.diff(subject, append=-1)) + 1  # of subjects
        begin = 0
        while begin < len(table):
            room = begin + self.shard_events - self.events
            fit = int(
                np.searchsorted(ends, room, "right")
            )  # subjects that end before the room does
            end = int(ends[fit - 1]) if fit else 0
            if end <= begin:  # not one more fits
                if self.events:
                    self.close()
                    continue
                end = int(ends[fit])
            self._append(table.slice(begin, end - begin))
            begin = end

    def _ids(self, own: pd.Series | None, subject: np.ndarray) -> np.ndarray:
        """The ids in MEDS of the batch's subjects."""
        n = int(subject.max(initial=-1)) + 1 if own is None else len(own)
        fits = own is not None and _fits(own)
        self.keeps = fits and not self.synthetic if self.keeps is None else self.keeps
        if self.keeps and not fits:
            raise DataError("a batch has ids beyond int64, or none; in those before it all were")
        if own is not None and self.keeps:
            ids = own.to_numpy(np.int64)
        else:
            first = SYNTHETIC_IDS.start if self.synthetic else 1
            ids = np.arange(n) + first + self.subjects
            self.own_ids += [] if own is None else [own]
        self.ids.append(ids)
        self.subjects += n
        return ids

    def _append(self, table: pa.Table) -> None:
        schema = SCHEMA
        for field in list(table.schema)[len(SCHEMA) :]:
            schema = schema.append(field)
        if self.writer is None:
            path = self.folder / f"{self.shards}.parquet"
            self.writer = pq.ParquetWriter(path, schema, write_page_checksum=True)
        self.writer.write_table(table.cast(schema))
        self.events += len(table)

    def close(self) -> None:
        """The shard that is being written; the next one is another."""
        if self.writer is not None:
            self.writer.close()
            self.writer, self.events = None, 0
            self.shards += 1

    def checked(self) -> Origin:
        """What the columns were. Raises DataError where nothing was written, or a subject in two batches."""
        if self.origin is None or not self.shards:
            raise DataError("there are no records to write")
        found = pd.concat(self.own_ids or [pd.Series(ids) for ids in self.ids], ignore_index=True)
        twice = found[found.duplicated()]
        if len(twice):
            raise DataError(
                f"{len(twice):,} subjects, such as {twice.iloc[0]}, came in more than one batch; "
                "a subject is whole in one"
            )
        if self.inexact:
            log.warning(
                "%s numeric values are rounded to float32, which MEDS holds", f"{self.inexact:,}"
            )
        return self.origin


def _fits(ids: pd.Series) -> bool:
    """Whether they are integers of 64 bits."""
    whole = pd.api.types.is_integer_dtype(ids.dtype)
    return whole and (ids.empty or int(ids.max()) <= np.iinfo(np.int64).max)
