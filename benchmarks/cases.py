"""What is measured: programs written once, against the names that both libraries share.

A case builds a `step(mark)` that does the work once and calls `mark(phase)` at the end of each phase; it
returns a number by which to see that both libraries computed the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import limits

LIBRARIES = ("retrograd", "torch")


@dataclass(frozen=True)
class Case:
    """One row of the table.

    build: `build(library)` makes the step. variants: the ways to set PyTorch up, of which the fastest counts;
    retrograd runs the program as it stands. compiled: variants with torch.compile, which count too; beside:
    variants that are shown, but don't. work: what the time of one step is divided by. needs: names without
    which a library can't do it. quick: --quick runs it. least: what each phase does at least, as limits.py
    counts it; None where the limit is not the machine's. rivals: libraries beside PyTorch that have it.
    random: it draws numbers for arrays in the order of memory, so that other layouts draw others.
    """

    name: str
    title: str
    build: Callable
    variants: tuple = ("eager",)
    compiled: tuple = ()
    beside: tuple = ()
    work: int = 1
    needs: tuple = ()
    quick: bool = True
    least: dict | None = None
    rivals: tuple = ()
    random: bool = False


class Library:
    """A library as a case sees it: `torch` (either one), its vision `models`, and the variant asked for."""

    def __init__(self, name, variant="eager"):
        self.name = name
        self.variant = variant
        if name == "retrograd":
            import retrograd
            import retrograd.nn
            import retrograd.optim

            self.torch = retrograd
        else:
            import torch

            self.torch = torch

    @property
    def models(self):
        if self.name == "torch":
            return torchvision_models()
        import retrograd.vision.models

        return retrograd.vision.models

    def array(self, values):
        """A Tensor of a NumPy array."""
        return self.torch.from_numpy(values)

    @property
    def channels_last(self):
        return self.variant.endswith("channels_last")

    def compiled(self, function):
        """`function`, through torch.compile in the variants of that name."""
        return self.torch.compile(function) if self.variant.startswith("compiled") else function

    def has(self, path):
        value = self.torch
        for part in path.split("."):
            value = getattr(value, part, None)
        return value is not None


_library = None


def torchvision_models():
    """`torchvision.models`; its compiled operators, which no case uses, need not be there."""
    global _library
    import torch

    if _library is None:
        _library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            _library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    try:
        import torchvision.models
    except ImportError:
        raise SystemExit(
            "the benchmarks need torchvision: pip install --no-deps torchvision==0.28.0"
        ) from None
    return torchvision.models


# --- the same numbers for both -------------------------------------------------------------------


def fill(library, model):
    """Give `model` weights that depend on their order and shapes only, by He's scale for matrices.

    In place and a little at a time: a case's peak of memory is then what the libraries need.
    """
    random = np.random.default_rng(0)
    with library.torch.no_grad():
        for name, value in model.state_dict().items():
            shape = tuple(value.shape)
            if len(shape) > 1:
                some = max(1, 65536 // np.prod(shape[1:]))
                for rows in value.split(int(some)):
                    values = random.standard_normal(tuple(rows.shape), np.float32)
                    values *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
                    rows.copy_(library.array(values))
            elif "bias" in name.rpartition(".")[2]:  # a recurrent layer's have names such as bias_hh_l0
                value.zero_()


def batch(library, *shape):
    """A batch of normal numbers, in the variant's layout."""
    values = library.array(np.random.default_rng(1).normal(0, 1, shape).astype(np.float32))
    if library.channels_last:
        values = values.contiguous(memory_format=library.torch.channels_last)
    return values


def prepare(library, model):
    fill(library, model)
    if library.channels_last:
        model = model.to(memory_format=library.torch.channels_last)
    return model


def training(library, model, inputs, loss_of):
    """The step of SGD with momentum on one batch: forward, backward, and the optimizer with zero_grad."""
    optimizer = library.torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return training_step(library.compiled(lambda: loss_of(model(inputs))), optimizer)


