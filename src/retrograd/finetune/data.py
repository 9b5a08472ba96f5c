"""Images in folders, their split, and augmentation that is the same in any order and any process."""

import hashlib
import os

from retrograd import Generator, nn, randperm
from retrograd.random import fork_rng, manual_seed
from retrograd.utils.data import DataLoader, Dataset, Sampler
from retrograd.vision import transforms
from retrograd.vision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension

from . import UsageError

EXTENSIONS = (*IMG_EXTENSIONS, ".gif")


def seed_of(*parts):
    """A seed below 2**63 that depends on all of `parts` and on nothing else."""
    text = ",".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little") >> 1


# --- which images ------------------------------------------------------------------------------


def find_images(folder, classes=None):
    """([(path, class number)], class names) of the images in the sub-folders of `folder`, sorted by name.

    classes: the names to expect; another sub-folder is an error.
    """
    try:
        found = sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise UsageError(f"can't read the folder {folder!r}: {error.strerror} [RG173]") from None
    if not found:
        raise UsageError(
            f"{folder!r} has no sub-folders; it needs one for each class, with the class's images [RG173]"
        )
    if classes is not None and (unknown := sorted(set(found) - set(classes))):
        raise UsageError(
            f"{folder!r} has classes that the training folder lacks: {', '.join(unknown)} [RG173]"
        )
    classes = found if classes is None else classes
    samples = []
    for number, name in enumerate(classes):
        if name in found:
            samples += [(path, number) for path in images_under(os.path.join(folder, name))]
    return samples, classes


def images_under(folder):
    """The paths of all images in `folder` and below, sorted."""
    paths = []
    for where, _, names in os.walk(folder, followlinks=True):
        paths += [os.path.join(where, n) for n in names if has_file_allowed_extension(n, EXTENSIONS)]
    return sorted(paths)


def split(options):
    """(training samples, validation samples, class names) of `--data`."""
    inside = {name: os.path.join(options.data, name) for name in ("train", "val")}
    if all(os.path.isdir(path) for path in inside.values()):
        train, classes = find_images(inside["train"])
        val, _ = find_images(inside["val"], classes)
    else:
        samples, classes = find_images(options.data)
        train, val = _split_by_class(samples, options.val_fraction, options.seed)
    for name, samples in (("training", train), ("validation", val)):
        if not samples:
            kinds = ", ".join(EXTENSIONS)
            raise UsageError(f"no {name} images in {options.data!r}; looked for {kinds} [RG173]")
    if missing := [name for i, name in enumerate(classes) if all(label != i for _, label in train)]:
        raise UsageError(f"no training images of {', '.join(missing)} in {options.data!r} [RG173]")
    if len(classes) < 2:
        raise UsageError(
            f"{options.data!r} has one class only, {classes[0]!r}; a classifier needs two or more [RG173]"
        )
    return train, val, classes


def _split_by_class(samples, fraction, seed):
    """Keep `fraction` of each class for validation, those whose names have the lowest hashes."""
    groups = {}
    for path, label in samples:
        groups.setdefault(label, []).append((path, label))
    train, val = [], []
    for group in groups.values():
        by_hash = sorted(group, key=lambda s: seed_of(seed, os.path.basename(s[0])))
        kept = min(round(fraction * len(group)), len(group) - 1)
        val += by_hash[:kept]
        train += by_hash[kept:]
    return sorted(train), sorted(val)


# --- reading them -------------------------------------------------------------------------------


def open_image(path):
    """The image at `path` as PIL's, in RGB."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise UsageError('reading images needs Pillow: pip install "retrograd[vision]" [RG173]') from None
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(
            f"can't read the image {path!r} ({error}); repair it or take it out [RG173]"
        ) from None


def preprocessing(size, mean, std):
    """What an image goes through to be judged: its centre, SIZE x SIZE."""
    # 256 of 224, the proportion of ImageNet's evaluation; small pictures are taken whole.
    shorter = size if size < 64 else round(size * 256 / 224)
    return transforms.Compose(
        [
            transforms.Resize(shorter),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def augmentation(options, mean, std):
    """What an image goes through to be learnt from."""
    if options.augment == "none":
        return preprocessing(options.size, mean, std)
    small = options.size < 64  # a random crop of a small picture loses what it shows
    scale = (0.7, 1.0) if small else (0.35, 1.0)
    steps = [transforms.RandomResizedCrop(options.size, scale=scale)]
    if not options.no_flip:
        steps.append(transforms.RandomHorizontalFlip())
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(mean, std)])


class Images(Dataset):
    """Pairs (image, label). The seed, the epoch and the image's number decide what `transform` draws."""

    def __init__(self, samples, transform, seed):
        self.samples = samples
        self.transform = transform
        self.seed = seed

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, key):
        epoch, index = key
        path, label = self.samples[index]
        image = open_image(path)
        with fork_rng(devices=[]):
            manual_seed(seed_of(self.seed, "image", epoch, index))
            return self.transform(image), label


class Order(Sampler):
    """Batches of keys (epoch, index), shuffled by the seed and the epoch unless the seed is None.

    batches: how many an epoch has. `begin(epoch, start)` says which epoch comes, and from which batch on.
    """

    def __init__(self, count, batch_size, seed=None):
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.batches = -(-count // batch_size)
        self.begin(0)

    def begin(self, epoch, start=0):
        self.epoch = epoch
        self.start = start

    def __len__(self):
        return self.batches - self.start

    def __iter__(self):
        indices = list(range(self.count))
        if self.seed is not None:
            chance = Generator().manual_seed(seed_of(self.seed, "order", self.epoch))
            indices = randperm(self.count, generator=chance).tolist()
        for first in range(self.start * self.batch_size, self.count, self.batch_size):
            yield [(self.epoch, i) for i in indices[first : first + self.batch_size]]


def loaders(options, train, val, mean, std):
    """(training loader, its order, validation loader)."""
    order = Order(len(train), options.batch_size, options.seed)
    learnt = Images(train, augmentation(options, mean, std), options.seed)
    judged = Images(val, preprocessing(options.size, mean, std), options.seed)

    def loader(images, order):
        # A generator of its own: the loader's draws must not move the stream that dropout draws from.
        return DataLoader(images, batch_sampler=order, num_workers=options.workers, generator=Generator())

    return loader(learnt, order), order, loader(judged, Order(len(val), options.batch_size))


class Mix(nn.Module):
    """MixUp or CutMix of a batch, by turns of chance, drawn from the seed, the epoch and the step."""

    def __init__(self, classes, seed):
        super().__init__()
        from retrograd.vision.transforms import v2

        self.mix = v2.RandomChoice([v2.MixUp(num_classes=classes), v2.CutMix(num_classes=classes)])
        self.seed = seed

    def forward(self, images, labels, epoch, step):
        """(mixed images, a row of class weights for each)."""
        with fork_rng(devices=[]):
            manual_seed(seed_of(self.seed, "mix", epoch, step))
            return self.mix(images, labels)
