"""Automatic augmentation, mixing of batches and the rarer v2 transforms: the same draws, the same results."""

import numpy as np
import PIL.Image
import pytest
import torch
from test_transforms import as_ours, ours, pil_image, tensor_image, theirs

import retrograd
from oracle import torchvision
from retrograd.vision.transforms import v2

reference = torchvision().transforms.v2


def run(mine, other, image, seed):
    """Both transforms' results as arrays, after the same seed."""
    torch.manual_seed(seed)
    expected = other(image)
    retrograd.manual_seed(seed)
    got = mine(as_ours(image) if isinstance(image, torch.Tensor) else image)
    assert torch.rand(1).item() == retrograd.rand(1).item(), "another number of draws"
    return np.asarray(got), np.asarray(expected)


def check(mine, other, image, seed, atol=0.0, share=1.0):
    """share: of the values, which must be within atol; the rest are edges that round to another pixel."""
    got, expected = run(mine, other, image, seed)
    assert got.shape == expected.shape and got.dtype == expected.dtype
    close = np.abs(got.astype(float) - expected.astype(float)) <= atol
    assert close.mean() >= share, f"{1 - close.mean():.3%} of the values differ"


AUTOMATIC = [
    ("AutoAugment", {}), ("AutoAugment", {"policy": "CIFAR10", "fill": 7}),
    ("AutoAugment", {"policy": "SVHN"}),
    ("RandAugment", {"num_ops": 3, "magnitude": 14}), ("TrivialAugmentWide", {"fill": [1, 2, 3]}),
    ("AugMix", {"severity": 7}), ("AugMix", {"all_ops": False, "chain_depth": 2, "mixture_width": 2}),
]  # fmt: skip


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("name, options", AUTOMATIC, ids=str)
def test_automatic_augmentation(version, name, options):
    options = dict(options)
    modules = (ours, theirs) if version == "v1" else (v2, reference)
    policies = {}
    if "policy" in options:
        policy = options.pop("policy")
        policies = {module: {"policy": module.AutoAugmentPolicy[policy]} for module in modules}
    mine, other = (getattr(m, name)(**options, **policies.get(m, {})) for m in modules)
    assert repr(mine) == repr(other)
    for seed in range(8):
        # AugMix adds in float and cuts off the fraction, where a sum just under a whole number may differ.
        atol = 2.0 if name == "AugMix" else 0.0
        check(mine, other, pil_image("RGB"), seed, atol=atol, share=0.999)
        check(mine, other, tensor_image("uint8"), seed, atol=max(atol, 1.0), share=0.98)


def test_automatic_augmentation_of_a_sample():
    image, label = tensor_image("uint8"), 5
    out = v2.RandAugment()({"image": as_ours(image), "label": label})
    assert out["label"] == 5 and out["image"].shape == image.shape
    with pytest.raises(TypeError, match="augments one image, but the sample has 0"):
        v2.RandAugment()({"label": label})
    with pytest.raises(ValueError, match=r"between \[1, 10\]. Got 11"):
        v2.AugMix(severity=11)
    with pytest.raises(ValueError, match="policy imagenet is not recognized"):
        v2.AutoAugment("imagenet")


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
@pytest.mark.parametrize("alpha", [1.0, 0.2, 3.5])
def test_mixing_batches(name, alpha):
    images, labels = torch.rand(5, 3, 8, 9), torch.tensor([0, 3, 1, 2, 3])
    other = getattr(reference, name)(alpha=alpha, num_classes=4)
    mine = getattr(v2, name)(alpha=alpha, num_classes=4)
    for seed in range(5):
        torch.manual_seed(seed)
        expected = other(images, labels)
        retrograd.manual_seed(seed)
        got = mine(as_ours(images), as_ours(labels))
        for x, y in zip(got, expected, strict=True):
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=0, atol=2e-7)
    sample = {"image": as_ours(images), "Labels": retrograd.full((5, 2), 0.5)}
    mixed = getattr(v2, name)(labels_getter=lambda s: s["Labels"])(sample)
    assert mixed["Labels"].tolist() == sample["Labels"].tolist()
    assert getattr(v2, name)()(sample)["image"].shape == (5, 3, 8, 9)


