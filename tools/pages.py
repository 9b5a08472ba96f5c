"""Runs the code of the documentation: python tools/pages.py [--write] [PAGE ...]

The Python blocks of a page run in order, in one namespace and an empty folder. A `text` block that follows
one is what it prints, or the error that it raises: it is compared, or written anew with --write. Blocks of
other languages are left alone, and so is a Python block after the comment <!-- not run: REASON -->.
"""

import argparse
import contextlib
import difflib
import io
import linecache
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^>]+-->\n+)?^```python\n(?P<code>.*?)^```\n"
    r"(?:\n*^```text\n(?P<text>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


def pages():
    """All pages with Python in them."""
    return [path for path in sorted(DOCS.rglob("*.md")) if "```python" in path.read_text()]


def run(path):
    """The page with every `text` block as the code before it prints it now; raises what the code raises."""
    page = path.read_text()
    namespace = {"__name__": "__main__"}
    count = 0

    def replaced(block):
        nonlocal count
        if block["skip"]:
            return block[0]
        count += 1
        shown = execute(block["code"], namespace, f"example_{count}.py", raises=block["text"] is not None)
        if block["text"] is None:
            return block[0]
        return block[0][: block.start("text") - block.start()] + shown + "```"

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return BLOCK.sub(replaced, page)


def execute(code, namespace, name, raises):
    """What `code` prints; if it may raise, the error's name and text too."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(code, name, "exec"), namespace)
    except Exception as error:
        if not raises:
            raise
        out.write("".join(traceback.format_exception_only(error)))
    text = re.sub(r"[ \t]+$", "", out.getvalue(), flags=re.MULTILINE).replace(os.getcwd() + os.sep, "")
    return text if text.endswith("\n") or not text else text + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--write", action="store_true", help="write what the code prints into the pages")
    options = parser.parse_args()
    different = 0
    for path in options.pages or pages():
        before, after = path.read_text(), run(path.resolve())
        print(f"{path}: {'as it prints' if before == after else 'DIFFERENT'}")
        if before != after:
            different += 1
            if options.write:
                path.write_text(after)
            else:
                sys.stdout.writelines(
                    difflib.unified_diff(before.splitlines(True), after.splitlines(True), "page", "now")
                )
    return 1 if different and not options.write else 0


if __name__ == "__main__":
    sys.exit(main())
