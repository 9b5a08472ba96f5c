"""Forward mode against PyTorch's: through operations, views, writes in place; combined with reverse mode."""

import gc

import pytest
import torch

import retrograd
from oracle import assert_close, both_refuse, same
from retrograd.autograd import forward_ad  # noqa: F401  an attribute of retrograd.autograd


def values(lib, *numbers, dtype="float64"):
    return lib.tensor(list(numbers), dtype=getattr(lib, dtype))


def pair(ad, x):
    """The value and the tangent (zeros where there is none)."""
    primal, tangent = ad.unpack_dual(x)
    return primal.detach(), primal.detach() * 0 if tangent is None else tangent.detach()


def forward(body, **options):
    """Compare what `body(lib, ad)` gives inside a level of forward mode, with the tangents."""

    def program(lib):
        ad = lib.autograd.forward_ad
        with ad.dual_level():
            results = body(lib, ad)
            results = results if isinstance(results, tuple) else (results,)
            return [pair(ad, r) if isinstance(r, lib.Tensor) else r for r in results]

    return same(program, **options)


def dual(lib, ad, x=(1.0, 2.0, 3.0), t=(0.5, -1.0, 2.0), dtype="float64"):
    return ad.make_dual(values(lib, *x, dtype=dtype), values(lib, *t, dtype=dtype))


# --- making and unpacking ------------------------------------------------------------


def test_make_and_unpack():
    def program(lib):
        ad = lib.autograd.forward_ad
        x, t = values(lib, 1.0, 2.0), values(lib, 3.0, 4.0)
        with ad.dual_level():
            d = ad.make_dual(x, t)
            p, u = ad.unpack_dual(d)
            plain = ad.unpack_dual(x)
            kept = (
                p,
                u,
                plain.tangent is None,
                ad.unpack_dual(p).tangent is None,
                d._is_view(),
            )
        after = ad.unpack_dual(d)
        return kept, after.tangent is None, after.primal, type(after).__name__, after._fields

    same(program)


def test_the_tangent_is_the_one_that_was_given():
    def program(lib):
        ad = lib.autograd.forward_ad
        t = values(lib, 3.0, 4.0)
        with ad.dual_level():
            d = ad.make_dual(values(lib, 1.0, 2.0), t)
            t.mul_(2)
            return ad.unpack_dual(d).tangent

    same(program)


def test_what_is_refused():
    both_refuse(
        lambda lib: lib.autograd.forward_ad.make_dual(lib.ones(2), lib.ones(2)),
        match="enter_dual_level|no level exists",
    )

    def inside(x, t):
        def program(lib):
            with lib.autograd.forward_ad.dual_level():
                lib.autograd.forward_ad.make_dual(x(lib), t(lib))

        return program

    both_refuse(inside(lambda lib: lib.ones(2), lambda lib: lib.ones(3)))
    with pytest.raises(RuntimeError, match="dtype"):  # PyTorch takes it, and mixes the two later
        inside(lambda lib: lib.ones(2), lambda lib: lib.ones(2).double())(retrograd)
    both_refuse(
        inside(lambda lib: lib.arange(2), lambda lib: lib.ones(2)), ValueError, "floating point or complex"
    )
    both_refuse(
        inside(lambda lib: lib.ones(2), lambda lib: lib.arange(2)), ValueError, "floating point or complex"
    )

    def nested(lib):
        with lib.autograd.forward_ad.dual_level(), lib.autograd.forward_ad.dual_level():
            pass

    both_refuse(nested, match="not supported")
    both_refuse(lambda lib: lib.autograd.forward_ad.exit_dual_level())


def test_a_level_ends_with_an_error_too():
    for lib in (torch, retrograd):
        ad = lib.autograd.forward_ad
        with pytest.raises(KeyError), ad.dual_level():
            raise KeyError
        with ad.dual_level():
            assert ad.unpack_dual(dual(lib, ad)).tangent is not None


def test_enter_and_exit_by_hand():
    def program(lib):
        ad = lib.autograd.forward_ad
        level = ad.enter_dual_level()
        d = ad.make_dual(values(lib, 1.0), values(lib, 2.0), level=level)
        t = ad.unpack_dual(d * d, level=level).tangent
        ad.exit_dual_level(level=level)
        return level, t, ad.unpack_dual(d).tangent is None

    same(program)


# --- operations ------------------------------------------------------------


