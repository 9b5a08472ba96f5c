"""What each part of a picture looks like: its text, its size, its SVG."""

from dataclasses import dataclass
from html import escape

from .survey import FROZEN, LEAF, OPERATION, OUTPUT_MARK, PARAMETER, shape_text

SANS = "-apple-system, 'Segoe UI', Inter, Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
LONGEST = 44  # characters of a name before its middle is left out
SAVED_LINES = 4
_NARROW, _WIDE = set("iljtfrI.,:;|!'()[] "), set("mwMW@%")


def text_width(text, size, bold=False, mono=False):
    """The width of a text in pixels, estimated on the safe side as nobody knows the reader's fonts."""
    if mono:
        return len(text) * size * 0.61
    width = sum(0.34 if c in _NARROW else 0.92 if c in _WIDE else 0.72 if c.isupper() else 0.58 for c in text)
    return width * size * (1.07 if bold else 1.0)


def shortened(text, length=LONGEST):
    """A text with its middle left out where it is longer than `length`."""
    if len(text) <= length:
        return text
    head = length * 2 // 5
    return f"{text[:head]}…{text[len(text) - (length - head - 1) :]}"


def size_text(count):
    """`11.2 M` of 11,200,000."""
    for unit, least in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= least:
            return f"{count / least:.3g}\u202f{unit}"
    return str(count)


def bytes_text(count):
    """`1.5 MiB` of 1,572,864."""
    for unit, least in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= least:
            return f"{count / least:.3g}\u202f{unit}"
    return f"{count}\u202fB"


@dataclass
class Card:
    """A drawing around its own axis: x from -left to right, y from 0 to height."""

    left: float
    right: float
    height: float
    svg: str
    hold: float = 0.0  # how far from the axis lines may touch it
    inset: float = 0.0  # how far below its top (and above its bottom) they do


def split_name(name):
    """(`Addmm`, `Backward0`) of `AddmmBackward0`."""
    at = name.find("Backward")
    return (name[:at], name[at:]) if at > 0 else (name, "")


def _within(name, path):
    """A name as it is called inside the module `path`."""
    return name[len(path) + 1 :] if path and name.startswith(path + ".") else "" if name == path else name


def operation(item, beside, forward, saved=True, uses=1, path=""):
    """The card of an operation, with the leaves that it alone uses at its right; `path`: the module it is
    drawn in."""
    stem, rest = split_name(item.title)
    lines = []  # (class, text)
    module = _within(item.module, path)
    if module:
        lines.append(("rg-m", shortened(f"module {module}" if module.isdigit() else module)))
    if item.freed:
        lines.append(("rg-s", "saved values freed"))
    elif saved:
        lines += [("rg-s", _saved_line(s)) for s in item.saved[:SAVED_LINES]]
        more = len(item.saved) - SAVED_LINES
        if more > 0:
            lines.append(("rg-s", f"and {more} more"))
    badges = list(item.marks) + ([f"used {uses}×"] if uses > 1 else [])
    title = text_width(shortened(stem, 30), 13, bold=True) + text_width(rest, 13)
    wide = max([title, *[text_width(t, 10.5, mono=True) for _, t in lines]]) + 26
    wide = max(wide, sum(text_width(b, 9.5, bold=True) + 18 for b in badges) + 12, 96)
    height = 30 + 14 * len(lines) + (20 if badges else 0) - (2 if not lines and not badges else 0)
    half = wide / 2
    pills = [leaf(i, path=path) for i in beside]
    stack = sum(p.height for p in pills) + 6 * (len(pills) - 1) if pills else 0
    total = max(height, stack)
    top = (total - height) / 2
    tip = escape("\n".join(t for t in (item.title, shape_text(item.shape), item.where, *_full(item)) if t))
    svg = [f'<g class="rg-op" transform="translate(0 {digits(top)})">']
    svg.append(f"<title>{tip}</title>")
    svg.append(f'<rect x="{digits(-half)}" y="0" width="{digits(wide)}" height="{digits(height)}" rx="6"/>')
    svg.append(f'<text class="rg-t" x="{digits(12 - half)}" y="19">{escape(shortened(stem, 30))}')
    svg.append(f'<tspan class="rg-d">{escape(rest)}</tspan></text>')
    y = 34
    for kind, text in lines:
        svg.append(f'<text class="{kind}" x="{digits(12 - half)}" y="{y}">{escape(text)}</text>')
        y += 14
    x = 10 - half
    for badge in badges:
        wide_badge = text_width(badge, 9.5, bold=True) + 12
        kind = "rg-b rg-bi" if badge in ("in place", "write through a view") else "rg-b"
        svg.append(f'<g class="{kind}" transform="translate({digits(x)} {y - 9})">')
        svg.append(f'<rect width="{digits(wide_badge)}" height="15" rx="7.5"/>')
        svg.append(f'<text x="{digits(wide_badge / 2)}" y="11">{escape(badge)}</text></g>')
        x += wide_badge + 6
    svg.append("</g>")
    right = half
    y = (total - stack) / 2
    for which, pill in zip(beside, pills, strict=True):
        at = half + 22 + pill.left
        middle = min(max(y + pill.height / 2, top + 8), top + height - 8)
        line = (half + 22, y + pill.height / 2, half, middle)
        x1, y1, x2, y2 = line if forward else (line[2], line[3], line[0], line[1])
        cls = "rg-e rg-z" if "rg-frozen" in pill.svg else "rg-e"
        svg.append(
            f'<path class="{cls}" marker-end="url(#rg-a)" '
            f'd="M{digits(x1)} {digits(y1)}L{digits(x2)} {digits(y2)}"/>'
        )
        svg.append(
            f'<g data-item="{which.index}" transform="translate({digits(at)} {digits(y)})">{pill.svg}</g>'
        )
        right = max(right, at + pill.right)
        y += pill.height + 6
    return Card(half, right, total, "".join(svg), half - 8, top)


