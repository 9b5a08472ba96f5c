"""The classification architectures against torchvision's: names, shapes, weights, logits and gradients.

`python tools/architectures.py` compares logits and gradients of all of them; here it is a part, in small.
"""

import inspect

import architectures
import numpy as np
import pytest
import torch
from architectures import NAMES, ours, theirs

import retrograd
from retrograd import nn


def test_the_architectures_are_torchvisions():
    assert ours.list_models(module=ours) == NAMES


@pytest.fixture
def cheap(monkeypatch):
    """Models of either library are built without drawing weights."""
    for name in (
        "kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_"
    ):  # fmt: skip
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.mark.parametrize("name", NAMES)
def test_names_shapes_and_parameters(name, cheap):
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model, expected = ours.get_model(name, **options), theirs.get_model(name, **options)
    assert type(model).__name__ == type(expected).__name__
    assert architectures.signature(model.state_dict()) == architectures.signature(expected.state_dict())
    assert [key for key, _ in model.named_modules()] == [key for key, _ in expected.named_modules()]


@pytest.mark.parametrize("name", NAMES)
def test_builders_and_weights(name):
    builder, reference = ours.get_model_builder(name), theirs.get_model_builder(name)
    assert [p.name for p in inspect.signature(builder).parameters.values()] == [
        p.name for p in inspect.signature(reference).parameters.values()
    ]
    enum, expected = ours.get_model_weights(name), theirs.get_model_weights(name)
    assert enum.__name__ == expected.__name__ and getattr(ours, enum.__name__) is enum
    assert list(enum.__members__) == list(expected.__members__)
    assert enum.DEFAULT.name == expected.DEFAULT.name
    for mine, other in zip(enum, expected, strict=True):
        assert mine.url == other.url
        facts, wanted = dict(mine.meta), dict(other.meta)
        assert facts.pop("_docs") and wanted.pop("_docs")  # in words of each project's own
        np.testing.assert_equal(facts, wanted)  # a NaN among the accuracies equals itself
        assert repr(mine.transforms()) == repr(other.transforms())


# Those that take a second or so.
QUICK = [
    "densenet121", "efficientnet_b0", "googlenet", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small",
    "regnet_x_400mf", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_0", "squeezenet1_1",
]  # fmt: skip


@pytest.mark.parametrize("name", QUICK)
def test_logits_and_a_training_step(name):
    row = architectures.compare(name)
    assert row.agrees(), row


def test_inception_without_its_middle():
    """Small images have no room for the auxiliary classifier, which only training needs."""
    row = architectures.compare("inception_v3", training=False, size=96)
    assert row.agrees(), row


def small(library, kind):
    """A model of the family, smaller than any that has a name."""
    if kind == "vgg":
        return library.vgg.make_layers([8, "M", 16, "M", 12], batch_norm=True)
    if kind == "convnext":
        config = library.convnext.CNBlockConfig
        setting = [config(8, 16, 2), config(16, None, 2)]
        return library.ConvNeXt(setting, stochastic_depth_prob=0.5, num_classes=5)
    if kind == "swin":
        return library.SwinTransformer(
            [2, 2], 8, [2, 2], [2, 4], [3, 3], dropout=0.1, attention_dropout=0.1, num_classes=5
        )
    if kind == "swin_v2":
        module = library.swin_transformer
        return library.SwinTransformer(
            [2, 2], 8, [2, 2], [2, 4], [3, 4], stochastic_depth_prob=0.4, num_classes=5,
            block=module.SwinTransformerBlockV2, downsample_layer=module.PatchMergingV2,
        )  # fmt: skip
    if kind == "vit":
        config = library.vision_transformer.ConvStemConfig
        return library.VisionTransformer(
            30, 15, 2, 2, 8, 12, dropout=0.1, attention_dropout=0.1, num_classes=5, representation_size=6,
            conv_stem_configs=[config(4, 3, 3), config(6, 5, 5)],
        )  # fmt: skip
    if kind == "maxvit":
        return library.MaxVit(
            (32, 32), 8, 2, [8, 16], [2, 1], 4, stochastic_depth_prob=0.5, mlp_dropout=0.1, num_classes=5
        )
    if kind == "efficientnet_v2":
        module = library.efficientnet
        setting = [module.FusedMBConvConfig(1, 3, 1, 8, 8, 2), module.MBConvConfig(4, 3, 2, 8, 16, 2)]
        return library.EfficientNet(setting, dropout=0.2, num_classes=5, last_channel=20)
    if kind == "densenet":
        return library.DenseNet(4, (2, 2), 8, bn_size=2, drop_rate=0.2, num_classes=5, memory_efficient=True)
    return library.ResNet(
        library.resnet.Bottleneck, [1, 1, 1, 1], num_classes=5, groups=4, width_per_group=4
    )


@pytest.mark.parametrize("kind, size", [
    ("vgg", 32), ("convnext", 32), ("swin", 19), ("swin_v2", 22), ("vit", 30), ("maxvit", 32),
    ("efficientnet_v2", 32), ("densenet", 32), ("resnext", 32),
])  # fmt: skip
def test_small_models_of_the_large_families(kind, size):
    torch.manual_seed(0)
    expected = small(theirs, kind)
    retrograd.manual_seed(0)
    model = small(ours, kind)
    assert repr(model) == repr(expected)
    for key, value in expected.state_dict().items():
        assert np.array_equal(model.state_dict()[key].numpy(), value.numpy()), key
    architectures.transplant(expected, model)
    logits, gradients = architectures.agree(expected, model, architectures.images(size), training=True)
    assert logits < 1e-12 and gradients < 1e-9
