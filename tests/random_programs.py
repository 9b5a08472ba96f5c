"""Random programs of operations, views, writes in place, hooks and modes; each is a few lines of Python.

A program is drawn as steps, (name, i, j, k, m, quiet): what to do, to which tensors, with which numbers.
`build` runs them in PyTorch and writes each as a line of code that fits the shapes there. `check` runs the
lines here, and compares every value, state and gradient with PyTorch, and gradients with `Differences`, which
runs the lines on pairs of a value and its tangent, without a graph.

Left out is where PyTorch crashes or forgets: `detach_` (a hook on a view crashes after it), views made under
no_grad, metadata changed in place under no_grad, with views alive or a retained gradient, hooks on views,
`requires_grad_` of views and their bases, and writes after which PyTorch refuses to look at another view (the
outputs of `split` and `unbind`).
"""

import functools
import re
import warnings

import numpy as np
import torch

import retrograd
from oracle import assert_close
from random_steps import KINDS, LINES
from retrograd.core.tensor import wrap

LARGEST = 60  # elements of a tensor: steps that would make more are left out

START = [
    ("x", [[-0.91, -0.6, -0.13], [0.3, 0.52, 1.17]], True),
    ("w", [0.5, -0.25, 0.75], True),
    ("c", [[1.0, 2.0], [3.0, 4.0]], False),
]

# --- running lines --------------------------------------------------------------------


class Line:
    """A line of a program: its code, its kind, the tensor that it makes or writes to, and what it reads."""

    def __init__(self, text, kind, target, reads, quiet):
        self.kind, self.target, self.reads, self.quiet = kind, target, reads, quiet
        self.text = f"{target} = {text}" if kind in ("view", "new") else text
        self.code = compile(self.text, "<program>", "exec")

    def __str__(self):
        return f"with torch.no_grad(): {self.text}" if self.quiet else self.text


REFUSALS = (RuntimeError, IndexError, TypeError, ValueError)


def execute(line, namespace, library):
    """Run a line; what it raised, if it did."""
    try:
        if line.quiet:
            with library.no_grad():
                exec(line.code, namespace)
        else:
            exec(line.code, namespace)
    except REFUSALS as error:
        return error
    return None


def start(library):
    """The names that a program begins with."""
    names = {"torch": library}
    for name, values, grad in START:
        names[name] = library.tensor(values, dtype=library.float64, requires_grad=grad)
    names["y"] = names["x"] * 1
    return names


def tensors(namespace):
    return {n: t for n, t in namespace.items() if n != "torch" and not n.startswith("__")}


class Program:
    """Lines, run in PyTorch: `names` are its tensors then, `refusals` its errors by the line's number.

    `spoilt` is the number of a line after which PyTorch refuses to look at some tensor, if there is one.
    `refused` is the error of the backward at the end.
    """

    def __init__(self, lines, ending="once"):
        self.ending = ending
        self.lines, self.refusals = [], {}
        self.names = start(torch)
        self.spoilt = self.refused = None
        for line in lines:
            if callable(line):
                line = line(self.names, len(self.lines))
                if line is None:
                    continue
            error = execute(line, self.names, torch)
            if error is not None:
                self.refusals[len(self.lines)] = error
            self.lines.append(line)
            try:
                for t in tensors(self.names).values():
                    t.grad_fn  # noqa: B018  else views in PyTorch don't notice their base's new history
            except RuntimeError:
                self.spoilt = len(self.lines) - 1
                return
        self.refused = finish(torch, self.names, ending)

    def without(self, i):
        """The program without a line, and without those that need what it made."""
        gone = {self.lines[i].target} if self.lines[i].kind in ("view", "new") else set()
        kept = self.lines[:i]
        for line in self.lines[i + 1 :]:
            if gone.isdisjoint(line.reads):
                kept.append(line)
            elif line.kind in ("view", "new"):
                gone.add(line.target)
        return Program(kept, self.ending)

    def in_order(self, n):
        """The program where a result, which lies in memory in another order here, is made contiguous."""
        line = self.lines[n]
        text = f"({line.text.removeprefix(f'{line.target} = ')}).contiguous()"
        contiguous = Line(text, line.kind, line.target, line.reads, line.quiet)
        return Program([*self.lines[:n], contiguous, *self.lines[n + 1 :]], self.ending)

    def __str__(self):
        made = [f"{n} = torch.tensor({v}, dtype=torch.float64, requires_grad={g})" for n, v, g in START]
        lines = [
            f"{line}  # PyTorch: {_short(self.refusals[n])}" if n in self.refusals else str(line)
            for n, line in enumerate(self.lines)
        ]
        return "\n".join(["import retrograd as torch", *made, "y = x * 1", *lines, *ending_lines(self)])


