"""`graph`: the picture of a graph, which shows itself in a notebook and can be saved."""

import math
from pathlib import Path

from . import cards, style
from .dot import dot
from .folding import fold, opened_by_default, walk
from .page import page
from .png import png
from .scene import arrange, curve, plans
from .survey import FROZEN, LEAF, PARAMETER, listed, survey
from .tree import tree

_KINDS = ("svg", "png", "html", "dot", "txt")
_KEY_WIDTH, _KEY_LINE = 300, 18  # the narrowest that the line below a picture is broken to, and a line of it


def graph(tensor, params=None, *, direction="forward", depth=None, saved=True, theme="auto"):
    """The graph that made `tensor`, as a picture: in a notebook it shows itself, `print` gives a tree.

    params: what names the leaves: `model.named_parameters()`, or the model itself, which tells the modules'
    classes too. With names, the operations of a module stand in a box with its name. direction: arrows as
    values flow, "forward", or as gradients do, "backward". depth: how many levels of boxes to unfold, -1 for
    all; None unfolds levels while about 20 operations are to be seen. saved: whether operations list what
    they keep until backward. theme: "light", "dark", or "auto": as the reader's system.

    The picture keeps nothing of the graph alive. Modules are told from the names of the parameters; where
    that is not enough, run the model inside `draw.recording()`.
    """
    if direction not in ("forward", "backward"):
        raise ValueError(f'direction is "forward" or "backward", not {direction!r} [RG048]')
    if depth is not None and not isinstance(depth, int):
        raise TypeError(f"depth is a number of levels or None, not a {type(depth).__name__} [RG048]")
    params = listed(params)
    return Picture(tensor, params, direction, depth, saved, theme)


class Picture:
    """What `graph` returns. `save("x.svg")` (or .png, .html, .dot, .txt) writes it; `.svg()`, `.html()`,
    `.dot()` and `.tree()` give its text. `items` and `links` are what it shows, as plain data."""

    def __init__(self, tensor, params, direction, depth, saved, theme):
        style.css(theme)
        self._survey = survey(tensor, params)
        self._forward, self._saved, self.theme = direction == "forward", saved, theme
        self._tree = tree(tensor, params)
        self.top = fold(self._survey)
        self._opened = opened_by_default(self.top, depth)
        self._made = {}
        self.items, self.links = self._survey.items, self._survey.links

    # --- forms ---

    def svg(self, theme=None):
        """The picture as SVG text. theme: as for `graph`."""
        theme = theme or self.theme
        wanted = [g for g in walk(self.top) if g.number in self._opened]
        placed, body = self._draw(self._plans(wanted))
        key, key_width, key_height = _key(self, max(placed.width - 32, _KEY_WIDTH))
        width, height = max(placed.width, key_width + 32), placed.height + 16 + key_height
        shift = (width - placed.width) / 2
        label = f"Graph of {self.top.operations} operations"
        body = (
            f'{DEFS}<g transform="translate({cards.digits(shift)} 0)">{body}</g>'
            f'<g transform="translate(16 {cards.digits(height - key_height)})">{key}</g>'
        )
        return style.sheet(width, height, label, style.css(theme), body)

    def html(self):
        """The picture as one HTML page that needs nothing else; a click on a box unfolds or folds it."""
        return page(self, self._plans(walk(self.top)), self._opened, DEFS, _key(self, math.inf))

    def png(self, scale=2.0, theme=None):
        """The picture as PNG bytes, light unless the theme is "dark"; needs the extra `retrograd[png]`."""
        theme = theme or self.theme
        return png(self.svg("light" if theme == "auto" else theme), scale)

    def dot(self):
        """The graph in Graphviz' language, with modules as clusters."""
        return dot(self._survey, self._forward)

    def tree(self):
        """The graph as a tree of text."""
        return self._tree

    def save(self, path):
        """Write the picture to `path`, in the form that its ending says: .svg, .png, .html, .dot or .txt."""
        path = Path(path)
        kind = path.suffix.lower().lstrip(".")
        if kind not in _KINDS:
            raise ValueError(
                f"save: the ending of {path.name!r} says no form; use one of .{', .'.join(_KINDS)} [RG171]"
            )
        if kind == "png":
            path.write_bytes(self.png())
        else:
            text = {"svg": self.svg, "html": self.html, "dot": self.dot, "txt": self.tree}[kind]()
            path.write_text(text + ("" if text.endswith("\n") else "\n"), encoding="utf-8")
        return path

    def _repr_svg_(self):
        return self.svg()

    def _repr_html_(self):
        return self.svg()

    __str__ = tree

    def __repr__(self):
        operations = self.top.operations
        return f"<graph of {operations} operations; print it, show it in a notebook or .save('graph.svg')>"

    # --- drawing ---

    def _plans(self, groups):
        missing = [g for g in groups if g.number not in self._made]
        self._made.update(plans(self._survey, self.top, missing, self._forward, self._saved))
        return self._made

    def _draw(self, made):
        placed = arrange(made, self.top.number, self._opened)
        out = []
        _draw_group(made, self.top.number, placed, 0.0, 0.0, out)
        return placed, "".join(out)


