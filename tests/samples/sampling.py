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


SAMPLES = [
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
