"""The graph as a tree of text: each node under the one that consumes its gradient last."""

from ..core.graph import AccumulateGrad


def tree(tensor, params=None, max_nodes=60):
    """The graph that made `tensor`, as lines for a terminal.

    params: (name, Parameter) pairs, such as `model.named_parameters()`, to name the leaves. A node that several others
    consume is drawn once; further mentions refer to it by its number. max_nodes: where to stop.
    """
    names = {id(p): name for name, p in params or ()}
    root = tensor.grad_fn
    if root is None:
        return _leaf_text(tensor, names) + ("" if tensor.requires_grad else " (no graph: requires_grad=False)")
    uses = _count_uses(root)
    numbers, lines = {}, []
    stack = [(root, "", "", True)]
    while stack:
        node, lead, below, _ = stack.pop()
        if len(lines) == max_nodes:
            lines.append(f"{lead}... ({len(uses)} nodes in all; max_nodes={max_nodes})")
            break
        if node in numbers:
            lines.append(f"{lead}see [{numbers[node]}] {node.name()}")
            continue
        mark = ""
        if uses[node] > 1:
            numbers[node] = len(numbers) + 1
            mark = f"[{numbers[node]}] "
        lines.append(lead + mark + _text(node, names))
        children = [n for n, _ in node.edges if n is not None]
        for i, child in reversed(list(enumerate(children))):
            last = i + 1 == len(children)
            stack.append((child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "), last))
    return "\n".join(lines)


def _text(node, names):
    if isinstance(node, AccumulateGrad):
        return _leaf_text(node.variable, names)
    shape = node.shape if node.outputs == 1 else node.shape[0]
    return f"{node.name()} {_shape(shape)}"


def _leaf_text(leaf, names):
    name = names.get(id(leaf)) or leaf.name
    kind = "leaf" if not name else f"leaf {name}"
    return f"{kind} {_shape(leaf._array.shape)}" + (" requires_grad" if leaf.requires_grad else "")


def _shape(shape):
    return "(" + ", ".join(map(str, shape)) + ")" if shape else "()"


def _count_uses(root):
    """How many edges lead to each node reachable from `root`."""
    uses, stack = {root: 0}, [root]
    while stack:
        for child, _ in stack.pop().edges:
            if child is None:
                continue
            if child in uses:
                uses[child] += 1
            else:
                uses[child] = 1
                stack.append(child)
    return uses
