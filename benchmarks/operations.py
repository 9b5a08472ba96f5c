"""`python -m benchmarks --only ops [--only 'PATTERN']`: the most used operations, the worst ratio first.

What a small operation takes is mostly not arithmetic, but what a library does around it; what a large one
takes is mostly memory. An operation that has a gradient is measured forward under `no_grad`, and forward and
backward. Patterns choose among the names, as in `--only ops --only '*, 1M*'`.
"""

import fnmatch
import math
from functools import cache, partial

import numpy as np

from . import cases, machine, report, timing
from .operation_table import NEEDS_GRADIENT, SQUARE, Numbers, table
from .worker import Worker

REPEATS, LARGE_REPEATS = 20, 2  # of an operation in a step
LARGE = 100_000  # elements of an input from which on it is a large operation

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


def _repeated(once, repeats=REPEATS):
    """A step that calls `once` again and again. Its value: the last result's sum, while steps are checked."""
    unchecked = 0

    def step(mark):
        nonlocal unchecked
        for _ in range(repeats):
            out = once()
        unchecked += 1
        if unchecked > 2:
            return 0.0
        return float(out.detach().double().sum() if hasattr(out, "detach") else np.sum(out))

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


def _function(entry, repeats, gradient, library):
    function, *inputs = entry
    tensors = [n.make(library, i) for i, n in enumerate(inputs)]
    leaves = [x for x in tensors if x.requires_grad]
    forward = partial(function, library.torch, *tensors)
    if not gradient:
        tensors = [x.detach() for x in tensors]
        return _repeated(partial(function, library.torch, *tensors), repeats)
    return _repeated(_with_backward(forward, leaves), repeats)


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
    params = [Numbers(SQUARE).make(library, i) for i in range(10)]
    for i, p in enumerate(params):
        p.grad = Numbers(SQUARE, constant=True).make(library, i + 10)
    optimizer = getattr(library.torch.optim, name.partition(",")[0])(params, **options)

    def once():
        optimizer.step()
        return params[0].detach()

    return _repeated(once)


# What is drawn at random is another number in each library.
RANDOM = {"rand", "randn", "dropout", "nn.Dropout", "randperm"}


def _repeats(inputs):
    return LARGE_REPEATS if any(math.prod(n.shape) >= LARGE for n in inputs) else REPEATS


@cache
def all_cases():
    """A Case for each operation, named `op NAME`."""
    made = []

    def add(name, build, repeats=REPEATS):
        made.append(cases.Case(f"op {name}", name, build, work=repeats))

    for name, entry in table().items():
        repeats = _repeats(entry[1:]) if entry[1:] else LARGE_REPEATS if name.endswith("1M") else REPEATS
        gradients = any(n.has_gradient for n in entry[1:])
        if gradients and name.partition(",")[0] not in NEEDS_GRADIENT:
            add(f"{name}, no_grad", partial(_function, entry, repeats, False), repeats)
        add(name, partial(_function, entry, repeats, gradients), repeats)
    for name, entry in MODULES.items():
        add(name, partial(_module, entry))
    for name, options in OPTIMIZERS.items():
        add(f"optim.{name}", partial(_optimizer, name, options))
    return made


def case(name):
    return next(c for c in all_cases() if c.name == name)


def main(options):
    """Measure all operations, or those of the patterns, and print them, the worst ratio first."""
    described = machine.describe(options.threads)
    print(report.head(described), flush=True)
    patterns = options.only[1:]
    chosen = [c for c in all_cases() if any(fnmatch.fnmatchcase(c.title, p) for p in patterns or ["*"])]
    results, failed = [], False
    with Worker("retrograd", options.threads) as ours, Worker("torch", options.threads) as theirs:
        for c in chosen:
            try:
                results.append(_measured(c, ours, theirs, options))
            except timing.Different as error:
                results.append({"name": c.name, "title": c.title, "left_out": str(error)})
                failed = True
            report.save(options.json, described, results)  # after each, for a run that is stopped
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


def _measured(case, ours, theirs, options):
    rounds = options.rounds or (3 if options.quick else 7)
    mine, rival = timing.Run(ours, "eager"), timing.Run(theirs, "eager")
    for run in (mine, rival):
        run.open(case, 0.002 if options.quick else 0.02)
    if case.title.partition(",")[0] not in RANDOM:
        timing.check(case, [mine, rival])
    for i in range(rounds + 1):
        for run in (mine, rival) if i % 2 else (rival, mine):
            run.round(keep=i > 0)
    return {
        "name": case.name, "section": "Operations", "title": case.title, "unit": "s",
        "ratio": timing.spread([a / b for a, b in zip(mine.totals, rival.totals, strict=True)]),
        "retrograd": mine.summary(case.work), "torch": rival.summary(case.work), "rounds": rounds,
    }  # fmt: skip
