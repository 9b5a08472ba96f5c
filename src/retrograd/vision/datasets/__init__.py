"""Datasets of images under torchvision's names."""

from retrograd.vision.datasets.cifar import CIFAR10, CIFAR100
from retrograd.vision.datasets.fakedata import FakeData
from retrograd.vision.datasets.folder import DatasetFolder, ImageFolder
from retrograd.vision.datasets.mnist import KMNIST, MNIST, FashionMNIST
from retrograd.vision.datasets.vision import VisionDataset

__all__ = [
    "CIFAR10", "CIFAR100", "DatasetFolder", "FakeData", "FashionMNIST", "ImageFolder", "KMNIST", "MNIST",
    "VisionDataset",
]  # fmt: skip
