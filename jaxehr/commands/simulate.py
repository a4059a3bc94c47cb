"""jaxehr simulate: patients of a hospital whose law is known."""

from pathlib import Path

from jaxehr.commands.command import Command, add_overwrite, check_folder, check_kept, say

ABOUT = """Whole patients without a file: static facts, and dated visits, ICD-10 codes, lab values and drugs from birth
to death, by a law that is written down. Fresh ones come without end, and what is true of them (prevalences, odds
ratios, autocorrelations, who is measured, what a treatment does, the best AUROC there can be) is computed, not
estimated: `jaxehr help hospital`."""


def add(command: Command) -> None:
    simulate = command("simulate", _run, "Draw whole patients of a hospital whose law is known.")
    simulate.description = ABOUT
    simulate.add_argument("-n", type=int, required=True, help="number of patients")
    simulate.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder of the MEDS dataset that is made (data/*.parquet, metadata/)",
    )
    add_overwrite(simulate)
    simulate.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the patients: the first 1,000 of 5,000 are those of 1,000",
    )
    simulate.add_argument("--world", type=int, default=0, help="seed of the law itself (default 0)")
    simulate.add_argument(
        "--do",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set whatever the law says of it: sex=male, smoking=never, group=B, region=east, age=65, and from entry "
        "on statin=1, statin=0, anticoagulant=1 or 0, as a trial would; may be repeated",
    )


def _run(options) -> int:
    from jaxehr.data import Records
    from jaxehr.data.hospital.cohort import BLOCK, cohorts
    from jaxehr.data.hospital.events import about_codes, tables_of
    from jaxehr.data.meds import Metadata, check_dataset_folder, meds_writer
    from jaxehr.training.progress import progress

    parts = cohorts(options.n, options.seed, world=options.world, do=_parse(options.do))
    check_dataset_folder(options.out)
    check_kept([options.out] if _filled(options.out) else [], options.overwrite)
    check_folder(options.out.parent)
    name = f"jaxehr simulate, world {options.world}, seed {options.seed}"
    metadata = Metadata(codes=about_codes(), dataset={"dataset_name": name})
    written = 0
    with (
        meds_writer(options.out, metadata=metadata) as write,
        progress("simulating", options.n) as advance,
    ):
        for block, part in enumerate(parts):
            static, events = tables_of(part, first=1 + BLOCK * block)
            events["numeric_value"] = events["numeric_value"].astype(
                "float32"
            )  # as MEDS holds them
            write(Records(static, events))
            written += len(events)
            advance(min((block + 1) * BLOCK, options.n))
    say(f"{options.n:,} patients of world {options.world}, {written:,} events, in {options.out}")
    return 0


def _filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _parse(words: list[str]) -> dict[str, str | float]:
    """Raises ValueError for what is no NAME=VALUE, or names a thing twice."""
    done: dict[str, str | float] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name in done:
            raise ValueError(f"--do {word}: wanted is NAME=VALUE, each name once")
        try:
            done[name] = float(value)
        except ValueError:
            done[name] = value
    return done
