"""Text files of records (CSV and its kin) as tables of text: encoding, separator, and every row of one width.

Nothing is typed here: a cell is what the file says, and an empty one is "".
"""

import codecs
import csv
import gzip
import io
import logging
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from jaxehr.data.kinds import DataError
from jaxehr.files import line_of

log = logging.getLogger(__name__)

TEXT_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".zip")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SAMPLE = 1 << 20  # bytes, of which separators are told
BLOCK = 1 << 24  # bytes that are parsed at a time
STREAMED = 1 << 22  # the same where batches are asked for, of which Arrow keeps dozens ahead


def check_there(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")


@contextmanager
def said_of(path: Path, what: str) -> Iterator[None]:
    """What a reader raises, as one line about the file."""
    try:
        yield
    except DataError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as {what}: {line_of(error)}") from None


class Head(NamedTuple):
    """What the start of a text file says of it: the names of its columns, and what its text is written in.

    empty   the header is all there is
    """

    names: list[str]
    sep: str
    encoding: str
    empty: bool


def text_head(path: Path, *, sep: str | None = None, encoding: str | None = None) -> Head:
    """Options, log and errors are those of `read_text_table`; the rows are not looked at, but for their encoding."""
    encoding = _encoding(path, encoding)
    with _opened(path) as file:
        sample = codecs.getincrementaldecoder(encoding)("replace").decode(file.read(SAMPLE))
        whole = len(file.read(1)) == 0
    sep = _separator(path, sample, sep, whole)
    _say_dialect(path, sep, encoding)
    names = _header(path, sample, sep)
    return Head(names, sep, encoding, whole and len(_rows(sample, sep, whole)) < 2)


def read_text_table(
    path: Path, *, sep: str | None = None, encoding: str | None = None
) -> tuple[pa.Table, str]:
    """(every cell as text, separator).

    sep, encoding   taken where the file leaves a choice: a mark of byte order and valid UTF-8 speak for themselves,
                    and so does a separator that the header and all rows agree on

    What is not UTF-8 with commas, as files are written, is logged. Raises DataError, with the line, for a row that has
    more or fewer fields than the header, for a quote that is not closed, and where encoding or separator are not
    certain.
    """
    head = text_head(path, sep=sep, encoding=encoding)
    if head.empty:
        return pa.table({name: pa.array([], pa.string()) for name in head.names}), head.sep
    table = _parsed(path, head)
    if table.num_rows:
        _check_end(path, table.column(table.num_columns - 1)[-1].as_py(), head)
    return table, head.sep


def text_batches(path: Path, head: Head, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of a file a few megabytes at a time: these columns alone, every cell as text.

    Raises DataError as `read_text_table` does, when it comes upon the row.
    """
    from pyarrow import csv as arrow

    if head.empty:
        return
    wanted = [head.names.index(name) for name in columns]
    last = len(head.names) - 1  # tells whether the file was cut off
    told = [*wanted, *({last} - set(wanted))]
    header, end = 1, ""
    with _opened(path) as file:
        try:
            for batch in arrow.open_csv(file, *_options(head, told, STREAMED)):
                if not len(batch):
                    continue
                while header and len(head.names) == 1 and batch.column(0)[0].as_py() == "":
                    batch = batch.slice(1)
                end = batch.column(told.index(last))[-1].as_py()
                table = pa.Table.from_batches([batch.slice(header)]).select(range(len(wanted)))
                header = 0
                yield table.rename_columns(list(columns))
        except pa.ArrowInvalid as error:
            _check_widths(path, head)
            raise ValueError(str(error)) from None
    _check_end(path, end, head)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The bytes of a file, out of its gzip or of the zip of which it is all."""
    name = path.name.lower()
    if name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            inside = [n for n in archive.namelist() if not n.endswith("/") and "__MACOSX" not in n]
            texts = [n for n in inside if n.lower().endswith(TEXT_SUFFIXES[:-1])]
            if len(texts) != 1:
                raise DataError(
                    f"{path} is to hold one CSV; it holds {', '.join(inside[:6]) or 'nothing'}: unpack the one you mean"
                )
            with archive.open(texts[0]) as file:
                yield gzip.open(file) if texts[0].lower().endswith(".gz") else file
    else:
        with gzip.open(path) if name.endswith(".gz") else open(path, "rb") as file:
            yield file


MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def _encoding(path: Path, wanted: str | None) -> str:
    """What the bytes say; what is wanted where they do not."""
    if wanted is not None:
        try:
            codecs.lookup(wanted)
        except LookupError:
            raise DataError(
                f"no encoding is called '{wanted}'; there are utf-8, latin-1, cp1252, utf-16, ..."
            ) from None
    with _opened(path) as file:
        start = file.read(4)
    marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    if marked in ("utf-16", "utf-32") or (marked is None and b"\0" in start):
        return marked or ("utf-16-le" if start[1:2] == b"\0" else "utf-16-be")
    odd = _not_utf8(path)
    if odd is None:
        return marked or "utf-8"
    if wanted is None or codecs.lookup(wanted).name == "utf-8":
        line, text = odd
        raise DataError(
            f"{path} is not UTF-8: line {line:,} holds {text!r}, which --encoding latin-1 would read as "
            f"{text.decode('latin-1')!r} (Western Europe; from Windows cp1252, from Eastern Europe cp1250); "
            "name the one that reads right"
        )
    return wanted


def _not_utf8(path: Path) -> tuple[int, bytes] | None:
    """The line and the surroundings of the first bytes that are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with _opened(path) as file:
        while block := file.read(1 << 22):
            held = decoder.getstate()[0]
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                text = held + block
                line = lines + text.count(b"\n", 0, error.start)
                word = text[max(0, error.start - 8) : error.start + 8].splitlines()
                at = next((w for w in word if not w.isascii()), text[error.start : error.start + 8])
                return line, at
            lines += block.count(b"\n")
    return (lines, decoder.getstate()[0]) if decoder.getstate()[0] else None


def _separator(path: Path, sample: str, wanted: str | None, whole: bool) -> str:
    """What divides the header, and every row of the sample into as many fields."""
    wanted = {"\\t": "\t", "tab": "\t"}.get(wanted or "", wanted)
    if wanted is not None and len(wanted) != 1:
        raise DataError(f"--sep is one character, or tab; got '{wanted}'")
    rows = {sep: _rows(sample, sep, whole) for sep in dict.fromkeys([wanted or ",", *SEPARATORS])}
    heads = {sep: len(found[0]) for sep, found in rows.items() if found and len(found[0]) > 1}
    if wanted is not None and wanted in heads:
        return wanted
    even = [sep for sep in heads if {len(row) for row in rows[sep]} == {heads[sep]}]
    if len(heads) > 1 and len(even) != 1:
        names = " or ".join(SEPARATORS.get(sep, repr(sep)) for sep in heads)
        raise DataError(
            f"{path} may be divided by {names}; say which: --sep ';' (or ',', tab, '|')"
        )
    return even[0] if len(heads) > 1 else next(iter(heads), wanted or ",")


def _say_dialect(path: Path, sep: str, encoding: str) -> None:
    """Where it is another than that in which files are written; the name of a .tsv says it."""
    said = [] if encoding in ("utf-8", "utf-8-sig") else [f"as {encoding.upper()}"]
    if sep != "," and not path.name.lower().endswith((".tsv", ".tsv.gz")):
        said.append(f"as divided by {SEPARATORS.get(sep, repr(sep))}")
    if said:
        log.warning(
            "%s is read %s; what is written is UTF-8, divided by commas", path, " and ".join(said)
        )


def _rows(sample: str, sep: str, whole: bool) -> list[list[str]]:
    """The records of the sample but empty ones; the last is left out where it may be cut by the sample's end."""
    try:
        rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=sep) if row]
    except csv.Error:
        return []
    return rows if whole else rows[:-1]


