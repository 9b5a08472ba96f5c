"""Embeddings, with the arguments in the layers' order."""

from ..ops import embeddings


def _row_number(padding_idx, weight, kind):
    if padding_idx is None:
        return -1
    rows = weight.shape[0]
    if not -rows <= padding_idx < rows:
        raise kind(
            f"padding_idx must be within the number of embeddings, {rows}, but is {padding_idx} [RG068]"
        )
    return padding_idx % rows


def embedding(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    """The rows of `weight` (V, D) that the indices `input` (...) name: shape (..., D).

    The row `padding_idx` gets no gradient. `max_norm` first scales longer rows down, in place. With
    `scale_grad_by_freq`, gradients are divided by how often their index occurs. Both hold in forward mode
    too, unlike in PyTorch. `sparse` is accepted; the gradient is dense nevertheless.
    """
    padding_idx = _row_number(padding_idx, weight, AssertionError)
    if max_norm is not None:
        embeddings.embedding_renorm_(weight, input, max_norm, norm_type)
    return embeddings.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


def embedding_bag(
    input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
    sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None,
):  # fmt: skip
    """Sums, means or maxima (`mode`) of rows of `weight` over bags of the indices `input`.

    `input` is (B, L), a bag per line, or 1-D with `offsets`, where bags begin. Empty bags give zeros, and
    `padding_idx` isn't counted.
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, but is {mode!r} [RG068]")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError(
            "max mode does not support scaling the gradient by the frequency, nor sparse weights [RG068]"
        )
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights is only supported for mode='sum', but mode is "
                f"{mode!r} [RG068]"
            )
        if per_sample_weights.shape != input.shape:
            raise ValueError(
                "embedding_bag: per_sample_weights must have the same shape as the input, "
                f"{list(input.shape)}, but has {list(per_sample_weights.shape)} [RG068]"
            )
    padding_idx = _row_number(padding_idx, weight, RuntimeError)
    if max_norm is not None:
        embeddings.embedding_renorm_(weight, input, max_norm, norm_type)
    return embeddings.embedding_bag(
        weight, input, offsets, scale_grad_by_freq, ("sum", "mean", "max").index(mode), sparse,
        per_sample_weights, include_last_offset, padding_idx,
    )[0]  # fmt: skip
