"""The codes at the end of errors: each is explained, and each example really ends with its code."""

import re
from pathlib import Path

import pytest

from retrograd.cli import main
from retrograd.explain import catalogue, outcome

ROOT = Path(__file__).parents[1]
ENTRIES = catalogue()


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.code)
def test_the_example_ends_with_the_code(entry):
    assert f"[{entry.code}]" in outcome(entry)


def test_every_code_that_is_raised_is_explained_and_the_other_way_round():
    raised = set()
    for path in (ROOT / "src" / "retrograd").rglob("*.py"):
        raised |= set(re.findall(r"\[?(RG\d{3})\]?\"", path.read_text()))
    assert raised == set(ENTRIES)


def test_the_page_has_every_code():
    page = (ROOT / "docs" / "errors.md").read_text()
    assert re.findall(r"^## (RG\d{3}): ", page, re.MULTILINE) == list(ENTRIES)


def test_explains_in_the_terminal(capsys):
    assert main(["explain", "rg006"]) == 0
    said = capsys.readouterr().out
    assert "RG006" in said and "What to do: " in said and "grad can be implicitly created only" in said


def test_lists_all_codes_and_knows_a_wrong_one(capsys):
    assert main(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ENTRIES)
    assert main(["explain", "RG999"]) == 2
    assert "no code 'RG999'" in capsys.readouterr().out
