"""How the record of `gradients` looks: a table of text, a picture, a page."""

import math
from html import escape
from pathlib import Path

import numpy as np

from . import cards, style
from .page import as_script, asset, document
from .png import png

COLUMNS = 110  # at most so many moments are drawn; of the records that one stands for, the largest
LEVELS = 28
LONGEST = 36  # characters of a layer's name
_RAMP = ["#2b1d5c", "#3a4fa0", "#2c7fb0", "#2bab9c", "#7fcb5f", "#f2dd3f"]
_ROW, _CELL, _LEFT, _TOP = 17, 5.4, 16, 62
_RULES = """
{{s}} .rg-head{{{{font-size:14px;font-weight:600;fill:{{text}}}}}}
{{s}} .rg-sub{{{{font-size:11px;fill:{{dim}}}}}}
{{s}} .rg-name{{{{font:11px {mono};fill:{{text}};text-anchor:end}}}}
{{s}} .rg-value{{{{font:11px {mono};fill:{{dim}};text-anchor:end}}}}
{{s}} .rg-bad{{{{font-size:11px;font-weight:600;fill:{{bad}}}}}}
{{s}} .rg-empty{{{{fill:{{grid}}}}}}
{{s}} .rg-odd{{{{fill:{{bad}}}}}}
""".format(mono=cards.MONO)


class Health:
    """The forms of a record: `print`, `.save("x.svg")` (or .html, .png, .txt), and a notebook shows it."""

    def table(self):
        """The layers as text: gradient norms at first, now, the range, and the flag."""
        norms, flags = self.layer_norms(), self.flags
        if not len(norms):
            return "no backward recorded yet"
        rows = [("layer", "", "first", "last", "smallest", "largest", "")]
        for i, layer in enumerate(self.layers):
            column = norms[:, i][~np.isnan(norms[:, i])]
            told = (column[0], column[-1], column.min(), column.max()) if column.size else (math.nan,) * 4
            name = layer or "(model)"
            rows.append((name, self.types.get(layer, ""), *[_short(v) for v in told], flags.get(layer, "")))
        widths = [max(len(row[c]) for row in rows) for c in range(7)]
        lines = []
        for row in rows:
            left = [row[c].ljust(widths[c]) for c in (0, 1)]
            lines.append("  ".join([*left, *[row[c].rjust(widths[c]) for c in range(2, 6)], row[6]]).rstrip())
        count = len(norms)
        lines.insert(0, f"norms of gradients, {count} backward{'s' if count > 1 else ''} recorded")
        return "\n".join(lines)

    __str__ = table

    def __repr__(self):
        flags = self.flags
        said = (
            ", ".join(f"{layer or '(model)'}: {what}" for layer, what in flags.items()) or "nothing looks ill"
        )
        return f"<gradients of {len(self.layers)} layers, {len(self.norms)} records; {said}>"

    def svg(self, theme="auto"):
        """The picture: a row per layer, time to the right, the norm as colour."""
        norms = self.layer_norms()
        names = [_shown(layer, self.types.get(layer, "")) for layer in self.layers]
        flags = self.flags
        wide = max([cards.text_width(n, 11, mono=True) for n in names], default=0) + _LEFT
        cells, spans = _binned(norms)
        low, high = _range(cells)
        plot = max(len(spans), 1) * _cell(spans)
        x0 = wide + 10
        said = max([cards.text_width(f, 11, bold=True) for f in flags.values()], default=0)
        width = max(x0 + plot + 64 + (said + 18 if said else 0) + _LEFT, 430)
        height = _TOP + len(names) * _ROW + 44
        out = [
            f'<text class="rg-head" x="{_LEFT}" y="24">Norms of gradients</text>',
            f'<text class="rg-sub" x="{_LEFT}" y="42">{escape(self._summary(flags))}</text>',
            _scale(width - _LEFT, low, high),
        ]
        for i, layer in enumerate(self.layers):
            y = _TOP + i * _ROW
            out.append(f'<text class="rg-name" x="{cards.digits(wide)}" y="{y + 12}">{escape(names[i])}'
                       f"<title>{escape(layer)}</title></text>")  # fmt: skip
            out.append(_row(cells[:, i] if len(cells) else [], spans, x0, y, low, high))
            last = norms[-1, i] if len(norms) else math.nan
            out.append(
                f'<text class="rg-value" x="{cards.digits(x0 + plot + 58)}" y="{y + 12}">'
                f"{_short(last)}</text>"
            )
            if layer in flags:
                at = cards.digits(x0 + plot + 70)
                out.append(f'<text class="rg-bad" x="{at}" y="{y + 12}">{escape(flags[layer])}</text>')
        out.append(self._axis(x0, plot, _TOP + len(names) * _ROW, spans))
        rules = style.css(theme, rules=style.RULES + _RULES)
        return style.sheet(width, height, "Norms of gradients", rules, "".join(out))

    def _summary(self, flags):
        if not self.norms:
            return "no backward recorded yet"
        count = f"{len(self.norms)} backward{'s' if len(self.norms) > 1 else ''} recorded"
        if not flags:
            return f"{count}, nothing looks ill"
        return f"{count}, {len(flags)} of {len(self.layers)} layers flagged"

    def _axis(self, x0, plot, y, spans):
        if not spans:
            return ""
        first, last = self.backwards[0], self.backwards[-1]
        text = f'<text class="rg-sub" x="{cards.digits(x0)}" y="{y + 16}">backward {first}</text>'
        if last > first:
            text += (
                f'<text class="rg-sub" x="{cards.digits(x0 + max(plot, 150))}" y="{y + 16}" '
                f'text-anchor="end">{last}</text>'
            )
        return text

    def html(self, theme="auto"):
        """The picture as a page that tells each number, with the table, in one file."""
        cells, spans = _binned(self.layer_norms())
        data = {
            "layers": list(self.layers),
            "cells": [[_short(v) for v in row] for row in cells],
            "spans": [[self.backwards[a], self.backwards[b - 1]] for a, b in spans],
        }
        head = f"<style>{style.variables(theme)}\n{asset('graph.css')}\n{asset('health.css')}</style>"
        body = (
            f'<main id="health">{self.svg(theme)}<div id="tip" role="status" hidden></div>'
            f"{self._rows()}</main>"
            f"<script>const HEALTH={as_script(data)};\n{asset('health.js')}</script>"
        )
        return document("Norms of gradients", head, body)

    def _rows(self):
        norms, flags = self.layer_norms(), self.flags
        lines = []
        for i, layer in enumerate(self.layers):
            column = norms[:, i][~np.isnan(norms[:, i])] if len(norms) else np.zeros(0)
            told = (column[0], column[-1], column.min(), column.max()) if column.size else (math.nan,) * 4
            numbers = "".join(f"<td>{_short(v)}</td>" for v in told)
            lines.append(
                f"<tr><th>{escape(layer or '(model)')}</th><td>{escape(self.types.get(layer, ''))}</td>"
                f'{numbers}<td class="flag">{escape(flags.get(layer, ""))}</td></tr>'
            )
        return (
            "<table><thead><tr><th>layer</th><th>kind</th><th>first</th><th>last</th><th>smallest</th>"
            f"<th>largest</th><th></th></tr></thead><tbody>{''.join(lines)}</tbody></table>"
        )

    def save(self, path):
        """Write the record to `path`: .svg, .html, .png (needs the extra `retrograd[png]`) or .txt."""
        path = Path(path)
        kind = path.suffix.lower().lstrip(".")
        if kind not in ("svg", "html", "png", "txt"):
            raise ValueError(
                f"save: the ending of {path.name!r} says no form; use one of .svg, .html, .png, .txt [RG171]"
            )
        if kind == "png":
            path.write_bytes(png(self.svg("light")))
        else:
            text = {"svg": self.svg, "html": self.html, "txt": self.table}[kind]()
            path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
        return path

    def _repr_svg_(self):
        return self.svg()

    def _repr_html_(self):
        return self.svg()


