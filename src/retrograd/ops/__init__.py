"""The rows, by family.

Each module lists its public functions (`__all__`), which of them are also Tensor methods (`METHODS`), which have
in-place forms (`INPLACE`), and Tensor's special methods (`OPERATORS`, a dict from `__add__` and the like).
"""

from . import pointwise, reduce, shape
from .pointwise import *  # noqa: F403
from .reduce import *  # noqa: F403
from .shape import *  # noqa: F403

MODULES = [pointwise, reduce, shape]
__all__ = [name for module in MODULES for name in module.__all__]  # noqa: PLE0604
