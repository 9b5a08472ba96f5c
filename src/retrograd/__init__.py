"""retrograd: automatic differentiation that trains neural networks, under the names PyTorch users know.

import retrograd as torch
"""

import importlib as _importlib
import math as _math

from . import autograd, kernels, methods  # noqa: F401
from ._version import __version__  # noqa: F401
from .autograd import (  # noqa: F401
    enable_grad,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)  # fmt: skip
from .convert import from_dlpack, to_dlpack  # noqa: F401
from .core.arrays import (  # noqa: F401
    bfloat16,
    complex64,
    complex128,
    dtype,
    float8_e4m3fn,
    float8_e5m2,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
    uint16,
    uint32,
    uint64,
)  # fmt: skip
from .core.arrays import bool_ as bool  # noqa: F401
from .core.device import device, get_default_device, set_default_device  # noqa: F401
from .core.memory import channels_last, channels_last_3d, contiguous_format, memory_format, preserve_format  # noqa: F401
from .core.size import Size  # noqa: F401
from .core.tensor import Tensor, strided  # noqa: F401
from .dtypes import *  # noqa: F403
from .legacy import *  # noqa: F403
from .legacy import set_default_tensor_type  # noqa: F401
from .ops import *  # noqa: F403
from .ops import return_types  # noqa: F401
from .random import (  # noqa: F401
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .storage import TypedStorage, UntypedStorage  # noqa: F401

pi, e, inf, nan, newaxis = _math.pi, _math.e, _math.inf, _math.nan, None

if kernels.available():
    from .kernels import attention as _attention_kernels  # noqa: F401  registers them for their rows
    from .kernels import cpu as _cpu_kernels  # noqa: F401  the same
    from .kernels import images as _images  # noqa: F401  the same
    from .kernels import sequences as _sequences  # noqa: F401  the same
    from .kernels import volumes as _volumes  # noqa: F401  the same

half, float, double = float16, float32, float64
cfloat, cdouble = complex64, complex128
short, int, long = int16, int32, int64

_LAZY = {
    "_C",
    "_VF",
    "_ops",
    "__config__",
    "__future__",
    "accelerator",
    "amp",
    "backends",
    "compiler",
    "cuda",
    "distributed",
    "distributions",
    "draw",
    "fft",
    "func",
    "futures",
    "fx",
    "hub",
    "_tensor_str",
    "jit",
    "library",
    "linalg",
    "masked",
    "mps",
    "multiprocessing",
    "nn",
    "optim",
    "overrides",
    "profiler",
    "printing",
    "safetensors",
    "serialization",
    "signal",
    "special",
    "testing",
    "torch_version",
    "types",
    "utils",
    "version",
    "vision",
}
_LAZY_NAMES = {
    **dict.fromkeys(["load", "save"], "serialization"),
    "Future": "futures",
    **dict.fromkeys(["ScriptFunction", "ScriptModule"], "jit"),
    **dict.fromkeys(["_unique", "_unique2"], "_VF"),
    "set_printoptions": "printing",
    "graph_stats": "profiler",
    "vmap": "func",
    "autocast": "amp",
    "GradScaler": "amp",
    **dict.fromkeys(["get_num_threads", "set_num_threads"], "kernels"),
    **dict.fromkeys(
        [
            "are_deterministic_algorithms_enabled",
            "compile",
            "get_float32_matmul_precision",
            "get_num_interop_threads",
            "is_deterministic_algorithms_warn_only_enabled",
            "set_float32_matmul_precision",
            "set_num_interop_threads",
            "use_deterministic_algorithms",
            "set_deterministic_debug_mode",
            "get_deterministic_debug_mode",
            "set_warn_always",
            "is_warn_always_enabled",
        ],
        "settings",
    ),
    **dict.fromkeys(
        [
            "clear_autocast_cache",
            "get_autocast_cpu_dtype",
            "get_autocast_dtype",
            "get_autocast_gpu_dtype",
            "has_lapack",
            "has_mkl",
            "has_openmp",
            "has_spectral",
            "init_num_threads",
            "is_autocast_cache_enabled",
            "is_autocast_cpu_enabled",
            "is_autocast_enabled",
            "is_vulkan_available",
            "layout",
            "set_anomaly_enabled",
            "set_flush_denormal",
            "unravel_index",
            *"chalf complex32 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu qint32 qint8 quint2x4".split(),
            *"quint4x2 quint8 jagged sparse_bsc sparse_bsr sparse_coo sparse_csc sparse_csr".split(),
            *"Event Stream SymBool SymFloat SymInt PyTorchFileReader PyTorchFileWriter".split(),
        ],
        "compat",
    ),
}


def _graph(self, params=None, **options):
    """The graph that made this tensor, as a picture: see `retrograd.draw.graph`."""
    return __getattr__("draw").graph(self, params, **options)


Tensor.graph = _graph


def __getattr__(name):
    """Sub-packages, and names that live in one, are imported when first asked for."""
    if name in _LAZY:
        return _importlib.import_module(f"{__name__}.{name}")
    if name in _LAZY_NAMES:
        value = getattr(_importlib.import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
        globals()[name] = value
        return value
    if name.startswith("_foreach_"):
        return getattr(_importlib.import_module(f"{__name__}._foreach"), name)
    module = _importlib.import_module(f"{__name__}._named").find(name)
    if module is not None:
        return module
    raise AttributeError(f"module 'retrograd' has no attribute '{name}' [RG135]")
