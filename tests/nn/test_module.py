"""Module: registration, attributes, the walk over the tree, modes, conversions, copies, looks."""

import copy
import gc
import io
import pickle
import warnings
import weakref

import pytest
import torch
from twins import BOTH, same_refusal, same_text

import retrograd
from oracle import assert_same, same


def net(library):
    """A module with parameters, buffers and modules at several levels."""
    nn = library.nn
    library.manual_seed(0)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 3)
            self.scale = nn.Parameter(library.ones(3))
            self.register_buffer("mean", library.zeros(3))
            self.register_buffer("scratch", library.ones(2), persistent=False)
            self.absent = None
            self.register_parameter("no_parameter", None)
            self.register_buffer("no_buffer", None)
            self.register_module("no_module", None)

        def forward(self, x):
            return self.linear(x) * self.scale - self.mean

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = Block()
            # The bias before it has a gradient of exactly 0: with a small eps, its rounding noise is divided
            # by the tiny deviation of four examples, and two libraries' noise would be compared.
            self.more = nn.ModuleList([Block(), nn.BatchNorm1d(3, eps=1.0)])
            self.steps = nn.Buffer(library.tensor(7))
            self.gain = nn.Parameter(library.tensor(2.0))

        def forward(self, x):
            x = self.first(x)
            for module in self.more:
                x = module(x)
            return x * self.gain

    return Net()


def inputs(library):
    return library.linspace(-1, 1, 12).reshape(4, 3).sin()


def backward(m, library):
    (m(inputs(library)) ** 2).mean().backward()


# --- registration -----------------------------------------------------------------------------------------

REFUSED = {
    "parameter name with a dot": lambda m, t: m.register_parameter("a.b", None),
    "empty parameter name": lambda m, t: m.register_parameter("", None),
    "parameter name no string": lambda m, t: m.register_parameter(3, None),
    "parameter name taken": lambda m, t: m.register_parameter("forward", None),
    "parameter of a list": lambda m, t: m.register_parameter("p", [1.0]),
    "parameter of a tensor": lambda m, t: m.register_parameter("p", t.ones(2)),
    "parameter in a graph": lambda m, t: m.register_parameter("p", non_leaf(t)),
    "buffer name with a dot": lambda m, t: m.register_buffer("a.b", None),
    "empty buffer name": lambda m, t: m.register_buffer("", None),
    "buffer name no string": lambda m, t: m.register_buffer(None, None),
    "buffer name taken by a parameter": lambda m, t: m.register_buffer("gain", None),
    "buffer of a float": lambda m, t: m.register_buffer("b", 1.5),
    "module name with a dot": lambda m, t: m.add_module("a.b", None),
    "empty module name": lambda m, t: m.add_module("", None),
    "module name no string": lambda m, t: m.add_module(1.5, None),
    "module name taken": lambda m, t: m.add_module("gain", None),
    "module of a tensor": lambda m, t: m.add_module("m", t.ones(2)),
    "module of a function": lambda m, t: m.add_module("m", len),
    "tensor in a parameter's place": lambda m, t: setattr(m, "gain", t.ones(2)),
    "number in a parameter's place": lambda m, t: setattr(m, "gain", 2),
    "list in a module's place": lambda m, t: setattr(m, "first", [1]),
    "number in a buffer's place": lambda m, t: setattr(m, "steps", 8),
    "attribute that is not there": lambda m, t: m.nothing,
    "deleting what is not there": lambda m, t: delattr(m, "nothing"),
    "submodule that is not there": lambda m, t: m.get_submodule("first.nothing"),
    "submodule that is a parameter": lambda m, t: m.get_submodule("first.scale"),
    "parameter that is not there": lambda m, t: m.get_parameter("first.nothing"),
    "parameter that is a buffer": lambda m, t: m.get_parameter("first.mean"),
    "parameter in no module": lambda m, t: m.get_parameter("second.weight"),
    "buffer that is a parameter": lambda m, t: m.get_buffer("first.scale"),
    "buffer that is not there": lambda m, t: m.get_buffer("first.nothing"),
    "setting no submodule": lambda m, t: m.set_submodule("", t.nn.Identity()),
    "setting a submodule to a tensor": lambda m, t: m.set_submodule("first", t.ones(2)),
    "setting a submodule below nothing": lambda m, t: m.set_submodule("second.linear", t.nn.Identity()),
    "setting a parameter to a module": lambda m, t: m.set_submodule("gain", t.nn.Identity()),
    "setting strictly what is not there": lambda m, t: m.set_submodule("new", t.nn.Identity(), strict=True),
    "training mode that is no bool": lambda m, t: m.train(1),
    "converting to a whole dtype": lambda m, t: m.to(t.int64),
    "no forward": lambda m, t: t.nn.Module()(1),
    "no get_extra_state": lambda m, t: m.get_extra_state(),
    "no set_extra_state": lambda m, t: m.set_extra_state(1),
    "arguments of Module": lambda m, t: t.nn.Module(3),
    "keywords of Module": lambda m, t: t.nn.Module(size=3),
}


