"""`rearrange`: reshape and permute by names of axes, in the notation of einops (Rogozhnikov, 2022)."""

import math
import re

from ..core.tensor import Tensor
from ..ops.join import stack

BARE = ("...",)  # an ellipsis outside of brackets: a list of one in brackets
_TOKEN = re.compile(r"\.\.\.|[()]|[^\s()]+")


def rearrange(tensor, pattern, **axes_lengths):
    """`tensor` with its axes as `pattern` says: "b c (h r) -> (b r) c h".

    Axes in brackets are one axis of the tensor, `...` stands for any number of them, 1 or () for an axis of
    size 1. axes_lengths: sizes of axes within brackets; one in each pair of brackets can be inferred. A list
    of tensors counts as one with a new first axis.
    """
    if isinstance(tensor, (list, tuple)):
        tensor = stack(tensor)
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"rearrange: expected a Tensor or a list of Tensors, got {type(tensor).__name__} [RG047]"
        )
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError("Pattern must contain a single '->' separator [RG106]")
    left, right = [_groups(side) for side in sides]
    left, right = _check(left, right, tensor.ndim, axes_lengths)
    sizes = _sizes(left, tensor.shape, axes_lengths)
    names = [n for group in left for n in group]
    whole = tensor.reshape([sizes[n] for n in names])
    out = whole.permute([names.index(n) for group in right for n in group])
    return out.reshape([math.prod([sizes[n] for n in group]) for group in right])


def _groups(text):
    """One side of a pattern as a list of groups of names; a 1 is a group of none."""
    groups, inside = [], None
    for token in _TOKEN.findall(text):
        if token == "(":
            if inside is not None:
                raise ValueError(f"rearrange: brackets within brackets in '{text.strip()}' [RG106]")
            inside = []
        elif token == ")":
            if inside is None:
                raise ValueError(f"rearrange: a bracket closes that none opened in '{text.strip()}' [RG106]")
            groups.append(inside)
            inside = None
        else:
            names = [] if token == "1" else [_name(token)]
            if token == "..." and inside is None:
                groups.append(BARE)
            elif inside is None:
                groups.append(names)
            else:
                inside += names
    if inside is not None:
        raise ValueError(f"rearrange: a bracket is not closed in '{text.strip()}' [RG106]")
    return groups


def _name(token):
    if token == "...":
        return token
    if not token.isidentifier() or token.startswith("_") or token.endswith("_"):
        raise ValueError(
            f"Invalid axis identifier: {token}. An axis has a name (which does not start or end with an "
            "underscore), or is 1 [RG106]"
        )
    return token


def _check(left, right, ndim, lengths):
    """Both sides with `...` written out, if they are about the same axes and fit a tensor of `ndim` axes."""
    for side in (left, right):
        names = [n for group in side for n in group]
        for n in names:
            if names.count(n) > 1:
                raise ValueError(f"Indexing expression contains duplicate dimension '{n}' [RG106]")
    if any("..." in group and group is not BARE for group in left):
        raise ValueError("rearrange: an ellipsis may not stand in brackets on the left [RG106]")
    ours, theirs = [{n for group in side for n in group} for side in (left, right)]
    if ours != theirs:
        raise ValueError(
            "Identifiers only on one side of rearrange expression (should be on both): "
            f"{sorted(ours ^ theirs)} [RG106]"
        )
    if lengths.keys() - ours:
        raise ValueError(
            f"Identifiers not found in rearrange expression: {sorted(lengths.keys() - ours)} [RG106]"
        )
    rest = ndim - sum("..." not in group for group in left)
    if rest < 0 or ("..." not in ours and rest):
        raise ValueError(
            f"Number of dimensions in pattern ({len(left)}) must be equal to the number of dimensions in the "
            f"tensor ({ndim}) [RG106]"
        )
    hidden = [f"...{i}" for i in range(rest)]
    left, right = [
        [g for group in side for g in ([[n] for n in hidden] if group is BARE else [group])]
        for side in (left, right)
    ]
    return left, [[m for n in group for m in (hidden if n == "..." else [n])] for group in right]


def _sizes(left, shape, lengths):
    """The size of each named axis; in each group at most one is inferred."""
    sizes = dict(lengths)
    for group, size in zip(left, shape, strict=True):
        unknown = [n for n in group if n not in sizes]
        known = math.prod([sizes[n] for n in group if n in sizes])
        if len(unknown) > 1:
            raise ValueError(
                f"rearrange: cannot infer the sizes of several axes at once: {', '.join(unknown)} [RG106]"
            )
        if unknown and known and size % known == 0:
            sizes[unknown[0]] = size // known
        elif unknown or known != size:
            raise ValueError(
                f"rearrange: an axis of size {size} does not divide into ({' '.join(group)}) with "
                f"{ {n: sizes[n] for n in group if n in sizes} } [RG106]"
            )
    return sizes
