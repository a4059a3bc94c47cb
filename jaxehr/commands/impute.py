"""jaxehr impute: fill missing cells with draws."""

from pathlib import Path

from jaxehr.commands.command import Command, add_out, cache_compilations, check_out, say
from jaxehr.commands.reading import add_events, add_reading, read


def add(command: Command) -> None:
    impute = command("impute", _run, "Fill the missing cells of a table with draws of a run.")
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
        "--unseen-as-missing",
        action="store_true",
        help="fill in categories that training never saw, instead of refusing them",
    )
    add_reading(impute)
    add_events(impute)
    impute.add_argument("--seed", type=int, default=0)
    impute.add_argument("--batch-size", type=int, default=1024, metavar="B")


def _run(options) -> int:
    import jax

    from jaxehr import data
    from jaxehr.numerics import seeded
    from jaxehr.runs import load
    from jaxehr.training.progress import progress

    whole = _checked(options)
    cache_compilations()
    synthesizer = load(options.run)
    schema = synthesizer.recipe.codec.schema
    records = read(options, options.data, schema, events=options.events)
    table = data.table_of(records)
    names = [c.name for c in schema.columns if c.kind != "id" and c.name in table]
    gaps = int(table[names].isna().sum().sum())
    key = seeded(options.seed)
    with data.records_writer(options.out) as write:
        with progress("imputing", options.draws) as advance:
            for draw in range(options.draws):
                done = synthesizer.impute(
                    jax.random.fold_in(key, draw),
                    records,
                    unseen_as_missing=options.unseen_as_missing,
                    batch_size=options.batch_size,
                )
                filled = data.table_of(done)
                empty = filled[names].isna().sum()
                left = int(empty.sum())
                if options.draws > 1:
                    filled.insert(0, "draw", draw + 1)
                write(done if whole else filled)
                advance(draw + 1)
    say(
        f"{gaps - left:,} missing cells of {len(records):,} rows filled {options.draws} times in {options.out}"
        + (f"; {left:,} left empty, of {data.listed(empty[empty > 0].index)}" if left else "")
    )
    return 0


def _checked(options) -> bool:
    """Whether --out is a folder, which takes the events too. Raises ValueError where it would not be written."""
    from jaxehr.data.write import FOLDER, written_suffix

    if options.draws < 1:
        raise ValueError(f"--draws must be at least 1; got {options.draws}")
    check_out(options.out, options.overwrite)
    folder = written_suffix(options.out) == FOLDER
    if folder and options.draws > 1:
        raise ValueError("--draws of a patient are rows of one table; name a file in --out")
    return folder
