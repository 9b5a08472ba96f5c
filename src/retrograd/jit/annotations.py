"""`torch.jit.annotations`: names of types that programs import from here."""

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: F401
