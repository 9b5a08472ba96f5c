"""Where everything of a picture is, for any choice of unfolded groups.

Each group is laid out once, with the groups in it folded. Unfolding one makes room for it: ranks below move
down, what is left and right of its axis moves aside. So nothing overlaps or changes its order, and the page
(graph.js) can do the same without a layout of its own: `arrange` here and there must stay alike (a test
compares them).
"""

from dataclasses import dataclass, field

from . import cards
from .folding import NEAR_RANKS, mention_far
from .layout import Box, Line, assign_ranks, layered
from .survey import OPERATION, OUTPUT_MARK

GAP = 17.0  # between a rank and the texts of the lines that leave it
LABEL_HEIGHT = 16.0
PADDING = 16.0
HEADER = 40.0  # from a group's upper edge to its first rank
HEADER_LINE = 30.0  # where lines that enter it begin, below its name
FOOT = 10.0
LABELS_UP_TO = 1500  # parts of a group: past that lines carry no text


@dataclass
class Plan:
    """A group that is laid out: per part its card, rank and axis; per wire its ends, pieces and text."""

    group: object
    cards: list = field(default_factory=list)
    ranks: list = field(default_factory=list)
    xs: list = field(default_factory=list)
    heights: list = field(default_factory=list)
    wires: list = field(default_factory=list)
    left: float = 0.0
    right: float = 0.0
    gap: float = GAP
    header: float = 0.0  # the width of the group's name
    main: int | None = None  # the port on the group's axis


@dataclass
class Drawn:
    """A wire as it is drawn, from above down."""

    start: int
    stop: int
    pieces: list
    text: str
    gradient: bool
    start_port: int | None = None  # where it touches an unfolded group: the position of a port in that
    stop_port: int | None = None


def plans(survey, top, groups, forward=True, saved=True):
    """{group number: Plan} of all groups."""
    uses = survey.uses()
    return {g.number: _plan(survey, g, g is top, forward, saved, uses) for g in groups}


def _plan(survey, group, is_top, forward, saved, uses):
    boxes = [_box(survey, group, part, forward, saved, uses) for part in group.parts]
    lines = _lines(group, forward)
    if len(boxes) > NEAR_RANKS:
        mention_far(group, assign_ranks([b for b, _ in boxes], lines))
        boxes += [_box(survey, group, part, forward, saved, uses) for part in group.parts[len(boxes) :]]
        lines = _lines(group, forward)
    plan = Plan(group)
    labels = len(group.parts) <= LABELS_UP_TO
    plan.gap = GAP if labels else 2 * GAP
    texts = [_text(group, w) if labels else "" for w in group.wires]
    for line, text in zip(lines, texts, strict=True):
        line.label = cards.text_width(text, 10.5, mono=True) if text else 0.0
    layout = layered([b for b, _ in boxes], lines, labels=labels, label_height=LABEL_HEIGHT)
    plan.cards = [card for _, card in boxes]
    plan.ranks = [b.rank for b, _ in boxes]
    plan.xs = [b.x for b, _ in boxes]
    plan.heights = layout.heights
    plan.left, plan.right = layout.left, layout.right
    for line, wire, text in zip(lines, group.wires, texts, strict=True):
        ports = [_port(group, wire.start, "out", wire.source), _port(group, wire.stop, "in", wire.source)]
        ports = ports if forward else ports[::-1]
        plan.wires.append(Drawn(line.source, line.target, line.pieces, text, wire.gradient, *ports))
    if not is_top:
        plan.header = cards.header_width(group)
        ports = [k for k, part in enumerate(group.parts) if part.port]
        plan.main = min(ports, key=lambda k: (boxes[k][0].end != "first", k), default=None)
    return plan


def _text(group, wire):
    """The text of a line: none for the pieces of it within groups, which it enters or leaves."""
    inner = group.parts[wire.start].port or group.parts[wire.stop].port
    return "" if inner else cards.shape_text(wire.shape)


def _port(group, k, kind, source):
    """The position of the port through which lines of `source` cross the border of part `k`, a group."""
    inner = group.parts[k].group
    if inner is None:
        return None
    return next(j for j, p in enumerate(inner.parts) if p.port == kind and p.source == source)


def _lines(group, forward):
    return [Line(w.start, w.stop) if forward else Line(w.stop, w.start) for w in group.wires]


def _box(survey, group, part, forward, saved, uses):
    card = _card(survey, group, part, forward, saved, uses)
    operation = part.item is not None and survey.items[part.item].kind in (OPERATION, OUTPUT_MARK)
    end = ""
    if part.port:
        end = "first" if (part.port == "in") == forward else "last"
    spine = operation or part.group is not None or bool(part.port)
    return Box(card.left, card.right, card.height, spine, end), card


def _card(survey, group, part, forward, saved, uses):
    if part.port:
        return cards.Card(4.0, 4.0, 0.0, "", 0.0)
    if part.mention:
        return cards.mention(survey.items[part.source])
    if part.group is not None:
        return cards.group(part.group, part.group.path.removeprefix(group.path).lstrip("."))
    item = survey.items[part.item]
    if item.kind == OPERATION:
        beside = [survey.items[i] for i in part.beside]
        return cards.operation(item, beside, forward, saved, uses[item.index], group.path)
    return cards.leaf(item, uses[item.index], group.path)


# --- for a choice of unfolded groups --------------------------------------------------------------


