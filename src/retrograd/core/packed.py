"""Where the elements of packed sequences lie: `batch_sizes` says how many sequences have each step."""

from functools import lru_cache
from itertools import accumulate

import numpy as np


@lru_cache(maxsize=64)
def spans_of(batch_sizes, reverse):
    """Where each step's elements begin and end, in the order in which steps are computed."""
    ends = list(accumulate(batch_sizes))
    spans = [(end - n, end) for n, end in zip(batch_sizes, ends, strict=True)]
    return spans[::-1] if reverse else spans


def states_before(join, states, first, batch_sizes, reverse):
    """The state before each element, of arrays that `join` puts one after another."""
    n = first.shape[0]
    if batch_sizes[0] == batch_sizes[-1]:
        return join((states[n:], first) if reverse else (first, states[: states.shape[0] - n]))
    return join((first, states))[places_before(batch_sizes, reverse)]


@lru_cache(maxsize=64)
def places_before(batch_sizes, reverse):
    """For each element the place of the state before it in (first states, states)."""
    spans, places = spans_of(batch_sizes, False), []
    n = batch_sizes[0]
    for step, count in enumerate(batch_sizes):
        other = step + 1 if reverse else step - 1
        going_on = 0
        if 0 <= other < len(spans):
            start, stop = spans[other]
            going_on = min(stop - start, count)
            places.append(np.arange(n + start, n + start + going_on))
        places.append(np.arange(going_on, count))
    return np.concatenate(places)
