"""What a Tensor turns into: numbers, lists, arrays, other dtypes and devices; and what follows from that."""

import numpy as np

from .core import arrays, inplace
from .core.compiled import compiled_inplace
from .core.device import is_meta, resolve
from .core.memory import preserve_format
from .core.meta import meta_array, refuse_values
from .core.modes import modes
from .core.tensor import Tensor, wrap
from .ops.from_data import Capsule
from .ops.join import flip
from .ops.shape import cast_row, contiguous
from .printing import format_tensor

# --- numbers and lists --------------------------------------------------------------------------------------


def item(self):
    """The one element, as a Python number."""
    a = self._array
    if a.base is not None:
        refuse_values(a, "item()")
    if a.size != 1:
        raise RuntimeError(
            f"a Tensor with {a.size} elements cannot be converted to Scalar: shape {list(a.shape)}; pick an "
            "element first [RG034]"
        )
    return float(a.reshape(())) if a.dtype.kind == "V" else a.item()


def tolist(self):
    """The elements as nested lists of Python numbers; a number for a 0-d tensor."""
    a = self._array
    refuse_values(a, "tolist()")
    return (a.astype(np.float32) if a.dtype.kind == "V" else a).tolist()


def _bool(self):
    a = self._array
    if a.base is not None:
        refuse_values(a, "bool()")
    if a.size != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'no values' if not a.size else 'more than one value'} is "
            "ambiguous: its shape is "
            f"{list(a.shape)}. Use .any() or .all(), or an element [RG034]"
        )
    return bool(a)


def _one(self, kind):
    if self._array.size != 1:
        raise ValueError(
            f"only one element tensors can be converted to Python scalars: {kind}() of a tensor of shape "
            f"{list(self.shape)} [RG034]"
        )
    value = item(self)
    if isinstance(value, complex) and kind != "complex":
        if value.imag:
            raise RuntimeError(
                f"value cannot be converted to type {kind} without overflow: {value} is complex [RG042]"
            )
        value = value.real
    return value


def _index(self):
    if self._array.size != 1 or self._array.dtype.kind not in "biu":
        raise TypeError(
            "only integer tensors of a single element can be converted to an index, "
            f"not a tensor of shape {list(self.shape)} and dtype {self.dtype} [RG121]"
        )
    return int(self._array.reshape(()))


def _len(self):
    if not self.ndim:
        raise TypeError("len() of a 0-d tensor [RG034]")
    return self._array.shape[0]


def _contains(self, element):
    if not isinstance(element, (Tensor, int, float, complex, np.generic)):
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}. "
            "[RG047]"
        )
    return bool(np.any(self._array == (element._array if isinstance(element, Tensor) else element)))


def _format(self, spec):
    if not self.ndim and type(self) is Tensor:
        return item(self).__format__(spec)
    return object.__format__(self, spec)


def _repr(self, *, tensor_contents=None):
    tangents = [t for level, t in (self._tangents or {}).items() if level in modes.interpreters]
    meta = is_meta(self._array)
    if meta:
        tensor_contents = f"..., device='meta', size={tuple(self.shape)}"
    return format_tensor(
        self._array, dtype_name=self.dtype.name, default_dtype_name=arrays.get_default_dtype().name,
        requires_grad=self.requires_grad, grad_fn_name=_node_name(self), tensor_contents=tensor_contents,
        tangent=tangents[-1] if tangents else None,
    )  # fmt: skip


def _node_name(x):
    try:
        node = x.grad_fn
    except RuntimeError:  # a view whose base was written to in another mode
        return "Invalid"
    return None if node is None else node.name()


# --- NumPy and other libraries ------------------------------------------------------------------------------


def numpy(self, *, force=False):
    """An array that shares this tensor's memory; `force` detaches (and copies from a device) where that is
    needed."""
    refuse_values(self._array, "numpy()")
    if force:
        return self._array
    if self.requires_grad and modes.grad:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead. [RG015]"
        )
    if self._array.dtype.kind == "V":
        raise TypeError(
            f"Got unsupported ScalarType {self.dtype}: NumPy has no such dtype; convert with .float() "
            "first [RG041]"
        )
    return self._array


