"""`profile`: a profile of what runs inside, at once or by a schedule of steps."""

import json
import os
import socket
import time
import warnings
from enum import Enum

from . import trace
from .events import EventList
from .recording import Recorder, record_function


class ProfilerActivity(Enum):
    """What may be profiled; here all of it runs on the CPU."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a schedule says of a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities():
    """The activities that can be profiled: {ProfilerActivity.CPU}."""
    return {ProfilerActivity.CPU}


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """A schedule for `profile`: skip `skip_first` steps, then in turn wait, warm up and record so many.

    repeat: how many turns (0: until the end). skip_first_wait: the first turn doesn't wait.
    """

    def action(step):
        if step < 0:
            raise AssertionError(f"schedule: the number of a step is at least 0, not {step} [RG172]")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        turn = wait + warmup + active
        if repeat > 0 and step // turn >= repeat:
            return ProfilerAction.NONE
        place = step % turn
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < turn - 1 else ProfilerAction.RECORD_AND_SAVE

    for name, value in (("wait", wait), ("warmup", warmup), ("repeat", repeat), ("skip_first", skip_first)):
        if value < 0:
            raise AssertionError(f"schedule: {name} must be at least 0, not {value} [RG172]")
    if active <= 0:
        raise AssertionError(
            f"schedule: active must be at least 1, not {active}: nothing would be recorded [RG172]"
        )
    return action


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False):
    """An `on_trace_ready` that writes each trace into the folder `dir_name`, under TensorBoard's name."""

    def handle(prof):
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handle


class profile:
    """Profiles what runs between its start and its end, as a context manager or by `start` and `stop`.

    activities: accepted; what is profiled runs on the CPU. schedule: from the number of a step to an action;
    then `step()` is to be called after each. on_trace_ready: called with the profile when there are results.
    record_shapes: those of inputs (of gradients, for backward nodes). profile_memory: bytes of results.
    with_stack: tables show the user's lines. with_flops, with_modules, experimental_config,
    execution_trace_observer, use_cuda, custom_trace_id_callback are accepted and change nothing. acc_events:
    keep the events of earlier turns of the schedule too.

    Times are of wall clock, in microseconds; measuring itself adds about two of them to an operation.
    """

    def __init__(
        self, *, activities=None, schedule=None, on_trace_ready=None, record_shapes=False,
        profile_memory=False, with_stack=False, with_flops=False, with_modules=False,
        experimental_config=None, execution_trace_observer=None, acc_events=False, use_cuda=None,
        custom_trace_id_callback=None, post_processing_timeout_s=None,
    ):  # fmt: skip
        for activity in activities or ():
            if not isinstance(activity, ProfilerActivity):
                raise TypeError(f"activities are of ProfilerActivity, such as CPU, not {activity!r} [RG172]")
        if activities is not None and ProfilerActivity.CPU not in activities:
            warnings.warn("profile: there are only CPU activities here, and they are profiled", stacklevel=2)
        self.activities = set(activities) if activities else supported_activities()
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready = on_trace_ready
        self.record_shapes = record_shapes
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.acc_events = acc_events
        self.record_steps = schedule is not None
        self.step_num = 0
        self.current_action = ProfilerAction.NONE
        self._metadata = {}
        self._recorder = None
        self._kept = []
        self._step = None
        self._running = False

    # --- running ---

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        """Begin; with a schedule, with its first step."""
        if self._running:
            raise RuntimeError("this profile is running; stop() it before it starts again [RG172]")
        self._running = True
        self.step_num = 0
        self._turn_to(self.schedule(0))

    def stop(self):
        """End; what was recorded is there then."""
        if not self._running:
            return
        self._running = False
        self._close_step()
        if self._stop_recording() and self.on_trace_ready:
            self.on_trace_ready(self)
        self.current_action = ProfilerAction.NONE

    def step(self):
        """Say that a step of the program is over."""
        if not self._running:
            return
        self._close_step()
        before = self.current_action
        self.step_num += 1
        after = self.schedule(self.step_num)
        saves = before is ProfilerAction.RECORD_AND_SAVE
        if (saves or after not in RECORDING) and self._stop_recording() and self.on_trace_ready:
            self.on_trace_ready(self)
        self._turn_to(after)

    def _turn_to(self, action):
        self.current_action = action
        if action in RECORDING:
            if self._recorder is None or not self._recording():
                if self._recorder is not None and self.acc_events:
                    self._kept += self._recorder.events
                self._recorder = Recorder(self.record_shapes, self.profile_memory)
                self._recorder.start()
            if self.record_steps:
                self._step = record_function(f"ProfilerStep#{self.step_num}")
                self._step.__enter__()

    def _recording(self):
        from .recording import active

        return self._recorder in active

    def _stop_recording(self):
        if self._recorder is None or not self._recording():
            return False
        self._recorder.stop()
        return True

    def _close_step(self):
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None

    # --- results ---

    def events(self):
        """All events, in the order in which they began."""
        if self._recorder is None:
            raise AssertionError("there are no events yet: the profile has recorded nothing [RG172]")
        done = [e for e in (*self._kept, *self._recorder.events) if e.end]
        return EventList(done, self.profile_memory, self.with_stack)

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """Averages by name, and by shapes or by the user's line too if asked."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path):
        """Write a trace for chrome://tracing or ui.perfetto.dev to the file `path`."""
        trace.export_chrome_trace(self.events(), path, self._recorder.started, self._metadata)

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Write lines for flame graphs to the file `path`."""
        trace.export_stacks(self.events(), path, metric)

    def add_metadata(self, key, value):
        """Add a text to the trace."""
        self._metadata[key] = value

    def add_metadata_json(self, key, value):
        """Add a value, given as JSON, to the trace."""
        self._metadata[key] = json.loads(value)

    def preset_metadata_json(self, key, value):
        """The same as `add_metadata_json`, before the start."""
        self.add_metadata_json(key, value)

    def toggle_collection_dynamic(self, enable, activities=None):
        """Record from now on, or record no longer, in the midst of a step."""
        if self._recorder is None or enable == self._recording():
            return
        if enable:
            started = self._recorder.started
            self._recorder.start()
            self._recorder.started = started
        else:
            self._recorder.stop()
