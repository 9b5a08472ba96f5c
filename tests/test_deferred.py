"""Gradients that wait as factors: whoever looks, and whether they may wait at all, changes no bit."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
import torch

import retrograd
from retrograd import kernels
from retrograd.core.deferred import Deferred, factors_of
from retrograd.core.tensor import Tensor

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

SHAPES = {  # a layer, and the shape of an input that is much smaller than the weight, as the output is
    "3x3": (("Conv2d", 64, 128, 3, 1, 1), (1, 64, 2, 2)),
    "strided": (("Conv2d", 64, 128, 3, 2, 1), (1, 64, 7, 7)),
    "1x1": (("Conv2d", 256, 512, 1, 2), (1, 256, 4, 4)),
    "batch": (("Conv2d", 128, 96, 3, 1, 2, 2), (3, 128, 2, 2)),
    "one pixel": (("Conv2d", 128, 128, 3, 1, 1), (1, 128, 1, 1)),  # most taps see nothing
    "odd": (("Conv2d", 67, 131, 3), (2, 67, 4, 5)),
    "linear": (("Linear", 512, 300), (1, 512)),
    "rows": (("Linear", 300, 512), (2, 4, 300)),
    "wide": (("Linear", 4200, 67), (3, 4200)),
    "pixels": (("Conv2d", 96, 131, 3, 2, 1), (5, 96, 6, 6)),
    "1x1 pixels": (("Conv2d", 256, 512, 1), (1, 256, 5, 5)),
    "winograd": (("Conv2d", 192, 256, 3, 1, 1), (4, 192, 7, 7)),
    "odd winograd": (("Conv2d", 131, 259, 3, 1, 1), (9, 131, 4, 4)),
    "16 rows": (("Linear", 512, 300), (16, 512)),
    "more rows": (("Linear", 300, 512), (37, 300)),
    "many rows": (("Linear", 1100, 1100), (10, 13, 1100)),
}


@pytest.fixture(autouse=True)
def restore():
    before = kernels.native.get_factors()
    yield
    kernels.allow_factors(before)


def layer(name, lib=retrograd, dtype="float32", seed=0):
    """A layer whose gradient may wait, and an input for it."""
    (kind, *sizes), shape = SHAPES[name]
    rng = np.random.default_rng(seed)
    module = getattr(lib.nn, kind)(*sizes).to(getattr(lib, dtype))
    with lib.no_grad():
        for p in module.parameters():
            p.copy_(lib.tensor(rng.normal(size=tuple(p.shape)).astype(dtype) / 10))
    return module, lib.tensor(rng.normal(size=shape).astype(dtype))


def backward(module, x):
    module(x).square().sum().backward()


def waits(p):
    return factors_of(p._grad) is not None


def expected(name, dtype="float32"):
    """The gradient of the layer's weight that the kernel writes at once."""
    kernels.allow_factors(False)
    module, x = layer(name, dtype=dtype)
    backward(module, x)
    assert not waits(module.weight)
    kernels.allow_factors(True)
    return module.weight.grad.numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_look_gives_the_gradient(name, dtype):
    want = expected(name, dtype)
    module, x = layer(name, dtype=dtype)
    backward(module, x)
    grad = module.weight._grad
    assert waits(module.weight)
    assert module.weight.grad is grad and type(grad) is Tensor and not waits(module.weight)
    assert np.array_equal(grad.numpy(), want) and grad._array.strides == want.strides
    theirs, y = layer(name, torch, dtype)
    backward(theirs, y)
    np.testing.assert_allclose(want, theirs.weight.grad.numpy(), rtol=2e-4, atol=2e-4 * np.abs(want).max())


OPTIMIZERS = {
    "plain": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    "dampening": ("SGD", {"lr": 0.1, "momentum": 0.7, "dampening": 0.3}),
    "Adam": ("Adam", {"lr": 0.01, "weight_decay": 0.01}),
    "amsgrad": ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    "AdamW": ("AdamW", {"lr": 0.01}),
    "RMSprop": ("RMSprop", {"lr": 0.01}),
    "centered": ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.9}),
    "Adagrad": ("Adagrad", {"lr": 0.01}),
}