def _header(path: Path, sample: str, sep: str) -> list[str]:
    """Raises DataError if a column name stands in the header twice, or one has no name."""
    csv.field_size_limit(1 << 30)
    names = next(filter(None, csv.reader(io.StringIO(sample, newline=""), delimiter=sep)), [])
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if "" in twice:
        raise DataError(
            f"{path} has {names.count('')} columns without a name in its header; name them"
        )
    if twice:
        raise DataError(f"column '{twice[0]}' appears more than once; rename one")
    if "" in names:
        log.warning("a column of %s has no name; it is called 'Unnamed: %d'", path, names.index(""))
    return [name or f"Unnamed: {i}" for i, name in enumerate(names)]


def _options(head: Head, columns: Sequence[int], block: int) -> tuple:
    """Of Arrow's reader: how to read blocks of so many bytes, to parse, and to convert these columns."""
    from pyarrow import csv as arrow

    text = "utf-8" if head.encoding == "utf-8-sig" else head.encoding
    # The header is the first row. A row may be no longer than a block.
    reading = arrow.ReadOptions(encoding=text, block_size=block, autogenerate_column_names=True)
    # In a file of one column an empty line is a missing value.
    parsing = arrow.ParseOptions(
        delimiter=head.sep, newlines_in_values=True, ignore_empty_lines=len(head.names) > 1
    )
    names = [f"f{i}" for i in columns]
    converting = arrow.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=names,
        strings_can_be_null=False,
    )
    return reading, parsing, converting


