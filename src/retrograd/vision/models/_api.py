"""Pre-trained weights as enums, and the register of model builders: what every model family shares."""

import fnmatch
import functools
import inspect
import sys
import typing
import warnings
from enum import Enum

BUILTIN_MODELS = {}


class Weights:
    """One set of pre-trained weights: where it is, what its images must go through, and facts about it.

    url: the checkpoint's address, whose name ends with the start of its SHA-256. transforms: makes the
    preprocessing when called. meta: a dict of facts ("categories", "num_params", ...), or a function that
    returns it, called once when `meta` is first read.
    """

    def __init__(self, url, transforms, meta):
        self.url = url
        self.transforms = transforms
        self._meta = meta

    @property
    def meta(self):
        if callable(self._meta):
            self._meta = self._meta()
        return self._meta

    def __eq__(self, other):
        if not isinstance(other, Weights):
            return NotImplemented
        if self is other:
            return True  # without reading the meta: enums compare their values when they are defined
        return (
            self.url == other.url
            and _call_of(self.transforms) == _call_of(other.transforms)
            and self.meta == other.meta
        )

    __hash__ = None

    def __repr__(self):
        return f"Weights(url={self.url!r}, transforms={self.transforms!r})"


def _call_of(function):
    """What `function` is equal by: two partials are never equal themselves, even when they call the same."""
    if isinstance(function, functools.partial):
        return function.func, function.args, function.keywords
    return function


class WeightsEnum(Enum):
    """The pre-trained weights that exist for one model: the members' values are `Weights`."""

    @classmethod
    def verify(cls, obj):
        """The member that `obj` means: a member, a name such as "DEFAULT", or None for no weights.

        Raises KeyError for a name that does not exist and TypeError for anything else.
        """
        if obj is None or isinstance(obj, cls):
            return obj
        if isinstance(obj, str):
            name = obj.removeprefix(cls.__name__ + ".")
            if name in cls.__members__:
                return cls.__members__[name]
            raise KeyError(f"{cls.__name__} has no weights named {obj!r}; {cls._choices()} [RG097]")
        given = f"{obj!r}" if isinstance(obj, WeightsEnum) else f"a {type(obj).__name__}"
        raise TypeError(f"expected weights from {cls.__name__}, got {given}; {cls._choices()} [RG097]")

    @classmethod
    def _choices(cls):
        names = ", ".join(repr(name) for name in cls.__members__)
        return f"choose from {names}, or None for random weights" if names else "it has none"

    def get_state_dict(self, *args, **kwargs):
        """The checkpoint's state dict, from the cache or downloaded; see `hub.load_state_dict_from_url`."""
        from retrograd.hub import load_state_dict_from_url

        return load_state_dict_from_url(self.url, *args, **kwargs)

    @property
    def url(self):
        return self.value.url

    @property
    def transforms(self):
        return self.value.transforms

    @property
    def meta(self):
        return self.value.meta

    def __repr__(self):
        return f"{type(self).__name__}.{self.name}"

    def __reduce_ex__(self, protocol):
        return getattr, (type(self), self.name)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def register_model(name=None):
    """Decorator: `get_model` finds the builder under `name`, by default its own."""

    def register(builder):
        key = builder.__name__ if name is None else name
        if key in BUILTIN_MODELS:
            raise ValueError(f"register_model(): a model named {key!r} is already registered [RG097]")
        BUILTIN_MODELS[key] = builder
        return builder

    return register


def list_models(module=None, include=None, exclude=None):
    """The sorted names of the registered models.

    module: only builders from that package. include, exclude: a shell pattern ("resnet*") or several; a name
    is listed if it matches any of `include` and none of `exclude`.
    """
    names = {
        name
        for name, builder in BUILTIN_MODELS.items()
        if module is None or builder.__module__.rpartition(".")[0] == module.__name__
    }
    if include:
        names = _matching(names, include)
    if exclude:
        names -= _matching(names, exclude)
    return sorted(names)


def _matching(names, patterns):
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}


def get_model_builder(name):
    """The function that builds the model registered under `name` (in any case)."""
    try:
        return BUILTIN_MODELS[name.lower()]
    except KeyError:
        known = ", ".join(list_models()) or "none"
        raise ValueError(f"Unknown model {name}; registered models: {known} [RG097]") from None


