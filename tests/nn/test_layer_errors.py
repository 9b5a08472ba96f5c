"""What layers refuse: errors of PyTorch's types, with what was given, what was expected and what to do."""

import warnings

import numpy as np
import pytest
import torch
from twins import refusal

import retrograd

REFUSED = """
nn.Linear(3, 4)(ones(2, 5))
nn.Linear(3, 4)(ones(2, 3).double())
nn.Linear(3, 4)(3)
nn.Linear(3, 4)(ones(()))
nn.Linear(-1, 4)
nn.Linear(3.5, 4)
nn.Bilinear(0, 3, 4)
nn.Bilinear(2, 3, 4)(ones(5, 2), ones(4, 3))
nn.Bilinear(2, 3, 4)(ones(5, 3), ones(5, 3))
nn.Conv2d(3, 4, 3)(ones(1, 2, 8, 8))
nn.Conv2d(3, 4, 3)(ones(1, 3, 2, 2))
nn.Conv2d(3, 4, 3)(ones(8, 8))
nn.Conv2d(3, 4, 3)(ones(1, 1, 3, 8, 8))
nn.Conv1d(3, 4, 3)(ones(3, 4, 5))
nn.Conv2d(3, 4, 3, groups=2)
nn.Conv2d(4, 3, 3, groups=2)
nn.Conv2d(4, 3, 3, groups=0)
nn.Conv2d(4, 4, 3, padding="x")
nn.Conv2d(4, 4, 3, padding="same", stride=2)
nn.Conv2d(4, 4, 3, padding_mode="x")
nn.Conv2d(3, 4, 3)(ones(1, 3, 8, 8, dtype=int64))
nn.Conv2d(3, 4, 3)(ones(1, 3, 8, 8).double())
nn.ConvTranspose2d(3, 4, 3)(ones(1, 2, 8, 8))
nn.ConvTranspose2d(3, 4, 3, stride=2)(ones(1, 3, 4, 4), output_size=(20, 20))
nn.ConvTranspose2d(3, 4, 3, stride=2)(ones(1, 3, 4, 4), output_size=(20, ))
nn.ConvTranspose2d(3, 4, 3, output_padding=2)(ones(1, 3, 4, 4))
nn.ConvTranspose2d(3, 4, 3, padding_mode="circular")
nn.BatchNorm2d(3)(ones(2, 3))
nn.BatchNorm2d(3)(ones(2, 4, 5, 5))
nn.BatchNorm1d(3)(ones(1, 3))
nn.BatchNorm1d(3)(ones(2, 3, 4, 4))
nn.InstanceNorm2d(3)(ones(2, 3))
nn.InstanceNorm2d(3, affine=True)(ones(2, 4, 5, 5))
nn.InstanceNorm1d(3)(ones(2, 3, 1))
nn.LayerNorm(4)(ones(2, 3))
nn.LayerNorm((3, 4))(ones(3, 3))
nn.GroupNorm(3, 4)
nn.GroupNorm(2, 4)(ones(2, 3, 5))
nn.GroupNorm(2, 4)(ones(4))
nn.RMSNorm(4)(ones(2, 3))
nn.Embedding(5, 3)(tensor([5]))
nn.Embedding(5, 3)(tensor([-1]))
nn.Embedding(5, 3)(tensor([1.5]))
nn.Embedding(5, 3, padding_idx=5)
nn.Embedding(5, 3, padding_idx=-6)
nn.Embedding(5, 3, _weight=ones(3, 5))
nn.Embedding.from_pretrained(ones(3))
nn.EmbeddingBag(5, 3)(tensor([1, 2]))
nn.EmbeddingBag(5, 3)(tensor([[1, 2]]), tensor([0]))
nn.EmbeddingBag(5, 3, mode="x")(tensor([[1, 2]]))
nn.MaxPool2d(3)(ones(1, 3, 2, 2))
nn.MaxPool2d(2, padding=2)(ones(1, 3, 4, 4))
nn.MaxPool2d(2)(ones(4, 4))
nn.MaxPool2d(2, stride=0)(ones(1, 4, 4))
nn.AvgPool2d(3)(ones(1, 2, 2))
nn.AvgPool2d(2, padding=2)(ones(1, 4, 4))
nn.AdaptiveAvgPool2d(-1)(ones(1, 4, 4))
nn.AdaptiveMaxPool1d(2)(ones(4))
nn.FractionalMaxPool2d(2)
nn.FractionalMaxPool2d(2, output_size=2, output_ratio=0.5)
nn.FractionalMaxPool2d(2, output_ratio=1.5)
nn.FractionalMaxPool2d(2, output_size=9)(ones(1, 4, 4))
nn.MaxUnpool2d(2)(ones(1, 2, 2), tensor([[[0, 1], [2, 99]]]))
nn.MaxUnpool2d(2)(ones(1, 2, 2), tensor([[0, 1]]))
nn.MaxUnpool2d(2)(ones(1, 2, 2), tensor([[[0, 1], [2, 3]]]), output_size=(9, 9))
nn.Dropout(1.5)
nn.Dropout(-0.1)
nn.Dropout1d()(ones(3))
nn.Softmax2d()(ones(3, 3))
nn.Hardtanh(1.0, -1.0)
nn.PReLU(3)(ones(2, 4))
nn.GLU()(ones(3, 3))
nn.Flatten(2, 1)(ones(2, 3, 4))
nn.Unflatten(1, (2, 2))(ones(2, 6))
nn.Unflatten(1, 5)
nn.PixelShuffle(2)(ones(1, 3, 2, 2))
nn.PixelUnshuffle(2)(ones(1, 3, 3, 2))
nn.ChannelShuffle(2)(ones(1, 3, 2, 2))
nn.Fold((4, 5), (2, 2))(ones(1, 8, 11))
nn.Fold((4, 5), (2, 2))(ones(1, 7, 12))
nn.Unfold(3)(ones(1, 2, 2, 2))
nn.Upsample()(ones(1, 1, 2, 2))
nn.Upsample(3, 2)(ones(1, 1, 2, 2))
nn.Upsample(3, mode="linear")(ones(1, 1, 2, 2))
nn.Upsample(3, mode="x")(ones(1, 1, 2, 2))
nn.Upsample(3, align_corners=True)(ones(1, 1, 2, 2))
nn.ReflectionPad2d(5)(ones(1, 1, 2, 2))
nn.ZeroPad2d(-3)(ones(1, 2, 2))
nn.ReplicationPad1d(1)(ones(2))
nn.CircularPad1d(5)(ones(1, 2))
nn.CrossEntropyLoss()(ones(2, 3), tensor([0, 3]))
nn.CrossEntropyLoss()(ones(2, 3), tensor([0, 1, 2]))
nn.CrossEntropyLoss()(ones(2, 3), ones(2, 4))
nn.CrossEntropyLoss()(ones(2, 3), tensor([0, 1]).int())
nn.CrossEntropyLoss(ones(4))(ones(2, 3), tensor([0, 1]))
nn.CrossEntropyLoss(reduction="x")(ones(2, 3), tensor([0, 1]))
nn.CrossEntropyLoss(label_smoothing=2.0)(ones(2, 3), tensor([0, 1]))
nn.NLLLoss()(ones(2, 3), tensor([0, -1]))
nn.MSELoss()(ones(2, 3), ones(2, 4))
nn.MSELoss(reduction="x")(ones(2), ones(2))
nn.BCELoss()(ones(2, 3), ones(3, 2))
nn.BCELoss()(ones(2)*2, ones(2))
nn.BCEWithLogitsLoss()(ones(2, 3), ones(3, 2))
nn.KLDivLoss(reduction="x")(ones(2), ones(2))
nn.GaussianNLLLoss()(ones(2), ones(2), -ones(2))
nn.HuberLoss(delta=0)(ones(2), ones(2))
nn.SmoothL1Loss(beta=-1.0)(ones(2), ones(2))
nn.MultiMarginLoss(p=3)
nn.MultiMarginLoss(weight=ones(2, 2))
nn.TripletMarginLoss(margin=-1.0)
nn.TripletMarginLoss()(ones(2, 3), ones(2, 3), ones(3))
nn.TripletMarginWithDistanceLoss(margin=0.0)
nn.CosineEmbeddingLoss()(ones(2, 3), ones(2, 3), ones(2, 1))
nn.MultiLabelMarginLoss()(ones(2, 3), tensor([[0, 1]]))
nn.CTCLoss()(ones(5, 2, 4), tensor([[1, 2], [1, 3]]), tensor([9, 5]), tensor([2, 2]))
nn.AdaptiveLogSoftmaxWithLoss(4, 8, [])
nn.AdaptiveLogSoftmaxWithLoss(4, 8, [3, 3])
nn.AdaptiveLogSoftmaxWithLoss(4, 8, [3, 8])
nn.AdaptiveLogSoftmaxWithLoss(4, 8, [3])(ones(2, 4), tensor([0, 8]))
nn.AdaptiveLogSoftmaxWithLoss(4, 8, [3])(ones(2, 4), tensor([0]))
nn.AdaptiveLogSoftmaxWithLoss(4, 8, [3])(ones(2, 2, 4), tensor([0, 1]))
nn.LinearCrossEntropyLoss(3, 4, weight=ones(3))
nn.LinearCrossEntropyLoss(3, 4, label_smoothing=-1.0)
nn.LocalResponseNorm(2)(ones(2, 3))
nn.CosineSimilarity(3)(ones(2, 3), ones(2, 3))
nn.PairwiseDistance()(ones(2, 3), ones(2, 4))
"""

