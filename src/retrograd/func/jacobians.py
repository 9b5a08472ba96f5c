"""Whole Jacobians: `jacrev` pulls unit vectors back, `jacfwd` pushes them forward, all of them at once by
`vmap`."""

import functools

import numpy as np

from ..core.op import TABLE
from ..core.tensor import Tensor, wrap
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten
from .derivatives import check_inputs, jvp, replaced, select, vjp, with_aux
from .vmapping import vmap


def unit_vectors(tensors):
    """(for each tensor its part of the unit vectors of all their elements, along a leading dimension; how
    many each)"""
    sizes = [x._array.size for x in tensors]
    total, start, basis = sum(sizes), 0, []
    for x, n in zip(tensors, sizes, strict=True):
        unit = np.zeros((total, n), x._array.dtype)
        unit[np.arange(start, start + n), np.arange(n)] = 1
        basis.append(wrap(unit.reshape(total, *x._array.shape)))
        start += n
    return basis, sizes


def _check_real(values, name, what):
    for x in tree_flatten(values)[0]:
        if isinstance(x, Tensor) and x._array.dtype.kind == "c":
            raise RuntimeError(
                f"{name}: Expected all {what} to be real but received complex tensor of shape "
                f"{list(x.shape)}: what a Jacobian of complex numbers is depends on the convention. "
                "Use view_as_real, or jvp and vjp [RG104]"
            )


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """A function that gives the Jacobian of `func` by reverse mode: shape (*output, *input) for each pair of
    them.

    It has the structure of func's output, and within that of the arguments that `argnums` names. chunk_size:
    so many rows at a time, to bound memory.
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0. [RG100]")

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        nums = select(args, argnums)

        def chosen(*values):
            return func(*replaced(args, nums, values), **kwargs)

        primals = [args[n] for n in nums]
        _check_real(primals, "jacrev", "inputs")
        output, pull, *aux = vjp(chosen, *primals, has_aux=has_aux)
        outs, out_form = tree_flatten(output)
        _check_real(outs, "jacrev", "outputs")
        basis, sizes = unit_vectors(outs)
        pull_one = lambda *vs: pull(tree_unflatten(vs, out_form))
        if chunk_size == 1 and sum(sizes):  # without vmap, so that whatever happens in backward is allowed
            each = [pull_one(*vs) for vs in zip(*[b.unbind() for b in basis], strict=True)]
            rows = tree_map(lambda *rs: TABLE["stack"](0, *rs), *each)
        else:
            rows = vmap(pull_one, chunk_size=chunk_size)(*basis)
        results, start = [], 0
        for o, n in zip(outs, sizes, strict=True):
            part = lambda r: r.narrow(0, start, n).reshape((*o.shape, *r.shape[1:]))  # noqa: B023  used at once
            per_input = tree_map(part, rows)
            results.append(per_input[0] if isinstance(argnums, int) else tuple(per_input))
            start += n
        jacobian = tree_unflatten(results, out_form)
        return (jacobian, aux[0]) if has_aux else jacobian

    return wrapper


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """A function that gives the Jacobian of `func` by forward mode: shape (*output, *input) for each pair of
    them.

    It has the structure of func's output, and within that of the arguments that `argnums` names.
    """

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        nums = select(args, argnums)
        primals = tuple([args[n] for n in nums])
        leaves, form = tree_flatten(primals)
        check_inputs(leaves, "jacfwd(f)(*args)", "the arguments")
        _check_real(leaves, "jacfwd", "inputs")
        basis, sizes = unit_vectors(leaves)

        def push(*tangents):
            def chosen(*values):
                result = func(*replaced(args, nums, values), **kwargs)
                return with_aux(result, "jacfwd(f)(*args)", has_aux) if has_aux else result

            _, *pushed = jvp(chosen, primals, tree_unflatten(tangents, form), has_aux=has_aux)
            return tuple(pushed)

        columns, *aux = vmap(push, randomness=randomness)(*basis)
        _check_real(columns, "jacfwd", "outputs")
        jacobian = tree_map(lambda c: _per_input(c, leaves, sizes, form, isinstance(argnums, int)), columns)
        return (jacobian, tree_map(lambda x: x[0], aux[0])) if has_aux else jacobian

    return wrapper


def _per_input(column, leaves, sizes, form, single):
    """One output's tangents for all unit vectors, as its Jacobian for each input."""
    parts, start = [], 0
    for x, n in zip(leaves, sizes, strict=True):
        part = TABLE["permute"](column.narrow(0, start, n), (*range(1, column.ndim), 0))
        parts.append(part.reshape((*column.shape[1:], *x.shape)))
        start += n
    inputs = tree_unflatten(parts, form)
    return inputs[0] if single else inputs


def hessian(func, argnums=0):
    """A function that gives the matrix of second derivatives of `func`, forward over reverse."""
    return jacfwd(jacrev(func, argnums), argnums)
