"""The door and the walk: what they run, record and save; the compiled ones against the Python ones, bit by
bit.
"""

import gc
import inspect
import operator
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retrograd
from retrograd import kernels
from retrograd.core.elementwise import record
from retrograd.core.graph import AccumulateGrad, Version
from retrograd.core.location import describe_location
from retrograd.core.op import ELEMENTWISE, TABLE, Op
from retrograd.core.saved import Packed
from retrograd.core.tensor import Tensor

needs_compiled = pytest.mark.skipif(
    kernels.native is None, reason=f"there is no compiled door ({kernels.describe()})"
)


@pytest.fixture
def make_row():
    """Makes rows that the table knows during this test only."""
    made = []

    def make(*args, **kwargs):
        made.append(Op(*args, **kwargs))
        return made[-1]

    yield make
    for row in made:
        del TABLE[row.name]


@contextmanager
def door(compiled):
    before = kernels.native.use_door(compiled)
    try:
        yield
    finally:
        kernels.native.use_door(before)


# --- what can be seen of a graph, for comparison ------------------------------------------------------------


def seen(value):
    """A value with all that two doors must agree on: dtype, shape, strides, bits, place in the graph."""
    if isinstance(value, Tensor):
        return (
            "Tensor", type(value), seen(value._array), value.requires_grad, value.is_leaf, value._output_nr,
            value._view and (len(value._view.chain), value._view.kind, value._view.version),
            value._version_counter and value._version_counter.n,
        )  # fmt: skip
    if isinstance(value, (np.ndarray, np.generic)):
        bits = np.where(value == value, value, np.zeros((), value.dtype))  # NaN has a sign that means nothing
        nan = (value != value).tobytes()
        return type(value), value.dtype, value.shape, value.strides, bits.tobytes(), nan
    if isinstance(value, (tuple, list)):
        return type(value), [seen(v) for v in value]
    if isinstance(value, Version):
        return value.n, value.where and describe_location(value.where)
    if isinstance(value, Packed):
        return "Packed", seen(value.value), value.output
    return value if isinstance(value, (int, float, str, bool, type(None))) else repr(value)


def graph(node, numbers):
    """A node with everything behind it; `numbers` collects the nodes' numbers, of which the order counts."""
    if node is None:
        return None
    numbers.append(node.number)
    if isinstance(node, AccumulateGrad):
        return "leaf", node.shape, node.dtype
    saved = node.saved if isinstance(node.saved, list) else type(node.saved).__name__
    edges = [(graph(target, numbers), output) for target, output in node.edges]
    return (
        node.name(),
        node.outputs,
        seen(node.shape),
        seen(node.dtype),
        describe_location(node.where),
        seen(saved),
        {k: v for k, v in (node.versions or {}).items() if v},
        node.holds,
        edges,
        [type(e) for e in node.edges],
    )


def ranks(numbers):
    return [sorted(numbers).index(n) for n in numbers]


def outcome(function):
    """What `function` gives, or its error: type, text, notes and cause."""
    try:
        return function()
    except Exception as error:
        return type(error), str(error), getattr(error, "__notes__", None), type(error.__cause__)


def agree(program):
    """Run `program()`, which gives Tensors (or an error), through both doors, forward and backward."""

    def run():
        found = []

        def forward():
            leaves, results = program()
            numbers = []
            found.extend([seen(list(results)), [graph(r.grad_fn, numbers) for r in results], ranks(numbers)])
            wanted = [r for r in results if r.requires_grad]
            if wanted:
                total = [r if r.dtype.is_floating_point or r.dtype.is_complex else None for r in wanted]
                starts = [retrograd.ones_like(r) for r in total]
                inputs = [x for x in leaves if x.requires_grad]
                some = retrograd.autograd.grad(
                    wanted, inputs[:1], starts, retain_graph=True, allow_unused=True
                )
                found.append(seen(list(some)))
                retrograd.autograd.backward(wanted, starts)
                found.append([seen(x.grad) for x in leaves])
                found.append([graph(r.grad_fn, []) for r in wanted])
            return True

        found.append(outcome(forward))
        return found

    with door(True):
        compiled = run()
    with door(False):
        plain = run()
    assert compiled == plain
    return plain


