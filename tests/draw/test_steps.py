"""`draw.steps`: what it records of a walk is what PyTorch computes, and it leaves everything as it was."""

import numpy as np
import pytest
import torch as pt

import retrograd as torch
from retrograd import draw, nn
from retrograd.core.op import TABLE
from retrograd.draw.formulas import _formula, formulas

from .browser import run


def problem(lib, seed=0):
    values = np.random.default_rng(seed)
    w = lib.tensor(values.standard_normal((3, 4)), requires_grad=True)
    v = lib.tensor(values.standard_normal(4), requires_grad=True)
    x = lib.tensor(values.standard_normal((5, 3)))
    h = (x @ w + v).tanh()
    return w, v, h, (h * h.exp()).sum()


exp, conj = torch.exp, torch.conj


def numbers(summary):
    return np.array(summary["values"], float)


def titled(told):
    return [told._picture.items[s["item"]].title for s in told.steps]


def test_the_gradients_are_pytorchs():
    w, v, h, loss = problem(torch)
    told = draw.steps(loss, {"w": w, "v": v})
    tw, tv, th, tloss = problem(pt)
    th.retain_grad()
    tloss.backward()
    by_title = dict(zip(titled(told), told.steps, strict=True))
    for name, expected in (("w", tw.grad), ("v", tv.grad)):
        np.testing.assert_allclose(
            numbers(by_title[name]["g"][0]).ravel(), expected.numpy().ravel(), rtol=5e-3
        )
    arrived = numbers(by_title["TanhBackward0"]["g"][0])
    np.testing.assert_allclose(arrived, th.grad.numpy(), rtol=5e-3)


def test_nodes_run_youngest_first_and_sums_are_said():
    w, v, h, loss = problem(torch)
    told = draw.steps(loss, {"w": w, "v": v})
    numbers = [told._picture.items[s["item"]].number for s in told.steps]
    assert numbers == sorted(numbers, reverse=True) and len(numbers) == 8
    by_title = dict(zip(titled(told), told.steps, strict=True))
    tanh = next(i.index for i in told._picture.items if i.title == "TanhBackward0")
    assert [o["how"] for s in told.steps for o in s["out"] if o["to"] == tanh] == ["first", "added"]
    bias = next(o for o in by_title["AddBackward0"]["out"] if told._picture.items[o["to"]].title == "v")
    assert bias["g"]["shape"] == "(5, 4)" and bias["summed"] == "(4)"


def test_nothing_of_the_users_changes():
    w, v, h, loss = problem(torch)
    h.retain_grad()
    seen = []
    h.register_hook(lambda g: seen.append(tuple(g.shape)))
    draw.steps(loss)
    assert w.grad is None and v.grad is None and h.grad is None and seen == [(5, 4)]
    assert loss.grad_fn.post_hooks is None and not w._hooks
    loss.backward()
    first = w.grad.clone()
    assert h.grad is not None
    w, v, h, loss = problem(torch)
    draw.steps(loss, accumulate=True)
    assert torch.equal(w.grad, first)
    draw.steps(loss, accumulate=True)
    assert torch.equal(w.grad, 2 * first)


def test_memory_goes_from_what_is_saved_to_the_gradients_of_leaves():
    w, v, h, loss = problem(torch)
    told = draw.steps(loss)
    saved = 5 * 4 * 8 * 2 + 5 * 3 * 8  # tanh's and exp's results, which mul keeps too, and x
    assert told._start == [saved, 8, 0]
    assert told.steps[-1]["memory"] == [0, 0, (12 + 4) * 8]
    assert all(a["memory"][0] >= b["memory"][0] for a, b in zip(told.steps, told.steps[1:], strict=False))


def test_large_gradients_are_told_by_statistics():
    x = torch.linspace(-1, 1, 200, requires_grad=True)
    step = draw.steps((x * x).sum()).steps[-1]["g"][0]
    expected = 2 * np.linspace(-1, 1, 200)
    assert sum(step["bars"]) == 200 and "values" not in step
    assert [float(s) for s in step["stats"]] == pytest.approx(
        [expected.min(), expected.max(), 0.0, expected.std()], abs=1e-3
    )
    assert float(step["norm"]) == pytest.approx(np.linalg.norm(expected), rel=1e-3)
    y = torch.zeros(100, requires_grad=True)
    odd = draw.steps((y.log() * torch.linspace(0, 1, 100)).sum()).steps[-1]["g"][0]
    assert odd["odd"] == 100 and "stats" not in odd


