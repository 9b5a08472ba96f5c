"""Operators of the user's own: `torch.library`."""

import functools
import importlib
import uuid

import numpy as np
import pytest

import retrograd
from oracle import both_refuse, same


def sine(lib, namespace, gradient=True):
    """An operator that computes with NumPy, out of sight of autograd."""

    @lib.library.custom_op(f"{namespace}::sine", mutates_args=())
    def sine(x: lib.Tensor, times: float = 1.0) -> lib.Tensor:
        return lib.from_numpy(np.sin(x.detach().numpy() * times))

    def setup_context(ctx, inputs, output):
        x, ctx.times = inputs
        ctx.save_for_backward(x)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x * ctx.times).cos() * ctx.times, None

    if gradient:
        sine.register_autograd(backward, setup_context=setup_context)
    return sine


@pytest.fixture
def namespace():
    return f"ns{uuid.uuid4().hex}"


def test_values_gradients_and_names(namespace):
    def program(lib):
        op = sine(lib, namespace)
        x = lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
        space = getattr(lib.ops, namespace)
        out = op(x, 3.0) + space.sine(x) + space.sine.default(x, times=2.0)
        out.sum().backward()
        names = str(space.sine.default), space.sine.default.name()
        return out, x.grad, [name.replace(namespace, "") for name in names]

    same(program)


def test_second_derivatives_and_gradcheck(namespace):
    op = sine(retrograd, namespace)
    x = retrograd.tensor([0.5, 2.0], dtype=retrograd.float64, requires_grad=True)
    assert retrograd.autograd.gradcheck(lambda x: op(x, 2.0), (x,))
    assert retrograd.autograd.gradgradcheck(lambda x: op(x, 2.0), (x,))


def test_without_a_gradient(namespace):
    def program(lib):
        x = lib.ones(2, requires_grad=True)
        sine(lib, namespace, gradient=False)(x).sum().backward()

    both_refuse(program, match="no autograd formula was registered")


def test_an_operator_that_writes(namespace):
    def program(lib):
        @lib.library.custom_op(f"{namespace}::fill", mutates_args={"x"})
        def fill(x: lib.Tensor, value: float) -> None:
            x.numpy()[...] = value

        x = lib.zeros(3)
        fill(x, 2.0)
        return x

    same(program)


def test_by_schema(namespace):
    def program(lib):
        library = lib.library.Library(namespace, "DEF")
        library.define("twice(Tensor x) -> Tensor")
        library.impl("twice", lambda x: x * 2, "CPU")
        return getattr(lib.ops, namespace).twice(lib.ones(2)), library.ns == namespace

    same(program)


def test_modes_and_selective_checkpoints_see_one_operation(namespace):
    def program(lib):
        op, calls = sine(lib, namespace), []
        overload = getattr(lib.ops, namespace).sine.default
        checkpoint = importlib.import_module(f"{lib.__name__}.utils.checkpoint")

        def policy(ctx, func, *args, **kwargs):
            if func is overload:
                calls.append(ctx.is_recompute)
                return checkpoint.CheckpointPolicy.MUST_SAVE
            return checkpoint.CheckpointPolicy.PREFER_RECOMPUTE

        contexts = functools.partial(checkpoint.create_selective_checkpoint_contexts, policy)
        x = lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
        out = checkpoint.checkpoint(lambda x: op(x).exp().sin(), x, use_reentrant=False, context_fn=contexts)
        out.sum().backward()
        assert calls[0] is False
        return x.grad

    same(program)


def test_bad_names():
    both_refuse(lambda lib: lib.library.custom_op("plain", lambda x: x, mutates_args=()), Exception)
    with pytest.raises(ValueError, match="mylib::sin_twice"):
        retrograd.library.custom_op("plain", lambda x: x, mutates_args=())
    with pytest.raises(RuntimeError, match="nowhere::f"):
        retrograd.library.register_autograd("nowhere::f", None)
    with pytest.raises(AttributeError, match="nowhere"):
        retrograd.ops.nowhere  # noqa: B018
