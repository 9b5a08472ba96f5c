"""MixUp and CutMix: v2 transforms of whole batches and their labels."""

import math

import retrograd
from retrograd.core.random_rejection import dirichlet
from retrograd.core.tensor import Tensor
from retrograd.vision.transforms import _pil
from retrograd.vision.transforms.v2 import functional as F
from retrograd.vision.transforms.v2._transform import Transform, leaves, rebuild

__all__ = ["CutMix", "MixUp"]


def _find_labels(sample):
    """The labels of (images, labels), or of (images, {"labels": ...}), or of such a dict."""
    if isinstance(sample, (tuple, list)):
        sample = sample[1]
    if isinstance(sample, Tensor):
        return sample
    if isinstance(sample, dict):
        names = [key for key in sample if key.lower() == "labels"]
        names += [key for key in sample if "label" in key.lower()]
        if names:
            return sample[names[0]]
    raise ValueError(
        "Could not infer where the labels are in the sample: expected (images, labels), or a dict with a key "
        f'"labels", got {type(sample).__name__}; pass a function as labels_getter [RG095]'
    )


class _Mixing(Transform):
    """The base: each image is combined with the one before it in the batch, and so are the labels.

    Takes images (N, C, H, W) and labels, (N,) of class numbers with `num_classes` given, or (N, num_classes)
    of probabilities; gives probabilities. alpha: of the Beta distribution that the share is drawn from.
    labels_getter: a function that finds the labels in a sample; "default" takes its second part, or what a
    dict has under "labels".
    """

    def __init__(self, *, alpha=1.0, num_classes=None, labels_getter="default"):
        super().__init__()
        self.alpha = float(alpha)
        self.num_classes = num_classes
        if labels_getter != "default" and not callable(labels_getter):
            raise ValueError(
                f"labels_getter should be 'default' or a function of samples, got {labels_getter!r} [RG095]"
            )
        self._labels_getter = _find_labels if labels_getter == "default" else labels_getter

    def forward(self, *inputs):
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat = list(leaves(sample))
        if any(map(_pil.is_pil_image, flat)):
            raise ValueError(f"{type(self).__name__}() takes batches of tensors, not PIL images [RG095]")
        labels = self._check_labels(self._labels_getter(sample))
        chosen = self._choose(flat)
        images = [value for value, is_image in zip(flat, chosen, strict=True) if is_image]
        for image in images:
            if image is not labels:
                _check_images(image, len(labels))
        params = {"labels": labels, **self.make_params(images)}
        results = [
            self.transform(value, params) if is_image or value is labels else value
            for value, is_image in zip(flat, chosen, strict=True)
        ]
        return rebuild(sample, iter(results))

    def _check_labels(self, labels):
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead. [RG095]")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be of shape (batch_size,) or (batch_size, num_classes), but got a tensor of "
                f"shape {tuple(labels.shape)} [RG095]"
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D) [RG095]")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[1]):
            raise ValueError(
                f"labels of shape {tuple(labels.shape)} are of {labels.shape[1]} classes, but num_classes is "
                f"{self.num_classes}; it may be None [RG095]"
            )
        return labels

    def _draw(self):
        """A share from the Beta distribution, which is the Dirichlet distribution of two parts."""
        pair = retrograd.full((1, 2), self.alpha, dtype=retrograd.float32)
        return float(dirichlet(pair._array)[0, 0])

    def _mix_labels(self, labels, share):
        if labels.ndim == 1:
            labels = retrograd.nn.functional.one_hot(labels, num_classes=self.num_classes)
        return _mix(labels if labels.is_floating_point() else labels.float(), share)


def _check_images(image, batch_size):
    if image.ndim != 4:
        raise ValueError(
            f"Expected a batch of 4 dimensions, (N, C, H, W), got shape {tuple(image.shape)} [RG095]"
        )
    if image.shape[0] != batch_size:
        raise ValueError(f"the batch has {image.shape[0]} images but {batch_size} labels [RG095]")


def _mix(batch, share):
    return batch.roll(1, 0).mul_(1.0 - share).add_(batch.mul(share))


class MixUp(_Mixing):
    """Images and labels become weighted means of neighbours (Zhang et al. 2017)."""

    __doc__ += _Mixing.__doc__.partition("\n")[2]

    def make_params(self, flat_inputs):
        return {"share": self._draw()}

    def transform(self, inpt, params):
        if inpt is params["labels"]:
            return self._mix_labels(inpt, params["share"])
        return _mix(inpt, params["share"])


class CutMix(_Mixing):
    """A rectangle of each image comes from its neighbour; labels are mixed by area (Yun et al. 2019)."""

    __doc__ += _Mixing.__doc__.partition("\n")[2]

    def make_params(self, flat_inputs):
        share = self._draw()
        height, width = F.get_size(flat_inputs[0])
        x, y = int(retrograd.randint(width, (1,))), int(retrograd.randint(height, (1,)))
        half = 0.5 * math.sqrt(1.0 - share)
        half_width, half_height = int(half * width), int(half * height)
        columns = max(x - half_width, 0), min(x + half_width, width)
        rows = max(y - half_height, 0), min(y + half_height, height)
        area = (columns[1] - columns[0]) * (rows[1] - rows[0])
        return {"rows": slice(*rows), "columns": slice(*columns), "share": 1.0 - area / (width * height)}

    def transform(self, inpt, params):
        if inpt is params["labels"]:
            return self._mix_labels(inpt, params["share"])
        place = (..., params["rows"], params["columns"])
        out = inpt.clone()
        out[place] = inpt.roll(1, 0)[place]
        return out
