"""Distributions drawn by rejection, as PyTorch's CPU kernels draw them: element by element.

The loops run in Python, at about a microsecond a draw. Results are PyTorch's, bit for bit, unless rounding
(in Python's lgamma, NumPy's float32 log1p) turns a comparison.
"""

import math

import ml_dtypes
import numpy as np

from .generator import default_generator


def poisson(rates, generator=None):
    """Poisson numbers, one for each of `rates` (an array of floats), in its dtype; as `torch.poisson`.

    Below a rate of 10 by multiplying uniforms (Knuth), else by W. Hoermann's PTRS (1993).
    """
    rates = _floating("poisson", rates, np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
    if not np.all(rates >= 0):
        raise RuntimeError(f"poisson expects rates >= 0, but got {np.min(rates)} [RG130]")
    with (generator or default_generator).one_by_one() as (uniform, _):
        drawn = [_poisson(rate, uniform) for rate in rates.astype(np.float64).reshape(-1).tolist()]
    values = np.array(drawn, np.float64 if rates.dtype == np.float64 else np.float32)
    return values.astype(rates.dtype).reshape(rates.shape)


def _poisson(rate, uniform):
    if rate == 0:
        return 0
    if rate < 10:
        count, product, bound = 0, uniform(), math.exp(-rate)
        while product > bound:
            count += 1
            product *= uniform()
        return count
    log_rate = math.log(rate)
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    log_inverse_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    surely = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        margin = 0.5 - abs(u)
        k = math.floor((2 * a / margin + b) * u + rate + 0.43) if margin else -1
        if margin >= 0.07 and v <= surely:
            return k
        if k < 0 or (margin < 0.013 and v > margin):
            continue
        log_ratio = _log(v) + log_inverse_alpha - math.log(a / (margin * margin) + b)
        if log_ratio <= -rate + k * log_rate - math.lgamma(k + 1.0):
            return k


def binomial(count, prob, generator=None):
    """Binomial numbers of `count` trials of probability `prob`, in the dtype of `count`; as `torch.binomial`.

    By counting geometric gaps (Devroye) below a mean of 10, else by W. Hoermann's BTRS (1993). A count or
    probability that is nan gives nan.
    """
    count, prob = (_floating("binomial", x, np.float32, np.float64) for x in (count, prob))
    if count.dtype != prob.dtype:
        raise RuntimeError(
            f"binomial expects count and prob of one dtype, but got {count.dtype} and {prob.dtype} [RG041]"
        )
    count, prob = np.broadcast_arrays(count, prob)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        flipped = prob > 0.5
        p = np.where(flipped, (1.0 - prob.astype(np.float64)).astype(prob.dtype), prob)
        # What PyTorch computes in the dtype of the arguments, not in float64.
        mean, deviation = count * p, np.sqrt(count * p * (1 - p))
        setup = [p, mean, deviation, p / (1 - p), np.floor((count + 1) * p), np.log1p(-p)]
    rows = zip(*(x.reshape(-1).tolist() for x in (count, prob, flipped, *setup)))
    values = []
    with (generator or default_generator).one_by_one() as (uniform, _):
        for n, q, flip, *rest in rows:
            if n <= 0 or q <= 0 or q >= 1 or n != n or q != q:
                values.append(math.nan if n != n or q != q else n if q >= 1 and n > 0 else 0)
                continue
            k = _btrs(n, *rest[:-1], uniform) if rest[1] >= 10 else _count_gaps(n, rest[-1], uniform)
            values.append(n - k if flip else k)
    return np.array(values, count.dtype).reshape(count.shape)


def _count_gaps(count, log_failure, uniform):
    trials = successes = 0
    while True:
        u = uniform()
        trials += math.ceil(math.log(u) / log_failure) if u else math.inf
        if trials > count:
            return successes
        successes += 1


def _btrs(count, p, mean, deviation, odds, mode, uniform):
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    center = mean + 0.5
    surely = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * deviation
    while True:
        u, v = uniform() - 0.5, uniform()
        margin = 0.5 - abs(u)
        k = math.floor((2 * a / margin + b) * u + center) if margin else -1
        if not 0 <= k <= count:
            continue
        if margin >= 0.07 and v <= surely:
            return k
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(count - mode)
            - _stirling_tail(k)
            - _stirling_tail(count - k)
        )
        if _log(v * alpha / (a / (margin * margin) + b)) <= bound:
            return k


def _stirling_tail(k):
    """log k! less Stirling's approximation of it."""
    if k < 10:
        stirling = (k + 0.5) * math.log(k + 1.0) - (k + 1.0) + 0.5 * math.log(2 * math.pi)
        return math.lgamma(k + 1.0) - stirling
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def standard_gamma(shapes, generator=None):
    """Gamma distributed numbers of rate 1, one for each of `shapes`, in its dtype (Marsaglia, Tsang 2000).

    As `torch._standard_gamma`: never below the smallest normal number of the dtype.
    """
    shapes = _floating("standard_gamma", shapes, np.float32, np.float64)
    if not np.all(shapes >= 0):
        raise RuntimeError(f"standard_gamma expects shapes >= 0, but got {np.min(shapes)} [RG130]")
    third = np.float32(1) / np.float32(3)
    with np.errstate(divide="ignore"):
        small = shapes < 1
        setup = [(shapes + small) - third.astype(shapes.dtype), 1 / shapes]
    with (generator or default_generator).one_by_one() as draws:
        rows = zip(*(x.reshape(-1).tolist() for x in (shapes, small, *setup)))
        drawn = np.array([_gamma(*row, *draws) for row in rows])
    return np.maximum(drawn.astype(shapes.dtype), np.finfo(shapes.dtype).tiny).reshape(shapes.shape)


def _gamma(shape, small, d, inverse, uniform, normal):
    if shape == 0:
        return 0.0
    scale = math.pow(1 - uniform(), inverse) if small else 1.0
    c = 1 / math.sqrt(9 * d)
    while True:
        x = normal()
        y = 1 + c * x
        while y <= 0:
            x = normal()
            y = 1 + c * x
        v = y * y * y
        u = 1 - uniform()
        square = x * x
        if u < 1 - _SQUEEZE * square * square or math.log(u) < 0.5 * square + d * (1 - v + math.log(v)):
            return scale * d * v


_SQUEEZE = float(np.float32(0.0331))


def dirichlet(concentrations, generator=None):
    """Dirichlet distributed rows, as `torch._sample_dirichlet`: gamma numbers over their row's sum."""
    concentrations = _floating("dirichlet", concentrations, np.float32, np.float64)
    gammas = standard_gamma(concentrations.astype(np.float64), generator)
    dtype = concentrations.dtype
    values = (gammas / gammas.sum(-1, keepdims=True)).astype(dtype)
    return np.clip(values, np.finfo(dtype).tiny, np.nextafter(dtype.type(1), dtype.type(0)))


def _floating(name, x, *dtypes):
    x = np.asarray(x)
    if x.dtype not in dtypes:
        allowed = ", ".join(np.dtype(d).name for d in dtypes)
        raise NotImplementedError(f"{name} is not implemented for {x.dtype}; use one of {allowed} [RG041]")
    return x


def _log(x):
    return math.log(x) if x else -math.inf
