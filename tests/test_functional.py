"""nn.functional beyond the samples: errors, warnings, random streams, running statistics, large inputs."""

import inspect

import numpy as np
import pytest
import torch

import retrograd
import retrograd.nn.functional as F
from oracle import assert_close, assert_gradients, ours, theirs
from retrograd.core.op import Op
from retrograd.ops import embeddings, im2col
from samples import arr, ints

TF = torch.nn.functional


def both(function, *arrays):
    """`function(library, nn.functional, *tensors)` by both libraries, on the same arrays."""
    return (
        function(retrograd, F, *[ours(a) for a in arrays]),
        function(torch, TF, *[theirs(a) for a in arrays]),
    )


# --- names and signatures ----------------------------------------------------------------------


LACKING = {
    "ScalingType", "SwizzleType", "assert_int_or_pair", "boolean_dispatch", "grouped_mm",
    "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic", "scaled_grouped_mm",
    "scaled_mm",
    # imported there for typing
    "Callable", "DType", "Optional", "Tensor", "TYPE_CHECKING", "handle_torch_function",
}  # fmt: skip


def public_functions():
    return [n for n in dir(TF) if not n.startswith("_") and callable(getattr(TF, n)) and n not in LACKING]


@pytest.mark.parametrize("name", public_functions())
def test_name_and_parameters(name):
    """Parameters that PyTorch has in Python have the same names, order and defaults here."""
    function = inspect.unwrap(getattr(F, name))  # wrapped once a subclass of Tensor asks for calls
    if isinstance(function, Op):  # it has its parameters in `parameters`, and takes PyTorch's names for them
        return
    try:
        expected = inspect.signature(getattr(TF, name))
    except ValueError:
        assert callable(function)
        return
    if any(p.kind is p.VAR_POSITIONAL for p in expected.parameters.values()):
        expected = inspect.signature(getattr(TF, name + "_with_indices"))  # what is dispatched
    try:
        mine = inspect.signature(function)
    except (TypeError, ValueError):
        return
    for given, wanted in zip(mine.parameters.values(), expected.parameters.values(), strict=False):
        assert given.name == wanted.name
        assert given.default == wanted.default or wanted.default is inspect.Parameter.empty
    assert len(mine.parameters) >= len(expected.parameters)


# --- errors ----------------------------------------------------------------------

X = arr(3, 4)
IMAGE = arr(2, 4, 7, 6)

