"""Whole Jacobians: `jacrev` pulls unit vectors back, `jacfwd` pushes them forward, all of them at once by
`vmap`."""

import functools

import numpy as np

from ..core.op import TABLE
from ..core.tensor import wrap
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten
from .derivatives import check_tensors, jvp, replaced, select, vjp, with_aux
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


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """A function that gives the Jacobian of `func` by reverse mode: shape (*output, *input) for each pair of
    them.

    It has the structure of func's output, and within that of the arguments that `argnums` names. chunk_size:
    so many rows at a time, to bound memory.
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        nums = select(args, argnums)

        def chosen(*values):
            return func(*replaced(args, nums, values), **kwargs)

        output, pull, *aux = vjp(chosen, *[args[n] for n in nums], has_aux=has_aux)
        outs, out_form = tree_flatten(output)
        basis, sizes = unit_vectors(outs)
        rows = vmap(lambda *vs: pull(tree_unflatten(vs, out_form)), chunk_size=chunk_size)(*basis)
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
        check_tensors(leaves, "jacfwd(f)(*args)", "the arguments")
        basis, sizes = unit_vectors(leaves)

        def push(*tangents):
            def chosen(*values):
                result = func(*replaced(args, nums, values), **kwargs)
                return with_aux(result, "jacfwd(f)(*args)", has_aux) if has_aux else result

            _, *pushed = jvp(chosen, primals, tree_unflatten(tangents, form), has_aux=has_aux)
            return tuple(pushed)

        columns, *aux = vmap(push, randomness=randomness)(*basis)
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
