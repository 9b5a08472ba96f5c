"""Forward-mode differentiation: `dual_level`, `make_dual`, `unpack_dual`."""

from typing import NamedTuple

import numpy as np

from ..batch import hidden_by, spread
from ..core.modes import Switch, modes
from ..core.op import TABLE
from ..core.tensor import Tensor
from ..forward import DualLevel, on_its_own

_levels = []


class UnpackedDualTensor(NamedTuple):
    """A value and its tangent (None where it has none)."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level():
    """Enter a level of forward mode; gives its number. Prefer the context manager `dual_level`."""
    if _levels:
        raise RuntimeError(
            "Nested forward mode AD is not supported at the moment; torch.func.jvp can be nested [RG024]"
        )
    _levels.append(DualLevel().enter())
    return len(_levels) - 1


def exit_dual_level(*, level=None):
    """Leave the level of forward mode; tangents made in it are gone."""
    if not _levels or (level is not None and level != len(_levels) - 1):
        raise RuntimeError(
            f"Trying to exit a forward AD level that was not the last one that was created: {level}; levels "
            f"open: {len(_levels)} [RG024]"
        )
    _levels.pop().exit()


class dual_level:
    """The context in which tensors can have tangents."""

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *exc):
        exit_dual_level()


class _set_fwd_grad_enabled(Switch):
    """Whether forward mode carries tangents: holds at once when called, and until the end as a context."""

    field = "forward"


def _is_fwd_grad_enabled():
    return modes.forward


def __getattr__(name):
    if name == "_current_level":  # the number of the innermost level, -1 outside of all
        return len(_levels) - 1
    raise AttributeError(f"module '{__name__}' has no attribute '{name}' [RG135]")


def _level(level):
    if not _levels or (level is not None and level < 0):
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first. [RG024]"
        )
    return _levels[-1 if level is None else level]


def make_dual(tensor, tangent, *, level=None):
    """A view of `tensor` that carries `tangent` (same shape and dtype) through what is computed from it."""
    current = _level(level)
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype} [RG024]")
    if not (tangent.is_floating_point() or tangent.is_complex()):
        raise ValueError(
            f"Expected tangent to be floating point or complex, but got: {tangent.dtype} [RG024]"
        )
    if tuple(tangent.shape) != tuple(tensor.shape):
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor: "
            "the tensor is "
            f"of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)} [RG024]"
        )
    if tangent.dtype != tensor.dtype:
        raise RuntimeError(
            f"Expected tangent to have the dtype of the primal, got {tangent.dtype} and {tensor.dtype} "
            "[RG024]"
        )
    if current.tangent(tangent) is not None:
        raise RuntimeError(
            "Trying to set a forward gradient that has a forward gradient at the same level; levels of "
            "dual_level can't be "
            "nested, torch.func.jvp can [RG024]"
        )
    dual = on_its_own(TABLE["alias"](spread(tensor, hidden_by(tangent))))
    if not modes.interpreters[-1].batching and not _alike(tensor._array, tangent._array):
        # what is written to the dual, even beyond its elements, stays out of it
        tangent = TABLE["clone"](tangent)
    current.attach(dual, tangent)
    return dual


def _alike(a, b):
    """Whether two arrays lie in memory in the same way, in memory of the same size."""
    steps = [[s for s, n in zip(x.strides, x.shape, strict=True) if n > 1] for x in (a, b)]
    return a.size == 0 or (steps[0] == steps[1] and _whole(a).size == _whole(b).size)


def _whole(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


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
        return UnpackedDualTensor(on_its_own(TABLE["view"](tensor, tuple(tensor.shape))), tangent)
    finally:
        modes.interpreters = stack