def non_leaf(library):
    q = library.nn.Parameter(library.ones(2), requires_grad=False)
    q.add_(library.ones(2, requires_grad=True))  # in place: q stays a Parameter, and has a history now
    return q


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refusals_are_pytorchs(case):
    beginning = {
        "parameter name with a dot": 'contain "."',
        "buffer name with a dot": 'contain "."',
        "module of a function": "is not a Module subclass",
        "no get_extra_state": "Reached a code path in Module.get_extra_state() that should never be called",
        "no set_extra_state": "Reached a code path in Module.set_extra_state() that should never be called",
        "arguments of Module": "takes 1 positional argument but 2 were given",
        "keywords of Module": "got an unexpected keyword argument 'size'",
        "buffer that is a parameter": "`scale` is not a buffer",
    }.get(case)
    same_refusal(lambda library: REFUSED[case](net(library), library), beginning)


@pytest.mark.parametrize("what", ["parameter", "buffer", "module"])
def test_assigning_before_init_says_what_to_call(what):
    def program(library):
        nn = library.nn

        class Forgetful(nn.Module):
            def __init__(self):
                self.x = {"parameter": nn.Parameter(library.ones(1)), "buffer": nn.Buffer(library.ones(1)),
                          "module": nn.Identity()}[what]  # fmt: skip

        Forgetful()

    error = same_refusal(program, "before Module.__init__() call")
    assert "Forgetful.__init__ must first call super().__init__()" in str(error)


def test_plain_attributes_before_init_are_kept():
    def program(library):
        class Early(library.nn.Module):
            def __init__(self):
                self.size = 3
                super().__init__()

        return Early().size

    assert same(program) == 3


def test_order_of_registration_survives_reassignment():
    def program(library):
        nn = library.nn
        m = net(library)
        first = [n for n, _ in m.named_parameters()]
        m.first.linear = nn.Linear(3, 3)
        m.first.linear.weight = nn.Parameter(library.zeros(3, 3))
        m.gain = nn.Parameter(library.tensor(1.0))
        m.more[0].mean = library.ones(3)
        return (
            first,
            [n for n, _ in m.named_parameters()],
            list(m.state_dict()),
            [n for n, _ in m.named_modules()],
        )

    same(program)


def test_a_name_changes_its_kind():
    """A parameter in a buffer's place, a module in a parameter's, and so on: each leaves its old store."""

    def program(library):
        nn = library.nn
        m, seen = nn.Module(), []
        values = {
            "parameter": lambda: nn.Parameter(library.ones(1)), "buffer": lambda: nn.Buffer(library.ones(1)),
            "silent": lambda: nn.Buffer(library.ones(1), persistent=False), "module": lambda: nn.Identity(),
            "none": lambda: None,
        }  # fmt: skip
        for before in values:
            for after in values:
                m = nn.Module()
                m.first = nn.Parameter(library.zeros(1))
                m.x = values[before]()
                try:
                    m.x = values[after]()
                except (TypeError, KeyError) as error:
                    seen.append((before, after, type(error).__name__))
                    continue
                stores = [
                    sorted(s) for s in (m._parameters, m._buffers, m._modules, m._non_persistent_buffers_set)
                ]
                seen.append((before, after, stores, "x" in m.__dict__, list(m.state_dict())))
        return seen

    mine, theirs = program(retrograd), program(torch)
    differ = [(a, b) for a, b in zip(mine, theirs, strict=True) if a != b]
    assert differ == []


