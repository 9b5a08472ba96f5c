"""In-place operations and writes through views, made from the out-of-place rows.

`x.mul_(y)` computes `mul(old x, y)`, copies the values into x's memory and gives x the result's place in
the graph. Where x is a view, its base changed too: the base's new history is the row `copy_slices(old
base, new values)`, and every view of that base derives its own history anew when next asked
(`Tensor.grad_fn`).
"""

from sys import getrefcount

import numpy as np

from . import arrays
from .apply import record
from .compiled import compiled, compiled_inplace, compiled_method
from .device import is_meta
from .graph import View, modes, next_number, untracked
from .meta import copy_meta
from .op import TABLE, Op, zeros_like
from .tensor import wrap

whole_writers = []  # batch.py adds itself: inside vmap, whole batches are written
tangent_writers = []  # forward.py adds itself: what else follows when a tensor with tangents is written


def look(x, chain):
    """The view of `x` that the view rows in `chain` lead to."""
    for op, args in chain:
        x = op(x, *args)
    return x


def written(base, values, chain):
    """A copy of `base` with `values` where the view is."""
    out = np.array(base)
    look(out, chain)[...] = values
    return out


def _laid_out(xp, x, order):
    """`x`, copied if need be so that in memory its dimensions come in this order, the last one densest."""
    moved = x.transpose(order)
    return x if moved.flags.c_contiguous else xp.ascontiguousarray(moved).transpose(np.argsort(order))


def _memory_order(array):
    """The dimensions of `array`, that of the largest stride first."""
    return tuple(sorted(range(array.ndim), key=lambda i: -abs(array.strides[i])))


laid_out = Op("laid_out", _laid_out, x=lambda g: g, jvp="linear")

# How a base depends on what it was and on what was written through a view of it. `order` is that of the
# base's
# memory: some views, such as view() and as_strided(), lead elsewhere in a gradient or a tangent that lies
# otherwise.
copy_slices = Op(
    "copy_slices",
    lambda xp, base, values, chain, order=None: written(
        base if order is None else _laid_out(xp, base, order), values, chain
    ),
    base=lambda g, values_shape, chain, order: copy_slices(g, np.zeros(values_shape, bool), chain, order),
    values=lambda g, chain, order: look(g if order is None else laid_out(g, order), chain),
    node="CopySlices", jvp="linear",
)  # fmt: skip


def inplace(function, name):
    """The in-place form of `function(x, ...)`, as the method `name` of Tensor."""

    def method(self, *args, **kwargs):
        old = prepare(self, name)
        if modes.saving and modes.grad:  # what the user's hooks are given must stay as it is
            old = TABLE["clone"](old)
        start = next_number()
        result = function(old, *args, **kwargs)
        if result._grad_fn is not None:
            _keep_old(old._whole, result._grad_fn, start)
            if old is not self and not modes.interpreters and _may_take_over(self, old, result):
                check_writeable(self, name)
                self._array = old._array = result._array
                self._versions().bump()
                rebase(self, result)
                return self
        return write(self, result, name)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = (
        f"In-place version of `{function.__name__}`: writes the result into this tensor and returns it."
    )
    if isinstance(function, Op):
        method = compiled_method(function, method, inplace=True)
    return compiled(method) if name == "masked_fill_" else compiled_inplace(method)


def _keep_old(old, node, start):
    """Where the nodes made since number `start` saved the old value, let them have a copy: its memory is
    overwritten next."""
    stack = [node]
    while stack:
        node = stack.pop()
        if node is None or node.number < start:
            continue
        if type(node.saved) is list and any(s is old for s in node.saved):
            old._array, old._version_counter, old._view = np.array(old._array), None, None
            return
        stack.extend([target for target, _ in node.edges])


def _may_take_over(x, old, result):
    """Whether the memory of `result` may become that of `x`, which saves a copy: x is a step of a
    computation, and nobody else has its array, or that of the result.

    In a graph only, where the result is no leaf: a parameter stays where it is.
    """
    array, new, saved = x._array, result._array, result._grad_fn.saved
    if (
        x._grad_fn is None
        or x._view is not None
        or old._array is not array
        or type(array) is not np.ndarray
        or type(new) is not np.ndarray
        or (new.shape, new.strides, new.dtype) != (array.shape, array.strides, array.dtype)
        or not (array.flags.owndata and new.flags.owndata and array.flags.writeable and new.flags.writeable)
        or x._tangents
        or result._tangents
        or type(saved) is not list
    ):
        return False
    outputs = sum([type(s) is tuple and len(s) == 2 and s[0] is new for s in saved])
    del array, new
    of_old, of_new, of_result = _holders(x, result)
    return (of_old, of_new - outputs, of_result) == _SOLE


