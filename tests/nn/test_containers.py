"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict: statements, in both libraries."""

import copy
from collections import OrderedDict

import pytest
import torch
from twins import plain, refusal

import retrograd
from oracle import same


def named(nn):
    return nn.Sequential(
        OrderedDict([("first", nn.Linear(1, 2)), ("act", nn.ReLU()), ("last", nn.Linear(2, 1))])
    )


# Statements about `s`, three modules after one another; `m` a fourth one. Each is followed by a look at `s`.
SEQUENTIAL = """
s
s[0]; s[-1]
s[1:]
s[::-1]
s[5]
s[-4]
s["0"]
len(s); list(s)
s[1] = m
s[-1] = m
s[3] = m
s[0] = 1
del s[1]
del s[-1]
del s[3]
del s[:2]
del s[::2]
s.append(m)
s.append(3)
s.extend([m, m])
s.extend(s[:1])
s.insert(0, m)
s.insert(-1, m)
s.insert(3, m)
s.insert(4, m)
s.insert(0, 3)
s.pop(0)
s.pop(-1)
s.pop(7)
s + s[:1]
s + [m]
s += s[:1]
s += [m]
s * 2
2 * s
s *= 2
s *= 3.0
s * 0
s * 1.5
s.add_module("more", m)
s.add_module("1", m)
m in s
dir(s)[:0]
copy.deepcopy(s)
nn.Sequential()
nn.Sequential(nn.Sequential(m), m)
nn.Sequential(1)
nn.Sequential({"a": m})
nn.Sequential([m, m])
"""

NAMED = """
s
s[1:]
s[0] = m
del s[1]
s.append(m)
s + s
s.pop(0)
s.extend([m])
"""

LIST = """
s
s[0]; s[-1]
s[1:]
s[::-1]
s[5]
s[-4]
s["0"]
len(s); list(s)
s[1] = m
s[-1] = m
s[3] = m
s[0] = 1
del s[1]
del s[-1]
del s[3]
del s[:2]
del s[::2]
s.append(m)
s.append(3)
s.extend([m, m])
s.extend(x for x in [m, m])
s.extend(s)
s.extend(3)
s.insert(0, m)
s.insert(2, m)
s.insert(3, m)
s.pop(0)
s.pop(-1)
s.pop(7)
s + s
s + [m]
s + 3
s += [m]
s(1)
m in s
copy.deepcopy(s)
nn.ModuleList()
nn.ModuleList([m, m, nn.ModuleList([m, m]), m])
nn.ModuleList([None])
nn.ModuleList(3)
"""

DICT = """
s
s["a"]; s["c"]
s["z"]
s[0]
s["a"] = m
s["new"] = m
s["new"] = 1
s["keys"] = m
s["x.y"] = m
s[3] = m
del s["a"]
del s["z"]
len(s); list(s); list(s.keys()); list(s.values()); list(s.items())
"a" in s; "z" in s
s.pop("b")
s.pop("z")
s.clear()
s.update({"z": m, "b": m})
s.update([("z", m), ("b", m)])
s.update([("z", m, m)])
s.update([3])
s.update(3)
s.update(nn.ModuleDict({"k": m}))
s(1)
copy.deepcopy(s)
nn.ModuleDict()
nn.ModuleDict([("k", m)])
"""

PARAMETERS = """
p
p[0]; p[-1]
p[1:]
p[::2]
p[5]
p["0"]
len(p); list(p)
p[0] = torch.ones(2)
p[-1] = nn.Parameter(torch.zeros(1))
p[5] = torch.ones(2)
p[1] = 7
p.append(torch.ones(2, 2, dtype=torch.int64) * 1.0)
p.append("text")
p.extend([torch.ones(1), 3])
p.extend(torch.ones(2))
p.extend(3)
p += [torch.ones(1)]
p(1)
del p[0]
copy.deepcopy(p)
nn.ParameterList()
nn.ParameterList([torch.ones(2).double(), None, 3, nn.Parameter(torch.ones(3).half())])
nn.Sequential(p)
"""

