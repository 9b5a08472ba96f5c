"""`torch._foreach_add_` and its kin: one operation on each tensor of a list.

PyTorch's optimizers are built on these private functions, and so are other people's. Further arguments are
lists of the same length, or one value for all.
"""

import numpy as np

from .core import lists
from .core.modes import modes
from .core.op import TABLE
from .core.tensor import Tensor, wrap
from .ops.norms import vector_norm

_ONE = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg "
    "reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
).split()
_MORE = "add addcdiv addcmul div lerp maximum minimum mul pow sub".split()


# --- in one pass --------------------------------------------------------------------------------------------
# How the arguments of a function become those of core.lists: (operation, numbers, *lists), or None.


def _plain(operation, *numbers):
    return lambda x, *others: (operation, numbers, x, *others)


def _either(with_number, with_list):
    """The operation with one number, or a number for each tensor; or with a list of tensors."""

    def arrange(x, other):
        if isinstance(other, (list, tuple)) and other and isinstance(other[0], Tensor):
            return with_list, (), x, other
        return with_number, (_as_number(other),), x

    return arrange


def _sum(sign):
    def arrange(x, other, alpha=1):
        if isinstance(other, (list, tuple)) and other and isinstance(other[0], Tensor):
            return "add", (sign * alpha,), x, other
        other = _as_number(other)
        if alpha != 1 or isinstance(other, Tensor):
            return None
        if sign < 0:
            other = [-n for n in other] if isinstance(other, (list, tuple)) else -other
        return "shift", (other,), x

    return arrange


def _as_number(other):
    """A 0-d tensor outside the graph as the number that it is."""
    return other.item() if isinstance(other, Tensor) and not other.ndim and not other.requires_grad else other


def _with_scale(operation):
    def arrange(x, first, second, scale=1, value=1):
        return operation, (value if scale == 1 else scale,), x, first, second

    return arrange


_ARRANGED = {name: _plain(name) for name in ("abs", "neg", "reciprocal", "sign", "sqrt")} | {
    "zero": _plain("fill", 0), "copy": _plain("copy"), "add": _sum(1), "sub": _sum(-1),
    "mul": _either("scale", "mul"), "div": _either("over", "divide"),
    "maximum": _either("clamp_min", "maximum"), "minimum": _either("clamp_max", "minimum"),
    "clamp_min": _either("clamp_min", "maximum"), "clamp_max": _either("clamp_max", "minimum"),
    "lerp": lambda x, end, weight: ("lerp", (weight,), x, end),
    "addcmul": _with_scale("addcmul"), "addcdiv": _with_scale("addcdiv"),
}  # fmt: skip


def _at_once(name, x, others, named):
    """The operation by core.lists: its results, or those written to; None where it can't be."""
    arrange = _ARRANGED.get(name.rstrip("_"))
    if arrange is None or not isinstance(x, (list, tuple)) or not named.keys() <= {"alpha", "value"}:
        return None
    try:
        arranged = arrange(x, *others, **named)
    except TypeError:  # not these arguments: the method says what is wrong with them
        return None
    if arranged is None or not all([isinstance(given, (list, tuple)) for given in arranged[2:]]):
        return None
    if name.endswith("_"):
        return x if lists.update(*arranged) else None
    return lists.make(*arranged)


# --- one by one ---------------------------------------------------------------------------------------------


def _each(method, name):
    """The function `name` that calls this method of each tensor of its first argument."""

    def function(self, *others, **named):
        results = _at_once(name, self, others, named)
        if results is None:
            results = one_by_one(self, others, named)
        return None if name.endswith("_") else results

    def one_by_one(self, others, named):
        columns = [o if isinstance(o, (list, tuple)) else [o] * len(self) for o in others]
        keys = {k: v if isinstance(v, (list, tuple)) else [v] * len(self) for k, v in named.items()}
        if any(len(values) != len(self) for values in (*columns, *keys.values())):
            raise RuntimeError(
                f"{function.__name__}: Tensor lists must have the same number of tensors, got {len(self)} "
                f"and {', '.join(str(len(v)) for v in (*columns, *keys.values()))} [RG044]"
            )
        if not keys:
            return list(map(method, self, *columns))
        return [
            method(x, *[values[i] for values in columns], **{k: v[i] for k, v in keys.items()})
            for i, x in enumerate(self)
        ]

    return function


def _scaled(name):
    """addcmul and addcdiv, whose scale is named `value`, or comes last as a number, a list or a tensor."""

    def method(x, first, second, scale=1, *, value=1):
        scale = scale.item() if isinstance(scale, Tensor) else scale * value
        return getattr(Tensor, name)(x, first, second, value=scale)

    return method


_METHODS = {name: getattr(Tensor, name) for name in _ONE + _MORE if hasattr(Tensor, name)}
_METHODS |= {f"{name}_": getattr(Tensor, f"{name}_") for name in _METHODS if hasattr(Tensor, f"{name}_")}
_METHODS |= {name: _scaled(name) for name in ("addcdiv", "addcdiv_", "addcmul", "addcmul_")}
_METHODS |= {
    "clamp_max": Tensor.clamp_max, "clamp_max_": Tensor.clamp_max_, "clamp_min": Tensor.clamp_min,
    "clamp_min_": Tensor.clamp_min_, "clone": TABLE["clone"], "max": Tensor.max, "mm": Tensor.mm,
    "zero_": Tensor.zero_,
    "maximum_": lambda x, y: x.copy_(x.maximum(y)), "minimum_": lambda x, y: x.copy_(x.minimum(y)),
    "copy_": lambda x, source, non_blocking=False: x.copy_(source),
    "powsum": lambda x, ord=2, dtype=None: (x if dtype is None else x.to(dtype)).abs().pow(ord).sum(),
}  # fmt: skip


def _pow(self, exponent):
    if not isinstance(self, (list, tuple)):  # a number to the power of each tensor
        return [self**e for e in exponent]
    return _each(Tensor.pow, "pow")(self, exponent)


def _norm(self, ord=2, dtype=None):
    """The norm of each tensor; their squares are added up in one pass over all."""
    folds = None
    if dtype is None and ord == 2 and not (modes.grad and any([x.requires_grad for x in self])):
        folds = lists.fold("squares", list(self))
    if folds is None:
        return [vector_norm(x, ord, dtype=dtype) for x in self]
    return [wrap(np.array(n, x._array.dtype)) for n, x in zip(np.sqrt(folds), self, strict=True)]


functions = {f"_foreach_{name}": _each(method, name) for name, method in _METHODS.items()}
functions |= {"_foreach_norm": _norm, "_foreach_pow": _pow}
for _name, _function in functions.items():
    _function.__name__ = _function.__qualname__ = _name


def __getattr__(name):
    try:
        return functions[name]
    except KeyError:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}' [RG135]") from None
