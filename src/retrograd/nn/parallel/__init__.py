"""Models spread over devices. There is one device, so DataParallel only passes calls on."""

from ..modules.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Holds a model as `module` and calls it; state_dict's keys are those of a model on several GPUs.

    The other arguments are accepted for scripts that give them.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module = module
        self.device_ids = []
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)
