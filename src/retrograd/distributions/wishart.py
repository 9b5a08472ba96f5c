"""The Wishart distribution of covariance matrices."""

import math
import warnings

import retrograd
from retrograd import Size

from . import constraints
from .chi2 import Chi2
from .distribution import ExponentialFamily
from .multivariate_normal import factor_of, log_diagonal
from .utils import lazy_property


class Wishart(ExponentialFamily):
    """The distribution of X^T X, X of `df` rows from the normal distribution of this covariance.

    One of `covariance_matrix`, `precision_matrix` and `scale_tril` is given, as for `MultivariateNormal`.
    df: any number above n - 1; below n, draws are nearly singular.

    Drawn by Bartlett's decomposition. PyTorch takes its good samples for singular ones and draws them again,
    so those of the same seed differ.
    """

    support = constraints.positive_definite
    has_rsample = True

    @property
    def arg_constraints(self):
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self, df, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None
    ):
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: m for name, m in given.items() if m is not None}
        if len(given) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified. [RG153]"
            )
        ((name, matrix),) = given.items()
        if matrix.ndim < 2:
            raise ValueError(
                f"{name} must be at least two-dimensional, with optional leading batch dimensions [RG153]"
            )
        df = retrograd.as_tensor(df, dtype=matrix.dtype)
        batch = retrograd.broadcast_shapes(matrix.shape[:-2], df.shape)
        n = matrix.shape[-1]
        self.df = df.expand(batch)
        if (self.df <= n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}. [RG150]")
        if (self.df < n).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < "
                "ndim.",
                stacklevel=2,
            )
        setattr(self, name, matrix.expand(*batch, -1, -1))
        super().__init__(batch, (n, n), validate_args=validate_args)
        self._unbroadcasted_scale_tril = factor_of(name, matrix)

    def expand(self, batch_shape, _instance=None):
        names = [n for n in self.arg_constraints if n in self.__dict__]
        return self._expanded(batch_shape, _instance, names)

    @lazy_property
    def scale_tril(self):
        return self._unbroadcasted_scale_tril.expand(*self._batch_shape, *self._event_shape)

    @lazy_property
    def covariance_matrix(self):
        return (self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT).expand(
            *self._batch_shape, *self._event_shape
        )

    @lazy_property
    def precision_matrix(self):
        inverse = retrograd.cholesky_inverse(self._unbroadcasted_scale_tril)
        return inverse.expand(*self._batch_shape, *self._event_shape)

    def _as_matrices(self, numbers):
        return numbers.reshape(*self._batch_shape, 1, 1)

    mean = property(lambda self: self._as_matrices(self.df) * self.covariance_matrix)

    @property
    def mode(self):
        factor = self.df - self._event_shape[-1] - 1
        return self._as_matrices(factor.masked_fill(factor <= 0, math.nan)) * self.covariance_matrix

    @property
    def variance(self):
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        return self._as_matrices(self.df) * (v.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def _bartlett(self, sample_shape):
        n = self._event_shape[-1]
        df = self.df.unsqueeze(-1) - retrograd.arange(n, dtype=self.df.dtype)
        diagonal = Chi2(df).rsample(sample_shape).sqrt()
        factor = diagonal.clamp(min=retrograd.finfo(df.dtype).eps).diag_embed()
        below = retrograd.randn((*sample_shape, *self._batch_shape, n * (n - 1) // 2), dtype=df.dtype)
        rows, columns = retrograd.tril_indices(n, n, offset=-1)
        factor[..., rows, columns] = below
        factor = self._unbroadcasted_scale_tril @ factor
        return factor @ factor.mT

    def rsample(self, sample_shape=Size(), max_try_correction=None):  # noqa: B008
        """Samples; those that turn out singular are drawn again, up to `max_try_correction` (10) times."""
        sample = self._bartlett(sample_shape)
        for _ in range(10 if max_try_correction is None else max_try_correction):
            fine = self.support.check(sample)
            if fine.all():
                break
            again = self._bartlett(sample_shape)
            sample = retrograd.where(fine.unsqueeze(-1).unsqueeze(-1), sample, again)
        return sample

    def log_prob(self, value):
        value, nu, n = self._checked(value), self.df, self._event_shape[-1]
        scale = n * math.log(2) / 2 + log_diagonal(self._unbroadcasted_scale_tril)
        trace = retrograd.cholesky_solve(value, self._unbroadcasted_scale_tril)
        trace = trace.diagonal(dim1=-2, dim2=-1).sum(-1)
        dets = (nu - n - 1) / 2 * retrograd.linalg.slogdet(value).logabsdet
        return -nu * scale - retrograd.mvlgamma(nu / 2, n) + dets - trace / 2

    def entropy(self):
        nu, n = self.df, self._event_shape[-1]
        scale = n * math.log(2) / 2 + log_diagonal(self._unbroadcasted_scale_tril)
        halves = nu.unsqueeze(-1) / 2 - retrograd.arange(n, dtype=nu.dtype) / 2
        slope = (nu - n - 1) / 2 * halves.digamma().sum(-1)
        return (n + 1) * scale + retrograd.mvlgamma(nu / 2, n) - slope + nu * n / 2

    @property
    def _natural_params(self):
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x, y):
        n = self._event_shape[-1]
        half = y + (n + 1) / 2
        dets = n * math.log(2) - retrograd.linalg.slogdet(-2 * x).logabsdet
        return half * dets + retrograd.mvlgamma(half, n)
