"""How functions take their arguments and refuse them: out=, names of arguments, order of memory, errors."""

import re
import warnings

import numpy as np
import pytest
import torch

import retrograd

BOTH = [retrograd, torch]


def _said(library, function):
    """The kind of error and its text, with the warnings' texts; or the result's repr, with them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(library)
        except Exception as error:
            return isinstance(error, (RuntimeError, IndexError)), str(error), []
    return repr(result), [str(w.message) for w in caught]


def test_an_output_that_grows_warns_unless_it_is_empty():
    for t in BOTH:
        out = t.zeros(3)
        with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
            t.add(t.ones(2, 2), 1, out=out)
        assert out.tolist() == [[2, 2], [2, 2]]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            empty = t.empty(0)
            t.add(t.ones(2), 1, out=empty)
            filled = t.zeros(2, 4)[:, :2]
            t.arange(4, out=filled)
        assert empty.tolist() == [2, 2] and filled.tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    "text, call",
    [
        ("scalar type Long", lambda t: t.nonzero(t.ones(2), out=t.empty(0))),
        ("expected scalar type", lambda t: t.mode(t.ones(3), out=(t.empty(0).double(), t.empty(0).long()))),
        ("Found dtype Double but expected Float", lambda t: t.floor(t.ones(2), out=t.empty(0).double())),
        ("result type Float can't be cast to the desired output type Int",
         lambda t: t.add(t.ones(2), 1, out=t.empty(0).int())),
        ("operation's result requires dtype Double", lambda t: t.ones(2).float_power_(2)),
        ("Boolean alpha only supported for Boolean results",
         lambda t: t.add(t.tensor([1]), t.tensor([1]), alpha=True)),
        ("must not be a complex number", lambda t: t.add(t.ones(2), t.ones(2), alpha=1j)),
        ("two bool tensors is not supported", lambda t: t.tensor([True]) - t.tensor([True])),
        ("not implemented for", lambda t: t.maximum(t.tensor([1j]), t.tensor([1j]))),
        ("is out of bounds for dimension 0 with size 3", lambda t: t.ones(3).gather(0, t.tensor([5]))),
        ("Integers to negative integer powers", lambda t: t.tensor([2], dtype=t.uint8).pow(-2)),
        ("only supports boolean masks", lambda t: t.ones(2).masked_fill(t.ones(2).byte(), 0)),
        ("shape mismatch: value tensor",
         lambda t: t.ones(2, 3).__setitem__(t.tensor(True), t.ones(5, 1, 2, 3))),
        ("repeated dim in `source`", lambda t: t.ones(2, 3).movedim((0, 0), (0, 1))),
        ("There must be one `x` value", lambda t: t.trapezoid(t.ones(3), t.ones(2))),
        ("sorter index out of range",
         lambda t: t.searchsorted(t.tensor([1, 2]), t.tensor([1]), sorter=t.tensor([0, 2]))),
        ("cannot compute", lambda t: t.linalg.vector_norm(t.zeros(0), -1)),
        ("The diagonal element 2 is zero", lambda t: t.linalg.inv(t.tensor([[1.0, 0], [0, 0]]))),
        ("minor of order 2", lambda t: t.linalg.cholesky(t.tensor([[1.0, 0], [0, -1]]))),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_refusals_in_pytorchs_words(text, call):
    for t in BOTH:
        fine, said, _ = _said(t, call)
        assert fine and re.search(re.escape(text), said), said


LAID = {
    "cumsum": lambda t, x: x.cumsum(0), "cumprod": lambda t, x: x.cumprod(1),
    "cummax": lambda t, x: x.cummax(0)[0],
    "logcumsumexp": lambda t, x: x.logcumsumexp(0), "roll": lambda t, x: x.roll(1, 0),
    "flip": lambda t, x: x.flip(0), "cat": lambda t, x: t.cat([x, x]), "stack": lambda t, x: t.stack([x, x]),
    "softmax": lambda t, x: x.softmax(0), "log_softmax": lambda t, x: x.log_softmax(1),
    "masked_fill": lambda t, x: x.masked_fill(x > 0, 1.0), "sigmoid": lambda t, x: x.sigmoid(),
    "index_copy": lambda t, x: x.index_copy(0, t.tensor([1]), x[:1]), "fft": lambda t, x: t.fft.fft(x),
    "permute_copy": lambda t, x: t.permute_copy(x, (1, 0)), "view_copy": lambda t, x: t.view_copy(x, (12,)),
    "squeeze_copy": lambda t, x: t.squeeze_copy(x), "where": lambda t, x: t.where(x > 0, x, x),
}  # fmt: skip


@pytest.mark.parametrize("name", LAID)
def test_results_lie_in_memory_as_pytorchs(name):
    data = np.arange(12.0).reshape(4, 3)
    ours, theirs = [LAID[name](t, t.tensor(data).t()) for t in BOTH]
    assert ours.stride() == theirs.stride()
    np.testing.assert_allclose(ours.numpy(), theirs.numpy())


def test_cat_keeps_channels_last():
    for t in BOTH:
        x = t.arange(48.0).reshape(2, 2, 3, 4).contiguous(memory_format=t.channels_last)
        assert t.cat([x, x], 1).is_contiguous(memory_format=t.channels_last)
        assert t.cat([x, x.contiguous()], 1).is_contiguous()


def test_matrices_that_cannot_be_decomposed_are_told_apart():
    batch = np.stack([np.eye(3), np.diag([1.0, 0.0, 1.0]), np.diag([1.0, 2.0, -1.0])])
    for name in ("cholesky_ex", "inv_ex"):
        ours, theirs = [getattr(t.linalg, name)(t.tensor(batch)) for t in BOTH]
        assert ours.info.tolist() == theirs.info.tolist() and str(ours.info.dtype) == str(theirs.info.dtype)
        np.testing.assert_allclose(ours[0][0].numpy(), theirs[0][0].numpy())
    infos = [t.linalg.solve_ex(t.tensor(batch), t.ones(3, 3, 1).double()).info.tolist() for t in BOTH]
    assert infos[0] == infos[1]


def test_names_of_arguments():
    for t in BOTH:
        a = t.eye(2) * 2
        assert t.linalg.eigh(input=a)[0].tolist() == [2, 2]
        assert t.linalg.norm(x=a, ord="nuc").item() == pytest.approx(4)
        assert t.linalg.pinv(a, rcond=0.1).tolist() == [[0.5, 0], [0, 0.5]]
        assert t.norm(a, p="nuc").item() == pytest.approx(4)
        assert t.zeros(2).copy_(other=t.ones(2)).tolist() == [1, 1]
        assert t.zeros(2).broadcast_to(3, 2).shape == (3, 2)
        assert t.addr(t.zeros(2, 2), t.tensor([1, 2]), t.ones(2).double()).dtype == t.float64
        assert str(t.sparse_coo) == "torch.sparse_coo" and str(t.complex32) == "torch.complex32"
        x = t.zeros(2, dtype=t.complex64)
        x.real = 1
        assert x.tolist() == [1, 1]
        assert (1e5 * t.tensor(1e-5, dtype=t.float16)).item() == pytest.approx(1, rel=0.01)
        assert t.ldexp(t.ones(2).half(), t.tensor([1, 2])).dtype == t.float16


def test_logaddexp_and_logcumsumexp_of_complex_numbers():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6)) + 1j * rng.normal(size=(2, 6))
    for name in ("logaddexp", "logcumsumexp"):
        ours, theirs = [
            t.logaddexp(t.tensor(x), t.tensor(y)) if name == "logaddexp" else t.logcumsumexp(t.tensor(x), 0)
            for t in BOTH
        ]
        np.testing.assert_allclose(np.exp(ours.numpy()), np.exp(theirs.numpy()), rtol=1e-9)


def test_empty_indices_and_wrapped_diagonals():
    empty, x, src = retrograd.empty(0, dtype=retrograd.int64), retrograd.ones(2, 3), retrograd.ones(2, 3)
    src.requires_grad_()
    for result in (
        x.scatter(0, empty, src),
        x.scatter_add(0, empty, src),
        x.scatter_reduce(0, empty, src, "amax"),
    ):
        assert result.tolist() == x.tolist()
        assert retrograd.autograd.grad(result.sum(), src)[0].tolist() == [[0] * 3] * 2
    marked = []
    for t in BOTH:
        tall = t.zeros(7, 3, 3)[:, 1]
        tall.fill_diagonal_(1, wrap=True)
        marked.append(tall.tolist())
    assert marked[0] == marked[1]


def test_isclose_takes_no_negative_tolerance():
    for t in BOTH:
        with pytest.raises(RuntimeError, match="rtol must be greater than or equal to zero"):
            t.isclose(t.ones(2), t.ones(2), rtol=-1.0)
