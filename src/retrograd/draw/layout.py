"""A layered layout (Sugiyama, Tagawa and Toda, 1981): ranks, few crossings, straight lines, no overlaps.

Four steps: a rank for each node (longest path, then nearer to what uses it); long lines cut into one piece
per rank; the order within ranks by sweeps of barycentres, the best of several by counted crossings; x by
least squares under the order and the distances, rank by rank (exact, by pooling adjacent violators). The same
graph gives the same picture; nothing here is random or recursive.
"""

from dataclasses import dataclass, field

FAR = 4  # how much more a line wants to be straight inside than at its ends
SWEEPS = 12
ROUNDS = 10
PULL = 1000.0  # how much a chain wants to be straight
LARGE = 4000  # pieces from which fewer sweeps are made


@dataclass
class Box:
    """What is placed: extents to the left and right of its axis, a height; then its rank and axis."""

    left: float
    right: float
    height: float
    spine: bool = True  # whether lines to it pull strongly
    end: str = ""  # "first" or "last": held in that rank
    rank: int = 0
    x: float = 0.0


@dataclass
class Line:
    """From box `source` to box `target`, at `start` and `stop` beside their axes (None: wherever is nearest).

    `label` is the width of its text. After the layout `pieces` are (rank, x) of the inner bends; the text
    stands at the right of the first one.
    """

    source: int
    target: int
    label: float = 0.0
    start: float | None = None
    stop: float | None = None
    pieces: list = field(default_factory=list)


@dataclass
class Layout:
    """What `layered` gives: per rank the height and the order of boxes and pieces, and the crossings left."""

    heights: list
    order: list
    crossings: int
    left: float
    right: float


def layered(boxes, lines, gap=26.0, labels=True, label_height=16.0):
    """Place `boxes` and `lines` (see there), in place. Lines go from lower ranks to higher; no cycles."""
    ranks = assign_ranks(boxes, lines)
    step = 2 if labels else 1
    for box, rank in zip(boxes, ranks, strict=True):
        box.rank = rank * step
    last = max((b.rank for b in boxes), default=0)
    spans = [(b.left, b.right) for b in boxes]
    order = [[] for _ in range(last + 1)]
    edges = []  # (upper, lower, weight, offset at the upper, at the lower), all over one rank
    pieces_of = []
    for line in lines:
        a, b = boxes[line.source], boxes[line.target]
        inner = list(range(a.rank + 1, b.rank))
        ids = list(range(len(spans), len(spans) + len(inner)))
        for i in range(len(inner)):
            spans.append((3.0, line.label + 10.0 if i == 0 and line.label else 3.0))
        pieces_of.append(list(zip(ids, inner, strict=True)))
        path = [line.source, *ids, line.target]
        weight = 2.0 if a.spine and b.spine and b.rank - a.rank <= step else 0.3
        for i in range(len(path) - 1):
            inside = 0 < i < len(path) - 2
            start = line.start if i == 0 else 0.0
            stop = line.stop if i == len(path) - 2 else 0.0
            edges.append((path[i], path[i + 1], 2.0 * FAR if inside else weight, start or 0.0, stop or 0.0))
    _first_order(boxes, pieces_of, lines, order)
    up, down = _neighbours(len(spans), edges)
    order, crossings = _untangle(order, up, down, len(spans))
    chains = _chains(up, down)
    x = _coordinates(order, spans, up, down, gap, chains)
    _straighten(order, x, spans, gap, chains)
    for i, box in enumerate(boxes):
        box.x = x[i]
    for line, pieces in zip(lines, pieces_of, strict=True):
        line.pieces = [(rank, x[i]) for i, rank in pieces]
    heights = [0.0] * (last + 1)
    for box in boxes:
        heights[box.rank] = max(heights[box.rank], box.height)
    if labels:
        for line in lines:
            if line.label and line.pieces:
                heights[line.pieces[0][0]] = label_height
    left = min((x[i] - spans[i][0] for rank in order for i in rank), default=0.0)
    right = max((x[i] + spans[i][1] for rank in order for i in rank), default=0.0)
    return Layout(heights, order, crossings, left, right)


