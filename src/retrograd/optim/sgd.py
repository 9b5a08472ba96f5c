"""Stochastic gradient descent, with momentum."""

from ..core.tensor import wrap
from ..kernels import empty_like
from .compiled import rows_of
from .numbers import check, scalar
from .optimizer import Optimizer


class SGD(Optimizer):
    """p <- p - lr g, or with momentum b <- momentum b + (1 - dampening) g, p <- p - lr b (the first b is g).

    nesterov: p <- p - lr (g + momentum b). weight_decay: g <- g + weight_decay p, first of all. maximize:
    g <- -g. foreach and fused are accepted: there is one implementation, over all parameters at once.
    """

    def __init__(
        self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False,
        foreach=None, differentiable=False, fused=None,
    ):  # fmt: skip
        check("learning rate", lr)
        check("momentum value", momentum)
        check("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening [RG080]")
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach, "differentiable": differentiable,
            "fused": fused,
        })  # fmt: skip

    def begin(self, group, p):
        state = self.state[p]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = wrap(empty_like(p._array))
        return state

    def update(self, group, params):
        lr, momentum, decay = (scalar(group[name]) for name in ("lr", "momentum", "weight_decay"))
        dampening, nesterov, maximize = group["dampening"], group["nesterov"], group["maximize"]
        names = ("momentum_buffer",) if momentum else ()
        for rows in rows_of(self, group, params, "sgd", names, numbers=()):
            for x, g, *buffer in rows.step(
                maximize=maximize, weight_decay=decay, lr=lr, momentum=momentum, dampening=dampening,
                nesterov=nesterov, first=rows.fresh,
            ):  # fmt: skip
                for b in buffer:
                    if rows.fresh:
                        b[...] = g
                    else:
                        b *= momentum
                        b += (1 - dampening) * g if dampening else g
                    g = g + momentum * b if nesterov else b
                x -= lr * g
