"""Stochastic gradient descent, with momentum."""

import numpy as np

from ..core.tensor import wrap
from .optimizer import Optimizer, check


class SGD(Optimizer):
    """p <- p - lr g, or with momentum b <- momentum b + (1 - dampening) g, p <- p - lr b (the first b is g itself).

    nesterov: p <- p - lr (g + momentum b). weight_decay: g <- g + weight_decay p, first of all. maximize: g <- -g.
    foreach, differentiable and fused are accepted: there is one implementation, over all parameters at once.
    """

    def __init__(
        self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False, foreach=None,
        differentiable=False, fused=None,
    ):  # fmt: skip
        check("learning rate", lr)
        check("momentum value", momentum)
        check("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        })  # fmt: skip

    def update(self, group, params):
        lr, momentum, decay = float(group["lr"]), group["momentum"], group["weight_decay"]
        for p in params:
            x, g = p._array, p._grad._array
            if group["maximize"]:
                g = -g
            if decay:
                g = g + decay * x
            if momentum:
                state = self.state[p]
                buffer = state.get("momentum_buffer")
                if buffer is None:
                    state["momentum_buffer"] = wrap(np.array(g))
                    b = g
                else:
                    b = buffer._array
                    b *= momentum
                    b += g if group["dampening"] == 0 else (1 - group["dampening"]) * g
                g = g + momentum * b if group["nesterov"] else b
            x -= lr * g
