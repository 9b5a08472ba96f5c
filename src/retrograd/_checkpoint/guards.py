"""Guards against files that are small and cost their reader much: in memory, in hashing, in nesting."""

import sys
from collections import Counter, OrderedDict, defaultdict

from .errors import CheckpointError, quote

MAX_DEPTH = 256  # of containers within containers; real checkpoints stay below 20
_MAX_KEY_NODES = 1000  # of a tuple used as a key, counted as it is hashed: shared parts count every time
_MAX_KEY_DEPTH = 32
_MAX_COLLISIONS = 1000  # keys of one container with the same hash
_LONG_TEXT = 1000  # keys from this length on count as work
_TEXT = frozenset({str, bytes})
_HASHED_FAST = frozenset({bool, type(None), float, complex})
_MODULUS = sys.hash_info.modulus


class Budget:
    """How much a file may still make its reader build: proportional to the bytes that the file has."""

    def __init__(self, file_bytes, what):
        self.left = 4 * file_bytes + 4096
        self.what = what

    def charge(self, amount):
        self.left -= amount
        if self.left < 0:
            raise CheckpointError(
                f"the file makes its reader build far more {self.what} than its own size justifies"
            )


class KeyGuard:
    """Refuses keys that are costly to hash: not plain values, or made to collide."""

    def __init__(self, policy, budget):
        self.policy = policy
        self.budget = budget
        self.hashes = {}  # id of a container: itself (so that the id stays its own), its keys' hashes counted

    def check(self, container, keys):
        """Check `keys` before they go into `container`."""
        for key in keys:
            kind = type(key)
            if kind in _TEXT:
                if len(key) >= _LONG_TEXT:
                    self.budget.charge(len(key))
                continue
            if key is None or kind is bool or (kind is int and -_MODULUS < key < _MODULUS):
                continue
            self._check_parts(key)
            _, counts = self.hashes.setdefault(id(container), (container, Counter()))
            counts[hash(key)] += 1
            if counts[hash(key)] > _MAX_COLLISIONS:
                raise CheckpointError("thousands of keys with one hash: made to stall whoever reads the file")

    def _check_parts(self, key):
        pending, count = [(key, 0)], 0
        while pending:
            part, depth = pending.pop()
            kind = type(part)
            count += 1
            if kind is int:
                self.budget.charge(part.bit_length() >> 6)
            elif kind is tuple or kind is frozenset or kind in self.policy.tuple_types:
                if count + len(pending) + len(part) > _MAX_KEY_NODES or depth >= _MAX_KEY_DEPTH:
                    raise CheckpointError("a tuple used as a key is too large or too deep")
                pending.extend((p, depth + 1) for p in part)
            elif kind in _TEXT:
                self.budget.charge(len(part) >> 6)
            elif kind not in _HASHED_FAST and not self._is_hashable(part):
                raise CheckpointError(f"{quote(part)} can't be a key of a dict or an element of a set")
        self.budget.charge(count)

    def _is_hashable(self, part):
        return type(part) in self.policy.key_types or self.policy.is_hashable(part)


def check_tree(root):
    """Refuse a result that contains itself or is nested deeper than MAX_DEPTH."""
    if type(root) not in _CONTAINERS:
        return
    heights = {}
    path = [(root, _children(root), 1)]
    on_path = {id(root)}
    while path:
        node, children, height = path[-1]
        child = next(children, None)
        if child is None:
            path.pop()
            on_path.discard(id(node))
            heights[id(node)] = height
            if path:
                parent, rest, so_far = path[-1]
                path[-1] = (parent, rest, max(so_far, height + 1))
            if height > MAX_DEPTH:
                raise too_deep()
            continue
        if id(child) in on_path:
            raise CheckpointError(f"{quote(child)} in the file contains itself")
        known = heights.get(id(child))
        if known is not None:
            path[-1] = (node, children, max(height, known + 1))
        elif len(path) >= MAX_DEPTH:
            raise too_deep()
        else:
            path.append((child, _children(child), 1))
            on_path.add(id(child))


def too_deep():
    """The error for nesting beyond MAX_DEPTH."""
    return CheckpointError(f"containers are nested more than {MAX_DEPTH} deep")


_CONTAINERS = {list, tuple, dict, set, frozenset, OrderedDict, Counter, defaultdict}


def _children(node):
    """The containers directly inside `node`. Keys are left out: they were checked as keys."""
    items = node.values() if isinstance(node, dict) else node
    containers = _CONTAINERS
    inside = [item for item in items if type(item) in containers]
    if type(node) is OrderedDict:
        inside += [item for item in vars(node).values() if type(item) in containers]
    return iter(inside)
