"""`backward` and `grad`: check what the caller asks for, then let the engine walk."""

import math
import warnings

import numpy as np

from .. import engine
from ..batch import BatchLevel, levels, pull_back
from ..core.graph import GradientEdge, Node
from ..core.modes import modes
from ..core.size import Size
from ..core.tensor import Tensor, wrap


def backward(
    tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None
):
    """Add the gradients of `tensors` to `.grad` of the leaves they depend on.

    tensors: a Tensor, a GradientEdge or several. grad_tensors: for each, the gradient to start from (its
    shape); None means 1, for one-element tensors only. retain_graph: keep what the graph saved, for
    another backward (default: create_graph). create_graph: record the walk, for derivatives of it.
    inputs: accumulate into these only.
    """
    if grad_variables is not None:
        grad_tensors = grad_variables if grad_tensors is None else grad_tensors
    if inputs is not None and _is_one(inputs):
        inputs = (inputs,)
    if inputs is not None and len(inputs) == 0:
        raise RuntimeError("'inputs' argument to backward cannot be empty. [RG016]")
    tensors = _several(tensors)
    gradients = _several(grad_tensors) if grad_tensors is not None else (None,) * len(tensors)
    if levels():
        raise RuntimeError(
            "backward() called inside vmap. This is not supported: what it would add to .grad differs from "
            "example to "
            "example. Use torch.func.grad or torch.func.vjp there, or call backward() outside [RG103]"
        )
    roots, gradients = _roots(tensors, gradients)
    keep = create_graph if retain_graph is None else retain_graph
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the parameter and "
            "its gradient "
            "which can cause a memory leak. We recommend using autograd.grad when creating the graph to "
            "avoid this. If "
            "you have to use this function, make sure to reset the .grad fields of your parameters to None "
            "after use to "
            "break the cycle and avoid the leak.",
            UserWarning,
            stacklevel=3,
        )
    if inputs is None:
        engine.walk(roots, gradients, keep=keep, graph=create_graph, tensors=bool(modes.interpreters))
        return
    targets = {}
    for x in inputs:
        targets[_input_edge(x)] = None
        if isinstance(x, Tensor):
            x.retain_grad()  # of a leaf, it is kept anyway
    tensors = bool(modes.interpreters)  # which see the operations of the walk
    engine.walk(roots, gradients, keep=keep, graph=create_graph, tensors=tensors, targets=targets)


def grad(
    outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True,
    allow_unused=None, is_grads_batched=False, materialize_grads=False,
):  # fmt: skip
    """The gradients of `outputs` with respect to `inputs`, as a tuple; `.grad` is left alone.

    The arguments are those of `backward`. allow_unused: give None for an input that the outputs don't
    depend on, instead of an error. materialize_grads: give zeros for it. is_grads_batched:
    `grad_outputs` have a leading batch dimension, and so have the results.

    What hooks on an input's tensor make of its gradient is what is returned (in PyTorch only where no
    other input lies behind it).
    """
    outputs, inputs = _several(outputs), _several(inputs)
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True [RG016]")
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
            "gradient for other "
            "parts of the graph, please use torch.autograd.backward.", FutureWarning, stacklevel=2,
        )  # fmt: skip
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty. [RG016]")
    gradients = _several(grad_outputs) if grad_outputs is not None else (None,) * len(outputs)
    if is_grads_batched:
        results = _batched(outputs, inputs, gradients, retain_graph, create_graph)
    else:
        results = _grad(outputs, inputs, gradients, retain_graph, create_graph)
    for i, (x, r) in enumerate(zip(inputs, results, strict=True)):
        if r is not None:
            continue
        if not allow_unused:
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in the graph. Set "
                "allow_unused=True if this "
                f"is the desired behavior. (input {i}, of shape "
                f"{list(x.shape) if isinstance(x, Tensor) else '?'}) [RG008]"
            )
        if materialize_grads and isinstance(x, GradientEdge):
            raise RuntimeError(
                "materialize_grads cannot be used when the given input is a GradientEdge: no tensor says of "
                "which shape "
                "and dtype the zeros are [RG016]"
            )
        if materialize_grads:
            results[i] = wrap(np.zeros_like(x._array))
            results[i].requires_grad = create_graph
    return tuple(results)


def _grad(outputs, inputs, gradients, retain_graph, create_graph):
    roots, gradients = _roots(outputs, gradients)
    keep = create_graph if retain_graph is None else retain_graph
    edges = [_input_edge(x) for x in inputs]
    if modes.interpreters:
        return pull_back(outputs, inputs, gradients, keep=keep, graph=create_graph)
    targets = dict.fromkeys(e for e in edges if e[0] is not None)
    engine.walk(roots, gradients, keep=keep, graph=create_graph, targets=targets, accumulate=False)
    return [targets.get(e) for e in edges]


