"""What the parts share."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "corpus"


def python(code, *arguments, timeout=600, **environment):
    """Run `code` in a process of its own, with this one's search path; gives the finished process."""
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], text=True,
                          capture_output=True, timeout=timeout, env=surroundings(**environment))  # fmt: skip


def start(code, *arguments, **environment):
    """The same, not waited for."""
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=surroundings(**environment), start_new_session=True)  # fmt: skip


def surroundings(**more):
    """The environment for such a process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **more}


def resident():
    """Bytes of memory that this process occupies now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files():
    """How many files and pipes this process has open."""
    return len(os.listdir("/proc/self/fd"))
