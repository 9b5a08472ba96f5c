"""Where time and memory go: per operation, forward and backward, with shapes, bytes and the user's lines.

    with profiler.profile(record_shapes=True, profile_memory=True) as prof:
        loss = model(x).sum()
        loss.backward()
    print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=10))

Events are the operations of the library (`aten::conv2d`, as PyTorch writes them), the nodes of a backward
walk (`ConvolutionBackward0`), optimizers' steps, and what `record_function` names. Nothing is measured, and
nothing costs, outside of a profiler. `memory_timeline` draws what holds memory over time.
"""

from ..autograd import kineto_available
from . import itt
from .events import EventList, FunctionEvent, FunctionEventAvg
from .graph import GraphStats, graph_stats
from .memory import memory_timeline
from .recording import record_function
from .sessions import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)

__all__ = [
    "EventList",
    "FunctionEvent",
    "FunctionEventAvg",
    "GraphStats",
    "ProfilerAction",
    "ProfilerActivity",
    "graph_stats",
    "itt",
    "kineto_available",
    "memory_timeline",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]
