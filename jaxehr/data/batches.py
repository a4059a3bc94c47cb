"""A file of rows, a few megabytes of it at a time: text files, whose cells are texts, and Parquet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from jaxehr.data.kinds import DataError
from jaxehr.data.text_files import TEXT_SUFFIXES, Head, text_batches, text_head

ROWS = 1 << 17  # of Parquet
GROWTH = {".gz": 8, ".zip": 8, ".parquet": 10}  # of a file, to what it holds as text, about


@dataclass(frozen=True)
class RowFile:
    """A file that can be read through more than once. `names` are its columns; `head` is that of a text file."""

    path: Path
    names: tuple[str, ...]
    head: Head | None

    @classmethod
    def of(cls, path: str | Path, *, sep: str | None = None, encoding: str | None = None):
        """Raises DataError for a file that is not there, is empty, or is neither text nor Parquet."""
        path = Path(path)
        if not path.is_file():
            raise DataError(f"no such file: {path}")
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty")
        if path.name.lower().endswith(TEXT_SUFFIXES):
            head = text_head(path, sep=sep, encoding=encoding)
            return cls(path, tuple(head.names), head)
        if path.name.lower().endswith(".parquet"):
            return cls(path, tuple(_parquet(path).schema_arrow.names), None)
        raise DataError(
            f"{path} is neither CSV ({', '.join(TEXT_SUFFIXES)}) nor .parquet, which are read row by row; save it so"
        )

    @property
    def text_bytes(self) -> int:
        """About what it holds, were it plain text."""
        return self.path.stat().st_size * GROWTH.get(self.path.suffix.lower(), 1)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Its rows in order, of these columns; raises DataError for a row that cannot be read."""
        if self.head is not None:
            yield from text_batches(self.path, self.head, columns)
            return
        try:
            for batch in _parquet(self.path).iter_batches(ROWS, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns))
        except (pa.ArrowInvalid, OSError) as error:
            raise _cut_off(self.path, error) from None


def _parquet(path: Path):
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise _cut_off(path, error) from None


def _cut_off(path: Path, error: Exception) -> DataError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return DataError(f"{path} cannot be read as Parquet, and may be cut off: {reason}")
