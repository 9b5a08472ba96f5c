"""The items of a picture in nested groups, one per module of several operations, and lines between them."""

from dataclasses import dataclass, field

from .modules import inside
from .survey import FROZEN, OPERATION, OUTPUT_MARK, PARAMETER

FEW = 18  # as many operations and groups are shown before groups stay folded
FAR_RANKS = 30  # longer lines are not drawn: the source is mentioned beside what uses it
MANY_USES = 6  # the same for a source that this many use, past NEAR_RANKS
NEAR_RANKS = 4


@dataclass
class Part:
    """What has a place in a group: an item with its own parameters beside it, a group, a port, a mention."""

    item: int | None = None
    group: "Group | None" = None
    port: str = ""  # "in" or "out": where a line enters or leaves the group
    source: int = -1  # of a port or a mention: the item that the line comes from
    mention: bool = False
    beside: list = field(default_factory=list)  # parameters that only this operation uses


@dataclass
class Wire:
    """A line between two parts of one group, by their position; `shape` is the gradient's."""

    start: int
    stop: int
    source: int
    shape: tuple | None
    gradient: bool = True


@dataclass
class Group:
    """A module's operations (or everything, at the top), as parts and wires; both of groups within too."""

    path: str
    kind: str
    number: int
    parts: list = field(default_factory=list)
    wires: list = field(default_factory=list)
    parent: "Group | None" = None
    operations: int = 0
    parameters: int = 0  # elements
    saved: int = 0  # bytes, each piece of memory once
    repeats: str = ""  # `2 x BasicBlock`

    def groups(self):
        return [p.group for p in self.parts if p.group is not None]


def fold(survey):
    """The groups of a survey: the outermost one."""
    builder = _Builder(survey)
    return builder.top


class _Builder:
    def __init__(self, survey):
        self.survey = survey
        self.made = 0
        self.group_of = {}  # item -> the innermost group that it is a part of
        operations = [i for i in survey.items if i.kind == OPERATION]
        self.successors = {i.index: [] for i in operations}
        for link in survey.links:
            if link.source in self.successors and link.target in self.successors:
                self.successors[link.source].append(link.target)
        self.top = self._build("", [i.index for i in operations])
        self._place_leaves()
        self._wire()
        for group in walk(self.top):
            group.repeats = _repeats(group)

    # --- groups ---

    def _build(self, path, members):
        kind = self.survey.types.get(path, "")
        group = Group(path, kind, self.made)
        self.made += 1
        children = {}
        for i in members:
            below = _child(self.survey.items[i].module, path)
            children.setdefault(below, []).append(i)
        owner = {}
        for below, inner in children.items():
            if below is not None and len(inner) > 1:
                owner.update(self._instances(below, members, set(inner)))
        if not _acyclic(members, owner, self.successors):
            owner = _runs(members, owner)
        groups = {}
        for i in members:
            if i in owner:
                groups.setdefault(owner[i], []).append(i)
        done = set()
        for i in members:
            key = owner.get(i)
            if key is None or len(groups[key]) == 1:
                group.parts.append(Part(item=i))
                self.group_of[i] = group
            elif key not in done:
                done.add(key)
                child = self._build(key[0], groups[key])
                while len(child.parts) == 1 and child.parts[0].group is not None:
                    child = child.parts[0].group
                child.parent = group
                group.parts.append(Part(group=child))
        group.operations = len(members)
        memory = {}
        for i in members:
            for s in self.survey.items[i].saved:
                memory[s.memory] = s.bytes
        group.saved = sum(memory.values())
        return group

    def _instances(self, below, members, inner):
        """{operation: (path, call)}: a module called again after others ran is another group."""
        phase, result = {}, {}
        for i in members:
            now = phase.get(i, 0)
            now += (now % 2 == 0) if i in inner else (now % 2)
            if i in inner:
                result[i] = (below, now)
            for j in self.successors[i]:
                phase[j] = max(phase.get(j, 0), now)
        return result

    # --- leaves ---

    def _place_leaves(self):
        items, users = self.survey.items, {}
        for link in self.survey.links:
            users.setdefault(link.source, []).append(link.target)
        part_of = {p.item: p for g in walk(self.top) for p in g.parts if p.item is not None}
        for item in items:
            if item.kind in (OPERATION, OUTPUT_MARK):
                continue
            using = list(dict.fromkeys(users.get(item.index, ())))
            alone = item.kind == PARAMETER or (item.kind == FROZEN and item.count == 1)
            if alone and len(using) == 1 and using[0] in part_of:
                part_of[using[0]].beside.append(item.index)
                group = self.group_of[using[0]]
            else:
                group = _meeting([self.group_of[u] for u in using if u in self.group_of]) or self.top
                group.parts.append(Part(item=item.index))
            self.group_of[item.index] = group
            while group is not None:
                group.parameters += item.elements if item.kind in (PARAMETER, FROZEN) else 0
                group = group.parent
        self.top.parts.append(Part(item=items[-1].index))  # the output
        self.group_of[items[-1].index] = self.top

    # --- wires ---

    def _wire(self):
        """Every link as wires: through a port at each border of a group that it crosses."""
        self.position = {}
        for group in walk(self.top):
            for k, part in enumerate(group.parts):
                key = part.item if part.item is not None else ("group", part.group.number)
                self.position[group.number, key] = k
                for leaf in part.beside:
                    self.position[group.number, leaf] = None
        seen = set()
        for link in self.survey.links:
            if self.position.get((self.group_of[link.source].number, link.source), 0) is None:
                continue  # stands beside its operation
            out, into = _chain(self.group_of[link.source]), _chain(self.group_of[link.target])
            while len(out) > 1 and len(into) > 1 and out[1] is into[1]:
                out.pop(0)
                into.pop(0)
            here = self._at(self.group_of[link.source], link.source)
            for group in reversed(out[1:]):
                self._add(seen, group, here, self._port(group, "out", link.source), link)
                here = self._at(group.parent, ("group", group.number))
            there = self._at(self.group_of[link.target], link.target)
            for group in reversed(into[1:]):
                self._add(seen, group, self._port(group, "in", link.source), there, link)
                there = self._at(group.parent, ("group", group.number))
            self._add(seen, out[0], here, there, link)

    def _at(self, group, key):
        return self.position[group.number, key]

    def _port(self, group, kind, source):
        key = (group.number, (kind, source))
        if key not in self.position:
            self.position[key] = len(group.parts)
            group.parts.append(Part(port=kind, source=source))
        return self.position[key]

    def _add(self, seen, group, start, stop, link):
        key = (group.number, start, stop, link.source)
        if key not in seen:
            seen.add(key)
            shape = link.shape if self.survey.items[link.source].kind == OPERATION else None
            group.wires.append(Wire(start, stop, link.source, shape, link.gradient))


