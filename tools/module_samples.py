"""How PyTorch's own samples of layers and optimizers come out here: a line for each that differs, a score.

    python tools/module_samples.py [--only nn.LSTM,Adam] [--failures] [--json FILE]

PyTorch keeps, for its own tests, samples of how each layer is made and called, and the options that each
optimizer is tried with. A layer of PyTorch's gives its parameters to the same layer here; both are called
with the same inputs. Names in the state_dict, the repr, the outputs, the buffers afterwards and the gradients
of inputs and parameters must agree. Optimizers take five steps from the same point on the same loss;
the parameters must agree after each, and in the end the state_dicts.
"""

import argparse
import collections
import json
import traceback
import warnings

import numpy as np
import torch
from operator_samples import convert

import retrograd

TOLERANCE = 1e-8
OPTIMIZER_TOLERANCES = {
    "Muon": 1e-3,  # its matrices are made orthogonal in bfloat16, where a last bit is 0.4%
    "LBFGS": 1e-3,  # in float32 the search's lengths amplify roundings
}

EXCLUDED = {
    "SparseAdam": "its gradients are sparse tensors, which retrograd does not have",
}


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    parser.add_argument("--failures", action="store_true", help="show tracebacks")
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results = {}
    for kind, rows in (("layers", layers(options.only)), ("optimizers", optimizers(options.only))):
        for name, trials in rows:
            results[name] = _row(kind, name, trials, options.failures)
    for kind in ("layers", "optimizers"):
        counts = collections.Counter(r["outcome"] for r in results.values() if r["kind"] == kind)
        tried = counts["agrees"] + counts["differs"]
        if tried:
            print(f"{kind}: {counts['agrees']} of {tried} agree ({counts['agrees'] / tried:.1%})")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


def _row(kind, name, trials, show):
    reasons, count = [], 0
    for label, trial in trials:
        count += 1
        try:
            trial()
        except Exception as error:
            reasons.append(f"{label}: {type(error).__name__}: {' '.join(str(error).split())[:160]}")
            if show:
                traceback.print_exc()
    for reason in reasons:
        print(f"{name}: {reason}")
    outcome = "differs" if reasons else "agrees" if count else "no sample"
    return {"kind": kind, "outcome": outcome, "samples": count, "reasons": reasons}


# --- layers -----------------------------------------------------------------------------------------------


def layers(only):
    """(name, trials) of PyTorch's samples of layers; a trial is (label, function that raises)."""
    from torch.testing._internal.common_modules import module_db

    for info in module_db:
        if not info.module_cls.__module__.startswith("torch.nn.") or (only and info.name not in only):
            continue
        yield info.name, _layer_trials(info)


def _layer_trials(info):
    for training in (True, False) if info.train_and_eval_differ else (True,):
        torch.manual_seed(0)
        samples = info.module_inputs_func(
            info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
        )
        for i, sample in enumerate(samples):
            label = f"{'train' if training else 'eval'} {i} {sample.desc}".strip()
            yield label, lambda sample=sample, training=training: _compare_layer(info, sample, training)


def _compare_layer(info, sample, training):
    made = sample.constructor_input
    options = {"device": "cpu", "dtype": torch.float64}
    theirs = _make(info.module_cls, made.args, made.kwargs, options)
    here = getattr(retrograd.nn, info.module_cls.__name__)
    ours = _make(here, _here(made.args), _here(made.kwargs), convert(options))
    for module in (theirs, ours):
        module.train(training)
    call = sample.forward_input
    args, kwargs = _fresh(call.args), _fresh(call.kwargs)
    args_here, kwargs_here = convert(args), convert(kwargs)
    if info.is_lazy:
        _run(torch, theirs, _fresh(args), _fresh(kwargs))
        _run(retrograd, ours, convert(args), convert(kwargs))
    _load(ours, theirs)
    if repr(ours) != repr(theirs):
        raise AssertionError(f"repr {ours!r} is {theirs!r} in PyTorch")
    expected, out = _run(torch, theirs, args, kwargs), _run(retrograd, ours, args_here, kwargs_here)
    _same(out, expected, "output")
    pairs = list(zip(_tensors(out), _tensors(expected), strict=True))
    pairs = [(o, e) for o, e in pairs if e.requires_grad]
    for o, e in pairs:
        if not o.requires_grad:
            raise AssertionError("an output has no gradient")
    if pairs:
        _backward(pairs)
    gradients, expected = (_tensors(x, grad=True) for x in ((args_here, kwargs_here), (args, kwargs)))
    _same(gradients, expected, "gradient of input")
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        _same(p.grad, q.grad, f"gradient of {name}")
    _same(dict(ours.named_buffers()), dict(theirs.named_buffers()), "buffer")


def _make(cls, args, kwargs, options):
    """The layer, of float64; those that hold no parameters don't take a dtype."""
    try:
        return cls(*args, **{**options, **kwargs})
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        return cls(*args, **kwargs)


def _here(x):
    """A layer's arguments for the same layer here; layers and their functions among them too."""
    if isinstance(x, torch.nn.TransformerEncoderLayer):
        a = x.self_attn
        return retrograd.nn.TransformerEncoderLayer(
            a.embed_dim, a.num_heads, x.linear1.out_features, x.dropout.p, _here(x.activation), x.norm1.eps,
            a.batch_first, x.norm_first, x.linear1.bias is not None, dtype=retrograd.float64,
        )  # fmt: skip
    if callable(x) and x is not torch.float64 and getattr(torch.nn.functional, x.__name__, None) is x:
        return getattr(retrograd.nn.functional, x.__name__)
    if isinstance(x, dict):
        return {k: _here(v) for k, v in x.items()}
    return tuple(_here(v) for v in x) if type(x) is tuple else convert(x)