def get_model(name, **config):
    """The model registered under `name`, built with the keyword arguments `config`."""
    return get_model_builder(name)(**config)


def get_model_weights(name):
    """The weights enum of a model, which is given by its builder or its registered name."""
    builder = get_model_builder(name) if isinstance(name, str) else name
    if "weights" not in inspect.signature(builder).parameters:
        raise ValueError(
            f"{builder.__name__}() has no argument 'weights', so there is no weights enum to return [RG097]"
        )
    annotation = typing.get_type_hints(builder).get("weights")
    for kind in (annotation, *typing.get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, WeightsEnum):
            return kind
    raise ValueError(
        f"{builder.__name__}(): the argument 'weights' is not annotated with a WeightsEnum [RG097]"
    )


def get_weight(name):
    """The weights with the full name `name`, such as "ResNet50_Weights.IMAGENET1K_V2"."""
    enum_name, dot, member = name.partition(".")
    if not dot or "." in member:
        raise ValueError(
            f"Invalid weight name {name!r}; it looks like 'ResNet50_Weights.IMAGENET1K_V2' [RG097]"
        )
    enums = {
        key: value
        for key, value in vars(sys.modules[__package__]).items()
        if isinstance(value, type) and issubclass(value, WeightsEnum) and value is not WeightsEnum
    }
    if enum_name not in enums:
        known = ", ".join(sorted(enums))
        raise ValueError(f"There is no weights enum {enum_name!r}; those that exist: {known} [RG097]")
    return enums[enum_name].verify(member)


def handle_legacy_interface(**legacy):
    """Decorator of a model builder: it also accepts the calls from before `weights` existed, with a warning.

    `weights=("pretrained", ResNet18_Weights.IMAGENET1K_V1)` lets `pretrained=True` mean those weights and
    `pretrained=False` mean `weights=None`; the default may be a function of the keyword arguments. Arguments
    that the builder takes by keyword only may also be given by position.
    """

    def decorate(builder):
        parameters = inspect.signature(builder).parameters.values()
        positional = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
        keyword_only = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]

        @functools.wraps(builder)
        def build(*args, **kwargs):
            late = args[positional:]
            if len(late) > len(keyword_only):
                most = positional + len(keyword_only)
                raise TypeError(
                    f"{builder.__name__}() takes at most {most} positional arguments but {len(args)} were "
                    "given; pass the model's own options by keyword [RG134]"
                )
            named = dict(zip(keyword_only, late, strict=False))
            if named:
                if twice := named.keys() & kwargs.keys():
                    raise TypeError(f"{builder.__name__}() got multiple values for {sorted(twice)} [RG134]")
                given = ", ".join(named)
                message = f"{builder.__name__}(): pass {given} by keyword; by position is deprecated"
                warnings.warn(message, UserWarning, stacklevel=2)
            kwargs |= named
            for weights, (old, default) in legacy.items():
                _replace_legacy(builder.__name__, kwargs, weights, old, default)
            return builder(*args[:positional], **kwargs)

        return build

    return decorate


def _replace_legacy(builder, kwargs, weights, old, default):
    """Turn `old=True` or `weights=True` in `kwargs` into weights, and False into None."""
    if old in kwargs:
        if weights in kwargs:
            raise TypeError(
                f"{builder}() got both '{weights}' and the deprecated '{old}'; pass '{weights}' only [RG097]"
            )
        wanted = kwargs[old]
    elif isinstance(kwargs.get(weights), bool):
        wanted = kwargs[weights]
    else:
        return
    chosen = None
    if wanted:
        chosen = default(kwargs) if callable(default) else default
        if chosen is None:
            raise ValueError(f"No weights available for model {builder}; pass {weights}=None [RG097]")
    advice = f"{weights}={chosen if chosen is None else repr(chosen)}"
    newest = f" ({type(chosen).__name__}.DEFAULT are the newest weights)" if chosen is not None else ""
    warnings.warn(
        f"{builder}(): '{old}' and booleans as '{weights}' are deprecated; this call means {advice}{newest}",
        UserWarning,
        stacklevel=3,
    )
    kwargs.pop(old, None)
    kwargs[weights] = chosen
