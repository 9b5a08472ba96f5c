"""Datasets, grids and image files against torchvision's, with tiny files and a server on this machine."""

import gzip
import hashlib
import io
import pickle
import tarfile

import numpy as np
import PIL.Image
import pytest
import torch

import retrograd
from _http_server import Server
from oracle import torchvision
from retrograd.vision import datasets, utils
from retrograd.vision import io as image_io
from retrograd.vision.datasets import utils as files

theirs = torchvision()


@pytest.fixture
def pictures(tmp_path):
    """An image folder: two classes, a file that is no image, a folder within a class."""
    rng = np.random.default_rng(0)
    for name in ("cat/2.png", "cat/10.PNG", "cat/more/1.jpg", "dog/a.bmp"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8)).save(path)
    (tmp_path / "pictures/dog/notes.txt").write_text("no image")
    return str(tmp_path / "pictures")


def test_image_folder(pictures):
    options = {"transform": np.asarray, "target_transform": lambda t: t + 10}
    mine, other = (m.ImageFolder(pictures, **options) for m in (datasets, theirs.datasets))
    for name in ("classes", "class_to_idx", "samples", "imgs", "targets", "extensions"):
        assert getattr(mine, name) == getattr(other, name)
    assert repr(mine) == repr(other)
    for (image, target), (expected, label) in zip(mine, (other[i] for i in range(4)), strict=True):
        assert (image == expected).all() and target == label
    loader = retrograd.utils.data.DataLoader(
        datasets.ImageFolder(pictures, retrograd.vision.transforms.ToTensor()), batch_size=4
    )
    images, labels = next(iter(loader))
    assert images.shape == (4, 3, 5, 7) and labels.tolist() == [0, 0, 0, 1]


def test_dataset_folder(pictures, tmp_path):
    options = {"loader": str, "is_valid_file": lambda path: path.endswith("txt"), "allow_empty": True}
    mine, other = (m.DatasetFolder(pictures, **options) for m in (datasets, theirs.datasets))
    assert mine.samples == other.samples and len(mine) == 1
    with pytest.raises(FileNotFoundError, match="no valid file for the classes cat. Supported.*: .txt"):
        datasets.DatasetFolder(pictures, str, extensions=(".txt",))
    with pytest.raises(ValueError, match="cannot be None or not None at the same time"):
        datasets.DatasetFolder(pictures, str)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="any class folder in"):
        datasets.ImageFolder(tmp_path / "empty")


def test_base_class():
    with pytest.raises(ValueError, match="Only transforms or"):
        datasets.VisionDataset("x", transforms=len, transform=len)
    with pytest.raises(NotImplementedError, match="VisionDataset does not override __len__"):
        len(datasets.VisionDataset())


def test_fake_data():
    state = retrograd.get_rng_state()
    mine, other = (m.FakeData(3, (3, 6, 4), 7, random_offset=5) for m in (datasets, theirs.datasets))
    assert repr(mine) == repr(other)
    for i in range(3):
        assert mine[i][1] == other[i][1]
        assert np.array_equal(np.asarray(mine[i][0]), np.asarray(other[i][0]))
    assert retrograd.equal(retrograd.get_rng_state(), state)
    with pytest.raises(IndexError, match="out of range: 3 of 3"):
        mine[3]


def md5(data):
    return hashlib.md5(data).hexdigest()


