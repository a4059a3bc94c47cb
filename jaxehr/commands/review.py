"""jaxehr review: a blinded review by clinicians, and its score."""

from pathlib import Path

from jaxehr.commands.command import Command, check_folder, say
from jaxehr.commands.reading import add_layout, add_reading, load_schema, read, schema_of


def add(command: Command) -> None:
    review = command("review", _run, "Sheets of patients for clinicians to judge, and the score.")
    review.add_argument("--real", metavar="FILE", help="real patients: handle the sheets as such")
    review.add_argument("--synthetic", metavar="FILE")
    for name in ("real", "synthetic"):
        review.add_argument(
            f"--{name}-events", metavar="FILE", help=f"the events of the --{name} table's subjects"
        )
    add_layout(review, "the folder that --real names")
    review.add_argument("-n", type=int, default=100, help="sheets of each; 100 if not given")
    review.add_argument("--out", type=Path, metavar="DIR", help="packet/, answers/ and key.csv")
    review.add_argument(
        "--schema", metavar="FILE", help="schema.json of the run; by its grid, sheets show courses"
    )
    review.add_argument(
        "--names",
        metavar="FILE",
        help="CSV with columns code (or column) and name: plain words, and units",
    )
    add_reading(review)
    review.add_argument("--seed", type=int, help="of the shuffle; by default nobody knows it")
    review.add_argument(
        "--score", type=Path, metavar="DIR", help="score the answers in DIR/answers"
    )


def _run(options) -> int:
    if options.score is not None:
        return _score(options.score)
    wanted = {name: getattr(options, name) for name in ("real", "synthetic", "out")}
    lacking = [f"--{name}" for name, value in wanted.items() if value is None]
    if lacking:
        raise ValueError(f"a review needs {', '.join(lacking)}; or --score DIR to score one")
    from jaxehr.evaluation.review.sheets import review_packet

    check_folder(options.out)
    schema = load_schema(options.schema)
    real = read(options, options.real, schema, events=options.real_events, layout=options.layout)
    schema = schema_of(real, schema)
    packet = review_packet(
        real,
        read(options, options.synthetic, schema, events=options.synthetic_events),
        options.n,
        schema=schema,
        names=_names(options.names, options.sep, options.encoding),
        seed=options.seed,
    )
    packet.save(options.out)
    say(f"{2 * options.n} sheets in {options.out / 'packet'}: give that folder to each reviewer")
    say(f"keep {options.out / 'key.csv'} away from them; real patients are on the sheets")
    say(
        f"then put each one's answers.csv, under the reviewer's name, into {options.out / 'answers'},"
    )
    say(f"and run: jaxehr review --score {options.out}")
    return 0


def _names(path: str | None, sep: str | None, encoding: str | None) -> dict[str, str]:
    from jaxehr.data import DataError, read_texts

    if path is None:
        return {}
    frame = read_texts(path, sep=sep, encoding=encoding)
    first = next((name for name in ("code", "column") if name in frame.columns), None)
    if first is None or "name" not in frame.columns:
        raise DataError(f"{path} is to have the columns code (or column) and name")
    return dict(zip(frame[first], frame["name"], strict=True))


def _score(folder: Path) -> int:
    from jaxehr.evaluation.review.score import score_review
    from jaxehr.files import write_text

    score = score_review(folder)
    write_text(folder / "score.json", score.to_json())
    print(score)
    return 0
