"""The rows, by family.

Each module lists its public functions (`__all__`), which of them are also Tensor methods (`METHODS`), which
have in-place forms (`INPLACE`), and Tensor's special methods (`OPERATORS`, a dict from `__add__` and so on).
"""

import importlib
import sys

from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .bessel import *  # noqa: F403
from .classification import *  # noqa: F403
from .compare import *  # noqa: F403
from .complex_numbers import *  # noqa: F403
from .contraction import *  # noqa: F403
from .conv import *  # noqa: F403
from .copies import *  # noqa: F403
from .counting import *  # noqa: F403
from .creation import *  # noqa: F403
from .ctc import *  # noqa: F403
from .cylinder import *  # noqa: F403
from .decompositions import *  # noqa: F403
from .diagonals import *  # noqa: F403
from .differences import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropouts import *  # noqa: F403
from .elementary import *  # noqa: F403
from .embeddings import *  # noqa: F403
from .extremes import *  # noqa: F403
from .factors import *  # noqa: F403
from .from_data import *  # noqa: F403
from .gamma_draws import *  # noqa: F403
from .grids import *  # noqa: F403
from .index import *  # noqa: F403
from .join import *  # noqa: F403
from .linalg import *  # noqa: F403
from .linear_systems import *  # noqa: F403
from .lobpcg import *  # noqa: F403
from .loss import *  # noqa: F403
from .mask import *  # noqa: F403
from .matrices import *  # noqa: F403
from .matrix_functions import *  # noqa: F403
from .native_norms import *  # noqa: F403
from .normalization import *  # noqa: F403
from .norms import *  # noqa: F403
from .operators import *  # noqa: F403
from .padding import *  # noqa: F403
from .picking import *  # noqa: F403
from .pointwise import *  # noqa: F403
from .pool import *  # noqa: F403
from .positional import *  # noqa: F403
from .power import *  # noqa: F403
from .product import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .reduce import *  # noqa: F403
from .resample import *  # noqa: F403
from .sampling import *  # noqa: F403
from .scan import *  # noqa: F403
from .segments import *  # noqa: F403
from .sequences import *  # noqa: F403
from .shape import *  # noqa: F403
from .softmaxes import *  # noqa: F403
from .sorting import *  # noqa: F403
from .special import *  # noqa: F403
from .spectral import *  # noqa: F403
from .statistics import *  # noqa: F403
from .underscored import *  # noqa: F403
from .unfolding import *  # noqa: F403
from .unpool import *  # noqa: F403
from .view import *  # noqa: F403
from .windows import *  # noqa: F403

_FAMILIES = """
    pointwise compare elementary power complex_numbers operators special bessel cylinder activation reduce
    extremes softmaxes scan sorting counting norms differences statistics underscored shape product
    contraction linear_systems decompositions matrix_functions linalg matrices factors conv pool normalization
    loss lobpcg classification embeddings dropouts distance unfolding resample attention unpool grids ctc
    positional copies creation from_data sequences diagonals index join mask padding recurrent
    picking sampling
    view windows spectral native_norms segments gamma_draws
""".split()

MODULES = [sys.modules[f"{__name__}.{name}"] for name in _FAMILIES]  # a function may bear its module's name
__all__ = [name for module in MODULES for name in module.__all__]  # noqa: PLE0604


def __getattr__(name):
    """`torch.ops` is PyTorch's namespace of operators, too: `torch.ops.aten`, `torch.ops.mylib`."""
    if name == "aten":
        return importlib.import_module(f"{__name__}.aten")
    operators = importlib.import_module("retrograd._ops")
    if name == "retrograd" or name in operators.namespaces():
        return operators.Namespace(name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}' [RG135]")