DEFS = (
    '<defs><marker id="rg-a" viewBox="0 0 8 8" refX="7.2" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto-start-reverse"><path class="rg-arrow" d="M0 .6 8 4 0 7.4 1.8 4z"/></marker></defs>'
)


def _draw_group(made, number, placed, x, y, out):
    plan = made[number]
    out.append(f'<g transform="translate({cards.digits(x)} {cards.digits(y)})">')
    for wire, points in zip(plan.wires, placed.paths, strict=True):
        out.append(f'<path {wire_look(plan, wire)} d="{curve(points)}"/>')
    for k, part in enumerate(plan.group.parts):
        axis, top = placed.parts[k]
        if k in placed.inner:
            inner = placed.inner[k]
            left = axis - inner.axis
            out.append(
                f'<g class="rg-frame" transform="translate({cards.digits(left)} {cards.digits(top)})"><rect '
                f'width="{cards.digits(inner.width)}" height="{cards.digits(inner.height)}" rx="10"/>'
                f"{cards.header(part.group)}</g>"
            )
            _draw_group(made, part.group.number, inner, left, top, out)
        elif plan.cards[k].svg:
            which = "" if part.item is None else f' data-item="{part.item}"'
            place = f"translate({cards.digits(axis)} {cards.digits(top)})"
            out.append(f'<g{which} transform="{place}">{plan.cards[k].svg}</g>')
    for wire, at in zip(plan.wires, placed.texts, strict=True):
        if at:
            out.append(
                f'<text class="rg-l" x="{cards.digits(at[0])}" y="{cards.digits(at[1])}">{wire.text}</text>'
            )
    out.append("</g>")


def wire_look(plan, wire):
    """The attributes of a wire: an arrow, except where it goes on outside of the group."""
    kind = "rg-e" if wire.gradient else "rg-e rg-z"
    arrow = "" if plan.group.parts[wire.stop].port else ' marker-end="url(#rg-a)"'
    return f'class="{kind}"{arrow}'


def _key(picture, wide):
    """(SVG, width, height) of the lines that say what the colours mean, of those that occur, in `wide`."""
    kinds = {i.kind for i in picture.items}
    entries = [("rg-op", "operation")]
    entries += [("rg-param", "parameter")] if PARAMETER in kinds else []
    entries += [("rg-leaf", "leaf")] if LEAF in kinds else []
    entries += [("rg-frozen", "no gradient")] if FROZEN in kinds else []
    if len(walk(picture.top)) > 1:
        entries.append(("rg-box", "module"))
    arrows = "arrows: as values flow" if picture._forward else "arrows: as gradients flow"
    entries.append((None, f"{arrows}, texts: shapes of gradients"))
    out, x, y, widest = [], 0.0, 0, 0.0
    for kind, text in entries:
        mark = 24 if kind else 0
        if x and x + mark + cards.text_width(text, 10.5) > wide:
            x, y = 0.0, y + _KEY_LINE
        if kind:
            radius = 6 if kind in ("rg-param", "rg-leaf", "rg-frozen") else 3
            out.append(
                f'<g class="{kind}" transform="translate({cards.digits(x)} {y - 9})"><rect width="18" '
                f'height="12" rx="{radius}"/></g>'
            )
        x += mark
        out.append(f'<text class="rg-key" x="{cards.digits(x)}" y="{y + 1}">{text}</text>')
        x += cards.text_width(text, 10.5)
        widest, x = max(widest, x), x + 18
    return "".join(out), widest, y + _KEY_LINE
