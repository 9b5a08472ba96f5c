"""What a graph keeps alive: nodes, bytes, and the user's lines that made them."""

from ..core.graph import AccumulateGrad
from ..core.location import describe_location, line_of
from ..core.memory import owner
from ..core.saved import Packed
from ..core.tensor import Tensor
from .events import format_memory
from .recording import arrays_of


def saved_arrays(node):
    """The arrays that a node keeps for its backward; none once it has freed them."""
    saved = getattr(node, "saved", None)
    if isinstance(saved, (list, tuple)):
        for value in saved:
            if isinstance(value, Packed):
                continue  # in the hands of saved_tensors_hooks
            if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], Tensor):
                value = value[0]  # an output, and the counter of its versions
            yield from arrays_of(value)
    for tensor in getattr(node, "saved_tensors", None) or () if not hasattr(node, "plan") else ():
        yield from arrays_of(tensor)


def nodes_of(tensors):
    """The nodes of the graph that made `tensors`, each once."""
    waiting, found = [t._grad_fn for t in tensors if t._grad_fn is not None], {}
    while waiting:
        node = waiting.pop()
        if id(node) in found:
            continue
        found[id(node)] = node
        waiting.extend(target for target, _ in node.edges if target is not None)
    return list(found.values())


class GraphStats:
    """What `graph_stats` found; shows itself as a table.

    nodes: how many; by_operation: {name of the node: how many}. bytes: of memory that the graph keeps alive
    for its backward, each piece counted once; leaf_bytes: of the leaves among it (parameters, mostly), which
    are kept alive by others too and not in `bytes`. by_line: (line, nodes, bytes) of the user's code, most
    bytes first; memory that several lines keep is counted at the one that kept it first.
    """

    def __init__(self, nodes, by_operation, kept, leaf_bytes, by_line):
        self.nodes = nodes
        self.by_operation = by_operation
        self.bytes = kept
        self.leaf_bytes = leaf_bytes
        self.by_line = by_line

    def __str__(self):
        lines = [
            f"{self.nodes} nodes keep {format_memory(self.bytes)} alive for backward, "
            f"and {format_memory(self.leaf_bytes)} of leaves"
        ]
        for line, count, size in self.by_line:
            lines.append(f"{format_memory(size):>10}  {count:>6} nodes  {line}")
        return "\n".join(lines)

    __repr__ = __str__


def graph_stats(*tensors):
    """Count what the graph of `tensors` (a loss, usually) consists of and keeps alive: a GraphStats."""
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(
                f"graph_stats() counts the graphs of Tensors, not of a {type(t).__name__} [RG047]"
            )
    nodes = nodes_of(tensors)
    leaves = {id(owner(n.variable._array)) for n in nodes if isinstance(n, AccumulateGrad)}
    by_operation, by_line, seen = {}, {}, set()
    total = leaf_total = 0
    for node in sorted(nodes, key=lambda n: n.number):
        name = node.name()
        by_operation[name] = by_operation.get(name, 0) + 1
        size = 0
        for array in saved_arrays(node):
            memory = owner(array)
            if id(memory) in seen:
                continue
            seen.add(id(memory))
            if id(memory) in leaves:
                leaf_total += memory.nbytes
            else:
                size += memory.nbytes
        total += size
        if isinstance(node, AccumulateGrad):
            continue
        where = getattr(node, "where", None)
        key = None if where is None else (where[0].co_filename, line_of(where))
        line = by_line.setdefault(key, [describe_location(where), 0, 0])
        line[1] += 1
        line[2] += size
    lines = sorted(map(tuple, by_line.values()), key=lambda line: (-line[2], -line[1]))
    return GraphStats(len(nodes), by_operation, total, leaf_total, lines)
