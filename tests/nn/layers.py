"""One table of layers: how each is built and what it is given. tests/nn/test_layers.py walks it."""

import numpy as np

_seed = 0


def x(*shape, low=-2.0, high=2.0):
    """Floating input, differentiated."""
    global _seed
    _seed += 1
    return np.random.default_rng(_seed).uniform(low, high, shape)


def unit(*shape):
    """Floating input between 0 and 1."""
    return x(*shape, low=0.05, high=0.95)


def whole(*shape, low=0, high=4):
    """Whole numbers."""
    global _seed
    _seed += 1
    return np.random.default_rng(_seed).integers(low, high, shape)


def signs(*shape):
    """-1.0 and 1.0, not differentiated."""
    return Fixed(whole(*shape, low=0, high=2) * 2.0 - 1)


class Fixed:
    """A floating input that is not differentiated."""

    def __init__(self, array):
        self.array = np.asarray(array)


class Layer:
    """One case: `nn.<name>(*args, **kwargs)` called with `inputs` and the keywords `call`."""

    tol = None
    why = None

    def __init__(self, name, *args, inputs, call=None, **kwargs):
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.inputs = inputs
        self.call = call or {}

    def within(self, tol, why):
        """This case, compared less closely in float64, and the reason."""
        self.tol, self.why = tol, why
        return self

    def build(self, library):
        def own(value):  # arguments that are tensors or layers are made by each library
            return value(library) if callable(value) else value

        kwargs = {k: own(v) for k, v in self.kwargs.items()}
        return getattr(library.nn, self.name)(*map(own, self.args), **kwargs)

    def __repr__(self):
        given = [*map(_show, self.args), *(f"{k}={_show(v)}" for k, v in self.kwargs.items())]
        shapes = " ".join(_shape(i) for i in self.inputs)
        return f"{self.name}({', '.join(given)})({shapes})"


def _show(value):
    return value.__name__ if callable(value) else str(value)


def _shape(value):
    if isinstance(value, tuple):
        return f"({', '.join(map(_shape, value))})"
    array = value.array if isinstance(value, Fixed) else value
    return "x".join(map(str, np.shape(array))) or "()"


def tensor(values):
    """An argument that is a tensor."""

    def make(library):
        return library.tensor(values)

    make.__name__ = str(values)
    return make


def _encoder_layer(library):
    return library.nn.TransformerEncoderLayer(8, 2, 16)


def _decoder_layer(library):
    return library.nn.TransformerDecoderLayer(8, 2, 16)


def _norm(library):
    return library.nn.LayerNorm(8)


ELEMENTWISE = [
    "ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Sigmoid", "Tanh", "LogSigmoid", "Softsign",
    "Tanhshrink", "ELU", "CELU", "GELU", "LeakyReLU", "Hardtanh", "Hardshrink", "Softshrink", "Softplus",
    "RReLU",
]  # fmt: skip

ACTIVATIONS = [
    *[Layer(name, inputs=[x(3, 4)]) for name in ELEMENTWISE],
    Layer("Hardsigmoid", inputs=[x(3, 4)]).within(1e-7, "PyTorch's gradient has 1/6 in float32"),
    Layer("ReLU", inplace=False, inputs=[x(2)]),
    Layer("ELU", 0.5, inputs=[x(3, 4)]),
    Layer("CELU", alpha=0.7, inputs=[x(3, 4)]).within(1e-7, "PyTorch's gradient has 1/alpha in float32"),
    Layer("GELU", approximate="tanh", inputs=[x(3, 4)]),
    Layer("LeakyReLU", 0.3, inputs=[x(3, 4)]),
    Layer("RReLU", 0.2, 0.6, inputs=[x(3, 4)]),
    Layer("Hardtanh", -0.5, 0.25, inputs=[x(3, 4)]),
    Layer("Hardshrink", 1.0, inputs=[x(3, 4)]),
    Layer("Softshrink", 0.8, inputs=[x(3, 4)]),
    Layer("Softplus", 2.0, 1.5, inputs=[x(3, 4)]),
    Layer("Threshold", 0.3, -4.0, inputs=[x(3, 4)]),
    Layer("PReLU", inputs=[x(3, 4)]),
    Layer("PReLU", 4, 0.1, inputs=[x(3, 4, 2)]),
    Layer("GLU", inputs=[x(3, 4)]),
    Layer("GLU", 0, inputs=[x(4, 3)]),
    Layer("Softmax", 1, inputs=[x(3, 4)]),
    Layer("Softmax", dim=0, inputs=[x(3, 4)]),
    Layer("LogSoftmax", -1, inputs=[x(3, 4)]),
    Layer("Softmin", 1, inputs=[x(3, 4)]),
    Layer("Softmax2d", inputs=[x(2, 3, 2, 2)]),
    Layer("Softmax2d", inputs=[x(3, 2, 2)]),
]

