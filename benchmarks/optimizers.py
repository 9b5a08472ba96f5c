"""`python -m benchmarks --only optimizers`: a step of every optimizer, for parameters of three kinds.

Against the fastest that PyTorch offers for each: foreach, fused, and its loop over the parameters. Gradients
stay as they are, so what is measured is the step alone.
"""

from functools import partial

import numpy as np

from . import cases, machine, report, timing

# name: (class, options)
OPTIMIZERS = {
    "SGD": ("SGD", {"lr": 1e-3}),
    "SGD, momentum": ("SGD", {"lr": 1e-3, "momentum": 0.9}),
    "Adam": ("Adam", {}),
    "Adam, amsgrad": ("Adam", {"amsgrad": True}),
    "AdamW": ("AdamW", {}),
    "RMSprop": ("RMSprop", {}),
    "RMSprop, centred, momentum": ("RMSprop", {"centered": True, "momentum": 0.9}),
    "Adagrad": ("Adagrad", {}),
    "Adadelta": ("Adadelta", {}),
    "Adamax": ("Adamax", {}),
    "NAdam": ("NAdam", {}),
    "RAdam": ("RAdam", {}),
    "ASGD": ("ASGD", {}),
    "Rprop": ("Rprop", {}),
}
FUSED = ("SGD", "Adam", "AdamW", "Adagrad")  # those that PyTorch has fused for the CPU


def _resnet18(library):
    return [tuple(p.shape) for p in library.models.resnet18().parameters()]


# name: (title, shapes of the parameters, steps that are timed as one)
PARAMETERS = {
    "mlp": ("MLP 64-128-10", lambda library: [(128, 64), (128,), (10, 128), (10,)], 20),
    "resnet18": ("ResNet-18's 62", _resnet18, 1),
    "many": ("1000 of 100 elements", lambda library: [(100,)] * 1000, 5),
}


def _build(name, parameters, library):
    """Steps of an optimizer whose gradients stay; the first parameter's sum is their value."""
    kind, options = OPTIMIZERS[name]
    _, shapes, repeats = PARAMETERS[parameters]
    random = np.random.default_rng(0)
    params = []
    for shape in shapes(library):
        p, g = (library.array(random.standard_normal(shape, np.float32)) for _ in range(2))
        p.requires_grad_()
        p.grad = g
        params.append(p)
    ways = {"foreach": {"foreach": True}, "fused": {"fused": True}, "loop": {"foreach": False}, "eager": {}}
    optimizer = getattr(library.torch.optim, kind)(params, **options, **ways[library.variant])

    def step(mark):
        for _ in range(repeats):
            optimizer.step()
        return float(params[0].detach().sum())

    return step


def all_cases():
    """A Case for each optimizer and kind of parameters, named `optim NAME, PARAMETERS`."""
    return [
        cases.Case(
            f"optim {name}, {parameters}", name, partial(_build, name, parameters),
            variants=("foreach", *(["fused"] if OPTIMIZERS[name][0] in FUSED else []), "loop"), work=repeats,
        )
        for parameters, (_, _, repeats) in PARAMETERS.items()
        for name in OPTIMIZERS
    ]  # fmt: skip


def case(name):
    return next(c for c in all_cases() if c.name == name)


def main(options):
    """Measure all optimizers and print a table for each kind of parameters."""
    described = machine.describe(options.threads)
    print(report.head(described), flush=True)
    rounds = options.rounds or (3 if options.quick else 7)
    seconds = 0.002 if options.quick else 0.02
    results, failed = [], False
    for parameters, (title, _, _) in PARAMETERS.items():
        print(report.heading(f"A step, {title}"))
        for c in all_cases():
            if not c.name.endswith(f", {parameters}"):
                continue
            result = {"name": c.name, "section": title, "title": c.title}
            try:
                result.update(timing.measure(c, options.threads, rounds, seconds))
            except timing.Different as error:
                result["left_out"], failed = str(error), True
            results.append(result)
            print("\n".join(report.rows(result)), flush=True)
    ratios = report.ratios(results)
    mean = report.geometric_mean(ratios)
    print(f"\n  geometric mean of the ratios {mean:.2f}; {sum(r > 0.8 for r in ratios)} above 0.80")
    report.save(options.json, described, results)
    return int(failed)
