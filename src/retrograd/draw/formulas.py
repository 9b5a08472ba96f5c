"""The formulas of rows, read from their source: as it is written, in symbols and in words."""

import ast
import functools
import inspect
import linecache
import textwrap
from dataclasses import dataclass

from ..core.apply import RowNode

MOST_HELPERS = 3  # functions that a formula calls whose source is shown with it
# name of a function in a formula -> (in symbols, in words); {0}, {1} are its arguments
_KNOWN = {
    "conj": ("{0}", "{0}"),
    "exp": ("exp({0})", "e to the power of {0}"),
    "log": ("ln({0})", "the logarithm of {0}"),
    "sin": ("sin({0})", "the sine of {0}"),
    "cos": ("cos({0})", "the cosine of {0}"),
    "tanh": ("tanh({0})", "the hyperbolic tangent of {0}"),
    "sinh": ("sinh({0})", "the hyperbolic sine of {0}"),
    "cosh": ("cosh({0})", "the hyperbolic cosine of {0}"),
    "sqrt": ("√({0})", "the square root of {0}"),
    "sigmoid": ("σ({0})", "the sigmoid of {0}"),
    "sign": ("sign({0})", "the sign of {0}"),
    "sgn": ("sign({0})", "the sign of {0}"),
    "sum": ("Σ {0}", "the sum of {0}"),
    "sum_to": ("Σ {0}", "the sum of {0} over what was broadcast"),
    "broadcast": ("broadcast({0})", "{0} repeated to the shape {1}"),
    "spread": ("broadcast({0})", "{0} repeated along the dimensions that were reduced"),
    "reshape": ("reshape({0})", "{0} in another shape"),
    "permute": ("permute({0})", "{0} with its dimensions in the order that they had"),
    "transpose": ("{0}ᵀ", "{0} transposed"),
    "t": ("{0}ᵀ", "{0} transposed"),
    "cast": ("{0}", "{0} in the input's dtype"),
    "where": ("({0} where {2}, else {1})", "{0} where {2}, and {1} elsewhere"),
    "masked": ("{0} · [{1}]", "{0} where {1}, and zero elsewhere"),
    "relu_backward": ("{0} · [{1} > 0]", "{0} where {1} is above 0, and zero elsewhere"),
    "leaky_relu_backward": ("({0} where {1} > 0, else {2} · {0})", "{0}, times {2} where {1} is not above 0"),
    "hardtanh_backward": ("{0} · [{2} < {1} < {3}]", "{0} where {1} is from {2} to {3}, and zero elsewhere"),
    "hardsigmoid_backward": ("{0} / 6 · [|{1}| < 3]", "{0} divided by 6 where |{1}| < 3, and zero elsewhere"),
    "hardswish_backward": ("{0} · hardswish′({1})", "{0} times the derivative of hardswish at {1}"),
    "silu_backward": ("{0} · silu′({1})", "{0} times the derivative of silu at {1}"),
    "zeros_like": ("0", "zero"),
    "safe_div": ("{0} / {1}", "{0} divided by {1}"),
    "safe_mul": ("{0} · {1}", "{0} times {1}"),
    "left_gradient": ("{0} · {2}ᵀ", "the matrix product of {0} and {2} transposed"),
    "right_gradient": ("{1}ᵀ · {0}", "the matrix product of {1} transposed and {0}"),
    "matmul": ("{0} @ {1}", "the matrix product of {0} and {1}"),
    "mm": ("{0} @ {1}", "the matrix product of {0} and {1}"),
    "abs": ("|{0}|", "the absolute value of {0}"),
    "count_along": ("n", "the number of elements that were averaged"),
    "total": ("Σ {0}", "the sum of {0}"),
    "unreduced": ("broadcast({0})", "{0} repeated along the dimensions that were reduced"),
    "base_formula": ("{0} · {2} · {1}^({2} − 1)", "{0} times {2} times {1} to the power of {2} minus 1"),
    "log_base": ("ln({0})", "the logarithm of {0}"),
    "conv_input": ("conv_transpose({0}, {1})", "the transposed convolution of {0} with {1}"),
    "conv_weight": ("correlate({1}, {0})", "the correlation of {1} with {0}"),
    "bands": ("part({0})", "the part of {0} that belongs to this input"),
    "place": ("place({0})", "{0} put where it was taken from, and zero elsewhere"),
    "unindex": ("scatter({0})", "{0} added up where it was taken from, and zero elsewhere"),
    "copy_slices": ("({0} outside of the view)", "{0}, but zero where the view was written"),
    "look": ("({0} in the view)", "what the view shows of {0}"),
    "laid_out": ("{0}", "{0}"),
}
_BINARY = {
    ast.Add: (" + ", "plus"), ast.Sub: (" − ", "minus"), ast.Mult: (" · ", "times"),
    ast.Div: (" / ", "divided by"), ast.MatMult: (" @ ", "matrix-multiplied with"),
    ast.Pow: ("^", "to the power of"), ast.BitAnd: (" and ", "and"), ast.BitOr: (" or ", "or"),
}  # fmt: skip
_COMPARED = {
    ast.Gt: (" > ", "is above"), ast.Lt: (" < ", "is below"), ast.GtE: (" ≥ ", "is at least"),
    ast.LtE: (" ≤ ", "is at most"), ast.Eq: (" = ", "equals"), ast.NotEq: (" ≠ ", "differs from"),
}  # fmt: skip
_RANK = {ast.Pow: 4, ast.Mult: 3, ast.Div: 3, ast.MatMult: 3, ast.Add: 2, ast.Sub: 2}


