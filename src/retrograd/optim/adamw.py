"""PyTorch's place of AdamW, which is Adam with its weight decay decoupled."""

from .adam import AdamW

__all__ = ["AdamW"]
