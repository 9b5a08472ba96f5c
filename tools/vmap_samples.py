"""How many of PyTorch's operators keep their meaning under retrograd's transforms: a score for each.

    python tools/vmap_samples.py [--only add,nn.functional.relu] [--samples 3] [--failures] [--json FILE]

The inputs are PyTorch's own samples (see operator_samples.py). What `vmap` gives on a batch of two must be
what a loop over the two gives, for several choices of what is batched and where:

    vmap       the values
    inplace    the values of the method that writes in place, on a clone
    grad       vmap(grad(f)) against a loop of grad(f)
    jvp        vmap(jvp(f)) against a loop of jvp(f)
    nested     one vmap in another, over different tensors, against two loops
    jacobian   jacrev(f), which batches the gradients alone, against jacfwd(f)
    hessian    jvp(grad(f)) against grad(grad(f)), products with a vector; then under vmap, against a loop

Where vmap refuses, PyTorch's vmap is asked: what it refuses too counts as fine.
"""

import argparse
import collections
import json
import signal
import sys
import traceback
import warnings

import numpy as np
import torch
from operator_samples import RANDOM, convert, entries, function, ported, skipped, tensors

import retrograd
from retrograd.func import grad, jacfwd, jacrev, jvp, vmap
from retrograd.utils._pytree import tree_flatten, tree_unflatten

KINDS = ("vmap", "inplace", "nested", "grad", "jvp", "jacobian", "hessian")
LARGEST = 300  # elements of a Jacobian's side


LEFT_OUT = {
    # about memory, which is another one in a batch
    "as_strided", "as_strided_copy", "as_strided_partial_views",
    # the last of several writes to a place counts, and each has a gradient
    "nn.functional.max_unpool1d", "nn.functional.max_unpool2d", "nn.functional.max_unpool3d",
    # drops at random
    "nn.functional.multi_head_attention_forward",
}  # fmt: skip


class Unanswered(Exception):
    """The question makes no sense for this sample."""


def is_tensor(x):
    return isinstance(x, retrograd.Tensor)


class Question:
    """A sample as a function of its tensors, and a batch of two examples of them."""

    def __init__(self, op, ours, sample):
        mine = [convert(a) for a in (sample.input, *sample.args)], convert(sample.kwargs)
        self.leaves, self.form = tree_flatten(mine)
        self.places = [i for i, x in enumerate(self.leaves) if is_tensor(x)]
        if not self.places:
            raise Unanswered("no tensors")
        self.run = ported(op.gradcheck_wrapper)
        self.finish = ported(sample.output_process_fn_grad)
        self.ours = ours
        self.writes = op.name.endswith("_")
        firsts = [self.leaves[i].detach() for i in self.places]
        # Scaled, not random: symmetric, triangular, positive stays so, and indices are valid.
        self.examples = [
            firsts,
            [x * 0.75 if x.is_floating_point() or x.is_complex() else x.clone() for x in firsts],
        ]
        real = [x.is_floating_point() for x in firsts]
        wanted = [self.leaves[i].requires_grad for i in self.places]
        self.differentiable = [n for n, (r, w) in enumerate(zip(real, wanted)) if r and w]

    def __call__(self, *values):
        """The tensors that come out for these tensors."""
        leaves = list(self.leaves)
        for i, v in zip(self.places, values):
            leaves[i] = v
        args, kwargs = tree_unflatten(leaves, self.form)
        if self.writes:
            args[0] = args[0].clone()
        outs = tensors(self.finish(self.run(self.ours, *args, **kwargs)), retrograd.Tensor)
        if not outs:
            raise Unanswered("no tensors come out")
        return tuple(outs)

    def loss(self, *values):
        """A number that depends on every element that comes out, each in a way of its own."""
        total = None
        for o in self(*values):
            if not (o.is_floating_point() or o.is_complex()) or o.grad_fn is None:
                continue
            if o.is_complex():
                o = retrograd.view_as_real(o)
            ramp = retrograd.arange(o.numel(), dtype=o.dtype).cos().reshape(o.shape)
            term = (o * ramp).sum() if o.numel() else o.sum()
            total = term if total is None else total + term
        if total is None:
            raise Unanswered("nothing to differentiate")
        return total

    def in_dims(self):
        """Choices of what is batched, and where: everything; the first alone, at the end; all the others."""
        n = len(self.places)
        yield (0,) * n
        if n > 1:
            yield (-1, *(None,) * (n - 1))
            yield (None, *(0,) * (n - 1))
        else:
            yield (-1,)

    def batch(self, dims):
        """The tensors with both examples where they are batched."""
        pairs = zip(*self.examples, dims)
        return [a if d is None else retrograd.stack((a, b), d).detach() for a, b, d in pairs]

    def example(self, i, dims):
        return [x if d is not None else a for x, a, d in zip(self.examples[i], self.examples[0], dims)]