def training_step(forward, optimizer):
    """`step(mark)` of what `forward()` gives the loss of."""

    def step(mark):
        loss = forward()
        mark("forward")
        loss.backward()
        mark("backward")
        optimizer.step()
        optimizer.zero_grad()
        mark("step")
        return loss.item()

    return step


# --- the programs --------------------------------------------------------------------------------


def resnet_training(count, size):
    def build(library):
        model = prepare(library, library.models.resnet18())
        labels = library.array(np.random.default_rng(2).integers(0, 1000, count))
        loss = library.torch.nn.functional.cross_entropy
        return training(library, model, batch(library, count, 3, size, size), lambda out: loss(out, labels))

    return build


def resnet_inference(library):
    model = prepare(library, library.models.resnet18()).eval()
    images = batch(library, 1, 3, 224, 224)
    network = library.compiled(model)

    def step(mark):
        with library.torch.no_grad():
            out = network(images)
        mark("forward")
        return out[0, 0].item()

    return step


CHAIN = 100


def chain(*shape):
    """Products, sums and three functions in turn, each operation's result the next one's input."""

    def build(library):
        torch = library.torch
        random = np.random.default_rng(3)
        x, a, b = (library.array(np.array(random.normal(0, 1, shape), np.float32)) for _ in range(3))
        for leaf in (x, a, b):
            leaf.requires_grad_()

        def program(x, a, b):
            y = x
            for _ in range(CHAIN // 5):
                y = torch.tanh(y * a + b)
                y = torch.sigmoid(y - a)
            return y

        forward = library.compiled(program)

        def step(mark):
            y = forward(x, a, b)
            mark("forward")
            y.backward(torch.ones_like(y))
            mark("backward")
            value = a.grad.sum().item()
            x.grad = a.grad = b.grad = None
            return value

        return step

    return build


def mlp(library):
    nn = library.torch.nn
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    fill(library, model)
    labels = library.array(np.random.default_rng(2).integers(0, 10, 32))
    loss = nn.CrossEntropyLoss()
    return training(library, model, batch(library, 32, 64), lambda out: loss(out, labels))


def transformer(library):
    layer = library.torch.nn.TransformerEncoderLayer(256, 8, batch_first=True, dropout=0.0)
    fill(library, layer)
    return training(library, layer, batch(library, 8, 128, 256), lambda out: out.pow(2).mean())


LAYOUTS = ("eager", "channels_last")
COMPILED = tuple("compiled channels_last" if layout != "eager" else "compiled" for layout in LAYOUTS)
RIVALS = ("jax", "tinygrad")


def _resnet(name, title, count, size, training=True, quick=True):
    build = resnet_training(count, size) if training else resnet_inference
    return Case(
        name, title, build, LAYOUTS, COMPILED, quick=quick, rivals=RIVALS,
        least=limits.resnet18(count, size, training),
    )  # fmt: skip


def _chain(name, *shape):
    # Compiled, the chain is one loop and has no small operations: see docs/benchmarks/README.md.
    title = f"small operation, shape {shape}"
    return Case(name, title, chain(*shape), beside=("compiled",), work=CHAIN, rivals=RIVALS)


CASES = [
    _resnet("step-1x64", "ResNet-18 step, 1x3x64x64", 1, 64),
    _resnet("step-16x64", "ResNet-18 step, 16x3x64x64", 16, 64, quick=False),
    _resnet("step-8x224", "ResNet-18 step, 8x3x224x224", 8, 224, quick=False),
    _resnet("inference-1x224", "ResNet-18 inference, 1x3x224x224", 1, 224, training=False),
    _chain("chain-scalar"),
    _chain("chain-32x32", 32, 32),
    Case(
        "mlp", "MLP 64-128-10 step, batch 32", mlp, compiled=("compiled",), rivals=RIVALS,
        least=limits.perceptron(32, 64, 128, 10),
    ),
    Case(
        "transformer", "transformer layer step, 8x128x256", transformer, compiled=("compiled",),
        rivals=RIVALS, needs=("nn.TransformerEncoderLayer",),
        least=limits.encoder_layer(8, 128, 256, 2048),
    ),
]  # fmt: skip

BY_NAME = {case.name: case for case in CASES}