LINEAR = [
    Layer("Identity", 3, some="thing", inputs=[x(2, 3)]),
    Layer("Linear", 3, 4, inputs=[x(2, 3)]),
    Layer("Linear", 3, 4, bias=False, inputs=[x(2, 2, 3)]),
    Layer("Linear", 3, 1, inputs=[x(3)]),
    Layer("Linear", 0, 2, inputs=[x(3, 0)]),
    Layer("Bilinear", 3, 4, 5, inputs=[x(2, 3), x(2, 4)]),
    Layer("Bilinear", 3, 4, 2, bias=False, inputs=[x(2, 2, 3), x(2, 2, 4)]),
    Layer("Flatten", inputs=[x(2, 3, 4)]),
    Layer("Flatten", 0, 1, inputs=[x(2, 3, 4)]),
    Layer("Unflatten", 1, (2, 3), inputs=[x(2, 6)]),
    Layer("Unflatten", -1, [2, -1], inputs=[x(2, 6)]),
    Layer("Embedding", 5, 3, inputs=[whole(2, 4)]),
    Layer("Embedding", 5, 3, padding_idx=1, inputs=[whole(2, 4)]),
    Layer("Embedding", 5, 3, padding_idx=-1, max_norm=1.0, norm_type=1.0, inputs=[whole(7)]),
    Layer("Embedding", 5, 3, scale_grad_by_freq=True, inputs=[whole(9)]),
    Layer("EmbeddingBag", 5, 3, inputs=[whole(2, 4)]),
    Layer("EmbeddingBag", 5, 3, mode="sum", padding_idx=2, inputs=[whole(7), np.array([0, 2, 2, 5])]),
    Layer(
        "EmbeddingBag", 5, 3, mode="max", include_last_offset=True, inputs=[whole(7), np.array([0, 2, 5, 7])]
    ),
    Layer(
        "EmbeddingBag",
        5,
        3,
        mode="sum",
        max_norm=1.0,
        inputs=[whole(2, 3)],
        call={"per_sample_weights": x(2, 3)},
    ),
    Layer("CosineSimilarity", inputs=[x(2, 3), x(2, 3)]),
    Layer("CosineSimilarity", 0, 1e-3, inputs=[x(2, 3), x(2, 3)]),
    Layer("PairwiseDistance", inputs=[x(2, 3), x(2, 3)]),
    Layer("PairwiseDistance", 1.0, 1e-3, True, inputs=[x(2, 3), x(2, 3)]),
]

