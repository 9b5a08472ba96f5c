"""Distributions that take probabilities or logits, whichever is given: the other follows when asked for."""

from .utils import lazy_property, logits_to_probs, probs_to_logits


class ByProbsOrLogits:
    """`probs` and `logits`, of which one was given; `is_binary` says whether logits are log odds."""

    is_binary = True

    @lazy_property
    def probs(self):
        return logits_to_probs(self.logits, self.is_binary)

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs, self.is_binary)

    @property
    def _param(self):
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.logits

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._param.shape


def the_one(probs, logits):
    """(name, value) of the parameter that was given; ValueError unless it is just one."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both. [RG153]")
    return ("probs", probs) if logits is None else ("logits", logits)


class OfCategorical:
    """A distribution made from a categorical one, `self._categorical`, whose parameters it shows."""

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    param_shape = property(lambda self: self._categorical.param_shape)
    _param = property(lambda self: self._categorical._param)

    def expand(self, batch_shape, _instance=None):
        return self._expanded(batch_shape, _instance, (), nested=["_categorical"])
