"""`autograd.profiler`: the profiler under its older names; see `retrograd.profiler`."""

from ..profiler import sessions
from ..profiler.events import EventList, FunctionEvent, FunctionEventAvg
from ..profiler.recording import record_function

__all__ = [
    "EventList", "FunctionEvent", "FunctionEventAvg", "emit_itt", "emit_nvtx", "profile", "record_function",
]  # fmt: skip


class emit_nvtx:
    """Marks for NVIDIA's profiler; entering raises RuntimeError, as there is none here."""

    _tool = "NVTX"

    def __init__(self, enabled=True, record_shapes=False):
        self.enabled = enabled

    def __enter__(self):
        if self.enabled:
            raise RuntimeError(f"{self._tool} marks are not written here; use torch.profiler.profile [RG137]")
        return self

    def __exit__(self, *exc):
        pass


class emit_itt(emit_nvtx):
    """Marks for Intel's profiler; entering raises RuntimeError, as there is none here."""

    _tool = "ITT"


class profile(sessions.profile):
    """Profiles what runs inside; `enabled=False` does nothing. See `retrograd.profiler.profile`.

    use_cuda, use_device, use_cpu, use_kineto, with_flops and with_modules are accepted and change nothing.
    """

    def __init__(
        self, enabled=True, *, use_cuda=False, use_device=None, record_shapes=False, with_flops=False,
        profile_memory=False, with_stack=False, with_modules=False, use_kineto=False, use_cpu=True,
        experimental_config=None, acc_events=False, custom_trace_id_callback=None,
        post_processing_timeout_s=None,
    ):  # fmt: skip
        super().__init__(
            record_shapes=record_shapes, profile_memory=profile_memory, with_stack=with_stack,
            acc_events=acc_events,
        )  # fmt: skip
        self.enabled = enabled

    def __enter__(self):
        return super().__enter__() if self.enabled else None

    @property
    def function_events(self):
        return self.events()

    @property
    def self_cpu_time_total(self):
        return self.events().self_cpu_time_total

    def table(self, **options):
        """The table of `EventList.table`, a line for each event."""
        return self.events().table(**options)

    def total_average(self):
        """All events together."""
        return self.events().total_average()

    def __str__(self):
        return str(self.events()) if self._recorder is not None else "<unfinished profiler>"
