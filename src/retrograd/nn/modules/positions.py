"""Arguments of containers: positions, and pairs of key and value."""

import operator
from collections import abc


def position(index, length, what):
    """`index` counted from the front; IndexError past the ends."""
    index = operator.index(index)
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of range of a {what} of length {length} [RG033]")
    return index % length


def pairs(values, what):
    """The elements of an iterable, each checked to be two things."""
    for i, pair in enumerate(values):
        if not isinstance(pair, abc.Iterable):
            raise TypeError(
                f"{what} update sequence element #{i} should be Iterable; is{type(pair).__name__} [RG064]"
            )
        if len(pair) != 2:
            raise ValueError(
                f"{what} update sequence element #{i} has length {len(pair)}; 2 is required [RG064]"
            )
        yield pair
