"""Numbers of arguments: one value, or one for each dimension."""

from collections.abc import Iterable


def _ntuple(n):
    """A function that makes a tuple of n out of one value; several stay as they are."""

    def parse(x):
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    return parse


_single, _pair, _triple, _quadruple = (_ntuple(n) for n in (1, 2, 3, 4))


def _reverse_repeat_tuple(t, n):
    """Each element of `t` n times, the last first: padding as F.pad wants it."""
    return tuple(x for x in reversed(t) for _ in range(n))