OTHERWISE = {  # PyTorch has an IndexError or ValueError of its Python wrapper here
    "nn.AvgPool2d(2)(ones(4, 4))": RuntimeError,
    "nn.AdaptiveAvgPool2d((2, 2))(ones(4, 4))": RuntimeError,
    "nn.AdaptiveAvgPool2d((2, 2, 2))(ones(1, 4, 4))": RuntimeError,
}

OURS_ONLY = """
nn.Conv2d(4, 4, (3, 3, 3))
nn.Unflatten("a", (2, 2))
nn.ReflectionPad2d((1, 2, 3))
nn.ConstantPad1d((1, 2, 3), 0.0)
nn.CTCLoss()(ones(5, 2, 4), tensor([[1, 2], [1, 5]]), tensor([5, 5]), tensor([2, 2]))
"""  # which PyTorch builds, or computes something with


def call(library, line):
    names = {"nn": library.nn, "ones": library.ones, "tensor": library.tensor, "int64": library.int64}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(line, names)


def lines(text):
    return pytest.mark.parametrize("line", text.strip().split("\n"))


@lines(REFUSED)
def test_refused_with_the_same_kind_of_error(line):
    mine, theirs = (
        refusal(lambda library: call(library, line), retrograd),
        refusal(lambda library: call(library, line), torch),
    )
    assert type(mine) is type(theirs), (
        f"{type(mine).__name__}: {mine}\ninstead of {type(theirs).__name__}: {theirs}"
    )


