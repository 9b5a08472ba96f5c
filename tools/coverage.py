"""What of PyTorch's public API retrograd has: a page per module, each name with works, differs or missing.

    python tools/coverage.py [--check] [--print MODULE] [--folder docs/coverage]

The names are those of PyTorch 2.13 (tools/api_names.json). A name works where it exists, is called where
PyTorch's is, takes the arguments that PyTorch's takes, by name, order and default, and a class has the public
methods of PyTorch's; the page says whether a test exercises it. What fails one of these, or is listed in
coverage_reasons.py as a documented difference, differs. PyTorch must be installed, to compare signatures.
"""

import argparse
import ast
import functools
import importlib
import json
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

import torch  # noqa: E402
from coverage_reasons import DIFFERS, IGNORED, IGNORED_IN, MISSING, MISSING_PATTERNS  # noqa: E402
from coverage_signatures import compare  # noqa: E402

import retrograd  # noqa: E402

METHODS = "torch.Tensor methods"
FUNCTIONS = ("torch functions", "torch in Python")


def names():
    """Module -> its public names."""
    return json.loads((ROOT / "tools/api_names.json").read_text())


def owner(library, module):
    """What has the module's names as attributes, in PyTorch or in retrograd."""
    if module == METHODS:
        return library.Tensor
    if module in FUNCTIONS:
        return library
    return importlib.import_module(module.replace("torch", library.__name__, 1))


def path(module, name):
    """`linalg.svd`, `Tensor.add`, `add`: as the tests' samples spell it."""
    if module == METHODS:
        return f"Tensor.{name}"
    return name if module in FUNCTIONS else f"{module.removeprefix('torch.')}.{name}"


# --- evidence: who exercises a name ---------------------------------------------------


class Mentions(ast.NodeVisitor):
    """The dotted names that a test file uses, without their root: `nn.functional.relu`, `relu`."""

    def __init__(self):
        self.dotted, self.attributes, self.bare = set(), set(), set()

    def visit_Attribute(self, node):
        parts, inner = [node.attr], node.value
        self.attributes.add(node.attr)
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self.dotted.add(".".join(reversed([*parts, ALIASES.get(inner.id, inner.id)])))
        self.generic_visit(node)

    def visit_ImportFrom(self, node):
        module = (node.module or "").partition(".")[2]
        for alias in node.names:
            self.dotted.add(".".join(filter(None, ["torch", module, alias.name])))

    def visit_Constant(self, node):
        if isinstance(node.value, str) and node.value.isidentifier():
            self.bare.add(node.value)


# What test files call either library.
ALIASES = dict.fromkeys(["retrograd", "lib", "library", "t", "T", "reference", "mine"], "torch")


@functools.cache
def mentioned():
    """All that the tests use."""
    found = Mentions()
    for file in sorted((ROOT / "tests").rglob("*.py")):
        if "samples" not in file.parts and file.name != "test_coverage.py":
            found.visit(ast.parse(file.read_text()))
    return found


@functools.cache
def sampled():
    """The paths that tests/samples call in both libraries, and their in-place forms."""
    import samples
    from retrograd.ops import MODULES

    paths = {s.path for s in samples.every() if isinstance(s.path, str)}
    in_place = {f"Tensor.{n}_" for module in MODULES for n in module.INPLACE}
    return paths | in_place


def evidence(module, name):
    """One phrase: what exercises the name."""
    where = path(module, name)
    plain = where.removeprefix("Tensor.")
    same = [where] + ([plain, f"Tensor.{plain}"] if module in (METHODS, *FUNCTIONS) else [])
    if any(p in sampled() for p in same):
        return "compared with PyTorch on samples"
    used = mentioned()
    named = f"torch.{where}" in used.dotted or name in used.bare
    if named or (module not in FUNCTIONS and name in used.attributes):
        return "used in tests"
    return "no test names it"


# --- judgement ---------------------------------------------------


