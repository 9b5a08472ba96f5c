"""Jacobians, Hessians and their products with vectors, of functions of tensors.

`torch.func` has the same for functions of any structure, and composes; these check more (`strict`) and take
plain tensors or tuples of them.
"""

import numpy as np

from ..core.graph import enable_grad
from ..core.op import TABLE
from ..core.tensor import Tensor, wrap
from ..func import jvp as push_forward
from ..func import vmap
from ..func.jacobians import unit_vectors
from .walks import grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


# --- arguments and results -----------------------------------------------------------------


def _as_tuple(given, what, function):
    """(whether a tuple was given, the tuple), of Tensors."""
    several = isinstance(given, tuple)
    for i, x in enumerate(given if several else (given,)):
        if not isinstance(x, Tensor):
            found = f"the value at index {i}" if several else f"the given {what}"
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but {found} "
                "has "
                f"type {type(x)}. [RG025]"
            )
    return several, given if several else (given,)


def _as_given(several, results):
    return tuple(results) if several else results[0]


def _prepared(inputs, create_graph):
    """Tensors to differentiate with respect to: connected to the caller's if the graph is wanted."""
    fresh = []
    for x in inputs:
        if not (create_graph and x.requires_grad):
            x = x.detach()
            x._requires = True
        fresh.append(TABLE["alias"](x) if create_graph else x)
    return tuple(fresh)


def _finished(results, create_graph):
    return tuple(results) if create_graph else tuple([r.detach() for r in results])


def _run(func, inputs, function):
    """(whether func returned a tuple, the tuple) at `inputs`."""
    return _as_tuple(func(*inputs), "outputs of the user-provided function", function)


def _check_vector(v, others):
    if len(v) != len(others):
        if len(others) == 1:
            raise RuntimeError("The given v should contain a single Tensor. [RG025]")
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(others)} but got {len(v)}. [RG025]"
        )
    for i, (a, b) in enumerate(zip(v, others, strict=True)):
        if a.shape != b.shape:
            prefix = f"Entry {i} in " if len(others) > 1 else ""
            raise RuntimeError(f"{prefix}v has invalid size: should be {b.shape} but got {a.shape}. [RG025]")


def _vector(v, others, function, whose):
    """The tuple v, checked against the tensors it multiplies; None stands for 1 beside a single number."""
    if v is not None:
        v = _as_tuple(v, "v", function)[1]
        _check_vector(v, others)
        return v
    if len(others) != 1 or others[0]._array.size != 1:
        raise RuntimeError(
            f"The vector v can only be None if {whose} a single Tensor with a single element. [RG025]"
        )
    return (wrap(np.ones_like(others[0]._array)),)


_OF_OUTPUT = "the user-provided function returns"
_OF_INPUT = "the input to the user-provided function is"


# --- strict: what must depend on what ------------------------------------------------------


def _check_outputs(outputs):
    for i, o in enumerate(outputs):
        if not o.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be "
                "computed "
                "in a differentiable manner from the input when running in strict mode. [RG008]"
            )


def _independent(i, kind):
    """The message for what does not depend on input `i`, in strict mode."""
    return {
        "back": f"The output of the user-provided function is independent of input {i}. This is not allowed "
        "in strict "
        "mode.",
        "back_trick": f"The gradient with respect to the input is independent of entry {i} in the "
        "grad_outputs when "
        "using the double backward trick to compute forward mode gradients. This is not allowed in strict "
        "mode.",
        "double_back": f"The jacobian of the user-provided function is independent of input {i}. This is not "
        "allowed in "
        "strict mode.",
        "hessian": "While computing the hessian, found that the jacobian of the user-provided function with "
        "respect to "
        f"input {i} is independent of the input. This is not allowed in strict mode. You should ensure that "
        "your function "
        "is twice differentiable and that the jacobian depends on the inputs (this would be violated by a "
        "linear function "
        "for example).",
    }[kind]