def _shown(layer, kind):
    """A layer's path, with its class where there is room."""
    both = f"{layer or '(model)'} {kind}".rstrip()
    return both if len(both) <= LONGEST else cards.shortened(layer or "(model)", LONGEST)


def _short(value):
    return "–" if math.isnan(value) else f"{value:.3g}"


def _binned(norms):
    """(the largest norm per moment and layer, which records each moment stands for)."""
    count = len(norms)
    if not count:
        return np.zeros((0, norms.shape[1] if norms.ndim > 1 else 0)), []
    bins = min(count, COLUMNS)
    edges = [count * k // bins for k in range(bins + 1)]
    spans = list(zip(edges[:-1], edges[1:], strict=True))
    rows = []
    for a, b in spans:
        part = norms[a:b]
        rows.append(np.max(np.where(np.isnan(part), -1.0, part), axis=0))
    cells = np.array(rows)
    return np.where(cells < 0, np.nan, cells), spans


def _cell(spans):
    return max(_CELL, min(26.0, 330 / max(len(spans), 1)))


def _range(cells):
    """The decades that the colours stand for."""
    seen = cells[np.isfinite(cells) & (cells > 0)]
    if not seen.size:
        return 0, 1
    low, high = math.floor(math.log10(seen.min())), math.ceil(math.log10(seen.max()))
    low = max(low, high - 12)
    return low, max(high, low + 1)


def _row(values, spans, x0, y, low, high):
    """A layer's cells, equal neighbours in one."""
    out, run = [], None
    cell = _cell(spans)
    for k, value in enumerate([*values, None]):
        fill = None if value is None else _fill(value, low, high)
        if run is not None and fill != run[1]:
            start, colour = run
            look = f'class="{colour}"' if colour.startswith("rg-") else f'fill="{colour}"'
            out.append(
                f'<rect {look} x="{cards.digits(x0 + start * cell)}" y="{y + 1}" '
                f'width="{cards.digits((k - start) * cell)}" height="{_ROW - 2}"/>'
            )
            run = None
        if run is None and fill is not None:
            run = (k, fill)
    return f'<g class="rg-cells" shape-rendering="crispEdges">{"".join(out)}</g>'


def _fill(value, low, high):
    if math.isnan(value) or value == 0:
        return "rg-empty"
    if math.isinf(value):
        return "rg-odd"
    part = (math.log10(value) - low) / (high - low)
    return _colour(round(min(max(part, 0.0), 1.0) * (LEVELS - 1)) / (LEVELS - 1))


def _colour(part):
    at = part * (len(_RAMP) - 1)
    k = min(int(at), len(_RAMP) - 2)
    a, b = ([int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in _RAMP[k : k + 2])
    return "#" + "".join(f"{round(p + (q - p) * (at - k)):02x}" for p, q in zip(a, b, strict=True))


def _scale(right, low, high):
    """What the colours stand for."""
    wide = 120
    x = right - wide
    parts = "".join(
        f'<rect fill="{_colour(k / 23)}" x="{cards.digits(x + k * wide / 24)}" y="16" '
        f'width="{cards.digits(wide / 24 + 0.3)}" height="9"/>'
        for k in range(24)
    )
    return (
        f'{parts}<text class="rg-sub" x="{cards.digits(x)}" y="38">1e{low}</text>'
        f'<text class="rg-sub" x="{cards.digits(right)}" y="38" text-anchor="end">1e{high}</text>'
    )
