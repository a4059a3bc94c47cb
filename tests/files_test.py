"""Folders that are whole or not there. (Of files, and of signals, tests/commands/signals_test.py.)"""

import os
import socket
import subprocess
import sys
import threading

import pytest

from jaxehr import files


def held_by(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def write(folder, **texts):
    with files.whole_folder(folder) as beside:
        for name, text in texts.items():
            (beside / name).write_text(text)


def killed(folder, body):
    """A process that is killed by its own hand."""
    code = f"import os\nfrom pathlib import Path\nfrom jaxehr import files\nhere = Path({str(folder)!r})\n{body}"
    process = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert process.returncode == 9, process.stderr


def test_a_folder_takes_the_place_of_another(tmp_path):
    write(tmp_path / "a", one="1", two="2")
    write(tmp_path / "a", one="3")
    assert held_by(tmp_path / "a") == {"one": "3"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_error_leaves_what_was(tmp_path):
    write(tmp_path / "a", one="1")
    for name in ("a", "b"):
        with pytest.raises(KeyError), files.whole_folder(tmp_path / name) as beside:
            (beside / "half").write_text("half")
            raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert held_by(tmp_path / "a") == {"one": "1"}


BETWEEN = """
replace = os.replace
def replace_once(*paths):
    if os.path.exists(paths[1]) or here.exists():
        return replace(*paths)
    os._exit(9)
os.replace = replace_once
"""


@pytest.mark.parametrize("when", ["while it is written", "between the two renames"])
def test_a_killed_process_leaves_what_was(tmp_path, caplog, when):
    folder = tmp_path / "a"
    write(folder, one="1")
    stop = "    os._exit(9)" if when == "while it is written" else "    pass"
    head = "" if when == "while it is written" else BETWEEN
    body = "with files.whole_folder(here) as beside:\n    (beside / 'one').write_text('2')\n"
    killed(folder, head + body + stop)
    assert folder.exists() == (when == "while it is written")
    for left in tmp_path.glob(f".*{files.ENDING}"):
        os.utime(left, (0, 0))
    write(tmp_path / "b", other="3")  # any write beside it
    assert held_by(folder) == {"one": "1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert "left by a process that was killed" in caplog.text
    # At once, too, where the next writes the same folder, though the last was killed just now.
    killed(folder, head + body + stop)
    write(folder, two="4")
    assert held_by(folder) == {"two": "4"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_is_being_written_is_let_be(tmp_path):
    code = "import time\nfrom jaxehr import files\nwith files.whole_folder('a') as beside:\n"
    code += "    (beside / 'one').write_text('1'); print('here', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "here\n"
        part = tmp_path / f".a{files.ENDING}"
        os.utime(part, (0, 0))
        write(tmp_path / "b", one="2")
        assert (part / "one").exists()
        with pytest.raises(OSError, match="another process is writing"):
            write(tmp_path / "a", one="3")
        assert (part / "one").exists()
    finally:
        process.kill()
        process.wait()
    write(tmp_path / "a", two="4")
    assert held_by(tmp_path / "a") == {"two": "4"}


def test_what_is_held_is_let_go_by_the_death_of_its_process(tmp_path, caplog):
    """One that is alive is named to others, whom it refuses; to be asked about changes nothing."""
    lock = tmp_path / "run" / "lock"
    code = f"import time\nfrom jaxehr import files\nwith files.held({str(lock)!r}):\n"
    code += "    print('here', flush=True); time.sleep(60)"
    assert files.holder(lock) is None
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "here\n"
        by = f"process {process.pid} on {socket.gethostname()}"
        for _ in range(2):
            assert files.holder(lock) == by == lock.read_text()
            with pytest.raises(BlockingIOError, match=f"^{by} is writing {lock.parent}$"):
                files.held(lock).__enter__()
    finally:
        process.kill()
        process.wait()
    assert files.holder(lock) is None and lock.read_text() == by
    with files.held(lock):
        assert f"was left by {by}, which has ended: taken over" in caplog.text
        assert files.holder(lock) == f"process {os.getpid()} on {socket.gethostname()}"
    assert not lock.exists()


def test_who_looks_at_a_lock_is_in_no_one_s_way(tmp_path):
    """A look that falls together with the start of a process does not refuse it."""
    lock = tmp_path / "lock"
    lock.write_text("process 1 on a host")
    with open(lock) as looking:
        assert files._lock(looking, shared=True)
        threading.Timer(files.LOOK / 4, looking.close).start()
        with files.held(lock):
            pass
