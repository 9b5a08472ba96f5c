"""The array of a tensor inside vmap (a shape, strides, a dtype), and what is said to who reads its values."""

import numpy as np


class Placeholder(np.ndarray):
    """The array of a `Batched`: a shape, strides and a dtype. Its values, the first example's, stand for
    nothing."""

    level = None  # whose dimension the Batched hides

    def __array_finalize__(self, source):
        self.level = getattr(source, "level", None)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        refuse_to_read(*inputs)

    def __array_function__(self, function, types, args, kwargs):
        if function in _DYNAMIC:
            refuse_dynamic(function.__name__, *args)
        if function not in _OF_SHAPES:
            refuse_to_read(*args)
        check_living(*args)
        return function(*[a.view(np.ndarray) if isinstance(a, Placeholder) else a for a in args], **kwargs)

    def _read(self, *args, **kwargs):
        refuse_to_read(self)

    item = tolist = nonzero = astype = copy = tobytes = argmax = argmin = argsort = _read
    __bool__ = __int__ = __float__ = __complex__ = __index__ = __iter__ = __contains__ = _read


def _living(name):
    """A method of arrays that gives a view, for as long as the vmap lasts."""

    def method(self, *args, **kwargs):
        check_living(self)
        return getattr(np.ndarray, name)(self, *args, **kwargs)

    return method


for _name in ("reshape", "transpose", "swapaxes", "squeeze", "view", "__getitem__"):
    setattr(Placeholder, _name, _living(_name))

_OF_SHAPES = {
    np.zeros_like, np.empty_like, np.ones_like, np.full_like, np.shape, np.ndim, np.size, np.result_type,
    np.can_cast,
    np.may_share_memory, np.shares_memory, np.broadcast_to, np.broadcast_shapes, np.moveaxis, np.transpose,
}  # fmt: skip
_DYNAMIC = {np.nonzero, np.argwhere, np.flatnonzero, np.unique}


def refuse_dynamic(name, *values):
    check_living(*values)
    raise RuntimeError(
        "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over "
        f"{name}: how many elements there are differs from example to example. Use torch.where(condition, x, "
        "y) for choices, or do it outside vmap. [RG101]"
    )


def check_living(*values):
    """Say so if a tensor is used whose vmap has ended."""
    for v in values:
        v = getattr(v, "_array", v)
        if isinstance(v, Placeholder) and v.level is not None and v.level.ended:
            raise RuntimeError(
                "vmap: your tensor may have escaped from inside a function being vmapped: it stands for one "
                "example of a vmap that has ended. Return from the function what is to be used outside "
                "of it. [RG103]"
            )


def refuse_item(x):
    check_living(x._array)
    raise RuntimeError(
        "vmap: It looks like you're calling .item() on a Tensor. Inside vmap a tensor stands for a whole "
        "batch and has no one value: compute with the tensor itself, or call .item() outside vmap. [RG101]"
    )


def refuse_to_read(*values, **kwargs):
    check_living(*values)
    raise RuntimeError(
        "vmap: It looks like you're attempting to use a Tensor's values in Python (.item(), bool(), an `if` "
        "or data-dependent control flow, nonzero, a boolean mask that selects...). Inside vmap a tensor "
        "stands for a whole batch and has no one value. Use torch.where for choices, or do it outside "
        "vmap. [RG101]"
    )
