"""Every operation under vmap: what it gives for a batch is what it gives for each example, and so are
gradients.

The operations themselves are compared with PyTorch's in tests/test_ops.py.
"""

import warnings

import numpy as np
import pytest

import retrograd
import samples
from oracle import flatten
from retrograd.batch.level import RULES
from retrograd.core.op import ELEMENTWISE, TABLE
from retrograd.core.tensor import Tensor, wrap
from retrograd.func import grad, vmap
from test_ops import Call

SIZE = 3

# What can't be done for a batch, because it reads values, has a shape that depends on them, or draws numbers.
REFUSED = {
    "reads values or has a shape that depends on them": """
        allclose argwhere equal is_nonzero lstm gru rnn_relu rnn_tanh masked_select nonzero unique
        unique_consecutive tensor_split
    """,
    "draws random numbers, which vmap must be told how to": """
        bernoulli bernoulli_ cauchy_ exponential_ geometric_ log_normal_ normal_ random_ rrelu_training
        svd_lowrank pca_lowrank
        uniform_ normal poisson _standard_gamma _sample_dirichlet
    """,
    "asks for gradients inside": "ctc_gradient",
}  # fmt: skip
REFUSED = {name for names in REFUSED.values() for name in names.split()}


def chosen():
    """Two samples for each operation: the first, and the last that has tensors."""
    by_name = {}
    for s in samples.every():
        if Call(s, retrograd).tensors():
            by_name.setdefault(s.function, []).append(s)
    return {name: found[:1] if len(found) == 1 else [found[0], found[-1]] for name, found in by_name.items()}


CHOSEN = chosen()


def examples(array):
    """Arrays like `array`: scaled, or, of whole numbers and bools, turned round, so that indices stay
    valid."""
    floating = array.dtype.kind in "fcV"
    return [
        array if not i else (array * (1 - 0.1 * i)).astype(array.dtype) if floating else np.flip(array).copy()
        for i in range(SIZE)
    ]


def run(sample, tensors):
    """The Tensors that a sample gives, with other tensors in the place of its own."""
    call, given = Call(sample, retrograd), iter(tensors)

    def replaced(v):
        if isinstance(v, Tensor):
            return next(given)
        if isinstance(v, list | tuple):
            inner = [replaced(u) for u in v]
            return type(v)(*inner) if hasattr(v, "_fields") else type(v)(inner)
        return {k: replaced(u) for k, u in v.items()} if isinstance(v, dict) else v

    call.args = [replaced(a) for a in call.args]
    call.kwargs = {k: replaced(v) for k, v in call.kwargs.items()}
    return tuple(flatten(call.run()))


def gradient_of(f, arrays):
    """The function that gives the gradients of a weighted sum of f's results."""
    floating = tuple([j for j, a in enumerate(arrays) if a.dtype.kind in "fcV"])

    def total(*tensors):
        out = retrograd.zeros((), dtype=retrograd.float64)
        for t in f(*tensors):
            if t.dtype.is_complex:
                t = t.real * 1.5 + t.imag
            if t.dtype.is_floating_point and t.requires_grad:
                weights = retrograd.linspace(0.5, 1.5, t.numel(), dtype=t.dtype).reshape(t.shape)
                out = out + (t * weights).sum().to(out.dtype)
        return out

    return grad(total, floating) if floating else None


def check(sample, batched, dim, gradient):
    arrays = [np.array(t._array) for t in Call(sample, retrograd).tensors()]
    f = lambda *tensors: run(sample, tensors)
    if gradient:
        f = gradient_of(f, arrays)
        if f is None:
            return
    each = [examples(a) if b else [a] * SIZE for a, b in zip(arrays, batched, strict=True)]
    try:
        expected = [list(f(*[wrap(np.array(e[i])) for e in each])) for i in range(SIZE)]
    except Exception:
        pytest.skip("the other examples are no valid input")
    if len({tuple(t.shape for t in e) for e in expected}) > 1:
        pytest.skip("the results of the examples differ in shape")
    at = [(dim if dim >= 0 else a.ndim) if b else None for a, b in zip(arrays, batched, strict=True)]
    given = [wrap(np.array(e[0]) if d is None else np.stack(e, d)) for e, d in zip(each, at, strict=True)]
    found = vmap(f, in_dims=tuple(at))(*given)
    for i, r in enumerate(found):
        reference = np.stack([e[i]._array for e in expected])
        assert r._array.dtype == reference.dtype
        a, b = r._array, reference
        if a.dtype.kind == "V":
            a, b = a.astype(np.float32), b.astype(np.float32)
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8, err_msg=f"{sample!r}")


KINDS = ["values", "values, batch last", "all tensors", "one tensor", "gradients"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CHOSEN)
def test_batches(name, kind):
    if name in REFUSED:
        pytest.skip("refused: see the list")
    if name == "as_strided" and kind == "values, batch last":
        pytest.skip("its strides are about memory, which is another one there")
    for sample in CHOSEN[name]:
        floating = [t._array.dtype.kind in "fcV" for t in Call(sample, retrograd).tensors()]
        batched = floating if any(floating) and kind != "all tensors" else [True] * len(floating)
        if kind == "one tensor":
            batched = [i == batched.index(True) for i in range(len(batched))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                check(sample, batched, -1 if kind == "values, batch last" else 0, kind == "gradients")
            except RuntimeError as error:
                text = str(error)
                if not any(t in text for t in EXPECTED):
                    raise


# What PyTorch refuses too, by the inputs that are batched.
EXPECTED = (
    "boolean mask",  # an index whose shape depends on values
    "inplace arithmetic",  # a write of what differs between examples into what doesn't
    "stride",  # a view that the memory of the whole batch doesn't allow
)


def test_rules_are_for_rows():
    assert set(RULES) - {ELEMENTWISE} <= set(TABLE)