def _as_numpy(self, dtype=None, copy=None):
    a = numpy(self)
    if dtype is not None and dtype != a.dtype:
        if copy is False:
            raise ValueError(f"can't view {a.dtype} as {dtype} without a copy [RG046]")
        return a.astype(dtype)
    return a.copy() if copy else a


def _array_wrap(self, array, context=None, return_scalar=False):
    return wrap(np.asarray(array))


def _dlpack(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach() [RG015]")
    if self._array.dtype.kind == "V":
        raise BufferError(
            f"{self.dtype} can't be exported: NumPy's DLPack has no such dtype; convert with .float() "
            "first [RG041]"
        )
    return self._array.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


def _dlpack_device(self):
    return self._array.__dlpack_device__()


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """A tensor that shares the memory of another library's array (anything with `__dlpack__`)."""
    resolve(device)
    if isinstance(ext_tensor, Tensor):
        ext_tensor = ext_tensor.detach()
    elif not hasattr(ext_tensor, "__dlpack__"):
        ext_tensor = Capsule(ext_tensor)
    return wrap(np.from_dlpack(ext_tensor, copy=copy) if copy is not None else np.from_dlpack(ext_tensor))


def to_dlpack(tensor):
    """A DLPack capsule that shares the tensor's memory."""
    return _dlpack(tensor)


# --- dtypes and devices -------------------------------------------------------------------------------------


def parse_to(*args, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None):
    """(device, dtype, copy, memory_format) of a call of `to`: `to(dtype)`, `to(device)`, `to(device, dtype)`,
    `to(other)`."""
    if args:
        first, *rest = args
        if isinstance(first, Tensor):
            dtype = first.dtype
        elif isinstance(first, arrays.dtype) or (
            isinstance(first, type) and first in (float, int, bool, complex)
        ):
            dtype = first
        else:
            device = first
            if rest and (rest[0] is None or isinstance(rest[0], (arrays.dtype, type))):
                dtype, *rest = rest
        if len(rest) > 1:
            copy = rest[1]
    if device is not None:
        device = resolve(device)
    return device, None if dtype is None else arrays.as_dtype(dtype), copy, memory_format


def to(self, *args, **kwargs):
    """This tensor on another device or in another dtype; itself where it is there already, unless `copy`.

    `to(dtype)`, `to(device)`, `to(device, dtype)` or `to(other)`: as the tensor `other` is.
    """
    device, dtype, copy, memory_format = parse_to(*args, **kwargs)
    if device is not None and (device.type == "meta") != is_meta(self._array):
        refuse_values(self._array, "to()")
        return wrap(meta_array(self.shape, self._array.dtype if dtype is None else dtype.numpy))
    kind = self._array.dtype if dtype is None else dtype.numpy
    out = cast_row(self, kind) if copy or kind != self._array.dtype else self
    if memory_format not in (None, preserve_format):
        out = contiguous(out, memory_format)
    return out


def _caster(name, dtype_of):
    def method(self, memory_format=None):
        return to(self, dtype=dtype_of(), memory_format=memory_format)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = "`to` this dtype."
    return method


_CASTS = {
    name: _caster(name, lambda d=d: d)
    for name, d in {
        "float": arrays.float32, "double": arrays.float64, "half": arrays.float16,
        "bfloat16": arrays.bfloat16, "int": arrays.int32, "long": arrays.int64, "short": arrays.int16,
        "char": arrays.int8, "byte": arrays.uint8, "bool": arrays.bool_, "cfloat": arrays.complex64,
        "cdouble": arrays.complex128,
    }.items()
}  # fmt: skip


def cpu(self, memory_format=None):
    """This tensor in the CPU's memory."""
    return to(self, "cpu", memory_format=memory_format)


def cuda(self, device=None, non_blocking=False, memory_format=None):
    """This tensor in a GPU's memory."""
    return to(self, "cuda" if device is None else device, memory_format=memory_format)


def type_as(self, other):
    """This tensor in the dtype of `other`."""
    return to(self, other)


def pin_memory(self, device=None):
    """For copies to a GPU; there is none here, which is an error, as in PyTorch."""
    raise RuntimeError(
        "Cannot access accelerator device when none is available: memory is pinned to be copied to a GPU "
        "[RG036]"
    )


def share_memory_(self):
    """Not supported: threads share tensors as they are; pass a NumPy shared-memory array through `from_numpy`
    instead."""
    raise NotImplementedError(
        "share_memory_: tensors here live in ordinary memory. Threads share them as they are; between "
        "processes, wrap "
        "multiprocessing.shared_memory in an array and pass it to from_numpy [RG137]"
    )


# --- the graph ----------------------------------------------------------------------------------------------


def requires_grad_(self, requires_grad=True):
    """Set `requires_grad`, and return this tensor."""
    if self._requires is not requires_grad or self._grad_fn is not None or self._view is not None:
        self.requires_grad = requires_grad
    return self


def detach_(self):
    """Take this tensor out of the graph: from now on it is a leaf that requires no gradient."""
    if self._is_view():
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead: a view follows what its base becomes. [RG004]"
        )
    if self._grad_fn is not None:
        self._detached = True
    elif not (self._requires or self._retains or self._tangents):
        return self
    self._grad_fn, self._output_nr, self._requires, self._retains = None, 0, False, False
    self._tangents = None
    return self


