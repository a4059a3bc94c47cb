"""jaxehr evaluate: judge any synthetic file."""

from pathlib import Path

from jaxehr.commands.command import Command, cache_compilations, say


def add(command: Command) -> None:
    evaluate = command("evaluate", _run, "Judge any synthetic file; write report.html.")
    evaluate.add_argument("--real", required=True, metavar="TRAIN", help="what was trained on")
    evaluate.add_argument("--synthetic", required=True, metavar="FILE")
    evaluate.add_argument(
        "--holdout", metavar="FILE", help="real patients not trained on: gives the noise floor"
    )
    evaluate.add_argument("--schema", metavar="FILE", help="schema.json of the run")
    evaluate.add_argument("--label", metavar="COLUMN", help="what a doctor would predict")
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--out", required=True, type=Path, metavar="DIR")


def _run(options) -> int:
    from jaxehr import data
    from jaxehr.evaluation import evaluate

    schema = None if options.schema is None else data.Schema.load(options.schema)
    real = data.read_records(options.real, schema)
    schema = data.Schema.infer(real) if schema is None else schema
    read = lambda path: data.read_records(path, schema)
    files = {"real": options.real, "synthetic": options.synthetic, "holdout": options.holdout}
    cache_compilations()
    report = evaluate(
        real,
        read(options.synthetic),
        None if options.holdout is None else read(options.holdout),
        schema=schema,
        label=options.label,
        seed=options.seed,
        config={name: Path(path).name for name, path in files.items() if path},
    )
    report.save(options.out)
    print(report)
    say(f"open {options.out / 'report.html'}")
    return 0
