"""PyTorch's private base of context managers that are decorators too."""

from ..core.modes import Mode as _DecoratorContextManager  # noqa: F401