CONVOLUTIONS = [
    Layer("Conv1d", 2, 3, 3, inputs=[x(2, 2, 7)]),
    Layer("Conv1d", 2, 4, 3, 2, 1, 2, 2, inputs=[x(2, 2, 9)]),
    Layer("Conv1d", 2, 3, 3, padding="same", bias=False, inputs=[x(2, 7)]),
    Layer("Conv1d", 2, 3, 4, padding="same", dilation=2, padding_mode="circular", inputs=[x(2, 2, 9)]),
    Layer("Conv2d", 2, 3, 3, inputs=[x(2, 2, 5, 6)]),
    Layer("Conv2d", 2, 3, (2, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2), inputs=[x(2, 2, 5, 6)]),
    Layer("Conv2d", 4, 6, 3, groups=2, padding=1, padding_mode="reflect", inputs=[x(1, 4, 5, 5)]),
    Layer(
        "Conv2d", 4, 4, 3, groups=4, padding=1, padding_mode="replicate", bias=False, inputs=[x(1, 4, 5, 5)]
    ),
    Layer("Conv2d", 2, 3, 3, padding="valid", inputs=[x(2, 5, 5)]),
    Layer("Conv2d", 2, 3, (2, 3), padding=(1, 2), padding_mode="circular", inputs=[x(1, 2, 5, 5)]),
    Layer("Conv3d", 2, 3, 2, inputs=[x(1, 2, 3, 4, 3)]),
    Layer("Conv3d", 2, 2, (1, 2, 3), (1, 2, 1), (0, 1, 1), groups=2, inputs=[x(1, 2, 3, 4, 3)]),
    Layer("ConvTranspose1d", 2, 3, 3, inputs=[x(2, 2, 5)]),
    Layer("ConvTranspose1d", 2, 4, 3, 2, 1, 1, 2, False, 2, inputs=[x(2, 2, 5)]),
    Layer("ConvTranspose1d", 2, 3, 3, stride=2, inputs=[x(2, 2, 5)], call={"output_size": [12]}),
    Layer("ConvTranspose2d", 2, 3, 3, inputs=[x(2, 2, 3, 4)]),
    Layer("ConvTranspose2d", 2, 4, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, inputs=[x(2, 2, 3, 4)]),
    Layer(
        "ConvTranspose2d", 2, 3, 3, stride=2, padding=1, inputs=[x(1, 2, 3, 3)], call={"output_size": (6, 5)}
    ),
    Layer("ConvTranspose2d", 2, 3, 3, stride=2, inputs=[x(2, 3, 3)], call={"output_size": (3, 8, 7)}),
    Layer("ConvTranspose3d", 2, 3, 2, inputs=[x(1, 2, 2, 3, 2)]),
    Layer("ConvTranspose3d", 2, 2, 2, stride=2, output_padding=1, dilation=2, inputs=[x(1, 2, 2, 2, 2)]),
]

NORMS = [
    Layer("BatchNorm1d", 3, inputs=[x(4, 3)]),
    Layer("BatchNorm1d", 3, eps=1e-3, momentum=0.3, inputs=[x(4, 3, 5)]),
    Layer("BatchNorm1d", 3, momentum=None, inputs=[x(4, 3)]),
    Layer("BatchNorm1d", 3, affine=False, inputs=[x(4, 3)]),
    Layer("BatchNorm1d", 3, track_running_stats=False, inputs=[x(4, 3)]),
    Layer("BatchNorm1d", 3, bias=False, inputs=[x(4, 3)]),
    Layer("BatchNorm2d", 3, inputs=[x(2, 3, 4, 4)]),
    Layer("BatchNorm3d", 2, inputs=[x(2, 2, 2, 3, 2)]),
    Layer("InstanceNorm1d", 3, inputs=[x(2, 3, 5)]),
    Layer("InstanceNorm1d", 3, affine=True, inputs=[x(3, 5)]),
    Layer("InstanceNorm2d", 3, affine=True, track_running_stats=True, inputs=[x(2, 3, 4, 4)]),
    Layer("InstanceNorm2d", 3, inputs=[x(3, 4, 4)]),
    Layer("InstanceNorm3d", 2, affine=True, momentum=0.4, inputs=[x(2, 2, 2, 3, 2)]),
    Layer("LayerNorm", 4, inputs=[x(2, 3, 4)]),
    Layer("LayerNorm", (3, 4), eps=1e-3, inputs=[x(2, 3, 4)]),
    Layer("LayerNorm", [4], bias=False, inputs=[x(2, 4)]),
    Layer("LayerNorm", 4, elementwise_affine=False, inputs=[x(2, 4)]),
    Layer("GroupNorm", 2, 4, inputs=[x(2, 4, 3)]),
    Layer("GroupNorm", 4, 4, eps=1e-3, inputs=[x(2, 4, 3, 3)]),
    Layer("GroupNorm", 1, 4, affine=False, inputs=[x(2, 4, 3)]),
    Layer("GroupNorm", 2, 4, bias=False, inputs=[x(2, 4, 3)]),
    Layer("RMSNorm", 4, inputs=[x(2, 3, 4)]),
    Layer("RMSNorm", (3, 4), eps=1e-3, inputs=[x(2, 3, 4)]),
    Layer("RMSNorm", 4, elementwise_affine=False, inputs=[x(2, 4)]),
    Layer("LocalResponseNorm", 2, inputs=[x(2, 5, 3)]),
    Layer("LocalResponseNorm", 3, 0.1, 0.6, 2.0, inputs=[x(2, 5, 3, 3)]),
    Layer("CrossMapLRN2d", 3, inputs=[Fixed(x(2, 2, 3, 3))]),
    Layer("CrossMapLRN2d", 5, 0.1, 0.6, 2.0, inputs=[Fixed(x(1, 3, 2, 3))]),
]

