"""Images of noise, to try a program without data."""

import retrograd
from retrograd.vision.datasets.vision import VisionDataset
from retrograd.vision.transforms import functional as F

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """`size` pairs of a PIL image of noise and a random class number, always the same.

    image_size: (channels, height, width). random_offset: other offsets give other images.
    """

    def __init__(
        self, size=1000, image_size=(3, 224, 224), num_classes=10, transform=None, target_transform=None,
        random_offset=0,
    ):  # fmt: skip
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range: {index} of {len(self)} [RG033]")
        generator = retrograd.Generator().manual_seed(index + self.random_offset)
        noise = retrograd.randn(*self.image_size, generator=generator)
        target = retrograd.randint(0, self.num_classes, (1,), generator=generator)[0]
        image, target = self._transformed(F.to_pil_image(noise), target)
        return image, target.item()

    def __len__(self):
        return self.size
