"""The same parameters and gradients here and in PyTorch, for the tests of optimizers."""

import ml_dtypes
import numpy as np
import torch

import retrograd
from retrograd.core.tensor import wrap

SHAPES = [(3, 4), (5,), (), (2, 3, 2, 2), (0, 3)]


def values(seed, shape, dtype="float64"):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        a = a + 1j * rng.standard_normal(shape)
    return np.asarray(a).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def theirs(array):
    """A copy as a PyTorch tensor, in the same order in memory."""
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.astype(np.float32)).bfloat16()
    return torch.from_numpy(np.array(array, order="K"))


def plain(tensor):
    """A tensor of either library as a float64 or complex128 array."""
    if isinstance(tensor, torch.Tensor):
        tensor = tensor.detach()
        return (tensor.to(torch.complex128) if tensor.is_complex() else tensor.double()).numpy()
    array = tensor._array if isinstance(tensor, retrograd.Tensor) else np.asarray(tensor)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def close(ours, expected, tol=1e-12):
    expected = plain(expected)
    scale = max(1, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(plain(ours), expected, rtol=tol, atol=tol * scale)


class Twins:
    """Parameters in both libraries that are given the same gradients."""

    def __init__(self, shapes=SHAPES, dtype="float64", layout=None, seed=0):
        arrays = [values(seed + i, s, dtype) for i, s in enumerate(shapes)]
        if layout == "fortran":
            arrays = [np.asfortranarray(a) for a in arrays]
        elif layout == "strided":
            arrays = [np.stack([a, a], axis=-1)[..., 0] for a in arrays]
        self.dtype = dtype
        self.theirs = [theirs(a).requires_grad_() for a in arrays]
        self.ours = [wrap(np.array(a, order="K") if layout != "strided" else a) for a in arrays]
        for p in self.ours:
            p.requires_grad = True

    def gradients(self, step, skip=()):
        for i, (p, q) in enumerate(zip(self.ours, self.theirs, strict=True)):
            if i in skip:
                p.grad = q.grad = None
                continue
            g = values(1000 * (step + 1) + i, p._array.shape, self.dtype)
            p.grad, q.grad = wrap(g), theirs(g)

    def compare(self, tol=1e-12):
        for p, q in zip(self.ours, self.theirs, strict=True):
            assert str(p.dtype) == str(q.dtype)
            close(p, q, tol)


def same_state(ours, expected, tol=1e-12):
    """Whether two state_dicts have the same keys, types and values."""
    assert type(ours) is type(expected) or isinstance(ours, retrograd.Tensor), (ours, expected)
    if isinstance(expected, dict):
        assert list(map(str, ours)) == list(map(str, expected))
        for key in expected:
            same_state(ours[key], expected[key], tol)
    elif isinstance(expected, (list, tuple)):
        assert len(ours) == len(expected)
        for a, b in zip(ours, expected, strict=True):
            same_state(a, b, tol)
    elif isinstance(expected, torch.Tensor):
        assert str(ours.dtype) == str(expected.dtype) and tuple(ours.shape) == tuple(expected.shape)
        close(ours, expected, tol)
    elif isinstance(expected, float):
        close(ours, expected, tol)
    else:
        assert ours == expected


def converted(value, to):
    """A state_dict with its tensors converted to `to`: torch or retrograd."""
    if isinstance(value, dict):
        return {k: converted(v, to) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(converted(v, to) for v in value)
    if to is torch and isinstance(value, retrograd.Tensor):
        return theirs(value._array)
    if to is retrograd and isinstance(value, torch.Tensor):
        return wrap(value.detach().numpy().copy(order="K"))
    return value
