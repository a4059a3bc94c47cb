"""Ctrl-C and SIGTERM end a command at once, with 130 and 143, and nothing half-written stays.

Nothing is raised in a handler: Python runs handlers wherever the main thread happens to be, and in a callback of the
garbage collector or of a weak reference, of which JAX has some, what is raised is printed and dropped; raised under a
native frame, such as a compilation's, it unwinds an interpreter that the compiler's threads still use. A thread hears
of the signal instead, whatever the main thread does, takes away what was begun, and ends the process.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jaxehr.files import drop_begun

STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """While training has its own handler, which saves first, only a second signal ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hears, tells = os.pipe()
    os.set_blocking(tells, False)
    before = {n: signal.signal(n, _noted) for n in STOPS if signal.getsignal(n) != signal.SIG_IGN}
    wakeup = signal.set_wakeup_fd(tells)
    threading.Thread(target=_listen, args=(hears,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(tells)


def _noted(number: int, frame) -> None:
    """Stands for: no one else handles it."""


def _listen(hears: int) -> None:
    seen = 0
    while heard := os.read(hears, 1):
        if heard[0] in STOPS:
            seen += 1
            if seen > 1 or signal.getsignal(heard[0]) is _noted:
                _end(heard[0])
    os.close(hears)


def _end(number: int) -> None:
    drop_begun()
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    os.write(2, f"{show_cursor}jaxehr: stopped\n".encode())
    os._exit(128 + number)
