"""Makes the .pyi files beside the public modules: python tools/stubs.py [--check]

Signatures are those of the objects themselves. The type of an argument comes from its name and its default,
the type of a result from what the function gave on its samples in tests/samples. What nobody knows is Any.
--check compares with the files and exits with 1 where they differ.
"""

import argparse
import functools
import importlib
import inspect
import re
import sys
import types
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

import numpy as np  # noqa: E402

import retrograd  # noqa: E402
from retrograd import Tensor  # noqa: E402

MODULES = [
    "retrograd", "retrograd.core.tensor", "retrograd.nn", "retrograd.nn.functional", "retrograd.nn.init",
    "retrograd.nn.utils", "retrograd.optim", "retrograd.optim.lr_scheduler", "retrograd.linalg",
    "retrograd.fft", "retrograd.special", "retrograd.func", "retrograd.autograd", "retrograd.utils.data",
    "retrograd.utils.checkpoint",
]  # fmt: skip

# Modules and classes here have names such as `int` of their own, so Python's go by others.
HEADER = '''"""Made by tools/stubs.py; change that, or the sources."""

from builtins import bool as _bool, complex as _complex, float as _float, int as _int
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

'''

# What arguments of these names are, whatever the function.
NAMES = {
    "input": "Tensor", "tensor": "Tensor", "tensors": "Sequence[Tensor]", "mask": "Tensor",
    "weight": "Tensor", "dtype": "dtype | None", "device": "Any", "layout": "Any",
    "memory_format": "Any", "generator": "Any", "out": "Any", "requires_grad": "bool",
    "pin_memory": "bool", "keepdim": "bool", "inplace": "bool", "params": "Any", "lr": "Any",
    "closure": "Callable[..., Any] | None", "name": "str", "training": "bool", "reduction": "str",
    "dim": "Any", "size": "Any", "module": "Any", "hook": "Callable[..., Any]",
}  # fmt: skip

OPERATORS = {
    "__add__", "__and__", "__floordiv__", "__ge__", "__gt__", "__iadd__", "__iand__", "__imul__",
    "__ior__", "__ipow__", "__isub__", "__itruediv__", "__ixor__", "__le__", "__lshift__", "__lt__",
    "__matmul__", "__mod__", "__mul__", "__or__", "__pow__", "__radd__", "__rmatmul__", "__rmul__",
    "__rpow__", "__rshift__", "__rsub__", "__rtruediv__", "__sub__", "__truediv__", "__xor__",
}  # fmt: skip
SPECIAL = {
    "__neg__": "Tensor", "__pos__": "Tensor", "__abs__": "Tensor", "__invert__": "Tensor", "__len__": "int",
    "__bool__": "bool", "__int__": "int", "__float__": "float", "__complex__": "complex", "__index__": "int",
}  # fmt: skip


# --- what was seen ---------------------------------------------------------------------------------


@functools.cache
def seen():
    """{path: {types that the function of that path gave on its samples}}."""
    import test_ops

    found = defaultdict(set)
    for sample in test_ops.SAMPLES:
        if callable(sample.path):
            continue
        call = test_ops.Call(sample, retrograd)
        try:
            result = test_ops.find(retrograd, sample.path)(*call.args, **call.kwargs)
        except Exception:
            continue  # a sample of an error
        found[sample.path].add(kind_of(result))
    return found


def kind_of(value):
    """The type of a result, as an annotation."""
    if isinstance(value, Tensor):
        return "Tensor"
    if isinstance(value, bool | int | float | complex | str | type(None)):
        return type(value).__name__ if value is not None else "None"
    return "Any"


def result_of(path):
    """The annotation of what the function of that path gives: Any if that depends on the call."""
    kinds = seen().get(path) or seen().get("Tensor." + path) or set()
    if not kinds and path.rpartition(".")[2] in MAKERS:
        return "Tensor"
    return (
        kinds.copy().pop()
        if len(kinds) == 1 and kinds <= {"Tensor", "bool", "int", "float", "str"}
        else "Any"
    )


# What makes tensors, and has no samples: its results are random, or not of its arguments.
MAKERS = {
    *importlib.import_module("retrograd.ops.creation").__all__,
    *importlib.import_module("retrograd.ops.sampling").__all__,
    *["arange", "as_tensor", "asarray", "from_numpy", "linspace", "logspace", "range", "tensor"],
}


def plain(text):
    """`text` with Python's number types by the names that the header gives them."""
    return re.sub(r"\b(bool|complex|float|int)\b", r"_\1", text)


# --- writing -------------------------------------------------------------------------------------


