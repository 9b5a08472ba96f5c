"""`draw.graph`: what is in the picture, how it is folded, and that nothing in it overlaps."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

import retrograd as torch
from retrograd import draw, nn
from retrograd.draw import cards, folding, scene, style

SVG = "{http://www.w3.org/2000/svg}"


class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(n, n), nn.LayerNorm(n), nn.Linear(n, n)

    def forward(self, x):
        return (self.second(self.norm(self.first(x)).relu()) + x).relu()


class Net(nn.Module):
    def __init__(self, blocks=3, n=4):
        super().__init__()
        self.stem = nn.Linear(3, n)
        self.body = nn.Sequential(*[Block(n) for _ in range(blocks)])
        self.head = nn.Linear(n, 2)

    def forward(self, x):
        return self.head(self.body(torch.tanh(self.stem(x))))


def net(**options):
    model = Net(**options)
    return model, model(torch.ones(5, 3)).sum()


def titles(picture, kind="operation"):
    return [i.title for i in picture.items if i.kind == kind]


def links(picture):
    return {(picture.items[k.source].title, picture.items[k.target].title, k.shape) for k in picture.links}


def texts(svg):
    return ["".join(t.itertext()) for t in ET.fromstring(svg).iter(SVG + "text")]


def rectangles(picture, opened):
    """(left, top, right, bottom) per part of every open group, and the points of all lines."""
    plans, found, paths = picture._plans(folding.walk(picture.top)), [], []

    def visit(number, placed, x, y, frame):
        plan = plans[number]
        inside = []
        for k, part in enumerate(plan.group.parts):
            axis, top = placed.parts[k]
            if k in placed.inner:
                inner = placed.inner[k]
                box = (
                    x + axis - inner.axis,
                    y + top,
                    x + axis - inner.axis + inner.width,
                    y + top + inner.height,
                )
                visit(part.group.number, inner, box[0], box[1], box)
            elif not part.port:
                card = plan.cards[k]
                box = (x + axis - card.left, y + top, x + axis + card.right, y + top + card.height)
            else:
                continue
            inside.append(box)
            assert frame[0] <= box[0] and frame[1] <= box[1] and box[2] <= frame[2] and box[3] <= frame[3]
        found.append(inside)
        paths.append([[(x + a, y + b) for a, b in path] for path in placed.paths])

    placed = scene.arrange(plans, picture.top.number, opened)
    visit(picture.top.number, placed, 0, 0, (0, 0, placed.width, placed.height))
    return found, paths


def check_apart(picture, opened):
    found, paths = rectangles(picture, opened)
    for boxes, lines in zip(found, paths, strict=True):
        for a, b in itertools.combinations(boxes, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)
        for path in lines:
            assert all(b[1] >= a[1] for a, b in itertools.pairwise(path)), "a line goes up"
            for (xa, ya), (xb, yb) in itertools.pairwise(path):
                for left, top, right, bottom in boxes:
                    crosses = max(xa, xb) > left + 1 and min(xa, xb) < right - 1
                    assert not (crosses and yb > top + 30 and ya < bottom - 30), "a line runs over a card"


def test_the_tutorials_graph():
    a, b = torch.tensor([2.0, 3.0], requires_grad=True), torch.tensor([6.0, 4.0], requires_grad=True)
    picture = draw.graph(3 * a**3 - b**2, {"a": a, "b": b})
    assert links(picture) == {
        ("a", "PowBackward0", (2,)), ("PowBackward0", "MulBackward0", (2,)), ("b", "PowBackward0", (2,)),
        ("MulBackward0", "SubBackward0", (2,)), ("PowBackward0", "SubBackward0", (2,)),
        ("SubBackward0", "output", (2,)),
    }  # fmt: skip
    assert titles(picture, "leaf") == ["a", "b"]
    shown = texts(picture.svg())
    assert shown.count("PowBackward0") == 2 and {"a", "b", "output"} < set(shown)
    assert shown.count("saves x (2)") == 2


def test_tensor_graph_is_draw_graph():
    model, loss = net()
    assert loss.graph(model).svg() == draw.graph(loss, model).svg()
    assert loss.graph(params=model.named_parameters(), direction="backward")._repr_svg_().startswith("<svg")


def test_arrows_go_with_values_or_with_gradients():
    a = torch.ones(2, requires_grad=True)
    y = a.sin().sum()
    for direction, first in (("forward", "leaf"), ("backward", "output")):
        svg = draw.graph(y, direction=direction).svg()
        assert [t for t in texts(svg) if t in ("leaf", "output")][:2][0] in ("leaf", "output")
        placed = rectangles(draw.graph(y, direction=direction), {0})[0][0]
        items = draw.graph(y, direction=direction).top.parts
        top = min(range(len(items)), key=lambda k: placed[k][1])
        assert draw.graph(y, direction=direction).items[items[top].item].kind == first
    forward, backward = draw.graph(y).dot(), draw.graph(y, direction="backward").dot()
    assert 'n0 -> n1 [label="(2)"]' in forward and 'n1 -> n0 [label="(2)"]' in backward
    with pytest.raises(ValueError, match='"forward" or "backward", not \'up\''):
        draw.graph(y, direction="up")


def test_saved_tensors_and_shared_nodes_are_named():
    x, w = torch.ones(2, 3, requires_grad=True), torch.ones(3, 4, requires_grad=True)
    h = x @ w
    picture = draw.graph((h * h.exp()).sum())
    by_title = {i.title: i for i in picture.items}
    assert {(s.name, s.text) for s in by_title["MulBackward0"].saved} == {("x", "(2, 4)"), ("y", "(2, 4)")}
    assert [(s.name, s.text, s.bytes) for s in by_title["ExpBackward0"].saved] == [("result", "(2, 4)", 32)]
    assert "used 2×" in texts(picture.svg())
    assert not any("saves" in t for t in texts(draw.graph(h.sum(), saved=False).svg()))


def test_writes_and_views_are_marked():
    x = torch.ones(4, 3, requires_grad=True)
    y = x * 2
    y.mul_(3)
    y += 1
    y[0] = 5.0
    picture = draw.graph(y.t().relu_().sum())
    marks = {}
    for item in picture.items:
        if item.kind == "operation":
            marks.setdefault(item.title, []).append(item.marks)
    assert marks["MulBackward0"] == [[], ["in place"]]
    assert marks["AddBackward0"] == [["in place"]]
    assert all(m == ["write through a view"] for m in marks["CopySlices"]) and len(marks["CopySlices"]) == 2
    assert marks["ReluBackward0"] == [["in place"]]
    assert marks["SumBackward0"] == [[]]
    seen = [i for i in draw.graph((x * 2).t().sum()).items if "view" in i.marks]
    assert [i.title for i in seen] == ["TBackward0"]


def test_frozen_parameters_stand_grey_where_the_graph_ends():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    model[3].weight.requires_grad_(False)
    picture = draw.graph(model(torch.ones(1, 3)).sum(), model)
    frozen = {i.title: i for i in picture.items if i.kind == "frozen"}
    assert set(frozen) == {"3.weight", "frozen: 0.weight, 0.bias"}
    assert frozen["frozen: 0.weight, 0.bias"].count == 2
    assert not any(k.gradient for k in picture.links if picture.items[k.source].kind == "frozen")
    assert 'class="rg-frozen"' in picture.svg() and "rg-e rg-z" in picture.svg()


def test_a_graph_without_names_and_none_at_all():
    assert titles(draw.graph(torch.ones(2, requires_grad=True).sum()), "leaf") == ["leaf"]
    picture = draw.graph(torch.ones(2))
    assert [i.kind for i in picture.items] == ["frozen", "output"]
    with pytest.raises(TypeError, match="not of a list"):
        draw.graph([1.0])
    with pytest.raises(TypeError, match="named_parameters"):
        draw.graph(torch.ones(2), [torch.ones(1)])


def test_freed_values_are_said_to_be():
    loss = (torch.ones(2, requires_grad=True).exp()).sum()
    loss.backward()
    picture = draw.graph(loss)
    assert "saved values freed" in texts(picture.svg())
    assert "loss.backward()" in next(i.freed for i in picture.items if i.freed)


# --- modules --------------------------------------------------------------------------------------


def modules(picture):
    return [(i.title.removesuffix("Backward0"), i.module) for i in picture.items if i.kind == "operation"]


def test_modules_are_told_from_the_names_of_parameters():
    model, loss = net(blocks=2)
    assert modules(draw.graph(loss, model.named_parameters())) == [
        ("Addmm", "stem"), ("Tanh", ""),
        ("Addmm", "body.0.first"), ("NativeLayerNorm", "body.0.norm"), ("Relu", "body.0"),
        ("Addmm", "body.0.second"), ("Add", "body.0"), ("Relu", "body.0"),
        ("Addmm", "body.1.first"), ("NativeLayerNorm", "body.1.norm"), ("Relu", "body.1"),
        ("Addmm", "body.1.second"), ("Add", "body.1"), ("Relu", "body.1"),
        ("Addmm", "head"), ("Sum", ""),
    ]  # fmt: skip


def test_a_record_knows_modules_and_classes_without_names():
    model = Net(blocks=1)
    with draw.recording():
        loss = model(torch.ones(5, 3)).sum()
    picture = draw.graph(loss)
    assert modules(picture)[3:8] == [
        ("NativeLayerNorm", "body.0.norm"), ("Relu", "body.0"), ("Addmm", "body.0.second"), ("Add", "body.0"),
        ("Relu", "body.0"),
    ]  # fmt: skip
    assert picture.top.groups()[0].kind == "Block"
    with draw.recording():
        with pytest.raises(RuntimeError):
            model(torch.ones(5, 4))
        loss = model(torch.ones(5, 3)).sum()
    assert modules(draw.graph(loss)) == modules(picture)
    other = model(torch.ones(5, 3)).sum()  # nothing is recorded any more
    assert {m for _, m in modules(draw.graph(other))} == {""}


def test_groups_hold_the_operations_of_their_module():
    model, loss = net(blocks=3)
    picture = draw.graph(loss, model)
    (body,) = picture.top.groups()
    assert (body.path, body.operations, body.repeats) == ("body", 18, "3 × Block")
    assert [g.path for g in body.groups()] == ["body.0", "body.1", "body.2"]
    assert body.parameters == sum(p.numel() for p in model.body.parameters())
    one = body.groups()[1]
    assert sorted(p.port for p in one.parts if p.port) == ["in", "out"]
    assert "3 × Block" in " ".join(texts(draw.graph(loss, model, depth=0).svg()))


def test_depth_unfolds_levels():
    model, loss = net(blocks=3)
    names = [
        {p for p in ("body", "body.0", "first") if any(t.startswith(p) for t in texts(svg))}
        for svg in (draw.graph(loss, model, depth=d).svg() for d in (0, 1, 2, -1))
    ]
    assert names == [{"body"}, {"body"}, {"body", "body.0", "first"}, {"body", "body.0", "first"}]


def test_a_module_called_twice_is_two_groups():
    block = Block(3)
    h = block(torch.ones(1, 3))
    picture = draw.graph(block(h * 2).sum(), nn.ModuleDict({"shared": block}))
    assert [g.path for g in picture.top.groups()] == ["shared", "shared"]
    weight = next(i for i in picture.items if i.title == "shared.first.weight")
    assert sum(k.source == weight.index for k in picture.links) == 2


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_nothing_overlaps_whatever_is_unfolded(direction, depth):
    model, loss = net(blocks=3)
    picture = draw.graph(loss, model, direction=direction, depth=depth)
    check_apart(picture, picture._opened)
    groups = [g.number for g in folding.walk(picture.top)]
    for number in groups:
        check_apart(picture, {picture.top.number, 1, number})


def test_every_link_can_be_followed_through_the_groups():
    model, loss = net(blocks=2)
    picture = draw.graph(loss, model)
    reached = set()
    for group in folding.walk(picture.top):
        for part in group.parts:
            reached |= {(leaf, part.item) for leaf in part.beside}

    def ends(group, position):
        part = group.parts[position]
        if part.item is not None:
            return {part.item}
        if part.port:
            return set()
        inner = part.group
        ports = [k for k, p in enumerate(inner.parts) if p.port == "in"]
        return {e for w in inner.wires if w.start in ports for e in ends(inner, w.stop)}

    for group in folding.walk(picture.top):
        for wire in group.wires:
            reached |= {(wire.source, e) for e in ends(group, wire.stop)}
    assert {(k.source, k.target) for k in picture.links} <= reached


def test_long_lines_become_mentions():
    w = torch.ones(3, requires_grad=True)
    h = torch.ones(3)
    for _ in range(60):
        h = (h * w).sin()
    picture = draw.graph(h.sum(), {"w": w})
    assert sum(p.mention for g in [picture.top] for p in g.parts) == 0  # until it is laid out
    svg = picture.svg()
    assert texts(svg).count("see w") > 50
    check_apart(picture, {0})


# --- forms ----------------------------------------------------------------------------------------


def test_the_same_program_gives_the_same_picture():
    def once():
        torch.manual_seed(0)
        model, loss = net()
        picture = draw.graph(loss, model, depth=-1)
        return picture.svg(), picture.html(), picture.dot()

    assert once() == once()


def test_it_is_saved_in_the_form_that_the_name_says(tmp_path):
    model, loss = net()
    picture = draw.graph(loss, model)
    assert ET.parse(picture.save(tmp_path / "g.svg")).getroot().tag == SVG + "svg"
    page = picture.save(tmp_path / "g.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and not re.search(
        r"(src|href)\s*=|url\(['\"]?http|@import", page
    )
    assert picture.save(tmp_path / "g.dot").read_text().startswith("digraph {")
    assert (
        picture.save(tmp_path / "g.txt").read_text()
        == str(picture) + "\n"
        == draw.tree(loss, model.named_parameters()) + "\n"
    )
    with pytest.raises(ValueError, match=r"'g\.pdf' says no form; use one of \.svg"):
        picture.save(tmp_path / "g.pdf")


def test_png(tmp_path):
    model, loss = net(blocks=1)
    picture = draw.graph(loss, model)
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match=r"retrograd\[png\]"):
            picture.png()
        pytest.skip("the extra [png] is not installed")
    image = pytest.importorskip("PIL.Image", reason="Pillow looks at the picture")
    with image.open(picture.save(tmp_path / "g.png")) as opened:
        assert opened.format == "PNG" and opened.width > 300
        assert len(opened.convert("RGB").getcolors(1 << 24)) > 20


def test_dark_and_light():
    picture = draw.graph(torch.ones(2, requires_grad=True).sum())
    assert "@media (prefers-color-scheme:dark)" in picture.svg()
    light, dark = picture.svg("light"), picture.svg("dark")
    assert (
        "@media" not in light + dark and "#ffffff" in light and "#0d1117" in dark and "#0d1117" not in light
    )
    with pytest.raises(ValueError, match="theme"):
        draw.graph(torch.ones(2, requires_grad=True).sum(), theme="sepia")


def test_dot_has_clusters_of_modules_and_quotes_names():
    model, loss = net(blocks=1)
    text = draw.graph(loss, model).dot()
    assert 'subgraph "cluster_body.0"' in text and 'label="(5, 4)"' in text
    a = torch.ones(1, requires_grad=True)
    assert r'label="say \"a\"\n(1)"' in draw.graph(a * 2, {'say "a"': a}).dot()


def test_names_are_escaped_in_svg():
    a = torch.ones(1, requires_grad=True)
    assert "<b>&" in texts(draw.graph(a * 2, {"<b>&": a}).svg())
    assert "</script><script>" not in draw.graph(a * 2, {"</script><script>": a}).html()


def test_the_picture_keeps_no_graph_alive():
    import gc
    import weakref

    model, loss = net()
    node = weakref.ref(loss.grad_fn)
    picture = draw.graph(loss, model)
    del loss, model
    gc.collect()
    assert node() is None and picture.svg()


def test_ten_thousand_nodes():
    w = torch.ones(2, requires_grad=True)
    h = w
    for i in range(5000):
        h = (h * 1.5).sin() if i % 5 else h * w + h
    picture = draw.graph(h.sum())
    assert len(picture.items) > 9_000
    assert picture.svg().count('class="rg-op"') == picture.top.operations + 1  # one explains the colour


def test_nothing_overlaps_in_an_encoder():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model = nn.TransformerEncoder(layer, 2)
    loss = model(torch.randn(2, 5, 16)).sum()
    for direction in ("forward", "backward"):
        picture = draw.graph(loss, model, direction=direction)
        groups = [g.number for g in folding.walk(picture.top)]
        for opened in (set(groups), set(groups[:3]), set(groups[:2]) | {groups[-1]}):
            check_apart(picture, opened)


@pytest.mark.parametrize("depth", [0, -1])
def test_the_key_is_within_the_picture_and_lines_of_it_dont_meet(depth):
    """A narrow picture has its key on several lines."""
    x = torch.ones(2, requires_grad=True)
    model, loss = net()
    for picture in (draw.graph(x.exp(), {"x": x}), draw.graph(loss, model, depth=depth)):
        sheet = ET.fromstring(picture.svg())
        width = float(sheet.get("width"))
        ends = {}
        for text in sheet.iter(SVG + "text"):
            if text.get("class") == "rg-key":
                end = float(text.get("x")) + cards.text_width(text.text, 10.5)
                assert end + 16 <= width
                assert ends.get(text.get("y"), 0) < float(text.get("x")) + 1
                ends[text.get("y")] = end
        assert ends


def test_texts_can_be_read_on_their_ground():
    """By WCAG's measure of contrast, 4.5 for small text, in both themes."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    grounds = {
        "page": "text dim faint label good bad warn", "op": "text dim faint", "leaf": "leaf-text",
        "param": "param-text", "frozen": "frozen-text", "out": "out-text", "box": "box-text dim",
        "frame": "box-text dim", "badge": "badge-text", "write": "write-text",
    }  # fmt: skip
    for colours in (style.LIGHT, style.DARK):
        for ground, texts in grounds.items():
            for text in texts.split():
                one, other = sorted((luminance(colours[text]), luminance(colours[ground])))
                assert (other + 0.05) / (one + 0.05) >= 4.5, (text, ground)
