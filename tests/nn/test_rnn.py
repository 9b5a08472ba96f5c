"""Recurrent layers: packed sequences, both directions, projections, second derivatives, functions, errors."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
import torch
from twins import copy_state, same_refusal

import retrograd
from oracle import assert_same, ours, same, theirs

KINDS = {
    "RNN": ("RNN", {}), "RNN relu": ("RNN", {"nonlinearity": "relu"}), "LSTM": ("LSTM", {}), "GRU": ("GRU",
    {}),
    "projected LSTM": ("LSTM", {"proj_size": 2}),
}  # fmt: skip
EVERY = pytest.mark.parametrize("kind", KINDS)


def pair(kind, *sizes, **options):
    """A layer of PyTorch and ours with its weights, in float64."""
    name, more = KINDS[kind]
    torch.manual_seed(0)
    sizes = sizes or (3, 4, 2)
    reference = getattr(torch.nn, name)(*sizes, **more, **options).double()
    mine = getattr(retrograd.nn, name)(*sizes, **more, **options).double()
    copy_state(reference, mine)
    return mine, reference


def values(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def initial(kind, layers, batch, make, requires_grad=True):
    h = values(layers, batch, 2 if kind == "projected LSTM" else 4, seed=1)
    if "LSTM" not in kind:
        return make(h, requires_grad)
    return make(h, requires_grad), make(values(layers, batch, 4, seed=2), requires_grad)


def tensors(value):
    """The tensors in a result, also in a PackedSequence's data."""
    if isinstance(value, tuple):
        return [t for v in value for t in tensors(v)]
    return [] if value is None else [value]


def run(library, m, inputs, create_graph=False):
    """Output, gradients, and gradients of the squared gradients."""
    out = m(*inputs)
    made = [t for t in tensors(out) if t.requires_grad]
    leaves = [t for t in tensors(tuple(inputs)) if t.requires_grad] + list(m.parameters())
    make = ours if library is retrograd else theirs
    loss = sum((t * make(np.cos(np.arange(t.numel())).reshape(tuple(t.shape)))).sum() for t in made)
    grads = library.autograd.grad(loss, leaves, create_graph=create_graph, allow_unused=True)
    if not create_graph:
        return out, grads
    total = sum((g**2).sum() for g in grads if g is not None and g.requires_grad)
    return out, grads, library.autograd.grad(total, leaves, allow_unused=True)


def assert_all_same(mine, reference):
    for a, b in zip(mine, reference, strict=True):
        for x, y in zip(tensors(a), tensors(b), strict=True):
            assert_same(x, y)


@EVERY
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [2, 5, 1, 4], [3, 3, 3, 3]], ids=str)
@pytest.mark.parametrize("with_states", [False, True])
def test_packed_sequences(kind, bidirectional, lengths, with_states):
    mine, reference = pair(kind, bidirectional=bidirectional)
    x = values(5, 4, 3)
    results = []
    for library, m, make in ((retrograd, mine, ours), (torch, reference, theirs)):
        pack = library.nn.utils.rnn.pack_padded_sequence
        leaf = make(x, True)
        packed = pack(leaf, library.tensor(lengths), enforce_sorted=lengths == sorted(lengths, reverse=True))
        hx = initial(kind, 4 if bidirectional else 2, 4, make) if with_states else None
        out = m(packed, hx)
        padded, sizes = library.nn.utils.rnn.pad_packed_sequence(out[0], batch_first=True)
        loss = (padded**2).sum() + sum((s.cos() * s).sum() for s in tensors(out[1]))
        leaves = [leaf, *tensors(hx), *m.parameters()]
        results.append((padded, sizes, *tensors(out[1]), *library.autograd.grad(loss, leaves)))
    assert_all_same(*results)


@EVERY
@pytest.mark.parametrize("bidirectional", [False, True])
def test_second_derivatives(kind, bidirectional):
    mine, reference = pair(kind, bidirectional=bidirectional)
    layers = 4 if bidirectional else 2
    got = run(
        retrograd, mine, [ours(values(4, 2, 3), True), initial(kind, layers, 2, ours)], create_graph=True
    )
    expected = run(
        torch, reference, [theirs(values(4, 2, 3), True), initial(kind, layers, 2, theirs)], create_graph=True
    )
    assert_all_same(got, expected)


