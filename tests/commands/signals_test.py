"""Ctrl-C and SIGTERM, whatever the process is doing: 130 and 143, at once, and nothing half-written."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from jaxehr import files
from jaxehr.cli import main
from jaxehr.synthesis import run

WHILE = {
    # Exceptions in a callback of the garbage collector are printed and dropped: a handler must raise nothing.
    "in a callback": """
def hear(phase, info):
    gc.callbacks.remove(hear)
    os.kill(os.getpid(), NUMBER)
gc.callbacks.append(hear)
gc.collect()
time.sleep(60)
""",
    "in one long native call": """
threading.Timer(0.3, os.kill, (os.getpid(), NUMBER)).start()
hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
""",
    "while a file is written": """
with files.whole("half.csv") as beside:
    beside.write_text("half")
    os.kill(os.getpid(), NUMBER)
    time.sleep(60)
""",
}
HEAD = "import gc, hashlib, os, sys, threading, time; from jaxehr import files\n"
HEAD += "from jaxehr.commands.signals import ended_by_signals\n"


def started(code, folder):
    """A process of its own, which hears SIGINT though the tests may run in the background."""
    hearing = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, "-c", hearing + code]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", WHILE)
def test_a_signal_ends_the_process_at_once(tmp_path, what, number):
    body = WHILE[what].replace("NUMBER", str(int(number)))
    indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
    code = f"{HEAD}with ended_by_signals():\n{indented}sys.exit(0)"
    process = started(code, tmp_path)
    try:
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, said) == (128 + number, "jaxehr: stopped\n")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_taken_away(tmp_path, caplog):
    """Of one that is alive it is not."""
    code = HEAD + "with files.whole('a.csv') as beside:\n    beside.write_text('a'); time.sleep(60)"
    process, part = started(code, tmp_path), tmp_path / f".a.csv{files.ENDING}"
    while not part.exists() or not part.read_text():
        time.sleep(0.05)
    os.utime(part, (0, 0))
    files.write_text(tmp_path / "b.csv", "b")
    assert part.exists()
    with pytest.raises(OSError, match="another process is writing"):
        files.write_text(tmp_path / "a.csv", "a")
    process.kill()
    process.communicate()
    os.utime(part, (0, 0))
    files.write_text(tmp_path / "b.csv", "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b.csv"]
    assert "left by a process that was killed" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_fit_is_saved_said_and_resumed(tmp_path, number, monkeypatch, capsys):
    """So that `fit && sample` draws from no half model. Meanwhile no other run is begun in its folder."""
    rows = range(64)
    frame = pd.DataFrame({"a": [i % 9 for i in rows], "s": ["fm"[i % 2] for i in rows]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    fit = ["fit", "masked", "--data", "t.csv", "--out", "run", "--batch-size", "8"]
    small = ["--set", "width=8", "--set", "blocks=1", "--steps", "200000"]
    code = f"from jaxehr.cli import main; raise SystemExit(main({[*fit, *small]}))"
    process, log = started(code, tmp_path), tmp_path / "run" / "metrics.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text()):
        time.sleep(0.05)
    monkeypatch.chdir(tmp_path)
    there = sorted(path.name for folder in (".", "run") for path in Path(folder).iterdir())
    for again in ([], ["--resume"], ["--resume", "--data", "of no records"]):
        assert main([*fit, *small, *again]) == 2
        by = f"process {process.pid} on {socket.gethostname()} is writing run"
        assert (
            capsys.readouterr().err == f"jaxehr: {by}; wait for its end, or choose another folder\n"
        )
    assert there == sorted(path.name for folder in (".", "run") for path in Path(folder).iterdir())
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "and saved; continue with the same" in said
    step = json.loads(log.read_text().splitlines()[-1])["step"]
    assert (tmp_path / "run" / "checkpoints" / "denoiser" / str(step)).is_dir()
    assert "is unfinished" in run.unfinished(tmp_path / "run")
