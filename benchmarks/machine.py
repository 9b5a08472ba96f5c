"""What the figures were measured on."""

import os
import platform
from pathlib import Path

from .worker import Worker

# glibc's malloc: no mapping by itself for large blocks, and none given back.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
               "MALLOC_TOP_PAD_": str(1 << 26)}  # fmt: skip


def describe(threads):
    """The machine and both libraries, as a dict for the JSON and the head of the table."""
    libraries = {}
    for library in ("retrograd", "torch"):
        with Worker(library, threads) as worker:
            libraries[library] = worker.ask("describe")
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory": _memory(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": load(),
        "threads": threads,
        "malloc": {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")},
        **libraries,
    }


def load():
    """The load average of the last minute; None where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory():
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a POSIX system, or one that doesn't tell
        return None
