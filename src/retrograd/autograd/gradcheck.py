"""`gradcheck` and `gradgradcheck`: derivatives compared with finite differences."""

import warnings

import numpy as np

from ..core.modes import modes
from ..core.tensor import Tensor, wrap
from . import forward_ad
from .function import Function
from .jacobians import (
    Differentiated,
    GradcheckError,
    as_tuple,
    count_parts,
    count_reals,
    floating_outputs,
    from_reals,
    random_reals,
    to_reals,
)
from .walks import grad

_SHOWN = 10  # entries of a Jacobian that a message shows


def gradcheck(
    func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, nondet_tol=0.0,
    check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False,
    check_batched_forward_grad=False, check_forward_ad=False, check_backward_ad=True, fast_mode=False,
    masked=None,
):  # fmt: skip
    """Compare the derivatives of `func` with central differences; True, or a GradcheckError that shows
    the difference.

    func takes `inputs` (a Tensor or several values) and returns a Tensor or a tuple of them. The inputs
    that require gradients are checked: they should be float64 or complex128, and are moved by `eps` in
    place while func is called. With raise_exception=False the answer to a difference is False.

    Of every entry of the Jacobian it is asked that |numerical - analytical| <= atol + rtol *
    |numerical|; in fast_mode, of a random projection of it (for complex functions too, unlike PyTorch),
    and of the entries if that fails. check_undefined_grad: outputs that get no gradient count as zeros.
    nondet_tol: how far apart two backward passes may be. masked is for sparse tensors, of which there
    are none here.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True [RG120]"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True [RG120]")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True [RG120]"
        )
    at = Differentiated(func, inputs, eps)
    try:
        differentiable = bool(at.differentiable_outputs())
        if not differentiable and check_backward_ad:
            _check_constant(at, atol)
        check = _check_projected if fast_mode else _check_entries
        check(at, check_forward_ad, check_backward_ad, atol, rtol, nondet_tol)
        if differentiable and check_backward_ad:
            _check_zero_gradients(at)
            if check_undefined_grad:
                _check_undefined_gradients(at)
            if check_grad_dtypes:
                _check_dtypes(at)
            if check_batched_grad:
                _check_batched_gradients(at, atol, rtol)
        if check_forward_ad:
            if check_undefined_grad:
                _check_undefined_tangents(at, atol, rtol)
            if check_batched_forward_grad:
                _check_batched_tangents(at, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, gen_non_contig_grad_outputs=False,
    raise_exception=True, nondet_tol=0.0, check_undefined_grad=True, check_grad_dtypes=False,
    check_batched_grad=False, check_fwd_over_rev=False, check_rev_over_rev=True, fast_mode=False,
    masked=False,
):  # fmt: skip
    """`gradcheck` of the gradients of `func`, as functions of its inputs and of the gradients of its
    outputs.

    grad_outputs: the latter, for the outputs that require gradients; random (from a fixed seed) by
    default, and not contiguous with gen_non_contig_grad_outputs. check_fwd_over_rev, check_rev_over_rev:
    differentiate the gradients in forward and in reverse mode. The other arguments are those of
    `gradcheck`.
    """
    inputs = as_tuple(inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        outputs = [o for o in floating_outputs(func(*inputs)) if o.requires_grad]
        grad_outputs = tuple([_random_leaf(o._array, rng, gen_non_contig_grad_outputs) for o in outputs])
    else:
        grad_outputs = as_tuple(grad_outputs)
    count = len(inputs)

    def gradients(*args):
        # in forward mode the arguments come detached: the walk below needs them to be leaves
        args = [
            _leaf(a) if isinstance(a, Tensor) and x.requires_grad and not a.requires_grad else a
            for a, x in zip(args, (*inputs, *grad_outputs), strict=True)
        ]
        outputs = [o for o in floating_outputs(func(*args[:count])) if o.requires_grad]
        wanted = [a for a in args[:count] if isinstance(a, Tensor) and a.requires_grad]
        found = grad(outputs, wanted, args[count:], create_graph=True, allow_unused=True)
        return tuple([g for g in found if g is not None])

    return gradcheck(
        gradients, (*inputs, *grad_outputs), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad, check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev, fast_mode=fast_mode, masked=masked,
    )  # fmt: skip


def _leaf(x):
    """`x`, made to require gradients; it keeps its tangent."""
    x.requires_grad = True
    return x


def _random_leaf(like, rng, strided):
    """A random Tensor like `like` that requires gradients; every other element of a larger array if
    `strided`."""
    values = from_reals(rng.uniform(-1, 1, count_reals(like)), like)
    if strided and like.ndim:
        values = np.repeat(values, 2, axis=-1)[..., ::2]
    return _leaf(wrap(values))


# --- Jacobians ----------------------------------------------------------------------


def _check_entries(at, by_forward, by_reverse, atol, rtol, nondet_tol):
    """Compare every entry of every Jacobian."""
    numerical = [at.numerical(x) for x in at.inputs]
    outputs = at.outputs()
    for j, out in enumerate(outputs):
        if by_reverse and out.requires_grad:
            for n, analytical in enumerate(at.reverse(out, nondet_tol)):
                _compare(at, numerical[n][j], analytical, j, n, out, "reverse", atol, rtol)
    for n, i in enumerate(at.chosen if by_forward else ()):
        for j, analytical in enumerate(at.forward(i)):
            _compare(at, numerical[n][j], analytical, j, n, outputs[j], "forward", atol, rtol)


def _check_projected(at, by_forward, by_reverse, atol, rtol, nondet_tol):
    """Compare v J u for random u and v, of each input and output; where it differs, the entries."""
    rng = np.random.default_rng(0)
    outputs = at.outputs()
    weights = [random_reals(o._array, rng) for o in outputs]
    directions = [random_reals(x._array, rng) for x in at.inputs]
    numerical = [
        at.difference(x, from_reals(u, x._array)) for x, u in zip(at.inputs, directions, strict=True)
    ]

    def compare(mode, n, j, value):
        u, v = directions[n], weights[j]
        expected = float(numerical[n][j] @ v)
        # each entry may be off by atol, and counts with one of u and one of v
        bound = atol * np.abs(u).sum() * np.abs(v).sum() + rtol * abs(expected)
        if abs(expected - value) <= bound:
            return
        _check_entries(at, by_forward, by_reverse, atol, rtol, nondet_tol)
        raise GradcheckError(
            f"{_MISMATCH[mode]} for output {j} with respect to input {at.chosen[n]}, along random "
            "directions: "
            f"numerical {expected:.10g}, analytical {value:.10g}, difference {abs(expected - value):.3g}; "
            "yet "
            "entry by entry (fast_mode=False) it passes [RG026]"
        )

    for j, (out, v) in enumerate(zip(outputs, weights, strict=True)):
        if by_reverse and out.requires_grad:
            for n, g in enumerate(at.pull_twice(out, from_reals(v, out._array), nondet_tol)):
                compare("reverse", n, j, float(g @ directions[n]))
    for n, i in enumerate(at.chosen if by_forward else ()):
        for j, t in enumerate(at.push_one(i, from_reals(directions[n], at.args[i]._array))):
            compare("forward", n, j, float(to_reals(t) @ weights[j]))


_MISMATCH = {"reverse": "Jacobian mismatch", "forward": "Jacobian computed with forward mode mismatch"}


def _part(wrong, array):
    """Which part of a complex output is wrong, as the start of a message."""
    if array.dtype.kind != "c":
        return ""
    part = "imaginary" if wrong[:, 1::2].any() else "real"
    return f"While considering the {part} part of complex outputs only, "


def _compare(at, numerical, analytical, j, n, out, mode, atol, rtol):
    """Raise the error that shows where two Jacobians of output `j` differ, the worst entries first."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(numerical - analytical)
        wrong = ~(apart <= atol + rtol * np.abs(numerical))  # NaN is wrong too
    if not wrong.any():
        return
    places = np.argwhere(wrong)
    worst = np.argsort(-np.nan_to_num(apart[wrong], nan=np.inf), kind="stable")[:_SHOWN]
    lines = [("output at", "input at", "numerical", "analytical", "difference")]
    for a, b in places[worst]:
        where = _describe_index(b, out._array), _describe_index(a, at.inputs[n]._array)
        lines.append((*where, f"{numerical[a, b]:.10g}", f"{analytical[a, b]:.10g}", f"{apart[a, b]:.3g}"))
    more = len(places) - len(worst)
    raise GradcheckError(
        f"{_part(wrong, out._array)}{_MISMATCH[mode]} for output {j} with respect to input {at.chosen[n]}: "
        f"{len(places)} of {wrong.size} entries differ by more than atol={atol:g} + rtol={rtol:g} * "
        "|numerical|\n"
        + _table(lines)
        + (f"\n  ... and {more} more" if more else "")
        + _hint(numerical, analytical)
        + " [RG026]"
    )


