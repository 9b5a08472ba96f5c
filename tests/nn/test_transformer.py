"""Attention and transformers: all masks, weights, causality, evaluation, sharing, errors."""

import io
import itertools
import warnings

import numpy as np
import pytest
import torch
from twins import copy_state, same_refusal

import retrograd
from oracle import assert_same, ours, same, theirs

BATCH, TARGET, SOURCE, HEADS, FEATURES = 2, 3, 4, 2, 8


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(nested tensor|mismatched|NestedTensor).*")
        yield


def values(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def masks(kind):
    """attn_mask and key_padding_mask of this kind; no row is masked wholly."""
    rng = np.random.default_rng(3)
    attn, padding = kind.split(" / ")
    shape = (BATCH * HEADS, TARGET, SOURCE) if "3d" in attn else (TARGET, SOURCE)
    attn_mask = rng.random(shape) < 0.4
    attn_mask[..., 0] = False
    pad = np.zeros((BATCH, SOURCE), bool)
    pad[1, 2:] = True
    out = {}
    if "bool" in attn:
        out["attn_mask"] = attn_mask
    if "float" in attn:
        out["attn_mask"] = np.where(attn_mask, -np.inf, rng.normal(size=shape))
    if "bool" in padding:
        out["key_padding_mask"] = pad
    if "float" in padding:
        out["key_padding_mask"] = np.where(pad, -np.inf, 0.0)
    return out


KINDS = [f"{a} / {p}" for a, p in itertools.product(
    ["none", "bool 2d", "bool 3d", "float 2d", "float 3d"], ["none", "bool", "float"])]  # fmt: skip


@pytest.mark.parametrize("how", ["weights", "weights of each head", "no weights", "more keys"])
@pytest.mark.parametrize("kind", KINDS)
def test_masks(kind, how):
    options = {"add_bias_kv": True, "add_zero_attn": True} if how == "more keys" else {}
    torch.manual_seed(0)
    reference = torch.nn.MultiheadAttention(FEATURES, HEADS, **options).double()
    mine = retrograd.nn.MultiheadAttention(FEATURES, HEADS, **options).double()
    copy_state(reference, mine)
    results = []
    for library, m, make in ((retrograd, mine, ours), (torch, reference, theirs)):
        q, k, v = [
            make(values(n, BATCH, FEATURES, seed=i), True) for i, n in enumerate((TARGET, SOURCE, SOURCE))
        ]
        given = {name: make(mask) for name, mask in masks(kind).items()}
        out, weights = m(
            q,
            k,
            v,
            need_weights=how != "no weights",
            average_attn_weights=how != "weights of each head",
            **given,
        )
        loss = (out**3).sum() + (0 if weights is None else (weights**2).sum())
        results.append((out, weights, *library.autograd.grad(loss, [q, k, v, *m.parameters()])))
    for got, expected in zip(*results, strict=True):
        if expected is None:
            assert got is None
        else:
            assert_same(got, expected)


@pytest.mark.parametrize("need_weights", [True, False])
def test_rows_masked_wholly(need_weights):
    """NaN with weights, and zeros before the output projection without, as in PyTorch's two ways."""

    def program(library):
        library.manual_seed(0)
        m = library.nn.MultiheadAttention(8, 2)
        x = library.rand(3, 1, 8)
        mask = library.tensor([[True, True, True], [False, True, True], [False, False, False]])
        out = m(x, x, x, attn_mask=mask, need_weights=need_weights)
        return [t for t in out if t is not None]

    same(program)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_causal_hint(need_weights, padded):
    def program(library):
        library.manual_seed(0)
        m = library.nn.MultiheadAttention(8, 2, batch_first=True)
        x = library.rand(2, 4, 8)
        mask = library.nn.Transformer.generate_square_subsequent_mask(4)
        pad = library.tensor([[False] * 4, [False, False, True, True]]) if padded else None
        out = m(x, x, x, attn_mask=mask, is_causal=True, need_weights=need_weights, key_padding_mask=pad)
        return [t for t in out if t is not None]

    same(program)


def test_second_derivatives():
    torch.manual_seed(0)
    reference = torch.nn.TransformerEncoderLayer(8, 2, 8, 0.0, "gelu").double()
    mine = retrograd.nn.TransformerEncoderLayer(8, 2, 8, 0.0, "gelu").double()
    copy_state(reference, mine)
    results = []
    for library, m, make in ((retrograd, mine, ours), (torch, reference, theirs)):
        x = make(values(3, 2, 8), True)
        leaves = [x, *m.parameters()]
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the one that has them
            grads = library.autograd.grad((m(x) ** 3).sum(), leaves, create_graph=True)
        results.append((*grads, *library.autograd.grad(sum((g**2).sum() for g in grads), leaves)))
    for i, (got, expected) in enumerate(zip(*results, strict=True)):
        assert_same(got, expected, 1e-7, f"gradient {i}")


def test_layers_are_copies_and_norms_are_optional():
    def program(library):
        library.manual_seed(0)
        nn = library.nn
        layer = nn.TransformerEncoderLayer(8, 2, 8, dropout=0.0)
        encoder = nn.TransformerEncoder(layer, 2)
        tied = [p is q for p, q in zip(layer.parameters(), encoder.parameters(), strict=False)]
        equal = [
            (p == q).all()
            for p, q in zip(encoder.layers[0].parameters(), encoder.layers[1].parameters(), strict=True)
        ]
        x = library.rand(3, 1, 8)
        return tied, equal, encoder(x), encoder.norm, encoder.num_layers

    same(program, tol=1e-5)


@pytest.mark.parametrize("activation", ["gelu", "function", "module"])
def test_activations(activation):
    def program(library):
        library.manual_seed(0)
        nn = library.nn
        given = {"gelu": "gelu", "function": nn.functional.elu, "module": nn.Tanh()}[activation]
        layer = nn.TransformerDecoderLayer(8, 2, 8, 0.0, given)
        return layer(library.rand(3, 1, 8), library.rand(2, 1, 8)), list(layer.state_dict()), repr(layer)

    same(program, tol=1e-5)


def test_evaluation_without_gradients():
    """There PyTorch takes another way, which leaves padded places zero: the others are the same."""
    torch.manual_seed(0)
    reference = torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2
    ).eval()
    mine = retrograd.nn.TransformerEncoder(
        retrograd.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2
    ).eval()
    copy_state(reference, mine)
    x, pad = values(2, 4, 8).astype(np.float32), np.array([[False] * 4, [False, False, True, True]])
    with retrograd.no_grad(), torch.no_grad():
        got, expected = (
            mine(ours(x), src_key_padding_mask=ours(pad)),
            reference(theirs(x), src_key_padding_mask=theirs(pad)),
        )
    seen = ~pad
    assert_same(got[ours(seen)], expected[theirs(seen)])


