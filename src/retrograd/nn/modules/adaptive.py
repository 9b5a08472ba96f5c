"""A softmax over many classes that spends little on the rare ones."""

from typing import NamedTuple

from ...core.tensor import Tensor
from ...ops import cat, where, zeros_like
from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-likelihoods of classes sorted by falling frequency (Grave et al. 2017).

    cutoffs: where the clusters of rarer classes begin. The head scores the classes before the first cutoff
    and the clusters; each cluster's tail projects to in_features / div_value^(its number). Call it with
    input (N, in_features) and targets (N): it returns (output, loss), the log-likelihoods (N) and minus
    their mean.
    """

    def __init__(
        self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None
    ):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0 [RG060]")
        if (
            cutoffs != sorted(set(cutoffs))
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                "where each "
                f"value is between 1 and n_classes-1; got {cutoffs} for {n_classes} classes [RG060]"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        options = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, head_bias, **options)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            hidden, size = int(in_features // div_value ** (i + 1)), self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, False, **options), Linear(hidden, size, False, **options)
                )
            )

    def reset_parameters(self):
        """Draw the initial values again."""
        self.head.reset_parameters()
        for down, up in self.tail:
            down.reset_parameters()
            up.reset_parameters()

    def forward(self, input_, target_):
        if target_.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported [RG063]")
        if input_.ndim != target_.ndim + 1:
            raise RuntimeError(
                f"{target_.ndim}D target tensor expects {target_.ndim + 1}D input tensors, but found inputs "
                "with size "
                f"{input_.size()} [RG063]"
            )
        if not target_.ndim:
            output, loss = self(input_.unsqueeze(0), target_.unsqueeze(0))
            return _ASMoutput(output.squeeze(0), loss)
        if input_.shape[0] != target_.shape[0]:
            raise RuntimeError(
                "Input and target should have the same size in the batch dimension, but they are "
                f"{list(input_.shape)} and {list(target_.shape)} [RG063]"
            )
        low, high = int(target_.min()), int(target_.max())
        if low < 0 or high >= self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{low}, {high}] "
                "were found.  [RG053]"
            )
        head_index, parts, order = target_, [], []
        for i, tail in enumerate(self.tail):
            start, stop = self.cutoffs[i], self.cutoffs[i + 1]
            inside = (target_ >= start) & (target_ < stop)
            rows = inside.nonzero().squeeze(1)
            head_index = where(inside, self.shortlist_size + i, head_index)
            if rows.numel():
                scores = F.log_softmax(tail(input_.index_select(0, rows)), dim=1)
                parts.append(scores.gather(1, (target_[rows] - start).unsqueeze(1)).squeeze(1))
                order.append(rows)
        output = F.log_softmax(self.head(input_), dim=1).gather(1, head_index.unsqueeze(1)).squeeze(1)
        if parts:
            output = output + zeros_like(output).index_copy(0, cat(order), cat(parts))
        return _ASMoutput(output, (-output).mean())

    def log_prob(self, input):
        """The log-probabilities (N, n_classes) of all classes."""
        return self._log_prob(input, self.head(input))

    def _log_prob(self, input, head):
        head = F.log_softmax(head, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            parts.append(F.log_softmax(tail(input), dim=1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return cat(parts, 1)

    def predict(self, input):
        """The most likely class of each input: (N)."""
        head = self.head(input)
        best = head.argmax(1)
        rows = (best >= self.shortlist_size).nonzero().squeeze(1)
        if rows.numel():
            best = best.index_copy(0, rows, self._log_prob(input[rows], head[rows]).argmax(1))
        return best
