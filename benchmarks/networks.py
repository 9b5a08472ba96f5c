"""`python -m benchmarks --only networks [--only PATTERN ...]`: training steps of networks of many kinds.

Each is a whole step (forward, backward, optimizer) at a size that takes PyTorch some 20 to 300 ms, and its
peak of memory beside it; the worst ratio of time first. Where there are images PyTorch's better one of eager
and channels_last counts.
"""

import fnmatch

from . import machine, memory, report, timing
from .cases import LAYOUTS, Case
from .nets import images, sequences, tables
from .worker import WorkerError


def _case(name, title, build, *layouts, **options):
    return Case(f"net {name}", title, build, layouts or ("eager",), **options)


NETWORKS = [
    _case("resnet50", "ResNet-50, 2x64", images.vision("resnet50", 2, 64), *LAYOUTS),
    _case("mobilenet_v2", "MobileNetV2, 4x96", images.vision("mobilenet_v2", 4, 96), *LAYOUTS),
    _case("mobilenet_v3", "MobileNetV3 small, 8x96", images.vision("mobilenet_v3_small", 8, 96), *LAYOUTS),
    _case("efficientnet", "EfficientNet-B0, 2x96", images.vision("efficientnet_b0", 2, 96), *LAYOUTS),
    _case("densenet", "DenseNet-121, 2x64", images.vision("densenet121", 2, 64), *LAYOUTS),
    _case(
        "squeezenet", "SqueezeNet 1.1, 8x96", images.vision("squeezenet1_1", 8, 96), *LAYOUTS, random=True
    ),
    _case("shufflenet", "ShuffleNetV2 x1.0, 8x96", images.vision("shufflenet_v2_x1_0", 8, 96), *LAYOUTS),
    _case("regnet", "RegNetY-400MF, 4x96", images.vision("regnet_y_400mf", 4, 96), *LAYOUTS),
    _case("resnext", "ResNeXt-50 32x4d, 2x64", images.vision("resnext50_32x4d", 2, 64), *LAYOUTS),
    _case("vgg11", "VGG-11, 1x64", images.vision("vgg11", 1, 64), *LAYOUTS),
    _case("convnext", "ConvNeXt tiny, 2x64", images.vision("convnext_tiny", 2, 64), *LAYOUTS),
    _case("vit", "vision transformer, 8x64", images.vit),
    _case("unet", "U-Net, conv_transpose2d, 2x128", images.unet, *LAYOUTS),
    _case("unet_bilinear", "U-Net, bilinear, 2x128", images.unet_bilinear, *LAYOUTS),
    _case("gan", "DCGAN, 32x32", images.gan, *LAYOUTS),
    _case("autoencoder", "convolutional autoencoder, 64x28", images.autoencoder, *LAYOUTS),
    _case("mnist", "MNIST example, 64x28", images.mnist, *LAYOUTS, random=True),
    _case("lenet", "LeNet, 256x28", images.lenet, *LAYOUTS),
    _case(
        "group_norm", "group norm and SiLU, 16x32",
        images.normalised(lambda nn, c: nn.GroupNorm(8, c), lambda nn: nn.SiLU()), *LAYOUTS,
    ),
    _case(
        "instance_norm", "instance norm, leaky ReLU, 16x32",
        images.normalised(lambda nn, c: nn.InstanceNorm2d(c, affine=True), lambda nn: nn.LeakyReLU(0.2)),
        *LAYOUTS,
    ),
    _case("wavenet", "dilated conv1d, 4x2000", sequences.wavenet),
    _case("video", "conv3d, 4x8x64x64", sequences.video),
    _case("lstm", "LSTM, 2 layers both ways, 32x40", sequences.recurrent("LSTM")),
    _case("lstm_packed", "the same, packed sequences", sequences.recurrent("LSTM", packed=True)),
    _case("gru", "GRU, 2 layers both ways, 32x40", sequences.recurrent("GRU")),
    _case("rnn", "tanh RNN, 2 layers both ways, 32x40", sequences.recurrent("RNN")),
    _case("char_rnn", "language model, LSTM, 16x50", sequences.char_rnn),
    _case("embedding_bag", "embedding bag and linear, 64x60", sequences.embedding_bag),
    _case("gpt", "GPT, two blocks, 4x128", sequences.gpt),
    _case("wide_mlp", "MLP, batch norm, dropout, Adam", tables.wide_mlp),
    _case("factorisation", "matrix factorisation, 4096", tables.factorisation),
    _case("vae", "variational autoencoder, 128", tables.vae),
    _case("dqn", "DQN, 20 updates", tables.dqn),
    _case("logistic", "logistic regression, 50 steps", tables.logistic),
    _case("nerf", "radiance field, 64 rays of 32", tables.nerf),
    _case("graph", "graph convolution, index_add", tables.graph),
    _case("policy", "policy gradient, 50 actions", tables.policy),
    _case("siamese", "siamese network, 64x28", tables.siamese, *LAYOUTS),
    _case("distillation", "distillation, kl_div, 32x32", tables.distillation, *LAYOUTS),
    _case("super_resolution", "sub-pixel convolution, 4x64", images.super_resolution, *LAYOUTS),
    _case("detector", "detector, leaky ReLU, 4x128", images.detector, *LAYOUTS),
    _case("styled", "style transfer, reflected borders", images.styled, *LAYOUTS),
    _case("mobilenet_v2_eval", "MobileNetV2 inference", images.inference("mobilenet_v2", 1, 224), *LAYOUTS),
    _case(
        "efficientnet_eval", "EfficientNet-B0 inference",
        images.inference("efficientnet_b0", 1, 224), *LAYOUTS,
    ),
    _case("resnet50_eval", "ResNet-50 inference", images.inference("resnet50", 1, 224), *LAYOUTS),
]  # fmt: skip


