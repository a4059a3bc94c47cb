"""jaxehr baseline: synthetic patients without a network, to stand beside a trained recipe's."""

from jaxehr.commands.command import Command, add_out, check_out, say
from jaxehr.commands.reading import add_reading, load_schema, read, schema_of


def add(command: Command) -> None:
    baseline = command("baseline", _run, "Synthetic patients without a network, to compare with.")
    baseline.add_argument("name", metavar="NAME", help="marginals, copula, smote or bootstrap")
    baseline.add_argument("--data", required=True, metavar="FILE", help="the training records")
    baseline.add_argument("--schema", metavar="FILE", help="schema.json of a run")
    baseline.add_argument("-n", type=int, required=True, help="number of patients")
    add_out(baseline)
    add_reading(baseline)
    baseline.add_argument("--seed", type=int, default=0)


def _run(options) -> int:
    from jaxehr import data, names, settings

    make = settings.nearest(options.name, names.baselines(), "baseline")
    check_out(options.out, options.overwrite)
    schema = load_schema(options.schema)
    train = read(options, options.data, schema)
    schema = schema_of(train, schema)
    frame = make(train, options.n, options.seed, schema=schema)
    data.write_records(frame, options.out, synthetic=True)
    say(f"{options.n:,} patients of the baseline {options.name} in {options.out}")
    return 0
