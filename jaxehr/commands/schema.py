"""jaxehr schema: what would be learnt of a file, before any fit."""

from pathlib import Path

from jaxehr.commands.command import Command, add_overwrite, check_kept, say
from jaxehr.commands.reading import add_reading, read

PAGE = """schema.json says what each column of the records is. `jaxehr schema --data FILE --out schema.json`
writes one, read off the values; edit it, and give it to `jaxehr fit` and `jaxehr evaluate` as
--schema schema.json.

  {"version": 1, "records": "table", "missing": ["?", "-9"],
   "columns": [{"name": "age", "kind": "integer", "dtype": "int64"},
               {"name": "admitted", "kind": "datetime", "dtype": "str", "format": "%d.%m.%Y"},
               {"name": "discharged", "kind": "datetime", "dtype": "str", "format": "%d.%m.%Y"},
               {"name": "dose", "kind": "numerical", "dtype": "float64", "format": ".2f"}],
   "constraints": [{"kind": "inequality", "low": "admitted", "high": "discharged"},
                   {"kind": "range", "column": "age", "low": 18, "high": 110}]}

version      of this description: 1
records      table: one row per patient; or codes: one row per patient and code, in columns subject_id
             and code
columns      what is learnt, in this order; a column of the file that is not named is left out
  name         as in the file's header
  kind         numerical    numbers with decimals
               integer      whole numbers
               boolean      True and False, or 0 and 1
               categorical  one of the values seen, text or number, without an order
               datetime     dates and times
               id           not learnt: each patient drawn gets a new one
               code         of records of codes
  dtype        the type of pandas in which it is read and written: int64, Int64 (with missing values),
               float64, bool, str, category, datetime64[us]. Text that looks like a number, such as
               0078, keeps its zeros as str
  format       of a datetime that is text (05.03.2021) or a whole number (20210305): how it is spelt;
               every value must read so, and be written back to the letter. Of a number, where pandas
               would write it in another way: .2f has two decimals, .0f is whole with missing values,
               ,.0f has thousands (1,200), .15g no zeros at the end; of Parquet a type such as
               decimal128(10, 2)
missing      texts that stand for a missing value in every column, beside an empty cell: what
             --missing="?,-9" says
constraints  what holds in every row, real or drawn
  kind         inequality   column `low` is never above column `high`, where both are there
               range        column `column` lies from `low` to `high`; either may be left out. For
                            dates, in the column's own spelling or as 2021-03-05

The words of a format; all else stands for itself, a T, a Z or +01:00 too (times are not moved
between zones):
  %Y 2021   %y 21   %m 03   %-m 3   %b Mar   %^b MAR   %B March   %d 05   %-d 5
  %H 09   %-H 9   %I 09 and %-I 9 of twelve hours, with %p AM or %P am   %M 07   %S 30
  %f 000123 (six digits of a second); %3f has three, %1f to %9f so many
03/04/2021 is the third of April as %d/%m/%Y, the fourth of March as %m/%d/%Y: where no value tells,
say which."""


def add(command: Command) -> None:
    schema = command("schema", _run, "Show what would be learnt of a file, and what to look at.")
    schema.add_argument("--data", required=True, metavar="FILE", help="as for `jaxehr fit`")
    schema.add_argument(
        "--out", type=Path, metavar="FILE", help="write schema.json there, to edit and give to fit"
    )
    add_overwrite(schema)
    add_reading(schema)
    explain = command("help", _help, "Explain something at length: `jaxehr help schema`.")
    explain.add_argument("topic", choices=["schema"])


def _help(options) -> int:
    print({"schema": PAGE}[options.topic])
    return 0


def _run(options) -> int:
    from jaxehr import data

    check_kept([options.out] if options.out else [], options.overwrite)
    frame = read(options, options.data)
    schema, problems = data.Schema.draft(frame)
    _show(frame, schema)
    for hint in data.hints(frame, schema):
        print(f"hint: {hint}")
    for problem in problems:
        print(f"cannot be learnt as it is: {problem}")
    if options.out is not None:
        schema.save(options.out)
        say(
            f"{options.out}: edit it (`jaxehr help schema` explains it), and give it to fit as --schema"
        )
    return 0


def _show(frame, schema) -> None:
    """A line for each column."""
    lines = [("column", "kind", "dtype", "format", "missing", "values")]
    for column in schema.columns:
        values = frame[column.name]
        missing = f"{values.isna().sum():,}" if values.isna().any() else ""
        said = _values(values.dropna(), column)
        lines.append((column.name, column.kind, column.dtype, column.format or "", missing, said))
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    what = "one row per patient" if schema.records == "table" else "one row per patient and code"
    print(f"{len(frame):,} rows, {what}, {len(schema.columns)} columns")
    for line in lines:
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())


def _values(present, column) -> str:
    """From the lowest to the highest; or the most frequent few."""
    if column.kind in ("numerical", "integer") and not present.empty:
        return f"{present.min():.12g} to {present.max():.12g}"
    if column.kind == "datetime":
        from jaxehr.data.dates import as_text, read_dates

        times = read_dates(present, column.format)
        if times.notna().any():
            ends = as_text(present[[times.idxmin(), times.idxmax()]])
            return f"{ends.iloc[0]} to {ends.iloc[1]}"
    counts = present.value_counts()
    if column.kind in ("id", "code"):
        return f"{len(counts):,} different"
    shown = ", ".join(str(value)[:20] for value in counts.index[:4])
    return shown + (f" and {len(counts) - 4:,} more" if len(counts) > 4 else "")
