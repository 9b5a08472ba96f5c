"""Every operation against PyTorch: walks the samples, and the table of rows."""

import inspect
import re
from collections import defaultdict

import numpy as np
import pytest
import torch

import retrograd
import samples
from oracle import (
    TOLERANCE,
    as_array,
    assert_close,
    assert_gradients,
    assert_same,
    find,
    flatten,
    is_tensor,
    ours,
    theirs,
)
from retrograd.autograd import forward_ad, gradcheck, gradgradcheck
from retrograd.core.apply import apply
from retrograd.core.graph import modes
from retrograd.core.op import TABLE
from retrograd.core.tensor import Tensor, wrap
from retrograd.forward import _transposed, fit, push_forward
from retrograd.ops import MODULES
from samples import Sample, const, name

SAMPLES = samples.every()

# --- a call, in either library ----------------------------------------------------------------------


class Call:
    """A sample in one library: its arguments as Tensors, and which of them are to be differentiated."""

    def __init__(self, sample, library, dtype=None, grad=False):
        self.sample = sample
        self.library = library
        self.make = theirs if library is torch else ours
        self.dtype = dtype
        self.grad = grad
        self.inputs = []
        self.args = [self._convert(a) for a in sample.args]
        self.kwargs = {k: self._convert(v) for k, v in sample.kwargs.items()}

    def _convert(self, value):
        if isinstance(value, np.ndarray | np.generic):
            return self._tensor(value, self.grad)
        if isinstance(value, const):
            return self._tensor(value.array, False)
        if isinstance(value, name):
            return find(self.library, value.path)
        if isinstance(value, list | tuple):
            inner = [self._convert(v) for v in value]
            return type(value)(*inner) if hasattr(value, "_fields") else type(value)(inner)
        return {k: self._convert(v) for k, v in value.items()} if isinstance(value, dict) else value

    def _tensor(self, array, grad):
        floating = is_floating(array)
        if floating and self.dtype is not None:
            array = in_dtype(array, self.dtype)
        out = self.make(array, requires_grad=grad and floating)
        if grad and floating:
            self.inputs.append(out)
        return out

    def run(self):
        path = self.sample.path
        if callable(path):
            result = path(self.library, *self.args, **self.kwargs)
        else:
            result = find(self.library, path)(*self.args, **self.kwargs)
        wanted = self.sample.outputs
        if wanted is None:
            return result
        if callable(wanted):
            return wanted(result)
        return result[wanted] if isinstance(wanted, int) else tuple(result[i] for i in wanted)

    def tensors(self):
        return flatten([self.args, self.kwargs])

    def run_differentiable(self):
        """The outputs that a gradient can flow from."""
        return [t for t in flatten(self.run()) if t.requires_grad]


def is_floating(array):
    return array.dtype.kind in "fcV"


def in_dtype(array, dtype):
    """`array` in the precision of the floating dtype of that name; complex if it is complex."""
    kind = getattr(retrograd, dtype)
    if array.dtype.kind == "c" and not kind.is_complex:
        kind = kind.to_complex()
    return array.astype(kind.numpy)


