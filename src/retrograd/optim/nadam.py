"""NAdam: Adam with Nesterov's momentum."""

import numpy as np

from .compiled import rows_of
from .numbers import check, check_betas, decayed, number
from .optimizer import Optimizer
from .pieces import lerp, zeros_like


class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016), whose weight grows from step to step by momentum_decay.

    mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2). weight_decay adds to g, or, with decoupled_weight_decay,
    shrinks p.
    """

    scalars = ("step", "mu_product")

    def __init__(
        self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3,
        decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False, differentiable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("epsilon value", eps)
        check_betas(betas)
        check("weight_decay value", weight_decay)
        check("momentum_decay value", momentum_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        })  # fmt: skip

    def start(self, group, p):
        return {
            "step": number(), "mu_product": number(1.0), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)
        }  # fmt: skip

    def update(self, group, params):
        lr, eps, decay, (beta1, beta2) = decayed(group)
        for rows in rows_of(self, group, params, "nadam", ("exp_avg", "exp_avg_sq"), ("step", "mu_product")):
            count, product = rows.numbers
            t = count.item()
            mu, next_mu = (beta1 * (1 - 0.5 * 0.96 ** (n * group["momentum_decay"])) for n in (t, t + 1))
            product *= mu
            rows.share_numbers()
            product = product.item()
            of_gradient = lr * (1 - mu) / (1 - product)
            of_mean = lr * next_mu / (1 - product * next_mu)
            correction = 1 - beta2**t
            for x, g, m, v in rows.step(
                **decay, beta1=beta1, beta2=beta2, eps=eps, correction=correction, of_gradient=of_gradient,
                of_mean=of_mean,
            ):  # fmt: skip
                lerp(m, g, 1 - beta1)
                v *= beta2
                v += (1 - beta2) * g * g
                root = np.sqrt(v / correction)
                root += eps
                x -= of_gradient * g / root
                x -= of_mean * m / root
