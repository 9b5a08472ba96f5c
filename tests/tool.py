"""The programs under tools/, as modules."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def tool(path):
    """The module of tools/`path`; what it imports from beside itself is found too."""
    file = ROOT / "tools" / path
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location(f"tool_{path.removesuffix('.py').replace('/', '_')}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
