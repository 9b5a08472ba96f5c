"""The device "meta": shapes and dtypes without values, as PyTorch's."""

import copy
import gc

import numpy as np
import pytest
import torch

import retrograd
from retrograd.core.modes import modes
from retrograd.vision.models import resnet18


@pytest.fixture(autouse=True)
def nothing_stays():
    yield
    gc.collect()
    assert modes.interpreters == ()


def describe(x):
    """What there is to compare of a tensor, or of several."""
    if isinstance(x, (tuple, list)):
        return [describe(t) for t in x]
    return str(x.device), tuple(x.shape), str(x.dtype).rpartition(".")[2], x.requires_grad


CALLS = {
    "made": lambda t: [
        make(device="meta")
        for make in (
            lambda **k: t.empty(2, 3, **k), lambda **k: t.zeros(2, dtype=t.int32, **k),
            lambda **k: t.randn(2, 2, **k), lambda **k: t.arange(5, **k), lambda **k: t.tensor([1.0], **k),
            lambda **k: t.full((2,), 1, **k), lambda **k: t.ones(3, requires_grad=True, **k),
        )
    ],
    "like": lambda t: [
        f(t.empty(2, 3, device="meta"))
        for f in (t.zeros_like, t.rand_like, lambda x: x.new_ones(4), lambda x: t.empty_like(x, device="cpu"))
    ],
    "arithmetic": lambda t: t.empty(2, 1, device="meta") * t.empty(3, device="meta", dtype=t.float64) + 1,
    "with a number of the CPU": lambda t: t.empty(2, device="meta") * t.tensor(2.0),
    "views": lambda t: [
        t.empty(2, 3, 4, device="meta").transpose(0, 2)[1:], t.empty(6, device="meta").view(2, 3)
    ],
    "products": lambda t: t.empty(2, 3, device="meta", requires_grad=True) @ t.empty(3, 4, device="meta"),
    "several": lambda t: [*t.empty(3, 4, device="meta").topk(2), *t.empty(4, device="meta").chunk(2)],
    "joined": lambda t: t.cat([t.empty(2, 3, device="meta"), t.empty(1, 3, device="meta")]),
    "in place": lambda t: t.nn.init.kaiming_uniform_(t.empty(3, 4, device="meta")).add_(1).fill_(2).zero_(),
    "written": lambda t: t.empty(3, device="meta").copy_(t.ones(3)),
    "moved": lambda t: [t.ones(2).to("meta"), t.empty(2, device="meta").to("meta", t.float64)],
    "a layer": lambda t: t.nn.Conv2d(3, 8, 3, device="meta")(t.empty(2, 3, 8, 8, device="meta")),
    "attention": lambda t: t.nn.MultiheadAttention(8, 2, device="meta")(
        *[t.empty(3, 2, 8, device="meta")] * 3
    ),
    "a loss": lambda t: t.nn.functional.cross_entropy(
        t.empty(3, 4, device="meta"), t.empty(3, dtype=t.long, device="meta")
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_shapes_and_dtypes(name):
    assert describe(CALLS[name](retrograd)) == describe(CALLS[name](torch))


def test_looks():
    for library in (retrograd, torch):
        x = library.empty(2, 3, device="meta")
        assert repr(x) == "tensor(..., device='meta', size=(2, 3))"
        assert x.is_meta and not x.is_cpu and x.stride() == (3, 1) and x.is_contiguous()
        assert repr(library.nn.Parameter(x)).endswith("size=(2, 3), requires_grad=True)")


def test_nothing_is_drawn_for_what_has_no_values():
    retrograd.manual_seed(0)
    with retrograd.device("meta"):
        retrograd.nn.Linear(3, 4)
    drawn = retrograd.rand(3)
    retrograd.manual_seed(0)
    assert drawn.equal(retrograd.rand(3))


def test_there_are_no_values():
    x = retrograd.empty(1, device="meta")
    for read in (
        x.item, x.tolist, x.numpy, x.cpu, lambda: bool(x), lambda: float(x),
        lambda: retrograd.ones(1).copy_(x),
    ):  # fmt: skip
        with pytest.raises(NotImplementedError, match="cannot copy out of meta tensor; no data!"):
            read()
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        x + retrograd.ones(1)


@pytest.mark.parametrize("way", ["assign", "to_empty"])
def test_a_model_built_without_memory(way):
    with retrograd.device("meta"):
        model = resnet18(num_classes=5)
    assert all(t.is_meta for t in model.state_dict().values())
    assert all(p.is_meta for p in copy.deepcopy(model).parameters())
    assert describe(model.eval()(retrograd.empty(2, 3, 32, 32, device="meta")))[:2] == ("meta", (2, 5))
    other = resnet18(num_classes=5)
    state = other.state_dict()
    if way == "to_empty":
        assert model.to_empty(device="cpu") is model
        model.load_state_dict(state)
    else:
        model.load_state_dict(state, assign=True)
    assert not any(t.is_meta for t in model.state_dict().values()) and not modes.interpreters
    x = retrograd.rand(2, 3, 32, 32)
    np.testing.assert_array_equal(model.eval()(x).detach().numpy(), other.eval()(x).detach().numpy())
    model(x).sum().backward()
    assert model.fc.weight.grad.abs().sum() > 0


def test_backward_has_shapes_too():
    layer = retrograd.nn.Linear(3, 4, device="meta")
    layer(retrograd.empty(2, 3, device="meta")).sum().backward()
    assert layer.weight.grad.shape == (4, 3)


def test_other_tensors_are_as_ever_while_there_is_one():
    kept = retrograd.empty(3, device="meta")
    x = retrograd.ones(3, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2] and kept.is_meta
    assert retrograd.vmap(lambda t: t * 2)(retrograd.ones(2, 2)).tolist() == [[2, 2], [2, 2]]
    assert retrograd.func.jvp(lambda t: t * t, (x,), (retrograd.ones(3),))[1].tolist() == [2, 2, 2]
