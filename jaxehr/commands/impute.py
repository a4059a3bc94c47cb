"""jaxehr impute: fill missing cells with draws; jaxehr forecast: draw courses on."""

from pathlib import Path

from jaxehr.commands.command import Command, add_out, cache_compilations, check_out, say
from jaxehr.commands.reading import add_events, add_reading, read


def add(command: Command) -> None:
    impute = command("impute", _run, "Fill the missing cells of a table, or a series, with draws.")
    impute.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    impute.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="a table with gaps, which is written; of a MEDS dataset, into another, the events too",
    )
    add_out(impute)
    impute.add_argument(
        "--draws",
        type=int,
        default=1,
        metavar="M",
        help="imputations; with more than one, stacked, and numbered in a first column `draw`",
    )
    impute.add_argument(
        "--variables",
        nargs="+",
        default=[],
        metavar="NAME",
        help="of a run of a series: which get an event in each step that has none of theirs, before a subject's end; "
        "all is every one. By default the series stays as it is, and fills in the table",
    )
    _add_out_events(impute)
    impute.add_argument(
        "--unseen-as-missing",
        action="store_true",
        help="fill in categories that training never saw, instead of refusing them",
    )
    _add_rest(impute)


FORECAST = """\
What lies before --until is known: the table, what was measured, and that all else was not. It comes back as it is.
What follows is drawn given all of it: approximately, by replacement with resampling (RePaint), in recipes that diffuse
numbers; those that draw in one pass refuse. The draws of one patient are a file of this one, and --draws 100.

  jaxehr forecast RUN --data stays.csv --events vitals.csv --until 24h --out f.csv --out-events f_events.csv
  jaxehr forecast RUN --data vitals.csv --until 24h --draws 100 --out hundred.csv
"""


def add_forecast(command: Command) -> None:
    forecast = command("forecast", _forecast, "Draw on the courses of a series from a time on.")
    forecast.epilog = FORECAST
    forecast.add_argument("run", type=Path, metavar="RUN", help="folder of a run of a series")
    forecast.add_argument(
        "--data", required=True, metavar="FILE", help="subjects as in `jaxehr fit`, new ones too"
    )
    forecast.add_argument(
        "--until",
        required=True,
        metavar="TIME",
        help="since each subject's start, in whole steps: 24h; 0h knows the table alone",
    )
    add_out(forecast)
    _add_out_events(forecast)
    forecast.add_argument(
        "--draws",
        type=int,
        default=1,
        metavar="M",
        help="of each subject; with more than one, stacked, and numbered in a first column `draw`",
    )
    forecast.add_argument(
        "--still-there",
        action="store_true",
        help="go on with subjects who have no event in the last step before --until, nor later, too; by default they "
        "have ended, and come back as they are",
    )
    _add_rest(forecast)


def _add_out_events(parser) -> None:
    parser.add_argument(
        "--out-events",
        type=Path,
        metavar="FILE",
        help="the events of a series, where --out is the table's file",
    )


def _add_rest(parser) -> None:
    add_reading(parser)
    add_events(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=1024, metavar="B")


def _run(options) -> int:
    import jax

    from jaxehr import data
    from jaxehr.numerics import seeded
    from jaxehr.training.progress import progress

    whole = _checked(options)
    synthesizer, records = _opened(options, whole, bool(options.variables))
    schema = synthesizer.recipe.codec.schema
    names = [c.name for c in schema.columns if c.kind != "id"]
    gaps = _gaps(records, names)
    measured = _events(records)
    key = seeded(options.seed)
    with data.records_writer(*_files(options)) as write:
        with progress("imputing", options.draws) as advance:
            for draw in range(options.draws):
                done = synthesizer.impute(
                    jax.random.fold_in(key, draw),
                    records,
                    variables=options.variables,
                    unseen_as_missing=options.unseen_as_missing,
                    batch_size=options.batch_size,
                )
                empty, added = _gaps(done, names), _events(done) - measured
                both = whole or options.out_events is not None or not schema.columns
                write(_numbered(done if both else data.table_of(done), options.draws, draw))
                advance(draw + 1)
    left = int(empty.sum())
    in_series = f" and {added:,} of the series" if added else ""
    say(
        f"{int(gaps.sum()) - left:,} missing cells of {len(records):,} rows{in_series} filled {options.draws} times in "
        f"{options.out}"
        + (f"; {left:,} left empty, of {data.listed(empty[empty > 0].index)}" if left else "")
    )
    return 0


def _forecast(options) -> int:
    from jaxehr import data
    from jaxehr.numerics import seeded

    synthesizer, records = _opened(options, _checked(options), True)
    done = synthesizer.forecast(
        seeded(options.seed),
        records,
        until=options.until,
        draws=None if options.draws == 1 else options.draws,
        still_there=options.still_there,
        batch_size=options.batch_size,
    )
    with data.records_writer(*_files(options)) as write:
        write(done)
    say(
        f"{len(records):,} subjects from {options.until} on, drawn {options.draws} times, in {options.out}"
    )
    return 0


def _opened(options, whole, with_events):
    """(the run, the records), once it is known that what comes out can be written."""
    from jaxehr.runs import load

    cache_compilations()
    synthesizer = load(options.run)
    schema = synthesizer.recipe.codec.schema
    records = read(options, options.data, schema, events=options.events, layout=options.layout)
    _check_files(options, schema, whole, with_events)
    return synthesizer, records


def _gaps(records, names):
    """Missing cells of each column of the table."""
    import pandas as pd

    from jaxehr import data

    static = data.records_of(records).static
    if static is None:
        return pd.Series(dtype=int)
    return static[[n for n in names if n in static]].isna().sum()


def _events(records) -> int:
    from jaxehr import data

    events = data.records_of(records).events
    return 0 if events is None else len(events)


def _numbered(done, draws: int, draw: int):
    """With a first column that says which draw it is, where there are several."""
    from jaxehr import data

    if draws == 1:
        return done
    both = data.records_of(done)
    parts = (both.static, both.events)
    made = [None if f is None else f.assign(draw=draw + 1)[["draw", *f]] for f in parts]
    return data.Records(*made) if isinstance(done, data.Records) else made[made[0] is None]


def _files(options) -> list[Path]:
    return [path for path in (options.out, options.out_events) if path is not None]


def _check_files(options, schema, whole: bool, events: bool) -> None:
    """Raises ValueError where what is drawn of a series has no file, or a file has no part."""
    both = schema.columns and schema.grid is not None
    if options.out_events is not None and (whole or not both):
        why = "a folder holds both" if whole else f"{options.run} has no table beside a series"
        raise ValueError(f"--out-events is the file of events beside a table's in --out; {why}")
    if events and both and not whole and options.out_events is None:
        raise ValueError(
            f"{options.run} learnt a table and a series; say --out-events FILE for the events beside {options.out}, or "
            "name a folder (without an ending) in --out"
        )


def _checked(options) -> bool:
    """Whether --out is a folder, which takes the events too. Raises ValueError where it would not be written."""
    from jaxehr.data.write import FOLDER, written_suffix

    if options.draws < 1:
        raise ValueError(f"--draws must be at least 1; got {options.draws}")
    for path in _files(options):
        check_out(path, options.overwrite)
    folder = written_suffix(options.out) == FOLDER
    if folder and options.draws > 1:
        raise ValueError("--draws of a patient are rows of one table; name a file in --out")
    return folder