def test_none_in_place_of_each_kind():
    def program(library):
        m = net(library)
        m.gain = None
        m.steps = None
        m.first = None
        m.more[0].linear.bias = None
        return (
            [n for n, _ in m.named_parameters()], list(m.state_dict()), [n for n, _ in m.named_modules()],
            m.gain, m.steps, m.first, repr(m.more[0]),
        )  # fmt: skip

    same(program)


def test_delete_each_kind():
    def program(library):
        m = net(library)
        del m.gain, m.steps, m.first.linear, m.first.scratch
        m.plain = 1
        del m.plain
        return list(m.state_dict()), m.first._non_persistent_buffers_set == set(), hasattr(m, "plain")

    same(program)


def test_parameters_as_buffers_and_tensors_as_attributes():
    def program(library):
        m = library.nn.Module()
        m.plain = library.ones(2)
        m.register_buffer("counted", library.zeros(1))
        m.counted = m.counted + 1  # a result takes the buffer's place
        return list(m.state_dict()), m.counted, [n for n, _ in m.named_parameters()], "plain" in m.__dict__

    same(program)


def test_buffer_keeps_whether_it_is_persistent():
    def program(library):
        nn = library.nn
        m = nn.Module()
        m.a = nn.Buffer(library.ones(1), persistent=False)
        m.b = nn.Buffer(library.ones(1))
        m.a = library.zeros(1)
        before = list(m.state_dict())
        m.a = nn.Buffer(library.zeros(1))
        return before, list(m.state_dict()), isinstance(m.b, nn.Buffer), nn.Buffer().shape

    same(program)


def test_registration_hooks():
    def program(library):
        library.manual_seed(0)
        module = library.nn.modules.module
        seen = []

        def note(m, name, value):
            seen.append((type(m).__name__, name, type(value).__name__.replace("Parameter", "P")))

        handles = [
            module.register_module_parameter_registration_hook(note),
            module.register_module_buffer_registration_hook(note),
            module.register_module_module_registration_hook(note),
            module.register_module_parameter_registration_hook(
                lambda m, name, p: library.nn.Parameter(p.detach() * 0) if name == "bias" else None
            ),
        ]
        m = library.nn.Sequential(library.nn.Linear(2, 2), library.nn.BatchNorm1d(2, affine=False))
        for handle in handles:
            handle.remove()
        library.nn.Linear(2, 2)
        return seen, m[0].bias

    same(program)


def test_subclass_that_registers_otherwise():
    """`register_parameter` of the user's is called by assignment too."""

    def program(library):
        seen = []

        class Noting(library.nn.Module):
            def register_parameter(self, name, param):
                seen.append(name)
                super().register_parameter(name, param)

        m = Noting()
        m.w = library.nn.Parameter(library.ones(1))
        m.w = None
        return seen

    assert same(program) == ["w", "w"]


def test_call_super_init_passes_arguments_on():
    def program(library):
        class Mixin:
            def __init__(self, size=1):
                self.size = size

        class Both(library.nn.Module, Mixin):
            call_super_init = True

            def __init__(self):
                super().__init__(size=4)

        return Both().size

    assert same(program) == 4


# --- walking ----------------------------------------------------------------------------------------------


def shared_net(library):
    nn = library.nn

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Linear(3, 3)
            self.decoder = nn.Linear(3, 3)
            self.decoder.weight = self.encoder.weight
            self.again = self.encoder
            self.register_buffer("a", library.zeros(1))
            self.register_buffer("b", self.a)

    return nn.Sequential(Tied(), nn.Identity())


@pytest.mark.parametrize("make", [net, shared_net], ids=["nested", "shared"])
@pytest.mark.parametrize("remove_duplicate", [True, False])
@pytest.mark.parametrize("recurse", [True, False])
def test_named_walks(make, remove_duplicate, recurse):
    def program(library):
        m = make(library)
        options = {"prefix": "model", "remove_duplicate": remove_duplicate}
        return (
            [n for n, _ in m.named_parameters(recurse=recurse, **options)],
            [n for n, _ in m.named_buffers(recurse=recurse, **options)],
            [(n, type(c).__name__) for n, c in m.named_modules(**options)],
            [n for n, _ in m.named_children()], len(list(m.children())), len(list(m.modules())),
            len(list(m.parameters(recurse))), len(list(m.buffers(recurse))),
        )  # fmt: skip

    same(program)


