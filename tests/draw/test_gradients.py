"""`draw.gradients`: the norms are those of `.grad`, the flags are right, and the hooks go away."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import retrograd as torch
from retrograd import draw, nn

from .browser import run


def train(model, steps, x=None, scale=lambda i: 1.0):
    torch.manual_seed(0)
    x = torch.randn(8, 4) if x is None else x
    for i in range(steps):
        model.zero_grad()
        (model(x) ** 2 * scale(i)).mean().backward()


def small():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))


def test_norms_are_those_of_grad():
    model, seen = small(), []
    with draw.gradients(model) as health:
        for i in range(3):
            train(model, 1, scale=lambda _, i=i: 1.0 + i)
            seen.append([float(p.grad.norm()) for p in model.parameters()])
    np.testing.assert_allclose(health.norms, seen, rtol=1e-5)
    layers = np.sqrt(np.array(seen)[:, ::2] ** 2 + np.array(seen)[:, 1::2] ** 2)
    np.testing.assert_allclose(health.layer_norms(), layers, rtol=1e-5)
    assert list(health.layers) == ["0", "2"] and health.flags == {}
    assert repr(health).endswith("nothing looks ill>")


def test_hooks_go_away():
    model = small()
    health = draw.gradients(model)
    train(model, 2)
    health.remove()
    train(model, 2)
    assert len(health.norms) == 2 and not any(p._post_hooks for p in model.parameters())
    with pytest.raises(ZeroDivisionError), draw.gradients(model) as health:
        train(model, 1)
        1 / 0  # noqa: B018
    assert len(health.norms) == 1 and not any(p._post_hooks for p in model.parameters())


def test_a_backward_that_fails_leaves_no_row():
    model = small()
    with draw.gradients(model) as health:
        x = torch.randn(8, 4, requires_grad=True)
        x.register_hook(lambda g: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(model, 1, x)
        train(model, 2)
    assert len(health.norms) == 2 and not np.isnan(health.norms).any()


def test_every_records_some_and_backwards_without_a_parameter_are_gaps():
    model = small()
    with draw.gradients(model, every=3) as health:
        train(model, 7)
    assert health.backwards == [1, 4, 7]
    with draw.gradients(model) as health:
        (model[0].weight ** 2).sum().backward()
        train(model, 1)
    assert [math.isnan(v) for v in health.norms[0]] == [False, True, True, True]
    assert not np.isnan(health.norms[1]).any() and "–" not in health.table().splitlines()[2]


def test_vanishing():
    torch.manual_seed(0)
    deep = [layer for _ in range(8) for layer in (nn.Linear(4, 4), nn.Sigmoid())]
    model = nn.Sequential(*deep, nn.Linear(4, 1))
    with draw.gradients(model) as health:
        train(model, 5)
    assert health.flags["0"] == "vanishing" and "16" not in health.flags


def test_exploding_by_growth_and_by_size():
    model = small()
    with draw.gradients(model, window=3) as health:
        train(model, 12, scale=lambda i: 1.0 if i < 10 else 500.0)
    assert health.flags == {"0": "exploding", "2": "exploding"}
    with draw.gradients(model) as health:
        train(model, 2, scale=lambda i: 1e7)
    assert health.flags == {"0": "exploding", "2": "exploding"}
    with draw.gradients(model, window=3) as health:
        train(model, 12, scale=lambda i: 1.0 + i)
    assert health.flags == {}


def test_dead_layers_and_units():
    model = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 2))
    with torch.no_grad():
        model[0].bias[:4] = -100.0
        model[0].bias[4:] = 5.0
    with draw.gradients(model) as health:
        train(model, 6)
    assert health.flags == {"0": "40% of units dead"}
    with torch.no_grad():
        model[0].bias[:] = -100.0
    with draw.gradients(model) as health:
        train(model, 6)
    assert health.flags == {"0": "dead"}
    table = nn.Embedding(100, 3)
    with draw.gradients(table) as health:
        for _ in range(6):
            table(torch.tensor([1, 2])).sum().backward()
    assert health.flags == {}
    idle = nn.ModuleDict({"used": small(), "idle": nn.Linear(2, 2)})
    with draw.gradients(idle) as health:
        train(idle["used"], 2)
    assert health.flags == {"idle": "no gradient"}


def test_not_finite_and_what_only_looks_so():
    model = small()
    with draw.gradients(model) as health:
        train(model, 2, scale=lambda i: math.nan)
    assert set(health.flags.values()) == {"not finite"}
    w = nn.Linear(1, 1, bias=False)
    with draw.gradients(w) as health:
        (w(torch.ones(1, 1)) * 1e30).sum().backward()  # its square is no float32
    assert health.norms[0][0] == pytest.approx(1e30, rel=1e-5) and health.flags == {"": "exploding"}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_dtypes(dtype):
    model = small().to(getattr(torch, dtype))
    with draw.gradients(model) as health:
        model(torch.ones(2, 4, dtype=getattr(torch, dtype))).sum().backward()
    expected = [float(p.grad.double().norm()) for p in model.parameters()]
    np.testing.assert_allclose(health.norms[0], expected, rtol=1e-3)


def test_memory_orders_and_complex_numbers():
    w = nn.Parameter(torch.randn(3, 2, 4).permute(2, 0, 1))
    z = nn.Parameter(torch.randn(3, dtype=torch.complex64))
    s = nn.Parameter(torch.tensor(2.0))
    model = nn.ParameterDict({"w": w, "z": z, "s": s, "none": nn.Parameter(torch.zeros(0, 3))})
    with draw.gradients(model) as health:
        ((w * torch.arange(4.0)[:, None, None]).sum() * s + z.abs().sum() + model["none"].sum()).backward()
    expected = [float(p.grad.abs().pow(2).sum().sqrt()) for p in (w, z, s)]
    order = [health.names.index(n) for n in ("w", "z", "s")]
    np.testing.assert_allclose([health.norms[0][k] for k in order], expected, rtol=1e-5)


def test_errors():
    with pytest.raises(TypeError, match="watches a Module, not a list"):
        draw.gradients([])
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        draw.gradients(nn.ReLU())
    with pytest.raises(ValueError, match="at least 1"):
        draw.gradients(small(), every=0)
    with pytest.raises(ValueError, match=r"use one of \.svg"):
        draw.gradients(small()).save("x.gif")


def test_table_and_picture(tmp_path):
    model = small()
    with draw.gradients(model) as health:
        assert health.table() == "no backward recorded yet" and "no backward" in health.svg()
        train(model, 300, scale=lambda i: 2.0**-i)
    lines = str(health).splitlines()
    assert lines[0] == "norms of gradients, 300 backwards recorded" and len(lines) == 4
    assert lines[2].split()[:2] == ["0", "Linear"]
    root = ET.parse(health.save(tmp_path / "h.svg")).getroot()
    texts = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any(t.startswith("0 Linear") for t in texts)
    rows = [g for g in root.iter("{http://www.w3.org/2000/svg}g") if g.get("class") == "rg-cells"]
    assert len(rows) == 2
    for row in rows:  # cells stand side by side, without gaps
        cells = [(float(r.get("x")), float(r.get("width"))) for r in row]
        for (x, wide), (after, _) in zip(cells, cells[1:], strict=False):
            assert x + wide == pytest.approx(after, abs=0.11)
    assert health.svg() == health.svg() and "@media" not in health.svg("dark")


def test_the_page_tells_numbers_under_the_pointer(tmp_path):
    model = small()
    with draw.gradients(model) as health:
        train(model, 10)
    script = """
      const row = document.querySelectorAll("#health .rg-cells")[1], box = row.getBoundingClientRect();
      row.dispatchEvent(new PointerEvent("pointermove", { clientX: box.right - 2, clientY: box.top + 3 }));
      return [document.getElementById("tip").textContent, document.querySelectorAll("tbody tr").length,
        performance.getEntriesByType("resource").length];
    """
    tip, rows, fetched = run(health.html(), script, tmp_path)
    assert tip == f"2, backward 10: {health.layer_norms()[-1, 1]:.3g}" and rows == 2 and fetched == 0
