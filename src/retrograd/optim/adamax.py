"""Adamax: Adam by the largest gradient."""

import numpy as np

from .numbers import advance, check, check_betas, number, scalar
from .optimizer import Optimizer
from .pieces import lerp, pieces, zeros_like


class Adamax(Optimizer):
    """Adam by the largest gradient (Kingma & Ba 2015): u <- max(beta2 u, |g| + eps), p <- p - lr m' / u."""

    scalars = ("step",)

    def __init__(
        self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False,
        differentiable=False, capturable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("epsilon value", eps)
        check_betas(betas)
        check("weight_decay value", weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    def start(self, group, p):
        return {"step": number(), "exp_avg": zeros_like(p), "exp_inf": zeros_like(p)}

    def update(self, group, params):
        beta1, beta2 = group["betas"]
        for p in params:
            state = self.state_of(group, p)
            rate = scalar(group["lr"]) / (1 - beta1 ** advance(state))
            states = state["exp_avg"], state["exp_inf"]
            for x, g, m, u in pieces(p, *states, maximize=group["maximize"], decay=group["weight_decay"]):
                lerp(m, g, 1 - beta1)
                u *= beta2
                size = np.abs(g)
                size += group["eps"]
                np.maximum(u, size, out=u)
                x -= rate * m / u
