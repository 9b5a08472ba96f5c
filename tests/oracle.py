"""PyTorch as the reference: arrays to Tensors of either library, and the comparison of what comes out."""

import functools

import ml_dtypes
import numpy as np
import pytest
import torch

import retrograd
from retrograd.core.tensor import Tensor, wrap

TOLERANCE = {  # relative and absolute, by the dtype of the result
    "float64": 1e-9, "complex128": 1e-9, "float32": 3e-5, "complex64": 3e-5,
    "float16": 4e-3, "bfloat16": 3e-2,
}  # fmt: skip

_library = None


@functools.cache
def torchvision():
    """The torchvision module, without its compiled operators, which these tests don't need."""
    global _library
    _library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        _library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
    import torchvision.transforms.v2

    return torchvision


# --- arrays to Tensors ------------------------------------------------------------


def copy(array):
    """A copy of `array` with its strides (as_strided views of broadcast or sliced arrays stay what they
    are)."""
    if array.flags.c_contiguous or any(s < 0 for s in array.strides):
        return np.array(array, order="C")
    extent = 1 + sum((n - 1) * s // array.itemsize for n, s in zip(array.shape, array.strides, strict=True))
    out = np.lib.stride_tricks.as_strided(np.zeros(extent, array.dtype), array.shape, array.strides)
    out[...] = array
    return out


def ours(array, requires_grad=False):
    """A retrograd Tensor of a copy of `array`."""
    out = wrap(copy(np.asarray(array)))
    out.requires_grad = requires_grad
    return out


def theirs(array, requires_grad=False):
    """A PyTorch Tensor of a copy of `array`."""
    array = np.asarray(array)
    if array.dtype == ml_dtypes.bfloat16:
        out = torch.from_numpy(copy(array).view(np.int16)).view(torch.bfloat16)
    else:
        out = torch.from_numpy(copy(array))
    return out.requires_grad_(requires_grad)


def is_tensor(x):
    return isinstance(x, Tensor | torch.Tensor)


def as_array(x):
    """The values of a Tensor of either library, as NumPy has them."""
    if isinstance(x, Tensor):
        return x._array
    x = x.detach().resolve_conj().resolve_neg()
    if x._is_zerotensor():  # zeros that PyTorch keeps without memory
        x = x.clone()
    if x.dtype == torch.bfloat16:
        return x.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return x.numpy()


def flatten(value):
    """The Tensors in a result: one, or those in nested tuples, lists and dicts."""
    if is_tensor(value):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in flatten(v)] if isinstance(value, list | tuple) else []


def find(library, path):
    """`nn.functional.relu` of a library."""
    for part in path.split("."):
        library = getattr(library, part)
    return library


# --- comparison ------------------------------------------------------------


def assert_same(mine, reference, tol=None, where="result"):
    """Fail unless `mine` has the structure, shapes, dtypes and values of PyTorch's `reference`."""
    if isinstance(reference, torch.Tensor):
        assert isinstance(mine, Tensor), f"{where}: {type(mine).__name__} instead of a Tensor"
        assert_close(mine, reference, tol, where)
    elif isinstance(reference, dict):
        assert list(mine) == list(reference), f"{where}: keys {list(mine)} instead of {list(reference)}"
        for k in reference:
            assert_same(mine[k], reference[k], tol, f"{where}[{k!r}]")
    elif isinstance(reference, torch.Size):
        assert isinstance(mine, retrograd.Size) and tuple(mine) == tuple(reference), (
            f"{where}: {mine} not {reference}"
        )
    elif isinstance(reference, list | tuple):
        kind = type(reference)
        named = getattr(mine, "_fields", None)
        assert isinstance(mine, list if kind is list else tuple), (
            f"{where}: {type(mine).__name__} not {kind.__name__}"
        )
        assert len(mine) == len(reference), f"{where}: {len(mine)} items instead of {len(reference)}"
        fields = _fields(reference)
        assert fields is None or named == fields, f"{where}: fields {named} instead of {fields}"
        for i, (m, r) in enumerate(zip(mine, reference, strict=True)):
            assert_same(m, r, tol, f"{where}[{i}]")
    elif isinstance(reference, torch.dtype | torch.device | torch.layout):
        assert str(mine) == str(reference), f"{where}: {mine} instead of {reference}"
    elif isinstance(reference, float | complex):
        assert type(mine) is type(reference), (
            f"{where}: {type(mine).__name__} instead of {type(reference).__name__}"
        )
        np.testing.assert_allclose(mine, reference, rtol=tol or 1e-9, atol=tol or 1e-9, err_msg=where)
    else:
        assert type(mine) is type(reference), (
            f"{where}: {type(mine).__name__} instead of {type(reference).__name__}"
        )
        assert mine == reference, f"{where}: {mine!r} instead of {reference!r}"


def _fields(result):
    """The names of a namedtuple or of one of PyTorch's return types."""
    if not type(result).__module__.startswith("torch.return_types"):
        return getattr(result, "_fields", None)
    positions = {}
    for name in dir(type(result)):
        if not name.startswith("_") and type(getattr(type(result), name)).__name__ == "member_descriptor":
            position = next((i for i, r in enumerate(result) if r is getattr(result, name)), None)
            positions[position] = name
    return tuple(positions[i] for i in sorted(positions))


def assert_close(mine, reference, tol=None, where="result"):
    """Fail unless two Tensors have the same dtype and shape, and values within `tol` (default: by dtype)."""
    a, b = as_array(mine), as_array(reference)
    assert a.shape == b.shape, f"{where}: shape {list(a.shape)} instead of {list(b.shape)}"
    assert a.dtype == b.dtype, f"{where}: dtype {a.dtype} instead of {b.dtype}"
    _compare(a, b, tol, where)


def _compare(a, b, tol, where):
    tol = tol or TOLERANCE.get(b.dtype.name, 0)
    if a.dtype.kind == "V":
        a, b = a.astype(np.float32), b.astype(np.float32)
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol, equal_nan=True, err_msg=where)


def assert_gradients(mine, reference, inputs, tol=None, where="gradient"):
    """Fail unless lists of gradients agree; None counts as zeros of the shape and dtype of the input."""
    for i, (m, r, x) in enumerate(zip(mine, reference, inputs, strict=True)):
        if m is None and r is None:
            continue
        zeros = np.zeros(tuple(x.shape), as_array(x).dtype)
        a = zeros if m is None else as_array(m)
        b = zeros if r is None else as_array(r)
        assert a.shape == b.shape, f"{where} {i}: shape {list(a.shape)} instead of {list(b.shape)}"
        assert a.dtype == b.dtype, f"{where} {i}: dtype {a.dtype} instead of {b.dtype}"
        _compare(a, b, tol, f"{where} of input {i}")


# --- programs ------------------------------------------------------------


def same(program, tol=None):
    """Run `program(torch)` in both libraries and fail unless they return the same; gives our result."""
    mine, reference = program(retrograd), program(torch)
    assert_same(mine, reference, tol)
    return mine


def both_refuse(program, error=RuntimeError, match=None):
    """Fail unless `program(torch)` raises `error` with `match` in both libraries; gives our text."""
    texts = []
    for library in (torch, retrograd):
        with pytest.raises(error, match=match) as caught:
            program(library)
        texts.append(str(caught.value))
    return texts[1]
