"""`distributions`: PyTorch's samples for the same seed, its densities, moments, entropies and divergences."""

import itertools
import math
import pickle

import numpy as np
import pytest
import torch

import retrograd

P = [0.2, 0.5, 0.9]
MATRIX = [[2.0, 0.3, 0.1], [0.3, 1.5, 0.2], [0.1, 0.2, 1.2]]
SIMPLEX = [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]
REAL, POSITIVE, UNIT, WHOLE = [[-1.5, 0.3, 2.0]], [[0.4, 1.3, 2.6]], [[0.1, 0.5, 0.8]], [[0.0, 1.0, 3.0]]

# name: (arguments, a value to score, {what differs by design: why})
CASES = {
    "Normal": (dict(loc=[0.5, -1.0, 2.0], scale=[1.0, 0.5, 2.0]), REAL),
    "LogNormal": (dict(loc=[0.5, -1.0, 1.0], scale=[1.0, 0.5, 0.7]), POSITIVE),
    "HalfNormal": (dict(scale=[1.0, 0.5, 2.0]), POSITIVE),
    "HalfCauchy": (dict(scale=[1.0, 0.5, 2.0]), POSITIVE),
    "Uniform": (dict(low=[-2.0, 0.0, 1.0], high=[0.0, 1.0, 4.0]), [[-1.5, 0.3, 2.0]]),
    "Laplace": (dict(loc=[0.5, -1.0, 2.0], scale=[1.0, 0.5, 2.0]), REAL),
    "Cauchy": (dict(loc=[0.5, -1.0, 2.0], scale=[1.0, 0.5, 2.0]), REAL),
    "Gumbel": (dict(loc=[0.5, -1.0, 2.0], scale=[1.0, 0.5, 2.0]), REAL),
    "StudentT": (dict(df=[0.5, 1.5, 4.0], loc=[0.5, -1.0, 2.0], scale=[1.0, 0.5, 2.0]), REAL),
    "Exponential": (dict(rate=[0.5, 1.0, 3.0]), POSITIVE),
    "Gamma": (dict(concentration=[0.3, 1.0, 7.0], rate=[0.5, 1.0, 3.0]), POSITIVE),
    "InverseGamma": (dict(concentration=[0.8, 1.5, 7.0], rate=[0.5, 1.0, 3.0]), POSITIVE),
    "Chi2": (dict(df=[0.7, 2.0, 9.0]), POSITIVE),
    "FisherSnedecor": (dict(df1=[1.0, 3.0, 5.0], df2=[1.5, 3.0, 8.0]), POSITIVE),
    "Beta": (dict(concentration1=[0.5, 2.0, 4.0], concentration0=[0.7, 3.0, 1.5]), UNIT),
    "Kumaraswamy": (dict(concentration1=[0.5, 2.0, 4.0], concentration0=[0.7, 3.0, 1.5]), UNIT),
    "Dirichlet": (dict(concentration=[[0.5, 1.0, 3.0], [0.2, 0.4, 0.9]]), SIMPLEX),
    "Weibull": (dict(scale=[0.5, 1.0, 3.0], concentration=[0.8, 1.5, 3.0]), POSITIVE),
    "Pareto": (dict(scale=[0.2, 1.0, 2.0], alpha=[0.8, 1.5, 3.0]), [[0.4, 1.3, 2.6]]),
    "GeneralizedPareto": (
        dict(loc=[0.1, 0.2, 0.3], scale=[1.0, 2.0, 3.0], concentration=[0.3, 0.0, -0.2]), POSITIVE),
    "VonMises": (dict(loc=[0.5, -1.0, 2.0], concentration=[0.5, 1.0, 5.0]), REAL),
    "ContinuousBernoulli": (dict(probs=P), UNIT),
    "Bernoulli": (dict(probs=P), [[0.0, 1.0, 1.0]]),
    "Bernoulli logits": (dict(logits=[-1.0, 0.0, 2.0]), [[0.0, 1.0, 1.0]]),
    "Binomial": (dict(total_count=5, probs=P), WHOLE),
    "NegativeBinomial": (dict(total_count=[2.0, 3.0, 5.0], probs=P), WHOLE),
    "Geometric": (dict(probs=P), WHOLE),
    "Poisson": (dict(rate=[0.5, 3.0, 20.0]), WHOLE),
    "Categorical": (dict(probs=[[1.0, 2.0, 3.0], [3.0, 0.0, 1.0]]), [2, 0]),
    "Categorical logits": (dict(logits=[[1.0, 2.0, -1.0], [0.5, 0.0, 1.0]]), [[2, 0], [1, 1]]),
    "OneHotCategorical": (dict(probs=[[1.0, 2.0, 3.0], [3.0, 0.0, 1.0]]), [[0.0, 0, 1], [1, 0, 0]]),
    "OneHotCategoricalStraightThrough": (dict(probs=[[1.0, 2.0, 3.0]]), [[0.0, 0, 1]]),
    "Multinomial": (dict(total_count=6, probs=[[1.0, 2.0, 3.0], [3.0, 0.0, 1.0]]), [[1.0, 2, 3], [4, 0, 2]]),
    "RelaxedBernoulli": (dict(temperature=0.7, probs=P), UNIT),
    "RelaxedOneHotCategorical": (dict(temperature=0.7, probs=SIMPLEX), SIMPLEX),
    "LogisticNormal": (dict(loc=[0.5, -1.0], scale=[1.0, 0.5]), [0.2, 0.3, 0.5]),
    "MultivariateNormal": (dict(loc=[0.5, -1.0, 2.0], covariance_matrix=MATRIX), REAL),
    "MultivariateNormal precision": (dict(loc=[[0.5, -1.0, 2.0]] * 2, precision_matrix=MATRIX), REAL),
    "MultivariateNormal tril": (dict(loc=[0.5, -1.0, 2.0], scale_tril=np.tril(MATRIX).tolist()), REAL),
    "LowRankMultivariateNormal": (
        dict(loc=[0.5, -1.0, 2.0], cov_factor=[[1.0], [0.5], [-0.3]], cov_diag=[0.3, 0.5, 1.0]), REAL),
    "LKJCholesky": (dict(dim=3, concentration=[0.7, 2.0]), [[1.0, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8]]),
    "Wishart": (dict(df=[4.0, 6.5], covariance_matrix=MATRIX), MATRIX),
    "Wishart tril": (dict(df=3.5, scale_tril=np.tril(MATRIX).tolist()), MATRIX),
}  # fmt: skip