def build(steps, ending="once"):
    """The program that steps make."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Program([functools.partial(_line, *step) for step in steps], ending)


def _line(name, i, j, k, m, quiet, names, number):
    """The line that a step becomes, given PyTorch's tensors; None where it doesn't fit."""
    here = tensors(names)
    listed = list(here)
    a, b = listed[-1 - i % len(listed)], listed[-1 - j % len(listed)]
    first, second = here[a], here[b]
    kind = KINDS[name]
    viewed = any(t._base is first for t in here.values())
    if quiet and kind in ("view", "restructure") or name == "hook" and first._is_view():
        return None
    if kind == "restructure" and (viewed or first.retains_grad):
        return None
    if name == "requires_grad_" and (viewed or first._is_view()):
        return None
    if kind in ("view", "new") and 2 * first.numel() > LARGEST:
        return None
    shared = first is not second and first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
    operand = f"{b}.clone()" if kind == "write" and shared else b
    text = LINES[name](a, operand, tuple(first.shape), tuple(second.shape), k, m)
    if text is None:
        return None
    target = f"t{number}" if kind in ("view", "new") else a
    reads = [n for n in {a: None, b: None} if re.search(rf"\b{n}\b", text)]
    return Line(text, kind, target, reads, quiet)


def _short(error):
    return str(error).partition("\n")[0][:80]


def ending_lines(program):
    listed = ", ".join(tensors(program.names))
    lines = [f"total = sum(t.sum() * (k + 1) for k, t in enumerate([{listed}]))"]
    if program.ending == "second":
        options = "create_graph=True, allow_unused=True, materialize_grads=True"
        lines.append(f"g, h = torch.autograd.grad(total, [x, w], {options})")
        lines.append("(total * total + (g * g).sum() + (h * h).sum()).backward()")
    elif program.ending == "twice":
        lines += ["total.backward(retain_graph=True)", "total.backward()"]
    else:
        lines += ["total.backward()"]
    return [*lines, "print(x.grad, w.grad)"]


def finish(library, names, ending):
    """The gradients of a weighted sum of everything, backward as the ending says; what it raised."""
    total = sum(t.sum() * (k + 1) for k, t in enumerate(tensors(names).values()))
    try:
        if ending == "second":
            leaves = [names["x"], names["w"]]
            g, h = library.autograd.grad(
                total, leaves, create_graph=True, allow_unused=True, materialize_grads=True
            )
            total = total * total + (g * g).sum() + (h * h).sum()
        elif ending == "twice":
            total.backward(retain_graph=True)
        total.backward()
    except REFUSALS as error:
        return error
    return None


# --- the comparison with PyTorch --------------------------------------------------------------------


class Failure(AssertionError):
    """Where the two libraries, or the gradients and the differences, part; with the program."""

    def __init__(self, what, program):
        super().__init__(f"{what}\n\n{program}\n")
        self.program = program


def excused(line, error):
    """Whether a line may be refused here only: PyTorch lets some writes to expanded tensors pass."""
    return line.kind == "write" and "more than one element" in str(error)


def check(program):
    """Run a program here and by differences; Failure if that or PyTorch disagrees. Says what was compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if program.spoilt is not None:
            return check(program.without(program.spoilt))
        names = start(retrograd)
        for n, line in enumerate(program.lines):
            error, refusal = execute(line, names, retrograd), program.refusals.get(n)
            if refusal is None and error is not None:
                if excused(line, error):
                    return check(program.without(n))
                raise Failure(f"`{line}` raises {error!r}", program)
            if refusal is not None and error is None:
                if not acceptable(line, refusal):
                    raise Failure(f"`{line}` should raise: {refusal!r}", program)
                by_differences(program, n)  # it alone, after what comes before; then the rest without it
                return check(program.without(n))
            if line.kind == "new" and error is None and not line.text.endswith(".contiguous()"):
                if tuple(names[line.target].stride()) != program.names[line.target].stride():
                    return check(program.in_order(n))
        agree(program, names)
        error = finish(retrograd, names, program.ending)
        beyond = error is None and "modified by an inplace" in str(
            program.refused
        )  # we saved a copy, or a shape
        if (error is None) != (program.refused is None) and not beyond:
            raise Failure(f"backward: {error!r} instead of {program.refused!r}", program)
        if error is not None:
            return "refused"
        if not beyond:
            same_gradients(program, names)
        lines = [line for n, line in enumerate(program.lines) if n not in program.refusals]
        return compare_differences(program, lines, names, program.ending)


