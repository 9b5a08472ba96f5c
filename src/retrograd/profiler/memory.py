"""A timeline of memory by what holds it."""

import time
import weakref

from ..core.apply import RowNode
from ..core.deferred import factors_of
from ..core.graph import AccumulateGrad
from ..core.memory import owner
from ..core.op import Op
from ..core.tensor import Tensor
from . import observing
from .events import format_memory
from .graph import saved_arrays
from .recording import arrays_of

PARAMETERS, GRADIENTS, OPTIMIZER = "parameters", "gradients", "optimizer state"
TEMPORARY, GIVEN = "temporary", "inputs"


class memory_timeline:
    """Follows the memory of tensors while it is open: `with memory_timeline(model, optimizer) as timeline:`.

    What holds a piece of memory is one of "parameters" (buffers too), "gradients", "optimizer state",
    "saved by NAME" (kept for backward by an operation inside the module of that name, or by the class of the
    module without `model`), "inputs" (made before, and given to operations) and "temporary" (all else). Seen
    is what operations, nodes and optimizers give: not the scratch memory inside one.

    samples: (seconds since the start, {what: bytes}) after each change. `peak()`: the sample with the most.
    `save(path)` writes a picture, SVG or a page of HTML. In a notebook it shows itself.
    """

    def __init__(self, model=None, optimizer=None):
        self.model = model
        self.optimizer = optimizer
        self.changes = []  # (nanoseconds, what, bytes more)
        self._known = {}  # id of an array: [weak reference, bytes, what holds it]
        self._saved_by = {}  # id of an array: how many nodes keep it
        self._keeping = {}  # id of a node: (the node weakly or not, ids of the arrays it keeps)
        self._names = {}
        self._modules = []
        self._handles = []

    # --- while it is open ---

    def __enter__(self):
        from ..nn.modules.calling import register_module_forward_hook, register_module_forward_pre_hook

        self.started = time.perf_counter_ns()
        if self.model is not None:
            self._names = {id(m): name or type(m).__name__ for name, m in self.model.named_modules()}
            for tensor in (*self.model.parameters(), *self.model.buffers()):
                self._hold(tensor._array, PARAMETERS)
                self._hold_gradient(tensor)
        self._hold_optimizer(self.optimizer)
        self._handles = [
            register_module_forward_pre_hook(lambda module, args: self._modules.append(module)),
            register_module_forward_hook(lambda module, args, out: self._leave(module), always_call=True),
        ]
        observing.listen(self)
        self._running = []
        return self

    def __exit__(self, *exc):
        observing.leave(self)
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _leave(self, module):
        while self._modules and self._modules.pop() is not module:
            pass

    def begin(self, what, given):
        self._forget_freed()
        if isinstance(what, Op):
            for array in arrays_of([a for a in given if isinstance(a, Tensor)]):
                memory = owner(array)
                if id(memory) not in self._known:
                    self._hold(memory, GIVEN)
        self._running.append(what)

    def end(self, result):
        if not self._running:
            return
        what = self._running.pop()
        for array in arrays_of(result):
            if id(owner(array)) not in self._known:
                self._hold(array, TEMPORARY)
        if isinstance(what, Op):
            first = result[0] if isinstance(result, tuple) and result else result
            if isinstance(first, Tensor) and first._grad_fn is not None:
                self._keep(first._grad_fn)
        elif isinstance(what, RowNode):
            self._hold_gradients(what, result)
        elif isinstance(what, AccumulateGrad):
            self._hold_gradient(what.variable)
        elif hasattr(what, "param_groups"):
            self._hold_optimizer(what)
        self._forget_freed()

    def _hold_gradients(self, node, result):
        """What a node gives to a leaf waits there to become its `.grad`."""
        for g, (after, _) in zip(result if type(result) in (list, tuple) else (), node.edges):
            if isinstance(after, AccumulateGrad):
                for array in arrays_of(g):
                    known = self._known.get(id(owner(array)))
                    if known is not None and known[2] == TEMPORARY:
                        self._hold(array, GRADIENTS)

    def _hold_gradient(self, tensor):
        grad = tensor._grad
        if grad is not None and factors_of(grad) is None:  # one that waits has no memory yet
            self._hold(grad._array, GRADIENTS)

    def _hold_optimizer(self, optimizer):
        if optimizer is None:
            return
        for group in optimizer.param_groups:
            for p in group["params"]:
                self._hold(p._array, PARAMETERS)
        for state in optimizer.state.values():
            for array in arrays_of(list(state.values())):
                self._hold(array, OPTIMIZER)

    def _hold(self, array, what):
        """From now on `what` holds the memory of `array`."""
        memory = owner(array)
        key = id(memory)
        known = self._known.get(key)
        if known is None:
            try:
                reference = weakref.ref(memory, lambda _: self._gone(key))
            except TypeError:  # an array of another library
                return
            self._known[key] = [reference, memory.nbytes, what]
            self._change(what, memory.nbytes)
        elif known[2] != what:
            now = self._change(known[2], -known[1])
            self._change(what, known[1], now)
            known[2] = what

    def _gone(self, key):
        known = self._known.pop(key, None)
        self._saved_by.pop(key, None)
        if known is not None:
            self._change(known[2], -known[1])

    def _change(self, what, more, now=None):
        """Note it; gives the time, for a change that is another side of this one."""
        now = time.perf_counter_ns() - self.started if now is None else now
        if more:
            self.changes.append((now, what, more))
        return now

    def _keep(self, node):
        """What `node` saved is saved by the module that runs."""
        if id(node) in self._keeping:
            return
        module = self._modules[-1] if self._modules else None
        name = "no module" if module is None else self._names.get(id(module), type(module).__name__)
        kept = []
        for array in saved_arrays(node):
            memory = owner(array)
            key = id(memory)
            known = self._known.get(key)
            if known is not None and known[2] in (PARAMETERS, OPTIMIZER, GRADIENTS):
                continue
            if known is None or known[2] in (TEMPORARY, GIVEN):
                self._hold(memory, f"saved by {name}")
            self._saved_by[key] = self._saved_by.get(key, 0) + 1
            kept.append(key)
        if kept:
            self._keeping[id(node)] = (weakref.ref(node), kept)

    def _forget_freed(self):
        """Memory that no node keeps any more is temporary until it goes."""
        for key in list(self._keeping):
            reference, kept = self._keeping[key]
            node = reference()
            if node is not None and isinstance(node.saved, list):
                continue
            del self._keeping[key]
            for array in kept:
                left = self._saved_by.get(array, 0) - 1
                if left > 0:
                    self._saved_by[array] = left
                    continue
                self._saved_by.pop(array, None)
                known = self._known.get(array)
                if known is not None and known[2].startswith("saved by "):
                    memory = known[0]()
                    if memory is not None:
                        self._hold(memory, TEMPORARY)

    # --- afterwards ---

    @property
    def samples(self):
        held, out = {}, []
        for at, what, more in self.changes:
            held[what] = held.get(what, 0) + more
            if out and out[-1][0] == at / 1e9:
                out.pop()
            out.append((at / 1e9, {w: b for w, b in held.items() if b}))
        return out

    def peak(self):
        """(seconds, {what: bytes}) of the moment at which the most was held."""
        if not self.changes:
            raise RuntimeError("memory_timeline saw no memory: run something inside its `with` block [RG172]")
        return max(self.samples, key=lambda sample: sum(sample[1].values()))

    def __str__(self):
        at, held = self.peak()
        total = sum(held.values())
        lines = [f"peak {format_memory(total)} after {at * 1e3:.1f} ms"]
        for what, count in sorted(held.items(), key=lambda item: -item[1]):
            lines.append(f"{format_memory(count):>10}  {count / total:6.1%}  {what}")
        return "\n".join(lines)

    def svg(self, width=900, height=420):
        """The picture as SVG: what holds memory, stacked, over time."""
        from .chart import stacked

        return stacked(self.samples, width, height)

    _repr_svg_ = svg

    def save(self, path):
        """Write the picture to `path`: `.svg`, or `.html` for a page with the table of the peak below it."""
        path = str(path)
        if path.endswith(".svg"):
            text = self.svg()
        elif path.endswith((".html", ".htm")):
            from .chart import page

            text = page("Memory by what holds it", self.svg(), str(self))
        else:
            raise ValueError(f"memory_timeline.save() writes .svg and .html files, not {path!r} [RG171]")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