def _batched(outputs, inputs, gradients, retain_graph, create_graph):
    """One walk for all entries of the gradients' leading dimension, by vmap."""
    if any(g is None for g in gradients):
        raise RuntimeError(
            "is_grads_batched=True needs grad_outputs, each with a leading batch dimension [RG007]"
        )
    sizes = {g.shape[0] for g in gradients}
    if len(sizes) != 1:
        raise RuntimeError(
            f"is_grads_batched=True: the leading dimensions of grad_outputs differ: {sorted(sizes)} [RG007]"
        )
    for i, (t, g) in enumerate(zip(outputs, gradients, strict=True)):
        shape = _root(t, i)[1]
        if tuple(g.shape[1:]) != tuple(shape):
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the "
                "batch dimension. "
                "The sizes of the remaining dimensions are expected to match the shape of corresponding "
                "output, but a "
                f"mismatch was detected: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a "
                "shape of "
                f"{Size(shape)}. If you only want some tensors in `grad_output` to be considered batched, "
                "use vmap. [RG007]"
            )
    with BatchLevel(sizes.pop()) as level:
        gradients = [level.wrap(g) for g in gradients]
        results = _grad(outputs, inputs, gradients, retain_graph, create_graph)
    return [None if r is None else level.whole(r) for r in results]


def _is_one(x):
    return isinstance(x, (Tensor, GradientEdge))


def _several(x):
    return (x,) if x is None or _is_one(x) else tuple(x)


def _roots(tensors, gradients):
    """Edges to start from, with a gradient for each."""
    if len(tensors) != len(gradients):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(gradients)} gradients [RG007]")
    roots, starts = [], []
    for i, (t, g) in enumerate(zip(tensors, gradients, strict=True)):
        edge, shape, kind = _root(t, i)
        if g is None:
            _check_scalar(shape, kind)
            g = wrap(np.ones(shape, kind) if shape else np.array(1, kind))
        elif not isinstance(g, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__} [RG007]")
        elif g._array.shape != shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape "
                f"of {Size(shape)}. [RG007]"
            )
        elif (g._array.dtype.kind == "c") != (kind.kind == "c"):
            raise RuntimeError(
                "For complex Tensors, both grad_output and output are required to have the same dtype. "
                "Mismatch in dtype: "
                f"grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {kind.name}. "
                "[RG007]"
            )
        roots.append(edge)
        starts.append(g)
    return roots, starts


def _root(t, i):
    """(edge, shape, dtype) of something that a walk may start from."""
    if isinstance(t, GradientEdge):
        many = t.node.outputs > 1
        shape, kind = t.node.shape, t.node.dtype
        return tuple(t[:2]), shape[t.output_nr] if many else shape, kind[t.output_nr] if many else kind
    if not isinstance(t, Tensor):
        raise TypeError(f"backward and grad take Tensors, got {type(t).__name__} at position {i} [RG016]")
    if not t.requires_grad:
        raise RuntimeError(
            f"element {i} of tensors does not require grad and does not have a grad_fn: none of what it was "
            "computed "
            "from has requires_grad=True, or it was computed under no_grad, or passed through detach() or an "
            "integer "
            "dtype [RG005]"
        )
    return t._edge(), t._array.shape, t._array.dtype


def _check_scalar(shape, kind):
    if math.prod(shape) != 1:
        raise RuntimeError(
            f"grad can be implicitly created only for scalar outputs, and this one has shape {list(shape)}; "
            "call "
            ".sum() or .mean() first, or pass gradient= (a vector for the vector-Jacobian product) [RG006]"
        )
    if kind.kind == "c":
        raise RuntimeError(
            "grad can be implicitly created only for real scalar outputs but got a complex one; pass "
            "gradient= [RG007]"
        )


def _input_edge(x):
    if isinstance(x, GradientEdge):
        return (x.node, x.output_nr)
    if isinstance(x, Node):
        raise TypeError("inputs are Tensors or GradientEdges; for a node use GradientEdge(node, 0) [RG016]")
    if not isinstance(x, Tensor):
        raise TypeError(f"inputs are Tensors or GradientEdges, got {type(x).__name__} [RG016]")
    if not x.requires_grad:
        raise RuntimeError("One of the differentiated Tensors does not require grad [RG005]")
    return x._edge()


def _calculate_shape(output, grad, is_grads_batched):
    """(shape of an output or edge, shape of one gradient for it); PyTorch's private function."""
    shape = tuple(grad.shape)
    return Size(_root(output, 0)[1]), Size(shape[1:] if is_grads_batched else shape)


def tensor_backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Add this tensor's gradients to `.grad` of the leaves it depends on. See `autograd.backward`."""
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


Tensor.backward = tensor_backward