def trained(name, optimizer, lib=retrograd, dtype="float32", steps=3, between=lambda module: None):
    module, x = layer(name, lib, dtype)
    kind, options = OPTIMIZERS[optimizer]
    opt = getattr(lib.optim, kind)(module.parameters(), **options)
    for _ in range(steps):
        opt.zero_grad()
        module(x).square().mean().backward()
        between(module)
        opt.step()
    state = [v for s in opt.state.values() for v in s.values() if isinstance(v, lib.Tensor)]
    params = list(module.parameters())
    return [t.detach().numpy() for t in (*params, *[p.grad for p in params], *state)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", SHAPES)
def test_optimizers(name, optimizer, dtype):
    def waiting(module):
        assert waits(module.weight)

    got = trained(name, optimizer, dtype=dtype, between=waiting)
    looked = trained(name, optimizer, dtype=dtype, between=lambda m: m.weight.grad.sum())
    kernels.allow_factors(False)
    at_once = trained(name, optimizer, dtype=dtype)
    for a, b, c in zip(got, looked, at_once, strict=True):
        assert np.array_equal(a, b) and np.array_equal(a, c)
    if dtype == "float64" or OPTIMIZERS[optimizer][0] == "SGD":  # the others divide by what may be near zero
        theirs = trained(name, optimizer, torch, dtype)
        np.testing.assert_allclose(got[0], theirs[0], rtol=1e-3, atol=1e-4)


def test_the_step_leaves_the_gradient_as_it_is():
    want = expected("3x3")
    module, x = layer("3x3")
    opt = retrograd.optim.SGD(module.parameters(), lr=0.1)
    backward(module, x)
    opt.step()
    assert waits(module.weight)
    opt.step()
    assert np.array_equal(module.weight.grad.numpy(), want)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads(threads):
    before = kernels.get_num_threads()
    try:
        kernels.set_num_threads(1)
        want = trained("batch", "momentum")
        kernels.set_num_threads(threads)
        got = trained("batch", "momentum")
    finally:
        kernels.set_num_threads(before)
    assert all(map(np.array_equal, got, want))


def test_writes_after_backward_do_not_reach_it():
    want = expected("3x3")
    module, x = layer("3x3")
    out = module(x)
    start = out.detach() * 2
    out.backward(start)
    with retrograd.no_grad():
        x.fill_(7)
        out.fill_(7)
        start.fill_(7)
        module.weight.zero_()
    del x, out, start
    retrograd.ones(1 << 18).mul_(3)
    assert waits(module.weight) and np.array_equal(module.weight.grad.numpy(), want)


def test_a_second_backward_adds():
    want = expected("odd")
    module, x = layer("odd")
    backward(module, x)
    grad = module.weight._grad
    backward(module, x)
    assert module.weight.grad is grad
    assert np.array_equal(module.weight.grad.numpy(), want + want)


def test_a_weight_used_twice():
    def run(allowed):
        kernels.allow_factors(allowed)
        module, x = layer("linear")
        (module(x).sum() + module(x * 2).square().sum() + module(x * 3).sum()).backward()
        return module.weight.grad.numpy()

    assert np.array_equal(run(True), run(False))


def test_retained_graph():
    want = expected("3x3")
    module, x = layer("3x3")
    loss = module(x).square().sum()
    loss.backward(retain_graph=True)
    assert waits(module.weight)
    loss.backward()
    assert np.array_equal(module.weight.grad.numpy(), want + want)


# --- where it may not wait --------------------------------------------------------------------------------


def hooked(module, seen):
    module.weight.register_hook(lambda g: seen.append(g.numpy().copy()))


def hooked_after(module, seen):
    module.weight.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.numpy().copy()))


def hooked_on_its_node(module, seen):
    node = module.weight.expand_as(module.weight).grad_fn.next_functions[0][0]
    module.kept = node
    node.register_prehook(lambda grads: seen.append(grads[0].numpy().copy()))


def hooked_on_the_layers_node(module, seen):
    def watch(module, args, out):
        out.grad_fn.register_hook(lambda grads, outs: seen.append(grads[1].numpy().copy()))

    module.register_forward_hook(watch)


@pytest.mark.parametrize("hook", [hooked, hooked_after, hooked_on_its_node, hooked_on_the_layers_node])
def test_hooks_see_the_gradient(hook):
    want = expected("3x3")
    module, x = layer("3x3")
    seen = []
    hook(module, seen)
    backward(module, x)
    assert not waits(module.weight)
    assert len(seen) == 1 and np.array_equal(seen[0], want)
    assert np.array_equal(module.weight.grad.numpy(), want)


