"""SVG to PNG, by resvg, an extra.

Compared: resvg-py is one wheel without system libraries; CairoSVG needs cairo from the system; svglib draws
no style sheets; a headless browser is not light.
"""


def png(svg, scale=2.0):
    """PNG bytes of an SVG text, `scale` pixels for each of the picture's."""
    try:
        import resvg_py
    except ImportError as error:
        raise ImportError(
            "a PNG needs resvg-py: pip install 'retrograd[png]' (SVG and HTML need nothing) [RG141]"
        ) from error
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=scale, skip_system_fonts=False))
