"""Random numbers inside vmap: one draw for the whole batch, or one that all examples share.

With randomness="different" a function that draws runs once, on all examples: the numbers are those that it
gives for the whole batch outside of vmap. With "same" it runs on one example.
"""

import numpy as np

from ..core.op import TABLE
from ..core.tensor import Tensor, wrap
from ..ops.creation import shape_of
from .rules import hidden, merged, padded_to, parted, rank

DIFFERENT = {}  # name of a function that draws -> how it runs on whole batches; without a rule: one by one
_VALUED = {"normal", "bernoulli", "multinomial", "poisson", "binomial", "_standard_gamma",
           "_sample_dirichlet"}  # fmt: skip


def different(*names):
    """Decorate how functions draw for all examples: a rule(level, function, args, kwargs)."""

    def register(rule):
        DIFFERENT.update(dict.fromkeys(names, rule))
        return rule

    return register


def draw(level, function, args, kwargs):
    """What a function that draws random numbers gives inside the vmap `level`."""
    if level.randomness == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
            "'different' randomness flags on vmap or perform the randomness operation out of vmap [RG102]"
        )
    if kwargs.get("out") is not None:
        raise RuntimeError(
            "vmap: It looks like you're calling out variants of random operations, which vmap doesn't "
            "support. Draw without out= and use the result [RG102]"
        )
    args = level.with_tangents(args)
    if level.randomness == "different":
        rule = DIFFERENT.get(function.__name__)
        return rule(level, function, args, kwargs) if rule else level.one_by_one(function, args, kwargs)
    args, kwargs = [_shared(level, a) for a in args], {k: _shared(level, v) for k, v in kwargs.items()}
    if any([level.hides(a) for a in _distributions(function.__name__, args, kwargs)]):
        raise RuntimeError(
            "Vmap does not currently support same randomness with a batched tensor input: the examples' "
            f"distributions differ ({function.__name__.strip('_')}). Use randomness='different' [RG102]"
        )
    return function(*args, **kwargs)


def _distributions(name, args, kwargs):
    """Those of the arguments whose values say how numbers are distributed, where tensors do."""
    if name == "_bernoulli_like":
        return args[1:]
    return (*args, *kwargs.values()) if name in _VALUED else ()


def _shared(level, x):
    """The first example in the place of a batch that was expanded from it."""
    if level.hides(x) and level.size and x._value._array.strides[x._dim] == 0:
        return level.example(x, 0)
    return x


@different("rand", "randn")
def _of_size(level, function, args, kwargs):
    size = kwargs.pop("size", None)
    return level.wrap(function(size=(level.size, *shape_of(args, size)), **kwargs))


@different("randint")
def _randint(level, function, args, kwargs):
    args, size = list(args), kwargs.pop("size", None)
    size = args.pop() if size is None else size
    return level.wrap(function(*args, size=(level.size, *shape_of((size,))), **kwargs))


@different("normal")
def _normal(level, function, args, kwargs):
    named = {**dict(zip(("mean", "std", "size"), args, strict=False)), **kwargs}
    size = named.get("size")
    if size is not None:
        named["size"] = (level.size, *shape_of((size,)))
        return level.wrap(function(**named))
    named["mean"], named["std"] = _alike(level, [named.get("mean", 0.0), named.get("std", 1.0)])
    return level.wrap(function(**named))


@different("binomial")
def _of_two(level, function, args, kwargs):
    return level.wrap(function(*_alike(level, args[:2]), *args[2:], **kwargs))


def _alike(level, values):
    """Whole batches of the tensors among `values`, of the same rank."""
    n = max([rank(v) for v in values])
    return [padded_to(level.whole(v), n + 1) if isinstance(v, Tensor) else v for v in values]


@different(
    "bernoulli", "poisson", "rand_like", "randn_like", "randint_like", "_scale_and_mask", "_standard_gamma",
    "_sample_dirichlet", "_random_directions",
)  # fmt: skip
def _of_whole(level, function, args, kwargs):
    return hidden(level, function(*[level.whole(a) for a in args], **kwargs))


@different("multinomial")
def _multinomial(level, function, args, kwargs):
    x = level.whole(args[0])
    if x.ndim == 2:
        return level.wrap(function(x, *args[1:], **kwargs))
    return level.wrap(parted(function(merged(x), *args[1:], **kwargs), level.size))


@different("_scale", "_scale_and_shift")
def _dropped(level, function, args, kwargs):
    x, p, feature = args
    noise = wrap(np.empty((level.size, *x.shape), x._array.dtype))  # what the noise is like; in C order
    if not feature:
        return hidden(level, function(noise, p, False))
    result = function(merged(noise), p, True)
    parts = [parted(r, level.size) for r in (result if isinstance(result, tuple) else (result,))]
    return hidden(level, tuple(parts) if isinstance(result, tuple) else parts[0])


@different("_written")
def _written(level, function, args, kwargs):
    x, write = args
    _check_batched(level, x)
    return level.wrap(function(level.whole(x), write))


@different("_bernoulli_like")
def _bernoulli_like(level, function, args, kwargs):
    x, p, generator = args
    if not level.hides(p):
        _check_batched(level, x)
    p = TABLE["broadcast_to"](padded_to(level.whole(p), rank(x) + 1), (level.size, *x.shape))
    return level.wrap(function(level.whole(x), p, generator))


def _check_batched(level, x):
    if not level.hides(x):
        raise RuntimeError(
            "vmap: Cannot ask for different inplace randomness on an unbatched tensor: it has one value for "
            "all examples. Make it with the batch's size (x.new_zeros(...) of a batched x), or use an "
            "out-of-place operation [RG102]"
        )