def test_a_hook_that_comes_during_backward():
    want = expected("3x3")
    module, x = layer("3x3")
    seen = []
    module.bias.register_hook(lambda g: hooked(module, seen))
    later = x.clone().requires_grad_()
    later.register_hook(lambda g: hooked(module, seen))
    backward(module, later)
    assert not seen or np.array_equal(seen[0], want)
    assert np.array_equal(module.weight.grad.numpy(), want)


def test_other_ways_backward():
    want = expected("3x3")
    module, x = layer("3x3")
    (got,) = retrograd.autograd.grad(module(x).square().sum(), module.weight)
    assert type(got) is Tensor and np.array_equal(got.numpy(), want)
    module(x).square().sum().backward(inputs=[module.weight])
    assert np.array_equal(module.weight.grad.numpy(), want)
    module.zero_grad()
    module(x).square().sum().backward(create_graph=True)
    assert module.weight.grad.requires_grad
    np.testing.assert_allclose(module.weight.grad.detach().numpy(), want, rtol=1e-4, atol=1e-4)
    module.zero_grad()
    with retrograd.autograd.detect_anomaly(check_nan=True):
        backward(module, x)
    assert np.array_equal(module.weight.grad.numpy(), want)


def test_a_weight_in_another_layout_does_not_wait():
    want = expected("3x3")
    module, x = layer("3x3")
    module.weight.data = retrograd.tensor(np.ascontiguousarray(module.weight.detach().numpy()))
    retrograd.nn.functional.conv2d(x, module.weight, module.bias, 1, 1).square().sum().backward()
    assert not waits(module.weight) and np.array_equal(module.weight.grad.numpy(), want)


def test_a_weight_that_moves_before_the_step():
    def run(allowed):
        kernels.allow_factors(allowed)
        module, x = layer("3x3")
        opt = retrograd.optim.SGD(module.parameters(), lr=0.1)
        backward(module, x)
        assert waits(module.weight) is allowed
        module.weight.data = retrograd.tensor(np.ascontiguousarray(module.weight.detach().numpy()))
        opt.step()
        return module.weight.detach().numpy()

    assert np.array_equal(run(True), run(False))


@pytest.mark.parametrize("used", [False, True])
def test_state_of_a_checkpoint_takes_the_order_of_its_weight(used):
    def run(allowed):
        kernels.allow_factors(allowed)
        module, x = layer("3x3")
        opt = retrograd.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        backward(module, x)
        opt.step()
        saved = copy.deepcopy(opt.state_dict())
        for state in saved["state"].values():
            buffer = state["momentum_buffer"].numpy()
            state["momentum_buffer"] = retrograd.tensor(np.ascontiguousarray(buffer))
        module, x = layer("3x3")
        if used:
            module(x)
        opt = retrograd.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        opt.load_state_dict(saved)
        backward(module, x)
        opt.step()
        buffer = opt.state[module.weight]["momentum_buffer"]
        assert buffer._array.strides == module.weight._array.strides
        assert waits(module.weight) is allowed
        return [t.detach().numpy() for t in (module.weight, module.bias, buffer)]

    assert all(map(np.array_equal, run(True), run(False)))


def test_state_that_others_see_stays_where_it_is():
    module, x = layer("3x3")
    opt = retrograd.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    backward(module, x)
    opt.step()
    state = opt.state[module.weight]
    state["momentum_buffer"] = retrograd.tensor(np.ascontiguousarray(state["momentum_buffer"].numpy()))
    seen = state["momentum_buffer"].numpy()
    before = seen.copy()
    opt.step()
    assert np.shares_memory(state["momentum_buffer"].numpy(), seen) and not np.array_equal(seen, before)


# --- what people do with .grad ----------------------------------------------------------------------------


def clip(module, lib):
    lib.nn.utils.clip_grad_norm_(module.parameters(), 0.5)


def scale(module, lib):
    for p in module.parameters():
        p.grad /= 2
        p.grad.data.mul_(0.5)


def assign(module, lib):
    module.weight.grad = module.weight.grad * 2


def replace(module, lib):
    module.weight.grad.data = lib.ones_like(module.weight)


def flatten(module, lib):
    """As gradients are averaged over processes: in one buffer, and back."""
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    flat = lib.cat([g.reshape(-1) for g in grads]) / 3
    for g, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        g.copy_(part.view_as(g))


def delete(module, lib):
    del module.bias.grad
    module.weight.grad = None


def zero(module, lib):
    module.zero_grad(set_to_none=False)


