"""Writes in place and views: gradients through both, versions, and what is refused."""

import math
import warnings
import weakref

import pytest


def close(torch, a, b):
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype))


def leaf(torch, *shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def check(torch, function, *inputs):
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


# --- versions ------------------------------------------------------------------------------------------


def test_what_was_saved_may_not_change(torch):
    x, y = torch.ones(5, requires_grad=True), torch.full((5,), 4.0, requires_grad=True)
    z = x * y
    q, w = z + y, z * y
    z.add_(2)
    q.backward(torch.ones(5), retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        w.backward(torch.ones(5))
    x.grad.zero_()
    z = x / 2 + y / 8
    q, r = z * y, z + y
    before = z._version
    w = z.exp_()
    assert z._version > before
    r.backward(torch.ones(5), retain_graph=True)
    assert close(torch, x.grad, [0.5] * 5)
    w.backward(torch.ones(5), retain_graph=True)
    assert close(torch, x.grad, [(1 + math.e) / 2] * 5)
    with pytest.raises(RuntimeError):
        q.backward(torch.ones(5))
    t = (x * y).sum()
    with torch.no_grad():
        x *= 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        t.backward()


def test_versions_are_counted(torch):
    x = torch.randn(1, 2)
    before = x._version
    x.add_(1).add_(1)
    assert x._version == before + 2
    view = x[:]
    view.add_(1)
    assert x._version == view._version == before + 3
    x.data = torch.randn(2, 3)
    assert x._version == before + 3
    x.add_(1)
    view.add_(1)
    assert x._version == view._version == before + 5
    a = torch.zeros(5, dtype=torch.int)
    torch.autograd.graph.increment_version(a)
    assert a._version == 1


def test_resizing_counts_where_it_changes_something(torch):
    x, y = torch.rand(1), torch.randn(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x.resize_((1, 2))
        assert x._version == 1
        x.resize_as_(y)
        assert x._version == 2
        x.resize_((3,))
        x.resize_as_(y)
        assert x._version == 2


# --- what is refused --------------------------------------------------------------------------------------


def test_leaves_and_their_views(torch):
    x = torch.zeros(1, requires_grad=True)
    with pytest.raises(
        RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation."
    ):
        x.add_(1)
    with pytest.raises(
        RuntimeError,
        match="a view of a leaf Variable that requires grad is being used in an in-place operation.",
    ):
        x.view_as(x).add_(1)
    a = torch.randn(2, 3)
    b = a[:]
    b.add_(5)
    a.requires_grad = True
    for t in (a, b):
        with pytest.raises(RuntimeError):
            t.add_(5)
    a.sum().backward()
    assert close(torch, a.grad, torch.ones(2, 3))


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("requires", [True, False])
def test_views_made_with_and_without_recording(torch, recorded, requires):
    def written(make):
        x = torch.rand(2, requires_grad=requires).clone()
        with torch.set_grad_enabled(recorded):
            out = make(x)
        out = out if isinstance(out, tuple) else (out,)
        assert all(o._is_view() for o in out)
        for o in out:
            if not requires:
                o.add_(1)
                continue
            several = (
                "is a view and is being modified inplace. "
                "This view is the output of a function that returns multiple views."
            )
            message = (
                several if recorded else "A view was created in no_grad mode and is being modified inplace"
            )
            if recorded and len(out) == 1:
                o.add_(1)
            else:
                with pytest.raises(RuntimeError, match=message):
                    o.add_(1)

    written(lambda x: x.view_as(x))
    written(lambda x: x.unbind())


def identity(torch, view):
    class Identity(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view_as(x) if view else x

        @staticmethod
        def backward(ctx, g):
            return g

    return Identity.apply


def test_views_of_functions_and_of_several_outputs(torch):
    b = torch.rand(1, requires_grad=True)
    custom = "This view was created inside a custom Function"
    for as_view in (True, False):
        for write in (lambda v: v.add_(b), lambda v: v.copy_(b)):
            view = identity(torch, as_view)(torch.rand(1, 2))
            with pytest.raises(RuntimeError, match=custom):
                write(view)
    with pytest.raises(
        RuntimeError, match="This view is the output of a function that returns multiple views."
    ):
        torch.rand(1, 2).unbind()[0].copy_(b)
    a = torch.rand(1, 2)
    a.select(1, 0).copy_(b)
    assert a.requires_grad


@pytest.mark.parametrize("kind", ["normal", "multi", "custom"])
@pytest.mark.parametrize("change", ["t_", "squeeze_", "unsqueeze_", "transpose_", "as_strided_"])
def test_views_reshaped_in_place(torch, kind, change):
    make = {
        "normal": lambda x: x.view_as(x),
        "multi": lambda x: x.unbind()[0],
        "custom": identity(torch, True),
    }[kind]
    arguments = {"transpose_": (0, 0), "squeeze_": (0,), "unsqueeze_": (0,), "as_strided_": ((1, 0), (2, 2))}
    reasons = {
        "multi": "function that returns multiple views",
        "custom": "view was created inside a custom Function",
    }
    for recorded in (True, False):
        for changed_recorded in (True, False):
            for requires in (True, False):
                base = torch.rand(2, 3, requires_grad=requires).clone()
                with torch.set_grad_enabled(recorded):
                    x = make(base)
                reason = reasons.get(kind) if recorded else "A view was created in no_grad mode"
                refused = requires and reason is not None
                with torch.set_grad_enabled(changed_recorded):
                    if refused and changed_recorded:
                        with pytest.raises(RuntimeError, match=reason):
                            getattr(x, change)(*arguments.get(change, ()))
                        continue
                    getattr(x, change)(*arguments.get(change, ()))
                if refused:
                    with pytest.raises(RuntimeError, match=reason):
                        x.add_(1)
                else:
                    x.add_(1)


def test_views_of_views_of_other_modes(torch):
    for mode, name in ((torch.no_grad, "no_grad block"), (torch.inference_mode, "inference_mode")):
        x = torch.zeros(2)
        with mode():
            y = x.view(2)
        y.requires_grad_(True)
        z = y.view(2)
        with pytest.raises(RuntimeError, match=f"a view of a view .* is being .* inside the {name}"):
            z /= 2


def test_views_of_several_outputs_of_any_depth(torch):
    a = torch.rand(10, requires_grad=True).clone()
    first = a.unbind(0)[0]
    with pytest.raises(RuntimeError):
        first.view_as(first).mul_(2)
    with pytest.raises(RuntimeError):
        a.view_as(a).unbind(0)[0].mul_(2)


def test_split_and_its_unsafe_kin(torch):
    for f in (lambda t: t.split(1), lambda t: t.split_with_sizes((1, 1, 1)), lambda t: t.chunk(3)):
        s, t, _ = f(leaf(torch, 3, 3) * 2)
        with pytest.raises(
            RuntimeError, match="This view is the output of a function that returns multiple views."
        ):
            s.mul_(t)
    for f in (
        lambda t: t.unsafe_split(1),
        lambda t: t.unsafe_split_with_sizes((1, 1, 1)),
        lambda t: t.unsafe_chunk(3),
    ):
        s, t, _ = f(leaf(torch, 3, 3) * 2)
        s.mul_(t)
        s.sum().backward()


def test_out_takes_no_gradients(torch):
    a, b = leaf(torch, 2, 2), leaf(torch, 2, 2)
    x = torch.zeros_like(a)
    with pytest.raises(RuntimeError, match="out="):
        torch.mul(a, b, out=x)
    with torch.no_grad():
        torch.mul(a, b, out=x)
    assert close(torch, x, a * b)
    with pytest.raises(RuntimeError, match="out="):
        torch.mul(x, x, out=torch.zeros(2, 2, dtype=torch.float64, requires_grad=True))


# --- gradients ------------------------------------------------------------------------------------


def test_through_base_view_and_view_of_view(torch):
    root = torch.randn(2, 2, requires_grad=True)

    def grads(program):
        return torch.autograd.grad(program(root.clone()).sum(), root)[0].tolist()

    def base(x):
        x.narrow(0, 0, 1).mul_(2)
        return x

    def other_view(x):
        a, b = x.narrow(0, 0, 1), x.narrow(0, 0, 1)
        a.mul_(2)
        return b

    def deep(x):
        x.narrow(0, 0, 1).narrow(1, 1, 1).mul_(2)
        return x

    assert grads(base) == [[2, 2], [1, 1]]
    assert grads(other_view) == [[2, 2], [0, 0]]
    assert grads(deep) == [[1, 2], [1, 1]]
    a, b = torch.tensor([2.0, 5.0]), torch.tensor([3.0], requires_grad=True)
    a.narrow(0, 1, 1).mul_(b).sum().backward()
    assert b.grad == 5 and a.requires_grad
    root = torch.ones(2, 3, 2).select(2, 1).t().requires_grad_(True)
    assert grads(deep) == [[1, 2], [1, 1], [1, 1]]


def test_against_finite_differences(torch):
    def twice(root, b):
        x = root.clone()
        x.narrow(1, 2, 2).narrow(0, 1, 2).mul_(b)
        x.narrow(1, 0, 2).narrow(0, 1, 2).mul_(b)
        return x

    check(torch, twice, leaf(torch, 4, 4), leaf(torch, 2, 2))

    class Add(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.mark_dirty(x)
            return x.add_(y)

        @staticmethod
        def backward(ctx, g):
            return g, g

    def custom(root, b):
        x = root.clone()
        Add.apply(x.narrow(1, 2, 2).narrow(0, 1, 2), b)
        Add.apply(x.narrow(1, 0, 2).narrow(0, 1, 2), b)
        return x

    check(torch, custom, leaf(torch, 4, 4), leaf(torch, 2, 2))

    def base_without_history(b):
        x = torch.ones(4, 4, dtype=torch.float64)
        x.narrow(1, 2, 2).mul_(b)
        assert x.requires_grad
        return x

    check(torch, base_without_history, leaf(torch, 4, 2))

    def view_made_before(r):
        x = torch.ones(5, dtype=torch.float64)
        view = x.select(0, 1)
        assert not view.requires_grad and view.grad_fn is None
        x.add_(r)
        assert view.requires_grad
        return view

    check(torch, view_made_before, leaf(torch, 1))


def test_reading_a_node_without_recording(torch):
    a = torch.tensor([1 + 1j], requires_grad=True).clone()
    view = a.real
    a.add_(1)
    with torch.no_grad():
        assert view.grad_fn is not None
    b = leaf(torch, 3, 1) * 2
    c = b.view_as(b)
    c[0][0] = 3
    with torch.no_grad():
        c.grad_fn  # noqa: B018
    c.sum().backward()


def test_what_no_path_needs_does_not_run(torch):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            raise RuntimeError("not needed")

    x, y = torch.rand(2, requires_grad=True), torch.rand(2, requires_grad=True)
    fails = Fails.apply(y)

    def program():
        out = x.clone().view(-1)
        twice = out * 2
        out += fails
        return (out + twice).sum()

    with pytest.raises(RuntimeError, match="not needed"):
        program().backward()
    with pytest.raises(RuntimeError, match="not needed"):
        torch.autograd.grad(program(), y)
    torch.autograd.grad(program(), x)
    torch.autograd.grad(program(), fails)
    torch.autograd.grad(program(), (x, fails))
    out = x.clone().view(-1)
    out.register_hook(lambda g: pytest.fail("this view has no use any more"))
    before = out + fails
    out += fails
    torch.autograd.grad((out + before).sum(), (before, fails))


def test_nothing_flows_where_nothing_is_given(torch):
    a, b = torch.tensor([1.0], requires_grad=True), torch.tensor(1.0, requires_grad=True)

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, other):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2, None

    Double.apply(a.clone()[:], b).backward()
    assert b.grad is None and a.grad == 2


@pytest.mark.parametrize("index", [1, [0, 4, 2], ([0, 4], [2, 2]), slice(1, 3), (slice(None), [1, 3]), -1])
def test_writing_items(torch, index):
    x = torch.ones(5, 5, requires_grad=True)
    y = x + 2
    before = y._version
    y[index] = 2
    assert y._version > before
    y.backward(torch.ones(5, 5))
    expected = torch.ones(5, 5)
    expected[index] = 0
    assert close(torch, x.grad, expected)
    x.grad = None
    y = x + 2
    value = torch.full(x[index].shape, 7.0, requires_grad=True)
    y[index] = value
    y.backward(torch.ones(5, 5))
    assert close(torch, x.grad, expected) and close(torch, value.grad, torch.ones_like(value))


def test_writing_items_into_what_has_no_history(torch):
    x, y, z = torch.randn(5, 5), torch.randn(5, requires_grad=True), torch.randn(5, requires_grad=True)
    x[0] = y
    x[1] = 2 * z
    x.sum().backward()
    assert close(torch, y.grad, [1.0] * 5) and close(torch, z.grad, [2.0] * 5)
    w = torch.randn(5, 5, requires_grad=True)
    with torch.no_grad():
        w[0] = torch.randn(5)
    assert w.requires_grad and w.grad_fn is None
    b = torch.randn(3, requires_grad=True)
    c = torch.zeros(3)
    c[[1, 2]] = b[[1, 1]]
    c.backward(torch.ones(3), retain_graph=True)
    c.backward(torch.ones(3))
    with pytest.raises(RuntimeError, match="Specify retain_graph=True"):
        c.backward(torch.ones(3))


def test_copying_between_dtypes(torch):
    x = torch.randn(10, requires_grad=True)
    for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        y = torch.empty(10, dtype=kind)
        y.copy_(x)
        assert y.requires_grad
    r = leaf(torch, 3, 2)
    c = torch.empty(3, 2, dtype=torch.complex128)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        c.copy_(r)
        total = c.sum()
        total.abs().backward()
    assert close(torch, r.grad, torch.ones_like(r) * torch.sgn(total).real)


def test_gradients_that_are_expanded(torch):
    value = torch.rand([], dtype=torch.float64)
    a = leaf(torch, 4, 4)
    assert close(
        torch, torch.autograd.grad(a.diagonal(), a, value.expand(4))[0], torch.eye(4).double() * value
    )
    b = leaf(torch, 4, 4, 4)
    v = torch.rand(4, dtype=torch.float64).expand(4, 4)
    expected = torch.zeros(4, 4, 4, dtype=torch.float64)
    expected[0] = v
    assert close(torch, torch.autograd.grad(b[0], b, v)[0], expected)


# --- custom Functions -----------------------------------------------------------------------------


def test_functions_that_write(torch):
    calls = []

    class Add(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.mark_dirty(a)
            return a.add_(b)

        @staticmethod
        def backward(ctx, g):
            calls.append(1)
            return g, g

    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    for x in (a.clone(), a.clone().view_as(a)):
        c = Add.apply(x, b)
        assert c is x
        c.sum().backward()
    c = Add.apply(a.clone(), b)
    c += 2
    c.sum().backward()
    assert len(calls) == 3
    x = torch.randn(2)
    assert Add.apply(x, b) is x and x.requires_grad and type(x.grad_fn) is Add._backward_cls
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        Add.apply(a.view_as(a), b)
    with pytest.raises(RuntimeError, match="output of a function that returns multiple view"):
        Add.apply(a.clone().split_with_sizes([1, 1])[0], b[:1])

    class Two(Add):
        @staticmethod
        def forward(ctx, a, b):
            ctx.mark_dirty(a)
            return a.add_(b), a + b

        @staticmethod
        def backward(ctx, g, h):
            return g + h, g + h

    c, d = Two.apply(a.clone(), b)
    c += 2
    (c * d).sum().backward()
    with pytest.raises(
        RuntimeError, match="your Function modifies inplace an input that is a view of another Tensor"
    ):
        Two.apply(a.clone().view_as(a), b)

    class Loses(Two):
        @staticmethod
        def forward(ctx, a, b):
            ctx.mark_dirty(a)
            return a.add_(b).clone(), a + b

    with pytest.raises(
        RuntimeError,
        match="Some elements marked as dirty during the forward method.* were not returned as output",
    ):
        Loses.apply(a.clone(), b)

    class NotAnInput(Add):
        @staticmethod
        def forward(ctx, a, b):
            c = 3 * a
            ctx.mark_dirty(c)
            return c

    with pytest.warns(UserWarning, match="received a tensor that was not an input"):
        NotAnInput.apply(a.clone(), b)

    class NotAnInputButAView(Add):
        @staticmethod
        def forward(ctx, a, b):
            c = a.clone().view_as(a)
            ctx.mark_dirty(c)
            return c

    with pytest.raises(RuntimeError, match="received a tensor that was not an input."):
        NotAnInputButAView.apply(a.clone(), b)


def test_functions_that_return_views(torch):
    class Select(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, index):
            ctx.save_for_backward(a)
            ctx.index = index
            return a.select(0, index)

        @staticmethod
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            out = torch.zeros_like(a)
            out.select(0, ctx.index).copy_(g)
            return out, None

    a = torch.ones(2, requires_grad=True)
    Select.apply(a.clone(), 1).sum().backward()
    assert a.grad.tolist() == [0, 1]
    out = Select.apply(a.clone(), 1)
    with pytest.raises(RuntimeError, match="Output 0 of Select is a view and is being modified inplace"):
        out += 1
    with torch.no_grad():
        out = Select.apply(a, 1)
        expected = a.select(0, 1)
    assert out.requires_grad == expected.requires_grad
    with pytest.raises(
        RuntimeError, match="A view was created in no_grad mode and is being modified inplace"
    ):
        out.zero_()


def test_functions_may_write_to_what_they_made(torch):
    class Views(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, write):
            view = x.clone()[:3]
            if write:
                view += 2
            return view

        @staticmethod
        def backward(ctx, g):
            return g, None

    for write in (True, False):
        out = Views.apply(torch.rand(10, requires_grad=True), write)
        assert type(out.grad_fn).__name__ == "ViewsBackward"


def test_saving_a_written_view_keeps_no_cycle(torch):
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, g):
            pass

    def make():
        x = torch.tensor(1.0, requires_grad=True).clone()
        x = x.view_as(x)
        Same.apply(x)
        return weakref.ref(x)

    assert make()() is None


def test_no_history_no_new_tensor(torch):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = x.mul_(2)
            ctx.mark_dirty(out)
            return out

        @staticmethod
        def backward(ctx, g):
            pass

    for requires in (True, False):
        x = torch.tensor(1.0, requires_grad=requires).clone()
        assert Double.apply(x) is x and x == 2
