"""vmap: one function on one example, run on a batch of them."""

import functools

from ..batch import Batched, BatchLevel, hidden_by
from ..core.generator import default_generator
from ..core.op import TABLE
from ..core.tensor import Tensor
from ..utils._pytree import LEAF, broadcast_prefix, tree_flatten, tree_unflatten


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """`func`, which works on single examples, made to work on batches: it is called once, on all of them.

    in_dims: which dimension of each positional argument holds the examples (None: it is shared); an int, or a
    structure like the arguments'. Keyword arguments are shared. out_dims: where the results' batch dimension
    goes (None: the result is the same for all examples and has none). randomness: "error", "different" per
    example, or "same". chunk_size: so many examples at a time, to bound memory.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness} "
            "[RG048]"
        )
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size}) [RG100]")

    @functools.wraps(func)
    def mapped(*args, **kwargs):
        leaves, dims, form, size = take_apart(func, in_dims, args)
        if chunk_size is None or chunk_size >= size:
            return _run(func, leaves, dims, form, size, out_dims, randomness, kwargs)
        parts, state = [], default_generator.get_state()
        for start in range(0, size, chunk_size):
            count = min(chunk_size, size - start)
            if randomness == "same":  # in all chunks
                default_generator.set_state(state)
            part = [x if d is None else x.narrow(d, start, count) for x, d in zip(leaves, dims, strict=True)]
            parts.append(_run(func, part, dims, form, count, out_dims, randomness, kwargs))
        return _join(func, parts, out_dims)

    return mapped


def name_of(func):
    return getattr(func, "__name__", repr(func))


def take_apart(func, in_dims, args):
    """The leaves of the arguments, the batch dimension of each (None where it has none), their form, and
    the size."""
    call = f"vmap({name_of(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{call}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of "
            "inputs, got: "
            f"{type(in_dims)}. [RG100]"
        )
    if not args:
        raise ValueError(
            f"vmap({name_of(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
            "trying to vmap over "
            "a function with no inputs. The latter is unsupported. [RG100]"
        )
    leaves, form = tree_flatten(args)
    try:
        dims = broadcast_prefix(in_dims, form)
    except ValueError:
        raise ValueError(
            f"{call}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{tree_flatten(in_dims)[1]} but inputs has structure {form}. [RG100]"
        ) from None
    sizes = []
    for i, (x, d) in enumerate(zip(leaves, dims, strict=True)):
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(
                f"{call}: Got in_dim={d} for an input but in_dim must be either an integer dimension or "
                "None. [RG100]"
            )
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{call}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap "
                "over non-Tensor "
                "arguments, please use None as the respective in_dim [RG100]"
            )
        if not -x.ndim <= d < x.ndim:
            raise ValueError(
                f"{call}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality "
                f"{x.ndim} so expected "
                f"in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}. [RG100]"
            )
        dims[i] = d % x.ndim
        sizes.append(x.shape[dims[i]])
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} "
            "for the mapped "
            "dimension [RG100]"
        )
    if not sizes:
        raise ValueError(
            f"{call}: at least one in_dim must not be None, and at least one Tensor be among the inputs: "
            "there is nothing to map over [RG100]"
        )
    return leaves, dims, form, sizes[0]


def _run(func, leaves, dims, form, size, out_dims, randomness, kwargs):
    with BatchLevel(size, randomness) as level:
        wrapped = [x if d is None else Batched(x, d, level) for x, d in zip(leaves, dims, strict=True)]
        result = func(*tree_unflatten(wrapped, form), **kwargs)
    outs, out_form = tree_flatten(result)
    where = _out_dims(func, out_dims, out_form)
    return tree_unflatten([_unwrap(func, o, d, level) for o, d in zip(outs, where, strict=True)], out_form)


def _out_dims(func, out_dims, form):
    if form is LEAF and isinstance(out_dims, tuple) and len(out_dims) == 1:
        out_dims = out_dims[0]  # a function of one result may be given (0,)
    try:
        found = broadcast_prefix(out_dims, form)
    except ValueError:
        raise ValueError(
            f"vmap({name_of(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the "
            "structure of "
            f"`outputs`. out_dims has structure {tree_flatten(out_dims)[1]} but outputs has structure "
            f"{form}. [RG100]"
        ) from None
    for d in found:
        if d is not None and not isinstance(d, int):
            raise ValueError(
                f"vmap({name_of(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a "
                f"python collection of ints, the places of the batch dimension in the outputs, got {d!r} "
                "[RG100]"
            )
    return found


def _unwrap(func, out, dim, level):
    """The whole batch of an output, its batch dimension at `dim`."""
    name = name_of(func)
    if dim is None:
        if isinstance(out, Tensor) and level.hides(out):
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None: it "
                "differs from example "
                "to example [RG100]"
            )
        return out
    if not isinstance(out, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(out)}. Did you mean to "
            "set out_dims= to "
            "None for output? [RG100]"
        )
    if level.hides(out):
        return _move(out._value, out._dim, dim)
    if any(inner.depth > level.depth for inner in hidden_by(out)):
        raise RuntimeError(f"vmap({name}, ...): a tensor of a vmap that has ended was returned [RG103]")
    return _move(TABLE["broadcast_to"](out, (level.size, *out.shape)), 0, dim)


def _move(value, source, dim):
    n = value.ndim
    if not -n <= dim < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim}) [RG039]"
        )
    if source == dim % n:
        return value
    axes = [i for i in range(n) if i != source]
    axes.insert(dim % n, source)
    return TABLE["permute"](value, tuple(axes))


def _join(func, parts, out_dims):
    """The results of the chunks, joined along their batch dimensions."""
    flat = [tree_flatten(p) for p in parts]
    form = flat[0][1]
    joined = [
        column[0]
        if d is None
        else TABLE["cat"](d % column[0].ndim, tuple([x.shape[d] for x in column]), *column)
        for d, *column in zip(_out_dims(func, out_dims, form), *[leaves for leaves, _ in flat], strict=True)
    ]
    return tree_unflatten(joined, form)
