"""SparseAdam: Adam that leaves alone what has no gradient."""

import math

import numpy as np

from .numbers import check, check_betas, scalar
from .optimizer import Optimizer
from .pieces import zeros_like


class SparseAdam(Optimizer):
    """Adam that leaves alone the rows (along dimension 0) which have no gradient, with their averages.

    Made for embeddings. A difference from PyTorch: gradients are dense here, and rows of zeros are the absent
    ones.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        check("learning rate", lr, positive=True)
        check("epsilon value", eps, positive=True)
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        where = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, p in enumerate(group["params"])
            if p._array.dtype.kind == "c"
        ]
        if where:
            raise ValueError(
                f"Complex params at indices {where}: SparseAdam does not support complex parameters [RG082]"
            )

    def start(self, group, p):
        return {"step": 0, "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update(self, group, params):
        beta1, beta2 = group["betas"]
        for p in params:
            state = self.state_of(group, p)
            state["step"] += 1
            t = state["step"]
            step = scalar(group["lr"]) * math.sqrt(1 - beta2**t) / (1 - beta1**t)
            m, v = state["exp_avg"]._array, state["exp_avg_sq"]._array
            g = p._grad._array
            rows = (g != 0).any(axis=tuple(range(1, g.ndim))).nonzero()
            g = -g[rows] if group["maximize"] else g[rows]
            new_m = (g - m[rows]) * (1 - beta1) + m[rows]
            new_v = (g * g - v[rows]) * (1 - beta2) + v[rows]
            m[rows], v[rows] = new_m, new_v
            root = np.sqrt(new_v)
            root += group["eps"]
            p._array[rows] -= step * (new_m / root)