def test_walk_into_a_cycle_ends():
    def program(library):
        m = library.nn.Module()
        m.child = library.nn.Linear(1, 1)
        m.child.up = m
        return [n for n, _ in m.named_modules()], [n for n, _ in m.named_parameters()]

    same(program)


def test_members_by_path():
    def program(library):
        m = net(library)
        m.set_submodule("more.0.linear", library.nn.Linear(3, 4))
        m.set_submodule("tail", library.nn.Identity())
        m.set_submodule("first", library.nn.Linear(3, 2), strict=True)
        return (
            m.get_submodule("") is m, repr(m.get_submodule("more.0.linear")), m.get_parameter("gain"),
            m.get_parameter("more.1.weight"), m.get_buffer("more.1.running_var"), m.get_buffer("steps"),
            [n for n, _ in m.named_modules()],
        )  # fmt: skip

    same(program)


def test_dir_lists_members_but_no_numbers():
    def program(library):
        m = net(library)
        wanted = {"first", "more", "steps", "gain", "forward", "training", "absent", "no_parameter", "mean"}
        return (
            sorted(wanted & set(dir(m))),
            sorted(wanted & set(dir(m.first))),
            [n for n in dir(m.more) if n[0].isdigit()],
        )

    same(program)


# --- modes ------------------------------------------------------------------------------------------------


def test_train_and_eval_reach_everything():
    def program(library):
        m = net(library)
        assert m.eval() is m
        off = [c.training for c in m.modules()]
        m.more.train()
        return off, [c.training for c in m.modules()], [c.training for c in m.train(False).modules()]

    same(program)


def test_apply_visits_children_first():
    def program(library):
        seen, m = [], net(library)
        result = m.apply(lambda c: seen.append(type(c).__name__))
        return seen, result is m

    same(program)


def test_requires_grad_and_zero_grad():
    def program(library):
        m = net(library)
        m.first.requires_grad_(False)
        frozen = [p.requires_grad for p in m.parameters()]
        backward(m, library)
        with_grad = [p.grad is not None for p in m.parameters()]
        kept = m.gain.grad
        m.zero_grad(set_to_none=False)
        zeroed = [p.grad for p in m.parameters()]
        assert m.gain.grad is kept
        m.zero_grad()
        assert m.requires_grad_() is m
        return (
            frozen,
            with_grad,
            zeroed,
            [p.grad for p in m.parameters()],
            [p.requires_grad for p in m.parameters()],
        )

    same(program)


def test_zero_grad_leaves_the_graph_of_a_gradient():
    def program(library):
        m = library.nn.Linear(2, 1)
        library.nn.init.ones_(m.weight)
        (m(library.ones(1, 2)) ** 2).sum().backward(create_graph=True)
        history = m.weight.grad.requires_grad
        m.zero_grad(set_to_none=False)
        return history, m.weight.grad.requires_grad, m.weight.grad

    same(program)


# --- conversions ------------------------------------------------------------------------------------------