def leaf(shape, dtype="float32", requires_grad=True, seed=0):
    values = np.random.default_rng(seed).uniform(-2, 2, shape)
    return retrograd.tensor(values).to(getattr(retrograd, dtype)).requires_grad_(requires_grad)


# --- the same through both doors ----------------------------------------------------------------------------

PAIRS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "pow": operator.pow,
    "lt": operator.lt,
    "eq": operator.eq,
    "matmul": operator.matmul,
    "maximum": retrograd.maximum,
    "atan2": retrograd.atan2,
    "floordiv": operator.floordiv,
    "where": lambda x, y: retrograd.where(x > 0, x, y),
    "cat": lambda x, y: retrograd.cat([x, y]),
    "copy": lambda x, y: (x * 1).copy_(y),
    "iadd": lambda x, y: (x * 2).add_(y),
    "imul": lambda x, y: operator.imul(x.exp(), y),
}
SINGLE = {
    name: operator.methodcaller(name)
    for name in (
        "neg",
        "exp",
        "tanh",
        "sigmoid",
        "relu",
        "sqrt",
        "abs",
        "sum",
        "mean",
        "t",
        "flatten",
        "clone",
        "detach",
        "sign",
        "floor",
        "isnan",
        "conj",
        "double",
        "half",
        "sin_",
        "zero_",
        "max",
        "cumsum",
        "contiguous",
        "square",
    )
}
SINGLE |= {
    "unsqueeze": lambda x: x.unsqueeze(0).squeeze(0),
    "expand": lambda x: x.expand(2, *x.shape),
    "get": lambda x: x[..., :1],
    "softmax": lambda x: x.softmax(-1),
    "split": lambda x: x.split(1)[0] * 2,
    "unbind": lambda x: sum(x.unbind()),
    "two": lambda x: x.max(0).values,
    "view_of_view": lambda x: x.reshape(-1)[1:].view(-1, 1),
    "twice": lambda x: x * x + x,
    "number": lambda x: 3 - x * 0.1 + 1 / x,
    "large": lambda x: x * 1e300 + 2**70,
    "numpy": lambda x: x * np.float32(3),
    "array": lambda x: x + np.ones(3, np.float32),
    "complex": lambda x: x * 1j,
    "bool": lambda x: x * True,
    "layer_norm": lambda x: retrograd.nn.functional.layer_norm(x, x.shape[-1:]),
    "view_as_real": lambda x: x.T.T + 1,
    "gelu": retrograd.nn.functional.gelu,
    "in_place_of_saved": lambda x: (x.exp(), x.exp().mul_(2))[1],
    "named": lambda x: TABLE["add"](x, y=x),
    "wrong": lambda x: x.reshape(5, 5, 5),
    "text": lambda x: x + "1",
    "none": lambda x: x * None,
    "object": lambda x: x - object(),
}
DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "bool", "complex64"]


@needs_compiled
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SINGLE)
def test_functions_of_one_tensor(name, dtype):
    for shape in ((), (3,), (2, 3), (0, 3)):
        for requires_grad in (False, True) if dtype[0] in "fbc" and dtype != "bool" else (False,):

            def program(shape=shape, requires_grad=requires_grad):
                x = leaf(shape, dtype, requires_grad)
                return [x], [SINGLE[name](x)]

            agree(program)


@needs_compiled
@pytest.mark.parametrize("dtypes", [(a, b) for a in DTYPES for b in DTYPES], ids="-".join)
def test_functions_of_two_tensors(dtypes):
    for function in PAIRS.values():
        for shapes in (((3,), (3,)), ((2, 3), (3,)), ((), (2, 3)), ((2, 3), (4,)), ((3, 3), (3, 3))):
            for needs in ((True, True), (True, False), (False, True)):

                def program(function=function, shapes=shapes, needs=needs):
                    x, y = (
                        leaf(s, d, n and d not in ("int64", "bool"), seed)
                        for seed, (s, d, n) in enumerate(zip(shapes, dtypes, needs, strict=True))
                    )
                    return [x, y], [function(x, y)]

                agree(program)