def test_chains_and_constants():
    def body(lib, ad):
        x = dual(lib, ad)
        c = values(lib, 2.0, 0.5, -1.0)
        y = (x * c + 1).sin() / (x + 5) - c
        return y, y.sum(), y.mean() * y, c * 2, x.detach(), (x > 1.5), x.exp().max(), (x**3).prod()

    forward(body)


def test_two_inputs_and_broadcasting():
    def body(lib, ad):
        x = dual(lib, ad)
        y = ad.make_dual(values(lib, 0.5, 1.5).reshape(2, 1), values(lib, -2.0, 1.0).reshape(2, 1))
        z = x * y + y
        return (
            z,
            z @ x,
            z.sum(0),
            lib.cat([z, z * y], 1),
            lib.stack([x, x * 2]),
            lib.where(z > 1, z, x),
            x - x,
        )

    forward(body)


def test_several_outputs():
    def body(lib, ad):
        x = dual(lib, ad, (3.0, 1.0, 2.0, 0.5), (1.0, 2.0, 3.0, 4.0)).reshape(2, 2)
        v, i = x.max(dim=1)
        a, b = (x * x).unbind()
        s, t = x.sort(dim=0)
        return v, i, a, b, s, t

    forward(body)


def test_views_and_indexing():
    def body(lib, ad):
        x = dual(lib, ad, (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))
        m = x.view(2, 2)
        return (
            m,
            m.t(),
            x[1:3],
            m[:, 0],
            x[lib.tensor([0, 0, 3])],
            m.t().reshape(4),
            x[x > 2],
            m.expand(3, 2, 2),
            x[None],
        )

    forward(body)


def test_complex_numbers():
    def body(lib, ad):
        z = dual(lib, ad, (1 + 2j, -0.5 + 1j), (2 - 1j, 1j), dtype="complex128")
        x = dual(lib, ad, (2.0, 3.0), (1.0, -1.0))
        return z * z, z.conj() * z, z.abs(), z * x, (z * x).exp(), z.real, z.imag * x, z.sum()

    forward(body)


def test_dtypes_change():
    def body(lib, ad):
        x = dual(lib, ad, dtype="float32")
        return x.double(), x.double() * 2, (x * dual(lib, ad)), x.to(lib.float16).float(), x.long()

    forward(body)


def test_no_grad_stops_no_tangents():
    def body(lib, ad):
        x = dual(lib, ad)
        with lib.no_grad():
            y = x * x
        return y, x.detach() * 2

    forward(body)


# --- in place ------------------------------------------------------------


def test_writes_in_place():
    def body(lib, ad):
        x = dual(lib, ad)
        y = x * 1
        y.mul_(x)
        y += 1
        z = x * 1
        z[0] = 5.0
        w = lib.zeros(3, dtype=lib.float64)
        w[1:] = x[:2] * 2
        u = x * 1
        u.zero_()
        c = lib.zeros(3, dtype=lib.float64)
        c.copy_(x * x)
        return y, z, w, w.sum(), u, c

    forward(body)


def test_writes_through_views():
    def body(lib, ad):
        x = dual(lib, ad, (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))
        y = x * 1
        m = y.view(2, 2)
        m[0].mul_(10)
        row = m[1]
        y.add_(x)
        base = lib.zeros(4, dtype=lib.float64)
        view = base[1:3]
        view.add_(x[:2])
        again = base[2:]
        return y, m, row, base, view, again

    forward(body)


# --- with reverse mode ------------------------------------------------------------


def test_forward_over_reverse():
    """A Hessian-vector product: the tangent of a gradient."""

    def program(lib):
        ad = lib.autograd.forward_ad
        x, v = values(lib, 1.0, 2.0, 3.0).requires_grad_(), values(lib, 0.5, -1.0, 2.0)
        with ad.dual_level():
            d = ad.make_dual(x, v)
            loss = ((d * d).sum() * d.exp()).sum()
            (g,) = lib.autograd.grad(loss, d, create_graph=True)
            return [t.detach() for t in ad.unpack_dual(g)], [t.detach() for t in ad.unpack_dual(loss)]

    same(program)


