"""The steps of random programs (see random_programs.py): what a program may do, and how it is written.

Each takes the names of two tensors, their shapes and two numbers, and gives a line of code, or None where it
doesn't fit.
"""

import random


def _dim(shape, k):
    return k % len(shape) if shape else None


def along(text, least=1):
    """A line that names a dimension {d} of at least `least` elements, and one of its indices {i}."""

    def line(a, b, shape, other, k, m):
        d = _dim(shape, k)
        if d is None or shape[d] < least or 0 in shape:  # PyTorch checks no index of what is empty
            return None
        n = shape[d]
        return text.format(a=a, b=b, d=d, i=m % n, n=n, half=(n + 1) // 2, e=(d + 1) % len(shape))

    return line


def plain(text):
    return lambda a, b, shape, other, k, m: text.format(a=a, b=b, n=len(shape), k=k, m=m)


def fitting(text):
    """A line for two tensors of one shape; of others, the second one's mean is taken."""

    def line(a, b, shape, other, k, m):
        fits = len(other) <= len(shape) and all(
            o in (1, s) for o, s in zip(other[::-1], shape[::-1], strict=False)
        )
        return text.format(a=a, b=b if fits else f"{b}.mean()")

    return line


def permuted(a, b, shape, other, k, m):
    order = list(range(len(shape)))
    random.Random(k * 8 + m).shuffle(order)
    return f"{a}.permute({', '.join(map(str, order))})" if order else None


def expanded(a, b, shape, other, k, m):
    if 1 in shape and k % 2:
        sizes = [2 if n == 1 else -1 for n in shape]
        return f"{a}.expand({', '.join(map(str, sizes))})"
    return f"{a}.expand(2, {', '.join(['-1'] * len(shape))})" if shape else f"{a}.expand(2)"


def square(text):
    """A line that needs two dimensions."""
    return lambda a, b, shape, other, k, m: text.format(a=a, k=k % 3 - 1) if len(shape) >= 2 else None


def product(a, b, shape, other, k, m):
    """Of batches, PyTorch saves a copy in some cases."""
    if len(shape) < 2:
        return None
    return f"{a} @ {a}.mT" if len(shape) == 2 else f"{a}.clone() @ {a}.clone().mT"


VIEWS = {
    "index": along("{a}[{i}]"),
    "select": along("{a}.select({d}, {i})"),
    "narrow": along("{a}.narrow({d}, {i}, 1)"),
    "slice": along("{a}[..., {i}:]"),
    "stride": along("{a}[::2]"),
    "none": plain("{a}[None]"),
    "view": plain("{a}.view(-1)"),
    "reshape": plain("{a}.reshape(-1)"),
    "flatten": plain("{a}.flatten()"),
    "view_as": plain("{a}.view_as({a})"),
    "unsqueeze": plain("{a}.unsqueeze(-1)"),
    "squeeze": plain("{a}.squeeze()"),
    "transpose": along("{a}.transpose({d}, {e})"),
    "permute": permuted,
    "movedim": along("{a}.movedim({d}, 0)"),
    "mT": square("{a}.mT"),
    "expand": expanded,
    "diagonal": square("{a}.diagonal({k})"),
    "unfold": along("{a}.unfold({d}, {half}, {half})"),
    "detach": plain("{a}.detach()"),
    "unbind": along("{a}.unbind({d})[{i}]"),
    "split": along("{a}.split(1, {d})[{i}]"),
    "chunk": along("{a}.chunk(2, {d})[0]"),
    "tensor_split": along("{a}.tensor_split(2, {d})[0]"),
}
OUT_OF_PLACE = {
    "double": plain("{a} * 2"),
    "product": fitting("{a} * {b}"),
    "sum": fitting("{a} + {b}"),
    "difference": fitting("{b} - {a}"),
    "quotient": fitting("{a} / ({b} * {b} + 1)"),
    "square": plain("{a} * {a}"),
    "sin": plain("{a}.sin()"),
    "tanh": plain("{a}.tanh()"),
    "sigmoid": plain("{a}.sigmoid()"),
    "exp": plain("{a}.tanh().exp()"),
    "relu": plain("{a}.relu()"),
    "clone": plain("{a}.clone()"),
    "contiguous": plain("{a}.contiguous() * 1"),
    "cat": plain("torch.cat([{a}.reshape(-1), {b}.reshape(-1)])"),
    "stack": fitting("torch.stack([{a}, {a} * {b}])"),
    "where": fitting("torch.where({a} > 0.1, {a}, {b})"),
    "max": along("{a}.max({d})[0]"),
    "amax": along("{a}.amax({d})"),
    "sort": along("{a}.sort({d})[0]"),
    "sum of dim": along("{a}.sum({d})"),
    "mean": along("{a}.mean({d}, keepdim=True)"),
    "prod": along("{a}.prod({d})"),
    "cumsum": along("{a}.cumsum({d})"),
    "softmax": along("{a}.softmax({d})"),
    "var": along("{a}.var({d})", least=2),
    "flip": along("{a}.flip({d})"),
    "roll": along("{a}.roll(1, {d})"),
    "repeat": along("{a}.repeat_interleave(2, {d}).clone()"),
    "split all": along("sum({a}.split(1, {d}))"),
    "unbind all": along("sum({a}.unbind({d}))"),
    "list": along("{a}[[{i}, 0, {i}]]"),
    "mask": plain("{a}[{a} > 0.1]"),
    "index_select": along("{a}.index_select({d}, torch.tensor([{i}, 0]))"),
    "gather": along("{a}.gather({d}, torch.zeros_like({a}, dtype=torch.int64))"),
    "masked_fill": plain("{a}.masked_fill({a} > 0.1, 0.5)"),
    "dot": plain("{a}.reshape(-1) @ {a}.reshape(-1)"),
    "matmul": product,
    "tril": square("{a}.tril({k})"),
    "trace": square("{a}.diagonal({k}).sum(-1)"),
    "outer": plain("torch.outer({a}.reshape(-1)[:3], {b}.reshape(-1)[:3])"),
}
IN_PLACE = {
    "mul_": fitting("{a}.mul_({b})"),
    "mul_ number": plain("{a}.mul_(3)"),
    "mul_ itself": plain("{a}.mul_({a})"),
    "add_": fitting("{a}.add_({b}, alpha=0.5)"),
    "sub_ mean": plain("{a}.sub_({b}.mean())"),
    "div_": fitting("{a}.div_({b} * {b} + 1)"),
    "sin_": plain("{a}.sin_()"),
    "tanh_": plain("{a}.tanh_()"),
    "relu_": plain("{a}.relu_()"),
    "zero_": plain("{a}.zero_()"),
    "fill_": plain("{a}.fill_(0.25)"),
    "fill_ tensor": plain("{a}.fill_({b}.sum())"),
    "copy_": fitting("{a}.copy_({b})"),
    "copy_ of a sum": plain("{a}.copy_({b}.sum())"),
    "addcmul_": fitting("{a}.addcmul_({b}, {b}, value=0.3)"),
    "lerp_": fitting("{a}.lerp_({a}.sin(), 0.3)"),
    "set number": along("{a}[{i}] = 0.5"),
    "set": along("{a}[{i}] = {b}.sum()"),
    "set slice": along("{a}[..., {i}:] = {b}.mean()"),
    "set row": along("{a}[{i}] = {a}[0] * 2"),
    "set list": along("{a}[[{i}]] = {b}.mean()"),
    "set mask": plain("{a}[{a} > 0.1] = {b}.mean()"),
    "add to row": along("{a}[{i}] += {b}.mean()"),
    "multiply slice": along("{a}[..., {i}:] *= 2"),
    "masked_fill_": plain("{a}.masked_fill_({a} > 0.1, {b}.mean())"),
    "index_fill_": along("{a}.index_fill_({d}, torch.tensor([{i}]), 0.5)"),
    "index_add_": along("{a}.index_add_({d}, torch.tensor([{i}]), {a}.narrow({d}, 0, 1).sin())"),
    "index_copy_": along("{a}.index_copy_({d}, torch.tensor([{i}]), {a}.narrow({d}, 0, 1).sin())"),
    "cumsum_": along("{a}.cumsum_({d})"),
    "diagonal_": square("{a}.diagonal().mul_(2)"),
    "view and write": along("{a}.select({d}, {i}).mul_({b}.mean())"),
}
RESTRUCTURE = {
    "unsqueeze_": plain("{a}.unsqueeze_(0)"),
    "squeeze_": along("{a}.squeeze_({d})"),
}
OTHER = {
    "retain_grad": plain("{a}.retain_grad()"),
    "hook": plain("{a}.register_hook(lambda g: g * 1.5)"),
    "requires_grad_": plain("{a}.requires_grad_()"),
}
KINDS = {
    **dict.fromkeys(VIEWS, "view"),
    **dict.fromkeys(OUT_OF_PLACE, "new"),
    **dict.fromkeys(IN_PLACE, "write"),
    **dict.fromkeys(RESTRUCTURE, "restructure"),
    **dict.fromkeys(OTHER, "other"),
}
LINES = VIEWS | OUT_OF_PLACE | IN_PLACE | RESTRUCTURE | OTHER
NAMES = [sorted(group) for group in (VIEWS, VIEWS, OUT_OF_PLACE, IN_PLACE, IN_PLACE, OTHER)]  # proportions
NAMES[-1] += sorted(RESTRUCTURE)


def draw(rng, longest=14):
    """A random program's steps, and its ending (see Program)."""
    steps = []
    for _ in range(rng.randint(1, longest)):
        name = rng.choice(rng.choice(NAMES))
        steps.append((name, *[rng.randint(0, 7) for _ in range(4)], rng.random() < 0.15))
    return steps, rng.choice(ENDINGS)


ENDINGS = ("once", "once", "once", "twice", "second")
