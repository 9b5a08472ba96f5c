"""Sums of products over named axes: einsum, tensordot, and the products made of them.

One row contracts two operands, as one batched matrix product. Its gradients are contractions again. More
operands are contracted pair by pair, the cheapest pair first.
"""

from math import prod
from string import ascii_lowercase, ascii_uppercase

import numpy as np

from ..core.op import Op
from ..core.tensor import Tensor
from .arguments import deliver, normal_axis
from .pointwise import conj
from .product import matmul, product
from .reduce import sum_row
from .shape import clone, permute_row, reshape
from .view import diagonal

__all__ = ["chain_matmul", "einsum", "kron", "tensordot", "trace"]
METHODS = ["kron", "trace"]
INPLACE = []


# --- two operands -------------------------------------------------------------------------------------


def _arranged(x, labels, *groups):
    """`x` with its axes in the order of `groups`, and each group's sizes."""
    order = [labels.index(n) for group in groups for n in group]
    return x.transpose(order), [[x.shape[labels.index(n)] for n in group] for group in groups]


def _contract(xp, x, y, x_labels, y_labels, out_labels):
    both = [n for n in x_labels if n in y_labels and n in out_labels]
    summed = [n for n in x_labels if n in y_labels and n not in out_labels]
    left = [n for n in x_labels if n not in y_labels]
    right = [n for n in y_labels if n not in x_labels]
    x, (batch, rows, inner) = _arranged(x, x_labels, both, left, summed)
    y, (_, _, columns) = _arranged(y, y_labels, both, summed, right)
    sizes = prod(batch), prod(rows), prod(inner), prod(columns)
    if summed:
        out = product(xp, x.reshape(sizes[:3]), y.reshape(sizes[0], sizes[2], sizes[3]))
    else:
        if x.dtype != y.dtype:
            raise RuntimeError(
                f"expected operands of one dtype, but got {x.dtype.name} and {y.dtype.name} [RG040]"
            )
        out = x.reshape(*sizes[:2], 1) * y.reshape(sizes[0], 1, sizes[3])
    out = out.reshape((*batch, *rows, *columns))
    order = [[*both, *left, *right].index(n) for n in out_labels]
    return xp.asarray(out.transpose(order), order="C")


# Labels are numbers, distinct within an operand; each label of an operand is in the other or in the output.
contract_row = Op(
    "einsum",
    lambda xp, x, y, x_labels, y_labels, out_labels: _contract(xp, x, y, x_labels, y_labels, out_labels),
    x=lambda g, y, x_labels, y_labels, out_labels: contract_row(g, conj(y), out_labels, y_labels, x_labels),
    y=lambda g, x, x_labels, y_labels, out_labels: contract_row(conj(x), g, x_labels, out_labels, y_labels),
    jvp=lambda t_x, t_y, x, y, x_labels, y_labels, out_labels: (
        contract_row(t_x, y, x_labels, y_labels, out_labels)
        + contract_row(x, t_y, x_labels, y_labels, out_labels)
    ),
    node="BmmBackward0",
)  # fmt: skip


def _alone(x, labels, kept):
    """One operand with repeated labels made diagonals and labels that nobody else has summed."""
    for n in dict.fromkeys(labels):
        while labels.count(n) > 1:
            first = labels.index(n)
            second = labels.index(n, first + 1)
            x = diagonal(x, 0, first, second)
            labels = [*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], n]
    gone = tuple(i for i, n in enumerate(labels) if n not in kept)
    if gone:
        x, labels = sum_row(x, gone, False), [n for n in labels if n in kept]
    return x, labels


def _cheapest(operands, sizes, out):
    """The pair of operands whose product adds the fewest elements to what they have."""
    best = None
    for i in range(len(operands)):
        for j in range(i + 1, len(operands)):
            a, b = operands[i][1], operands[j][1]
            others = {n for k, (_, labels) in enumerate(operands) if k not in (i, j) for n in labels}
            result = {n for n in (*a, *b) if n in others or n in out}
            cost = prod(sizes[n] for n in result) - prod(sizes[n] for n in a) - prod(sizes[n] for n in b)
            if best is None or cost < best[0]:
                best = cost, i, j
    return best[1:]


