"""L-BFGS, with a line search."""

import math
from typing import NamedTuple

import numpy as np

from ..core.graph import enable_grad, no_grad
from ..core.tensor import Tensor, wrap
from .numbers import check, scalar
from .optimizer import Optimizer


class LBFGS(Optimizer):
    """Quasi-Newton steps: along the gradient times an inverse Hessian (Nocedal & Wright, algorithm 7.4).

    That is estimated from the last history_size steps. All parameters are one group; `step` needs a closure.
    One `step` makes up to max_iter iterations and max_eval evaluations of the closure (default: 5/4 as many).
    It stops before where the largest gradient is below tolerance_grad, or the step or the loss changes by
    less than tolerance_change. line_search_fn: None (steps of length lr) or "strong_wolfe".
    """

    def __init__(
        self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
        history_size=100, line_search_fn=None,
    ):  # fmt: skip
        check("learning rate", lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_eval, "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        })  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups) [RG082]")

    @no_grad
    def step(self, closure):
        """Iterate. closure: clears the gradients, computes the loss, calls backward and returns the loss."""
        group = self.param_groups[0]
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError(
                f"only 'strong_wolfe' is supported as line_search_fn, but got {search!r} [RG048]"
            )
        params = group["params"]
        evaluate = enable_grad(closure)
        memory = _Memory(self.state[params[0]], group["history_size"])
        first_loss = evaluate()
        loss, g = float(first_loss), _gradient(params)
        evaluations = 1
        memory.count(evaluations=1)
        if np.abs(g).max(initial=0) <= group["tolerance_grad"]:
            return first_loss
        lr, smallest_change = scalar(group["lr"]), group["tolerance_change"]
        for iteration in range(1, group["max_iter"] + 1):
            memory.count(iterations=1)
            d = memory.direction(g)
            last_loss = loss
            t = 1.0 / max(1.0, float(np.abs(g).sum())) * lr if memory.is_new else lr
            memory.remember(g, d, t, last_loss)
            slope = float(g @ d)
            if slope > -smallest_change:
                break
            calls = 0
            if search is not None:
                start = Point(0, loss, g, slope)
                probe = _Probe(evaluate, params, d)
                best, calls = strong_wolfe(
                    probe, start, t, np.abs(d).max(), smallest_change, group["max_eval"] - evaluations
                )
                loss, g, t = best.f, best.g, best.t
                _move(params, t, d)
            else:
                _move(params, t, d)
                if iteration != group["max_iter"]:
                    loss, g = float(evaluate()), _gradient(params)
                    calls = 1
            memory.keep_step(t, group["lr"])
            evaluations += calls
            memory.count(evaluations=calls)
            if (
                evaluations >= group["max_eval"]
                or np.abs(g).max(initial=0) <= group["tolerance_grad"]
                or np.abs(d * t).max() <= smallest_change
                or abs(loss - last_loss) < smallest_change
            ):
                break
        return first_loss


class _Memory:
    """The estimate of the inverse Hessian, kept in the optimizer's state under PyTorch's names."""

    def __init__(self, state, size):
        self.state = state
        self.size = size
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

    @property
    def is_new(self):
        return self.state["n_iter"] == 1

    def count(self, evaluations=0, iterations=0):
        self.state["func_evals"] += evaluations
        self.state["n_iter"] += iterations

    def direction(self, g):
        """Minus the gradient times the inverse Hessian, by the two loops over the past steps."""
        state = self.state
        if self.is_new:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -g
        y = g - state["prev_flat_grad"]._array
        s = state["d"]._array * np.asarray(scalar(state["t"]), g.dtype)
        ys = float(y @ s)
        if ys > 1e-10:
            if len(state["ro"]) == self.size:
                for name in ("old_dirs", "old_stps", "ro"):
                    state[name].pop(0)
            state["old_dirs"].append(wrap(y))
            state["old_stps"].append(wrap(s))
            state["ro"].append(_scalar_tensor(1.0 / ys, g))
            state["H_diag"] = _scalar_tensor(ys / float(y @ y), g)
        changes, steps, weights = ([t._array for t in state[name]] for name in ("old_dirs", "old_stps", "ro"))
        q, projections = -g, [None] * len(steps)
        for i in reversed(range(len(steps))):
            projections[i] = steps[i] @ q * weights[i]
            q -= projections[i] * changes[i]
        q *= scalar(state["H_diag"])
        for i in range(len(steps)):
            q += (projections[i] - changes[i] @ q * weights[i]) * steps[i]
        if "al" not in state:
            state["al"] = [None] * self.size
        state["al"][: len(steps)] = [_scalar_tensor(a, g) for a in projections]
        return q

    def remember(self, g, d, t, loss):
        self.state.update(d=wrap(d), t=t, prev_flat_grad=wrap(g.copy()), prev_loss=loss)

    def keep_step(self, t, lr):
        """Keep the step's length: as a Tensor where the learning rate is one."""
        self.state["t"] = wrap(np.asarray(t, lr._array.dtype)) if isinstance(lr, Tensor) else t