PARAMETER_DICT = """
d
d["a"]; d["c"]
d["z"]
d[0]
d["new"] = torch.ones(2)
d["a"] = nn.Parameter(torch.zeros(1))
d["text"] = "abc"
del d["a"]
del d["z"]
len(d); list(d); list(d.keys()); list(d.values()); list(d.items()); list(reversed(d))
"a" in d; "z" in d
d.pop("b")
d.pop("z")
d.popitem()
d.clear()
d.copy()
d.get("a"); d.get("z"); d.get("z", 3)
d.setdefault("a"); d.setdefault("z", torch.ones(1))
d.fromkeys(["x", "y"], torch.ones(1))
d.update({"z": torch.ones(1), "b": torch.ones(1)})
d.update(OrderedDict([("z", torch.ones(1)), ("b", torch.ones(1))]))
d.update([("z", torch.ones(1)), ("b", torch.ones(1))])
d.update([("z", 1, 2)])
d.update([3])
d.update(3)
d.update(nn.ParameterDict({"k": torch.ones(1)}))
d | {"z": torch.ones(1)}
d |= {"z": torch.ones(1)}
{"z": torch.ones(1)} | d
d(1)
copy.deepcopy(d)
nn.ParameterDict()
nn.ParameterDict({"z": torch.ones(1).double(), "a": None})
nn.Sequential(d)
"""

CASES = [
    pytest.param(statement, start, id=f"{kind}: {statement}")
    for kind, start, text in [
        ("Sequential", "s = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))", SEQUENTIAL),
        ("named Sequential", "s = named(nn)", NAMED),
        ("ModuleList", "s = nn.ModuleList([nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)])", LIST),
        ("ModuleDict", "s = nn.ModuleDict({'c': nn.Linear(1, 2), 'a': nn.ReLU(), 'b': nn.Linear(2, 1)})",
        DICT),
        ("ParameterList", "p = nn.ParameterList([torch.ones(2), torch.zeros(1, 3), torch.ones(())])",
        PARAMETERS),
        (
            "ParameterDict",
            "d = nn.ParameterDict({'c': torch.ones(2), 'a': torch.zeros(1), 'b': torch.ones(())})",
            PARAMETER_DICT,
        ),
    ]
    for statement in text.strip().split("\n")
]  # fmt: skip


def outcome(library, statement, start):
    """What each part of a statement gives, and what the container is afterwards; or the error."""
    names = {"torch": library, "nn": library.nn, "m": library.nn.Tanh(), "copy": copy,
    "OrderedDict": OrderedDict,
             "named": named}  # fmt: skip
    exec(start, names)
    shown = []
    for part in statement.split("; "):
        try:
            shown.append(plain(repr(eval(part, names))) if not _is_statement(part) else exec(part, names))
        except Exception as error:
            shown.append(type(error).__name__)
    whole = names[start[0]]
    members = [(n, tuple(p.shape)) for n, p in whole.named_parameters()]
    return shown, plain(repr(whole)), members, [n for n, _ in whole.named_modules()], len(whole)


def _is_statement(text):
    return text.startswith("del ") or any(f" {sign} " in text for sign in ("=", "+=", "*=", "|="))


@pytest.mark.parametrize(("statement", "start"), CASES)
def test_behaves_as_pytorchs(statement, start):
    assert outcome(retrograd, statement, start) == outcome(torch, statement, start)


def test_values_and_gradients_through_sequential():
    def program(library):
        library.manual_seed(0)
        m = named(library.nn)
        x = library.ones(2, 1, requires_grad=True)
        m(x).sum().backward()
        return m(x), x.grad, m.first.weight.grad, m[0] is m.first

    same(program)


@pytest.mark.parametrize("part", ["ParameterList", "ParameterDict"])
def test_values_of_parameter_containers_take_part_in_the_state(part):
    def program(library):
        nn = library.nn
        values = [library.ones(2), library.zeros(3)]
        m = getattr(nn, part)(values if part == "ParameterList" else {"x": values[0], "y": values[1]})
        kept = list(m.parameters())
        m.load_state_dict({k: v + 4 for k, v in m.state_dict().items()})
        return dict(m.state_dict()), [a is b for a, b in zip(kept, m.parameters(), strict=True)]

    same(program)


def test_errors_say_what_is_wrong():
    nn = retrograd.nn
    m = nn.Sequential(nn.ReLU(), nn.ReLU())
    for program, text in [
        (lambda _: m[2], "index 2 is out of range"), (lambda _: nn.ModuleList([nn.ReLU()])[1],
        "index 1 is out of range"),
        (lambda _: m.insert(0, 3), "module should be of type"), (lambda _: nn.ModuleList()(1), "ModuleList"),
        (lambda _: nn.ParameterDict()({}), "ParameterDict should not be called"),
        (lambda _: nn.ParameterDict({3: retrograd.ones(1)}), "not a string"),
        (lambda _: nn.ModuleDict(5), "iterable of key/value pairs"),
    ]:  # fmt: skip
        assert text in str(refusal(program, retrograd))
