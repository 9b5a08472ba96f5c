"""The trouble that people bring, and the answer to each."""

import math
import warnings

import numpy as np
import pytest
import torch

import retrograd
from retrograd.autograd import watch, zero_gradient_rule


def gradient(lib, function, values):
    x = lib.tensor(values, dtype=lib.float64, requires_grad=True)
    function(lib, x).backward()
    return x.grad.tolist()


def unselected(name, at, fill=0.0):
    """A function with a pole at `at`, and `where` that does not select it."""
    return lambda lib, x: lib.where(x != at, getattr(lib, name)(x), fill).sum()


# --- NaN from the branch that where did not select, and from powers at 0 ------------------------------


@pytest.mark.parametrize("name", ["sqrt", "log", "reciprocal", "rsqrt", "asin", "acos", "atanh", "log1p"])
def test_the_branch_that_where_did_not_select(name):
    at = {"asin": 1.0, "acos": 1.0, "atanh": 1.0, "log1p": -1.0}.get(name, 0.0)
    function = unselected(name, at)
    reference = gradient(torch, function, [at, 0.5])
    assert math.isnan(reference[0])
    with zero_gradient_rule("always"):
        mine = gradient(retrograd, function, [at, 0.5])
    assert mine[0] == 0 and mine[1] == pytest.approx(reference[1])
    with zero_gradient_rule("never"):
        np.testing.assert_allclose(gradient(retrograd, function, [at, 0.5]), reference)


def test_division_by_what_where_did_not_select():
    def f(lib, x):
        return lib.where(x != 0, 1 / x, 0.0).sum()

    assert math.isnan(gradient(retrograd, f, [0.0, 2.0])[0])  # as in PyTorch
    with zero_gradient_rule("always"):
        assert gradient(retrograd, f, [0.0, 2.0]) == [0.0, -0.25]
        x = retrograd.tensor([0.0, 2.0], requires_grad=True)
        (g,) = retrograd.autograd.grad(f(retrograd, x), x, create_graph=True)
        (second,) = retrograd.autograd.grad(g.sum(), x)
        assert second.tolist() == [0.0, 0.25]


@pytest.mark.parametrize(
    "function",
    [
        lambda lib, x: (lib.sqrt(x) * 0).sum(),
        lambda lib, x: ((x**0.5) * 0).sum(),
        lambda lib, x: (lib.float_power(x, 0.25) * 0).sum(),
    ],
)
def test_powers_at_zero(function):
    reference = gradient(torch, function, [0.0, 4.0])
    assert math.isnan(reference[0])
    assert gradient(retrograd, function, [0.0, 4.0]) == [0.0, 0.0]
    with zero_gradient_rule("never"):
        np.testing.assert_array_equal(gradient(retrograd, function, [0.0, 4.0]), reference)


def test_an_infinite_derivative_stays_infinite():
    for rule in ("powers", "never", "always"):
        with zero_gradient_rule(rule):
            assert gradient(retrograd, lambda lib, x: x.sqrt().sum(), [0.0]) == [math.inf]


@pytest.mark.parametrize("p", [1, 2, 3, 0.5, math.inf])
def test_norms_at_zero(p):
    def f(lib, x):
        return lib.linalg.vector_norm(x, p)

    for rule in ("powers", "never"):
        with zero_gradient_rule(rule):
            np.testing.assert_array_equal(gradient(retrograd, f, [0.0, 0.0]), gradient(torch, f, [0.0, 0.0]))


def test_the_rule_is_one_of_three():
    with pytest.raises(ValueError, match="expected 'powers', 'never' or 'always', got 'sometimes'"):
        zero_gradient_rule("sometimes")


# --- a second backward, a gradient that is not kept ---------------------------------------------------------


def test_a_second_backward_names_three_things():
    x = retrograd.ones(3, requires_grad=True)
    loss = (x * x).sum()  # made here
    loss.backward()  # freed here
    with pytest.raises(RuntimeError) as caught:
        loss.backward()
    text = str(caught.value)
    assert (
        "MulBackward0" in text
        and "# made here" in text
        and "# freed here" in text
        and "retain_graph=True" in text
    )


def test_grad_of_a_result_is_explained():
    y = retrograd.ones(3, requires_grad=True) * 2
    with pytest.warns(UserWarning, match=r"use .retain_grad\(\) on the non-leaf Tensor"):
        assert y.grad is None


def test_an_overwritten_value_names_both_lines():
    x = retrograd.ones(3, requires_grad=True)
    y = x * 2
    z = (y * y).sum()  # saved here
    y.add_(1)  # overwritten here
    with pytest.raises(RuntimeError) as caught:
        z.backward()
    assert "# saved here" in str(caught.value) and "# overwritten here" in str(caught.value)


# --- the watch ------------------------------------------------------------------------------------


def train(steps, *, zero=True, total=None, before=False, accumulate=1):
    """A training loop with slips to order; gives what was warned."""
    retrograd.manual_seed(0)
    model = retrograd.nn.Linear(3, 1)
    optimizer = retrograd.optim.SGD(model.parameters(), lr=0.1)
    data = retrograd.ones(4, 3)
    sum_of_losses = 0
    with warnings.catch_warnings(record=True) as seen, watch():
        warnings.simplefilter("always")
        for step in range(steps):
            loss = (model(data) ** 2).mean()
            if total is not None and before:
                sum_of_losses = total(sum_of_losses, loss)
            if zero and step % accumulate == 0:
                optimizer.zero_grad()
            loss.backward()
            if (step + 1) % accumulate == 0:
                optimizer.step()
            if total is not None and not before:
                sum_of_losses = total(sum_of_losses, loss)
    return [w for w in seen if "create_graph" not in str(w.message)]


def plus(total, loss):
    return total + loss  # holds the graph


def plus_in_place(total, loss):
    total = retrograd.zeros(()) if isinstance(total, int) else total
    total += loss  # holds the graph in place
    return total


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("total", [plus, plus_in_place])
def test_sums_of_losses_that_hold_graphs(total, before):
    seen = train(4, total=total, before=before)
    assert len(seen) == 1
    assert "loss.item(), or loss.detach()" in str(seen[0].message) and "made at" in str(seen[0].message)
    line = open(seen[0].filename).read().splitlines()[seen[0].lineno - 1]
    assert "holds the graph" in line


def test_sums_of_numbers_are_fine():
    assert train(4, total=lambda total, loss: total + loss.item()) == []
    assert train(4, total=lambda total, loss: total + loss.detach()) == []
    assert train(4) == []


def test_forgotten_zero_grad():
    seen = train(4, zero=False)
    assert len(seen) == 1 and "optimizer.zero_grad()" in str(seen[0].message)
    assert "loss.backward()" in open(seen[0].filename).read().splitlines()[seen[0].lineno - 1]
    assert train(4, accumulate=2) == []  # several backwards for one step are meant


def test_gradients_set_to_zero_are_reset():
    p = retrograd.nn.Parameter(retrograd.ones(2))
    optimizer = retrograd.optim.SGD([p], lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with watch():
            for _ in range(3):
                optimizer.zero_grad(set_to_none=False)
                (p * p).sum().backward()
                optimizer.step()


def test_the_watch_changes_nothing_else():
    x = retrograd.ones(3, requires_grad=True)
    with watch():
        y = (x * x).sum()
        (g,) = retrograd.autograd.grad(y, x, create_graph=True)
        g.sum().backward()
    assert x.grad.tolist() == [2.0] * 3
