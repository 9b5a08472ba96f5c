"""Makes docs/notebooks/*.ipynb of pages of the documentation: python tools/notebooks.py

The text becomes cells of text, each Python block a cell of code, and the `text` block after it its output.
The pages' code is run by the tests, so the notebooks run.
"""

import json

from pages import BLOCK, DOCS

PAGES = ["tutorial", "nan-hunt", "freeze-digits"]


def notebook(page):
    """The notebook of a page, as a dict."""
    cells, at = [], 0
    for block in BLOCK.finditer(page):
        cells += text_cell(page[at : block.start()])
        at = block.end()
        outputs = []
        if block["text"]:
            outputs = [{"name": "stdout", "output_type": "stream", "text": block["text"].splitlines(True)}]
        source = block["code"].rstrip("\n").splitlines(True)
        cells.append(
            {
                "cell_type": "code",
                "execution_count": None,
                "metadata": {},
                "outputs": outputs,
                "source": source,
            }
        )
    cells += text_cell(page[at:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": python}, "nbformat": 4, "nbformat_minor": 5}


def text_cell(text):
    text = text.strip("\n")
    return [{"cell_type": "markdown", "metadata": {}, "source": text.splitlines(True)}] if text else []


def written(name):
    """The text of the notebook of the page called `name`."""
    return json.dumps(notebook((DOCS / f"{name}.md").read_text()), indent=1) + "\n"


def main():
    for name in PAGES:
        path = DOCS / "notebooks" / f"{name}.ipynb"
        path.write_text(written(name))
        print(path)


if __name__ == "__main__":
    main()
