"""DLPack: memory shared with other libraries, without a copy."""

from ..convert import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