@dataclass
class Formula:
    """How the gradient of one input comes from that of the output."""

    input: str
    source: str  # as it is written in the row
    symbols: str
    words: str


def formulas(node):
    """The formulas that `node` runs, one per edge; None where nothing runs or they are not a row's."""
    if not isinstance(node, RowNode):
        return [None] * len(node.edges)
    op = node.op
    if op.joint:
        names = [op.parameters[i] for i in op.inputs]
        shared = _formula(op.joint[1], ", ".join(names))
        return [
            Formula(n, shared.source, shared.symbols, shared.words) if target is not None else None
            for n, (target, _) in zip(names, node.edges, strict=False)
        ]
    found = []
    fixed = op.inputs if op.first_variadic is None else op.inputs[:-1]
    for k, (target, _) in enumerate(node.edges):
        variadic = k >= len(fixed)
        name = op.variadic if variadic else op.parameters[fixed[k]]
        formula = _formula(op.formulas[name], name) if target is not None else None
        if formula is not None and variadic:
            number = k - len(fixed)
            formula = Formula(f"{name}[{number}]", formula.source, formula.symbols, formula.words)
        found.append(formula)
    return found


@functools.lru_cache(1024)
def _formula(function, name):
    written = _written(function)
    if written is None:
        return Formula(name, "", "", f"what {function.__name__} computes")
    if isinstance(written, ast.Lambda):
        body = written.body
        source = "\n\n".join([ast.unparse(body), *_helpers(function, body)])
        return Formula(name, source, symbols(body), words(body))
    own = function.__name__.strip("_")
    code = function.__code__
    given = ", ".join([_name(a) for a in code.co_varnames[: code.co_argcount]])
    text = textwrap.dedent(ast.unparse(written))
    return Formula(name, text, f"{own}({given})", f"several steps, those of the function `{own}`")


def _helpers(function, body):
    """The source of the functions that a formula calls and that have no words of their own."""
    found = []
    for part in ast.walk(body):
        called = getattr(part, "id", "") if isinstance(part, ast.Name) else ""
        helper = function.__globals__.get(called)
        if inspect.isfunction(helper) and _name(called) not in _KNOWN and len(found) < MOST_HELPERS:
            written = _written(helper)
            text = ast.unparse(written) if isinstance(written, ast.FunctionDef) else ""
            if text and text not in found:
                found.append(text)
    return found


def _written(function):
    """The syntax tree of a lambda or a function."""
    function = inspect.unwrap(function)
    code = function.__code__
    place = _by_line(code.co_filename).get(code.co_firstlineno, ())
    if code.co_name != "<lambda>":
        return next((f for f in place if getattr(f, "name", None) == code.co_name), None)
    inside = [
        (line, start) for line, last, start, end in code.co_positions() if _is_text(line, last, start, end)
    ]
    for candidate in place:
        if not isinstance(candidate, ast.Lambda):
            continue
        body = candidate.body
        first, last = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
        if all(first <= at <= last for at in inside):
            return candidate
    return None


def _is_text(line, last, start, end):
    """Whether an instruction stands for a piece of text: the first ones, which set up, do not."""
    return None not in (line, last, start, end) and (line, start) != (last, end)


@functools.lru_cache(256)
def _by_line(path):
    """{line: lambdas and functions that begin there} of a file."""
    text = "".join(linecache.getlines(path))
    found = {}
    for part in ast.walk(ast.parse(text)) if text else ():
        if isinstance(part, (ast.Lambda, ast.FunctionDef)):
            lines = {part.lineno, *[d.lineno for d in getattr(part, "decorator_list", ())]}
            for line in lines:
                found.setdefault(line, []).append(part)
    return found


# --- symbols and words ----------------------------------------------------------------------------


