"""What the weights enums of all families are made of: ImageNet's categories, addresses and facts."""

from functools import cache, partial
from importlib.resources import files

from retrograd.vision.models._api import Weights
from retrograd.vision.transforms._presets import ImageClassification

_VISION = "https://github.com/pytorch/vision/"
_SWAG_LICENSE = "https://github.com/facebookresearch/SWAG/blob/main/LICENSE"
PORTED = "Ported from the weights that the paper's authors published."
SHORT_RECIPE = "Trained with torchvision's first, short recipe; the accuracy is close to the paper's."
LONG_RECIPE = "Trained with torchvision's later, longer recipe; more accurate than the paper's."
SWAG_END_TO_END = "SWAG (Singh et al. 2022): pre-trained with hashtags, then all layers fine-tuned."
SWAG_LINEAR = "SWAG (Singh et al. 2022): pre-trained with hashtags, then frozen but for a new last layer."


@cache
def imagenet_categories():
    """The 1000 class names of ImageNet-1K, in the order of the models' outputs."""
    text = files(__package__).joinpath("imagenet_categories.txt").read_text(encoding="utf-8")
    return text.splitlines()


def imagenet(
    checkpoint, num_params, top1, top5, gflops, megabytes,
    *, recipe, docs, min_size=(1, 1), crop_size=224, license=None, has_classifier=True, **preprocessing,
):  # fmt: skip
    """The `Weights` of one checkpoint; positional arguments are a line of torchvision's table of models.

    checkpoint: the file's name without ".pth". top1, top5: accuracies in percent. recipe: an address, or its
    end below torchvision's repository. preprocessing: options of `ImageClassification`. has_classifier: False
    for weights whose last layers are unusable.
    """

    def meta():
        facts = {
            "num_params": num_params,
            "min_size": min_size,
            "categories": imagenet_categories() if has_classifier else None,
            "recipe": recipe if recipe.startswith("https://") else _VISION + recipe,
            "_metrics": {"ImageNet-1K": {"acc@1": top1, "acc@5": top5}},
            "_ops": gflops,
            "_file_size": megabytes,
            "_docs": docs,
        }
        return facts if license is None else {**facts, "license": license}

    url = f"https://download.pytorch.org/models/{checkpoint}.pth"
    return Weights(url, partial(ImageClassification, crop_size=crop_size, **preprocessing), meta)


swag_end_to_end = partial(
    imagenet, recipe="https://github.com/facebookresearch/SWAG", license=_SWAG_LICENSE, docs=SWAG_END_TO_END
)
swag_linear = partial(imagenet, recipe="pull/5793", license=_SWAG_LICENSE, docs=SWAG_LINEAR)
