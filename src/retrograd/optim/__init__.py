"""Optimizers and learning-rate schedulers."""

from . import lr_scheduler
from .adam import Adam, AdamW
from .adam_variants import ASGD, Adamax, NAdam, RAdam, SparseAdam
from .adaptive import Adadelta, Adagrad, RMSprop, Rprop
from .optimizer import Optimizer
from .sgd import SGD

__all__ = [
    "ASGD", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "Optimizer", "RAdam", "RMSprop",
    "Rprop", "SparseAdam", "lr_scheduler",
]  # fmt: skip
