"""PyTorch's old typed constructors: `FloatTensor([1, 2])`, `LongTensor(2, 3)`, `isinstance(x, FloatTensor)`,
`x.type()`."""

import numpy as np

from .core import arrays
from .core.device import resolve
from .core.size import Size
from .core.tensor import Tensor, wrap
from .ops.data import as_array

_NAMES = {
    "FloatTensor": arrays.float32, "DoubleTensor": arrays.float64, "HalfTensor": arrays.float16,
    "BFloat16Tensor": arrays.bfloat16, "ByteTensor": arrays.uint8, "CharTensor": arrays.int8,
    "ShortTensor": arrays.int16, "IntTensor": arrays.int32, "LongTensor": arrays.int64,
    "BoolTensor": arrays.bool_, "ComplexFloatTensor": arrays.complex64,
    "ComplexDoubleTensor": arrays.complex128,
}  # fmt: skip
__all__ = list(_NAMES)


class _Typed(type):
    """The class of the typed constructors: their instances are the Tensors of their dtype."""

    def __instancecheck__(cls, x):
        return isinstance(x, Tensor) and x.dtype is cls.dtype

    def __call__(cls, *args, device=None):
        return construct(cls.dtype.numpy, args, cls.__name__)

    def __repr__(cls):
        return f"<class 'torch.{cls.__name__}'>"


def construct(kind, args, name):
    """A tensor of the NumPy dtype `kind`: empty of the given sizes, or with the data given."""
    args = tuple([a.item() if isinstance(a, Tensor) and not a.ndim and len(args) > 1 else a for a in args])
    if len(args) == 1 and not isinstance(args[0], int):
        (data,) = args
        if isinstance(data, Size):
            return wrap(np.empty(data, kind))
        if isinstance(data, Tensor):
            if data._array.dtype != kind:
                raise TypeError(
                    f"expected {arrays._FROM_NUMPY[kind]} (got {data.dtype}); convert it with .to() [RG043]"
                )
            return data.detach()
        if isinstance(data, (float, complex)):
            raise TypeError(f"{name}(): data must be a sequence (got {type(data).__name__}) [RG043]")
        return wrap(as_array(data, kind))
    return wrap(np.empty(args if args else (0,), kind))


_TYPES = {
    d: _Typed(name, (), {"dtype": d, "__module__": "torch", "__doc__": f"Makes tensors of dtype {d.name}."})
    for name, d in _NAMES.items()
}
_BY_NAME = {f"torch.{t.__name__}": d for d, t in _TYPES.items()}
globals().update({t.__name__: t for t in _TYPES.values()})


def type_name(d):
    """The old name of a dtype: "torch.FloatTensor"."""
    return f"torch.{_TYPES[d].__name__}" if d in _TYPES else f"torch.{d.name}"


def type_(self, dtype=None, non_blocking=False):
    """The old name of this tensor's dtype, or this tensor in another one: a dtype, an old name or an old
    constructor."""
    if dtype is None:
        return type_name(self.dtype)
    return self.to(as_dtype(dtype))


def as_dtype(d):
    """The dtype that an old constructor or its name stands for; dtypes as they are."""
    if isinstance(d, str):
        if d == "torch.Tensor":
            return arrays.get_default_dtype()
        if d not in _BY_NAME:
            raise ValueError(f"invalid type: '{d}'; expected one of {', '.join(_BY_NAME)} [RG043]")
        return _BY_NAME[d]
    return d.dtype if isinstance(d, _Typed) else arrays.as_dtype(d)


def new(self, *args, size=None, device=None):
    """An old constructor of this tensor's dtype: `x.new(2, 3)` is empty, `x.new([1, 2])` holds the data."""
    return construct(self._array.dtype, args if size is None else tuple(size), "new")


def set_default_tensor_type(t):
    """`set_default_dtype`, with the name of an old constructor."""
    arrays.set_default_dtype(as_dtype(t))


def _tensor(cls, *args, device=None):
    """`Tensor(2, 3)`, `Tensor([1, 2])`, `Tensor()`: the old constructor, of the default dtype."""
    resolve(device)
    new = object.__new__(cls)
    if len(args) == 1 and isinstance(args[0], Tensor) and cls is not Tensor:
        new._array = args[0]._array
    else:
        new._array = construct(arrays.get_default_dtype().numpy, args, cls.__name__)._array
    return new


METHODS = {"type": type_, "new": new, "__new__": _tensor}
