"""gradcheck's verdicts and the meaning of its errors, where PyTorch's are the same."""

import importlib

import pytest

FAST = pytest.mark.parametrize("fast", [True, False])


def module(torch):
    return importlib.import_module(torch.__name__ + ".autograd.gradcheck")


def leaf(torch, *shape, dtype=None):
    return torch.ones(*shape, dtype=dtype or torch.float64, requires_grad=True)


def hooked(torch):
    """A copy whose gradient is off by 0.01."""

    def function(x):
        y = x.clone()
        y.register_hook(lambda g: g + 1e-2)
        return y

    return function


@FAST
def test_one_input(torch, fast):
    x = torch.rand(10, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: x.mul(5), x, fast_mode=fast)
    assert torch.autograd.gradgradcheck(lambda x: x.mul(5), x, fast_mode=fast)
    y = torch.rand(10, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y: x * x, (x, y), fast_mode=fast)
    assert torch.autograd.gradgradcheck(lambda x, y: x * x, (x, y), fast_mode=fast)


@FAST
def test_gradients_that_differ_from_run_to_run(torch, fast):
    class Jitter(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, jitter):
            ctx.jitter = jitter
            return x

        @staticmethod
        def backward(ctx, g):
            return Jitter.apply(g, ctx.jitter) * (1 + torch.rand_like(g) * ctx.jitter), None

    x = torch.randn(5, 5, dtype=torch.float64, requires_grad=True)
    check, again = torch.autograd.gradcheck, torch.autograd.gradgradcheck
    options = {"check_batched_grad": False, "fast_mode": fast}
    check(lambda x: Jitter.apply(x, 0.0), x, **options)
    with pytest.raises(RuntimeError, match="Backward is not reentrant"):
        check(lambda x: Jitter.apply(x, 1e-6), x, **options)
    with pytest.raises(RuntimeError, match="Backward is not reentrant"):
        again(lambda x: Jitter.apply(x, 1e-12), x, **options)
    check(lambda x: Jitter.apply(x, 1e-6), x, nondet_tol=1e-5, **options)
    again(lambda x: Jitter.apply(x, 1e-12), x, nondet_tol=1e-5, **options)


@FAST
def test_inputs_are_checked(torch, fast):
    def check(x, **options):
        return torch.autograd.gradcheck(lambda x: x, (x,), fast_mode=fast, **options)

    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        check(torch.rand(10), raise_exception=False)
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double precision"):
        assert check(torch.ones(1, requires_grad=True), atol=1e-1)
    with pytest.raises(RuntimeError, match="The 0th input has a dimension with stride 0"):
        check(leaf(torch, 1).expand(2, 2), raise_exception=False)


@FAST
def test_outputs_without_gradients(torch, fast):
    x = leaf(torch, 1)
    with pytest.raises(RuntimeError, match="Numerical gradient for function expected to be zero"):
        torch.autograd.gradcheck(lambda x: torch.tensor([x.item()], dtype=torch.float64), x, fast_mode=fast)
    assert not torch.autograd.gradcheck(
        lambda x: torch.tensor([x.item()], dtype=torch.float64), x, raise_exception=False, fast_mode=fast
    )
    assert torch.autograd.gradcheck(lambda x: (), (x,), fast_mode=fast)


@FAST
def test_wrong_gradients(torch, fast):
    function = hooked(torch)
    with pytest.raises(RuntimeError, match="backward not multiplied by grad_output"):
        torch.autograd.gradcheck(function, (leaf(torch, 1),), atol=1e-1, fast_mode=fast)
    x = leaf(torch, 2, 2)
    for error in (RuntimeError, module(torch).GradcheckError):
        with pytest.raises(error, match="Jacobian mismatch for output 0 with respect to input 0"):
            torch.autograd.gradcheck(function, (x,), fast_mode=fast)
    assert not torch.autograd.gradcheck(function, (x,), raise_exception=False, fast_mode=fast)

    def fails(x):
        raise RuntimeError("not about gradients")

    with pytest.raises(RuntimeError, match="not about gradients"):
        torch.autograd.gradcheck(fails, (x,), fast_mode=fast, raise_exception=False)


def test_wrong_complex_gradients(torch):
    z = leaf(torch, 2, 2, dtype=torch.complex128)

    def to_complex(x):
        y = torch.complex(x, x)
        y.register_hook(lambda g: g + 1e-2)
        return y

    def to_real(z):
        y = torch.real(z)
        y.register_hook(lambda g: g + 1e-2)
        return y

    imaginary = "While considering the imaginary part of complex outputs only"
    plain = "Jacobian mismatch for output 0 with respect to input 0"
    for function, x, message in (
        (hooked(torch), z, imaginary), (to_complex, leaf(torch, 2, 2), imaginary), (to_real, z, plain),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=message):
            torch.autograd.gradcheck(function, (x,), fast_mode=False)
        assert not torch.autograd.gradcheck(function, (x,), raise_exception=False, fast_mode=False)


