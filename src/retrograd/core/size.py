"""Size: the shape of a tensor, a tuple of ints that prints and combines as `torch.Size` does."""

import math
from operator import index


class Size(tuple):
    """The shape of a tensor.

    A tuple in every respect (equality, hash, unpacking); slices, sums and repeats of it are Sizes again.
    Elements are anything with `__index__` and are kept as plain ints.
    """

    __slots__ = ()

    def __new__(cls, iterable=()):
        size = tuple.__new__(cls, iterable)
        for item in size:
            if type(item) is not int:
                return tuple.__new__(cls, _as_ints(size))
        return size

    def numel(self):
        """The number of elements of a tensor of this size (1 for an empty Size: a 0-d tensor holds one)."""
        return math.prod(self)

    def __repr__(self):
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, key):
        item = tuple.__getitem__(self, key)
        return tuple.__new__(Size, item) if type(item) is tuple else item

    def __add__(self, other):
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to torch.Size [RG047]")
        return Size(tuple.__add__(self, other))

    def __radd__(self, other):
        if not isinstance(other, tuple):
            return NotImplemented  # so that `list += size` extends the list
        return Size(tuple.__add__(other, self))

    def __mul__(self, times):
        product = tuple.__mul__(self, times)
        return product if product is NotImplemented else tuple.__new__(Size, product)

    __rmul__ = __mul__

    def __reduce__(self):
        return Size, (tuple(self),)


def _as_ints(items):
    for position, item in enumerate(items):
        try:
            yield index(item)
        except TypeError:
            raise TypeError(
                f"torch.Size() takes an iterable of 'int' (item {position} is '{type(item).__name__}') "
                "[RG047]"
            ) from None