USES = [clip, scale, assign, replace, flatten, delete, zero]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", ["3x3", "linear"])
def test_uses_of_grad(name, use):
    def run(lib, allowed=True):
        if lib is retrograd:
            kernels.allow_factors(allowed)
        return trained_with(lib, name, use)

    got, at_once, theirs = run(retrograd), run(retrograd, False), run(torch)
    assert all(map(np.array_equal, got, at_once))
    for a, b in zip(got, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def trained_with(lib, name, use):
    module, x = layer(name, lib)
    opt = lib.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    for _ in range(2):
        opt.zero_grad()
        module(x).square().mean().backward()
        use(module, lib)
        opt.step()
    return [p.detach().numpy() for p in module.parameters()]


def test_zero_grad_of_the_optimizer_keeps_the_tensor():
    module, x = layer("3x3")
    opt = retrograd.optim.SGD(module.parameters(), lr=0.1)
    backward(module, x)
    grad = module.weight._grad
    opt.zero_grad(set_to_none=False)
    assert module.weight.grad is grad and not grad.any()
    backward(module, x)
    assert module.weight.grad is grad and np.array_equal(grad.numpy(), expected("3x3"))
    opt.zero_grad()
    assert module.weight.grad is None


def test_grad_scaler():
    def run(allowed):
        kernels.allow_factors(allowed)
        module, x = layer("3x3")
        opt = retrograd.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        scaler = retrograd.amp.GradScaler("cpu", init_scale=1024.0)
        for _ in range(2):
            opt.zero_grad()
            scaler.scale(module(x).square().mean()).backward()
            scaler.unscale_(opt)
            retrograd.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            scaler.step(opt)
            scaler.update()
        return module.weight.detach().numpy()

    assert np.array_equal(run(True), run(False))


def test_copies_and_pickles():
    want = expected("linear")
    for make in (lambda w: copy.deepcopy(w).grad, lambda w: pickle.loads(pickle.dumps(w.grad))):
        module, x = layer("linear")
        leaf = module.weight.detach().requires_grad_()
        retrograd.nn.functional.linear(x, leaf, module.bias).square().sum().backward()
        assert waits(leaf)
        grad = make(leaf)
        assert type(grad) is Tensor and np.array_equal(grad.numpy(), want)
        assert np.array_equal(leaf.grad.numpy(), want)


def test_conversion_takes_it_along():
    module, x = layer("3x3")
    backward(module, x)
    module.double()
    assert module.weight.grad.dtype is retrograd.float64
    assert np.array_equal(module.weight.grad.numpy(), expected("3x3").astype(np.float64))


def test_it_is_let_go():
    module, x = layer("3x3")
    backward(module, x)
    grad = weakref.ref(module.weight._grad)
    assert type(grad()) is Deferred
    module.zero_grad()
    gc.collect()
    assert grad() is None


def test_looks_of_many_threads_see_one_array():
    module, x = layer("odd")
    for _ in range(5):
        module.zero_grad()
        backward(module, x)
        grad, arrays = module.weight._grad, []
        start = threading.Barrier(4)

        def look(grad=grad, arrays=arrays, start=start):
            start.wait()
            arrays.append(grad._array)

        threads = [threading.Thread(target=look) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(arrays) == 4 and all(a is grad._array for a in arrays)


def test_profiles():
    module, x = layer("3x3")
    with retrograd.profiler.profile(record_shapes=True, profile_memory=True) as prof:
        backward(module, x)
    shapes = [e.input_shapes for e in prof.events() if "AccumulateGrad" in e.name]
    assert [[128, 64, 3, 3]] in shapes and waits(module.weight)


def test_a_whole_network():
    def run(allowed):
        kernels.allow_factors(allowed)
        retrograd.manual_seed(0)
        model = retrograd.vision.models.resnet18(num_classes=16)
        opt = retrograd.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        x, y = retrograd.randn(1, 3, 64, 64), retrograd.tensor([3])
        waited = 0
        for _ in range(2):
            opt.zero_grad()
            retrograd.nn.functional.cross_entropy(model(x), y).backward()
            waited += sum(waits(p) for p in model.parameters())
            opt.step()
        return waited, [t.detach().numpy() for p in model.parameters() for t in (p, p.grad)]

    (waited, got), (none, want) = run(True), run(False)
    assert waited == 24 and none == 0
    assert all(map(np.array_equal, got, want))