def judge(module, name):
    """(status, reason) of one name."""
    mine, theirs = owner(retrograd, module), owner(torch, module)
    known = DIFFERS.get(path(module, name))
    try:
        ours = getattr(mine, name)
    except AttributeError:
        return "missing", reason_missing(module, name)
    where = path(module, name)
    problems = compare(ours, getattr(theirs, name), name, module, IGNORED | IGNORED_IN.get(where, set()))
    if known or problems:
        return "differs", "; ".join(filter(None, [known, *problems]))
    return "works", evidence(module, name)


def reason_missing(module, name):
    where = path(module, name)
    if where in MISSING:
        return MISSING[where]
    for pattern, reason in MISSING_PATTERNS:
        if pattern.search(where):
            return reason
    return "not yet"


def table():
    """Module -> {name: (status, reason)}."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {module: {n: judge(module, n) for n in listed} for module, listed in names().items()}


# --- pages ---------------------------------------------------


def file_name(module):
    return module.replace(" ", "-").replace("torch.", "").lower() + ".md"


def counts(judged):
    found = Counter(status for status, _ in judged.values())
    return [found[s] for s in ("works", "differs", "missing")]


HEAD = "<!-- Written by `python tools/coverage.py`: change that, not this. -->\n"


def page(module, judged):
    """The Markdown page of one module: what is missing and differs first."""
    works, differs, missing = counts(judged)
    found = f"{len(judged)} names: {works} work, {differs} differ, {missing} missing.\n"
    lines = [HEAD, f"# {module}\n", found, "| name | | |", "|---|---|---|"]
    order = ("missing", "differs", "works")
    for name, (status, reason) in sorted(judged.items(), key=lambda item: (order.index(item[1][0]), item[0])):
        reason = reason.replace("|", "\\|")
        lines.append(f"| `{name}` | {status} | {reason} |")
    return "\n".join(lines) + "\n"


INTRODUCTION = """# PyTorch's public names here

Every public name of PyTorch 2.13 in these modules. It *works* where it exists, is called where PyTorch's is,
takes the arguments that PyTorch's takes (names, order, defaults), and, if a class, has the public methods of
PyTorch's; the page says whether a test exercises it too. It *differs* where one of these fails or on purpose.
Named dimensions, and what only another device or layout has a use for, are not asked for.
"""


def summary(judged):
    lines = [HEAD, INTRODUCTION, "| module | names | works | differs | missing |", "|---|--:|--:|--:|--:|"]
    for module, found in judged.items():
        works, differs, missing = counts(found)
        lines.append(f"| [{module}]({file_name(module)}) | {len(found)} | {works} | {differs} | {missing} |")
    totals = [sum(c) for c in zip(*[counts(found) for found in judged.values()], strict=True)]
    lines.append(f"| all | {sum(totals)} | {totals[0]} | {totals[1]} | {totals[2]} |")
    return "\n".join(lines) + "\n"


def pages():
    """File name -> text."""
    judged = table()
    return {"index.md": summary(judged), **{file_name(m): page(m, found) for m, found in judged.items()}}


OF_OTHER_TOOLS = ("architectures.md", "other_code.md", "pytorch_tests.md")  # of the tools of these names


def stale(folder):
    """The pages in `folder` that are out of date; who exercises a name that works doesn't count."""

    def statuses(text):
        return re.sub(r"(?m)\| works \|.*", "| works |", text)

    written = {f.name: statuses(f.read_text()) for f in folder.glob("*.md") if f.name not in OF_OTHER_TOOLS}
    wanted = {n: statuses(text) for n, text in pages().items()}
    return sorted(n for n in written.keys() | wanted.keys() if written.get(n) != wanted.get(n))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    parser.add_argument("--print", metavar="MODULE", help="print one page, such as torch.func")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs/coverage")
    options = parser.parse_args()
    if options.print:
        if options.print not in names():
            parser.error(f"no module {options.print!r}; they are {', '.join(names())}")
        print(pages()[file_name(options.print)])
        return 0
    if options.check:
        old = stale(options.folder)
        if old:
            print(f"out of date: {', '.join(old)}; run python tools/coverage.py")
        return bool(old)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (options.folder / name).write_text(text)
    print((options.folder / "index.md").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
