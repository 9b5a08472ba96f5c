"""How products of matrices, einsum and convolutions run on whole batches; see `rules`."""

from ..core.op import TABLE
from .rules import hidden, merged, padded_to, parted, rank, rule

# --- products of matrices ---------------------------------------------------------------


@rule("matmul", "mm", "bmm", "mv", "dot")
def _matmul(level, op, args):
    """Vectors become matrices, and the batch one of the dimensions that broadcast."""
    x, y = args
    if op.name in _RANKS and (rank(x), rank(y)) != _RANKS[op.name]:
        wanted = " and a ".join([f"{n}-D" for n in _RANKS[op.name]])
        raise RuntimeError(
            f"Shape mismatch: {op.name} inside vmap: expected a {wanted} tensor, but got {rank(x)}-D and "
            f"{rank(y)}-D; matmul() takes any ranks [RG038]"
        )
    return level.wrap(_product(level, x, y))


_RANKS = {"mm": (2, 2), "bmm": (3, 3), "mv": (2, 1), "dot": (1, 1)}


def _product(level, x, y):
    row, column = rank(x) == 1, rank(y) == 1
    n = max(rank(x), rank(y), 2)
    x, y = _matrices(level, x, n, row, False), _matrices(level, y, n, False, column)
    out = TABLE["matmul"](x, y)
    shape = list(out.shape)
    if column:
        shape.pop(-1)
    if row:
        shape.pop(-1 if column else -2)
    return out if len(shape) == out.ndim else TABLE["reshape"](out, tuple(shape))


def _matrices(level, v, n, row, column):
    if not level.hides(v):
        if row or column:
            v = TABLE["reshape"](v, (1, *v.shape) if row else (*v.shape, 1))
        return v
    v = level.front(v)
    if row or column:
        v = TABLE["reshape"](v, (v.shape[0], 1, v.shape[1]) if row else (*v.shape, 1))
    return padded_to(v, n + 1)


@rule("addmm", "addmv", "baddbmm")
def _affine(level, op, args):
    x, left, right, beta, alpha = args
    with level.inside():
        out = TABLE["matmul"](left, right)
        out = out if alpha == 1 else out * alpha
        return out if beta == 0 else out + (x if beta == 1 else x * beta)


@rule("linear")
def _linear(level, op, args):
    x, weight, bias = args
    if not level.hides(weight) and not level.hides(bias):
        return level.wrap(op(level.front(x), weight, bias))
    with level.inside():
        if rank(weight) == 2:
            out = TABLE["matmul"](x, TABLE["transpose"](weight, 0, 1))
        else:
            out = TABLE["matmul"](x, weight)
        return out if bias is None else out + bias


@rule("einsum")
def _einsum(level, op, args):
    x, y, x_labels, y_labels, out_labels = args
    if level.hides(x):
        x, x_labels = level.front(x), (level, *x_labels)
    if level.hides(y):
        y, y_labels = level.front(y), (level, *y_labels)
    return level.wrap(op(x, y, x_labels, y_labels, (level, *out_labels)))


# --- linear algebra: rows of batches of matrices ----------------------------------------


@rule(
    "linalg_inv", "linalg_det", "linalg_slogdet", "linalg_cholesky", "linalg_lu", "linalg_qr", "linalg_eigh",
    "linalg_eig",
    "linalg_svd", "linalg_pinv", "linalg_matrix_exp", "cofactor",
)  # fmt: skip
def _of_matrices(level, op, args):
    if any([level.hides(a) for a in args[1:]]) or (op.name == "linalg_qr" and args[1] == "r"):
        return None  # without Q, an empty tensor stands for it, in a batch too
    return hidden(level, op(level.front(args[0]), *args[1:]))


@rule("linalg_cross")
def _cross(level, op, args):
    x, y, axis = args
    n = max(rank(x), rank(y))
    return level.wrap(op(*[padded_to(level.whole(v), n + 1) for v in (x, y)], axis + 1))


@rule("linalg_solve", "linalg_solve_triangular")
def _solve(level, op, args):
    a, b, *rest = args
    n = max(rank(a), rank(b))
    return level.wrap(op(*[padded_to(level.front(v), n + 1) if level.hides(v) else v for v in (a, b)], *rest))


# --- convolutions -----------------------------------------------------------------------
#
# Where the examples share the weight, they are images of one batch. Where they don't, they are groups of one
# convolution: (N, B * C, ...) with groups * B.


def _channels(value):
    """(B, N, C, ...) as (N, B * C, ...)."""
    value = TABLE["permute"](value, (1, 0, *range(2, value.ndim)))
    return TABLE["reshape"](value, (value.shape[0], value.shape[1] * value.shape[2], *value.shape[3:]))


def _from_channels(value, size):
    """(N, B * C, ...) as (N, B, C, ...)."""
    return TABLE["reshape"](value, (value.shape[0], size, value.shape[1] // size, *value.shape[2:]))


@rule("conv1d", "conv2d", "conv3d")
def _conv(level, op, args):
    x, weight, bias, stride, padding, dilation, groups = args
    if not level.size:
        return None
    if not level.hides(weight) and not level.hides(bias):
        out = op(merged(level.front(x)), weight, bias, stride, padding, dilation, groups)
        return level.wrap(parted(out, level.size))
    if bias is not None:
        with level.inside():
            out = op(x, weight, None, stride, padding, dilation, groups)
            return out + TABLE["reshape"](bias, (bias.shape[0], *[1] * (rank(x) - 2)))
    if not level.hides(x) and groups == 1:
        out = op(x, merged(level.front(weight)), None, stride, padding, dilation, 1)
    else:
        x, weight = _channels(level.whole(x)), merged(level.whole(weight))
        out = op(x, weight, None, stride, padding, dilation, groups * level.size)
    return level.wrap(_from_channels(out, level.size), 1)


@rule("conv1d_input", "conv2d_input", "conv3d_input")
def _conv_input(level, op, args):
    y, weight, size, stride, padding, dilation, groups = args
    if not level.size:
        return None
    if not level.hides(weight):
        return level.wrap(
            parted(op(merged(level.front(y)), weight, size, stride, padding, dilation, groups), level.size)
        )
    y, weight = _channels(level.whole(y)), merged(level.front(weight))
    out = op(y, weight, size, stride, padding, dilation, groups * level.size)
    return level.wrap(_from_channels(out, level.size), 1)


@rule("conv1d_weight", "conv2d_weight", "conv3d_weight")
def _conv_weight(level, op, args):
    y, x, size, stride, padding, dilation, groups = args
    if not level.size:
        return None
    if groups == 1 and not level.hides(x):
        out = op(_channels(level.front(y)), x, size, stride, padding, dilation, 1)
        return level.wrap(parted(out, level.size))
    y, x = _channels(level.whole(y)), _channels(level.whole(x))
    return level.wrap(parted(op(y, x, size, stride, padding, dilation, groups * level.size), level.size))
