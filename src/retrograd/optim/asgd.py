"""ASGD: averaged stochastic gradient descent."""

from .numbers import advance, check, number, scalar
from .optimizer import Optimizer
from .pieces import pieces, zeros_like


class ASGD(Optimizer):
    """SGD with a falling rate, and the average of the path in state["ax"] (Polyak & Juditsky 1992).

    The rate is eta_t = lr / (1 + lambd lr t)^alpha; averaging begins after t0 steps.
    """

    scalars = ("step", "eta", "mu")

    def __init__(
        self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False,
        differentiable=False, capturable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("weight_decay value", weight_decay)
        super().__init__(params, {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable,
        })  # fmt: skip

    def start(self, group, p):
        return {"step": number(), "eta": number(scalar(group["lr"])), "mu": number(1.0), "ax": zeros_like(p)}

    def update(self, group, params):
        lr, lambd = scalar(group["lr"]), group["lambd"]
        for p in params:
            state = self.state_of(group, p)
            t = advance(state)
            eta, mu = scalar(state["eta"]), scalar(state["mu"])
            for x, g, mean in pieces(p, state["ax"], maximize=group["maximize"], decay=group["weight_decay"]):
                x *= 1 - lambd * eta
                x -= eta * g
                if mu == 1:
                    mean[...] = x
                else:
                    mean += (x - mean) * mu
            for name, value in (
                ("eta", lr / (1 + lambd * lr * t) ** group["alpha"]), ("mu", 1 / max(1, t - group["t0"])),
            ):  # fmt: skip
                state[name]._array[...] = number(value)._array  # rounded also where it was loaded as float64
