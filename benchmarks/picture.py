"""The picture of growth: a panel for each series, both axes logarithmic, a line for each library."""

import math

from . import report

WIDTH, PANEL_WIDTH, PANEL_HEIGHT, HEAD = 980, 480, 350, 64
LIBRARIES = {"retrograd": "retrograd", "torch": "PyTorch"}


def picture(figures, series):
    """SVG of {"machine": ..., "series": {kind: {"points": [...]}}}; series: {kind: (title, axis, values)}."""
    from retrograd.profiler.chart import svg

    kinds = [kind for kind in series if figures["series"].get(kind, {}).get("points")]
    body = [_legend(20, 26)]
    threads, cpu = figures["machine"]["threads"], figures["machine"]["cpu"]
    about = f"medians of rounds by turns; {threads} thread{'s' * (threads != 1)} each, {cpu}"
    body.append(f'<text x="{WIDTH - 20}" y="30" text-anchor="end">{about}</text>')
    for i, kind in enumerate(kinds):
        left, top = i % 2 * (PANEL_WIDTH + 10), HEAD + i // 2 * PANEL_HEIGHT
        title, axis, _ = series[kind]
        body.append(_panel(title, axis, figures["series"][kind]["points"], left, top))
    height = HEAD + (len(kinds) + 1) // 2 * PANEL_HEIGHT
    return svg(WIDTH, height, "How a training step grows, retrograd beside PyTorch", "".join(body))


def _mark(i, x, y, title=""):
    """A circle for the first library, a square for the second: told apart without colours too."""
    title = f"<title>{title}</title>" if title else ""
    if i == 0:
        return f'<circle class="s0" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{title}</circle>'
    return f'<rect class="s{i}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8">{title}</rect>'


def _legend(x, y):
    out = []
    for i, name in enumerate(LIBRARIES.values()):
        at = x + 120 * i
        out.append(f'<line class="l{i}" x1="{at}" x2="{at + 28}" y1="{y}" y2="{y}"/>{_mark(i, at + 14, y)}')
        out.append(f'<text x="{at + 36}" y="{y + 4}">{name}</text>')
    return "".join(out)


def _panel(title, axis, points, left, top):
    x0, y0, w, h = left + 104, top + 24, PANEL_WIDTH - 130, PANEL_HEIGHT - 122
    low, high = _range([p[name] for p in points for name in LIBRARIES])
    first, last = math.log10(points[0]["at"]), math.log10(points[-1]["at"])

    def x(value):
        return x0 + (math.log10(value) - first) / ((last - first) or 1) * w

    def y(seconds):
        return y0 + h - (math.log10(seconds) - low) / (high - low) * h

    out = [f'<text class="title" x="{x0}" y="{top + 8}">{title}</text>']
    for tick in _ticks(low, high):
        at = y(tick)
        out.append(f'<line class="axis" x1="{x0 - 8}" x2="{x0 + w + 8}" y1="{at:.1f}" y2="{at:.1f}"/>')
        name = report.number(tick, "s").replace(".00", "").replace(".0 ", " ")
        out.append(f'<text x="{x0 - 16}" y="{at + 4:.1f}" text-anchor="end">{name}</text>')
    middle = y0 + h / 2
    out.append(
        f'<text x="{left + 18}" y="{middle}" text-anchor="middle" '
        f'transform="rotate(-90 {left + 18} {middle})">time of a step</text>'
    )
    below = y0 + h + 22
    out.append(f'<text x="{x0 - 26}" y="{below + 20}" text-anchor="end">ratio</text>')
    for p in points:
        at = f"{x(p['at']):.1f}"
        out.append(f'<text x="{at}" y="{below}" text-anchor="middle">{_count(p["at"])}</text>')
        out.append(f'<text x="{at}" y="{below + 20}" text-anchor="middle">{p["ratio"]:.2f}</text>')
    out.append(f'<text x="{x0 + w / 2}" y="{below + 44}" text-anchor="middle">{axis}</text>')
    for i, (name, shown) in enumerate(LIBRARIES.items()):
        places = " ".join(f"{x(p['at']):.1f},{y(p[name]):.1f}" for p in points)
        out.append(f'<polyline class="l{i}" data-name="{name}" points="{places}"/>')
        for p in points:
            label = f"{shown}, {p['at']:,}: {report.number(p[name], 's')}"
            out.append(_mark(i, x(p["at"]), y(p[name]), label))
    return "".join(out)


def _range(times):
    """The logarithms between which the axis runs: 1, 2 or 5 times a power of ten."""
    steps = [decade + math.log10(k) for decade in range(-9, 6) for k in (1, 2, 5)]
    low = max(s for s in steps if s <= math.log10(min(times)))
    return low, min(s for s in steps if s >= math.log10(max(times)) and s > low)


def _ticks(low, high):
    """Lines of the axis: each 1, 2 and 5 within two decades, else the powers of ten."""
    within = [10.0**d * k for d in range(-9, 6) for k in ((1, 2, 5) if high - low <= 2.2 else (1,))]
    return [t for t in within if low - 1e-9 <= math.log10(t) <= high + 1e-9]


def _count(value):
    """1,000 or, where that is long, a power of ten."""
    if value < 10_000:
        return f"{value:,}"
    return f'10<tspan dy="-5" font-size="9">{round(math.log10(value))}</tspan>'