def _scalar_tensor(value, like):
    return wrap(np.array(value, like.dtype))


# --- all parameters as one array -----------------------------------------------------------------------


def _flat(array):
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype.itemsize <= 2:
        return flat.astype(np.float32)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _gradient(params):
    """The gradients of all parameters in one new array; complex ones as pairs of reals."""
    parts = [_flat(np.zeros_like(p._array) if p._grad is None else p._grad._array) for p in params]
    return np.concatenate(parts)


def _move(params, t, d):
    """Add t * d to the parameters."""
    first = 0
    for p in params:
        array = p._array
        count = array.size * (2 if array.dtype.kind == "c" else 1)
        part = np.asarray(t, d.dtype) * d[first : first + count]
        first += count
        if array.dtype.kind == "c":
            part = part.astype(array.real.dtype, copy=False).view(array.dtype)
        array[...] = array + part.reshape(array.shape)
        p._versions().bump()


class _Probe:
    """The loss along a line: a Point for a length t of the step d, from where the parameters are now."""

    def __init__(self, evaluate, params, d):
        self.evaluate = evaluate
        self.params = params
        self.d = d
        self.origin = [p._array.copy() for p in params]

    def __call__(self, t):
        _move(self.params, t, self.d)
        loss = float(self.evaluate())
        g = _gradient(self.params)
        for p, array in zip(self.params, self.origin, strict=True):
            p._array[...] = array
            p._versions().bump()
        return Point(t, loss, g, float(g @ self.d))


# --- the line search -----------------------------------------------------------------------------------


class Point(NamedTuple):
    """A length of step, the loss and gradient there, and the loss's slope along the step."""

    t: float
    f: float
    g: np.ndarray
    slope: float


def strong_wolfe(probe, start, t, size, smallest_change, max_probes, c1=1e-4, c2=0.9):
    """A point with a sufficiently lower loss and smaller slope (Nocedal & Wright, algorithms 3.5 and 3.6).

    size: the largest component of the step. Gives the point and how many were probed.
    """
    too_high = lambda point: point.f > start.f + c1 * point.t * start.slope
    flat_enough = lambda point: abs(point.slope) <= -c2 * start.slope
    last, new = start, probe(t)
    probes, found = 0, None  # probes after the first
    while probes < max_probes:
        if too_high(new) or (probes > 1 and new.f >= last.f):
            bracket = [last, new]
            break
        if flat_enough(new):
            return new, probes + 1
        if new.slope >= 0:
            bracket = [last, new]
            break
        bounds = new.t + 0.01 * (new.t - last.t), new.t * 10
        last, new = new, probe(_minimum_of_cubic(last, new, bounds))
        probes += 1
    else:
        bracket = [start, new]

    stuck = False
    low = 0 if bracket[0].f <= bracket[1].f else 1
    while found is None and probes < max_probes:
        left, right = sorted(point.t for point in bracket)
        if (right - left) * size < smallest_change:
            break
        t = _minimum_of_cubic(*bracket)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near an end: once is fine, twice is no progress
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        new = probe(t)
        probes += 1
        if too_high(new) or new.f >= bracket[low].f:
            bracket[1 - low] = new
            low = 0 if bracket[0].f <= bracket[1].f else 1
        else:
            if flat_enough(new):
                found = new
            elif new.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
                bracket[1 - low] = bracket[low]
            bracket[low] = new
    return bracket[low], probes + 1


def _minimum_of_cubic(a, b, bounds=None):
    """Where the cubic through two points, with their slopes, is lowest; within `bounds`, or between them."""
    low, high = bounds or sorted((a.t, b.t))
    if a.t > b.t:
        a, b = b, a
    with np.errstate(all="ignore"):
        d1 = a.slope + b.slope - 3 * np.float64(a.f - b.f) / (a.t - b.t)
        square = d1 * d1 - a.slope * b.slope
        if not square >= 0:
            return (low + high) / 2.0
        d2 = math.sqrt(square)
        t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return float(min(max(t, low), high))
