"""Derivatives as functions of functions: reverse mode (`grad`, `vjp`) and forward mode (`jvp`, `linearize`).

There is one graph. `grad(f)` gives f its arguments as new tensors of that graph, so that nothing outside is
touched, and walks back from the result. The walk is recorded where something outside wants derivatives of
what it gives: an enclosing grad, or a tensor that requires gradients which f got hold of. Inside `vmap` an
argument that is shared between the examples is expanded first, so that each example has a gradient of its
own.
"""

import functools

import numpy as np

from ..autograd.forward_ad import _set_fwd_grad_enabled
from ..batch import layout, levels, pull_back, spread
from ..core.graph import AccumulateGrad, enable_grad, modes, next_number
from ..core.op import TABLE
from ..core.tensor import Tensor, wrap
from ..forward import DualLevel, on_its_own
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten

# --- tensors that gradients are taken with respect to -----------------------------------


def _fresh(x):
    """`x` as a new tensor that gradients are taken with respect to; still connected to what made it."""
    x = TABLE["alias"](spread(x, levels()))
    if not x.requires_grad:
        x._view = None
        x._requires = True
    return x


def fresh_tree(tree):
    """(new tensors for the leaves of `tree`, the tree with them, its form)"""
    leaves, form = tree_flatten(tree)
    for x in leaves:
        if not isinstance(x, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)} [RG104]")
        if x._array.dtype.kind not in "fcV":
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients, and an input is of "
                f"{x.dtype} [RG009]"
            )
    fresh = [_fresh(x) for x in leaves]
    return fresh, tree_unflatten(fresh, form), form


def reaches_outside(outputs, fresh, start):
    """Whether `outputs` depend on something that requires gradients other than `fresh`, made since number
    `start`."""
    ours = {id(layout(x)[0]) for x in fresh}
    stack = [layout(o)[0] for o in outputs]
    stack = [o._edge()[0] for o in stack if o.requires_grad]
    seen = set()
    while stack:
        node = stack.pop()
        if node in seen or node is None:
            continue
        seen.add(node)
        if type(node) is AccumulateGrad:
            if id(node.variable) not in ours:
                return True
        elif node.number < start:
            return True
        else:
            stack.extend([target for target, _ in node.edges])
    return False


def _released(x, outside):
    """A result for the caller: outside the graph, unless something outside is in it; its tangents stay."""
    if outside or not isinstance(x, Tensor) or not x.requires_grad:
        return x
    out = x.detach()
    if x._tangents:
        out._tangents = {level: _released(t, False) for level, t in x._tangents.items()}
    return out


def pulled(outputs, fresh, cotangents, *, keep, graph):
    """The gradients of `fresh`, zeros where there are none."""
    pairs = [(o, g) for o, g in zip(outputs, cotangents, strict=True) if o.requires_grad]
    found = [None] * len(fresh)
    if pairs:
        found = pull_back([o for o, _ in pairs], fresh, [g for _, g in pairs], keep=keep, graph=graph)
    return [_zeros(x) if g is None else g for g, x in zip(found, fresh, strict=True)]


def _zeros(x):
    return wrap(np.zeros(x._array.shape, x._array.dtype))


# --- arguments and results --------------------------------------------------------------