def annotation(parameter):
    if parameter.name == "input" and parameter.default is None:
        return "Any"  # `where(condition)`, and numbers
    if parameter.annotation is not inspect.Parameter.empty and isinstance(parameter.annotation, type):
        return parameter.annotation.__name__ if parameter.annotation.__module__ == "builtins" else "Any"
    if parameter.name in NAMES:
        kind = NAMES[parameter.name]
        return (
            f"{kind} | None" if parameter.default is None and "None" not in kind and kind != "Any" else kind
        )
    if isinstance(parameter.default, bool | str):
        return type(parameter.default).__name__
    return "Any"


def default(value):
    if value is inspect.Parameter.empty:
        return ""
    return (
        f" = {value!r}"
        if isinstance(value, bool | int | float | str | type(None)) and value == value
        else " = ..."
    )


def signature(function, method):
    """The parameters of a function as source, or those that fit any call where Python can't tell."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = None
    if parameters is None or not all(p.name.isidentifier() for p in parameters):
        return "self, *args: Any, **kwargs: Any" if method else "*args: Any, **kwargs: Any"
    parts, star, slash = [], False, False
    for i, p in enumerate(parameters):
        if slash and p.kind is not p.POSITIONAL_ONLY:
            parts.append("/")
            slash = False
        if p.kind is p.POSITIONAL_ONLY:
            slash = True
        if p.kind is p.VAR_POSITIONAL:
            parts.append(f"*{p.name}: Any")
            star = True
        elif p.kind is p.VAR_KEYWORD:
            parts.append(f"**{p.name}: Any")
        else:
            if p.kind is p.KEYWORD_ONLY and not star:
                parts.append("*")
                star = True
            if method and i == 0:
                parts.append("self" if p.name != "cls" else "cls")
            else:
                parts.append(f"{p.name}: {plain(annotation(p))}{default(p.default)}")
    if slash:
        parts.append("/")
    return ", ".join(parts)


def function_stub(name, function, path):
    return f"def {name}({signature(function, False)}) -> {plain(result_of(path))}: ..."


def class_stub(name, cls, module):
    bases = public_bases(cls, module)
    names = [base.__name__ for base in bases] or (["Exception"] if issubclass(cls, Exception) else [])
    lines = [f"class {name}({', '.join(names)}):" if names else f"class {name}:"]
    for key, value in sorted(own_members(cls, bases).items()):
        wanted = key in (
            "__init__",
            "__call__",
            "__iter__",
            "__getitem__",
            "__setitem__",
            "__len__",
            "__enter__",
            "__exit__",
        )
        if (key.startswith("_") and not wanted) or not key.isidentifier():
            continue
        if name == "Module" and key == "forward":
            lines.append("    forward: Callable[..., Any]")  # so that it may be written with any arguments
        elif isinstance(value, staticmethod | classmethod):
            kind = "staticmethod" if isinstance(value, staticmethod) else "classmethod"
            inner = signature(value.__func__, kind == "classmethod")
            lines += [f"    @{kind}", f"    def {key}({inner}) -> Any: ..."]
        elif callable(value) and not isinstance(value, type):
            gives = {
                "__init__": "None",
                "__len__": "int",
                "__iter__": "Iterator[Any]",
                "__enter__": "Any",
            }.get(key, "Any")
            if key in ("train", "eval", "requires_grad_", "to", "float", "double", "half", "cpu", "apply"):
                gives = name if name == "Module" else gives
            lines.append(f"    def {key}({signature(value, True)}) -> {plain(gives)}: ...")
        else:
            lines.append(f"    {key}: Any")
    if name == "Module":
        lines += ["    def __getattr__(self, name: str) -> Any: ...", "    training: bool"]
    return lines if len(lines) > 1 else [lines[0] + " ..."]


def public_bases(cls, module):
    """The nearest ancestors of a class that the module's users can name, without those of one another."""
    found = []
    for base in cls.__bases__:
        known = base is Tensor or public(base, module)
        found += [base] if known else public_bases(base, module)
    return [
        b for b in dict.fromkeys(found) if not any(b is not other and issubclass(other, b) for other in found)
    ]


def own_members(cls, bases):
    """What a class has beyond its public bases: its own, and what it takes from private ones."""
    inherited = {ancestor for base in bases for ancestor in base.__mro__}
    members = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("retrograd") and base not in inherited:
            members |= vars(base)
    return members


