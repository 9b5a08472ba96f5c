"""functorch's names: they warn, say what replaced them, and do what they did."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

import retrograd
from retrograd import functorch, nn
from retrograd.functorch.einops import rearrange
from retrograd.functorch.experimental import chunk_vmap

NAMES = ["vmap", "grad", "grad_and_value", "jacrev", "jacfwd", "hessian", "functionalize"]


@pytest.mark.parametrize("name", NAMES)
def test_warnings(name):
    instead = "torch.vmap" if name == "vmap" else f"torch.func.{name}"
    with pytest.warns(FutureWarning, match=f"Please use `{instead}`"):
        getattr(functorch, name)(retrograd.sin)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(retrograd.func, name)(retrograd.sin)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_make_functional():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    f, params = functorch.make_functional(net)
    x = retrograd.randn(5, 3)
    np.testing.assert_array_equal(f(params, x).detach().numpy(), net(x).detach().numpy())
    assert all(p.requires_grad for p in params)
    doubled = [p.detach() * 2 for p in params]
    assert not np.allclose(f(doubled, x).numpy(), net(x).detach().numpy())
    assert all(not p.requires_grad for p in functorch.make_functional(net, True)[1])
    each = functorch.vmap(functorch.grad(lambda p, x: f(p, x).sum()), in_dims=(None, 0))(params, x)
    assert [tuple(g.shape) for g in each] == [(5, *p.shape) for p in params]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_buffers_and_tied_parameters():
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    net.again = net[0]
    with pytest.raises(RuntimeError, match="make_functional_with_buffers"):
        functorch.make_functional(net)
    f, params, buffers = functorch.make_functional_with_buffers(net.eval())
    assert len(params) == 4 and len(buffers) == 3
    x = retrograd.randn(5, 3)
    new = [p.detach() + 1 for p in params]
    out = f(new, buffers, x)
    first = nn.functional.linear(x, new[0], new[1])
    hidden = nn.functional.batch_norm(first, buffers[0], buffers[1], new[2], new[3])
    np.testing.assert_allclose(out.numpy(), nn.functional.linear(hidden, new[0], new[1]).numpy(), atol=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_ensemble():
    nets = [nn.Linear(3, 2) for _ in range(4)]
    f, params, buffers = functorch.combine_state_for_ensemble(nets)
    x = retrograd.randn(4, 5, 3)
    out = retrograd.vmap(f)(params, buffers, x)
    expected = retrograd.stack([net(v) for net, v in zip(nets, x, strict=True)])
    np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), atol=1e-6)
    with pytest.raises(RuntimeError, match="at least one model"):
        functorch.combine_state_for_ensemble([])


def test_chunks():
    x = retrograd.arange(10.0).reshape(5, 2)
    sizes = []
    f = lambda x: (sizes.append(retrograd.func.debug_unwrap(x).shape[0]), x * 2)[1]
    np.testing.assert_array_equal(chunk_vmap(f, chunks=2)(x).numpy(), (x * 2).numpy())
    assert sizes == [3, 2]
    with pytest.raises(ValueError, match="at least 1"):
        chunk_vmap(f, chunks=0)


def test_rearrange_is_func_s():
    assert rearrange is retrograd.func.rearrange


def test_a_script_that_imports_functorch(tmp_path):
    script = tmp_path / "old.py"
    script.write_text(
        "import torch\nfrom functorch import grad, make_functional\nfrom functorch.einops import rearrange\n"
        "f, params = make_functional(torch.nn.Linear(2, 1))\n"
        "print(grad(lambda p: f(p, torch.ones(1, 2)).sum())(params)[0].tolist())\n"
    )
    command = [sys.executable, "-W", "ignore", "-m", "retrograd", "run", str(script)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "[[1.0, 1.0]]\n", done.stderr
