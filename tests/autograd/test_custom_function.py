"""Custom Functions: both styles, what may be saved, returned and marked, and the errors."""

import warnings
import weakref

import pytest


def square(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * g * x

    return Square


def values(torch, *numbers):
    return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)


def close(torch, a, b):
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype))


def test_second_derivatives_pass_through_what_was_saved(torch):
    class Mix(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, factor, b):
            ctx.factor = factor
            ctx.save_for_backward(a, b)
            return a + factor * b + a * b

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g + g * b, None, g * ctx.factor + g * a

    a, b = values(torch, 1, 2), values(torch, 3, 5)
    out = Mix.apply(a, 4, b)
    assert out.grad_fn.name() == "MixBackward" and type(out.grad_fn).__name__ == "MixBackward"
    assert len(out.grad_fn.next_functions) == 2  # numbers among the arguments have no edge
    ga, gb = torch.autograd.grad(out.sum(), (a, b), create_graph=True)
    assert ga.requires_grad and close(torch, ga, [4, 6]) and close(torch, gb, [5, 6])
    assert close(torch, torch.autograd.grad((ga * gb).sum(), a)[0], [4, 6])


def test_once_differentiable(torch):
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, factor, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            assert not torch.is_grad_enabled()
            a, b = ctx.saved_tensors
            return g * b, None, g * a

    a, b = values(torch, 1, 2), values(torch, 3, 5)
    go = torch.ones((), dtype=torch.float64, requires_grad=True)
    ga, gb = torch.autograd.grad(Once.apply(a, 2, b).sum(), (a, b), go, create_graph=True)
    assert ga.requires_grad and gb.requires_grad and close(torch, ga, [3, 5])
    assert type(ga.grad_fn).__name__ == "Error" and len(ga.grad_fn.next_functions) == 3
    with pytest.raises(RuntimeError, match="once_differentiable"):
        ga.sum().backward()


def test_an_input_returned_is_the_functions_output(torch):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    for shape in [(1,), ()]:
        x = torch.ones(shape, requires_grad=True)
        out = Twice.apply(x)
        assert out is not x and out.grad_fn is not None and out.data_ptr() == x.data_ptr()
        out.backward()
        Twice.apply(x.clone()).backward()
        assert close(torch, x.grad, torch.full(shape, 4.0))


def test_none_from_backward_is_no_gradient(torch):
    class Nothing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return None

    x = torch.ones(1, requires_grad=True)
    Nothing.apply(x).backward()
    Nothing.apply(x**2).backward()
    Nothing.apply(x).sum().backward()
    assert x.grad is None
    assert torch.autograd.grad(Nothing.apply(x), x, allow_unused=True) == (None,)


@pytest.mark.parametrize("materialize", [True, False])
def test_missing_gradients_are_zeros_or_none(torch, materialize):
    seen = []

    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            return x.clone(), x * 2

        @staticmethod
        def backward(ctx, ga, gb):
            seen.extend([ga, gb])
            return gb

    x = torch.ones(3, requires_grad=True)
    Two.apply(x)[1].sum().backward()
    assert close(torch, seen[1], [1, 1, 1])
    assert close(torch, seen[0], [0, 0, 0]) if materialize else seen[0] is None


def test_zeros_for_non_differentiable_outputs_can_be_declined(torch):
    seen = []

    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, decline):
            a, b = x.clone(), x.clone()
            ctx.mark_non_differentiable(b)
            if decline:
                ctx._materialize_non_diff_grads = False
            return a, b

        @staticmethod
        def backward(ctx, ga, gb):
            seen.append(gb)
            return ga, None

    x = torch.tensor(1.0, requires_grad=True)
    a, b = Two.apply(x, False)
    assert not b.requires_grad and a.requires_grad
    a.backward()
    assert seen[0] == 0 and seen[0].shape == ()
    Two.apply(x, True)[0].backward()
    assert seen[1] is None


def test_old_style_functions_are_refused(torch):
    class Old(torch.autograd.Function):
        def forward(self, x):
            return x

        def backward(self, g):
            return g

    with pytest.raises(
        RuntimeError, match="Legacy autograd function with non-static forward method is deprecated"
    ):
        Old()(torch.randn(3, 4))


def test_an_instance_is_of_no_use(torch):
    cls = square(torch)
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        f = cls()
    assert isinstance(f, cls)
    with pytest.raises(RuntimeError, match="non-static forward method is deprecated"):
        f(torch.zeros(1))


def test_the_users_exception_comes_out(torch):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            raise ZeroDivisionError("on purpose")

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        Fails.apply(values(torch, 1, 2) * 2).sum().backward()


def test_anything_may_go_in_and_out(torch):
    class Mixed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b, factor, c):
            ctx.factor = factor
            ctx.save_for_backward(b, c)
            return factor, a * b, None, True, b * factor, "text", a

        @staticmethod
        def backward(ctx, *grads):
            assert len(grads) == 7 and all(grads[i] is None for i in (0, 2, 3, 5))
            b, c = ctx.saved_tensors
            return grads[1] * b + grads[6], grads[4] * ctx.factor, None, None

    a, b, c = values(torch, 1, 2), values(torch, 3, 5), torch.ones(2)
    out = Mixed.apply(a, b, 3, c)
    assert out[0] == 3 and out[2] is None and out[3] is True and out[5] == "text"
    torch.autograd.backward([out[1].sum(), out[4].sum(), out[6].sum()])
    assert close(torch, a.grad, [4, 6]) and close(torch, b.grad, [3, 3])
    plain = Mixed.apply(2.0, 3.0, 4, torch.ones(1))
    assert plain[1] == 6.0 and plain[6] == 2.0


