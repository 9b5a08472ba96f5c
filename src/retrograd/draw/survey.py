"""What a graph holds, as plain data: the pictures are made from this and keep nothing of the graph alive."""

import ast
import functools
import linecache
import os
from dataclasses import dataclass, field

from ..core.apply import INPUT, INPUTS, OUTPUT, RowNode
from ..core.graph import AccumulateGrad, Freed
from ..core.location import line_of
from ..core.saved import Packed
from ..core.tensor import Tensor
from ..nn.parameter import Parameter
from .modules import own

LEAF, PARAMETER, FROZEN, OPERATION, OUTPUT_MARK = "leaf", "parameter", "frozen", "operation", "output"
SHOWN_MODULES = 4  # of those without gradients, by name


@dataclass
class Saved:
    """One thing that a node keeps until backward."""

    name: str  # as the row's formula calls it
    text: str  # its shape; the value of a single number; or why there is none
    bytes: int = 0
    memory: int = 0  # which piece of memory it is: several nodes may keep the same
    of: str = ""  # the parameter's name where it is one


@dataclass
class Item:
    """One thing of the picture: an operation, a leaf, a group of frozen parameters or the output."""

    index: int
    kind: str
    title: str
    shape: tuple | None = None
    dtype: str = ""
    number: int = 0  # the node's, in order of making
    saved: list = field(default_factory=list)
    freed: str = ""  # where backward let the saved values go
    marks: list = field(default_factory=list)  # "view", "in place"
    where: str = ""  # file:line, and the line
    module: str = ""
    elements: int = 0
    count: int = 1  # of frozen parameters that this stands for


@dataclass
class Link:
    """A dependence: `target` was computed from `source`, whose gradient has this shape."""

    source: int
    target: int
    shape: tuple | None
    gradient: bool = True  # False: a frozen part, where none flows


@dataclass
class Survey:
    """The items and links below one tensor."""

    items: list
    links: list
    types: dict  # module path -> class name, as far as known
    unreached: list  # names of trainable parameters that no gradient reaches

    def uses(self):
        """How many links leave each item."""
        uses = [0] * len(self.items)
        for link in self.links:
            uses[link.source] += 1
        return uses


def named(params):
    """({id: name}, pairs, {path: class}) from (name, Parameter) pairs, a Module, a dict, or nothing."""
    if params is None:
        return {}, [], {}
    types = {}
    if hasattr(params, "named_parameters"):
        types = {path: type(module).__name__ for path, module in params.named_modules()}
        pairs = list(params.named_parameters())
    else:
        pairs = listed(params)
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Tensor)):
            raise TypeError(
                "params: expected (name, parameter) pairs such as model.named_parameters(), or the model "
                f"itself, but found a {type(pair).__name__} among them [RG170]"
            )
    return {id(p): name for name, p in pairs}, pairs, types


def listed(params):
    """`params` as it may be gone through twice: generators and dicts as lists, models as they are."""
    if params is None or hasattr(params, "named_parameters"):
        return params
    return list(params.items() if isinstance(params, dict) else params)


