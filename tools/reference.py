"""A hook of mkdocs: a line `::: MODULE` of a page becomes what the module's public names are documented with.

It looks at the imported package, as rows are objects and many names are made by tables: what reads sources
alone would not find them. `::: CLASS` shows one class with its methods.
"""

import importlib
import inspect
import re
import types

from retrograd.core.op import Op

DIRECTIVE = re.compile(r"^::: ([\w.]+)(?: without ([\w, ]+))?$", re.MULTILINE)


def on_page_markdown(markdown, **kwargs):
    return DIRECTIVE.sub(lambda found: shown(found[1], found[2] or ""), markdown)


def shown(path, without=""):
    """The Markdown of a module (or of a class) with its members, but for those named in `without`."""
    thing = resolve(path)
    out = [f"## {path.removeprefix('retrograd.')}", "", prose(thing.__doc__), ""]
    if isinstance(thing, type):
        return "\n".join([*out, *methods(thing, "###")])
    for name in members(thing):
        if name not in without.replace(",", " ").split():
            out += entry(name, getattr(thing, name))
    return "\n".join(out)


def resolve(path):
    module, _, name = path.rpartition(".")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        return getattr(importlib.import_module(module), name)


def members(module):
    """The public names: those of `__all__`, else what is made in retrograd and bound there."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and (isinstance(value, Op) or _is_ours(value))
        ]
    return [n for n in names if not isinstance(getattr(module, n), types.ModuleType)]


def _is_ours(value):
    made_in = getattr(value, "__module__", None)
    return callable(value) and isinstance(made_in, str) and made_in.partition(".")[0] == "retrograd"


def entry(name, value):
    lines = [f"### {name}", ""]
    if not callable(value):
        return [*lines, "A value of " + (type(value).__name__ or "") + ".", ""]
    lines += ["```{.python .no-copy}", ("class " if isinstance(value, type) else "") + name + signature(value)]
    lines += ["```", "", prose(value.__doc__), ""]
    return lines + (methods(value, None) if isinstance(value, type) else [])


def methods(kind, level):
    """Those that the class defines itself and documents; with a level of headings each has one."""
    out = []
    for name, value in vars(kind).items():
        function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if name.startswith("_") or not (callable(function) or isinstance(value, property)):
            continue
        text = prose(getattr(function, "__doc__", None))
        if not text:
            continue
        call = "" if isinstance(value, property) else signature(function).replace("(self, ", "(").replace("(self)", "()")
        if level:
            out += [f"{level} {name}", "", f"`{name}{call}`", "", text, ""]
        else:
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
