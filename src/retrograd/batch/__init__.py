"""vmap at the door: `Batched` tensors, and the level that runs rows on whole batches by rules."""

from . import indexing, layers, products  # noqa: F401  they register their rules
from .batched import Batched, hidden_by, layout, spread  # noqa: F401
from .draws import draw
from .level import BatchLevel, levels, pull_back  # noqa: F401

BatchLevel.draw = draw
