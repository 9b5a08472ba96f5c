"""Networks of many kinds, each as a function that builds a training step for either library."""

import numpy as np

from ..cases import training_step


def labels(library, limit, *shape):
    return library.array(np.random.default_rng(2).integers(0, limit, shape))


def training(library, model, loss_of, optimizer="SGD", **options):
    """A training step of `model`; `loss_of()` runs it. Random draws begin with the same seed everywhere."""
    options = options or {"lr": 1e-3, **({"momentum": 0.9} if optimizer == "SGD" else {})}
    optimizer = getattr(library.torch.optim, optimizer)(model.parameters(), **options)
    library.torch.manual_seed(0)
    return training_step(loss_of, optimizer)
