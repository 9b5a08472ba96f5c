"""RMSprop."""

import numpy as np

from .compiled import rows_of
from .numbers import check, number, scalar
from .optimizer import Optimizer
from .pieces import lerp, zeros_like


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2, p <- p - lr g / (sqrt(v) + eps) (Hinton's lecture 6e).

    centered: v is the variance, not the mean square. momentum: the steps are averaged.
    """

    scalars = ("step",)

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
        capturable=False, foreach=None, maximize=False, differentiable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("epsilon value", eps)
        check("momentum value", momentum)
        check("weight_decay value", weight_decay)
        check("alpha value", alpha)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable,
        })  # fmt: skip

    def start(self, group, p):
        state = {"step": number(), "square_avg": zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = zeros_like(p)
        return state

    def update(self, group, params):
        lr, alpha, eps, momentum = scalar(group["lr"]), group["alpha"], group["eps"], group["momentum"]
        names = ["square_avg"]
        if group["centered"]:
            names.append("grad_avg")
        if momentum > 0:
            names.append("momentum_buffer")
        for rows in rows_of(self, group, params, "rmsprop", tuple(names)):
            for x, g, v, *more in rows.step(
                maximize=group["maximize"], weight_decay=group["weight_decay"], lr=lr, alpha=alpha, eps=eps,
                momentum=momentum, centered=group["centered"],
            ):  # fmt: skip
                v *= alpha
                v += (1 - alpha) * g * g
                root = v
                if group["centered"]:
                    mean = more.pop(0)
                    lerp(mean, g, 1 - alpha)
                    root = v - mean * mean
                root = np.sqrt(root)
                root += eps
                if momentum > 0:
                    (b,) = more
                    b *= momentum
                    b += g / root
                    x -= lr * b
                else:
                    x -= lr * g / root