def walk(top):
    """A group and all within it."""
    stack, found = [top], []
    while stack:
        group = stack.pop()
        found.append(group)
        stack.extend(reversed(group.groups()))
    return found


def _chain(group):
    chain = []
    while group is not None:
        chain.append(group)
        group = group.parent
    return chain[::-1]


def _meeting(groups):
    """The innermost group that holds all of these."""
    if not groups:
        return None
    chains = [_chain(g) for g in groups]
    shared = None
    for level in zip(*chains, strict=False):
        if any(g is not level[0] for g in level):
            break
        shared = level[0]
    return shared


def _child(module, path):
    """The module right below `path` on the way to `module`; None for what is in `path` itself."""
    if module == path or not inside(module, path):
        return None
    rest = module[len(path) + 1 :] if path else module
    return f"{path}.{rest.split('.')[0]}" if path else rest.split(".")[0]


def _acyclic(members, owner, successors):
    """Whether the groups, each taken as one, and the other operations depend on each other one way."""
    own = set(members)
    edges, degree = {}, {}
    for i in members:
        a = owner.get(i, i)
        degree.setdefault(a, 0)
        for j in successors[i]:
            b = owner.get(j, j)
            if j in own and a != b and b not in edges.setdefault(a, set()):
                edges[a].add(b)
                degree[b] = degree.get(b, 0) + 1
    queue = [a for a in degree if not degree[a]]
    for a in queue:
        for b in edges.get(a, ()):
            degree[b] -= 1
            if not degree[b]:
                queue.append(b)
    return len(queue) == len(degree)


def _runs(members, owner):
    """Groups of operations that ran one after another: they can't depend on each other both ways."""
    result, run, last = {}, 0, None
    for i in members:
        now = owner.get(i)
        if now is not None:
            run += now[0] != last
            result[i] = (now[0], ("run", run))
        last = now and now[0]
    return result


def _repeats(group):
    """`2 x BasicBlock` where a group is made of groups of one class (or of the same operations)."""
    inner = group.groups()
    if len(inner) < 2 or len({g.kind for g in inner}) > 1:
        return ""
    if inner[0].kind:
        return f"{len(inner)} × {inner[0].kind}"
    return f"{len(inner)} blocks"


def opened_by_default(top, depth=None, few=FEW):
    """The numbers of the groups to unfold: whole levels, as long as what is to be seen stays few.

    depth: how many levels of groups to unfold instead; all for a negative number.
    """
    opened, level = {top.number}, top.groups()
    shown = len([p for p in top.parts if p.item is not None or p.group is not None])
    at = 0
    while level and (depth is None or depth < 0 or at < depth):
        more = sum(len([p for p in g.parts if p.item is not None or p.group is not None]) for g in level)
        if depth is None and shown + more > few:
            break
        opened |= {g.number for g in level}
        shown += more
        level = [inner for g in level for inner in g.groups()]
        at += 1
    return opened


def mention_far(group, ranks):
    """Replace lines over very many `ranks` (of the parts) by a mention of their source beside what uses it.

    Where there are many long lines, only as many of the shorter ones are drawn as a reader could follow.
    """
    uses, spans = {}, []
    for wire in group.wires:
        uses[wire.start] = uses.get(wire.start, 0) + 1
        spans.append(abs(ranks[wire.stop] - ranks[wire.start]))
    far, total = FAR_RANKS, 0
    for span in sorted(spans):
        total += span
        if total > 3 * len(group.parts) + 300:
            far = min(far, max(span, NEAR_RANKS))
            break
    made = {}
    for wire, span in zip(group.wires, spans, strict=True):
        if span > (NEAR_RANKS if uses[wire.start] > MANY_USES else far):
            key = (wire.source, wire.stop)
            if key not in made:
                made[key] = len(group.parts)
                group.parts.append(Part(mention=True, source=wire.source))
            wire.start = made[key]
