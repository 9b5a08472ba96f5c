"""`python -m benchmarks --only ops`: the most used operations one by one, at small sizes, the worst first.

What such an operation takes is mostly not arithmetic, but what a library does around it. An operation is run
forward and, where it has a gradient, backward.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from . import cases, machine, report, timing
from .worker import Worker

REPEATS = 20  # of an operation in a step


@dataclass(frozen=True)
class Numbers:
    """An input: floats of a shape, with a gradient unless `constant`; or indices below `limit`; or a mask."""

    shape: tuple
    constant: bool = False
    limit: int = 0
    mask: bool = False
    positive: bool = False

    def make(self, library, seed):
        random = np.random.default_rng(seed)
        if self.limit:
            return library.array(random.integers(0, self.limit, self.shape))
        values = random.normal(0, 1, self.shape)
        if self.mask:
            return library.array(values > 0)
        values = np.abs(values) + 0.5 if self.positive else values
        tensor = library.array(values.astype(np.float32))
        return tensor if self.constant else tensor.requires_grad_()


def square(**options):
    return Numbers((32, 32), **options)


X, Y, C, M, P = square(), square(), square(constant=True), square(mask=True), square(positive=True)
ROWS = Numbers((32,), limit=32)
B3 = Numbers((4, 16, 16))
HEADS = [Numbers((2, 2, 16, 16))] * 3
IMAGE, KERNEL = Numbers((2, 8, 8, 8)), Numbers((8, 8, 3, 3))

# name: (function of the library's namespace and the inputs, inputs)
FUNCTIONS = {
    "x + y": (lambda t, x, y: x + y, X, Y),
    "x + 1": (lambda t, x: x + 1, X),
    "x - y": (lambda t, x, y: x - y, X, Y),
    "x * y": (lambda t, x, y: x * y, X, Y),
    "x * 0.5": (lambda t, x: x * 0.5, X),
    "x / y": (lambda t, x, y: x / y, X, P),
    "x ** 2": (lambda t, x: x**2, X),
    "-x": (lambda t, x: -x, X),
    "x + row": (lambda t, x, y: x + y, X, Numbers((32,))),
    "torch.add": (lambda t, x, y: t.add(x, y), X, Y),
    "x.pow(3)": (lambda t, x: x.pow(3), X),
    "exp": (lambda t, x: t.exp(x), X),
    "log": (lambda t, x: t.log(x), P),
    "sqrt": (lambda t, x: t.sqrt(x), P),
    "abs": (lambda t, x: x.abs(), X),
    "sin": (lambda t, x: t.sin(x), X),
    "tanh": (lambda t, x: t.tanh(x), X),
    "sigmoid": (lambda t, x: t.sigmoid(x), X),
    "clamp": (lambda t, x: x.clamp(-1, 1), X),
    "maximum": (lambda t, x, y: t.maximum(x, y), X, Y),
    "where": (lambda t, x, y, m: t.where(m, x, y), X, Y, M),
    "masked_fill": (lambda t, x, m: x.masked_fill(m, 0.0), X, M),
    "x > y": (lambda t, x, y: x > y, C, C),
    "x == y": (lambda t, x, y: x == y, C, C),
    "sum": (lambda t, x: x.sum(), X),
    "sum(dim)": (lambda t, x: x.sum(-1), X),
    "mean": (lambda t, x: x.mean(), X),
    "mean(dim)": (lambda t, x: x.mean(dim=1, keepdim=True), X),
    "var(dim)": (lambda t, x: x.var(dim=1), X),
    "std": (lambda t, x: x.std(), X),
    "norm": (lambda t, x: x.norm(), X),
    "max": (lambda t, x: x.max(), X),
    "max(dim)": (lambda t, x: x.max(1)[0], X),
    "amax": (lambda t, x: x.amax(1), X),
    "argmax": (lambda t, x: x.argmax(1), C),
    "any": (lambda t, x: x.any(), M),
    "cumsum": (lambda t, x: x.cumsum(1), X),
    "sort": (lambda t, x: x.sort(1)[0], X),
    "topk": (lambda t, x: x.topk(5, 1)[0], X),
    "x @ y": (lambda t, x, y: x @ y, X, Y),
    "x @ y.T": (lambda t, x, y: x @ y.T, X, Y),
    "bmm": (lambda t, x, y: t.bmm(x, y), B3, B3),
    "einsum": (lambda t, x, y: t.einsum("bij,bjk->bik", x, y), B3, B3),
    "linear": (lambda t, x, w, b: t.nn.functional.linear(x, w, b), X, Y, Numbers((32,))),
    "cat": (lambda t, x, y: t.cat([x, y], 1), X, Y),
    "stack": (lambda t, x, y: t.stack([x, y]), X, Y),
    "chunk": (lambda t, x: x.chunk(2, 1)[0], X),
    "x[3]": (lambda t, x: x[3], X),
    "x[:, 4:8]": (lambda t, x: x[:, 4:8], X),
    "x[:, None]": (lambda t, x: x[:, None], X),
    "x[rows]": (lambda t, x, i: x[i], X, ROWS),
    "x[mask]": (lambda t, x, m: x[m], X, M),
    "x[range, rows]": (lambda t, x, i, j: x[i, j], X, ROWS, ROWS),
    "gather": (lambda t, x, i: x.gather(1, i), X, Numbers((32, 8), limit=32)),
    "index_select": (lambda t, x, i: x.index_select(0, i), X, ROWS),
    "scatter_add": (
        lambda t, x, i, y: x.scatter_add(1, i, y), X, Numbers((32, 8), limit=32), Numbers((32, 8))
    ),
    "embedding": (lambda t, w, i: t.nn.functional.embedding(i, w), X, ROWS),
    "one_hot": (lambda t, i: t.nn.functional.one_hot(i, 32), ROWS),
    "reshape": (lambda t, x: x.reshape(16, 64), X),
    "view": (lambda t, x: x.view(-1), X),
    "transpose": (lambda t, x: x.transpose(0, 1), X),
    "permute": (lambda t, x: x.permute(0, 2, 1), B3),
    "unsqueeze": (lambda t, x: x.unsqueeze(1), X),
    "flatten": (lambda t, x: x.flatten(1), B3),
    "expand": (lambda t, x: x.expand(4, 32, 32), X),
    "contiguous": (lambda t, x: x.t().contiguous(), X),
    "clone": (lambda t, x: x.clone(), X),
    "detach": (lambda t, x: x.detach(), C),
    "to(float64)": (lambda t, x: x.to(t.float64), X),
    "item": (lambda t, x: x.item(), Numbers((), constant=True)),
    "zeros": (lambda t: t.zeros(32, 32)),
    "randn": (lambda t: t.randn(32, 32)),
    "arange": (lambda t: t.arange(32)),
    "tensor": (lambda t: t.tensor([1.0, 2.0, 3.0])),
    "zeros_like": (lambda t, x: t.zeros_like(x), C),
    "x.add_(y)": (lambda t, x, y: x.add_(y, alpha=1e-9), C, square(constant=True)),
    "x.mul_(1)": (lambda t, x: x.mul_(1.0), C),
    "softmax": (lambda t, x: t.softmax(x, 1), X),
    "log_softmax": (lambda t, x: t.log_softmax(x, 1), X),
    "cross_entropy": (lambda t, x, i: t.nn.functional.cross_entropy(x, i), X, ROWS),
    "mse_loss": (lambda t, x, y: t.nn.functional.mse_loss(x, y), X, C),
    "l1_loss": (lambda t, x, y: t.nn.functional.l1_loss(x, y), X, C),
    "bce_with_logits": (lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(x, y), X, C),
    "relu": (lambda t, x: t.relu(x), X),
    "gelu": (lambda t, x: t.nn.functional.gelu(x), X),
    "silu": (lambda t, x: t.nn.functional.silu(x), X),
    "leaky_relu": (lambda t, x: t.nn.functional.leaky_relu(x), X),
    "dropout": (lambda t, x: t.nn.functional.dropout(x, 0.5), X),
    "layer_norm": (
        lambda t, x, w, b: t.nn.functional.layer_norm(x, (32,), w, b), X, Numbers((32,)), Numbers((32,))
    ),
    "group_norm": (lambda t, x: t.nn.functional.group_norm(x, 2), IMAGE),
    "batch_norm": (lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True), IMAGE),
    "conv1d": (
        lambda t, x, w: t.nn.functional.conv1d(x, w, padding=1), Numbers((2, 8, 16)), Numbers((8, 8, 3))
    ),
    "conv2d": (lambda t, x, w: t.nn.functional.conv2d(x, w, padding=1), IMAGE, KERNEL),
    "max_pool2d": (lambda t, x: t.nn.functional.max_pool2d(x, 2), IMAGE),
    "avg_pool2d": (lambda t, x: t.nn.functional.avg_pool2d(x, 2), IMAGE),
    "adaptive_avg_pool2d": (lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, 1), IMAGE),
    "interpolate": (lambda t, x: t.nn.functional.interpolate(x, scale_factor=2), IMAGE),
    "pad": (lambda t, x: t.nn.functional.pad(x, (1, 1, 1, 1)), IMAGE),
    "attention": (
        lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v), *HEADS
    ),
}  # fmt: skip

MODULES = {
    "nn.Linear": (lambda nn: nn.Linear(32, 32), (32, 32)),
    "nn.Sequential": (lambda nn: nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)), (32, 32)),
    "nn.BatchNorm2d": (lambda nn: nn.BatchNorm2d(8), (2, 8, 8, 8)),
    "nn.LayerNorm": (lambda nn: nn.LayerNorm(32), (32, 32)),
    "nn.Dropout": (lambda nn: nn.Dropout(0.5), (32, 32)),
    "nn.LSTMCell": (lambda nn: nn.LSTMCell(32, 32), (8, 32)),
    "nn.GRUCell": (lambda nn: nn.GRUCell(32, 32), (8, 32)),
    "nn.LSTM": (lambda nn: nn.LSTM(32, 32, batch_first=True), (4, 8, 32)),
    "nn.MultiheadAttention": (lambda nn: nn.MultiheadAttention(32, 4, batch_first=True), (2, 8, 32)),
}

OPTIMIZERS = {
    "SGD": {"lr": 1e-3}, "SGD, momentum": {"lr": 1e-3, "momentum": 0.9}, "Adam": {}, "AdamW": {},
    "RMSprop": {}, "Adagrad": {}, "Adadelta": {}, "Adamax": {}, "NAdam": {}, "RAdam": {},
}  # fmt: skip


# --- as cases -----------------------------------------------------------------------------------------


def _repeated(once):
    """A step that calls `once` again and again, the last result's sum being its value."""

    def step(mark):
        for _ in range(REPEATS):
            out = once()
        return float(out.sum()) if hasattr(out, "sum") else float(out)

    return step