def compared(batched, loop, what):
    """Raise where the batch isn't what the loop gave."""
    if len(batched) != len(loop[0]):
        raise AssertionError(f"{what}: {len(batched)} tensors instead of {len(loop[0])}")
    for n, b in enumerate(batched):
        for i, outs in enumerate(loop):
            same(b[i], outs[n], f"{what}: output {n} of example {i}")


def same(a, b, what):
    if a.shape != b.shape or a.dtype != b.dtype:
        raise AssertionError(f"{what}: {list(a.shape)} {a.dtype} instead of {list(b.shape)} {b.dtype}")
    exact = a.dtype in (retrograd.float64, retrograd.complex128) or not a.is_floating_point()
    a, b = [(x.float() if x.dtype is retrograd.bfloat16 else x).detach().numpy() for x in (a, b)]
    scale = float(np.nanmax(np.abs(b[np.isfinite(b)]), initial=1.0)) if b.dtype.kind in "fc" else 1.0
    tol = 1e-7 if exact else 1e-3
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol * scale, err_msg=what)


def over_batch(q, f, what, refused):
    """vmap(f) against a loop, for all choices of what is batched."""
    for dims in q.in_dims():
        try:
            loop = [f(*q.example(i, dims)) for i in range(2)]
        except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError):
            raise Unanswered("the examples are refused") from None
        if any(a.shape != b.shape for a, b in zip(*loop)):
            continue
        try:
            result = vmap(f, in_dims=dims)(*q.batch(dims))
        except Exception:
            if refused(dims):
                continue
            raise
        compared(result, loop, f"{what}{list(dims)}")


def check_vmap(q, refused):
    over_batch(q, q, "vmap", refused)


def check_inplace(q, refused):
    if q.method is None:
        raise Unanswered("no method that writes in place")

    def f(*values):
        leaves = list(q.leaves)
        for i, v in zip(q.places, values):
            leaves[i] = v
        args, kwargs = tree_unflatten(leaves, q.form)
        if not is_tensor(args[0]):
            raise Unanswered("not a method of the input")
        return (q.method(args[0].clone(), *args[1:], **kwargs),)

    over_batch(q, f, "in place", refused)


def check_nested(q, refused):
    """The first tensor batched by the outer vmap, the others by the inner one; a single one by both."""
    n = len(q.places)
    outer, inner = ((0,), (0,)) if n == 1 else ((0, *(None,) * (n - 1)), (None, *(0,) * (n - 1)))
    if n == 1:
        batch = [retrograd.stack([q.batch((0,))[0] * s for s in (1, 0.5)])] if _floats(q) else None
        if batch is None:
            raise Unanswered("one tensor of indices")
        example = lambda i, j: [q.examples[j][0] * (1, 0.5)[i]]
    else:
        batch = q.batch((0,) * n)
        example = lambda i, j: [q.examples[i][0], *q.examples[j][1:]]
    try:
        loop = [q(*example(i, j)) for i in range(2) for j in range(2)]
    except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError):
        raise Unanswered("the examples are refused") from None
    if any(a.shape != b.shape for outs in loop for a, b in zip(outs, loop[0])):
        raise Unanswered("shapes differ")
    try:
        result = vmap(vmap(q, in_dims=inner), in_dims=outer)(*batch)
    except Exception:
        if refused(outer) or refused((0,) * n):
            raise Unanswered("PyTorch refuses it too") from None
        raise
    compared([o.reshape((4, *o.shape[2:])) for o in result], loop, "nested")


