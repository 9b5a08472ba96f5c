"""Writes scikit-learn's handwritten digits as an image folder: python tools/digits_folder.py FOLDER

FOLDER/0/0000.png ... FOLDER/9/1796.png: 1,797 pictures of 8x8 pixels, enlarged.
"""

import argparse
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits


def write(folder, size=32):
    """Write the pictures, enlarged to `size` x `size`, below `folder`."""
    digits = load_digits()
    for i, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        where = Path(folder, str(label))
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
