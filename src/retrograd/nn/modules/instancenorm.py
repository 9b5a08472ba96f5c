"""Normalisation of each channel of each sample."""

from .. import functional as F
from .batchnorm import _NormBase


class _InstanceNorm(_NormBase):
    unbatched: int

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input):
        self._check_input_dim(input)
        x = input.unsqueeze(0) if input.ndim == self.unbatched else input
        if x.shape[1] != self.num_features and self.affine:
            raise ValueError(
                f"expected input's size at dim={int(x is input)} to match num_features "
                f"({self.num_features}), but got: {x.shape[1]}. [RG059]"
            )
        out = F.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum, self.eps,
        )  # fmt: skip
        return out.squeeze(0) if input.ndim == self.unbatched else out

    def _get_no_batch_dim(self):
        return self.unbatched


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sample of (N, C, L) or (C, L) (Ulyanov et al. 2016)."""

    dimensions, shapes, unbatched = (2, 3), "2D or 3D", 2


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each sample of (N, C, H, W) or (C, H, W); see InstanceNorm1d."""

    dimensions, shapes, unbatched = (3, 4), "3D or 4D", 3


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each sample of (N, C, D, H, W) or (C, D, H, W); see InstanceNorm1d."""

    dimensions, shapes, unbatched = (4, 5), "4D or 5D", 4
