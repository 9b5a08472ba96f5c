"""Dropout: elements or whole channels set to zero at random, or, for self-normalising nets, to a constant."""

import math

import numpy as np

from ..core.apply import drawing
from ..core.inplace import copy_from
from ..core.random import bernoulli
from ..core.tensor import wrap
from .creation import drawing_order, like_array

__all__ = [
    "alpha_dropout", "alpha_dropout_", "dropout", "dropout_", "feature_alpha_dropout",
    "feature_alpha_dropout_", "feature_dropout", "feature_dropout_", "native_dropout",
]  # fmt: skip
METHODS = INPLACE = []

_ALPHA = 1.7580993408473766  # of SELU: scale * alpha, the negated value that its units saturate at


def _noise(input, p, feature, one=1):
    """Zeros with probability p, ones (or `one`) elsewhere; with `feature`, one draw for each channel of each
    item."""
    if not feature:
        return _draws(input, p, one)
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise RuntimeError(
            f"Feature dropout requires at least 2 dimensions in the input, but its shape is {list(shape)} "
            "[RG038]"
        )
    return bernoulli(1 - p, (*shape[:2], *[1] * (len(shape) - 2)), input._array.dtype, one=one)


def _draws(input, p, one=1):
    """A draw for each element, in `drawing_order`, laid out in memory as `input` is."""
    array = input._array
    if array.flags.c_contiguous:
        return bernoulli(1 - p, array.shape, array.dtype, one=one)
    axes = drawing_order(array)
    noise = like_array(np.empty, input, None, None)
    shape = tuple([array.shape[i] for i in axes])
    noise.transpose(axes)[...] = bernoulli(1 - p, shape, array.dtype, one=one)
    return noise


def _drop(input, p, train, feature=False, alpha=False):
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p} [RG049]")
    if p == 0 or not train or not math.prod(input.shape):
        return input
    if p == 1:
        return input * wrap(input._array.dtype.type(0).reshape(()))
    if not alpha:
        return input * _scale(input, p, feature)
    scale, shift = _scale_and_shift(input, p, feature)
    return input * scale + shift


@drawing
def _scale(input, p, feature):
    kind = input._array.dtype.type
    return wrap(_noise(input, p, feature, kind(1) / kind(1 - p)))


@drawing
def _scale_and_shift(input, p, feature):
    noise = _noise(input, p, feature)
    kind = noise.dtype
    a = 1 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
    shift = (noise - kind.type(1)) * kind.type(_ALPHA * a) + kind.type(_ALPHA * a * p)
    return wrap(noise * kind.type(a)), wrap(shift)


def _into(input, result):
    return input if result is input else copy_from(input, result)


def dropout(input, p, train):
    """Zero each element with probability `p` and scale the others by 1 / (1 - p); nothing unless `train`."""
    return _drop(input, p, train)


def dropout_(input, p, train):
    """In-place version of `dropout`."""
    return _into(input, _drop(input, p, train))


def native_dropout(input, p, train):
    """dropout, and the mask of what was kept."""
    if not train or p == 0:
        return input * 1, input == input
    scale, kept = _scale_and_mask(input, p)
    return input * scale, kept


@drawing
def _scale_and_mask(input, p):
    keep = _draws(input, p)
    scale = 0 if p == 1 else 1 / (1 - p)
    return wrap(keep * keep.dtype.type(scale)), wrap(keep != 0)


def feature_dropout(input, p, train):
    """Dropout of whole channels of `input` (N, C, ...)."""
    return _drop(input, p, train, feature=True)


def feature_dropout_(input, p, train):
    """In-place version of `feature_dropout`."""
    return _into(input, feature_dropout(input, p, train))


def alpha_dropout(input, p, train):
    """Dropout that keeps mean and variance: what is dropped gets SELU's saturation value, all is rescaled."""
    return _drop(input, p, train, alpha=True)


def alpha_dropout_(input, p, train):
    """In-place version of `alpha_dropout`."""
    return _into(input, alpha_dropout(input, p, train))


def feature_alpha_dropout(input, p, train):
    """alpha_dropout of whole channels of `input` (N, C, ...)."""
    return _drop(input, p, train, feature=True, alpha=True)


def feature_alpha_dropout_(input, p, train):
    """In-place version of `feature_alpha_dropout`."""
    return _into(input, feature_alpha_dropout(input, p, train))
