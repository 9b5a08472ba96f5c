"""Who is told of each row that runs on Tensors, each node of a backward walk and each optimizer's step.

While there are listeners, the compiled door and walk call them (native/door.h); Python's door and walk are
wrapped. A listener has `begin(what, given)` and `end(result)`: `what` is a row, a node or an optimizer.
"""

import functools
import threading

from .. import engine
from ..core import apply
from ..core.compiled import native

listeners = []
_lock = threading.Lock()
_undo = []


class _Running(threading.local):
    """What runs in this thread: rows and nodes, the innermost last."""

    def __init__(self):
        self.stack = []


_running = _Running()


def listen(listener):
    """Tell `listener` from now on."""
    with _lock:
        if not listeners:
            _switch_on()
        listeners.append(listener)


def leave(listener):
    """Tell `listener` no longer."""
    with _lock:
        listeners.remove(listener)
        if not listeners:
            _switch_off()


def _begin(what, given):
    _running.stack.append(what)
    for listener in list(listeners):
        listener.begin(what, given)


def _end(result):
    if _running.stack:  # else it began before there was a listener
        _running.stack.pop()
        for listener in list(listeners):
            listener.end(result)


def _observed(function, begins=0):
    """`function`, observed; its argument number `begins` is what runs, the next one what that is given."""

    @functools.wraps(function)
    def observed(*args):
        what = args[begins]
        if _running.stack and _running.stack[-1] is what:  # the compiled walk has said so
            return function(*args)
        _begin(what, args[begins + 1] if len(args) > begins + 1 else None)
        result = None
        try:
            result = function(*args)
        finally:
            _end(result)
        return result

    return observed


def _switch_on():
    from ..optim import optimizer

    wrapped = [(apply.RowNode, "run")]  # also beside the compiled walk, which leaves create_graph to Python
    if native is not None:
        native.observe(_begin, _end)
        _undo.append(lambda: native.observe(None, None))
    else:
        wrapped += [(apply, "execute"), (engine, "_accumulate")]
    for holder, name in wrapped:
        before = getattr(holder, name)
        setattr(holder, name, _observed(before))
        _undo.append(functools.partial(setattr, holder, name, before))
    hooks = (
        optimizer.register_optimizer_step_pre_hook(lambda o, args, kwargs: _begin(o, args)),
        optimizer.register_optimizer_step_post_hook(lambda o, args, kwargs: _end(None)),
    )
    _undo.extend(hook.remove for hook in hooks)


def _switch_off():
    while _undo:
        _undo.pop()()
