"""Batch norm whose result goes through a relu: one kernel makes the gradient of both, and nobody can tell."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd
from oracle import ours, theirs
from retrograd.core.compiled import native

SHAPE = (3, 5, 6, 7)


def program(library, make, inplace, layout="channels_last", uses=1):
    """(leaves, batch norm's result, relu's) of a small network."""
    rng = np.random.default_rng(0)
    x, weight, bias = (make(rng.normal(size=s), requires_grad=True) for s in (SHAPE, SHAPE[1], SHAPE[1]))
    wide = (x * 2).contiguous(memory_format=getattr(library, layout))
    y = library.nn.functional.batch_norm(wide, None, None, weight, bias, training=True)
    more = y.sin() if uses > 1 else 0
    out = library.nn.functional.relu(y, inplace=inplace)
    return (x, weight, bias), y, out * 3 + more


def residual(library, make, inplace, shortcut, first=True):
    """(leaves, the sum, the result) of the end of a residual block."""
    rng = np.random.default_rng(0)
    shapes = SHAPE, SHAPE, SHAPE[1], SHAPE[1]
    x, r, weight, bias = (make(rng.normal(size=s), requires_grad=True) for s in shapes)
    wide, other = ((t * 2).contiguous(memory_format=library.channels_last) for t in (x, r))
    norm = library.nn.functional.batch_norm
    y = norm(wide, None, None, weight, bias, training=True)
    if shortcut == "leaf":
        other = r
    elif shortcut == "normalised":
        other = norm(other, None, None, bias, weight, training=True)
    elif shortcut == "rectified":
        other = library.relu(other)
    elif shortcut == "the input":
        other = wide
    elif shortcut == "used again":
        other = other * 1
        more = other.sin()
    elif shortcut == "broadcast":
        other = other[:, :, :1, :1]
    elif shortcut == "itself":
        other = y
    elif shortcut == "without a gradient":
        other = other.detach()
    total = y + other if first else other + y
    out = library.nn.functional.relu(total, inplace=inplace)
    return (x, r, weight, bias), total, out * 3 + (more if shortcut == "used again" else 0)


SHORTCUTS = [
    "scaled", "leaf", "normalised", "rectified", "the input", "used again", "broadcast", "itself",
    "without a gradient",
]  # fmt: skip


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_sum_between(shortcut, inplace, first):
    leaves, _, out = residual(retrograd, ours, inplace, shortcut, first)
    out.cos().sum().backward()
    fused = gradients(leaves)
    leaves, total, out = residual(retrograd, ours, inplace, shortcut, first)
    node = total.grad_fn.next_functions[0][0] if inplace else total.grad_fn
    assert node.name() == "AddBackward0"
    seen = []
    node.register_prehook(lambda grads: seen.append(grads[0]))
    out.cos().sum().backward()
    assert len(seen) == 1 and (seen[0] == 0).any(), "the hook sees the gradient past the relu"
    for a, b in zip(fused, gradients(leaves), strict=True):
        np.testing.assert_array_equal(a, b)
    leaves, _, out = residual(torch, theirs, inplace, shortcut, first)
    out.cos().sum().backward()
    for a, b in zip(fused, gradients(leaves), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def left_behind(library, how, leaves, between, out):
    """What a backward of this kind leaves behind, `between` being what a fused step doesn't make."""
    loss, kept = out.cos().sum(), []
    if how == "retain_grad":
        between.retain_grad()
    if how == "hooks":
        for target, _ in between.grad_fn.next_functions:
            if target is not None:
                target.register_prehook(lambda grads: kept.append(grads[0]))
    if how == "twice":
        loss.backward(retain_graph=True)
    if how == "anomaly":
        with library.autograd.detect_anomaly(check_nan=True):
            loss.backward()
    elif how == "inputs":
        loss.backward(inputs=[leaves[0], between])
    elif how == "create_graph":
        (gx,) = library.autograd.grad(loss, leaves[0], create_graph=True)
        (gx * gx).sum().backward()
    elif how == "given":
        g = library.ones_like(out)
        out.backward(g)
        assert library.equal(g, library.ones_like(g)), "the user's gradient stays as it is"
    else:
        loss.backward()
    kept += [x.grad for x in leaves if x.grad is not None]
    if how in ("retain_grad", "inputs"):
        kept.append(between.grad)
    return [np.asarray(t.detach()) for t in kept]


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize(
    "how", ["twice", "retain_grad", "inputs", "anomaly", "create_graph", "given", "hooks"]
)
def test_a_sum_between_that_is_looked_at(how, shortcut):
    results = []
    for library, make in ((retrograd, ours), (torch, theirs)):
        leaves, total, out = residual(library, make, False, shortcut)
        results.append(left_behind(library, how, leaves, total, out))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def test_a_norm_that_is_left_to_python():
    """The gradient of its result arrives together with another of its outputs: no kernel does that."""
    results = []
    for hooked in (False, True):
        x, r, weight, bias = (
            ours(np.random.default_rng(i).normal(size=s), requires_grad=True)
            for i, s in enumerate((SHAPE, SHAPE, SHAPE[1], SHAPE[1]))
        )
        y, mean, _ = retrograd.core.op.TABLE["batch_norm"](x * 2, weight, bias, 1e-5)
        total = y + r * 2
        if hooked:
            total.register_hook(lambda g: g)
        (mean.sum() + retrograd.relu(total).cos().sum()).backward()
        results.append(gradients((x, r, weight, bias)))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def gradients(leaves):
    return [np.asarray(leaf.grad.detach()) for leaf in leaves if leaf.grad is not None]