def tensor_stub():
    """The class Tensor: methods, properties and operators, as they are when everything is imported."""
    lines = ["class Tensor:", "    def __init__(self, *args: Any, **kwargs: Any) -> None: ..."]
    for key in sorted(dir(Tensor)):
        value = inspect.getattr_static(Tensor, key)
        if key in OPERATORS:
            lines.append(f"    def {key}(self, other: Any) -> Tensor: ...")
        elif key in SPECIAL:
            lines.append(f"    def {key}(self) -> {plain(SPECIAL[key])}: ...")
        elif key.startswith("_") or not key.isidentifier() or key in dir(object):
            continue
        elif (
            isinstance(value, property)
            or inspect.isgetsetdescriptor(value)
            or inspect.ismemberdescriptor(value)
        ):
            lines.append(f"    {key}: {plain(PROPERTIES.get(key, 'Any'))}")
        elif callable(getattr(Tensor, key)):
            path = key.removesuffix("_") if key.endswith("_") else key
            gives = METHODS.get(key) or ("Tensor" if key.endswith("_") else result_of(path))
            lines.append(f"    def {key}({signature(getattr(Tensor, key), True)}) -> {plain(gives)}: ...")
    lines += [
        "    def __getitem__(self, key: Any) -> Tensor: ...",
        "    def __setitem__(self, key: Any, value: Any) -> None: ...",
        "    def __iter__(self) -> Iterator[Tensor]: ...",
        "    def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]",
        "    def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]",
        "    def __hash__(self) -> int: ...",
    ]
    return lines


PROPERTIES = {
    "T": "Tensor", "H": "Tensor", "mT": "Tensor", "mH": "Tensor", "real": "Tensor", "imag": "Tensor",
    "data": "Tensor", "grad": "Any", "shape": "Any", "ndim": "int", "dtype": "Any", "is_leaf": "bool",
    "requires_grad": "bool", "device": "Any", "grad_fn": "Any",
}  # fmt: skip
METHODS = {
    "backward": "None", "item": "Any", "tolist": "Any", "numpy": "np.ndarray", "dim": "int",
    "numel": "int", "detach": "Tensor", "clone": "Tensor", "to": "Tensor", "float": "Tensor",
    "double": "Tensor", "long": "Tensor", "int": "Tensor", "bool": "Tensor", "half": "Tensor",
    "cpu": "Tensor", "contiguous": "Tensor", "view": "Tensor", "type": "Any", "size": "Any",
    "stride": "Any", "is_contiguous": "bool", "data_ptr": "int", "retain_grad": "None",
}  # fmt: skip


def public(cls, module):
    return vars(module).get(cls.__name__) is cls


def stub(module_name):
    """The text of the stub of one module."""
    module = importlib.import_module(module_name)
    if module_name == "retrograd.core.tensor":
        body = ["dtype = Any", *tensor_stub(), "", "", "def wrap(array: np.ndarray) -> Tensor: ..."]
        return HEADER + "\n".join(body) + "\n"
    names = sorted(set(getattr(module, "__all__", ())) | {n for n in dir(module) if not n.startswith("_")})
    lines = [] if module_name == "retrograd" else ["from retrograd import Tensor, dtype"]
    lines += ["from retrograd.core.tensor import Tensor as Tensor"] if module_name == "retrograd" else []
    if module_name == "retrograd":
        names += sorted(set(retrograd._LAZY) | set(retrograd._LAZY_NAMES))
    prefix = module_name.removeprefix("retrograd").removeprefix(".")
    body = []
    for name in dict.fromkeys(names):
        try:
            value = getattr(module, name)
        except (AttributeError, ImportError):
            continue
        if isinstance(value, types.ModuleType):
            if value.__name__.startswith(module_name + "."):
                lines.append(f"from . import {name} as {name}")
            continue
        if name in ("Tensor", "annotations"):
            continue
        if isinstance(value, type):
            if value.__module__.startswith("retrograd") or value.__module__ == "builtins":
                body += class_stub(name, value, module) if value.__name__ == name else [f"{name} = Any"]
        elif callable(value) and (name.isidentifier()):
            body.append(function_stub(name, value, f"{prefix}.{name}" if prefix else name))
        else:
            kind = type(value).__name__
            body.append(
                f"{name}: {plain(kind) if kind in ('int', 'float', 'str', 'bool', 'dtype') else 'Any'}"
            )
    return HEADER + "\n".join(ordered(lines)) + "\n\n" + "\n".join(body) + "\n"


def ordered(lines):
    return sorted(lines, key=lambda line: (line.startswith("from . "), line))


def path_of(module_name):
    module = importlib.import_module(module_name)
    return Path(module.__file__).with_suffix(".pyi")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    np.seterr(all="ignore")
    different = []
    for name in MODULES:
        path, text = path_of(name), stub(name)
        if not path.exists() or path.read_text() != text:
            different.append(path)
            if not options.check:
                path.write_text(text)
    print(
        "\n".join(
            f"{path.relative_to(ROOT)}: {'differs' if options.check else 'written'}" for path in different
        )
    )
    return 1 if different and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
