"""Writes in place: through views of any depth, by index, by shape methods; values and gradients as
PyTorch's."""

import numpy as np
import pytest
import torch

import retrograd
from oracle import as_array, ours, theirs

BOTH = pytest.mark.parametrize("library", [retrograd, torch], ids=["ours", "theirs"])


def run(program, *shapes, seed=0):
    """(outputs, gradients of the inputs) of `program(library, *inputs)` in both libraries, as arrays."""
    results = []
    for library, make in ((retrograd, ours), (torch, theirs)):
        rng = np.random.default_rng(seed)
        inputs = [make(rng.uniform(-2, 2, s), requires_grad=True) for s in shapes]
        out = program(library, *inputs)
        weight = make(np.random.default_rng(seed + 1).uniform(-1, 1, tuple(out.shape)))
        (out * weight).sum().backward()
        results.append(([out], [x.grad for x in inputs]))
    return results


def assert_agree(program, *shapes, seed=0):
    (mine, my_grads), (reference, grads) = run(program, *shapes, seed=seed)
    for a, b in zip(mine, reference, strict=True):
        np.testing.assert_allclose(as_array(a.detach()), as_array(b), rtol=1e-9, atol=1e-9, err_msg="value")
    for i, (a, b) in enumerate(zip(my_grads, grads, strict=True)):
        assert (a is None) == (b is None), f"gradient of input {i}: {a} instead of {b}"
        if a is not None:
            np.testing.assert_allclose(
                as_array(a), as_array(b), rtol=1e-9, atol=1e-9, err_msg=f"gradient of input {i}"
            )


# --- programs -----------------------------------------------------------------------------------------------


def write_to_base_with_a_view_alive(torch, x, y):
    a = x * 1
    view = a[1]
    a.mul_(y)
    return view * 3 + a[0]


def write_through_a_view(torch, x, y):
    a = x * 2
    a[1].mul_(y[1])
    return a


def write_through_views_of_views(torch, x, y):
    a = x * 2
    a.t()[1:].reshape(-1, 1).squeeze(1)[:2].mul_(y[0, :2])
    return a


def a_view_sees_writes_through_another(torch, x, y):
    a = x * 2
    rows, corner = a[:2], a[0, 0]
    a[:, 0] = y[:, 0] ** 2
    return rows.sin() + corner


def a_write_to_a_view_then_to_its_base(torch, x, y):
    a = x * 2
    v = a.view(-1)
    v[2:5].add_(y.reshape(-1)[2:5])
    a.mul_(3)
    v[0] = 1.0
    return v * a.view(-1)


def write_a_constant_tensor_with_a_history(torch, x, y):
    a = torch.zeros(3, 3, dtype=torch.float64)
    a[1] = x[0]
    a[:, 2] += y[:, 1]
    return a * a


def a_view_of_a_leaf_that_needs_no_gradient(torch, x, y):
    a = torch.ones(3, 3, dtype=torch.float64)
    v = a.diagonal()
    v.mul_(x[0])
    a[0] *= y[0]
    return v.sum() * a


def swap_rows(torch, x, y):
    a = x * 1
    a[0], a[1] = a[1].clone(), a[0].clone()
    return a @ y


def accumulate_in_a_loop(torch, x, y):
    total = torch.zeros(3, dtype=torch.float64)
    for row in x.unbind(0):
        total += row * y[0]
        total *= row
    return total


def write_by_index(torch, x, y):
    a = x * 1
    a[[0, 2]] = y[:2] * 2
    a[a > 0] *= 0.5
    a[torch.tensor([0, 0]), torch.tensor([1, 2])] = y[2, :2]
    return a.sin()


def write_by_index_through_a_view(torch, x, y):
    a = x * 1
    a.t()[torch.tensor([2, 0])] = y[:2]
    a[1:][a[1:] > 0] = 0.0
    return a.exp()


def in_place_form_keeps_what_backward_needs(torch, x, y):
    a = x * 1
    return a.sin_().mul_(y).exp_()


def a_result_written_over_a_narrow_dtype(torch, x, y):
    a = torch.zeros(3, 3, dtype=torch.float32)
    a[:] = x
    a.add_(y)
    return a.double()


def copy_and_fill(torch, x, y):
    a = x * 2
    a[0].copy_(y[0])
    a[1].fill_(y[1, 1])
    a[2].zero_()
    return a * a