def test_gradients_of_a_wrong_shape_or_number(torch):
    def returning(result):
        class Wrong(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return result(g)

        return Wrong.apply(torch.ones(5, 5, requires_grad=True)).sum()

    with pytest.raises(
        RuntimeError,
        match=r"invalid gradient at index 0 - got \[10\] but expected shape compatible with \[5, 5\]",
    ):
        returning(lambda g: torch.ones(10)).backward()
    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 1, got 2\)"):
        returning(lambda g: (g, g)).backward()
    returning(lambda g: (g, None)).backward()  # None too many is allowed


def test_setup_context_apart(torch):
    class Reshape(torch.autograd.Function):
        @staticmethod
        def forward(x, shape, factor):
            return x.reshape(shape) * factor, factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, _, factor = inputs
            assert output[1] == factor and not isinstance(inputs, list)
            ctx.factor, ctx.shape = factor, x.shape

        @staticmethod
        def backward(ctx, g, _):
            return g.reshape(ctx.shape) * ctx.factor, None, None

    assert not Reshape.generate_vmap_rule and hasattr(Reshape, "vmap")
    x = torch.ones(6, requires_grad=True)
    out, factor = Reshape.apply(x, (2, 3), 7)
    out.sum().backward()
    assert factor == 7 and close(torch, x.grad, [7.0] * 6)


def test_any_name_is_free_for_the_users_attributes(torch):
    names = "shape dtype edges number saved outputs where versions op plan function retained ctx".split()

    class Notes(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            for name in names:
                setattr(ctx, name, "mine")
            return x * 2

        @staticmethod
        def backward(ctx, g):
            assert all(getattr(ctx, name) == "mine" for name in names)
            return g * 2

    x = values(torch, 1, 2)
    out = Notes.apply(x)
    out.grad_fn.note = "later"
    out.sum().backward()
    assert out.grad_fn.note == "later" and close(torch, x.grad, [2, 2])


def test_saved_variables_is_deprecated(torch):
    class Old(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_variables
            return g

    with pytest.warns(DeprecationWarning, match="'saved_variables' is deprecated"):
        Old.apply(torch.ones(2, requires_grad=True)).sum().backward()


def test_no_graph_no_history(torch):
    with torch.no_grad():
        out = square(torch).apply(torch.ones(2, requires_grad=True))
    assert not out.requires_grad


def test_the_number_of_an_output_is_kept_with_what_is_saved(torch):
    class Halves(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x[:2], x[2:]

        @staticmethod
        def backward(ctx, a, b):
            return torch.cat([a, b])

    seen = []

    class Looks(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.saved_tensors[0].output_nr)

    _, b = Halves.apply(torch.ones(4, requires_grad=True))
    assert b.output_nr == 1
    Looks.apply(b).sum().backward()
    assert seen == [1]


def test_marked_non_differentiable(torch):
    class Positive(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = x > 0
            ctx.mark_non_differentiable(out)
            return out

        @staticmethod
        def backward(ctx, g):
            return g * 0

    x = torch.randn(5, requires_grad=True)
    mask = Positive.apply(x)
    assert not mask.requires_grad and mask.grad_fn is None
    x.masked_fill(mask, 0).sum().backward()

    class Copy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = x.clone()
            ctx.mark_non_differentiable(out)
            return out

        @staticmethod
        def backward(ctx, g):
            return None

    (Copy.apply(x * x) * x).sum().backward()


def test_one_tensor_returned_twice(torch):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = x * 2
            return out, out

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 2

    def f(x):
        a, b = Double.apply(x)
        assert a is b
        return a + b

    class Written(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x, x

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 2

    def g(x):
        a, b = Written.apply(x.clone())
        assert a is b
        return a + b

    x = values(torch, 1, 2)
    for function in (f, g):
        assert torch.autograd.gradcheck(function, [x])
        assert torch.autograd.gradgradcheck(function, [x])


def test_inplace_functions(torch):
    class Double(torch.autograd.function.InplaceFunction):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = values(torch, 1, 2)
    y = x.clone()
    assert Double.apply(y) is y
    y.sum().backward()
    assert close(torch, x.grad, [2, 2])
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        Double.apply(x)


def test_what_was_freed_is_an_error(torch):
    kept = []

    class Keeps(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            kept.append(ctx)
            return ctx.saved_tensors

    Keeps.apply(torch.zeros(1, requires_grad=True)).backward()
    with pytest.raises(RuntimeError, match="a second time"):
        kept[0].saved_tensors  # noqa: B018


def test_saved_outputs_are_not_freed_too_early(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x**2
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * 2 * y / x

    x = values(torch, 2)
    assert torch.autograd.gradcheck(Square.apply, x) and torch.autograd.gradgradcheck(Square.apply, x)
    y = Square.apply(x)
    torch.autograd.grad(y, x, create_graph=True)
    torch.autograd.grad(y, x)


def test_repeated_second_derivatives(torch):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.prod(dim=-1)
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return (g * y)[:, None] / x

    x = torch.ones(2, 3, requires_grad=True)
    y = Product.apply(x)
    results = []
    for _ in range(2):
        (g,) = torch.autograd.grad(y[0], x, create_graph=True)
        results.append(torch.autograd.grad(g[0, 0], x, retain_graph=True)[0])
    assert close(torch, results[0], results[1]) and results[0][0, 1] == 1


def test_the_graph_goes_when_the_output_goes(torch):
    cls = square(torch)
    x = torch.ones(2, requires_grad=True) * 2
    held = weakref.ref(x)
    y = cls.apply(x)
    del x
    assert held() is not None
    del y
    assert held() is None


def test_no_warning_where_nothing_is_wrong(torch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        square(torch).apply(values(torch, 1, 2)).sum().backward()
