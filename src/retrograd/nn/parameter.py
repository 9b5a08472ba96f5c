"""Parameter and Buffer: Tensors that a Module registers when they are assigned to it."""

from ..core.tensor import Tensor
from ..ops.creation import empty


class _ParameterMeta(type):
    """Says that Tensors of the user's own classes are Parameters too, once they were made into one."""

    def __instancecheck__(cls, instance):
        if cls is Parameter and getattr(instance, "_is_param", False):
            return True
        return super().__instancecheck__(instance)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A Tensor that a Module trains: assigning it to an attribute registers it among `parameters()`.

    data: a Tensor (its memory is shared). requires_grad: whether backward computes its gradient. Where
    `data` is of a subclass of Tensor, the Parameter is too.
    """

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Parameter data must be a Tensor, got {type(data).__name__}; make one with "
                "torch.tensor(...) [RG064]"
            )
        kept = type(data) in (Tensor, Parameter, Buffer) or issubclass(cls, type(data))
        self = object.__new__(cls if kept else type(data))
        self._array = data._array
        self.requires_grad = requires_grad
        if not kept:
            self._is_param = True
        return self

    def __init__(self, data=None, requires_grad=True):
        pass

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        out = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = out
        return out

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A Tensor that a Module keeps without training it: assigning it registers it among `buffers()`.

    persistent: whether it is part of the `state_dict`.
    """

    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Buffer data must be a Tensor, got {type(data).__name__}; make one with "
                "torch.tensor(...) [RG064]"
            )
        self = object.__new__(cls)
        self._array = data._array
        self.requires_grad = data.requires_grad
        self.persistent = persistent
        return self

    def __init__(self, data=None, *, persistent=True):
        pass


# --- without a shape yet ----------------------------------------------------------------------------------


_BEFORE_SHAPE = set(
    "to cpu cuda float double half bfloat16 type is_floating_point is_complex requires_grad_ share_memory_ "
    "copy_ "
    "size".split()
)  # Tensor's methods that need no shape


class UninitializedTensorMixin:
    """What a lazy module has in the place of a parameter or buffer until it sees its first input."""

    def materialize(self, shape, device=None, dtype=None):
        """Become a tensor of this shape, with values that are not set."""
        self._array = empty(shape, device=device, dtype=dtype or self.dtype)._array
        self.__dict__.pop("persistent", None)
        self.__class__ = self.cls_to_become

    def __getattribute__(self, name):
        if name[0] != "_" and name not in _BEFORE_SHAPE and callable(getattr(Tensor, name, None)):
            raise ValueError(
                f"Attempted to use an uninitialized parameter in Tensor.{name}. This error happens when you "
                "are using a "
                f"`LazyModule` or explicitly manipulating `torch.nn.parameter.{type(self).__name__}` "
                "objects. When using "
                "LazyModules Call `forward` with a dummy batch to initialize the parameters before calling "
                "torch "
                "functions [RG065]"
            )
        return super().__getattribute__(name)

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call "
            "`forward` "
            "to initialize the parameters before accessing their attributes. [RG065]"
        )

    def share_memory_(self):
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the "
            "parameters "
            "before calling `module.share_memory()`. [RG065]"
        )

    def __repr__(self):
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol):
        return type(self), (self.requires_grad, None, self.dtype)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, None, self.dtype)
        return memo[id(self)]


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A Parameter whose shape is not known yet; `materialize(shape)` makes it one."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return Parameter.__new__(cls, empty(0, device=device, dtype=dtype), requires_grad)

    def __init__(self, requires_grad=True, device=None, dtype=None):
        pass


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer whose shape is not known yet; `materialize(shape)` makes it one."""

    cls_to_become = Tensor

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        self = Buffer.__new__(cls, empty(0, device=device, dtype=dtype), persistent=persistent)
        self.requires_grad = requires_grad
        return self

    def __init__(self, requires_grad=False, device=None, dtype=None, persistent=True):
        pass


def is_lazy(tensor):
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(tensor, UninitializedTensorMixin)


def refuse_lazy(tensor, what):
    """A ValueError if `tensor`, to which `what` would be applied, has no shape yet."""
    if is_lazy(tensor):
        raise ValueError(
            f"The module passed to `{what}` can't have uninitialized parameters. Make sure to run the dummy "
            f"forward before applying `{what}` [RG065]"
        )