def _with_backward(forward, leaves):
    """`forward` and, where its result has a gradient, backward into `leaves`."""
    out = forward()
    if not getattr(out, "requires_grad", False):
        return forward
    g = out.detach().clone()
    g.fill_(1.0)

    def once():
        out = forward()
        out.backward(g)
        for leaf in leaves:
            leaf.grad = None
        return out.detach()

    return once


def _function(entry, library):
    function, *inputs = entry if isinstance(entry, tuple) else (entry,)
    tensors = [n.make(library, i) for i, n in enumerate(inputs)]
    leaves = [x for x in tensors if x.requires_grad]
    return _repeated(_with_backward(partial(function, library.torch, *tensors), leaves))


def _module(entry, library):
    make, shape = entry
    module = make(library.torch.nn)
    state = module.state_dict()
    for i, (key, value) in enumerate(state.items()):
        if key.startswith(("weight", "bias", "0", "2", "in_proj", "out_proj")):
            state[key] = Numbers(tuple(value.shape), constant=True).make(library, i) * 0.1
    module.load_state_dict(state)
    x = Numbers(shape).make(library, 0)
    batch = (x, x, x) if "Multihead" in type(module).__name__ else (x,)

    def forward():
        out = module(*batch)
        return out[0] if isinstance(out, tuple) else out

    return _repeated(_with_backward(forward, [x, *module.parameters()]))