def _check_constant(at, atol):
    """A function whose outputs require no gradient must be constant."""
    for i, x in zip(at.chosen, at.inputs, strict=True):
        for j, jacobian in enumerate(at.numerical(x)):
            worst = np.abs(jacobian).max(initial=0)
            if not worst <= atol:
                raise GradcheckError(
                    "Numerical gradient for function expected to be zero, as no output requires a gradient, "
                    f"but output {j} changes with input {i} by up to {worst:g}. Was it computed under "
                    "no_grad, or from something detached? [RG026]"
                )


# --- gradients ----------------------------------------------------------------------


def _check_dtypes(at):
    """Gradients are of the dtype of their inputs."""
    for out in at.differentiable_outputs():
        gradients = grad([out], at.inputs, [wrap(np.ones_like(out._array))], allow_unused=True)
        for i, x, g in zip(at.chosen, at.inputs, gradients, strict=True):
            if g is not None and g.dtype != x.dtype:
                raise GradcheckError(
                    f"Gradient has dtype mismatch: {g.dtype} for input {i} of {x.dtype} [RG026]"
                )


def _check_zero_gradients(at):
    """Zeros for the outputs give zeros (or None) for the inputs."""
    _expect_zeros(at, at.differentiable_outputs(), "backward not multiplied by grad_output")


