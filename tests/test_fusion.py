"""Results of batch norm that wait for the relu or the sum that comes next: of the same bits as without that,
whoever looks, whatever is written meanwhile, and with the same graph."""

import copy
import gc
import io
import os
import pickle
import random
import subprocess
import sys
import threading
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
import torch as pytorch
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as torch
import retrograd.nn.functional as F
from retrograd import kernels, nn
from retrograd.core.op import TABLE

native = kernels.native
pytestmark = pytest.mark.skipif(native is None, reason=f"nothing is fused ({kernels.describe()})")
SHAPE = (2, 16, 8, 8)


@contextmanager
def fusion(on):
    before = kernels.allow_fusion(on)
    try:
        yield
    finally:
        kernels.allow_fusion(before)


def values(*shape, seed=0, dtype=np.float32):
    """Random values, stored channels last, as a convolution gives them."""
    a = np.random.default_rng(seed).normal(size=(shape[0], *shape[2:], shape[1])).astype(dtype)
    return np.moveaxis(a, -1, 1)


def step(seed=0, dtype=np.float32, shape=SHAPE, requires_grad=True):
    """A leaf and a result of it that nobody else has, as batch norm is given them."""
    leaf = torch.from_numpy(values(*shape, seed=seed, dtype=dtype)).requires_grad_(requires_grad)
    return leaf, leaf * 1.5


def norm(training=True, dtype=torch.float32, channels=SHAPE[1]):
    layer = nn.BatchNorm2d(channels).to(dtype).train(training)
    rng = np.random.default_rng(7)
    with torch.no_grad():
        for t in (layer.weight, layer.bias, layer.running_mean):
            t.copy_(torch.from_numpy(rng.normal(size=channels)))
        layer.running_var.copy_(torch.from_numpy(rng.random(channels) + 0.5))
    return layer


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and a.strides == b.strides
        assert a.tobytes() == b.tobytes()
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    else:
        assert a == b


def both(program, *args):
    """Runs a program with and without fusion: what it gives has the same bits."""
    results = []
    for on in (True, False):
        with fusion(on):
            results.append(program(*args))
    same(*results)
    assert native.pending() == 0, "nothing waits once nobody can look"
    return results[0]


def arrays(*tensors):
    return [None if t is None else t.detach().numpy().copy() for t in tensors]