LEAVES = st.tuples(
    st.sampled_from([(), (3,), (2, 3), (2, 1)]),
    st.sampled_from(["float32", "float32", "float64", "float16", "int64"]),
    st.booleans(),
)
STEPS = st.tuples(st.sampled_from(sorted(PAIRS | SINGLE)), st.integers(0, 9), st.integers(0, 9))


@needs_compiled
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(LEAVES, min_size=1, max_size=3), st.lists(STEPS, min_size=1, max_size=8))
def test_random_graphs(leaves, steps):
    def program():
        made = [leaf(s, d, n and d != "int64", i) for i, (s, d, n) in enumerate(leaves)]
        known = list(made)
        for name, i, j in steps:
            x, y = known[i % len(known)], known[j % len(known)]
            known.append(PAIRS[name](x, y) if name in PAIRS else SINGLE[name](x))
        return made, known[len(made) :]

    agree(program)


SPECIAL = [0, -0.0, 1, -1, 0.5, 2, 3, np.inf, -np.inf, np.nan, 1e-40, 1e30, -1e30, 20, -20, 1e-8]
ELEMENTWISE_ROWS = [name for name, row in TABLE.items() if row.jvp == ELEMENTWISE or name == "masked"]


def _arguments(row, size, dtype):
    """Lists of arguments for a row: arrays, numbers, masks, 0-d arrays."""
    draw = np.random.default_rng(size)
    noise = [draw.choice([0, 1e-3], size) * draw.normal(size=size) for _ in row.parameters]
    arrays = [(draw.choice(SPECIAL, size) + n).astype(dtype) for n in noise]
    yield arrays
    yield [arrays[0], *([0.5, 2, 3][: len(arrays) - 1])]
    yield [*arrays[:-1], arrays[-1] > 0]
    if size:
        yield [arrays[0], *[a[0].reshape(()) for a in arrays[1:]]]
        yield [np.broadcast_to(arrays[0][:1], size), *arrays[1:]]


@needs_compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ELEMENTWISE_ROWS)
def test_elementwise_rows(name, dtype):
    row = TABLE[name]
    for size in (0, 1, 17, 1025, 40_000):
        for values in list(_arguments(row, size, dtype))[: None if size < 40_000 else 1]:

            def program(values=values):
                leaves = [
                    retrograd.tensor(a).requires_grad_(a.dtype == dtype) if hasattr(a, "dtype") else a
                    for a in values
                ]
                with np.errstate(all="ignore"):
                    raw = retrograd.tensor(np.asarray(row(*values)))
                return [x for x in leaves if isinstance(x, Tensor)], [row(*leaves), raw]

            agree(program)


@needs_compiled
def test_what_is_recorded_and_what_is_not():
    def steps(function, *arguments):
        found = record(function, arguments, "f")
        return found and [f.__name__ for f, _ in found[0]]

    assert steps(lambda x: x * 2 + np.exp(x), "a") == ["multiply", "exp", "add"]
    assert steps(lambda x, n: np.where(x > n, x, 0), "a", "n") == ["greater", "where"]
    assert steps(TABLE["sigmoid"].forward, np, "a") == ["sigmoid"]
    assert steps(lambda xp, x: xp.exp(x, out=xp.empty_like(x)), np, "a") == ["exp"]
    assert record(lambda x: x, "a", "f") == ([], 0)
    for function in (
        lambda x: x.sum(), lambda x: x.reshape(-1), lambda x: x**0.3, lambda x: np.concatenate([x, x]),
        lambda x: -x if x.max() > 0 else x, lambda x: x * np.ones(3, np.float32), lambda x: x * np.float64(2),
        lambda x: (x > 0) * 2, lambda x: (x > 0) * x, lambda x: np.multiply(x, x, out=x), lambda x: 2,
        lambda x: x * 2**40, lambda x: np.frexp(x), lambda x: float(x), lambda x: x.astype(np.float64),
        lambda x: np.add.reduce(x), lambda x: x * 1j, lambda x: [x], lambda x: x * None,
    ):  # fmt: skip
        assert steps(function, "a") is None
    assert steps(lambda x, n: x if n == 1 else x * n, "a", "n") is None


