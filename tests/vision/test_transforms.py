"""Transforms compared with torchvision's: equal on PIL images, on tensors equal or within the named error."""

import copy
import pickle

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import retrograd
from oracle import torchvision
from retrograd.core.tensor import Tensor, wrap
from retrograd.vision import transforms as ours
from retrograd.vision.transforms import functional as F
from retrograd.vision.transforms import v2
from retrograd.vision.transforms._presets import ImageClassification

theirs = torchvision().transforms
MODES = ["RGB", "L", "RGBA", "LA", "P", "1", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"]
DTYPES = ["uint8", "int16", "int32", "int64", "int8", "float32", "float64", "float16"]


def pil_image(mode="RGB", width=37, height=29, seed=0):
    random = np.random.default_rng(seed)
    if mode in ("I", "F", "I;16"):
        kind = {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]
        array = random.integers(0, 1000, (height, width)).astype(kind)
        return PIL.Image.frombytes(mode, (width, height), array.tobytes())
    image = PIL.Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return image if mode == "RGB" else image.convert(mode)


def tensor_image(dtype="float32", shape=(3, 29, 37), seed=0):
    generator = torch.Generator().manual_seed(seed)
    dtype = getattr(torch, dtype)
    if dtype.is_floating_point:
        return torch.rand(shape, generator=generator).to(dtype)
    return torch.randint(0, 128 if dtype == torch.int8 else 256, shape, generator=generator).to(dtype)


def as_ours(value):
    """`value` with PyTorch's tensors and dtypes, InterpolationModes included, as ours."""
    if isinstance(value, torch.Tensor):
        return wrap(value.numpy().copy())
    if isinstance(value, torch.dtype):
        return getattr(retrograd, str(value).removeprefix("torch."))
    if isinstance(value, theirs.InterpolationMode):
        return ours.InterpolationMode(value.value)
    if isinstance(value, (list, tuple)):
        return type(value)(map(as_ours, value))
    return value


def assert_same(got, expected, atol=0.0):
    """Same type of image, shape, dtype and, up to `atol`, values."""
    if isinstance(expected, (tuple, list)):
        assert type(got) is type(expected) and len(got) == len(expected)
        for part, other in zip(got, expected, strict=True):
            assert_same(part, other, atol)
    elif isinstance(expected, torch.Tensor):
        assert isinstance(got, Tensor)
        assert repr(got.dtype) == repr(expected.dtype) and tuple(got.shape) == tuple(expected.shape)
        difference = np.abs(got._array.astype(np.float64) - expected.detach().numpy().astype(np.float64))
        assert difference.max(initial=0) <= atol
    elif isinstance(expected, PIL.Image.Image):
        assert got.mode == expected.mode and got.size == expected.size
        assert got.getpalette() == expected.getpalette()
        assert got.tobytes() == expected.tobytes()
    else:
        assert got == expected


def assert_both(name, image, *args, atol=0.0, **kwargs):
    """`functional.<name>` gives the same here as in torchvision."""
    expected = getattr(theirs.functional, name)(copy.deepcopy(image), *args, **kwargs)
    ours_kwargs = {key: as_ours(value) for key, value in kwargs.items()}
    assert_same(getattr(F, name)(as_ours(image), *map(as_ours, args), **ours_kwargs), expected, atol)


IM = theirs.InterpolationMode
GEOMETRY = [
    ("crop", (3, 4, 10, 12)), ("crop", (-3, -4, 50, 60)), ("crop", (20, 30, 20, 20)), ("center_crop", (10,)),
    ("center_crop", ([11, 8],)), ("center_crop", ([40, 21],)), ("center_crop", ([64],)), ("hflip", ()),
    ("vflip", ()),
    ("pad", (3,)), ("pad", ([2, 5],)), ("pad", ((1, 2, 3, 4),)), ("pad", ([4],)), ("five_crop", (8,)),
    ("ten_crop", ([8, 6],)), ("ten_crop", (7, True)), ("pad", (2, 1)), ("get_dimensions", ()),
    ("get_image_size", ()),
    ("get_image_num_channels", ()),
]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name, args", GEOMETRY, ids=str)
def test_geometry_of_pil_images(mode, name, args):
    if mode == "I;16" and name == "pad":
        pytest.skip("Pillow cannot pad images of mode I;16")
    assert_both(name, pil_image(mode), *args)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
@pytest.mark.parametrize("shape", [(3, 29, 37), (2, 3, 29, 37), (29, 37)], ids=str)
@pytest.mark.parametrize("name, args", GEOMETRY, ids=str)
def test_geometry_of_tensors(dtype, shape, name, args):
    assert_both(name, tensor_image(dtype, shape), *args)


@pytest.mark.parametrize("padding", [2, [3, 1], [1, 2, 3, 4], [-2, 3, 1, -1]], ids=str)
@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
@pytest.mark.parametrize("image", [pil_image("RGB"), pil_image("L"), pil_image("P"), tensor_image("uint8"),
                                   tensor_image("float32", (2, 3, 29, 37))],
                         ids=["RGB", "L", "P", "uint8", "float32"])  # fmt: skip
def test_padding_modes(image, mode, padding):
    if isinstance(image, torch.Tensor) and mode in ("edge", "reflect") and min(as_list(padding)) < 0:
        pytest.skip("PyTorch takes no negative sizes in edge and reflect padding")
    assert_both("pad", image, padding, padding_mode=mode)


def as_list(padding):
    return [padding] if isinstance(padding, int) else padding


@pytest.mark.parametrize("fill", [7, (1, 2, 3), [9]], ids=str)
def test_fill_of_pil_images(fill):
    assert_both("pad", pil_image("RGB"), 3, fill=fill)
    with pytest.raises(ValueError, match="fill has 2 numbers but the image has 3 channels"):
        F.pad(pil_image("RGB"), 3, fill=(1, 2))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("interpolation", list(IM), ids=lambda mode: mode.value)
@pytest.mark.parametrize("size", [16, [20, 50], [64]], ids=str)
def test_resize_of_pil_images_is_pillows(mode, interpolation, size):
    image = pil_image(mode)
    try:
        expected = theirs.functional.resize(image, size, interpolation)
    except ValueError as error:  # Pillow's filters do not know every mode
        with pytest.raises(ValueError, match=str(error)):
            F.resize(image, size, as_ours(interpolation))
    else:
        assert_same(F.resize(image, size, as_ours(interpolation)), expected)


SIZES = [((29, 37), 16, None), ((29, 37), [40, 22], None), ((29, 37), 64, None), ((37, 29), [20], 24),
         ((300, 200), 128, None), ((8, 9), [8, 30], None), ((5, 4), [1, 1], None),
         ((1, 1), [3, 4], None)]  # fmt: skip


@pytest.mark.parametrize("image_size, size, max_size", SIZES, ids=str)
@pytest.mark.parametrize("interpolation", ["nearest", "nearest-exact", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False, None])
@pytest.mark.parametrize("dtype", DTYPES)
def test_resize_of_tensors(image_size, size, max_size, interpolation, antialias, dtype):
    image = tensor_image(dtype, (2, 3, *image_size))
    atol = {"float32": 2e-6, "float64": 1e-13, "float16": 1e-3}.get(dtype, 1.0)
    if interpolation.startswith("nearest"):
        atol = 0.0
    assert_both("resize", image, size, IM(interpolation), max_size, antialias, atol=atol)


def test_resized_whole_numbers_differ_by_rounding_only():
    """They are computed in float32, so a half may be rounded the other way: in one pixel of 1000 at most."""
    image = tensor_image("uint8", (3, 375, 500))
    for interpolation in (IM.BILINEAR, IM.BICUBIC):
        expected = theirs.functional.resize(image, 256, interpolation).numpy()
        got = F.resize(as_ours(image), 256, as_ours(interpolation))._array
        assert (got != expected).mean() < 1e-3


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(1, 60)] * 4), st.sampled_from(["bilinear", "bicubic"]), st.booleans())
def test_any_resize(sizes, interpolation, antialias):
    if antialias:
        assume(sizes[3] > 1)  # see the next test
    image = tensor_image("float32", (1, 2, *sizes[:2]))
    assert_both("resize", image, list(sizes[2:]), IM(interpolation), None, antialias, atol=3e-6)


