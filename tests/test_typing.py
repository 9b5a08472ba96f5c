"""Types of the public names: the stubs are as the sources, and pyright is content with the examples."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_stubs_are_as_the_sources_are():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "stubs.py", "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, f"run python tools/stubs.py; {done.stdout}{done.stderr}"


def pyright(*paths):
    """pyright's findings as [(file, line, message)]; skips where it can't start."""
    pytest.importorskip("pyright", reason="pyright is not installed")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *paths]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    try:
        found = json.loads(done.stdout)["generalDiagnostics"]
    except ValueError:
        pytest.skip(f"pyright did not start: {done.stderr.strip()[-200:]}")
    return [
        (d["file"], d["range"]["start"]["line"] + 1, d["message"]) for d in found if d["severity"] == "error"
    ]


def test_the_examples_are_well_typed():
    assert pyright() == []


def test_a_wrong_call_is_found(tmp_path):
    program = tmp_path / "wrong.py"
    program.write_text(
        "import retrograd as torch\n"
        "x = torch.ones(2)\n"
        "torch.relu(5)\n"
        "x.no_such_method()\n"
        "torch.nn.Linear(2, 3, biass=True)\n"
        "y: str = x.exp()\n"
    )
    assert sorted(line for _, line, _ in pyright(str(program))) == [3, 4, 5, 6]


def test_a_layer_is_a_module_and_a_parameter_a_tensor(tmp_path):
    program = tmp_path / "bases.py"
    program.write_text(
        "import retrograd as torch\n"
        "from retrograd import nn\n"
        "layers: list[nn.Module] = [nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.LSTM(2, 2)]\n"
        "x: torch.Tensor = nn.Parameter(torch.ones(2))\n"
        "y: nn.Module = torch.optim.SGD([x], lr=1.0)\n"
    )
    assert [line for _, line, _ in pyright(str(program))] == [5]
