"""jaxehr audit: can the patients that a run was trained on be told from others by its losses?"""

from pathlib import Path

from jaxehr.commands.command import (
    Command,
    add_overwrite,
    cache_compilations,
    check_folder,
    check_kept,
    say,
)
from jaxehr.commands.reading import add_layout, add_reading, read


def add(command: Command) -> None:
    audit = command(
        "audit", _run, "Can a run's training patients be told from others by its losses?"
    )
    audit.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    audit.add_argument("--members", required=True, metavar="FILE", help="what it was trained on")
    audit.add_argument(
        "--nonmembers", required=True, metavar="FILE", help="others of the same kind"
    )
    for name in ("members", "nonmembers"):
        audit.add_argument(
            f"--{name}-events", metavar="FILE", help=f"the events of the --{name} table's subjects"
        )
    add_layout(audit, "the folders that --members and --nonmembers name")
    audit.add_argument(
        "--reference",
        type=Path,
        metavar="RUN",
        help="a run trained on neither: calibrates the losses",
    )
    audit.add_argument("--draws", type=int, default=128, help="of noise level and noise")
    add_reading(audit)
    audit.add_argument("--seed", type=int, default=0)
    audit.add_argument("--out", type=Path, metavar="DIR", help="write report.json and report.html")
    add_overwrite(audit)


def _run(options) -> int:

    from jaxehr import audit, data
    from jaxehr.evaluation import Report
    from jaxehr.numerics import seeded
    from jaxehr.runs import load
    from jaxehr.synthesis import run
    from jaxehr.synthesis.look import as_records

    if options.draws < 1:
        raise ValueError(f"--draws must be at least 1; got {options.draws}")
    if options.out is not None:
        check_folder(options.out)
        reports = [options.out / "report.json", options.out / "report.html"]
        check_kept(reports, options.overwrite)
    paths = [options.run] + ([options.reference] if options.reference else [])
    runs = [load(path) for path in paths]
    codecs = [each.recipe.codec for each in runs]
    files = {"members": options.members, "nonmembers": options.nonmembers}
    frames, notes = {}, []
    for name, path in files.items():
        events = getattr(options, f"{name}_events")
        records = read(options, path, codecs[0].schema, events=events, layout=options.layout)
        frames[name], left = audit.learnt(records, codecs)
        if left:
            notes.append(f"{left:,} {name} hold nothing that the run has learnt, and were left out")
    if data.same(frames["members"], frames["nonmembers"]):
        raise ValueError(
            "--members and --nonmembers hold the same records: give patients that the run did not learn from"
        )
    cache_compilations()
    found = [
        audit.scored(
            (each.model, each.params[each.recipe.stages[-1].name]),
            _sight(each),
            frames["members"],
            frames["nonmembers"],
            seeded(options.seed),
            draws=options.draws,
        )
        for each in runs
    ]
    look = runs[0].recipe.look
    if look is not None:
        sight = _sight(runs[0])
        second = audit.scored(
            (look.model, runs[0].params[look.name]),
            lambda frame: as_records(sight(frame)),
            frames["members"],
            frames["nonmembers"],
            seeded(options.seed),
            draws=1,
        )
    metrics = tuple(
        audit.audit(
            found[0],
            found[1] if len(found) > 1 else None,
            None if look is None else second,
            seed=options.seed,
        )
    )
    config = {name: Path(path).name for name, path in files.items()}
    about = {"run": options.run.name, **config, "draws": options.draws, "seed": options.seed}
    notes += [line for path in paths if (line := run.unfinished(path))]
    report = Report(metrics, (), tuple(notes), about)
    print(report)
    if options.out is not None:
        report.save(options.out)
        say(f"open {options.out / 'report.html'}")
    return 0


def _sight(synthesizer):
    """How a run sees records."""
    return lambda frame: synthesizer.recipe.view.to_x(synthesizer.recipe.codec.encode(frame))