@dataclass
class Placed:
    """A group's size and, from its own corner, where its parts and lines are."""

    width: float
    height: float
    axis: float  # where its main line enters
    parts: list  # (axis, top) of each
    paths: list  # points of each wire
    texts: list  # (x, y) of each wire's text
    inner: dict  # part -> Placed of an unfolded group


def arrange(all_plans, number, opened, is_top=True):
    """The group `number` with the groups in `opened` unfolded."""
    plan = all_plans[number]
    parts = plan.group.parts
    inner = {}
    for k, part in enumerate(parts):
        if part.group is not None and part.group.number in opened:
            inner[k] = arrange(all_plans, part.group.number, opened, False)
    heights = list(plan.heights)
    for k, placed in inner.items():
        heights[plan.ranks[k]] = max(heights[plan.ranks[k]], placed.height)
    wider = _wider(plan, inner)
    extra = 0.0 if is_top else max(plan.header - (plan.right - plan.left + 2 * PADDING), 0.0)
    origin = PADDING + extra / 2 - plan.left + sum([left for _, _, left, _ in wider])

    def move(x):
        at, moved = round(x, 1), x + origin
        for first, last, left, right in wider:
            moved += right if last < at else -left if first > at else 0.0
        return moved

    tops, y = [], PADDING if is_top else HEADER
    for height in heights:
        tops.append(y)
        y += height + plan.gap
    bottom = y - plan.gap + (PADDING if is_top else FOOT)
    places = []
    for k in range(len(parts)):
        height = inner[k].height if k in inner else plan.cards[k].height
        places.append((move(plan.xs[k]), tops[plan.ranks[k]] + (heights[plan.ranks[k]] - height) / 2))
    paths, texts = [], []
    for wire in plan.wires:
        a, b = wire.start, wire.stop
        middle = []
        for rank, x in wire.pieces:
            middle.append((move(x), tops[rank]))
            if heights[rank] > LABEL_HEIGHT or (wire.text and len(middle) == 1):  # straight beside its text
                middle.append((move(x), tops[rank] + heights[rank]))
        x0 = _touch(plan, inner, places, a, wire.start_port, middle[0][0] if middle else places[b][0])
        x1 = _touch(plan, inner, places, b, wire.stop_port, middle[-1][0] if middle else x0)
        low, high = tops[plan.ranks[a]] + heights[plan.ranks[a]], tops[plan.ranks[b]]
        y0 = places[a][1] + (inner[a].height if a in inner else plan.cards[a].height - plan.cards[a].inset)
        y1 = places[b][1] + (0.0 if b in inner else plan.cards[b].inset)
        if parts[a].port:
            y0 = 0.0 if is_top else HEADER_LINE
        if parts[b].port:
            y1 = bottom
        points = [(x0, y0)]
        points += [(x0, low)] if low > y0 + 0.5 else []
        points += middle
        points += [(x1, high)] if high < y1 - 0.5 else []
        points.append((x1, y1))
        paths.append(points)
        texts.append((middle[0][0] + 6, middle[0][1] + 12) if wire.text and middle else None)
    width = plan.right - plan.left + 2 * PADDING + extra + sum([left + right for _, _, left, right in wider])
    axis = places[plan.main][0] if plan.main is not None else width / 2
    return Placed(width, bottom, axis, places, paths, texts, inner)


def _wider(plan, inner):
    """How much room unfolded groups need: (first axis, last axis, to the left, to the right) of each column.

    Groups with their axes within each other's cards are one column and share the room: nothing in their ranks
    can be between the axes.
    """
    columns = []
    for k in sorted(inner, key=lambda k: (round(plan.xs[k], 1), k)):
        card, axis = plan.cards[k], round(plan.xs[k], 1)
        left = max(inner[k].axis - card.left, 0.0)
        right = max(inner[k].width - inner[k].axis - card.right, 0.0)
        half = min(card.left, card.right)
        if columns and axis - columns[-1][0] < min(half, columns[-1][4]):
            first, _, before, after, least = columns[-1]
            columns[-1] = (first, axis, max(before, left), max(after, right), min(least, half))
        else:
            columns.append((axis, axis, left, right, half))
    return [column[:4] for column in columns]


def _touch(plan, inner, places, k, port, toward):
    """Where along the edge of part `k` a line that comes from `toward` touches it."""
    axis = places[k][0]
    if k in inner and port is not None:
        return axis - inner[k].axis + inner[k].parts[port][0]
    hold = plan.cards[k].hold
    return min(max(toward, axis - hold), axis + hold)


def curve(points):
    """SVG path data through `points`, from above down; smooth, and never beyond a point's x."""
    slopes = [0.0] * len(points)
    for i in range(1, len(points) - 1):
        before, after = _slope(points[i - 1], points[i]), _slope(points[i], points[i + 1])
        if before * after > 0:
            slopes[i] = 2 * before * after / (before + after)
    text = [f"M{cards.digits(points[0][0])} {cards.digits(points[0][1])}"]
    for i in range(1, len(points)):
        (xa, ya), (xb, yb) = points[i - 1], points[i]
        if abs(xa - xb) < 0.05:
            text.append(f"V{cards.digits(yb)}")
            continue
        third = (yb - ya) * (0.5 if not slopes[i - 1] and not slopes[i] else 1 / 3)
        numbers = (
            xa + slopes[i - 1] * third, ya + third, xb - slopes[i] * third, yb - third, xb, yb,
        )  # fmt: skip
        text.append("C" + " ".join([cards.digits(v) for v in numbers]))
    return "".join(text)


def _slope(a, b):
    return (b[0] - a[0]) / (b[1] - a[1]) if b[1] > a[1] else 0.0