def _einsum(operands, out, sizes):
    """Contract (Tensor, labels) pairs to the labels `out`."""
    operands = list(operands)
    while len(operands) > 1:
        i, j = _cheapest(operands, sizes, out) if len(operands) > 2 else (0, 1)
        others = {n for k, (_, labels) in enumerate(operands) if k not in (i, j) for n in labels} | set(out)
        (x, a), (y, b) = operands[i], operands[j]
        x, a = _alone(x, a, others | set(b))
        y, b = _alone(y, b, others | set(a))
        kept = [n for n in dict.fromkeys((*a, *b)) if n in others]
        if len(operands) == 2:
            kept = list(out)
        result = contract_row(x, y, tuple(a), tuple(b), tuple(kept))
        operands = [o for k, o in enumerate(operands) if k not in (i, j)] + [(result, kept)]
    x, labels = _alone(*operands[0], set(out))
    order = tuple(labels.index(n) for n in out)
    return x if order == tuple(range(x.ndim)) else permute_row(x, order)


# --- the notation -------------------------------------------------------------------------------------

ELLIPSIS = "..."
_ALPHABET = ascii_uppercase + ascii_lowercase  # in the order of sublists' numbers


def _letters(text, which):
    """A subscript as a list of letters, and "..." for an ellipsis."""
    parts = text.split(ELLIPSIS)
    if len(parts) > 2 or "." in "".join(parts):
        raise RuntimeError(
            f"einsum(): found '.' in {which} that is not part of an ellipsis, which may be there once [RG106]"
        )
    for c in "".join(parts):
        if c not in _ALPHABET:
            raise RuntimeError(
                f"einsum(): invalid subscript {c!r} in {which}: subscripts must be in [a-zA-Z] [RG106]"
            )
    return [*parts[0], *([ELLIPSIS, *parts[1]] if len(parts) == 2 else [])]


def _parse_equation(equation):
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    inputs = [_letters(t, f"operand {i}") for i, t in enumerate(inputs.split(","))]
    return inputs, _letters(output, "the output") if arrow else None


def _parse_lists(args):
    """The format (operand, sublist, operand, sublist, ..., [output sublist])."""
    output = args[-1] if len(args) % 2 else None
    pairs = args[: len(args) // 2 * 2]

    def named(numbers):
        for n in numbers:
            if n is not Ellipsis and not 0 <= n < len(_ALPHABET):
                raise RuntimeError(f"einsum(): subscripts in lists must be from 0 to 51, got {n} [RG106]")
        return [ELLIPSIS if n is Ellipsis else _ALPHABET[n] for n in numbers]

    return list(pairs[0::2]), [named(s) for s in pairs[1::2]], None if output is None else named(output)


def _implied_output(inputs):
    """The ellipsis, then the letters that occur once, in alphabetical order."""
    letters = [n for labels in inputs for n in labels if n != ELLIPSIS]
    dots = [ELLIPSIS] if any(ELLIPSIS in labels for labels in inputs) else []
    return [*dots, *sorted(n for n in set(letters) if letters.count(n) == 1)]


def _spelled(x, labels, i):
    """`labels` with the ellipsis replaced by a number per axis, counted from the last."""
    letters = len(labels) - labels.count(ELLIPSIS)
    if letters > x.ndim or (ELLIPSIS not in labels and letters != x.ndim):
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({letters}) does not match the number of "
            "dimensions "
            f"({x.ndim}) for operand {i} [RG106]"
        )
    dots = list(range(x.ndim - letters, 0, -1))
    at = labels.index(ELLIPSIS) if ELLIPSIS in labels else len(labels)
    return [*labels[:at], *dots, *labels[at + 1 :]], len(dots)


def einsum(*args):
    """The sum of products that `equation` says: einsum("bij,bjk->bik", x, y).

    A letter per axis; letters that the output lacks are summed; a repeated letter takes the diagonal; "..."
    stands for the other axes, which broadcast. Without "->", the output has the letters that occur once, in
    alphabetical order. Also einsum(x, [0, 1], y, [1, 2], [0, 2]).
    """
    if isinstance(args[0], str):
        operands = args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = operands[0]
        inputs, output = _parse_equation(args[0])
    else:
        operands, inputs, output = _parse_lists(args)
    if len(inputs) != len(operands):
        raise RuntimeError(
            f"einsum(): the equation has subscripts for {len(inputs)} operands, but {len(operands)} operands "
            "were given [RG106]"
        )
    output = _implied_output(inputs) if output is None else output
    spelled, dots = [], 0
    for i, (x, labels) in enumerate(zip(operands, inputs, strict=True)):
        labels, count = _spelled(x, labels, i)
        spelled.append(labels)
        dots = max(dots, count)
    if ELLIPSIS in output:
        at = output.index(ELLIPSIS)
        output = [*output[:at], *range(dots, 0, -1), *output[at + 1 :]]
    return _checked_einsum(operands, spelled, output)


