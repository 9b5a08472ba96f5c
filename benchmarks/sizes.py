"""What it costs to have the library: time to import it, and bytes on disk."""

import importlib.metadata
import importlib.util
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from .timing import spread
from .worker import ROOT, environment

IMPORT = """
import time
started = time.perf_counter()
import numpy
between = time.perf_counter()
import {}
print(between - started, time.perf_counter() - between)
"""


def measure_import(modules, threads, rounds):
    """Seconds that importing takes beyond `import numpy`, in fresh processes that take turns.

    modules: the modules of retrograd to import; PyTorch has one, which imports its parts.
    """
    times = {"retrograd": [], "torch": []}
    with tempfile.TemporaryDirectory() as cache:
        # Byte code as an installation has it, whatever the shell says about writing it.
        variables = {**environment(threads), "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        for i in range(rounds + 1):
            for library, names in (("retrograd", modules), ("torch", "torch")):
                command = [sys.executable, "-c", IMPORT.format(names)]
                done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise RuntimeError(f"import {names} fails:\n{done.stderr}")
                if i > 0:  # the first one fills the disk cache and writes byte code
                    times[library].append(float(done.stdout.split()[1]))
    return {
        "unit": "s",
        "retrograd": spread(times["retrograd"]),
        "torch": spread(times["torch"]),
        "ratio": spread([a / b for a, b in zip(times["retrograd"], times["torch"], strict=True)]),
        "rounds": rounds,
    }


def measure_size(dependencies):
    """Bytes on disk, without bytecode: of the library alone or with everything that it requires."""
    sizes = {}
    for name in ("retrograd", "torch"):
        names = required(name) if dependencies else [name]
        sizes[name] = {"median": sum(map(size_on_disk, names)), "packages": names}
    return {
        "unit": "B",
        **sizes,
        "ratio": {"median": sizes["retrograd"]["median"] / sizes["torch"]["median"]},
    }


def size_on_disk(name):
    """Bytes of an installed distribution's files; of retrograd's folder where it runs from a source tree."""
    try:
        files = importlib.metadata.distribution(name).files
        paths = [Path(f.locate()) for f in files]
    except importlib.metadata.PackageNotFoundError:
        (folder,) = importlib.util.find_spec(name).submodule_search_locations
        paths = [p for p in Path(folder).rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in paths if p.suffix != ".pyc" and p.exists())


def required(name):
    """`name` and the distributions that it requires on this machine, directly or not, extras aside."""
    found, waiting = [], [name]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.append(name)
        for requirement in map(Requirement, _requirements(name)):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def _requirements(name):
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        if name != "retrograd":
            raise
        return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
