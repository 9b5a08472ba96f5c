"""What a user installs: small, complete, and working without a compiler."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import retrograd
from retrograd import kernels

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def installed_files():
    """The files of the installed package; skips where the tests run from a source tree."""
    try:
        files = metadata.distribution("retrograd").files
    except metadata.PackageNotFoundError:
        pytest.skip("retrograd is not installed here: it is imported from a source tree")
    return [f for f in files if f.parts[0] == "retrograd"]


def test_version_is_told_once():
    installed_files()
    assert metadata.version("retrograd") == retrograd.__version__


def test_required_dependencies_are_few():
    names = {name.split(">")[0] for name in PROJECT["dependencies"]}
    assert names == {"numpy", "tqdm", "ml_dtypes", "filelock"}


def test_installed_size():
    files = installed_files()
    size = sum(Path(f.locate()).stat().st_size for f in files if f.suffix != ".pyc")
    assert size < 10e6
    assert kernels.native is None or any(f.name.startswith("_native") for f in files)


def test_ci_runs_the_command_of_the_readme():
    command = 'pip install ".[test]" && pip install --no-deps torchvision==0.28.0 && python -m pytest'
    assert command in (ROOT / "README.md").read_text()
    assert command in (ROOT / ".ci/run").read_text()


def test_without_a_compiler_the_install_says_so_and_is_pure_python(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "env", "uname"):
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "CMakeLists.txt", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in ("native", "src"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    build = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), str(source)],
        env={**os.environ, "PATH": str(tools), "CC": "/nonexistent", "CXX": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "No matching distribution found for scikit-build-core" in build.stderr:
        pytest.skip("no package index can be reached, to fetch the build backend from")
    assert build.returncode == 0, build.stderr[-2000:]
    assert "pure.Python.without.compiled.kernels" in build.stdout, "the line that pip shows"
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "retrograd/kernels/cpu.py" in names and not any(n.endswith(".so") for n in names)
    assert wheel.stat().st_size < 2e6