def _checked_einsum(operands, inputs, output):
    sizes = {}
    for i, (x, labels) in enumerate(zip(operands, inputs, strict=True)):
        for n, size in zip(labels, x.shape, strict=True):
            if labels.count(n) > 1 and size != x.shape[labels.index(n)]:
                raise RuntimeError(
                    f"einsum(): subscript {n} is repeated for operand {i} but the sizes don't match, {size} "
                    "!= "
                    f"{x.shape[labels.index(n)]} [RG106]"
                )
            if sizes.get(n, 1) == 1:
                sizes[n] = size
            elif size not in (1, sizes[n]):
                raise RuntimeError(
                    f"einsum(): operands do not broadcast: subscript {n} has size {sizes[n]}, but {size} "
                    "in "
                    f"operand {i} of shape {list(x.shape)} [RG106]"
                )
    for n in output:
        if output.count(n) > 1:
            raise RuntimeError(f"einsum(): output subscript {n} appears more than once in the output [RG106]")
        if n not in sizes:
            raise RuntimeError(
                f"einsum(): output subscript {n} does not appear in the equation for any input operand "
                "[RG106]"
            )
    pairs = []
    for x, labels in zip(operands, inputs, strict=True):
        kept = [i for i, n in enumerate(labels) if x.shape[i] == sizes[n]]  # the others broadcast
        if len(kept) < x.ndim:
            x = reshape(x, tuple(x.shape[i] for i in kept))
        pairs.append((x, [labels[i] for i in kept]))
    return _einsum(pairs, output, sizes)


# --- products made of it ------------------------------------------------------------------------------


def tensordot(a, b, dims=2, out=None):
    """The sum of products over the last `dims` axes of `a` and the first of `b`, or two lists of axes."""
    if isinstance(dims, Tensor):
        dims = dims._array.tolist()
    if isinstance(dims, (tuple, list)):
        first, second = [[d] if isinstance(d, int) else list(d) for d in dims]
    else:
        if dims < 0 or dims > min(a.ndim, b.ndim):
            raise RuntimeError(
                f"tensordot expects dims >= 0 and at most the operands' ranks, but got dims={dims} [RG044]"
            )
        first, second = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    if len(first) != len(second):
        raise RuntimeError(f"both dimension lists should have same length, got {first} and {second} [RG044]")
    labels_a, labels_b = list(range(a.ndim)), list(range(a.ndim, a.ndim + b.ndim))
    for i, j in zip(first, second, strict=True):
        i, j = normal_axis(i, a.ndim), normal_axis(j, b.ndim)
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second "
                "has size "
                f"{b.shape[j]} in dim {j} [RG044]"
            )
        labels_b[j] = labels_a[i]
    output = [n for n in labels_a if n not in labels_b] + [n for n in labels_b if n not in labels_a]
    return deliver(_checked_einsum((a, b), (labels_a, labels_b), output), out)


def kron(input, other, *, out=None):
    """The Kronecker product: blocks of `other`, each scaled by an element of `input`."""
    n = max(input.ndim, other.ndim)
    x = reshape(input, (*[1] * (n - input.ndim), *input.shape))
    y = reshape(other, (*[1] * (n - other.ndim), *other.shape))
    x_wide = reshape(x, [m for size in x.shape for m in (size, 1)])
    y_wide = reshape(y, [m for size in y.shape for m in (1, size)])
    return deliver(reshape(x_wide * y_wide, [a * b for a, b in zip(x.shape, y.shape, strict=True)]), out)


def trace(input):
    """The sum of a matrix' diagonal."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim} [RG129]")
    return diagonal(input).sum()


def chain_matmul(*matrices, out=None):
    """The product of several matrices, in the order of multiplications that costs least."""
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = matrices[0]
    if any(m.ndim != 2 for m in matrices):
        raise RuntimeError(
            f"chain_matmul(): expected matrices, but got {[list(m.shape) for m in matrices]} [RG129]"
        )
    return deliver(clone(matrices[0]) if len(matrices) == 1 else chain(list(matrices)), out)


def chain(matrices):
    """The product of matrices, by dynamic programming over where to split (Cormen et al., section 15.2)."""
    n = len(matrices)
    sizes = [matrices[0].shape[0], *[m.shape[1] for m in matrices]]
    cost, split = np.zeros((n, n)), np.zeros((n, n), int)
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            last = sizes[i] * sizes[j + 1]
            costs = [cost[i, k] + cost[k + 1, j] + last * sizes[k + 1] for k in range(i, j)]
            split[i, j] = i + int(np.argmin(costs))
            cost[i, j] = min(costs)

    def multiplied(i, j):
        if i == j:
            return matrices[i]
        return matmul(multiplied(i, split[i, j]), multiplied(split[i, j] + 1, j))

    return multiplied(0, n - 1)
