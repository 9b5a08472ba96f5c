"""`backward` and `grad`: what may be asked for, edges as roots and targets, batches, errors; what nodes
tell."""

import gc
import pickle
import warnings
import weakref

import pytest


def close(torch, a, b):
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype))


def leaf(torch, *numbers):
    return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)


# --- targets and roots -----------------------------------------------------------------------------


def test_edges_as_targets(torch):
    def agree(out, x):
        edge = torch.autograd.graph.get_gradient_edge(x)
        assert close(torch, *torch.autograd.grad(out.sum(), x), torch.autograd.grad(out.sum(), edge)[0])

    x = torch.rand(2, requires_grad=True)
    agree(x.clone(), x)
    y = x.clone()
    agree(y.clone(), y)
    z = torch.var_mean(y)[1]
    agree(z.clone(), z)
    edge = torch.autograd.graph.GradientEdge
    a, b = x.clone(), y.clone()
    out = a + b
    grads = torch.autograd.grad(out.sum(), (edge(a.grad_fn, a.output_nr), edge(b.grad_fn, b.output_nr)))
    assert all(close(torch, g, [1, 1]) for g in grads)


def test_edges_outlive_a_change_of_the_tensor(torch):
    x = torch.rand(2, requires_grad=True).clone()
    edge = torch.autograd.graph.get_gradient_edge(x)
    x *= 2
    before, after = torch.autograd.grad(x.sum(), (edge, x))
    assert close(torch, before, [2, 2]) and close(torch, after, [1, 1])
    x = torch.rand(2, requires_grad=True)
    edge = torch.autograd.graph.get_gradient_edge(x)
    out = x.clone()
    with torch.no_grad():
        x.set_(torch.rand_like(x))
    with pytest.raises(RuntimeError, match="to not have been used in the graph"):
        torch.autograd.grad(out.sum(), x)
    assert close(torch, torch.autograd.grad(out.sum(), edge)[0], [1, 1])


def test_edges_and_zeros_for_what_is_not_used(torch):
    edge = torch.autograd.graph.get_gradient_edge
    x, y = torch.rand(2, requires_grad=True).clone(), torch.rand(2, requires_grad=True).clone()
    ex, ey = edge(x), edge(y)
    out = x.clone()
    ask = {"allow_unused": True, "materialize_grads": True}
    assert close(torch, torch.autograd.grad(out.sum(), (ex, y), **ask)[1], [0, 0])
    assert torch.autograd.grad(out.sum(), (x, ey), allow_unused=True)[1] is None
    with pytest.raises(
        RuntimeError, match="materialize_grads cannot be used when the given input is a GradientEdge"
    ):
        torch.autograd.grad(out.sum(), (x, ey), **ask)
    for inputs in ((ex, y), (x, y), (x, ey), (ex, ey)):
        torch.autograd.backward(out.sum(), inputs=inputs)


