"""Random numbers as PyTorch's CPU generator gives them, bit for bit: after `manual_seed(0)` the same draws.

Each function takes as many words of the generator's stream as PyTorch 2.13 does, so the streams stay in step
whatever was drawn before. The values are PyTorch's bits too, with these exceptions: `random_math` says when
float32 normals can differ; results of `exponential`, `cauchy` and `log_normal` narrower than float64 may
differ in the last place about once in 2**28; an exact tie in `geometric` may fall the other way; and
`multinomial` without replacement puts equal ratios in index order. Results are NumPy arrays, filled in memory
order, as PyTorch fills a contiguous tensor.
"""

import math
import warnings

import ml_dtypes
import numpy as np

from .compiled import native
from .generator import Generator as Generator
from .generator import default_generator
from .random_math import box_muller32, box_muller64, fma64, libm

_COMPILED = () if native is None else (np.dtype(np.float32), np.dtype(np.float64))  # drawn without NumPy
_FLOATS = [np.dtype(t) for t in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)]
_CHUNK = 1 << 14  # elements worked on at a time: temporaries stay in the cache, and small
_INT64_MAX = 2**63 - 1
_RANDPERM_SMALL = (2**32 - 1) // 20  # PyTorch changes randperm's algorithm at this size


def uniform(shape, np_dtype, low=0.0, high=1.0, generator=None, out=None):
    """Uniform numbers on [low, high) (for complex dtypes in both parts), as `Tensor.uniform_`.

    out: an array in C order that takes real ones.
    """
    np_dtype, generator = np.dtype(np_dtype), generator or default_generator
    if np_dtype.kind == "c":
        return _complex(uniform, shape, np_dtype, low, high, generator)
    if (low, high) != (0, 1) or np_dtype not in _FLOATS:
        _check_range(np_dtype, low, high)
    if np_dtype in _COMPILED:
        return _compiled(native.random_uniform, shape, np_dtype, generator, out, low, high)
    if np_dtype == np.float64:
        low, high = float(low), float(high)
        draw = lambda n: fma64(generator.doubles(n), high - low, low)
    else:
        first, last = np.float32(low), np.float32(high)
        draw = lambda n: _scale32(generator.floats(n), first, last - first)
    if (low, high) == (0, 1) and np_dtype.itemsize > 2:  # 1 cannot come out
        return _fill(shape, np_dtype, draw, generator, out)
    least, excluded = np.array([low, high]).astype(np_dtype)

    def draw_within(n):
        values = _narrow(draw(n), np_dtype)
        values[values == excluded] = least  # rounded up to the bound
        return values

    return _fill(shape, np_dtype, draw_within, generator, out)


def _check_range(np_dtype, low, high):
    """Refuse what `uniform` can't draw from."""
    _check_floating("uniform_", np_dtype)
    largest = float(ml_dtypes.finfo(np_dtype).max)
    for name, bound in (("from", low), ("to", high)):
        if not -largest <= bound <= largest:
            raise RuntimeError(f"{name} is out of bounds for {np_dtype}, but got {bound} [RG130]")
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}; swap them "
            "[RG130]"
        )
    if high - low > largest:
        raise RuntimeError(
            f"uniform_ expects to - from <= {largest} for {np_dtype}, but found to={high} and from={low} "
            "[RG130]"
        )


def _compiled(function, shape, np_dtype, generator, out, *how):
    """`out`, or a new array, filled by a function of the compiled module."""
    out = np.empty(shape, np_dtype) if out is None else out
    with generator.lock:
        function(generator._drawn(out.size).state, out, *how)
    return out


def _scale32(values, first, span):
    if first == 0 and span == 1:
        return values
    wide = values.astype(np.float64)
    wide *= np.float64(span)
    wide += np.float64(first)
    return wide.astype(np.float32)