POOLS = [
    Layer("MaxPool1d", 2, inputs=[x(2, 3, 7)]),
    Layer("MaxPool1d", 3, 2, 1, 2, ceil_mode=True, inputs=[x(3, 9)]),
    Layer("MaxPool2d", 2, inputs=[x(2, 3, 5, 6)]),
    Layer("MaxPool2d", (3, 2), stride=(2, 1), padding=(1, 0), inputs=[x(2, 3, 5, 6)]),
    Layer("MaxPool2d", 2, return_indices=True, inputs=[x(2, 3, 4, 4)]),
    Layer("MaxPool3d", 2, inputs=[x(1, 2, 4, 4, 5)]),
    Layer("MaxPool3d", (1, 2, 2), 2, ceil_mode=True, inputs=[x(2, 3, 5, 4)]),
    Layer("AvgPool1d", 2, inputs=[x(2, 3, 7)]),
    Layer("AvgPool1d", 3, 2, 1, True, False, inputs=[x(3, 8)]),
    Layer("AvgPool2d", 2, inputs=[x(2, 3, 5, 6)]),
    Layer("AvgPool2d", (3, 2), 2, 1, True, False, inputs=[x(2, 3, 5, 6)]),
    Layer("AvgPool2d", 3, divisor_override=5, inputs=[x(3, 5, 6)]),
    Layer("AvgPool3d", 2, inputs=[x(1, 2, 4, 4, 5)]),
    Layer("AvgPool3d", 3, 2, 1, divisor_override=2, inputs=[x(2, 5, 4, 5)]),
    Layer("AdaptiveAvgPool1d", 3, inputs=[x(2, 3, 7)]),
    Layer("AdaptiveAvgPool2d", (2, None), inputs=[x(2, 3, 5, 4)]),
    Layer("AdaptiveAvgPool2d", 3, inputs=[x(3, 5, 4)]),
    Layer("AdaptiveAvgPool3d", (1, 2, 3), inputs=[x(1, 2, 3, 4, 5)]),
    Layer("AdaptiveMaxPool1d", 3, inputs=[x(2, 3, 7)]),
    Layer("AdaptiveMaxPool2d", (2, 3), inputs=[x(2, 3, 5, 4)]),
    Layer("AdaptiveMaxPool2d", 2, return_indices=True, inputs=[x(3, 5, 4)]),
    Layer("AdaptiveMaxPool3d", 2, inputs=[x(1, 2, 3, 4, 5)]),
    Layer("LPPool1d", 2, 3, inputs=[x(2, 3, 7)]),
    Layer("LPPool2d", 3, (2, 3), 1, inputs=[x(2, 3, 5, 4, low=0.1)]),
    Layer("LPPool2d", 2, 2, ceil_mode=True, inputs=[x(2, 3, 5, 5)]),
    Layer("LPPool3d", 2, 2, inputs=[x(1, 2, 4, 4, 4)]),
    Layer("MaxUnpool1d", 2, inputs=[x(2, 3), np.array([[0, 3, 4], [1, 2, 5]])]),
    Layer("MaxUnpool1d", 2, inputs=[x(1, 1, 3), np.array([[[0, 3, 6]]])], call={"output_size": (7,)}),
    Layer("MaxUnpool2d", 2, inputs=[x(1, 1, 2, 2), np.array([[[[0, 6], [8, 15]]]])]),
    Layer("MaxUnpool2d", 2, 1, 0, inputs=[x(1, 2, 2), np.array([[[0, 5], [6, 8]]])]),
    Layer("MaxUnpool3d", 2, inputs=[x(1, 1, 1, 2, 1), np.array([[[[[3], [15]]]]])]),
    Layer("FractionalMaxPool2d", 2, output_size=(2, 3), inputs=[x(2, 3, 5, 7)]),
    Layer("FractionalMaxPool2d", (2, 3), output_ratio=(0.5, 0.6), inputs=[x(1, 6, 7)]),
    Layer("FractionalMaxPool2d", 2, output_size=2, return_indices=True, inputs=[x(1, 2, 5, 5)]),
    Layer("FractionalMaxPool3d", 2, output_ratio=0.5, inputs=[x(1, 2, 5, 6, 5)]),
    Layer("FractionalMaxPool3d", 2, output_size=(2, 2, 3), inputs=[x(1, 5, 6, 5)]),
]

