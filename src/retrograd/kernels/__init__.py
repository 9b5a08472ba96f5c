"""Fast kernels that outrank the rows' NumPy forwards: whether they are there, and how many threads they use.

``RETROGRAD_KERNELS=numpy`` switches them off, ``RETROGRAD_ISA`` (generic, avx2, avx512; neon) forces an
instruction set, ``OMP_NUM_THREADS`` sets the number of threads to begin with, ``RETROGRAD_WINOGRAD=0`` does
what `allow_winograd(False)` does, ``RETROGRAD_FACTORS=0`` what `allow_factors(False)` does,
``RETROGRAD_FUSION=0`` what `allow_fusion(False)` does.
"""

import os
import sys

import numpy as np

from ..core.compiled import native, reason
from ..core.device import is_meta

__all__ = [
    "allow_factors",
    "allow_fusion",
    "allow_winograd",
    "available",
    "describe",
    "empty_like",
    "get_num_threads",
    "keep_in_cache",
    "lay_out_weight",
    "native",
    "set_num_threads",
]


_threads = None  # what set_num_threads was told where there is no compiled module


def available():
    """Whether the compiled kernels are in use."""
    return native is not None


def describe():
    """One line for people: which kernels are used, and why if they are not the compiled ones."""
    if native is None:
        return f"kernels: NumPy ({reason})"
    threads = native.get_num_threads()
    return f"kernels: compiled, {native.isa()}, {threads} thread{'s' * (threads != 1)}"


def empty_like(array):
    """A new array with the layout of `array`, without its gaps: for what is large and stays, as weights do.

    With compiled kernels large ones use memory again that was freed, and lie in huge pages.
    """
    if native is None or type(array) is not np.ndarray:
        return np.empty_like(array)
    if array.flags.c_contiguous:
        return native.empty(array.shape, array, False, True)
    if array.ndim == 4 and array.transpose(0, 2, 3, 1).flags.c_contiguous:
        return native.empty(array.shape, array, True, True)
    return np.empty_like(array)


def keep_in_cache(weight):
    """Give a new weight that holds nothing yet memory of the kernels' own, in huge pages if it is large."""
    if native is not None and type(weight._array) is np.ndarray and not is_meta(weight._array):
        weight._array = empty_like(weight._array)


def lay_out_weight(weight):
    """Store a convolution's weight, a Tensor (O, I, ...), as the kernels read it: (O, ..., I) in memory.

    Done once, at the first use: the initial values have then been drawn, in C order as PyTorch does. Not
    done without compiled kernels, for three spatial axes, which have none, or where others may share its
    memory.
    """
    array = weight._array
    if native is None or array.ndim not in _LAST or array.dtype.char not in "fd":
        return
    if (
        array.transpose(_LAST[array.ndim]).flags.c_contiguous
        or weight._grad_fn is not None
        or weight._view is not None
        or is_meta(array)
    ):
        return
    if sys.getrefcount(array) > 3:  # the weight's reference, this function's and the call's
        return
    base = array.base
    alone = base is None or (type(base) is np.ndarray and base.base is None and sys.getrefcount(base) <= 3)
    if alone and array.flags.c_contiguous and array.flags.writeable:
        weight._array = _laid_out(array)
        return
    stored = native.empty(array.shape, array, True, True)
    stored[...] = array
    weight._array = stored


def _laid_out(array):
    """The same values in the same memory, (O, I, ...) in the order (O, ..., I); `array` is then of no use."""
    order = _LAST[array.ndim]
    stored = array.reshape([array.shape[axis] for axis in order]).transpose(np.argsort(order))
    some = max(1, _SOME // max(1, array[:1].nbytes))
    for start in range(0, len(array), some):
        stored[start : start + some] = array[start : start + some].copy()
    return stored


_SOME = 1 << 18  # bytes that are out of place at a time
_LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1)}  # by number of axes: their order with the second one last


def get_num_threads():
    """The number of threads that the kernels use; their results do not depend on it."""
    return (_threads or os.cpu_count() or 1) if native is None else native.get_num_threads()


def set_num_threads(threads):
    """Sets the number of threads that the kernels use, and NumPy's BLAS if it is OpenBLAS, BLIS or MKL.

    The results of the kernels do not depend on it. BLAS, which factorizes matrices and multiplies where there
    is no kernel, may round otherwise with another number of threads.
    """
    global _threads
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"set_num_threads expects a number of at least 1, not {threads!r} [RG049]")
    _threads = threads
    from . import blas  # with ctypes, which is not imported for nothing

    blas.set_num_threads(threads)
    if native is not None:
        native.set_num_threads(threads)


def allow_winograd(allowed):
    """Let 3x3 convolutions in float32 use Winograd's method where that is faster (they do), or forbid it.

    It needs a quarter of the products, and its rounding errors are two to three times as large: about 1e-6
    of the norm. An infinity or NaN then also reaches the few pixels beside those that see it.
    """
    if native is not None:
        native.set_winograd(bool(allowed))


def allow_fusion(allowed):
    """Let the result of a batch norm wait for a relu or a sum that comes next, to be computed in one pass.

    They may, at first. Whoever else looks gets the array, of the same bits (native/pending.h). Gives what
    held before.
    """
    return native is not None and native.use_fusion(bool(allowed))


def allow_factors(allowed):
    """Let the gradient of a large weight wait as the layer's input and its output's gradient, or not.

    Only where these are much smaller. It is multiplied out when `.grad` is looked at, or within the
    optimizer's step (any of the compiled ones, see docs/performance.md), which then need not read it
    from memory; the bits are the same. So it is for plain training steps: not with
    hooks on the weight, a second backward into the same `.grad`, or `create_graph`.
    """
    if native is not None:
        native.set_factors(bool(allowed))
