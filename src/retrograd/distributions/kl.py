"""Kullback and Leibler's divergence, by the types of two distributions."""

import math

import retrograd
from retrograd.autograd import grad

from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .distribution import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal
from .multivariate_normal import MultivariateNormal, log_diagonal, mahalanobis
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import _sum_rightmost, euler_constant
from .wishart import Wishart

__all__ = ["kl_divergence", "register_kl"]

_TABLE = {}
_FOUND = {}


def register_kl(type_p, type_q):
    """A decorator: let `function(p, q)` compute the divergence of these types and their subclasses."""
    for kind in (type_p, type_q):
        if not isinstance(kind, type):
            raise TypeError(
                f"Expected type_p and type_q to be Distribution subclasses but got {kind!r} [RG047]"
            )

    def register(function):
        _TABLE[type_p, type_q] = function
        _FOUND.clear()
        return function

    return register


def _find(type_p, type_q):
    """The function of the nearest classes: of several, that of the first in p's order, then in q's."""
    matches = [
        (type_p.__mro__.index(p), type_q.__mro__.index(q), function)
        for (p, q), function in _TABLE.items()
        if issubclass(type_p, p) and issubclass(type_q, q)
    ]
    return min(matches, key=lambda m: m[:2])[2] if matches else None


def kl_divergence(p, q):
    """KL(p || q): the mean under p of log p(x) - log q(x), of the batch's shape.

    NotImplementedError for pairs of types without a rule: `register_kl` adds one.
    """
    pair = type(p), type(q)
    if pair not in _FOUND:
        _FOUND[pair] = _find(*pair)
    if _FOUND[pair] is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {pair[0].__name__} and q type {pair[1].__name__} "
            "[RG152]"
        )
    return _FOUND[pair](p, q)


def _infinite(where, result):
    return result.masked_fill(where, math.inf)


# --- of one family ----------------------------------------------------------------------------------------


@register_kl(Bernoulli, Bernoulli)
def _bernoullis(p, q):
    softplus = retrograd.nn.functional.softplus
    ones = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    zeros = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    ones = _infinite(q.probs == 0, ones).masked_fill(p.probs == 0, 0)
    zeros = _infinite(q.probs == 1, zeros).masked_fill(p.probs == 1, 0)
    return ones + zeros


@register_kl(Beta, Beta)
def _betas(p, q):
    def parts(d):
        a, b = d.concentration1, d.concentration0
        return a, b, a + b

    (pa, pb, ps), (qa, qb, qs) = parts(p), parts(q)
    constants = qa.lgamma() + qb.lgamma() + ps.lgamma() - pa.lgamma() - pb.lgamma() - qs.lgamma()
    return constants + (pa - qa) * pa.digamma() + (pb - qb) * pb.digamma() + (qs - ps) * ps.digamma()


@register_kl(Binomial, Binomial)
def _binomials(p, q):
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented [RG152]"
        )
    each = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return _infinite(p.total_count > q.total_count, p.total_count * each)