def symbols(part, rank=0):
    """An expression of a formula in the symbols of mathematics."""
    if isinstance(part, ast.BinOp) and type(part.op) in _BINARY:
        own = _RANK.get(type(part.op), 1)
        if isinstance(part.op, ast.Pow):
            text = f"{symbols(part.left, 5)}{_raised(symbols(part.right, 5))}"
        else:
            sign = _BINARY[type(part.op)][0]
            text = f"{symbols(part.left, own)}{sign}{symbols(part.right, own + (sign.strip() in '−/'))}"
        return f"({text})" if own < rank else text
    if isinstance(part, ast.UnaryOp) and isinstance(part.op, (ast.USub, ast.Invert, ast.Not)):
        text = ("−" if isinstance(part.op, ast.USub) else "not ") + symbols(part.operand, 3)
        return f"({text})" if rank > 3 else text
    if isinstance(part, ast.IfExp):
        if symbols(part.body) == symbols(part.orelse):
            return symbols(part.body, rank)
        return f"({symbols(part.body)} if {symbols(part.test)} else {symbols(part.orelse)})"
    if isinstance(part, ast.Compare) and type(part.ops[0]) in _COMPARED:
        text = symbols(part.left, 2) + _COMPARED[type(part.ops[0])][0] + symbols(part.comparators[0], 2)
        return f"({text})" if rank > 1 else text
    if isinstance(part, ast.Call):
        name = _called(part)
        shape = _KNOWN.get(name, (None,))[0]
        if shape is None or _most(shape) >= len(part.args):
            return f"{name}({', '.join([symbols(a) for a in _told(part)])})"
        alone = shape == "{0}"
        text = shape.format(
            *[symbols(a, rank if alone else _inner(shape, i)) for i, a in enumerate(part.args)]
        )
        loose = any(sign in shape for sign in (" · ", " / ", "Σ")) and not alone
        return f"({text})" if loose and rank > 3 else text
    return _plain(part)


def _most(shape):
    """The number of the last argument that is in a text such as "{0} of {1}"."""
    return max([int(c) for c in shape if c.isdigit() and f"{{{c}}}" in shape], default=-1)


def _inner(shape, i):
    """How tightly an argument must hold together where it stands."""
    place = f"{{{i}}}"
    if f"{place}ᵀ" in shape or f"/ {place}" in shape or f"{place}^" in shape:
        return 4
    return 3 if f"{place} ·" in shape or f"· {place}" in shape or f"Σ {place}" in shape else 0


def words(part):
    """An expression of a formula in words."""
    if isinstance(part, ast.BinOp) and type(part.op) in _BINARY:
        if isinstance(part.op, ast.Pow) and getattr(part.right, "value", None) == 2:
            return f"{_grouped(part.left)} squared"
        return f"{_grouped(part.left)} {_BINARY[type(part.op)][1]} {_grouped(part.right)}"
    if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub):
        return f"minus {_grouped(part.operand)}"
    if isinstance(part, ast.Compare) and type(part.ops[0]) in _COMPARED:
        left, right = words(part.left), words(part.comparators[0])
        return f"{left} {_COMPARED[type(part.ops[0])][1]} {right}"
    if isinstance(part, ast.Call):
        name, shape = _called(part), _KNOWN.get(_called(part), (None, None))[1]
        given = [words(a) for a in part.args]
        if shape is not None and _most(shape) < len(given):
            return shape.format(*given)
        named = [words(a) for a in _told(part) if isinstance(a, ast.Name)]
        return f"what `{name}` makes of {', '.join(named)}" if named else f"`{name}`"
    if isinstance(part, ast.IfExp):
        if words(part.body) == words(part.orelse):
            return words(part.body)
        return f"{words(part.body)} if {words(part.test)}, else {words(part.orelse)}"
    if isinstance(part, ast.Name):
        if part.id.endswith("_shape"):
            return f"the shape of {part.id.removesuffix('_shape')}"
        if part.id.startswith("g_"):
            return f"the incoming gradient of {part.id[2:]}"
        return {"g": "the incoming gradient", "out": "the result"}.get(part.id, _plain(part))
    return _plain(part)


def _told(call):
    """The arguments of a call, less the one that only says which gradients are wanted."""
    return [a for a in call.args if getattr(a, "id", "") != "needs"]


def _grouped(part):
    text = words(part)
    while isinstance(part, ast.Call) and _called(part) in ("conj", "cast") and part.args:
        part = part.args[0]
    return f"({text})" if isinstance(part, (ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp)) else text


def _plain(part):
    return _name(part.id) if isinstance(part, ast.Name) else ast.unparse(part)


def _name(name):
    return {"out": "result"}.get(name, name.removesuffix("_row").lstrip("_"))


def _called(call):
    """The name of what a formula calls, without what our source adds to names."""
    function = call.func
    if isinstance(function, ast.IfExp):  # a faster function where arrays pass, the same thing for Tensors
        function = function.orelse
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return _name(name) or ast.unparse(function)


def _raised(text):
    plain = str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")
    return text.translate(plain) if all(c in "0123456789-−" for c in text) else f"^{text}"
