"""Whether a function here takes what PyTorch's takes: names, order and defaults of arguments.

PyTorch's Python functions have signatures. Its compiled ones don't, but their overloads are in the stubs that
PyTorch installs for editors (.pyi), or else in the registry of its operators.
"""

import ast
import functools
import inspect
import re
from pathlib import Path

import torch

from retrograd.core.op import Op

NONE = inspect.Parameter.empty


class Overload:
    """One way to call: parameters in order, each (name, default or NONE), and which kinds of rest it takes.

    positional: how many may be given by position. unnamed: those that can't be given by name.
    """

    def __init__(self, parameters, positional, rest=False, any_keyword=False, unnamed=()):
        self.parameters = dict(parameters)
        self.positional = positional
        self.rest = rest
        self.any_keyword = any_keyword
        self.unnamed = set(unnamed)

    def required(self):
        return [n for n, default in self.parameters.items() if default is NONE]

    def without_first(self):
        """As a method, of which the first argument is the object."""
        if not self.positional:
            return self
        rest = list(self.parameters.items())[1:]
        return Overload(rest, self.positional - 1, self.rest, self.any_keyword, self.unnamed)


# --- ours ---------------------------------------------------


def ours(function, is_method):
    """How a function of retrograd may be called; None if that can't be told."""
    if isinstance(function, Op):
        given = [(p, function.defaults.get(p, NONE)) for p in function.parameters]
        call = Overload([*given, ("out", None)], len(given), rest=function.variadic is not None)
        call.aliases = {"input": 0, "self": 0, "other": 1}
    else:
        inner = _wrapped(function)
        if inner is not None:
            return ours(inner, is_method)
        try:
            call = _from_signature(inspect.signature(function))
        except (TypeError, ValueError):
            return None
        call.aliases = {}
    if is_method:
        aliases = {n: i - 1 for n, i in call.aliases.items() if i}
        call = call.without_first()
        call.aliases = aliases
    return call


def _wrapped(function):
    """The function that a method made from a row calls."""
    code = getattr(function, "__code__", None)
    if code is None or "function" not in code.co_freevars:
        return None
    return function.__closure__[code.co_freevars.index("function")].cell_contents


def _from_signature(signature):
    kinds = inspect.Parameter
    given, rest, any_keyword, unnamed = [], False, False, []
    positional = 0
    for p in signature.parameters.values():
        if p.kind is kinds.VAR_POSITIONAL:
            rest = True
        elif p.kind is kinds.VAR_KEYWORD:
            any_keyword = True
        else:
            given.append((p.name, p.default))
            positional += p.kind is not kinds.KEYWORD_ONLY
            if p.kind is kinds.POSITIONAL_ONLY:
                unnamed.append(p.name)
    return Overload(given, positional, rest, any_keyword, unnamed)


# --- PyTorch's ---------------------------------------------------

_STUBS = {
    "functions": "_C/_VariableFunctions.pyi",
    "tensor": "_C/__init__.pyi",
    "nn": "nn/functional.pyi",
    "_nn": "_C/_nn.pyi",
}


@functools.cache
def _stub(which):
    """name -> its overloads, of one of PyTorch's stubs."""
    tree = ast.parse((Path(torch.__file__).parent / _STUBS[which]).read_text())
    body = tree.body
    if which == "tensor":
        body = next(n for n in body if isinstance(n, ast.ClassDef) and n.name == "TensorBase").body
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            call = _from_stub(node.args)
            if call is not None:
                found.setdefault(node.name, []).append(call)
    return found


def _from_stub(args):
    """An overload; None for those of named dimensions, and for the deprecated ones (numbers first)."""
    all_args = [*args.posonlyargs, *args.args]
    annotations = [ast.unparse(a.annotation) for a in [*all_args, *args.kwonlyargs] if a.annotation]
    if any(re.search("EllipsisType|DimnameList|Dimname", a) for a in annotations):
        return None
    listed = [a.arg for a in all_args]
    if any(n in ("self", "input") for n in listed[1:]):
        return None
    if listed[:2] in (["self", "alpha"], ["self", "beta"]) or listed[:3] == ["self", "value", "tensor1"]:
        return None
    defaults = [NONE] * (len(all_args) - len(args.defaults)) + [_literal(d) for d in args.defaults]
    given = list(zip(listed, defaults, strict=True))
    for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        given.append((a.arg, None if a.arg == "out" else NONE if d is None else _literal(d)))
    return Overload(given, len(all_args), args.vararg is not None, unnamed=[a.arg for a in args.posonlyargs])


class _Unknown:
    """A default that is no literal."""


