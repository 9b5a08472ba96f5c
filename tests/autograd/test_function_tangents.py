"""Custom Functions in forward mode: `jvp`, what it is given, and what it must return."""

import importlib

import pytest


def close(torch, a, b):
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype))


def forward_ad(torch):
    return importlib.import_module(torch.__name__ + ".autograd.forward_ad")


def number(torch, value, requires_grad=False):
    return torch.tensor(value, dtype=torch.float64, requires_grad=requires_grad)


def check(torch, function, inputs, **options):
    return torch.autograd.gradcheck(function, inputs, check_forward_ad=True, **options)


def test_numbers_have_no_tangent(torch):
    fw = forward_ad(torch)

    class Mixed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, k, x, l, y):
            return x * 2 + y * 3

        @staticmethod
        def jvp(ctx, k, x_t, l, y_t):
            assert k is None and l is None
            return x_t * 2 + y_t * 3

    with fw.dual_level():
        dual = fw.make_dual(number(torch, 1.0), number(torch, 1.0))
        assert fw.unpack_dual(Mixed.apply(1, dual, 1, number(torch, 1.0))).tangent == 2
    inputs = (1, number(torch, 1.0, True), 1, number(torch, 1.0, True))
    check(torch, Mixed.apply, inputs, check_backward_ad=False, check_batched_grad=False)


def test_a_wrong_rule_is_found(torch):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, wrong):
            ctx.wrong = wrong
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return 2 * g, None

        @staticmethod
        def jvp(ctx, t, _):
            return (3 if ctx.wrong else 2) * t

    x = torch.rand(10, dtype=torch.float64, requires_grad=True)
    check(torch, Double.apply, (x, False))
    with pytest.raises(RuntimeError, match="Jacobian computed with forward mode mismatch for output 0"):
        check(torch, Double.apply, (x, True))


def test_views_have_views_as_tangents(torch):
    class First(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, flag):
            ctx.flag, ctx.shape = flag, x.shape
            return x.narrow(0, 0, 2)

        @staticmethod
        def vjp(ctx, g):
            out = g.new_zeros(ctx.shape)
            out.narrow(0, 0, 2).copy_(g)
            return out, None

        @staticmethod
        def jvp(ctx, t, _):
            out = t.narrow(0, 0, 2)
            if ctx.flag != "ok":
                out = out.clone()
            return out.view_as(out) if "of" in ctx.flag else out

    x = torch.rand(4, 4, dtype=torch.float64, requires_grad=True)

    def function(flag):
        return lambda x: First.apply(x.view_as(x) if "base" in flag else x, flag)

    check(torch, function("ok"), x)
    for flag, message in {
        "copied": "jvp is not returning a view",
        "of something else": "jvp is not returning a view of the given",
        "of another base": "jvp is not returning a view of the same base",
    }.items():
        with pytest.raises(RuntimeError, match=message):
            check(torch, function(flag), x)


@pytest.mark.parametrize("kind", ["view", "same", "other"])
def test_inputs_returned_as_they_are(torch, kind):
    fw = forward_ad(torch)

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y, x

        @staticmethod
        def vjp(ctx, g, h):
            return g + h, g

        @staticmethod
        def jvp(ctx, x_t, y_t):
            return x_t + y_t, {"view": x_t.view_as(x_t), "same": x_t, "other": x_t * 2}[kind]

    message = r"A custom Function's forward is returning a view \(or an input as-is\)"
    for requires in (True, False):
        a, b, t = number(torch, 1.0, requires), number(torch, 1.0, requires), number(torch, 1.0)
        with fw.dual_level():
            dual = fw.make_dual(a, t)
            if kind == "view":
                assert fw.unpack_dual(Both.apply(dual, b)[1]).tangent._base is t
            else:
                with pytest.raises(RuntimeError, match=message):
                    Both.apply(dual, b)


def test_what_is_written_in_place(torch):
    fw = forward_ad(torch)

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, wrong):
            ctx.mark_dirty(x)
            ctx.wrong = wrong
            return x.mul_(2)

        @staticmethod
        def vjp(ctx, g):
            return 2 * g, None

        @staticmethod
        def jvp(ctx, t, _):
            return 2 * t if ctx.wrong else t.mul_(2)

    x = torch.rand(4, 4, dtype=torch.float64, requires_grad=True)
    check(torch, lambda x, wrong: Double.apply(x.clone(), wrong), (x, False))
    with pytest.raises(
        RuntimeError, match="inplace custom Function is not modifying the forward mode gradients inplace"
    ):
        check(torch, lambda x, wrong: Double.apply(x.clone(), wrong), (x, True))
    for requires in (True, False):
        y = number(torch, 1.0, requires).clone()
        with fw.dual_level():
            t = torch.ones_like(y)
            dual = fw.make_dual(y, t)
            out = Double.apply(dual, False)
            assert out is dual and fw.unpack_dual(out).tangent is t and t == 2
        with fw.dual_level():
            with pytest.raises(
                RuntimeError, match="jvp function must modify the corresponding gradient inplace"
            ):
                Double.apply(fw.make_dual(y, torch.ones_like(y)), True)