FLOAT32 = ("GeneralizedPareto",)  # PyTorch's densities of it take float32 only


def _made(library, name, grad=False, kind=None, **changes):
    """(distribution, its tensors) of a case."""
    arguments = {**CASES[name][0], **changes}
    kind = kind or ("float32" if name in FLOAT32 else "float64")
    tensors = {
        k: library.tensor(v, dtype=getattr(library, kind), requires_grad=grad)
        for k, v in arguments.items()
        if k not in ("total_count", "dim") or isinstance(v, list)
    }
    rest = {k: v for k, v in arguments.items() if k not in tensors}
    return getattr(library.distributions, name.split()[0])(**tensors, **rest), list(tensors.values())


def _same(ours, theirs, tol=1e-9, **named):
    theirs = theirs.detach()
    assert str(ours.dtype) == str(theirs.dtype) and tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.numpy(), rtol=tol, atol=tol, **named)


def _outcome(function):
    try:
        return function()
    except NotImplementedError:
        return None


SAMPLED = [n for n in CASES if "Wishart" not in n]  # PyTorch draws good ones again


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", SAMPLED)
def test_samples_of_the_same_seed(name, kind):
    drawn = []
    for library in (retrograd, torch):
        d, _ = _made(library, name, kind=kind)
        library.manual_seed(4)
        drawn.append([d.sample(), d.sample((5, 2)), d.sample((3,))])
    for ours, theirs in zip(*drawn, strict=True):
        _same(ours, theirs, 2e-5 if kind == "float32" else 1e-9)