def test_edges_as_roots(torch):
    x = leaf(torch, 1, 2)

    def f(reduce=True):
        middle = x.sin().cos()
        middle = middle.sum() if reduce else middle
        return middle.exp().sin().sum(), torch.autograd.graph.get_gradient_edge(middle)

    out, edge = f()
    (middle,) = torch.autograd.grad(out, (edge,))
    (two_steps,) = torch.autograd.grad(edge, (x,), grad_outputs=(middle,))
    assert close(torch, two_steps, torch.autograd.grad(f()[0], x)[0])
    torch.autograd.grad(f()[1], x)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar output"):
        torch.autograd.grad(f(False)[1], x)
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        torch.autograd.grad(f()[1], x, grad_outputs=torch.ones(4, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="required to have the same dtype"):
        torch.autograd.grad(f()[1], x, grad_outputs=torch.ones((), dtype=torch.complex64))
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        torch.autograd.backward(f()[1], inputs=(x,), grad_tensors=torch.ones(4, dtype=torch.float64))
    (_, e1), (out2, _) = f(), f()
    (expected,) = torch.autograd.grad((e1, out2), x, retain_graph=True)
    torch.autograd.backward((e1, out2))
    assert close(torch, x.grad, expected)


def test_an_edge_keeps_the_graph(torch):
    x = torch.rand(1, requires_grad=True).clone()
    out = x.clone()
    edge = torch.autograd.graph.get_gradient_edge(out)
    torch.autograd.backward(edge)
    del out
    torch.autograd.backward(edge)


def test_results_as_targets(torch):
    x = torch.randn(4, 2, requires_grad=True)
    a, b = x.chunk(2)
    x.register_hook(lambda g: pytest.fail("not on the way"))
    g = torch.randn(2, 2)
    ga, gb = torch.autograd.grad(a + 2 * b, [a, b], grad_outputs=g, create_graph=True)
    assert close(torch, ga, g) and close(torch, gb, g * 2) and x.grad is None


def test_hooks_of_one_of_many_outputs(torch):
    x = torch.randn(5, requires_grad=True)
    parts = x.unbind()
    seen = []
    parts[0].register_hook(seen.append)
    for i, p in enumerate(parts):
        p.backward()
        assert x.grad.tolist() == [1.0] * (i + 1) + [0.0] * (4 - i)
    assert seen[0] == 1 and seen[1:] == [None] * (len(seen) - 1)


def test_backward_into_results(torch):
    x, y, z = leaf(torch, 1, 2), leaf(torch, 3, 4), leaf(torch, 5, 6)
    middle = x * 1
    out = middle**2 + y * middle + y**2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out.backward(torch.ones_like(out), create_graph=True, inputs=[x, y, middle])
        assert close(torch, middle.grad, 2 * middle + y) and middle.retains_grad
        assert close(torch, x.grad, 2 * x + y) and close(torch, y.grad, x + 2 * y)
        out.backward(torch.ones_like(out), create_graph=True, inputs=[z])
    assert z.grad is None
    x.grad = y.grad = middle.grad = None
    s = torch.tensor(3.0, requires_grad=True)
    (s**2).backward(inputs=s)
    assert s.grad == 6
    with pytest.raises(RuntimeError, match="cannot be empty"):
        (s**2).backward(inputs=[])


def test_what_is_refused(torch):
    x = torch.ones(1)
    y = x**2
    with pytest.raises(RuntimeError, match="does not require grad"):
        x.backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(x, y)
    x = torch.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match="cannot be empty"):
        torch.autograd.grad(2 * x, [], grad_outputs=torch.ones(1))
    with pytest.raises(ValueError, match="Expected allow_unused to be True or not passed when"):
        torch.autograd.grad(2 * x, x, allow_unused=False, materialize_grads=True)
    with pytest.raises(RuntimeError):
        torch.autograd.backward([x * 2, torch.ones(1)], [x, x])
    with pytest.raises(RuntimeError):
        torch.autograd.backward([torch.ones(2, requires_grad=True) * 2], [None])
    g = torch.ones(2)
    with pytest.raises(RuntimeError) as caught:
        torch.autograd.grad([x * 2], [x], grad_outputs=[g])
    assert str(caught.value).startswith(
        f"Mismatch in shape: grad_output[0] has a shape of {g.shape} and output[0] has a shape of {x.shape}."
    )
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for real scalar outputs"):
        (torch.zeros(1, requires_grad=True) * 0.5j).backward()


