"""What the parts share."""

import os
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "corpus"


def python(code, *arguments, timeout=600, **environment):
    """Run `code` in a process of its own, with this one's search path; gives the finished process."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        text=True,
        capture_output=True,
        timeout=timeout,
        env=surroundings(**environment),
    )


def start(code, *arguments, **environment):
    """The same, not waited for."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings(**environment),
        start_new_session=True,
    )


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


def forked(body):
    """The id of a copy of this process that runs `body` and ends with status 0, or 1 after an error."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        try:
            body()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return process


def pytest(*arguments, **environment):
    """Run tests in a process of their own; prints their result, gives the failures."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        text=True,
        capture_output=True,
        env=surroundings(**environment),
    )
    lines = done.stdout.splitlines() or [done.stderr]
    print("the tests", *(a for a in arguments if a.startswith("tests/")), "-", lines[-1])
    return [] if done.returncode == 0 else lines[-20:]
