"""What public functions share to bring their arguments to the rows' normal form: axes, sizes, `out=`."""

from operator import index

from ..core import arrays
from ..core.op import write_out
from ..core.tensor import Tensor


def normal_axis(dim, ndim):
    """`dim` counted from the front; IndexError where there is no such dimension."""
    n = max(ndim, 1)
    if type(dim) is not int:
        if isinstance(dim, bool):
            raise TypeError("argument 'dim' must be int, not bool [RG047]")
        dim = as_int(dim, "dim")
    if not -n <= dim < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim}) [RG039]"
        )
    return dim % n


def normal_axes(dim, ndim):
    """`dim` (None, an int or several) as a tuple of non-negative axes; None and () mean all of them."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    axes = tuple([normal_axis(d, ndim) for d in dims])
    if len(set(axes)) != len(axes):
        raise RuntimeError(
            f"dim {axes[0]} appears multiple times in the list of dims: got dims {tuple(dims)} [RG039]"
        )
    return axes


def as_int(value, name):
    """`value` as an int; TypeError, naming the argument, for what is none."""
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{name} must be int, not {type(value).__name__} [RG047]") from None


def as_sizes(args):
    """A tuple of ints from `2, 3` or from one tuple, list or Size."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = args[0]
    for n in args:
        if type(n) is not int:
            return tuple([as_int(n, "each size") for n in args])
    return tuple(args)


def deliver(result, out, exact=False):
    """`result`, written into the caller's `out=` if there is one; `exact` refuses one of another dtype."""
    if exact and out is not None:
        check_exact(result, out)
    if out is None:
        return result
    written = write_out(result, out)
    return type(result)(written) if isinstance(result, tuple) else written


def check_exact(result, out):
    """Refuse an `out=` of another dtype than the result's."""
    if isinstance(result, tuple):
        for name, r, o in zip(type(result)._fields, result, out, strict=True):
            if r._array.dtype != o._array.dtype:
                expected, found = [arrays.scalar_name(t.dtype) for t in (r, o)]
                raise RuntimeError(
                    f"expected scalar type {expected} but got {found} for {name} output [RG035]"
                )
    elif out._array.dtype != result._array.dtype:
        expected, found = [arrays.scalar_name(t.dtype) for t in (result, out)]
        raise RuntimeError(
            f"Expected out tensor to have scalar type {expected} but got scalar type {found} [RG035]"
        )


def check_tensors(tensors, name):
    """`tensors` as a non-empty list of Tensors; the errors of functions that join."""
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' must be a tuple or list of Tensors, not "
            f"{type(tensors).__name__} [RG047]"
        )
    if not tensors:
        raise RuntimeError(f"{name}(): expected a non-empty list of Tensors [RG123]")
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"{name}(): expected Tensor as element {i} in argument 0, but got {type(t).__name__} [RG047]"
            )
    return list(tensors)