def masked(torch, x, y):
    a = x * 2
    a.masked_fill_(x > 0, 3.0)
    a[0].masked_fill_(y[0] > 0, y[1, 1])
    return a * y


def shape_methods(torch, x, y):
    a = x * 2
    a.unsqueeze_(0)
    a.transpose_(0, 2)
    a.mul_(y.t()[:, :, None])
    a.squeeze_()
    a.t_()
    return a * y


def shape_methods_of_a_view(torch, x, y):
    a = x * 2
    v = a[:2]
    v.t_()
    v.mul_(y[:, :2])
    v.unsqueeze_(1)
    return v.sum() * a


def expand_then_write_to_base(torch, x, y):
    a = x[0] * 2
    wide = a.expand(3, 3)
    a.mul_(y[0])
    return wide * x


def write_of_itself(torch, x, y):
    a = x * 2
    a[1:] = a[:2].clone() * y[:2]
    a += a
    a *= a.clone()
    return a


def double_write_of_a_broadcast_value(torch, x, y):
    a = x * 2
    a[:, 1:] = y[0, :1]
    a[2] = y[2, 2]
    return a


def as_strided_view(torch, x, y):
    a = x * 2
    a.as_strided((2, 2), (4, 1), 1).mul_(y[:2, :2])
    return a


def unfold_and_diagonal(torch, x, y):
    a = x * 2
    a.diagonal(1).add_(y[0, :2])
    a.view(-1).unfold(0, 2, 3)[:, 1] = y[1]
    return a * y


def real_and_imaginary_parts(torch, x, y):
    z = torch.complex(x, y) * 1
    z.real.mul_(y)
    torch.view_as_real(z)[..., 1] = x
    return (z * z.conj()).real


def put_and_scatter(torch, x, y):
    a = x * 2
    a.scatter_(1, torch.tensor([[0], [2], [1]]), y[:, :1])
    a.scatter_add_(0, torch.tensor([[1, 1, 0]]), y[1:2])
    a.index_add_(1, torch.tensor([0, 0]), y[:, :2], alpha=2)
    a.index_copy_(0, torch.tensor([2]), y[:1])
    a.index_fill_(1, torch.tensor([1]), 0.5)
    a.put_(torch.tensor([0]), y[1, :1])
    return a


def no_grad_write_is_not_recorded(torch, x, y):
    a = x * 2
    with torch.no_grad():
        a[0] = 5.0
        a.add_(1)
    return a * 3


def retained(torch, x, y):
    a = x * 2
    a.retain_grad()
    a[0].mul_(y[0])
    (a * 3).sum().backward(retain_graph=True)
    return a + a.grad


