"""`Batched`: a tensor inside vmap, and where in memory the dimensions are that it hides."""

from math import prod

import numpy as np

from ..core.graph import modes
from ..core.op import TABLE
from ..core.tensor import Tensor
from .placeholder import Placeholder, refuse_dynamic, refuse_item, refuse_to_read


def _of_whole(name, doc=None):
    """An attribute that a `Batched` shares with the tensor it wraps."""

    def get(self):
        return getattr(self._value, name)

    def put(self, value):
        setattr(self._value, name, value)

    return property(get, put, doc=doc)


class Batched(Tensor):
    """One example's view of `value`, a Tensor whose dimension `dim` the vmap `level` hides."""

    def __new__(cls, value, dim, level):
        self = object.__new__(cls)
        self._value = value
        self._dim = dim
        self._level = level
        array = value._array
        if array.shape[dim]:
            self._array = array[(slice(None),) * dim + (0, Ellipsis)].view(Placeholder)
        else:
            self._array = np.zeros(array.shape[:dim] + array.shape[dim + 1 :], array.dtype).view(Placeholder)
        self._array.level = level
        return self

    _requires = _of_whole("_requires")
    _grad_fn = _of_whole("_grad_fn")
    grad_fn = _of_whole("grad_fn")
    _output_nr = _of_whole("_output_nr")
    _version_counter = _of_whole("_version_counter")
    _view = _of_whole("_view")
    _inference = _of_whole("_inference")
    _retains = _of_whole("_retains")
    _accumulator = _of_whole("_accumulator")

    @property
    def _tangents(self):
        tangents = self._whole._tangents
        return tangents and {level: hidden_as(t, self) for level, t in tangents.items()}

    @_tangents.setter
    def _tangents(self, tangents):
        self._whole._tangents = tangents and {
            level: shown_as(aligned(t, self), self) for level, t in tangents.items()
        }

    @property
    def _whole(self):
        """The tensor of all examples of all levels."""
        return self._value._whole

    def _versions(self):
        return self._value._versions()

    def _edge(self):
        return self._value._edge()

    def _alias(self):
        """The old value, for an in-place operation: a copy where rules will look at it from another side, as
        the graph must not save a view of memory that is overwritten next."""
        value = self._value._alias() if self._dim == 0 else TABLE["clone"](self._value)
        return Batched(value, self._dim, self._level)

    def _become(self, other):
        """Stand for what `other` does: how `unsqueeze_` and the like work inside vmap."""
        self._value, self._dim, self._array = other._value, other._dim, other._array
        return self

    def resize_(self, *sizes, memory_format=None):
        """Another shape for each example, of as many elements, where the batch comes first in memory."""
        shape = tuple(sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes)
        in_order = self._dim == 0 and self._value.is_contiguous()
        if not in_order or prod(shape) != prod(self.shape):
            raise RuntimeError(
                "vmap: resize_ is not supported where the batch dimension isn't the first, or examples would "
                f"get another number of elements ({list(self.shape)} to {list(shape)}): use reshape or "
                "pad [RG103]"
            )
        self._value.resize_(self._level.size, *shape)
        return self._become(Batched(self._value, 0, self._level))

    def detach(self):
        return Batched(self._value.detach(), self._dim, self._level)

    @property
    def data(self):
        return Batched(self._value.data, self._dim, self._level)

    @property
    def requires_grad(self):
        return self._value.requires_grad

    @requires_grad.setter
    def requires_grad(self, value):
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad=True):
        raise RuntimeError(
            "Tensor.requires_grad_() inside vmap is not supported: use torch.func.grad, vjp, jacrev or the "
            "like there, or call it outside [RG103]"
        )

    def register_hook(self, hook, *, prepend=False):
        level, dim = self._level, self._dim

        def whole(g):
            new = hook(Batched(g, dim, level))
            return None if new is None else _split(aligned(new, self), level)

        return self._value.register_hook(whole, prepend=prepend)

    def __repr__(self, **kwargs):
        inner = "\n".join("    " + line for line in repr(self._value).splitlines())
        return f"BatchedTensor(lvl={self._level.depth}, bdim={self._dim}, value=\n{inner}\n)"

    def __format__(self, spec):
        return object.__format__(self, spec) if self.ndim else self.item()

    def nonzero(self, *, as_tuple=False):
        """An error that says what to do instead."""
        refuse_dynamic("nonzero", self)

    item = refuse_item
    tolist = numpy = __array__ = __dlpack__ = refuse_to_read
    __bool__ = __float__ = __int__ = __index__ = __complex__ = __contains__ = refuse_to_read


