"""The colours and letters of the pictures, for light and dark."""

from .cards import MONO, SANS, digits

LIGHT = {
    "page": "#ffffff", "text": "#1f2328", "dim": "#59636e", "faint": "#67717c",
    "op": "#f6f8fa", "op-line": "#c8d1da", "line": "#8c959f", "label": "#59636e",
    "leaf": "#ddf4ff", "leaf-line": "#54aeff", "leaf-text": "#0a3069",
    "param": "#dff5e3", "param-line": "#4ac26b", "param-text": "#0f5323",
    "frozen": "#f3f4f6", "frozen-line": "#c2c8cf", "frozen-text": "#67717c",
    "out": "#fff1d6", "out-line": "#e0a526", "out-text": "#693e00",
    "box": "#f4f1fd", "box-line": "#b3a0ec", "box-text": "#4c3a94", "frame": "#faf8ff",
    "badge": "#ede8fb", "badge-text": "#5b45ad", "write": "#ffe2d1", "write-text": "#953800",
    "grid": "#e7eaee", "good": "#1a7f37", "bad": "#cf222e", "warn": "#9a6700", "bar": "#54aeff",
}  # fmt: skip
DARK = {
    "page": "#0d1117", "text": "#e6edf3", "dim": "#9fa7b0", "faint": "#858e99",
    "op": "#181f28", "op-line": "#3d444d", "line": "#6e7681", "label": "#9198a1",
    "leaf": "#10243f", "leaf-line": "#2f6fce", "leaf-text": "#a5d6ff",
    "param": "#10291a", "param-line": "#2f8f46", "param-text": "#8ddb9f",
    "frozen": "#15191f", "frozen-line": "#343a42", "frozen-text": "#858e99",
    "out": "#2e2211", "out-line": "#a87a1d", "out-text": "#f0c674",
    "box": "#1e1a33", "box-line": "#6a58b5", "box-text": "#cbbcff", "frame": "#12111c",
    "badge": "#2b2447", "badge-text": "#cbbcff", "write": "#3d2313", "write-text": "#ffb38a",
    "grid": "#21262d", "good": "#3fb950", "bad": "#ff7b72", "warn": "#d29922", "bar": "#2f6fce",
}  # fmt: skip

RULES = f"""
{{s}} text{{{{font-family:{SANS}}}}}
{{s}} .rg-page{{{{fill:{{page}}}}}}
{{s}} .rg-t{{{{font-size:13px;font-weight:600;fill:{{text}}}}}}
{{s}} .rg-d{{{{font-weight:400;fill:{{faint}}}}}}
{{s}} .rg-m{{{{font:10.5px {MONO};fill:{{dim}}}}}}
{{s}} .rg-s{{{{font:10.5px {MONO};fill:{{faint}}}}}}
{{s}} .rg-op>rect{{{{fill:{{op}};stroke:{{op-line}}}}}}
{{s}} .rg-n{{{{font-size:11.5px;font-weight:600;text-anchor:middle}}}}
{{s}} .rg-h{{{{font:10.5px {MONO};text-anchor:middle}}}}
{{s}} .rg-leaf rect{{{{fill:{{leaf}};stroke:{{leaf-line}}}}}}
{{s}} .rg-leaf text{{{{fill:{{leaf-text}}}}}}
{{s}} .rg-param rect{{{{fill:{{param}};stroke:{{param-line}}}}}}
{{s}} .rg-param text{{{{fill:{{param-text}}}}}}
{{s}} .rg-frozen rect{{{{fill:{{frozen}};stroke:{{frozen-line}};stroke-dasharray:4 3}}}}
{{s}} .rg-frozen text{{{{fill:{{frozen-text}}}}}}
{{s}} .rg-out rect{{{{fill:{{out}};stroke:{{out-line}}}}}}
{{s}} .rg-out text{{{{fill:{{out-text}}}}}}
{{s}} .rg-mention rect{{{{fill:{{page}};stroke:{{line}};stroke-dasharray:3 3}}}}
{{s}} .rg-mention text{{{{font-size:10.5px;text-anchor:middle;fill:{{dim}}}}}}
{{s}} .rg-box rect{{{{fill:{{box}};stroke:{{box-line}}}}}}
{{s}} .rg-box .rg-t,{{s}} .rg-frame .rg-t{{{{fill:{{box-text}}}}}}
{{s}} .rg-v{{{{fill:{{box-line}}}}}}
{{s}} .rg-k{{{{font-size:11.5px;font-weight:400;fill:{{dim}}}}}}
{{s}} .rg-c{{{{font-size:10.5px;fill:{{dim}}}}}}
{{s}} .rg-frame>rect{{{{fill:{{frame}};stroke:{{box-line}}}}}}
{{s}} .rg-b rect{{{{fill:{{badge}}}}}}
{{s}} .rg-b text{{{{font-size:9.5px;font-weight:600;text-anchor:middle;fill:{{badge-text}}}}}}
{{s}} .rg-bi rect{{{{fill:{{write}}}}}}
{{s}} .rg-bi text{{{{fill:{{write-text}}}}}}
{{s}} .rg-e{{{{fill:none;stroke:{{line}};stroke-width:1.2}}}}
{{s}} .rg-z{{{{stroke-dasharray:4 3;stroke:{{frozen-line}}}}}}
{{s}} .rg-arrow{{{{fill:{{line}}}}}}
{{s}} .rg-l{{{{font:10.5px {MONO};fill:{{label}};stroke:{{page}};stroke-width:3px;paint-order:stroke}}}}
{{s}} .rg-key{{{{font-size:10.5px;fill:{{dim}}}}}}
"""


def css(theme="auto", scope=".rg", rules=RULES):
    """The style sheet. theme: "light", "dark", or "auto": what the reader's system says."""
    if theme not in ("auto", "light", "dark"):
        raise ValueError(f'theme is "auto", "light" or "dark", not {theme!r} [RG048]')
    light = rules.format(s=scope, **(DARK if theme == "dark" else LIGHT)).strip()
    if theme != "auto":
        return light
    dark = rules.format(s=scope, **DARK).strip()
    return f"{light}\n@media (prefers-color-scheme:dark){{\n{dark}\n}}"


def sheet(width, height, label, rules, body):
    """A whole SVG with its style sheet, as wide as there is room for."""
    width, height = digits(width), digits(height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="rg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{label}" style="max-width:100%;height:auto">'
        f'<style>{rules}</style><rect class="rg-page" width="100%" height="100%"/>{body}</svg>'
    )


def variables(theme="auto"):
    """The colours as CSS variables, for pages."""

    def block(colours):
        return ";".join(f"--{name}:{value}" for name, value in colours.items())

    if theme != "auto":
        return f":root{{{block(DARK if theme == 'dark' else LIGHT)};color-scheme:{theme}}}"
    return (
        f":root{{{block(LIGHT)};color-scheme:light dark}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{block(DARK)}}}}}"
    )