def case(name):
    return next(c for c in NETWORKS if c.name == name)


def main(options):
    """Measure the networks and print them, the worst ratio of time first."""
    patterns = [f"net {pattern}" for pattern in options.only[1:]] or ["*"]
    chosen = [c for c in NETWORKS if any(fnmatch.fnmatchcase(c.name, pattern) for pattern in patterns)]
    if options.list:
        for case in chosen:
            print(f"{case.name.removeprefix('net '):22} {case.title}")
        return 0
    described = machine.describe(options.threads)
    print(report.head(described), flush=True)
    rounds, seconds = options.rounds or (3 if options.quick else 7), 0.02 if options.quick else 0.1
    results, failed = [], False
    for case in chosen:
        result = {"name": case.name, "section": "Networks", "title": case.title}
        try:
            result.update(timing.measure(case, options.threads, rounds, seconds))
            if not options.quick:
                result["memory"] = memory.measure(case, options.threads)
        except (timing.Different, WorkerError) as error:
            result["left_out"], failed = str(error), True
        results.append(result)
        report.save(options.json, described, results)  # after each: a run that is stopped leaves what it had
    results = report.worst_first(results)
    print(report.heading("Networks") + "; peak memory")
    for result in results:
        print(report.rows(result)[0] + _memory(result))
    if ratios := report.ratios(results):
        mean = report.geometric_mean(ratios)
        slower = sum(r > 1 for r in ratios)
        print(f"\n  {len(ratios)} networks; geometric mean of the ratios {mean:.2f}; {slower} above 1")
    return int(failed)


def _memory(result):
    """The last column: both peaks beyond imports, and their ratio."""
    peaks = result.get("memory", {})
    if "ratio" not in peaks:
        return ""
    ours, theirs = (report.number(peaks[library]["median"], "B") for library in ("retrograd", "torch"))
    return f"  {ours} / {theirs} = {peaks['ratio']['median']:.2f}"
