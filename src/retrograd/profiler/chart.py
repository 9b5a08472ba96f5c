"""Charts as SVG that stand alone and are readable on light and on dark ground."""

import math
from html import escape

LIGHT = (
    "#3b6fb6", "#d9822b", "#3d9a5f", "#b5459b", "#8a6fd1", "#b0892f", "#2f9aa8", "#c2504c", "#6d7f8f",
    "#9a6b4f",
)  # fmt: skip
DARK = (
    "#7fb0f2", "#f0a95c", "#74cf97", "#e389cc", "#b9a3f5", "#dcbc68", "#6dd0dd", "#f08d88", "#a5b6c5",
    "#cfa285",
)  # fmt: skip
MOST = 9  # series with a colour of their own; the others are added up
UNITS = (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1))  # as format_memory writes them
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 44  # margins


def style():
    """Colours for light and dark ground: series `.s0`, `.s1`, ... as fills, `.l0` ... as lines."""
    def rules(palette, ink, faint, ground):
        text = f".ground{{fill:{ground}}}text{{fill:{ink}}}.axis{{stroke:{faint}}}"
        return text + "".join(
            f".s{i}{{fill:{c}}}.l{i}{{stroke:{c};fill:none;stroke-width:2}}" for i, c in enumerate(palette)
        )

    return (
        "<style>text{font:12px system-ui,sans-serif}.title{font-size:14px;font-weight:600}"
        + rules(LIGHT, "#222", "#ccc", "#fff")
        + "@media(prefers-color-scheme:dark){"
        + rules(DARK, "#eee", "#444", "#16191d")
        + "}</style>"
    )


def nice_ticks(most, count=5):
    """Round numbers from 0 to `most`, about `count` of them."""
    if most <= 0:
        return [0.0]
    rough = most / count
    size = 10 ** math.floor(math.log10(rough))
    step = next(s * size for s in (1, 2, 5, 10) if s * size >= rough)
    return [i * step for i in range(int(most / step + 1e-9) + 1)]


def legend(names, x, y, row=20, mark="s"):
    """Squares with names below each other."""
    return "".join(
        f'<rect class="{mark}{i}" x="{x}" y="{y + i * row}" width="12" height="12" rx="2"/>'
        f'<text x="{x + 18}" y="{y + i * row + 10}">{escape(str(name))}</text>'
        for i, name in enumerate(names)
    )


def svg(width, height, title, body):
    """A whole SVG document."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}">{style()}'
        f'<rect class="ground" width="{width}" height="{height}"/>{body}</svg>\n'
    )


def page(title, picture, text):
    """A page of HTML around a picture, that needs nothing beside it."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<style>:root{color-scheme:light dark}body{font:15px system-ui,sans-serif;margin:1.5em auto;"
        "max-width:960px;padding:0 1em;background:#fff;color:#222}svg{max-width:100%;height:auto}"
        "pre{font-size:13px;overflow-x:auto;margin-left:64px}"
        "@media(prefers-color-scheme:dark){body{background:#16191d;color:#eee}}</style></head>"
        f"<body>{picture}<pre>{escape(text)}</pre></body></html>\n"
    )


def stacked(samples, width, height):
    """Bytes by what holds them, stacked over time. samples: (seconds, {what: bytes})."""
    largest = {}
    for _, held in samples:
        for what, count in held.items():
            largest[what] = max(largest.get(what, 0), count)
    # What stays lies below; then what is saved for backward, and what comes and goes above all.
    names = sorted(largest, key=lambda n: (n == "temporary", n.startswith("saved by "), -largest[n]))
    shown = names
    if len(names) > MOST:
        saved = sorted((n for n in names if n.startswith("saved by ")), key=lambda n: -largest[n])
        dropped = set(saved[max(1, MOST - 1 - (len(names) - len(saved))) :])
        shown = [n for n in names if n not in dropped] + ["saved by others"]
        samples = [(at, _joined(held, dropped)) for at, held in samples]
    plot_width, plot_height = width - LEFT - RIGHT - 210, height - TOP - BOTTOM
    whole = samples[-1][0] if samples else 0.0
    most = max((sum(held.values()) for _, held in samples), default=0)

    def x(at):
        return LEFT + (at / whole if whole else 0) * plot_width

    def y(count):
        return TOP + plot_height - (count / most if most else 0) * plot_height

    unit, size = next((u, s) for u, s in UNITS if most >= s or s == 1)
    body = [f'<text class="title" x="{LEFT}" y="20">Memory by what holds it ({unit})</text>']
    for tick in nice_ticks(most / size):
        at = y(tick * size)
        body.append(f'<line class="axis" x1="{LEFT}" x2="{LEFT + plot_width}" y1="{at:.1f}" y2="{at:.1f}"/>')
        body.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in nice_ticks(whole * 1e3):
        body.append(
            f'<text x="{x(tick / 1e3):.1f}" y="{height - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>'
        )
    middle = LEFT + plot_width / 2
    body.append(f'<text x="{middle}" y="{height - 8}" text-anchor="middle">milliseconds</text>')
    points = _thinned(samples, int(plot_width))
    below = [0.0] * len(points)
    for i, name in enumerate(shown):
        above = [b + held.get(name, 0) for b, (_, held) in zip(below, points, strict=True)]
        outline, label = _band(points, below, above, x, y), escape(name)
        body.append(
            f'<path class="s{i % len(LIGHT)}" data-name="{label}" d="{outline}"><title>{label}</title></path>'
        )
        below = above
    body.append(legend(shown, LEFT + plot_width + 20, TOP))
    return svg(width, height, "Memory by what holds it", "".join(body))


def _joined(held, dropped):
    out = {n: count for n, count in held.items() if n not in dropped}
    out["saved by others"] = sum(count for n, count in held.items() if n in dropped)
    return out


def _thinned(samples, count):
    """At most one sample for each of `count` stretches of time, that with the most memory; and the last."""
    if len(samples) <= count or not samples[-1][0]:
        return samples
    best = {}
    for at, held in samples:
        place = int(at / samples[-1][0] * count)
        if place not in best or sum(held.values()) > sum(best[place][1].values()):
            best[place] = (at, held)
    return [best[place] for place in sorted(best)]


def _band(points, below, above, x, y):
    """The outline of one series, in steps: memory is held until it changes."""
    if not points:
        return ""
    there, back = [], []
    for i, (at, _) in enumerate(points):
        end = points[i + 1][0] if i + 1 < len(points) else at
        there.append(f"{x(at):.1f},{y(above[i]):.1f} {x(end):.1f},{y(above[i]):.1f}")
        back.append(f"{x(end):.1f},{y(below[i]):.1f} {x(at):.1f},{y(below[i]):.1f}")
    return "M" + " L".join([*there, *reversed(back)]) + "Z"
