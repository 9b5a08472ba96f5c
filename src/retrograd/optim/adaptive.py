"""Optimizers that scale each coordinate by its past gradients: RMSprop, Adagrad, Adadelta, Rprop."""

import numpy as np

from ..core.tensor import wrap
from .optimizer import Optimizer, advance, check, number, scalar
from .pieces import lerp, pieces, zeros_like


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2, p <- p - lr g / (sqrt(v) + eps) (Hinton's lecture 6e).

    centered: v is the variance, not the mean square. momentum: the steps are averaged.
    """

    scalars = ("step",)

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
        capturable=False, foreach=None, maximize=False, differentiable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("epsilon value", eps)
        check("momentum value", momentum)
        check("weight_decay value", weight_decay)
        check("alpha value", alpha)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable,
        })  # fmt: skip

    def start(self, group, p):
        state = {"step": number(), "square_avg": zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = zeros_like(p)
        return state

    def update(self, group, params):
        lr, alpha, eps, momentum = scalar(group["lr"]), group["alpha"], group["eps"], group["momentum"]
        names = ["square_avg"]
        if group["centered"]:
            names.append("grad_avg")
        if momentum > 0:
            names.append("momentum_buffer")
        for p in params:
            state = self.state_of(group, p)
            advance(state)
            states = [state[name] for name in names]
            for x, g, v, *more in pieces(p, *states, maximize=group["maximize"], decay=group["weight_decay"]):
                v *= alpha
                v += (1 - alpha) * g * g
                root = v
                if group["centered"]:
                    mean = more.pop(0)
                    lerp(mean, g, 1 - alpha)
                    root = v - mean * mean
                root = np.sqrt(root)
                root += eps
                if momentum > 0:
                    (b,) = more
                    b *= momentum
                    b += g / root
                    x -= lr * b
                else:
                    x -= lr * g / root


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
                self.state_of(group, p)

    def start(self, group, p):
        total = self.defaults["initial_accumulator_value"]
        if p._array.dtype.kind == "c":
            total = complex(total, total)
        return {"step": number(), "sum": wrap(np.full_like(p._array, total))}

    def share_memory(self):
        """Not supported: PyTorch's way to share the state between processes."""
        raise NotImplementedError(
            "sharing an optimizer's state between processes is not supported; each process keeps its own"
        )

    def update(self, group, params):
        for p in params:
            state = self.state_of(group, p)
            rate = scalar(group["lr"]) / (1 + (advance(state) - 1) * group["lr_decay"])
            rows = pieces(p, state["sum"], maximize=group["maximize"], decay=group["weight_decay"])
            for x, g, total in rows:
                total += g * g
                root = np.sqrt(total)
                root += group["eps"]
                x -= rate * g / root


class Adadelta(Optimizer):
    """Steps by g times the ratio of two running root mean squares, of the steps and of g (Zeiler 2012).

    v <- rho v + (1 - rho) g^2, d = g sqrt(u + eps) / sqrt(v + eps), u <- rho u + (1 - rho) d^2,
    p <- p - lr d.
    """

    scalars = ("step",)

    def __init__(
        self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False,
        maximize=False, differentiable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        check("rho value", rho)
        if rho > 1:
            raise ValueError(f"Invalid rho value: {rho} (expected at most 1)")
        check("epsilon value", eps)
        check("weight_decay value", weight_decay)
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        })  # fmt: skip

    def start(self, group, p):
        return {"step": number(), "square_avg": zeros_like(p), "acc_delta": zeros_like(p)}

    def update(self, group, params):
        lr, rho, eps = scalar(group["lr"]), group["rho"], group["eps"]
        for p in params:
            state = self.state_of(group, p)
            advance(state)
            states = state["square_avg"], state["acc_delta"]
            for x, g, v, u in pieces(p, *states, maximize=group["maximize"], decay=group["weight_decay"]):
                v *= rho
                v += (1 - rho) * g * g
                delta = np.sqrt(u + eps)
                delta /= np.sqrt(v + eps)
                delta *= g
                u *= rho
                u += (1 - rho) * delta * delta
                x -= lr * delta


class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller & Braun 1993): each coordinate has a step size of its own.

    It grows by etas[1] while the gradient keeps its sign; when that flips it shrinks by etas[0] and the
    coordinate rests for one step. lr: the first step size. step_sizes: the smallest and the largest. For full
    batches.
    """

    scalars = ("step",)

    def __init__(
        self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None,
        maximize=False, differentiable=False,
    ):  # fmt: skip
        check("learning rate", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]} (expected 0 < first < 1 < second)")
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        })  # fmt: skip

    def start(self, group, p):
        size = scalar(group["lr"])
        if p._array.dtype.kind == "c":
            size = complex(size, size)
        return {"step": number(), "prev": zeros_like(p), "step_size": wrap(np.full_like(p._array, size))}

    def update(self, group, params):
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        for p in params:
            state = self.state_of(group, p)
            advance(state)
            states = state["prev"], state["step_size"]
            for x, g, previous, size in pieces(p, *states, maximize=group["maximize"]):
                previous *= g
                flipped = previous < 0
                size *= np.where(flipped, shrink, np.where(previous > 0, grow, 1)).astype(size.dtype)
                np.clip(size, smallest, largest, out=size)
                np.copyto(previous, g)
                previous[flipped] = 0
                x -= np.sign(previous) * size
