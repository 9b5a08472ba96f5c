"""Adamax: Adam by the largest gradient."""

import numpy as np

from .compiled import rows_of
from .numbers import check, check_betas, number, scalar
from .optimizer import Optimizer
from .pieces import lerp, zeros_like


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
        lr, eps, (beta1, beta2) = scalar(group["lr"]), group["eps"], map(scalar, group["betas"])
        for rows in rows_of(self, group, params, "adamax", ("exp_avg", "exp_inf")):
            rate = lr / (1 - beta1 ** rows.numbers[0].item())
            for x, g, m, u in rows.step(
                maximize=group["maximize"], weight_decay=group["weight_decay"], beta1=beta1, beta2=beta2,
                eps=eps, rate=rate,
            ):  # fmt: skip
                lerp(m, g, 1 - beta1)
                u *= beta2
                size = np.abs(g)
                size += eps
                np.maximum(u, size, out=u)
                x -= rate * m / u