def _check_undefined_gradients(at):
    """No gradient for an output counts as zeros: for all outputs, then for each beside zeros for the
    others."""
    message = "Expected backward function to handle undefined output grads (None counts as zeros)"
    outs = at.differentiable_outputs()
    _expect_zeros(at, [_Undefined.apply(o) for o in outs], message)
    for k in range(len(outs) if len(outs) > 1 else 0):
        outs = [_Undefined.apply(o) if j == k else o for j, o in enumerate(at.differentiable_outputs())]
        _expect_zeros(at, outs, message)


def _expect_zeros(at, outs, message):
    zeros = [wrap(np.zeros_like(o._array)) for o in outs]
    try:
        found = grad(outs, at.inputs, zeros, allow_unused=True)
    except Exception as error:
        if message.startswith("Expected"):
            warnings.warn(
                "Backwards compatibility: New undefined gradient support checking feature is on by default; "
                "check_undefined_grad=False switches it off",
                UserWarning,
                stacklevel=6,
            )
        raise GradcheckError(f"{message}: {type(error).__name__}: {error} [RG026]") from error
    for i, g in zip(at.chosen, found, strict=True):
        if g is not None and np.any(g._array != 0):
            worst = np.abs(g._array).max()
            raise GradcheckError(
                f"{message}: the gradient of input {i} should be zero, and is up to {worst:g} [RG026]"
            )


def _check_batched_gradients(at, atol, rtol):
    """The gradients for a batch of output gradients are those of one at a time."""
    rng = np.random.default_rng(0)
    for j, out in enumerate(at.differentiable_outputs()):
        several = [from_reals(random_reals(out._array, rng), out._array) for _ in range(2)]
        found = grad(
            [out],
            at.inputs,
            [wrap(np.stack(several))],
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=True,
        )
        alone = zip(*[at.pull(out, g) for g in several], strict=True)
        for i, g, rows in zip(at.chosen, found, alone, strict=True):
            expected = np.stack(rows)
            _check_batch(np.zeros_like(expected) if g is None else g._array, expected, j, i, atol, rtol)


def _check_batch(found, expected, j, i, atol, rtol):
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=rtol, atol=atol):
        raise GradcheckError(
            f"Batched derivatives of output {j} with respect to input {i} differ from one at a time [RG026]"
        )


