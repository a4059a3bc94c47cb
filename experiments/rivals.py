"""Other people's generators, each in an environment of its own, over a file of real rows; what they cost.

    python experiments/rivals.py tabularargn copula ctgan tvae --envs envs --train train.parquet --out drawn
    python experiments/rivals.py ctgan --envs envs --train train.parquet --out drawn --set epochs=10
    python experiments/rivals.py sdmetrics --envs envs                           # the judge: only installed
    python experiments/judges.py --real train.parquet --holdout holdout.parquet --synthetic drawn/*.parquet

A rival is installed into ENVS/NAME when it is not there yet (venv and pip, versions as pinned here; an environment that
has others is refused), then learns FILE and draws as many rows as it has, or -n. OUT/NAME.parquet is what it drew,
OUT/rivals.json what it cost: CPU seconds of its process and those it starts (imports included; learning, and drawing),
peak memory of the one process, size of the environment. Nothing of theirs is imported here, and nothing of ours there.

NAME            package                     settings (--set)        source
{rivals}

Environments are large, for torch is: --pip passes options to pip, as an index that has builds for the CPU alone.
A rival that cannot be installed, fails, or takes more than --minutes is refused in one line; the others go on, and the
exit status is 1.

Measured    2 busy cores, seed 0, settings as the packages have them but for epochs; figures in README.md here. A
            package's torch was a build for the CPU (with CUDA's an environment takes several GB). TabularARGN on
            Diabetes-130 was stopped by hand after 31 epochs and 520 CPU s, when its own rule had not stopped it.
"""

import argparse
import contextlib
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

INSIDE = Path(__file__).with_name("rival_models.py")
TORCH = "torch==2.13.0"


class Refused(Exception):
    """One line: what could not be done, and what to do."""


@dataclass(frozen=True)
class Rival:
    """packages, pinned, the rival's own first; env, the folder, which may be shared; settings that it takes; without,
    what its packages ask for, but a table does not need."""

    env: str
    packages: tuple[str, ...]
    settings: tuple[str, ...]
    source: str
    without: tuple[str, ...] = ()


SDV = ("sdv==2.0.0", "ctgan==0.12.1", "copulas==0.14.1", "rdt==2.0.0", TORCH, "pyarrow==26.0.1")
RIVALS = {
    "tabularargn": Rival(
        "mostlyai",
        ("mostlyai-engine==2.7.3", TORCH),
        ("epochs",),
        "Tiwald et al. 2025",
        without=("torchvision",),  # its build does not load beside torch's for the CPU
    ),
    "copula": Rival("sdv", SDV, (), "Patki et al. 2016, SDV's GaussianCopula"),
    "ctgan": Rival("sdv", SDV, ("epochs",), "Xu et al. 2019"),
    "tvae": Rival("sdv", SDV, ("epochs",), "Xu et al. 2019"),
    "sdmetrics": Rival("sdmetrics", ("sdmetrics==0.32.0", "pyarrow==26.0.1"), (), "judges.py"),
}
JUDGE = "sdmetrics"


def described() -> str:
    line = "{:15s} {:27s} {:23s} {}"
    return "\n".join(
        line.format(name, rival.packages[0], ", ".join(rival.settings), rival.source).rstrip()
        for name, rival in RIVALS.items()
    )


def installed(rival: Rival, envs: Path, pip: list[str]) -> Path:
    """The interpreter of the rival's environment, which is made if it is not there.

    Raises Refused if pip cannot install it, or if another set of packages is there.
    """
    folder, wanted = envs / rival.env, "\n".join(rival.packages)
    python, note = folder / "bin" / "python", folder / "packages.txt"
    if note.exists():
        if note.read_text() != wanted:
            raise Refused(
                f"{folder} was made for other versions; remove it, or give another --envs"
            )
        return python
    if folder.exists():
        raise Refused(
            f"{folder} is there, but not by this script; remove it, or give another --envs"
        )
    try:
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "-q", *rival.packages, *pip]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Refused(f"pip could not install {rival.packages[0]}: {_last(done.stderr)}")
        if rival.without:
            subprocess.run(
                [str(python), "-m", "pip", "uninstall", "-q", "-y", *rival.without], check=True
            )
        note.write_text(wanted)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # nothing half-made
        raise
    return python


