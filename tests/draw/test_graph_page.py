"""The HTML page of a graph, in a real Chromium: what it draws, and that a click unfolds as Python would."""

import pytest

import retrograd as torch
from retrograd import draw, nn
from retrograd.draw import folding, scene

from .browser import run


@pytest.fixture(scope="module")
def picture():
    torch.manual_seed(0)
    block = lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(block(), block()), nn.Linear(4, 1))
    return draw.graph(model(torch.ones(2, 3)).sum(), model, depth=0)


def test_it_draws_what_python_draws_for_each_choice(picture, tmp_path):
    script = """
      const seen = [];
      const lines = () => [...document.querySelectorAll("#stage path.rg-e")].map(p => p.getAttribute("d"));
      const look = () => seen.push(lines());
      look();
      const click = n => document.querySelector(`[data-group="${n}"]`)
        .dispatchEvent(new MouseEvent("click", { bubbles: true }));
      click(1); look(); click(2); look(); click(1); look();
      return [seen, document.title];
    """
    seen, title = run(picture.html(), script, tmp_path)
    assert title == f"Graph of {picture.top.operations} operations"
    plans = picture._plans(folding.walk(picture.top))
    top = picture.top.number
    for paths, opened in zip(seen, [{top}, {top, 1}, {top, 1, 2}, {top, 2}], strict=True):
        placed = scene.arrange(plans, top, opened)
        expected = [scene.curve(points) for points in placed.paths]
        got = [numbers(d) for d in paths]
        for d in expected:
            assert any(near(numbers(d), g) for g in got), (opened, d)


def numbers(d):
    for letter in "MVCL":
        d = d.replace(letter, " ")
    return [float(x) for x in d.split()]


def near(a, b):
    return len(a) == len(b) and all(abs(x - y) < 0.21 for x, y in zip(a, b, strict=True))


def test_unfolding_shows_the_operations_within(picture, tmp_path):
    script = """
      const count = () =>
        [".rg-op", ".rg-box", ".rg-frame"].map(kind => document.querySelectorAll("#stage " + kind).length);
      const seen = [count()];
      document.getElementById("unfold").click(); seen.push(count());
      document.getElementById("fold").click(); seen.push(count());
      const box = document.querySelector("[data-group]");
      box.focus();
      box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true })); seen.push(count());
      const active = document.activeElement;
      return [seen, active.dataset.group, active.getAttribute("aria-expanded")];
    """
    seen, group, expanded = run(picture.html(), script, tmp_path)
    assert seen[0] == seen[2] == [3, 1, 0] and seen[1] == [9, 0, 3] and seen[3] == [3, 2, 1]
    assert (group, expanded) == ("1", "true")


def test_finding_marks_and_unfolds(picture, tmp_path):
    script = """
      const find = document.getElementById("find");
      const found = () => document.querySelectorAll("#stage .found").length;
      const seen = [];
      find.value = "TANH"; find.dispatchEvent(new Event("input")); seen.push(found());
      find.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" })); seen.push(found());
      find.value = "0.weight"; find.dispatchEvent(new Event("input")); seen.push(found());
      find.value = ""; find.dispatchEvent(new Event("input")); seen.push(found());
      return [seen, document.querySelectorAll("#stage .rg-frame").length];
    """
    seen, frames = run(picture.html(), script, tmp_path)
    # the two Tanhs are folded away at first; a parameter is marked with the operation that it stands beside
    assert seen == [0, 2, 6, 0] and frames == 3


def test_no_text_leaves_its_card_and_nothing_is_fetched(picture, tmp_path):
    script = """
      document.getElementById("unfold").click();
      const out = [];
      for (const g of document.querySelectorAll("#stage .rg-op, #stage .rg-param")) {
        const box = g.querySelector("rect").getBoundingClientRect();
        for (const t of g.querySelectorAll(":scope > text")) {
          const r = t.getBoundingClientRect();
          if (r.left < box.left || r.right > box.right || r.bottom > box.bottom + 1) out.push(t.textContent);
        }
      }
      return [out, performance.getEntriesByType("resource").length];
    """
    assert run(picture.html(), script, tmp_path) == [[], 0]


@pytest.mark.parametrize("dark", [False, True])
def test_colours_follow_the_system(picture, tmp_path, dark):
    script = """
      const fill = s => getComputedStyle(document.querySelector(s)).fill;
      return [getComputedStyle(document.body).backgroundColor, fill("#stage .rg-op rect")];
    """
    page, card = run(picture.html(), script, tmp_path, dark=dark)
    assert (page, card) == (("rgb(13, 17, 23)", "rgb(24, 31, 40)") if dark else
                            ("rgb(255, 255, 255)", "rgb(246, 248, 250)"))  # fmt: skip
