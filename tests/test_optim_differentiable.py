"""Optimizers with differentiable=True: gradients through two steps, as PyTorch's."""

import numpy as np
import pytest
import torch

import retrograd
from oracle import same

CASES = {
    "SGD": {}, "SGD momentum": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "Adam": {"weight_decay": 0.1}, "Adam amsgrad": {"amsgrad": True, "maximize": True}, "AdamW": {},
    "Adamax": {}, "NAdam": {}, "NAdam decoupled": {"decoupled_weight_decay": True, "weight_decay": 0.1},
    "RAdam": {}, "RMSprop": {"centered": True, "momentum": 0.5}, "Adagrad": {"lr_decay": 0.1},
    "Adadelta": {}, "ASGD": {"lambd": 0.1, "t0": 1}, "Rprop": {},
}  # fmt: skip


def stepped(library, case, first, factor, steps):
    """What a parameter that begins as `first` is after steps by gradients that depend on `factor`."""
    p = first.clone()
    cls = getattr(library.optim, case.split()[0])
    optimizer = cls([p], lr=0.1, differentiable=True, **CASES[case])
    for step in range(steps):
        p.grad = (factor + step) * first**3
        optimizer.step()
    return p


@pytest.mark.parametrize("case", CASES)
def test_gradients_through_a_step(case):
    start = np.random.default_rng(0).standard_normal((3, 2))

    def program(library):
        first = library.tensor(start, requires_grad=True)
        factor = library.tensor(1.5, dtype=library.float64, requires_grad=True)
        p = stepped(library, case, first, factor, 1)
        return p, *library.autograd.grad((p * p).sum(), [first, factor])

    same(program, tol=1e-4)  # PyTorch counts the steps, and corrects by them, in float32


# As in PyTorch, SGD's first momentum is a constant to autograd: the numbers know better.
@pytest.mark.parametrize("case", [case for case in CASES if case != "SGD momentum"])
def test_gradients_through_several_steps(case):
    """PyTorch's own steps overwrite what their second one saved; here the numbers decide."""
    first = retrograd.tensor(np.random.default_rng(0).standard_normal((3, 2)), requires_grad=True)
    factor = retrograd.tensor(1.5, dtype=retrograd.float64, requires_grad=True)
    retrograd.autograd.gradcheck(lambda a, b: stepped(retrograd, case, a, b, 3), (first, factor))


def test_a_leaf_is_refused_as_elsewhere():
    for library in (torch, retrograd):
        p = library.ones(2, requires_grad=True)
        optimizer = library.optim.Adam([p], differentiable=True)
        p.sum().backward()
        with pytest.raises(RuntimeError, match="leaf"):
            optimizer.step()


def test_complex_parameters_are_refused():
    p = retrograd.ones(2, dtype=retrograd.complex64, requires_grad=True).clone()
    p.grad = retrograd.ones_like(p)
    with pytest.raises(NotImplementedError, match="real parameters"):
        retrograd.optim.SGD([p], differentiable=True).step()