def _fresh(x):
    """A copy whose tensors are leaves."""
    if isinstance(x, torch.Tensor):
        return x.detach().clone().requires_grad_(x.requires_grad)
    if isinstance(x, dict):
        return {k: _fresh(v) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        return type(x)(_fresh(v) for v in x)
    return x


def _run(library, module, args, kwargs):
    library.manual_seed(0)
    return module(*args, **kwargs)


def _load(ours, theirs):
    state = theirs.state_dict()
    mine = ours.state_dict()
    if list(mine) != list(state):
        raise AssertionError(f"state_dict has {list(mine)}, in PyTorch {list(state)}")
    ours.load_state_dict({k: convert(v) if isinstance(v, torch.Tensor) else v for k, v in state.items()})


def _backward(pairs):
    torch.manual_seed(1)
    weights = [torch.randn_like(e) for _, e in pairs]
    sum((e * w).real.sum() for (_, e), w in zip(pairs, weights, strict=True)).backward()
    sum((o * convert(w)).real.sum() for (o, _), w in zip(pairs, weights, strict=True)).backward()


# --- optimizers -------------------------------------------------------------------------------------------


def optimizers(only):
    """(name, trials) of PyTorch's optimizers with the options that its tests try."""
    from torch.testing._internal.common_optimizers import optim_db

    for info in optim_db:
        name = info.optim_cls.__name__
        if only and name not in only:
            continue
        if name in EXCLUDED:
            print(f"{name}: left out: {EXCLUDED[name]}")
            continue
        yield name, _optimizer_trials(info)


def _optimizer_trials(info):
    for sample in info.optim_inputs_func(device="cpu"):
        for kind in ("float64", "float32"):
            yield (
                f"{sample.desc or 'default'} {kind}",
                lambda sample=sample, kind=kind: _compare_optimizer(info, sample.kwargs, kind),
            )


def _compare_optimizer(info, kwargs, kind):
    rng = np.random.default_rng(0)
    start = [rng.standard_normal(shape).astype(kind) for shape in ((4, 3), (3, 5))]
    if info.optim_cls.__name__ != "Muon":
        start += [rng.standard_normal(shape).astype(kind) for shape in ((5,), (), (2, 3, 2))]
    runs = []
    for library in (torch, retrograd):
        params = [library.tensor(a, requires_grad=True) for a in start]
        own = kwargs if library is torch else convert(kwargs)
        runs.append((params, getattr(library.optim, info.optim_cls.__name__)(params, **own)))
    (theirs, there), (mine, here) = runs
    tolerance = TOLERANCE if kind == "float64" else 2e-5
    if info.optim_cls.__name__ == "Muon" or kind == "float32":
        tolerance = OPTIMIZER_TOLERANCES.get(info.optim_cls.__name__, tolerance)
    for step in range(5):
        for params, optimizer in runs:
            optimizer.step(_closure(params, optimizer))
        _same(mine, theirs, f"parameter after step {step + 1}", tolerance)
    if info.optim_cls.__name__ == "LBFGS":
        tolerance = 1e9  # near the minimum its curvatures are quotients of roundings: only what there is
    _same(here.state_dict(), there.state_dict(), "state_dict", tolerance)


def _closure(params, optimizer):
    def loss():
        optimizer.zero_grad()
        value = sum(((p - 0.5) ** 2).sum() + (p**4).sum() * 0.05 for p in params)
        value.backward()
        return value

    return loss


# --- comparing --------------------------------------------------------------------------------------------


def _tensors(x, grad=False):
    """The tensors in nested containers, or their gradients."""
    if isinstance(x, (torch.Tensor, retrograd.Tensor)):
        return [x.grad] if grad else [x]
    if hasattr(x, "batch_sizes"):
        return _tensors(x.data, grad)
    values = x.values() if isinstance(x, dict) else x if isinstance(x, (tuple, list)) else ()
    return [t for v in values for t in _tensors(v, grad)]


def _same(mine, theirs, where, tolerance=TOLERANCE):
    if isinstance(theirs, torch.Tensor):
        if not isinstance(mine, retrograd.Tensor):
            raise AssertionError(f"{where} is a {type(mine).__name__}, not a Tensor")
        if tuple(mine.shape) != tuple(theirs.shape) or str(mine.dtype) != str(theirs.dtype):
            raise AssertionError(
                f"{where} has shape {tuple(mine.shape)} and {mine.dtype}, in PyTorch "
                f"{tuple(theirs.shape)} and {theirs.dtype}"
            )
        a, b = mine.detach().numpy(), theirs.detach().numpy()
        if not np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True):
            raise AssertionError(f"{where} differs by up to {np.nanmax(abs(a - b)):.1e}")
    elif isinstance(theirs, dict):
        if set(mine) != set(theirs):
            names = [sorted(map(str, x)) for x in (mine, theirs)]
            raise AssertionError(f"{where} has {names[0]}, in PyTorch {names[1]}")
        for key in theirs:
            _same(mine[key], theirs[key], f"{where}[{key}]", tolerance)
    elif hasattr(theirs, "batch_sizes"):
        _same(mine.data, theirs.data, where, tolerance)
    elif isinstance(theirs, (tuple, list)):
        if len(mine) != len(theirs):
            raise AssertionError(f"{where} has {len(mine)} parts, in PyTorch {len(theirs)}")
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            _same(a, b, f"{where}[{i}]", tolerance)
    elif isinstance(theirs, float) and isinstance(mine, (int, float)):
        if not np.isclose(mine, theirs, rtol=1e-6, equal_nan=True):
            raise AssertionError(f"{where} is {mine}, in PyTorch {theirs}")
    elif mine != theirs:
        raise AssertionError(f"{where} is {mine}, in PyTorch {theirs}")


if __name__ == "__main__":
    main()
