"""What the backward walk does with a node in anomaly mode: look at its gradients, say where a failing
one was made."""

import sys
import traceback
import warnings

import numpy as np

from .location import Trace, anomaly, describe_location
from .modes import modes


def run_watched(node, g, graph, wanted):
    """`node.run(g, graph, wanted)`; an error, or a gradient with NaN, is reported with the forward code
    that led to it."""
    outside, modes.node = modes.node, node
    try:
        grads = node.run(g, graph, wanted)
        if anomaly.check_nan or anomaly.check_inf:
            for i, x in enumerate(grads):
                if x is not None:
                    _check(node, i, x._array if graph else x)
        return grads
    except Exception:
        _report(node)
        raise
    finally:
        modes.node = outside


def first_bad(array, infinite):
    """The index of the first NaN (or infinity, where `infinite`) of an array and its value, or None."""
    if array.dtype.kind not in "fcV" or np.isfinite(array.sum()):  # the sum tells, at the cost of one pass
        return None
    values = array.astype(np.float32) if array.dtype.kind == "V" else array
    bad = ~np.isfinite(values) if infinite else np.isnan(values)
    if not bad.any():
        return None
    index = tuple([int(i) for i in np.unravel_index(int(bad.argmax()), array.shape)])
    return index, array[index]


def _check(node, i, x):
    found = None
    if anomaly.check_nan:
        found = first_bad(x, False)
    if found is None and anomaly.check_inf:
        found = first_bad(x, True)
    if found is None:
        return
    index, value = found
    kind = "nan" if value != value else "inf"
    raise RuntimeError(
        f"Function '{node.name()}' returned {kind} values in its {i}th output.\n"
        f"  the first of them at index {index} of the gradient, of shape {list(x.shape)}\n"
        f"  the operation gave {_shapes(node)} and was made at {describe_location(node.where)} [RG010]"
    )


def _shapes(node):
    """The shapes of a node's outputs and of its inputs, as far as the graph knows them."""
    outputs = [node.shape] if node.outputs == 1 else node.shape
    inputs = [
        "?" if target is None else list(target.shape if target.outputs == 1 else target.shape[output])
        for target, output in node.edges
    ]
    given = ", ".join(str(list(s)) for s in outputs)
    return f"a result of shape {given} from inputs of shape {', '.join(map(str, inputs))}"


def _report(node):
    """Warn with the forward code of `node`; and of the node in whose backward it was made, and so on."""
    where = node.where
    if not isinstance(where, Trace):
        _warn(
            f"Error detected in {node.name()}. No forward pass information but its line: "
            f"{describe_location(where)}. "
            "Enable detect anomaly during forward pass for more information."
        )
        return
    _warn(
        f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{_stack(where)}"
    )
    parent = where.parent
    while parent is not None:
        where = parent.where
        if not isinstance(where, Trace):
            _warn(
                f"Previous calculation was induced by {parent.name()}. No forward pass information but its "
                "line: "
                f"{describe_location(where)}. Enable detect anomaly during forward pass for more information."
            )
            return
        _warn(
            f"Previous calculation was induced by {parent.name()}. Traceback of forward call that induced "
            "the previous "
            f"calculation:\n{_stack(where)}"
        )
        parent = where.parent


def _stack(where):
    return "".join(where.stack.format())


def _warn(text):
    """Warn; where warnings are errors, print instead: the error that is on its way is the one to see."""
    try:
        warnings.warn(text, UserWarning, stacklevel=2)
    except Warning:
        traceback.print_exc(file=sys.stderr)