@EVERY
def test_second_derivatives_of_packed_sequences(kind):
    mine, reference = pair(kind, bidirectional=True)
    results = []
    for library, m, make in ((retrograd, mine, ours), (torch, reference, theirs)):
        leaf = make(values(4, 3, 3), True)
        packed = library.nn.utils.rnn.pack_padded_sequence(leaf, [4, 2, 1])
        leaves = [leaf, *m.parameters()]
        grads = library.autograd.grad((m(packed)[0].data ** 3).sum(), leaves, create_graph=True)
        second = library.autograd.grad(sum((g**2).sum() for g in grads), leaves)
        results.append((*grads, *second))
    assert_all_same(*results)


@EVERY
@pytest.mark.parametrize("part", ["output", "state", "cell"])
def test_gradient_of_one_result_alone(kind, part):
    if part == "cell" and "LSTM" not in kind:
        pytest.skip("only an LSTM has cells")
    mine, reference = pair(kind)
    results = []
    for library, m, make in ((retrograd, mine, ours), (torch, reference, theirs)):
        leaf = make(values(4, 2, 3), True)
        out, hidden = m(leaf)
        chosen = {"output": out[1], "state": tensors(hidden)[0], "cell": tensors(hidden)[-1]}[part]
        results.append(library.autograd.grad(chosen.sum(), [leaf, *m.parameters()]))
    assert_all_same(*results)


@EVERY
def test_finite_differences(kind):
    mine, _ = pair(kind, bidirectional=True)
    mine.requires_grad_(False)
    x = ours(values(3, 2, 3), True)
    hx = initial(kind, 4, 2, ours)
    states = hx if isinstance(hx, tuple) else (hx,)
    assert retrograd.autograd.gradcheck(
        lambda x, *s: tensors(mine(x, s if len(s) > 1 else s[0])), (x, *states)
    )


@EVERY
def test_forward_mode(kind):
    mine, reference = pair(kind)
    x, direction = values(3, 2, 3), values(3, 2, 3, seed=4)
    results = []
    for library, m, make in ((retrograd, mine, ours), (torch, reference, theirs)):
        results.append(library.func.jvp(lambda x, m=m: m(x)[0], (make(x),), (make(direction),)))
    assert_all_same(*results)


@EVERY
def test_vmap_over_batches(kind):
    mine, _ = pair(kind)
    x = ours(values(3, 4, 2, 3))
    each = retrograd.stack([mine(row)[0] for row in x])
    assert retrograd.allclose(retrograd.func.vmap(lambda row: mine(row)[0])(x), each)


