"""RAdam: Adam that starts as momentum, until the variance can be told."""

import math

import numpy as np

from .numbers import advance, check, check_betas, number, scalar
from .optimizer import Optimizer
from .pieces import lerp, pieces, zeros_like


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
        lr, (beta1, beta2), decay = scalar(group["lr"]), group["betas"], group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        limit = 2 / (1 - beta2) - 1  # of the length of the moving average
        for p in params:
            state = self.state_of(group, p)
            t = advance(state)
            correction1, correction2 = 1 - beta1**t, 1 - beta2**t
            length = limit - 2 * t * beta2**t / correction2
            rectified = length > 5.0
            if rectified:
                tractable = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
            states = state["exp_avg"], state["exp_avg_sq"]
            for x, g, m, v in pieces(p, *states, maximize=group["maximize"], decay=0 if decoupled else decay):
                if decoupled:
                    x *= 1 - lr * decay
                lerp(m, g, 1 - beta1)
                v *= beta2
                v += (1 - beta2) * g * g
                step = m / correction1
                step *= lr
                if rectified:
                    root = np.sqrt(v)
                    root += group["eps"]
                    step *= math.sqrt(correction2) / root
                    step *= math.sqrt(tractable)
                x -= step