@pytest.mark.parametrize("inputs, options, message", [
    ((retrograd.rand(2, 3, 4, 4), retrograd.tensor([0, 1])), {}, "num_classes must be passed"),
    ((retrograd.rand(2, 3, 4, 4), retrograd.rand(2, 3)), {"num_classes": 4}, "of 3 classes, but num_classes"),
    ((retrograd.rand(3, 4, 4), retrograd.tensor([0, 1, 1])), {"num_classes": 4}, "Expected a batch of 4"),
    ((retrograd.rand(2, 3, 4, 4), retrograd.tensor([0, 1, 1])), {"num_classes": 4}, "2 images but 3 labels"),
    ((PIL.Image.new("L", (2, 2)), retrograd.tensor([0])), {"num_classes": 4}, "not PIL images"),
    ((retrograd.rand(2, 3, 4, 4), [0, 1]), {"num_classes": 4}, "expected .images, labels."),
], ids=lambda x: x if isinstance(x, str) else None)  # fmt: skip
def test_batches_that_cannot_be_mixed(inputs, options, message):
    with pytest.raises(ValueError, match=message):
        v2.MixUp(**options)(*inputs)


@pytest.mark.parametrize("name, args, kinds", [
    ("RandomPhotometricDistort", {"p": 0.7}, ("RGB", "uint8", "float32")),
    ("RandomChannelPermutation", {}, ("RGB", "uint8")),
    ("RandomResize", {"min_size": 10, "max_size": 30}, ("RGB", "float32")),
    ("RandomShortestSize", {"min_size": [12, 30, 50], "max_size": 40}, ("RGB", "float32")),
    ("ScaleJitter", {"target_size": (20, 30)}, ("RGB", "float32")),
    ("RandomZoomOut", {"fill": 3, "side_range": (1.0, 2.5), "p": 0.8}, ("RGB", "uint8")),
    ("GaussianNoise", {"mean": 0.1, "sigma": 0.2}, ("float32", "uint8")),
    ("RGB", {}, ("L", "RGB", "uint8")), ("ToPureTensor", {}, ("float32",)),
    ("ElasticTransform", {"alpha": 30.0, "sigma": 2.0}, ("RGB", "L", "float32")),
], ids=str)  # fmt: skip
def test_rarer_transforms(name, args, kinds):
    mine, other = getattr(v2, name)(**args), getattr(reference, name)(**args)
    assert repr(mine) == repr(other)
    for kind in kinds:
        image = pil_image(kind) if kind in ("L", "RGB") else tensor_image(kind)
        rounds = name in ("RandomPhotometricDistort", "ElasticTransform")
        atol = 5e-5 if kind == "float32" else 1.0 if rounds else 0.0
        for seed in range(4):
            check(mine, other, image, seed, atol=atol, share=1.0 if atol < 1 else 0.999)


def test_elastic_transform_of_v1():
    mine, other = (m.ElasticTransform([20.0, 40.0], [2.0, 3.0], fill=2) for m in (ours, theirs))
    assert repr(mine) == repr(other)
    check(mine, other, pil_image("RGB"), 0, atol=1.0)
    check(mine, other, tensor_image("float32"), 1, atol=5e-5)


def test_jpeg():
    """Pillow does it for tensors too; torchvision's own decoder of tensors is not in reach here."""
    check(v2.JPEG((20, 60)), reference.JPEG((20, 60)), pil_image("RGB"), 0)
    image = as_ours(tensor_image("uint8"))
    expected = v2.functional.pil_to_tensor(v2.functional.jpeg(v2.functional.to_pil_image(image), 30))
    assert retrograd.equal(v2.JPEG(30)(image), expected)
    with pytest.raises(ValueError, match="from 1 to 100"):
        v2.JPEG(0)


@pytest.mark.parametrize("modules", [(ours, theirs), (v2, reference)], ids=["v1", "v2"])
def test_linear_transformation(modules):
    image = torch.rand(2, 3, 4, 5)
    matrix, mean = torch.rand(60, 60), torch.rand(60)
    expected = modules[1].LinearTransformation(matrix, mean)(image)
    mine = modules[0].LinearTransformation(as_ours(matrix), as_ours(mean))
    np.testing.assert_allclose(mine(as_ours(image)).numpy(), expected.numpy(), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="has 12 values, the matrix is for 60"):
        mine(retrograd.rand(3, 2, 2))
    with pytest.raises(ValueError, match="should be square"):
        modules[0].LinearTransformation(retrograd.rand(3, 2), retrograd.rand(3))