def served(server, name, data):
    """An answer with `data`, which is of this length."""

    def answer(handler):
        handler.head(200, Content_Length=len(data))
        handler.wfile.write(data)

    return server.serve(name, answer)


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.tobytes())


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_mnist_is_downloaded_and_read(name, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    arrays = [
        rng.integers(0, 256, (4, 28, 28), np.uint8), np.array([3, 1, 9, 0], np.uint8),
        rng.integers(0, 256, (2, 28, 28), np.uint8), np.array([7, 2], np.uint8),
    ]  # fmt: skip
    kind, reference = getattr(datasets, name), getattr(theirs.datasets, name)
    assert kind.resources == reference.resources and kind.classes == reference.classes
    with Server() as server:
        packed = {file: idx(array) for (file, _), array in zip(kind.resources, arrays, strict=True)}
        for file, data in packed.items():
            served(server, "good/" + file, data)
            served(server, "bad/" + file, data[:-1] + b"x")
        monkeypatch.setattr(kind, "resources", [(file, md5(data)) for file, data in packed.items()])
        monkeypatch.setattr(kind, "mirrors", [server.url("bad/")])
        with pytest.raises(RuntimeError, match="(?s)Error downloading train-im.*Tried .*bad.*has the MD5"):
            kind(tmp_path, download=True)
        monkeypatch.setattr(kind, "mirrors", [server.url("bad/"), server.url("good/")])
        mine = kind(str(tmp_path), train=False, download=True)
        asked = len(server.requests)
        kind(str(tmp_path), download=True)
        assert len(server.requests) == asked, "what is there is not asked for again"
    other = reference(str(tmp_path), train=False)
    assert repr(mine) == repr(other) and mine.class_to_idx == other.class_to_idx
    assert np.array_equal(mine.data.numpy(), other.data.numpy())
    assert mine.targets.tolist() == other.targets.tolist() and mine.targets.dtype == retrograd.int64
    image, target = mine[1]
    assert np.array_equal(np.asarray(image), arrays[2][1]) and image.mode == "L" and target == 2
    with pytest.raises(RuntimeError, match="Dataset not found in .*download=True"):
        kind(tmp_path / "elsewhere")


def test_files_of_the_idx_format(tmp_path):
    from retrograd.vision.datasets.mnist import read_image_file, read_sn3_pascalvincent_tensor

    path = tmp_path / "x"
    path.write_bytes(bytes([0, 0, 13, 1, 0, 0, 0, 2]) + np.array([1.5, -2], ">f4").tobytes())
    expected = theirs.datasets.mnist.read_sn3_pascalvincent_tensor(str(path))
    assert read_sn3_pascalvincent_tensor(path).tolist() == expected.tolist()
    with pytest.raises(ValueError, match="float32 of rank 1, expected uint8 of rank 3"):
        read_image_file(path)
    for damaged, message in ((b"<html>", "not a file of the IDX"), (path.read_bytes()[:-1], "buffer|values")):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=message):
            read_sn3_pascalvincent_tensor(path)


def batch(rng, key, count):
    data = rng.integers(0, 256, (count, 3072), np.uint8)
    return pickle.dumps({"data": data, key: rng.integers(0, 2, count).tolist()}, protocol=2)


@pytest.mark.parametrize("name, key", [("CIFAR10", "labels"), ("CIFAR100", "fine_labels")])
def test_cifar_is_downloaded_and_read(name, key, tmp_path, monkeypatch):
    kind, reference = getattr(datasets, name), getattr(theirs.datasets, name)
    for fact in ("base_folder", "url", "filename", "tgz_md5", "train_list", "test_list", "meta"):
        assert getattr(kind, fact) == getattr(reference, fact)
    rng = np.random.default_rng(2)
    members = {file: batch(rng, key, 3) for file, _ in [*kind.train_list, *kind.test_list]}
    members[kind.meta["filename"]] = pickle.dumps({kind.meta["key"]: ["plane", "car"]}, protocol=2)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for file, data in members.items():
            info = tarfile.TarInfo(f"{kind.base_folder}/{file}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    sums = {file: md5(data) for file, data in members.items()}
    for library in (kind, reference):
        monkeypatch.setattr(library, "train_list", [[f, sums[f]] for f, _ in library.train_list])
        monkeypatch.setattr(library, "test_list", [[f, sums[f]] for f, _ in library.test_list])
        monkeypatch.setattr(library, "meta", {**library.meta, "md5": sums[library.meta["filename"]]})
    with Server() as server:
        monkeypatch.setattr(kind, "url", served(server, "cifar.tar.gz", archive.getvalue()))
        monkeypatch.setattr(kind, "tgz_md5", md5(archive.getvalue()))
        mine = kind(str(tmp_path), train=True, download=True)
    other = reference(str(tmp_path), train=True)
    assert repr(mine) == repr(other) and mine.targets == other.targets
    assert mine.classes == other.classes and mine.class_to_idx == other.class_to_idx
    assert np.array_equal(mine.data, other.data)
    assert np.array_equal(np.asarray(mine[2][0]), np.asarray(other[2][0])) and mine[2][1] == other[2][1]
    (tmp_path / kind.base_folder / kind.meta["filename"]).write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match="not found or corrupted.*download=True"):
        kind(tmp_path)


def test_pickles_in_cifar_run_nothing(tmp_path):
    from retrograd.vision.datasets.cifar import _read

    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(pickle.UnpicklingError, match="asks for builtins.print"):
        _read(path)