def _holders(x, result):
    """How many hold the array of x, that of the result, and the result."""
    return getrefcount(x._array), getrefcount(result._array), getrefcount(result)


def _sole_holders():
    """The same where nobody does but x and its old value, and the functions on the way, on this Python."""
    x, result = wrap(np.zeros(1)), wrap(np.zeros(1))
    old = wrap(x._array)

    def may_take_over(x, old, result):
        return _holders(x, result)

    return may_take_over(x, old, result)


_SOLE = _sole_holders()


def prepare(x, name):
    """Check that `x` may be written to and give the Tensor that stands for its old value."""
    check_history(x, name)
    check_distinct(x, name)
    if not modes.grad:
        return x
    old = x._alias()
    view, node = x._view, old._grad_fn
    if (
        view is not None
        and node is not None
        and view.chain
        and (node.tensor_hooks or node.retained or node.is_view)
    ):
        # hooks stay with the view as the user had it: it has no use any more
        return look(view.base, view.chain)
    return old


def check_distinct(x, name):
    """Check that no two elements of `x` share memory because it was expanded."""
    a = x._array
    if (
        0 in a.strides and a.size and any(s == 0 and n > 1 for s, n in zip(a.strides, a.shape, strict=True))
        and not is_meta(a)
    ):  # fmt: skip
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single "
            "memory location "
            f"({name} on an expanded tensor of shape {list(a.shape)}). Please clone() the tensor before "
            "performing the operation. [RG037]"
        )


def check_writeable(x, name):
    """Check that the memory of `x` may be written to, which happens next."""
    if modes.before_write is not None:
        modes.before_write(x)
    if not x._array.flags.writeable:
        raise RuntimeError(
            f"{name}: this tensor's memory is read-only (it came from a read-only NumPy array); clone() it "
            "first [RG124]"
        )


def check_history(x, name):
    """Check that the graph lets `x` be changed in place."""
    if modes.grad:
        if x._view is not None:
            if x.requires_grad:
                _check_view(x, x._view, name)
        elif x._requires and x._grad_fn is None:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation. "
                f"({name}: its history would be lost; update it under torch.no_grad(), or compute a new "
                "tensor.) [RG003]"
            )
    if x._version_counter is untracked and not modes.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone "
            "to get a normal "
            "tensor before doing inplace update. [RG011]"
        )


def _check_view(x, view, name):
    """Check that a view may be written to with history: that of `x`, or that of what is written."""
    if view.kind is not None:
        raise RuntimeError(view.refusal(x, name) + " [RG004]")
    if view.base._grad_fn is None and x.requires_grad:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation. "
            f"({name}: the leaf's history would be lost; do it under torch.no_grad(), or on a clone().) "
            "[RG003]"
        )


def write(x, result, name):
    """Copy `result` into `x`, and give `x` (and the base it is a view of) the result's history."""
    target = x
    if modes.interpreters:
        for as_whole in whole_writers:
            target, result = as_whole(x, result, name)
    _write(target, result, name)
    return x


def _write(x, result, name):
    array, new = x._array, result._array
    if new.shape != array.shape:
        raise RuntimeError(
            f"output with shape {list(array.shape)} doesn't match the broadcast shape {list(new.shape)} "
            f"({name} can't grow its tensor) [RG125]"
        )
    if new.dtype != array.dtype and arrays._FROM_NUMPY[new.dtype].category > x.dtype.category:
        raise RuntimeError(
            arrays.cannot_cast(result.dtype, x.dtype)
            + f" ({name}); write out of place or convert the tensor first [RG035]"
        )
    check_writeable(x, name)
    if modes.grad and x._view is not None and (result._grad_fn is not None or result._requires):
        _check_view(x, x._view, name)
    if modes.interpreters and (is_meta(array) or is_meta(new)):
        copy_meta(array, new, name)
    else:
        np.copyto(array, new, casting="unsafe")
    x._versions().bump()
    if modes.grad:
        rebase(x, result)
    if x._tangents or result._tangents:
        for follow in tangent_writers:
            follow(x, result)


