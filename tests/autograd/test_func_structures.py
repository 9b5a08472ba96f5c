"""func with structures, writes and refusals: errors of wrong arguments, tangents that views see."""

import numpy as np
import pytest

import retrograd
from oracle import both_refuse, same


def values(lib, *shape, seed=0):
    array = np.random.default_rng(seed).uniform(0.1, 1.5, shape)
    return lib.tensor(array.tolist(), dtype=lib.float64).reshape(shape)


# --- refusals -----------------------------------------------------------------


@pytest.mark.parametrize("argnums, match", [
    ([0], "int or Tuple"), (0.0, "int or Tuple"), (("0",), "must be int"), ((0, -2), "unique"),
    (2, "but only"), (-3, "but only"),
])  # fmt: skip
@pytest.mark.parametrize("transform", ["grad", "jacrev", "jacfwd"])
def test_argnums(transform, argnums, match):
    def program(lib):
        x = lib.ones(())
        return getattr(lib.func, transform)(lib.mul, argnums=argnums)(x, x)

    both_refuse(program, RuntimeError, match)


@pytest.mark.parametrize("aux", [1, "abc", [1.0]])
@pytest.mark.parametrize("transform", ["grad", "vjp", "jvp", "jacrev", "jacfwd"])
def test_aux_holds_tensors_only(transform, aux):
    def program(lib):
        x = values(lib, 3)
        f = lambda x: (x.sum(), aux)
        if transform == "vjp":
            return lib.func.vjp(f, x, has_aux=True)
        if transform == "jvp":
            return lib.func.jvp(f, (x,), (x,), has_aux=True)
        return getattr(lib.func, transform)(f, has_aux=True)(x)

    both_refuse(program, RuntimeError, "Expected tensors, got unsupported type")


@pytest.mark.parametrize("output, match", [
    (None, "non-empty output"), ((), "non-empty output"), (1.5, "only tensors"), ("abc", "only tensors"),
])  # fmt: skip
@pytest.mark.parametrize("transform", ["jacrev", "jacfwd"])
def test_outputs_are_tensors(transform, output, match):
    program = lambda lib: getattr(lib.func, transform)(lambda x: output)(values(lib, 2))
    both_refuse(program, RuntimeError, match)


@pytest.mark.parametrize("primals, tangents, match", [
    ((), (), "at least one Tensor"), ((1.0,), "x", "only contain Tensors"),
    ("x", (1.0,), "only contain Tensors"),
])  # fmt: skip
def test_inputs_of_jvp(primals, tangents, match):
    def program(lib):
        x = values(lib, 2)
        given = [(x,) if isinstance(v, str) else v for v in (primals, tangents)]
        return lib.func.jvp(lib.sin, *given)

    both_refuse(program, RuntimeError, match)


@pytest.mark.parametrize("transform", ["jacrev", "jacfwd"])
@pytest.mark.parametrize("f, dtype, match", [
    (lambda x: x.conj(), "complex128", "Expected all inputs to be real"),
    (lambda x: x * 1j, "float64", "Expected all outputs to be real"),
])  # fmt: skip
def test_complex_jacobians_are_refused(transform, f, dtype, match):
    program = lambda lib: getattr(lib.func, transform)(f)(lib.ones(2, dtype=getattr(lib, dtype)))
    both_refuse(program, RuntimeError, match)


@pytest.mark.parametrize("f, match", [
    (lambda lib, x: lib.vmap(lambda x: x, out_dims="a")(x), "int, None or a python collection of ints"),
    (lambda lib, x: lib.vmap(lambda x: x, (None,))(1), "at least one Tensor"),
    (lambda lib, x: lib.vmap(lambda z: z[0], in_dims=((0, 0),))([x, x]), "not compatible with the structure"),
])  # fmt: skip
def test_dims_of_vmap(f, match):
    both_refuse(lambda lib: f(lib, values(lib, 3, 2)), ValueError, match)


@pytest.mark.parametrize("f, match", [
    (lambda lib, x: x.sum().item(), r"item\(\) on a Tensor"),
    (lambda lib, x: x.nonzero(), "dynamic shape"),
    (lambda lib, x: lib.mm(x, x), "Shape mismatch"),
    (lambda lib, x: lib.bmm(x.diag(), x.diag()), "Shape mismatch"),
])  # fmt: skip
def test_what_examples_cannot_do(f, match):
    both_refuse(lambda lib: lib.vmap(lambda x: f(lib, x))(values(lib, 3, 2)), RuntimeError, match)


