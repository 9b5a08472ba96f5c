"""`steps`: the backward walk as a page that plays it, one node after the other."""

from pathlib import Path

import numpy as np

from .. import engine
from ..core.graph import AccumulateGrad, Freed
from ..core.tensor import Tensor, wrap
from . import style
from .formulas import formulas
from .page import as_script, asset, document
from .picture import graph
from .survey import listed, named, reachable, saved_of, shape_text

VALUES_UP_TO = 64  # elements of a gradient that is shown as numbers; of a larger one, statistics
CELL_DIGITS = 3  # of those numbers: eight in a row have room
BINS = 32


def steps(tensor, params=None, *, gradient=None, accumulate=False, max_steps=400, theme="auto"):
    """The backward walk from `tensor`, as an HTML page that plays it: `.save("walk.html")`.

    Each step shows the node that runs, its formulas (from the rows' source), the gradients that come in and
    go out (numbers where they are few, else statistics and a histogram), what is added up where, and the
    memory held: saved tensors, gradients that wait and those of leaves. The graph stays as it is and can be
    walked again. Hooks on tensors and modules run, as in any backward.

    params: as for `graph`. gradient: what to start from, where `tensor` has several elements. accumulate:
    also add to `.grad` of the leaves, as `tensor.backward()` would; else nothing of the user's is changed.
    max_steps: of longer walks, only so many are shown.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"steps() plays the backward of a Tensor, not of a {type(tensor).__name__} [RG170]")
    if tensor.grad_fn is None:
        raise RuntimeError(
            "steps(): this tensor has no grad_fn, so there is no walk to play. Compute it from a tensor with "
            "requires_grad=True, outside of no_grad() [RG170]"
        )
    if gradient is None:
        if tensor._array.size != 1:
            raise RuntimeError(
                f"steps(): a tensor of shape {list(tensor._array.shape)} needs gradient=..., of the same "
                "shape, to start from; only for one element it is 1 [RG170]"
            )
        gradient = wrap(np.ones_like(tensor._array))
    elif tuple(gradient.shape) != tuple(tensor._array.shape):
        raise RuntimeError(
            f"steps(): gradient has shape {list(gradient.shape)}, the tensor {list(tensor._array.shape)}: "
            "they must be equal [RG170]"
        )
    params = listed(params)
    picture = graph(tensor, params, direction="backward", depth=-1, theme=theme)
    nodes = reachable(tensor.grad_fn)
    _check_kept(nodes)
    walk = _Walk(nodes, picture.items, named(params)[0])
    walk.record(tensor, gradient, accumulate)
    return Steps(walk, picture, max_steps, theme)


def _check_kept(nodes):
    for node in nodes:
        if type(node.saved) is Freed:
            node.unpack(False)  # says where they were freed, and what to do


class _Walk:
    """Records what each node is given and gives, in the order in which the engine takes them."""

    def __init__(self, nodes, items, names):
        self.nodes, self.items, self.names = nodes, items, names
        self.index = {node: k for k, node in enumerate(nodes)}  # the survey's items begin with the nodes
        self.steps, self.waiting = [], {}
        self.leaf_bytes = 0
        own = {id(_base(n.variable._array)) for n in nodes if isinstance(n, AccumulateGrad)}
        self.holders, self.sizes = {}, {}  # of each piece of saved memory
        for node in nodes:
            for kept in saved_of(node, names):
                if kept.memory and kept.memory not in own:
                    self.holders[kept.memory] = self.holders.get(kept.memory, 0) + 1
                    self.sizes[kept.memory] = kept.bytes

    def record(self, tensor, gradient, accumulate):
        root = (tensor.grad_fn, tensor._output_nr)
        self.start = [sum(self.sizes.values()), gradient._array.nbytes, 0]
        self.waiting[root[0]] = gradient._array.nbytes
        handles, retained = [], {}
        leaves = [n for n in self.nodes if isinstance(n, AccumulateGrad)]
        hooked = [n for n in self.nodes if n.post_hooks is None and n not in leaves]
        try:
            for node in self.nodes:
                if isinstance(node, AccumulateGrad):
                    handles.append(node.variable.register_hook(lambda g, node=node: self._leaf(node, g)))
                else:
                    handles.append(node.register_hook(lambda gx, g, node=node: self._node(node, gx, g)))
                    if node.retained and not accumulate:
                        retained[node], node.retained = node.retained, None
            targets = None if accumulate else {(n, 0): None for n in leaves}
            engine.walk([root], [gradient], keep=True, targets=targets, accumulate=accumulate)
        finally:
            for handle in handles:
                handle.remove()
            for node, was in retained.items():
                node.retained = was
            for node in hooked:  # without any hook left, the walk needn't look
                node.post_hooks = None if not node.post_hooks else node.post_hooks

    def _node(self, node, inputs, gradients):
        outputs = []
        found = formulas(node)
        self.waiting.pop(node, None)
        saved = saved_of(node, self.names)
        for kept in saved:
            if kept.memory in self.holders:
                self.holders[kept.memory] -= 1
                if not self.holders[kept.memory]:
                    del self.holders[kept.memory], self.sizes[kept.memory]
        for k, ((target, output), g) in enumerate(zip(node.edges, inputs, strict=False)):
            if target is None or g is None:
                continue
            shape = target.shape if target.outputs == 1 else target.shape[output]
            first = target not in self.waiting
            kind = target.dtype if target.outputs == 1 else target.dtype[output]
            size = int(np.prod(shape)) * np.dtype(kind if kind is not None else g._array.dtype).itemsize
            self.waiting[target] = size if first or target.outputs > 1 else self.waiting[target]
            formula = found[k] if k < len(found) else None
            outputs.append(
                {
                    "to": self.index[target],
                    "name": formula.input if formula else f"input {k}",
                    "symbols": formula.symbols if formula else "",
                    "words": formula.words if formula else "",
                    "source": formula.source if formula else "",
                    "g": summary(g._array),
                    "summed": "" if tuple(g.shape) == tuple(shape) else shape_text(shape),
                    "how": "first" if first else "added",
                }
            )
        self._add(node, [summary(g._array) for g in gradients if g is not None], outputs, saved)

    def _leaf(self, node, g):
        self.leaf_bytes += self.waiting.pop(node, g._array.nbytes) if node.variable._grad is None else 0
        self._add(node, [summary(g._array)], [], [])

    def _add(self, node, gradients, outputs, saved):
        self.steps.append(
            {
                "item": self.index[node],
                "g": gradients,
                "out": outputs,
                "saved": [[s.name, s.text, s.of] for s in saved],
                "memory": [sum(self.sizes.values()), sum(self.waiting.values()), self.leaf_bytes],
            }
        )


def _base(array):
    while getattr(array, "base", None) is not None and hasattr(array.base, "dtype"):
        array = array.base
    return array


def summary(array):
    """A gradient for the page: its numbers where they are few, else statistics and a histogram."""
    array = np.asarray(array)
    told = {"shape": shape_text(array.shape), "dtype": str(array.dtype)}
    values = array if array.dtype.kind in "fc" else array.astype(np.float64)
    if array.size <= VALUES_UP_TO:
        rows = values.reshape(-1, values.shape[-1] if values.ndim else 1) if values.size else []
        told["values"] = [[_number(v, CELL_DIGITS) for v in row] for row in rows]
        return told
    flat = np.abs(values).ravel() if values.dtype.kind == "c" else values.ravel().astype(np.float64)
    finite = flat[np.isfinite(flat)]
    told["zeros"] = float((flat == 0).mean())
    told["odd"] = int(flat.size - finite.size)
    if finite.size:
        counts, edges = np.histogram(finite, BINS)
        told["stats"] = [_number(v) for v in (finite.min(), finite.max(), finite.mean(), finite.std())]
        told["norm"] = _number(np.linalg.norm(finite))
        told["bars"] = counts.tolist()
        told["ends"] = [_number(edges[0]), _number(edges[-1])]
    return told


def _number(value, digits=4):
    return f"{value:.{digits}g}" if not np.iscomplexobj(value) else f"{value.real:.3g}{value.imag:+.3g}j"


class Steps:
    """What `steps` returns: `.save("walk.html")` writes the page, `.html()` gives it; `steps` is its data."""

    def __init__(self, walk, picture, max_steps, theme):
        self.count = len(walk.steps)
        self.steps = walk.steps[:max_steps]
        self._start, self._picture, self._theme = walk.start, picture, theme

    def html(self):
        """The page, which needs nothing else."""
        items = [
            [i.title, i.kind, shape_text(i.shape), i.module, i.where, i.marks] for i in self._picture.items
        ]
        data = {"steps": self.steps, "items": items, "start": self._start, "count": self.count}
        head = (
            f"<style>{style.variables(self._theme)}\n{style.css(self._theme)}\n{asset('graph.css')}\n"
            f"{asset('steps.css')}</style>"
        )
        body = (
            asset("steps.html").replace("<!--graph-->", self._picture.svg(self._theme))
            + f"<script>const WALK={as_script(data)};\n{asset('steps.js')}</script>"
        )
        return document("A backward pass, step by step", head, body)

    def save(self, path):
        """Write the page to `path`, which must end in .html."""
        path = Path(path)
        if path.suffix.lower() != ".html":
            raise ValueError(f"save: the steps are a page; {path.name!r} should end in .html [RG171]")
        path.write_text(self.html(), encoding="utf-8")
        return path

    def _repr_html_(self):
        return _framed(self.html())

    def __repr__(self):
        return f"<a backward walk of {self.count} steps; .save('walk.html') and open it>"


def _framed(page):
    """A page inside a notebook's."""
    quoted = page.replace("&", "&amp;").replace('"', "&quot;")
    look = "width:100%;height:720px;border:0"
    return f'<iframe srcdoc="{quoted}" style="{look}" title="A backward pass"></iframe>'
