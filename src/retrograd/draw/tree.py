"""The graph as a tree of text: each node above those that its gradient goes to."""

from ..core.graph import AccumulateGrad
from ..core.tensor import Tensor
from .survey import named, shape_text

NAMES_SHOWN = 3  # of the parameters that no gradient reaches


def tree(tensor, params=None, max_nodes=60):
    """The graph that made `tensor`, as lines for a terminal.

    A node, with the shape of its (first) output, stands above what its gradient goes to: right above if that
    is one node, else above branches. Leaves stand behind the node that uses them. A node that several others
    use is drawn once, with a number; further mentions give that number.

    params: (name, Parameter) pairs, such as `model.named_parameters()`, or the model. They name the leaves,
    and those that no gradient reaches are listed below the tree. max_nodes: after how many nodes to stop.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tree() draws the graph of a Tensor, not of a {type(tensor).__name__} [RG170]")
    names, params, _ = named(params)
    root = tensor.grad_fn
    if root is None:
        return _leaf(tensor, names) + ("" if tensor.requires_grad else " (requires_grad=False: no graph)")
    uses, leaves = _survey(root)
    lines = _draw(root, uses, names, max_nodes)
    unreached = [(name, p) for name, p in params if id(p) not in leaves]
    if unreached:
        shown = [name + ("" if p.requires_grad else " (frozen)") for name, p in unreached[:NAMES_SHOWN]]
        more = len(unreached) - len(shown)
        lines.append("no gradient reaches " + ", ".join(shown) + (f" and {more} more" if more else ""))
    return "\n".join(lines)


def _draw(root, uses, names, max_nodes):
    lines, numbers = [], {}
    stack = [(root, "", "")]  # a node, what stands before it on its line, and on the lines below it
    while stack:
        node, lead, below = stack.pop()
        if node in numbers:
            lines.append(f"{lead}[{numbers[node]}] {node.name()}, see above")
            continue
        if len(lines) >= max_nodes:
            lines.append(f"{lead}... {len(uses)} nodes in all, max_nodes={max_nodes}")
            break
        mark = ""
        if uses[node] > 1:
            numbers[node] = len(numbers) + 1
            mark = f"[{numbers[node]}] "
        lines.append(lead + mark + _text(node, names))
        children = [n for n in _operands(node) if not isinstance(n, AccumulateGrad)]
        if len(children) == 1:
            stack.append((children[0], below, below))
            continue
        for child in reversed(children):
            last = child is children[-1]
            stack.append((child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")))
    return lines


def _operands(node):
    """The nodes that its gradient goes to, each once."""
    return list(dict.fromkeys(n for n, _ in node.edges if n is not None))


def _text(node, names):
    """`ConvolutionBackward0 (1, 64, 32, 32)  <- leaf conv1.weight (64, 3, 7, 7)`"""
    if isinstance(node, AccumulateGrad):
        return _leaf(node.variable, names)
    text = f"{node.name()} {shape_text(node.shape if node.outputs == 1 else node.shape[0])}"
    leaves, module = [], ""
    for operand in _operands(node):
        if isinstance(operand, AccumulateGrad):
            leaf = _leaf(operand.variable, names)
            leaves.append(leaf.removeprefix(f"{module}."))  # fc.weight, bias
            module = leaf.partition(" ")[0].rpartition(".")[0]
    return f"{text}  <- {', '.join(leaves)}" if leaves else text


def _leaf(leaf, names):
    return f"{names.get(id(leaf)) or leaf.name or 'leaf'} {shape_text(leaf._array.shape)}"


def _survey(root):
    """How many nodes use each node reachable from `root`, and the ids of the leaves."""
    uses, leaves, stack = {root: 0}, set(), [root]
    while stack:
        node = stack.pop()
        if isinstance(node, AccumulateGrad):
            leaves.add(id(node.variable))
        for child in _operands(node):
            if child not in uses:
                uses[child] = 0
                stack.append(child)
            uses[child] += 1
    return uses, leaves