WRONG = [
    (lambda t, f: f.cross_entropy(t.ones(3, 4), t.tensor([0, 1, 4])), "Target 4 is out of bounds.*4 classes"),
    (lambda t, f: f.cross_entropy(t.ones(3, 4), t.tensor([0, -1, 3])), "Target -1 is out of bounds"),
    (lambda t, f: f.cross_entropy(t.ones(3, 4), t.tensor([0, 1])), r"batch_size \(3\).*batch_size \(2\)"),
    (lambda t, f: f.cross_entropy(t.ones(3, 4), t.tensor([0.0, 1.0, 2.0])), "Long or Byte, but got.*float32"),
    (lambda t, f: f.cross_entropy(t.ones(3, 4), t.tensor([0, 1, 2]), t.ones(3)), "all 4 classes"),
    (lambda t, f: f.cross_entropy(t.ones(3, 4), t.ones(3, 4, dtype=t.int64)), "floating point type"),
    (lambda t, f: f.cross_entropy(t.ones(3, 4), t.ones(3, 4), ignore_index=1), "is not supported"),
    (lambda t, f: f.cross_entropy(t.ones(3, 4), t.tensor([0, 1, 2]), label_smoothing=2.0), "label_smoothing"),
    (lambda t, f: f.nll_loss(t.ones(3, 4), t.tensor([[0, 1, 2]])), "batch_size"),
    (lambda t, f: f.mse_loss(t.ones(3), t.ones(3), reduction="avg"), "avg is not a valid value"),
    (lambda t, f: f.mse_loss(t.ones(3, dtype=t.int64), t.ones(3, dtype=t.int64)), "not implemented for"),
    (lambda t, f: f.smooth_l1_loss(t.ones(3), t.ones(3), beta=-1.0), "negative values for beta"),
    (lambda t, f: f.huber_loss(t.ones(3), t.ones(3), delta=0.0), "non-positive values for delta"),
    (lambda t, f: f.binary_cross_entropy(t.ones(3) * 2, t.ones(3)), "between 0 and 1"),
    (lambda t, f: f.binary_cross_entropy(t.ones(3), t.ones(2)), "target size"),
    (lambda t, f: f.binary_cross_entropy_with_logits(t.ones(3), t.ones(2)), "Target size"),
    (lambda t, f: f.gaussian_nll_loss(t.ones(3), t.ones(3), t.ones(3) * -1), "negative"),
    (lambda t, f: f.linear(t.ones(2, 3), t.ones(4, 5)), "2, 3.*4, 5|2x3 and 5x4"),
    (lambda t, f: f.embedding(t.tensor([5]), t.ones(3, 2)), "index out of range"),
    (lambda t, f: f.embedding(t.tensor([0.5]), t.ones(3, 2)), "Long, Int"),
    (lambda t, f: f.embedding(t.tensor([0]), t.ones(3, 2), padding_idx=3), "(?i)padding_idx"),
    (lambda t, f: f.one_hot(t.tensor([5]), 3), "smaller than num_classes"),
    (lambda t, f: f.one_hot(t.tensor([-1])), "non-negative"),
    (lambda t, f: f.dropout(t.ones(3), 1.5), "between 0 and 1, but got 1.5"),
    (lambda t, f: f.dropout1d(t.ones(3)), "Expected 2D or 3D input"),
    (lambda t, f: f.conv2d(t.ones(2, 3, 5, 5), t.ones(4, 2, 3, 3)), "to have 2 channels, but got 3"),
    (lambda t, f: f.conv2d(t.ones(2, 3, 2, 2), t.ones(4, 3, 3, 3)), r"\(2 x 2\). Kernel size: \(3 x 3\)"),
    (lambda t, f: f.conv2d(t.ones(3, 2, 2), t.ones(4, 3, 1, 1), t.ones(5)), "bias.*4 elements"),
    (lambda t, f: f.conv2d(t.ones(5, 5), t.ones(4, 3, 3, 3)), r"Expected 3D \(unbatched\) or 4D"),
    (lambda t, f: f.conv2d(t.ones(1, 3, 5, 5), t.ones(4, 3, 3, 3), stride=0), "stride"),
    (lambda t, f: f.conv2d(t.ones(1, 3, 5, 5), t.ones(4, 3, 3, 3), padding="full"), "(?i)invalid padding"),
    (lambda t, f: f.conv2d(t.ones(1, 3, 5, 5), t.ones(4, 3, 3, 3), None, 2, "same"), "strided convolutions"),
    (lambda t, f: f.conv2d(t.ones(1, 4, 5, 5), t.ones(3, 2, 3, 3), groups=2), "groups|divisible"),
    (lambda t, f: f.conv2d(t.ones(1, 3, 5, 5), t.ones(4, 3, 3, 3, dtype=t.float64)), "same|double"),
    (lambda t, f: f.conv_transpose2d(t.ones(1, 3, 5, 5), t.ones(4, 3, 3, 3)), "have 4 channels, but got 3"),
    (lambda t, f: f.conv_transpose2d(t.ones(1, 3, 5, 5), t.ones(3, 3, 3, 3), output_padding=1), "output pad"),
    (lambda t, f: f.max_pool2d(t.ones(1, 3, 5, 5), 3, padding=2), "pad should be"),
    (lambda t, f: f.max_pool2d(t.ones(1, 3, 2, 2), 3), "too small"),
    (lambda t, f: f.avg_pool2d(t.ones(1, 3, 5, 5), 2, divisor_override=0), "divisor must be not zero"),
    (lambda t, f: f.adaptive_avg_pool2d(t.ones(5, 5), 2), "(?i)Expected 3D or 4D|expected 3D"),
    (lambda t, f: f.batch_norm(t.ones(1, 4), None, None, training=True), "more than 1 value per channel"),
    (lambda t, f: f.batch_norm(t.ones(2, 4), None, None), "running_mean.*must be|running_mean"),
    (lambda t, f: f.batch_norm(t.ones(2, 4), t.ones(3), t.ones(3)), "running_mean should contain 4 elements"),
    (lambda t, f: f.layer_norm(t.ones(2, 4), (5,)), r"normalized_shape=\[5\]"),
    (lambda t, f: f.group_norm(t.ones(2, 4, 3), 3), "divisible by num_groups"),
    (lambda t, f: f.instance_norm(t.ones(2, 4, 1)), "more than 1 spatial element"),
    (lambda t, f: f.interpolate(t.ones(1, 1, 4, 4)), "size or scale_factor"),
    (lambda t, f: f.interpolate(t.ones(1, 1, 4, 4), size=(2,)), "number of spatial dimensions"),
    (lambda t, f: f.interpolate(t.ones(1, 1, 4), size=2, mode="bilinear"), "bilinear mode"),
    (lambda t, f: f.interpolate(t.ones(1, 1, 4, 4), size=2, align_corners=True), "align_corners"),
    (lambda t, f: f.pixel_shuffle(t.ones(1, 3, 2, 2), 2), "divisible by the square of upscale_factor"),
    (lambda t, f: f.grid_sample(t.ones(1, 1, 4, 4), t.ones(1, 2, 2, 3), align_corners=True), "(?i)expected"),
    (lambda t, f: f.triplet_margin_loss(t.ones(3), t.ones(3), t.ones(3, 1)), "same number of dimensions|dim"),
    (lambda t, f: f.cosine_embedding_loss(t.ones(3), t.ones(3), t.ones(3)), "(?i)target"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call, words", WRONG, ids=[w for _, w in WRONG])
def test_errors_say_what_was_wrong(call, words):
    with pytest.raises(Exception) as theirs_:
        call(torch, TF)
    with pytest.raises(Exception, match=words) as mine:
        call(retrograd, F)
    known = (ValueError, TypeError, IndexError, RuntimeError, AssertionError)
    assert issubclass(mine.type, known), mine.type
    assert issubclass(mine.type, theirs_.type) or issubclass(theirs_.type, RuntimeError | AssertionError), (
        f"{mine.type.__name__} where PyTorch raises {theirs_.type.__name__}"
    )


WARNED = [
    (lambda t, f: f.mse_loss(t.ones(2, 3), t.ones(3)), "Using a target size.*different to the input size"),
    (lambda t, f: f.l1_loss(t.ones(2, 3), t.ones(3)), "Using a target size"),
    (lambda t, f: f.kl_div(t.ones(2, 3), t.ones(2, 3)), "'batchmean' divides only by the batch size"),
    (lambda t, f: f.softmax(t.ones(2, 3)), "Implicit dimension choice for softmax"),
    (lambda t, f: f.mse_loss(t.ones(3), t.ones(3), size_average=False), "please use reduction='sum' instead"),
    (lambda t, f: f.dropout2d(t.ones(2, 3, 4)), "Received a 3D input to dropout2d"),
    (lambda t, f: f.grid_sample(t.ones(1, 1, 2, 2), t.ones(1, 2, 2, 2)), "align_corners=True"),
    (lambda t, f: f.upsample(t.ones(1, 1, 2), 4), "deprecated"),
]  # fmt: skip


@pytest.mark.parametrize("call, words", WARNED, ids=[w for _, w in WARNED])
def test_warnings(call, words):
    with pytest.warns(UserWarning, match=words):
        mine = call(retrograd, F)
    with pytest.warns(UserWarning, match=words):
        expected = call(torch, TF)
    if "dropout" not in words:
        assert_close(mine, expected)


# --- randomness ----------------------------------------------------------------------


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    "name, shape",
    [
        ("dropout", (5, 7)), ("dropout", (300,)), ("alpha_dropout", (5, 7)), ("dropout1d", (3, 4, 5)),
        ("dropout1d", (4, 5)), ("dropout2d", (3, 4, 5, 2)), ("dropout3d", (3, 4, 2, 2, 3)),
        ("dropout3d", (4, 2, 2, 3)), ("feature_alpha_dropout", (3, 4, 5)),
    ],
)  # fmt: skip
def test_dropout_draws_what_pytorch_draws(name, shape, p, dtype, inplace):
    def run(library, functional, x):
        library.manual_seed(3)
        x = x * 1
        out = getattr(functional, name)(x, p, training=True, inplace=inplace)
        assert out is x or not inplace
        return out

    assert_close(*both(run, arr(*shape, dtype=dtype)), 1e-6)


def test_dropout_does_nothing_in_evaluation():
    x = ours(X)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.feature_alpha_dropout(x, 0.5, training=False) is x


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_draws_what_pytorch_draws(hard):
    def run(library, functional, x):
        library.manual_seed(5)
        return functional.gumbel_softmax(x, 0.7, hard)

    assert_close(*both(run, arr(6, 5, dtype="float32")))


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_attention_dropout_draws_what_pytorch_draws(p):
    def run(library, functional, q, k, v):
        library.manual_seed(7)
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=p)

    mine, expected = both(run, arr(2, 3, 5, 4), arr(2, 3, 6, 4), arr(2, 3, 6, 4))
    assert_close(mine, expected, 1e-6)


