"""Random tensors, PyTorch's for the same seed: `rand`, `randn`, `randint`... and methods that fill in
place."""

import numpy as np

from ..core import inplace, random_rejection
from ..core import random as draw
from ..core.apply import drawing
from ..core.compiled import compiled, compiled_inplace
from ..core.device import is_meta
from ..core.graph import modes
from ..core.memory import preserve_format
from ..core.op import LINEAR, Op, zeros_like
from ..core.tensor import Tensor, wrap
from .arguments import as_int, deliver
from .creation import drawing_order, finish, kind_of, like_array, number, shape_of
from .shape import clone

__all__ = [
    "bernoulli", "binomial", "fill", "fill_", "multinomial", "normal", "poisson", "rand", "rand_like",
    "randint", "randint_like", "randn", "randn_like", "randperm", "zero_",
]  # fmt: skip
METHODS = [
    "bernoulli", "bernoulli_", "cauchy_", "exponential_", "fill_", "geometric_", "log_normal_", "multinomial",
    "normal_", "random_", "uniform_", "zero_",
]  # fmt: skip
INPLACE = []


@drawing
def rand(
    *args,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Uniform numbers on [0, 1)."""
    kind = kind_of(dtype) if out is None else out._array.dtype
    array = draw.uniform(shape_of(args, size), kind, 0.0, 1.0, generator)
    return finish(array, requires_grad, device, layout, pin_memory, out)


@drawing
def randn(
    *args,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Numbers from the standard normal distribution."""
    kind = kind_of(dtype) if out is None else out._array.dtype
    array = draw.normal(shape_of(args, size), kind, 0.0, 1.0, generator)
    return finish(array, requires_grad, device, layout, pin_memory, out)


@drawing
def randint(
    *args,
    low=0,
    high=None,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Whole numbers from `low` (0) to `high` - 1, all equally likely; int64 unless told otherwise."""
    args = list(args)
    if size is None:
        size = args.pop()
    if len(args) == 2:
        low, high = args
    elif args:
        (high,) = args
    kind = np.dtype(np.int64) if dtype is None else kind_of(dtype)
    low, high = as_int(low, "low"), as_int(high, "high")
    array = draw.randint(shape_of((size,)), low, high, kind, generator)
    return finish(array, requires_grad, device, layout, pin_memory, out)


@drawing
def randperm(
    n,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """The numbers 0 to n - 1 in random order."""
    kind = np.dtype(np.int64) if dtype is None else kind_of(dtype)
    array = draw.randperm(as_int(n, "n"), kind, generator)
    return finish(array, requires_grad, device, layout, pin_memory, out)


def _like(function, input, dtype, memory_format):
    """An array that `function(array)` fills in `drawing_order`, as `like_array` lays it out."""
    array = like_array(np.empty, input, dtype, memory_format)
    _fill(array, function)
    return array


def _fill(array, function, direct=False):
    """Write `function(shape, contiguous)` into `array`, in `drawing_order`.

    direct: `function` takes `out`, to write into it by itself.
    """
    if array.flags.c_contiguous and direct and array.dtype.kind != "c":
        function(array.shape, True, out=array)
        return
    if array.flags.c_contiguous:
        array[...] = function(array.shape, True)
        return
    axes = drawing_order(array)
    in_order = axes == tuple(range(array.ndim))
    array.transpose(axes)[...] = function(tuple([array.shape[i] for i in axes]), in_order)


@drawing
def rand_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=preserve_format,
    generator=None,
    pin_memory=False,
):
    """`rand` of input's shape and dtype."""
    kind = input._array.dtype if dtype is None else kind_of(dtype)
    array = _like(
        lambda shape, _: draw.uniform(shape, kind, 0.0, 1.0, generator), input, dtype, memory_format
    )
    return finish(array, requires_grad, device, layout, pin_memory)


@drawing
def randn_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=preserve_format,
    generator=None,
    pin_memory=False,
):
    """`randn` of input's shape and dtype."""
    kind = input._array.dtype if dtype is None else kind_of(dtype)
    array = _like(
        lambda shape, flat: draw.normal(shape, kind, 0.0, 1.0, generator, flat), input, dtype, memory_format
    )
    return finish(array, requires_grad, device, layout, pin_memory)


@drawing
def randint_like(
    input,
    *args,
    low=0,
    high=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=preserve_format,
    generator=None,
    pin_memory=False,
):
    """`randint` of input's shape and dtype."""
    if len(args) == 2:
        low, high = args
    elif args:
        (high,) = args
    kind = input._array.dtype if dtype is None else kind_of(dtype)
    low, high = as_int(number(low), "low"), as_int(number(high), "high")
    array = _like(
        lambda shape, _: draw.randint(shape, low, high, kind, generator), input, dtype, memory_format
    )
    return finish(array, requires_grad, device, layout, pin_memory)


@drawing
def normal(
    mean=0.0,
    std=1.0,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Normal numbers of the given mean and standard deviation: tensors that broadcast, or numbers with a
    `size`."""
    if size is not None:
        kind = kind_of(dtype) if out is None else out._array.dtype
        array = draw.normal(shape_of((size,)), kind, number(mean), number(std), generator)
        return finish(array, requires_grad, device, layout, pin_memory, out)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError("normal(): without a size, mean or std must be a Tensor [RG134]")
    kind = (mean if isinstance(mean, Tensor) else std)._array.dtype
    given = mean, std
    mean, std = [v._array if isinstance(v, Tensor) else float(v) for v in (mean, std)]
    return deliver(normal_row(*given, draw.normal(None, kind, mean, std, generator)), out)


# The gradient of a mask, or of anything that doesn't depend on x: zeros.
bernoulli_row = Op(
    "bernoulli", lambda xp, x, drawn: drawn, x=lambda g: zeros_like(g), jvp=lambda t_x: zeros_like(t_x)
)


normal_row = Op(
    "normal_of", lambda xp, mean, std, drawn: drawn,
    mean=lambda g: zeros_like(g), std=lambda g: zeros_like(g),
    jvp=lambda t_mean, t_std, out: zeros_like(out), node="NormalBackward3",
)  # fmt: skip
poisson_row = Op(
    "poisson", lambda xp, x, drawn: drawn, x=lambda g: zeros_like(g), jvp=lambda t_x: zeros_like(t_x)
)


@drawing
def bernoulli(input, p=None, *, generator=None, out=None):
    """Ones with the probabilities that `input` holds (or with probability `p`), else zeros."""
    array = input._array
    if p is not None:
        return deliver(bernoulli_row(input, draw.bernoulli(p, array.shape, array.dtype, generator)), out)
    if array.dtype.kind not in "fV":
        raise RuntimeError(
            f"bernoulli expects probabilities of a floating dtype, but got {input.dtype} [RG041]"
        )
    return deliver(bernoulli_row(input, draw.bernoulli(array, None, array.dtype, generator)), out)


@drawing
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """`num_samples` indices drawn with probabilities proportional to `input`, a vector or a distribution per
    row."""
    return deliver(wrap(draw.multinomial(input._array, num_samples, replacement, generator)), out)


@drawing
def poisson(input, generator=None):
    """Numbers from the Poisson distributions whose rates `input` holds."""
    return poisson_row(input, random_rejection.poisson(input._array, generator))


@drawing
def binomial(count, prob, generator=None):
    """How many of `count` trials, each of probability `prob`, succeed."""
    return wrap(random_rejection.binomial(count._array, prob._array, generator))


# --- in place -----------------------------------------------------------------------------------------------


def _full(xp, x, value):
    out = xp.empty_like(x)
    out[...] = value
    return out


fill_row = Op(
    "fill", _full, x=lambda g: zeros_like(g), value=lambda g: g, jvp=LINEAR, node="FillBackward2",
)  # fmt: skip


def _overwriting(name):
    """The row of a method that leaves nothing of what was there: the gradient is zero."""
    return Op(name, lambda xp, x, values: values, x=lambda g: zeros_like(g), jvp=lambda t_x: zeros_like(t_x))


def _written(x, write):
    """What `write` puts into an array like x's, as a Tensor."""
    values = np.empty_like(x._array)
    write(values)
    return wrap(values)


_drawn = drawing(_written)


def _overwrite(x, name, row, write, random=True):
    """Let `write(array)` change x's memory; if x has a history, `row` ends it."""
    old = inplace.prepare(x, name)
    if modes.interpreters and is_meta(x._array):
        return x
    if modes.interpreters or (modes.grad and x.requires_grad):
        values = (_drawn if random else _written)(x, write)
        return inplace.write(x, row(old, values), name)
    inplace.check_writeable(x, name)
    write(x._array)
    x._versions().bump()
    return x


def _filler(name, function, direct=False):
    """A method that fills a tensor with `function(shape, kind, ..., generator, contiguous)`; direct: see
    `_fill`."""

    row = _overwriting(name[:-1])

    def method(self, *args, **kwargs):
        kind = self._array.dtype
        draw_for = lambda shape, flat, **to: function(shape, kind, flat, *args, **kwargs, **to)
        return _overwrite(self, name, row, lambda a: _fill(a, draw_for, direct))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = function.__doc__
    return compiled(method) if direct or name == "exponential_" else method


def _uniform(shape, kind, flat, from_=0.0, to=1.0, *, generator=None, out=None, **named):
    """Fill with uniform numbers on [from, to)."""
    return draw.uniform(shape, kind, number(named.pop("from", from_)), number(to), generator, out, **named)


def _normal(shape, kind, flat, mean=0.0, std=1.0, *, generator=None, out=None):
    """Fill with normal numbers."""
    return draw.normal(shape, kind, number(mean), number(std), generator, flat, out)


def _random(shape, kind, flat, *args, to=None, generator=None, **named):
    """Fill with whole numbers from `from` (0) to `to` - 1; without bounds, all that the dtype can hold."""
    low = named.pop("from", None)
    if len(args) == 2:
        low, to = args
    elif args and to is None and low is None:
        (to,) = args
    elif args:
        (low,) = args
    return draw.random_(shape, kind, low, to, generator, **named)


def _exponential(shape, kind, flat, lambd=1.0, *, generator=None):
    """Fill with exponentially distributed numbers of rate `lambd`."""
    return draw.exponential(shape, kind, lambd, generator)


def _geometric(shape, kind, flat, p, *, generator=None):
    """Fill with the numbers of trials up to the first success, of probability `p`."""
    return draw.geometric(shape, kind, p, generator)


def _cauchy(shape, kind, flat, median=0.0, sigma=1.0, *, generator=None):
    """Fill with Cauchy (Lorentz) distributed numbers."""
    return draw.cauchy(shape, kind, median, sigma, generator)


def _log_normal(shape, kind, flat, mean=1.0, std=2.0, *, generator=None):
    """Fill with numbers whose logarithms have this mean and standard deviation."""
    return draw.log_normal(shape, kind, mean, std, generator)


uniform_ = _filler("uniform_", _uniform, direct=True)
normal_ = _filler("normal_", _normal, direct=True)
random_ = _filler("random_", _random)
exponential_ = _filler("exponential_", _exponential)
geometric_ = _filler("geometric_", _geometric)
cauchy_ = _filler("cauchy_", _cauchy)
log_normal_ = _filler("log_normal_", _log_normal)


@drawing
def _bernoulli_like(x, p, generator):
    """Ones with the probabilities in `p`, which broadcasts, as a tensor like `x`."""
    chances = p._array.astype(np.float32) if p._array.dtype.kind == "V" else p._array
    array = np.empty_like(x._array)
    axes = drawing_order(array)
    chances = np.broadcast_to(chances, array.shape).transpose(axes)
    array.transpose(axes)[...] = draw.bernoulli(chances, chances.shape, array.dtype, generator)
    return wrap(array)


@compiled
def bernoulli_(self, p=0.5, *, generator=None):
    """Fill with ones of probability `p`, a number or a tensor that broadcasts, else zeros."""
    if isinstance(p, Tensor):
        drawn = _bernoulli_like(self, p, generator)
        old = inplace.prepare(self, "bernoulli_")
        return inplace.write(self, bernoulli_row(old, drawn), "bernoulli_")
    kind = self._array.dtype
    draw_for = lambda shape, _: draw.bernoulli(p, shape, kind, generator)
    return _overwrite(self, "bernoulli_", bernoulli_row, lambda a: _fill(a, draw_for))


@compiled_inplace
def fill_(self, value):
    """Fill with one value: a number or a 0-d tensor, through which gradients flow."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} "
                "dimensions. [RG034]"
            )
        if value.requires_grad or modes.interpreters:
            return inplace.write(self, fill_row(inplace.prepare(self, "fill_"), value), "fill_")
        value = value.item()
    if isinstance(value, complex) and self._array.dtype.kind != "c":
        raise RuntimeError(
            f"value cannot be converted to type {self.dtype} without overflow: {value} [RG042]"
        )
    kind = self._array.dtype
    value = np.asarray(value).astype(kind) if kind.kind != "V" else kind.type(value)
    return _overwrite(self, "fill_", fill_row, lambda a: a.fill(value), random=False)


zero_row = _overwriting("zero")


@compiled_inplace
def zero_(self):
    """Fill with zeros."""
    return _overwrite(self, "zero_", zero_row, lambda a: a.fill(0), random=False)


def fill(input, value):
    """A tensor of input's shape, dtype and layout in memory, filled with one value."""
    if isinstance(value, Tensor) and modes.interpreters:
        return fill_row(input, value)
    return fill_(clone(input), value)
