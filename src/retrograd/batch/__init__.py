"""vmap at the door: `Batched` tensors and the level that runs rows on whole batches, with its rules row by
row."""

from . import indexing, products  # noqa: F401  they register their rules
from .level import Batched, BatchLevel, hidden_by, layout, levels, pull_back, spread  # noqa: F401
