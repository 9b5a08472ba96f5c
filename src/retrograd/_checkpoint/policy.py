"""What named things in a pickle mean: the questions that the interpreter asks."""

from .errors import CheckpointError, NotAllowedError, quote


class Policy:
    """What named things mean. This one refuses them all; `allowed.WeightsOnly` knows PyTorch's."""

    key_types = frozenset()  # further types whose hash takes constant time
    tuple_types = ()  # subclasses of tuple that hash as it does

    def find_global(self, module, name):
        """The object that stands for `module.name`."""
        raise NotAllowedError(f"the global {module}.{name} is not allowed")

    def reduce(self, machine, func, args):
        """What calling `func` with the tuple `args` gives; `machine` checks keys and counts what is built."""
        raise NotAllowedError(f"a call of {quote(func)} is not allowed")

    def new(self, cls, args, kwargs):
        """A new instance of `cls`."""
        raise NotAllowedError(f"making an instance of {quote(cls)} is not allowed")

    def build(self, instance, state):
        """Give `instance` its state."""
        raise NotAllowedError(f"setting the state of {quote(instance)} is not allowed")

    def persistent_load(self, pid):
        """The storage that `pid` names."""
        raise CheckpointError("a reference to data outside the pickle is not allowed here")

    def extend(self, target, items):
        """Append to something that is not a list."""
        raise CheckpointError(f"items can only be appended to a list, the file has {quote(target)}")

    def set_items(self, target, pairs):
        """Set items of something that is not a dict."""
        raise CheckpointError(f"items can only be set in a dict, the file has {quote(target)}")

    def is_hashable(self, key):
        """Whether `key`, of none of the known types, may be used as a key."""
        return False
