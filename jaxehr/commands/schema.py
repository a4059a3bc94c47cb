"""jaxehr schema: what would be learnt of a file, before any fit."""

from pathlib import Path

from jaxehr.commands.command import Command, add_overwrite, check_kept, say
from jaxehr.commands.reading import add_events, add_reading, read


def add(command: Command) -> None:
    schema = command("schema", show, "Show what would be learnt of a file, and what to look at.")
    schema.add_argument("--data", required=True, metavar="FILE", help="as for `jaxehr fit`")
    schema.add_argument(
        "--out", type=Path, metavar="FILE", help="write schema.json there, to edit and give to fit"
    )
    add_overwrite(schema)
    add_reading(schema)
    add_events(schema)


def show(options) -> int:
    from jaxehr import codecs, data

    check_kept([options.out] if options.out else [], options.overwrite)
    frame = read(options, options.data, events=options.events)
    schema, problems = data.Schema.draft(frame)
    _show(frame, schema)
    for hint in data.hints(frame, schema):
        print(f"hint: {hint}")
    for problem in dict.fromkeys([*problems, *codecs.refusals(frame, schema)]):
        print(f"cannot be learnt as it is: {problem}")
    if options.out is not None:
        schema.save(options.out)
        say(
            f"{options.out}: edit it (`jaxehr help schema` explains it), and give it to fit as --schema"
        )
    return 0


def _show(records, schema) -> None:
    """A line for each column."""
    from jaxehr import data

    parts = data.records_of(records)
    lines = [("column", "kind", "dtype", "format", "missing", "values")]
    sides = ((parts.static, schema.columns), (parts.events, schema.events))
    for values, column in [
        (frame[c.name], c) for frame, named in sides if frame is not None for c in named
    ]:
        missing = f"{values.isna().sum():,}" if values.isna().any() else ""
        said = _values(values.dropna(), column)
        lines.append((column.name, column.kind, column.dtype, column.format or "", missing, said))
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    rows = [f"{len(part):,} rows" for part in (parts.static, parts.events) if part is not None]
    print(f"{schema.said} ({', '.join(rows)})")
    for line in lines:
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())


def _values(present, column) -> str:
    """From the lowest to the highest; or the most frequent few."""
    if column.kind == "integer" and not present.empty:
        return f"{int(present.min())} to {int(present.max())}"
    if column.kind == "numerical" and not present.empty:
        return f"{present.min():.12g} to {present.max():.12g}"
    if column.kind == "datetime":
        from jaxehr.data.dates import as_text, read_dates

        times = read_dates(present, column.format)
        if times.notna().any():
            ends = as_text(present[[times.idxmin(), times.idxmax()]])
            return f"{ends.iloc[0]} to {ends.iloc[1]}"
    if present.empty:
        return "none: empty in every draw"
    counts = present.value_counts()
    counts = counts[counts > 0]  # a category of pandas may have no row
    if column.kind in ("id", "code"):
        return f"{len(counts):,} different"
    shown = ", ".join(str(value)[:20] for value in counts.index[:4])
    return shown + (f" and {len(counts) - 4:,} more" if len(counts) > 4 else "")
