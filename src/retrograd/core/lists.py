"""One operation on each tensor of a list: in one parallel pass, where the compiled module can do it.

Each function says whether it was done, all or nothing: then it is for the caller to go through the list. The
operations are those of native/lists.h.
"""

from .compiled import native
from .modes import no_grad


def update(name, numbers, *lists):
    """Do the operation in place on each tensor of the first list, with those of the others; whether it was
    done.

    numbers: those that it takes, a tuple; in it a list is of one for each tensor.
    """
    return native is not None and native.update_each(name, numbers, *lists)


def make(name, numbers, *lists):
    """A list of the operation's results for each tensor of the first list; None where it wasn't done."""
    return None if native is None else native.new_each(name, numbers, *lists)


def fold(name, tensors):
    """For each tensor the sum of its "magnitudes" or "squares", or the "largest" magnitude, as an array of
    float64; None where it wasn't done.
    """
    return None if native is None else native.fold_each(name, tensors)


def clear(tensors):
    """Set all `tensors`, a list, to zero, outside the graph."""
    with no_grad():
        if not update("fill", (0,), tensors):
            for tensor in tensors:
                tensor.zero_()