def select(args, argnums):
    """The positions that `argnums` names, none of them negative."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)} [RG104]")
    nums = (argnums,) if isinstance(argnums, int) else argnums
    for n in nums:
        if not isinstance(n, int):
            raise RuntimeError(f"argnums elements must be int, got {type(n)} [RG104]")
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs [RG104]")
    nums = [n % len(args) for n in nums]
    if not nums:
        raise RuntimeError("argnums must be non-empty [RG104]")
    if len(set(nums)) < len(nums):
        raise RuntimeError(f"argnums elements must be unique, got {argnums} [RG104]")
    return nums


def replaced(args, nums, values):
    """`args` with `values` in the places `nums`."""
    new = list(args)
    for n, x in zip(nums, values, strict=True):
        new[n] = x
    return new


def with_aux(output, call, has_aux):
    """(output, aux) of what a function with has_aux returned."""
    if not has_aux:
        return output, None
    if not (isinstance(output, tuple) and len(output) == 2):
        raise RuntimeError(
            f"{call}: output of function f should be a tuple: (output, aux) if has_aux is True [RG104]"
        )
    for x in tree_flatten(output[1])[0]:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{call}: Expected tensors, got unsupported type {type(x)} in aux [RG104]")
    return output


def check_outputs(output, outs, call):
    if output is None or not outs:
        raise RuntimeError(
            f"{call}: Expected f to be a function that has non-empty output (got output = {output}) [RG104]"
        )
    for o in outs:
        if not isinstance(o, Tensor):
            raise RuntimeError(
                f"{call}: expected f(*primals) to return only tensors, got unsupported type {type(o)} [RG104]"
            )


def check_inputs(values, call, what):
    if not values:
        raise RuntimeError(f"{call}: Expected {what} to have at least one Tensor, got none [RG104]")
    for x in values:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{call}: Expected {what} to only contain Tensors, got {type(x)} [RG104]")


# --- reverse mode -----------------------------------------------------------------------


def grad_and_value(func, argnums=0, has_aux=False):
    """A function that gives (gradient, value) of `func`, which returns a scalar.

    argnums: the positions of the arguments to differentiate (an int gives one gradient, a tuple several).
    has_aux: func returns (scalar, more), and the function gives (gradient, (value, more)).
    """
    call = "grad_and_value(f)(*args)"

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        nums = select(args, argnums)
        recording, start = modes.grad, next_number()
        with enable_grad():
            fresh, tree, form = fresh_tree([args[n] for n in nums])
            output, aux = with_aux(func(*replaced(args, nums, tree), **kwargs), call, has_aux)
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    f"{call}: Expected f(*args) to return a tensor, got {type(output)} [RG104]"
                )
            if output.ndim:
                raise RuntimeError(
                    f"{call}: Expected f(*args) to return a scalar tensor, got tensor with {output.ndim} "
                    "dims. Maybe you "
                    "wanted to use the vjp or jacrev APIs instead? [RG104]"
                )
            outside = recording and reaches_outside([output], fresh, start)
            found = pulled([output], fresh, [_zeros(output) + 1], keep=outside, graph=outside)
        grads = tree_unflatten([_released(g, outside) for g in found], form)
        grads = grads[0] if isinstance(argnums, int) else tuple(grads)
        value = _released(output, outside)
        if has_aux:
            return grads, (value, tree_map(lambda x: _released(x, outside), aux))
        return grads, value

    return wrapper


def grad(func, argnums=0, has_aux=False):
    """A function that gives the gradient of `func`, which returns a scalar; with has_aux, (gradient, more).

    See `grad_and_value`.
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        grads, value = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapper


def vjp(func, *primals, has_aux=False):
    """(func(*primals), pull) where pull(v) is the product of v with the Jacobian; with has_aux, also `more`.

    pull gives a gradient like `primals`: a tuple where there are several. It may be called any number of
    times.
    """
    call = "vjp(f, *primals)"
    recording, start = modes.grad, next_number()
    with enable_grad():
        fresh, tree, form = fresh_tree(primals)
        output, aux = with_aux(func(*tree), call, has_aux)
        outs, out_form = tree_flatten(output)
        check_outputs(output, outs, call)
        outside = reaches_outside(outs, fresh, start)

    def pull(cotangents, retain_graph=True, create_graph=None):
        given, given_form = tree_flatten(cotangents)
        if given_form != out_form:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to "
                "the function. "
                f"cotangents: {given_form}, primal output: {out_form} [RG007]"
            )
        for i, (o, g) in enumerate(zip(outs, given, strict=True)):
            if tuple(o.shape) != tuple(g.shape):
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a "
                    f"shape of {o.shape}. [RG007]"
                )
        graph = modes.grad if create_graph is None else create_graph
        graph = graph and (outside or any([g.requires_grad for g in given]))
        found = pulled(outs, fresh, given, keep=retain_graph, graph=graph)
        grads = tree_unflatten([_released(g, graph) for g in found], form)
        return grads

    kept = outside and recording
    result = tree_map(lambda o: _released(o, kept), output)
    if has_aux:
        return result, pull, tree_map(lambda x: _released(x, kept), aux)
    return result, pull