@pytest.mark.parametrize("line", OTHERWISE)
def test_refused_with_another_kind_of_error(line):
    assert type(refusal(lambda library: call(library, line), retrograd)) is OTHERWISE[line]
    refusal(lambda library: call(library, line), torch)


@lines(OURS_ONLY)
def test_refused_by_us_alone(line):
    assert isinstance(
        refusal(lambda library: call(library, line), retrograd), ValueError | TypeError | RuntimeError
    )
    call(torch, line)


@pytest.mark.parametrize(("line", "parts"), [
    ("nn.Linear(3, 4)(ones(2, 5))", ["linear", "[2, 5]", "[4, 3]", "in_features"]),
    ("nn.Linear(3, 4)(ones(2, 3).double())", ["linear", "float64", "float32", ".to()"]),
    ("nn.Conv2d(3, 4, 3)(ones(1, 2, 8, 8))", ["conv2d", "3 channels", "2 channels", "[1, 2, 8, 8]",
    "[4, 3, 3, 3]"]),
    ("nn.Conv2d(3, 4, 3)(ones(1, 3, 2, 2))", ["conv2d", "(2 x 2)", "(3 x 3)"]),
    ("nn.BatchNorm1d(3)(ones(1, 3))", ["more than 1 value per channel when training", "[1, 3]"]),
    ("nn.LayerNorm(4)(ones(2, 3))", ["layer_norm", "[*, 4]", "[2, 3]"]),
    ("nn.Embedding(5, 3)(tensor([7]))", ["embedding", "7", "table of 5 rows"]),
    ("nn.CrossEntropyLoss()(ones(2, 3), tensor([0, 3]))", ["Target 3 is out of bounds", "3 classes",
    "0 to 2"]),
    ("nn.MaxPool2d(3)(ones(1, 3, 2, 2))", ["max_pool2d", "[2, 2]", "[0, 0]", "too small"]),
    ("nn.ConvTranspose2d(3, 4, 3, stride=2)(ones(1, 3, 4, 4), output_size=(20,))",
     ["ConvTranspose2d", "2 or 4 elements", "got 1"]),
    ("nn.GRU(3, 4)(ones(2, 1, 5))", ["input_size", "Expected 3, got 5", "GRU", "[2, 1, 5]"]),
])  # fmt: skip
def test_texts_name_the_operation_the_shapes_and_the_remedy(line, parts):
    text = str(refusal(lambda library: call(library, line), retrograd))
    assert [p for p in parts if p not in text] == [], text


@pytest.mark.parametrize("layer", [
    "Linear(4, 4)", "Conv2d(3, 4, 3)", "BatchNorm2d(3)", "ReLU()", "Sigmoid()", "Flatten()", "MaxPool2d(2)",
    "LayerNorm(4)",
    "Softmax(1)", "Dropout()", "LSTM(3, 4)", "Embedding(3, 4)", "GELU()", "AdaptiveAvgPool2d(1)",
])  # fmt: skip
def test_what_is_no_tensor(layer):
    """A forgotten return gives None to the next layer: each says so."""
    name = layer.partition("(")[0]
    for value, remedy in ((None, "does the forward"), ([1.0], "make one with torch.tensor")):
        with pytest.raises(TypeError, match=rf"{name}: argument 1 must be a Tensor, not .*{remedy}"):
            eval(f"nn.{layer}", {"nn": retrograd.nn})(value)


def test_what_is_no_tensor_in_a_model():
    class Forgetful(retrograd.nn.Module):
        def forward(self, x):
            x * 2

    model = retrograd.nn.Sequential(Forgetful(), retrograd.nn.Linear(2, 2))
    with pytest.raises(TypeError, match="Linear: argument 1 must be a Tensor, not NoneType"):
        model(retrograd.ones(1, 2))
    with pytest.raises(TypeError, match=r"ReLU: .*convert it with torch.from_numpy"):
        retrograd.nn.ReLU()(np.ones(2))


def test_errors_of_the_users_own_modules_stay_as_they_are():
    class Buggy(retrograd.nn.Module):
        def forward(self, x):
            return x.missing

    for module in (Buggy(), retrograd.nn.Sequential(Buggy())):
        with pytest.raises(AttributeError, match="'dict' object has no attribute 'missing'"):
            module({})
