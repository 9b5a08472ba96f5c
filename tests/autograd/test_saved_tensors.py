"""What is kept for backward: hooks on one saved tensor, contexts of hooks, versions."""

import gc
import weakref

import pytest


def close(torch, a, b):
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype))


@pytest.mark.parametrize("leaf", [True, False])
def test_hooks_on_one_saved_tensor(torch, leaf):
    def make():
        x = torch.randn(5, requires_grad=True)
        return x if leaf else 1 + x

    def hooked(function, pack, unpack):
        a = make()
        y = function(a)
        y.grad_fn._raw_saved_self.register_hooks(pack, unpack)
        return a, y

    a, y = hooked(lambda a: a * a, lambda x: 2 * x, lambda x: x / 2)
    assert close(torch, y.grad_fn._saved_self, a)
    if not leaf:
        assert y.grad_fn._saved_self.grad_fn is a.grad_fn
    assert close(torch, torch.autograd.grad(y.sum(), a)[0], 2 * a)
    a, y = hooked(lambda a: a * a, lambda x: 2 * x, lambda x: x)
    assert close(torch, y.grad_fn._saved_self, 2 * a)
    assert close(torch, torch.autograd.grad(y.sum(), a)[0], 3 * a)
    a, y = hooked(lambda a: a**3, lambda x: x, lambda x: x)
    (g,) = torch.autograd.grad(y.sum(), a, create_graph=True)
    assert close(torch, torch.autograd.grad(g.sum(), a)[0], 6 * a)
    a, y = hooked(lambda a: a * a, lambda x: x, lambda x: 1)
    with pytest.raises(TypeError, match="Output of saved tensor unpack_hook expected to be a Tensor"):
        y.grad_fn._saved_self  # noqa: B018
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        hooked(lambda a: a * a, lambda x, b: x, lambda x: x)
    with pytest.raises(RuntimeError, match="A saved tensor pack hook is modifying its input in place."):
        hooked(lambda a: a * a, lambda x: x.mul_(2), lambda x: x)


def test_hooks_on_a_saved_output(torch):
    a = torch.randn(5, requires_grad=True)
    y = torch.exp(a)
    y.grad_fn._raw_saved_result.register_hooks(lambda x: x, lambda x: x)
    assert close(torch, y, y.grad_fn._saved_result) and y.grad_fn._saved_result.grad_fn is y.grad_fn
    y.sum().backward()
    assert close(torch, a.grad, y)
    y = torch.exp(a)
    with pytest.raises(RuntimeError, match="A saved tensor pack hook is modifying its input in place."):
        y.grad_fn._raw_saved_result.register_hooks(lambda x: x.add_(1), lambda x: x)


def test_looking_at_what_is_saved(torch):
    def unpack(x):
        return x

    a = torch.tensor(2.0, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: x, unpack):
        b = a**2
    c = b.exp()
    d = c**2
    packed, output, plain = b.grad_fn._raw_saved_self, c.grad_fn._raw_saved_result, d.grad_fn._raw_saved_self
    assert packed.data is a and packed.unpack_hook is unpack
    assert output.data is not c and output.unpack_hook is None
    assert plain.data is c and plain.unpack_hook is None


def test_hooks_on_what_a_function_saved(torch):
    class Keeps(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, save):
            if save:
                ctx.save_for_backward(x, None)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g, None

    a = torch.randn(5, requires_grad=True)
    y = Keeps.apply(a, True)
    assert y.grad_fn.saved_tensors[0] is a and y.grad_fn.saved_tensors[1] is None
    first, second = y.grad_fn._raw_saved_tensors
    with pytest.raises(RuntimeError, match="None is forbidden"):
        second.register_hooks(lambda x: x, lambda x: x)
    for wrong in ((lambda x: x,), (1, 1)):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            first.register_hooks(*wrong)
    first.register_hooks(lambda x: x, lambda x: x)
    with pytest.raises(RuntimeError, match="already been set"):
        first.register_hooks(lambda x: x, lambda x: x)
    y.sum().backward()
    for name in ("_raw_saved_tensors", "saved_tensors"):
        with pytest.raises(RuntimeError, match="after they have already been freed"):
            getattr(y.grad_fn, name)
    y = Keeps.apply(a, False)
    assert y.grad_fn.saved_tensors == () and y.grad_fn._raw_saved_tensors == ()


