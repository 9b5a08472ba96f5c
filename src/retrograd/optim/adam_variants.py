"""Relatives of Adam: Adamax, NAdam, RAdam, SparseAdam, and averaged SGD."""

import math

import numpy as np

from .optimizer import Optimizer, advance, check, check_betas, number, scalar
from .pieces import lerp, pieces, zeros_like


class Adamax(Optimizer):
    """Adam by the largest gradient (Kingma & Ba 2015): u <- max(beta2 u, |g| + eps), p <- p - lr m' / u."""

    scalars = ("step",)

    def __init__(
        self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False,
        differentiable=False, capturable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("epsilon value", eps)
        check_betas(betas)
        check("weight_decay value", weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    def start(self, group, p):
        return {"step": number(), "exp_avg": zeros_like(p), "exp_inf": zeros_like(p)}

    def update(self, group, params):
        beta1, beta2 = group["betas"]
        for p in params:
            state = self.state_of(group, p)
            rate = scalar(group["lr"]) / (1 - beta1 ** advance(state))
            states = state["exp_avg"], state["exp_inf"]
            for x, g, m, u in pieces(p, *states, maximize=group["maximize"], decay=group["weight_decay"]):
                lerp(m, g, 1 - beta1)
                u *= beta2
                size = np.abs(g)
                size += group["eps"]
                np.maximum(u, size, out=u)
                x -= rate * m / u


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
        lr, (beta1, beta2), decay = scalar(group["lr"]), group["betas"], group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        for p in params:
            state = self.state_of(group, p)
            t = advance(state)
            mu, next_mu = (beta1 * (1 - 0.5 * 0.96 ** (n * group["momentum_decay"])) for n in (t, t + 1))
            product = state["mu_product"]
            product._array *= mu
            product = product._array.item()
            of_gradient = lr * (1 - mu) / (1 - product)
            of_mean = lr * next_mu / (1 - product * next_mu)
            states = state["exp_avg"], state["exp_avg_sq"]
            for x, g, m, v in pieces(p, *states, maximize=group["maximize"], decay=0 if decoupled else decay):
                if decoupled:
                    x *= 1 - lr * decay
                lerp(m, g, 1 - beta1)
                v *= beta2
                v += (1 - beta2) * g * g
                root = np.sqrt(v / (1 - beta2**t))
                root += group["eps"]
                x -= of_gradient * g / root
                x -= of_mean * m / root


class RAdam(Optimizer):
    """Adam whose first steps, while the variance of v is unbounded, are plain momentum (Liu et al. 2020)."""

    scalars = ("step",)

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *,
        foreach=None, maximize=False, capturable=False, differentiable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("epsilon value", eps)
        check_betas(betas)
        check("weight_decay value", weight_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        })  # fmt: skip

    def start(self, group, p):
        return {"step": number(), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update(self, group, params):
        lr, (beta1, beta2), decay = scalar(group["lr"]), group["betas"], group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        limit = 2 / (1 - beta2) - 1  # of the length of the moving average
        for p in params:
            state = self.state_of(group, p)
            t = advance(state)
            correction1, correction2 = 1 - beta1**t, 1 - beta2**t
            length = limit - 2 * t * beta2**t / correction2
            rectified = length > 5.0
            if rectified:
                tractable = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
            states = state["exp_avg"], state["exp_avg_sq"]
            for x, g, m, v in pieces(p, *states, maximize=group["maximize"], decay=0 if decoupled else decay):
                if decoupled:
                    x *= 1 - lr * decay
                lerp(m, g, 1 - beta1)
                v *= beta2
                v += (1 - beta2) * g * g
                step = m / correction1
                step *= lr
                if rectified:
                    root = np.sqrt(v)
                    root += group["eps"]
                    step *= math.sqrt(correction2) / root
                    step *= math.sqrt(tractable)
                x -= step


class SparseAdam(Optimizer):
    """Adam that leaves alone the rows (along dimension 0) which have no gradient, with their averages.

    Made for embeddings. A difference from PyTorch: gradients are dense here, and rows of zeros are the absent
    ones.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        check("learning rate", lr, positive=True)
        check("epsilon value", eps, positive=True)
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        where = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, p in enumerate(group["params"])
            if p._array.dtype.kind == "c"
        ]
        if where:
            raise ValueError(
                f"Complex params at indices {where}: SparseAdam does not support complex parameters"
            )

    def start(self, group, p):
        return {"step": 0, "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update(self, group, params):
        beta1, beta2 = group["betas"]
        for p in params:
            state = self.state_of(group, p)
            state["step"] += 1
            t = state["step"]
            step = scalar(group["lr"]) * math.sqrt(1 - beta2**t) / (1 - beta1**t)
            m, v = state["exp_avg"]._array, state["exp_avg_sq"]._array
            g = p._grad._array
            rows = (g != 0).any(axis=tuple(range(1, g.ndim))).nonzero()
            g = -g[rows] if group["maximize"] else g[rows]
            new_m = (g - m[rows]) * (1 - beta1) + m[rows]
            new_v = (g * g - v[rows]) * (1 - beta2) + v[rows]
            m[rows], v[rows] = new_m, new_v
            root = np.sqrt(new_v)
            root += group["eps"]
            p._array[rows] -= step * (new_m / root)


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
