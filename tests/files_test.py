"""A file that one process at a time may hold."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from jaxehr.files import held

KILLED = "import os, signal, sys; from jaxehr.files import held\n"
KILLED += "with held(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)"


def test_it_is_held_by_one_and_gone_at_the_end(tmp_path):
    path = tmp_path / "run" / "lock"
    for _ in range(2):
        with held(path):
            assert path.read_text() == f"process {os.getpid()} on {socket.gethostname()}"
            with pytest.raises(BlockingIOError, match=rf"process {os.getpid()} on .* is writing"):
                with held(path):
                    pass
            assert path.exists()
        assert not path.exists()


def test_what_a_killed_process_left_is_taken_over(tmp_path, caplog):
    path = tmp_path / "lock"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)])
    assert process.wait() == -signal.SIGKILL
    assert path.read_text().startswith(f"process {process.pid} on ")
    with held(path):
        assert path.read_text().startswith(f"process {os.getpid()} on ")
    (said,) = caplog.messages
    assert f"left by process {process.pid} on " in said and "which has ended: taken over" in said


def test_without_locks_what_is_there_is_held(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with held(tmp_path / "lock"), pytest.raises(BlockingIOError, match=r"remove .* if that has"):
        with held(tmp_path / "lock"):
            pass
    with held(tmp_path / "lock"):
        pass
