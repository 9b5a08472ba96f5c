"""Models under torchvision's names, and their pre-trained weights."""

from retrograd.vision.models._api import (  # noqa: F401
    Weights,
    WeightsEnum,
    get_model,
    get_model_builder,
    get_model_weights,
    get_weight,
    list_models,
    register_model,
)
from retrograd.vision.models.alexnet import *  # noqa: F403
from retrograd.vision.models.convnext import *  # noqa: F403
from retrograd.vision.models.densenet import *  # noqa: F403
from retrograd.vision.models.efficientnet import *  # noqa: F403
from retrograd.vision.models.googlenet import *  # noqa: F403
from retrograd.vision.models.inception import *  # noqa: F403
from retrograd.vision.models.maxvit import *  # noqa: F403
from retrograd.vision.models.mnasnet import *  # noqa: F403
from retrograd.vision.models.mobilenetv2 import *  # noqa: F403
from retrograd.vision.models.mobilenetv3 import *  # noqa: F403
from retrograd.vision.models.regnet import *  # noqa: F403
from retrograd.vision.models.resnet import *  # noqa: F403
from retrograd.vision.models.shufflenetv2 import *  # noqa: F403
from retrograd.vision.models.squeezenet import *  # noqa: F403
from retrograd.vision.models.swin_transformer import *  # noqa: F403
from retrograd.vision.models.vgg import *  # noqa: F403
from retrograd.vision.models.vision_transformer import *  # noqa: F403