CONVERSIONS = {
    "double": lambda m, t: m.double(),
    "float": lambda m, t: m.double().float(),
    "half": lambda m, t: m.half(),
    "bfloat16": lambda m, t: m.bfloat16(),
    "to dtype": lambda m, t: m.to(t.float64),
    "to keyword": lambda m, t: m.to(dtype=t.float16),
    "to device": lambda m, t: m.to("cpu"),
    "to device and dtype": lambda m, t: m.to(t.device("cpu"), t.float64, non_blocking=True),
    "to tensor": lambda m, t: m.to(t.ones(1, dtype=t.float64)),
    "type": lambda m, t: m.type(t.float64),
    "cpu": lambda m, t: m.cpu(),
    "complex": lambda m, t: m.to(t.complex64),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversions_keep_the_parameters(name):
    def program(library):
        m = net(library)
        backward(m, library)
        parameters, gradients = list(m.parameters()), [p.grad for p in m.parameters()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert CONVERSIONS[name](m, library) is m
        assert all(a is b for a, b in zip(parameters, m.parameters(), strict=True))
        assert all(p.grad is g for p, g in zip(parameters, gradients, strict=True))
        assert all(p.is_leaf and p.requires_grad for p in m.parameters())
        assert all(b.requires_grad is False for b in m.buffers())
        return list(m.parameters()), [p.grad for p in m.parameters()], list(m.buffers())

    same(program, tol=3e-2 if name == "bfloat16" else 3e-3 if name in ("half", "to keyword") else 1e-6)


def test_complex_warns():
    for library in (retrograd, torch):
        with pytest.warns(UserWarning, match="[Cc]omplex modules"):
            net(library).to(library.complex64)


def test_memory_format_of_conversions():
    def program(library):
        m = library.nn.Conv2d(2, 3, 3).to(memory_format=library.channels_last)
        return m.weight.stride(), m.bias.stride()

    same(program)


def test_training_goes_on_after_a_conversion():
    def program(library):
        library.manual_seed(0)
        m = library.nn.Linear(3, 2)
        optimizer = library.optim.SGD(m.parameters(), lr=0.1)
        m(library.ones(2, 3)).sum().backward()
        m.double()
        optimizer.step()
        m(library.ones(2, 3, dtype=library.float64)).sum().backward()
        optimizer.step()
        return list(m.parameters()), m.weight.grad

    same(program)


def test_to_empty_keeps_shapes():
    def program(library):
        m = net(library).to_empty(device="cpu")
        return [(n, tuple(p.shape), p.dtype) for n, p in m.named_parameters()]

    same(program)


# --- copies -----------------------------------------------------------------------------------------------


@BOTH
def test_deepcopy_shares_nothing_and_keeps_ties(library):
    m = shared_net(library)
    m[0].encoder.weight.requires_grad_(False)
    m.eval()
    twin = copy.deepcopy(m)
    assert_same([*twin.state_dict()], [*m.state_dict()])
    assert all(
        (a == b).all() for a, b in zip(twin.state_dict().values(), m.state_dict().values(), strict=True)
    )
    assert twin[0].decoder.weight is twin[0].encoder.weight is not m[0].encoder.weight
    assert twin[0].again is twin[0].encoder
    assert not twin[0].encoder.weight.requires_grad and twin[0].encoder.bias.requires_grad
    assert not twin.training
    with library.no_grad():
        twin[0].encoder.bias.fill_(9)
    assert not (m[0].encoder.bias == 9).any()


@BOTH
def test_copies_of_a_trained_module(library):
    m = library.nn.Linear(2, 2)
    m(library.ones(1, 2)).sum().backward()
    twin = copy.deepcopy(m)
    assert (twin.weight.grad is None) == (copy.deepcopy(m.weight).grad is None)
    shallow = copy.copy(m)
    assert shallow.weight is m.weight and shallow is not m


class Pickled(retrograd.nn.Module):
    """At module level, where pickle finds it."""

    def __init__(self):
        super().__init__()
        self.linear = retrograd.nn.Linear(3, 2)
        self.register_buffer("count", retrograd.tensor(3))
        self.register_buffer("silent", retrograd.ones(2), persistent=False)
        self.linear.weight.requires_grad_(False)
        self.register_forward_hook(double_output)

    def forward(self, x):
        return self.linear(x)


def double_output(module, args, output):
    return output * 2


def test_pickle():
    m = Pickled().eval()
    again = pickle.loads(pickle.dumps(m))
    assert type(again) is Pickled and not again.training
    assert isinstance(again.linear.weight, retrograd.nn.Parameter) and not again.linear.weight.requires_grad
    assert list(again.state_dict()) == list(m.state_dict())
    x = retrograd.ones(1, 3)
    assert (again(x) == m(x)).all() and again.silent.tolist() == [1, 1]


def test_pickled_parameters_keep_attributes():
    p = retrograd.nn.Parameter(retrograd.ones(2), requires_grad=False)
    p.tag = "embedding"
    again = pickle.loads(pickle.dumps(p))
    assert type(again) is retrograd.nn.Parameter and not again.requires_grad and again.tag == "embedding"
    assert pickle.loads(pickle.dumps(retrograd.nn.Buffer(p, persistent=False))).persistent is False


def test_save_and_load_a_whole_module():
    m = retrograd.nn.Sequential(retrograd.nn.Linear(3, 2), retrograd.nn.ReLU())
    file = io.BytesIO()
    retrograd.save(m, file)
    file.seek(0)
    with retrograd.serialization.allow_arbitrary_code_execution():
        again = retrograd.load(file, weights_only=False)
    x = retrograd.ones(4, 3)
    assert (again(x) == m(x)).all()


def test_a_module_saved_whole_by_pytorch():
    """Its classes are found here under the same names."""
    torch.manual_seed(0)
    m = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3),
        torch.nn.BatchNorm2d(2),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 2),
    ).eval()
    file = io.BytesIO()
    torch.save(m, file)
    file.seek(0)
    with retrograd.serialization.allow_arbitrary_code_execution():
        again = retrograd.load(file, weights_only=False)
    assert type(again[0]) is retrograd.nn.Conv2d
    assert_same(again(retrograd.ones(1, 1, 4, 4)), m(torch.ones(1, 1, 4, 4)))


