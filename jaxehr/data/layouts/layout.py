"""Folders of tables as hospitals' databases distribute them, read as one: a layout says what becomes of each table."""

import logging
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jaxehr.data.events.batches import RowFile
from jaxehr.data.events.by_subject import parts_for, sorted_parts
from jaxehr.data.events.cells import Cells
from jaxehr.data.events.columns import JOINT, EventMap
from jaxehr.data.events.read import events_of, in_order
from jaxehr.data.kinds import DataError
from jaxehr.data.layouts.physionet2012 import read_physionet2012
from jaxehr.data.layouts.static import StaticColumn, static_table, whole_table
from jaxehr.data.layouts.stays import Stays
from jaxehr.data.lives import say_outside_life
from jaxehr.data.records import EVENT_COLUMNS, Records
from jaxehr.data.subjects import Unmatched, joined
from jaxehr.data.text_files import TEXT_SUFFIXES

log = logging.getLogger(__name__)

SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
LAYOUTS = Path(__file__).parent
PHYSIONET = "physionet2012"  # which is no folder of tables, and has a reader of its own
KEYS = {"table", "with", "where", "items", "time", "code", "numeric_value", "text_value"}


@dataclass(frozen=True)
class Entry:
    """An event of each row of a table.

    said        what its columns are, as EventMap has it
    called      what values of the code's first column are called, if not all are events
    beside, key another table whose columns are to be had too, and the column that both have
    """

    table: str
    said: Mapping[str, str]
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    beside: str | None = None
    key: str | None = None
    called: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """What becomes of a folder's tables; names of tables and columns are in small letters.

    person  the column that says whose subjects are, where a person may be several
    table, more, first  of static facts: a row per subject, other rows of theirs, and their time
    beside      tables with a row for each value of a key that `table` has too
    stay        where a subject is a stay of a person, whose events are read: the columns of its begin and its end
    """

    about: str
    subject_id: str
    person: str | None
    table: str
    more: str | None
    first: str | None
    columns: tuple[StaticColumn, ...]
    entries: tuple[Entry, ...]
    beside: tuple[tuple[str, str], ...] = ()
    stay: tuple[str, str] | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """Tables without which there are no subjects."""
        return (self.table, *(name for name, _ in self.beside))

    @property
    def tables(self) -> tuple[str, ...]:
        beside = [entry.beside for entry in self.entries if entry.beside]
        more = [self.more] if self.more else []
        return tuple(
            dict.fromkeys([*self.needed, *more, *(e.table for e in self.entries), *beside])
        )


def layouts() -> tuple[str, ...]:
    """The names of those that come with the package."""
    return tuple(sorted([*(path.stem for path in LAYOUTS.glob("*.toml")), PHYSIONET]))


def load_layout(name: str | Path) -> Layout:
    """A layout by its name, or of a TOML file of one's own. Raises DataError for what is none."""
    path = Path(name)
    if path.suffix != ".toml":
        if str(name) not in layouts():
            raise DataError(
                f"there is no layout '{name}'; there are {', '.join(layouts())}, and a .toml file of your own"
            )
        path = LAYOUTS / f"{name}.toml"
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
        return _layout(value)
    except FileNotFoundError:
        raise DataError(f"no such file: {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no layout: {error!s} (see {LAYOUTS / 'mimic3.toml'})") from None


def read_layout(
    folder: str | Path,
    layout: str | Path,
    *,
    unmatched: Unmatched = "refuse",
    missing: Sequence[str] = (),
    sep: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
) -> Records:
    """The records of a folder of tables, by the name of their layout or a file of one; see layouts/mimic3.toml.

    unmatched   as in `read_subjects`
    missing, sep, encoding, decimal     as in `read_events`

    What is left out is logged, table by table; so are tables that the folder lacks, and those that are not read.
    Raises DataError for a folder without the table of subjects or any of events, and for a table without its columns.
    """
    if layout == PHYSIONET:
        if missing or sep or encoding or decimal:
            raise DataError(
                f"the files of {PHYSIONET} are written in one way; leave --missing, --sep, --encoding and --decimal out"
            )
        return read_physionet2012(folder, unmatched=unmatched)
    how, cells = load_layout(layout), Cells(tuple(missing), decimal)
    files = _tables(Path(folder), how, sep, encoding)
    static = static_table(
        how.subject_id,
        files[how.table],
        files.get(how.more or ""),
        how.first,
        how.columns,
        cells,
        person=how.person,
        beside=[(files[name], key) for name, key in how.beside],
    )
    stays = None
    if how.stay is not None:
        columns = (how.subject_id, str(how.person), *how.stay)
        stays = Stays.read(files[how.table], *columns, cells)
    streams = _streams(how, files, cells, stays)
    size = sum(file.text_bytes for name, file in files.items())
    events = in_order(sorted_parts(streams, parts_for(size)))
    say_outside_life(folder, events)
    where = str(files[how.table].path)
    return joined(static, events, unmatched=unmatched, static_is=where, events_are=str(folder))