@pytest.mark.parametrize("name", CASES)
def test_densities_and_moments(name):
    (ours, _), (theirs, _) = _made(retrograd, name), _made(torch, name)
    assert ours.batch_shape == tuple(theirs.batch_shape) and ours.event_shape == tuple(theirs.event_shape)
    assert repr(ours) == repr(theirs)
    assert ours.has_rsample == theirs.has_rsample
    assert ours.has_enumerate_support == theirs.has_enumerate_support
    value = CASES[name][1]
    kind = "float32" if name in FLOAT32 else "int64" if name.startswith("Categorical") else "float64"
    x, y = [lib.tensor(value, dtype=getattr(lib, kind)) for lib in (retrograd, torch)]
    # PyTorch's VonMises takes Bessel functions of 7 digits, its Multinomial a float32 number
    tol = 1e-6 if name in ("VonMises", "Multinomial") or name in FLOAT32 else 1e-9
    _same(ours.log_prob(x), theirs.log_prob(y), tol)
    for what in ("mean", "mode", "variance", "stddev"):
        mine, other = [_outcome(lambda d=d, w=what: getattr(d, w)) for d in (ours, theirs)]
        assert (mine is None) == (other is None), what
        if other is not None:
            _same(mine, other, tol, err_msg=what)
    for call in ("entropy", "perplexity", "enumerate_support"):
        mine, other = [_outcome(getattr(d, call)) for d in (ours, theirs)]
        assert (mine is None) == (other is None), call
        if other is not None:
            _same(mine, other, tol, err_msg=call)
    mine, other = [_outcome(lambda d=d, v=v: d.cdf(v)) for d, v in ((ours, x), (theirs, y))]
    if other is not None and name != "LogisticNormal":
        _same(mine, other, tol)
        inverse = _outcome(lambda: theirs.icdf(other))
        if inverse is not None:
            _same(ours.icdf(mine), inverse, max(tol, 1e-7))


@pytest.mark.parametrize("name", SAMPLED)
def test_expand(name):
    (ours, _), (theirs, _) = _made(retrograd, name), _made(torch, name)
    shape = (4, *theirs.batch_shape)
    ours, theirs = ours.expand(shape), theirs.expand(shape)
    assert ours.batch_shape == shape and repr(ours) == repr(theirs)
    for library, d in ((retrograd, ours), (torch, theirs)):
        library.manual_seed(1)
        d.drawn = d.sample((2,))
    _same(ours.drawn, theirs.drawn, 1e-6 if name in FLOAT32 else 1e-9)
    _same(ours.log_prob(ours.drawn), theirs.log_prob(theirs.drawn), 1e-6)
    pickle.loads(pickle.dumps(ours)).log_prob(ours.drawn)


WITH_RSAMPLE = [n for n in SAMPLED if _made(torch, n)[0].has_rsample]


@pytest.mark.parametrize("name", WITH_RSAMPLE)
def test_gradients_through_samples_and_densities(name):
    grads = []
    for library in (retrograd, torch):
        d, parameters = _made(library, name, grad=True)
        library.manual_seed(7)
        x = d.rsample((6,))
        weight = library.linspace(0.5, 2.0, x.numel(), dtype=x.dtype).reshape(x.shape)
        through = library.autograd.grad((x * weight).sum(), parameters, allow_unused=True, retain_graph=True)
        own = library.autograd.grad(d.log_prob(x.detach()).sum(), parameters)
        grads.append((*[t for t in through if t is not None], *own))
    # PyTorch approximates the implicit gradients of gamma and Dirichlet draws to about three digits.
    rough = name in ("Gamma", "InverseGamma", "Chi2", "FisherSnedecor", "Beta", "Dirichlet", "StudentT")
    for i, (ours, theirs) in enumerate(zip(*grads, strict=True)):
        _same(ours, theirs, 5e-3 if rough and i < len(grads[0]) / 2 else 1e-5 if name in FLOAT32 else 1e-6)


def test_wishart_draws_have_its_mean_and_gradients():
    d, parameters = _made(retrograd, "Wishart", grad=True)
    retrograd.manual_seed(0)
    x = d.rsample((4000,))
    np.testing.assert_allclose(x.mean(0).detach().numpy(), d.mean.detach().numpy(), rtol=0.1, atol=0.15)
    slope = retrograd.autograd.grad(x.mean(0)[:, 0, 0].sum(), parameters[0])[0]  # of the mean, df * 2
    np.testing.assert_allclose(slope.numpy(), [2.0, 2.0], rtol=0.15)
    assert d.expand((3, 2)).log_prob(d.sample()).shape == (3, 2)


@pytest.mark.parametrize("concentration", [0.05, 0.7, 3.0, 40.0, 900.0, 5000.0])
def test_gamma_gradient_is_that_of_the_inverse_cdf(concentration):
    special = pytest.importorskip("scipy.special")
    x = special.gammaincinv(concentration, [0.01, 0.3, 0.8, 0.999])
    h = concentration * 1e-4
    expected = [
        (special.gammaincinv(concentration + h, p) - special.gammaincinv(concentration - h, p)) / (2 * h)
        for p in special.gammainc(concentration, x)
    ]
    got = retrograd.ops.gamma_draws.gamma_slope_row(np.full(4, concentration), np.asarray(x))
    np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize("a, b", [(0.01, 100.0), (0.5, 3.0), (100.0, 0.5), (20.0, 30.0), (200.0, 3.0)])