def test_results_one_pixel_wide():
    """With antialiasing PyTorch does not interpolate along a column that is all of the result; ours does."""
    column = torch.tensor([1.0, 2.0, 5.0]).reshape(1, 3, 1)
    resized = theirs.functional.resize(column, [5, 1])
    assert resized.unique().numel() == 1
    expected = theirs.functional.resize(column.transpose(1, 2), [1, 5]).transpose(1, 2)
    assert_same(F.resize(as_ours(column), [5, 1]), expected, atol=1e-6)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_gradient_of_resize(interpolation, antialias):
    reference = tensor_image("float64", (2, 3, 9, 11)).requires_grad_()
    image = as_ours(reference.detach())
    image.requires_grad = True
    weight = torch.rand(2, 3, 6, 15, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    mode = IM(interpolation)
    (theirs.functional.resize(reference, [6, 15], mode, antialias=antialias) * weight).sum().backward()
    (F.resize(image, [6, 15], as_ours(mode), antialias=antialias) * as_ours(weight)).sum().backward()
    np.testing.assert_allclose(image.grad.numpy(), reference.grad.numpy(), atol=1e-12)


def test_gradients_flow_through_a_pipeline():
    reference = tensor_image("float64").requires_grad_()
    image = as_ours(reference.detach())
    image.requires_grad = True
    for pixels, module in ((reference, theirs), (image, ours)):
        pipeline = module.Compose([
            module.Resize(20), module.Pad(2, padding_mode="reflect"), module.CenterCrop(22),
            module.Normalize([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]), module.RandomHorizontalFlip(1.0),
        ])  # fmt: skip
        (pipeline(pixels) ** 2).sum().backward()
    np.testing.assert_allclose(image.grad.numpy(), reference.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_pil_images_to_tensors_and_back(mode):
    image = pil_image(mode)
    assert_both("to_tensor", image)
    assert_both("pil_to_tensor", image)
    if mode in ("RGB", "RGBA", "L", "LA"):
        assert_same(F.to_pil_image(F.pil_to_tensor(image)), image)
        expected = theirs.functional.to_pil_image(theirs.functional.to_tensor(image))
        assert_same(F.to_pil_image(F.to_tensor(image)), expected)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int32"])
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3)], ids=str)
def test_arrays_to_tensors(dtype, shape):
    array = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    assert_same(F.to_tensor(array), theirs.functional.to_tensor(array))


