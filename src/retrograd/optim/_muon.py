"""Muon: momentum made orthogonal."""

import math

import numpy as np

from .numbers import check, scalar
from .optimizer import Optimizer
from .pieces import lerp, writable, zeros_like


class Muon(Optimizer):
    """Momentum made orthogonal by Newton-Schulz iterations (Jordan et al. 2024), for matrices.

    Use it for the hidden layers' weights, and another optimizer for the rest. ns_coefficients: of the
    polynomial a x + b x^3 + c x^5 of an iteration. adjust_lr_fn: "original" (the default) scales lr by
    sqrt(max(1, rows / columns)), "match_rms_adamw" by 0.2 sqrt(max(rows, columns)). The iterations run in the
    parameter's precision, at least float32, where PyTorch's run in bfloat16: results agree to three digits or
    so.
    """

    def __init__(
        self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True,
        ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7, ns_steps=5, adjust_lr_fn=None,
    ):  # fmt: skip
        check("learning rate", lr)
        check("momentum", momentum)
        check("weight decay", weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Adjust learning rate function {adjust_lr_fn} is not supported; it is 'original' or "
                "'match_rms_adamw' [RG080]"
            )
        if len(ns_coefficients) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values [RG080]")
        if ns_steps >= 100:
            raise ValueError(
                f"Number of steps must be less than 100 for computational efficiency, but is {ns_steps} "
                "[RG080]"
            )
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        })  # fmt: skip

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.ndim != 2:
                raise ValueError(
                    f"Muon only supports 2D parameters whereas we found a parameter with size: {p.shape}; "
                    "give the others to another optimizer [RG082]"
                )
            if p._array.dtype.kind == "c":
                raise ValueError("Muon does not support complex parameters [RG082]")

    def start(self, group, p):
        return {"momentum_buffer": zeros_like(p)}

    def update(self, group, params):
        lr, momentum = scalar(group["lr"]), group["momentum"]
        for p in params:
            state = self.state_of(group, p)
            with writable(p, state["momentum_buffer"]) as (x, g, buffer):
                lerp(buffer, g, 1 - momentum)
                step = buffer
                if group["nesterov"]:
                    step = g.copy()
                    lerp(step, buffer, momentum)
                step = _orthogonal(step, group["ns_coefficients"], group["ns_steps"], group["eps"])
                x *= 1 - lr * group["weight_decay"]
                x -= lr * _rate_factor(group["adjust_lr_fn"], *x.shape) * step


def _orthogonal(matrix, coefficients, steps, eps):
    """Near the orthogonal factor of the polar decomposition of `matrix`: all singular values near 1."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / max(np.linalg.norm(x), eps)
    at_once = _steps_at_once(abs(coefficients[0]), x.dtype) if x.shape[1] >= 3 * x.shape[0] else 1
    while steps > 0:
        some = min(steps, at_once)
        x = _factor(x @ x.T, coefficients, some) @ x
        steps -= some
    return x.T if tall else x


def _factor(gram, coefficients, steps):
    """What `steps` iterations on a matrix x come to be multiplied with, from x x^T alone.

    An iteration is x -> p x with p a polynomial of x x^T, which becomes p x x^T p: for wide matrices these
    small products are far less work than those with x.
    """
    factor = p = _polynomial(gram, *coefficients)
    for _ in range(steps - 1):
        gram = p @ gram @ p
        p = _polynomial(gram, *coefficients)
        factor = p @ factor
    return factor


def _polynomial(gram, a, b, c):
    """a + b gram + c gram^2 of a symmetric matrix."""
    out = gram @ gram.T  # of one array with itself: NumPy computes a half
    out *= c
    out += b * gram
    out.reshape(-1)[:: len(out) + 1] += a
    return out


def _steps_at_once(growth, kind):
    """After how many iterations x x^T is computed anew: its rounding errors grow by growth**2 in each, and
    have to stay small, as negative eigenvalues would grow without bound.
    """
    return max(1, int(math.log(0.05 / np.finfo(kind).eps) / (2 * math.log(max(growth, 1.1)))))


def _rate_factor(kind, rows, columns):
    if kind == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