def acceptable(line, refusal):
    """Whether a line that PyTorch refuses may run here: reads and writes that overlap are no trouble, and
    results that were laid out otherwise are put in order for view()."""
    if line.kind == "view":
        return "view size is not compatible" in str(refusal)
    return line.kind == "write" and "single memory location" in str(refusal)


def agree(program, names):
    """Fail unless all tensors have PyTorch's values and state."""
    for (name, r), m in zip(tensors(program.names).items(), tensors(names).values(), strict=True):
        try:
            assert_close(m, r, 1e-9, name)
        except AssertionError as error:
            raise Failure(str(error), program) from None
        for what in ("requires_grad", "is_leaf", "_version", "retains_grad", "output_nr"):
            got, want = getattr(m, what), getattr(r, what)
            if got != want:
                raise Failure(f"{name}.{what} is {got} instead of {want}", program)
        if m._is_view() != r._is_view():
            raise Failure(f"{name}._is_view() is {m._is_view()}", program)


def same_gradients(program, names):
    """Fail unless `.grad` is PyTorch's, of leaves and of those that retain it.

    In the walk of second derivatives these, and hooks, see what the first ones' formulas were written with.
    """
    if program.ending == "second" and any("hook" in line.text for line in program.lines):
        return
    for (name, r), m in zip(tensors(program.names).items(), tensors(names).values(), strict=True):
        if program.ending == "second" and not r.is_leaf:
            continue
        g, want = m.grad, r.grad
        if (g is None) != (want is None):
            raise Failure(f"{name}.grad is {g} instead of {want}", program)
        if g is not None:
            try:
                assert_close(g, want, 1e-9, f"{name}.grad")
            except AssertionError as error:
                raise Failure(str(error), program) from None


# --- the comparison with differences ----------------------------------------------------------------


class NotSmooth(Exception):
    """Differences say nothing here: at a kink, or after a step that they don't follow."""


