"""Intermediate results of models against torchvision's; the layers of vision.ops."""

import importlib

import numpy as np
import pytest
import torch
from architectures import ours, theirs, transplant

import retrograd
from oracle import torchvision
from retrograd import nn
from retrograd.vision import ops
from retrograd.vision.models._utils import IntermediateLayerGetter
from retrograd.vision.models.feature_extraction import create_feature_extractor

torchvision()
reference = importlib.import_module("torchvision.models.feature_extraction")
their_ops = torchvision().ops
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 32, 32))


@pytest.fixture(scope="module")
def models():
    expected, model = theirs.resnet18(), ours.resnet18()
    transplant(expected, model)
    return model.eval(), expected.eval()


@pytest.mark.parametrize("nodes", [
    ["layer1", "layer3"], {"layer2.1.conv1": "a", "layer2.0.relu_1": "b", "fc": "c"},
], ids=str)  # fmt: skip
def test_feature_extractor(models, nodes):
    model, expected = models
    mine, other = create_feature_extractor(model, nodes), reference.create_feature_extractor(expected, nodes)
    got, wanted = mine(retrograd.from_numpy(IMAGES)), other(torch.from_numpy(IMAGES))
    assert list(got) == list(wanted)
    for key in wanted:
        np.testing.assert_allclose(got[key].detach().numpy(), wanted[key].detach().numpy(), atol=1e-12)
    assert not any(m._forward_hooks for m in model.modules())
    assert mine.fc.weight is model.fc.weight and type(model).__name__ == "ResNet"
    sum(x.sum() for x in got.values()).backward()
    assert model.conv1.weight.grad is not None


def test_modes_and_what_is_not_there(models):
    model, _ = models
    mine = create_feature_extractor(model, train_return_nodes=["layer1"], eval_return_nodes={"avgpool": "x"})
    assert list(mine(retrograd.from_numpy(IMAGES))) == ["x"]
    with pytest.raises(ValueError, match="'layer9' is not the name of a module .* near it: layer"):
        create_feature_extractor(model, ["layer9"])
    with pytest.raises(ValueError, match="called 'layer1' 1 times, but its result 1"):
        create_feature_extractor(model, ["layer1_1"])(retrograd.from_numpy(IMAGES))
    with pytest.raises(ValueError, match="pass return_nodes, or both"):
        create_feature_extractor(model, train_return_nodes=["layer1"])


def test_intermediate_layer_getter(models):
    model, expected = models
    layers = {"layer1": "feat1", "layer3": 2}
    mine = IntermediateLayerGetter(model, layers)
    other = theirs._utils.IntermediateLayerGetter(expected, layers)
    got, wanted = mine(retrograd.from_numpy(IMAGES)), other(torch.from_numpy(IMAGES))
    assert list(got) == list(wanted) and list(mine) == list(other)
    for key in wanted:
        np.testing.assert_allclose(got[key].detach().numpy(), wanted[key].detach().numpy(), atol=1e-12)
    with pytest.raises(ValueError, match="return_layers are not present in model: .'head'."):
        IntermediateLayerGetter(model, {"head": "x"})


@pytest.mark.parametrize("name, args, shape", [
    ("stochastic_depth", (0.4, "row"), (6, 2, 3)), ("stochastic_depth", (0.4, "batch"), (6, 2, 3)),
    ("stochastic_depth", (1.0, "row"), (3, 2)), ("drop_block2d", (0.3, 3), (2, 3, 9, 8)),
    ("drop_block2d", (0.2, 9), (2, 3, 5, 7)), ("drop_block3d", (0.3, 3), (2, 2, 5, 6, 7)),
])  # fmt: skip
def test_dropping(name, args, shape):
    array = np.random.default_rng(1).standard_normal(shape)
    mine, other = getattr(ops, name), getattr(their_ops, name)
    for seed in range(3):
        torch.manual_seed(seed)
        expected = other(torch.from_numpy(array), *args)
        retrograd.manual_seed(seed)
        got = mine(retrograd.from_numpy(array), *args)
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-6)
    same = retrograd.from_numpy(array)
    assert mine(same, *args, training=False) is same
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        mine(same, 2, *args[1:])


@pytest.mark.parametrize("make", [
    lambda o, n: o.Conv2dNormActivation(3, 4, kernel_size=(3, 5), dilation=2),
    lambda o, n: o.Conv2dNormActivation(3, 4, norm_layer=None, activation_layer=n.SiLU, inplace=None),
    lambda o, n: o.Conv3dNormActivation(3, 4, stride=2, groups=1),
    lambda o, n: o.SqueezeExcitation(6, 2),
    lambda o, n: o.MLP(3, [5, 4], norm_layer=n.LayerNorm, dropout=0.1),
    lambda o, n: o.MLP(3, [5], inplace=True, bias=False), lambda o, n: o.StochasticDepth(0.1, "row"),
    lambda o, n: o.DropBlock2d(0.1, 3), lambda o, n: o.DropBlock3d(0.1, 3, inplace=True),
    lambda o, n: o.Permute([0, 2, 1]), lambda o, n: o.FrozenBatchNorm2d(3, eps=1e-3),
])  # fmt: skip
def test_layers(make):
    mine, other = make(ops, nn), make(their_ops, torch.nn)
    assert repr(mine) == repr(other)
    assert list(mine.state_dict()) == list(other.state_dict())


def test_frozen_batch_norm_takes_the_checkpoint_of_batch_norm():
    expected = torch.nn.BatchNorm2d(3).eval()
    with torch.no_grad():
        expected.running_var.uniform_(0.5, 2)
        expected.running_mean.normal_()
        expected.weight.normal_()
    mine = ops.FrozenBatchNorm2d(3)
    mine.load_state_dict({key: retrograd.from_numpy(x.numpy()) for key, x in expected.state_dict().items()})
    images = torch.rand(2, 3, 4, 4)
    got = mine(retrograd.from_numpy(images.numpy()))
    np.testing.assert_allclose(got.numpy(), expected(images).detach().numpy(), rtol=1e-5, atol=1e-6)