def test_beta_gradient_is_that_of_the_inverse_cdf(a, b):
    special = pytest.importorskip("scipy.special")
    x = np.maximum(special.betaincinv(a, b, [0.05, 0.3, 0.8, 0.99]), 1e-30)
    h = 1e-4 * a
    rise = (special.betainc(a + h, b, x) - special.betainc(a - h, b, x)) / (2 * h)
    density = np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - special.betaln(a, b))
    draws, concentration = np.stack([x, 1 - x], -1), np.tile([a, b], (4, 1))
    got = retrograd.ops.gamma_draws.dirichlet_slope_row(draws, concentration)[:, 0] * (1 - x)
    np.testing.assert_allclose(got, -rise / density, rtol=1e-5)


KL = (
    "Bernoulli Beta Binomial Categorical Cauchy ContinuousBernoulli Dirichlet Exponential Gamma Geometric "
    "Gumbel HalfNormal InverseGamma Laplace LogNormal LowRankMultivariateNormal MultivariateNormal Normal "
    "OneHotCategorical Pareto Poisson Uniform Wishart"
).split()


@pytest.mark.parametrize("pair", list(itertools.product(KL, KL)), ids=" ".join)
def test_kl_divergence(pair):
    results = []
    for library in (retrograd, torch):
        p, q = [_made(library, n)[0] for n in pair]
        if "Uniform" in pair and pair[0] != pair[1]:
            bounds = [library.tensor([b] * 3, dtype=library.float64) for b in (0.1, 0.9)]
            inner = library.distributions.Uniform(*bounds)
            p, q = [inner if n == "Uniform" else d for n, d in zip(pair, (p, q), strict=True)]
        try:
            results.append(library.distributions.kl_divergence(p, q))
        except NotImplementedError:
            results.append(None)
    ours, theirs = results
    assert (ours is None) == (theirs is None)
    if theirs is not None:
        _same(ours, theirs, 1e-7)


def test_register_kl_takes_the_nearest_classes():
    d = retrograd.distributions

    class Mine(d.Normal):
        pass

    d.register_kl(Mine, d.Normal)(lambda p, q: "nearest")
    assert d.kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0)) == "nearest"
    assert d.kl_divergence(d.Normal(0.0, 1.0), Mine(0.0, 1.0)) == 0


def _combined(library):
    d = library.distributions
    t = lambda *v: library.tensor(v, dtype=library.float64)
    normal = d.Normal(t(0.0, 1.0, 2.0), t(1.0, 2.0, 0.5))
    yield d.Independent(normal, 1)
    yield d.MixtureSameFamily(d.Categorical(t(0.2, 0.3, 0.5)), normal)
    vectors = d.MultivariateNormal(library.zeros(2, 3, dtype=library.float64), library.eye(3).double())
    yield d.MixtureSameFamily(d.Categorical(t(0.4, 0.6)), vectors)
    yield d.TransformedDistribution(normal, [d.AffineTransform(1.0, -2.0), d.SigmoidTransform()])
    yield d.TransformedDistribution(normal, [d.StickBreakingTransform()])
    yield d.TransformedDistribution(d.Independent(normal, 1), [d.TanhTransform(cache_size=1)])
    yield d.TransformedDistribution(normal, [d.ReshapeTransform((3,), (3, 1)), d.ExpTransform()])


@pytest.mark.parametrize("i", range(7))
def test_distributions_of_distributions(i):
    outcomes = []
    for library in (retrograd, torch):
        d = list(_combined(library))[i]
        library.manual_seed(2)
        x = d.sample((4,))
        more = [_outcome(lambda d=d, w=w: getattr(d, w)) for w in ("mean", "variance")]
        wide = d.expand((5, *d.batch_shape))
        outcomes.append([x, d.log_prob(x), *more, wide.sample(), wide.log_prob(x[:1])])
        assert tuple(d.batch_shape) == tuple(list(_combined(torch))[i].batch_shape)
    for ours, theirs in zip(*outcomes, strict=True):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            _same(ours, theirs, 1e-7)


