"""flex_attention against PyTorch's: score functions, masks, shared heads, gradients."""

import importlib
import math
import warnings

import pytest

import retrograd
from oracle import both_refuse, same


def flex(library):
    return importlib.import_module(f"{library.__name__}.nn.attention.flex_attention")


def inputs(library, heads=4, shared=4, queries=5, keys=7):
    def made(h, n, shift):
        t = library.arange(2 * h * n * 8, dtype=library.float64) + shift
        return t.sin().reshape(2, h, n, 8)

    return made(heads, queries, 0), made(shared, keys, 1), made(shared, keys, 2)


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx <= 1) & (kv_idx - q_idx <= h)


def alibi(score, b, h, q_idx, kv_idx):
    return score - (q_idx - kv_idx) * (h + 1) * 0.1


def by_hand(score, b, h, q_idx, kv_idx):
    return score * (b + 1)


CASES = {
    "plain": {}, "scale": {"scale": 0.1}, "alibi": {"score_mod": alibi}, "batches": {"score_mod": by_hand},
    "causal": {"mask": lambda f: causal}, "both": {"mask": lambda f: f.and_masks(causal, window)},
    "either": {"mask": lambda f: f.or_masks(causal, window), "score_mod": alibi},
    "shared heads": {"shared": 2, "enable_gqa": True, "score_mod": alibi},
    "blind": {"mask": lambda f: lambda b, h, q, k: (q > 1) & (k < 3)},
    "lse": {"return_lse": True, "mask": lambda f: causal},
}  # fmt: skip


def attended(library, case, q, k, v):
    f, options = flex(library), dict(CASES[case])
    options.pop("shared", None)
    mask = options.pop("mask", None)
    if mask is not None:
        options["block_mask"] = f.create_block_mask(mask(f), 2, 4, 5, 7, device="cpu")
    return f.flex_attention(q, k, v, **options)


@pytest.mark.parametrize("case", CASES)
def test_flex_attention(case):
    def program(library):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch advises to compile it
            return attended(library, case, *inputs(library, shared=CASES[case].get("shared", 4)))

    same(program, tol=1e-6)


@pytest.mark.parametrize("case", ["alibi", "either", "shared heads", "blind"])
def test_gradients(case):
    """PyTorch's has none on the CPU: numbers decide."""
    tensors = [t.requires_grad_() for t in inputs(retrograd, shared=CASES[case].get("shared", 4))]
    retrograd.autograd.gradcheck(lambda *t: attended(retrograd, case, *t), tensors, fast_mode=True)


def test_masks_and_their_blocks():
    def program(library):
        f = flex(library)
        block_mask = f.create_block_mask(causal, 1, None, 300, 260, device="cpu")
        dense = block_mask.to_dense()
        return f.create_mask(window, 1, 3, 4, 5, device="cpu"), dense, math.floor(block_mask.sparsity())

    same(program)


def test_heads_that_differ_are_refused():
    def program(library):
        q, k, v = inputs(library, shared=2)
        flex(library).flex_attention(q, k, v)

    both_refuse(program, ValueError, "enable_gqa=True")
