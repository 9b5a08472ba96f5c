"""Makes docs/errors.md: python tools/errors.py

First the errors with a code, from `retrograd/explain.toml`; then a line for every other error that the
sources raise, by module, taken from the sources themselves: those say in their text what to do.
"""

import ast
from pathlib import Path

from retrograd.explain import catalogue

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "retrograd"
PAGE = ROOT / "docs" / "errors.md"


def main():
    PAGE.write_text(page())


def page():
    lines = [
        "# Errors",
        "",
        "Many errors end with a code in brackets. `python -m retrograd explain RG001` shows in the terminal",
        "what stands here, and runs the example. Made by `python tools/errors.py`.",
        "",
    ]
    for entry in catalogue().values():
        lines += [f"## {entry.code}: {entry.title}", "", f"**Why.** {entry.cause.strip()}", ""]
        lines += [f"**What to do.** {entry.remedy.strip()}", "", "```{.python}", entry.example, "```", ""]
    lines += ["## All others", "", "What is raised without a code; `{...}` stands for what was given.", ""]
    for path in sorted(SOURCES.rglob("*.py")):
        found = raised(ast.parse(path.read_text()))
        if found:
            lines += [f"### {path.relative_to(SOURCES).as_posix()}", ""]
            lines += [f"- `{kind}`: {text}" for kind, text in found]
            lines.append("")
    return "\n".join(lines)


def raised(tree):
    """[(kind, text)] of the `raise` statements whose text stands there and has no code, each once."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            text = words(node.exc.args[0])
            if text and "[RG" not in text:
                found[ast.unparse(node.exc.func), " ".join(text.split())] = None
    return [(kind, escaped(text)) for kind, text in found]


def words(node):
    """The text of a literal, an f-string or a sum of them; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{...}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = words(node.left), words(node.right)
        return None if parts == (None, None) else "".join(part or "{...}" for part in parts)
    return None


def escaped(text):
    for sign in "\\`*_<>|[]":
        text = text.replace(sign, "\\" + sign)
    return text


if __name__ == "__main__":
    main()