TRANSFORMS = {
    "Exp": ((), (4,)), "Power": ((2.5,), None), "Sigmoid": ((), (4,)), "Softplus": ((), (4,)),
    "Tanh": ((), (4,)), "Affine": ((0.5, -2.0), (4,)), "Softmax": ((), (4,)), "StickBreaking": ((), (4,)),
    "LowerCholesky": ((), (3, 3)), "PositiveDefinite": ((), (3, 3)), "CorrCholesky": ((), (6,)),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    arguments, shape = TRANSFORMS[name]
    x = np.random.default_rng(0).uniform(0.1, 1.5, shape or (4,))
    outcomes = []
    for library in (retrograd, torch):
        t = getattr(library.distributions.transforms, name + "Transform")(*arguments)
        v = library.tensor(x)
        y = t(v)
        det = _outcome(lambda t=t, v=v, y=y: t.log_abs_det_jacobian(v, y))
        outcomes.append([y, t.inv(y), det])
        assert tuple(t.forward_shape(v.shape)) == tuple(y.shape)
        assert t.inv.inv is t and (library is torch or t == type(t)(*arguments))
    for ours, theirs in zip(*outcomes, strict=True):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            _same(ours, theirs)


CONSTRAINTS = (
    "real real_vector positive nonnegative unit_interval simplex boolean one_hot lower_triangular "
    "lower_cholesky corr_cholesky square symmetric positive_definite positive_semidefinite "
    "nonnegative_integer positive_integer"
).split()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints_and_what_maps_into_them(name):
    ours, theirs = [getattr(lib.distributions.constraints, name) for lib in (retrograd, torch)]
    assert repr(ours) == repr(theirs) and ours.event_dim == theirs.event_dim
    assert ours.is_discrete == theirs.is_discrete
    values = [
        [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.1, 0.2, 0.7]], np.eye(3), np.full((3, 3), -1.0), MATRIX,
        np.tril(MATRIX), [[1.0, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8]], np.full((2, 3), 2.0),
        np.full((2, 3), math.nan),
    ]  # fmt: skip
    for value in values:
        if "symmetric" in name or "definite" in name:
            value = np.nan_to_num(value)
        if np.ndim(value) and np.shape(value)[0] == 2 and ours.event_dim == 2 and name != "square":
            continue
        sides = ((ours, retrograd), (theirs, torch))
        a, b = [c.check(lib.tensor(value, dtype=lib.float64)) for c, lib in sides]
        assert a.tolist() == b.tolist()
    for registry in ("biject_to", "transform_to"):
        maps = [
            _outcome(lambda lib=lib, c=c, r=registry: getattr(lib.distributions, r)(c))
            for lib, c in ((retrograd, ours), (torch, theirs))
        ]
        assert (maps[0] is None) == (maps[1] is None), registry
        if maps[1] is not None:
            assert repr(maps[0]) == repr(maps[1])


@pytest.mark.parametrize(
    "make",
    [
        lambda d, t: d.Normal(t(0.0), t(-1.0)),
        lambda d, t: d.Bernoulli(probs=t(1.5)),
        lambda d, t: d.Bernoulli(),
        lambda d, t: d.Bernoulli(t(0.5), t(0.5)),
        lambda d, t: d.Uniform(t(1.0), t(0.0)),
        lambda d, t: d.Categorical(t(0.5)),
        lambda d, t: d.Gamma(t(1.0), t(1.0)).log_prob(t([-1.0])),
        lambda d, t: d.Normal(t([0.0, 1.0]), t(1.0)).log_prob(t([0.0, 1.0, 2.0])),
        lambda d, t: d.Dirichlet(t([1.0, 1.0])).log_prob(t([0.2, 0.2])),
        lambda d, t: d.Normal(t(0.0), t(1.0)).log_prob(0.5),
        lambda d, t: d.MultivariateNormal(t([0.0]), t([[1.0]]), t([[1.0]])),
    ],
    ids=range(11),
)
def test_refusals(make):
    torch.distributions.Distribution.set_default_validate_args(True)  # torch.compile switches it off for good
    said = []
    for library in (retrograd, torch):
        with pytest.raises(ValueError) as caught:
            make(library.distributions, library.tensor)
        text, *code = str(caught.value).split(" [RG")
        said.append(text.replace("\n", " ")[:60])
        assert len(code) == (library is retrograd)
    assert said[0] == said[1]
    lax = retrograd.distributions.Normal(0.0, -1.0, validate_args=False)
    assert lax.scale == -1
