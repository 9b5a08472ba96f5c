"""Rows that move elements and compute nothing: views, copies, joins and splits.

The rows take normal forms only (non-negative axes, whole shapes); the public functions below them make those.
"""

import numpy as np

from ..core import arrays
from ..core.op import LINEAR, Op

__all__ = ["clone"]
METHODS = ["clone"]
INPLACE = []

sum_to_row = Op(
    "sum_to", lambda xp, x, shape: arrays.sum_to(x, shape),
    x=lambda g, x_shape: broadcast_row(g, x_shape), jvp=LINEAR, node="SumBackward1",
)  # fmt: skip

broadcast_row = Op(
    "broadcast_to", lambda xp, x, shape: xp.broadcast_to(x, shape),
    x=lambda g, x_shape: sum_to_row(g, x_shape), jvp=LINEAR, view=True, node="ExpandBackward0",
)  # fmt: skip

cast_row = Op(
    "cast", lambda xp, x, kind: (x.real if x.dtype.kind == "c" and kind.kind != "c" else x).astype(kind),
    x=lambda g, x_dtype: cast_row(g, x_dtype), jvp=LINEAR, node="ToCopyBackward0",
)  # fmt: skip

clone = Op("clone", lambda xp, x: xp.array(x), x=lambda g: g, jvp=LINEAR)

permute_row = Op(
    "permute", lambda xp, x, axes: xp.transpose(x, axes),
    x=lambda g, axes: permute_row(g, tuple(int(i) for i in np.argsort(axes))), jvp=LINEAR, view=True,
)  # fmt: skip

view_row = Op(
    "view", lambda xp, x, shape: x.reshape(shape, copy=False),
    x=lambda g, x_shape: reshape_row(g, x_shape), jvp=LINEAR, view=True,
)  # fmt: skip

reshape_row = Op(
    "reshape", lambda xp, x, shape: x.reshape(shape, copy=True),
    x=lambda g, x_shape: reshape_row(g, x_shape), jvp=LINEAR, node="UnsafeViewBackward0",
)  # fmt: skip
