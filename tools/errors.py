"""Makes docs/errors.md: python tools/errors.py. With --check it only tells which errors have no code.

What a code means stands in `retrograd/explain.toml`; the texts that end with it are taken from the sources
themselves. Every error that the sources make has a code, or a reason here why not.
"""

import ast
import builtins
import functools
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from retrograd.explain import catalogue

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "retrograd"
PAGE = ROOT / "docs" / "errors.md"
CODE = re.compile(r"\[(RG\d{3})\]")
EXCEPTIONS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException) and not issubclass(value, Warning)
}
# Calls that make an error: which argument is its text, and the code if that doesn't end with one.
HELPERS = {"job.failed": (0, "RG077"), "_Mismatch": (1, "RG160")}
# In the checkpoint reader: what opens the file adds its name and the code.
READERS = {"CheckpointError": "RG071", "NotAllowedError": "RG070"}
# (file, what is made there, why it has no code)
REASONS = [
    (r"_checkpoint/.*", r"ValueError\('a name appears|ValueError\(f'\{|IndexError$", "caught there"),
    (r"_download\.py", r"(ConnectionError|IsADirectoryError|OSError)\(", "becomes a DownloadError"),
    (r"_partial\.py", r"DownloadError\(", "has the code of who calls it"),
    (r"core/(arrays|elementwise)\.py", r"TypeError$|Unrecordable$", "caught there"),
    (r".*", r"StopIteration$", "ends an iteration"),
    (r"(_ops|ops/aten)\.py", r"AttributeError\(name\)", "Python's own question, for names like `__path__`"),
    (r".*", r"RuntimeError\((modes\.saving_disabled|self\.(error_message|message|text))\)", "text of yours"),
    (r"_utils\.py", r"(KeyError\(_Lines|RuntimeError)\(message", "the worker's own traceback"),
    (r"multiprocessing\.py", r"ProcessRaisedException\(|SystemExit\(", "the worker's own traceback"),
]


@dataclass(frozen=True)
class Site:
    """Where an error is made; text: None where it does not stand there; code: None without one."""

    file: str
    line: int
    kind: str
    text: str | None
    code: str | None
    source: str

    def reason(self):
        """Why it needs no code; None if it does."""
        for file, made, why in REASONS:
            if re.fullmatch(file, self.file) and re.match(made, self.source):
                return why
        return None


@functools.cache
def sites():
    """All places of the sources that make an error, in order."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        found += sites_of(ast.parse(path.read_text()), path.relative_to(SOURCES).as_posix())
    return found


def sites_of(tree, file):
    raised = {id(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc}
    named = _texts_by_name(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            kind = _dotted(node.func)
            place, default = HELPERS.get(kind, (0, None))
            if file.startswith("_checkpoint/") or file == "serialization.py":
                default = READERS.get(kind)
            text = words(node.args[place]) if len(node.args) > place else None
            made = is_exception(kind) or kind in HELPERS or (id(node) in raised and text is not None)
            if made:
                kind = ast.unparse(node.args[0]) if kind == "_Mismatch" else kind
                found.append(Site(file, node.lineno, kind, text, _code(node, named) or default, _line(node)))
        elif id(node) in raised and is_exception(_dotted(node)):
            found.append(Site(file, node.lineno, _dotted(node), None, None, _line(node)))
    return sorted(found, key=lambda site: site.line)


def _dotted(node):
    """`job.failed` of what is called; of what is no name, as much as there is."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def is_exception(name):
    last = name.rpartition(".")[2]
    return last in EXCEPTIONS or re.fullmatch(r"[A-Z]\w*(Error|Exception)|Unrecordable", last) is not None


def _texts_by_name(tree):
    """{name: what is assigned to it, and the function of that name}, for texts that stand elsewhere."""
    named = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.FunctionDef):
            named.setdefault(node.name, []).append(node)
    return named


def _code(call, named):
    """The last code in the arguments, or in what they name."""
    source = " ".join(map(ast.unparse, [*call.args, *(k.value for k in call.keywords)]))
    found = CODE.findall(source) or re.findall(r"'(RG\d{3})'", source)
    if not found:
        names = {node.id for a in call.args for node in ast.walk(a) if isinstance(node, ast.Name)}
        texts = [ast.unparse(there) for name in sorted(names) for there in named.get(name, ())]
        found = CODE.findall(" ".join(texts))
    return found[-1] if found else None


def _line(node):
    return " ".join(ast.unparse(node).split())


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


def uncoded():
    """The errors without a code and without a reason."""
    return [site for site in sites() if site.code is None and site.reason() is None]


def page():
    found = sites()
    lines = [
        "# Errors",
        "",
        "Every error that retrograd raises ends with a code in brackets. `python -m retrograd explain RG001`",
        "shows in the terminal what stands here, and runs the example; without a code it lists them all.",
        "Below each code stand the texts that end with it; `{...}` stands for what was given.",
        "Made by `python tools/errors.py`.",
        "",
    ]
    section = None
    for entry in catalogue().values():
        if entry.section != section:
            section = entry.section
            lines += [f"## {section}", ""]
        lines += [f"### {entry.code}: {entry.title}", "", f"**Why.** {entry.cause.strip()}", ""]
        lines += [f"**What to do.** {entry.remedy.strip()}", "", "```{.python}", entry.example, "```", ""]
        lines += _texts([site for site in found if site.code == entry.code])
    lines += ["## Without a code", "", "What the sources make but nobody sees under their name:", ""]
    rest = {(site.kind, site.file, site.reason()): None for site in found if site.code is None}
    lines += [f"- `{kind}` in `{file}`: {why}" for kind, file, why in sorted(rest, key=lambda r: r[1])]
    return "\n".join(lines) + "\n"


def _texts(found):
    texts = {(s.kind, " ".join(CODE.sub("", s.text).split())): None for s in found if s.text is not None}
    if not texts:
        return []
    title = "1 text" if len(texts) == 1 else f"{len(texts)} texts"
    lines = [f"- `{kind}`: {escaped(text)}" for kind, text in texts]
    return ["<details markdown>", f"<summary>{title}</summary>", "", *lines, "", "</details>", ""]


def escaped(text):
    for sign in "\\`*_<>|[]":
        text = text.replace(sign, "\\" + sign)
    return text


def main(arguments):
    missing = uncoded()
    for site in missing:
        print(f"src/retrograd/{site.file}:{site.line}: no code: {site.source[:150]}")
    if "--check" not in arguments:
        PAGE.write_text(page())
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
