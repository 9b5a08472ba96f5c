"""The examples run, and print PyTorch's numbers when PyTorch runs the same file."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def last_loss(path, steps, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(path), "--steps", str(steps)])
    runpy.run_path(str(path), run_name="__main__")
    return float(re.search(r"^loss (\S+)$", capsys.readouterr().out, re.MULTILINE)[1])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_prints_pytorchs_loss(path, tmp_path, capsys, monkeypatch):
    """Three steps of the file as it stands, and of the file with PyTorch's name in the imports."""
    twin = tmp_path / path.name
    source = (
        path.read_text()
        .replace("import retrograd as torch", "import torch")
        .replace("from retrograd", "from torch")
    )
    assert "retrograd" not in source
    twin.write_text(source)
    ours = last_loss(path, 3, capsys, monkeypatch)
    assert ours == pytest.approx(last_loss(twin, 3, capsys, monkeypatch), rel=1e-3)


def test_the_page_lists_every_example():
    page = (EXAMPLES[0].parent / "README.md").read_text()
    assert re.findall(r"`python examples/(\w+)\.py`", page), "the page names no example"
    assert sorted(re.findall(r"`python examples/(\w+)\.py`", page)) == [path.stem for path in EXAMPLES]