# --- forward mode -----------------------------------------------------------------------


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """(func(*primals), the product of the Jacobian with `tangents`); with has_aux, also `more`.

    primals and tangents: tuples of the same structure. strict: an output that doesn't depend on the primals
    is an error, where it otherwise has a tangent of zeros.
    """
    call = f"jvp(f, primals, tangents{', strict=True' if strict else ''})"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{call}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals). Got "
            f"{type(primals)} [RG104]"
        )
    leaves, form = tree_flatten(primals)
    given, given_form = tree_flatten(tangents)
    if form != given_form:
        raise RuntimeError(
            f"{call}: Expected primals and tangents to have the same python structure. For example, if "
            "primals is a tuple of "
            f"3 tensors, tangents also must be. Got primals with structure {form} and tangents with "
            f"structure {given_form} [RG024]"
        )
    check_inputs(leaves, call, "primals")
    check_inputs(given, call, "tangents")
    with DualLevel() as level, _set_fwd_grad_enabled(True):
        duals = [_dual(level, x, t) for x, t in zip(leaves, given, strict=True)]
        output, aux = with_aux(func(*tree_unflatten(duals, form)), call, has_aux)
        outs, out_form = tree_flatten(output)
        check_outputs(output, outs, call)
        pushed = [_tangent(level, o, strict, call) for o in outs]
        clean = [_without(level, o) for o in outs]
    result = tree_unflatten(clean, out_form), tree_unflatten(pushed, out_form)
    if has_aux:
        return *result, tree_map(lambda x: _without(level, x) if isinstance(x, Tensor) else x, aux)
    return result


def _dual(level, x, tangent):
    if tuple(x.shape) != tuple(tangent.shape):
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, "
            "this is not "
            f"supported. Tensor is of size {list(x.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}. [RG024]"
        )
    dual = on_its_own(TABLE["alias"](x))
    level.attach(dual, tangent)
    return dual


def _tangent(level, o, strict, call):
    t = level.tangent(o)
    if t is None:
        if strict:
            raise RuntimeError(
                f"{call}: The output of f is independent of the inputs. This is not allowed with "
                "strict=True. [RG008]"
            )
        return _zeros(o)
    return t


def _without(level, o):
    """The value as a view without its tangent of `level`."""
    if level.tangent(o) is None:
        return o
    kept = {k: v for k, v in o._tangents.items() if k is not level}
    stack = modes.interpreters
    modes.interpreters = tuple([i for i in stack if i.batching])
    try:
        out = on_its_own(TABLE["alias"](o))
    finally:
        modes.interpreters = stack
    out._tangents = kept or None
    return out


def linearize(func, *primals):
    """(func(*primals), push) where push(*tangents) is the product of the Jacobian at `primals` with the
    tangents.

    Each push runs func again, in forward mode; PyTorch traces it once.
    """
    output = func(*primals)
    leaves, form = tree_flatten(primals)

    def push(*tangents):
        given, given_form = tree_flatten(tangents)
        if given_form != form:
            raise RuntimeError(
                f"Expected the tangents {given_form} to have the same structure as the primals {form} [RG024]"
            )
        for i, (x, t) in enumerate(zip(leaves, given, strict=True)):
            if tuple(x.shape) != tuple(t.shape):
                raise RuntimeError(
                    f"tangent:{i} with shape {t.shape} in flattened pytree doesn't match the shape {x.shape} "
                    "of the "
                    "corresponding primal. [RG024]"
                )
        return jvp(func, primals, tangents)[1]

    return output, push