def test_archives_do_not_write_elsewhere(tmp_path):
    for name, kind in (("../out", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            tar.addfile(info, io.BytesIO())
        with pytest.raises(RuntimeError, match="refusing to unpack"):
            files.extract_archive(str(tmp_path / "a.tar"), str(tmp_path / "into"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(RuntimeError, match="Unknown compression or archive type"):
        files.extract_archive("x.rar")


def test_file_utilities(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").write_bytes(b"abc")
    assert files.check_integrity(tmp_path / "a.txt", md5(b"abc"))
    assert not files.check_integrity(tmp_path / "a.txt", md5(b"abd"))
    assert not files.check_integrity(tmp_path / "b.txt")
    assert files.list_dir(str(tmp_path)) == ["folder"]
    assert files.list_files(str(tmp_path), ".txt", prefix=True) == [str(tmp_path / "a.txt")]
    assert files.verify_str_arg("a", "x", ("a", "b")) == "a"
    with pytest.raises(ValueError, match="Unknown value 'c' for argument x. Valid values are {'a', 'b'}."):
        files.verify_str_arg("c", "x", ("a", "b"))


@pytest.mark.parametrize(
    "shape", [(5, 3, 4, 6), (5, 1, 4, 6), (3, 4, 6), (1, 4, 6), (4, 6), (1, 3, 4, 6)], ids=str
)
@pytest.mark.parametrize("options", [
    {}, {"nrow": 2, "padding": 1, "pad_value": 0.5}, {"normalize": True},
    {"normalize": True, "value_range": (0.2, 0.7)}, {"normalize": True, "scale_each": True},
], ids=str)  # fmt: skip
def test_grids(shape, options, tmp_path):
    array = np.random.default_rng(3).random(shape, np.float32)
    expected = theirs.utils.make_grid(torch.from_numpy(array), **options)
    got = utils.make_grid(retrograd.from_numpy(array), **options)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=0, atol=1e-6)
    utils.save_image(retrograd.from_numpy(array), tmp_path / "a.png", **options)
    theirs.utils.save_image(torch.from_numpy(array), tmp_path / "b.png", **options)
    mine, other = (np.asarray(PIL.Image.open(tmp_path / name)) for name in ("a.png", "b.png"))
    assert np.array_equal(mine, other)


def test_lists_of_images_and_what_is_none():
    images = [retrograd.rand(3, 4, 4) for _ in range(3)]
    assert retrograd.equal(utils.make_grid(images), utils.make_grid(retrograd.stack(images)))
    with pytest.raises(TypeError, match="tensor or list of tensors expected, got <class 'int'>"):
        utils.make_grid([3])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "I;16"])
def test_images_are_read(mode, tmp_path):
    rng = np.random.default_rng(4)
    if mode == "I;16":
        array = rng.integers(0, 65536, (5, 7)).astype(np.uint16)
        PIL.Image.frombytes("I;16", (7, 5), array.tobytes()).save(tmp_path / "x.png")
        got = image_io.read_image(tmp_path / "x.png")
        assert got.dtype == retrograd.uint16 and np.array_equal(got.numpy()[0], array)
        return
    channels = 3 if mode == "P" else 4
    image = PIL.Image.fromarray(rng.integers(0, 256, (5, 7, channels), np.uint8)).convert(mode)
    image.save(tmp_path / "x.png")
    resolved = {"P": "RGB", "1": "L"}.get(mode, mode)
    got = image_io.read_image(str(tmp_path / "x.png"))
    expected = np.atleast_3d(np.asarray(image.convert(resolved))).transpose(2, 0, 1)
    assert np.array_equal(got.numpy(), expected)
    assert image_io.decode_image(tmp_path / "x.png", mode="rgb").shape == (3, 5, 7)
    assert image_io.read_image(tmp_path / "x.png", image_io.ImageReadMode.GRAY).shape == (1, 5, 7)


def test_images_are_written(tmp_path):
    image = retrograd.randint(0, 256, (3, 6, 5), dtype=retrograd.uint8)
    image_io.write_png(image, tmp_path / "x.png")
    assert retrograd.equal(image_io.read_image(tmp_path / "x.png"), image)
    smooth = (retrograd.arange(48).reshape(1, 6, 8) * 4).to(retrograd.uint8)
    again = image_io.decode_jpeg(image_io.encode_jpeg(smooth, quality=95))
    assert (again.int() - smooth.int()).abs().max() < 8
    with pytest.raises(ValueError, match=r"got shape \(2, 6, 5\)"):
        image_io.encode_png(image[:2])
    with pytest.raises(RuntimeError, match="these 3 bytes are no image"):
        image_io.decode_image(retrograd.tensor([1, 2, 3], dtype=retrograd.uint8))
    with pytest.raises(ValueError, match="a file's bytes, got torch.float32"):
        image_io.decode_image(retrograd.zeros(3))


def test_cameras_orientation(tmp_path):
    image = PIL.Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    assert image_io.read_image(tmp_path / "x.png").shape == (1, 4, 6)
    turned = image_io.read_image(tmp_path / "x.png", apply_exif_orientation=True)
    assert np.array_equal(turned.numpy()[0], np.rot90(np.asarray(image), -1))
