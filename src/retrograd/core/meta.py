"""Tensors on the device "meta": a shape, strides and a dtype without values, for models that are built before
their weights are there.

The array of such a tensor is one element of memory that all indices share, so that it costs nothing, and
views of it are of it too. While one is alive an interpreter stands at the door: a row that meets one runs on
what the element holds, for the shapes and dtypes of its results, which are of the device "meta" again.
"""

import threading
import weakref

import numpy as np

from .apply import apply
from .device import MetaMemory, is_meta, meta
from .modes import modes
from .tensor import Tensor, sequence_of

_living, _lock = [0], threading.Lock()  # how many there are


def meta_array(shape, kind):
    """An array of this shape and dtype without memory; from now on the interpreter stands at the door."""
    kind = np.dtype(kind)
    memory = MetaMemory(kind.itemsize)
    with _lock:
        _living[0] += 1
    weakref.finalize(memory, _leave).atexit = False
    if _interpreter not in modes.interpreters:
        modes.interpreters = (*modes.interpreters, _interpreter)
    return np.ndarray(shape, kind, memory, 0, (0,) * len(shape))


def _leave():
    """One less; the interpreter goes with the last one."""
    with _lock:
        _living[0] -= 1
        last = _living[0] == 0
    if last:
        modes.interpreters = tuple([i for i in modes.interpreters if i is not _interpreter])


def refuse_values(array, name):
    """Raise an error if `array`, whose values are wanted next by `name`, is that of a meta tensor."""
    if is_meta(array):
        raise NotImplementedError(
            f"{name}: cannot copy out of meta tensor; no data! Give the module memory with "
            'to_empty(device="cpu"), or load its weights with load_state_dict(..., assign=True) [RG036]'
        )


def copy_meta(array, new, name):
    """What writing `new` into `array` comes to where one is of a meta tensor: nothing, or an error."""
    if not is_meta(array):
        refuse_values(new, name)


def like_meta(result):
    """`result`, a tensor that was computed from meta tensors, as one of the device "meta"."""
    if isinstance(result, Tensor):
        if not is_meta(result._array):
            result._array = meta_array(result._array.shape, result._array.dtype)
        return result
    if isinstance(result, (tuple, list)):
        return sequence_of(type(result), [like_meta(r) for r in result])
    return result


def _tensors(args):
    for a in args:
        if isinstance(a, Tensor):
            yield a
        elif isinstance(a, (tuple, list)):
            yield from _tensors(a)


class _Interpreter:
    """Stands at the door while there are meta tensors."""

    batching = True  # so that functions that draw numbers, or look at values, are handed to it

    def process(self, op, args):
        return self._run(lambda: apply(op, args), args, op.name)

    def _run(self, call, args, name):
        found = list(_tensors(args))
        if not any([is_meta(t._array) for t in found]):
            return call()
        if not modes.walks and any([t._array.ndim and not is_meta(t._array) for t in found]):
            raise RuntimeError(
                f"{name}: Expected all tensors to be on the same device, but found at least two devices, "
                'meta and cpu! Move the others with to("meta"), or give these memory with to_empty(). [RG036]'
            )
        return like_meta(call())

    def process_function(self, cls, args, kwargs):
        """A custom Function: its rows come to the door by themselves."""
        return cls.apply(*args, **kwargs)

    def by_example(self, function, args, kwargs):
        return self._run(lambda: function(*args, **kwargs), (*args, *kwargs.values()), function.__name__)

    def draw(self, function, args, kwargs):
        """In place nothing is drawn, as there is nothing to fill; PyTorch's generator stays as it is too."""
        if args and isinstance(args[0], Tensor) and is_meta(args[0]._array):
            return args[0] if function.__name__.endswith("_") else like_meta(function(*args, **kwargs))
        return function(*args, **kwargs)

    def fill(self, function, args, kwargs):
        source = next(_tensors((*args, *kwargs.values())), None)
        if source is not None and is_meta(source._array) and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": meta}
        return function(*args, **kwargs)


_interpreter = _Interpreter()
