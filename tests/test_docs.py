"""The code of every page runs and prints what stands under it; the pages' menu has them all."""

import importlib
import json
import re

import pytest

from tool import ROOT, tool

pages = tool("pages.py")


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled", "ignore:Error detected in")
@pytest.mark.parametrize("path", pages.pages(), ids=lambda path: path.stem)
def test_prints_what_the_page_says(path):
    assert pages.run(path) == path.read_text()


def test_the_menu_has_every_page():
    menu = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    docs = ROOT / "docs"
    assert [page for page in menu if not (docs / page).exists()] == []
    here = [path.relative_to(docs).as_posix() for path in docs.rglob("*.md")]
    assert sorted(p for p in here if not p.startswith(("coverage/", "benchmarks/"))) == sorted(
        p for p in menu if not p.startswith("coverage/")
    )


def test_a_page_that_prints_something_else_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\nraise ValueError('no')\n```\n\n```text\n3\n```\n")
    assert "```text\n2\nValueError: no\n```" in pages.run(page)
    page.write_text("```python\nraise ValueError('no')\n```\n")
    with pytest.raises(ValueError):
        pages.run(page)


@pytest.mark.parametrize("name", ["tutorial", "nan-hunt", "freeze-digits"])
def test_the_notebook_is_its_page(name):
    """Its cells are the page's code, in order, which the first test runs."""
    notebooks = tool("notebooks.py")
    text = (ROOT / "docs" / "notebooks" / f"{name}.ipynb").read_text()
    assert text == notebooks.written(name), "run python tools/notebooks.py"
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    page = (ROOT / "docs" / f"{name}.md").read_text()
    assert ["".join(cell["source"]) + "\n" for cell in cells] == re.findall(
        r"```python\n(.*?)```", page, re.DOTALL
    )


REFERENCE = "\n".join(path.read_text() for path in sorted((ROOT / "docs" / "reference").glob("*.md")))
reference = tool("reference.py")


@pytest.mark.parametrize("module", reference.DIRECTIVE.findall(REFERENCE))
def test_the_reference_has_what_a_module_offers(module):
    page = reference.on_page_markdown(f"::: {module}")
    names = reference.members(importlib.import_module(module))
    assert names and re.findall(r"^### (\w+)$", page, re.MULTILINE) == names
    assert page.count("```") % 2 == 0 and " at 0x" not in page


def test_the_reference_has_every_public_module():
    """Those of which the coverage tables count the names, and what is retrograd's own."""
    counted = re.findall(r"\[torch\.([\w.]+)\]", (ROOT / "docs" / "coverage" / "index.md").read_text())
    own = "draw profiler safetensors serialization hub distributions testing kernels vision.models".split()
    described = {name.removeprefix("retrograd.") for name in reference.DIRECTIVE.findall(REFERENCE)}
    elsewhere = {"Tensor", "autograd.grad_mode"}  # under retrograd and autograd
    assert [m for m in counted + own if m not in described | elsewhere] == []


def test_docstrings_become_markdown_that_shows_their_signs():
    text = "Sums *args of x_shape, see `a_b` and <i>.\n\n    code_of(x)\n\nEnd [1]."
    assert reference.prose(text) == (
        r"Sums \*args of x\_shape, see `a_b` and \<i>." + "\n\n```{.text .no-copy}\n    code_of(x)\n\n```\n\n"
        r"End \[1]."
    )


def test_the_tour_of_the_inside_names_what_is_there():
    table = (ROOT / "docs" / "inside.md").read_text().partition("## Where to read on")[2]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    names = [name for cell in cells for name in re.findall(r"`([\w./]+)`", cell)]
    assert len(names) > 25
    assert [name for name in names if not (ROOT / "src" / "retrograd" / name).exists()] == []
