"""`python -m benchmarks --only layers`: kernels against oneDNN's, which PyTorch calls for its convolutions.

Each distinct convolution of ResNet-18 at three sizes (forward, input gradient, weight gradient), and the
products and the attention of a transformer's layer: time, GFLOP/s, and the share of the processor's peak.
"""

import itertools
from dataclasses import dataclass

from . import cases, limits, machine, report, timing
from .worker import Worker

SIZES = ((1, 64), (16, 64), (8, 224))  # (images, pixels on a side)
KINDS = ("forward", "input gradient", "weight gradient")
LINEAR = ((256, 768), (256, 256), (256, 2048), (2048, 256))
ROWS = 8 * 128
HEADS = (8, 8, 128, 32)


@dataclass(frozen=True)
class Convolution:
    """A convolution without bias on `count` square images; `times`: how often the network has it."""

    count: int
    inputs: int
    outputs: int
    kernel: int
    stride: int
    side: int
    times: int = 1

    @property
    def out_side(self):
        return -(-self.side // self.stride)

    @property
    def flops(self):
        kernel = self.inputs * self.outputs * self.kernel**2
        return 2 * self.count * kernel * self.out_side**2

    def __str__(self):
        stride = f"/{self.stride}" if self.stride > 1 else ""
        return f"{self.inputs}-{self.outputs} {self.kernel}x{self.kernel}{stride} at {self.side}"

    def build(self, kind):
        def build(library):
            _no_factors(library)
            nn = library.torch.nn
            pad = self.kernel // 2
            module = nn.Conv2d(self.inputs, self.outputs, self.kernel, self.stride, pad, bias=False)
            weight = cases.prepare(library, module).weight.detach()
            x = cases.batch(library, self.count, self.inputs, self.side, self.side)
            g = cases.batch(library, self.count, self.outputs, self.out_side, self.out_side)
            options = {"stride": self.stride, "padding": pad}
            work = {
                "forward": lambda: nn.functional.conv2d(x, weight, **options),
                "input gradient": lambda: nn.grad.conv2d_input(x.shape, weight, g, **options),
                "weight gradient": lambda: nn.grad.conv2d_weight(x, weight.shape, g, **options),
            }[kind]
            return _step(library, work)

        return build


def convolutions(count, size):
    """ResNet-18's, each shape once."""
    found = {Convolution(count, 3, 64, 7, 2, size): 1}
    side, channels = -(-size // 4), 64
    for width in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if width != 64 and block == 0 else 1
            layers = [Convolution(count, channels, width, 3, stride, side)]
            if stride == 2:
                layers.append(Convolution(count, channels, width, 1, 2, side))
            side = -(-side // stride)
            layers.append(Convolution(count, width, width, 3, 1, side))
            channels = width
            for layer in layers:
                found[layer] = found.get(layer, 0) + 1
    return [Convolution(*_fields(layer), times) for layer, times in found.items()]


def _fields(layer):
    return layer.count, layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.side


def _no_factors(library):
    """Have weight gradients written down: a gradient that waits as factors would be no work yet."""
    if library.name == "retrograd":
        library.torch.kernels.allow_factors(False)


def _step(library, work):
    """`work` again and again; the first results' size, by which both libraries are compared."""
    calls = itertools.count()

    def step(mark):
        with library.torch.no_grad():
            out = work()
            return float(out.square().mean().sqrt()) if next(calls) < 2 else None

    return step


def linear(inputs, outputs, kind):
    def build(library):
        _no_factors(library)
        nn, torch = library.torch.nn, library.torch
        weight = cases.prepare(library, nn.Linear(inputs, outputs, bias=False)).weight.detach()
        x, g = cases.batch(library, ROWS, inputs), cases.batch(library, ROWS, outputs)
        if kind == "forward":
            return _step(library, lambda: nn.functional.linear(x, weight))
        wanted = (x if kind == "input gradient" else weight).requires_grad_()
        out = nn.functional.linear(x, weight)
        return _step(library, lambda: torch.autograd.grad(out, wanted, g, retain_graph=True)[0])

    return build


def attention(kind):
    def build(library):
        torch = library.torch
        q, k, v = inputs = [cases.batch(library, *HEADS) * (0.5 + i) for i in range(3)]
        if kind == "forward":
            return _step(library, lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v))
        for x in inputs:
            x.requires_grad_()
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        g = cases.batch(library, *HEADS)
        return _step(library, lambda: torch.autograd.grad(out, inputs, g, retain_graph=True)[0])

    return build


@dataclass(frozen=True)
class Layer:
    """A case with what it takes part in: `group` for the heading, `times` how often a network has it."""

    case: cases.Case
    group: str
    kind: str
    flops: int
    times: int = 1


def _layer(group, shape, kind, flops, build, variants=("eager",), times=1):
    title = f"{shape}, {kind}"
    return Layer(cases.Case(f"layer {group}: {title}", title, build, variants), group, kind, flops, times)


def all_layers(sizes=SIZES):
    out = []
    for count, size in sizes:
        group = f"ResNet-18, {count}x3x{size}x{size}"
        for layer, kind in itertools.product(convolutions(count, size), KINDS):
            if layer.inputs > 3 or kind != "input gradient":  # nobody wants that of the images
                build = layer.build(kind)
                out.append(_layer(group, str(layer), kind, layer.flops, build, cases.LAYOUTS, layer.times))
    group = "transformer layer, 8x128x256"
    for (i, o), kind in itertools.product(LINEAR, KINDS):
        out.append(_layer(group, f"linear {i}-{o}", kind, 2 * ROWS * i * o, linear(i, o, kind)))
    batch, heads, length, features = HEADS
    flops = 4 * batch * heads * length * length * features
    out.append(_layer(group, "attention", "forward", flops, attention("forward")))
    out.append(_layer(group, "attention", "gradients", 2 * flops, attention("gradients")))
    return out


def case(name):
    return next(layer.case for layer in all_layers() if layer.case.name == name)


# --- the table ------------------------------------------------------------------------------------

WIDTH = 42


def main(options):
    """Measure all layers, print them, and sums over each network."""
    described = machine.describe(options.threads)
    described["limits"] = limits.measure(options.threads)
    peak = described["limits"]["flops"]
    print(report.head(described), flush=True)
    rounds = options.rounds or (1 if options.quick else 7)
    seconds = 0.0 if options.quick else 0.02
    results, failed, group = [], False, None
    with Worker("retrograd", options.threads) as ours, Worker("torch", options.threads) as theirs:
        for layer in all_layers(SIZES[:1] if options.quick else SIZES):
            if layer.group != group:
                _sums(results, group, peak)
                group = layer.group
                print(f"\n{group:{WIDTH}}{'retrograd':>10}{'PyTorch':>10}{'ratio':>7}  GFLOP/s, of the peak")
            try:
                result = _measure(layer, ours, theirs, rounds, seconds)
            except timing.Different as error:
                failed = True
                print(f"  {layer.case.title:{WIDTH - 2}}  left out: {error}", flush=True)
                continue
            results.append(result)
            print(row(result, peak), flush=True)
            report.save(options.json, described, results)
    _sums(results, group, peak)
    return int(failed)


def _measure(layer, ours, theirs, rounds, seconds):
    # Activations lie with channels innermost in a network of retrograd's, whatever the user does.
    runs = [timing.Run(ours, "channels_last" if len(layer.case.variants) > 1 else "eager")]
    runs += [timing.Run(theirs, variant) for variant in layer.case.variants]
    for run in runs:
        run.open(layer.case, seconds)
    timing.check(layer.case, runs)
    for i in range(rounds + 1):
        for run in runs if i % 2 else reversed(runs):
            run.round(keep=i > 0)
    for worker in (ours, theirs):
        worker.ask("close")
    best, ratio = timing.best(runs[0], runs[1:])
    return {
        "name": layer.case.name, "section": layer.group, "title": layer.case.title, "unit": "s",
        "kind": layer.kind, "flops": layer.flops, "times": layer.times, "rounds": rounds, "ratio": ratio,
        "retrograd": runs[0].summary(1), "torch": best.summary(1),
    }  # fmt: skip


def row(result, peak):
    """A line: both times, their ratio, both rates, and each one's share of the peak."""
    times = [result[name]["median"] for name in ("retrograd", "torch")]
    rates = [result["flops"] / seconds for seconds in times]
    line = f"  {result['title']:{WIDTH - 2}}" + "".join(f"{report.number(t, 's'):>10}" for t in times)
    line += f"{result['ratio']['median']:7.2f}  " + " and ".join(f"{rate / 1e9:.0f}" for rate in rates)
    return line + (", " + " and ".join(f"{rate / peak:.0%}" for rate in rates) if peak else "")


def sums(results, group):
    """One result for each kind: all layers of a network, as often as it has them."""
    out = []
    of_group = [r for r in results if r["section"] == group]
    for kind in dict.fromkeys(r["kind"] for r in of_group):
        some = [r for r in of_group if r["kind"] == kind]
        total = {name: sum(r["times"] * r[name]["median"] for r in some) for name in ("retrograd", "torch")}
        out.append({
            "title": f"all of the network, {kind}", "kind": kind,
            "flops": sum(r["times"] * r["flops"] for r in some),
            "ratio": {"median": total["retrograd"] / total["torch"]},
            **{name: {"median": seconds} for name, seconds in total.items()},
        })  # fmt: skip
    return out


def _sums(results, group, peak):
    for result in sums(results, group):
        print(row(result, peak))
