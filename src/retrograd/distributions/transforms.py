"""Invertible maps with the logarithm of their Jacobian's determinant, for `TransformedDistribution`."""

import math

import retrograd
from retrograd import Size
from retrograd.nn.functional import logsigmoid, pad, softplus

from . import constraints
from .distribution import Distribution
from .utils import _sum_rightmost, broadcast_all, tril_matrix_to_vec, vec_to_tril_matrix

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform",
    "CumulativeDistributionTransform", "ExpTransform", "IndependentTransform", "LowerCholeskyTransform",
    "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform", "SigmoidTransform", "SoftmaxTransform",
    "SoftplusTransform", "StackTransform", "StickBreakingTransform", "TanhTransform", "Transform",
    "identity_transform",
]  # fmt: skip


class Transform:
    """A map from `domain` to `codomain`; `t(x)` applies it, `t.inv` is its inverse.

    cache_size: 1 remembers the last pair of values, so that inverting what was just computed costs nothing.
    `log_abs_det_jacobian(x, y)`: log |dy / dx|, a number for each event of the domain.
    """

    bijective = False
    domain = codomain = constraints.real

    def __init__(self, cache_size=0):
        if cache_size not in (0, 1):
            raise ValueError(f"cache_size must be 0 or 1, got {cache_size} [RG154]")
        self._cache_size, self._pair, self._inverted = cache_size, (None, None), None

    def _arguments(self):
        """What `__init__` takes besides the cache's size: for copies and comparisons."""
        return ()

    def with_cache(self, cache_size=1):
        """The same transform with a cache of this size."""
        if cache_size == self._cache_size:
            return self
        return type(self)(*self._arguments(), cache_size=cache_size)

    @property
    def event_dim(self):
        """The number of dimensions that an event has on both sides."""
        if self.domain.event_dim != self.codomain.event_dim:
            raise ValueError("Please use either .domain.event_dim or .codomain.event_dim [RG154]")
        return self.domain.event_dim

    @property
    def inv(self):
        """The inverse transform."""
        if self._inverted is None:
            self._inverted = _InverseTransform(self)
        return self._inverted

    @property
    def sign(self):
        """1 where it grows, -1 where it falls: of maps of numbers that do either."""
        raise NotImplementedError(f"{type(self).__name__} has no sign [RG154]")

    def __getstate__(self):
        return {**self.__dict__, "_inverted": None, "_pair": (None, None)}

    def __eq__(self, other):
        if self is other:
            return True
        if type(self) is not type(other) or not self._comparable:
            return False
        return all(map(_same, self._arguments(), other._arguments()))

    __hash__ = object.__hash__
    _comparable = True

    def __call__(self, x):
        old, y = self._pair
        if x is not old or not self._cache_size:
            y = self._call(x)
            self._remember(x, y)
        return y

    def _inv_call(self, y):
        x, old = self._pair
        if y is not old or not self._cache_size:
            x = self._inverse(y)
            self._remember(x, y)
        return x

    def _remember(self, x, y):
        if self._cache_size:
            self._pair = x, y

    def _call(self, x):
        raise NotImplementedError(f"{type(self).__name__} has no _call [RG154]")

    def _inverse(self, y):
        raise NotImplementedError(f"{type(self).__name__} has no _inverse [RG154]")

    def log_abs_det_jacobian(self, x, y):
        """log |dy / dx|."""
        raise NotImplementedError(f"{type(self).__name__} has no log_abs_det_jacobian [RG154]")

    def forward_shape(self, shape):
        """The shape of what becomes of values of this shape."""
        return shape

    def inverse_shape(self, shape):
        """The shape of what such values come from."""
        return shape

    def __repr__(self):
        return f"{type(self).__name__}()"


def _same(a, b):
    if isinstance(a, retrograd.Tensor) and isinstance(b, retrograd.Tensor):
        return bool((a == b).all())
    equal = a == b
    return bool(equal.all()) if isinstance(equal, retrograd.Tensor) else bool(equal)


