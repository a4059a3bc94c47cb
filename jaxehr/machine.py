"""The machine that this runs on."""

import os
from pathlib import Path

LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)  # of a container
UNKNOWN = 16 * 2**30


def memory() -> int:
    """Bytes of main memory: the machine's, or its container's if that has less; 16 GiB where neither is said."""
    found = []
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        pass
    for path in LIMITS:
        try:
            found.append(int(Path(path).read_text(encoding="ascii")))
        except (OSError, ValueError):  # another system, or "max"
            pass
    return min(found, default=UNKNOWN)