def random_like(shape, dtype, rng):
    values = rng.uniform(-1, 1, shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.uniform(-1, 1, shape)
    return np.asarray(values, dtype)


def draw(tensors, seed):
    """A random array for each of our Tensors, of its shape and dtype."""
    rng = np.random.default_rng(seed)
    return [random_like(t._array.shape, t._array.dtype, rng) for t in tensors]


def both(sample, **options):
    return Call(sample, retrograd, **options), Call(sample, torch, **options)


def has_inputs(sample):
    return bool(Call(sample, retrograd, grad=True).inputs)


def ids(samples):
    """Readable and distinct names."""
    seen = defaultdict(int)
    out = []
    for s in samples:
        seen[repr(s)] += 1
        out.append(repr(s) if seen[repr(s)] == 1 else f"{s!r} #{seen[repr(s)]}")
    return out


def over(chosen, argument="sample"):
    chosen = list(chosen)
    return pytest.mark.parametrize(argument, chosen, ids=ids(chosen))


DIFFERENTIATED = [s for s in SAMPLES if s.grad and has_inputs(s)]

# --- the samples ----------------------------------------------------------------------


@over(SAMPLES)
def test_value(sample):
    """The result; what became of the arguments; which of them the result is, or shares memory with."""
    mine, reference = both(sample)
    result, expected = mine.run(), reference.run()
    assert_same(result, expected, sample.tol)
    assert_same(mine.tensors(), reference.tensors(), sample.tol, "arguments afterwards")
    if sample.outputs is None:
        got = [[np.shares_memory(r._array, a._array) for a in mine.tensors()] for r in flatten(result)]
        want = [[shares_memory(r, a) for a in reference.tensors()] for r in flatten(expected)]
        assert got == want, f"shares memory (output by argument): {got} instead of {want}"
        got = [[r is a for a in mine.tensors()] for r in flatten(result)]
        want = [[r is a for a in reference.tensors()] for r in flatten(expected)]
        assert got == want, f"is the argument (output by argument): {got} instead of {want}"


def shares_memory(a, b):
    if a.is_conj():  # conjugated when needed: a view in PyTorch, a copy here
        return False
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr() and bool(a.numel() and b.numel())


@pytest.mark.parametrize(
    "sample, dtype", pairs := [(s, d) for s in SAMPLES for d in s.dtypes if has_inputs(s)],
    ids=[f"{d} {i}" for i, (_, d) in zip(ids([s for s, _ in pairs]), pairs, strict=True)],
)  # fmt: skip
def test_value_in_other_dtypes(sample, dtype):
    mine, reference = both(sample, dtype=dtype)
    assert_same(mine.run(), reference.run())


@over(DIFFERENTIATED)
def test_gradient(sample):
    """Gradients of all floating inputs, for random ones of the outputs; the recorded walk gives the same."""
    mine, reference = both(sample, grad=True)
    outs, expected = mine.run_differentiable(), reference.run_differentiable()
    assert len(outs) == len(expected), f"{len(outs)} differentiable outputs instead of {len(expected)}"
    if not outs:
        return
    starts = draw(outs, 1)
    gradients = [ours(g) for g in starts]
    recorded = retrograd.autograd.grad(outs, mine.inputs, gradients, create_graph=True, allow_unused=True)
    got = retrograd.autograd.grad(outs, mine.inputs, gradients, allow_unused=True)
    if sample.grad == "numbers":
        want = got
        gradcheck(lambda *inputs: tuple(rerun(mine, inputs)), mine.inputs)
    else:
        starts = [theirs(g) for g in starts]
        want = torch.autograd.grad(expected, reference.inputs, starts, allow_unused=True)
    assert_gradients(got, want, mine.inputs, sample.tol)
    assert_gradients(recorded, want, mine.inputs, sample.tol, "gradient with create_graph=True")
    assert_same(mine.tensors(), reference.tensors(), where="arguments afterwards")
    for g, start in zip(gradients, draw(outs, 1), strict=True):
        np.testing.assert_array_equal(g._array, start, err_msg="the gradient of the output afterwards")


@pytest.mark.parametrize(
    "sample, dtype", pairs := [(s, d) for s in DIFFERENTIATED for d in s.dtypes],
    ids=[f"{d} {i}" for i, (_, d) in zip(ids([s for s, _ in pairs]), pairs, strict=True)],
)  # fmt: skip
def test_gradient_in_other_dtypes(sample, dtype):
    mine, reference = both(sample, dtype=dtype, grad=True)
    outs, expected = mine.run_differentiable(), reference.run_differentiable()
    if not outs:
        return
    starts = draw(outs, 8)
    got = retrograd.autograd.grad(outs, mine.inputs, [ours(g) for g in starts], allow_unused=True)
    try:
        want = torch.autograd.grad(expected, reference.inputs, [theirs(g) for g in starts], allow_unused=True)
    except (RuntimeError, NotImplementedError) as error:
        if "not implemented for" not in str(error):
            raise
        return
    tol = 10 * TOLERANCE[dtype]
    for i, (m, r, x) in enumerate(zip(got, want, mine.inputs, strict=True)):
        size = max(
            [1.0, *[np.abs(as_array(g)).astype(float).max(initial=0) for g in (m, r) if g is not None]]
        )
        assert_gradients([m], [r], [x], tol * size, f"gradient of input {i}")


@over(s for s in DIFFERENTIATED if s.second)
def test_second_order(sample):
    """Gradients of the gradients, with respect to the inputs and the gradients of the outputs."""
    mine, reference = both(sample, grad=True)
    outs = mine.run_differentiable()
    if not outs:
        return
    starts = draw(outs, 2)
    try:
        want, weights = (
            second_order(torch, reference, starts, theirs) if sample.second is True else (None, None)
        )
    except (RuntimeError, NotImplementedError) as error:
        if not re.search("derivative.*not implemented|not implemented.*derivative", str(error)):
            raise
        want = None
    if want is None:
        gradgradcheck(lambda *inputs: tuple(rerun(mine, inputs)), mine.inputs, check_undefined_grad=False)
        return
    got, _ = second_order(retrograd, mine, starts, ours, weights)
    leaves = [*mine.inputs, *[ours(s) for s in starts]]
    assert_gradients(got, want, leaves, sample.tol and 10 * sample.tol, "second-order gradient")


def second_order(library, call, starts, make, weights=None):
    outs = call.run_differentiable()
    starts = [make(s, requires_grad=True) for s in starts]
    inputs = [*call.inputs, *starts]
    first = library.autograd.grad(outs, call.inputs, starts, create_graph=True, allow_unused=True)
    chosen = [i for i, g in enumerate(first) if g is not None and g.requires_grad]
    if weights is None:
        rng = np.random.default_rng(3)
        weights = {i: random_like(tuple(first[i].shape), call_dtype(first[i]), rng) for i in chosen}
    chosen = [i for i in chosen if i in weights]
    if not chosen:
        return [None] * len(inputs), weights
    first = [first[i] for i in chosen]
    return library.autograd.grad(
        first, inputs, [make(weights[i]) for i in chosen], allow_unused=True
    ), weights


def call_dtype(tensor):
    return getattr(np, str(tensor.dtype).removeprefix("torch."))


def rerun(call, inputs):
    """The differentiable outputs for other inputs."""
    again = Call(call.sample, retrograd, grad=True)
    places = {id(old): new for old, new in zip(again.inputs, inputs, strict=True)}

    def put(value):
        if is_tensor(value):
            return places.get(id(value), value)
        if isinstance(value, list | tuple):
            return type(value)([put(v) for v in value])
        return value

    again.args = [put(a) for a in again.args]
    again.kwargs = {k: put(v) for k, v in again.kwargs.items()}
    return again.run_differentiable()


@over(s for s in SAMPLES if s.forward and s.grad and has_inputs(s))
def test_forward_mode(sample):
    """Tangents as PyTorch's; where it has none, as our reverse mode says."""
    mine, reference = both(sample, grad=True)
    given = draw(mine.inputs, 4)
    tangents = run_forward(mine, given, forward_ad, ours)
    try:
        want = (
            run_forward(reference, given, torch.autograd.forward_ad, theirs)
            if sample.forward is True
            else None
        )
    except (NotImplementedError, RuntimeError) as error:
        if not re.search("forward AD|forward-mode|jvp", str(error)):
            raise
        want = None
    if want is None:
        agrees_with_reverse(sample, tangents, given)
        return
    assert len(tangents) == len(want)
    for i, ((value, t), (_, w)) in enumerate(zip(tangents, want, strict=True)):
        t, w = [x if x is None else x.detach() for x in (t, w)]
        assert_gradients([t], [w], [value.detach()], sample.tol, f"tangent of output {i}")


def run_forward(call, given, ad, make):
    """(value, tangent) of each floating output."""
    inputs = iter(given)

    def dual(value):
        if is_tensor(value) and value.requires_grad:
            return ad.make_dual(value.detach(), make(next(inputs)))
        if isinstance(value, list | tuple):
            return type(value)([dual(v) for v in value])
        return value

    with ad.dual_level():
        kept_args, kept_kwargs = call.args, call.kwargs
        call.args = [dual(a) for a in call.args]
        call.kwargs = {k: dual(v) for k, v in call.kwargs.items()}
        outs = [t for t in flatten(call.run()) if t.is_floating_point() or t.is_complex()]
        pairs = [ad.unpack_dual(t) for t in outs]
        call.args, call.kwargs = kept_args, kept_kwargs
    return [(p.primal, p.tangent) for p in pairs]


def agrees_with_reverse(sample, tangents, given):
    """<g, J t> = <J^H g, t>, in the real inner product."""
    call = Call(sample, retrograd, grad=True)
    outs = [t for t in flatten(call.run()) if is_floating(t._array)]
    weights = draw(outs, 5)
    chosen = [i for i, t in enumerate(outs) if t.requires_grad]
    grads = retrograd.autograd.grad(
        [outs[i] for i in chosen], call.inputs, [ours(weights[i]) for i in chosen], allow_unused=True
    )
    left = sum(inner(weights[i], tangents[i][1]._array) for i in chosen if tangents[i][1] is not None)
    right = sum(inner(g._array, t) for g, t in zip(grads, given, strict=True) if g is not None)
    np.testing.assert_allclose(left, right, rtol=sample.tol or 1e-8, atol=sample.tol or 1e-8)


def inner(a, b):
    return np.sum(np.conj(a) * b).real


# --- in place, and out= ----------------------------------------------------------------------

INPLACE = sorted({n for module in MODULES for n in module.INPLACE})


def _inplace_samples():
    by_name = defaultdict(list)
    for s in SAMPLES:
        if (
            not callable(s.path)
            and s.path.count(".") <= s.path.startswith("Tensor.")
            and "out" not in s.kwargs
        ):
            by_name[s.function].append(s)
    for n in INPLACE:
        for s in by_name.get(n) or _samples_of_alias(n, by_name):
            if s.args and isinstance(s.args[0], np.ndarray | const) and s.outputs is None:
                again = Sample(f"Tensor.{n}_", *s.args, **s.kwargs)
                again.grad = s.grad
                yield again


def _samples_of_alias(n, by_name):
    """Samples of a function that `n` is another name of."""
    function = getattr(retrograd, n, None)
    same = [m for m in by_name if function is not None and getattr(retrograd, m, None) is function]
    return [s for m in same for s in by_name[m]]


@over(_inplace_samples())
def test_inplace(sample):
    """The in-place method on a clone: its value and gradients, or an error where PyTorch has one."""
    outcomes = []
    for call in both(sample, grad=sample.grad):
        x = call.args[0]
        call.args = [x.clone(), *call.args[1:]]
        try:
            result = call.run()
        except (RuntimeError, TypeError, IndexError) as error:
            outcomes.append((call, None, error))
            continue
        assert result is call.args[0], "an in-place method returns its tensor"
        outcomes.append((call, result, None))
    (mine, out, error), (reference, expected, refused) = outcomes
    if refused is not None:
        assert error is not None, f"PyTorch refuses this: {refused}"
        return
    if error is not None:
        raise error
    assert_close(out, expected)
    assert out.requires_grad == expected.requires_grad
    if out.requires_grad:
        (g,) = draw([out], 6)
        got = retrograd.autograd.grad(out, mine.inputs, ours(g), allow_unused=True)
        if sample.grad == "numbers":  # as out of place, which is checked
            function = find(retrograd, sample.path.rstrip("_"))
            mine, _ = both(sample, grad=True)
            want = function(*mine.args, **mine.kwargs)
            want = retrograd.autograd.grad(want, mine.inputs, ours(g), allow_unused=True)
        else:
            try:
                want = torch.autograd.grad(expected, reference.inputs, theirs(g), allow_unused=True)
            except NotImplementedError:
                return  # PyTorch lacks the gradient of some in-place forms, such as asinh_
        assert_gradients(got, want, mine.inputs)


def test_inplace_names_are_sampled():
    tried = {s.function.rstrip("_") for s in _inplace_samples()}
    torch_has = {n for n in INPLACE if hasattr(torch.Tensor, n + "_")}
    assert torch_has == set(INPLACE), f"PyTorch has no in-place {sorted(set(INPLACE) - torch_has)}"
    assert not torch_has - tried, f"in-place forms without a sample: {sorted(torch_has - tried)}"


def _out_samples():
    """One sample of each function that takes `out=` in PyTorch and gives Tensors."""
    seen = set()
    for s in SAMPLES:
        if (
            callable(s.path)
            or s.path in seen
            or s.path.startswith("Tensor.")
            or s.outputs is not None
            or "out" in s.kwargs
        ):
            continue
        function = find(torch, s.path)
        if not re.search(r"\bout=", (inspect.getdoc(function) or "").partition("\n")[0]):
            continue
        seen.add(s.path)
        yield s


@over(_out_samples())
def test_out(sample):
    """`out=` receives the result, and is what is returned."""
    mine, reference = both(sample)
    value = mine.run()
    expected = reference.run()
    if is_tensor(expected):
        target = retrograd.empty((0,), dtype=value.dtype)
        theirs_target = torch.empty((0,), dtype=expected.dtype)
    else:
        target = tuple(retrograd.empty((0,), dtype=v.dtype) for v in value)
        theirs_target = tuple(torch.empty((0,), dtype=v.dtype) for v in expected)
    mine.kwargs["out"], reference.kwargs["out"] = target, theirs_target
    reference.run()
    returned = mine.run()
    assert all(a is b for a, b in zip(flatten(returned), flatten(target), strict=True)), (
        "out= is what is returned"
    )
    for t, r in zip(flatten(target), flatten(theirs_target), strict=True):
        assert_close(t, r)


# --- the table of rows ----------------------------------------------------------------------


class Recorder:
    """Stands at the door and remembers which rows ran, on what, a few calls each."""

    batching = False

    def __init__(self):
        self.calls = defaultdict(list)

    def process(self, op, args):
        calls = self.calls[op.name]
        if len(calls) < 6:
            calls.append(tuple(a.detach() if isinstance(a, Tensor) else a for a in args))
        return apply(op, args)

    def process_function(self, function, args, kwargs):
        return function.apply(*args, **kwargs)


@pytest.fixture(scope="module")
def recorded():
    """All calls of rows that the samples lead to, forward and (recorded) backward."""
    recorder = Recorder()
    modes.interpreters = (recorder,)
    try:
        for sample in SAMPLES:
            call = Call(sample, retrograd, grad=sample.grad)
            try:
                outs = call.run_differentiable()
                if outs and sample.second:
                    second_order(retrograd, call, draw(outs, 7), ours)
            except Exception:  # noqa: BLE001  test_value and its neighbours say what is wrong with the sample
                continue
    finally:
        modes.interpreters = ()
    return recorder.calls


@pytest.mark.parametrize("row", sorted(TABLE))
def test_row_is_sampled(recorded, row):
    if not TABLE[row].inputs:
        pytest.skip("no gradient formula")
    if TABLE[row].node_name == "Error":
        pytest.skip("its gradient is an error by design: a second derivative that is refused")
    if row not in recorded:
        pytest.fail(f"no sample leads to the row {row}")


@pytest.mark.parametrize("row", sorted(n for n, op in TABLE.items() if op.inputs and op.jvp is not None))
def test_forward_rule_is_the_transpose_of_the_gradient(recorded, row):
    """The tangent by the row's rule equals the tangent by transposing its gradient formulas."""
    op = TABLE[row]
    for n, args in enumerate(recorded.get(row, ())):
        rng = np.random.default_rng(n)
        tangents = [None] * len(args)
        for i in op.input_positions(args):
            if isinstance(args[i], Tensor) and is_floating(args[i]._array):
                tangents[i] = wrap(random_like(args[i]._array.shape, args[i]._array.dtype, rng))
        if row in ("igamma", "igammac"):
            tangents[0] = None  # that derivative is not known
        if all(t is None for t in tangents):
            continue
        result = apply(op, args)
        if not any(is_floating(t._array) for t in flatten(result)):
            continue
        by_rule = push_forward(op, args, tangents, result)
        try:
            expected, tol = _transposed(op, args, tangents), 1e-6
        except NotImplementedError:  # the gradient can't be differentiated
            expected, tol = differences(op, args, tangents), 1e-4
        several = op.outputs is not None
        for i, out in enumerate(flatten(result)):
            if not op.is_differentiable_output(i, out):
                continue
            a, b = (by_rule[i], expected[i]) if several else (by_rule, expected)
            a, b = [np.zeros_like(out._array) if t is None else fit(t, out)._array for t in (a, b)]
            np.testing.assert_allclose(
                a,
                b,
                rtol=tol,
                atol=tol / 100,
                equal_nan=True,
                err_msg=f"{row} of {[_short(x) for x in args]}, output {i}",
            )


def differences(op, args, tangents, eps=1e-6):
    """How the outputs change along the tangents."""
    above, below = [
        apply(
            op,
            [
                a if t is None else wrap(a._array + s * eps * t._array)
                for a, t in zip(args, tangents, strict=True)
            ],
        )
        for s in (1, -1)
    ]
    if op.outputs is None:
        return (above - below) / (2 * eps)
    return [(a - b) / (2 * eps) for a, b in zip(above, below, strict=True)]


def _short(x):
    return list(x._array.shape) if isinstance(x, Tensor) else x
