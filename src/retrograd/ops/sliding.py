"""Sliding windows over the spatial axes of arrays: what convolution, pooling and unfolding share."""


def sizes(value, n, name):
    """An int or a sequence of one or `n` ints as a tuple of `n`."""
    if type(value) is tuple and len(value) == n and all([type(v) is int for v in value]):
        return value
    if isinstance(value, (tuple, list)):
        values = tuple(int(v) for v in value)
        if len(values) == 1:
            return values * n
        if len(values) != n:
            raise RuntimeError(
                f"expected {name} to be one int or a list of {n} values, but got {value!r} [RG047]"
            )
        return values
    return (int(value),) * n


def output_size(size, kernel, stride, padding, dilation):
    """The spatial sizes of a convolution's output."""
    return tuple(
        (i + 2 * p - d * (k - 1) - 1) // s + 1
        for i, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def padded(xp, x, padding, value=0):
    """`x` (N, C, ...) with `padding` elements of `value` on both sides of each spatial axis."""
    if not any(padding):
        return x
    shape = (*x.shape[:2], *[n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True)])
    out = xp.zeros(shape, x.dtype) if value == 0 else xp.full(shape, value, x.dtype)
    out[inner(padding, x.shape[2:])] = x
    return out


def inner(padding, size):
    """The index of what is inside the padding."""
    return (..., *[slice(p, p + n) for p, n in zip(padding, size, strict=True)])


def windows(xp, x, kernel, stride, dilation, size):
    """A view (N, C, *kernel, *size) of what each window of `x`, padded already, covers."""
    spatial = x.strides[2:]
    return xp.lib.stride_tricks.as_strided(
        x, (*x.shape[:2], *kernel, *size),
        (
            *x.strides[:2],
            *[b * d for b, d in zip(spatial, dilation, strict=True)],
            *[b * s for b, s in zip(spatial, stride, strict=True)],
        ),
    )  # fmt: skip


def reached(k, stride, dilation, size):
    """The index of the elements that position `k` of the kernel meets, for outputs of `size`."""
    return (
        ...,
        *[
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, s, d, n in zip(k, stride, dilation, size, strict=True)
        ],
    )
