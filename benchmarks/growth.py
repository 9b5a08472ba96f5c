"""How a training step grows: with the batch, the image's size, the network's depth, the graph's length.

Each point is a case of its own, measured as all others are (timing.py), both libraries by turns. The figures
go to docs/benchmarks/growth.json and, as a picture, to growth.svg beside it.
"""

import json
from pathlib import Path

import numpy as np

from . import cases, machine, report, timing
from .worker import ROOT

FOLDER = ROOT / "docs" / "benchmarks"
BATCHES, SIZES, DEPTHS = (1, 2, 4, 8, 16, 32, 64), (32, 64, 96, 128, 160, 192, 224), (18, 34, 50, 101, 152)
LENGTHS = (100, 1_000, 10_000, 100_000, 1_000_000)
SERIES = {
    "batch": ("ResNet-18, N x 3 x 64 x 64, by N", BATCHES),
    "size": ("ResNet-18, 2 x 3 x S x S, by S", SIZES),
    "depth": ("ResNet, 1 x 3 x 64 x 64, by layers", DEPTHS),
    "length": ("graph of small operations, by length", LENGTHS),
}


def resnet_step(depth, count, size):
    """ResNet's forward, backward and SGD with momentum."""

    def build(library):
        model = cases.prepare(library, getattr(library.models, f"resnet{depth}")())
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
        "size": lambda: resnet_step(18, 2, value),
        "depth": lambda: resnet_step(value, 1, 64),
        "length": lambda: long_graph(value),
    }[kind]()
    return cases.Case(name, f"{SERIES[kind][0]}: {value}", build)


def main(options):
    """Measure all points, print them, write the figures and draw them."""
    described = machine.describe(options.threads)
    print(report.head(described))
    rounds = options.rounds or (2 if options.quick else 7)
    series = {}
    for kind, (title, values) in SERIES.items():
        if options.only and kind not in options.only:
            continue
        if options.quick:
            values = values[:3]
        print(report.heading(title), flush=True)
        points = series[kind] = []
        for value in values:
            point = case(f"growth-{kind}-{value}")
            result = timing.measure(point, options.threads, rounds, 0.0)
            print("\n".join(report.rows({"title": str(value), **result})[:1]), flush=True)
            if "left_out" not in result:
                medians = {name: result[name]["median"] for name in ("retrograd", "torch")}
                points.append({"at": value, **medians})
    figures = {"machine": described, "series": series}
    folder = Path(options.json).parent if options.json else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(options.json) if options.json else FOLDER / "growth.json"
    path.write_text(json.dumps(figures, indent=1) + "\n")
    path.with_suffix(".svg").write_text(picture(figures))
    return 0


def picture(figures):
    """The figures as SVG: a panel for each series, both axes logarithmic, a line for each library."""
    from retrograd.profiler.chart import legend, svg

    width, height, body = 960, 720, []
    for i, (kind, points) in enumerate(figures["series"].items()):
        left, top = 20 + i % 2 * 470, 50 + i // 2 * 330
        body.append(_panel(SERIES[kind][0], points, left, top, 440, 290))
    body.append(legend(("retrograd", "PyTorch"), 20, 12, row=18))
    load = figures["machine"]["load"]
    busy = "" if load is None else f", load average {load:.1f}"
    body.append(
        f'<text x="140" y="24">a training step, {figures["machine"]["threads"]} thread(s), '
        f"{figures['machine']['cpu']}{busy}</text>"
    )
    return svg(width, height, "How a training step grows", "".join(body))


def _panel(title, points, left, top, width, height):
    if not points:
        return ""
    x0, y0, w, h = left + 60, top + 28, width - 80, height - 70
    times = [p[name] for p in points for name in ("retrograd", "torch")]
    low, high = _decades(times)
    first, last = np.log10(points[0]["at"]), np.log10(points[-1]["at"])

    def x(value):
        return x0 + (np.log10(value) - first) / ((last - first) or 1) * w

    def y(seconds):
        return y0 + h - (np.log10(seconds) - low) / (high - low) * h

    out = [f'<text class="title" x="{left + 60}" y="{top + 14}">{title}</text>']
    for decade in range(low, high + 1):
        at = y(10.0**decade)
        out.append(f'<line class="axis" x1="{x0}" x2="{x0 + w}" y1="{at:.1f}" y2="{at:.1f}"/>')
        name = report.number(10.0**decade, "s").replace(".00", "").replace(".0", "")
        out.append(f'<text x="{x0 - 8}" y="{at + 4:.1f}" text-anchor="end">{name}</text>')
    for point in points:
        at = f"{point['at']:,}" if point["at"] < 10_000 else f"{point['at']:.0e}".replace("e+0", "e")
        out.append(f'<text x="{x(point["at"]):.1f}" y="{y0 + h + 18}" text-anchor="middle">{at}</text>')
    for i, name in enumerate(("retrograd", "torch")):
        places = [f"{x(p['at']):.1f},{y(p[name]):.1f}" for p in points]
        out.append(f'<polyline class="l{i}" data-name="{name}" points="{" ".join(places)}"/>')
        for p in points:
            out.append(
                f'<circle class="s{i}" cx="{x(p["at"]):.1f}" cy="{y(p[name]):.1f}" r="4">'
                f"<title>{name}, {p['at']}: {report.number(p[name], 's')}</title></circle>"
            )
    return "".join(out)


def _decades(times):
    low, high = int(np.floor(np.log10(min(times)))), int(np.ceil(np.log10(max(times))))
    return low, max(high, low + 1)