def test_to_tensor_gives_the_default_float_type():
    retrograd.set_default_dtype(retrograd.float64)
    try:
        assert F.to_tensor(pil_image()).dtype is retrograd.float64
    finally:
        retrograd.set_default_dtype(retrograd.float32)


@pytest.mark.parametrize("shape, dtype, mode", [
    ((1, 5, 6), "uint8", None), ((5, 6), "float32", None), ((1, 5, 6), "float32", "F"),
    ((1, 5, 6), "int16", None),
    ((1, 5, 6), "int32", None), ((2, 5, 6), "uint8", None), ((3, 5, 6), "uint8", "YCbCr"),
    ((3, 5, 6), "float32", "HSV"),
    ((4, 5, 6), "uint8", None), ((4, 5, 6), "float64", "CMYK"), ((3, 5, 6), "float16", None),
], ids=str)  # fmt: skip
def test_to_pil_image(shape, dtype, mode):
    image = tensor_image(dtype, shape)
    assert_both("to_pil_image", image, mode)
    array = image.numpy() if len(shape) == 2 else image.numpy().transpose(1, 2, 0)
    assert_same(F.to_pil_image(array, mode), theirs.functional.to_pil_image(array, mode))


@pytest.mark.parametrize("shape, dtype, mode, error", [
    ((5, 5, 6), "uint8", None, "at most 4 channels, got 5"), ((3,), "uint8", None, "2 or 3 dimensions"),
    ((3, 5, 6), "uint8", "RGBA", "mode RGBA does not fit 3 channels"), ((5, 6), "uint8", "F", "would be L"),
    ((3, 5, 6), "int32", None, "no PIL mode for 3 channels of int32"),
], ids=str)  # fmt: skip
def test_to_pil_image_errors(shape, dtype, mode, error):
    image = tensor_image(dtype, shape)
    with pytest.raises((ValueError, TypeError)) as reference:
        theirs.functional.to_pil_image(image, mode)
    with pytest.raises(reference.type, match=error):
        F.to_pil_image(as_ours(image), mode)


def half_a_step(dtype, largest=1.0):
    """The error of rounding to float16, which may happen twice, by way of float32, here and not there."""
    return largest * 2.0**-10 if dtype == "float16" else 0.0


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_convert_image_dtype(source, target):
    image = tensor_image(source)
    try:
        expected = theirs.functional.convert_image_dtype(image, getattr(torch, target))
    except RuntimeError as error:
        with pytest.raises(RuntimeError, match=str(error)):
            F.convert_image_dtype(as_ours(image), getattr(retrograd, target))
    else:
        got = F.convert_image_dtype(as_ours(image), getattr(retrograd, target))
        assert_same(got, expected, atol=half_a_step(target))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(3, 29, 37), (2, 3, 29, 37)], ids=str)
