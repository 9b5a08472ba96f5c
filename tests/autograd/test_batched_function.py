"""Custom Functions inside torch.func's transforms: with a vmap rule of their own, and with a generated
one."""

import numpy as np
import pytest

import retrograd
from oracle import both_refuse, same


def values(lib, *shape, seed=0):
    array = np.random.default_rng(seed).uniform(-1.5, 1.5, shape)
    return lib.tensor(array.tolist(), dtype=lib.float64).reshape(shape)


def function(lib, rule):
    """sin(x * w) and the sum of x, as a Function."""

    class Sine(lib.autograd.Function):
        generate_vmap_rule = rule == "generated"

        @staticmethod
        def forward(x, w):
            return (x * w).sin(), x.sum(-1)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, g, h):
            x, w = ctx.saved_tensors
            slope = (x * w).cos()
            return g * slope * w + h.unsqueeze(-1), g * slope * x

        @staticmethod
        def jvp(ctx, t_x, t_w):
            x, w = ctx.saved_tensors
            return (x * w).cos() * (t_x * w + x * t_w), t_x.sum(-1)

    if rule == "own":

        def vmap(info, in_dims, x, w):
            front = lambda t, d: t.expand(info.batch_size, *t.shape) if d is None else t.movedim(d, 0)
            return Sine.apply(front(x, in_dims[0]), front(w, in_dims[1])), (0, 0)

        Sine.vmap = staticmethod(vmap)
    return Sine.apply


COMPOSITIONS = {
    "vmap": lambda fn, lib, f: fn.vmap(f)(values(lib, 4, 3), values(lib, 4, 3, seed=1)),
    "vmap of one": lambda fn, lib, f: fn.vmap(f, in_dims=(1, None))(
        values(lib, 3, 4), values(lib, 3, seed=1)
    ),
    "vmap of the other": lambda fn, lib, f: fn.vmap(f, in_dims=(None, 0))(
        values(lib, 3), values(lib, 4, 3, seed=1)
    ),
    "vmap vmap": lambda fn, lib, f: fn.vmap(fn.vmap(f), in_dims=(1, None))(
        values(lib, 4, 2, 3), values(lib, 4, 3)
    ),
    "grad": lambda fn, lib, f: fn.grad(lambda x, w: f(x, w)[0].sum() + f(x, w)[1], (0, 1))(
        values(lib, 3), values(lib, 3, seed=1)
    ),
    "vmap grad": lambda fn, lib, f: fn.vmap(
        fn.grad(lambda x, w: f(x, w)[0].sum() + f(x, w)[1], (0, 1)), in_dims=(0, None)
    )(values(lib, 4, 3), values(lib, 3, seed=1)),
    "grad vmap": lambda fn, lib, f: fn.grad(
        lambda x, w: sum(o.pow(2).sum() for o in fn.vmap(f, in_dims=(0, None))(x, w)), (0, 1)
    )(values(lib, 4, 3), values(lib, 3, seed=1)),
    "jvp vmap": lambda fn, lib, f: fn.jvp(
        fn.vmap(f),
        (values(lib, 4, 3), values(lib, 4, 3, seed=1)),
        (values(lib, 4, 3, seed=2), values(lib, 4, 3, seed=3)),
    ),
    "vmap jvp": lambda fn, lib, f: fn.vmap(lambda x, t: fn.jvp(lambda y: f(y, y * 2), (x,), (t,)))(
        values(lib, 4, 3), values(lib, 4, 3, seed=1)
    ),
    "jacrev": lambda fn, lib, f: fn.jacrev(lambda x: f(x, x * 2))(values(lib, 3)),
    "jacfwd": lambda fn, lib, f: fn.jacfwd(lambda x: f(x, x * 2))(values(lib, 3)),
    "hessian": lambda fn, lib, f: fn.hessian(lambda x: f(x, x)[0].sum())(values(lib, 3)),
    "vmap grad grad": lambda fn, lib, f: fn.vmap(
        fn.grad(lambda x: fn.grad(lambda y: f(y, y)[0].sum())(x).pow(2).sum())
    )(values(lib, 4, 3)),
}


@pytest.mark.parametrize("rule", ["own", "generated"])
@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_compositions(composition, rule):
    same(lambda lib: COMPOSITIONS[composition](lib.func, lib, function(lib, rule)))


def test_a_rule_is_told_how_many_and_where():
    def program(lib):
        seen = []

        class Scale(lib.autograd.Function):
            @staticmethod
            def forward(x, n):
                return x * n

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

            @staticmethod
            def vmap(info, in_dims, x, n):
                seen.append((info.batch_size, info.randomness, in_dims, x.shape))
                return Scale.apply(x, n), in_dims[0]

        out = lib.func.vmap(Scale.apply, in_dims=(2, None), randomness="same")(values(lib, 2, 3, 4), 3.0)
        return out, seen, Scale.apply(values(lib, 2), 2.0)

    same(program)


def test_marks_are_kept_by_a_generated_rule():
    def program(lib):
        class Sorted(lib.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(x):
                values, order = x.sort()
                return values, order

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.mark_non_differentiable(output[1])
                ctx.save_for_backward(output[1])

            @staticmethod
            def backward(ctx, g, _):
                (order,) = ctx.saved_tensors
                return lib.zeros_like(g).scatter(0, order, g)

        f = lambda x: (Sorted.apply(x)[0] * lib.arange(3)).sum()
        return lib.func.vmap(Sorted.apply)(values(lib, 4, 3)), lib.func.vmap(lib.func.grad(f))(
            values(lib, 4, 3)
        )

    same(program)


@pytest.mark.parametrize("both", [False, True])
def test_errors(both):
    def program(lib):
        class Plain(lib.autograd.Function):
            generate_vmap_rule = both

            @staticmethod
            def forward(x):
                return x * 2

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

            if both:

                @staticmethod
                def vmap(info, in_dims, x):
                    return x * 2, 0

        lib.func.vmap(Plain.apply)(values(lib, 4, 3))

    both_refuse(program, RuntimeError, "generate_vmap_rule")


def test_the_combined_style_works_too():
    """PyTorch asks for setup_context there; here both styles do."""

    class Twice(retrograd.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = values(retrograd, 4, 3)
    found = retrograd.func.vmap(retrograd.func.grad(lambda x: Twice.apply(x).sum()))(x)
    np.testing.assert_allclose(found.numpy(), 2 * x.numpy())


def test_a_rule_that_returns_something_else():
    class Wrong(retrograd.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vmap(info, in_dims, x):
            return x * 2

    with pytest.raises(RuntimeError, match="two returns"):
        retrograd.func.vmap(Wrong.apply)(values(retrograd, 4, 3))
