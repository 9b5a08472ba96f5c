"""Every layer against PyTorch's: initial values, outputs, gradients, running statistics, looks, errors."""

import io
import warnings

import numpy as np
import pytest
import torch
from layers import LAYERS, Fixed
from twins import copy_state, same_text

import retrograd
from oracle import assert_gradients, assert_same, flatten, ours, theirs

WALK = pytest.mark.parametrize("layer", LAYERS, ids=repr)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*(size_average|lazy|3D input|Named tensors|zero-element).*"
        )
        yield


@WALK
def test_initial_values_after_a_seed(layer):
    pairs = []
    for library in (retrograd, torch):
        library.manual_seed(3)
        m = layer.build(library)
        pairs.append((dict(m.state_dict()), library.rand(2)))
    (mine, mine_next), (reference, next_number) = pairs
    assert_same(mine, reference, tol=1e-6)
    assert_same(mine_next, next_number)  # as many numbers drawn


@WALK
def test_repr(layer):
    same_text(lambda library: repr(layer.build(library)))


def make_inputs(layer, dtype, make):
    def own(value):
        if isinstance(value, tuple):
            return tuple(own(v) for v in value)
        if isinstance(value, Fixed):
            return make(value.array.astype(dtype))
        if not isinstance(value, np.ndarray):
            return value
        floating = value.dtype.kind == "f"
        return make(value.astype(dtype) if floating else value, requires_grad=floating)

    return [own(v) for v in layer.inputs], {k: own(v) for k, v in layer.call.items()}


def run(library, m, inputs, call):
    """Outputs, and the gradients of inputs and parameters of a weighted sum of the outputs."""
    library.manual_seed(5)
    out = m(*inputs, **call)
    made = [t for t in flatten(out) if t.requires_grad]
    leaves = [t for t in flatten([inputs, call]) if t.requires_grad] + list(m.parameters())
    loss = 0
    for t in made:
        weights = np.cos(np.arange(int(np.prod(t.shape)))).reshape(tuple(t.shape)) + 0.1
        make = ours if library is retrograd else theirs
        loss = loss + (t * make(weights.astype(str(t.dtype).rpartition(".")[2]))).sum()
    grads = library.autograd.grad(loss, leaves, allow_unused=True) if made and leaves else []
    return out, list(grads), leaves


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mode", ["train", "eval"])
@WALK
def test_outputs_and_gradients(layer, mode, dtype):
    reference, mine = layer.build(torch), layer.build(retrograd)
    for p in reference.parameters():
        with torch.no_grad():
            p.add_(
                torch.linspace(-0.3, 0.4, p.numel()).reshape(p.shape)
            )  # weights that are all 1 would hide errors
    getattr(reference.to(getattr(torch, dtype)), mode)()
    getattr(mine.to(getattr(retrograd, dtype)), mode)()
    copy_state(reference, mine)
    expected = run(torch, reference, *make_inputs(layer, dtype, theirs))
    got = run(retrograd, mine, *make_inputs(layer, dtype, ours))
    tol = layer.tol if dtype == "float64" else 1e-4
    assert_same(got[0], expected[0], tol, "output")
    assert_gradients(got[1], expected[1], got[2], tol)
    assert_same(dict(mine.state_dict()), dict(reference.state_dict()), tol, "state")


def test_every_layer_of_pytorch_is_here_and_in_the_table():
    elsewhere = {  # tested in files of their own, or abstract
        "Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Container",
        "Parameter",
        "Buffer", "RNNBase", "RNNCellBase", "UninitializedParameter", "UninitializedBuffer", "SyncBatchNorm",
        "DataParallel", "NLLLoss2d", "LinearCrossEntropyOptions",
    }  # fmt: skip
    public = {n for n in dir(torch.nn) if n[0].isupper() and isinstance(getattr(torch.nn, n), type)}
    elsewhere |= {n for n in public if n.startswith("Lazy")}
    assert sorted(n for n in public if not hasattr(retrograd.nn, n)) == []
    assert sorted(public - {layer.name for layer in LAYERS} - elsewhere) == []


def test_cross_map_lrn_is_local_response_norm():
    """Where PyTorch's keeps the first channel in every sum, and has the gradient one channel off."""
    x = np.random.default_rng(0).normal(size=(2, 9, 3, 3))
    inputs = ours(x, True), theirs(x, True)
    outs = [
        retrograd.nn.CrossMapLRN2d(5, 0.1, 0.6, 2.0)(inputs[0]),
        torch.nn.LocalResponseNorm(5, 0.1, 0.6, 2.0)(inputs[1]),
    ]
    for out in outs:
        (out**2).sum().backward()
    assert_same(*outs)
    assert_same(inputs[0].grad, inputs[1].grad)


def test_sync_batch_norm():
    """With one process it is batch normalisation; a model's layers are converted with what they hold."""
    nn = retrograd.nn
    m = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Sequential(nn.BatchNorm2d(2).eval()))
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(m)
    x = ours(np.random.default_rng(0).normal(size=(3, 1, 4, 4)).astype(np.float32))
    assert synced is m and type(m[1]) is type(m[2][0]) is nn.SyncBatchNorm and not m[2][0].training
    reference = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2)
    )
    reference[2].eval()
    state = {k.replace("2.0.", "2."): theirs(v.detach().numpy()) for k, v in m.state_dict().items()}
    reference.load_state_dict(state)
    assert_same(m(x), reference(theirs(x.numpy())))
    assert_same(m[1].running_mean, reference[1].running_mean)
    same_text(lambda library: repr(library.nn.SyncBatchNorm(3)))


@pytest.fixture
def zoo():
    """A module in each library with every layer of the table that has a state."""

    def build(library):
        library.manual_seed(0)
        holder = library.nn.Module()
        for i, layer in enumerate(LAYERS):
            m = layer.build(library)
            if m.state_dict():
                holder.add_module(f"{layer.name.lower()}{i}", m)
        return holder

    return build


def test_checkpoint_of_every_layer_goes_both_ways(zoo):
    """PyTorch's file loads strictly here, and ours there; nothing is left out or changed."""
    reference, mine = zoo(torch), zoo(retrograd)
    with torch.no_grad():
        for p in reference.parameters():
            p.add_(torch.linspace(-1, 1, p.numel()).reshape(p.shape))
    for saver, source, loader, target in (
        (torch, reference, retrograd, mine), (retrograd, mine, torch, zoo(torch))
    ):  # fmt: skip
        file = io.BytesIO()
        saver.save(source.state_dict(), file)
        file.seek(0)
        assert repr(target.load_state_dict(loader.load(file))) == "<All keys matched successfully>"
        ours_now, theirs_now = (source, target) if saver is retrograd else (target, source)
        assert_same(dict(ours_now.state_dict()), dict(theirs_now.state_dict()))
    assert len(reference.state_dict()) > 300


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 3, 0, 4), (0, 3)])
def test_batch_norm_of_nothing(shape):
    """Of an empty batch there are gradients of zero, and the running statistics stay."""
    results = []
    for library in (torch, retrograd):
        layer = (library.nn.BatchNorm1d if len(shape) == 2 else library.nn.BatchNorm2d)(3)
        x = library.zeros(shape, requires_grad=True)
        layer(x).sum().backward()
        kept = layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var
        results.append([tuple(x.grad.shape), *[t.tolist() for t in kept]])
    assert results[0] == results[1]
