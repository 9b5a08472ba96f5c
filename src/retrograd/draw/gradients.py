"""`gradients`: the norms of a model's gradients while it trains, and what looks ill about them."""

import math

import numpy as np

from ..core.graph import no_grad
from ..engine import queue_callback
from .health import Health

EXPLODED, GROWN = 1e4, 100.0
VANISHED = 1e-3
UNITS_DEAD = 0.2
_LOOK_UP = ("Embedding", "EmbeddingBag")  # rows that no input asked for have no gradient, as should be


class gradients(Health):
    """Record the norms of a model's gradients after each backward: a table, a picture, and warning flags.

    with draw.gradients(model) as health:
        train(model)
    print(health)
    health.save("health.html")

    One number per parameter and backward is kept, in one pass over its gradient; `.remove()`, or leaving the
    block, takes the hooks away. What is measured is `.grad` after the backward: with several backwards per
    optimizer step, their sum so far. every: record each so manieth backward only.

    Flags, over the last `window` records: "not finite"; "dead", all zeros; "exploding", a norm above 10,000
    or 100 times the median before; "vanishing", a root mean square below a thousandth of the largest layer's;
    "units dead", a fifth or more of a layer's outputs without any gradient; "no gradient", none ever came.
    """

    def __init__(self, model, *, every=1, window=20):
        if not hasattr(model, "named_parameters"):
            raise TypeError(f"gradients() watches a Module, not a {type(model).__name__} [RG170]")
        if every < 1 or window < 1:
            raise ValueError(f"every and window must be at least 1, not {every} and {window} [RG048]")
        pairs = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        if not pairs:
            raise ValueError("gradients(): the model has no parameter that requires a gradient [RG170]")
        self.window, self._every = window, every
        self.names = [name for name, _ in pairs]
        self.sizes = [p.numel() for _, p in pairs]
        self.types = {path: type(m).__name__ for path, m in model.named_modules()}
        self.norms = []  # a row per record: the norm of each parameter's gradient, NaN where none came
        self.backwards = []  # the number of the backward of each row
        self._silent = [None] * len(
            pairs
        )  # for each output of a layer, for how many records it had no gradient
        self._row, self._seen = None, 0
        self._handles = [
            p.register_post_accumulate_grad_hook(lambda leaf, k=k: self._note(k, leaf))
            for k, (_, p) in enumerate(pairs)
        ]

    def remove(self):
        """Stop recording."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.remove()

    # --- recording ---

    def _note(self, k, leaf):
        if self._row is None or k in self._row:  # the backward that began the row failed
            self._row = {}
            self._seen += 1
            queue_callback(self._finish)
        if (self._seen - 1) % self._every == 0:
            with no_grad():
                self._row[k] = self._measure(k, leaf.grad._array)

    def _measure(self, k, g):
        """The norm of a gradient, from the squares of each of its rows."""
        if g.dtype.kind not in "fc" or g.dtype.itemsize < 4:
            g = g.astype(np.float32)
        if not g.ndim or not g.size:
            g = g.reshape(1) if g.size else np.zeros(1, g.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = _row_squares(g)
            total = float(squares.sum(dtype=np.float64))
            if not math.isfinite(total) and np.isfinite(g).all():  # only the squares are too large
                total = float((np.abs(g).astype(np.float64) ** 2).sum())
        silent = self._silent[k]
        silent = np.zeros(len(g), np.int32) if silent is None else silent
        self._silent[k] = np.where(squares == 0, silent + 1, 0)
        return math.sqrt(total) if total == total else math.inf

    def _finish(self):
        row, self._row = self._row, None
        if row:
            self.norms.append([row.get(k, math.nan) for k in range(len(self.names))])
            self.backwards.append(self._seen)

    # --- judging ---

    @property
    def layers(self):
        """{path of a module: the positions of its own parameters}, in the model's order."""
        found = {}
        for k, name in enumerate(self.names):
            found.setdefault(name.rpartition(".")[0], []).append(k)
        return found

    def layer_norms(self):
        """An array of (records, layers): the norm over each layer's parameters together."""
        norms = np.array(self.norms, float).reshape(len(self.norms), len(self.names))
        columns = []
        for members in self.layers.values():
            own = norms[:, members]
            total = np.sqrt(np.nansum(own**2, axis=1))
            columns.append(np.where(np.isnan(own).all(axis=1), np.nan, total))
        return np.stack(columns, axis=1) if columns else np.zeros((0, 0))

    @property
    def flags(self):
        """{layer: what looks ill}, of those where something does."""
        norms = self.layer_norms()
        found = {}
        if not len(norms):
            return found
        sizes = np.array([sum(self.sizes[k] for k in own) for own in self.layers.values()])
        recent, before = norms[-self.window :], norms[: -self.window]
        typical = _medians(recent) / np.sqrt(sizes)
        largest = np.nanmax(np.where(np.isfinite(typical), typical, np.nan), initial=0.0)
        for i, (layer, members) in enumerate(self.layers.items()):
            said = self._flag(recent[:, i], before[:, i], typical[i], largest)
            dead = 0.0 if self.types.get(layer) in _LOOK_UP else self._dead_units(members)
            if said is None and dead >= UNITS_DEAD:
                said = f"{dead:.0%} of units dead"
            if said:
                found[layer] = said
        return found

    def _flag(self, recent, before, typical, largest):
        came = recent[~np.isnan(recent)]
        if not came.size:
            return "no gradient"
        if not np.isfinite(came).all():
            return "not finite"
        if not came.any():
            return "dead"
        earlier = before[np.isfinite(before) & (before > 0)]
        earlier = earlier if earlier.size else came[: max(len(came) // 2, 1)]
        earlier = earlier[earlier > 0]
        if came.max() > EXPLODED or (earlier.size and came[-1] > GROWN * np.median(earlier)):
            return "exploding"
        return "vanishing" if typical < VANISHED * largest else None

    def _dead_units(self, members):
        """The share of a layer's outputs that had no gradient in the whole window."""
        known = [self._silent[k] for k in members if self._silent[k] is not None]
        if not known or len(self.norms) < min(self.window, 5):
            return 0.0
        silent = np.min([s for s in known if s.shape == known[0].shape], axis=0)  # a bias may live on alone
        return float((silent >= min(self.window, len(self.norms))).mean())


def _row_squares(g):
    """The sum of squares of each g[i], without a copy where g lies in another order of memory."""
    if g.flags.c_contiguous:
        rows = g.reshape(len(g), -1)
        return np.vecdot(rows, rows).real
    axes = list(range(g.ndim))
    return np.einsum(g, axes, g.conj() if g.dtype.kind == "c" else g, axes, [0]).real


def _medians(values):
    """The median of each column, of what is finite."""
    finite = np.where(np.isfinite(values), values, np.nan)
    return np.array([np.nanmedian(c) if not np.isnan(c).all() else np.nan for c in finite.T])
