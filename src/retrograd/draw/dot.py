"""A graph in Graphviz' language, for those who have it."""

from .survey import FROZEN, LEAF, OPERATION, OUTPUT_MARK, PARAMETER, shape_text

_STYLES = {
    OPERATION: 'shape=box, style="rounded,filled", fillcolor="#f6f8fa", color="#c8d1da"',
    LEAF: 'shape=box, style="rounded,filled", fillcolor="#ddf4ff", color="#54aeff"',
    PARAMETER: 'shape=box, style="rounded,filled", fillcolor="#dff5e3", color="#4ac26b"',
    FROZEN: 'shape=box, style="rounded,filled,dashed", fillcolor="#f3f4f6", color="#c2c8cf"',
    OUTPUT_MARK: 'shape=box, style="rounded,filled", fillcolor="#fff1d6", color="#e0a526"',
}


def dot(survey, forward=True):
    """`digraph` text with a cluster per module that has several items."""
    tree = {"": {}}
    for item in survey.items:
        module = item.module or (item.title.rpartition(".")[0] if item.count == 1 else "")
        at = tree[""]
        for name in module.split(".") if module else ():
            at = at.setdefault(name, {})
        at.setdefault(None, []).append(item)
    lines = [
        "digraph {",
        "  node [fontname=Helvetica, fontsize=11]",
        "  edge [fontname=Helvetica, fontsize=9]",
    ]
    _cluster(tree[""], "", "  ", lines)
    for link in survey.links:
        a, b = (link.source, link.target) if forward else (link.target, link.source)
        look = [f'label="{shape_text(link.shape)}"'] if link.shape is not None else []
        look += [] if link.gradient else ["style=dashed"]
        lines.append(f"  n{a} -> n{b}" + (f" [{', '.join(look)}]" if look else ""))
    lines.append("}")
    return "\n".join(lines)


def _cluster(level, path, indent, lines):
    for item in level.get(None, ()):
        text = [item.title] + ([shape_text(item.shape)] if item.shape is not None else [])
        text += [f"saves {s.name} {s.text}" for s in item.saved] + item.marks
        label = "\\n".join(_quoted(t) for t in text)
        lines.append(f'{indent}n{item.index} [label="{label}", {_STYLES[item.kind]}]')
    for name, inner in level.items():
        if name is None:
            continue
        below = f"{path}.{name}" if path else name
        if _size(inner) < 2:
            _cluster(inner, below, indent, lines)
            continue
        lines.append(f'{indent}subgraph "cluster_{_quoted(below)}" {{')
        lines.append(f'{indent}  label="{_quoted(below)}"; style=rounded; color="#b3a0ec"')
        _cluster(inner, below, indent + "  ", lines)
        lines.append(f"{indent}}}")


def _size(level):
    return sum(len(v) if k is None else _size(v) for k, v in level.items())


def _quoted(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')