def _parsed(path: Path, head: Head) -> pa.Table:
    from pyarrow import csv as arrow

    names = head.names
    plain = not path.name.lower().endswith((".gz", ".zip"))
    with pa.memory_map(str(path)) if plain else _opened(path) as file:
        try:
            table = arrow.read_csv(file, *_options(head, range(len(names)), BLOCK))
        except pa.ArrowInvalid as error:
            _check_widths(path, head)
            raise ValueError(str(error)) from None
    header = 0
    while len(names) == 1 and table.column(0)[header].as_py() == "":
        header += 1
    return table.slice(header + 1).rename_columns(names)


def _check_widths(path: Path, head: Head) -> None:
    """Raises DataError for the first row whose fields are more or fewer than the header's."""
    names, sep, encoding, _ = head
    with _opened(path) as file:
        rows = csv.reader(io.TextIOWrapper(file, encoding, newline=""), delimiter=sep)
        next(filter(None, rows))
        begins = rows.line_num + 1
        for row in rows:
            if row and len(row) != len(names):
                last = next(filter(None, rows), None) is None
                raise DataError(f"{path}, line {begins:,}: {_width(row, names, sep, last)}")
            begins = rows.line_num + 1


def _width(row: list[str], names: list[str], sep: str, last: bool) -> str:
    many, wanted = len(row), len(names)
    said = f"{many} fields, where the header has {wanted} names"
    if many < wanted:
        if last:
            return f"{said}; it is the last line: the file was cut off; fetch it again, or take the line out"
        return f"{said}; correct the line, or set a missing value as {sep}{sep}"
    if not any(row[wanted:]):
        return f"{said}: it ends in '{sep}'; give the header a name for that empty column, or take the '{sep}' off"
    hint = " (numbers with a decimal comma want quotes, or semicolons between them)" * (sep == ",")
    return f"{said}; quote a value that holds '{sep}', or name the columns that are there{hint}"


def _check_end(path: Path, last: str, head: Head) -> None:
    """Raises DataError where a quote is still open at the end; logs that the last line lacks its end.

    last    the last value of the file
    """
    _, sep, encoding, _ = head
    tail = b""
    with _opened(path) as file:
        if file.seekable() and not path.name.lower().endswith((".gz", ".zip")):
            file.seek(max(0, path.stat().st_size - SAMPLE))
            tail = file.read()
        else:
            while block := file.read(1 << 22):
                tail = (tail + block)[-SAMPLE:]
    ended = tail.rstrip(b"\0").endswith((b"\n", b"\r"))
    if "\n" in last or (not ended and b'"' in tail.splitlines()[-1]):
        with _opened(path) as file:
            text = io.TextIOWrapper(file, encoding, newline="")
            rows, begins = csv.reader(text, delimiter=sep, strict=True), 1
            try:
                for _ in rows:
                    begins = rows.line_num + 1
            except csv.Error as error:
                if "end of data" in str(error):
                    raise DataError(
                        f"{path}: a quote in line {begins:,} or after is never closed; close it, or fetch the file "
                        "again if it was cut off"
                    ) from None
    if not ended:
        log.warning(
            "%s does not end in a line's end: if it was cut off, its last value %r is too",
            path,
            last,
        )