def survey(tensor, params=None):
    """The graph that made `tensor`. params: what names the leaves, see `named`."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"a graph is drawn of a Tensor, not of a {type(tensor).__name__} [RG170]")
    names, pairs, types = named(params)
    nodes = reachable(tensor.grad_fn)
    items, links, index = [], [], {}
    for node in nodes:
        item = _item(node, len(items), names)
        index[node] = item.index
        items.append(item)
    for node in nodes:
        for target, output in node.edges:
            if target is not None:
                shape = target.shape if target.outputs == 1 else target.shape[output]
                links.append(Link(index[target], index[node], tuple(shape)))
    _add_frozen(nodes, items, links, index, names, pairs)
    shape = tuple(tensor._array.shape)
    if tensor.grad_fn is None:
        items.append(_leaf_item(tensor, 0, names))
    root = items[-1].index if tensor.grad_fn is None else index[tensor.grad_fn]
    items.append(Item(len(items), OUTPUT_MARK, "output", shape, tensor.dtype.name, elements=1))
    links.append(Link(root, items[-1].index, shape, tensor.requires_grad))
    own(items, links, types)
    reached = {id(n.variable) for n in nodes if isinstance(n, AccumulateGrad)}
    unreached = [n for n, p in pairs if p.requires_grad and id(p) not in reached and p is not tensor]
    return Survey(items, links, types, unreached)


def reachable(root):
    """The nodes that a walk from `root` may visit, oldest first."""
    found, stack = set(), [root] if root is not None else []
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend([n for n, _ in node.edges if n is not None and n not in found])
    return sorted(found, key=lambda n: n.number)


def _item(node, index, names):
    if isinstance(node, AccumulateGrad):
        return _leaf_item(node.variable, index, names, node.number)
    shape = node.shape if node.outputs == 1 else node.shape[0]
    dtype = node.dtype if node.outputs == 1 else node.dtype[0]
    item = Item(index, OPERATION, node.name(), tuple(shape), str(dtype), node.number)
    item.where = place(node.where)
    item.freed = _freed(node)
    item.saved = [] if item.freed else saved_of(node, names)
    item.marks = _marks(node)
    return item


def _leaf_item(leaf, index, names, number=0):
    name = names.get(id(leaf)) or leaf.name or ""
    kind = PARAMETER if isinstance(leaf, Parameter) else LEAF
    if not leaf.requires_grad:
        kind = FROZEN
    shape, dtype = tuple(leaf._array.shape), leaf.dtype.name
    return Item(index, kind, name or kind, shape, dtype, number, elements=leaf._array.size)


def _freed(node):
    if type(node.saved) is not Freed:
        return ""
    return place(node.saved.where) or "an earlier backward"


@functools.lru_cache(1024)
def _place(where):
    path, line = where[0].co_filename, line_of(where)
    return f"{os.path.basename(path)}:{line}  {linecache.getline(path, line).strip()}".rstrip()


def place(where):
    """`train.py:12  loss = ...` of what `user_location` gave."""
    return "" if where is None else _place(tuple(where))


# --- what nodes keep ------------------------------------------------------------------------------


def saved_of(node, names):
    """What `node` keeps of tensors, a `Saved` each."""
    saved = node.saved
    if not saved or type(saved) is Freed:
        return []
    if isinstance(node, RowNode):
        found = []
        for name, (kind, _), value in zip(node.plan.names, node.plan.entries, saved, strict=True):
            if kind == INPUTS:
                found += [_saved(f"{name}[{i}]", v, names) for i, v in enumerate(value)]
            elif kind in (INPUT, OUTPUT):
                found.append(_saved("result" if name == "out" else name, value, names))
    else:
        found = [_saved(f"saved[{i}]", value, names) for i, value in enumerate(saved)]
    return [s for s in found if s is not None]


def _saved(name, value, names):
    if type(value) is Packed:
        return Saved(name, "packed by hooks")
    of = ""
    if isinstance(value, Tensor):
        of, array = names.get(id(value), ""), value._array
    elif type(value) is tuple and len(value) == 2 and hasattr(value[0], "nbytes"):
        array = value[0]
    else:
        return None
    text = f"= {array.item():.4g}" if array.shape == () else shape_text(array.shape)
    return Saved(name, text, array.nbytes, _memory(array), of)


def _memory(array):
    base = array
    while getattr(base, "base", None) is not None and hasattr(base.base, "dtype"):
        base = base.base
    return id(base)


def shape_text(shape):
    """`(64, 3, 7, 7)`; one dimension is `(64)`, none is `()`."""
    return "" if shape is None else str(tuple(shape)).replace(",)", ")")


# --- marks ----------------------------------------------------------------------------------------


def _marks(node):
    op = getattr(node, "op", None)
    name = node.name()
    if name == "CopySlices":
        return ["write through a view"]
    marks = ["view"] if getattr(op, "view", False) or node.is_view else []
    if _keeps_overwritten(node) or _written_in_place(node.where, name):
        marks.append("in place")
    return marks


def _keeps_overwritten(node):
    """Whether the node keeps its output at a version past the first: an in-place operation does."""
    versions = getattr(node, "versions", None)
    if not versions or not isinstance(node, RowNode) or type(node.saved) is Freed:
        return False
    return any(node.plan.entries[slot][0] == OUTPUT for slot in versions)


def _written_in_place(where, name):
    """Whether the user's expression that made a node is `x.mul_(y)`, `f(x, inplace=True)` or `x *= y`."""
    return where is not None and _says_in_place(tuple(where), name)


@functools.lru_cache(1024)
def _says_in_place(where, name):
    text = _expression(where)
    try:
        tree = ast.parse(text.strip(), mode="exec").body if text else []
    except SyntaxError:  # a part of a statement that is none itself
        return False
    if len(tree) != 1:
        return False
    if isinstance(tree[0], ast.AugAssign):
        return True
    call = getattr(tree[0], "value", None)
    if not isinstance(call, ast.Call):
        return False
    called = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if any(k.arg == "inplace" and getattr(k.value, "value", None) is True for k in call.keywords):
        return True
    stem = name.removesuffix("Backward0").removesuffix("Backward1").lower()
    return called.endswith("_") and not called.endswith("__") and stem in called.replace("_", "")


def _expression(where):
    """The source text of the expression at a location."""
    code, instruction = where
    for i, (first, last, start, end) in enumerate(code.co_positions()):
        if i == instruction // 2:
            if first is None or start is None or first != last:
                return ""
            line = linecache.getline(code.co_filename, first).encode()
            return line[start:end].decode(errors="replace")
    return ""


# --- parts without gradients ----------------------------------------------------------------------


def _add_frozen(nodes, items, links, index, names, pairs):
    """Frozen parameters: those that an operation keeps hang on it, the others stand together where the graph
    ends."""
    frozen = {id(p): p for _, p in pairs if not p.requires_grad}
    made = {}
    for node in nodes:
        for p in _kept_tensors(node):
            if id(p) in frozen:
                if id(p) not in made:
                    made[id(p)] = len(items)
                    items.append(_leaf_item(p, len(items), names, node.number))
                links.append(Link(made[id(p)], index[node], tuple(p._array.shape), False))
    rest = [(name, p) for name, p in pairs if id(p) in frozen and id(p) not in made]
    ends = [n for n in nodes if not isinstance(n, AccumulateGrad) and any(t is None for t, _ in n.edges)]
    if not rest or not nodes:
        return
    modules = [name for name, _ in rest]
    if len(modules) > 2:
        modules = list(dict.fromkeys(name.split(".")[0] for name in modules))
    more = len(modules) - SHOWN_MODULES
    title = "frozen: " + ", ".join(modules[:SHOWN_MODULES]) + (f" and {more} more" if more > 0 else "")
    item = Item(len(items), FROZEN, title, elements=sum(p._array.size for _, p in rest), count=len(rest))
    items.append(item)
    first = ends[0] if ends else next(n for n in nodes if not isinstance(n, AccumulateGrad))
    links.append(Link(item.index, index[first], None, False))


def _kept_tensors(node):
    saved = node.saved
    if type(saved) is Freed or not saved:
        return []
    kept = []
    for value in saved:
        kept += value if type(value) in (tuple, list) else [value]
    return [v for v in kept if isinstance(v, Tensor)]
