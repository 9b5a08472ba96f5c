"""The codes at the end of errors: each is explained, and each example really ends with its code."""

import ast
import re

import pytest

from retrograd.cli import main
from retrograd.explain import catalogue, outcome
from tool import ROOT, tool

ENTRIES = catalogue()
errors = tool("errors.py")


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.code)
def test_the_example_ends_with_the_code(entry):
    text = outcome(entry).partition("\nin the backward of ")[0]  # a note that Python prints below
    assert text.endswith(f"[{entry.code}]")


def test_every_error_has_a_code_or_a_reason_why_not():
    missing = [f"src/retrograd/{site.file}:{site.line}: {site.source[:120]}" for site in errors.uncoded()]
    assert missing == [], "end the text with a code of explain.toml, or see tools/errors.py"


def test_every_code_that_is_raised_is_explained_and_the_other_way_round():
    raised = {site.code for site in errors.sites() if site.code}
    assert raised <= set(ENTRIES)
    # What is raised in ways that the tool doesn't read, such as by a code in a variable.
    sources = "".join(path.read_text() for path in (ROOT / "src" / "retrograd").rglob("*.py"))
    assert [code for code in ENTRIES if code not in raised and code[2:] not in sources] == []


def test_an_error_without_a_code_is_seen():
    tree = ast.parse("def f(n):\n    if n < 0:\n        raise ValueError(f'n is {n}')\n    raise error\n")
    (site,) = errors.sites_of(tree, "ops/some.py")
    assert (site.line, site.kind, site.text, site.code, site.reason()) == (
        3, "ValueError", "n is {...}", None, None,
    )  # fmt: skip
    (site,) = errors.sites_of(ast.parse("raise KeyError(name + ' [RG033]')"), "ops/some.py")
    assert site.code == "RG033"
    (site,) = errors.sites_of(ast.parse("_WHY = 'no [RG137]'\nraise RuntimeError(_WHY)"), "ops/some.py")
    assert site.code == "RG137"


def test_the_page_is_that_of_the_sources():
    page = (ROOT / "docs" / "errors.md").read_text()
    assert page == errors.page(), "run python tools/errors.py"
    assert re.findall(r"^### (RG\d{3}): ", page, re.MULTILINE) == list(ENTRIES)


def test_codes_come_in_order_each_in_a_section():
    assert list(ENTRIES) == sorted(ENTRIES)
    assert all(re.fullmatch(r"RG\d{3}", code) for code in ENTRIES)
    for entry in ENTRIES.values():
        assert entry.title.endswith(".") and entry.cause.strip() and entry.remedy.strip()


def test_explains_in_the_terminal(capsys):
    assert main(["explain", "rg006"]) == 0
    said = capsys.readouterr().out
    assert "RG006" in said and "What to do: " in said and "grad can be implicitly created only" in said


def test_lists_all_codes_and_knows_a_wrong_one(capsys):
    assert main(["explain"]) == 0
    assert re.findall(r"^  (RG\d{3})  \S", capsys.readouterr().out, re.MULTILINE) == list(ENTRIES)
    assert main(["explain", "RG999"]) == 2
    said = capsys.readouterr().out
    assert "no code 'RG999'" in said and re.findall(r"^  (RG\d{3})", said, re.MULTILINE) == list(ENTRIES)[-3:]


@pytest.mark.parametrize("spelled", ["RG031", "rg31", "[RG031]", "31"])
def test_a_code_may_be_spelled_shortly(capsys, spelled):
    assert main(["explain", spelled]) == 0
    assert capsys.readouterr().out.startswith("RG031: The inner sizes")


def test_a_word_lists_the_codes_that_speak_of_it(capsys):
    assert main(["explain", "optimizer"]) == 2
    found = re.findall(r"^  (RG\d{3})", capsys.readouterr().out, re.MULTILINE)
    assert {"RG054", "RG055", "RG080"} <= set(found) and len(found) < 15
    assert main(["explain", "broadcast"]) == 2
    assert "RG030" in capsys.readouterr().out
    assert main(["explain", "zyx"]) == 2
    assert "none speaks of that" in capsys.readouterr().out


def test_lines_fit_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["explain", "RG001"]) == 0
    assert max(map(len, capsys.readouterr().out.partition("For example:")[0].splitlines())) <= 80
