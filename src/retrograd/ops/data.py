"""Arrays from what users write down: numbers, nested lists, arrays, Tensors, and mixtures of them."""

import numpy as np

from ..core import arrays
from ..core.tensor import Tensor

_NUMBERS = {int, float, bool, complex}
_OTHER_NUMBERS = (np.generic, np.ndarray, Tensor)


def as_array(data, kind=None, copy=True):
    """`data` as an array of the NumPy dtype `kind`, or of the dtype that PyTorch infers.

    copy: whether an array or Tensor of the right dtype must be copied.
    """
    if isinstance(data, Tensor):
        return _cast(data._array, kind, copy)
    if isinstance(data, np.ndarray):
        _check_array(data)
        return _cast(data, kind, copy)
    if type(data) in _NUMBERS:
        return _number(data, kind)
    if isinstance(data, np.generic):
        _check_array(data)
        return _cast(np.asarray(data), kind, False)
    if hasattr(data, "__array__") and not isinstance(data, (list, tuple)):
        data = np.asarray(data)
        _check_array(data)
        return _cast(data, kind, copy)
    if isinstance(data, str):
        raise TypeError(
            "new(): invalid data type 'str'; expected numbers, nested lists of numbers, an array or a "
            "Tensor [RG043]"
        )
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__") or isinstance(data, dict):
        raise RuntimeError(
            f"Could not infer dtype of {type(data).__name__}; expected numbers, nested lists of numbers, an "
            "array or a Tensor [RG043]"
        )
    return _from_sequence(data, kind)


def _cast(array, kind, copy):
    if kind is None or array.dtype == kind:
        return np.array(array) if copy else array
    if array.dtype.kind == "c" and kind.kind != "c":
        array = array.real
    return array.astype(kind)


def _check_array(array):
    d = array.dtype
    if d in arrays._FROM_NUMPY:
        return
    if d.newbyteorder("=") in arrays._FROM_NUMPY:
        raise ValueError(
            "given numpy array has byte order different from the native byte order; convert it with "
            "array.astype(array.dtype.newbyteorder('=')) [RG043]"
        )
    raise TypeError(
        f"can't convert np.ndarray of type {d.type.__module__}.{d.type.__name__}. The only supported types "
        "are: "
        f"{', '.join(arrays.DTYPES)}. [RG043]"
    )


def _number(value, kind):
    if kind is None:
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise RuntimeError(f"Overflow when unpacking long: {value} is no int64 [RG042]")
        return np.asarray(value, arrays.scalar_dtype(value).numpy)
    if kind.kind in "iu" and type(value) is not complex:
        info = np.iinfo(kind)
        if value != value or not info.min <= int(value) <= info.max:
            if kind.kind == "i" or value >= 0 or value != value or int(value) < -info.max:
                raise RuntimeError(
                    f"value cannot be converted to type {kind} without overflow: {value} [RG042]"
                )
            value = int(value) % (info.max + 1)
    if type(value) is complex and kind.kind != "c":
        raise TypeError(f"must be real number, not complex: {value} can't become {kind} [RG042]")
    return np.asarray(value).astype(kind)


def _from_sequence(data, kind):
    types = set()
    shape = _measure(data, (), types)
    if types <= _NUMBERS:
        return _plain(data, kind, types, shape)
    wanted = None
    flat = []
    for leaf in _leaves(data, len(shape)):
        if not isinstance(leaf, (*_NUMBERS, *_OTHER_NUMBERS)):
            if isinstance(leaf, str):
                if _is_sequence(data) and leaf is not data[0]:
                    raise TypeError(f"new(): invalid data type 'str': {leaf!r} is no number [RG043]")
                raise ValueError(f"too many dimensions 'str': {leaf!r} is no number [RG043]")
            raise RuntimeError(f"Could not infer dtype of {type(leaf).__name__} [RG043]")
        own = (
            arrays._FROM_NUMPY[leaf._array.dtype if isinstance(leaf, Tensor) else leaf.dtype]
            if hasattr(leaf, "dtype")
            else arrays.scalar_dtype(leaf)
        )
        if isinstance(leaf, Tensor) and leaf._array.size != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars: a list holds a tensor of shape "
                f"{list(leaf._array.shape)}; torch.stack joins tensors [RG043]"
            )
        wanted = own if wanted is None else arrays.promote_types(wanted, own)
        flat.append(leaf.item() if hasattr(leaf, "item") else leaf)
    array = _plain(flat, wanted.numpy if kind is None else kind, set(map(type, flat)), (len(flat),))
    return array.reshape(shape)


