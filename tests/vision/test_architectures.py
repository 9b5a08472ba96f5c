"""The classification architectures against torchvision's: names, shapes, weights, logits and gradients.

`python tools/architectures.py` compares logits and gradients of all of them; here it is a part, in small.
"""

import functools
import inspect
import re

import architectures
import numpy as np
import pytest
import torch
from architectures import NAMES, ours, theirs

import retrograd
from retrograd import nn


def test_the_architectures_are_torchvisions():
    assert ours.list_models(module=ours) == NAMES


def without_drawing(monkeypatch, init):
    """Models of the library of `init` are built without drawing weights, which may be anything then."""
    for name in (
        "kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_"
    ):  # fmt: skip
        monkeypatch.setattr(init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.fixture
def ours_cheap(monkeypatch):
    without_drawing(monkeypatch, nn.init)


@pytest.fixture
def cheap(monkeypatch, ours_cheap):
    without_drawing(monkeypatch, torch.nn.init)


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
    "efficientnet_b0", "googlenet", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf",
    "shufflenet_v2_x0_5", "squeezenet1_0", "squeezenet1_1",
]  # fmt: skip


@pytest.mark.parametrize("name", QUICK)
def test_logits_and_a_training_step(name):
    row = architectures.compare(name)
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
    logits, gradients = architectures.agree(expected, model, architectures.images(size))
    assert logits < 1e-12 and gradients < 1e-9


@pytest.fixture
def published(monkeypatch):
    """What is downloaded for weights: published["state"], a dict of PyTorch's tensors."""
    import retrograd.hub

    state = {}

    def load(url, **options):
        assert options == {"progress": True, "check_hash": True}
        return {key: retrograd.from_numpy(x.numpy()) for key, x in state["state"].items()}

    monkeypatch.setattr(retrograd.hub, "load_state_dict_from_url", load)
    return state


def same_weights(model, expected):
    state = expected.state_dict()
    return all(np.array_equal(x.numpy(), state[key].numpy()) for key, x in model.state_dict().items())


def test_weights_of_densenet_have_other_names(published, ours_cheap):
    expected = theirs.densenet121()
    numbers = functools.partial(re.sub, r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.")
    published["state"] = {numbers(key): x for key, x in expected.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in published["state"]
    assert same_weights(ours.densenet121(weights="DEFAULT"), expected)


@pytest.mark.parametrize(
    "name, auxiliary", [("googlenet", ["aux1", "aux2"]), ("inception_v3", ["AuxLogits"])], ids=str
)
def test_weights_bring_auxiliary_classifiers(name, auxiliary, published, ours_cheap):
    expected = theirs.get_model(name, init_weights=False)
    published["state"] = expected.state_dict()
    model = ours.get_model(name, weights="DEFAULT", aux_logits=False)
    assert all(getattr(model, part) is None for part in auxiliary)
    assert model.transform_input and not model.aux_logits and same_weights(model, expected)
    images = np.random.default_rng(0).random((1, 3, 96, 96), np.float32)
    expected.transform_input = True
    with torch.no_grad(), retrograd.no_grad():
        wanted = expected.eval()(torch.from_numpy(images)).numpy()
        got = model.eval()(retrograd.from_numpy(images)).numpy()
    np.testing.assert_allclose(got, wanted, atol=1e-4 * np.abs(wanted).max())


def test_weights_dictate_options(published):
    with pytest.raises(ValueError, match="'image_size' expected value 384 but got 224"):
        ours.vit_b_16(weights="IMAGENET1K_SWAG_E2E_V1", image_size=224)
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 10"):
        ours.mobilenet_v2(weights="DEFAULT", num_classes=10)


def test_first_version_of_mnasnet(ours_cheap):
    expected = theirs.mnasnet0_5()
    stem = theirs.mnasnet1_0().layers[:8]  # its widths were not scaled
    for i, layer in enumerate(stem):
        expected.layers[i] = layer
    expected.layers[8] = theirs.mnasnet._stack(16, 16, 3, 2, 3, 3, 0.0003)
    state = retrograd.nn.Module().state_dict()
    state.update({key: retrograd.from_numpy(x.detach().numpy()) for key, x in expected.state_dict().items()})
    state._metadata[""] = {"version": 1}
    model = ours.mnasnet0_5()
    with pytest.warns(UserWarning, match="of the first version of MNASNet"):
        model.load_state_dict(state)
    assert same_weights(model, expected) and model._version == 1


@pytest.mark.parametrize("size", [48, 32])
def test_position_embeddings_for_other_images(size):
    import importlib

    reference = importlib.import_module("torchvision.models.vision_transformer")
    from retrograd.vision.models.vision_transformer import interpolate_embeddings

    embedding = torch.randn(1, 17, 6)
    expected = reference.interpolate_embeddings(
        size, 8, {"encoder.pos_embedding": embedding, "heads.x": embedding}, reset_heads=True
    )
    mine = retrograd.from_numpy(embedding.numpy())
    got = interpolate_embeddings(size, 8, {"encoder.pos_embedding": mine, "heads.x": mine}, reset_heads=True)
    assert list(got) == list(expected)
    np.testing.assert_allclose(
        got["encoder.pos_embedding"].numpy(), expected["encoder.pos_embedding"].numpy(), atol=1e-5
    )
