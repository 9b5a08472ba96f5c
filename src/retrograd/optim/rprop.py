"""Rprop: resilient backpropagation."""

import numpy as np

from ..core.tensor import wrap
from .compiled import rows_of
from .numbers import check, number, scalar
from .optimizer import Optimizer
from .pieces import zeros_like


class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller & Braun 1993): each coordinate has a step size of its own.

    It grows by etas[1] while the gradient keeps its sign; when that flips it shrinks by etas[0] and the
    coordinate rests for one step. lr: the first step size. step_sizes: the smallest and the largest. For full
    batches.
    """

    scalars = ("step",)

    def __init__(
        self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None,
        maximize=False, differentiable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(
                f"Invalid eta values: {etas[0]}, {etas[1]} (expected 0 < first < 1 < second) [RG080]"
            )
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    def start(self, group, p):
        size = scalar(group["lr"])
        if p._array.dtype.kind == "c":
            size = complex(size, size)
        return {"step": number(), "prev": zeros_like(p), "step_size": wrap(np.full_like(p._array, size))}

    def update(self, group, params):
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        for rows in rows_of(self, group, params, "rprop", ("prev", "step_size")):
            for x, g, previous, size in rows.step(
                maximize=group["maximize"], shorter=shrink, longer=grow, smallest=smallest, largest=largest
            ):
                previous *= g
                flipped = previous < 0
                size *= np.where(flipped, shrink, np.where(previous > 0, grow, 1)).astype(size.dtype)
                np.clip(size, smallest, largest, out=size)
                np.copyto(previous, g)
                previous[flipped] = 0
                x -= ((previous > 0).astype(size.dtype) - (previous < 0)) * size  # NaN stays where it is