def test_long_walks_are_cut():
    x = torch.ones((), requires_grad=True)
    y = x
    for _ in range(20):
        y = y.sin()
    told = draw.steps(y, max_steps=5)
    assert len(told.steps) == 5 and told.count == 21 and "21 steps" in repr(told)


def test_what_can_not_be_played_says_why():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match="not of a float"):
        draw.steps(1.0)
    with pytest.raises(RuntimeError, match="no grad_fn"):
        draw.steps(torch.ones(1))
    with pytest.raises(RuntimeError, match=r"shape \[2\] needs gradient="):
        draw.steps(x * 2)
    with pytest.raises(RuntimeError, match=r"gradient has shape \[3\]"):
        draw.steps(x * 2, gradient=torch.ones(3))
    assert len(draw.steps(x * 2, gradient=torch.ones(2)).steps) == 2
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        draw.steps(y)
    with pytest.raises(ValueError, match=r"should end in \.html"):
        draw.steps((x * x).sum()).save("walk.svg")


def test_an_error_in_the_walk_leaves_no_hooks_behind():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: 1 / 0)
    loss = y.sum()
    with pytest.raises(ZeroDivisionError):
        draw.steps(loss)
    assert loss.grad_fn.post_hooks is None and not x._hooks


# --- formulas -------------------------------------------------------------------------------------


def told(name, given):
    formula = _formula(TABLE[name].formulas[given], given)
    return formula.symbols, formula.words


def test_formulas_are_read_from_the_rows():
    assert told("mul", "x") == ("g · y", "the incoming gradient times y")
    assert told("sub", "y") == ("−g", "minus the incoming gradient")
    assert told("tanh", "x") == (
        "g · (1 − result · result)",
        "the incoming gradient times (1 minus (the result times the result))",
    )
    assert told("sqrt", "x")[0] == "g / (2 · result)"
    assert told("matmul", "y") == ("xᵀ · g", "the matrix product of x transposed and the incoming gradient")
    assert told("relu", "x")[1] == "the incoming gradient where the result is above 0, and zero elsewhere"


def test_a_formula_of_several_steps_is_shown_whole():
    def _halved(g, x, out):
        half = g / 2
        return half * x

    formula = _formula(_halved, "x")
    assert formula.source == "def _halved(g, x, out):\n    half = g / 2\n    return half * x"
    through = _formula(lambda g, x: exp(conj(g)) + unknown(g, x), "x")
    assert through.source == (
        "exp(conj(g)) + unknown(g, x)\n\ndef unknown(g, x):\n    return g if x is None else x"
    )
    assert through.symbols == "exp(g) + unknown(g, x)"
    assert (formula.symbols, formula.words) == (
        "halved(g, x, result)",
        "several steps, those of the function `halved`",
    )


def unknown(g, x):
    return g if x is None else x


def test_every_rows_formula_can_be_told():
    for op in TABLE.values():
        for name, function in op.formulas.items():
            formula = _formula(function, name)
            assert formula.source and formula.symbols and formula.words, op
            assert "{" not in formula.words.replace("{}", ""), op


def test_formulas_belong_to_edges():
    a, b = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    assert [f and f.input for f in formulas((b @ a).grad_fn)] == [None, "mat2"]
    joined = torch.cat([a, a * 2])
    assert [f.input for f in formulas(joined.grad_fn)] == ["xs[0]", "xs[1]"]

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    y = Double.apply(a)
    assert formulas(y.grad_fn) == [None]
    assert draw.steps(y.sum()).steps[1]["out"][0]["name"] == "input 0"


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3))
    loss = nn.functional.cross_entropy(model(torch.randn(6, 20)), torch.tensor([0, 1, 2, 0, 1, 2]))
    return draw.steps(loss, model).html()


