"""A file of rows, a few megabytes of it at a time: text files, whose cells are texts, and Parquet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from jaxehr.data.kinds import DataError
from jaxehr.data.text_files import (
    TEXT_SUFFIXES,
    Head,
    check_there,
    said_of,
    text_batches,
    text_head,
)

ROWS = 1 << 17  # of Parquet
GROWTH = {".gz": 8, ".zip": 8, ".parquet": 10}  # of a file, to what it holds as text, about


@dataclass(frozen=True)
class RowFile:
    """A file that can be read through more than once.

    names   its columns
    spelt   as the file has them
    head    of a text file
    """

    path: Path
    names: tuple[str, ...]
    spelt: tuple[str, ...]
    head: Head | None

    @classmethod
    def of(
        cls, path: str | Path, *, sep: str | None = None, encoding: str | None = None
    ) -> "RowFile":
        """Raises DataError for a file that is not there, is empty, or is neither text nor Parquet."""
        path = Path(path)
        check_there(path)
        if path.name.lower().endswith(TEXT_SUFFIXES):
            with said_of(path, "text"):
                head = text_head(path, sep=sep, encoding=encoding)
            return cls(path, tuple(head.names), tuple(head.names), head)
        if path.name.lower().endswith(".parquet"):
            names = tuple(_parquet(path).schema_arrow.names)
            return cls(path, names, names, None)
        raise DataError(
            f"{path} is neither CSV ({', '.join(TEXT_SUFFIXES)}) nor .parquet, which are read row by row; save it so"
        )

    def in_small_letters(self) -> "RowFile":
        """With its columns called so."""
        return replace(self, names=tuple(name.lower() for name in self.spelt))

    @property
    def text_bytes(self) -> int:
        """About what it holds, were it plain text."""
        return self.path.stat().st_size * GROWTH.get(self.path.suffix.lower(), 1)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Its rows in order, of these columns; raises DataError for a row that cannot be read."""
        spelt = [self.spelt[self.names.index(name)] for name in columns]
        if self.head is not None:
            with said_of(self.path, "text"):
                for table in text_batches(self.path, self.head, spelt):
                    yield table.rename_columns(list(columns))
            return
        with said_of(self.path, "Parquet"):
            for batch in _parquet(self.path).iter_batches(ROWS, columns=spelt):
                table = pa.Table.from_batches([batch]).select(spelt)
                yield table.rename_columns(list(columns))


def _parquet(path: Path):
    import pyarrow.parquet as pq

    with said_of(path, "Parquet, and may be cut off"):
        return pq.ParquetFile(path)