def _layout(value: Mapping[str, Any]) -> Layout:
    static = value["static"]
    columns = tuple(StaticColumn.of(name, each) for name, each in static["columns"].items())
    stay = (static["begins"], static["ends"]) if "begins" in static else None
    whose = value["subject_id"] if stay is None else value["person"]
    return Layout(
        value["about"],
        value["subject_id"],
        value.get("person"),
        static["table"],
        static.get("more"),
        static.get("first"),
        columns,
        tuple(_entry(each, whose) for each in value["events"]),
        tuple((each["table"], each["key"]) for each in static.get("with", ())),
        stay,
    )


def _entry(value: Mapping[str, Any], subject_id: str) -> Entry:
    if odd := value.keys() - KEYS:
        raise KeyError(f"[[events]] has {', '.join(sorted(KEYS))}; got {', '.join(sorted(odd))}")
    said = {name: value[name] for name in EVENT_COLUMNS if name in value}
    where = {
        name: (wanted,) if isinstance(wanted, str) else tuple(wanted)
        for name, wanted in value.get("where", {}).items()
    }
    beside = value.get("with", {})
    said["subject_id"] = subject_id
    called = {item: name for name, items in value.get("items", {}).items() for item in items}
    if called:
        column = str(said["code"]).rpartition(JOINT)[2].partition("+")[0]
        where[column] = tuple(called)
    return Entry(value["table"], said, where, beside.get("table"), beside.get("key"), called)


def _tables(
    folder: Path, layout: Layout, sep: str | None, encoding: str | None
) -> dict[str, RowFile]:
    """The layout's tables that the folder has, by their names; logs those it lacks, and files that are not read."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; a layout is of a folder of tables")
    found: dict[str, Path] = {}
    others = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        suffix = next((s for s in (*SUFFIXES, "") if path.name.lower().endswith(s)), "")
        name = path.name.lower().removesuffix(suffix)
        if not suffix or name not in layout.tables:
            others.append(path.name)
        elif name in found:
            raise DataError(f"{found[name]} and {path} are both the table {name}; take one away")
        else:
            found[name] = path
    lacking = [name for name in layout.tables if name not in found]
    if set(layout.needed) & set(lacking) or not any(e.table in found for e in layout.entries):
        raise DataError(
            f"{folder} is not laid out as {layout.about}: it lacks {', '.join(lacking)}"
            f" (.csv, .csv.gz or .parquet); it has {', '.join(others[:8]) or 'nothing'}"
        )
    if lacking:
        log.warning("%s has no %s: their events are lacking", folder, ", ".join(lacking))
    if others:
        log.warning(
            "%s: not read, since %s does not say what: %s", folder, layout.about, _few(others)
        )
    return {
        name: RowFile.of(path, sep=sep, encoding=encoding).in_small_letters()
        for name, path in found.items()
    }


def _few(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + f" and {len(names) - most:,} more" * (len(names) > most)


def _streams(
    layout: Layout, files: Mapping[str, RowFile], cells: Cells, stays: Stays | None
) -> Iterator[pa.Table]:
    """The events of all tables; each table is read once for all that it makes."""
    for table in dict.fromkeys(entry.table for entry in layout.entries):
        entries = [
            entry
            for entry in layout.entries
            if entry.table == table and (entry.beside is None or entry.beside in files)
        ]
        if table not in files or not entries:
            continue
        file = files[table]
        beside = {entry.beside: entry.key for entry in entries if entry.beside}
        joins = [_Beside(files[name], str(key), cells) for name, key in beside.items()]
        names = tuple(dict.fromkeys([*file.names, *(n for join in joins for n in join.file.names)]))
        maps = [_map(entry, names, file, layout) for entry in entries]
        tables = events_of(str(file.path), _with_beside(file, joins), maps, cells)
        yield from tables if stays is None else stays.cut(tables, str(file.path))


def _map(entry: Entry, names: tuple[str, ...], file: RowFile, layout: Layout) -> EventMap:
    """Raises DataError for a column that is not there."""
    made = EventMap.of(entry.said, names, file.path, by=f"the layout of {layout.about}")
    if lacking := [name for name in entry.where if name not in names]:
        raise DataError(
            f"the layout of {layout.about} asks for column {lacking[0]} of {file.path}, which has "
            f"{', '.join(names[:12])}"
        )
    return replace(made, where=entry.where, dated=True, called=entry.called)


@dataclass(frozen=True)
class _Beside:
    """A table whose columns stand beside another's rows, through a key."""

    file: RowFile
    key: str
    cells: Cells

    def table(self, columns: Sequence[str]) -> pa.Table:
        """All of its rows, as texts."""
        return whole_table(self.file, [self.key, *columns], self.cells)


def _with_beside(
    file: RowFile, joins: Sequence[_Beside]
) -> Callable[[Sequence[str]], Iterable[pa.Table]]:
    """The batches of a file, with columns of tables beside it; null where the key is not in them."""

    def batches(columns: Sequence[str]) -> Iterator[pa.Table]:
        own = [name for name in columns if name in file.names]
        keys = [join.key for join in joins if join.key not in own]
        tables = [
            (
                join.key,
                join.table([n for n in columns if n not in file.names and n in join.file.names]),
            )
            for join in joins
        ]
        for batch in file.batches([*own, *keys]):
            for key, table in tables:
                at = pc.index_in(joins[0].cells.texts(batch.column(key)), table.column(key))
                for name in table.column_names[1:]:
                    batch = batch.append_column(name, table.column(name).take(at))
            yield batch.select(list(columns))

    return batches