def _floats(q):
    return all([x.is_floating_point() or x.is_complex() for x in q.examples[0]])


def of_differentiable(q, f):
    """f(differentiable tensors, then the others) as a function of all tensors in their order."""
    if not q.differentiable:
        raise Unanswered("nothing to differentiate")
    return lambda *values: f([values[n] for n in q.differentiable], list(values))


def replaced(q, values, new):
    values = list(values)
    for n, v in zip(q.differentiable, new):
        values[n] = v
    return values


def check_grad(q, refused):
    def f(chosen, values):
        loss = lambda *new: q.loss(*replaced(q, values, new))
        return grad(loss, argnums=tuple(range(len(chosen))))(*chosen)

    over_batch(q, of_differentiable(q, f), "grad", refused)


def tangents(chosen):
    """A direction for each of the tensors."""
    return [(retrograd.arange(x.numel(), dtype=x.dtype) * 1.7 + 0.3).sin().reshape(x.shape) for x in chosen]


def check_jvp(q, refused):
    def f(chosen, values):
        outs = lambda *new: tuple(
            [o for o in q(*replaced(q, values, new)) if o.is_floating_point() or o.is_complex()]
        )
        if not outs(*chosen):
            raise Unanswered("nothing to differentiate")
        return jvp(outs, tuple(chosen), tuple(tangents(chosen)))[1]

    over_batch(q, of_differentiable(q, f), "jvp", refused)


def check_jacobian(q, refused):
    def both(chosen, values):
        if any([x.is_complex() for x in values]) or sum([x.numel() for x in chosen]) > LARGEST:
            raise Unanswered("complex or large")
        nums = tuple(range(len(chosen)))
        f = lambda *new: tuple([o for o in q(*replaced(q, values, new)) if o.is_floating_point()])
        outs = f(*chosen)
        if not outs or sum([o.numel() for o in outs]) > LARGEST:
            raise Unanswered("nothing to differentiate, or large")
        return jacrev(f, argnums=nums)(*chosen), jacfwd(f, argnums=nums)(*chosen)

    reverse, forward = of_differentiable(q, both)(*q.examples[0])
    for n, (a, b) in enumerate(zip(tree_flatten(reverse)[0], tree_flatten(forward)[0])):
        if a.dtype != b.dtype:  # that of the input, and that of the output
            a, b = a.float(), b.float()
        same(a, b, f"jacobian {n}")


def check_hessian(q, refused):
    def forward(chosen, values):
        nums = tuple(range(len(chosen)))
        first = grad(lambda *new: q.loss(*replaced(q, values, new)), argnums=nums)
        return jvp(first, tuple(chosen), tuple(tangents(chosen)))[1]

    def backward(chosen, values):
        nums = tuple(range(len(chosen)))
        first = grad(lambda *new: q.loss(*replaced(q, values, new)), argnums=nums)
        product = lambda *new: sum([(g * t).sum() for g, t in zip(first(*new), tangents(chosen))])
        return grad(product, argnums=nums)(*chosen)

    values = q.examples[0]
    try:
        expected = of_differentiable(q, backward)(*values)
    except (RuntimeError, NotImplementedError):
        raise Unanswered("no second derivative") from None
    for n, (a, b) in enumerate(zip(of_differentiable(q, forward)(*values), expected)):
        same(a, b, f"forward over reverse, input {n}")
    over_batch(q, of_differentiable(q, forward), "hessian", refused)