class Differences:
    """Runs lines on (value, tangent): tangents by central differences of a line, views of both by one line.

    No graph is made: aliasing is that of plain memory, so a write through a view reaches its base's tangent.
    Under no_grad a write changes the value alone; `detach` shares the value and begins a tangent of zeros.
    """

    STEP = 1e-5

    def __init__(self, direction):
        self.values, self.tangents = {"torch": retrograd}, {"torch": retrograd}
        for name, values, _ in START:
            self.values[name] = retrograd.tensor(values, dtype=retrograd.float64)
            self.tangents[name] = retrograd.zeros_like(self.values[name])
            if name in direction:
                self.tangents[name].copy_(retrograd.tensor(direction[name]))
        self.values["y"] = self.values["x"].clone()
        self.tangents["y"] = self.tangents["x"].clone()

    def run(self, line):
        if line.kind == "other":
            if "hook" in line.text:
                raise NotSmooth
            return
        if line.kind == "restructure" or (line.kind == "view" and "detach" not in line.text):
            exec(line.code, self.values)
            exec(line.code, self.tangents)
            target = self.values[line.target]
            if line.kind == "view" and not shares(target, self.values[line.reads[0]]):
                self.tangents[line.target] = laid_out(self.tangents[line.target]._array, target)
            return
        if line.kind == "view":
            exec(line.code, self.values)
            self.tangents[line.target] = laid_out(0.0, self.values[line.target])
            return
        if line.kind == "write" and 0 in self.values[line.target]._array.strides:
            raise NotSmooth  # parts of an expanded tensor were written to: its elements share memory
        change = 0.0 if line.quiet else self.difference(line)
        exec(line.code, self.values)
        if line.kind == "new":
            self.tangents[line.target] = laid_out(change, self.values[line.target])
        elif not line.quiet:
            self.tangents[line.target]._array[...] = change

    def difference(self, line):
        """The tangent of what the line makes or writes."""
        results = []
        for sign in (1, 0, -1):
            moved = {"torch": retrograd}
            for n in line.reads:
                moved[n] = laid_out(
                    self.values[n]._array + sign * self.STEP * self.tangents[n]._array, self.values[n]
                )
            exec(line.code, moved)
            results.append(moved[line.target]._array)
        above, here, below = results
        if above.shape != here.shape or below.shape != here.shape:
            raise NotSmooth
        ahead, behind = (above - here) / self.STEP, (here - below) / self.STEP
        if not np.allclose(ahead, behind, rtol=1e-2, atol=1e-2):
            raise NotSmooth
        return (ahead + behind) / 2


def shares(a, b):
    return np.may_share_memory(a._array, b._array)


def laid_out(array, like):
    """A new tensor of these values, with strides in the order of `like`'s: the same views of it exist."""
    out = np.empty_like(like._array)
    out[...] = array
    return wrap(out)


def by_differences(program, last):
    """Run lines, up to number `last`, in retrograd alone and compare its gradients with differences."""
    names = start(retrograd)
    lines = [
        line for n, line in enumerate(program.lines[: last + 1]) if n == last or n not in program.refusals
    ]
    for line in lines:
        execute(line, names, retrograd)
    if finish(retrograd, names, "once") is None:
        compare_differences(program, lines, names, "once")


def compare_differences(program, lines, names, ending):
    """Fail unless the gradients of x and w, along a random direction, are what differences say."""
    if ending == "second":
        return "PyTorch"
    rng = np.random.default_rng(0)
    direction = {n: rng.uniform(-1, 1, np.shape(v)) for n, v, grad in START if grad}
    pairs = Differences(direction)
    try:
        for line in lines:
            pairs.run(line)
    except NotSmooth:
        return "PyTorch"
    want = sum((k + 1) * t._array.sum() for k, t in enumerate(tensors(pairs.tangents).values()))
    want *= 2 if ending == "twice" else 1
    got, size = 0.0, 1.0
    for n, v in direction.items():
        g = names[n].grad
        if g is not None:
            got += (g._array * v).sum()
            size += np.abs(g._array).sum()
    if not np.isfinite(size) or size > 1e6:
        return "PyTorch"
    if abs(got - want) > 1e-4 * size:
        raise Failure(f"the gradient along a direction is {got:.9g}, by differences {want:.9g}", program)
    return "PyTorch and differences"


# --- shrinking ----------------------------------------------------------------------------


def shrunk(program):
    """The Failure of the shortest program that still fails, without one line after the other; or None."""
    best = failure_of(program)
    going = best is not None
    while going:
        going = False
        program = best.program
        simpler = [(program.without, i) for i in reversed(range(len(program.lines)))]
        if program.ending != "once":
            simpler.append((Program, program.lines))
        for make, argument in simpler:
            found = failure_of(make(argument))
            if found is not None:
                best, going = found, True
                break
    return best


def failure_of(program):
    """The Failure of a program; None if it passes."""
    try:
        check(program)
    except Failure as failure:
        return failure
    return None
