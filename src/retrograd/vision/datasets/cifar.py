"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 60,000 pictures of 32x32 pixels."""

import os
import pickle

import numpy as np

from retrograd.vision.datasets.utils import check_integrity, download_and_extract_archive
from retrograd.vision.datasets.vision import VisionDataset
from retrograd.vision.transforms import _pil

__all__ = ["CIFAR10", "CIFAR100"]


_OF_ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
}  # fmt: skip


class _ArraysOnly(pickle.Unpickler):
    """Reads pickles of arrays and plain values, and runs nothing else that a pickle may name."""

    def find_class(self, module, name):
        if (module, name) in _OF_ARRAYS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(
            f"a CIFAR file holds arrays, but this one asks for {module}.{name} [RG094]"
        )


def _read(path):
    with open(path, "rb") as file:
        return _ArraysOnly(file, encoding="latin1").load()


class CIFAR10(VisionDataset):
    """(PIL image, class number): 50,000 pictures of 10 classes to train with, 10,000 to test with.

    root: the folder that has, or gets, the folder cifar-10-batches-py. download: whether to fetch it if it is
    not there; the files' MD5s are checked always. `url` and the MD5s are attributes of the class, which a
    subclass may override, for another mirror. Has `data` (N, 32, 32, 3), `targets`, `classes` and
    `class_to_idx`.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {
        "filename": "batches.meta", "key": "label_names", "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }  # fmt: skip

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                f"Dataset not found or corrupted in {self._path('')}. You can use download=True to "
                "download it [RG094]"
            )
        batches = [_read(self._path(name)) for name, _ in (self.train_list if train else self.test_list)]
        pixels = np.concatenate([batch["data"] for batch in batches])
        self.data = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        key = "labels" if "labels" in batches[0] else "fine_labels"
        self.targets = [label for batch in batches for label in batch[key]]
        self.classes = _read(self._path(self.meta["filename"]))[self.meta["key"]]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _path(self, name):
        return os.path.join(self.root, self.base_folder, name)

    def _check_integrity(self):
        files = [*self.train_list, *self.test_list, (self.meta["filename"], self.meta["md5"])]
        return all(check_integrity(self._path(name), md5) for name, md5 in files)

    def download(self):
        """Fetch and unpack the files, unless they are there and intact."""
        if not self._check_integrity():
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def __getitem__(self, index):
        image = _pil.from_array(np.ascontiguousarray(self.data[index]), "RGB")
        return self._transformed(image, self.targets[index])

    def __len__(self):
        return len(self.data)

    def extra_repr(self):
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """CIFAR-10 with 100 classes, of other pictures; its folder is cifar-100-python."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {
        "filename": "meta", "key": "fine_label_names", "md5": "7973b15100ade9c7d40fb424638fde48",
    }  # fmt: skip
