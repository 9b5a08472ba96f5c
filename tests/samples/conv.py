"""Convolutions."""

from . import Sample, arr

X1, X2, X3 = (2, 4, 9), (2, 4, 7, 6), (1, 4, 5, 4, 5)

# groups, stride, padding, dilation, bias
WAYS = [(1, 1, 0, 1, True), (1, 2, 1, 1, False), (1, 1, 1, 2, True), (2, 2, 1, 1, True), (4, 1, 1, 1, True),
        (4, 2, 2, 1, False)]  # fmt: skip


def _samples():
    for groups, stride, padding, dilation, bias in WAYS:
        how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        b = arr(8) if bias else None
        for n, x, kernel in [(1, X1, (3,)), (2, X2, (3, 2)), (3, X3, (3, 2, 2))]:
            yield Sample(f"nn.functional.conv{n}d", arr(*x), arr(8, 4 // groups, *kernel), b, **how)
            name = f"nn.functional.conv_transpose{n}d"
            small = x[:2] + tuple(s // 2 + 1 for s in x[2:])
            yield Sample(name, arr(*small), arr(4, 8 // groups, *kernel), b, **how)
            if stride > 1:
                yield Sample(name, arr(*small), arr(4, 8 // groups, *kernel), b, output_padding=1, **how)


SAMPLES = [
    *_samples(),
    Sample("nn.functional.conv2d", arr(*X2), arr(8, 4, 3, 2), arr(8), (2, 1), (0, 1), (1, 2)),
    Sample("nn.functional.conv2d", arr(4, 7, 6), arr(8, 4, 3, 3), arr(8)),
    Sample("nn.functional.conv1d", arr(4, 9), arr(8, 4, 3)),
    Sample("nn.functional.conv_transpose2d", arr(4, 3, 4), arr(4, 2, 3, 3), arr(2)),
    Sample("nn.functional.conv2d", arr(0, 4, 7, 6), arr(8, 4, 3, 3), arr(8)),
    Sample("nn.functional.conv2d", arr(*X2), arr(8, 4, 1, 1), arr(8)),
    Sample("nn.functional.conv2d", arr(*X2), arr(8, 4, 1, 1), stride=2),
    Sample("nn.functional.conv2d", arr(*X2), arr(8, 4, 1, 1), padding=1),
    Sample("nn.functional.conv2d", arr(*X2).transpose(0, 1, 3, 2), arr(3, 3, 4, 2).transpose(3, 2, 0, 1)),
    Sample("nn.functional.conv2d", arr(*X2), arr(8, 4, 3, 3), arr(8)).but(dtypes=("float32", "bfloat16")),
    Sample("nn.functional.conv2d", arr(*X2, dtype="complex128"), arr(8, 4, 3, 3, dtype="complex128")),
    *[Sample("nn.functional.conv2d", arr(*X2), arr(8, 4, k, 3), padding="same", dilation=d)
      for k, d in [(3, 1), (2, 1), (4, 2), (2, 3)]],
    Sample("nn.functional.conv1d", arr(*X1), arr(8, 4, 4), arr(8), padding="same"),
    Sample("nn.functional.conv3d", arr(*X3), arr(8, 4, 2, 3, 1), padding="same"),
    Sample("nn.functional.conv2d", arr(*X2), arr(8, 4, 3, 3), padding="valid"),
    Sample("conv1d", arr(*X1), arr(8, 4, 3)),
    Sample("conv_transpose1d", arr(*X1), arr(4, 2, 3), None, 2, 1, 1, 2, 1),
    Sample("convolution", arr(*X2), arr(8, 4, 3, 3), arr(8), [1, 1], [1, 1], [1, 1], False, [0, 0], 1),
    Sample("convolution", arr(*X2), arr(4, 8, 3, 3), arr(8), [2, 2], [1, 1], [1, 1], True, [1, 1], 1),
    Sample("conv_tbc", arr(6, 2, 3), arr(3, 3, 5), arr(5), 1),
    Sample("nn.functional.unfold", arr(2, 3, 7, 6), (3, 2)),
    Sample("nn.functional.unfold", arr(2, 3, 7, 6), 3, 2, 1, 2),
    Sample("nn.functional.unfold", arr(3, 7, 6), 2),
    Sample("nn.functional.fold", arr(2, 12, 20), (5, 6), 2),
    Sample("nn.functional.fold", arr(2, 12, 12), (5, 6), 2, 1, 1, 2),
    Sample("nn.functional.fold", arr(12, 20), (5, 6), 2),
]  # fmt: skip