def test_truncated_backpropagation_carries_detached_states():
    def program(library):
        library.manual_seed(0)
        m = library.nn.LSTM(3, 4).double()
        optimizer = library.optim.SGD(m.parameters(), lr=0.1)
        hidden, losses = None, []
        make = ours if library is retrograd else theirs
        for step in range(3):
            optimizer.zero_grad()
            out, hidden = m(make(values(5, 2, 3, seed=step)), hidden)
            loss = (out**2).sum()
            loss.backward()
            optimizer.step()
            hidden = tuple(h.detach() for h in hidden)
            losses.append(loss)
        return losses, hidden

    same(program, tol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@EVERY
def test_half_precision(kind, dtype):
    mine, reference = pair(kind)
    x = values(3, 2, 3).astype(np.float32)
    got = mine.to(getattr(retrograd, dtype))(ours(x).to(getattr(retrograd, dtype)))[0]
    expected = reference.to(getattr(torch, dtype))(theirs(x).to(getattr(torch, dtype)))[0]
    assert_same(got, expected, 1e-2 if dtype == "float16" else 6e-2)
    got.float().sum().backward()
    assert mine.weight_ih_l0.grad.dtype == getattr(retrograd, dtype)


def test_functions_of_torch():
    def program(library):
        make = ours if library is retrograd else theirs
        x, h, c = make(values(3, 2, 3)), make(values(2, 2, 4)), make(values(2, 2, 4, seed=1))
        sizes = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
        results = []
        for name, n in sizes.items():
            hx = (h, c) if name == "lstm" else h
            weights = [make(values(*s, seed=i)) for i, s in enumerate(
                [(4 * n, 3), (4 * n, 4), (4 * n,), (4 * n,), (4 * n, 4), (4 * n, 4), (4 * n,),
                (4 * n,)])]  # fmt: skip
            function = getattr(library, name)
            results.append(function(x, hx, weights, True, 2, 0.0, False, False, False))
            results.append(
                function(
                    make(values(5, 3)), library.tensor([2, 2, 1]), hx, weights, True, 2, 0.0, False, False
                )
            )
            cell = getattr(library, name + "_cell")
            results.append(cell(x[0], (h[0], c[0]) if name == "lstm" else h[0], *weights[:4]))
            results.append(cell(x[0], (h[0], c[0]) if name == "lstm" else h[0], *weights[:2]))
        return results

    same(program)


def test_dropout_between_layers_only_in_training():
    def program(library):
        library.manual_seed(0)
        m = library.nn.GRU(3, 4, 3, dropout=0.5)
        x = library.ones(4, 2, 3)
        library.manual_seed(1)
        packed = library.nn.utils.rnn.pack_padded_sequence(x, [4, 2])
        return m(x), m(x)[0], m(packed)[0].data, m.eval()(x)[0]

    same(program)


# --- the module -------------------------------------------------------------------------------------------


def test_weights_and_their_names():
    def program(library):
        library.manual_seed(0)
        m = library.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
        m.flatten_parameters()
        return m.all_weights, [list(w) for w in m._all_weights], m._flat_weights_names, m.mode

    same(program)


def test_a_replaced_weight_is_used():
    def program(library):
        library.manual_seed(0)
        m = library.nn.GRU(3, 4)
        m.weight_hh_l0 = library.nn.Parameter(library.zeros(12, 4))
        return m(library.ones(2, 1, 3))[0]

    same(program)


def test_copies_and_pickles():
    m = retrograd.nn.LSTM(3, 4, 2)
    x = retrograd.rand(2, 1, 3)
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert (twin(x)[0] == m(x)[0]).all()
        assert twin.weight_ih_l0 is not m.weight_ih_l0


def test_a_whole_lstm_of_pytorchs_files():
    torch.manual_seed(0)
    reference = torch.nn.LSTM(3, 4, 2)
    file = io.BytesIO()
    torch.save(reference, file)
    file.seek(0)
    with retrograd.serialization.allow_arbitrary_code_execution():
        mine = retrograd.load(file, weights_only=False)
    assert_all_same(mine(retrograd.ones(2, 1, 3)), reference(torch.ones(2, 1, 3)))


# --- refusals ---------------------------------------------------------------------------------------------

REFUSED = {
    "dropout": lambda nn, t: nn.LSTM(3, 4, dropout=1.5), "dropout of a bool": lambda nn, t: nn.GRU(3, 4,
    dropout=True),
    "bias": lambda nn, t: nn.LSTM(3, 4, bias=1), "batch_first": lambda nn, t: nn.LSTM(3, 4, batch_first=None),
    "input_size type": lambda nn, t: nn.LSTM(3.0, 4), "input_size": lambda nn, t: nn.LSTM(0, 4),
    "hidden_size type": lambda nn, t: nn.LSTM(3, "4"), "hidden_size": lambda nn, t: nn.LSTM(3, -1),
    "num_layers": lambda nn, t: nn.LSTM(3, 4, 0), "proj_size": lambda nn, t: nn.LSTM(3, 4, proj_size=4),
    "negative proj_size": lambda nn, t: nn.LSTM(3, 4, proj_size=-1), "proj_size of GRU": lambda nn,
    t: nn.GRU(3, 4, proj_size=2),
    "proj_size of RNN": lambda nn, t: nn.RNN(3, 4, proj_size=2), "mode": lambda nn, t: nn.RNNBase("X", 3, 4),
    "nonlinearity": lambda nn, t: nn.RNN(3, 4, nonlinearity="gelu"),
    "input dimensions": lambda nn, t: nn.LSTM(3, 4)(t.ones(2, 1, 3, 1)),
    "input features": lambda nn, t: nn.LSTM(3, 4)(t.ones(2, 1, 5)),
    "input dtype": lambda nn, t: nn.LSTM(3, 4)(t.ones(2, 1, 3, dtype=t.float64)),
    "no steps": lambda nn, t: nn.GRU(3, 4)(t.ones(0, 1, 3)),
    "hidden size": lambda nn, t: nn.GRU(3, 4)(t.ones(2, 1, 3), t.ones(2, 1, 4)),
    "hidden dimensions": lambda nn, t: nn.GRU(3, 4)(t.ones(2, 1, 3), t.ones(1, 4)),
    "hidden dimensions unbatched": lambda nn, t: nn.RNN(3, 4)(t.ones(2, 3), t.ones(1, 1, 4)),
    "LSTM hidden size": lambda nn, t: nn.LSTM(3, 4)(t.ones(2, 1, 3), (t.ones(1, 1, 4), t.ones(1, 2, 4))),
    "LSTM hidden dimensions": lambda nn, t: nn.LSTM(3, 4)(t.ones(2, 1, 3), (t.ones(1, 4), t.ones(1, 4))),
    "cell input": lambda nn, t: nn.LSTMCell(3, 4)(t.ones(1, 1, 3)),
    "cell hidden": lambda nn, t: nn.GRUCell(3, 4)(t.ones(1, 3), t.ones(1, 1, 4)),
    "cell nonlinearity": lambda nn, t: nn.RNNCell(3, 4, nonlinearity="gelu")(t.ones(1, 3)),
}  # fmt: skip
SAID = {
    "dropout": "dropout should be a number in range [0, 1]", "dropout of a bool": "dropout should be a "
    "number in range [0, 1]",
    "input_size": "input_size must be greater than zero", "hidden_size": "hidden_size must be greater than "
    "zero",
    "num_layers": "num_layers must be greater than zero", "proj_size": "proj_size has to be smaller than "
    "hidden_size",
    "hidden size": "Expected hidden size (1, 1, 4), got [2, 1, 4]", "mode": "Unrecognized RNN mode: X",
    "hidden dimensions": "For batched 3-D input, hx should also be 3-D but got 2-D tensor",
    "hidden dimensions unbatched": "For unbatched 2-D input, hx should also be 2-D but got 3-D tensor",
    "LSTM hidden dimensions": "For batched 3-D input, hx and cx should also be 3-D but got (2-D, 2-D) tensor",
    "cell hidden": "GRUCell: Expected hidden to be 1D or 2D, got 3D instead",
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    same_refusal(lambda library: REFUSED[case](library.nn, library), SAID.get(case))


def test_states_of_another_dtype_or_batch_are_refused_by_name():
    nn, ones = retrograd.nn, retrograd.ones
    with pytest.raises(RuntimeError, match="lstm: input, states and weights must have one dtype"):
        nn.LSTM(3, 4)(ones(2, 1, 3), (ones(1, 1, 4).double(), ones(1, 1, 4)))
    with pytest.raises(RuntimeError, match=r"LSTMCell: hx\[1\] must have shape \[2, 4\].*but has \[3, 4\]"):
        nn.LSTMCell(3, 4)(ones(2, 3), (ones(2, 4), ones(3, 4)))
    with pytest.raises(
        RuntimeError, match=r"input.size\(-1\) must be equal to input_size. Expected 3, got 5"
    ):
        nn.LSTM(3, 4)(nn.utils.rnn.pack_sequence([ones(2, 5)]))  # PyTorch computes something
    with pytest.raises(RuntimeError, match="RNNCell: input has inconsistent input_size: got 5 expected 3"):
        nn.RNNCell(3, 4)(ones(2, 5))


def test_dropout_of_one_layer_warns():
    for library in (retrograd, torch):
        with pytest.warns(UserWarning, match="non-zero dropout expects num_layers greater than 1"):
            library.nn.LSTM(3, 4, dropout=0.2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            library.nn.LSTM(3, 4, 2, dropout=0.2)
