"""Complex gradients in PyTorch's convention: of a real L, dL/d(re) + i dL/d(im)."""

import numpy as np
import pytest
import torch as pytorch

import retrograd


def values(lib, shape=(2, 3), seed=0, real=False):
    rng = np.random.default_rng(seed)
    v = rng.uniform(0.3, 1.7, shape)
    if not real:
        v = v + 1j * rng.uniform(-1.5, 1.5, shape)
    return lib.tensor(v.tolist(), dtype=lib.float64 if real else lib.complex128, requires_grad=True)


# Each takes complex z and w and real r.
FUNCTIONS = {
    "add": lambda lib, z, w, r: z + w,
    "mixed sum": lambda lib, z, w, r: z + r - 2j * r,
    "mixed product": lambda lib, z, w, r: z * r,
    "mixed quotient": lambda lib, z, w, r: r / z + z / r,
    "product": lambda lib, z, w, r: z * w,
    "quotient": lambda lib, z, w, r: z / w,
    "power": lambda lib, z, w, r: z**2 + z**-1 + z**1.5,
    "complex power": lambda lib, z, w, r: z**w,
    "power of a real": lambda lib, z, w, r: r**z,
    "real power": lambda lib, z, w, r: z**r,
    "exp": lambda lib, z, w, r: lib.exp(z),
    "log": lambda lib, z, w, r: lib.log(z),
    "sqrt": lambda lib, z, w, r: lib.sqrt(z),
    "rsqrt": lambda lib, z, w, r: lib.rsqrt(z),
    "reciprocal": lambda lib, z, w, r: z.reciprocal(),
    "sin cos tan": lambda lib, z, w, r: lib.sin(z) + lib.cos(z) * lib.tan(z),
    "sinh cosh tanh": lambda lib, z, w, r: lib.sinh(z) + lib.cosh(z) * lib.tanh(z),
    "sigmoid": lambda lib, z, w, r: lib.sigmoid(z),
    "conj": lambda lib, z, w, r: z.conj() * w,
    "real": lambda lib, z, w, r: z.real * r,
    "imag": lambda lib, z, w, r: z.imag * r,
    "abs": lambda lib, z, w, r: z.abs(),
    "angle": lambda lib, z, w, r: z.angle(),
    "sgn": lambda lib, z, w, r: z.sgn(),
    "complex": lambda lib, z, w, r: lib.complex(r, r * r),
    "polar": lambda lib, z, w, r: lib.polar(r, r * 2),
    "view_as_real": lambda lib, z, w, r: lib.view_as_real(z),
    "view_as_complex": lambda lib, z, w, r: lib.view_as_complex(lib.stack([r, r * 3], -1)),
    "matmul": lambda lib, z, w, r: z @ w.mH + (z @ w.mT).conj(),
    "mixed stack": lambda lib, z, w, r: lib.stack([z, lib.complex(r, r)], 0),
    "mixed cat": lambda lib, z, w, r: lib.cat([z, r], 0),
    "where": lambda lib, z, w, r: lib.where(r > 1, z, w),
    "sum mean prod": lambda lib, z, w, r: z.sum() + z.mean(0) + z.prod(),
    "cumsum cumprod": lambda lib, z, w, r: z.cumsum(1) + z.cumprod(0),
    "index": lambda lib, z, w, r: z[[0, 0, 1], [1, 1, 2]],
    "norm": lambda lib, z, w, r: lib.linalg.vector_norm(z),
    "dot": lambda lib, z, w, r: lib.vdot(z[0], w[0]) + lib.dot(z[1], w[1]),
    "cast": lambda lib, z, w, r: r.to(lib.complex128) * z,
    "var": lambda lib, z, w, r: z.var(),
    "triangle": lambda lib, z, w, r: z.tril() + w.triu(1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_and_second_derivatives(name):
    function = FUNCTIONS[name]
    found = []
    for lib in (retrograd, pytorch):
        inputs = values(lib), values(lib, seed=1), values(lib, seed=2, real=True)
        out = function(lib, *inputs)
        # a real function of the outputs that depends on real and imaginary parts
        loss = (out.real**3 + (out.imag**2 + out.imag * out.real if out.is_complex() else 0)).sum()
        grads = lib.autograd.grad(loss, inputs, create_graph=True, allow_unused=True)
        kept = [(g, x) for g, x in zip(grads, inputs, strict=True) if g is not None and g.requires_grad]
        total = sum(((g.abs() ** 2).sum() for g, _ in kept), lib.zeros((), dtype=lib.float64))
        second = lib.autograd.grad(total, inputs, allow_unused=True) if kept else ()
        found.append([None if g is None else g.detach().resolve_conj().numpy() for g in (*grads, *second)])
    for mine, reference in zip(*found, strict=True):
        zero = np.zeros(1)
        mine, reference = (zero if a is None else a for a in (mine, reference))
        np.testing.assert_allclose(mine, reference, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_finite_differences(name):
    function = FUNCTIONS[name]
    inputs = values(retrograd), values(retrograd, seed=1), values(retrograd, seed=2, real=True)
    assert retrograd.autograd.gradcheck(
        lambda z, w, r: function(retrograd, z, w, r),
        inputs,
        check_forward_ad=True,
        check_undefined_grad=False,
    )


def test_gradients_of_real_tensors_are_real(torch):
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    loss = (x * torch.tensor([1j, 2j, 1 + 1j], dtype=torch.complex128)).sum().abs()
    loss.backward()
    assert x.grad.dtype == torch.float64


def test_roots_are_real_or_have_a_gradient(torch):
    z = torch.ones(1, dtype=torch.complex128, requires_grad=True)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for real scalar outputs"):
        (z * 2).backward()
    (z * 2).backward(torch.tensor([1j]))
    assert z.grad.item() == 2j
    with pytest.raises(RuntimeError, match="required to have the same dtype"):
        (z * 2).backward(torch.ones(1, dtype=torch.float64))


def test_a_gradient_step_goes_down(torch):
    z = torch.tensor([1 + 2j, -1 + 0.5j], dtype=torch.complex128, requires_grad=True)
    target = torch.tensor([0.5j, 1], dtype=torch.complex128)
    for _ in range(60):
        loss = ((z - target).abs() ** 2).sum()
        (g,) = torch.autograd.grad(loss, z)
        with torch.no_grad():
            z -= 0.2 * g
    assert loss < 1e-6


def test_views_of_parts_and_writes_through_them(torch):
    x = torch.ones(3, dtype=torch.complex128, requires_grad=True)
    z = x.clone()
    z.real.mul_(2)
    z.imag.add_(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    (z.abs() ** 2).sum().backward()
    assert torch.allclose(x.grad, torch.tensor([8 + 2j, 8 + 4j, 8 + 6j], dtype=torch.complex128))
    y = torch.ones(3, dtype=torch.complex128, requires_grad=True)
    parts = torch.view_as_real(y.clone())
    parts[..., 1] = 4
    (parts**2).sum().backward()
    assert torch.allclose(y.grad, torch.full((3,), 2 + 0j, dtype=torch.complex128))
