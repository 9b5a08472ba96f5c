import numpy as np

from . import Sample, arr

LENGTHS, NESTED = np.array([2, 0, 4]), np.array([[1, 2, 1], [0, 4, 0]])
SAMPLES = [
    Sample("segment_reduce", arr(6, 2), kind, lengths=LENGTHS, **more)
    for kind in ("sum", "max", "min", "prod")
    for more in ({}, {"initial": -9.0 if kind == "max" else 9.0})
]
SAMPLES += [
    Sample("segment_reduce", arr(6, 2), "mean", lengths=LENGTHS, initial=1.5),
    Sample("segment_reduce", arr(6, 2), "mean", lengths=np.array([2, 1, 3])),
    Sample("segment_reduce", arr(2, 4, 3), "mean", lengths=NESTED[:, [0, 1, 2]], axis=1, initial=0.5),
    Sample("segment_reduce", arr(6, 2), "sum", offsets=np.array([0, 1, 4, 6])),
]