@pytest.mark.parametrize("layout", ["channels_last", "contiguous_format"])
@pytest.mark.parametrize("inplace", [False, True])
def test_the_same_bits_with_and_without_a_hook_that_looks(inplace, layout):
    leaves, _, out = program(retrograd, ours, inplace, layout)
    out.cos().sum().backward()
    fused = gradients(leaves)
    leaves, y, out = program(retrograd, ours, inplace, layout)
    norm = y.grad_fn.next_functions[0][0] if inplace else y.grad_fn
    assert norm.name() == "NativeBatchNormBackward0"
    seen = []
    norm.register_prehook(lambda grads: seen.append(grads[0]))
    out.cos().sum().backward()
    assert len(seen) == 1 and (seen[0] == 0).any(), "the hook sees the gradient past the relu"
    for a, b in zip(fused, gradients(leaves), strict=True):
        np.testing.assert_array_equal(a, b)
    leaves, _, out = program(torch, theirs, inplace, layout)
    out.cos().sum().backward()
    for a, b in zip(fused, gradients(leaves), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "how", ["twice", "two uses", "retain_grad", "inputs", "anomaly", "create_graph", "given"]
)
def test_what_stands_between_is_as_in_pytorch(how):
    results = []
    for library, make in ((retrograd, ours), (torch, theirs)):
        leaves, y, out = program(library, make, False, uses=2 if how == "two uses" else 1)
        results.append(left_behind(library, how, leaves, y, out))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("library, make", [(retrograd, ours), (torch, theirs)], ids=["ours", "theirs"])
def test_errors_are_those_of_each_node(library, make):
    _, y, out = program(library, make, False)
    out.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        out.sum().backward()
    _, y, _ = program(library, make, False)
    result = library.nn.functional.relu(y)
    loss = (result * 2).sum()
    result.detach().add_(1)  # relu's result was saved
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_the_profiler_lists_both_nodes():
    _, _, out = program(retrograd, ours, False)
    with retrograd.profiler.profile() as profile:
        out.sum().backward()
    names = " ".join(str(event.key) for event in profile.key_averages())
    assert "relu" in names.lower() and "batch" in names.lower()


if native is not None:

    def last(rng, shape, dtype):
        return np.moveaxis(rng.normal(size=(shape[0], *shape[2:], shape[1])).astype(dtype), -1, 1)

    @settings(max_examples=60, deadline=None)
    @given(
        st.tuples(st.integers(1, 4), st.integers(1, 70), st.integers(1, 6), st.integers(1, 6)),
        st.sampled_from([np.float32, np.float64]),
        st.booleans(),
        st.booleans(),
        st.integers(0, 100),
    )
    def test_the_kernel_gives_the_bits_of_the_two_that_it_stands_for(shape, dtype, training, over, seed):
        rng = np.random.default_rng(seed)
        g, x = (last(rng, shape, dtype) for _ in range(2))
        relu = np.maximum(last(rng, shape, dtype), 0)
        relu.flat[: seed % 3] = np.nan
        g.flat[: seed % 2] = np.inf
        mean, variance, weight = (np.abs(rng.normal(size=shape[1])).astype(dtype) for _ in range(3))
        passed = np.empty_like(g)
        native.relu_gradient(g, relu, passed)
        results = []
        for given_, after in ((passed, None), (g, relu)):
            gx = given_ if over else np.empty_like(g)
            gw, gb = np.empty_like(weight), np.empty_like(weight)
            native.batch_norm_gradient(given_, x, mean, variance, 1e-3, weight, gx, gw, gb, training, after)
            results.append((gx, gw, gb))
        for a, b in zip(*results, strict=True):
            np.testing.assert_array_equal(a, b)
        native.relu_gradient(g, relu, passed)
        if training and not over:
            gx, (gw, gb) = np.empty_like(g), np.empty((2, *weight.shape), dtype)
            native.batch_norm_gradient(g, x, mean, variance, 1e-3, weight, gx, gw, gb, True, relu, masks=True)
            for a, b in zip((*results[0], passed), (gx, gw, gb, g), strict=True):
                np.testing.assert_array_equal(a, b)

    def test_what_can_not_be_masked_is_refused():
        a = last(np.random.default_rng(0), (1, 2, 4, 4), np.float32)
        ones = np.ones(2, np.float32)
        for g, training, relu in ((np.ascontiguousarray(a), True, a), (a, False, a), (a, True, None)):
            with pytest.raises(ValueError, match="channels last|in training, after a relu"):
                native.batch_norm_gradient(
                    g, a, ones, ones, 1e-5, None, None, None, None, training, relu, masks=True
                )

    def test_another_shape_of_the_relus_result_is_refused():
        a = last(np.random.default_rng(0), (1, 2, 4, 4), np.float32)
        mean = np.zeros(2, np.float32)
        with pytest.raises(ValueError, match="relu has shape"):
            native.batch_norm_gradient(a, a, mean, mean, 1e-5, None, a, None, None, True, a[:, :, 1:])
