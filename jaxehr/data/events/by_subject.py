"""Events sorted by subject and time, however many: parted by subject into files, and sorted part by part.

The files have no name: they are gone as soon as the process is, however it ends, and no one else can open them.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.kinds import DataError
from jaxehr.data.words import matches

SCHEMA = pa.schema(
    [
        ("subject_id", pa.string()),
        ("time", pa.timestamp("us")),
        ("code", pa.string()),
        ("numeric_value", pa.float64()),
        ("text_value", pa.string()),
    ]
)
PART = 1 << 26  # bytes of text whose events are held and sorted at once, about
MOST_PARTS = 100  # files that are open at once
WHOLE = r"^(-?[1-9][0-9]{0,18}|0)$"  # as an integer is written; 19 digits may still be too many
INT64 = (-(2**63), 2**63 - 1)


def parts_for(text_bytes: int) -> int:
    return min(MOST_PARTS, max(1, -(-text_bytes // PART)))


def are_integers(ids: pa.Array) -> bool:
    """Whether ids, as texts, are all integers that int64 holds, written as such: 7, not 007, +7 or 7.0."""
    if not matches(ids, WHOLE).all():
        return False
    longest = ids.filter(pc.greater(pc.utf8_length(ids), 18)).to_pylist()
    return all(INT64[0] <= int(each) <= INT64[1] for each in longest)


def sorted_parts(tables: Iterable[pa.Table], parts: int) -> Iterator[pa.Table]:
    """The rows of all the tables: whole subjects, sorted by subject and time, those without a time first.

    tables  of SCHEMA, without missing subjects or codes
    parts   tables that come out, at most; of each, subjects are in order. Rows of one time stay as they came

    subject_id is int64 where all the subjects' ids are integers, else text; code comes as a dictionary.
    """
    whole = True
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile("w+b")) for _ in range(parts)]
        packed = pa.ipc.IpcWriteOptions(compression="lz4")
        writers = [pa.ipc.new_stream(file, SCHEMA, options=packed) for file in files]
        for table in tables:
            ids = table.column("subject_id").combine_chunks().dictionary_encode()
            ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
            whole = whole and are_integers(ids.dictionary)
            with _room():
                for part, rows in _split(table, ids, parts):
                    writers[part].write_table(rows)
        with _room():
            for writer in writers:
                writer.close()
        for file in files:
            file.seek(0)
            rows = pa.ipc.open_stream(file).read_all()
            file.truncate(0)
            if rows.num_rows:
                yield _sorted(rows, pa.int64() if whole else pa.string())


@contextmanager
def _room() -> Iterator[None]:
    """Raises DataError that says where there is no room to write."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"events are sorted in files in {tempfile.gettempdir()}, where {error.strerror or error}; set TMPDIR to a "
            "folder with more room, about as much as the file takes as plain text"
        ) from None


def _split(table: pa.Table, ids: pa.DictionaryArray, parts: int) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each part that has some; a subject's part hangs on its id alone."""
    if parts == 1:
        yield 0, table
        return
    hashes = pd.util.hash_array(ids.dictionary.to_numpy(zero_copy_only=False), categorize=False)
    part = (hashes % parts).astype(np.int16)[ids.indices.to_numpy(zero_copy_only=False)]
    order = np.argsort(part, kind="stable")
    table = table.take(pa.array(order))
    ends = np.searchsorted(part[order], np.arange(parts + 1))
    for number in range(parts):
        if ends[number] < ends[number + 1]:
            yield number, table.slice(ends[number], ends[number + 1] - ends[number])


def _sorted(table: pa.Table, kind: pa.DataType) -> pa.Table:
    table = table.set_column(0, "subject_id", table.column("subject_id").cast(kind))
    table = table.set_column(2, "code", table.column("code").dictionary_encode())
    # Rows alike stay as they came: Arrow does not promise that its order of several columns is stable.
    timed = pc.cast(pc.is_valid(table.column("time")), pa.int8())
    keyed = table.append_column("timed", timed)
    keyed = keyed.append_column("row", pa.array(np.arange(table.num_rows)))
    keys = [(name, "ascending") for name in ("subject_id", "timed", "time", "row")]
    return table.take(pc.sort_indices(keyed, sort_keys=keys)).combine_chunks()