@FAST
def test_outputs_of_changing_form(torch, fast):
    x = leaf(torch, 1)
    with pytest.raises(AssertionError, match="return outputs with the same shape when inputs are perturbed"):
        torch.autograd.gradcheck(
            lambda x: torch.cat([x, x]) if torch.all(x >= 1) else x, (x,), fast_mode=fast
        )
    with pytest.raises(AssertionError, match="return outputs with the same dtype when inputs are perturbed"):
        torch.autograd.gradcheck(
            lambda x: x.to(torch.float32) if torch.all(x >= 1) else x, (x,), fast_mode=fast
        )


def test_complex_and_real_outputs(torch):
    a, b = leaf(torch, 2, 2), leaf(torch, 2, 2)
    assert torch.autograd.gradcheck(lambda x, y: (torch.complex(x, y), x + 1), (a, b))
    z = leaf(torch, 2, 2, dtype=torch.complex128)
    assert torch.autograd.gradcheck(lambda z: (z, torch.real(z)), z)
    small = (1e-2 * torch.rand(2, dtype=torch.complex128)).requires_grad_()
    for fast in (True, False):
        assert torch.autograd.gradcheck(lambda z: 1.0 / torch.norm(z), (small,), fast_mode=fast, atol=1e-4)


@FAST
def test_forward_mode(torch, fast):
    fw = importlib.import_module(torch.__name__ + ".autograd.forward_ad")

    def bad(x, y):
        if fw._current_level >= 0:
            primal, tangent = fw.unpack_dual(y)
            y = fw.make_dual(primal, tangent * 1.1)
        return x + y, y

    def check(function, *inputs):
        return torch.autograd.gradcheck(function, inputs, check_forward_ad=True, fast_mode=fast)

    message = "Jacobian computed with forward mode mismatch for output 0 with respect to input 1"
    kinds = [
        (torch.float64, torch.float64),
        (torch.complex128, torch.float64),
        (torch.complex128, torch.complex128),
    ]
    for kind, other in kinds:
        x = torch.rand(2, dtype=kind, requires_grad=True)
        y = torch.rand(2, dtype=other, requires_grad=True)
        assert check(lambda x, y: (x + y, y), x, y)
        with pytest.raises(RuntimeError, match=message):
            check(bad, x, y)
    assert check(lambda x: torch.view_as_real(torch.resolve_conj(x * 1j)), leaf(torch, 2))


def test_batches_of_tangents(torch):
    x = torch.rand(2, dtype=torch.float64, requires_grad=True)
    options = {"check_forward_ad": True, "check_backward_ad": False, "check_batched_grad": False}
    options |= {"check_undefined_grad": False, "check_batched_forward_grad": True}
    assert torch.autograd.gradcheck(lambda a, n: (a.clone(), a + 1), (x, 1), **options)
    assert torch.autograd.gradcheck(lambda a, b: a.clone(), (x, x.clone()), **options)

    class Random(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 2

        @staticmethod
        def jvp(ctx, t):
            torch.randn_like(t)
            return t * 2

    with pytest.raises(RuntimeError, match="random operation"):
        torch.autograd.gradcheck(Random.apply, (x,), check_forward_ad=True, check_batched_forward_grad=True)


def test_old_functions(torch):
    numerical, analytical = module(torch).get_numerical_jacobian, module(torch).get_analytical_jacobian
    a, b = (torch.rand(2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def function(inputs):
        x, y = inputs
        return 2 * x + y, x + 2 * y

    eye = torch.eye(4, dtype=torch.float64)
    with pytest.warns(FutureWarning, match="`get_numerical_jacobian` was part of PyTorch's private API"):
        (jacobian,) = numerical(function, (a, b), target=a, eps=1e-6)[:1]
    assert torch.allclose(jacobian, 2 * eye)
    with pytest.warns(FutureWarning, match="`get_numerical_jacobian` was part of PyTorch's private API"):
        first, second = numerical(function, (a, b), eps=1e-6)
    assert torch.allclose(first, 2 * eye) and torch.allclose(second, eye)
    with pytest.raises(ValueError, match="Expected grad_out to be 1.0"), pytest.warns(FutureWarning):
        numerical(function, (a, b), eps=1e-6, grad_out=2.0)
    with pytest.warns(FutureWarning, match="`get_analytical_jacobian` was part of PyTorch's private API"):
        jacobians, reentrant, sizes, types = analytical((a, b), function((a, b))[0])
    assert torch.allclose(jacobians[0], 2 * eye) and torch.allclose(jacobians[1], eye)
    assert reentrant and sizes and types
    with pytest.raises(ValueError, match="Expected grad_out to be 1.0"), pytest.warns(FutureWarning):
        analytical((a, b), function((a, b))[0], grad_out=2.0)
