"""Clipping, vectors of parameters, fusion and sequences against PyTorch's nn.utils."""

import copy

import numpy as np
import pytest
import torch

import retrograd
from optim_twins import Twins, close, plain, theirs, values
from retrograd.core.tensor import wrap
from retrograd.nn import utils

RNN, TORCH_RNN = utils.rnn, torch.nn.utils.rnn


def both(seed, *shape, dtype="float64", grad=False):
    a = values(seed, shape, dtype)
    x, y = wrap(a.copy()), theirs(a)
    x.requires_grad = grad
    return x, y.requires_grad_(grad)


def twin_models(make):
    """The same model in both libraries, in float64, with the same parameters and positive buffers."""
    models = [make(library.nn).to(library.float64) for library in (retrograd, torch)]
    for i, (p, q) in enumerate(zip(*[[*m.parameters(), *m.buffers()] for m in models], strict=True)):
        if q.is_floating_point():
            a = np.abs(values(i, tuple(q.shape))) + 0.1
            p.data, q.data = wrap(a.copy()), torch.from_numpy(a.copy())
    return models


# --- clipping ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_type", [2.0, 1, 0.5, 3.0, float("inf"), "inf", 0.0])
@pytest.mark.parametrize("max_norm", [0.7, 1e6])
@pytest.mark.parametrize("dtype, tol", [("float64", 1e-12), ("float32", 1e-6), ("complex64", 1e-6)])
def test_clip_grad_norm(norm_type, max_norm, dtype, tol):
    twins = Twins([(3, 4), (5,), (), (2, 3)], dtype=dtype)
    twins.gradients(0, skip=(3,))
    norms = (
        utils.clip_grad_norm_(twins.ours, max_norm, norm_type),
        torch.nn.utils.clip_grad_norm_(twins.theirs, max_norm, norm_type),
    )
    assert str(norms[0].dtype) == str(norms[1].dtype) and norms[0].shape == ()
    close(*norms, tol)
    for p, q in zip(twins.ours[:3], twins.theirs[:3], strict=True):
        close(p.grad, q.grad, tol)
    assert twins.ours[3].grad is None


@pytest.mark.parametrize("dtype, tol", [("float16", 2e-3), ("bfloat16", 2e-2)])
def test_clip_in_half_precision(dtype, tol):
    for clip in ("clip_grad_norm_", "clip_grad_value_"):
        twins = Twins([(30, 4), (5,)], dtype=dtype)
        twins.gradients(0)
        pairs = (retrograd, twins.ours), (torch, twins.theirs)
        found = [getattr(library.nn.utils, clip)(ps, 0.5) for library, ps in pairs]
        if clip == "clip_grad_norm_":
            assert str(found[0].dtype) == str(found[1].dtype)
            close(*found, tol)
        for p, q in zip(twins.ours, twins.theirs, strict=True):
            close(p.grad, q.grad, tol)


def test_norm_of_mixed_dtypes():
    ours, expected = zip(both(0, 3), both(1, 4, dtype="float32"), both(2, 2, dtype="float16"), strict=True)
    found = utils.get_total_norm(ours), torch.nn.utils.get_total_norm(expected)
    assert str(found[0].dtype) == str(found[1].dtype)
    close(*found, 1e-3)


def test_clip_one_tensor_and_layouts():
    x, y = both(0, 3, 4, grad=True)
    g = values(1, (4, 3)).T
    x.grad, y.grad = wrap(np.array(g, order="K")), torch.from_numpy(np.array(g, order="C"))
    close(utils.clip_grad_norm_(x, 0.5), torch.nn.utils.clip_grad_norm_(y, 0.5))
    close(x.grad, y.grad)
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        close(utils.clip_grad_norm(x, 1.0), plain(torch.linalg.vector_norm(y.grad)))
    for library, p in ((retrograd, x), (torch, y)):
        library.nn.utils.clip_grads_with_norm_(iter([p]), 0.1, library.tensor(2.0, dtype=library.float64))
        library.nn.utils.clip_grad_value_(p, 0.01)
    close(x.grad, y.grad)
    assert np.abs(x.grad._array).max() == 0.01


