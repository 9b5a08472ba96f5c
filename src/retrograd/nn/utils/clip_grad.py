"""Clipping of gradients, by their total norm or by value."""

import functools
import types
import warnings

import numpy as np

from ...core import lists
from ...core.arrays import as_dtype, promote_types, quiet
from ...core.graph import no_grad
from ...core.tensor import Tensor, wrap


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale the gradients in place so that their norm, all taken as one vector, is at most max_norm.

    Gives the norm from before. norm_type: p of the p-norm; inf is the largest magnitude. error_if_nonfinite:
    an error where the norm is NaN or infinite. foreach is accepted: there is one implementation.
    """
    if isinstance(parameters, types.GeneratorType):
        parameters = list(parameters)
        if not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2
            )
    parameters = _listed(parameters)
    norm = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, norm, foreach)
    return norm


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The p-norm (p = norm_type) of all `tensors` taken as one vector: a 0-d Tensor, outside the graph."""
    norm_type = float(norm_type)
    token = quiet.enter()
    try:
        tensors = _listed(tensors)
        if not tensors:
            return wrap(np.zeros((), np.float32))
        total = _folded(tensors, norm_type)
        if total is None:
            norms = [_norm(t._array, norm_type) for t in tensors]
            kind = functools.reduce(promote_types, [n.dtype for n in norms], norms[0].dtype)
            total = _norm(np.stack(norms).astype(as_dtype(kind).numpy), norm_type)
    finally:
        quiet.leave(token)
    if error_if_nonfinite and not np.isfinite(total.astype(np.float64)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite ({total}), "
            "so it cannot be clipped. To disable this error and scale the gradients by the non-finite norm "
            "anyway, set `error_if_nonfinite=False` [RG069]"
        )
    return wrap(np.asarray(total))


_FOLDS = {1.0: "magnitudes", 2.0: "squares", np.inf: "largest"}


def _folded(tensors, p):
    """The p-norm of all in one pass over them, or None where that can't be."""
    folds = lists.fold(_FOLDS[p], tensors) if p in _FOLDS else None
    if folds is None:
        return None
    total = folds.max() if p == np.inf else np.sqrt(folds.sum()) if p == 2 else folds.sum()
    narrow = all([t._array.itemsize == 4 for t in tensors])
    return np.asarray(total, np.float32 if narrow else np.float64)


def _norm(array, p):
    """The p-norm of an array as a 0-d array of its (real) dtype; narrow ones are summed in float32."""
    kind = array.real.dtype if array.dtype.kind == "c" else array.dtype
    flat = array.ravel(order="K")
    if array.itemsize <= 2:
        flat = flat.astype(np.float32)
    if p == 2:
        value = np.sqrt(np.vdot(flat, flat).real)
    else:
        size = np.abs(flat)
        if p == np.inf:
            value = size.max(initial=0)
        elif p == -np.inf:
            value = size.min(initial=np.inf)
        elif p == 0:
            value = np.count_nonzero(size)
        elif p == 1:
            value = size.sum()
        else:
            value = (size**p).sum() ** (1 / p)
    return np.asarray(value).astype(kind)


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scale the gradients in place by max_norm / total_norm where that is below 1."""
    grads = _gradients(_listed(parameters))
    if not grads:
        return
    total = total_norm._array if isinstance(total_norm, Tensor) else np.asarray(total_norm, np.float32)
    kind = np.float32 if total.itemsize <= 2 else total.dtype
    token = quiet.enter()
    try:
        scale = np.asarray(float(max_norm), kind) / (total.astype(kind) + np.asarray(1e-6, kind))
        if scale >= 1:
            return
        with no_grad():
            if lists.update("scale", (scale.item(),), grads):
                return
        for g in grads:
            _write(g, np.multiply, scale)
    finally:
        quiet.leave(token)


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Clip the gradients' elements in place to between -clip_value and clip_value."""
    limit = float(clip_value)
    grads = _gradients(_listed(parameters))
    with no_grad():
        if lists.update("clamp", (-limit, limit), grads):
            return
    for g in grads:
        if g._array.dtype.kind == "c":
            raise RuntimeError(
                "clip_grad_value_ is not defined for complex gradients; clip_grad_norm_ is [RG069]"
            )
        _write(g, np.clip, -limit, limit)


def clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Deprecated name of clip_grad_norm_."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def _listed(tensors):
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters):
    return [p.grad for p in parameters if p._grad is not None]


def _write(tensor, function, *operands):
    """Apply `function` to the tensor's array in place; in float32 where it is narrower."""
    array = tensor._array
    if not array.flags.writeable:
        raise RuntimeError(
            f"a gradient of shape {list(array.shape)} can't be clipped in place: its memory is read-only (an "
            "expanded tensor, or a read-only NumPy array); assign a clone() of it to .grad [RG124]"
        )
    work = array.astype(np.float32) if array.itemsize <= 2 else array
    function(work, *[np.asarray(o).astype(work.real.dtype) for o in operands], out=work)
    if work is not array:
        array[...] = work
    tensor._versions().bump()
