"""The threads of the BLAS that NumPy brings, for factorizations and products without a kernel."""

import ctypes
import sys

import numpy as np

# OpenBLAS with and without the prefix of the wheels' build and the suffix of 64-bit integers; BLIS; MKL.
_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
    "bli_thread_set_num_threads",
    "MKL_Set_Num_Threads",
)


def set_num_threads(threads):
    """Tells NumPy's BLAS how many threads to use; gives whether it is one of those that can be told."""
    core = np._core if hasattr(np, "_core") else np.core
    try:  # a library's handle finds what the libraries that it needs define
        library = ctypes.CDLL(sys.modules[f"{core.__name__}._multiarray_umath"].__file__)
    except (OSError, KeyError):  # linked into the interpreter, say
        return False
    for name in _SETTERS:
        setter = getattr(library, name, None)
        if setter is not None:
            setter.restype, setter.argtypes = None, [ctypes.c_int]
            setter(threads)
            return True
    return False