def test_what_is_saved_for_the_rule(torch):
    fw = forward_ad(torch)

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, k):
            ctx.save_for_backward(x, y)
            ctx.save_for_forward(x, y)
            ctx.k = k
            return k * x * y

        @staticmethod
        def jvp(ctx, x_t, y_t, _):
            x, y = ctx.saved_tensors
            return ctx.k * (y * x_t + x * y_t)

        @staticmethod
        def vjp(ctx, g):
            x, y = ctx.saved_tensors
            return ctx.k * g * y, ctx.k * g * x, None

    a, b, t = number(torch, 1.0, True), number(torch, 2.0, True), number(torch, 1.0)
    with fw.dual_level():
        out = Product.apply(fw.make_dual(a, t), b, 4)
        assert fw.unpack_dual(out).tangent == 8
        out.backward()
    assert a.grad == 8
    check(torch, Product.apply, (a, b, 4))

    class Copy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clone()

        @staticmethod
        def jvp(ctx, t):
            assert len(ctx.saved_tensors) == 0
            return t

        @staticmethod
        def vjp(ctx, g):
            assert len(ctx.saved_tensors) == 1
            return g

    with fw.dual_level():
        Copy.apply(fw.make_dual(a, t)).backward()
    check(torch, Copy.apply, (a,))


def test_outputs_without_tangents(torch):
    fw = forward_ad(torch)

    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, mark, wrong):
            out = y.clone()
            if mark:
                ctx.mark_non_differentiable(out)
            ctx.wrong, ctx.integer = wrong, not y.is_floating_point()
            return x.clone(), out

        @staticmethod
        def jvp(ctx, x_t, y_t, *_):
            assert y_t is None or not ctx.integer
            return x_t, x_t.clone() if ctx.wrong else None

    class Object(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone(), object(), x.clone()

        @staticmethod
        def jvp(ctx, t):
            return t, None, t

    with fw.dual_level():
        dual = fw.make_dual(torch.tensor(2.0), torch.tensor(1.0))
        for y in (torch.tensor(3.0), torch.tensor(3)):
            out, other = Two.apply(dual, y, y.is_floating_point(), False)
            assert fw.unpack_dual(out).tangent == 1 and fw.unpack_dual(other).tangent is None
        with pytest.raises(RuntimeError, match="You should return None at that position instead"):
            Two.apply(dual, torch.tensor(3.0), True, True)
        out, _, last = Object.apply(dual)
        assert fw.unpack_dual(out).tangent == 1 and fw.unpack_dual(last).tangent == 1


def test_errors_name_what_is_missing(torch):
    fw = forward_ad(torch)

    class NoForward(torch.autograd.Function):
        @staticmethod
        def backward(ctx, g):
            return g

    class Nothing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

    class Both(Nothing):
        @staticmethod
        def backward(ctx, g):
            return g

        @staticmethod
        def vjp(ctx, g):
            return g

    x = torch.rand(1, requires_grad=True)
    with pytest.raises(NotImplementedError, match="must implement the forward"):
        NoForward.apply(x)
    with pytest.raises(RuntimeError, match="must implement either the backward"):
        Nothing.apply(x).sum().backward()
    with pytest.raises(RuntimeError, match="Implementing both 'backward' and 'vjp'"):
        Both.apply(x).sum().backward()
    with fw.dual_level(), pytest.raises(RuntimeError, match="must implement the jvp function"):
        Nothing.apply(fw.make_dual(x, torch.rand(1)))


@pytest.mark.parametrize("forward_bad", [True, False])
@pytest.mark.parametrize("backward_bad", [True, False])
def test_only_what_is_asked_for_is_checked(torch, forward_bad, backward_bad):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            if backward_bad:
                raise RuntimeError("backward is bad")
            return 2 * g

        @staticmethod
        def jvp(ctx, t):
            if forward_bad:
                raise RuntimeError("forward is bad")
            return 2 * t

    x = torch.rand(2, dtype=torch.float64, requires_grad=True)
    for forward in (True, False):
        for backward in (True, False):
            for fast in (True, False):

                def run():
                    torch.autograd.gradcheck(
                        Double.apply, (x,), check_forward_ad=forward, check_backward_ad=backward,
                        check_undefined_grad=backward, check_batched_grad=backward, fast_mode=fast,
                    )  # fmt: skip

                if not forward and not backward:
                    with pytest.raises(AssertionError, match="Expected at least one of"):
                        run()
                elif backward and backward_bad:
                    with pytest.raises(RuntimeError, match="backward is bad"):
                        run()
                elif forward and forward_bad:
                    with pytest.raises(RuntimeError, match="forward is bad"):
                        run()
                else:
                    run()


def test_gradcheck_takes_tangents_of_what_requires_grad(torch):
    calls = []

    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x.clone(), y.clone()

        @staticmethod
        def jvp(ctx, x_t, y_t):
            calls.append(1)
            return x_t, y_t

    def count(second, **options):
        calls.clear()
        x = torch.rand(1, dtype=torch.float64, requires_grad=True)
        y = torch.rand(1, dtype=torch.float64, requires_grad=second)
        check(torch, Two.apply, (x, y), check_backward_ad=False, check_batched_grad=False, **options)
        return len(calls)

    assert count(True, check_undefined_grad=False) == 2
    assert count(True, check_undefined_grad=True) == 6
    assert count(True, check_undefined_grad=True, check_batched_forward_grad=True) == 12
    assert count(False, check_undefined_grad=True, check_batched_forward_grad=True) == 5