def _measure(data, place, types):
    """The shape of nested sequences; ValueError where they are ragged. Adds the leaves' types to `types`."""
    first = data[0] if len(data) else None
    if not _is_sequence(first):
        found = set(map(type, data)) if len(data) else set()
        types |= found
        for i, x in enumerate(data) if not found <= _NUMBERS else ():
            if _is_sequence(x):
                raise ValueError(
                    f"expected a number at {_spell((*place, i))}, as before it, but got a sequence of length "
                    f"{len(x)} [RG043]"
                )
        return (len(data),)
    inner = None
    for i, x in enumerate(data):
        if not _is_sequence(x):
            raise TypeError(
                f"not a sequence: expected one of length {inner[0]} at {_spell((*place, i))} (dim "
                f"{len(place) + 1}), but got "
                f"{type(x).__name__} [RG043]"
            )
        shape = _measure(x, (*place, i), types)
        if inner is None:
            inner = shape
        elif shape != inner:
            depth = next(
                (d for d, (a, b) in enumerate(zip(inner, shape)) if a != b), min(len(inner), len(shape))
            )
            wanted = inner[depth] if depth < len(inner) else "none"
            given = shape[depth] if depth < len(shape) else "none"
            raise ValueError(
                f"expected sequence of length {wanted} at dim {len(place) + 1 + depth} (got {given}), in "
                f"data{_spell((*place, i))[4:]} [RG043]"
            )
    return (len(data), *inner)


def _is_sequence(x):
    if isinstance(x, Tensor):
        return False
    if isinstance(x, np.ndarray):
        return x.ndim > 0
    return isinstance(x, (list, tuple, range)) or (
        hasattr(x, "__len__")
        and hasattr(x, "__getitem__")
        and not isinstance(x, (str, bytes, dict, np.generic))
    )


def _spell(place):
    return "data" + "".join([f"[{i}]" for i in place])


def _leaves(data, depth):
    for x in data:
        if depth > 1:
            yield from _leaves(x, depth - 1)
        else:
            yield x


def _plain(data, kind, types, shape):
    """An array of sequences that hold nothing but Python numbers."""
    if kind is None:
        wanted = arrays.scalar_dtype(
            0.0
            if not types
            else 1j
            if complex in types
            else 0.0
            if float in types
            else 0
            if int in types
            else False
        ).numpy
        if wanted.kind == "i":
            try:
                return np.asarray(data, np.int64).reshape(shape)
            except OverflowError:
                raise RuntimeError(
                    "Overflow when unpacking long: a number is no int64; use floats or "
                    "dtype=torch.float64 [RG042]"
                ) from None
        return np.asarray(data, wanted).reshape(shape)
    if complex in types and kind.kind not in "cb":
        raise TypeError(f"must be real number, not complex: can't make {kind} of complex numbers [RG042]")
    if kind.kind in "iu":
        array = np.asarray(data, np.float64 if float in types else None if types else kind)
        if array.size:
            info, low, high = np.iinfo(kind), array.min(), array.max()
            # PyTorch wraps what is negative into unsigned dtypes, and refuses all else that doesn't fit.
            if not (
                np.isfinite(low) and (-info.max if kind.kind == "u" else info.min) <= low and high <= info.max
            ):
                raise RuntimeError(
                    f"value cannot be converted to type {kind} without overflow: the values span {low} to "
                    f"{high} [RG042]"
                )
        return (
            array.astype(np.int64 if kind.kind == "u" and array.dtype.kind != "u" else kind)
            .astype(kind)
            .reshape(shape)
        )
    return np.asarray(data, None if kind.kind == "V" else kind).astype(kind).reshape(shape)
