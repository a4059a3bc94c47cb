"""jaxehr schema: what would be learnt of a file, before any fit."""

from dataclasses import replace
from pathlib import Path

from jaxehr.commands.command import Command, add_overwrite, check_kept, say
from jaxehr.commands.reading import add_events, add_reading, read

SERIES = """\
--every 1h --length 48 makes a series of events that have times (--map time=COLUMN): what is measured in each of so many
steps, whether it is, and when in the step. Without it events are codes, and times and values are not learnt. What is
found is printed, and written into the "grid" of --out: variables to take out, kinds to change (numerical, categorical,
binary), the value of a step (last or mean), and where time starts.
"""


def add(command: Command) -> None:
    schema = command("schema", show, "Show what would be learnt of a file, and what to look at.")
    schema.add_argument("--data", required=True, metavar="FILE", help="as for `jaxehr fit`")
    schema.add_argument(
        "--out", type=Path, metavar="FILE", help="write schema.json there, to edit and give to fit"
    )
    schema.add_argument(
        "--constraints",
        metavar="WHICH",
        help="of what is found in the rows, what --out has as constraints, which all draws keep: found (all that "
        "always holds), or their numbers: 1,3-5",
    )
    add_overwrite(schema)
    add_reading(schema)
    add_events(schema)
    series = schema.add_argument_group("events as a series", SERIES)
    series.add_argument("--every", metavar="TIME", help="how long a step is: 1h, 15min, 90d")
    series.add_argument(
        "--length",
        type=int,
        metavar="N",
        help="steps (default: those that hold 95%% of the subjects)",
    )
    series.add_argument(
        "--value", choices=("last", "mean"), help="of several in a step (default: last)"
    )
    series.add_argument(
        "--start",
        metavar="DATE",
        help="where all subjects' time starts, or first: each one's first event (default: 2000-01-01 where times "
        "count from it, else first)",
    )


def show(options) -> int:
    from jaxehr import codecs, data

    chosen = _chosen(options.constraints)
    if chosen is not None and options.out is None:
        raise ValueError("--constraints says what --out has; give --out schema.json")
    check_kept([options.out] if options.out else [], options.overwrite)
    frame = read(options, options.data, events=options.events, layout=options.layout)
    schema, problems = data.Schema.draft(frame)
    schema = _on_grid(options, frame, schema)
    _show(frame, schema)
    if schema.grid is not None:
        _show_variables(data.records_of(frame).events, schema.grid)
    for hint in data.hints(frame, schema):
        print(f"hint: {hint}")
    for problem in dict.fromkeys([*problems, *codecs.refusals(frame, schema)]):
        print(f"cannot be learnt as it is: {problem}")
    found = data.dependencies(frame, schema)
    _show_found(found, len(schema.columns))
    if options.out is not None:
        schema = replace(schema, constraints=_taken(found, chosen))
        schema.save(options.out)
        say(
            f"{options.out}: edit it (`jaxehr help schema` explains it), and give it to fit as --schema"
        )
    return 0


def _on_grid(options, records, schema):
    """With the grid that is asked for. Raises ValueError for a part of one without --every."""
    said = {name: getattr(options, name) for name in ("length", "value", "start")}
    said = {name: value for name, value in said.items() if value is not None}
    if options.every is None:
        if said:
            raise ValueError(
                f"--{next(iter(said))} is of a series; say how long a step is: --every 1h"
            )
        return schema
    return schema.on_grid(records, options.every, **said)


VARIABLES = 60  # that are shown


def _show_variables(events, grid) -> None:
    """A line for each variable."""
    lines = [("variable", "kind", "events", "subjects", "values")]
    for variable in grid.variables[:VARIABLES]:
        own = events[events["code"] == variable.name]
        values = own.get({"text": "text_value", "none": ""}.get(variable.dtype, "numeric_value"))
        numeric = variable.dtype not in ("text", "none")
        shown = "" if values is None else _measured(values.dropna(), numeric)
        counts = f"{len(own):,}", f"{own['subject_id'].nunique():,}"
        lines.append((str(variable.name), variable.kind, *counts, shown))
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())
    if more := len(grid.variables) - VARIABLES:
        print(f"and {more:,} more") if more > 0 else None


def _measured(present, numeric: bool) -> str:
    """The middle nine tenths of numbers, since the ends are often slips; the most frequent of few, or of words."""
    if numeric and present.nunique() > 4:
        low, middle, high = present.quantile([0.05, 0.5, 0.95])
        ends = f"{present.min():.6g} to {present.max():.6g}"
        return f"{ends}, 9 in 10 from {low:.6g} to {high:.6g}, median {middle:.6g}"
    counts = present.value_counts()
    shown = ", ".join(f"{value:g}" if numeric else str(value)[:20] for value in counts.index[:4])
    return shown + (f" and {len(counts) - 4:,} more" if len(counts) > 4 else "")


FOUND = 20  # dependencies that are shown


def _show_found(found, columns: int) -> None:
    """Those that always hold have a number, by which they can be chosen."""
    from jaxehr.data.dependencies import WIDE

    if columns > WIDE:
        print(f"dependencies are looked for among the first {WIDE} of {columns:,} columns")
    always = [each for each in found if each.always]
    if always:
        print("found (--constraints found --out schema.json has all draws keep what has a number):")
    elif found:
        print("found, and not kept by draws, since it does not always hold:")
    for each in found[:FOUND]:
        number = str(always.index(each) + 1) if each.always else "-"
        print(f"{number:>4}  {each}")
    if more := found[FOUND:]:
        kept = sum(each.always for each in more)
        print(f"      and {len(more):,} more, of which {kept:,} have a number")


def _chosen(text: str | None) -> set[int] | str | None:
    """The numbers of 1,3-5. Raises ValueError for what is neither that nor 'found'."""
    if text is None or text == "found":
        return text
    numbers: set[int] = set()
    for part in text.split(","):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) > 2 or not all(end.isdecimal() and int(end) for end in ends):
            raise ValueError(
                f"--constraints is found, or numbers of what is found, such as 1,3-5; got '{text}'"
            )
        numbers |= set(range(int(ends[0]), int(ends[-1]) + 1))
    return numbers


def _taken(found, chosen: set[int] | str | None):
    """The constraints of those that were chosen. Raises ValueError for a number that there is not."""
    always = [each for each in found if each.always]
    numbers = set() if chosen is None else chosen
    if isinstance(numbers, str):
        numbers = set(range(1, len(always) + 1))
    if beyond := [n for n in sorted(numbers) if n > len(always)]:
        there = f"1 to {len(always):,}" if always else "none"
        raise ValueError(f"--constraints {beyond[0]}: what is found has the numbers {there}")
    return tuple(law for n in sorted(numbers) for law in always[n - 1].laws)


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