def restructure(function, name):
    """The in-place form of a view function, such as `unsqueeze_`: changes how `x` sees its memory, and
    writes nothing."""

    def method(self, *args, **kwargs):
        check_history(self, name)
        outside = self._grad_fn is None and self._view is None and not self._requires and not self._tangents
        if outside and not modes.interpreters and not self._retains:
            self._array = function(wrap(self._array), *args, **kwargs)._array
            self._restructured = True
            self._accumulator = None
            self._versions().bump()
            return self
        result = function(self._alias(), *args, **kwargs)
        if self._whole is not self:
            return self._become(result)
        view, seen = self._view, result._view
        self._array = result._array
        self._restructured = True
        self._accumulator = None  # knows the old shape
        self._versions().bump()
        if modes.grad:
            move_retained(self, result._grad_fn, result._output_nr)
            self._grad_fn, self._output_nr = result._grad_fn, result._output_nr
            self._requires = self._requires and result._grad_fn is None
        if view is not None:
            self._view = View(
                view.base, (*view.chain, *seen.chain), self._version_counter.n, view.kind, view.dual
            )
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of `{function.__name__}`: this tensor itself becomes the view."
    return compiled(method) if name in ("squeeze_", "transpose_", "unsqueeze_") else method


def rebase(x, result):
    """Give `x`, whose memory now holds `result`'s values, and its base the history that `result` has."""
    node = result._grad_fn
    view = x._view
    if node is None and not result._requires:
        if x._grad_fn is None and not (view is not None and view.base.requires_grad):
            if view is not None:
                view.version = x._version_counter.n
            return
    elif view is None:
        move_retained(x, node, result._output_nr)
        x._grad_fn, x._output_nr, x._requires = node, result._output_nr, False
        _save_here(node, x, result)
        return
    if view is None:
        x._grad_fn, x._output_nr = None, 0
        return
    base = view.base
    view.check_leads_to(x, look(base._array, view.chain))
    old = base._alias()
    shared = wrap(base._array)
    made = record(copy_slices, (old, result, view.chain, _memory_order(base._array)), shared)
    move_retained(base, made, 0)
    base._grad_fn, base._output_nr, base._requires = made, 0, False
    x.grad_fn  # noqa: B018  follows the base now


def move_retained(x, node, output):
    """A tensor that retains its gradient goes on doing so at its new node."""
    if x._retains and x._grad_fn is not None and x._grad_fn.retained:
        kept = x._grad_fn.retained.pop(x._output_nr, None)
        if kept is not None:
            node.retained = {**(node.retained or {}), output: kept}


def _save_here(node, x, result):
    """Where the node saved its own output, let it be x's memory: one array fewer, and later writes are
    noticed."""
    if x._array.dtype != result._array.dtype or type(node.saved) is not list:
        return
    for slot, s in enumerate(node.saved):
        if type(s) is tuple and len(s) == 2 and s[0] is result._array:
            node.saved[slot] = (x._array, x._version_counter)
            node.versions = {**(node.versions or {}), slot: x._version_counter.n}


def copy_from(x, source, name="copy_"):
    """`x.copy_(source)`: write values through the graph, of any dtype and broadcastable shape."""
    if modes.interpreters and (is_meta(x._array) or is_meta(source._array)):
        copy_meta(x._array, source._array, name)
        return x
    old = prepare(x, name)
    if modes.interpreters or (modes.grad and (x.requires_grad or source.requires_grad)):
        return write(x, _copy(old, source), name)
    check_writeable(x, name)
    array, new = x._array, source._array
    if new.dtype.kind == "c" and array.dtype.kind != "c":
        new = new.real
    try:
        token = arrays.quiet.enter()
        np.copyto(array, new, casting="unsafe")
    except ValueError:
        raise RuntimeError(
            f"{name}: a tensor of shape {list(new.shape)} doesn't broadcast to the shape {list(array.shape)} "
            "that is written to [RG125]"
        ) from None
    finally:
        arrays.quiet.leave(token)
    x._versions().bump()
    return x


def _cast_like(xp, x, source):
    source = xp.asarray(source)
    if source.dtype.kind == "c" and x.dtype.kind != "c":
        source = source.real
    return xp.broadcast_to(source, x.shape).astype(x.dtype)


_copy = Op(
    "copy", _cast_like,
    x=lambda g: zeros_like(g),
    source=lambda g: g, node="CopyBackwards",
    jvp=lambda t_source, x_shape, x_dtype: _copy(np.zeros(x_shape, x_dtype), t_source),
)  # fmt: skip