REARRANGING = [
    Layer("PixelShuffle", 2, inputs=[x(1, 8, 2, 3)]),
    Layer("PixelUnshuffle", 2, inputs=[x(1, 2, 4, 6)]),
    Layer("ChannelShuffle", 2, inputs=[x(1, 4, 2, 2)]),
    Layer("Fold", (4, 5), (2, 2), inputs=[x(1, 8, 12)]),
    Layer("Fold", (4, 5), (2, 3), dilation=1, padding=1, stride=2, inputs=[x(1, 6, 9)]),
    Layer("Unfold", (2, 3), inputs=[x(1, 2, 4, 5)]),
    Layer("Unfold", 2, 2, 1, 2, inputs=[x(1, 2, 4, 5)]),
    Layer("Upsample", scale_factor=2, inputs=[x(1, 2, 3, 3)]),
    Layer("Upsample", (4, 5), mode="bilinear", align_corners=True, inputs=[x(1, 2, 3, 3)]),
    Layer("Upsample", scale_factor=(1.5, 2.0), mode="bicubic", inputs=[x(1, 2, 4, 3)]),
    Layer("Upsample", scale_factor=2, mode="linear", inputs=[x(1, 2, 3)]),
    Layer(
        "Upsample", scale_factor=1.5, mode="trilinear", recompute_scale_factor=True, inputs=[x(1, 1, 2, 3, 3)]
    ),
    Layer("UpsamplingNearest2d", scale_factor=2, inputs=[x(1, 2, 3, 3)]),
    Layer("UpsamplingBilinear2d", size=(4, 4), inputs=[x(1, 2, 3, 3)]),
    *[
        Layer(f"{kind}Pad{n}d", padding, *rest, inputs=[x(1, 2, *(4, 5, 4)[:n])])
        for kind, rest in {
            "Constant": [2.5],
            "Zero": [],
            "Reflection": [],
            "Replication": [],
            "Circular": [],
        }.items()
        for n in (1, 2, 3)
        for padding in (1, tuple(range(1, 3)) * n)
    ],
    Layer("ConstantPad2d", (1, -1, 0, 2), 3.0, inputs=[x(2, 4, 4)]),
    Layer("ZeroPad2d", (-1, 0, 1, 1), inputs=[x(2, 4, 4)]),
]

DROPOUTS = [
    Layer("Dropout", inputs=[x(4, 6)]),
    Layer("Dropout", 0.2, inputs=[x(4, 6)]),
    Layer("Dropout", 0.0, inputs=[x(4, 6)]),
    Layer("Dropout", 1.0, inputs=[x(4, 6)]),
    Layer("Dropout1d", inputs=[x(2, 6, 3)]),
    Layer("Dropout1d", 0.3, inputs=[x(6, 3)]),
    Layer("Dropout2d", inputs=[x(2, 6, 3, 2)]),
    Layer("Dropout3d", 0.3, inputs=[x(2, 6, 3, 2, 2)]),
    Layer("AlphaDropout", 0.3, inputs=[x(4, 6)]),
    Layer("FeatureAlphaDropout", 0.3, inputs=[x(2, 6, 3)]),
]

_probabilities = unit(3, 4)