def test_forward_over_reverse_of_saved_results():
    """What a node saved of its own output still has its tangent: of rows, Functions and writes in place."""

    def program(lib):
        class Exp(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.out = x.exp()
                ctx.save_for_backward(ctx.out)
                ctx.save_for_forward(ctx.out)
                return ctx.out

            @staticmethod
            def backward(ctx, g):
                return g * ctx.saved_tensors[0]

            @staticmethod
            def jvp(ctx, t):
                return ctx.saved_tensors[0] * t

        ad = lib.autograd.forward_ad
        x, v = values(lib, 0.1, 0.2, 0.3).requires_grad_(), values(lib, 0.5, -1.0, 2.0)
        results = []
        for f in (Exp.apply, lambda d: (d * 1).exp_(), lambda d: d.tanh().sigmoid(), lambda d: d.softmax(0)):
            with ad.dual_level():
                d = ad.make_dual(x, v)
                (g,) = lib.autograd.grad((f(d) * d).sum(), d, create_graph=True)
                results.append([t.detach() for t in ad.unpack_dual(g)])
        return results

    same(program)


def test_a_level_leaves_no_cycles():
    x = values(retrograd, 1.0, 2.0).requires_grad_()
    gc.collect()
    gc.disable()
    try:
        with forward_ad.dual_level():
            d = forward_ad.make_dual(x, values(retrograd, 1.0, 1.0))
            y = d.exp() * d
        del d, y
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_reverse_over_forward():
    """The gradient of a tangent, with respect to the point and to the direction."""

    def program(lib):
        ad = lib.autograd.forward_ad
        x = values(lib, 1.0, 2.0, 3.0).requires_grad_()
        v = values(lib, 0.5, -1.0, 2.0).requires_grad_()
        with ad.dual_level():
            d = ad.make_dual(x, v)
            tangent = ad.unpack_dual(((d * d).sum() * d.sin()).sum()).tangent
        return tangent.detach(), lib.autograd.grad(tangent, (x, v))

    same(program)


def test_custom_functions_have_their_own_rule():
    def program(lib):
        class Cube(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x, n):
                ctx.x = x
                ctx.save_for_forward(x)
                return x * x * x * n

            @staticmethod
            def backward(ctx, g):
                return g, None

            @staticmethod
            def jvp(ctx, t, _):
                (x,) = ctx.saved_tensors
                return 300 * x * x * t

        ad = lib.autograd.forward_ad
        with ad.dual_level():
            return [pair(ad, r) for r in (Cube.apply(dual(lib, ad), 2), Cube.apply(values(lib, 1.0), 2))]

    same(program)


def test_modules_and_losses():
    def program(lib):
        ad = lib.autograd.forward_ad
        w = (lib.arange(6, dtype=lib.float64).reshape(2, 3) / 7).requires_grad_()
        with ad.dual_level():
            x = dual(lib, ad).reshape(1, 3)
            y = lib.nn.functional.linear(x, w)
            loss = lib.nn.functional.cross_entropy(y, lib.tensor([1]))
            tangent = ad.unpack_dual(loss).tangent
        return pair(ad, loss)[0], tangent.detach()

    same(program)


def test_tangents_in_batches():
    """vmap over tangents of one point, over points with one tangent, and over both: as one at a time."""
    x = values(retrograd, 1.0, 2.0, 3.0)
    y = retrograd.arange(6.0, dtype=retrograd.float64).reshape(2, 3)

    def push(point, tangent):
        with forward_ad.dual_level():
            d = forward_ad.make_dual(point, tangent)
            return forward_ad.unpack_dual(d * d.sin() * x).tangent

    for dims, (points, tangents) in {(None, 0): (x, y), (0, None): (y, x), (0, 0): (y, y + 1)}.items():
        pick = [lambda t, i, d=d: t if d is None else t[i] for d in dims]
        expected = [push(pick[0](points, i), pick[1](tangents, i)) for i in range(2)]
        found = retrograd.func.vmap(push, dims)(points, tangents)
        assert (found - retrograd.stack(expected)).abs().max() < 1e-12


def test_a_tangent_keeps_nothing_alive_after_its_level():
    x = retrograd.tensor([1.0, 2.0])
    with forward_ad.dual_level():
        d = forward_ad.make_dual(x, retrograd.tensor([1.0, 1.0]))
        y = d * d
    assert forward_ad.unpack_dual(y).tangent is None
    with forward_ad.dual_level():
        assert forward_ad.unpack_dual(y).tangent is None
        assert_close(y * 1, torch.tensor([1.0, 4.0]))
