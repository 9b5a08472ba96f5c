"""How much of PyTorch's own operator samples retrograd answers: one line per operator, a score at the end.

    python tools/operator_samples.py [--only add,nn.functional.relu] [--samples 6] [--failures] [--json FILE]

PyTorch keeps a database of its operators with sample inputs for its own tests. For each entry that has
float64 on the CPU, the function of the same name here gets the same inputs; values and gradients must agree
(second gradients too with --deep).
"""

import argparse
import collections
import json
import re
import sys
import traceback
import types
import warnings

import numpy as np
import torch

import retrograd


def entries(only):
    """The database's entries, each once, by the name of the function."""
    from torch.testing._internal.common_methods_invocations import op_db

    seen = set()
    for op in op_db:
        if op.variant_test_name or op.name in seen or (only and op.name not in only):
            continue
        if torch.float64 not in op.supported_dtypes("cpu") or op.name.startswith(("_", "ops.", "torch.ops")):
            continue
        if op.name in EXCLUDED:
            print(f"{op.name}: left out: {EXCLUDED[op.name]}", flush=True)
            continue
        seen.add(op.name)
        yield op


def skipped(name, sample):
    """Whether a sample is outside of what the function is defined for, or random."""
    if name == "histogramdd":  # edges must rise; PyTorch's samples draw them at random
        edges = sample.args[0]
        return any(isinstance(e, torch.Tensor) and bool((e.diff() < 0).any()) for e in edges)
    return bool(sample.kwargs.get("dropout_p"))  # what is dropped differs