def _grad(outputs, inputs, v=None, *, create_graph, strict, kind):
    """The gradients of those outputs that have one; where there are none zeros, or in strict mode an
    error."""
    pairs = [(o, g) for o, g in zip(outputs, v or [None] * len(outputs), strict=True) if o.requires_grad]
    found = (None,) * len(inputs)
    if pairs:
        outs, vectors = zip(*pairs, strict=True)
        found = grad(outs, inputs, vectors, create_graph=create_graph, retain_graph=True, allow_unused=True)
    results = []
    for i, (x, g) in enumerate(zip(inputs, found, strict=True)):
        if g is None and strict:
            raise RuntimeError(_independent(i, kind) + " [RG008]")
        results.append(wrap(np.zeros_like(x._array)) if g is None else g)
    return tuple(results)


def _check_graph(results, matrix, create_graph, strict):
    """In strict mode with the graph wanted: products with the `matrix` must depend on the inputs."""
    for i, r in enumerate(results if create_graph and strict else ()):
        if not r.requires_grad:
            raise RuntimeError(
                f"The {matrix} of the user-provided function is independent of input {i}. This is not "
                "allowed in strict mode when create_graph=True. [RG008]"
            )


# --- products with vectors -----------------------------------------------------------------


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), the product of `v` with the Jacobian of func at `inputs`).

    inputs: a Tensor or a tuple of them. v: like func's output; may be left out where that is a single number.
    create_graph: let results be differentiated. strict: an output that does not depend on an input is an
    error.
    """
    with enable_grad():
        several, inputs = _as_tuple(inputs, "inputs", "vjp")
        inputs = _prepared(inputs, create_graph)
        many, outputs = _run(func, inputs, "vjp")
        if strict:
            _check_outputs(outputs)
        v = _vector(v, outputs, "vjp", _OF_OUTPUT)
        products = _grad(outputs, inputs, v, create_graph=create_graph, strict=strict, kind="back")
        _check_graph(products, "jacobian", create_graph, strict)
    return _as_given(many, _finished(outputs, create_graph)), _as_given(
        several, _finished(products, create_graph)
    )


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), the product of the Jacobian of func at `inputs` with `v`), by reverse mode twice.

    v: like the inputs; may be left out where they are a single number. The other arguments are those of
    `vjp`. `torch.func.jvp` is the same in forward mode, and faster.
    """
    with enable_grad():
        several, inputs = _as_tuple(inputs, "inputs", "jvp")
        inputs = _prepared(inputs, create_graph)
        v = _vector(v, inputs, "jvp", _OF_INPUT)
        many, outputs = _run(func, inputs, "jvp")
        if strict:
            _check_outputs(outputs)
        probes = tuple([_probe(o) for o in outputs])
        pulled = _grad(outputs, inputs, probes, create_graph=True, strict=strict, kind="back")
        if strict:
            _check_graph_of_first(pulled)
        products = _grad(pulled, probes, v, create_graph=create_graph, strict=strict, kind="back_trick")
        _check_graph(products, "jacobian", create_graph, strict)
    return _as_given(many, _finished(outputs, create_graph)), _as_given(
        many, _finished(products, create_graph)
    )


def _check_graph_of_first(pulled):
    for i, g in enumerate(pulled):
        if not g.requires_grad:
            raise RuntimeError(_independent(i, "back") + " [RG008]")


def _probe(x):
    """A vector that what is pulled back is linear in: zeros that require gradients."""
    out = wrap(np.zeros_like(x._array))
    out.requires_grad = True
    return out


