"""Adam and AdamW."""

import math

import numpy as np

from .compiled import rows_of
from .numbers import check, check_betas, decayed, number
from .optimizer import Optimizer
from .pieces import lerp, zeros_like


class Adam(Optimizer):
    """Steps by the mean of the gradients over the root of the mean of their squares (Kingma & Ba 2015).

    m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2, p <- p - lr m' / (sqrt(v') + eps), where '
    divides by 1 - beta^t. weight_decay adds to g, or, with decoupled_weight_decay, shrinks p. amsgrad: v is
    the largest so far. foreach, fused and capturable are accepted: there is one implementation.
    """

    scalars = ("step",)
    decoupled = False

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None,
        maximize=False, capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("epsilon value", eps)
        check_betas(betas)
        check("weight_decay value", weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay or self.decoupled,
        })  # fmt: skip

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            if self.decoupled:  # a state_dict from before the option was there
                group["decoupled_weight_decay"] = True

    def start(self, group, p):
        names = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
        return {"step": number(), **{name: zeros_like(p) for name in names}}

    def update(self, group, params):
        lr, eps, decay, (beta1, beta2) = decayed(group)
        names = ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))
        for rows in rows_of(self, group, params, "adam", names):
            t = rows.numbers[0].item()
            rate, root_correction = lr / (1 - beta1**t), math.sqrt(1 - beta2**t)
            for x, g, m, v, *largest in rows.step(
                **decay, beta1=beta1, beta2=beta2, eps=eps, rate=rate, root=root_correction
            ):
                lerp(m, g, 1 - beta1)
                v *= beta2
                v += (1 - beta2) * g * g
                for w in largest:
                    v = np.maximum(w, v, out=w)
                root = np.sqrt(v)
                root /= root_correction
                root += eps
                x -= rate * m / root


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): p <- p - lr weight_decay p."""

    decoupled = True

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
        maximize=False, foreach=None, capturable=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused,
        )  # fmt: skip
