"""Which module each operation belongs to: recorded while it ran, or told from the parameters' names.

Told from names: an operation belongs to the module whose parameters it uses, one without parameters to what
the operations before and after it have in common. What follows a block's last parameter (the sum and the ReLU
of a residual block) goes into the block where all blocks of its kind are followed by the same operations.
"""

import os

from ..core.graph import next_number
from ..nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

_calls = []  # (first number, past the last number, path, class) of the calls last recorded, in order of start


class recording:
    """Record which module makes which operation, while it is open: exact where names can only be told from.

    with draw.recording(): loss = model(x).sum()

    Pictures of graphs made inside it use the record, until another is begun. Nothing is recorded outside.
    """

    def __enter__(self):
        _calls.clear()
        self._open, self._paths = [], {}
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        return self

    def __exit__(self, *error):
        for handle in self._handles:
            handle.remove()

    def _enter(self, module, args):
        path = ""
        if self._open:
            parent, prefix = self._open[-1][0], self._open[-1][1]
            name = _name_below(parent, module)
            path = f"{prefix}.{name}".lstrip(".") if name else prefix
        call = [next_number(), None, path, type(module).__name__]
        _calls.append(call)
        self._open.append((module, path, call))

    def _leave(self, module, args, result):
        while self._open:
            opened, _, call = self._open.pop()
            call[1] = next_number()
            if opened is module:
                break


def _name_below(parent, module):
    return next((path for path, m in parent.named_modules() if m is module), "")


def own(items, links, types):
    """Set `module` of every operation and parameter, and add the classes that a record knows to `types`."""
    operations = [i for i in items if i.kind == "operation"]
    if _recorded(operations, types):
        return
    used = {}
    for link in links:
        leaf = items[link.source]
        if leaf.kind in ("parameter", "frozen") and leaf.count == 1 and "." in leaf.title:
            used.setdefault(link.target, []).append(leaf.title)
    anchors = [i for i in operations if i.index in used]
    if not anchors:
        return
    for item in anchors:
        item.module = common([name.rpartition(".")[0] for name in used[item.index]])
    positions = {item.index: n for n, item in enumerate(operations)}
    begins = _beginnings(anchors, used)
    earlier, waiting = None, []
    for item in operations:
        if item.index not in used:
            waiting.append(item)
            continue
        if earlier is not None:
            module = common([earlier.module, item.module])
            while module and begins.get(module) == (used[item.index], True):
                module = module.rpartition(".")[0]  # it is called again: what is between is outside of it
            for between in waiting:
                between.module = module
        earlier, waiting = item, []
    _into_blocks(operations, links, used, positions)


def _beginnings(anchors, used):
    """{module: (the parameters of the first operation in it, whether that is there again)}."""
    begins = {}
    for item in anchors:
        path = item.module
        while path:
            first, _ = begins.get(path, (None, False))
            if first is None:
                begins[path] = used[item.index], False
            elif first == used[item.index]:
                begins[path] = first, True
            path = path.rpartition(".")[0]
    return begins


def common(paths):
    """The module that all of these lie in: `layer1` of `layer1.0.conv1` and `layer1.1`."""
    parts = os.path.commonprefix([p.split(".") for p in paths])
    return ".".join(parts)


def inside(path, module):
    """Whether `path` is `module` or below it."""
    return not module or path == module or path.startswith(module + ".")


def _recorded(operations, types):
    """Give each operation the innermost recorded call that made it; whether there was any."""
    found, waiting, running = False, list(reversed(_calls)), []
    for item in operations:
        while waiting and waiting[-1][0] <= item.number:
            running.append(waiting.pop())
        while running and (running[-1][1] is None or running[-1][1] <= item.number):
            running.pop()
        if running:
            found = True
            item.module = running[-1][2]
    if found:
        types.update({path: kind for _, _, path, kind in _calls})
    return found


def _into_blocks(operations, links, used, positions):
    """Move what always follows blocks of one kind into them."""
    modules = {}
    for item in operations:
        if item.index in used:
            parts = item.module.split(".")
            for depth in range(1, len(parts)):
                modules.setdefault(".".join(parts[:depth]), []).append(item)
    kinds = {}
    for path, members in modules.items():
        kind = tuple((m.title, m.module[len(path) :]) for m in members)
        kinds.setdefault(kind, []).append(path)
    sources, targets = {}, {}
    for link in links:
        sources.setdefault(link.target, []).append(link.source)
        targets.setdefault(link.source, []).append(link.target)
    moves = {}
    for paths in kinds.values():
        if len(paths) < 2:
            continue
        tails = [_tail(operations, positions[modules[p][-1].index] + 1, used) for p in paths]
        length = len(os.path.commonprefix([[i.title for i in tail] for tail in tails]))
        for path, tail in zip(paths, tails, strict=True):
            if length and _complete(path, tail[0], operations, sources, targets, positions):
                for item in tail[:length]:
                    if item.index not in moves or len(path) > len(moves[item.index]):
                        moves[item.index] = path
    for item in operations:
        if item.index in moves:
            item.module = moves[item.index]


def _tail(operations, start, used):
    end = start
    while end < len(operations) and operations[end].index not in used:
        end += 1
    return operations[start:end]


def _complete(path, item, operations, sources, targets, positions):
    """Whether all that `item` is computed from is in the module, or goes into it too."""
    for source in sources.get(item.index, ()):
        users = [source, *targets[source]]
        if not any(u in positions and inside(operations[positions[u]].module, path) for u in users):
            return False
    return True