class _InverseTransform(Transform):
    def __init__(self, transform):
        super().__init__(transform._cache_size)
        self._inverted = transform

    domain = property(lambda self: self._inverted.codomain)
    codomain = property(lambda self: self._inverted.domain)
    bijective = property(lambda self: self._inverted.bijective)
    sign = property(lambda self: self._inverted.sign)

    def __getstate__(self):
        return self.__dict__

    def with_cache(self, cache_size=1):
        return self.inv.with_cache(cache_size).inv

    def __eq__(self, other):
        return isinstance(other, _InverseTransform) and self._inverted == other._inverted

    __hash__ = object.__hash__

    def __call__(self, x):
        return self._inverted._inv_call(x)

    def log_abs_det_jacobian(self, x, y):
        return -self._inverted.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._inverted.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._inverted.forward_shape(shape)

    def __repr__(self):
        return f"_InverseTransform({self._inverted!r})"


# --- made of others ---------------------------------------------------------------------------------------


class ComposeTransform(Transform):
    """Several transforms, one after the other."""

    def __init__(self, parts, cache_size=0):
        self.parts = [p.with_cache(cache_size) for p in parts] if cache_size else list(parts)
        super().__init__(cache_size)

    def _arguments(self):
        return (self.parts,)

    def _side(self, first, last, steps):
        """The constraint of one end, with as many event dimensions as the parts between need."""
        dims = last.event_dim
        for out, into in steps:
            dims = max(dims + into - out, into)
        return constraints.independent(first, dims - first.event_dim) if dims > first.event_dim else first

    @property
    def domain(self):
        if not self.parts:
            return constraints.real
        steps = [(p.codomain.event_dim, p.domain.event_dim) for p in reversed(self.parts)]
        return self._side(self.parts[0].domain, self.parts[-1].codomain, steps)

    @property
    def codomain(self):
        if not self.parts:
            return constraints.real
        steps = [(p.domain.event_dim, p.codomain.event_dim) for p in self.parts]
        return self._side(self.parts[-1].codomain, self.parts[0].domain, steps)

    bijective = property(lambda self: all(p.bijective for p in self.parts))

    @property
    def sign(self):
        sign = 1
        for p in self.parts:
            sign = sign * p.sign
        return sign

    @property
    def inv(self):
        if self._inverted is None:
            self._inverted = ComposeTransform([p.inv for p in reversed(self.parts)])
            self._inverted._inverted = self
        return self._inverted

    def __call__(self, x):
        for p in self.parts:
            x = p(x)
        return x

    def log_abs_det_jacobian(self, x, y):
        if not self.parts:
            return retrograd.zeros_like(x)
        values = [x]
        for p in self.parts[:-1]:
            values.append(p(values[-1]))
        values.append(y)
        total, dims = 0, self.domain.event_dim
        for p, before, after in zip(self.parts, values[:-1], values[1:], strict=True):
            part = p.log_abs_det_jacobian(before, after)
            total = total + _sum_rightmost(part, dims - p.domain.event_dim)
            dims += p.codomain.event_dim - p.domain.event_dim
        return total

    def forward_shape(self, shape):
        for p in self.parts:
            shape = p.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        for p in reversed(self.parts):
            shape = p.inverse_shape(shape)
        return shape

    def __repr__(self):
        inner = ",\n    ".join(map(repr, self.parts))
        return f"ComposeTransform(\n    {inner}\n)"


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform of which the last `reinterpreted_batch_ndims` dimensions count as part of the event."""

    def __init__(self, base_transform, reinterpreted_batch_ndims, cache_size=0):
        super().__init__(cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def _arguments(self):
        return self.base_transform, self.reinterpreted_batch_ndims

    def _wider(self, constraint):
        return constraints.independent(constraint, self.reinterpreted_batch_ndims)

    domain = property(lambda self: self._wider(self.base_transform.domain))
    codomain = property(lambda self: self._wider(self.base_transform.codomain))
    bijective = property(lambda self: self.base_transform.bijective)
    sign = property(lambda self: self.base_transform.sign)

    def _call(self, x):
        return self.base_transform(_with_dims(x, self.domain.event_dim))

    def _inverse(self, y):
        return self.base_transform.inv(_with_dims(y, self.codomain.event_dim))

    def log_abs_det_jacobian(self, x, y):
        return _sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape):
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape):
        return self.base_transform.inverse_shape(shape)

    def __repr__(self):
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


def _with_dims(x, least):
    if x.ndim < least:
        raise ValueError(f"Too few dimensions on input: {x.ndim}, expected at least {least} [RG154]")
    return x


class _PartwiseTransform(Transform):
    """Different transforms for parts of one dimension."""

    _comparable = False

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        super().__init__(cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq]
        self.dim = dim
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)

    bijective = property(lambda self: all(t.bijective for t in self.transforms))

    def _call(self, x):
        return self._join([t(part) for t, part in zip(self.transforms, self._parts(x), strict=True)])

    def _inverse(self, y):
        return self._join([t.inv(part) for t, part in zip(self.transforms, self._parts(y), strict=True)])


class CatTransform(_PartwiseTransform):
    """Transforms of stretches of a dimension, of the given lengths."""

    def _arguments(self):
        return self.transforms, self.dim, self.lengths

    length = property(lambda self: sum(self.lengths))
    event_dim = property(lambda self: max(t.event_dim for t in self.transforms))
    domain = property(
        lambda self: constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)
    )
    codomain = property(
        lambda self: constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)
    )

    def _parts(self, x):
        return x.split(self.lengths, self.dim)

    def _join(self, parts):
        return retrograd.cat(parts, self.dim)

    def log_abs_det_jacobian(self, x, y):
        dets = []
        for t, a, b in zip(self.transforms, self._parts(x), self._parts(y), strict=True):
            dets.append(_sum_rightmost(t.log_abs_det_jacobian(a, b), self.event_dim - t.event_dim))
        dim = (self.dim if self.dim < 0 else self.dim - x.ndim) + self.event_dim
        return retrograd.cat(dets, dim) if dim < 0 else sum(dets)


class StackTransform(_PartwiseTransform):
    """Transforms of the slices along a dimension."""

    def __init__(self, tseq, dim=0, cache_size=0):
        super().__init__(tseq, dim, None, cache_size)

    def _arguments(self):
        return self.transforms, self.dim

    domain = property(lambda self: constraints.stack([t.domain for t in self.transforms], self.dim))
    codomain = property(lambda self: constraints.stack([t.codomain for t in self.transforms], self.dim))

    def _parts(self, x):
        return x.unbind(self.dim)

    def _join(self, parts):
        return retrograd.stack(parts, self.dim)

    def log_abs_det_jacobian(self, x, y):
        parts = zip(self.transforms, self._parts(x), self._parts(y), strict=True)
        return self._join([t.log_abs_det_jacobian(a, b) for t, a, b in parts])


class ReshapeTransform(Transform):
    """The last dimensions, of `in_shape`, brought into `out_shape`."""

    bijective = True
    sign = 1

    def __init__(self, in_shape, out_shape, cache_size=0):
        self.in_shape, self.out_shape = Size(in_shape), Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements [RG154]")
        super().__init__(cache_size)

    def _arguments(self):
        return self.in_shape, self.out_shape

    domain = property(lambda self: constraints.independent(constraints.real, len(self.in_shape)))
    codomain = property(lambda self: constraints.independent(constraints.real, len(self.out_shape)))

    def _call(self, x):
        return x.reshape(*x.shape[: x.ndim - len(self.in_shape)], *self.out_shape)

    def _inverse(self, y):
        return y.reshape(*y.shape[: y.ndim - len(self.out_shape)], *self.in_shape)

    def log_abs_det_jacobian(self, x, y):
        return x.new_zeros(x.shape[: x.ndim - len(self.in_shape)])

    def forward_shape(self, shape):
        return _exchanged(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape):
        return _exchanged(shape, self.out_shape, self.in_shape)


def _exchanged(shape, old, new):
    kept = len(shape) - len(old)
    if kept < 0:
        raise ValueError("Too few dimensions on input [RG154]")
    if tuple(shape[kept:]) != tuple(old):
        raise ValueError(f"Shape mismatch: expected {tuple(old)} but got {tuple(shape[kept:])} [RG154]")
    return Size((*shape[:kept], *new))


# --- of numbers -------------------------------------------------------------------------------------------


class ExpTransform(Transform):
    """y = exp(x)."""

    codomain = constraints.positive
    bijective = True
    sign = 1

    def _call(self, x):
        return x.exp()

    def _inverse(self, y):
        return y.log()

    def log_abs_det_jacobian(self, x, y):
        return x


class PowerTransform(Transform):
    """y = x ** exponent."""

    domain = codomain = constraints.positive
    bijective = True

    def __init__(self, exponent, cache_size=0):
        super().__init__(cache_size)
        (self.exponent,) = broadcast_all(exponent)

    def _arguments(self):
        return (self.exponent,)

    sign = property(lambda self: self.exponent.sign())

    def _call(self, x):
        return x.pow(self.exponent)

    def _inverse(self, y):
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape):
        return retrograd.broadcast_shapes(shape, self.exponent.shape)

    inverse_shape = forward_shape


class SigmoidTransform(Transform):
    """y = 1 / (1 + exp(-x)), kept off 0 and 1; its inverse is the logit."""

    codomain = constraints.unit_interval
    bijective = True
    sign = 1

    def _call(self, x):
        return _clipped_sigmoid(x)

    def _inverse(self, y):
        info = retrograd.finfo(y.dtype)
        y = y.clamp(min=info.tiny, max=1.0 - info.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x, y):
        return -softplus(-x) - softplus(x)


def _clipped_sigmoid(x):
    info = retrograd.finfo(x.dtype)
    return retrograd.sigmoid(x).clamp(min=info.tiny, max=1.0 - info.eps)


class SoftplusTransform(Transform):
    """y = log(1 + exp(x)); x itself where it is above 20."""

    codomain = constraints.positive
    bijective = True
    sign = 1

    def _call(self, x):
        return softplus(x)

    def _inverse(self, y):
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x, y):
        return -softplus(-x)


class TanhTransform(Transform):
    """y = tanh(x). Invert what it gave through the cache: near 1, atanh is inexact."""

    codomain = constraints.interval(-1.0, 1.0)
    bijective = True
    sign = 1

    def _call(self, x):
        return x.tanh()

    def _inverse(self, y):
        return retrograd.atanh(y)

    def log_abs_det_jacobian(self, x, y):
        # log(1 - tanh(x)^2) = 2 (log 2 - x - softplus(-2x)), without cancellation
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))


class AbsTransform(Transform):
    """y = |x|; of two inverses, the positive one."""

    codomain = constraints.positive

    def _call(self, x):
        return x.abs()

    def _inverse(self, y):
        return y


class AffineTransform(Transform):
    """y = loc + scale * x; `event_dim`: how many of the last dimensions are one event."""

    bijective = True

    def __init__(self, loc, scale, event_dim=0, cache_size=0):
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    def _arguments(self):
        return self.loc, self.scale, self._event_dim

    event_dim = property(lambda self: self._event_dim)

    @property
    def domain(self):
        real = constraints.real
        return constraints.independent(real, self.event_dim) if self.event_dim else real

    codomain = domain

    @property
    def sign(self):
        if isinstance(self.scale, retrograd.Tensor):
            return self.scale.sign()
        return (self.scale > 0) - (self.scale < 0)

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        if isinstance(self.scale, retrograd.Tensor):
            result = self.scale.abs().log()
        else:
            result = retrograd.full_like(x, math.log(abs(self.scale)))
        if self.event_dim:
            n = x.ndim - self.event_dim
            result = result.expand(x.shape).reshape(*x.shape[:n], -1).sum(-1)
            return result
        return result.expand(x.shape)

    def forward_shape(self, shape):
        shapes = [v.shape if isinstance(v, retrograd.Tensor) else () for v in (self.loc, self.scale)]
        return retrograd.broadcast_shapes(shape, *shapes)

    inverse_shape = forward_shape


class CumulativeDistributionTransform(Transform):
    """y = cdf(x) of a distribution; its inverse makes that distribution of uniform numbers."""

    codomain = constraints.unit_interval
    bijective = True
    sign = 1

    def __init__(self, distribution, cache_size=0):
        if not isinstance(distribution, Distribution):
            raise TypeError(f"expected a distribution, got {type(distribution).__name__} [RG154]")
        super().__init__(cache_size)
        self.distribution = distribution

    def _arguments(self):
        return (self.distribution,)

    domain = property(lambda self: self.distribution.support)

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x, y):
        return self.distribution.log_prob(x)


# --- of vectors and matrices ------------------------------------------------------------------------------


class SoftmaxTransform(Transform):
    """Vectors to simplices by exp and normalising; not bijective, its inverse is log."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x):
        weights = (x - x.max(-1, True)[0]).exp()
        return weights / weights.sum(-1, True)

    def _inverse(self, y):
        return y.log()

    def forward_shape(self, shape):
        return _with_sizes(shape, 1)

    inverse_shape = forward_shape