def test_a_module_dies_without_the_collector():
    """No reference cycle is made by building, hooking and calling a model."""
    gc.collect()
    gc.disable()
    try:
        m = retrograd.nn.Sequential(retrograd.nn.Linear(2, 2), retrograd.nn.BatchNorm1d(2))
        m.register_load_state_dict_pre_hook(lambda *args: None)
        m.register_full_backward_hook(lambda *args: None)
        m(retrograd.ones(3, 2, requires_grad=True)).sum().backward()
        ref = weakref.ref(m)
        del m
        assert ref() is None
    finally:
        gc.enable()


# --- looks ------------------------------------------------------------------------------------------------


def test_repr_of_nested_modules():
    same_text(lambda library: repr(net(library)))
    same_text(lambda library: repr(shared_net(library)))
    same_text(lambda library: str(library.nn.Module()))


def test_repr_with_lines_of_the_users():
    def program(library):
        class Wordy(library.nn.Module):
            def __init__(self, *children):
                super().__init__()
                for i, c in enumerate(children):
                    self.add_module(f"c{i}", c)

            def extra_repr(self):
                return "one=1,\n\n  two=2"

            def _get_name(self):
                return "Words"

        return repr(library.nn.Sequential(Wordy(), Wordy(Wordy(), library.nn.Identity())))

    same_text(program)


def test_repr_of_parameters():
    def program(library):
        w = library.nn.Parameter(library.tensor([1.0, 2.0]))
        frozen = library.nn.Parameter(library.tensor([1, 2]), requires_grad=False)
        return f"{w!r} {frozen} {library.nn.Parameter()!r} {library.nn.Buffer(library.ones(2))!r}"

    same_text(program)


def test_parameter_class():
    def program(library):
        nn = library.nn
        data = library.ones(2)
        p = nn.Parameter(data)
        with library.no_grad():
            p.fill_(3)
        return (
            data, isinstance(p, library.Tensor), isinstance(data, nn.Parameter), isinstance(p * 1,
            nn.Parameter),
            isinstance(p.data, nn.Parameter), isinstance(p.detach(), nn.Parameter), p.is_leaf,
            p.requires_grad,
            isinstance(nn.Parameter(p), nn.Parameter), isinstance(p.clone(), nn.Parameter),
            type(nn.Parameter(nn.Parameter(data, False))).__name__,
        )  # fmt: skip

    same(program)


def test_parameter_of_whole_numbers_needs_requires_grad_false():
    same_refusal(
        lambda library: library.nn.Parameter(library.ones(2, dtype=library.int64)),
        "floating point and complex dtype can require gradients",
    )


def test_container_is_deprecated():
    for library in (retrograd, torch):
        with pytest.warns(FutureWarning, match="nn.Container`? is deprecated"):
            m = library.nn.Container(a=library.nn.Identity())
        assert [n for n, _ in m.named_children()] == ["a"]
