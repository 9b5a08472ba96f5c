"""The ResNets' pre-trained weights: addresses, preprocessing and facts, equal to torchvision's."""

from functools import cache, partial
from importlib.resources import files

from retrograd.vision.models._api import Weights, WeightsEnum
from retrograd.vision.transforms._presets import ImageClassification

_RECIPES = "https://github.com/pytorch/vision/"
_V1 = "Trained with the short recipe of the first release; the accuracy is close to the paper's."
_V2 = "Trained with torchvision's later, longer recipe; more accurate than the paper's."


@cache
def imagenet_categories():
    """The 1000 class names of ImageNet-1K, in the order of the models' outputs."""
    text = files(__package__).joinpath("imagenet_categories.txt").read_text(encoding="utf-8")
    return text.splitlines()


def _imagenet(checkpoint, *, num_params, recipe, top1, top5, gflops, megabytes, docs, resize_size=256):
    def meta():
        return {
            "min_size": (1, 1),
            "categories": imagenet_categories(),
            "num_params": num_params,
            "recipe": _RECIPES + recipe,
            "_metrics": {"ImageNet-1K": {"acc@1": top1, "acc@5": top5}},
            "_ops": gflops,
            "_file_size": megabytes,
            "_docs": docs,
        }

    options = {"crop_size": 224} if resize_size == 256 else {"crop_size": 224, "resize_size": resize_size}
    url = f"https://download.pytorch.org/models/{checkpoint}.pth"
    return Weights(url, partial(ImageClassification, **options), meta)


_imagenet_v1 = partial(_imagenet, recipe="tree/main/references/classification#resnet", docs=_V1)
_imagenet_v2 = partial(_imagenet, recipe="issues/3995#new-recipe", docs=_V2, resize_size=232)


class ResNet18_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v1(
        "resnet18-f37072fd", num_params=11689512, top1=69.758, top5=89.078, gflops=1.814, megabytes=44.661
    )
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v1(
        "resnet34-b627a593", num_params=21797672, top1=73.314, top5=91.420, gflops=3.664, megabytes=83.275
    )
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v1(
        "resnet50-0676ba61", num_params=25557032, top1=76.130, top5=92.862, gflops=4.089, megabytes=97.781
    )
    IMAGENET1K_V2 = _imagenet_v2(
        "resnet50-11ad3fa6",
        num_params=25557032,
        top1=80.858,
        top5=95.434,
        gflops=4.089,
        megabytes=97.79,
        recipe="issues/3995#issuecomment-1013906621",
    )
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v1(
        "resnet101-63fe2227", num_params=44549160, top1=77.374, top5=93.546, gflops=7.801, megabytes=170.511
    )
    IMAGENET1K_V2 = _imagenet_v2(
        "resnet101-cd907fc2", num_params=44549160, top1=81.886, top5=95.780, gflops=7.801, megabytes=170.53
    )
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v1(
        "resnet152-394f9c45", num_params=60192808, top1=78.312, top5=94.046, gflops=11.514, megabytes=230.434
    )
    IMAGENET1K_V2 = _imagenet_v2(
        "resnet152-f82ba261", num_params=60192808, top1=82.284, top5=96.002, gflops=11.514, megabytes=230.474
    )
    DEFAULT = IMAGENET1K_V2
