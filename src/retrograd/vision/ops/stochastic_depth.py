"""Stochastic depth (Huang et al. 2016): whole branches of residual blocks are left out in training."""

import retrograd
from retrograd import nn

__all__ = ["StochasticDepth", "stochastic_depth"]


def stochastic_depth(input, p, mode, training=True):
    """`input` with each sample (mode "row"), or the whole batch ("batch"), zeroed with probability `p`.

    What remains is divided by 1 - p. Draws from the default generator as torchvision does.
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p} [RG049]")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode} [RG048]")
    if not training or p == 0.0:
        return input
    kept = 1.0 - p
    rows = input.shape[0] if mode == "row" else 1
    noise = retrograd.empty([rows] + [1] * (input.ndim - 1), dtype=input.dtype, device=input.device)
    noise.bernoulli_(kept)
    if kept > 0.0:
        noise.div_(kept)
    return input * noise


class StochasticDepth(nn.Module):
    """`stochastic_depth` as a layer; it does nothing in evaluation mode."""

    def __init__(self, p, mode):
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input):
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