def _split(x, level):
    """What `x`, whose outermost wrapper is of `level`, wraps."""
    if not (isinstance(x, Batched) and x._level is level):
        raise RuntimeError(
            "vmap: a tensor of an inner vmap was used where one of an outer vmap was expected [RG103]"
        )
    return x._value


# --- hidden dimensions ------------------------------------------------------------------


def layout(x):
    """(the whole tensor, {level: its axis}, the axes of one example in order) of any Tensor."""
    wrappers = []
    while isinstance(x, Batched):
        wrappers.append(x)
        x = x._value
    axes, hidden = list(range(x._array.ndim)), {}
    for w in reversed(wrappers):
        hidden[w._level] = axes.pop(w._dim)
    return x, hidden, axes


def hide(x, hidden):
    """The whole tensor `x` with the axes in `hidden` ({level: axis}) hidden, the outermost vmap's
    innermost."""
    axes = list(range(x._array.ndim))
    for level in sorted(hidden, key=lambda level: level.depth):
        dim = axes.index(hidden[level])
        axes.pop(dim)
        x = Batched(x, dim, level)
    return x


def hidden_as(t, like):
    """`t`, of the shape of the whole of `like`, with the same axes hidden as in `like`."""
    whole, further, axes = layout(t)
    return hide(whole, {**further, **{level: axes[axis] for level, axis in layout(like)[1].items()}})


def shown_as(t, like):
    """The inverse of `hidden_as`: `t`, aligned with `like`, in the shape of the whole of `like`."""
    whole, hidden, _ = layout(t)
    here = layout(like)[1]
    return hide(whole, {level: axis for level, axis in hidden.items() if level not in here})


def aligned(t, like):
    """`t`, of the shape of `like`, with its hidden axes where `like` has them; levels that `like` lacks
    stay around it."""
    if not isinstance(t, Batched) and not isinstance(like, Batched):
        return t
    whole, hidden, axes = layout(t)
    target, hidden_there, axes_there = layout(like)
    level_at = {axis: level for level, axis in hidden_there.items()}
    further = [level for level in hidden if level not in hidden_there]
    order = [hidden[level] for level in further]
    missing = []
    for i in range(target._array.ndim):
        source = hidden.get(level_at[i]) if i in level_at else axes[axes_there.index(i)]
        if source is None:
            missing.append(len(further) + i)
        else:
            order.append(source)
    if order != list(range(len(order))):
        whole = TABLE["permute"](whole, tuple(order))
    if missing:
        shape = (*[level.size for level in further], *target._array.shape)
        whole = TABLE["broadcast_to"](TABLE["unsqueeze"](whole, tuple(missing)), shape)
    places = {level: len(further) + axis for level, axis in hidden_there.items()}
    return hide(whole, {**{level: i for i, level in enumerate(further)}, **places})


def hidden_by(x):
    """The levels that hide a dimension of `x`."""
    found = []
    while isinstance(x, Batched):
        found.append(x._level)
        x = x._value
    return found


def spread(x, among):
    """`x` with a dimension of its own, expanded, hidden by each of the levels `among` that doesn't hide
    one yet. Tangents that have such dimensions already keep them."""
    whole, hidden, _ = layout(x)
    missing = [level for level in among if level not in hidden]
    if not missing:
        return x
    tangents = x._tangents
    several = tangents and any([level in hidden_by(t) for t in tangents.values() for level in missing])
    n = len(missing)
    stack = modes.interpreters
    modes.interpreters = () if several else stack
    try:
        whole = TABLE["broadcast_to"](whole, (*[level.size for level in missing], *whole._array.shape))
    finally:
        modes.interpreters = stack
    out = hide(
        whole,
        {**{level: i for i, level in enumerate(missing)}, **{level: n + d for level, d in hidden.items()}},
    )
    if several:
        out._tangents = tangents
    return out


def to_front(value, dim):
    if dim == 0:
        return value
    return TABLE["permute"](value, (dim, *[i for i in range(value._array.ndim) if i != dim]))
