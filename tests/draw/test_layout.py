"""The layered layout: ranks, order, distances, and that it comes out the same each time."""

import random

import pytest

from retrograd.draw.layout import Box, Line, assign_ranks, layered


def boxes(n, width=80.0, height=30.0):
    return [Box(width / 2, width / 2, height) for _ in range(n)]


def laid_out(n, pairs, **options):
    b, lines = boxes(n), [Line(*pair, **options) for pair in pairs]
    return b, lines, layered(b, lines)


def test_lines_go_to_higher_ranks_and_ranks_leave_room_for_their_texts():
    b, _, layout = laid_out(4, [(0, 1), (1, 3), (0, 2), (2, 3)])
    assert [x.rank for x in b] == [0, 2, 2, 4]
    assert len(layout.heights) == 5 and layout.heights[0] == 30


def test_a_source_stands_right_above_what_uses_it():
    assert assign_ranks(boxes(5), [Line(0, 1), Line(1, 2), Line(2, 3), Line(4, 3)]) == [0, 1, 2, 3, 2]


def test_a_chain_is_straight():
    b, lines, _ = laid_out(6, [(i, i + 1) for i in range(5)], label=40.0)
    assert len({round(x.x, 6) for x in b}) == 1
    assert {round(x, 6) for line in lines for _, x in line.pieces} == {round(b[0].x, 6)}


def test_a_residual_block_has_its_chain_straight_and_the_skip_beside_it():
    b, lines, layout = laid_out(5, [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)])
    assert len({round(x.x, 6) for x in b}) == 1
    inner = {round(x, 6) for _, x in lines[3].pieces}
    assert len(inner) == 1 and abs(inner.pop() - b[0].x) > 40
    assert layout.crossings == 0


def test_crossings_that_can_be_avoided_are():
    pairs = [(0, 7), (1, 6), (2, 5), (3, 4), (4, 8), (5, 8), (6, 8), (7, 8)]
    assert laid_out(9, pairs)[2].crossings == 0


def test_ends_are_held_in_the_first_and_last_rank():
    b = boxes(4)
    b[0].end, b[3].end = "first", "last"
    lines = [Line(1, 2), Line(0, 2), Line(1, 3)]
    layered(b, lines, labels=False)
    assert [x.rank for x in b] == [0, 1, 2, 3]


def test_a_cycle_is_an_error():
    with pytest.raises(ValueError, match="cycle"):
        laid_out(2, [(0, 1), (1, 0)])


def graph_by_chance(n, seed):
    chance = random.Random(seed)
    return sorted({(chance.randrange(max(0, j - 9), j), j) for j in range(1, n) for _ in range(2)})


@pytest.mark.parametrize("seed", range(8))
def test_nothing_overlaps_and_the_order_is_kept(seed):
    b, lines, layout = laid_out(60, graph_by_chance(60, seed), label=30.0)
    for line in lines:
        assert [r for r, _ in line.pieces] == list(range(b[line.source].rank + 1, b[line.target].rank))
    for rank in range(len(layout.heights)):
        row = [(x.x - x.left, x.x + x.right) for x in b if x.rank == rank]
        row += [(x - 3, x + 3) for line in lines for r, x in line.pieces if r == rank]
        row.sort()
        for (_, end), (start, _) in zip(row, row[1:], strict=False):
            assert start - end > 25.999
    assert layout.left <= min(x.x - x.left for x in b) and layout.right >= max(x.x + x.right for x in b)


def test_the_same_graph_gives_the_same_layout():
    def once():
        b, lines, layout = laid_out(80, graph_by_chance(80, 3))
        return [x.x for x in b], [line.pieces for line in lines], layout.order

    assert once() == once()


def test_counted_crossings_are_those_that_there_are():
    b, lines, layout = laid_out(30, graph_by_chance(30, 1))
    place = {i: k for rank in layout.order for k, i in enumerate(rank)}
    piece, over = len(b), {}
    for line in lines:
        path = [line.source, *range(piece, piece + len(line.pieces)), line.target]
        piece += len(line.pieces)
        for k, pair in enumerate(zip(path, path[1:], strict=False)):
            over.setdefault(b[line.source].rank + k, []).append(pair)
    crossed = sum(
        (place[a] - place[c]) * (place[z] - place[d]) < 0
        for pairs in over.values() for k, (a, z) in enumerate(pairs) for c, d in pairs[k + 1 :]
    )  # fmt: skip
    assert layout.crossings == crossed


def test_ten_thousand_boxes_in_a_row_need_no_recursion():
    n = 10_000
    b, _, layout = laid_out(n, [(i, i + 1) for i in range(n - 1)])
    assert layout.crossings == 0 and b[-1].rank == 2 * (n - 1)