PROGRAMS = [
    write_to_base_with_a_view_alive, write_through_a_view, write_through_views_of_views,
    a_view_sees_writes_through_another, a_write_to_a_view_then_to_its_base,
    write_a_constant_tensor_with_a_history, a_view_of_a_leaf_that_needs_no_gradient, swap_rows,
    accumulate_in_a_loop, write_by_index, write_by_index_through_a_view,
    in_place_form_keeps_what_backward_needs, a_result_written_over_a_narrow_dtype, copy_and_fill, masked,
    shape_methods, shape_methods_of_a_view, expand_then_write_to_base, write_of_itself,
    double_write_of_a_broadcast_value, as_strided_view, unfold_and_diagonal, real_and_imaginary_parts,
    put_and_scatter, no_grad_write_is_not_recorded, retained,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_program(program):
    assert_agree(program, (3, 3), (3, 3))


# --- random programs ----------------------------------------------------------------------------------------


def _random_view(rng, t):
    """A random view of `t` that keeps at least one element, as a function of t."""
    choices = ["select", "slice", "unsqueeze", "alias"]
    if t.dim() >= 2:
        choices += ["transpose", "permute", "diagonal"]
    if t.is_contiguous() and t.dim():
        choices += ["view"]
    kind = rng.choice(choices)
    if kind in ("select", "slice") and t.dim() == 0:
        kind = "alias"
    if kind == "select":
        d = int(rng.integers(t.dim()))
        i = int(rng.integers(t.shape[d]))
        return lambda t: t.select(d, i)
    if kind == "slice":
        d = int(rng.integers(t.dim()))
        start = int(rng.integers(t.shape[d]))
        step = int(rng.integers(1, 3))
        return lambda t: t[(slice(None),) * d + (slice(start, None, step),)]
    if kind == "unsqueeze":
        d = int(rng.integers(t.dim() + 1))
        return lambda t: t.unsqueeze(d)
    if kind == "transpose":
        a, b = [int(d) for d in rng.choice(t.dim(), 2, replace=False)]
        return lambda t: t.transpose(a, b)
    if kind == "permute":
        order = [int(d) for d in rng.permutation(t.dim())]
        return lambda t: t.permute(order)
    if kind == "diagonal":
        return lambda t: t.diagonal(0, 0, 1)
    if kind == "view":
        return lambda t: t.view(-1)
    return lambda t: t[...]


def _random_program(seed):
    """A program of views, reads and writes; its choices depend only on shapes, so both libraries make the
    same."""

    def program(torch, x, y):
        rng = np.random.default_rng(seed)
        base = x * 1.5
        live = [base]
        for _ in range(int(rng.integers(3, 9))):
            t = live[int(rng.integers(len(live)))]
            what = rng.choice(["view", "mul", "copy", "add_from", "sin", "index"])
            if what == "view":
                live.append(_random_view(rng, t)(t))
            elif what == "mul":
                t.mul_(y.reshape(-1)[: t.numel()].sum() * 0.5)
            elif what == "copy":
                t.copy_(y.reshape(-1)[int(rng.integers(12))] * 2)
            elif what == "add_from":
                other = live[int(rng.integers(len(live)))]
                t.add_(other.sum() * 0.1)
            elif what == "sin":
                t.sin_()
            elif t.dim():
                t[torch.tensor([0, -1])[: int(rng.integers(1, 3))]] = y[0, 0] * 0.3
        return sum((v.sin().sum() for v in live[1:]), base.cos().sum())

    return program


@pytest.mark.parametrize("seed", range(120))
def test_random_program(seed):
    assert_agree(_random_program(seed), (3, 4), (3, 4), seed=seed)


# --- what is refused ----------------------------------------------------------------------------------------


def _write_to_leaf(torch):
    torch.ones(3, requires_grad=True).add_(1)


def _write_to_view_of_leaf(torch):
    torch.ones(3, requires_grad=True)[0].add_(1)


def _assign_to_leaf(torch):
    torch.ones(3, requires_grad=True)[0] = 1


def _write_to_one_of_several_views(torch):
    a = torch.ones(4, requires_grad=True) * 2
    a.split(2)[0].mul_(2)


def _write_to_unbound(torch):
    a = torch.ones(4, 2, requires_grad=True) * 2
    a.unbind()[0].mul_(2)


def _write_to_expanded(torch):
    torch.ones(3, 1).expand(3, 4).add_(1)


def _write_to_no_grad_view(torch):
    a = torch.ones(3, requires_grad=True) * 1
    with torch.no_grad():
        v = a[0]
    v.mul_(2)


def _grow(torch):
    torch.ones(3).add_(torch.ones(2, 3))


def _lower_category(torch):
    torch.ones(3, dtype=torch.int64).mul_(1.5)


def _saved_then_overwritten(torch):
    a = torch.ones(3, requires_grad=True) * 2
    b = a * a
    a.add_(1)
    b.sum().backward()


def _saved_then_overwritten_through_a_view(torch):
    a = torch.ones(3, requires_grad=True) * 2
    b = a.exp()
    b[0] = 3
    b.sum().backward()


def _saved_then_overwritten_through_detach(torch):
    a = torch.ones(3, requires_grad=True) * 2
    b = a * a
    a.detach().zero_()
    b.sum().backward()


def _saved_then_reshaped(torch):
    a = torch.ones(3, requires_grad=True) * 2
    b = a * a
    a.unsqueeze_(0)
    b.sum().backward()


def _resize_with_gradient(torch):
    torch.ones(3, requires_grad=True).resize_(4)


def _detach_view(torch):
    (torch.ones(3, requires_grad=True) * 2)[0].detach_()


def _unsqueeze_leaf(torch):
    torch.ones(3, requires_grad=True).unsqueeze_(0)


REFUSED = [
    (_write_to_leaf, "leaf Variable that requires grad"),
    (_write_to_view_of_leaf, "view of a leaf Variable that requires grad"),
    (_assign_to_leaf, "view of a leaf Variable"), (_write_to_one_of_several_views, "returns multiple views"),
    (_write_to_unbound, "returns multiple views"), (_write_to_expanded, "single memory location"),
    (_write_to_no_grad_view, "created in no_grad mode"), (_grow, "output with shape|broadcast shape"),
    (_lower_category, "can't be cast"), (_saved_then_overwritten, "modified by an inplace operation"),
    (_saved_then_overwritten_through_a_view, "modified by an inplace operation"),
    (_saved_then_overwritten_through_detach, "modified by an inplace operation"),
    (_saved_then_reshaped, "modified by an inplace operation"),
    (_resize_with_gradient, "cannot resize variables"), (_detach_view, "Can't detach views in-place"),
    (_unsqueeze_leaf, "leaf Variable that requires grad"),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(
    "program, message", REFUSED, ids=lambda p: p.__name__.strip("_") if callable(p) else ""
)
def test_refused(library, program, message):
    with pytest.raises(RuntimeError, match=message):
        program(library)


def test_a_view_is_an_error_after_its_base_was_reshaped_in_place():
    a = retrograd.ones(2, 3, requires_grad=True) * 2
    view = a[0]
    a.transpose_(0, 1)
    with pytest.raises(RuntimeError, match="reshaped in place"):
        view.mul_(2)


def test_one_of_several_views_follows_its_base():
    """PyTorch refuses to read it after the base was written to."""
    x = retrograd.tensor([1.0, 2.0, 3.0], requires_grad=True)
    a = x * 2
    first, _ = a.split(2)
    a.mul_(x)
    first.sum().backward()
    assert first.tolist() == [2, 8] and x.grad.tolist() == [4, 8, 0]


# --- memory and versions ------------------------------------------------------------------------------------


@BOTH
def test_views_share_memory_and_version(library):
    a = library.zeros(2, 3)
    views = [
        a[0],
        a.t(),
        a.view(-1),
        a.detach(),
        a.unsqueeze(0),
        a.expand(2, 2, 3),
        *a.unbind(),
        *a.split(1),
        a[..., None],
    ]
    before = a._version
    a.add_(1)
    a[0, 0] = 7
    assert all(v._version == before + 2 for v in views)
    assert views[0].tolist() == [7, 1, 1]
    assert views[2].tolist() == [7, 1, 1, 1, 1, 1]
    assert a[0]._base is a and a.t()[0]._base is a and a.detach()._base is None


@BOTH
def test_bytes_read_as_another_dtype_share_memory_and_version(library):
    a = library.zeros(2)
    b = a.view(library.int32)
    b[0] = 0x3F800000
    assert a.tolist() == [1, 0] and a._version == 1


@BOTH
def test_in_place_returns_the_tensor_itself(library):
    a = library.ones(2, 3)
    calls = {
        "add_": (1,), "zero_": (), "fill_": (2,), "copy_": (library.ones(3),), "t_": (), "unsqueeze_": (0,),
        "squeeze_": (), "detach_": (), "requires_grad_": (False,), "resize_": (4,), "uniform_": (),
        "set_": (),
    }  # fmt: skip
    for method, args in calls.items():
        assert getattr(a, method)(*args) is a, method


@BOTH
def test_out_is_written_and_returned(library):
    out = library.empty(0)
    kept = out
    result = library.cat([library.ones(2), library.zeros(1)], out=out)
    assert result is kept and out.tolist() == [1, 1, 0]
    target = library.zeros(4)
    library.stack([library.ones(2)], out=target[:2].view(1, 2))
    assert target.tolist() == [1, 1, 0, 0]


@BOTH
def test_out_refuses_gradients_and_lower_categories(library):
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        library.cat([library.ones(2, requires_grad=True)], out=library.empty(2))
    with pytest.raises(RuntimeError, match="can't be cast"):
        library.add(library.ones(2), library.ones(2), out=library.empty(2, dtype=library.int64))


def test_a_step_of_a_computation_takes_over_the_result():
    x = retrograd.ones(1000, requires_grad=True)
    y = x * 2
    address = y.data_ptr()
    y.relu_()
    assert y.data_ptr() != address, "nobody else has its memory"
    for hold in (lambda t: t, lambda t: t.detach(), lambda t: t[2:], lambda t: t.detach().numpy()):
        y = x * 2
        held = hold(y)
        y.add_(1)
        assert held[5].item() == 3, "who shares the memory sees the write"
    p = retrograd.ones(1000)
    address = p.data_ptr()
    p.mul_(2).add_(1)
    assert p.data_ptr() == address, "outside a graph, memory stays where it is"


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "float16"])
@pytest.mark.parametrize("form", ["plain", "transposed", "row", "strided"])
@pytest.mark.parametrize("alpha", [1, -0.5, 3])
def test_scaled_sums_in_place(form, alpha, dtype):
    if dtype == "int64" and alpha == -0.5:
        pytest.skip("whole numbers take whole multiples")
    results = []
    for library in (retrograd, torch):
        x = library.arange(12).reshape(3, 4).to(getattr(library, dtype))
        y = (x * 7 % 5).to(x.dtype)
        if form == "transposed":
            x, y = x.t(), y.t()
        elif form == "row":
            y = y[0]
        elif form == "strided":
            x, y = x[:, ::2], y[:, ::2]
        assert x.add_(y, alpha=alpha) is x
        x.sub_(y, alpha=2).add_(1)
        results.append((x.tolist(), x._version))
    assert results[0] == results[1]


