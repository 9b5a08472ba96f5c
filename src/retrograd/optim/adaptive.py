"""Optimizers that scale each coordinate by its past gradients: RMSprop and Adagrad."""

import numpy as np

from ..core.tensor import wrap
from .optimizer import Optimizer, check, real_view


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2, p <- p - lr g / (sqrt(v) + eps) (Hinton's lecture 6e).

    centered: v is the variance, not the mean square. momentum: the steps are averaged.
    """

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, capturable=False, foreach=None,
        maximize=False, differentiable=False,
    ):  # fmt: skip
        for name, value in (
            ("learning rate", lr), ("epsilon value", eps), ("momentum value", momentum), ("weight_decay value", weight_decay),
            ("alpha value", alpha),
        ):  # fmt: skip
            check(name, value)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered, "weight_decay": weight_decay,
            "capturable": capturable, "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
        })  # fmt: skip

    def update(self, group, params):
        lr, alpha = float(group["lr"]), group["alpha"]
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = wrap(np.zeros((), np.float32))
                state["square_avg"] = wrap(np.zeros_like(p._array))
                if group["momentum"] > 0:
                    state["momentum_buffer"] = wrap(np.zeros_like(p._array))
                if group["centered"]:
                    state["grad_avg"] = wrap(np.zeros_like(p._array))
            state["step"]._array = state["step"]._array + np.float32(1)
            x, g = real_view(p._array), real_view(p._grad._array)
            if group["maximize"]:
                g = -g
            if group["weight_decay"]:
                g = g + group["weight_decay"] * x
            v = real_view(state["square_avg"]._array)
            v *= alpha
            v += (1 - alpha) * (g * g)
            if group["centered"]:
                mean = real_view(state["grad_avg"]._array)
                mean += (1 - alpha) * (g - mean)
                root = np.sqrt(v - mean * mean)
            else:
                root = np.sqrt(v)
            root += group["eps"]
            step = g / root
            if group["momentum"] > 0:
                b = real_view(state["momentum_buffer"]._array)
                b *= group["momentum"]
                b += step
                step = b
            x -= lr * step


class Adagrad(Optimizer):
    """v <- v + g^2, p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(v) + eps) (Duchi et al. 2011)."""

    def __init__(
        self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *, maximize=False,
        differentiable=False, fused=None,
    ):  # fmt: skip
        for name, value in (
            ("learning rate", lr), ("lr_decay value", lr_decay), ("weight_decay value", weight_decay),
            ("initial_accumulator_value value", initial_accumulator_value), ("epsilon value", eps),
        ):  # fmt: skip
            check(name, value)
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        })  # fmt: skip
        for group in self.param_groups:
            for p in group["params"]:
                start = group["initial_accumulator_value"]
                start = complex(start, start) if p._array.dtype.kind == "c" else start
                self.state[p] = {"step": wrap(np.zeros((), np.float32)), "sum": wrap(np.full_like(p._array, start))}

    def share_memory(self):
        """PyTorch's way to share the state between processes; here the state stays in this one."""
        raise NotImplementedError("sharing an optimizer's state between processes is not supported; each process keeps its own")

    def update(self, group, params):
        for p in params:
            state = self.state[p]
            state["step"]._array = state["step"]._array + np.float32(1)
            rate = float(group["lr"]) / (1 + (float(state["step"]._array) - 1) * group["lr_decay"])
            x, g = real_view(p._array), real_view(p._grad._array)
            if group["maximize"]:
                g = -g
            if group["weight_decay"]:
                g = g + group["weight_decay"] * x
            total = real_view(state["sum"]._array)
            total += g * g
            root = np.sqrt(total)
            root += group["eps"]
            x -= rate * (g / root)
