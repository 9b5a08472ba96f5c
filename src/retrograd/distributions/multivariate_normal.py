"""The multivariate normal distribution."""

import math

import retrograd
from retrograd import Size

from . import constraints
from .distribution import Distribution
from .utils import lazy_property, standard_normal


def times_vector(matrix, vector):
    """Matrices times vectors, whose batches broadcast."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def mahalanobis(scale_tril, away):
    """|L^-1 x|^2 for lower triangular L and vectors x, whose batches broadcast."""
    solved = retrograd.linalg.solve_triangular(scale_tril, away.unsqueeze(-1), upper=False)
    return solved.squeeze(-1).pow(2).sum(-1)


def log_diagonal(scale_tril):
    """The sum of the logarithms of the diagonal: half the log determinant of L L^T."""
    return scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


class MultivariateNormal(Distribution):
    """The normal distribution of vectors (..., n) around `loc`.

    One of `covariance_matrix`, its inverse `precision_matrix` and `scale_tril` (lower triangular, its product
    with its transpose is the covariance) is given.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None
    ):
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional. [RG153]")
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: m for name, m in given.items() if m is not None}
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified. [RG153]"
            )
        ((name, matrix),) = given.items()
        if matrix.ndim < 2:
            raise ValueError(
                f"{name} matrix must be at least two-dimensional, with optional leading batch dimensions "
                "[RG153]"
            )
        batch_shape = retrograd.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(*batch_shape, -1, -1))
        self.loc = loc.expand(*batch_shape, -1)
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = factor_of(name, matrix)

    @lazy_property
    def scale_tril(self):
        return self._full(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self):
        return self._full(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self):
        return self._full(retrograd.cholesky_inverse(self._unbroadcasted_scale_tril))

    def _full(self, matrix):
        return matrix.expand(*self._batch_shape, *self._event_shape, *self._event_shape)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @property
    def variance(self):
        variance = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return variance.expand(*self._batch_shape, *self._event_shape)

    def rsample(self, sample_shape=Size()):  # noqa: B008
        noise = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + times_vector(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value):
        away = self._checked(value) - self.loc
        distance = mahalanobis(self._unbroadcasted_scale_tril, away)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + distance) - log_diagonal(self._unbroadcasted_scale_tril)

    def entropy(self):
        each = 0.5 * (1.0 + math.log(2 * math.pi))
        total = self._event_shape[0] * each + log_diagonal(self._unbroadcasted_scale_tril)
        return total.expand(self._batch_shape)


def factor_of(name, matrix):
    """The lower triangular factor of the covariance."""
    if name == "scale_tril":
        return matrix
    if name == "covariance_matrix":
        return retrograd.linalg.cholesky(matrix)
    # The precision turned by 180 degrees is U U^T of an upper U turned: so the inverse of U^T is lower.
    turned = retrograd.linalg.cholesky(matrix.flip(-2, -1)).flip(-2, -1).mT
    identity = retrograd.eye(matrix.shape[-1], dtype=matrix.dtype)
    return retrograd.linalg.solve_triangular(turned, identity, upper=False)