def test_normalize(dtype, shape):
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    image = tensor_image(dtype, shape)
    assert_both("normalize", image, mean, std)
    mine = as_ours(image)
    assert F.normalize(mine, mean, std, inplace=True) is mine
    assert_same(mine, theirs.functional.normalize(image, mean, std, inplace=True))


def test_normalize_errors():
    image = as_ours(tensor_image())
    with pytest.raises(TypeError, match="expected a tensor image, got Image"):
        F.normalize(pil_image(), [0.5], [0.5])
    with pytest.raises(TypeError, match="expected a float image, got torch.uint8"):
        F.normalize(as_ours(tensor_image("uint8")), [0.5], [0.5])
    with pytest.raises(ValueError, match=r"shape \(..., C, H, W\), got shape \(29, 37\)"):
        F.normalize(image[0], [0.5], [0.5])
    with pytest.raises(ValueError, match="std is zero"):
        F.normalize(image, [0.5] * 3, [0.5, 0.0, 0.5])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image", [
    pil_image("RGB"), pil_image("L"), tensor_image("uint8"), tensor_image("float32"),
], ids=["RGB", "L", "uint8", "float32"])  # fmt: skip
def test_grayscale(image, channels):
    exact = isinstance(image, PIL.Image.Image) or image.dtype == torch.uint8
    assert_both("rgb_to_grayscale", image, channels, atol=0.0 if exact else 1e-7)


@pytest.mark.parametrize("channels", [1, 3])
def test_grayscale_of_one_channel(channels):
    """torchvision's v1 gives one channel where three are asked for; v2 and this give three."""
    image = tensor_image("float32", (2, 1, 5, 6))
    expected = theirs.v2.functional.rgb_to_grayscale(image, channels)
    assert_same(F.rgb_to_grayscale(as_ours(image), channels), expected)


@pytest.mark.parametrize("call, error", [
    (lambda m: m.resize(pil_image(), [1, 2, 3]), ValueError),
    (lambda m: m.resize(pil_image(), [5, 6], max_size=9), ValueError),
    (lambda m: m.resize(pil_image(), 20, max_size=20), ValueError),
    (lambda m: m.resize(pil_image(), 20, "bilinear"), TypeError),
    (lambda m: m.resize(np.zeros((3, 4)), 20), TypeError), (lambda m: m.pad(pil_image(), "a"), TypeError),
    (lambda m: m.pad(pil_image(), [1, 2, 3]), ValueError), (lambda m: m.pad(pil_image(), 1, "a"), TypeError),
    (lambda m: m.pad(pil_image(), 1, padding_mode="wrap"), ValueError), (lambda m: m.hflip(5), TypeError),
    (lambda m: m.five_crop(pil_image(), 100), ValueError), (lambda m: m.to_tensor([1]), TypeError),
    (lambda m: m.to_tensor(np.zeros(3)), ValueError),
    (lambda m: m.pil_to_tensor(np.zeros((3, 4))), TypeError),
    (lambda m: m.rgb_to_grayscale(pil_image(), 2), ValueError),
    (lambda m: m.convert_image_dtype(pil_image()), TypeError),
    (lambda m: m.center_crop(pil_image(), [1, 2, 3]), ValueError),
])  # fmt: skip
def test_errors_are_of_the_same_type(call, error):
    with pytest.raises(error):
        call(theirs.functional)
    with pytest.raises(error):
        call(F)


CONSTRUCTIONS = [
    lambda T: T.ToTensor(), lambda T: T.PILToTensor(), lambda T: T.ToPILImage(),
    lambda T: T.ToPILImage("RGB"),
    lambda T: T.Normalize([0.5], [0.1]), lambda T: T.Resize(256), lambda T: T.CenterCrop(224),
    lambda T: T.Resize([3, 4], T.InterpolationMode.BICUBIC, antialias=False),
    lambda T: T.Pad([1, 2], 3, "edge"),
    lambda T: T.RandomCrop(32, padding=4), lambda T: T.RandomHorizontalFlip(),
    lambda T: T.RandomVerticalFlip(0.1),
    lambda T: T.RandomResizedCrop(224), lambda T: T.RandomResizedCrop([5, 6], interpolation=3),
    lambda T: T.Grayscale(3),
    lambda T: T.RandomGrayscale(), lambda T: T.FiveCrop(5), lambda T: T.TenCrop([5, 6]),
    lambda T: T.RandomErasing(),
    lambda T: T.RandomApply([T.ToTensor()], 0.3),
    lambda T: T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor()]),
]  # fmt: skip