def _optimizer(name, options, library):
    """Steps of an optimizer for ten parameters, whose gradients stay."""
    params = [Numbers((32, 32)).make(library, i) for i in range(10)]
    for i, p in enumerate(params):
        p.grad = square(constant=True).make(library, i + 10)
    optimizer = getattr(library.torch.optim, name.partition(",")[0])(params, **options)

    def once():
        optimizer.step()
        return params[0].detach()

    return _repeated(once)


# What is drawn at random is another number in each library.
RANDOM = {"randn", "dropout", "nn.Dropout"}


def all_cases():
    """A Case for each operation, named `op NAME`."""
    built = {
        **{name: partial(_function, entry) for name, entry in FUNCTIONS.items()},
        **{name: partial(_module, entry) for name, entry in MODULES.items()},
        **{f"optim.{n}": partial(_optimizer, n, options) for n, options in OPTIMIZERS.items()},
    }
    return [cases.Case(f"op {name}", name, build, work=REPEATS) for name, build in built.items()]


def case(name):
    return next(c for c in all_cases() if c.name == name)


def main(options):
    """Measure all operations and print them, the worst ratio first."""
    described = machine.describe(options.threads)
    print(report.head(described), flush=True)
    rounds = options.rounds or (3 if options.quick else 7)
    seconds = 0.002 if options.quick else 0.02
    results, failed = [], False
    with Worker("retrograd", options.threads) as ours, Worker("torch", options.threads) as theirs:
        for c in all_cases():
            mine, rival = timing.Run(ours, "eager"), timing.Run(theirs, "eager")
            for run in (mine, rival):
                run.open(c, seconds)
            try:
                if c.title not in RANDOM:
                    timing.check(c, [mine, rival])
            except timing.Different as error:
                results.append({"title": c.title, "left_out": str(error)})
                failed = True
                continue
            for i in range(rounds + 1):
                for run in (mine, rival) if i % 2 else (rival, mine):
                    run.round(keep=i > 0)
            ratio = timing.spread([a / b for a, b in zip(mine.totals, rival.totals, strict=True)])
            results.append({
                "name": c.name, "section": "Operations", "title": c.title, "unit": "s", "ratio": ratio,
                "retrograd": mine.summary(REPEATS), "torch": rival.summary(REPEATS), "rounds": rounds,
            })  # fmt: skip
    results = report.worst_first(results)
    print(report.heading("Operations"))
    for result in results:
        print("\n".join(report.rows(result)))
    ratios = report.ratios(results)
    mean = report.geometric_mean(ratios)
    slower = sum(r > 1 for r in ratios)
    print(f"\n  {len(ratios)} operations; geometric mean of the ratios {mean:.2f}; {slower} above 1")
    report.save(options.json, described, results)
    return int(failed)