def test_fractional_pooling_draws_what_pytorch_draws():
    def run(library, functional, x):
        library.manual_seed(0)
        return functional.fractional_max_pool2d(x, (2, 3), output_ratio=(0.5, 0.6))

    assert_close(*both(run, arr(2, 3, 9, 8)))


# --- what is written in place ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_statistics(name, dtype):
    def run(library, functional, x, running_mean, running_var):
        for _ in range(3):
            getattr(functional, name)(x, running_mean, running_var, momentum=0.3, **how)
        assert library is torch or running_mean._version == 3  # PyTorch doesn't count these writes
        return running_mean, running_var

    how = {"training": True} if name == "batch_norm" else {}
    arrays = arr(3, 4, 5, dtype=dtype), arr(4, dtype=dtype), arr(4, low=0.5, dtype=dtype)
    mine, expected = both(run, *arrays)
    for m, e in zip(mine, expected, strict=True):
        assert_close(m, e)


def test_running_statistics_need_not_be_there():
    mine, expected = both(lambda t, f, x: f.batch_norm(x, None, None, training=True), arr(3, 4))
    assert_close(mine, expected)


@pytest.mark.parametrize("training", [False, True])
def test_backward_after_the_statistics_moved_on(training):
    """The gradient is that of the statistics which the forward used."""
    values, w = arr(6, 4), arr(4)
    x = ours(values, requires_grad=True)
    mean, var = ours(arr(4)), ours(arr(4, low=0.5))
    tx = theirs(values, requires_grad=True)
    expected = TF.batch_norm(tx, theirs(mean._array), theirs(var._array), theirs(w), training=training)
    out = F.batch_norm(x, mean, var, ours(w), training=training)
    F.batch_norm(x, mean, var, training=True)
    weights = arr(6, 4)
    (out * ours(weights)).sum().backward()
    (expected * theirs(weights)).sum().backward()
    assert_close(x.grad, tx.grad)


