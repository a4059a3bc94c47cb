"""jaxehr evaluate: judge any synthetic file, or several beside each other."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from jaxehr.commands.command import (
    Command,
    add_overwrite,
    cache_compilations,
    check_folder,
    check_kept,
    say,
)
from jaxehr.commands.reading import add_layout, add_reading, load_schema, read, schema_of

EXAMPLES = """examples:
  jaxehr evaluate --real train.csv --synthetic drawn.csv --holdout test.csv --label death --by sex --out report
  jaxehr evaluate --real icu --synthetic drawn --holdout others --schema icu.json --rules events --out report
  jaxehr evaluate --real icu --synthetic drawn --rules mine.toml --only clinical --out report
  jaxehr evaluate --real train.csv --compare gan=gan.csv ours=ours.csv --only fidelity,privacy --out table
"""


def add(command: Command) -> None:
    evaluate = command("evaluate", _run, "Judge any synthetic file; write report.html.")
    evaluate.epilog = EXAMPLES
    evaluate.add_argument("--real", required=True, metavar="TRAIN", help="what was trained on")
    files = evaluate.add_mutually_exclusive_group(required=True)
    files.add_argument("--synthetic", metavar="FILE")
    files.add_argument(
        "--compare",
        nargs="+",
        metavar="NAME=FILE",
        help="several synthetic files, or folders of MEDS datasets, side by side in one table: comparison.html, .md, "
        ".tex, .json",
    )
    evaluate.add_argument(
        "--holdout", metavar="FILE", help="real patients not trained on: gives the noise floor"
    )
    for name in ("real", "synthetic", "holdout"):
        evaluate.add_argument(
            f"--{name}-events", metavar="FILE", help=f"the events of the --{name} table's subjects"
        )
    add_layout(evaluate, "the folders that --real and --holdout name")
    evaluate.add_argument("--schema", metavar="FILE", help="schema.json of the run")
    evaluate.add_argument(
        "--run",
        type=Path,
        metavar="RUN",
        help="that drew them: the report names its recipe, steps and version, and reads by its schema",
    )
    evaluate.add_argument("--label", metavar="COLUMN", help="what a doctor would predict")
    evaluate.add_argument(
        "--by", metavar="COLUMNS", help="subgroups, such as sex,age:10: worst group and gap"
    )
    evaluate.add_argument(
        "--rules",
        metavar="FILE",
        help="clinical rules, a TOML file, or codes, labs or events for a starter set; more in `jaxehr help rules`",
    )
    evaluate.add_argument(
        "--policy",
        action="append",
        metavar="ROLE=VARIABLE",
        help="of a series, twice: --policy action=VARIABLE --policy reward=VARIABLE, what was done in a step and what "
        "was gained in it; a policy learnt on the synthetic patients beside one learnt on real ones",
    )
    evaluate.add_argument(
        "--only", metavar="PILLARS", help="of fidelity,utility,privacy,clinical,fairness"
    )
    add_reading(evaluate)
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--out", required=True, type=Path, metavar="DIR")
    add_overwrite(evaluate)


def _run(options) -> int:
    check_folder(options.out)
    what = "comparison" if options.compare else "report"
    check_kept([options.out / f"{what}.json", options.out / f"{what}.html"], options.overwrite)
    config = _origin(options.run)
    kept = None if options.run is None else str(options.run / "schema.json")
    schema = load_schema(options.schema or kept)
    real = read(options, options.real, schema, events=options.real_events, layout=options.layout)
    schema = schema_of(real, schema)
    holdout = None
    if options.holdout is not None:
        events = options.holdout_events
        holdout = read(options, options.holdout, schema, events=events, layout=options.layout)
    cache_compilations()

    def judge(path: str):
        drawn = read(options, path, schema, events=options.synthetic_events)
        return _judged(options, real, drawn, holdout, schema, path, config)

    if options.compare:
        return _compare(options, judge)
    report = judge(options.synthetic)
    report.save(options.out)
    print(report)
    say(f"open {options.out / 'report.html'}")
    return 0


def _origin(run: Path | None) -> dict:
    """What was judged by what, and when: of a run, its recipe, steps and version."""
    from datetime import date

    from jaxehr import __version__
    from jaxehr.synthesis.run import origin

    made = {} if run is None else origin(run)
    return {**made, "judged with jaxehr": __version__, "on": date.today().isoformat()}


def _judged(options, real, synthetic, holdout, schema, path: str, config: dict):
    from jaxehr.evaluation import evaluate
    from jaxehr.evaluation.measures.metric import PILLARS
    from jaxehr.training.progress import progress

    files = {"real": options.real, "synthetic": path, "holdout": options.holdout}
    with ExitStack() as stack:
        bars: list = []

        def tell(done: int, total: int, what: str) -> None:
            if not bars:
                bars.append(stack.enter_context(progress(Path(path).name, total)))
            bars[0](done, at=what)

        return evaluate(
            real,
            synthetic,
            holdout,
            schema=schema,
            label=options.label,
            by=options.by,
            rules=_rules(options.rules),
            policy=_roles(options.policy),
            pillars=PILLARS if options.only is None else options.only.split(","),
            seed=options.seed,
            config={name: Path(file).name for name, file in files.items() if file} | config,
            advance=tell,
        )


def _roles(said: list[str] | None):
    """Which variables are the action and the reward."""
    from jaxehr.evaluation.measures.decisions import Roles

    if said is None:
        return None
    found = [each.partition("=")[::2] for each in said]
    if sorted(role for role, _ in found) != sorted(Roles._fields) or not all(v for _, v in found):
        raise ValueError(
            "--policy is given twice, as --policy action=VARIABLE --policy reward=VARIABLE; got "
            + " ".join(said)
        )
    return Roles(**dict(found))


def _rules(wanted: str | None):
    """The excesses of a file's rules, or of a starter set's."""
    from functools import partial

    from jaxehr.evaluation.rules.rule_file import STARTERS, read_rules, starter_rules
    from jaxehr.evaluation.rules.rules import excesses

    if wanted is None:
        return None
    ours = next((name for name in STARTERS if name == wanted), None)
    return partial(excesses, read_rules(wanted) if ours is None else starter_rules(ours))


def _compare(options, judge: Callable) -> int:
    from jaxehr.evaluation import Comparison

    files = dict(_named(each) for each in options.compare)
    if len(files) < len(options.compare):
        raise ValueError("--compare names a file twice; give each a name of its own")
    comparison = Comparison({name: judge(path) for name, path in files.items()})
    comparison.save(options.out)
    print(comparison)
    say(f"open {options.out / 'comparison.html'}")
    return 0


def _named(each: str) -> tuple[str, str]:
    name, equals, path = each.partition("=")
    if not equals or not name or "/" in name:
        raise ValueError(f"--compare takes NAME=FILE, such as gan=gan.csv; got '{each}'")
    return name, path
