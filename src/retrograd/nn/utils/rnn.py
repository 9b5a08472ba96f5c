"""Sequences of different lengths in one tensor: padded, or packed (all first steps, then all second ones)."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ...core.tensor import Tensor, wrap
from ...ops import cat, full

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _PackedSequence(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_PackedSequence):
    """Packed sequences: data (elements, *), and batch_sizes: how many have a first, a second ... element.

    sorted_indices: where the sequences, by falling length, were in the batch; unsorted_indices: the way back.
    Made by `pack_padded_sequence` and `pack_sequence`.
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise TypeError(
                    f"PackedSequence expects data and batch_sizes, got {type(data).__name__} [RG067]"
                )
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """With the data converted, as `Tensor.to` does; itself where there is nothing to do."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self, *args, **kwargs):
        return self.to("cpu", *args, **kwargs)

    def cuda(self, *args, **kwargs):
        return self.to(*args, **{"device": "cuda", **kwargs})

    def double(self):
        return self._like(self.data.double())

    def float(self):
        return self._like(self.data.float())

    def half(self):
        return self._like(self.data.half())

    def long(self):
        return self._like(self.data.long())

    def int(self):
        return self._like(self.data.int())

    def short(self):
        return self._like(self.data.short())

    def char(self):
        return self._like(self.data.char())

    def byte(self):
        return self._like(self.data.byte())

    def _like(self, data):
        return self if data is self.data else type(self)(data, *self[1:])

    @property
    def is_cuda(self):
        return self.data.is_cuda

    def is_pinned(self):
        return self.data.is_pinned()

    def pin_memory(self):
        return type(self)(self.data.pin_memory(), *self[1:])


def invert_permutation(permutation):
    """The permutation that undoes `permutation` (None: None)."""
    if permutation is None:
        return None
    inverse = np.empty_like(permutation._array)
    inverse[permutation._array] = np.arange(len(inverse))
    return wrap(inverse)


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Pack a padded batch (steps, batch, *), or (batch, steps, *) with batch_first.

    lengths: of the sequences; they must fall, unless enforce_sorted is False: then the sequences are sorted.
    """
    lengths = np.asarray(lengths._array if isinstance(lengths, Tensor) else lengths).astype(np.int64)
    steps, batch = input.shape[:2]
    if batch_first:
        steps, batch = batch, steps
    if not input.numel():
        raise RuntimeError("Cannot pack empty tensors. [RG067]")
    if lengths.shape != (batch,):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {lengths.size} "
            f"(batch_size={batch}) [RG067]"
        )
    if lengths.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0: "
            f"{lengths.tolist()} [RG067]"
        )
    if lengths.max() > steps:
        raise RuntimeError(
            f"Expected lengths of at most {steps}, the padded one, but got {lengths.tolist()} [RG067]"
        )
    order = np.arange(batch)
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
    elif (np.diff(lengths) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            f"`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence; got {lengths.tolist()} "
            "[RG067]"
        )
    batch_sizes = _count_longer(lengths, lengths.max())
    step, place = _packed_places(batch_sizes)
    where = order[place] * steps + step if batch_first else step * batch + order[place]
    data = input.reshape(-1, *input.shape[2:]).index_select(0, wrap(where))
    return PackedSequence(data, wrap(batch_sizes), None if enforce_sorted else wrap(order))


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """The padded batch and the lengths, from packed sequences, in the order of before packing.

    total_length: the number of steps to pad to, at least the longest length.
    """
    batch_sizes = sequence.batch_sizes._array
    steps = len(batch_sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {steps} [RG067]"
            )
        steps = total_length
    batch = int(batch_sizes[0])
    order = np.arange(batch) if sequence.sorted_indices is None else sequence.sorted_indices._array
    rows = np.full((steps, batch), len(sequence.data))
    step, place = _packed_places(batch_sizes)
    rows[step, order[place]] = np.arange(len(step))
    lengths = np.empty(batch, np.int64)
    lengths[order] = _count_longer(batch_sizes, batch)
    padded = _take_rows([sequence.data], rows.T if batch_first else rows, padding_value)
    return padded, wrap(lengths)


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Sequences (length, *) as one tensor (steps, batch, *), or (batch, steps, *) with batch_first, padded.

    padding_side: "right" (at the end) or "left".
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)} "
            "[RG067]"
        )
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences [RG067]")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}. [RG048]"
        )
    if any(s.ndim == 0 or s.shape[1:] != sequences[0].shape[1:] for s in sequences):
        raise RuntimeError(
            "pad_sequence: the sequences must agree in all dimensions but the first, got shapes "
            + ", ".join(str(list(s.shape)) for s in sequences)
            + " [RG067]"
        )
    lengths = [s.shape[0] for s in sequences]
    steps, first = max(lengths), 0
    rows = np.full((len(sequences), steps), sum(lengths))
    for i, n in enumerate(lengths):
        start = steps - n if padding_side == "left" else 0
        rows[i, start : start + n] = np.arange(first, first + n)
        first += n
    return _take_rows(sequences, rows if batch_first else rows.T, padding_value)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The list of sequences (length, *) in a padded tensor, which stays as it is (PyTorch transposes it)."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    lengths = lengths._array if isinstance(lengths, Tensor) else lengths
    return [sequence[: int(n)].clone() for sequence, n in zip(padded_sequences, lengths, strict=True)]


def pack_sequence(sequences, enforce_sorted=True):
    """Pack a list of sequences (length, *): see `pack_padded_sequence`."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The list of sequences (length, *) that was packed."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)


def _count_longer(lengths, steps):
    """How many of `lengths` are above 0, 1, ..., steps - 1."""
    return (np.asarray(lengths)[:, None] > np.arange(steps)).sum(axis=0)


def _packed_places(batch_sizes):
    """For each packed element: its step, and its sequence's place among the sorted ones."""
    steps = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    starts = np.repeat(np.cumsum(batch_sizes) - batch_sizes, batch_sizes)
    return steps, np.arange(len(steps)) - starts


def _take_rows(parts, rows, padding_value):
    """Rows, by number, of the tensors in `parts` one below the other; the number past the last is padding."""
    shape = tuple(parts[0].shape[1:])
    padding = full((1, *shape), padding_value, dtype=parts[0].dtype)
    taken = cat([*parts, padding]).index_select(0, wrap(np.ascontiguousarray(rows).reshape(-1)))
    return taken.reshape(*rows.shape, *shape)
