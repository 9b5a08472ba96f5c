"""Where in the user's code something happened: kept cheaply with each node and write, described in
messages."""

import linecache
import os
import sys
import traceback

from .compiled import compiled
from .modes import modes

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@compiled
def user_location():
    """Where in the user's code we are, cheaply: (code, instruction) of the nearest frame outside
    retrograd.

    In anomaly mode a `Trace`: that, and the whole stack.
    """
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_ROOT):
            return Trace(frame) if anomaly.on else (code, frame.f_lasti)
        frame = frame.f_back
    return None


class _Anomaly:
    """Whether anomaly mode is on, for all threads, and what it looks for; see autograd/anomaly.py."""

    on = False
    check_nan = True
    check_inf = False


anomaly = _Anomaly()


class Trace(tuple):
    """What `user_location` gives, with the frames around and the node of a backward walk that ran at the
    time."""

    def __new__(cls, frame):
        self = super().__new__(cls, (frame.f_code, frame.f_lasti))
        self.frames = []  # places as `user_location` gives them, the innermost first
        while frame is not None:
            self.frames.append((frame.f_code, frame.f_lasti))
            frame = frame.f_back
        self.parent = modes.node
        return self

    @property
    def stack(self):
        """The frames as traceback has them, the innermost last."""
        return traceback.StackSummary.from_list(
            [
                traceback.FrameSummary(place[0].co_filename, line_of(place), place[0].co_name)
                for place in reversed(self.frames)
            ]
        )


def line_of(location):
    """The number of the line that `user_location` gave."""
    code, instruction = location
    return next((n for start, end, n in code.co_lines() if start <= instruction < end), code.co_firstlineno)


def describe_location(location):
    """`file.py:12 in train: y = x * 2`, for messages; takes what `user_location` gave."""
    if location is None:
        return "an unknown line"
    code, line = location[0], line_of(location)
    text = linecache.getline(code.co_filename, line).strip()
    return f"{code.co_filename}:{line} in {code.co_name}" + (f": {text}" if text else "")
