"""How a training step grows: with the batch, the image's size, the network's depth, the graph's length.

Each point is a case of its own, measured as all others are (timing.py), both libraries by turns. The figures
go to docs/benchmarks/growth.json after each point and, as a picture (picture.py), to growth.svg beside it.
`--only batch` measures one series again; the others stay as they were in the file.
"""

import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from . import cases, machine, report, timing
from .picture import picture
from .worker import ROOT, WorkerError

FOLDER = ROOT / "docs" / "benchmarks"
BATCHES, SIZES, DEPTHS = (1, 2, 4, 8, 16, 32, 64), (32, 64, 96, 128, 160, 192, 224), (18, 34, 50, 101, 152)
LENGTHS = (100, 1_000, 10_000, 100_000, 1_000_000)
# (title, what grows, values). Batches of one would leave the last layers of small images a number or two
# in each channel, whose normalisation is chaotic: no two libraries agree on the second step.
SERIES = {
    "batch": ("ResNet-18 step, N x 3 x 64 x 64", "N, images in the batch", BATCHES),
    "size": ("ResNet-18 step, 8 x 3 x S x S", "S, pixels on a side", SIZES),
    "depth": ("ResNet step, 1 x 3 x 64 x 64", "layers of the network", DEPTHS),
    "length": ("graph of small operations", "operations in the graph", LENGTHS),
}
SECONDS = 12  # for the rounds of a point, of which there are ROUNDS at most and three at least
ROUNDS = 9


def resnet_step(depth, count, size):
    """ResNet's forward, backward and SGD with momentum.

    The last normalisation of each block has weight 0.1, near to how such networks are begun (0): else what
    rounding leaves doubles from block to block, and 152 layers compute noise in any library.
    """

    def build(library):
        model = cases.prepare(library, getattr(library.models, f"resnet{depth}")())
        last = "bn2.weight" if depth < 50 else "bn3.weight"
        with library.torch.no_grad():
            for name, value in model.named_parameters():
                if name.startswith("layer") and name.endswith(last):
                    value.fill_(0.1)
        labels = library.array(np.random.default_rng(2).integers(0, 1000, count))
        loss = library.torch.nn.functional.cross_entropy
        images = cases.batch(library, count, 3, size, size)
        return cases.training(library, model, images, lambda out: loss(out, labels))

    return build


def long_graph(length):
    """One graph of `length` operations on 8 numbers, forward and backward."""

    def build(library):
        x = library.array(np.ones(8, np.float32)).requires_grad_()

        def step(mark):
            y = x
            for _ in range(length // 2):
                y = y * 0.999
                y = y + 0.001
            y.sum().backward()
            value = x.grad.sum().item()
            x.grad = None
            return value

        return step

    return build


def case(name):
    """The case `growth-batch-16`, as a worker is told its name."""
    _, kind, value = name.split("-")
    value = int(value)
    build = {
        "batch": lambda: resnet_step(18, value, 64),
        "size": lambda: resnet_step(18, 8, value),
        "depth": lambda: resnet_step(value, 1, 64),
        "length": lambda: long_graph(value),
    }[kind]()
    variants = ("eager",) if kind == "length" else cases.LAYOUTS
    return cases.Case(name, f"{SERIES[kind][0]}: {value}", build, variants)


def main(options):
    """Measure all points, print them, write the figures and draw them."""
    wanted = options.only or list(SERIES)
    unknown = [kind for kind in wanted if kind not in SERIES]
    if unknown:
        sys.exit(f"--growth measures {', '.join(SERIES)}; there is no {', '.join(unknown)}")
    path = Path(options.json) if options.json else FOLDER / "growth.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = json.loads(path.read_text()) if path.exists() else {"series": {}}
    described = figures["machine"] = machine.describe(options.threads)
    print(report.head(described), flush=True)
    points = [(kind, value) for kind in wanted for value in SERIES[kind][2][: 3 if options.quick else None]]
    failed, before = False, None
    with tqdm(points, unit="point", disable=None) as bar:
        for kind, value in bar:
            if kind != before:
                measured = figures["series"][kind] = {"load": machine.load(), "points": []}
                before = kind
                bar.write(report.heading(SERIES[kind][0]))
            bar.set_description(f"{kind} {value:,}")
            try:
                result = point(kind, value, options)
            except (timing.Different, WorkerError) as error:
                result, failed = {"left_out": str(error)}, True
            bar.write(report.rows({"title": f"{value:,}", **result})[0])
            sys.stdout.flush()
            if "left_out" not in result:
                medians = {name: result[name]["median"] for name in ("retrograd", "torch")}
                ratio = result["ratio"]["median"]
                variant = result["torch"]["variant"]
                measured["points"].append({"at": value, **medians, "ratio": ratio, "variant": variant})
            path.write_text(json.dumps(figures, indent=1) + "\n")
            path.with_suffix(".svg").write_text(picture(figures, SERIES))
    return int(failed)


def point(kind, value, options):
    """The result of one point, with rounds for about SECONDS but no more than asked for."""
    rounds = options.rounds or (2 if options.quick else ROUNDS)
    return timing.measure(
        case(f"growth-{kind}-{value}"), options.threads, rounds, 0.0 if options.quick else 0.05,
        most=SECONDS,
    )  # fmt: skip