CHECKS = {"vmap": check_vmap, "inplace": check_inplace, "nested": check_nested, "grad": check_grad,
          "jvp": check_jvp, "jacobian": check_jacobian, "hessian": check_hessian}  # fmt: skip


def refused_by_pytorch(call, sample, dims):
    """Whether PyTorch's vmap doesn't take `call`, an operator, with these tensors batched."""
    leaves, form = tree_flatten(([sample.input, *sample.args], sample.kwargs))
    places = [i for i, x in enumerate(leaves) if isinstance(x, torch.Tensor)]

    def f(*values):
        mine = list(leaves)
        for i, v in zip(places, values):
            mine[i] = v
        args, kwargs = tree_unflatten(mine, form)
        return tuple(tensors(call(*args, **kwargs), torch.Tensor))

    batch = []
    for i, d in zip(places, dims):
        x = leaves[i].detach()
        batch.append(x if d is None else torch.stack((x, x), d))
    try:
        torch.func.vmap(f, in_dims=dims)(*batch)
    except Exception:
        return True
    return False


def as_method(name):
    """A call of the method of that name, or None."""
    if not hasattr(retrograd.Tensor, name):
        return None
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def answers(op, options):
    """{kind: "works", "unanswered" or what went wrong with the first failing sample}"""
    ours = function(op.name)
    if ours is None:
        return {}
    try:
        samples = list(op.sample_inputs("cpu", torch.float64, requires_grad=op.supports_autograd))
    except Exception:
        return {}
    method = as_method(getattr(op.inplace_variant, "__name__", ""))
    if getattr(retrograd.Tensor, op.name, None) is ours:
        ours = as_method(op.name)
    real_method = lambda x, *args, **kwargs: op.inplace_variant(x.clone(), *args, **kwargs)
    results = {}
    step = max(1, len(samples) // options.samples)
    for i, sample in list(enumerate(samples))[::step]:
        if skipped(op.name, sample):
            continue
        try:
            q = Question(op, ours, sample)
        except Exception:
            continue
        q.method = method
        for kind in options.kinds:
            if results.get(kind, "works") != "works":
                continue
            call = real_method if kind == "inplace" else op.op
            refused = lambda dims: refused_by_pytorch(call, sample, dims)  # noqa: B023  used at once
            answer = one_answer(kind, q, refused, options)
            if answer is not None:
                results[kind] = answer if answer == "works" else f"sample {i}: {answer}"
    return results


def one_answer(kind, q, refused, options):
    signal.alarm(options.limit)
    try:
        CHECKS[kind](q, refused)
    except Unanswered:
        return None
    except Exception as error:
        if options.trace:
            traceback.print_exc(file=sys.stdout)
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    finally:
        signal.alarm(0)
    return "works"


def give_up(*_):
    raise TimeoutError("took too long")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which questions, of " + ", ".join(KINDS))
    parser.add_argument("--samples", type=int, default=3, help="samples per operator (default 3)")
    parser.add_argument("--limit", type=int, default=60, help="seconds per question (default 60)")
    parser.add_argument("--failures", action="store_true", help="print one line per failure")
    parser.add_argument("--trace", action="store_true", help="print the traceback of each failure")
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    options.kinds = options.kinds.split(",")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, give_up)
    results = {}
    for op in entries(set(filter(None, options.only.split(",")))):
        if op.name in RANDOM | LEFT_OUT:
            continue
        results[op.name] = answers(op, options)
        if options.failures or options.only:
            for kind, answer in results[op.name].items():
                if answer != "works":
                    print(f"{op.name} {kind}: {answer}", flush=True)
    for kind in options.kinds:
        found = collections.Counter(r[kind] == "works" for r in results.values() if kind in r)
        total = found.total()
        print(f"{kind}: {found[True]} of {total} operators work ({100 * found[True] / max(total, 1):.1f} %)")
    if options.json:
        with open(options.json, "w") as f:
            json.dump(results, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
