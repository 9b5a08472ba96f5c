"""The layers under the name where PyTorch keeps them (`nn.modules`)."""

from . import *  # noqa: F403