def normal(shape, np_dtype, mean=0.0, std=1.0, generator=None, contiguous=True, out=None):
    """Normal numbers, as `Tensor.normal_` for numbers `mean` and `std` and as `torch.normal` for arrays.

    out: an array in C order that takes real ones, for numbers `mean` and `std`.
    `shape` None is the shape of `mean` and `std` together. A complex number's parts have the variance
    std**2 / 2. From 16 numbers on, PyTorch fills a contiguous tensor in blocks and another one by one
    (`contiguous=False`), which gives different numbers.
    """
    np_dtype, generator = np.dtype(np_dtype), generator or default_generator
    arrays = isinstance(mean, np.ndarray), isinstance(std, np.ndarray)
    if any(arrays):
        if np.iscomplexobj(std):
            raise RuntimeError("normal expects a real standard deviation, but got a complex std [RG130]")
        if np.size(std) and not np.min(std) >= 0:
            raise RuntimeError(f"normal expects all elements of std >= 0.0, but found {np.min(std)} [RG130]")
        shape = np.broadcast_shapes(np.shape(mean), np.shape(std)) if shape is None else shape
        out = normal(shape, np_dtype, 0.0, 1.0 if arrays[1] else std, generator, contiguous)
        if arrays[1]:
            out *= std
        out += mean if arrays[0] else np.array(mean, np_dtype)
        return out
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std} [RG130]")
    if np_dtype.kind == "c":
        return _complex(normal, shape, np_dtype, mean, std / math.sqrt(2), generator, contiguous)
    _check_floating("normal_", np_dtype)
    n = math.prod(shape)
    if n >= 16 and contiguous and np_dtype in _COMPILED:
        return _compiled(native.random_normal, shape, np_dtype, generator, out, mean, std)
    with generator.lock:
        if n < 16 or not contiguous:
            return _fill(shape, np_dtype, lambda k: fma64(generator.normals(k), std, mean), generator, out)
        draw, blocks = (
            (generator.doubles, box_muller64) if np_dtype == np.float64 else (generator.floats, box_muller32)
        )
        whole = n // 16 * 16
        out = np.empty(shape, np_dtype) if out is None else out
        flat = out.reshape(-1)
        _fill_flat(flat[:whole], lambda k: blocks(draw(k), mean, std), generator)
        if whole != n:  # the last 16 numbers are drawn anew
            if np_dtype.itemsize >= 4:  # and the uniforms for a block that is not whole were drawn before
                draw(n - whole)
            flat[-16:] = blocks(draw(16), mean, std).astype(np_dtype)
    return out


def _complex(sample, shape, np_dtype, *rest):
    parts = sample((*shape, 2), np.float32 if np_dtype == np.complex64 else np.float64, *rest)
    return parts.view(np_dtype)[..., 0]


def random_(shape, np_dtype, low=None, high=None, generator=None):
    """Discrete uniform numbers, as `Tensor.random_`: from low to high - 1.

    Without `high`, up to the largest value (of floats: the largest up to which they hold every integer,
    such as 2**24 for float32); without both, from 0.
    """
    np_dtype, generator = np.dtype(np_dtype), generator or default_generator
    floating = np_dtype in _FLOATS
    if not floating and np_dtype.kind not in "iub":
        raise NotImplementedError(
            f"random_ is not implemented for {np_dtype}; use integers, floats or bool [RG041]"
        )
    digits = ml_dtypes.finfo(np_dtype).nmant + 1 if floating else None
    largest = 2**digits if floating else 1 if np_dtype.kind == "b" else int(np.iinfo(np_dtype).max)
    if low is None and high is None:
        if np_dtype.kind == "u" and np_dtype.itemsize > 1:
            raise NotImplementedError(f"random_ of {np_dtype} needs bounds: give from and to [RG130]")
        return _integers(shape, np_dtype, 0, largest + 1, np_dtype in (np.int64, np.float64), generator)
    low = 0 if low is None else int(low)
    if high is None and low == -_INT64_MAX - 1:
        if np_dtype not in (np.int64, np.float64, np.float32, ml_dtypes.bfloat16):
            raise NotImplementedError(
                "random_ from -2**63 handles only int64, float64, float32 and bfloat16, but got "
                f"{np_dtype} [RG041]"
            )
        return _integers(shape, np_dtype, 0, 2**64, True, generator)
    high = min(largest, _INT64_MAX) + 1 if high is None else int(high)
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high} [RG130]"
        )
    _check_bounds(np_dtype, low, high, digits)
    if floating:
        low, high = _representable(np_dtype, low, high, digits)
    return _integers(shape, np_dtype, low, high, high - low >= 2**28, generator)


def randint(shape, low, high, np_dtype=np.int64, generator=None):
    """Integers from `low` to `high` - 1, as `torch.randint`."""
    return random_(shape, np_dtype, low, high, generator)