def test_embedding_rescales_long_rows_in_place():
    index, table = ints(4, high=6), arr(6, 3, low=-3, high=3)

    def run(library, functional, index, table):
        out = functional.embedding(index, table, max_norm=1.5)
        return out, table

    for mine, expected in zip(*both(run, index, table), strict=True):
        assert_close(mine, expected, 1e-6)


# --- algorithms that small samples don't reach --------------------------------------------------------


@pytest.mark.parametrize("block", [1, 50, 700, 5000])
def test_convolution_in_blocks(monkeypatch, block):
    """The im2col matrix is made a block of images, or of rows, at a time."""
    monkeypatch.setattr(im2col, "BLOCK", block)
    arrays = arr(3, 4, 7, 6), arr(6, 2, 3, 2), arr(6)

    def run(library, functional, x, w, b):
        for t in (x, w, b):
            t.requires_grad_()
        out = functional.conv2d(x, w, b, 2, 1, 1, 2)
        return out, *library.autograd.grad(out, (x, w, b), library.ones_like(out))

    mine, expected = both(run, *arrays)
    for m, e in zip(mine, expected, strict=True):
        assert_close(m, e)


@pytest.mark.parametrize("count", [1, 10, 3000])
def test_embedding_gradient_with_many_repetitions(count):
    rows = ints(count, high=7)
    values = arr(count, 5)
    expected = np.zeros((9, 5))
    np.add.at(expected, rows, values)
    np.testing.assert_allclose(embeddings.sum_by_row(np, values, rows, 9), expected, atol=1e-12)


