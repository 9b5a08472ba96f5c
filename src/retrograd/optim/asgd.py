"""ASGD: averaged stochastic gradient descent."""

from .compiled import rows_of
from .numbers import check, number, scalar
from .optimizer import Optimizer
from .pieces import zeros_like


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
        for rows in rows_of(self, group, params, "asgd", ("ax",), self.scalars):
            t, eta, mu = (array.item() for array in rows.numbers)
            for x, g, mean in rows.step(
                maximize=group["maximize"], weight_decay=group["weight_decay"], shrink=1 - lambd * eta,
                eta=eta, mu=mu,
            ):  # fmt: skip
                x -= eta * g
                if mu == 1:
                    mean[...] = x
                else:
                    mean += (x - mean) * mu
            news = lr / (1 + lambd * lr * t) ** group["alpha"], 1 / max(1, t - group["t0"])
            for array, value in zip(rows.numbers[1:], news, strict=True):
                array[...] = number(value)._array  # rounded also where it was loaded as float64
            rows.share_numbers()
