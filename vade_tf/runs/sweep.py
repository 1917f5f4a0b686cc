"""Several numbers of clusters K, one trained model each: the criteria, and the K that is recommended.

* the bound on rows kept from training: does another component explain new rows better;
* BIC of the starting mixtures on one code, which all K share: is it worth its parameters;
* prediction strength (`training.n_clusters`): are the groups found again on other rows.
"""

from pathlib import Path

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows
from vade_tf.errors import InputError
from vade_tf.runs import selection
from vade_tf.runs.folder import SCORES, Run
from vade_tf.runs.load import load
from vade_tf.runs.rows import RunRows
from vade_tf.training.initialization import Start
from vade_tf.training.n_clusters import prediction_strength
from vade_tf.training.posterior import codes, posterior
from vade_tf.training.store import listed

HELD_OUT = 0.1  # share of the rows that no K is trained on
USED = 0.1  # a component whose mean gamma is below this share of 1 / K is not used


def compare(rows: RunRows, folders: dict[int, Path], results: dict[int, dict]) -> dict:
    """The criteria of finished runs and the recommendation.

    Args:
        rows: of all runs.
        folders: of each K.
        results: metrics.json of each K.

    Returns:
        rows (one dict a K: n_clusters, held_out_elbo, bic, strength, components_used, least_share, shares, elbo, acc,
        nmi, ari, behind, behind_se), dataset, n, n_held_out, and what `selection.recommend` returns.
    """
    x, aside = rows.dataset.x, rows.aside
    assert aside is not None
    z = pretrained_codes(next(iter(folders.values())), x)
    strengths = prediction_strength(z, list(folders), rows.config.seed)
    bounds, table = [], []
    for (k, folder), strength in zip(folders.items(), strengths, strict=True):
        model, run = load(folder), Run.open(folder)
        start = run.load("start")
        if start is None:
            raise InputError("resume", "checkpoints of the start", f"none at {run.place('start')}")
        bounds.append(posterior(model, aside.x).elbo)
        gamma = sum(model.predict_on_batch(part).sum(axis=0, dtype=np.float64) for part in pipeline.blocks(x))
        shares = np.sort(gamma)[::-1] / len(x)
        table.append(
            {
                "n_clusters": k,
                "held_out_elbo": float(bounds[-1].mean(dtype=np.float64)),
                "bic": selection.bic(z, Start(**start)),
                "strength": float(strength),
                "components_used": int(np.sum(shares >= USED / k)),
                "shares": [round(float(share), 6) for share in shares],
                "least_share": round(float(shares[-1]), 6),
                **{name: results[k][name] for name in ("elbo", *SCORES)},
            }
        )
    for row, behind, error in zip(table, *selection.behind(np.stack(bounds)), strict=True):
        row.update(behind=float(behind), behind_se=float(error))
    facts = {"dataset": rows.dataset.name, "n": len(x), "n_held_out": len(aside.x)}
    return {**facts, "rows": table, **selection.recommend(table)}


def pretrained_codes(folder: Path, x: Rows) -> np.ndarray:
    """Codes m of raw rows x [n, D] as the autoencoder of a run has them: [n, latent]."""
    run, model = Run.open(folder), load(folder)
    kept = run.load("pretrained")
    if kept is None:
        raise InputError("resume", "checkpoints of the autoencoder", f"none at {run.place('pretrained')}")
    model.encoder.set_weights(listed(kept)[: len(model.encoder.weights)])
    return codes(model, x).astype(np.float64)