def test_what_is_not_on_the_way_does_not_run(torch):
    class Never(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            pytest.fail("this node should not run")

    def make():
        return Never.apply(torch.randn(1, requires_grad=True) * 2)

    y, z = torch.randn(1, requires_grad=True), torch.randn(1, requires_grad=True)
    assert torch.autograd.grad(make(), (y,), allow_unused=True) == (None,)
    gy, gz = torch.autograd.grad(make() + z, (y, z), allow_unused=True)
    assert gy is None and gz == 1
    torch.autograd.backward(make(), inputs=(y,))
    assert y.grad is None


def test_unused_inputs(torch):
    x, y, z = (torch.ones(1, requires_grad=True) for _ in range(3))
    y * 2  # has an accumulator, z has none
    for other in (y, z):
        gx, go = torch.autograd.grad(x * 2, [x, other], allow_unused=True)
        assert gx == 2 and go is None
    with pytest.raises(RuntimeError, match="Set allow_unused=True"):
        torch.autograd.grad(x * 2, [x, y], allow_unused=False)
    for g in torch.autograd.grad((x**2).sum(), (x, y), allow_unused=True, materialize_grads=True):
        assert not g.requires_grad


def test_zeros_for_unused_inputs_are_differentiable(torch):
    x, a = torch.tensor(0.5, requires_grad=True), torch.tensor(1.0, requires_grad=True)
    first = torch.autograd.grad(x * a, x, create_graph=True)
    assert torch.autograd.grad(first, x, create_graph=True, allow_unused=True) == (None,)
    second = torch.autograd.grad(first, x, create_graph=True, allow_unused=True, materialize_grads=True)
    third = torch.autograd.grad(second, x, materialize_grads=True)
    assert second[0] == 0 and third[0] == 0


def test_gradients_in_batches(torch):
    x = torch.randn(2, 2, requires_grad=True)
    batch = torch.arange(3).expand(2, 2, 3).transpose(0, 2)
    (g,) = torch.autograd.grad(x.clone(), (x,), (batch,), is_grads_batched=True)
    assert close(torch, g, batch)
    (g,) = torch.autograd.grad(x.sum(), (x,), (torch.arange(3),), is_grads_batched=True)
    assert close(torch, g, batch)
    message = "If `is_grads_batched=True`, we interpret the first"
    with pytest.raises(RuntimeError, match=message):
        torch.autograd.grad(x.clone(), (x,), (torch.ones(2, 2),), is_grads_batched=True)
    with pytest.raises(RuntimeError, match=message):
        torch.autograd.grad(x.sum(), (x,), (torch.ones(2, 1),), is_grads_batched=True)


# --- accumulation --------------------------------------------------------------------------------------


def test_accumulating(torch):
    for create_graph in (False, True):
        x = torch.randn(5, 5, requires_grad=True)
        y = x + 2
        y.backward(torch.ones(5, 5), retain_graph=True)
        g, copy = x.grad, x.grad.clone()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y.backward(torch.ones(5, 5), create_graph=create_graph)
        assert close(torch, g, copy if create_graph else copy * 2)
        assert (x.grad is g) == (not create_graph)
        x.grad = None


def test_recorded_backward_warns_of_cycles(torch):
    b = torch.randn(3, requires_grad=True)
    c = b * b
    warn_always = getattr(torch, "set_warn_always", lambda on: None)  # PyTorch warns once otherwise
    warn_always(True)
    try:
        with pytest.warns(UserWarning, match=r"Using backward\(\) with create_graph=True"):
            c.backward(torch.ones_like(c), create_graph=True)
    finally:
        warn_always(False)
    b.grad = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.autograd.grad(c, b, torch.ones_like(c), create_graph=True)


def test_empty_gradients(torch):
    a, b = torch.rand(4, 0, requires_grad=True), torch.rand(4, 1, requires_grad=True)
    (a + b).sum().backward()
    assert a.grad.shape == (4, 0) and close(torch, b.grad, torch.zeros(4, 1))


def test_given_gradients_are_left_alone(torch):
    x = torch.ones(5, 5, requires_grad=True)
    y = torch.ones(5, 5, requires_grad=True)
    a, b, c = x + 2, y + 2, x + 2
    out = a + b + c
    for _ in range(4):
        a, b, c = a * 2, b * 2, c * 2
    out = out + (a + b + c)
    g = torch.ones(5, 5)
    out.backward(g)
    assert close(torch, x.grad, torch.full((5, 5), 34.0)) and close(torch, y.grad, torch.full((5, 5), 17.0))
    assert close(torch, g, torch.ones(5, 5))


def test_a_gradient_is_kept_without_a_copy(torch):
    seen = []

    class Sum(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            seen.append(g.data_ptr())
            return g, g

    class Expands(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.shape = x.shape
            return torch.tensor([1.0])

        @staticmethod
        def backward(ctx, g):
            return torch.ones(1).expand(ctx.shape)

    a, b = torch.randn(5, 6, requires_grad=True), torch.randn(5, 6, requires_grad=True)
    Expands.apply(Sum.apply(a, b)).backward()
    assert seen[0] not in (a.grad.data_ptr(), b.grad.data_ptr())
    a.grad = b.grad = None
    Sum.apply(a, b)[1][0].backward()
    pointers = a.grad.data_ptr(), b.grad.data_ptr()
    assert pointers[0] != pointers[1] and seen[1] in pointers


def test_dtype_of_grad(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    assert x.grad_dtype == torch.float32
    x.grad_dtype = torch.float16
    assert x.grad_dtype == torch.float16
    with pytest.raises(
        RuntimeError,
        match="attempting to assign a gradient with dtype.*float.*to a tensor with grad_dtype.*Half",
    ):
        x.grad = torch.ones(2)
    x.grad_dtype = None
    assert x.grad_dtype is None
    x.grad = torch.ones(2, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="grad_dtype can only be accessed on leaf tensors"):
        (x * 2).grad_dtype  # noqa: B018
    with pytest.raises(RuntimeError, match="grad_dtype can only be set on leaf tensors"):
        (x * 2).grad_dtype = torch.float16

    class Wide(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g.to(torch.float64)

    for kind, expected in ((False, "float32"), (None, "float64"), (torch.float16, "float16")):
        y = torch.tensor([1.0, 2.0], requires_grad=True)
        y.clone()
        if kind is not False:
            y.grad_dtype = kind
        Wide.apply(y).sum().backward()
        assert y.grad.dtype == getattr(torch, expected) and close(torch, y.grad, [1.0, 1.0])
    y = torch.tensor([1.0, 2.0], requires_grad=True)
    y.grad = torch.ones(2)
    y.grad_dtype = torch.float32
    with pytest.raises(RuntimeError, match="Cannot set grad_dtype.*because there is already a gradient"):
        y.grad_dtype = torch.float16
    z = torch.tensor([3.0, 4.0], requires_grad=True, dtype=torch.bfloat16)
    z.grad_dtype = None
    (z * 2).sum().backward()
    z.grad = z.grad.to(torch.float32)
    (z * 3).sum().backward()
    assert z.grad.dtype == torch.float32


def test_layout_of_grad(torch):
    for a_format in (torch.contiguous_format, torch.channels_last):
        for b_format in (torch.contiguous_format, torch.channels_last):
            a = torch.rand(2, 3, 4, 5).to(memory_format=a_format).requires_grad_()
            b = torch.rand(2, 3, 4, 5).to(memory_format=b_format).requires_grad_()
            a.sum().backward()
            assert a.grad.stride() == a.stride()
            a.grad = None
            (a * b).sum().backward()
            assert a.grad.stride() == a.stride() and b.grad.stride() == b.stride()
            assert close(torch, a.grad, b.detach())
    c = torch.empty_strided((2, 2), (4, 2)).copy_(torch.rand(2, 2)).requires_grad_()
    c.sum().backward()
    assert c.grad.stride() == (2, 1)
    c.grad = None
    (c * torch.rand(2, 2)).sum().backward()
    assert c.grad.stride() == (2, 1)


# --- what nodes tell ------------------------------------------------------------------------------


def test_a_node_may_be_called(torch):
    x = torch.ones(1, requires_grad=True)
    y = x**2
    with pytest.raises(TypeError, match="expected .* arguments, got .* instead"):
        y.grad_fn(x.detach(), x.detach())
    with pytest.raises(TypeError, match="expected .* arguments, got .* instead"):
        y.grad_fn()
    assert sum(g for g in y.grad_fn(x.detach()) if g is not None) == 2


def test_what_a_node_takes(torch):
    x, y = torch.rand(2, requires_grad=True), torch.rand(2, requires_grad=True)
    (m,) = (x * y).grad_fn._input_metadata
    assert tuple(m.shape) == (2,) and m.dtype == torch.float32 and not m.is_nested_tensor
    var, _ = torch.var_mean(torch.rand(3, 3, requires_grad=True), dim=0)
    assert [tuple(m.shape) for m in var.grad_fn._input_metadata] == [(3,), (3,)]


def test_what_a_node_keeps(torch):
    a, b = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    doubled = a * 2
    out = doubled * b
    assert out.grad_fn._saved_self is doubled and out.grad_fn._saved_other is b
    out.grad_fn._raw_saved_self.register_hooks(lambda x: x, lambda x: x)
    out.sum().backward()
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        out.grad_fn._saved_self  # noqa: B018
    x = torch.ones(2, 2, requires_grad=True)
    square = x * x
    square.grad_fn._raw_saved_self.register_hooks(lambda x: x, lambda x: x)
    raw = square.grad_fn._raw_saved_self
    square.sum().backward()
    with pytest.raises(RuntimeError, match="after it has been freed"):
        raw.register_hooks(lambda x: x, lambda x: x)
    out = torch.tanh(x)
    assert close(torch, out.grad_fn._saved_result, out) and out.grad_fn._saved_result is not out
    assert out.grad_fn._saved_result.grad_fn is out.grad_fn


def test_leaves_are_ends(torch):
    x, y = torch.randn(5, requires_grad=True), torch.randn(5, requires_grad=True)
    a = x + y
    assert [type(n).__name__ for n, _ in a.grad_fn.next_functions] == ["AccumulateGrad"] * 2
    assert a.grad_fn.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"
    b = a + 5
    assert b.grad_fn.next_functions[0][0] is a.grad_fn and b.grad_fn.next_functions[1][0] is None


def test_nodes_are_nodes(torch):
    node = torch.autograd.graph.Node
    a = torch.rand(3, requires_grad=True)
    b = a.exp()
    assert isinstance(b.grad_fn, node) and issubclass(type(b.grad_fn), node)
    assert isinstance(b.grad_fn.next_functions[0][0], node)
    assert not isinstance(None, node) and not isinstance(1, node) and not isinstance(node, node)
    assert issubclass(node, node) and issubclass(torch.autograd.function.BackwardCFunction, node)
    seen = []

    class Looks(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            seen.append(isinstance(ctx, node))
            return x

        @staticmethod
        def backward(ctx, g):
            seen.append(isinstance(ctx, node))
            return g

    out = Looks.apply(a)
    assert isinstance(out.grad_fn, node)
    out.sum().backward()
    assert seen == [True, True]


def test_numbers_of_nodes_set_the_order(torch):
    x, y, z = (torch.randn(10, requires_grad=True) for _ in range(3))
    a, b = x + y, y + z
    c = a + b
    for t, n in ((a, 100), (b, 99), (c, 98)):
        t.grad_fn._set_sequence_nr(n)
        assert t.grad_fn._sequence_nr() == n
    order = []
    for name, t in {"a": a, "b": b, "c": c}.items():
        t.register_hook(lambda g, name=name: order.append(name))
    c.sum().backward()
    assert order == ["c", "a", "b"]
    assert close(torch, x.grad, torch.ones(10)) and close(torch, y.grad, torch.full((10,), 2.0))


def test_notes_on_a_node_live_as_long_as_it(torch):
    class Thing:
        pass

    def make():
        x = torch.rand(2, requires_grad=True)
        y = x.exp()
        thing = Thing()
        y.grad_fn.metadata["note"] = thing
        return y, weakref.ref(thing)

    y, ref = make()
    gc.collect()
    assert ref() is not None
    del y
    gc.collect()
    assert ref() is None


# --- Tensors and their place ----------------------------------------------------------------------


def test_reading_grad_of_a_result_warns(torch):
    x = torch.ones(1, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x.grad  # noqa: B018
    y = x.clone()
    with pytest.warns(UserWarning, match="is not a leaf Tensor"):
        y.grad  # noqa: B018
    y.retain_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y.grad  # noqa: B018


def test_what_can_be_deleted(torch):
    x = torch.randn(5, requires_grad=True)
    del x.grad
    assert x.grad is None
    for name in ("data", "requires_grad", "_grad_fn", "_backward_hooks"):
        with pytest.raises(RuntimeError):
            delattr(x, name)
    with pytest.raises(TypeError):
        x.data = None
    with pytest.warns(UserWarning, match="volatile"):
        assert x.volatile is False


def test_what_can_be_assigned(torch):
    x = torch.randn(5, 5)
    with pytest.raises(TypeError, match="expected to be a Tensor or None"):
        x.grad = 0
    for wrong in (torch.randn(2, 2), torch.ones(5, 5, dtype=torch.long), x):
        with pytest.raises(RuntimeError):
            x.grad = wrong
    x._backward_hooks = {"never": None}
    (x + torch.ones(5, 5, requires_grad=True)).sum().backward()
    a = torch.tensor(1.0, requires_grad=True)
    a.data = torch.tensor(2.0)
    with pytest.raises(RuntimeError, match="must be floating point or complex dtype"):
        a.data = torch.tensor(3)
    b = torch.randn(1, 2)
    before = id(b)
    b.data = torch.randn(1, 2)
    assert id(b) == before


def test_detaching(torch):
    x = torch.randn(4, requires_grad=True)
    y = torch.randn(4, requires_grad=True)
    a = x * 2
    (y + a).sum().backward(retain_graph=True)
    a.detach_()
    assert not a.requires_grad and a.grad_fn is None
    (y + a).sum().backward()
    assert close(torch, x.grad, [2.0] * 4) and close(torch, y.grad, [2.0] * 4)
    with pytest.raises(RuntimeError, match="view"):
        x.narrow(0, 1, 2).detach_()
    view = x.narrow(0, 1, 2)
    x.detach_()
    assert not x.requires_grad and view.requires_grad and view.grad_fn is not None and view._base is x
    s = torch.randn([], requires_grad=True)
    out = s**2
    s.detach().zero_()
    with pytest.raises(RuntimeError, match="has been modified by an inplace"):
        out.backward()


def test_detaching_an_output_that_is_saved(torch):
    a = torch.tensor(1.0, requires_grad=True).clone()
    b = a.exp()
    a.detach_()
    b.backward()


def test_second_derivatives_by_a_value_that_was_detached(torch):
    x = torch.tensor(1.0, requires_grad=True)
    a = x * 2
    b = a.sin()
    a.detach_()
    with pytest.raises(RuntimeError, match="Trying to use a saved tensor that has been detached"):
        torch.autograd.grad(b, x, create_graph=True)
    c = a * 3  # detached before it was saved
    (c * x).backward()
    assert x.grad == 6


def test_detach_keeps_nothing_alive(torch):
    x = torch.rand(2)
    ref = weakref.ref(x)
    y = x.detach()
    del x
    assert ref() is None and y.shape == (2,)


def test_printing(torch):
    a = torch.ones(1, requires_grad=True)
    assert repr(a) == "tensor([1.], requires_grad=True)"
    assert repr(a.clone()) == "tensor([1.], grad_fn=<CloneBackward0>)"
    with torch.no_grad():
        b = a[:]
        b *= 2
    assert repr(b) == "tensor([2.], grad_fn=<Invalid>)"

    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g

    assert repr(Same.apply(a)) == "tensor([2.], grad_fn=<SameBackward>)"


def test_requires_grad_in_place(torch):
    x, y = torch.randn(5), torch.randn(5, requires_grad=True)
    assert x.requires_grad_() is x and x.requires_grad
    z = x * y
    with pytest.raises(RuntimeError):
        z.requires_grad_(False)
    assert z.requires_grad_() is z and z.requires_grad
    assert not x.requires_grad_(False).requires_grad
    for kind in (torch.int32, torch.int64):
        a = torch.ones(1, dtype=kind)
        a.requires_grad = False
        with pytest.raises(RuntimeError, match="floating point"):
            a.requires_grad_()
        with pytest.raises(RuntimeError, match="floating point"):
            torch.ones(1, dtype=kind, requires_grad=True)
    assert torch.randn_like(torch.ones(2), requires_grad=True).requires_grad


def test_pickling(torch):
    x, y = torch.randn(3, requires_grad=True), torch.randn(3)
    for protocol in range(3):
        a, b = pickle.loads(pickle.dumps([x, y], protocol=protocol))
        assert close(torch, a, x) and a.requires_grad and not b.requires_grad


def test_numpy_of_what_requires_grad(torch):
    x = torch.randn(2, requires_grad=True)
    with pytest.raises(
        RuntimeError,
        match=r"Can't call numpy\(\) on Tensor that requires grad. Use tensor.detach\(\).numpy\(\)",
    ):
        x.numpy()
    with torch.no_grad():
        x.numpy()


def test_old_names(torch):
    v = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    assert v.requires_grad and isinstance(v, torch.Tensor) and isinstance(v, torch.autograd.Variable)
    assert isinstance(torch.ones(1), torch.autograd.Variable)
    assert not torch.autograd.Variable(v).requires_grad
    with pytest.raises(RuntimeError, match="deprecated"):
        torch.autograd.variable(1.0)
    assert torch.autograd.grad_mode.no_grad is torch.no_grad
    with pytest.raises(RuntimeError, match="Trying to create a SavedTensor object from Python is forbidden"):
        torch.autograd.SavedTensor()


def test_graphs_go_when_nothing_needs_them(torch):
    class Increment:
        def __init__(self, log):
            self.log = log

        def __call__(self, *args):
            pass

        def __del__(self):
            self.log.append(1)

    log = []

    def make():
        copy = torch.randn(3, 3, requires_grad=True).clone()
        copy.grad_fn.register_hook(Increment(log))
        torch.nn.functional.relu(copy.view(9), inplace=True)

    make()
    assert log == [1]


def test_long_graphs_are_freed(torch):
    class Add(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g, g

    def chain(f, depth):
        y = torch.randn(1, requires_grad=True).clone()
        for _ in range(depth):
            y = f(y)

    chain(lambda y: y + y * 0.000001, 20_000)
    chain(lambda y: Add.apply(y, y), 10_000)
