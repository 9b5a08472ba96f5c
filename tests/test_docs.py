"""The code of every page runs and prints what stands under it; the pages' menu has them all."""

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
