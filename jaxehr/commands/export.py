"""jaxehr export: a run's sampler as one file, which needs no code that trains."""

from pathlib import Path

from jaxehr.commands.command import (
    Command,
    add_overwrite,
    add_set,
    cache_compilations,
    check_folder,
    check_kept,
    say,
)
from jaxehr.commands.sample import sampler_of

ABOUT = """\
The file is drawn from in Python, with JAX, NumPy, flatbuffers and, for records instead of arrays, pandas:
  from jaxehr import exported
  exported.load(FILE).sample(jax.random.key(1), 1000)
with the same draws, bit for bit, as the run's on the same backend. See `jaxehr help runs`.
"""


def add(command: Command) -> None:
    export = command("export", _run, "Write the sampler of a run as one portable file.")
    export.epilog = ABOUT
    export.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    export.add_argument("--out", required=True, type=Path, metavar="FILE", help="to be written")
    add_overwrite(export)
    export.add_argument(
        "--sampler", metavar="NAME", help="as in `jaxehr sample`; fixed in the file"
    )
    export.add_argument("--nfe", type=int, metavar="N", help="network evaluations, at most")
    export.add_argument(
        "--batch-size",
        type=int,
        default=1024,
        metavar="B",
        help="records that the program draws at once, of which the first n are kept",
    )
    add_set(export, "a setting of sampling, such as posterior_sigma=0.2")


def _run(options) -> int:
    from jaxehr import audit, names, settings
    from jaxehr.export import PLATFORMS, export
    from jaxehr.runs import load
    from jaxehr.synthesis import run

    if options.out.is_dir():
        raise ValueError(f"{options.out} is a folder; name a file in it")
    check_kept([options.out], options.overwrite)
    check_folder(options.out.parent)
    name, _, _ = run.read(options.run)
    recipes = names.recipes()
    changes = settings.parse(options.settings, recipes[name]) if name in recipes else {}
    cache_compilations()
    synthesizer = load(options.run, **changes)
    sampler, grid = sampler_of(synthesizer.recipe, options.sampler, options.nfe)
    export(synthesizer, options.out, sampler=sampler, grid=grid, batch_size=options.batch_size)
    size = options.out.stat().st_size / 2**20
    say(f"{options.out}: {size:,.1f} MiB, {name} for {', '.join(PLATFORMS)}")
    if not run.unfinished(options.run):
        say(audit.said(run.remembers(options.run), synthesizer.recipe.codec.rows))
    return 0
