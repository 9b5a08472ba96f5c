"""The LKJ distribution of correlation matrices, by their Cholesky factors."""

import math

import retrograd
from retrograd import Size

from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all


class LKJCholesky(Distribution):
    """Cholesky factors of dim x dim correlation matrices C, of density det(C) ** (concentration - 1).

    Drawn by the onion method of Lewandowski, Kurowicka and Joe (2009), row by row: a direction on the sphere
    and a beta distributed squared length.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}. [RG150]"
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        rows = retrograd.arange(dim - 1, dtype=self.concentration.dtype)
        rows = retrograd.cat([rows.new_zeros(1), rows])
        rest = self.concentration + 0.5 * (dim - 2)
        self._beta = Beta(rows + 0.5, rest.unsqueeze(-1) - 0.5 * rows)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def expand(self, batch_shape, _instance=None):
        inner = self._beta.expand((*batch_shape, self.dim))
        return self._expanded(batch_shape, _instance, ["concentration"], _beta=inner)

    def sample(self, sample_shape=Size()):  # noqa: B008
        with retrograd.no_grad():
            squared = self._beta.sample(sample_shape).unsqueeze(-1)
            rows = retrograd.randn(self._extended_shape(sample_shape), dtype=squared.dtype).tril(-1)
            directions = rows / rows.norm(dim=-1, keepdim=True)
            directions[..., 0, :] = 0.0  # 0 / 0 before
            below = squared.sqrt() * directions
            tiny = retrograd.finfo(below.dtype).tiny
            return below + (1 - (below**2).sum(-1)).clamp(min=tiny).sqrt().diag_embed()

    def log_prob(self, value):
        diagonal = self._checked(value).diagonal(dim1=-1, dim2=-2)[..., 1:]
        powers = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - retrograd.arange(2, self.dim + 1)
        n = self.dim - 1
        alpha = self.concentration + 0.5 * n
        constant = 0.5 * n * math.log(math.pi) + retrograd.mvlgamma(alpha - 0.5, n) - alpha.lgamma() * n
        return (powers * diagonal.log()).sum(-1) - constant
