"""Names that scripts ask for and that do little here: facts of the build, autocast's state, layouts."""

from ._named import Instanceless
from .autograd import set_detect_anomaly
from .core.arrays import COMPLEX, DTYPES, FLOAT, INT, bfloat16, dtype, float16
from .core.tensor import Tensor, strided

layout = type(strided)
sparse_coo, sparse_csr, sparse_csc, sparse_bsr, sparse_bsc, jagged = [
    layout(name) for name in ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged")
]


class _NameOnly(dtype):
    """A dtype that programs mention and that no tensor has here; asking for one is a TypeError."""

    def __init__(self, name, category, itemsize, is_signed):
        self.name, self.category, self.itemsize, self.is_signed = name, category, itemsize, is_signed

    __slots__ = ()

    @property
    def numpy(self):
        raise TypeError(f"tensors of {self!r} are not supported; use one of: {', '.join(DTYPES)} [RG041]")

    def __reduce__(self):
        return self.name


chalf = complex32 = _NameOnly("complex32", COMPLEX, 4, True)
qint8, quint8, qint32, quint4x2, quint2x4 = [
    _NameOnly(name, INT, size, name[0] == "q" and name[1] == "i")
    for name, size in (("qint8", 1), ("quint8", 1), ("qint32", 4), ("quint4x2", 1), ("quint2x4", 1))
]
float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0fnu = [
    _NameOnly(name, FLOAT, 1, name != "float8_e8m0fnu")
    for name in ("float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
]
class PyTorchFileReader(metaclass=Instanceless):
    """A name for annotations: checkpoints are read by `torch.load`."""


class PyTorchFileWriter(metaclass=Instanceless):
    """A name for annotations: checkpoints are written by `torch.save`."""


class Stream(metaclass=Instanceless):
    """A name for isinstance and annotations: work is done when a function returns."""


class Event(metaclass=Instanceless):
    """A name for isinstance and annotations: there are no streams whose progress it could mark."""


class SymInt(metaclass=Instanceless):
    """A name for isinstance and annotations: sizes are plain ints here."""


class SymFloat(metaclass=Instanceless):
    """A name for isinstance and annotations."""


class SymBool(metaclass=Instanceless):
    """A name for isinstance and annotations."""


has_lapack = has_spectral = True  # through NumPy
has_mkl = has_openmp = False


def is_autocast_enabled(device_type=None):
    """False: `autocast` casts nothing here."""
    return False


def is_autocast_cpu_enabled():
    """False: `autocast` casts nothing here."""
    return False


def is_autocast_cache_enabled():
    """False: there are no casts to keep."""
    return False


def clear_autocast_cache():
    """Accepted: there is nothing to clear."""


def get_autocast_dtype(device_type):
    """The dtype that PyTorch's autocast begins with on such a device: bfloat16, or float16 on a GPU."""
    return float16 if device_type == "cuda" else bfloat16


def get_autocast_cpu_dtype():
    """bfloat16, as `get_autocast_dtype("cpu")`."""
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype():
    """float16, as `get_autocast_dtype("cuda")`."""
    return get_autocast_dtype("cuda")


def set_anomaly_enabled(mode, check_nan=True):
    """Anomaly mode on or off, as `autograd.set_detect_anomaly`."""
    set_detect_anomaly(mode, check_nan)


def is_vulkan_available():
    """False."""
    return False


def set_flush_denormal(mode):
    """False, as in PyTorch where that can't be set: NumPy can't switch the processor's mode."""
    return False


def init_num_threads():
    """Accepted: `set_num_threads` says how many threads there are."""


def unravel_index(indices, shape):
    """The coordinates in a tensor of `shape` of elements given by their number: a tensor for each dimension.

    indices: of an integer dtype. TypeError or ValueError, as in PyTorch, for others and for no shape.
    """
    if not isinstance(indices, Tensor) or indices._array.dtype.kind not in "iu":
        got = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise TypeError(f"expected 'indices' to be a tensor of integers, but got {got} [RG047]")
    if isinstance(shape, int):
        shape = (shape,)
    for n in shape:
        if not isinstance(n, int):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(n)} [RG047]")
        if n < 0:
            raise ValueError(f"'shape' cannot have negative values, but got {tuple(shape)} [RG049]")
    indices = indices.long()
    coordinates = []
    for n in reversed(shape):
        coordinates.append(indices % n)
        indices = indices // n
    return tuple(reversed(coordinates))
