"""Channels shuffled between groups."""

from .. import functional as F
from .module import Module


class ChannelShuffle(Module):
    """Interleaves `groups` groups of channels (Zhang et al. 2017)."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, input):
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self):
        return f"groups={self.groups}"
