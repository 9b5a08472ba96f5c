"""Adafactor: second moments of matrices by rows and columns."""

import math

import ml_dtypes
import numpy as np

from ..core.tensor import wrap
from .numbers import advance, check, number, scalar
from .optimizer import Optimizer
from .pieces import lerp, writable, zeros_like


class Adafactor(Optimizer):
    """Scaled by the root of a mean of squares kept as row and column sums only (Shazeer & Stern 2018).

    lr: the largest relative step. beta2_decay: the exponent of the means' weight t^beta2_decay. eps:
    (smallest mean of squares, by default the dtype's epsilon; smallest root mean square of a parameter). d:
    where updates are clipped.
    """

    scalars = ("step",)

    def __init__(
        self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None,
        maximize=False,
    ):  # fmt: skip
        check("learning rate", lr)
        if not beta2_decay <= 0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay} [RG080]")
        if eps[0] is not None:
            check("epsilon1", eps[0])
        check("epsilon2", eps[1])
        if not d >= 1:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d} [RG080]")
        check("weight_decay", weight_decay)
        super().__init__(params, {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize,
        })  # fmt: skip

    def start(self, group, p):
        array = p._array
        if array.dtype.kind == "c":
            raise RuntimeError("Adafactor does not support complex parameters [RG082]")
        if array.ndim < 2:
            return {"step": number(), "variance": zeros_like(p)}
        row = np.zeros((*array.shape[:-1], 1), array.dtype)
        column = np.zeros((*array.shape[:-2], 1, array.shape[-1]), array.dtype)
        return {"step": number(), "row_var": wrap(row), "col_var": wrap(column)}

    def update(self, group, params):
        lr, (eps1, eps2) = scalar(group["lr"]), group["eps"]
        for p in params:
            state = self.state_of(group, p)
            t = advance(state)
            weight = t ** group["beta2_decay"]
            floor = float(ml_dtypes.finfo(p._array.dtype).eps) if eps1 is None else eps1
            variances = [tensor for name, tensor in state.items() if name != "step"]
            with writable(p, *variances) as (x, g, *means):
                if group["maximize"]:
                    g = -g
                rate = max(eps2, _root_mean_square(x)) * min(lr, 1 / t**0.5)
                if group["weight_decay"]:
                    x *= 1 - lr * group["weight_decay"]
                square = g * g
                if len(means) == 2:
                    row, column = means
                    lerp(row, square.mean(axis=-1, keepdims=True), weight)
                    lerp(column, square.mean(axis=-2, keepdims=True), weight)
                    scale = row * column
                    scale /= np.maximum(row.mean(axis=-2, keepdims=True), floor)
                else:
                    lerp(means[0], square, weight)
                    scale = means[0].copy()
                np.maximum(scale, floor * floor, out=scale)
                step = g / np.sqrt(scale)
                x -= rate / max(1.0, _root_mean_square(step) / group["d"]) * step


def _root_mean_square(x):
    return math.sqrt(np.vdot(x, x) / x.size) if x.size else 0.0
