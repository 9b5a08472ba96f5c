"""VisionDataset: the base of the datasets, which keeps the transforms of images and targets."""

import os

from retrograd.utils.data import Dataset

__all__ = ["StandardTransform", "VisionDataset"]


class StandardTransform:
    """A transform of the image and one of the target, either of which may be None, as one of both."""

    def __init__(self, transform=None, target_transform=None):
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input, target):
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self):
        lines = [type(self).__name__]
        if self.transform is not None:
            lines += _indented("Transform: ", self.transform)
        if self.target_transform is not None:
            lines += _indented("Target transform: ", self.target_transform)
        return "\n".join(lines)


def _indented(head, transform):
    """A transform's repr after `head`, its further lines below the first."""
    first, *rest = repr(transform).splitlines()
    return [head + first, *(" " * len(head) + line for line in rest)]


class VisionDataset(Dataset):
    """A dataset of (image, target) pairs; override `__getitem__` and `__len__`.

    root: the folder of its files. transforms: called with (image, target), in place of `transform`, called
    with the image, and `target_transform`, called with the target.
    """

    _repr_indent = 4

    def __init__(self, root=None, transforms=None, transform=None, target_transform=None):
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError(
                "Only transforms or transform/target_transform can be passed as argument [RG120]"
            )
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} does not override __getitem__ [RG144]")

    def __len__(self):
        raise NotImplementedError(f"{type(self).__name__} does not override __len__ [RG144]")

    def _transformed(self, image, target):
        return StandardTransform(self.transform, self.target_transform)(image, target)

    def __repr__(self):
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        if self.transforms is not None:
            lines.append(repr(self.transforms))
        indent = " " * self._repr_indent
        return "\n".join([f"Dataset {type(self).__name__}", *(indent + line for line in lines)])

    def extra_repr(self):
        """Override to add lines to the repr."""
        return ""