def convert(x):
    """PyTorch's values as retrograd's."""
    if isinstance(x, torch.Tensor):
        if x.layout is not torch.strided:
            raise TypeError(f"layout {x.layout}")
        if x.dtype is torch.bfloat16:
            return retrograd.from_numpy(x.detach().float().numpy()).bfloat16()
        out = retrograd.from_numpy(np.array(x.numpy(force=True)))
        if x.is_floating_point() or x.is_complex():
            out.requires_grad_(x.requires_grad)
        return out
    if isinstance(x, torch.dtype):
        return getattr(retrograd, str(x).removeprefix("torch."))
    if isinstance(x, torch.device):
        return retrograd.device(str(x))
    if isinstance(x, torch.Size):
        return retrograd.Size(x)
    if isinstance(x, (torch.memory_format, torch.layout)):
        return getattr(retrograd, str(x).removeprefix("torch."))
    if isinstance(x, torch.nn.Module):
        return getattr(retrograd.nn, type(x).__name__)()
    if callable(x) and getattr(x, "__module__", None) == "torch.nn.functional":
        return getattr(retrograd.nn.functional, x.__name__)
    if isinstance(x, dict):
        return {k: convert(v) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        return type(x)(convert(v) for v in x)
    return x


def tensors(x, kind):
    """The differentiable tensors in nested values."""
    if isinstance(x, kind):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    return [t for v in x for t in tensors(v, kind)] if isinstance(x, (tuple, list)) else []


# Operators whose samples come in another order than the public function's arguments.
_REORDERED = {
    "einsum": lambda f: lambda tensors, equation: f(equation, *tensors),
    "svd_lowrank": lambda f: lambda a, b, **kwargs: f(a @ b.mT, **kwargs),
    "pca_lowrank": lambda f: lambda a, b, **kwargs: f(a @ b.mT, **kwargs),
    "where": lambda f: lambda x, condition, other: f(condition, x, other),
    "nn.functional.embedding": lambda f: lambda weight, index, **kwargs: f(index, weight, **kwargs),
    "nn.functional.embedding_bag": lambda f: lambda weight, index, **kwargs: f(index, weight, **kwargs),
}  # fmt: skip


def function(name):
    """retrograd's function or method of that name, or None."""
    for root, path in ((retrograd, name), (retrograd.Tensor, name), (retrograd.Tensor, name + "_")):
        found = root
        try:
            for part in path.split("."):
                found = getattr(found, part)
        except (AttributeError, ModuleNotFoundError):
            continue
        if isinstance(found, retrograd.dtype):
            continue
        if isinstance(found, property):
            return found.fget
        return _REORDERED.get(name, lambda f: f)(found)
    return None


# PyTorch's own values are off by this much: compared with SciPy's, and with mpmath's series.
INEXACT = {"special.bessel_j0": 1e-6, "special.bessel_y1": 1e-6}


def compare(a, b, what, atol=1e-8):
    a = a._array if isinstance(a, retrograd.Tensor) else np.asarray(a)
    if b.dtype is torch.bfloat16:
        a, b = a.astype(np.float32), b.float()
    b = b.numpy(force=True)
    if a.shape != b.shape:
        raise AssertionError(f"{what}: shape {a.shape} instead of {b.shape}")
    if a.dtype != b.dtype:
        raise AssertionError(f"{what}: dtype {a.dtype} instead of {b.dtype}")
    exact = a.dtype in (np.float64, np.complex128) or a.dtype.kind not in "fc"
    np.testing.assert_allclose(a, b, rtol=1e-6 if exact else 1e-4, atol=atol if exact else 1e-5, err_msg=what)


def ported(function):
    """A small function of PyTorch's tests as one that calls retrograd: what it names `torch` is exchanged."""
    if not isinstance(function, types.FunctionType):
        return function
    there = {**function.__globals__, "torch": retrograd}
    out = types.FunctionType(
        function.__code__, there, function.__name__, function.__defaults__, function.__closure__
    )
    out.__kwdefaults__ = function.__kwdefaults__
    return out


def lacks_derivative(error):
    """Whether PyTorch says that it has no such derivative (of some optional inputs in its own way)."""
    said = re.search("derivative.*not implemented|Expected a proper Tensor but got None", str(error))
    return isinstance(error, NotImplementedError) or bool(said)


def differentiable(xs):
    return [x for x in xs if x.requires_grad]


def start_gradients(outs, rng):
    """Random gradients for outputs of PyTorch, as arrays."""
    made = []
    for o in outs:
        g = rng.standard_normal(tuple(o.shape))
        made.append(g + 1j * rng.standard_normal(tuple(o.shape)) if o.is_complex() else g)
    return made


def check(op, ours, sample, deep):
    """Compare one sample; raises on a difference."""
    args = (sample.input, *sample.args)
    my_args, my_kwargs = [convert(a) for a in args], convert(sample.kwargs)
    given = my_args
    if op.name.endswith("_") and isinstance(my_args[0], retrograd.Tensor) and my_args[0].requires_grad:
        given = [my_args[0].clone(), *my_args[1:]]  # PyTorch's entry clones too: a leaf can't be written to
    # PyTorch's tests differentiate some functions through a wrapper that makes the input fit (Hermitian,
    # triangular), and look at what of the output is determined (eigenvectors are so up to a factor).
    mine = ported(sample.output_process_fn_grad)(ported(op.gradcheck_wrapper)(ours, *given, **my_kwargs))
    real = sample.output_process_fn_grad(op.gradcheck_wrapper(op.op, *args, **sample.kwargs))
    my_outs, outs = tensors(mine, retrograd.Tensor), tensors(real, torch.Tensor)
    if not outs:
        if mine != real and not (isinstance(real, float) and np.isclose(mine, real)):
            raise AssertionError(f"{mine!r} instead of {real!r}")
        return
    if len(outs) != len(my_outs):
        raise AssertionError(f"{len(my_outs)} tensors instead of {len(outs)}")
    random = op.name in RANDOM
    for i, (m, r) in enumerate(zip(my_outs, outs)):
        if random:
            if tuple(m.shape) != tuple(r.shape):
                raise AssertionError(f"output {i}: shape")
        else:
            compare(m, r, f"output {i}", INEXACT.get(op.name, 1e-8))
    if random or not op.supports_autograd:
        return
    xs = differentiable(tensors([args, sample.kwargs], torch.Tensor))
    my_xs = differentiable(tensors([my_args, my_kwargs], retrograd.Tensor))
    pairs = [(m, r) for m, r in zip(my_outs, outs) if r.requires_grad]
    if not xs or not pairs:
        return
    rng = np.random.default_rng(0)
    starts = start_gradients([r for _, r in pairs], rng)
    second = deep and op.supports_gradgrad
    try:
        real_grads = torch.autograd.grad(
            [r for _, r in pairs],
            xs,
            [torch.from_numpy(np.asarray(g)) for g in starts],
            allow_unused=True,
            create_graph=second,
        )
    except RuntimeError as error:
        if lacks_derivative(error):
            return
        raise
    if any(not m.requires_grad for m, _ in pairs):
        raise AssertionError("an output that should require grad does not")
    my_grads = retrograd.autograd.grad(
        [m for m, _ in pairs],
        my_xs,
        [retrograd.from_numpy(np.asarray(g)) for g in starts],
        allow_unused=True,
        create_graph=second,
    )
    for i, (m, r) in enumerate(zip(my_grads, real_grads)):
        if r is not None:
            compare(retrograd.zeros_like(my_xs[i]) if m is None else m, r, f"gradient {i}")
    if second:
        check_second(xs, my_xs, real_grads, my_grads, rng)


def check_second(xs, my_xs, real_grads, my_grads, rng):
    wanted = [i for i, r in enumerate(real_grads) if r is not None and r.requires_grad]
    if not wanted:
        return
    starts = start_gradients([real_grads[i] for i in wanted], rng)
    try:
        real = torch.autograd.grad(
            [real_grads[i] for i in wanted],
            xs,
            [torch.from_numpy(np.asarray(g)) for g in starts],
            allow_unused=True,
        )
    except RuntimeError as error:
        if lacks_derivative(error):
            return
        raise
    usable = [(i, s) for i, s in zip(wanted, starts) if my_grads[i] is not None and my_grads[i].requires_grad]
    mine = (
        retrograd.autograd.grad(
            [my_grads[i] for i, _ in usable],
            my_xs,
            [retrograd.from_numpy(np.asarray(s)) for _, s in usable],
            allow_unused=True,
        )
        if usable
        else [None] * len(my_xs)
    )
    for i, (m, r) in enumerate(zip(mine, real)):
        if r is not None and not r.isnan().any():  # where PyTorch has none, there is nothing to compare
            compare(retrograd.zeros_like(my_xs[i]) if m is None else m, r, f"second gradient {i}")


RANDOM = {
    "bernoulli", "cauchy", "exponential", "geometric", "log_normal", "multinomial", "normal", "uniform",
    "randn", "rand",
    "randint", "randn_like", "rand_like", "randint_like", "empty", "empty_like", "new_empty", "empty_strided",
    "new_empty_strided", "empty_permuted", "nn.functional.dropout", "nn.functional.dropout2d",
    "nn.functional.dropout3d",
    "nn.functional.alpha_dropout", "nn.functional.feature_alpha_dropout", "nn.functional.rrelu",
    "pca_lowrank", "svd_lowrank",
    "nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d",
}  # fmt: skip


EXCLUDED = {
    **dict.fromkeys(
        ["slice", "max_pool2d_with_indices_backward", "native_dropout_backward"],
        "no public function of PyTorch",
    ),
    **dict.fromkeys(["sparse.sampled_addmm", "to_sparse"], "sparse layouts are not among retrograd's"),
    **dict.fromkeys(
        [
            "jiterator_unary", "jiterator_binary", "jiterator_4inputs_with_extra_args",
            "jiterator_binary_return_by_ref",
            "jiterator_2inputs_2outputs",
        ],
        "compiles CUDA code from strings",
    ),
    "chalf": "NumPy has no complex numbers of half precision",
    "as_strided_scatter": "differs by intent: PyTorch's gradient of the input is that of the replaced part",
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--samples", type=int, default=8, help="samples per operator (default 8)")
    parser.add_argument("--deep", action="store_true", help="second gradients too")
    parser.add_argument("--failures", action="store_true", help="print one line per failing operator")
    parser.add_argument("--trace", action="store_true", help="print the traceback of each failure")
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    results = {}
    for op in entries(set(filter(None, options.only.split(",")))):
        results[op.name] = answer(op, options)
        if results[op.name] != "works" and (options.failures or options.only):
            print(f"{op.name}: {results[op.name]}", flush=True)
    counts = collections.Counter(
        "works" if r == "works" else "missing" if r == "missing" else "differs" for r in results.values()
    )
    total = sum(v != "unanswered" for v in results.values())
    print(f"{counts['works']} of {total} operators work ({100 * counts['works'] / max(total, 1):.1f} %), "
          f"{counts['differs']} differ, {counts['missing']} missing")  # fmt: skip
    if options.json:
        with open(options.json, "w") as f:
            json.dump(results, f, indent=1)
    return 0


def answer(op, options):
    """ "works", "missing", or what went wrong with the first failing sample."""
    ours = function(op.name)
    if ours is None:
        return "missing"
    try:
        samples = list(op.sample_inputs("cpu", torch.float64, requires_grad=op.supports_autograd))
    except Exception as error:
        return f"unanswered: {error}"
    step = max(1, len(samples) // options.samples)
    for i, sample in enumerate(samples[::step]):
        if skipped(op.name, sample):
            continue
        try:
            check(op, ours, sample, options.deep)
        except Exception as error:
            if options.trace:
                traceback.print_exc(file=sys.stdout)
            text = " ".join(str(error).split())[:160]
            return f"sample {i * step}: {type(error).__name__}: {text}"
    return "works"


if __name__ == "__main__":
    sys.exit(main())