@pytest.mark.parametrize("use", [
    lambda x: x.sin(), lambda x: 1 + x, lambda x: x.mul_(2), lambda x: x.sum(), lambda x: x.reshape(2, 1) * 2,
    lambda x: retrograd.vmap(lambda y: y + x)(retrograd.ones(3)),
])  # fmt: skip
def test_a_tensor_that_escaped(use):
    kept = []
    retrograd.vmap(lambda x: (kept.append(x), x)[1])(retrograd.ones(3, 2))
    with pytest.raises(RuntimeError, match="escaped from inside a function being vmapped"):
        use(kept[0])


# --- results --------------------------------------------------------------------


def test_a_single_result_takes_out_dims_of_one():
    same(lambda lib: lib.vmap(lambda x: x * 2, out_dims=(1,))(values(lib, 2, 3)))


def test_results_with_names_keep_them():
    out = retrograd.vmap(lambda x: x.max(0))(values(retrograd, 3, 4))
    assert out._fields == ("values", "indices")
    assert out.values.shape == (3,)


def test_one_row_at_a_time_needs_no_vmap():
    class Picky(retrograd.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            assert g.nonzero().shape[0] == 1
            return g * 2

    x = values(retrograd, 3)
    jacobian = retrograd.func.jacrev(Picky.apply, chunk_size=1)(x)
    np.testing.assert_array_equal(jacobian.numpy(), 2 * np.eye(3))


def test_vjp_made_without_a_graph_still_knows_its_input():
    def program(lib):
        x = lib.tensor(3.0, dtype=lib.float64, requires_grad=True)
        with lib.no_grad():
            out, pull = lib.func.vjp(lambda x: x**2, x)
        (y,) = pull(lib.ones((), dtype=lib.float64))
        return out.requires_grad, y.requires_grad, lib.autograd.grad(y, x)[0]

    same(program)


def test_a_rule_of_a_function_is_told_of_structures():
    def program(lib):
        class Sum(lib.autograd.Function):
            @staticmethod
            def forward(x, others):
                return x + others[0] * others[1]

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

            @staticmethod
            def vmap(info, in_dims, x, others):
                assert in_dims == (0, [None, 1])
                return x + others[0] * others[1].T, 0

        x, y = values(lib, 3, 2), values(lib, 2, 3, seed=1)
        return lib.vmap(lambda x, y: Sum.apply(x, [2.0, y]), in_dims=(0, 1))(x, y)

    same(program)


# --- writes and views in forward mode ---------------------------------------------


def test_a_view_sees_the_tangent_that_its_base_was_given():
    def program(lib):
        def f(x, y):
            base = x.clone()
            row = base[0]
            base.copy_(y)
            return row, base, row * 2

        x, t = values(lib, 2, 4, 3), values(lib, 2, 4, 3, seed=1)
        push = lambda x, t: lib.func.jvp(lambda y: f(x, y), (x,), (t,))
        return push(x, t), lib.vmap(push, in_dims=(1, 1))(x, t), lib.vmap(push, in_dims=(0, 0))(x, t)

    same(program)


def test_a_write_to_a_dual_reaches_its_views():
    def program(lib):
        def f(x, y):
            part = x[0, ::2]
            x.copy_(y)
            return x, part

        x, y, s, t = [values(lib, 2, 3, 4, seed=i) for i in range(4)]
        push = lambda x, y, s, t: lib.func.jvp(f, (x, y), (s, t))
        return push(x.clone(), y, s, t), lib.vmap(push, in_dims=(1, 1, 1, 1))(x.clone(), y, s, t)

    same(program)


def test_a_write_where_the_tangent_is_expanded():
    def program(lib):
        x = values(lib, 3)
        t = lib.ones((), dtype=lib.float64).expand(3)
        return lib.func.jvp(lambda x: x.clone().zero_() + x, (x,), (t,))

    same(program)


def test_tangent_of_a_mask():
    def program(lib):
        q, k, m = values(lib, 2, 3, 4), values(lib, 2, 5, 4, seed=1), values(lib, 3, 5, seed=2)
        attend = lambda m: lib.nn.functional.scaled_dot_product_attention(q, k, k, attn_mask=m)
        return lib.func.jvp(attend, (m,), (m * 0.5,))

    same(program)


def test_tangent_of_a_matrix_exponential_in_forward_over_reverse():
    def program(lib):
        x = values(lib, 3, 3)
        return lib.func.jvp(lib.func.grad(lambda x: lib.matrix_exp(x).sin().sum()), (x,), (x * 0.3,))

    same(program)


# --- tangents that differ from example to example, of values that don't ------------


def test_jacfwd_writes_to_what_is_not_batched():
    def program(lib):
        def f(x, y):
            y.copy_(x.sin())
            return y

        def g(x, y, z):
            x[:2] = y
            return lib.stack([(x**2).sum(), (z**3).sum()])

        x, y, z = values(lib, 3), values(lib, 2), values(lib, 2, seed=1)
        return lib.func.jacfwd(f)(x, lib.zeros_like(x)), lib.func.jacfwd(g, argnums=(1, 2))(x, y, z)

    same(program)


def test_jacfwd_through_a_batch_norm_that_tracks():
    def program(lib):
        mean, var = lib.zeros(3, dtype=lib.float64), lib.ones(3, dtype=lib.float64)
        norm = lambda x: lib.nn.functional.batch_norm(x, mean, var, training=True)
        return lib.func.jacfwd(norm)(values(lib, 4, 3)), mean, var

    same(program)


def test_jacfwd_computes_values_once():
    calls = []

    def f(x):
        y = x.sin()
        calls.append(retrograd.func.debug_unwrap(y).shape)
        return y

    retrograd.func.jacfwd(f)(values(retrograd, 5))
    assert calls == [(5,)]


@pytest.mark.parametrize(
    "wrap", [lambda lib, f: f, lambda lib, f: lib.vmap(f), lambda lib, f: lib.vmap(f, in_dims=1)]
)
def test_orders_of_modes(wrap):
    """Second and third derivatives by all orders of forward and reverse mode, also inside vmap."""

    def program(lib):
        fwd, rev, grad = lib.func.jacfwd, lib.func.jacrev, lib.func.grad
        f = lambda x: (x.sin() * x.flip(0).cumsum(0)).sum() * x.prod()
        made = [fwd(fwd(f)), fwd(rev(f)), rev(fwd(f)), rev(rev(f)), fwd(grad(f)), rev(grad(f)),
                grad(lambda x: fwd(f)(x).sin().sum()), fwd(rev(fwd(f))), rev(fwd(grad(f)))]  # fmt: skip
        x = values(lib, 3, 3)
        x = x if wrap(lib, f) is not f else x[0]
        return [wrap(lib, m)(x) for m in made]

    same(program)


def test_mixed_arguments():
    """Rows that meet a value batched itself and one of which only the tangent is."""

    def program(lib):
        x, w, b = values(lib, 4, 3), values(lib, 3, 2, seed=1), values(lib, 5, 4, seed=2)

        def f(b):
            y = b.unsqueeze(1) * x + x
            return lib.func.jvp(lambda x: ((x * y) @ w).softmax(-1)[:, b.argsort()[:1] % 2], (x,), (y,))

        push = lambda t: lib.func.jvp(lambda w: (x @ w).log_softmax(1).T[:, :2] ** 2, (w,), (t,))
        return lib.vmap(f)(b), lib.vmap(push)(values(lib, 6, 3, 2, seed=3))

    same(program)


def test_a_view_of_a_tangent_that_lies_otherwise_in_memory():
    def program(lib):
        x, t = values(lib, 2, 6), values(lib, 6, 2, seed=1).T
        z, s = values(lib, 3, 2), values(lib, 2, 3, seed=1).T
        return (
            lib.func.jvp(lambda x: (x * 1).view(3, 4), (x,), (t,)),
            lib.func.jvp(lambda z: lib.view_as_complex(z * 1).abs(), (z,), (s,)),
            lib.func.jvp(lambda w: (w @ x).view(-1, 2, 3).transpose(0, 1) ** 2, (x.T,), (t.T.cos(),)),
        )

    same(program)


def test_resizing_examples():
    x = retrograd.arange(24.0).reshape(2, 3, 4)
    out = retrograd.vmap(lambda x: x.clone().resize_(2, 6))(x)
    np.testing.assert_array_equal(out.numpy(), x.numpy().reshape(2, 2, 6))
    for f, dim in ((lambda x: x.clone().resize_(20), 0), (lambda x: x.clone().resize_(2, 4), 1)):
        with pytest.raises(RuntimeError, match="resize_ is not supported"):
            retrograd.vmap(f, in_dims=dim)(x)


@pytest.mark.parametrize("shape", [(3, 0), (0, 3)])
def test_tangents_of_the_svd_of_nothing(shape):
    for full in (True, False):
        x = retrograd.ones(shape, dtype=retrograd.float64)
        svd = lambda x: tuple(retrograd.linalg.svd(x, full_matrices=full))  # noqa: B023  called at once
        outs, tangents = retrograd.func.jvp(svd, (x,), (x,))
        assert [t.shape for t in tangents] == [o.shape for o in outs]
        assert all(float(t.abs().sum()) == 0 for t in tangents)
