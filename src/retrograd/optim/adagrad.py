"""Adagrad."""

import numpy as np

from ..core.tensor import wrap
from .compiled import rows_of
from .numbers import check, number, scalar
from .optimizer import Optimizer


class Adagrad(Optimizer):
    """v <- v + g^2, p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps) (Duchi et al. 2011)."""

    scalars = ("step",)

    def __init__(
        self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10,
        foreach=None, *, maximize=False, differentiable=False, fused=None,
    ):  # fmt: skip
        check("learning rate", lr)
        check("lr_decay value", lr_decay)
        check("weight_decay value", weight_decay)
        check("initial_accumulator_value value", initial_accumulator_value)
        check("epsilon value", eps)
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        })  # fmt: skip
        for group in self.param_groups:
            for p in group["params"]:
                if hasattr(p, "materialize"):
                    raise ValueError(
                        "Adagrad was given an uninitialized parameter, of a lazy module: run the model once "
                        "before making the optimizer, which needs the parameter's shape [RG065]"
                    )
                self.state_of(group, p)

    def start(self, group, p):
        total = self.defaults["initial_accumulator_value"]
        if p._array.dtype.kind == "c":
            total = complex(total, total)
        return {"step": number(), "sum": wrap(np.full_like(p._array, total))}

    def share_memory(self):
        """Not supported: PyTorch's way to share the state between processes."""
        raise NotImplementedError(
            "sharing an optimizer's state between processes is not supported; each process keeps its own "
            "[RG137]"
        )

    def update(self, group, params):
        eps, lr = group["eps"], scalar(group["lr"])
        for rows in rows_of(self, group, params, "adagrad", ("sum",)):
            rate = lr / (1 + (rows.numbers[0].item() - 1) * group["lr_decay"])
            for x, g, total in rows.step(
                maximize=group["maximize"], weight_decay=group["weight_decay"], rate=rate, eps=eps
            ):
                total += g * g
                root = np.sqrt(total)
                root += eps
                x -= rate * g / root
