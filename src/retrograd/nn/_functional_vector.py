"""Normalisation of vectors to length 1."""

from ..core import inplace as core
from ..ops.norms import norm
from ..ops.pointwise import clamp_min


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """`input` over its p-norm along `dim`, which counts as at least `eps`."""
    result = input / clamp_min(norm(input, p, dim, keepdim=True), eps)
    return result if out is None else core.copy_from(out, result)