def test_training_steps_of_a_transformer():
    def program(library):
        library.manual_seed(0)
        m = library.nn.Transformer(8, 2, 1, 1, 16, dropout=0.1, batch_first=True)
        optimizer = library.optim.SGD(m.parameters(), lr=0.1)
        source, target = library.rand(2, 4, 8), library.rand(2, 3, 8)
        mask = m.generate_square_subsequent_mask(3)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = ((m(source, target, tgt_mask=mask, tgt_is_causal=True) - target) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss)
        return losses, dict(m.state_dict())

    same(program, tol=1e-4)


def test_checkpoint_of_pytorch():
    torch.manual_seed(0)
    reference = torch.nn.Transformer(8, 2, 1, 2, 16).eval()
    mine = retrograd.nn.Transformer(8, 2, 1, 2, 16).eval()
    file = io.BytesIO()
    torch.save(reference.state_dict(), file)
    file.seek(0)
    assert repr(mine.load_state_dict(retrograd.load(file))) == "<All keys matched successfully>"
    x, y = values(4, 2, 8).astype(np.float32), values(3, 2, 8).astype(np.float32)
    assert_same(mine(ours(x), ours(y)), reference(theirs(x), theirs(y)))


def test_choosing_a_kernel():
    def program(library):
        attention = library.nn.attention
        x = library.linspace(-1, 1, 24).reshape(1, 3, 8)
        with attention.sdpa_kernel([attention.SDPBackend.MATH, attention.SDPBackend.EFFICIENT_ATTENTION]):
            return library.nn.functional.scaled_dot_product_attention(x, x, x)

    same(program)
    same_refusal(lambda library: library.nn.attention.sdpa_kernel("math").__enter__(), "")


def test_square_subsequent_mask():
    same(lambda library: library.nn.Transformer.generate_square_subsequent_mask(4))
    same(
        lambda library: library.nn.Transformer(8, 2, 1, 1, 8).generate_square_subsequent_mask(
            2, dtype=library.float64
        )
    )


def attention(library, *shapes, **call):
    m = library.nn.MultiheadAttention(8, 2)
    return m(*[library.ones(*s) for s in shapes], **call)


REFUSED = {
    "heads": lambda t: t.nn.MultiheadAttention(8, 3), "no heads": lambda t: t.nn.MultiheadAttention(8, 0),
    "activation": lambda t: t.nn.TransformerEncoderLayer(8, 2, activation="tanh"),
    "query features": lambda t: attention(t, (3, 1, 5), (3, 1, 5), (3, 1, 5)),
    "key and value": lambda t: attention(t, (3, 1, 8), (4, 1, 8), (5, 1, 8)),
    "causal without mask": lambda t: attention(t, *[(3, 1, 8)] * 3, is_causal=True),
    "attn_mask 2d": lambda t: attention(t, *[(3, 1, 8)] * 3, attn_mask=t.zeros(3, 4)),
    "attn_mask 3d": lambda t: attention(t, *[(3, 1, 8)] * 3, attn_mask=t.zeros(5, 3, 3)),
    "key_padding_mask": lambda t: attention(t, *[(3, 1, 8)] * 3, key_padding_mask=t.zeros(2, 3) > 0),
    "dimensions": lambda t: attention(t, (3, 8), (3, 1, 8), (3, 1, 8)),
    "batches": lambda t: t.nn.Transformer(8, 2, 1, 1, 8)(t.ones(3, 2, 8), t.ones(3, 1, 8)),
    "features": lambda t: t.nn.Transformer(8, 2, 1, 1, 8)(t.ones(3, 2, 8), t.ones(3, 2, 6)),
}  # fmt: skip
SAID = {
    "causal without mask": "Need attn_mask if specifying the is_causal hint.",
    "activation": "activation should be relu/gelu, not tanh", "dimensions": "", "query features": "was "
    "expecting embedding dimension of 8",
    "key and value": "does not match value shape", "key_padding_mask": "expected", "batches": "the batch "
    "number of src and tgt must be equal",
    "features": "the feature number of src and tgt must be equal to d_model", "attn_mask 2d": "The shape "
    "of", "attn_mask 3d": "The shape of",
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    same_refusal(REFUSED[case], SAID.get(case))
