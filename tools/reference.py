"""A hook of mkdocs: a line `::: MODULE` of a page becomes what the module's public names are documented with.

It looks at the imported package, as rows are objects and many names are made by tables: what reads sources
alone would not find them.
"""

import importlib
import inspect
import re
import textwrap
import types

from retrograd.core.op import Op

DIRECTIVE = re.compile(r"^::: ([\w.]+)$", re.MULTILINE)
WIDTH = 80  # of a signature's lines


def on_page_markdown(markdown, **kwargs):
    return DIRECTIVE.sub(lambda found: shown(found[1]), markdown)


def shown(path):
    """The Markdown of a module with its members."""
    module = importlib.import_module(path)
    out = [f"## {path.removeprefix('retrograd.')}", "", prose(module.__doc__), ""]
    for name in members(module):
        out += entry(name, getattr(module, name))
    return "\n".join(out)


def members(module):
    """The public names: those of `__all__`, else what is made in retrograd and bound there."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and (isinstance(value, Op) or _is_ours(value))
        ]
    return sorted((n for n in names if not isinstance(getattr(module, n), types.ModuleType)), key=str.lower)


def _is_ours(value):
    made_in = getattr(value, "__module__", None)
    return callable(value) and isinstance(made_in, str) and made_in.partition(".")[0] == "retrograd"


def entry(name, value):
    lines = [f"### {name}", ""]
    if not callable(value):
        return [*lines, f"A `{type(value).__name__}`.", ""]
    call = ("class " if isinstance(value, type) else "") + name + signature(value)
    if len(call) > WIDTH:
        start, _, rest = call.partition("(")
        inner = textwrap.fill(rest.rstrip(")"), WIDTH, initial_indent="    ", subsequent_indent="    ")
        call = f"{start}(\n{inner}\n)"
    lines += ["```{.python .no-copy}", call, "```", "", prose(value.__doc__), ""]
    return lines + (methods(value) if isinstance(value, type) else [])


def methods(kind):
    """Those that the class defines itself and documents, as a list."""
    out = []
    for name, value in vars(kind).items():
        function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        text = prose(getattr(function, "__doc__", None))
        if name.startswith("_") or not text or not (callable(function) or isinstance(value, property)):
            continue
        call = (
            ""
            if isinstance(value, property)
            else re.sub(r"^\((self|cls)(, |(?=\)))", "(", signature(function))
        )
        out += [f"- `{name}{call}`: " + text.replace("\n", "\n    "), ""]
    return out


def signature(value):
    if isinstance(value, Op):
        given = [p if p not in value.defaults else f"{p}={value.defaults[p]!r}" for p in value.parameters]
        return f"({', '.join([*given, '*', 'out=None'])})"
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return "(...)"
    return re.sub(r"<[^<>]*?([\w.]+)(?: at 0x[0-9a-f]+)?>", r"\1", text)  # a default that is an object


def prose(text):
    """A docstring as Markdown: its indented parts as code, its signs as they are."""
    if not text:
        return ""
    out, code = [], False
    for line in inspect.cleandoc(text).splitlines():
        indented = line.startswith("    ")
        if indented and not code and (not out or not out[-1]):
            out.append("```{.text .no-copy}")
            code = True
        elif code and line and not indented:
            out += ["```", ""]
            code = False
        out.append(line if code else _escaped(line))
    return "\n".join([*out, "```"] if code else out)


def _escaped(line):
    """What Markdown would take for emphasis, HTML or a link stays text; what stands in backticks is left."""
    parts = line.split("`")
    return "`".join(p if i % 2 else re.sub(r"([*_<\[])", r"\\\1", p) for i, p in enumerate(parts))