LOSSES = [
    *[
        Layer(name, reduction=reduction, inputs=[x(3, 4), x(3, 4)])
        for name in ("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss")
        for reduction in ("mean", "sum", "none")
    ],
    Layer("L1Loss", size_average=False, inputs=[x(3), x(3)]),
    Layer("SmoothL1Loss", beta=0.5, inputs=[x(3, 4), x(3, 4)]),
    Layer("HuberLoss", delta=0.3, inputs=[x(3, 4), x(3, 4)]),
    Layer("CrossEntropyLoss", inputs=[x(3, 4), whole(3)]),
    Layer("CrossEntropyLoss", reduction="sum", label_smoothing=0.2, inputs=[x(3, 4, 2), whole(3, 2)]),
    Layer("CrossEntropyLoss", tensor([0.2, 1.0, 0.5, 2.0]), ignore_index=1, inputs=[x(5, 4), whole(5)]),
    Layer("CrossEntropyLoss", reduction="none", inputs=[x(3, 4), unit(3, 4)]),
    Layer("NLLLoss", inputs=[x(3, 4), whole(3)]),
    Layer("NLLLoss", tensor([0.2, 1.0, 0.5, 2.0]), ignore_index=2, inputs=[x(3, 4, 2), whole(3, 2)]),
    Layer("PoissonNLLLoss", inputs=[x(3, 4), unit(3, 4)]),
    Layer("PoissonNLLLoss", log_input=False, full=True, eps=1e-3, inputs=[unit(3, 4), x(3, 4, low=0.5,
    high=5.0)]),
    Layer("GaussianNLLLoss", inputs=[x(3, 4), x(3, 4), unit(3, 4)]),
    Layer("GaussianNLLLoss", full=True, eps=0.2, reduction="sum", inputs=[x(3, 4), x(3, 4), unit(3, 1)]),
    Layer("KLDivLoss", reduction="batchmean", inputs=[x(3, 4), unit(3, 4)]),
    Layer("KLDivLoss", reduction="sum", log_target=True, inputs=[x(3, 4), x(3, 4)]),
    Layer("BCELoss", inputs=[unit(3, 4), unit(3, 4)]),
    Layer("BCELoss", tensor([0.5, 1.0, 2.0, 1.5]), reduction="sum", inputs=[unit(3, 4),
    Fixed(_probabilities)]),
    Layer("BCEWithLogitsLoss", inputs=[x(3, 4), unit(3, 4)]),
    Layer("BCEWithLogitsLoss", tensor([0.5, 1.0, 2.0, 1.5]), pos_weight=tensor([1.0, 2.0, 3.0, 4.0]),
          inputs=[x(3, 4), unit(3, 4)]),
    Layer("HingeEmbeddingLoss", inputs=[x(3, 4), signs(3, 4)]),
    Layer("HingeEmbeddingLoss", 0.5, reduction="none", inputs=[x(3, 4), signs(3, 4)]),
    Layer("SoftMarginLoss", inputs=[x(3, 4), signs(3, 4)]),
    Layer("CosineEmbeddingLoss", inputs=[x(3, 4), x(3, 4), signs(3)]),
    Layer("CosineEmbeddingLoss", 0.3, reduction="sum", inputs=[x(3, 4), x(3, 4), signs(3)]),
    Layer("MarginRankingLoss", inputs=[x(3), x(3), signs(3)]),
    Layer("MarginRankingLoss", 0.5, reduction="none", inputs=[x(3), x(3), signs(3)]),
    Layer("MultiMarginLoss", inputs=[x(3, 4), whole(3)]),
    Layer("MultiMarginLoss", 2, 0.5, tensor([0.5, 1.0, 2.0, 1.5]), reduction="sum", inputs=[x(3, 4),
    whole(3)]),
    Layer("MultiLabelMarginLoss", inputs=[x(2, 4), np.array([[3, 0, -1, 1], [1, -1, 0, 2]])]),
    Layer("MultiLabelSoftMarginLoss", inputs=[x(2, 4), Fixed(whole(2, 4, high=2) * 1.0)]),
    Layer("MultiLabelSoftMarginLoss", tensor([0.5, 1.0, 2.0, 1.5]), reduction="none",
          inputs=[x(2, 4), Fixed(whole(2, 4, high=2) * 1.0)]),
    Layer("TripletMarginLoss", inputs=[x(3, 4), x(3, 4), x(3, 4)]),
    Layer("TripletMarginLoss", 0.5, 1.0, 1e-3, True, reduction="sum", inputs=[x(3, 4), x(3, 4), x(3, 4)]),
    Layer("TripletMarginWithDistanceLoss", inputs=[x(3, 4), x(3, 4), x(3, 4)]),
    Layer("TripletMarginWithDistanceLoss", margin=2.0, swap=True, reduction="none",
          inputs=[x(3, 4), x(3, 4), x(3, 4)]),
    Layer("AdaptiveLogSoftmaxWithLoss", 8, 12, [3, 7], div_value=2.0, inputs=[x(6, 8), np.array([0, 2, 3, 6,
    7, 11])]),
    Layer("AdaptiveLogSoftmaxWithLoss", 8, 12, (4,), head_bias=True, inputs=[x(3, 8), whole(3)]),
    Layer("AdaptiveLogSoftmaxWithLoss", 8, 12, [3, 7], inputs=[x(8), np.array(9)]),
    Layer("LinearCrossEntropyLoss", 3, 4, inputs=[x(5, 3), whole(5)]),
    Layer("LinearCrossEntropyLoss", 3, 4, out_features=(2,), bias=True, ignore_index=1, label_smoothing=0.1,
          weight=tensor([0.2, 1.0, 0.5, 2.0]), inputs=[x(5, 3), whole(5, 2)]),
    Layer("LinearCrossEntropyLoss", 3, 4, reduction="sum", inputs=[x(3), np.array(2)]),
    Layer("CTCLoss", inputs=[x(6, 2, 4), np.array([[1, 2, 1], [3, 1, 2]]), np.array([6, 5]), np.array([3,
    2])]),
    Layer("CTCLoss", 3, "sum", inputs=[x(6, 2, 4), np.array([1, 1, 0, 2]), np.array([6, 5]), np.array([2,
    2])]),
    Layer("CTCLoss", reduction="none", zero_infinity=True,
          inputs=[x(3, 2, 4), np.array([[1, 1, 1], [3, 1, 2]]), np.array([3, 3]), np.array([3, 3])]),
]  # fmt: skip

