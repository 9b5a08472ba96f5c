"""The pages of PyTorch's names in docs/coverage: up to date, and true."""

import re

import pytest
import torch

import retrograd
from tool import ROOT, tool

coverage = tool("coverage.py")  # under another name: there is a well-known package of this one
coverage_signatures = tool("coverage_signatures.py")

FOLDER = ROOT / "docs/coverage"


def test_pages_are_up_to_date():
    old = coverage.stale(FOLDER)
    assert not old, f"{', '.join(old)}: run python tools/coverage.py"


@pytest.mark.parametrize("module", coverage.names())
def test_pages_are_true(module):
    """What a page calls missing is absent, what else it lists is there; all names are listed."""
    page = (FOLDER / coverage.file_name(module)).read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", page, re.M)
    assert sorted(n for n, _, _ in rows) == sorted(coverage.names()[module])
    mine = coverage.owner(retrograd, module)
    for name, status, reason in rows:
        assert hasattr(mine, name) == (status != "missing"), f"{name} is listed as: {status}"
        assert reason, f"{name} has no reason"
        if status == "works":
            theirs = getattr(coverage.owner(torch, module), name)
            assert callable(getattr(mine, name)) == callable(theirs), f"{name}: callable or not"


def test_names_are_pytorchs():
    for module, names in coverage.names().items():
        absent = [n for n in names if not hasattr(coverage.owner(torch, module), n)]
        assert not absent, f"PyTorch has no {absent} in {module}"


def test_reasons_are_of_names_that_exist():
    paths = {coverage.path(m, n) for m, names in coverage.names().items() for n in names}
    listed = [*coverage.DIFFERS, *coverage.MISSING, *coverage.IGNORED_IN]
    assert sorted(set(listed) - paths) == [], "no such names"
    here = {coverage.path(m, n) for m, names in coverage.names().items() for n in names
            if hasattr(coverage.owner(retrograd, m), n)}  # fmt: skip
    assert sorted(set(coverage.MISSING) & here) == [], "listed as missing, but here"
    assert sorted(set(coverage.DIFFERS) - here) == [], "listed as different, but missing"


def a(x, *, dim=1, out=None):
    """What PyTorch has, in the tests below."""


@pytest.mark.parametrize(
    "function, problem",
    [
        (lambda x, *, dim=1, out=None: None, None),
        (lambda x, dim=1, out=None, more=0: None, None),
        (lambda x, *, dim=1: None, "does not take `out`"),
        (lambda y, *, dim=1, out=None: None, "does not take `x`"),
        (lambda x, *, dim=2, out=None: None, "`dim` is `2`, in PyTorch `1`"),
        (lambda x, dim, out=None: None, "`dim` is required, in PyTorch `1`"),
        (3, "is not callable"),
    ],
)
def test_signatures_are_compared(function, problem):
    found = coverage_signatures.compare(function, a, "a", "torch functions", set())
    assert found == ([problem] if problem else [])


def test_order_of_arguments_is_compared():
    mine, theirs = lambda y, x: None, lambda x, y: None
    found = coverage_signatures.compare(mine, theirs, "no_stub", "torch functions", set())
    assert found == ["takes arguments in the order y, x"]


def test_methods_of_classes_are_compared():
    class Mine:
        def one(self):
            pass

    class Theirs(Mine):
        def two(self):
            pass

    assert coverage_signatures.compare(Mine, Theirs, "Theirs", "torch.nn", set()) == ["lacks `two`"]
