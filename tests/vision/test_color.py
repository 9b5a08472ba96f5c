"""Colour changes compared with torchvision's: PIL images equal, uint8 within one level, floats to 2e-6."""

import PIL.Image
import pytest
import torch
from test_transforms import as_ours, assert_both, assert_same, ours, pil_image, tensor_image, theirs, v2

import retrograd
from retrograd.vision.transforms import functional as F

CALLS = [
    ("adjust_brightness", 0.0), ("adjust_brightness", 1.7), ("adjust_contrast", 0.3),
    ("adjust_contrast", 2.0),
    ("adjust_saturation", 0.0), ("adjust_saturation", 1.8), ("adjust_sharpness", 0.0),
    ("adjust_sharpness", 3.0),
    ("adjust_hue", 0.3), ("adjust_hue", -0.5), ("adjust_gamma", 0.5), ("adjust_gamma", 2.2), ("invert",),
    ("autocontrast",), ("gaussian_blur", 5), ("gaussian_blur", [3, 7], [0.5, 2.0]), ("solarize", 0.5),
]  # fmt: skip
WHOLE_CALLS = [("posterize", 3), ("posterize", 0), ("posterize", 8), ("equalize",), ("solarize", 128)]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("call", [*CALLS, *WHOLE_CALLS], ids=str)
def test_pil_images(mode, call):
    if call == ("posterize", 0):
        pytest.skip("Pillow keeps at least one bit")
    if call[0] == "gaussian_blur":  # computed in float32 there and here, so a half may round either way
        got, expected = (m.gaussian_blur(pil_image(mode), *call[1:]) for m in (F, theirs.functional))
        assert_same(F.pil_to_tensor(got), theirs.functional.pil_to_tensor(expected), atol=1)
    else:
        assert_both(call[0], pil_image(mode), *call[1:])


@pytest.mark.parametrize("shape", [(3, 29, 37), (2, 3, 29, 37), (1, 29, 37), (3, 2, 9)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("call", [*CALLS, *WHOLE_CALLS], ids=str)
def test_tensors(shape, dtype, call):
    if dtype != "uint8" and call in WHOLE_CALLS:
        pytest.skip("for uint8 only")
    if call[0] == "gaussian_blur" and shape[-2] < 4:
        pytest.skip("the reflected border is wider than the image")
    atol = 1.0 if dtype == "uint8" else 2e-6
    assert_both(call[0], tensor_image(dtype, shape), *call[1:], atol=atol)


def test_flat_and_grey_images():
    grey = torch.full((3, 5, 6), 77, dtype=torch.uint8)
    for image in (torch.full((3, 5, 6), 0.4), torch.zeros(3, 5, 6), grey):
        for call in (("autocontrast",), ("adjust_hue", 0.2), ("adjust_contrast", 0.5)):
            assert_both(call[0], image, *call[1:], atol=1.0 if image.dtype == torch.uint8 else 1e-6)
    assert_both("equalize", grey)


@pytest.mark.parametrize("call", [
    call for call in CALLS if call[0] != "autocontrast"  # PyTorch's cannot be differentiated in float64
], ids=str)  # fmt: skip
def test_gradients(call):
    reference = tensor_image("float64").requires_grad_()
    image = as_ours(reference.detach())
    image.requires_grad = True
    (getattr(theirs.functional, call[0])(reference, *call[1:]) ** 2).sum().backward()
    (getattr(F, call[0])(image, *call[1:]) ** 2).sum().backward()
    assert_same(image.grad, reference.grad, atol=2e-5)  # PyTorch turns the hue in float32


@pytest.mark.parametrize("call, error", [
    (lambda m, i: m.adjust_hue(i, 0.6), ValueError), (lambda m, i: m.adjust_brightness(i, -1), ValueError),
    (lambda m, i: m.adjust_gamma(i, -1), ValueError), (lambda m, i: m.gaussian_blur(i, 4), ValueError),
    (lambda m, i: m.gaussian_blur(i, 3, -1.0), ValueError), (lambda m, i: m.posterize(i, 3), TypeError),
    (lambda m, i: m.equalize(i), TypeError), (lambda m, i: m.solarize(i, 2), TypeError),
    (lambda m, i: m.invert(i[0]), TypeError), (lambda m, i: m.adjust_contrast(i[:2], 1), TypeError),
    (lambda m, i: m.autocontrast("a"), TypeError),
])  # fmt: skip
def test_errors(call, error):
    with pytest.raises(error):
        call(theirs.functional, tensor_image())
    with pytest.raises(error):
        call(F, as_ours(tensor_image()))


RANDOM = [
    lambda T: T.ColorJitter(0.4, 0.4, 0.4, 0.1), lambda T: T.ColorJitter(brightness=(0.5, 1.5)),
    lambda T: T.GaussianBlur(5), lambda T: T.GaussianBlur((3, 5), 1.5), lambda T: T.RandomInvert(),
    lambda T: T.RandomAutocontrast(), lambda T: T.RandomEqualize(), lambda T: T.RandomPosterize(3),
    lambda T: T.RandomSolarize(128), lambda T: T.RandomAdjustSharpness(2.0),
]  # fmt: skip


@pytest.mark.parametrize("construct", RANDOM)
@pytest.mark.parametrize("module, reference", [(ours, theirs), (v2, theirs.v2)], ids=["v1", "v2"])
def test_random_transforms_draw_the_same_numbers(construct, module, reference):
    transform, expected = construct(module), construct(reference)
    assert repr(transform) == repr(expected)
    retrograd.manual_seed(2)
    torch.manual_seed(2)
    for seed in range(6):
        got, wanted = transform(pil_image(seed=seed)), expected(pil_image(seed=seed))
        assert isinstance(got, PIL.Image.Image)
        assert_same(F.pil_to_tensor(got), theirs.functional.pil_to_tensor(wanted), atol=1)


@pytest.mark.parametrize("construct, error", [
    (lambda T: T.ColorJitter(-1), ValueError), (lambda T: T.ColorJitter(hue=0.7), ValueError),
    (lambda T: T.ColorJitter(contrast=(2, 1)), ValueError), (lambda T: T.ColorJitter("a"), TypeError),
    (lambda T: T.GaussianBlur(4), ValueError), (lambda T: T.GaussianBlur(3, (2, 1)), ValueError),
])  # fmt: skip
def test_constructor_errors(construct, error):
    with pytest.raises(error):
        construct(theirs)
    with pytest.raises(error):
        construct(ours)
