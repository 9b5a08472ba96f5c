"""`torch._foreach_add_` and its kin: one operation on each tensor of a list.

PyTorch's optimizers are built on these private functions, and so are other people's. Further arguments are
lists of the same length, or one value for all.
"""

from .core.op import TABLE
from .core.tensor import Tensor
from .ops.norms import vector_norm

_ONE = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg "
    "reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
).split()
_MORE = "add addcdiv addcmul div lerp maximum minimum mul pow sub".split()


def _each(method):
    """The function that calls this method of each tensor of its first argument."""

    def function(self, *others, **named):
        lists = [o if isinstance(o, (list, tuple)) else [o] * len(self) for o in others]
        keys = {k: v if isinstance(v, (list, tuple)) else [v] * len(self) for k, v in named.items()}
        if any(len(values) != len(self) for values in (*lists, *keys.values())):
            raise RuntimeError(
                f"{function.__name__}: Tensor lists must have the same number of tensors, got {len(self)} "
                f"and {', '.join(str(len(v)) for v in (*lists, *keys.values()))} [RG044]"
            )
        results = [
            method(x, *[values[i] for values in lists], **{k: v[i] for k, v in keys.items()})
            for i, x in enumerate(self)
        ]
        return None if function.__name__.endswith("_") else results

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
    "norm": lambda x, ord=2, dtype=None: vector_norm(x, ord, dtype=dtype), "zero_": Tensor.zero_,
    "maximum_": lambda x, y: x.copy_(x.maximum(y)), "minimum_": lambda x, y: x.copy_(x.minimum(y)),
    "copy_": lambda x, source, non_blocking=False: x.copy_(source),
    "powsum": lambda x, ord=2, dtype=None: (x if dtype is None else x.to(dtype)).abs().pow(ord).sum(),
}  # fmt: skip


def _pow(self, exponent):
    if not isinstance(self, (list, tuple)):  # a number to the power of each tensor
        return [self**e for e in exponent]
    return _each(Tensor.pow)(self, exponent)


functions = {f"_foreach_{name}": _each(method) for name, method in _METHODS.items()} | {"_foreach_pow": _pow}
for _name, _function in functions.items():
    _function.__name__ = _function.__qualname__ = _name


def __getattr__(name):
    try:
        return functions[name]
    except KeyError:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}' [RG135]") from None
