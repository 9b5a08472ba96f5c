"""What the code at the end of an error means: `python -m retrograd explain RG001`.

The texts stand in `explain.toml`; where an error is raised, its text ends with the code in brackets.
"""

import contextlib
import difflib
import io
import itertools
import os
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
    """Print what `code` means and what its example prints; no code: list all. Gives the exit status."""
    entries = catalogue()
    if code is None:
        for section, group in itertools.groupby(entries.values(), lambda entry: entry.section):
            print(section)
            for entry in group:
                print(f"  {entry.code}  {entry.title}")
        print("\n`python -m retrograd explain CODE` tells why, what to do, and runs an example.")
        return 0
    entry = entries.get(code.upper().strip("[]()"))
    if entry is None:
        near = ", ".join(difflib.get_close_matches(code.upper(), entries, 3)) or "none is like it"
        print(f"explain: there is no code {code!r} ({near}); without a code, `explain` lists all")
        return 2
    print(f"{entry.code}: {entry.title}\n")
    print(f"Why: {_indented(entry.cause)}\n\nWhat to do: {_indented(entry.remedy)}\n\nFor example:\n")
    print(textwrap.indent("import retrograd as torch\n\n" + entry.example, "    "))
    print(f"\nwhich ends with\n\n{textwrap.indent(outcome(entry), '    ')}")
    return 0


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


def _indented(text):
    return " ".join(text.split())
