"""Pictures of the graph: `graph` as a drawing, `tree` as text for a terminal."""

from .modules import recording
from .picture import graph
from .tree import tree

__all__ = ["graph", "recording", "tree"]