@pytest.mark.parametrize("construct", [
    *CONSTRUCTIONS, lambda T: T.Lambda(len), lambda T: T.RandomOrder([T.ToTensor()]),
    lambda T: T.RandomChoice([T.ToTensor()], [1]),
])  # fmt: skip
def test_reprs(construct):
    assert repr(construct(ours)) == repr(construct(theirs))


@pytest.mark.parametrize("construct", [
    *CONSTRUCTIONS[:-5], CONSTRUCTIONS[-1], lambda T: T.ToImage(), lambda T: T.Identity(),
    lambda T: T.Lambda(len),
    lambda T: T.Resize(None, max_size=7), lambda T: T.RandomCrop(5, [1, 2, 3, 4]),
    lambda T: T.RandomErasing(0.2),
    lambda T: T.RandomChoice([T.ToImage()]),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*ToTensor")
def test_reprs_of_v2(construct):
    assert repr(construct(v2)) == repr(construct(theirs.v2))


RANDOM = [
    lambda T: T.RandomCrop(20), lambda T: T.RandomCrop([20, 37]),
    lambda T: T.RandomCrop(29, padding=3, fill=1),
    lambda T: T.RandomCrop(50, pad_if_needed=True), lambda T: T.RandomHorizontalFlip(0.5),
    lambda T: T.RandomVerticalFlip(0.5), lambda T: T.RandomResizedCrop(16), lambda T: T.RandomGrayscale(0.5),
    lambda T: T.RandomResizedCrop(16, scale=(0.9, 1.0), ratio=(8.0, 9.0)),
    lambda T: T.RandomApply([T.CenterCrop(9)], 0.5),
    lambda T: T.Compose([T.RandomHorizontalFlip(), T.RandomCrop(9), T.RandomVerticalFlip()]),
]  # fmt: skip
RANDOM_TENSORS = [
    lambda T: T.RandomErasing(0.7), lambda T: T.RandomErasing(0.7, value="random"),
    lambda T: T.RandomErasing(0.7, value=(1.0, 2.0, 3.0)), lambda T: T.RandomErasing(1, scale=(1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("construct", RANDOM)
@pytest.mark.parametrize("module, reference", [(ours, theirs), (v2, theirs.v2)], ids=["v1", "v2"])
def test_random_transforms_draw_the_same_numbers(construct, module, reference):
    transform, expected = construct(module), construct(reference)
    for image in (pil_image(), tensor_image("float32")):
        retrograd.manual_seed(5)
        torch.manual_seed(5)
        for _ in range(8):
            assert_same(transform(as_ours(image)), expected(image), atol=2e-6)


@pytest.mark.parametrize("construct", RANDOM_TENSORS)
@pytest.mark.parametrize("module, reference", [(ours, theirs), (v2, theirs.v2)], ids=["v1", "v2"])
def test_random_erasing_draws_the_same_numbers(construct, module, reference):
    transform, expected = construct(module), construct(reference)
    image = tensor_image("float32")
    retrograd.manual_seed(5)
    torch.manual_seed(5)
    for _ in range(8):
        assert_same(transform(as_ours(image)), expected(image))


@pytest.mark.parametrize("options", [
    {"crop_size": 224}, {"crop_size": 224, "resize_size": 232},
    {"crop_size": 48, "resize_size": 40, "interpolation": "bicubic"},
    {"crop_size": 30, "resize_size": 31, "antialias": False},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("image", [pil_image("RGB", 500, 375), tensor_image("uint8", (3, 300, 260)),
                                   tensor_image("float32", (2, 3, 100, 120))],
                         ids=["PIL", "uint8", "float32"])  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*[aA]nti-?alias")
def test_preset(image, options):
    mode = options.get("interpolation", "bilinear")
    preset = ImageClassification(**{**options, "interpolation": ours.InterpolationMode(mode)})
    reference = theirs._presets.ImageClassification(**{**options, "interpolation": IM(mode)})
    assert repr(preset) == repr(reference)
    level = 1 / 255 / 0.224  # one step of uint8, normalised
    atol = 1.01 * level if torch.is_tensor(image) and image.dtype == torch.uint8 else 2e-5
    atol = 1e-6 if isinstance(image, PIL.Image.Image) else atol
    assert_same(preset(as_ours(image)), reference(image), atol)
    assert str(options["crop_size"]) in preset.describe()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "nearest", "nearest-exact"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("image_size, size", [
    ((29, 37), (16, 50)), ((64, 64), (224, 224)), ((300, 200), (91, 85)), ((8, 9), (8, 30)), ((1, 1), (3, 4)),
], ids=str)  # fmt: skip
def test_v2_resizes_uint8_exactly(interpolation, antialias, channels, image_size, size):
    if interpolation == "lanczos" and not antialias:
        pytest.skip("lanczos needs antialias=True")
    image = tensor_image("uint8", (2, channels, *image_size))
    expected = theirs.v2.functional.resize(image, size, interpolation, antialias=antialias)
    assert_same(v2.functional.resize(as_ours(image), size, interpolation, antialias=antialias), expected)


def test_v2_resize_to_the_longer_side():
    for image in (pil_image(), tensor_image()):
        expected = theirs.v2.functional.resize(image, None, max_size=20)
        assert_same(v2.functional.resize(as_ours(image), None, max_size=20), expected, atol=1e-6)


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("scale", [True, False])
def test_v2_to_dtype(source, target, scale):
    image = tensor_image(source)
    image = image if scale or not image.is_floating_point() else image * 100
    try:
        expected = theirs.v2.functional.to_dtype(image, getattr(torch, target), scale)
    except RuntimeError:
        with pytest.raises(RuntimeError, match="cannot be performed safely"):
            v2.functional.to_dtype(as_ours(image), getattr(retrograd, target), scale)
    else:
        got = v2.functional.to_dtype(as_ours(image), getattr(retrograd, target), scale)
        assert_same(got, expected, atol=half_a_step(target, 1.0 if scale else 128.0))


def test_v2_transforms_the_images_of_a_sample():
    def sample(convert):
        return {"image": pil_image(), "pair": (convert(tensor_image()), 3), "label": "cat"}

    got = v2.CenterCrop(8)(sample(as_ours))
    assert_same(got["image"], theirs.v2.CenterCrop(8)(pil_image()))
    assert_same(got["pair"], (tensor_image(), 3))  # a tensor beside a PIL image is no image
    assert got["label"] == "cat"
    image, label, boxes = v2.CenterCrop(8)(as_ours(tensor_image()), 5, as_ours(tensor_image()))
    assert (tuple(image.shape), label, tuple(boxes.shape)) == ((3, 8, 8), 5, (3, 29, 37))
    image, label = v2.Compose([v2.ToImage(), v2.ToDtype(retrograd.float32, scale=True)])(pil_image(), 7)
    assert image.dtype is retrograd.float32 and label == 7


def test_v2_classification_pipeline():
    def build(T, lib):
        return T.Compose([
            T.ToImage(), T.RandomResizedCrop(24, antialias=True), T.RandomHorizontalFlip(0.5),
            T.ToDtype(lib.float32, scale=True), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            T.RandomErasing(0.5),
        ])  # fmt: skip

    retrograd.manual_seed(1)
    torch.manual_seed(1)
    for seed in range(5):
        expected = build(theirs.v2, torch)(pil_image(seed=seed)).as_subclass(torch.Tensor)
        assert_same(build(v2, retrograd)(pil_image(seed=seed)), expected, atol=1e-6)


def test_v2_custom_transform():
    class Add(v2.Transform):
        def make_params(self, flat_inputs):
            return {"amount": len(flat_inputs)}

        def transform(self, inpt, params):
            return inpt + params["amount"]

    got, label = Add()(as_ours(torch.zeros(3, 2, 2)), 4)
    assert_same(got, torch.ones(3, 2, 2))
    assert label == 4


def test_v2_errors():
    with pytest.raises(TypeError, match="does not support PIL images"):
        v2.Normalize([0.5], [0.5])(pil_image())
    with pytest.raises(ValueError, match="choose one of nearest, nearest-exact, bilinear"):
        v2.functional.resize(pil_image(), 5, "linear")
    with pytest.raises(ValueError, match="Pass at least one transform"):
        v2.Compose([])
    with pytest.warns(UserWarning, match="deprecated"):
        v2.ToTensor()


def test_transforms_are_modules_and_can_be_pickled():
    preset = ImageClassification(crop_size=5)
    for transform in (ours.Resize(5), ours.CenterCrop(5), ours.Normalize([0.5], [0.5]), preset):
        assert isinstance(transform, retrograd.nn.Module)
        assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)
    sequence = retrograd.nn.Sequential(ours.CenterCrop(10), ours.Normalize([0.5] * 3, [0.1] * 3))
    assert tuple(sequence(as_ours(tensor_image())).shape) == (3, 10, 10)
