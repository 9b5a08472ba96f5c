"""One program in both libraries: what it returns, or how it is refused."""

import pytest
import torch

import retrograd
from oracle import assert_same, ours

BOTH = pytest.mark.parametrize("library", [retrograd, torch], ids=["ours", "theirs"])


def refusal(program, library):
    """The error that `program(library)` raises."""
    with pytest.raises(Exception) as caught:
        program(library)
    return caught.value


def same_refusal(program, beginning=None):
    """Both libraries raise an error of one type, and ours says what PyTorch's says, or `beginning`."""
    theirs, mine = refusal(program, torch), refusal(program, retrograd)
    assert type(mine) is type(theirs), (
        f"{type(mine).__name__}: {mine}\ninstead of {type(theirs).__name__}: {theirs}"
    )
    # A KeyError's text is its argument in quotes, and ours has a code before the last quote.
    said = plain(str(theirs)).strip("'\". ") if beginning is None else beginning
    assert said in plain(str(mine)), f"{mine}\ninstead of {theirs}"
    return mine


def plain(text):
    """Text with this library's name in the place of PyTorch's, as far as they differ."""
    return text.replace("retrograd.core.tensor.Tensor", "torch.Tensor").replace("retrograd.", "torch.")


def same_text(program):
    """Both libraries return the same text, up to their names in it."""
    mine, theirs = plain(program(retrograd)), plain(program(torch))
    assert mine == theirs
    return mine


def copy_state(source, target):
    """Load a PyTorch module's state into ours: parameters and buffers, as they are."""
    target.load_state_dict({k: ours(v.detach().numpy()) for k, v in source.state_dict().items()}, strict=True)


__all__ = ["BOTH", "assert_same", "copy_state", "plain", "refusal", "same_refusal", "same_text"]
