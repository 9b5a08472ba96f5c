"""The multivariate normal distribution whose covariance is of low rank, plus a diagonal."""

import math

import retrograd
from retrograd import Size

from . import constraints
from .distribution import Distribution
from .multivariate_normal import log_diagonal, mahalanobis, times_vector
from .utils import lazy_property, standard_normal


class LowRankMultivariateNormal(Distribution):
    """The normal distribution of vectors of n elements with covariance W W^T + D.

    loc: (..., n), cov_factor W: (..., n, rank), cov_diag D: (..., n), its diagonal. By Woodbury's identity
    and the determinant lemma only matrices of rank x rank are decomposed.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional. [RG153]")
        n = loc.shape[-1]
        if cov_factor.ndim < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch dimensions [RG153]"
            )
        if cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m [RG153]")
        if cov_diag.shape[-1:] != loc.shape[-1:]:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {loc.shape[-1:]} [RG153]")
        try:
            batch = retrograd.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag "
                f"{cov_diag.shape} [RG153]"
            ) from error
        self.loc, self.cov_diag = loc.expand(*batch, -1), cov_diag.expand(*batch, -1)
        self.cov_factor = cov_factor.expand(*batch, -1, -1)
        self._factor, self._diag = cov_factor, cov_diag
        weighted = cov_factor.mT / cov_diag.unsqueeze(-2)
        inner = weighted @ cov_factor + retrograd.eye(cov_factor.shape[-1], dtype=loc.dtype)
        self._capacitance_tril = retrograd.linalg.cholesky(inner)  # of I + W^T D^-1 W
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @lazy_property
    def variance(self):
        return (self._factor.pow(2).sum(-1) + self._diag).expand(*self._batch_shape, *self._event_shape)

    @lazy_property
    def scale_tril(self):
        root = self._diag.sqrt().unsqueeze(-1)
        scaled = self._factor / root
        inner = scaled @ scaled.mT + retrograd.eye(self._event_shape[0], dtype=self.loc.dtype)
        return self._full(root * retrograd.linalg.cholesky(inner))

    @lazy_property
    def covariance_matrix(self):
        return self._full(self._factor @ self._factor.mT + retrograd.diag_embed(self._diag))

    @lazy_property
    def precision_matrix(self):
        weighted = self._factor.mT / self._diag.unsqueeze(-2)
        part = retrograd.linalg.solve_triangular(self._capacitance_tril, weighted, upper=False)
        return self._full(retrograd.diag_embed(self._diag.reciprocal()) - part.mT @ part)

    def _full(self, matrix):
        return matrix.expand(*self._batch_shape, *self._event_shape, *self._event_shape)

    def rsample(self, sample_shape=Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        inner = standard_normal((*shape[:-1], self.cov_factor.shape[-1]), self.loc)
        own = standard_normal(shape, self.loc)
        return self.loc + times_vector(self._factor, inner) + self._diag.sqrt() * own

    def log_prob(self, value):
        away = self._checked(value) - self.loc
        weighted = times_vector(self._factor.mT / self._diag.unsqueeze(-2), away)
        distance = (away.pow(2) / self._diag).sum(-1) - mahalanobis(self._capacitance_tril, weighted)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + distance)

    def _log_det(self):
        return 2 * log_diagonal(self._capacitance_tril) + self._diag.log().sum(-1)

    def entropy(self):
        total = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
        return total.expand(self._batch_shape)