def test_keys_and_buttons_move_through_the_walk(page, tmp_path):
    script = """
      const press = key => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      const seen = [], look = () => seen.push([document.getElementById("count").textContent,
        document.querySelector("#step h3").textContent, document.querySelectorAll("#graph .now").length]);
      document.body.focus();
      look(); press("ArrowRight"); look(); document.getElementById("next").click(); look();
      press("ArrowLeft"); look(); press("End"); look(); press("Home"); look();
      return [seen, document.querySelectorAll("#graph [data-item]").length];
    """
    seen, cards = run(page, script, tmp_path)
    assert [s[0] for s in seen] == ["0 of 9", "1 of 9", "2 of 9", "1 of 9", "9 of 9", "0 of 9"]
    assert seen[1][1] == "NllLossBackward0" and seen[2][1] == "LogSoftmaxBackward0"
    assert [s[2] for s in seen] == [0, 1, 1, 1, 1, 0] and cards == 10


def test_it_plays_to_the_end_and_pauses(page, tmp_path):
    script = """
      document.getElementById("speed").value = "400";
      const wait = ms => new Promise(done => setTimeout(done, ms));
      const at = () => parseInt(document.getElementById("count").textContent);
      const play = document.getElementById("play");
      play.click(); await wait(1000); const label = play.getAttribute("aria-label"); play.click();
      const paused = at(); await wait(1000); const still = at();
      play.click(); await wait(5000);
      return [paused, still, label, at(), play.getAttribute("aria-label")];
    """
    paused, still, label, last, after = run(page, script, tmp_path)
    assert 0 < paused == still < 9 and label == "Pause" and last == 9 and after == "Play"


def test_numbers_formulas_and_histograms_are_shown(page, tmp_path):
    script = """
      const out = [];
      for (let i = 0; i < 9; i++) {
        document.getElementById("next").click();
        const step = document.querySelector("#step");
        out.push([step.innerText, step.querySelectorAll("svg.bars").length]);
      }
      const memory = document.querySelector("#memory").innerText;
      return [out, document.querySelectorAll("#leaves .leaf").length, memory,
        performance.getEntriesByType("resource").length, document.documentElement.scrollWidth <= innerWidth];
    """
    out, leaves, memory, fetched, fits = run(page, script, tmp_path)
    relu = next(text for text, _ in out if text.startswith("Relu"))
    assert "∂L/∂x = g · [result > 0]" in relu and "first to arrive" in relu
    weight = next((text, bars) for text, bars in out if text.startswith("0.weight"))
    assert weight[1] == 1 and "norm" in weight[0]
    assert (
        leaves == 4 and "gradients of leaves\n780 B" in memory.replace("\t", "\n") and fetched == 0 and fits
    )


def test_what_has_run_is_faded_and_leaves_that_have_their_gradient_stay(page, tmp_path):
    script = """
      document.head.insertAdjacentHTML("beforeend", "<style>* { transition: none !important }</style>");
      for (let i = 0; i < 6; i++) document.getElementById("next").click();
      const out = {};
      for (const g of document.querySelectorAll("#graph [data-item]")) {
        const card = g.querySelector(":scope > g"), look = getComputedStyle(card.querySelector("rect"));
        out[card.querySelector("text").textContent + g.dataset.item] =
          [+getComputedStyle(card).opacity, +getComputedStyle(g).opacity, g.className.baseVal,
            look.strokeWidth];
      }
      return out;
    """
    looks = run(page, script, tmp_path)
    by_class = {}
    for name, (card, whole, names, width) in looks.items():
        assert whole == 1  # else the parameters beside an operation would fade with it
        by_class.setdefault(names, []).append((name.rstrip("0123456789"), card, width))
    assert [(name, card < 0.5) for name, card, _ in by_class["done"]].count(("AddmmBackward", True)) == 1
    assert {name for name, *_ in by_class["kept"]} == {"2.weight", "2.bias"}
    assert all(card == 1 and width == "2px" for _, card, width in by_class["kept"])
    assert len(by_class["now"]) == 1
