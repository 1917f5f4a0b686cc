"""DEC and IDEC on MNIST at the length of their authors' code: 300 epochs of the autoencoder, 20,000 updates at most.

python benchmarks/lengths.py --data-dir FOLDER --seeds 3     about an hour a seed on 2 cores
python benchmarks/lengths.py --table                         prints what was measured so far

github.com/XifengGuo/DEC-keras trains the autoencoder of MNIST for 300 epochs; benchmarks/compare.py, for all systems
alike, for 30. All epochs are made and all rows trained on: nothing ends them early. A seed's autoencoder lies in --out,
and k-means of its codes stands beside the two that start from it. Rows go to benchmarks/results/lengths.csv as they
come; what is there is not fitted again.
"""

import argparse
from pathlib import Path

import csv_rows
import here
import numpy as np
import rivals
from whole import Images, fit_missing, load

RESULTS = here.RESULTS / "lengths.csv"
COMMAND = "python benchmarks/lengths.py --data-dir FOLDER --seeds 3"
NAMES = {"ae_kmeans": "AE + k-means", "dec": "DEC", "idec": "IDEC"}  # the first trains the autoencoder
EPOCHS = 300  # of the autoencoder


def of_package(name: str):
    """A system of this package: function of (data, seed, options) to groups, int [n]."""

    def system(data: Images, seed: int, options) -> np.ndarray:
        from vade_tf import Settings
        from vade_tf.systems import registry
        from vade_tf.training.posterior import model_groups
        from vade_tf.training.store import Memory

        rows = data.name.replace(",", "").replace(" ", "-")
        store, kept = Memory(), options.out / f"{rows}-{EPOCHS}-epochs-seed-{seed}.npz"
        if kept.exists():
            with np.load(kept) as arrays:
                store.save("pretrained", dict(arrays))
        settings = Settings(
            clusters=data.clusters, seed=seed, network="dense", pretrain_epochs=EPOCHS, validation_rows=0
        )
        fitted = registry.fit(name, data.raw, settings, store)
        if not kept.exists():
            np.savez(kept, **store.kept["pretrained"])
        return model_groups(fitted.model, data.x)

    return system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder of all of MNIST")
    parser.add_argument("--rows", type=int, help="at most so many (default: all that are there)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... (default: 3)")
    parser.add_argument("--out", type=Path, default=Path("runs/lengths"), help="folder of the autoencoders")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    options = parser.parse_args()
    if not options.table:
        options.out.mkdir(parents=True, exist_ok=True)
        data = load(options.data_dir, options.rows)
        fit_missing({(system,): of_package(system) for system in NAMES}, data, options, RESULTS, COMMAND)
    if rows := csv_rows.read(RESULTS):
        print(rivals.tables(rows, NAMES))


if __name__ == "__main__":
    main()
