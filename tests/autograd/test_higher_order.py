"""Derivatives of derivatives: to any order, through any operation, mixed and nested."""

import math
import warnings

import numpy as np
import pytest
import torch as pytorch

import retrograd


def close(torch, a, b):
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype))


ELEMENTARY = {
    "x**5": lambda lib, x: x**5, "sin": lambda lib, x: lib.sin(x), "exp": lambda lib, x: lib.exp(-x * x),
    "log": lambda lib, x: lib.log(x), "tanh": lambda lib, x: lib.tanh(x),
    "sigmoid": lambda lib, x: lib.sigmoid(x),
    "1/x": lambda lib, x: 1 / x, "sqrt": lambda lib, x: lib.sqrt(x), "x**x": lambda lib, x: x**x,
    "erf": lambda lib, x: lib.erf(x), "atan": lambda lib, x: lib.atan(x), "square": lambda lib, x: x.square(),
    "gelu": lambda lib, x: lib.nn.functional.gelu(x),
    "softplus": lambda lib, x: lib.nn.functional.softplus(x),
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTARY)
def test_six_orders(name):
    function = ELEMENTARY[name]
    found = []
    for lib in (retrograd, pytorch):
        x = lib.tensor([0.4, 0.9, 1.3], dtype=lib.float64, requires_grad=True)
        g, orders = function(lib, x), []
        for _ in range(6):
            (g,) = lib.autograd.grad(g.sum(), x, create_graph=True)
            orders.append(g.detach().numpy())
            if not g.requires_grad:
                break
        found.append(orders)
    assert len(found[0]) == len(found[1])
    for order, (mine, reference) in enumerate(zip(*found, strict=True), 1):
        np.testing.assert_allclose(mine, reference, rtol=1e-6, atol=1e-8, err_msg=f"order {order}")


def test_hessian_times_vector(torch):
    x, y = (torch.randn(2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (x**2 + y * x + y**2).backward(torch.ones(2, 2), create_graph=True)
    gx, gy = (2 * x + y).detach(), (x + 2 * y).detach()
    assert close(torch, x.grad, gx) and close(torch, y.grad, gy)
    (2 * x.grad + y.grad).backward(torch.ones(2, 2))
    assert close(torch, x.grad, gx + 5) and close(torch, y.grad, gy + 4)
    x.grad = y.grad = None


def test_gradient_penalty_trains(torch):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = torch.linspace(-1, 1, 30, dtype=torch.float64).reshape(10, 3)
    penalties = []
    for _ in range(30):
        x = data.clone().requires_grad_()
        (g,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        penalty = ((g.norm(dim=1) - 1) ** 2).mean()
        optimizer.zero_grad()
        penalty.backward()
        optimizer.step()
        penalties.append(penalty.item())
    assert penalties[-1] < penalties[0] / 2


def test_steps_that_are_differentiated(torch):
    rate = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    x = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(3):
        (g,) = torch.autograd.grad(y**2, y, create_graph=True)
        y = y - rate * g
    y.backward()
    assert y.item() == pytest.approx(3 * 0.8**3)
    assert rate.grad.item() == pytest.approx(3 * 3 * 0.8**2 * -2) and x.grad.item() == pytest.approx(0.8**3)


def test_results_as_inputs_of_a_recorded_walk(torch):
    first = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    x = first
    for _ in range(5):
        (g,) = torch.autograd.grad(x**2 + y * x + y**2, x, torch.ones(2, 2), create_graph=True)
        assert close(torch, g, (2 * x + y).detach()) and y.grad is None and first.grad is None
        x = x + 0.05 * g
    x.backward(torch.ones(2, 2))
    assert y.grad is not None and first.grad is not None


def test_only_some_inputs_recorded(torch):
    x, y = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    (gx,) = torch.autograd.grad(x * x * y, x, create_graph=True)
    gxx, gxy = torch.autograd.grad(gx, (x, y))
    assert gxx == 6 and gxy == 4


def test_unused_after_one_derivative(torch):
    x = torch.tensor(2.0, requires_grad=True)
    (g,) = torch.autograd.grad(3 * x, x, create_graph=True)
    assert not g.requires_grad and g == 3


def test_hessians_by_rows(torch):
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad((x[0] * x[1] * x[2]) ** 2 + x.sum(), x, create_graph=True)
    (hessian,) = torch.autograd.grad(g, x, torch.eye(3, dtype=torch.float64), is_grads_batched=True)
    a, b, c = 1.0, 2.0, 3.0
    expected = [
        [2 * (b * c) ** 2, 4 * a * b * c * c, 4 * a * b * b * c],
        [4 * a * b * c * c, 2 * (a * c) ** 2, 4 * a * a * b * c],
        [4 * a * b * b * c, 4 * a * a * b * c, 2 * (a * b) ** 2],
    ]
    assert close(torch, hessian, expected)


def test_forward_over_reverse_over_reverse():
    fw = retrograd.autograd.forward_ad
    x = retrograd.tensor([0.3, 0.7], dtype=retrograd.float64, requires_grad=True)
    with fw.dual_level():
        dual = fw.make_dual(x, retrograd.ones(2, dtype=retrograd.float64))
        (g,) = retrograd.autograd.grad(retrograd.sin(dual).sum(), dual, create_graph=True)
        (second,) = retrograd.autograd.grad(g.sum(), dual, create_graph=True)
        third = fw.unpack_dual(second).tangent
    np.testing.assert_allclose(third.detach().numpy(), [-math.cos(0.3), -math.cos(0.7)])