def _check_bounds(np_dtype, low, high, digits):
    if digits:
        limit = float(ml_dtypes.finfo(np_dtype).max)
        limits = -limit, limit
    elif np_dtype.kind == "b":
        limits = 0, 1
    else:
        limits = int(np.iinfo(np_dtype).min), min(int(np.iinfo(np_dtype).max), _INT64_MAX)
    for name, bound in (("from", low), ("to - 1", high - 1)):
        if not limits[0] <= bound <= limits[1]:
            raise RuntimeError(
                f"{name} is out of bounds for {np_dtype}, but got {bound}; allowed: {limits} [RG130]"
            )
        if digits and abs(bound) > 2**digits:
            warnings.warn(
                f"{name} = {bound} is out of bounds [-(2**{digits}), 2**{digits}]: {np_dtype} does not hold "
                "all integers beyond, so they are not equally likely",
                stacklevel=4,
            )


def _representable(np_dtype, low, high, digits):
    """`low` and `high` moved inwards, so that rounding to a floating dtype does not leave the range."""
    rounded = lambda x: int(_narrow(np.array([x], np.int64), np_dtype)[0])
    step = lambda x: 1 << max(abs(x).bit_length() - digits, 0)
    if rounded(low + 1) < low:
        low = rounded(low + 1) + step(low + 1)
    if rounded(high - 1) >= high:
        high = rounded(high - 1) - step(high - 1)
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to' as {np_dtype}, but got from={low} >= to={high} "
            "[RG130]"
        )
    return low, high


def _integers(shape, np_dtype, low, high, wide, generator):
    """`low` + a word (two words if `wide`) modulo `high` - `low`, wrapped as int64, then as `np_dtype`."""
    span = high - low
    if _COMPILED and not wide and span < 2**32 and np_dtype == np.int64:
        return _compiled(native.random_integers, shape, np_dtype, generator, None, low, span)

    def draw(n):
        if wide:
            values = generator.bits64(n)
            if span < 2**64:
                values %= np.uint64(span)
        else:
            values = generator.bits32(n)
            if span < 2**32:
                quotient = values // np.uint32(span)  # vectorised, as NumPy's remainder is not
                quotient *= np.uint32(span)
                values -= quotient
            values = values.astype(np.uint64)
        values += np.uint64(low % 2**64)
        return values.view(np.int64)

    return _fill(shape, np_dtype, draw, generator)


def randperm(n, np_dtype=np.int64, generator=None):
    """The integers from 0 to `n` - 1 in random order, as `torch.randperm`."""
    np_dtype, generator = np.dtype(np_dtype), generator or default_generator
    if n < 0:
        raise RuntimeError(f"randperm expects n >= 0, but got {n} [RG130]")
    if np_dtype in _FLOATS:
        largest = 2 ** (ml_dtypes.finfo(np_dtype).nmant + 1) + 1
    elif np_dtype.kind in "iu":
        largest = int(np.iinfo(np_dtype).max)
    else:
        raise NotImplementedError(
            f"randperm is not implemented for {np_dtype}; use integers or floats [RG041]"
        )
    if n > largest:
        raise RuntimeError(
            f"randperm: n cannot be greater than {largest} for {np_dtype}, but got {n} [RG130]"
        )
    if n >= _RANDPERM_SMALL:
        return _narrow(_inside_out(_modulo_64(generator.bits64(n))), np_dtype)
    if _COMPILED:
        out = np.empty(n, np.int64)
        with generator.lock:
            native.random_permutation(generator._drawn(max(n - 1, 0)).state, out)
        return _narrow(out, np_dtype)
    return _narrow(_swapped(generator.bits32(max(n - 1, 0)))[:n], np_dtype)


def _swapped(words):
    """What exchanging elements t and t + words[t] % (n - t) of 0..n-1, one t after the other, leaves.

    The element that step t puts in place stood at its target: there the last earlier step with the same
    target had put the element that stood at that step's own index, and so on back to one never moved.
    """
    n = words.size + 1
    steps = np.arange(n)
    target = steps.copy()
    target[:-1] += words % np.arange(n, 1, -1, dtype=np.uint32)
    order = np.sort(target << 32 | steps)  # by target, then by step
    target_sorted, step_sorted = order >> 32, order & 0xFFFFFFFF
    same = target_sorted[1:] == target_sorted[:-1]
    earlier = np.full(n, -1)  # the last earlier step with the same target
    earlier[step_sorted[1:][same]] = step_sorted[:-1][same]
    last = np.append(~same, True)
    before, index = step_sorted[last], target_sorted[last]  # the last step with target `index`
    before = np.where(before == index, earlier[before], before)  # the last before step `index`
    source = steps.copy()  # when step t began, index t held what index source[t] held at that step
    source[index] = np.where(before < 0, index, before)
    while True:
        further = source[source]
        if np.array_equal(further, source):
            break
        source = further
    return np.where(earlier < 0, target, source[earlier])


