"""Random tensors and fills that depend on a tensor: what is drawn has no gradient, what is overwritten gets
zero."""

from . import Sample, arr, const


def _seeded(method, *args):
    """The method on a copy of x, after a seed."""

    def draw(torch, x, *rest):
        torch.manual_seed(5)
        return getattr(x.clone(), method)(*args, *rest)

    draw.__name__ = method
    return draw


def _drawn(function):
    """The function of x, after a seed."""

    def draw(torch, *args):
        torch.manual_seed(5)
        return getattr(torch, function)(*args)

    draw.__name__ = function
    return draw


SAMPLES = [
    Sample(_drawn("normal"), arr(6), arr(6, low=0.5, high=2.0)).but(
        second=False, forward=False, dtypes=(), why="its gradients are zero, by other formulas in PyTorch"
    ),
    Sample(_drawn("poisson"), arr(6, low=0.5, high=4.0)).but(
        second=False, forward=False, dtypes=(), why="its gradient is zero"
    ),
    Sample(_drawn("_standard_gamma"), arr(6, low=0.5, high=4.0)).but(
        second=False, forward=False, dtypes=(), tol=3e-4, why="PyTorch's derivative is a fit"
    ),
    Sample(_drawn("_sample_dirichlet"), arr(3, 4, low=0.5, high=4.0)).but(
        grad=False, second=False, forward=False, dtypes=(), why="PyTorch's is in `distributions`"
    ),
    Sample(_seeded("bernoulli"), arr(6, low=0.0, high=1.0)).but(dtypes=()),
    Sample(_seeded("bernoulli", 0.3), arr(6)).but(
        grad=False, why="PyTorch has no derivative of it; ours is zero"
    ),
    Sample(_seeded("bernoulli_", 0.7), arr(6)),
    Sample(_seeded("uniform_"), arr(2, 3)),
    Sample(_seeded("uniform_", 1, 3), arr(3, 2).T),
    Sample(_seeded("normal_"), arr(20)),
    Sample(_seeded("normal_", 1.0, 2.0), arr(4, 5).T),
    Sample(_seeded("random_", 7), arr(4)),
    Sample(_seeded("exponential_"), arr(4)).but(dtypes=()),
    Sample(_seeded("geometric_", 0.3), arr(4)),
    Sample(_seeded("cauchy_"), arr(4)).but(dtypes=()),
    Sample(_seeded("log_normal_"), arr(4)).but(dtypes=()),
    Sample(_seeded("zero_"), arr(2, 3)),
    Sample(_seeded("fill_", 2.5), arr(2, 3)),
    Sample(_seeded("fill_"), arr(2, 3), arr()),
    Sample("fill", arr(2), 3.0),
    Sample("fill", arr(2), arr()),
    Sample("zeros_like", const(arr(2, 3).T)),
    Sample("ones_like", const(arr(2))),
    Sample("full_like", const(arr(2)), 3.0),
]
