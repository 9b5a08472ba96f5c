"""The commands of tools/faults in their quick form, and that they can fail; docs/faults.md has long ones."""

import json
import os
import subprocess
import sys
import zipfile
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
    assert "refused in one line, 0 otherwise" in said


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


def test_known_vulnerabilities_are_looked_up_in_files(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "faults"))
    from parts import supply

    def advisory(number, name="NumPy", ecosystem="PyPI", versions=(), **more):
        events = [{key: value} for key, value in more.pop("events", {}).items()]
        affected = {
            "package": {"name": name, "ecosystem": ecosystem},
            "versions": list(versions),
            "ranges": [{"type": "ECOSYSTEM", "events": events}],
        }
        text = json.dumps({"id": f"TEST-{number}", "summary": "bad", "affected": [affected], **more})
        (tmp_path / f"TEST-{number}.json").write_text(text)

    monkeypatch.setattr(supply, "constraints", lambda: {"numpy": "2.4.6", "tqdm": "4.70.1"})
    advisory(1, events={"introduced": "0", "fixed": "2.4.6"})
    advisory(2, events={"introduced": "2.4.7"})
    advisory(3, events={"introduced": "1.0", "last_affected": "2.4.5"})
    advisory(4, versions=["2.4.6"], withdrawn="2026-01-01T00:00:00Z")
    advisory(5, ecosystem="npm", events={"introduced": "0"})
    advisory(6, name="other", events={"introduced": "0"})
    assert supply.offline(tmp_path) == []
    advisory(7, events={"introduced": "2.0", "fixed": "2.10"})
    advisory(8, name="tqdm", versions=["4.70.1"])
    advisory(9, events={"introduced": "0", "last_affected": "2.4.6"})
    found = ["numpy 2.4.6: TEST-7 bad", "tqdm 4.70.1: TEST-8 bad", "numpy 2.4.6: TEST-9 bad"]
    assert supply.offline(tmp_path) == found
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(tmp_path.glob("*.json")):
            archive.write(path, path.name)
    assert supply.offline(tmp_path / "all.zip") == found


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