# --- ways that are not the common one -----------------------------------------------------------------------


def _hooks():
    x, log = leaf((3,)), []
    y = x * x
    y.register_hook(lambda g: log.append(seen(g)) or g * 2)
    y.retain_grad()
    z = y.tanh()
    z.grad_fn.register_hook(lambda gi, go: log.append(seen([*gi, *go])))
    z.grad_fn.register_prehook(lambda g: (g[0] + 1,))
    x.register_post_accumulate_grad_hook(lambda x: log.append(seen(x.grad)))
    z.sum().backward()
    return [x], [y.grad, retrograd.tensor(len(log))], log


def _saved_tensors_hooks():
    x, log = leaf((3,)), []
    with retrograd.autograd.graph.saved_tensors_hooks(lambda t: log.append(seen(t)) or t * 1, lambda t: t):
        y = x.exp() * x
    return [x], [y], log


def _anomaly():
    x = leaf((3,))
    with retrograd.autograd.set_detect_anomaly(True):
        return [x], [x.tanh() * 2], []


def _second_derivatives():
    x = leaf((3,))
    (g,) = retrograd.autograd.grad((x.tanh() * x).sum(), x, create_graph=True)
    return [x], [g], []


def _inference():
    with retrograd.inference_mode():
        x = retrograd.ones(3) * 2
    return [], [x, x + 1], []


def _forward_mode():
    out, tangent = retrograd.func.jvp(lambda x: x.tanh() * x, (leaf((3,)).detach(),), (retrograd.ones(3),))
    return [], [out, tangent], []


def _batched():
    x = leaf((2, 3))
    return [x], [retrograd.vmap(lambda x: x.tanh() * x.sum())(x)], []


def _twice():
    x = leaf((3,))
    y = x.exp()
    y.sum().backward()
    y.sum().backward()


def _overwritten():
    x = leaf((3,)) * 1
    y = x.exp() * x
    x.add_(1)
    y.sum().backward()


def _failing_formula():
    def refuse(g):
        raise ValueError("this formula fails")

    row = Op("failing_formula", lambda xp, x: xp.exp(x), x=refuse)
    del TABLE["failing_formula"]
    (row(leaf((3,))) * 2).sum().backward()


def _failing_hook():
    x = leaf((3,)) * 2
    x.register_hook(lambda g: g[:1])
    x.sum().backward()


def _inference_saved():
    with retrograd.inference_mode():
        x = retrograd.ones(3)
    return [], [leaf((3,)) * x], []


PROGRAMS = [
    _hooks,
    _saved_tensors_hooks,
    _anomaly,
    _second_derivatives,
    _inference,
    _forward_mode,
    _batched,
    _twice,
    _overwritten,
    _failing_formula,
    _failing_hook,
    _inference_saved,
]


