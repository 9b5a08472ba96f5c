"""Boxes in images: rows of (x1, y1, x2, y2) with 0 <= x1 < x2 and 0 <= y1 < y2, unless said otherwise."""

import numpy as np

import retrograd


def _corners(boxes):
    if boxes.ndim != 2 or boxes.shape[-1] != 4:
        raise ValueError(f"boxes must have the shape (N, 4), got {list(boxes.shape)} [RG038]")
    return boxes.unbind(-1)


def box_area(boxes):
    """The areas, (N,)."""
    x1, y1, x2, y2 = _corners(boxes)
    return (x2 - x1) * (y2 - y1)


def _intersections(boxes1, boxes2):
    """(areas that each pair shares, areas that it covers), both (N, M)."""
    start = retrograd.maximum(boxes1[:, None, :2], boxes2[None, :, :2])
    end = retrograd.minimum(boxes1[:, None, 2:], boxes2[None, :, 2:])
    width, height = (end - start).clamp(min=0).unbind(-1)
    shared = width * height
    return shared, box_area(boxes1)[:, None] + box_area(boxes2) - shared


def box_iou(boxes1, boxes2):
    """Intersection over union of each pair of two sets of boxes, (N, M)."""
    shared, covered = _intersections(boxes1, boxes2)
    return shared / covered


def generalized_box_iou(boxes1, boxes2):
    """`box_iou` less the share of the smallest box around both that neither covers, (N, M): Rezatofighi et
    al. 2019."""
    shared, covered = _intersections(boxes1, boxes2)
    start = retrograd.minimum(boxes1[:, None, :2], boxes2[None, :, :2])
    end = retrograd.maximum(boxes1[:, None, 2:], boxes2[None, :, 2:])
    width, height = (end - start).clamp(min=0).unbind(-1)
    around = width * height
    return shared / covered - (around - covered) / around


def box_convert(boxes, in_fmt, out_fmt):
    """Boxes from one form in another: "xyxy", "xywh" (corner and size) or "cxcywh" (centre and size)."""
    for form in (in_fmt, out_fmt):
        if form not in ("xyxy", "xywh", "cxcywh"):
            raise ValueError(f"Unsupported format {form!r}: use 'xyxy', 'xywh' or 'cxcywh' [RG048]")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return retrograd.stack((a, b, c, d), -1)


def clip_boxes_to_image(boxes, size):
    """The parts of boxes (..., 4) inside an image of size (height, width)."""
    height, width = size
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return retrograd.stack((x, y), -1).reshape(boxes.shape)


def remove_small_boxes(boxes, min_size):
    """The indices of the boxes whose sides are at least `min_size`."""
    x1, y1, x2, y2 = _corners(boxes)
    return retrograd.where((x2 - x1 >= min_size) & (y2 - y1 >= min_size))[0]


def nms(boxes, scores, iou_threshold):
    """The indices of the boxes that remain, by falling score, where each one removes those of lower score
    that overlap it by more than `iou_threshold`."""
    corners = boxes.detach().numpy()
    order = np.argsort(-scores.detach().numpy(), kind="stable")
    x1, y1, x2, y2 = corners[order].T if len(corners) else np.empty((4, 0))
    areas = (x2 - x1) * (y2 - y1)
    alive, kept = np.ones(len(order), bool), []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(order[i])
        width = np.minimum(x2[i], x2[i + 1 :]) - np.maximum(x1[i], x1[i + 1 :])
        height = np.minimum(y2[i], y2[i + 1 :]) - np.maximum(y1[i], y1[i + 1 :])
        shared = width.clip(0) * height.clip(0)
        alive[i + 1 :] &= ~(shared / (areas[i] + areas[i + 1 :] - shared) > iou_threshold)
    return retrograd.tensor(kept, dtype=retrograd.int64)


def batched_nms(boxes, scores, idxs, iou_threshold):
    """`nms` within each class: boxes whose `idxs` differ don't remove each other."""
    if not len(boxes):
        return retrograd.empty(0, dtype=retrograd.int64)
    kept = [
        where[nms(boxes[where], scores[where], iou_threshold)]
        for where in (retrograd.where(idxs == i)[0] for i in idxs.unique())
    ]
    kept = retrograd.cat(kept)
    return kept[scores[kept].sort(descending=True, stable=True)[1]]


def masks_to_boxes(masks):
    """The box around each of the masks (N, H, W), (N, 4); the largest coordinates are inside."""
    boxes = retrograd.zeros(len(masks), 4)
    for box, mask in zip(boxes, masks, strict=True):
        y, x = retrograd.where(mask != 0)
        if len(x):
            box[:] = retrograd.stack((x.min(), y.min(), x.max(), y.max()))
    return boxes
