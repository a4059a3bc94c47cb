"""jaxehr baseline: synthetic patients without a network, to stand beside a trained recipe's."""

from collections.abc import Callable
from pathlib import Path

from jaxehr.commands.command import Command, add_out, check_out, say
from jaxehr.commands.reading import (
    add_events,
    add_reading,
    between_commas,
    load_schema,
    read,
    schema_of,
)

BASELINES = """\
baselines:
  marginals   every column drawn alone: the right frequencies, and no relation
  copula      a Gaussian copula: the right frequencies, and relations in pairs
  cart        sequential CART, as synthpop draws: each column by a decision tree on those before it, from
              the cells of the patients in a leaf (--leaf, --order). Of a table, of codes, or of both: the
              table first. Of codes it draws how many a patient has, then the most frequent of them, the
              next, and so on, each by a tree on the number and the codes before: a column for each place
              in that list, not for each code. Hard to tell from real patients, and not private: every
              cell is a real one, out of a handful; many lists of codes are a training patient's
  smote       between a patient and one of its nearest: faithful, and not private
  bootstrap   copies

examples:
  jaxehr baseline copula --data stays.csv -n 10000 --out copula.csv
  jaxehr baseline cart --data stays.csv -n 10000 --order sex,age --leaf 10 --out cart.csv
  jaxehr baseline cart --data stays.csv --events codes.csv -n 10000 --out s.csv --out-events c.csv
"""


def add(command: Command) -> None:
    baseline = command("baseline", _run, "Synthetic patients without a network, to compare with.")
    baseline.epilog = BASELINES
    baseline.add_argument(
        "name", metavar="NAME", help="marginals, copula, cart, smote or bootstrap: see below"
    )
    baseline.add_argument("--data", required=True, metavar="FILE", help="the training records")
    baseline.add_argument("--schema", metavar="FILE", help="schema.json of a run")
    baseline.add_argument("-n", type=int, required=True, help="number of patients")
    add_out(baseline)
    baseline.add_argument(
        "--out-events",
        type=Path,
        metavar="FILE",
        help="for the codes drawn, where --out is the table's file",
    )
    trees = baseline.add_argument_group("of cart")
    trees.add_argument(
        "--leaf",
        type=int,
        metavar="K",
        help="patients in a leaf, at least (default: 5): with more, farther from copies and from the truth",
    )
    trees.add_argument(
        "--order",
        metavar="COLUMNS",
        help="of the table, drawn first and in this order, such as sex,age; the others follow as they stand",
    )
    add_reading(baseline)
    add_events(baseline)
    baseline.add_argument("--seed", type=int, default=0)


def _run(options) -> int:
    from jaxehr import data, names, settings

    make = settings.nearest(options.name, names.baselines(), "baseline")
    chosen = _chosen(options, make)
    both = [path for path in (options.out, options.out_events) if path is not None]
    for path in both:
        check_out(path, options.overwrite)
    schema = load_schema(options.schema)
    train = read(options, options.data, schema, events=options.events, layout=options.layout)
    schema = schema_of(train, schema)
    _check_files(options, schema)
    drawn = make(train, options.n, options.seed, schema=schema, **chosen)
    with data.records_writer(*both, synthetic=True) as write:
        write(drawn)
    where = " and ".join(map(str, both))
    say(f"{options.n:,} patients of the baseline {options.name} in {where}")
    return 0


def _chosen(options, make: Callable) -> dict:
    """What was said of cart. Raises ValueError where another baseline is told so."""
    from jaxehr import settings

    said = {"leaf": options.leaf, "order": options.order and between_commas(options.order)}
    chosen = {name: value for name, value in said.items() if value is not None}
    for name in chosen:
        if name not in settings.of(make):
            raise ValueError(f"--{name} is of cart, which grows trees; {options.name} has none")
    return chosen


def _check_files(options, schema) -> None:
    """Before the work. Raises ValueError where a part of what is drawn has no file, or a file has no part."""
    from jaxehr.data.write import FOLDER, written_suffix

    folder = written_suffix(options.out) == FOLDER
    both = schema.columns and schema.events
    if options.out_events is not None and (folder or not both):
        why = "a folder holds both" if folder else "what is drawn is one of the two"
        raise ValueError(f"--out-events is for codes beside a table's file in --out; {why}")
    if options.out_events is None and both and not folder:
        raise ValueError(
            "the data are a table and codes, of which cart draws both (others take one of the two): say --out-events "
            f"FILE for the codes beside {options.out}, or name a folder (without an ending) in --out, which will be a "
            "MEDS dataset"
        )