def _scalar_gradient(func, inputs, function, strict):
    """(func(*inputs), its gradient with the graph), for a func that returns a single number."""
    many, outputs = _run(func, inputs, function)
    if many:
        raise RuntimeError(f"The function given to {function} should return a single Tensor [RG025]")
    if outputs[0]._array.size != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {function} should contain a single element [RG025]"
        )
    if strict:
        _check_outputs(outputs)
    kind = "hessian" if function == "hessian" else "back"
    gradient = _grad(outputs, inputs, create_graph=True, strict=strict, kind=kind)
    if strict:
        for i, g in enumerate(gradient):
            if not g.requires_grad:
                raise RuntimeError(_independent(i, "hessian") + " [RG008]")
    return outputs, gradient


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), the product of `v` with the Hessian of func, which returns a single number).

    The arguments are those of `jvp`. Cheaper than `hvp`, and equal to it where the second derivatives are
    continuous.
    """
    with enable_grad():
        several, inputs = _as_tuple(inputs, "inputs", "vhp")
        inputs = _prepared(inputs, create_graph)
        v = _vector(v, inputs, "vhp", _OF_INPUT)
        outputs, gradient = _scalar_gradient(func, inputs, "vhp", strict)
        products = _grad(gradient, inputs, v, create_graph=create_graph, strict=strict, kind="double_back")
        _check_graph(products, "hessian", create_graph, strict)
    return _finished(outputs, create_graph)[0], _as_given(several, _finished(products, create_graph))


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), the product of the Hessian of func, which returns a single number, with `v`).

    The arguments are those of `jvp`.
    """
    with enable_grad():
        several, inputs = _as_tuple(inputs, "inputs", "hvp")
        inputs = _prepared(inputs, create_graph)
        v = _vector(v, inputs, "hvp", _OF_INPUT)
        outputs, gradient = _scalar_gradient(func, inputs, "hvp", strict)
        probes = tuple([_probe(g) for g in gradient])
        pulled = _grad(gradient, inputs, probes, create_graph=True, strict=strict, kind="double_back")
        products = _grad(pulled, probes, v, create_graph=create_graph, strict=strict, kind="back_trick")
        _check_graph(products, "hessian", create_graph, strict)
    return _finished(outputs, create_graph)[0], _as_given(several, _finished(products, create_graph))


# --- whole matrices ------------------------------------------------------------------------


def _check_strategy(name, strategy, vectorize):
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            f'Expected {name} to be either "forward-mode" or "reverse-mode". Hint: If your function has more '
            "outputs than "
            'inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use '
            '"reverse-mode". [RG025]'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
            "`vectorize=True`. [RG025]"
        )


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """The Jacobian of `func` at `inputs`: for each output and input a Tensor of shape (*output, *input).

    A tuple of outputs gives a tuple, a tuple of inputs tuples (within it). create_graph: let the result be
    differentiated. strict: an output that does not depend on an input is an error. vectorize: all rows at
    once, by vmap. strategy: "forward-mode" (with vectorize) computes columns, which pays where inputs are
    fewer than outputs.
    """
    _check_strategy("strategy", strategy, vectorize)
    if vectorize and strict:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported "
            "together. Please "
            "either set `strict=False` or `vectorize=False`. [RG025]"
        )
    several, inputs = _as_tuple(inputs, "inputs", "jacobian")
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are '
                "not supported "
                'together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`. [RG025]'
            )
        many, rows = _by_columns(func, inputs)
    else:
        with enable_grad():
            inputs = _prepared(inputs, create_graph)
            many, outputs = _run(func, inputs, "jacobian")
            if strict:
                _check_outputs(outputs)
            make = _all_rows if vectorize else _row_by_row
            rows = [make(i, o, inputs, create_graph, strict) for i, o in enumerate(outputs)]
            rows = [_finished(row, create_graph) for row in rows]
    return _as_given(many, [_as_given(several, row) for row in rows])


