"""Forward-mode differentiation: `dual_level`, `make_dual`, `unpack_dual`."""

from typing import NamedTuple

from ..batch import hidden_by, spread
from ..core.graph import modes
from ..core.op import TABLE
from ..core.tensor import Tensor
from ..forward import DualLevel

_levels = []


class UnpackedDualTensor(NamedTuple):
    """A value and its tangent (None where it has none)."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level():
    """Enter a level of forward mode; gives its number. Prefer the context manager `dual_level`."""
    if _levels:
        raise RuntimeError(
            "Nested forward mode AD is not supported at the moment; torch.func.jvp can be nested"
        )
    _levels.append(DualLevel().enter())
    return len(_levels) - 1


def exit_dual_level(*, level=None):
    """Leave the level of forward mode; tangents made in it are gone."""
    if not _levels or (level is not None and level != len(_levels) - 1):
        raise RuntimeError(
            f"Trying to exit a forward AD level that was not the last one that was created: {level}; levels open: {len(_levels)}"
        )
    _levels.pop().exit()


class dual_level:
    """The context in which tensors can have tangents."""

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *exc):
        exit_dual_level()


def _level(level):
    if not _levels or (level is not None and level < 0):
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    return _levels[-1 if level is None else level]


def make_dual(tensor, tangent, *, level=None):
    """A view of `tensor` that carries `tangent` (same shape and dtype) through what is computed from it."""
    current = _level(level)
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if not (tangent.is_floating_point() or tangent.is_complex()):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if tuple(tangent.shape) != tuple(tensor.shape):
        raise RuntimeError(
            f"Expected tangent to have the same shape as the primal, got {list(tangent.shape)} and {list(tensor.shape)}"
        )
    if tangent.dtype != tensor.dtype:
        raise RuntimeError(
            f"Expected tangent to have the dtype of the primal, got {tangent.dtype} and {tensor.dtype}"
        )
    dual = TABLE["view"](spread(tensor, hidden_by(tangent)), tuple(tensor.shape))
    current.attach(dual, tangent)
    return dual


def unpack_dual(tensor, *, level=None):
    """(primal, tangent) of a tensor; the tangent is None where it has none."""
    if not _levels:
        return UnpackedDualTensor(tensor, None)
    current = _level(level)
    tangent = current.tangent(tensor)
    if tangent is None:
        return UnpackedDualTensor(tensor, None)
    stack = modes.interpreters
    modes.interpreters = tuple([i for i in stack if i is not current])
    try:
        return UnpackedDualTensor(TABLE["view"](tensor, tuple(tensor.shape)), tangent)
    finally:
        modes.interpreters = stack