def assign_ranks(boxes, lines):
    """The rank of each box: below all it depends on, and no further from what uses it than that needs."""
    n = len(boxes)
    after, before = [[] for _ in range(n)], [[] for _ in range(n)]
    for line in lines:
        after[line.source].append(line.target)
        before[line.target].append(line.source)
    waiting = [len(b) for b in before]
    queue = [i for i in range(n) if not waiting[i]]
    ranks = [0] * n
    for i in queue:  # grows as it is walked
        for j in after[i]:
            ranks[j] = max(ranks[j], ranks[i] + 1)
            waiting[j] -= 1
            if not waiting[j]:
                queue.append(j)
    if len(queue) < n:
        raise ValueError("layered: the lines form a cycle [RG170]")
    for i in reversed(queue):
        if after[i] and boxes[i].end != "first" and len(after[i]) >= len(before[i]):
            ranks[i] = min(ranks[j] for j in after[i]) - 1
    firsts = [i for i in range(n) if boxes[i].end == "first"]
    lasts = [i for i in range(n) if boxes[i].end == "last"]
    others = [ranks[i] for i in range(n) if not boxes[i].end]
    low, high = min(others, default=0), max(others, default=0)
    for i in firsts:
        ranks[i] = low - 1
    for i in lasts:
        ranks[i] = high + 1
    least = min(ranks, default=0)
    return [r - least for r in ranks]


def _first_order(boxes, pieces_of, lines, order):
    """Fill `order` depth first from what comes last, which keeps branches together; long lines come left."""
    into = [[] for _ in boxes]
    has_user = [False] * len(boxes)
    for k, line in enumerate(lines):
        into[line.target].append(k)
        has_user[line.source] = True
    for own in into:
        own.sort(key=lambda k: -len(pieces_of[k]))
    used = [False] * len(boxes)
    ends = [i for i in range(len(boxes)) if not has_user[i]]
    ends.sort(key=lambda i: -len(pieces_of[into[i][0]]) if into[i] else 0)
    stack = [(i, None) for i in reversed(ends)]
    while stack:
        i, line = stack.pop()
        if line is not None:
            for piece, rank in pieces_of[line]:
                order[rank].append(piece)
        if not used[i]:
            used[i] = True
            order[boxes[i].rank].append(i)
            stack.extend([(lines[k].source, k) for k in reversed(into[i])])


def _neighbours(n, edges):
    """Per box or piece, its (neighbour, weight, own offset, the neighbour's offset) above and below."""
    up, down = [[] for _ in range(n)], [[] for _ in range(n)]
    for a, b, weight, start, stop in edges:
        down[a].append((b, weight, start, stop))
        up[b].append((a, weight, stop, start))
    return up, down


# --- order ----------------------------------------------------------------------------------------


def _untangle(order, up, down, n):
    """The order with the fewest crossings that some sweeps down and up find."""
    place = [0] * n

    def number(rank):
        for k, i in enumerate(rank):
            place[i] = k

    for rank in order:
        number(rank)
    best, fewest = [list(r) for r in order], _crossings(order, down, place)
    idle = 0
    for sweep in range(SWEEPS if n < LARGE else 4):
        if not fewest:
            break
        ranks, near = (order[1:], up) if sweep % 2 == 0 else (order[-2::-1], down)
        for rank in ranks:
            keys = {}
            for i in rank:
                beside = near[i]
                keys[i] = sum([place[j[0]] for j in beside]) / len(beside) if beside else float(place[i])
            rank.sort(key=keys.__getitem__)
            number(rank)
        if n < LARGE:
            _exchange(order, up, down, place)
        crossings = _crossings(order, down, place)
        if crossings < fewest:
            best, fewest, idle = [list(r) for r in order], crossings, 0
        else:
            idle += 1
            if idle == 4:
                break
    return best, fewest


def _exchange(order, up, down, place):
    """Exchange neighbours in a rank wherever that takes crossings away."""
    for rank in order:
        changed = True
        rounds = 0
        while changed and rounds < 4:
            changed = False
            rounds += 1
            for k in range(len(rank) - 1):
                a, b = rank[k], rank[k + 1]
                gain = 0
                for near in (up, down):
                    pa, pb = [place[j[0]] for j in near[a]], [place[j[0]] for j in near[b]]
                    for p in pa:
                        for q in pb:
                            gain += (p > q) - (p < q)
                if gain > 0:
                    rank[k], rank[k + 1] = b, a
                    place[a], place[b] = k + 1, k
                    changed = True