def test_saved_tensors_that_go_when_they_are_read(torch):
    class Once(torch.autograd.Function):
        clear_saved_tensors_on_access = True

        @staticmethod
        def forward(ctx, x, times):
            ctx.save_for_backward(x)
            ctx.times = times
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            ref = weakref.ref(x)
            del x
            assert ref() is None
            if ctx.times > 1:
                ctx.saved_tensors  # noqa: B018
            return g, None

    x = torch.randn(3, requires_grad=True)
    gc.disable()
    try:
        Once.apply(x.clone(), 1).sum().backward()
    finally:
        gc.enable()
    with pytest.raises(RuntimeError, match="can only be accessed once"):
        Once.apply(x.clone(), 2).sum().backward()


def test_second_derivatives_through_hooks(torch):
    hooks = torch.autograd.graph.saved_tensors_hooks

    def first(a):
        return torch.autograd.grad((a**3).sum(), a, create_graph=True)[0]

    a = torch.randn(5, requires_grad=True)
    with hooks(lambda x: x, lambda x: x):
        g = first(a)
        assert close(torch, torch.autograd.grad(g.sum(), a)[0], 6 * a)
    with hooks(lambda x: 2 * x, lambda x: x):
        s = (a**3).sum()
    (g,) = torch.autograd.grad(s, a, create_graph=True)
    assert close(torch, torch.autograd.grad(g.sum(), a)[0], 12 * a)
    s = (a**3).sum()
    with hooks(lambda x: 2 * x, lambda x: x):
        (g,) = torch.autograd.grad(s, a, create_graph=True)
        assert close(torch, torch.autograd.grad(g.sum(), a)[0], 24 * a)
        g = first(a)
        assert close(torch, torch.autograd.grad(g.sum(), a)[0], 48 * a)


def test_versions_are_seen_where_what_is_saved_is_read(torch):
    b = torch.exp(torch.rand(2, requires_grad=True))
    saved = b.grad_fn._saved_result
    assert b._version == saved._version
    with torch.no_grad():
        b += 1
    assert close(torch, b, saved) and b._version == saved._version


def test_what_is_saved_is_the_tensor_itself(torch):
    a = torch.randn(5, requires_grad=True)
    b = a * a
    c = a * b
    assert b.grad_fn._saved_self is a and b.grad_fn._saved_other is a
    assert c.grad_fn._saved_self is a and c.grad_fn._saved_other is b
    c.sum().backward()
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        c.grad_fn._saved_self  # noqa: B018


def test_nothing_is_saved_without_need(torch):
    mu = torch.ones(1, requires_grad=True)
    x = torch.empty(1)
    loss = 0
    for i in range(3):
        x.detach_()
        x.copy_(mu + i)
        loss += (x * torch.tensor([float(i)])).sum()
    loss.backward()
    assert mu.grad == 3
    t = torch.zeros(3, requires_grad=True) + 0
    mask = torch.tensor([1.0, 0, 0]) != 0
    t[mask] = t[mask]
    t.backward(torch.zeros_like(t))


def test_numbers_pass_no_hooks(torch):
    def fail(x):
        raise AssertionError("a number is no tensor")

    with torch.autograd.graph.saved_tensors_hooks(fail, fail):
        a = torch.randn(5, requires_grad=True)
        torch.autograd.grad((a * 3).sum(), a)


def test_copies_are_made_when_memory_is_written(torch):
    with torch.autograd.graph.allow_mutation_on_saved_tensors() as kept:

        def counts():
            return len(list(kept.tid_to_weakhandle.items())), len(list(kept.cloned.items()))

        a = torch.randn(2, 3, requires_grad=True).clone()
        b, c = a**2, a**2
        assert counts() == (1, 0)
        a[:1].sin_()
        assert counts()[1] == 1
        d = a**2
        a.sin_()
        assert counts()[1] == 2
        del b, c
        assert counts()[1] == 1
        d.sum().backward()
        assert counts()[1] == 0
        x, y = torch.tensor([1.0], requires_grad=True), torch.tensor([3.0])
        out = x * y
        torch.sin(torch.tensor([2.0]), out=y)
        assert counts()[1] == 1
        out.backward()
        assert x.grad == 3


def test_contexts_entered_in_backward_end_with_it(torch):
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: hooks.__enter__() or x)
    with hooks:
        torch.randn(3, requires_grad=True).sin().sum().backward()
    y = torch.tensor(1.0, requires_grad=True).exp()
    y.grad_fn._raw_saved_result.register_hooks(lambda x: x, lambda x: x)  # nobody packed it