_states = {n: {"hx": x(n, 2, 5)} for n in (1, 2, 4)}
_pairs = {n: {"hx": (x(n, 2, 5), x(n, 2, 5))} for n in (1, 2, 4)}

RECURRENT = [
    *[
        Layer(name, 3, 5, *layers, inputs=[x(4, 2, 3)], **how)
        for name in ("RNN", "LSTM", "GRU")
        for layers, how in (
            ([], {}),
            ([2], {"dropout": 0.4}),
            ([], {"bidirectional": True}),
            ([], {"bias": False}),
            ([3], {"bidirectional": True, "batch_first": True, "dropout": 0.2, "bias": False}),
        )
    ],
    Layer("RNN", 3, 5, 2, "relu", True, True, inputs=[x(2, 4, 3)], call=_states[2]),
    Layer("RNN", 3, 5, nonlinearity="relu", bidirectional=True, inputs=[x(4, 2, 3)], call=_states[2]),
    Layer("GRU", 3, 5, 2, bidirectional=True, inputs=[x(4, 2, 3)], call=_states[4]),
    Layer("LSTM", 3, 5, 2, bidirectional=True, inputs=[x(4, 2, 3)], call=_pairs[4]),
    Layer("LSTM", 3, 5, proj_size=2, inputs=[x(4, 2, 3)], call={"hx": (x(1, 2, 2), x(1, 2, 5))}),
    Layer(
        "LSTM", 3, 5, 2, bias=False, proj_size=2, bidirectional=True, batch_first=True, inputs=[x(2, 4, 3)]
    ),
    Layer("RNN", 3, 5, inputs=[x(4, 3)]),
    Layer("GRU", 3, 5, batch_first=True, inputs=[x(4, 3)], call={"hx": x(1, 5)}),
    Layer("LSTM", 3, 5, bidirectional=True, inputs=[x(4, 3)], call={"hx": (x(2, 5), x(2, 5))}),
    Layer("LSTM", 3, 5, inputs=[x(1, 2, 3)]),
    *[Layer(name, 3, 5, inputs=[x(2, 3)]) for name in ("RNNCell", "LSTMCell", "GRUCell")],
    *[Layer(name, 3, 5, bias=False, inputs=[x(3)]) for name in ("RNNCell", "LSTMCell", "GRUCell")],
    Layer("RNNCell", 3, 5, nonlinearity="relu", inputs=[x(2, 3), x(2, 5)]),
    Layer("GRUCell", 3, 5, inputs=[x(3), x(5)]),
    Layer("LSTMCell", 3, 5, inputs=[x(2, 3), (x(2, 5), x(2, 5))]),
]