def _with_sizes(shape, least):
    if len(shape) < least:
        raise ValueError("Too few dimensions on input [RG154]")
    return shape


class StickBreakingTransform(Transform):
    """Vectors of n elements to simplices of n + 1: each breaks its part off what is left of a stick."""

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    @staticmethod
    def _even(n, like):
        """log(n), log(n - 1)... log(1): moved by these, zeros give equal parts."""
        return retrograd.arange(n, 0, -1, dtype=like.dtype).log()

    def _call(self, x):
        parts = _clipped_sigmoid(x - self._even(x.shape[-1], x))
        left = (1 - parts).cumprod(-1)
        return pad(parts, [0, 1], value=1) * pad(left, [1, 0], value=1)

    def _inverse(self, y):
        parts = y[..., :-1]
        left = (1 - parts.cumsum(-1)).clamp(min=retrograd.finfo(y.dtype).tiny)
        return parts.log() - left.log() + self._even(parts.shape[-1], y)

    def log_abs_det_jacobian(self, x, y):
        x = x - self._even(x.shape[-1], x)
        return (-x + logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        return Size((*_with_sizes(shape, 1)[:-1], shape[-1] + 1))

    def inverse_shape(self, shape):
        return Size((*_with_sizes(shape, 1)[:-1], shape[-1] - 1))


class LowerCholeskyTransform(Transform):
    """Square matrices to lower triangular ones with a positive diagonal, by its exp."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """Square matrices to positive definite ones: L L^T, L as of `LowerCholeskyTransform`."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x):
        lower = LowerCholeskyTransform()(x)
        return lower @ lower.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(retrograd.linalg.cholesky(y))


class CorrCholeskyTransform(Transform):
    """Vectors of n (n - 1) / 2 elements to Cholesky factors of n x n correlation matrices.

    Row by row, tanh of the elements breaks parts off a stick of length 1, of squares; the diagonal gets the
    rest.
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x):
        eps = retrograd.finfo(x.dtype).eps
        parts = vec_to_tril_matrix(x.tanh().clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - parts**2).sqrt().cumprod(-1)
        parts = parts + retrograd.eye(parts.shape[-1], dtype=x.dtype)
        return parts * pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y):
        left = pad((1 - (y * y).cumsum(-1))[..., :-1], [1, 0], value=1)
        parts = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (parts.log1p() - (-parts).log1p()) / 2

    def log_abs_det_jacobian(self, x, y, intermediates=None):
        left = tril_matrix_to_vec(1 - (y * y).cumsum(-1), diag=-2)
        slopes = x + softplus(-2 * x) - math.log(2.0)
        return 0.5 * left.log().sum(-1) - 2 * slopes.sum(-1)

    def forward_shape(self, shape):
        n = round((0.25 + 2 * _with_sizes(shape, 1)[-1]) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number [RG154]")
        return Size((*shape[:-1], n, n))

    def inverse_shape(self, shape):
        if _with_sizes(shape, 2)[-1] != shape[-2]:
            raise ValueError("Input is not square [RG154]")
        return Size((*shape[:-2], shape[-1] * (shape[-1] - 1) // 2))