def test_batch_norm_far_from_zero():
    """Moments are taken in two passes: a mean far above the spread costs no precision."""
    x = (1e4 + arr(64, 3)).astype(np.float32)
    mine = F.batch_norm(ours(x), None, None, training=True)
    wide = x.astype(np.float64)
    expected = (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-5)
    np.testing.assert_allclose(mine._array, expected, atol=2e-3)


def test_broadcast_operands_reach_blas():
    """A gradient broadcast from a sum has strides of 0, which NumPy would multiply without BLAS."""
    x, w = ours(arr(4, 3), requires_grad=True), ours(arr(3, 5), requires_grad=True)
    tx, tw = theirs(x._array, requires_grad=True), theirs(w._array, requires_grad=True)
    got = retrograd.autograd.grad((x @ w).sum(), (x, w))
    want = torch.autograd.grad((tx @ tw).sum(), (tx, tw))
    assert_gradients(got, want, (x, w))


def test_ctc_loss_refuses_second_derivatives():
    scores = ours(arr(6, 2, 4), requires_grad=True)
    loss = F.ctc_loss(scores.log_softmax(-1), ours(np.array([[1, 2], [3, 1]])), (6, 5), (2, 2))
    (g,) = retrograd.autograd.grad(loss, scores, create_graph=True)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        g.sum().backward()


def test_nodes_are_named_as_pytorch_names_them():
    def run(library, functional, x, w, b, image, kernel):
        for t in (x, w, b, image, kernel):
            t.requires_grad_()
        index = library.zeros(3, dtype=library.int64)
        outs = [
            functional.linear(x, w, b), functional.conv2d(image, kernel), functional.max_pool2d(image, 2),
            functional.adaptive_avg_pool2d(image, 1), functional.avg_pool2d(image, 2),
            functional.batch_norm(image, None, None, training=True), functional.layer_norm(x, (4,)),
            functional.group_norm(image, 2), functional.mse_loss(x, x * 2),
            functional.cross_entropy(x, index),
            functional.binary_cross_entropy_with_logits(x, x.detach()), functional.embedding(index, x),
            library.matmul(x, w.T), library.bmm(image[:, 0], image[:, 0].mT),
        ]  # fmt: skip
        return [type(out.grad_fn).__name__.rstrip("01") for out in outs]  # the digit says which overload

    mine, expected = both(run, X, arr(5, 4), arr(5), IMAGE, arr(6, 4, 3, 3))
    different = {m: e for m, e in zip(mine, expected, strict=True) if m != e}
    assert different == {}