def _literal(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _Unknown


def _from_schemas(name):
    """The overloads of an operator in PyTorch's registry."""
    calls = []
    for schema in torch._C._jit_get_schemas_for_operator(f"aten::{name}"):
        arguments = schema.arguments
        if any("Dimname" in str(a.type) or a.name == "dimname" for a in arguments) or "str[1]" in str(schema):
            continue
        if arguments and arguments[0].name == "a":
            continue  # the overloads for Python numbers, which only TorchScript calls
        given = [
            ("input" if a.name == "self" else a.name, a.default_value if a.has_default_value() else NONE)
            for a in arguments
            if not a.is_out
        ]
        positional = sum(not a.kwarg_only for a in arguments)
        if any(a.is_out for a in arguments):
            given.append(("out", None))
        calls.append(Overload(given, positional))
    return calls


def theirs(function, name, module):
    """All the ways in which PyTorch's function may be called; empty if that can't be told."""
    if module == "torch.Tensor methods":
        stub = _stub("tensor").get(name)
        if stub:
            return [c.without_first() for c in stub]
    else:
        stub = _stub("functions").get(name) if module == "torch functions" else None
        if stub:
            return stub
    try:
        call = _from_signature(inspect.signature(function))
    except (TypeError, ValueError):
        call = None
    if call is not None and not (call.rest and call.any_keyword):
        return [call.without_first() if module == "torch.Tensor methods" else call]
    if module == "torch.nn.functional":
        for which in ("nn", "functions", "_nn"):
            if name in _stub(which):
                return _stub(which)[name]
        return []
    if module in ("torch.linalg", "torch.fft", "torch.special"):
        return _from_schemas(getattr(function, "__name__", name)) or _from_schemas(f"{module[6:]}_{name}")
    return []


# --- comparison ---------------------------------------------------


def compare(mine, reference, name, module, ignored):
    """What is wrong with ours, a phrase each; `ignored` are arguments that need not be taken."""
    if callable(reference) != callable(mine):
        return [f"is {'not ' if callable(reference) else ''}callable"]
    if not callable(reference):
        return []
    problems = []
    if inspect.isclass(reference):
        if not inspect.isclass(mine):
            return ["is no class"]
        public = {n for n in dir(reference) if not n.startswith("_")}
        lacking = sorted(n for n in public - ignored - _of_bases(reference) if not hasattr(mine, n))
        if lacking and reference is not torch.Tensor:  # which has a page of its own
            problems.append(f"lacks {_list(lacking)}")
    calls = theirs(reference, name, module)
    call = ours(mine, module == "torch.Tensor methods")
    if call is not None and calls:
        problems += _arguments(call, calls, ignored)
    return problems


def _of_bases(cls):
    """Attributes of the large bases, which have a line of their own."""
    bases = [b for b in (torch.nn.Module, torch.Tensor, torch.autograd.Function) if b in cls.__mro__[1:]]
    return {n for b in bases for n in dir(b)}


def _arguments(call, calls, ignored):
    lacking, order, defaults = {}, [], {}
    positions = list(call.parameters)[: call.positional]
    for theirs in calls:
        for i, (n, default) in enumerate(theirs.parameters.items()):
            known = n in call.parameters and n not in call.unnamed
            if not known and not call.any_keyword and n not in ignored and n not in theirs.unnamed:
                if not (n in call.aliases and call.aliases[n] < call.positional):
                    lacking[n] = None
            if known and n not in ignored and _differ(default, call.parameters[n], len(calls)):
                defaults[n] = (call.parameters[n], default)
        mine_of = [_position(call, positions, n) for n in list(theirs.parameters)[: theirs.positional]]
        known = [i for i in mine_of if i is not None]
        if known != sorted(known):
            order.append(theirs)
        if theirs.rest and not call.rest:
            lacking["*args"] = None
    problems = []
    if lacking:
        problems.append(f"does not take {_list(lacking)}")
    if order:
        problems.append(f"takes arguments in the order {', '.join(call.parameters)}")
    for n, (mine, default) in defaults.items():
        problems.append(f"`{n}` is {_show(mine)}, in PyTorch {_show(default)}")
    return problems


def _position(call, positions, n):
    return positions.index(n) if n in positions else call.aliases.get(n)


def _differ(a, b, overloads):
    """Whether two defaults are different, where both are plain values."""
    plain = (int, float, bool, str, type(None))
    if a is NONE or b is NONE:
        return overloads == 1 and a is not NONE and a is not _Unknown
    if not isinstance(a, plain) or not isinstance(b, plain):
        return False
    return a != b and overloads == 1


def _show(default):
    return "required" if default is NONE else f"`{default!r}`"


def _list(listed):
    return ", ".join(f"`{n}`" for n in listed)