_causal = np.triu(np.full((4, 4), -np.inf), 1)
_padding = np.array([[False, False, True, True], [False, False, False, False]])
_qkv = [x(3, 2, 8), x(4, 2, 8), x(4, 2, 8)]

TRANSFORMERS = [
    Layer("MultiheadAttention", 8, 2, inputs=_qkv),
    Layer("MultiheadAttention", 8, 4, bias=False, inputs=_qkv, call={"need_weights": False}),
    Layer("MultiheadAttention", 8, 2, 0.3, inputs=_qkv, call={"average_attn_weights": False}),
    Layer("MultiheadAttention", 8, 2, 0.3, inputs=_qkv, call={"need_weights": False}),
    Layer("MultiheadAttention", 8, 2, add_bias_kv=True, add_zero_attn=True, inputs=_qkv,
          call={"key_padding_mask": _padding, "attn_mask": np.eye(3, 4) > 0}),
    Layer("MultiheadAttention", 8, 2, kdim=5, vdim=6, inputs=[x(3, 2, 8), x(4, 2, 5), x(4, 2, 6)]),
    Layer("MultiheadAttention", 8, 2, batch_first=True, inputs=[x(2, 3, 8), x(2, 4, 8), x(2, 4, 8)],
          call={"key_padding_mask": _padding}),
    Layer("MultiheadAttention", 8, 2, inputs=[x(3, 8), x(4, 8), x(4, 8)],
    call={"key_padding_mask": _padding[0]}),
    Layer("MultiheadAttention", 8, 2, inputs=_qkv, call={"attn_mask": x(4, 3, 4), "need_weights": False}),
    Layer("MultiheadAttention", 8, 2, inputs=[x(4, 2, 8)] * 3, call={"attn_mask": Fixed(_causal),
    "is_causal": True}),
    Layer("TransformerEncoderLayer", 8, 2, 16, inputs=[x(4, 2, 8)]),
    Layer("TransformerEncoderLayer", 8, 2, 16, 0.0, "gelu", norm_first=True, bias=False, inputs=[x(4, 2, 8)],
          call={"src_mask": Fixed(_causal), "is_causal": True}),
    Layer("TransformerEncoderLayer", 8, 2, 16, batch_first=True, inputs=[x(2, 4, 8)],
          call={"src_key_padding_mask": _padding}),
    Layer("TransformerDecoderLayer", 8, 2, 16, inputs=[x(3, 2, 8), x(4, 2, 8)]),
    Layer("TransformerDecoderLayer", 8, 2, 16, norm_first=True, layer_norm_eps=1e-3, inputs=[x(4, 2, 8),
    x(4, 2, 8)],
          call={"tgt_mask": Fixed(_causal), "tgt_is_causal": True, "memory_key_padding_mask": _padding}),
    Layer("TransformerEncoder", _encoder_layer, 2, norm=_norm, inputs=[x(4, 2, 8)],
    call={"mask": Fixed(_causal)}),
    Layer("TransformerDecoder", _decoder_layer, 2, inputs=[x(3, 2, 8), x(4, 2, 8)]),
    Layer("Transformer", 8, 2, 2, 1, 16, inputs=[x(4, 2, 8), x(3, 2, 8)],
          call={"src_mask": Fixed(_causal), "src_key_padding_mask": _padding}),
    Layer("Transformer", 8, 2, 1, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True, bias=False,
          inputs=[x(2, 4, 8), x(2, 4, 8)], call={"tgt_mask": Fixed(_causal)}),
    Layer("Transformer", 8, 2, 1, 1, 16, inputs=[x(4, 8), x(3, 8)]),
]  # fmt: skip

LAYERS = [
    *ACTIVATIONS, *LINEAR, *CONVOLUTIONS, *NORMS, *POOLS, *REARRANGING, *DROPOUTS, *LOSSES, *RECURRENT,
    *TRANSFORMERS,
]  # fmt: skip
