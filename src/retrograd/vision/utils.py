"""Grids of images, and images as files."""

import retrograd
from retrograd.core.tensor import Tensor
from retrograd.vision.transforms import _pil

__all__ = ["make_grid", "save_image"]


def _scale(image, low, high):
    """From [low, high] to [0, 1], in place."""
    image.clamp_(min=low, max=high)
    image.sub_(low).div_(max(high - low, 1e-5))


@retrograd.no_grad()
def make_grid(
    tensor, nrow=8, padding=2, normalize=False, value_range=None, scale_each=False, pad_value=0.0
):  # fmt: skip
    """Images (N, C, H, W), or a list of them, as one image, `nrow` in each row and `padding` pixels between.

    Grey images get three channels; a single image comes back alone. normalize: map `value_range`, a tuple
    (least, largest), to [0, 1]; by default the values' own, of each image if `scale_each`, else of all.
    """
    images = tensor if isinstance(tensor, list) else [tensor]
    for image in images:
        if not isinstance(image, Tensor):
            raise TypeError(f"tensor or list of tensors expected, got {type(image)} [RG095]")
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError(f"value_range has to be a tuple (min, max) if specified, got {value_range!r} [RG096]")
    if isinstance(tensor, list):
        tensor = retrograd.stack(tensor, dim=0)
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim == 4 and tensor.shape[1] == 1:
        tensor = retrograd.cat((tensor, tensor, tensor), 1)
    if normalize:
        tensor = tensor.clone()
        for part in tensor if scale_each else [tensor]:
            _scale(part, *(value_range or (float(part.min()), float(part.max()))))
    count, channels, height, width = tensor.shape
    if count == 1:
        return tensor.squeeze(0)
    columns = min(nrow, count)
    rows = -(-count // columns)
    step_down, step_right = height + padding, width + padding
    grid = tensor.new_full((channels, step_down * rows + padding, step_right * columns + padding), pad_value)
    for i in range(count):
        top, left = i // columns * step_down + padding, i % columns * step_right + padding
        grid[:, top : top + height, left : left + width] = tensor[i]
    return grid


@retrograd.no_grad()
def save_image(tensor, fp, format=None, **kwargs):
    """Write images with values in [0, 1] as one file; see `make_grid`, which gets `kwargs`.

    fp: a path or an open file; for the latter say the `format`, such as "PNG".
    """
    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to(retrograd.uint8).contiguous()
    _pil.from_array(pixels.numpy(), {1: "L", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]).save(fp, format=format)