class _Undefined(Function):
    """Passes a value on, and no gradient back."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return None


# --- tangents ----------------------------------------------------------------------


def _check_undefined_tangents(at, atol, rtol):
    """An input without a tangent counts as one with a tangent of zeros."""
    rng = np.random.default_rng(0)
    tangents = {
        i: from_reals(random_reals(x._array, rng), x._array)
        for i, x in zip(at.chosen, at.inputs, strict=True)
    }
    for i, x in zip(at.chosen, at.inputs, strict=True):
        without = at.push({k: t for k, t in tangents.items() if k != i})
        zero = at.push({**tangents, i: np.zeros_like(x._array)})
        for j, (a, b) in enumerate(zip(without, zero, strict=True)):
            if not np.allclose(a, b, rtol=rtol, atol=atol):
                raise GradcheckError(
                    f"Mismatch in tangent values for output {j} when input {i} has an undefined tangent "
                    f"value: up to {np.abs(a - b).max():g} from those for a tangent of zeros [RG026]"
                )


def _check_batched_tangents(at, atol, rtol):
    """The tangents for a batch of input tangents (by vmap) are those of one at a time."""
    from ..func import vmap

    rng = np.random.default_rng(0)
    for i, x in zip(at.chosen, at.inputs, strict=True):
        carrying = []  # which outputs have a tangent

        def push(tangent, i=i, carrying=carrying):
            with forward_ad.dual_level():
                args = [a.detach() if isinstance(a, Tensor) else a for a in at.args]
                args[i] = forward_ad.make_dual(args[i], tangent)
                tangents = [forward_ad.unpack_dual(o).tangent for o in floating_outputs(at.func(*args))]
            carrying[:] = [j for j, t in enumerate(tangents) if t is not None]
            return tuple([tangents[j] for j in carrying])

        several = [from_reals(random_reals(x._array, rng), x._array) for _ in range(2)]
        modes.plain_functions = True
        try:
            found = vmap(push)(wrap(np.stack(several)))
        except RuntimeError as error:
            if "random" not in str(error):
                raise
            raise RuntimeError(
                "check_batched_forward_grad: vmap: We do not yet support calling random operations inside of "
                f"vmap, as the function or its jvp does ({error}) [RG102]"
            ) from error
        finally:
            modes.plain_functions = False
        alone = list(zip(*[at.push({i: t}) for t in several], strict=True))
        for j, t in zip(carrying, found, strict=True):
            _check_batch(t._array, np.stack(alone[j]), j, i, atol, rtol)


# --- functions of PyTorch's former private interface ------------------------------------------------


def get_numerical_jacobian(fn, inputs, target=None, eps=1e-3, grad_out=1.0):
    """The Jacobians of the first output of `fn(inputs)` with respect to each input, or to `target`;
    deprecated."""
    _warn_private("get_numerical_jacobian", grad_out)
    at = Differentiated(lambda *args: fn(args), inputs, eps)
    return tuple([wrap(at.numerical(x)[0]) for x in at.inputs if target is None or x is target])


def get_analytical_jacobian(inputs, output, nondet_tol=0.0, grad_out=1.0):
    """(Jacobians, whether two backward passes agree, whether sizes and dtypes are right) of an output;
    deprecated."""
    _warn_private("get_analytical_jacobian", grad_out)
    at = Differentiated(lambda *args: output, inputs, 0.0)
    try:
        found, reentrant = at.reverse(output, nondet_tol), True
    except GradcheckError:
        found, reentrant = at.reverse(output, np.inf), False
    return tuple([wrap(j) for j in found]), reentrant, True, True


def _warn_private(name, grad_out):
    warnings.warn(
        f"`{name}` was part of PyTorch's private API and not meant to be exposed; it is here for old code. "
        "Use gradcheck.",
        FutureWarning,
        stacklevel=3,
    )
    if grad_out != 1.0:
        raise ValueError("Expected grad_out to be 1.0: other values are no longer supported. [RG120]")


# --- what a message shows ----------------------------------------------------------------------


def _describe_index(k, array):
    """Where real number `k` of `array` is: `[1, 0]`, with `.real` or `.imag` where it is complex."""
    element, part = divmod(int(k), count_parts(array))
    where = str([int(n) for n in np.unravel_index(element, array.shape)])
    return where if count_parts(array) == 1 else where + (".imag" if part else ".real")


def _table(rows):
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join("  " + line.rstrip() for line in lines)


def _hint(numerical, analytical):
    """What the difference looks like, if it looks like something."""
    if not np.any(analytical):
        return "\n  The analytical Jacobian is zero: is a formula missing, or the input detached on the way?"
    large = np.abs(analytical) > 1e-3
    ratio = numerical[large] / analytical[large]
    if ratio.size > 1 and abs(ratio[0] - 1) > 1e-2 and np.allclose(ratio, ratio[0], rtol=1e-3):
        return f"\n  The numerical Jacobian is {ratio[0]:.4g} times the analytical one throughout."
    return ""