def leaf(item, uses=1, path=""):
    """The card of a leaf, a parameter, frozen parameters or the output."""
    name, shape = shortened(_within(item.title, path)), shape_text(item.shape)
    if item.kind == FROZEN:
        shape = shape if item.count == 1 else f"{item.count} tensors, {size_text(item.elements)} elements"
        shape += "" if item.count > 1 else "  frozen"
    shape += f"  used {uses}×" if uses > 1 else ""
    wide = max(text_width(name, 11.5, bold=True), text_width(shape, 10.5, mono=True)) + 28
    kind = {LEAF: "rg-leaf", PARAMETER: "rg-param", FROZEN: "rg-frozen", OUTPUT_MARK: "rg-out"}[item.kind]
    tip = escape(f"{item.title} {shape} {item.dtype}")
    svg = (
        f'<g class="{kind}"><title>{tip}</title>'
        f'<rect x="{digits(-wide / 2)}" y="0" width="{digits(wide)}" height="36" rx="18"/>'
        f'<text class="rg-n" x="0" y="16">{escape(name)}</text>'
        f'<text class="rg-h" x="0" y="29">{escape(shape)}</text></g>'
    )
    return Card(wide / 2, wide / 2, 36, svg, wide / 2 - 14)


def mention(item):
    """A reference to something drawn elsewhere."""
    text = "see " + shortened(item.title if item.kind != OPERATION else split_name(item.title)[0], 24)
    wide = text_width(text, 10.5) + 24
    svg = (
        f'<g class="rg-mention"><title>{escape(item.title)}, drawn elsewhere</title>'
        f'<rect x="{digits(-wide / 2)}" y="0" width="{digits(wide)}" height="20" rx="10"/>'
        f'<text x="0" y="14">{escape(text)}</text></g>'
    )
    return Card(wide / 2, wide / 2, 20, svg, wide / 2 - 10)


def group(folded, name):
    """The card of a folded group."""
    counts = f"{folded.operations} operations"
    if folded.parameters:
        counts += f" · {size_text(folded.parameters)} parameters"
    if folded.saved:
        counts += f" · saves {bytes_text(folded.saved)}"
    kind = folded.repeats or folded.kind
    name = shortened(name)
    half = max(_name_width(name, kind), text_width(counts, 10.5) + 28) / 2
    svg = (
        f'<g class="rg-box"><title>{escape(f"{folded.path} {kind}: {counts}")}</title>'
        f'<rect class="rg-under" x="{digits(4 - half)}" y="4" width="{digits(2 * half)}" height="44" rx="8"/>'
        f'<rect x="{digits(-half)}" y="0" width="{digits(2 * half)}" height="44" rx="8"/>'
        f'<path class="rg-v" d="M{digits(14 - half)} 10l7 4.5-7 4.5z"/>{_name(28 - half, name, kind)}'
        f'<text class="rg-c" x="{digits(14 - half)}" y="36">{escape(counts)}</text></g>'
    )
    return Card(half, half + 4, 48, svg, half - 10)


def header(unfolded):
    """The name of an unfolded group, from its upper left corner."""
    name, kind = shortened(unfolded.path), unfolded.repeats or unfolded.kind
    return f'<path class="rg-v" d="M13 12h9l-4.5 7z"/>{_name(28, name, kind)}'


def header_width(unfolded):
    return _name_width(shortened(unfolded.path), unfolded.repeats or unfolded.kind)


def _name(x, name, kind):
    more = f'<tspan class="rg-k" dx="8">{escape(kind)}</tspan>' if kind else ""
    return f'<text class="rg-t" x="{digits(x)}" y="19">{escape(name)}{more}</text>'


def _name_width(name, kind):
    return text_width(name, 13, bold=True) + (text_width(kind, 11.5) + 10 if kind else 0) + 44


def _saved_line(saved):
    size = f" {bytes_text(saved.bytes)}" if saved.bytes >= 1024 else ""
    return f"saves {saved.name} {saved.text}{size}"


def _full(item):
    return [f"saves {s.name} {s.text} {bytes_text(s.bytes)} {s.of}".rstrip() for s in item.saved]


def digits(value):
    """A number as short as it can be: two digits, no trailing zeros."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
