"""Writes scikit-learn's handwritten digits as an image folder: python tools/digits_folder.py FOLDER

FOLDER/train/0/0000.png ... FOLDER/val/9/...: 1,797 pictures of 8x8, of which the last 360 are for validation:
they were written by other people than most of the rest.
"""

import argparse
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits

VALIDATION = 360


def write(folder, size=32):
    """Write the pictures, enlarged to `size` x `size`, below `folder`."""
    digits = load_digits()
    last = len(digits.images) - VALIDATION
    for i, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        where = Path(folder, "train" if i < last else "val", str(label))
        where.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((pixels * 255 / 16).astype("uint8"))
        picture.resize((size, size), Image.Resampling.BILINEAR).save(where / f"{i:04}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--size", type=int, default=32, help="pixels (default: 32)")
    options = parser.parse_args()
    write(options.folder, options.size)