@needs_compiled
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__.strip("_"))
def test_ways_that_are_not_the_common_one(program):
    logs = []

    def run():
        leaves, results, *log = program()
        logs.append(log)
        return leaves, results

    agree(run)
    assert logs[: len(logs) // 2] == logs[len(logs) // 2 :]


@needs_compiled
def test_a_gradient_accumulates_as_in_python():
    for compiled in (True, False):
        with door(compiled):
            x = leaf((2, 3))
            kept = retrograd.ones(2, 3)
            x.backward(kept)
            kept.add_(1)
            assert (x.grad == 1).all(), "the gradient that was given belongs to the caller"
            first = x.grad
            (x * 2).sum().backward()
            assert x.grad is first and (first == 3).all() and first._version == 1
            x.grad = None
            x.T.backward(retrograd.arange(6.0).reshape(3, 2))
            assert x.grad.is_contiguous() and x.grad.stride() == x.stride()


@needs_compiled
def test_where_an_operation_was_called():
    def line(x):
        return x * 2

    y = line(leaf((3,)))
    assert describe_location(y.grad_fn.where).endswith("in line: return x * 2")


@needs_compiled
def test_compiled_functions_pass_for_the_python_ones():
    assert Tensor.__mul__ is not Tensor.__mul__.__wrapped__
    assert inspect.signature(Tensor.tanh) == inspect.signature(Tensor.tanh.__wrapped__)
    assert Tensor.tanh.__name__ == "tanh" and Tensor.tanh.__doc__ == retrograd.tanh.__doc__
    x = leaf((3,))
    bound = x.tanh
    assert (bound() == x.tanh()).all() and bound.__self__ is x
    with pytest.raises(TypeError):
        x.tanh(1, 2)


@needs_compiled
def test_nothing_is_leaked():
    def work():
        x, w = leaf((4, 4)), leaf((4,), seed=1)
        for _ in range(20):
            y = (x * w + 2).tanh() @ x
            z = retrograd.cat([y.unsqueeze(0), y.exp()[None] - w]).max(0).values.relu()
            z.sum().backward()
            retrograd.autograd.grad((x * w).sum(), [w])
            for wrong in (
                lambda: x @ retrograd.ones(5),
                lambda: x + retrograd.ones(3),
                lambda: y.sum().backward(),
            ):
                with pytest.raises(RuntimeError):
                    wrong()

    work()
    counts = []
    for _ in range(6):
        work()
        gc.collect()
        counts.append(sys.getallocatedblocks())
    assert counts[-1] - counts[2] < 50


@needs_compiled
def test_threads_have_modes_of_their_own():
    seen_there = []

    def work():
        x = leaf((3,))
        with retrograd.no_grad():
            seen_there.append((x * 2).requires_grad)
        seen_there.append((x * 2).requires_grad)

    with retrograd.no_grad():
        for _ in range(3):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        assert not (leaf((3,)) * 2).requires_grad
    assert seen_there == [False, True] * 3


@needs_compiled
def test_a_long_graph_needs_no_stack():
    script = """if True:
        import retrograd, sys
        x = retrograd.ones(2, requires_grad=True)
        y = x
        for _ in range(100_000):
            y = y * 1.0
        y.sum().backward()
        assert (x.grad == 1).all()
        del y
    """
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, f"exit status {run.returncode}: {run.stderr[-3000:]}"


# --- what either door does ----------------------------------------------------------------------------------


def test_grad_runs_only_the_formulas_whose_gradients_are_wanted(make_row):
    ran = []

    def note(name, value):
        ran.append(name)
        return value

    row = make_row(
        "two_formulas", lambda xp, x, y: xp.multiply(x, y),
        x=lambda g, y: note("x", g * y), y=lambda g, x: note("y", g * x),
    )  # fmt: skip
    joint = make_row(
        "joint_formula", lambda xp, x, y: xp.multiply(x, y),
        joint=("x y", lambda g, needs, x, y: note(needs, (g * y, g * x))),
    )  # fmt: skip
    a, b = (retrograd.tensor([v], requires_grad=True) for v in (2.0, 3.0))
    z = joint(row(a, b), b)
    (ga,) = retrograd.autograd.grad(z, [a], retain_graph=True)
    assert ga.item() == 9 and ran == [(True, False), "x"]
    assert retrograd.autograd.grad(z, [b])[0].item() == 2 * 2 * 3 and ran[2:] == [(True, True), "y"]


@needs_compiled
def test_inference_mode():
    """The compiled door in inference mode against the Python one: values, writes that are counted, errors."""

    def program():
        torch, seen = retrograd, []
        outside = torch.arange(6.0).reshape(2, 3)
        with torch.inference_mode():
            made = outside * 2
            pair = torch.max(made, 1)
            view = made[0]
            made += 1
            made.relu_()
            view.mul_(3)
            outside.add_(1).sub_(torch.ones(3))
            with torch.enable_grad():
                graph = outside * made
            for t in (made, *pair, view, outside, graph):
                seen.append((t.is_inference(), t.tolist(), None if t.is_inference() else t._version))
        for attempt in (
            lambda: made.add_(1), lambda: made._version, lambda: (made * outside.clone().requires_grad_()),
            lambda: made.requires_grad_(), lambda: (made.clone() + made).is_inference(),
        ):  # fmt: skip
            try:
                seen.append(str(attempt()))
            except RuntimeError as error:
                seen.append(str(error))
        return seen

    with door(True):
        ours = program()
    with door(False):
        assert program() == ours
