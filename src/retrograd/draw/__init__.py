"""Pictures of the graph: `tree`, as text for a terminal."""

from .tree import tree

__all__ = ["tree"]
