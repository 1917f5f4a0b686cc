"""N2D (McConville et al. 2019) on the autoencoders of compare.py: UMAP of the code, and a Gaussian mixture of that.

pip install umap-learn
python benchmarks/compare.py --dataset mnist --seeds 3 --systems ae_kmeans --data-dir FOLDER
python benchmarks/n2d.py --dataset mnist --seeds 3 --data-dir FOLDER; python benchmarks/compare.py --table

UMAP and the mixture are set as in the authors' run.sh (github.com/rymc/n2d): 10 dimensions for 10 clusters, 20
neighbours, distance 0, full covariances; here with the seed of the run. Their autoencoder is trained for 1,000 epochs,
to the squared error; this one is that of the other systems. UMAP gives no encoder, so this is no system of `--model`.
Rows go to benchmarks/results/compare.csv.
"""

import argparse
import json
import time
from pathlib import Path

import compare
import numpy as np
import umap
from sklearn.mixture import GaussianMixture

from vade_tf import metrics
from vade_tf.report import evaluation
from vade_tf.report.evaluation import load_rows
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load
from vade_tf.training.posterior import Assignments

NEIGHBOURS = 20


def row_of(path: Path, data_dir: str | None, pretrain_seconds: float) -> dict:
    """A row of compare.csv: the groups of N2D on the autoencoder of a finished ae_kmeans run."""
    run, model = Run.open(path), load(path)
    dataset, _, _ = load_rows(run, model, data_dir=data_dir)
    k, seed = run.config.clusters, run.config.seed
    row = compare.row_of(path, data_dir, pretrain_seconds)  # what is common to the systems of this seed
    code = evaluation.findings(model, dataset.x).m  # [n, latent]
    begun = time.perf_counter()
    embedded = umap.UMAP(n_neighbors=NEIGHBOURS, n_components=k, min_dist=0.0, random_state=seed).fit_transform(code)
    mixture = GaussianMixture(k, covariance_type="full", random_state=seed).fit(embedded)
    with np.errstate(divide="ignore"):
        found = Assignments(embedded, np.log(mixture.predict_proba(embedded)))
    seconds = round(float(row["seconds"]) + time.perf_counter() - begun, 1)
    scores = metrics.all_scores(dataset.y, found.groups, found.log_odds)
    figures = {name: round(scores[key], 6) for name, key in compare.SCORES.items()}
    return row | figures | {"system": "n2d", "seconds": seconds, "flags": ""}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0 up")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", default="runs/compare", help="folder of the runs of compare.py")
    options = parser.parse_args()
    for seed in range(options.seeds):
        path = Path(options.out) / options.dataset / "ae_kmeans" / f"seed-{seed}"
        source = json.loads((path / "config.json").read_text())["pretrained"]
        pretrain_seconds = json.loads((Path(source) / "metrics.json").read_text())["seconds"]["pretrain"]
        row = row_of(path, options.data_dir, pretrain_seconds)
        compare.add(compare.RESULTS / "compare.csv", row)
        print(f"seed {seed}: ACC {row['acc']:.4f}, NMI {row['nmi']:.4f}, {row['seconds']:,.0f} s", flush=True)


if __name__ == "__main__":
    main()
