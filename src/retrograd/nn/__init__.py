"""Layers, losses and containers to build models from; `nn.functional` and `nn.init` beside them."""

from . import attention, functional, grad, init, modules, parallel, parameter, utils
from .modules import *  # noqa: F403
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    *modules.__all__, "Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter",
    "attention", "functional", "grad", "init", "modules", "parallel", "parameter", "utils",
]  # fmt: skip