def test_total_norm():
    tensors = [both(i, *s) for i, s in enumerate([(3, 4), (5,), (0,)])]
    for p in (2.0, 1.0, float("inf")):
        chosen = tensors if p != float("inf") else tensors[:2]
        close(
            utils.get_total_norm([x for x, _ in chosen], p),
            torch.nn.utils.get_total_norm([y for _, y in chosen], p),
        )
    assert utils.get_total_norm([]).item() == 0.0
    close(utils.get_total_norm(tensors[0][0]), torch.nn.utils.get_total_norm(tensors[0][1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clip_nonfinite(bad):
    results = []
    for library in (retrograd, torch):
        p = library.ones(3, requires_grad=True)
        p.grad = library.tensor([1.0, bad, 2.0])
        with pytest.raises(RuntimeError, match="total norm of order 2.0 for gradients .* is non-finite"):
            library.nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
        results.append((library.nn.utils.clip_grad_norm_([p], 1.0), p.grad))
    for found in zip(*results, strict=True):
        np.testing.assert_array_equal(*map(plain, found))


def test_clip_nothing_and_what_cannot_be():
    for library in (retrograd, torch):
        with pytest.warns(UserWarning, match="empty generator"):
            assert library.nn.utils.clip_grad_norm_((p for p in []), 1.0).item() == 0.0
        assert library.nn.utils.clip_grad_norm_([library.ones(2)], 1.0).item() == 0.0
    p = wrap(np.ones(2))
    p.grad = wrap(np.broadcast_to(1.0, 2))
    with pytest.raises(RuntimeError, match="read-only"):
        utils.clip_grad_norm_(p, 0.1)
    p = wrap(np.ones(2, complex))
    p.grad = wrap(np.ones(2, complex))
    with pytest.raises(RuntimeError, match="complex"):
        utils.clip_grad_value_(p, 0.1)


def test_clipping_counts_as_a_write():
    p = wrap(np.ones(3))
    p.grad = wrap(np.ones(3))
    before = p.grad._version
    utils.clip_grad_norm_(p, 0.1)
    assert p.grad._version == before + 1


# --- vectors, fusion, formats --------------------------------------------------------------------------


def test_parameters_to_vector_and_back():
    results = []
    for library in (retrograd, torch):
        ps = [both(i, *s, grad=True)[library is torch] for i, s in enumerate([(2, 3), (4,), ()])]
        vector = library.nn.utils.parameters_to_vector(iter(ps))
        (vector * vector).sum().backward()
        new = both(9, 11)[library is torch]
        library.nn.utils.vector_to_parameters(new, ps)
        assert all(p.requires_grad and p.is_leaf for p in ps)
        new[0] = 7.0  # shared
        results.append([vector, *[p.grad for p in ps], *ps])
        with pytest.raises(TypeError, match="expected torch.Tensor, but got: "):
            library.nn.utils.vector_to_parameters([1.0], ps)
        with pytest.raises(RuntimeError):
            library.nn.utils.vector_to_parameters(new[:5], ps)
    for x, y in zip(*results, strict=True):
        close(x, y)


LAYERS = {
    "conv": lambda nn: (nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4)),
    "conv without bias": lambda nn: (nn.Conv1d(3, 4, 2, bias=False), nn.BatchNorm1d(4, affine=False)),
    "transposed": lambda nn: (nn.ConvTranspose2d(3, 4, 2), nn.BatchNorm2d(4)),
    "linear": lambda nn: (nn.Linear(3, 4), nn.BatchNorm1d(4)),
    "linear without bias": lambda nn: (nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_fusion(kind):
    models = [m.eval() for m in twin_models(lambda nn: nn.Sequential(*LAYERS[kind](nn)))]
    shape = (2, 3) if "linear" in kind else (2, 3, 5) if "without" in kind else (2, 3, 5, 5)
    x, y = both(5, *shape)
    fused = []
    for library, (layer, bn) in zip((retrograd, torch), models, strict=True):
        u = library.nn.utils
        fuse = u.fuse_linear_bn_eval if "linear" in kind else u.fuse_conv_bn_eval
        fused.append(fuse(layer, bn, **({"transpose": True} if kind == "transposed" else {})))
        with pytest.raises(AssertionError, match="Fusion only for eval"):
            fuse(layer, copy.deepcopy(bn).train())
    close(fused[0](x), models[0](x), 1e-12)
    for name in ("weight", "bias"):
        p, q = getattr(fused[0], name), getattr(fused[1], name)
        close(p, q)
        assert p.requires_grad == q.requires_grad and isinstance(p, retrograd.nn.Parameter)
    close(fused[0](x), fused[1](y))


def test_skip_init():
    retrograd.manual_seed(3)
    layer = utils.skip_init(retrograd.nn.Linear, 4, 5, bias=False)
    after = retrograd.rand(3)._array
    retrograd.manual_seed(3)
    assert (retrograd.rand(3)._array == after).all() and layer.weight.shape == (5, 4) and layer.bias is None
    for library in (retrograd, torch):
        with pytest.raises(RuntimeError, match="Expected a Module"):
            library.nn.utils.skip_init(int)
        with pytest.raises(RuntimeError, match="must support a 'device' arg"):
            library.nn.utils.skip_init(library.nn.ReLU)


@pytest.mark.parametrize("dims", [2, 3])
def test_weight_memory_format(dims):
    results = []
    for library in (retrograd, torch):
        nn = library.nn
        conv, transposed = getattr(nn, f"Conv{dims}d"), getattr(nn, f"ConvTranspose{dims}d")
        model = nn.Sequential(conv(3, 4, 2), nn.Sequential(transposed(4, 2, 3), nn.Linear(3, 3)))
        before = [p.detach().clone() for p in model.parameters()]
        convert = getattr(nn.utils, f"convert_conv{dims}d_weight_memory_format")
        assert convert(model, library.channels_last if dims == 2 else library.channels_last_3d) is model
        for p, q in zip(before, model.parameters(), strict=True):
            np.testing.assert_array_equal(plain(p), plain(q))
        results.append([p.stride() for p in model.parameters()])
    assert results[0] == results[1]


def test_stateless():
    model = retrograd.nn.Linear(2, 1)
    x = wrap(np.ones((1, 2), np.float32))
    new = {"weight": wrap(np.full((1, 2), 3, np.float32)), "bias": wrap(np.zeros(1, np.float32))}
    with pytest.warns(FutureWarning, match="torch.func.functional_call"):
        assert utils.stateless.functional_call(model, new, x).item() == 6


# --- sequences -----------------------------------------------------------------------------------------


def sequences(lengths, *rest, dtype="float64"):
    return zip(*[both(i, n, *rest, dtype=dtype, grad=True) for i, n in enumerate(lengths)], strict=True)


def compare_gradients(outputs, leaves):
    """Backward with one random gradient through the output of each library; compare the leaves' gradients."""
    g = values(99, tuple(outputs[1].shape))
    outputs[0].backward(wrap(g.copy()))
    outputs[1].backward(torch.from_numpy(g.copy()))
    for p, q in zip(*leaves, strict=True):
        close(p.grad, q.grad)


def compare_packed(ours, expected):
    assert type(ours).__name__ == type(expected).__name__ == "PackedSequence"
    assert ours._fields == expected._fields
    for a, b in zip(ours, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert str(a.dtype) == str(b.dtype)
            np.testing.assert_array_equal(plain(a), plain(b))


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("lengths, rest", [((3, 1, 5), (2,)), ((2, 2), ()), ((4,), (2, 3)), ((0, 2), (1,))])
def test_pad_sequence(lengths, rest, side, batch_first):
    ours, expected = sequences(lengths, *rest)
    options = {"batch_first": batch_first, "padding_value": -2.5, "padding_side": side}
    padded = RNN.pad_sequence(list(ours), **options), TORCH_RNN.pad_sequence(list(expected), **options)
    assert tuple(padded[0].shape) == tuple(padded[1].shape)
    close(*padded, 0)
    compare_gradients(padded, (ours, expected))


def test_pad_integers():
    parts = [[1, 2, 3], [4]]
    padded = [
        m.pad_sequence([lib.tensor(p) for p in parts], padding_value=9)
        for lib, m in ((retrograd, RNN), (torch, TORCH_RNN))
    ]
    assert str(padded[0].dtype) == "torch.int64" and padded[0].tolist() == padded[1].tolist()


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize(
    "lengths, is_sorted", [((5, 3, 3, 1), True), ((5, 3, 3, 1), False), ((2, 5, 1, 5), False)]
)
def test_pack_and_pad(lengths, is_sorted, as_list, batch_first):
    shape = (4, 6, 2) if batch_first else (6, 4, 2)
    x, y = both(0, *shape, grad=True)
    packed = []
    for library, m, t in ((retrograd, RNN, x), (torch, TORCH_RNN, y)):
        given = lengths if as_list else library.tensor(lengths)
        packed.append(m.pack_padded_sequence(t, given, batch_first, enforce_sorted=is_sorted))
    compare_packed(*packed)
    for options in ({}, {"batch_first": True, "padding_value": 3.5}, {"total_length": 7}):
        pairs = zip((RNN, TORCH_RNN), packed, strict=True)
        padded, sizes = zip(*(m.pad_packed_sequence(p, **options) for m, p in pairs), strict=True)
        close(*padded, 0)
        assert sizes[0].tolist() == sizes[1].tolist() and str(sizes[0].dtype) == "torch.int64"
    compare_gradients(padded, ((x,), (y,)))
    close(packed[0].double().data, packed[1].data, 0)
    assert packed[0].to("cpu") is packed[0] and packed[0].float().data.dtype is retrograd.float32


def test_pack_sequence_and_unpack():
    ours, expected = sequences((2, 4, 3), 2)
    packed = [
        m.pack_sequence(list(s), enforce_sorted=False) for m, s in ((RNN, ours), (TORCH_RNN, expected))
    ]
    compare_packed(*packed)
    for back, first in zip(RNN.unpack_sequence(packed[0]), ours, strict=True):
        close(back, first, 0)
    padded = RNN.pad_sequence(list(ours))
    for back, first in zip(RNN.unpad_sequence(padded, retrograd.tensor([2, 4, 3])), ours, strict=True):
        close(back, first, 0)
    inverse = RNN.invert_permutation(retrograd.tensor([2, 0, 1]))
    assert inverse.tolist() == [1, 2, 0] and RNN.invert_permutation(None) is None
    compare_packed(RNN.PackedSequence(*packed[0][:2]), TORCH_RNN.PackedSequence(*packed[1][:2]))


def test_sequence_errors():
    for library, m in ((retrograd, RNN), (torch, TORCH_RNN)):
        x = library.ones(3, 2, 1)
        with pytest.raises(RuntimeError, match="`lengths` array must be sorted in decreasing order"):
            m.pack_padded_sequence(x, [1, 2])
        with pytest.raises(RuntimeError, match="Length of all samples has to be greater than 0"):
            m.pack_padded_sequence(x, [1, 0])
        with pytest.raises(RuntimeError, match=r"Expected `len\(lengths\)` to be equal to batch_size"):
            m.pack_padded_sequence(x, [1])
        with pytest.raises(ValueError, match="Expected total_length to be at least the length of"):
            m.pad_packed_sequence(m.pack_padded_sequence(x, [3, 1]), total_length=2)
        with pytest.raises(RuntimeError, match="Expected iterable for input sequences"):
            m.pad_sequence(3)
        with pytest.raises(RuntimeError, match="received an empty list of sequences"):
            m.pad_sequence([])
        with pytest.raises(RuntimeError, match="padding_side to be one of left or right"):
            m.pad_sequence([x], padding_side="up")
        with pytest.raises(RuntimeError):
            m.pad_sequence([library.ones(2, 3), library.ones(2, 4)])
    with pytest.raises(RuntimeError, match="Expected lengths of at most 3"):
        RNN.pack_padded_sequence(retrograd.ones(3, 2, 1), [4, 1])


def test_names():
    assert set(utils.__all__) == set(torch.nn.utils.__all__)