def _crossings(order, down, place):
    """How many pairs of lines cross, counted with a tree of sums (Barth, Juenger and Mutzel, 2002)."""
    total = 0
    for k in range(len(order) - 1):
        ends = [p for i in order[k] for p in sorted([place[j[0]] for j in down[i]])]
        if len(ends) < 2 or all(a <= b for a, b in zip(ends, ends[1:], strict=False)):
            continue
        size = len(order[k + 1]) + 1
        tree = [0] * (size + 1)
        for seen, p in enumerate(ends):
            at, before = p + 1, 0
            while at:
                before += tree[at]
                at -= at & -at
            total += seen - before
            at = p + 1
            while at <= size:
                tree[at] += 1
                at += at & -at
    return total


# --- coordinates ----------------------------------------------------------------------------------


def _coordinates(order, spans, up, down, gap, chains):
    x = [0.0] * len(spans)
    for rank in order:
        at = 0.0
        for i in rank:
            at += spans[i][0]
            x[i] = at
            at += spans[i][1] + gap
    rounds = ROUNDS if len(spans) < LARGE else 3
    for round in range(rounds):
        final = round == rounds - 1
        for rank in order:
            _settle(rank, x, spans, (up, down) if final else (up,), gap)
        for rank in reversed(order):
            _settle(rank, x, spans, (up, down) if final else (down,), gap)
    axes = {}
    for chain in chains:
        middle = sorted([x[i] for i in chain])[len(chain) // 2]
        axes.update(dict.fromkeys(chain, middle))
    # chains to their axes, and what is beside them out of the way: from above, from below, then both
    for near, ranks in (((up,), order), ((down,), order[::-1]), ((up, down), order)):
        for rank in ranks:
            _settle(rank, x, spans, near, gap, axes)
    return x


def _settle(rank, x, spans, nears, gap, axes=None):
    """Move a rank's members nearest to where their neighbours want them, keeping order and distances.

    Minimises the weighted squares of the way from there, which is an isotonic regression once the least
    distances are taken off.
    """
    blocks = []  # [sum of weight * wish, weight, wish, members]
    at = 0.0
    offsets = []
    for k, i in enumerate(rank):
        if k:
            at += spans[rank[k - 1]][1] + gap + spans[i][0]
        offsets.append(at)
        weight, pull = 0.0, 0.0
        for near in nears:
            for j, w, own, its in near[i]:
                weight += w
                pull += w * (x[j] + its - own)
        if axes and i in axes:
            weight, pull = weight + PULL, pull + PULL * axes[i]
        if not weight:
            weight, pull = 0.01, 0.01 * x[i]
        pull -= weight * at
        block = [pull, weight, pull / weight, 1]
        while blocks and blocks[-1][2] > block[2]:
            before = blocks.pop()
            pull, weight = before[0] + block[0], before[1] + block[1]
            block = [pull, weight, pull / weight, before[3] + block[3]]
        blocks.append(block)
    k = 0
    for _, _, wish, members in blocks:
        for _ in range(members):
            x[rank[k]] = wish + offsets[k]
            k += 1


def _chains(up, down):
    """Boxes and pieces that have one strong line to the next, which has no other; longest first."""
    strong_up = [[e[0] for e in edges if e[1] >= 2.0] for edges in up]
    follows = {}
    for i, edges in enumerate(down):
        below = [e[0] for e in edges if e[1] >= 2.0]
        if len(below) == 1 and len(strong_up[below[0]]) == 1:
            follows[i] = below[0]
    chains = []
    for i in sorted(set(follows) - set(follows.values())):
        chain = [i]
        while chain[-1] in follows:
            chain.append(follows[chain[-1]])
        chains.append(chain)
    return sorted(chains, key=lambda c: (-len(c), c[0]))


def _straighten(order, x, spans, gap, chains):
    """Put chains on one axis exactly, where there is room."""
    beside = {}
    for rank in order:
        for k, i in enumerate(rank):
            beside[i] = (rank[k - 1] if k else None, rank[k + 1] if k + 1 < len(rank) else None)
    for chain in chains:
        at = 0
        while at < len(chain):  # as long a part as has a common axis, then the next
            low, high, end = -1e18, 1e18, at
            while end < len(chain):
                i = chain[end]
                left, right = beside[i]
                a = low if left is None else max(low, x[left] + spans[left][1] + gap + spans[i][0])
                b = high if right is None else min(high, x[right] - spans[right][0] - gap - spans[i][1])
                if a > b:
                    break
                low, high, end = a, b, end + 1
            members = chain[at:end]
            if len(members) > 1:
                middle = sorted([x[i] for i in members])[len(members) // 2]
                for i in members:
                    x[i] = min(max(middle, low), high)
            at = max(end, at + 1)
