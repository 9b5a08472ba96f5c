"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017): 70,000 grey pictures of 28x28 pixels."""

import math
import os
from urllib.error import URLError

import numpy as np

import retrograd
from retrograd.vision.datasets.utils import check_integrity, download_and_extract_archive
from retrograd.vision.datasets.vision import VisionDataset
from retrograd.vision.transforms import _pil

__all__ = ["MNIST", "FashionMNIST"]

# The IDX format's types by their number, big-endian.
_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_sn3_pascalvincent_tensor(path, strict=True):
    """The tensor in a file of the IDX format: two zero bytes, type, rank, sizes, values.

    strict: whether a file with other than as many values as its sizes say is an error.
    """
    with open(path, "rb") as file:
        data = file.read()
    kind, rank = data[2] if len(data) > 3 else 0, data[3] if len(data) > 3 else 0
    if data[:2] != b"\0\0" or kind not in _IDX_TYPES or not 1 <= rank <= 3 or len(data) < 4 + 4 * rank:
        raise ValueError(f"{path} is not a file of the IDX format; it starts with {data[:4]!r} [RG094]")
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank))
    values = np.frombuffer(data, _IDX_TYPES[kind], offset=4 + 4 * rank)
    if values.size < math.prod(shape) or (strict and values.size != math.prod(shape)):
        raise ValueError(
            f"{path} has {values.size} values where its sizes {shape} say {math.prod(shape)} [RG094]"
        )
    values = values[: math.prod(shape)].reshape(shape)
    return retrograd.from_numpy(values.astype(values.dtype.newbyteorder("=")))


def _read_bytes(path, rank):
    values = read_sn3_pascalvincent_tensor(path, strict=False)
    if values.dtype != retrograd.uint8 or values.ndim != rank:
        raise ValueError(
            f"{path} holds {values.dtype} of rank {values.ndim}, expected uint8 of rank {rank} [RG094]"
        )
    return values


def read_label_file(path):
    """The labels in an IDX file, as int64."""
    return _read_bytes(path, 1).long()


def read_image_file(path):
    """The images (N, H, W) in an IDX file, as uint8."""
    return _read_bytes(path, 3)


class MNIST(VisionDataset):
    """(PIL image in grey, class number): 60,000 handwritten digits to train with, 10,000 to test with.

    root: the folder that has, or gets, the folder MNIST/raw. download: whether to fetch the files if they are
    not there; their MD5s are checked then. `mirrors` (addresses of folders, tried in order) and `resources`
    (names and MD5s) are attributes of the class, which a program may override. Has `data` (N, 28, 28) of
    uint8, `targets` (N,) of int64, `classes` and `class_to_idx`.
    """

    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven",
        "8 - eight", "9 - nine",
    ]  # fmt: skip

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError(
                f"Dataset not found in {self.raw_folder}. You can use download=True to download it [RG094]"
            )
        start = os.path.join(self.raw_folder, "train" if train else "t10k")
        self.data = read_image_file(f"{start}-images-idx3-ubyte")
        self.targets = read_label_file(f"{start}-labels-idx1-ubyte")

    @property
    def raw_folder(self):
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def class_to_idx(self):
        return {name: i for i, name in enumerate(self.classes)}

    def _check_exists(self):
        names = (os.path.splitext(name)[0] for name, _ in self.resources)
        return all(check_integrity(os.path.join(self.raw_folder, name)) for name in names)

    def download(self):
        """Fetch and unpack the files, unless they are there."""
        if self._check_exists():
            return
        for name, md5 in self.resources:
            failures = []
            for mirror in self.mirrors:
                try:
                    download_and_extract_archive(mirror + name, self.raw_folder, filename=name, md5=md5)
                    break
                except (RuntimeError, URLError) as error:
                    failures.append(f"Tried {mirror}, got:\n{error}")
            else:
                raise RuntimeError("\n".join([f"Error downloading {name}:", *failures]) + " [RG094]")

    def __getitem__(self, index):
        image = _pil.from_array(self.data[index].numpy(), "L")
        return self._transformed(image, int(self.targets[index]))

    def __len__(self):
        return len(self.data)

    def extra_repr(self):
        return f"Split: {'Train' if self.train else 'Test'}"


class KMNIST(MNIST):
    """MNIST with Japanese cursive letters; its folder is KMNIST/raw.

    Its publisher offers http:// only, which is refused: set `mirrors`, or put the files there yourself.
    """

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class FashionMNIST(MNIST):
    """MNIST with pictures of clothes; its folder is FashionMNIST/raw.

    torchvision's mirror offers http:// only; these are the same files.
    """

    mirrors = [
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ]  # fmt: skip