def graph(tensor):
    """The names of the nodes that lead to a tensor, newest first."""
    found, stack = [], [tensor.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None:
            found.append((node.name(), node.shape, str(node.dtype)))
            stack.extend(reversed([target for target, _ in node.next_functions]))
    return found


# --- what is fused ------------------------------------------------------------------------------------------

RELUS = {
    "relu": F.relu, "relu in place": lambda y: F.relu(y, inplace=True), "relu_": lambda y: y.relu_(),
    "layer": nn.ReLU(), "layer in place": nn.ReLU(inplace=True), "torch.relu": torch.relu,
    "none": lambda y: y,
}  # fmt: skip


def _iadd(y, r):
    y += r
    return y


SUMS = {
    "none": lambda y, r: y, "+=": _iadd, "y + r": lambda y, r: y + r, "r + y": lambda y, r: r + y,
    "torch.add": torch.add, "add_": lambda y, r: y.add_(r),
}  # fmt: skip


@pytest.mark.parametrize("relu", RELUS)
@pytest.mark.parametrize("total", SUMS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_and_graph(total, relu, training, dtype):
    def program(residual):
        (x, h), (r, s) = step(0, dtype), step(1, dtype)
        layer, other = norm(training, getattr(torch, dtype)), norm(training, getattr(torch, dtype))
        y = layer(h)
        z = RELUS[relu](SUMS[total](y, other(s) if residual else s))
        nodes = graph(z)
        (z * z).sum().backward()
        seen = arrays(z, x.grad, r.grad, *[p.grad for p in layer.parameters()], *layer.buffers())
        return seen, nodes, z._version, y._version, arrays(y)

    both(program, False)
    both(program, True)
    with fusion(True):
        _, h = step(0, dtype)
        y = norm(training, getattr(torch, dtype))(h)
        assert native.pending() == 1
        z = RELUS["relu in place"](y)
        assert native.pending() == 0 and z is y


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_a_graph(training, inplace, mode):
    def program():
        with mode():
            (_, h), (_, s) = step(0), step(1)
            layer = norm(training)
            y = layer(h)
            del h
            y = F.relu(y, inplace)
            z = layer(y * 1)
            z += s
            z = F.relu(z, inplace)
            return arrays(y, z, s, *layer.buffers()), z.is_inference() or z._version

    both(program)
    with mode(), fusion(True):
        y = norm(training)(step()[1])
        assert native.pending() == 1 and y.is_inference() == (mode is torch.inference_mode)
        del y


def test_the_memory_is_that_of_the_input_where_nobody_has_it():
    with torch.no_grad(), fusion(True):
        _, h = step()
        at = h.data_ptr()
        y = norm(False)(h)
        del h
        assert F.relu_(y).data_ptr() == at
        _, h = step()
        at = h.data_ptr()
        y = norm(False)(h)
        del h
        assert y.data_ptr() == at
        _, h = step()
        y = norm(False)(h)
        assert F.relu_(y).data_ptr() != h.data_ptr()


def test_a_residual_block_is_pytorchs():
    def block(torch, nn, x):
        torch.manual_seed(0)
        h = x * 1.5
        conv, bn, short, last = (
            nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.BatchNorm2d(16), nn.Conv2d(16, 16, 1),
        )  # fmt: skip
        rng = np.random.default_rng(0)
        with torch.no_grad():
            for layer in (conv, last):
                for p in layer.parameters():
                    p.copy_(torch.from_numpy(rng.normal(size=tuple(p.shape)) * 0.1))
        y = nn.functional.relu(bn(conv(h)), inplace=True)
        y = bn(conv(y))
        y += short(last(h))
        y = nn.functional.relu(y, inplace=True)
        (y * y).sum().backward()
        return [
            y.detach().numpy(),
            x.grad.numpy(),
            *[p.grad.numpy() for p in (conv.weight, bn.weight, bn.bias)],
        ]

    array = values(*SHAPE)
    ours = block(torch, nn, torch.from_numpy(array).requires_grad_())
    theirs = block(pytorch, pytorch.nn, pytorch.from_numpy(array).requires_grad_())
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 70), st.booleans(), st.booleans(),
    st.sampled_from(["none", "values", "normalised"]), st.sampled_from([np.float32, np.float64]),
    st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_against_the_rows(pixels, channels, training, relu, added, dtype, odd, seed):
    """The kernel against the rows' NumPy forwards, NaN and infinity included."""
    shape = (-(-1024 // channels) + 1, channels, *pixels)
    rng = np.random.default_rng(seed)
    a, b = values(*shape, seed=seed, dtype=dtype), values(*shape, seed=seed + 1, dtype=dtype)
    if odd:
        a[0, 0] = np.nan
        b[-1, -1] = np.inf
    weight, bias, mean = [rng.normal(size=channels).astype(dtype) for _ in range(3)]
    var = rng.random(channels).astype(dtype) + 1

    def expected(x):
        if training:
            return TABLE["batch_norm"].forward(np, x, weight, bias, 1e-5)[0]
        return TABLE["batch_norm_eval"].forward(np, x, weight, bias, mean, var, 1e-5)

    def ours(x):
        w, c, m, v = [torch.from_numpy(p.copy()) for p in (weight, bias, mean, var)]
        return F.batch_norm(torch.from_numpy(x) * 1, m, v, w, c, training)

    with np.errstate(all="ignore"):
        want = expected(a)
        if added != "none":
            want = want + (expected(b) if added == "normalised" else b)
        if relu:
            want = TABLE["relu"].forward(np, want)
    with fusion(True):
        y = ours(a)
        assert native.pending() == 1
        if added != "none":
            y += ours(b) if added == "normalised" else torch.from_numpy(b) * 1
        if relu:
            y = F.relu(y)
    size = 1 + np.nanmax(np.abs(np.where(np.isfinite(want), want, 0)))
    np.testing.assert_allclose(
        y.numpy(), want, rtol=0, atol=size * (1e-4 if dtype is np.float32 else 1e-11)
    )


# --- who looks ----------------------------------------------------------------------------------------------


def _hooked(y, h):
    seen = []
    y.register_hook(lambda g: seen.append(g.numpy().copy()))
    F.relu(y).sum().backward(retain_graph=True)
    return seen


def _retained(y, h):
    y.retain_grad()
    z = F.relu_(y)
    (z * z).sum().backward(retain_graph=True)
    return arrays(z.grad)


def _saved(y, h):
    file = io.BytesIO()
    torch.save(y.detach(), file)
    file.seek(0)
    return arrays(torch.load(file))


def _write(y, h):
    z = F.relu(y)
    y[0] = 7
    return arrays(y, z)


def _modes(y, h):
    with torch.autograd.detect_anomaly(check_nan=False):
        return arrays(F.relu(y))


def _packed(y, h):
    kept = []

    def pack(t):
        kept.append(t.detach().numpy().copy())
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        F.relu(y)
        y * y
    return kept


def _twice(y, h):
    (g,) = torch.autograd.grad((F.relu(y) ** 3).sum(), h, create_graph=True)
    (g2,) = torch.autograd.grad((g * g).sum(), h, retain_graph=True)
    return arrays(g, g2)


LOOKS = {
    "repr": lambda y, h: repr(y), "numpy": lambda y, h: arrays(y), "item": lambda y, h: y.sum().item(),
    "shape": lambda y, h: (tuple(y.shape), str(y.dtype), y.stride(), y.numel()),
    "type": lambda y, h: type(y),
    "is contiguous": lambda y, h: (y.is_contiguous(), y.is_leaf, y.requires_grad),
    "view": lambda y, h: arrays(y[0], y.flatten(1), y.permute(0, 2, 3, 1)), "write": _write,
    "other op": lambda y, h: arrays(torch.sigmoid(y), y * y),
    "two readers": lambda y, h: arrays(F.relu(y), y),
    "with itself": lambda y, h: arrays(y + y, F.relu(y) + y),
    "with its input": lambda y, h: arrays(y + h),
    "iadd itself": lambda y, h: arrays(_iadd(y, y)), "iadd its input": lambda y, h: arrays(_iadd(y, h)),
    "broadcast": lambda y, h: arrays(y + y.new_ones(8)),
    "number": lambda y, h: arrays(y + 1, F.relu(1 + y)),
    "other dtype": lambda y, h: arrays(y + torch.ones(SHAPE, dtype=torch.float64)),
    "deepcopy": lambda y, h: arrays(copy.deepcopy(y.detach())), "copy": lambda y, h: arrays(copy.copy(y)),
    "pickle": lambda y, h: arrays(pickle.loads(pickle.dumps(y))), "save": _saved,
    "vars": lambda y, h: (y.__reduce_ex__(2)[1][3], arrays(y)), "hook": _hooked, "retain_grad": _retained,
    "dlpack": lambda y, h: np.from_dlpack(y.detach()).copy(),
    "array": lambda y, h: np.asarray(y.detach()).copy(),
    "out": lambda y, h: arrays(torch.relu(y), torch.add(y.detach(), y.detach(), out=torch.empty(SHAPE))),
    "vmap": lambda y, h: arrays(torch.vmap(torch.relu)(y)), "anomaly": _modes, "packed": _packed,
    "jvp": lambda y, h: arrays(*torch.func.jvp(torch.relu, (y.detach(),), (torch.ones_like(y),))),
    "create_graph": _twice, "data": lambda y, h: arrays(y.data), "clone": lambda y, h: arrays(y.clone()),
    "norm again": lambda y, h: arrays(F.relu(norm()(y))), "set data": lambda y, h: setattr(y,
    "data", h * 2),
    "checkpoint": lambda y, h: arrays(torch.utils.checkpoint.checkpoint(torch.relu, y, use_reentrant=False)),
    "subclass": lambda y, h: arrays(F.relu(y.detach().as_subclass(nn.Parameter))),
    "half": lambda y, h: arrays(F.relu(y.half())), "max pool": lambda y, h: arrays(F.max_pool2d(y, 2)),
}  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("after_sum", [False, True])
def test_who_looks(look, training, after_sum):
    def program():
        (x, h), (_, s) = step(0), step(1)
        y = norm(training)(h)
        if after_sum:
            y += s
        seen = LOOKS[look](y, h)
        g = torch.autograd.grad((y * y).sum(), x, allow_unused=True) if y.requires_grad else ()
        return seen, arrays(y, h, s, *g), y._version

    both(program)


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("backward", [True, False])
def test_hooks_of_modules(looks, backward):
    def program():
        seen = []
        layer = norm()
        layer.register_forward_hook(lambda m, i, o: seen.append(arrays(*i, o) if looks else type(o)))
        if backward:
            layer.register_full_backward_hook(lambda m, gi, go: seen.append(arrays(*gi, *go)))
        x, h = step()
        z = F.relu(layer(h))
        (z * z).sum().backward()
        return seen, arrays(z, x.grad)

    both(program)


def test_a_hooked_node_runs():
    def program():
        x, h = step()
        y = norm()(h)
        seen = []
        y.grad_fn.register_hook(lambda gi, go: seen.append(arrays(*gi[:1], go[0])))
        z = F.relu(y)
        z.grad_fn.register_prehook(lambda go: seen.append(arrays(*go)))
        (z * z).sum().backward()
        return seen, arrays(x.grad)

    both(program)


# --- what is written meanwhile ------------------------------------------------------------------------------


def _numpy_write(h):
    h.detach().numpy()[0] = 3


def _in_block(h):
    with torch.no_grad():
        h.mul_(2)


WRITES = {
    "mul_": lambda h: h.mul_(2), "relu_": lambda h: F.relu_(h), "data": lambda h: h.data.zero_(),
    "numpy": _numpy_write, "view": lambda h: h[0].zero_(), "no_grad": _in_block,
    "iadd": lambda h: _iadd(h, h * 2),
    "out": lambda h: torch.add(h.detach(), 1, out=h.detach()), "set data": lambda h: setattr(h,
    "data", h.data * 2),
    "copy_": lambda h: h.detach().copy_(torch.ones(SHAPE)), "resize_": lambda h: h.detach().resize_(3),
}  # fmt: skip


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("which", ["input", "residual", "both"])
def test_writes_before_anybody_looks(write, which):
    def program():
        (_, h), (_, s) = step(0), step(1)
        y = norm()(h)
        if which != "input":
            y += s
        for t in {"input": [h], "residual": [s], "both": [h, s]}[which]:
            WRITES[write](t)
        return arrays(F.relu(y), y, h, s)

    both(program)


def test_a_relus_result_is_handed_on_by_its_node():
    """The residual is a relu's result, which the node keeps too: who gets it from there may write to it."""

    def program(way):
        (_, h), (_, s) = step(0), step(1)
        s = F.relu(s)
        y = norm()(h)
        y += s
        t = s.grad_fn._saved_result if way == "saved" else s.grad_fn._raw_saved_result.data
        with torch.no_grad():
            t.detach().zero_()
        return arrays(F.relu(y), s)

    both(program, "saved")
    both(program, "raw")


def test_parameters_and_statistics_may_change():
    def program(training):
        (_, h), layer = step(), norm(training)
        y = layer(h)
        with torch.no_grad():
            for t in (*layer.parameters(), *layer.buffers()):
                t.zero_()
        return arrays(F.relu(y))

    both(program, True)
    both(program, False)


def test_who_else_has_the_array():
    """A result doesn't wait where its input's memory is known to somebody."""
    holds = {
        "numpy": lambda h: h.detach().numpy(), "view": lambda h: h[0], "detached": lambda h: h.detach(),
        "storage": lambda h: h.untyped_storage(), "some": lambda h: h.detach().numpy()[1:],
        "memoryview": lambda h: memoryview(h.detach().numpy()),
        "dlpack": lambda h: np.from_dlpack(h.detach()),
    }  # fmt: skip
    for name, hold in holds.items():
        with fusion(True):
            _, h = step()
            kept = hold(h)
            y = norm()(h)
            assert native.pending() == 0, name
            del kept, y


def test_errors_of_writes_name_both_lines():
    def program():
        _, h = step()
        y = norm()(h)
        z = F.relu(y)
        h.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation") as error:
            z.sum().backward()
        z = F.relu_(norm()(step()[1]))
        z += 1
        with pytest.raises(RuntimeError, match="modified by an inplace operation") as second:
            z.sum().backward()
        return str(error.value), str(second.value)

    both(program)


# --- random programs ----------------------------------------------------------------------------------------


def _read_saved(v):
    node = v.grad_fn
    return arrays(node._saved_result) if node is not None and node.name() == "ReluBackward0" else None


ONE = {
    "scale": lambda v: v * 0.5, "relu": F.relu, "relu_": F.relu_, "mul_": lambda v: v.mul_(1.5),
    "detach": lambda v: v.detach(),
    "half": lambda v: v[:1], "write": lambda v: v[1].fill_(0.25), "data": lambda v: v.data.add_(1),
    "numpy": _numpy_write,
    "sum": lambda v: v.sum().item(), "shape": lambda v: v.shape, "no_grad": _in_block,
    "clone": lambda v: v.clone(),
    "copy": copy.copy, "saved": _read_saved,
    "hook": lambda v: v.requires_grad and v.register_hook(lambda g: g * 2) and None,
    "retain": lambda v: v.requires_grad and v.retain_grad(),
}  # fmt: skip
TWO = {
    "add": torch.add,
    "iadd": _iadd,
    "mul": torch.mul,
    "add_": lambda v, w: v.add_(w),
    "copy_": lambda v, w: v.copy_(w),
}
STEPS = ["norm"] * 8 + ["relu", "relu_", "add", "iadd"] * 3 + ["forget"] * 3 + [*ONE, *TWO]


def random_program(seed):
    rng = random.Random(seed)
    leaves = [step(i)[0] for i in range(2)]
    layers = [norm(), norm(False)]
    held = [leaf * 1.5 for leaf in leaves]
    log = []
    for _ in range(rng.randint(4, 25)):
        what = rng.choice(STEPS)
        v, w, layer = rng.choice(held), rng.choice(held), rng.choice(layers)
        mode = torch.set_grad_enabled(rng.random() < 0.8)
        try:
            with mode:
                if what == "norm":
                    out = layer(v)
                elif what == "forget":
                    out = None
                    if len(held) > 2:
                        held.pop(rng.randrange(len(held)))
                else:
                    out = ONE[what](v) if what in ONE else TWO[what](v, w)
        except (RuntimeError, ValueError, AttributeError, IndexError) as error:
            out = str(error)
        del v, w
        if isinstance(out, torch.Tensor):
            held.append(out)
        else:
            log.append((what, out))
        del out
    total = 0
    for v in held:
        log.append((arrays(v), v._version))
        try:
            if v.requires_grad:
                log.append(graph(v))
                total = total + (v * v).sum()
        except RuntimeError as error:
            log.append(str(error))
    try:
        if isinstance(total, torch.Tensor):
            total.backward()
    except RuntimeError as error:
        log.append(str(error))
    return log + arrays(
        *[leaf.grad for leaf in leaves], *[p.grad for p in layers[0].parameters()], *layers[0].buffers()
    )


@pytest.mark.parametrize("seed", range(150))
def test_random_programs(seed):
    both(random_program, seed)


# --- threads, memory ----------------------------------------------------------------------------------------


def test_any_number_of_threads():
    def program():
        (x, h), (_, s) = step(0, shape=(4, 24, 40, 40)), step(1, shape=(4, 24, 40, 40))
        y = norm(channels=24)(h)
        y += s
        z = F.relu(y)
        (z * z).sum().backward()
        return arrays(z, x.grad)

    before, seen = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with fusion(True):
                seen.append(program())
    finally:
        torch.set_num_threads(before)
    same(seen[0], seen[1])
    same(seen[0], seen[2])


def test_threads_that_look_at_once():
    shape = (4, 32, 64, 64)
    for seed in range(5):
        with torch.no_grad(), fusion(True):
            _, h = step(seed, shape=shape)
            expected = arrays(norm(channels=32)(h.clone()))[0]
            y = norm(channels=32)(h)
            if seed % 2:
                del h
            start, seen = threading.Barrier(4), [None] * 4

            def look(i, y=y, start=start, seen=seen):
                start.wait()
                seen[i] = arrays(y if i % 2 else F.relu(y))[0]

            threads = [threading.Thread(target=look, args=(i,)) for i in range(4)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            same(seen[1], expected)
            same(seen[3], expected)
            same(seen[0], np.maximum(expected, 0))
            same(seen[2], seen[0])


def test_nothing_is_kept():
    with fusion(True):
        x, h = step()
        y = norm()(h)
        known = weakref.ref(y), weakref.ref(h)
        del y, h
        gc.collect()
        assert known[0]() is None and known[1]() is None and native.pending() == 0
        with torch.no_grad():
            h = x * 1
            y = norm()(h)
            assert native.pending() == 1
            del y
            assert native.pending() == 0
            same(arrays(h), arrays(x * 1))


def test_settle():
    with fusion(True):
        (_, h), (_, g) = step(0), step(1)
        y, z = norm()(h), norm()(g)
        assert native.pending() == 2
        native.settle()
        assert native.pending() == 0
        same(arrays(F.relu(y)), both(lambda: arrays(F.relu(norm()(step(0)[1])))))
        del y, z


def test_it_can_be_switched_off():
    with fusion(False):
        _, h = step()
        y = norm()(h)
        assert native.pending() == 0
        del y
    code = "from retrograd import kernels; print(kernels.allow_fusion(True))"
    for value, expected in (("0", "False"), ("1", "True")):
        environment = {**os.environ, "RETROGRAD_FUSION": value}
        ran = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert ran.stdout.strip() == expected
