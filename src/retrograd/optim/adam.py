"""Adam and its relatives."""

import math

import numpy as np

from ..core.tensor import wrap
from .optimizer import Optimizer, check, real_view


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015): steps by the mean of the gradients over the root of the mean of their squares.

    m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2, p <- p - lr m' / (sqrt(v') + eps), where ' divides by
    1 - beta^t. weight_decay adds to g, or, with decoupled_weight_decay, shrinks p. amsgrad: the largest v' so far.
    """

    decoupled = False

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None, maximize=False,
        capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("epsilon value", eps)
        for i, beta in enumerate(betas):
            check(f"beta parameter at index {i}", beta, high=1.0)
        check("weight_decay value", weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay or self.decoupled,
        })  # fmt: skip

    def update(self, group, params):
        lr, (beta1, beta2), eps = float(group["lr"]), map(float, group["betas"]), group["eps"]
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = wrap(np.zeros((), np.float32))
                state["exp_avg"] = wrap(np.zeros_like(p._array))
                state["exp_avg_sq"] = wrap(np.zeros_like(p._array))
                if group["amsgrad"]:
                    state["max_exp_avg_sq"] = wrap(np.zeros_like(p._array))
            step = state["step"]._array = state["step"]._array + np.float32(1)
            t = float(step)
            x, g = real_view(p._array), real_view(p._grad._array)
            if group["maximize"]:
                g = -g
            if group["weight_decay"]:
                if group["decoupled_weight_decay"]:
                    x *= 1 - lr * group["weight_decay"]
                else:
                    g = g + group["weight_decay"] * x
            m, v = real_view(state["exp_avg"]._array), real_view(state["exp_avg_sq"]._array)
            m += (1 - beta1) * (g - m)
            v *= beta2
            v += (1 - beta2) * (g * g)
            if group["amsgrad"]:
                largest = real_view(state["max_exp_avg_sq"]._array)
                np.maximum(largest, v, out=largest)
                v = largest
            root = np.sqrt(v)
            root /= math.sqrt(1 - beta2**t)
            root += eps
            x -= (lr / (1 - beta1**t)) * (m / root)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): p <- p - lr weight_decay p, apart from the step."""

    decoupled = True

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False, foreach=None,
        capturable=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused,
        )  # fmt: skip
