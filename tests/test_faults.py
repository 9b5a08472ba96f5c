"""The commands of tools/faults in their quick form, and that they can fail; docs/faults.md has long ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrograd import kernels

ROOT = Path(__file__).parents[1]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="signals, limits and /proc as Linux has them")


def faults(*arguments, **environment):
    """Runs the command; what it printed."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "faults", *arguments],
        text=True,
        capture_output=True,
        timeout=500,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **environment},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@LINUX
def test_hostile_files():
    said = faults("checkpoints", "--quick")
    assert " hostile files refused" in said and " with a byte changed" in said


@LINUX
def test_fuzzing_by_chance():
    said = faults("fuzz", "--quick", "--random")
    assert " 0 failed" in said and " 0 accepted" not in said and " 0 refused" not in said


@LINUX
def test_downloads():
    assert "a read-only cache" in faults("downloads", "--quick")


@LINUX
def test_saving():
    said = faults("saving", "--quick")
    assert "30 kills during saves" in said and " 0 none that loads" in said


def test_numbers():
    said = faults("numbers", "--quick")
    assert " 0 lose one" in said and " 0 differ from PyTorch" in said


@LINUX
def test_long():
    said = faults("long", "--quick")
    assert "errors that name it, 0 otherwise" in said and "MemoryErrors in the forward pass" in said


def test_threads():
    assert faults("threads", "--quick").count("in 2 rounds") == 7


@LINUX
@pytest.mark.skipif(not kernels.available(), reason="there are no compiled kernels to call")
def test_native():
    assert " 0 crashed or wrote outside their arrays" in faults("native", "--quick")


def test_supply(tmp_path):
    bill = tmp_path / "bill.json"
    faults("supply", "--sbom", bill)
    assert '"bomFormat": "CycloneDX"' in bill.read_text() and "pkg:pypi/numpy@" in bill.read_text()


def test_the_watch_sees_a_reader_that_executes_or_reads_elsewhere(monkeypatch):
    """The fuzzer's own check: a reader that does what a file says is caught, whatever it does."""
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "faults"))
    import reading

    for deed in (
        lambda: os.system("true"),
        lambda: exec("1"),
        lambda: open(os.devnull),
        lambda: __import__("this_is_no_module"),
    ):
        monkeypatch.setattr(reading, "readings", lambda data, deed=deed: [("load", deed)])
        with pytest.raises(reading.Executed):
            reading.read(b"")


def test_the_guards_see_a_write_beside_an_array(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "faults"))
    import numpy as np
    from parts import native

    guarded = []
    array = native.between_guards(np.ones((2, 3)), guarded)
    assert native.intact(guarded[0])
    np.lib.stride_tricks.as_strided(array, (7,), (8,))[6] = 0
    assert not native.intact(guarded[0])