def _row_by_row(i, output, inputs, create_graph, strict):
    """The Jacobians of output number `i` with respect to each input."""
    rows = []
    for element in output.reshape(-1).unbind():
        found = (None,) * len(inputs)
        if output.requires_grad:
            found = grad([element], inputs, create_graph=create_graph, retain_graph=True, allow_unused=True)
        if strict:
            _check_row(i, found, create_graph)
        rows.append(
            [wrap(np.zeros_like(x._array)) if g is None else g for g, x in zip(found, inputs, strict=True)]
        )
    if not rows:
        return [wrap(np.zeros((*output.shape, *x.shape), x._array.dtype)) for x in inputs]
    columns = zip(*rows, strict=True)
    return [
        TABLE["stack"](0, *c).reshape((*output.shape, *x.shape)) for c, x in zip(columns, inputs, strict=True)
    ]


def _check_row(i, found, create_graph):
    for j, g in enumerate(found):
        if g is None:
            raise RuntimeError(
                f"Output {i} of the user-provided function is independent of input {j}. This is not allowed "
                "in strict mode. [RG008]"
            )
        if create_graph and not g.requires_grad:
            raise RuntimeError(
                f"The jacobian of the user-provided function is independent of input {j}. This is not "
                "allowed in strict "
                "mode when create_graph=True. [RG008]"
            )


def _all_rows(i, output, inputs, create_graph, strict):
    """The same as `_row_by_row`, by one walk over a batch of unit vectors."""
    if not output.requires_grad:
        return [wrap(np.zeros((*output.shape, *x.shape), x._array.dtype)) for x in inputs]
    (units,), _ = unit_vectors([output])
    found = grad(
        [output],
        inputs,
        [units],
        create_graph=create_graph,
        retain_graph=True,
        allow_unused=True,
        is_grads_batched=True,
    )
    return [
        wrap(np.zeros((*output.shape, *x.shape), x._array.dtype))
        if g is None
        else g.reshape((*output.shape, *x.shape))
        for g, x in zip(found, inputs, strict=True)
    ]


def _by_columns(func, inputs):
    """(whether func returns a tuple, for each output its Jacobians with respect to each input), by forward
    mode."""
    inputs = tuple([x.detach() for x in inputs])
    basis, sizes = unit_vectors(inputs)
    several = []

    def push(*tangents):
        def tupled(*xs):
            many, outputs = _run(func, xs, "jacobian")
            several.append(many)
            return outputs

        return push_forward(tupled, inputs, tangents)[1]

    columns = vmap(push)(*basis)
    rows = []
    for c in columns:
        parts, start = [], 0
        for x, n in zip(inputs, sizes, strict=True):
            part = c.narrow(0, start, n).movedim(0, -1)
            parts.append(part.reshape((*c.shape[1:], *x.shape)).detach())
            start += n
        rows.append(parts)
    return several[0], rows


def hessian(
    func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"
):
    """The matrix of second derivatives of `func`, which returns a single number, at `inputs`.

    For a tuple of inputs, a tuple of tuples: the second derivatives with respect to each pair, of shape
    (*first, *second). The arguments are those of `jacobian`; outer_jacobian_strategy is how the gradient's
    Jacobian is computed.
    """
    several, inputs = _as_tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode". [RG025]')

    def gradient(*xs):
        if outer_jacobian_strategy == "forward-mode":
            xs = tuple([_tracked(x) for x in xs])
        return _scalar_gradient(func, xs, "hessian", strict)[1]

    with enable_grad():
        rows = jacobian(
            gradient,
            inputs,
            create_graph=create_graph,
            strict=strict,
            vectorize=vectorize,
            strategy=outer_jacobian_strategy,
        )
    return _as_given(several, [_as_given(several, row) for row in rows])


def _construct_standard_basis_for(tensors, tensor_numels):
    """For each tensor its part of the unit vectors of all their elements, a matrix; PyTorch's private
    function."""
    basis, sizes = unit_vectors(tensors)
    return tuple([part.reshape(sum(sizes), n) for part, n in zip(basis, sizes, strict=True)])


def _tracked(x):
    """A tensor with the tangents of `x` to take gradients with respect to."""
    if x.requires_grad:
        return x
    x = TABLE["alias"](x)
    x._view = None
    x._requires = True
    return x
