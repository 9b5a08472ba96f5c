"""Adadelta."""

import numpy as np

from .compiled import rows_of
from .numbers import check, number, scalar
from .optimizer import Optimizer
from .pieces import zeros_like


class Adadelta(Optimizer):
    """Steps by g times the ratio of two running root mean squares, of the steps and of g (Zeiler 2012).

    v <- rho v + (1 - rho) g^2, d = g sqrt(u + eps) / sqrt(v + eps), u <- rho u + (1 - rho) d^2,
    p <- p - lr d.
    """

    scalars = ("step",)

    def __init__(
        self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False,
        maximize=False, differentiable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("rho value", rho)
        if rho > 1:
            raise ValueError(f"Invalid rho value: {rho} (expected at most 1) [RG080]")
        check("epsilon value", eps)
        check("weight_decay value", weight_decay)
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        })  # fmt: skip

    def start(self, group, p):
        return {"step": number(), "square_avg": zeros_like(p), "acc_delta": zeros_like(p)}

    def update(self, group, params):
        lr, rho, eps = scalar(group["lr"]), group["rho"], group["eps"]
        for rows in rows_of(self, group, params, "adadelta", ("square_avg", "acc_delta")):
            for x, g, v, u in rows.step(
                maximize=group["maximize"], weight_decay=group["weight_decay"], lr=lr, rho=rho, eps=eps
            ):
                v *= rho
                v += (1 - rho) * g * g
                delta = np.sqrt(u + eps)
                delta /= np.sqrt(v + eps)
                delta *= g
                u *= rho
                u += (1 - rho) * delta * delta
                x -= lr * delta