def _last(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it said nothing"])[-1][:300]


def size_mb(folder: Path) -> int:
    """Of the files in it, in 10^6 bytes."""
    return round(sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6)


def run(name: str, python: Path, options: argparse.Namespace, settings: dict[str, str]) -> dict:
    """Draws OUT/NAME.parquet and says what it cost; raises Refused if it fails or takes too long.

    All else that a rival writes is in a folder that is removed however it ends: some keep the rows they learn.
    """
    log, began = options.out / f"{name}.log", time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory(dir=options.out, prefix=".") as folder:
        drawn, said = Path(folder) / "drawn.parquet", Path(folder) / "cost.json"
        given = json.dumps({"n": options.n, "seed": options.seed} | settings)
        command = [python, INSIDE, name, options.train, drawn, said, given]
        _started([str(each) for each in command], log, options.minutes, folder)
        costs = json.loads(said.read_text())
        drawn.rename(options.out / f"{name}.parquet")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    costs["train CPU s"] = (
        spent - costs["draw CPU s"]
    )  # with the workers, who are counted when they end
    return costs | {"wall s": time.monotonic() - began} | settings


def _started(command: list[str], log: Path, minutes: float, folder: str) -> None:
    """Waits for the command; raises Refused if it fails, or is not done in so many minutes."""
    env = os.environ | {"HF_HUB_OFFLINE": "1", "TMPDIR": os.path.abspath(folder)}
    with open(log, "w") as file:
        child = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=env, start_new_session=True
        )
        try:
            status = child.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            raise Refused(f"not done after {minutes:g} minutes; see --minutes and --set") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # the workers that it started, too
            child.wait()
    if status:
        raise Refused(f"it failed: {_last(log.read_text())} ({log} has all)")


def table(rows: dict[str, dict]) -> str:
    """Markdown, a line for each rival."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = ["| " + " | ".join(["", *columns]) + " |", "|" + "---|" * (len(columns) + 1)]
    for name, row in rows.items():
        cells = [f"{v:,.1f}" if isinstance(v, float) else str(v) for v in map(row.get, columns)]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.format(rivals=described()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="+", metavar="NAME", choices=list(RIVALS), help="see above")
    parser.add_argument("--envs", type=Path, required=True, help="folder of the environments")
    parser.add_argument("--train", type=Path, metavar="FILE", help="Parquet, rows to learn")
    parser.add_argument("--out", type=Path, default=Path("drawn"), help="folder of what is drawn")
    parser.add_argument("-n", type=int, help="rows drawn (as many as FILE has)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="given")
    parser.add_argument("--minutes", type=float, default=60.0, help="at most, for each (60)")
    parser.add_argument("--pip", default="", metavar="'OPTIONS'", help="passed to pip install")
    options = parser.parse_args(arguments)
    if not options.train and set(options.names) != {JUDGE}:
        parser.error("give the rows to learn as --train FILE; only sdmetrics goes without")
    if options.train and options.train.suffix != ".parquet":
        parser.error(f"--train wants a Parquet file, for types; got {options.train.name}")
    if options.train and not options.train.exists():
        parser.error(f"there is no {options.train}")
    options.settings = {}
    for each in options.given:
        name, _, value = each.partition("=")
        takers = [r for r in options.names if name in RIVALS[r].settings]
        if not takers or not value.isdigit() or value == "0":
            parser.error(f"--set takes epochs=N, of {_takers('epochs')}; got {each}")
        options.settings[name] = value
    return options


def _takers(setting: str) -> str:
    return ", ".join(name for name, rival in RIVALS.items() if setting in rival.settings)


def main(arguments: list[str] | None = None) -> int:
    options = options_of(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    path, refused = options.out / "rivals.json", False
    rows = json.loads(path.read_text()) if path.exists() else {}
    for name in options.names:
        rival = RIVALS[name]
        try:
            python = installed(rival, options.envs.absolute(), shlex.split(options.pip))
            settings = {k: v for k, v in options.settings.items() if k in rival.settings}
            costs = {} if name == JUDGE else run(name, python, options, settings)
        except Refused as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            refused = True
            continue
        rows[name] = {
            "version": rival.packages[0],
            "env MB": size_mb(options.envs / rival.env),
        } | costs
        path.write_text(json.dumps(rows, indent=1))
    print(table(rows))
    return int(refused)


if __name__ == "__main__":
    sys.exit(main())
