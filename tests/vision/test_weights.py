"""The weights enums and the register of models, compared with torchvision's."""

import copy
import functools
import pickle
import warnings

import pytest

from oracle import torchvision
from retrograd.vision import models
from retrograd.vision.models import _api, _weights
from retrograd.vision.transforms import _presets

reference = torchvision().models


def test_categories_are_read_when_they_are_asked_for():
    _weights.imagenet_categories.cache_clear()
    assert models.ResNet18_Weights.verify("DEFAULT") is models.ResNet18_Weights.IMAGENET1K_V1
    assert _weights.imagenet_categories.cache_info().currsize == 0
    assert _weights.imagenet_categories()[285] == "Egyptian cat"


def test_copies_and_pickles_are_the_same_member():
    member = models.ResNet50_Weights.IMAGENET1K_V2
    for again in (copy.copy(member), copy.deepcopy(member), pickle.loads(pickle.dumps(member))):
        assert again is member


def test_weights_compare_by_content():
    make = functools.partial(functools.partial, _presets.ImageClassification)
    weights = _api.Weights("u", make(crop_size=224), {"a": 1})
    assert weights == _api.Weights("u", make(crop_size=224), lambda: {"a": 1})
    assert weights != _api.Weights("v", make(crop_size=224), {"a": 1})
    assert weights != _api.Weights("u", make(crop_size=225), {"a": 1})
    assert weights != _api.Weights("u", make(crop_size=224), {"a": 2})
    assert weights != "u"


def test_verify_accepts_members_their_names_and_none():
    enum = models.ResNet50_Weights
    for given in ("IMAGENET1K_V2", "DEFAULT", "ResNet50_Weights.DEFAULT", enum.IMAGENET1K_V2):
        assert enum.verify(given) is enum.IMAGENET1K_V2
    assert enum.verify(None) is None


def test_verify_says_what_there_is():
    enum = models.ResNet50_Weights
    with pytest.raises(KeyError, match="no weights named 'IMAGENET1K_V3'; choose from 'IMAGENET1K_V1',"):
        enum.verify("IMAGENET1K_V3")
    with pytest.raises(TypeError, match="expected weights from ResNet50_Weights, got ResNet18_W"):
        enum.verify(models.ResNet18_Weights.DEFAULT)
    with pytest.raises(TypeError, match="got a int; choose from"):
        enum.verify(1)


def test_get_state_dict_downloads_from_the_url(monkeypatch):
    import retrograd.hub

    calls = []

    def load(*args, **kwargs):
        calls.append((args, kwargs))
        return {"w": 1}

    monkeypatch.setattr(retrograd.hub, "load_state_dict_from_url", load)
    member = models.ResNet18_Weights.DEFAULT
    assert member.get_state_dict(progress=False, check_hash=True) == {"w": 1}
    assert calls == [((member.url,), {"progress": False, "check_hash": True})]


def test_get_weight():
    assert models.get_weight("ResNet18_Weights.DEFAULT") is models.ResNet18_Weights.IMAGENET1K_V1
    with pytest.raises(ValueError, match="Invalid weight name 'ResNet18_Weights'"):
        models.get_weight("ResNet18_Weights")
    with pytest.raises(ValueError, match="There is no weights enum 'ResNet19_Weights'.*ResNet18_Weights"):
        models.get_weight("ResNet19_Weights.DEFAULT")
    with pytest.raises(KeyError, match="'IMAGENET1K_V9'"):
        models.get_weight("ResNet18_Weights.IMAGENET1K_V9")


@pytest.fixture
def register(monkeypatch):
    """An empty register."""
    monkeypatch.setattr(_api, "BUILTIN_MODELS", {})
    return _api.register_model


def small(*, weights: models.ResNet18_Weights | None = None, progress: bool = True, **options):
    return {"weights": weights, "progress": progress, **options}


def test_register_find_and_build(register):
    register()(small)
    register("small_v2")(small)
    register(name="large")(lambda size: size)
    assert models.list_models() == ["large", "small", "small_v2"]
    assert models.list_models(include="small*") == ["small", "small_v2"]
    assert models.list_models(include=["large", "small"], exclude="l*") == ["small"]
    assert models.list_models(exclude=["*_v2", "large"]) == ["small"]
    assert models.list_models(module=models) == []
    assert models.get_model_builder("SMALL") is small
    assert models.get_model("small", progress=False) == {"weights": None, "progress": False}
    assert models.get_model_weights("small") is models.get_model_weights(small) is models.ResNet18_Weights
    with pytest.raises(ValueError, match="already registered"):
        register()(small)
    with pytest.raises(ValueError, match="Unknown model medium; registered models: large, small, small_v2"):
        models.get_model("medium")
    with pytest.raises(ValueError, match="no argument 'weights'"):
        models.get_model_weights("large")


legacy = _api.handle_legacy_interface(weights=("pretrained", models.ResNet18_Weights.IMAGENET1K_V1))(small)
reference_legacy = reference._utils.handle_legacy_interface(
    weights=("pretrained", reference.ResNet18_Weights.IMAGENET1K_V1)
)(lambda *, weights=None, progress=True, **options: {"weights": weights, "progress": progress, **options})


@pytest.mark.parametrize("args, kwargs", [
    ((), {"pretrained": True}), ((), {"pretrained": False}), ((), {"weights": True}),
    ((), {"weights": False}),
    ((True,), {}), ((False, False), {}), ((None, False), {}), ((), {"pretrained": True, "num_classes": 3}),
], ids=str)  # fmt: skip
def test_calls_from_before_weights_existed(args, kwargs):
    with pytest.warns(UserWarning):
        expected = reference_legacy(*args, **dict(kwargs))
    with pytest.warns(UserWarning, match="deprecated") as caught:
        got = legacy(*args, **dict(kwargs))
    assert {**got, "weights": str(got["weights"])} == {**expected, "weights": str(expected["weights"])}
    assert caught[0].filename == __file__


@pytest.mark.parametrize("kwargs", [
    {}, {"weights": None}, {"weights": models.ResNet18_Weights.DEFAULT},
    {"weights": "DEFAULT", "num_classes": 2},
], ids=str)  # fmt: skip
def test_the_present_interface_passes_without_a_warning(kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert legacy(**kwargs) == small(**kwargs)


def test_legacy_errors():
    with pytest.raises(TypeError, match="got both 'weights' and the deprecated 'pretrained'"):
        legacy(weights=None, pretrained=True)
    with pytest.raises(TypeError, match="takes at most 2 positional arguments but 3 were given"):
        legacy(None, True, 5)
    with pytest.raises(TypeError, match="multiple values"):
        legacy(None, weights=None)
    without = _api.handle_legacy_interface(weights=("pretrained", None))(small)
    with pytest.raises(ValueError, match="No weights available for model small"):
        without(pretrained=True)
