"""state_dict and load_state_dict: keys, metadata, hooks, strictness, messages, and PyTorch's checkpoints."""

import io
import re
import warnings
from collections import OrderedDict

import pytest
import torch
from test_module import net, shared_net
from twins import BOTH, same_refusal

import retrograd
from oracle import assert_same, same


def test_keys_values_and_metadata():
    def program(library):
        state = net(library).state_dict()
        return list(state.items()), dict(state._metadata), type(state).__name__

    same(program)


def test_state_dict_shares_memory_unless_copied():
    def program(library):
        m = net(library)
        state, own = m.state_dict(), m.state_dict(keep_vars=True)
        with library.no_grad():
            m.gain.fill_(5)
        return (
            state["gain"], state["gain"].requires_grad, own["gain"] is m.gain, own["steps"] is m.steps,
            isinstance(state["gain"], library.nn.Parameter), list(shared_net(library).state_dict()),
        )  # fmt: skip

    same(program)


def test_prefix_and_destination():
    def program(library):
        m = library.nn.Linear(1, 1)
        mine = OrderedDict(other=1)
        result = m.state_dict(destination=mine, prefix="head.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            old = m.state_dict({}, "p.", True)
        with pytest.warns(FutureWarning, match="Positional args are being deprecated"):
            m.state_dict({})
        return result is mine, list(mine), list(old), old["p.weight"] is m.weight

    same(program)


# --- loading ----------------------------------------------------------------------------------------------


def changed(library, *, missing=(), extra=None, **values):
    state = net(library).state_dict()
    for key in missing:
        del state[key]
    state.update({k: library.full(s, 2.0) for k, s in (extra or {}).items()})
    state.update(values)
    return state


def outcome(call):
    """What a load returns or is refused with, as text, without the code that our errors end with."""
    try:
        return repr(call())
    except (RuntimeError, TypeError) as error:
        text = re.sub(r" \[RG\d+\]$", "", f"{type(error).__name__}: {error}")
        return text.replace("retrograd.core.tensor", "torch").replace("retrograd", "torch")


CHANGES = {
    "nothing": {},
    "missing": {"missing": ["gain", "first.linear.weight", "more.1.running_mean"]},
    "extra": {
        "extra": {"new": (2,), "first.new": (2,), "more.7.weight": (1,), "first.linear.weight.more": ()}
    },
    "both": {"missing": ["steps", "more.0.scale"], "extra": {"more.1.scale": (3,)}},
    "sizes": {"extra": {"gain": (2,), "first.linear.weight": (3, 4), "more.1.running_var": ()}},
    "all": {"missing": ["gain"], "extra": {"new": (1,), "first.scale": (4,)}},
    "no tensor": {"gain": [1.0], "steps": 3},
    "one-element vector for a scalar": {"extra": {"gain": (1,)}},
    "not persistent": {"extra": {"first.scratch": (2,)}},
    "registered as None": {
        "extra": {"first.no_parameter": (2,), "first.no_buffer": (2,), "first.no_module.x": (2,)}
    },
}


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize("case", CHANGES)
def test_loading(case, strict):
    def program(library):
        m = net(library)
        before = [p for p in m.parameters()]
        text = outcome(lambda: m.load_state_dict(changed(library, **CHANGES[case]), strict=strict))
        same_objects = all(a is b for a, b in zip(before, m.parameters(), strict=True))
        return text, same_objects, dict(m.state_dict())

    same(program)


def test_loading_casts_and_copies():
    def program(library):
        m = net(library)
        state = {k: v.double() + 1 for k, v in m.state_dict().items()}
        m.load_state_dict(state)
        state["gain"].fill_(100.0)
        return dict(m.state_dict()), [p.requires_grad for p in m.parameters()]

    same(program)


def test_loading_by_assignment():
    def program(library):
        m = net(library)
        m.first.scale.requires_grad_(False)
        state = {k: v.double() for k, v in m.state_dict().items()}
        given = library.nn.Parameter(state["gain"], requires_grad=True)
        state["gain"] = given
        m.gain.requires_grad_(False)
        result = m.load_state_dict(state, assign=True)
        return (
            repr(result), m.gain is given, m.gain.requires_grad, m.first.scale.requires_grad,
            m.first.scale.dtype,
            isinstance(m.first.scale, library.nn.Parameter), m.steps is state["steps"], dict(m.state_dict()),
        )  # fmt: skip

    same(program)


def test_what_is_no_mapping_is_refused():
    same_refusal(
        lambda library: net(library).load_state_dict([("gain", 1)]),
        "Expected state_dict to be dict-like, got",
    )


def test_a_copy_that_fails_is_reported():
    def program(library):
        m = library.nn.Linear(2, 2)
        m.bias = library.nn.Parameter(library.ones(1).expand(2))
        m.load_state_dict({"weight": library.ones(2, 2), "bias": library.ones(2)})

    error = same_refusal(
        program, 'While copying the parameter named "bias", whose dimensions in the model are'
    )
    assert "an exception occurred" in str(error)


def test_version_metadata_reaches_the_module():
    def program(library):
        seen = []

        class Versioned(library.nn.Module):
            _version = 3

            def __init__(self):
                super().__init__()
                self.w = library.nn.Parameter(library.ones(1))

            def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
                seen.append((prefix, dict(local_metadata)))
                super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

        m = library.nn.Sequential(Versioned(), Versioned())
        state = m.state_dict()
        m.load_state_dict(state)
        m.load_state_dict(dict(state))
        m.load_state_dict(state, assign=True)
        return seen

    same(program)


def test_assignment_leaves_the_state_dict_as_it_is():
    """PyTorch notes it in the metadata, so that a later load from the same state_dict assigns as well."""
    m = retrograd.nn.Linear(1, 1)
    state = m.state_dict()
    m.load_state_dict(state, assign=True)
    assert dict(state._metadata) == {"": {"version": 1}}


def test_batch_norm_of_before_num_batches_tracked():
    def program(library):
        m = library.nn.BatchNorm1d(2)
        m.num_batches_tracked += 4
        state = m.state_dict()
        del state["num_batches_tracked"]
        results = [outcome(lambda: m.load_state_dict(state))]  # of version 2, without the count
        del state._metadata
        results.append(outcome(lambda: m.load_state_dict(state)))
        return results, m.num_batches_tracked

    same(program)


# --- extra state, hooks -----------------------------------------------------------------------------------


def with_extra_state(library):
    class Extra(library.nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 3

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    return library.nn.Sequential(Extra(), library.nn.Linear(1, 1))


def test_extra_state():
    def program(library):
        m = with_extra_state(library)
        state = m.state_dict()
        state["0._extra_state"] = {"count": 8}
        results = [outcome(lambda: m.load_state_dict(state)), m[0].count]
        del state["0._extra_state"]
        results += [
            outcome(lambda: m.load_state_dict(state)),
            outcome(lambda: m.load_state_dict(state, strict=False)),
        ]
        state["1._extra_state"] = 1
        return results, list(m.state_dict()), outcome(lambda: m.load_state_dict(state))

    same(program)


def test_state_dict_hooks():
    def program(library):
        seen, m = [], library.nn.Sequential(library.nn.Linear(1, 1), library.nn.Identity())

        def post(module, state, prefix, metadata):
            seen.append((type(module).__name__, prefix, list(state), dict(metadata)))
            state[prefix + "added"] = library.ones(1)

        handles = [
            m.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append((prefix, keep))),
            m[0].register_state_dict_pre_hook(lambda m, prefix, keep: seen.append((prefix, keep))),
            m[0].register_state_dict_post_hook(post),
            m.register_state_dict_post_hook(post),
            m._register_state_dict_hook(
                lambda m, state, prefix, metadata: OrderedDict(list(state.items())[:2])
            ),
        ]
        first = list(m.state_dict(prefix="x."))
        for handle in handles:
            handle.remove()
        return seen, first, list(m.state_dict())

    same(program)


def test_post_hook_must_return_none():
    def program(library):
        m = library.nn.Identity()
        m.register_state_dict_post_hook(lambda *args: {})
        m.state_dict()

    same_refusal(program)


def test_load_hooks():
    def program(library):
        seen, m = [], library.nn.Sequential(library.nn.Linear(1, 1), library.nn.Identity())

        def rename(module, state, prefix, metadata, strict, missing, unexpected, errors):
            seen.append((type(module).__name__, prefix, list(state), strict))
            for key in [k for k in state if k.startswith(prefix + "old_")]:
                state[key.replace("old_", "")] = state.pop(key)

        def note(module, keys):
            seen.append((type(module).__name__, list(keys.missing_keys), list(keys.unexpected_keys)))

        def forgive(module, keys):
            keys.missing_keys.clear()

        handles = [
            m[0].register_load_state_dict_pre_hook(rename),
            m[0]._register_load_state_dict_pre_hook(lambda *args: seen.append(args[1])),
            m.register_load_state_dict_post_hook(note), m[0].register_load_state_dict_post_hook(note),
        ]  # fmt: skip
        results = [
            outcome(
                lambda: m.load_state_dict({"0.old_weight": library.ones(1, 1), "0.bias": library.ones(1)})
            )
        ]
        handles.append(m.register_load_state_dict_post_hook(forgive))
        results.append(outcome(lambda: m.load_state_dict({"0.old_weight": library.ones(1, 1)})))
        for handle in handles:
            handle.remove()
        results.append(outcome(lambda: m.load_state_dict({"0.weight": library.ones(1, 1)})))
        return results, seen

    same(program)


def test_load_post_hook_must_return_none():
    def program(library):
        m = library.nn.Linear(1, 1)
        m.register_load_state_dict_post_hook(lambda m, keys: keys)
        m.load_state_dict(m.state_dict())

    same_refusal(program)


@BOTH
def test_load_pre_hook_follows_a_copy(library):
    """The copy's hook is given the copy."""
    import copy

    seen = []
    m = library.nn.Linear(1, 1)
    m.register_load_state_dict_pre_hook(lambda module, *rest: seen.append(module))
    twin = copy.deepcopy(m)
    twin.load_state_dict(m.state_dict())
    assert len(seen) == 1 and seen[0] is twin


# --- PyTorch's files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [net, shared_net], ids=["nested", "shared"])
def test_checkpoints_go_both_ways(make):
    theirs, mine = make(torch), make(retrograd)
    for p in theirs.parameters():
        torch.nn.init.normal_(p)
    file = io.BytesIO()
    torch.save(theirs.state_dict(), file)
    file.seek(0)
    state = retrograd.load(file)
    assert dict(state._metadata) == dict(theirs.state_dict()._metadata)
    assert repr(mine.load_state_dict(state)) == "<All keys matched successfully>"
    assert_same(dict(mine.state_dict()), dict(theirs.state_dict()))

    for p in mine.parameters():
        retrograd.nn.init.ones_(p)
    file = io.BytesIO()
    retrograd.save(mine.state_dict(), file)
    file.seek(0)
    state = torch.load(file)
    assert dict(state._metadata) == dict(mine.state_dict()._metadata)
    assert repr(theirs.load_state_dict(state)) == "<All keys matched successfully>"
    assert_same(dict(mine.state_dict()), dict(theirs.state_dict()))