def _modulo_64(words):
    return (words % np.arange(1, words.size + 1, dtype=np.uint64)).astype(np.int64)


def _inside_out(targets):
    """The inside-out shuffle: step i moves the element at `targets[i]` to i and puts i there."""
    out = np.empty(targets.size, np.int64)
    cells = memoryview(out)
    for i, target in enumerate(memoryview(targets)):
        cells[i] = cells[target]
        cells[target] = i
    return out


def bernoulli(p, shape=None, np_dtype=np.float32, generator=None, one=1):
    """Ones (or what `one` says) with probability `p`, else zeros, as `Tensor.bernoulli_`.

    A number `p` takes two words of the stream an element, an array one (two if float64). An array is
    broadcast to `shape` (None: its own).
    """
    np_dtype, generator = np.dtype(np_dtype), generator or default_generator
    if isinstance(p, np.ndarray):
        if p.dtype not in _FLOATS:
            raise NotImplementedError(f"bernoulli expects p of a floating dtype, but got {p.dtype} [RG041]")
        if not np.all((p >= 0) & (p <= 1)):
            raise RuntimeError(
                f"bernoulli expects p in [0, 1], but got p from {np.min(p)} to {np.max(p)} [RG130]"
            )
        shape = p.shape if shape is None else shape
        draw = generator.doubles if p.dtype == np.float64 else generator.floats
        return (draw(math.prod(shape)).reshape(shape) < np.broadcast_to(p, shape)).astype(np_dtype)
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p} [RG130]")
    shape = () if shape is None else shape
    if np_dtype in _COMPILED:
        return _compiled(native.random_bernoulli, shape, np_dtype, generator, None, p, one)
    threshold = np.uint64(math.ceil(p * 2**53))  # u < p for u a multiple of 2**-53

    def draw(n):
        bits = generator.bits64(n)
        bits &= np.uint64(2**53 - 1)
        return bits < threshold

    out = _fill(shape, np_dtype, draw, generator)
    return out if one == 1 else out * np_dtype.type(one)


def exponential(shape, np_dtype, lambd=1.0, generator=None):
    """Exponentially distributed numbers of rate `lambd`, as `Tensor.exponential_`."""
    np_dtype, generator = np.dtype(np_dtype), generator or default_generator
    _check_floating("exponential_", np_dtype)
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd} [RG130]")
    log1p = _exact(math.log1p) if np_dtype == np.float64 else np.log1p
    return _fill(shape, np_dtype, lambda n: -1.0 / lambd * log1p(-generator.doubles(n)), generator)


def geometric(shape, np_dtype, p, generator=None):
    """The number of trials up to the first success of probability `p`, as `Tensor.geometric_`."""
    np_dtype, generator = np.dtype(np_dtype), generator or default_generator
    if np_dtype not in _FLOATS and np_dtype.kind not in "iu":
        raise NotImplementedError(
            f"geometric_ is not implemented for {np_dtype}; use integers or floats [RG041]"
        )
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p} [RG130]")
    log_failure = math.log1p(-p)
    return _fill(shape, np_dtype, lambda n: np.ceil(np.log(generator.doubles(n)) / log_failure), generator)


def cauchy(shape, np_dtype, median=0.0, sigma=1.0, generator=None):
    """Cauchy (Lorentz) distributed numbers, as `Tensor.cauchy_`."""
    np_dtype, generator = np.dtype(np_dtype), generator or default_generator
    _check_floating("cauchy_", np_dtype)
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma} [RG130]")
    tan = _exact(math.tan) if np_dtype == np.float64 else np.tan
    draw = lambda n: fma64(tan(math.pi * (generator.doubles(n) - 0.5)), sigma, median)
    return _fill(shape, np_dtype, draw, generator)