def test_scaled_sums_in_a_graph():
    results = []
    for library in (retrograd, torch):
        x, y = (library.ones(3, requires_grad=True) for _ in range(2))
        z = (x * 2).add_(y, alpha=3).sub_(y, alpha=0.5)
        z.sum().backward()
        plain = library.zeros(3)
        plain.add_(y, alpha=2)
        assert plain.requires_grad
        with pytest.raises(RuntimeError, match="leaf"):
            x.add_(1)
        with library.no_grad():
            x.add_(y, alpha=4)
        results.append((z.tolist(), x.grad.tolist(), y.grad.tolist(), x.tolist()))
    assert results[0] == results[1]


# --- large arrays, which kernels write over ---

LARGE = (4, 16, 12, 13)
WRITERS = {
    "relu": lambda library, x, y: library.nn.functional.relu(x, inplace=True),
    "add": lambda library, x, y: x.__iadd__(y),
    "sub": lambda library, x, y: x.__isub__(y),
    "mul": lambda library, x, y: x.__imul__(y),
    "div": lambda library, x, y: x.__itruediv__(y),
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize("looked_at", ["not", "shared", "saved"])
def test_large_arrays_are_written_as_small_ones_are(writer, layout, looked_at):
    def program(library, x, y):
        layouts = [getattr(library, layout), library.contiguous_format]
        x = (x * 3).contiguous(memory_format=layouts[0])
        y = y.contiguous(memory_format=layouts[looked_at == "shared"]).detach()  # of another layout than x
        seen = x.detach() if looked_at == "shared" else None
        kept = x.exp() + x if looked_at == "saved" else 0
        assert writer(library, x, y) is x
        if seen is not None:
            assert library.equal(seen, x.detach()), "the memory is shared"
        return x * 2 + kept

    assert_agree(program, LARGE, LARGE)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_large_arrays_stay_where_they_are(writer):
    for with_graph in (False, True):
        x = retrograd.randn(LARGE, requires_grad=with_graph) * 2
        y, where = retrograd.randn(LARGE), x.data_ptr()
        expected = writer(retrograd, x.clone().reshape(-1)[:100], y.reshape(-1)[:100])
        writer(retrograd, x, y)
        assert retrograd.equal(x.reshape(-1)[:100], expected)
        if retrograd.kernels.available():
            assert x.data_ptr() == where
        assert x._version == 1


@BOTH
def test_a_written_value_that_was_saved_is_an_error(library):
    x = library.ones(LARGE, requires_grad=True) * 2
    y = x * x
    library.nn.functional.relu(x, inplace=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    x = library.nn.functional.relu(library.ones(LARGE, requires_grad=True) * 2, inplace=True)
    x += library.ones(LARGE)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):  # relu's own result was saved
        x.sum().backward()


@pytest.mark.parametrize("shift", [0, 1, 5000])
def test_sources_that_share_memory_with_what_is_written(shift):
    results = []
    for library in (retrograd, torch):
        x = library.arange(40000.0)
        for sign in (1, -1):
            target, source = (x[shift:], x[: 40000 - shift])[::sign]
            target += source.clone() if library is torch else source  # PyTorch refuses partial overlaps
        results.append(x.tolist())
    assert results[0] == results[1]
