"""DropBlock (Ghiasi et al. 2018): contiguous blocks of feature maps are zeroed in training."""

import math

import retrograd
from retrograd import nn
from retrograd.nn import functional as F

__all__ = ["DropBlock2d", "DropBlock3d", "drop_block2d", "drop_block3d"]


def _drop_block(input, p, block_size, inplace, eps, training, dims):
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}. [RG049]")
    if input.ndim != dims + 2:
        raise ValueError(f"input should be {dims + 2} dimensional. Got {input.ndim} dimensions. [RG058]")
    if not training or p == 0.0:
        return input
    sizes = input.shape[2:]
    block = min(block_size, *sizes)
    if block % 2 == 0:
        raise ValueError(f"block size should be odd. Got {block} which is even. [RG049]")
    centres = [size - block + 1 for size in sizes]
    # So many centres that the blocks around them cover the share p of the map, overlaps aside.
    density = (p * math.prod(sizes)) / ((block**dims) * math.prod(centres))
    noise = retrograd.empty((*input.shape[:2], *centres), dtype=input.dtype, device=input.device)
    noise.bernoulli_(density)
    noise = F.pad(noise, [block // 2] * (2 * dims), value=0)
    pool = F.max_pool2d if dims == 2 else F.max_pool3d
    kept = 1 - pool(noise, kernel_size=block, stride=1, padding=block // 2)
    scale = kept.numel() / (eps + kept.sum())
    if inplace:
        return input.mul_(kept).mul_(scale)
    return input * kept * scale


def drop_block2d(input, p, block_size, inplace=False, eps=1e-06, training=True):
    """`input` (N, C, H, W) with square blocks zeroed, which cover about the share `p` of each map.

    block_size: a block's side, odd, at most the map's. What remains is scaled up by its share of the whole.
    """
    return _drop_block(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(input, p, block_size, inplace=False, eps=1e-06, training=True):
    """`drop_block2d` for volumes (N, C, D, H, W), with cubes."""
    return _drop_block(input, p, block_size, inplace, eps, training, 3)


class DropBlock2d(nn.Module):
    """`drop_block2d` as a layer; it does nothing in evaluation mode."""

    def __init__(self, p, block_size, inplace=False, eps=1e-06):
        super().__init__()
        self.p = p
        self.block_size = block_size
        self.inplace = inplace
        self.eps = eps

    def forward(self, input):
        return drop_block2d(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class DropBlock3d(DropBlock2d):
    """`drop_block3d` as a layer."""

    def forward(self, input):
        return drop_block3d(input, self.p, self.block_size, self.inplace, self.eps, self.training)
