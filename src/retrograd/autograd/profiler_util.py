"""`autograd.profiler_util`: events and their lists under the names that programs import from here."""

from ..profiler.events import EventList, FunctionEvent, FunctionEventAvg
from ..profiler.events import format_time as _format_time

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "_format_time"]
