"""Pictures: `graph` and `tree` of a graph, `steps` of a backward walk, `gradients` of a training run."""

from .gradients import gradients
from .modules import recording
from .picture import graph
from .steps import steps
from .tree import tree

__all__ = ["gradients", "graph", "recording", "steps", "tree"]
