"""Types for annotations, under PyTorch's names."""

import builtins
import os
from collections.abc import Sequence
from typing import TypeAlias

from .compat import layout as _layout  # noqa: F401
from .core.arrays import dtype as _dtype  # noqa: F401
from .core.device import device as _device
from .core.size import Size
from .core.tensor import Tensor
from .storage import UntypedStorage as Storage

__all__ = ["Device", "FileLike", "IntLikeType", "Number", "Storage"]

Device: TypeAlias = _device | str | int | None
FileLike: TypeAlias = str | os.PathLike | object
Number: TypeAlias = builtins.int | builtins.float | builtins.bool
IntLikeType: TypeAlias = builtins.int
FloatLikeType: TypeAlias = builtins.float
BoolLikeType: TypeAlias = builtins.bool
_int, _float, _bool, _complex = builtins.int, builtins.float, builtins.bool, builtins.complex
_size: TypeAlias = Size | list | tuple
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
_TensorOrTensorsOrGradEdge: TypeAlias = Tensor | Sequence[Tensor] | tuple
