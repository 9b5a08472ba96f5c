"""Switches of checkpointing that hold within a `with` block, in this thread."""

import threading


class _Switches(threading.local):
    early_stop = True
    debug = None  # None: each checkpoint's own argument holds
    group = None


switches = _Switches()


class _Switch:
    """Sets one of the switches on entry, restores it on exit."""

    name = None

    def __init__(self, value):
        self.value = value

    def __enter__(self):
        self.before = getattr(switches, self.name)
        setattr(switches, self.name, self.value)

    def __exit__(self, *exc):
        setattr(switches, self.name, self.before)


class set_checkpoint_early_stop(_Switch):
    """Within the block, whether checkpoints that are made stop computing again once the last saved tensor
    is there."""

    name = "early_stop"

    def __init__(self, enable):
        super().__init__(bool(enable))


class set_checkpoint_debug_enabled(_Switch):
    """Within the block, `debug` of all checkpoints that are made; None leaves it to each one's argument."""

    name = "debug"

    def __init__(self, enabled):
        super().__init__(enabled)


class GraphExecGroup:
    """Checkpoints made within the block are computed again once at most, for all backward walks of it
    together.

    For several backwards through parts of one graph: what was computed again is kept until its node lets it
    go.
    """

    def __enter__(self):
        if switches.group is not None:
            raise RuntimeError("Checkpoint GraphExecGroup cannot be nested [RG023]")
        switches.group = self
        return self

    def __exit__(self, *exc):
        switches.group = None
