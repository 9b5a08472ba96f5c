"""The picture as an HTML page in one file, where a click unfolds or folds a box."""

import json
from html import escape
from importlib.resources import files

from . import cards, style
from .scene import FOOT, HEADER, HEADER_LINE, LABEL_HEIGHT, PADDING


def asset(name):
    """The text of a file beside this one."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def as_script(data):
    """Data as JSON that may stand inside a <script>."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def document(title, head, body):
    """An HTML document that asks nothing of the network."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"{head}</head>\n<body>{body}</body></html>\n"
    )


def page(picture, plans, opened, defs, key):
    """The page. plans: of all groups. key: (SVG, width) of the line that explains the colours."""
    groups = {number: _group(plan) for number, plan in plans.items()}
    data = {
        "top": picture.top.number,
        "opened": sorted(opened),
        "groups": groups,
        "gap": {
            "label": LABEL_HEIGHT,
            "padding": PADDING,
            "header": HEADER,
            "line": HEADER_LINE,
            "foot": FOOT,
        },
        "defs": defs,
    }
    theme = picture.theme
    head = f"<style>{style.variables(theme)}\n{style.css(theme)}\n{asset('graph.css')}</style>"
    title = f"Graph of {picture.top.operations} operations"
    legend = (
        f'<svg class="rg" width="{cards.digits(key[1] + 8)}" height="22" role="img">'
        f'<g transform="translate(2 15)">{key[0]}</g></svg>'
    )
    foldable = len(groups) > 1
    buttons = '<button id="unfold">Unfold all</button><button id="fold">Fold all</button>' if foldable else ""
    body = (
        f'<header><h1>{title}</h1><div class="tools">{buttons}'
        '<input id="find" type="search" placeholder="Find" aria-label="Find, Enter unfolds">'
        f'<button id="smaller" aria-label="Smaller">−</button><button id="fit">Fit</button>'
        f'<button id="larger" aria-label="Larger">+</button></div></header>'
        f'<div class="key">{legend}</div><main id="stage"></main>'
        f"<script>const GRAPH={as_script(data)};\n{asset('graph.js')}</script>"
    )
    return document(title, head, body)


def _group(plan):
    parts = []
    for k, part in enumerate(plan.group.parts):
        card = plan.cards[k]
        entry = {
            "l": _r(card.left), "r": _r(card.right), "h": _r(card.height), "x": _r(plan.xs[k]),
            "k": plan.ranks[k], "hold": _r(card.hold), "inset": _r(card.inset), "svg": card.svg,
        }  # fmt: skip
        if part.item is not None:
            entry["item"] = part.item
        if part.group is not None:
            entry["group"] = part.group.number
        if part.port:
            entry["port"] = 1
        parts.append(entry)
    wires = []
    for w in plan.wires:
        pieces = [[rank, _r(x)] for rank, x in w.pieces]
        arrow = not plan.group.parts[w.stop].port
        wires.append(
            [w.start, w.stop, pieces, w.text, int(w.gradient), int(arrow), w.start_port, w.stop_port]
        )
    return {
        "parts": parts, "wires": wires, "heights": plan.heights, "left": _r(plan.left),
        "right": _r(plan.right), "gap": plan.gap, "head": _r(plan.header), "main": plan.main,
        "name": cards.header(plan.group), "path": plan.group.path,
    }  # fmt: skip


def _r(value):
    return round(value, 2)