def log_normal(shape, np_dtype, mean=1.0, std=2.0, generator=None):
    """Numbers whose logarithm is normal with `mean` and `std`, as `Tensor.log_normal_`."""
    np_dtype, generator = np.dtype(np_dtype), generator or default_generator
    _check_floating("log_normal_", np_dtype)
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std} [RG130]")
    exp = _exact(_exp) if np_dtype == np.float64 else np.exp
    return _fill(shape, np_dtype, lambda n: exp(fma64(generator.normals(n), std, mean)), generator)


def multinomial(weights, num_samples, replacement=False, generator=None):
    """Indices drawn with probabilities proportional to `weights` (1-D, or 2-D: a distribution a row), int64.

    Without replacement (or for one sample) the largest ratios of a weight to an exponential number win.
    """
    generator = generator or default_generator
    weights = np.asarray(weights)
    if weights.ndim not in (1, 2):
        raise RuntimeError(
            f"multinomial expects weights of 1 or 2 dimensions, but got shape {weights.shape} [RG038]"
        )
    if weights.dtype not in _FLOATS:
        raise RuntimeError(
            f"multinomial only supports weights of a floating dtype, but got {weights.dtype} [RG041]"
        )
    if num_samples <= 0:
        raise RuntimeError(
            f"multinomial cannot draw {num_samples} samples; num_samples must be at least 1 [RG130]"
        )
    categories = weights.shape[-1]
    if not replacement and num_samples > categories:
        raise RuntimeError(
            f"multinomial cannot draw {num_samples} samples without replacement from {categories} "
            "categories [RG130]"
        )
    if categories > 2**24:
        raise RuntimeError(
            f"multinomial: the number of categories cannot exceed 2**24, but got {categories} [RG038]"
        )
    if weights.ndim == 2 and not weights.shape[0]:
        return np.empty((0, num_samples), np.int64)
    wide = weights.astype(np.float64 if weights.dtype == np.float64 else np.float32)
    if not np.all((wide >= 0) & (wide < np.inf)):
        raise RuntimeError("multinomial: the weights contain inf, nan or a number below 0 [RG130]")
    sums = np.cumsum(wide, -1)
    if not (categories and np.all(sums[..., -1] > 0)):
        raise RuntimeError(
            "multinomial: the weights of a distribution sum to 0; one must be positive [RG130]"
        )
    if not replacement or num_samples == 1:
        with np.errstate(divide="ignore", over="ignore"):
            ratio = weights / exponential(weights.shape, weights.dtype, 1.0, generator)
        if num_samples == 1:
            return np.argmax(ratio, -1, keepdims=True)
        return np.argsort(-ratio, -1, kind="stable")[..., :num_samples]
    sums /= sums[..., -1:].copy()
    sums[..., -1] = 1
    chance = generator.doubles(sums.size // categories * num_samples).reshape(-1, num_samples)
    rows = sums.reshape(-1, categories).astype(np.float64)
    drawn = np.stack([np.searchsorted(row, u) for row, u in zip(rows, chance)])
    return drawn.reshape(*weights.shape[:-1], num_samples)


def _check_floating(name, np_dtype):
    if np_dtype not in _FLOATS:
        raise NotImplementedError(
            f"{name} draws from a continuous distribution and is not implemented for {np_dtype}; "
            "use float16, bfloat16, float32 or float64 [RG041]"
        )


def _exact(function):
    return lambda x: libm(function, x)


def _exp(x):
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _fill(shape, np_dtype, draw, generator, out=None):
    """`out`, or a new array of `shape`, filled in C order with `draw(n)`, by chunks, while no other thread
    draws."""
    out = np.empty(shape, np_dtype) if out is None else out
    _fill_flat(out.reshape(-1), draw, generator)
    return out


def _fill_flat(flat, draw, generator):
    with generator.lock:
        for start in range(0, flat.size, _CHUNK):
            part = flat[start : start + _CHUNK]
            part[:] = _narrow(draw(part.size), flat.dtype)


def _narrow(values, np_dtype):
    """`values` as `np_dtype`; to 16-bit floats by way of float32, as PyTorch converts."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np_dtype.itemsize == 2 and np_dtype in _FLOATS:
            values = values.astype(np.float32, copy=False)
        return values.astype(np_dtype, copy=False)
