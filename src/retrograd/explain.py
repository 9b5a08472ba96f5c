"""What the code at the end of an error means: `python -m retrograd explain RG001`.

The texts stand in `explain.toml`; where an error is raised, its text ends with the code in brackets.
"""

import contextlib
import io
import itertools
import os
import re
import shutil
import tempfile
import textwrap
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """code: RG and three digits. title: a sentence. cause, remedy: paragraphs. example: code that fails.
    section: the subject that it belongs to."""

    code: str
    section: str
    title: str
    cause: str
    remedy: str
    example: str


def catalogue():
    """{code: Entry} of all codes."""
    import tomllib

    with open(Path(__file__).with_suffix(".toml"), "rb") as file:
        found = tomllib.load(file)
    sections = found.pop("sections")
    return {
        code: Entry(code, [title for first, title in sections if first <= int(code[2:])][-1], **texts)
        for code, texts in found.items()
    }


def explain(code):
    """Print what `code` means and what its example prints; no code: list all; a word: those that have it.
    Gives the exit status."""
    entries = catalogue()
    if code is None:
        _list(entries.values())
        return 0
    entry = entries.get(_spelled(code))
    if entry is None:
        found = _like(code, entries)
        if not found:
            print(f"explain: there is no code {code!r}, and none speaks of that; `explain` alone lists all")
            return 2
        print(f"explain: there is no code {code!r}; perhaps one of these:")
        _list(found)
        return 2
    print(f"{entry.code}: {entry.title}\n")
    print(
        _paragraph("Why: ", entry.cause), _paragraph("What to do: ", entry.remedy), "For example:", sep="\n\n"
    )
    print("\n" + textwrap.indent("import retrograd as torch\n\n" + entry.example.strip("\n"), "    "))
    print(f"\nwhich ends with\n\n{textwrap.indent(outcome(entry), '    ')}")
    return 0


def _list(entries):
    for section, group in itertools.groupby(entries, lambda entry: entry.section):
        print(section)
        for entry in group:
            print(f"  {entry.code}  {entry.title}")
    print("\n`python -m retrograd explain CODE` tells why, what to do, and runs an example.")


def _spelled(code):
    """`code` as the catalogue has it: for "[RG031]", "rg31" and "31" it is RG031."""
    number = re.fullmatch(r"\[?(?:RG)?(\d{1,3})\]?", code.strip(), re.IGNORECASE)
    return f"RG{int(number[1]):03}" if number else code.upper()


def _like(code, entries):
    """The entries that a wrong code, or a word, may mean: near by their number, or those that speak of it."""
    code = _spelled(code)
    if re.fullmatch(r"RG\d{3}", code):
        near = sorted(entries, key=lambda other: abs(int(other[2:]) - int(code[2:])))[:3]
        return [entries[other] for other in sorted(near)]
    word = code.lower()
    titled = [e for e in entries.values() if word in e.title.lower()]
    return titled or [e for e in entries.values() if word in f"{e.cause} {e.remedy}".lower()]


def outcome(entry):
    """The error that the example raises, as Python shows it; it runs in an empty folder."""
    import retrograd

    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            os.chdir(folder)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                program = compile(entry.example, "example.py", "exec")
                exec(program, {"torch": retrograd, "__name__": "example"})
        except Exception as error:
            return "".join(traceback.format_exception_only(error)).rstrip()
        finally:
            os.chdir(before)
    return "no error"


def _paragraph(start, text):
    width = min(shutil.get_terminal_size().columns, 100)
    return textwrap.fill(start + " ".join(text.split()), width, break_on_hyphens=False)