@compiled_inplace
def copy_(self, src=None, non_blocking=False, *, other=None):
    """Write the values of `src` here: any dtype, any shape that broadcasts; gradients flow to `src`.

    other: another name for `src`.
    """
    src = other if src is None else src
    if not isinstance(src, Tensor):
        src = wrap(np.asarray(src))
    return inplace.copy_from(self, src)


# --- element by element, in Python --------------------------------------------------------------------------


def _by_element(name, count):
    """The method that calls a function on the elements of this tensor and of `count` others, and stores the
    results."""

    def method(self, *args):
        *others, function = args
        if len(others) != count:
            raise TypeError(f"{name}() takes {count} tensors and a function [RG134]")
        if self.requires_grad or any([t.requires_grad for t in others]):
            raise RuntimeError(
                f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead. "
                "[RG015]"
            )
        inplace.prepare(self, name)
        inplace.check_writeable(self, name)
        arrays_ = [self._array, *[np.broadcast_to(t._array, self._array.shape) for t in others]]
        columns = [tolist(wrap(a.reshape(-1))) for a in arrays_]
        values = [function(*row) for row in zip(*columns, strict=True)]
        self._array[...] = np.asarray(values).reshape(self._array.shape)
        self._versions().bump()
        return self

    method.__name__ = method.__qualname__ = name
    with_others = " and those of the other tensors" * (count > 0)
    method.__doc__ = f"Call a Python function on each element{with_others} and store what it gives. Slow."
    return method


def as_subclass(self, cls):
    """This tensor as an instance of `cls`, a subclass of Tensor; shares memory and history."""
    if not issubclass(cls, Tensor):
        raise TypeError(f"as_subclass expects a subclass of Tensor, but got {cls} [RG047]")
    out = self._alias() if self.requires_grad else self.detach()
    out.__class__ = cls
    return out


def _same(self, *args):
    """This tensor itself: there is no other layout, and no lazy conjugation or negation, that it could be
    in."""
    return self


METHODS = {
    "item": item, "tolist": tolist, "__bool__": _bool, "__len__": _len, "__contains__": _contains,
    "__int__": lambda self: int(_one(self, "int")), "__float__": lambda self: float(_one(self, "float")),
    "__complex__": lambda self: complex(_one(self, "complex")), "__index__": _index,
    "__hash__": lambda self: id(self), "__format__": _format, "__repr__": _repr,
    "__reversed__": lambda self: flip(self, 0) if self.ndim else self,
    "numpy": numpy, "__array__": _as_numpy, "__array_wrap__": _array_wrap, "__dlpack__": _dlpack,
    "__dlpack_device__": _dlpack_device,
    "to": to, **_CASTS, "cpu": cpu, "cuda": cuda, "type_as": type_as, "pin_memory": pin_memory,
    "share_memory_": share_memory_, "to_dense": _same, "resolve_conj": _same, "resolve_neg": _same,
    "requires_grad_": requires_grad_, "detach_": detach_, "copy_": copy_, "as_subclass": as_subclass,
    "apply_": _by_element("apply_", 0), "map_": _by_element("map_", 1), "map2_": _by_element("map2_", 2),
}  # fmt: skip
