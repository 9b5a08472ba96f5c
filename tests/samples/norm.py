"""Normalisation."""

from . import Sample, arr, const

SHAPES = [(6, 4), (3, 4, 5), (3, 4, 5, 2), (2, 4, 3, 2, 3)]
AFFINE = [lambda n: (arr(*n), arr(*n)), lambda n: (None, None), lambda n: (arr(*n), None)]


def _moments():
    return const(arr(4)), const(arr(4, low=0.5))


SAMPLES = [
    Sample("native_layer_norm", arr(2, 3, 4), [3, 4], arr(3, 4), arr(3, 4), 1e-5),
    Sample("native_group_norm", arr(2, 6, 4), arr(6), arr(6), 2, 6, 4, 3, 1e-5),
    Sample("native_batch_norm", arr(4, 3, 2), arr(3), arr(3), const(arr(3)), const(arr(3, low=0.5)),
           True, 0.1, 1e-5),
    Sample("native_batch_norm", arr(4, 3, 2), arr(3), None, const(arr(3)), const(arr(3, low=0.5)),
           False, 0.1, 1e-5)
    .but(outputs=0, second="numbers", why="the others are empty; without a bias PyTorch's has an error"),
    *[Sample("nn.functional.batch_norm", arr(*s), None, None, *wb((4,)), True)
      for s in SHAPES for wb in AFFINE],
    *[Sample("nn.functional.batch_norm", arr(*s), *_moments(), *wb((4,))) for s in SHAPES for wb in AFFINE],
    Sample("nn.functional.batch_norm", arr(3, 4, 5), *_moments(), arr(4), arr(4), True, 0.3, 1e-2),
    Sample("batch_norm", arr(3, 4, 5), arr(4), arr(4), *_moments(), True, 0.1, 1e-5, False),
    Sample("batch_norm", arr(3, 4, 5), arr(4), arr(4), *_moments(), False, 0.1, 1e-5, False),
    Sample("instance_norm", arr(3, 4, 5), arr(4), arr(4), *_moments(), True, 0.1, 1e-5, False),
    *[Sample("nn.functional.instance_norm", arr(*s), None, None, *wb((4,)))
      for s in SHAPES[1:] for wb in AFFINE],
    Sample("nn.functional.instance_norm", arr(3, 4, 5), *_moments(), arr(4), arr(4), momentum=0.3),
    Sample("nn.functional.instance_norm", arr(3, 4, 5), *_moments(), arr(4), arr(4), use_input_stats=False),
    *[Sample("nn.functional.group_norm", arr(*s), g, *wb((4,)))
      for s in SHAPES for g in (1, 2) for wb in AFFINE],
    Sample("group_norm", arr(2, 4, 3), 4, arr(4), arr(4), 1e-2),
    *[Sample("nn.functional.layer_norm", arr(*s), n, *wb(n))
      for s, n in [((3, 5), (5,)), ((3, 4, 5), (4, 5)), ((3, 4, 5), (5,)), ((5,), (5,))] for wb in AFFINE],
    Sample("nn.functional.layer_norm", arr(3, 5), (5,), arr(5), arr(5), 1e-2),
    Sample("layer_norm", arr(3, 5), [5]),
    *[Sample("nn.functional.rms_norm", arr(*s), n, w, eps)
      for s, n in [((3, 5), (5,)), ((3, 4, 5), (4, 5))] for w in (None, arr(*n)) for eps in (None, 1e-2)],
    Sample("rms_norm", arr(3, 5), [5]),
    Sample("nn.functional.local_response_norm", arr(2, 5, 4), 3),
    Sample("nn.functional.local_response_norm", arr(2, 5, 4, 3), 2, 0.1, 0.6, 1.5),
    Sample("nn.functional.local_response_norm", arr(2, 5, 4, 3, 2), 3),
    Sample("nn.functional.normalize", arr(3, 4)),
    Sample("nn.functional.normalize", arr(2, 3, 4), p=1.0, dim=-1),
    Sample("nn.functional.normalize", arr(2, 3), eps=10.0),
]  # fmt: skip
