"""UMAP with k-means and HDBSCAN, or EVoC, in an environment of its own: called by benchmarks/embeddings.py.

pip install umap-learn==0.5.12 evoc==0.3.2
python benchmarks/embeddings_elsewhere.py umap ROWS.npz FOUND.npz K SEED
python benchmarks/embeddings_elsewhere.py evoc ROWS.npz FOUND.npz K SEED

ROWS.npz has rows x [n, D] of length 1. FOUND.npz gets groups, int [n], -1 where a row is left out, by the system's
name, and the seconds of each as NAME_seconds. A first fit of a few rows compiles the libraries and is not counted.
"""

import sys
import time
from collections.abc import Callable

import numpy as np


def umap(x: np.ndarray, clusters: int, seed: int) -> dict:
    """UMAP to 5 dimensions as BERTopic sets it, then k-means (10 starts, K) and HDBSCAN (15 rows a group at least)."""
    from sklearn.cluster import HDBSCAN, KMeans
    from umap import UMAP

    def reduced(rows: np.ndarray) -> np.ndarray:
        model = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
        return model.fit_transform(rows)

    reduced(x[:500])
    code, seconds = timed(lambda: reduced(x))
    kmeans, kmeans_seconds = timed(lambda: KMeans(clusters, n_init=10, random_state=seed).fit_predict(code))
    hdbscan, hdbscan_seconds = timed(lambda: HDBSCAN(min_cluster_size=15, copy=True).fit_predict(code))
    return {
        "umap_kmeans": kmeans,
        "umap_kmeans_seconds": seconds + kmeans_seconds,
        "umap_hdbscan": hdbscan,
        "umap_hdbscan_seconds": seconds + hdbscan_seconds,
    }


def evoc(x: np.ndarray, clusters: int, seed: int) -> dict:
    """EVoC with its defaults, and told how many groups there are about."""
    from evoc import EVoC

    EVoC(random_state=seed).fit_predict(x[:500])
    free, free_seconds = timed(lambda: EVoC(random_state=seed).fit_predict(x))
    told, told_seconds = timed(lambda: EVoC(approx_n_clusters=clusters, random_state=seed).fit_predict(x))
    return {
        "evoc_free": free,
        "evoc_free_seconds": free_seconds,
        "evoc_told": told,
        "evoc_told_seconds": told_seconds,
    }


def timed(function: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    begun = time.perf_counter()
    return function(), time.perf_counter() - begun


def main(system: str, rows: str, found: str, clusters: str, seed: str) -> None:
    with np.load(rows) as stored:
        x = stored["x"].astype(np.float32)
    np.savez(found, **{"umap": umap, "evoc": evoc}[system](x, int(clusters), int(seed)))


if __name__ == "__main__":
    main(*sys.argv[1:])