@register_kl(Categorical, Categorical)
def _categoricals(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = _infinite((q.probs == 0).expand(terms.shape), terms)
    return terms.masked_fill((p.probs == 0).expand(terms.shape), 0).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hots(p, q):
    return _categoricals(p._categorical, q._categorical)


@register_kl(Cauchy, Cauchy)
def _cauchys(p, q):
    spread = ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log()
    return spread - (4 * p.scale * q.scale).log()


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoullis(p, q):
    normalizers = p._cont_bern_log_norm() - q._cont_bern_log_norm()
    return p.mean * (p.logits - q.logits) + normalizers + (-p.probs).log1p() - (-q.probs).log1p()


@register_kl(Dirichlet, Dirichlet)
def _dirichlets(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    constants = total.lgamma() - b.sum(-1).lgamma() + (b.lgamma() - a.lgamma()).sum(-1)
    return constants + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Exponential, Exponential)
def _exponentials(p, q):
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _families(p, q):
    """The Bregman divergence of the log normalizer between the natural parameters."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman "
            "divergences [RG152]"
        )
    natural = [n.detach().requires_grad_() for n in p._natural_params]
    normalizer = p._log_normalizer(*natural)
    means = grad(normalizer.sum(), natural, create_graph=True)
    result = q._log_normalizer(*q._natural_params) - normalizer
    for theirs, ours, mean in zip(q._natural_params, natural, means, strict=True):
        result = result - _sum_rightmost((theirs - ours) * mean, len(q.event_shape))
    return result


@register_kl(Gamma, Gamma)
def _gammas(p, q):
    a, b = p.concentration, q.concentration
    constants = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return constants + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(Geometric, Geometric)
def _geometrics(p, q):
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Gumbel, Gumbel)
def _gumbels(p, q):
    ratio, away = p.scale / q.scale, (q.loc - p.loc) / q.scale
    rise = (away + (1 + ratio).lgamma()).exp()
    return -ratio.log() - away + ratio * euler_constant + rise - (1 + euler_constant)


@register_kl(HalfNormal, HalfNormal)
def _half_normals(p, q):
    return _normals(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplaces(p, q):
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * (-away / p.scale).exp() - 1


@register_kl(Normal, Normal)
def _normals(p, q):
    ratio = (p.scale / q.scale).pow(2)
    away = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + away - 1 - ratio.log())


@register_kl(Pareto, Pareto)
def _paretos(p, q):
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return _infinite(p.scale < q.scale, result)


@register_kl(Poisson, Poisson)
def _poissons(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _uniforms(p, q):
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return _infinite((q.low > p.low) | (q.high < p.high), result)


# --- of vectors -------------------------------------------------------------------------------------------


def _same_events(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two multivariate normals with different event shapes cannot be computed: "
            f"{p.event_shape} and {q.event_shape} [RG153]"
        )


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normals(p, q):
    _same_events(p, q)
    ours, theirs = p.scale_tril, q.scale_tril
    dets = log_diagonal(theirs) - log_diagonal(ours)
    trace = retrograd.linalg.solve_triangular(theirs, ours, upper=False).pow(2).sum((-2, -1))
    return dets + 0.5 * (trace + mahalanobis(theirs, q.loc - p.loc) - p.event_shape[0])


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _low_ranks(p, q):
    return _multivariate_normals(p, q)


@register_kl(Wishart, Wishart)
def _wisharts(p, q):
    n = p.event_shape[-1]
    inner = q.precision_matrix @ p.covariance_matrix
    trace = inner.diagonal(dim1=-2, dim2=-1).sum(-1)
    halves = p.df.unsqueeze(-1) / 2 - retrograd.arange(n, dtype=p.df.dtype) / 2
    slope = (p.df - q.df) / 2 * halves.digamma().sum(-1)
    dets = log_diagonal(q.scale_tril) - log_diagonal(p.scale_tril)
    constants = retrograd.mvlgamma(q.df / 2, n) - retrograd.mvlgamma(p.df / 2, n)
    return constants + slope + q.df * dets + p.df / 2 * (trace - n)


@register_kl(Independent, Independent)
def _independents(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independents with different reinterpreted_batch_ndims [RG152]")
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of distributions that are transformed in different ways [RG152]")
    return kl_divergence(p.base_dist, q.base_dist)


# --- of two families, with respect to a simple one ----------------------------------------------------------

_REAL, _HALF = (Gumbel, Laplace, Normal), (Exponential, Gamma)
_UNIT = (Beta, ContinuousBernoulli)
_NEVER = [
    *[(p, q) for p in _REAL for q in (*_UNIT, *_HALF, Pareto, Uniform)],
    *[(p, q) for p in _HALF for q in (*_UNIT, Pareto, Uniform)],
    *[(p, q) for p in (Pareto,) for q in (*_UNIT, Uniform)],
    *[(p, Pareto) for p in _UNIT],
    (Poisson, Bernoulli), (Poisson, Binomial),
]  # fmt: skip
for _p, _q in _NEVER:  # q gives no probability to some values that p takes

    @register_kl(_p, _q)
    def _never(p, q):
        like = getattr(p, next(iter(p.arg_constraints)))
        return retrograd.full_like(like, math.inf)


def _normal_cross(p, q):
    """The mean under p of -log q, q normal."""
    spread = p.variance + (p.mean - q.loc).pow(2)
    return 0.5 * math.log(2 * math.pi) + q.scale.log() + 0.5 * spread / q.variance


for _p in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Uniform):

    @register_kl(_p, Normal)
    def _to_normal(p, q):
        return _normal_cross(p, q) - p.entropy()


@register_kl(Pareto, Normal)
def _pareto_normal(p, q):
    return _infinite(p.alpha <= 2, _normal_cross(p, q) - p.entropy())


for _p in (Beta, ContinuousBernoulli, Gamma):

    @register_kl(_p, Exponential)
    def _to_exponential(p, q):
        return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Pareto, Exponential)
def _pareto_exponential(p, q):
    return _infinite(p.alpha <= 1, -p.entropy() - q.rate.log() + q.rate * p.mean)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p, q):
    return _infinite(p.low < 0, -p.entropy() - q.rate.log() + q.rate * p.mean)


@register_kl(Beta, Uniform)
@register_kl(ContinuousBernoulli, Uniform)
def _unit_uniform(p, q):
    return _infinite((q.low > 0) | (q.high < 1), -p.entropy() + (q.high - q.low).log())


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


def _gamma_cross(p, q, log_mean):
    """The mean under p of -log q, q gamma; `log_mean`: that of log x."""
    constant = q.concentration.lgamma() - q.concentration * q.rate.log()
    return constant - (q.concentration - 1) * log_mean + q.rate * p.mean


@register_kl(Beta, Gamma)
def _beta_gamma(p, q):
    log_mean = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    return -p.entropy() + _gamma_cross(p, q, log_mean)


@register_kl(Exponential, Gamma)
def _exponential_gamma(p, q):
    return -p.entropy() + _gamma_cross(p, q, -euler_constant - p.rate.log())


@register_kl(Pareto, Gamma)
def _pareto_gamma(p, q):
    log_mean = p.scale.log() + p.alpha.reciprocal()
    return _infinite(p.alpha <= 1, -p.entropy() + _gamma_cross(p, q, log_mean))


def _x_log_x(x):
    return retrograd.xlogy(x, x)


def _uniform_log_mean(low, high):
    """The mean of log x between two positive numbers."""
    return (_x_log_x(high) - _x_log_x(low)) / (high - low) - 1


@register_kl(Uniform, Gamma)
def _uniform_gamma(p, q):
    result = -p.entropy() + _gamma_cross(p, q, _uniform_log_mean(p.low, p.high))
    return _infinite(p.low < 0, result)


@register_kl(Uniform, Beta)
def _uniform_beta(p, q):
    a, b = q.concentration1, q.concentration0
    near = (a - 1) * _uniform_log_mean(p.low, p.high)
    far = (b - 1) * _uniform_log_mean(1 - p.high, 1 - p.low)
    result = -p.entropy() - near - far + a.lgamma() + b.lgamma() - (a + b).lgamma()
    return _infinite((p.high > 1) | (p.low < 0), result)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p, q):
    density = q.alpha.log() + q.alpha * q.scale.log()
    result = -p.entropy() - density + (q.alpha + 1) * _uniform_log_mean(p.low, p.high)
    return _infinite(p.low < q.scale, result)


@register_kl(Beta, ContinuousBernoulli)
@register_kl(Uniform, ContinuousBernoulli)
def _to_continuous_bernoulli(p, q):
    density = p.mean * q.logits + (-q.probs).log1p() + q._cont_bern_log_norm()
    if isinstance(p, Uniform):
        return _infinite((p.high > 1) | (p.low < 0), -p.entropy() - density)
    return -p.entropy() - density


def _gumbel_cross(p, q, transform):
    """The mean under p of -log q, q Gumbel; `transform(s)`: the mean of exp(-x / s)."""
    moved = (q.loc / q.scale).exp() * transform(q.scale)
    return q.scale.log() + (p.mean - q.loc) / q.scale + moved


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p, q):
    return -p.entropy() + _gumbel_cross(p, q, lambda s: p.rate * s / (p.rate * s + 1))


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p, q):
    return -p.entropy() + _gumbel_cross(p, q, lambda s: (1 + 1 / (p.rate * s)) ** -p.concentration)


@register_kl(Normal, Gumbel)
def _normal_gumbel(p, q):
    mean = lambda s: (-p.loc / s + 0.5 * (p.scale / s) ** 2).exp()
    return -p.entropy() + _gumbel_cross(p, q, mean)


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p, q):
    mean = lambda s: s / (p.high - p.low) * ((-p.low / s).exp() - (-p.high / s).exp())
    return -p.entropy() + _gumbel_cross(p, q, mean)


@register_kl(Normal, Laplace)
def _normal_laplace(p, q):
    away = p.loc - q.loc
    standard = away / p.scale
    distance = math.sqrt(2 / math.pi) * p.scale * (-0.5 * standard**2).exp()
    distance = distance + away * retrograd.erf(math.sqrt(0.5) * standard)
    return -p.entropy() + (2 * q.scale).log() + distance / q.scale
