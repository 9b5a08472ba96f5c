"""Models spread over devices. There is one device, so DataParallel only passes calls on."""

from ..modules.module import Module

__all__ = ["DataParallel", "DistributedDataParallel"]


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


class DistributedDataParallel(Module):
    """A name for isinstance and annotations: training runs in one process, see `torch.distributed`."""

    def __init__(self, module, *args, **kwargs):
        raise RuntimeError(
            "DistributedDataParallel: retrograd trains in one process, torch.distributed.is_available() is "
            "False; use the module itself, or nn.DataParallel for its names [RG137]"
        )
