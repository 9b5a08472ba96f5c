"""RAdam: Adam that starts as momentum, until the variance can be told."""

import math

import numpy as np

from .compiled import rows_of
from .numbers import check, check_betas, decayed, number
from .optimizer import Optimizer
from .pieces import lerp, zeros_like


class RAdam(Optimizer):
    """Adam whose first steps, while the variance of v is unbounded, are plain momentum (Liu et al. 2020)."""

    scalars = ("step",)

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *,
        foreach=None, maximize=False, capturable=False, differentiable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("epsilon value", eps)
        check_betas(betas)
        check("weight_decay value", weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        })  # fmt: skip

    def start(self, group, p):
        return {"step": number(), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update(self, group, params):
        lr, eps, decay, (beta1, beta2) = decayed(group)
        limit = 2 / (1 - beta2) - 1  # of the length of the moving average
        for rows in rows_of(self, group, params, "radam", ("exp_avg", "exp_avg_sq")):
            t = rows.numbers[0].item()
            rate, correction2 = lr / (1 - beta1**t), 1 - beta2**t
            length = limit - 2 * t * beta2**t / correction2
            rectification = 0
            if length > 5.0:
                tractable = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
                rectification = math.sqrt(correction2 * tractable)
            for x, g, m, v in rows.step(
                **decay, beta1=beta1, beta2=beta2, eps=eps, rate=rate, rectification=rectification
            ):
                lerp(m, g, 1 - beta1)
                v *= beta2
                v += (1 - beta2) * g * g
                step = rate * m
                if rectification:
                    root = np.sqrt(v)
                    root += eps
                    step *= rectification / root
                x -= step
