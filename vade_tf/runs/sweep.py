"""One configuration over several numbers of clusters, one autoencoder, and a recommended K."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows
from vade_tf.errors import InputError
from vade_tf.reading import each, json_object, record
from vade_tf.runs import selection
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import MAYBE, NUMBER, Run
from vade_tf.runs.load import load
from vade_tf.runs.rows import load_rows, load_whole
from vade_tf.runs.study import Study
from vade_tf.training.choosing import stability
from vade_tf.training.loop import codes
from vade_tf.training.posterior import posterior
from vade_tf.training.reporter import Silent
from vade_tf.training.start import Start
from vade_tf.training.store import listed

HELD_OUT = 0.1  # share of the rows that no K is trained on
SUMMARY = {
    **dict.fromkeys(("dataset", "sure", "why"), str),
    **dict.fromkeys(("n", "n_held_out", "n_clusters"), int),
    "named": each(dict, int),
    "rows": each(
        list,
        record(
            {
                **dict.fromkeys(("n_clusters", "components_used"), int),
                **dict.fromkeys(("held_out_elbo", "behind", "behind_se", "bic", "stability", "strength"), NUMBER),
                **dict.fromkeys(("elbo", "acc", "nmi", "ari"), MAYBE),
                "shares": each(list, NUMBER),
            }
        ),
    ),
}
USED = 0.1  # a component whose mean gamma, which pi tends to, is below this share of 1 / K is not used


def train_sweep(
    config: TrainConfig,
    out: str | Path,
    clusters: Sequence[int],
    *,
    reporter: Silent | None = None,
    export: bool = True,
) -> dict:
    """Train a VaDE for each K into sub-folders k-5, k-6, ... of a new folder, and say which K the data speak for.

    Args:
        config: settings of all runs; a tenth of the rows is held out unless it says how many.
        out: folder, not there yet or empty.
        clusters: the K, ascending.
        reporter, export: as for `train.train`.

    Returns:
        What summary.json holds: rows (one dict a K: n_clusters, held_out_elbo, behind, behind_se, bic, stability,
        strength, components_used, shares, elbo, acc, nmi, ari), dataset, n, n_held_out, and `selection.Choice`.

    Raises:
        InputError: data or settings that cannot be used, hints (they name groups of one K), or a folder in use.
    """
    if config.model != "vade":
        raise InputError(f"clusters: several go with model='vade' alone, got {config.model!r}; give one number")
    if config.hints is not None:
        raise InputError("hints: names groups of one number of clusters; give clusters a single number with it")
    config = replace(config, clusters=max(clusters), held_out=config.held_out or HELD_OUT)
    whole = load_whole(config)
    aside = load_rows(config, whole).aside
    if aside is None or len(aside.x) < 2:
        raise InputError(f"held_out: a sweep needs at least 2 rows aside, got {config.held_out} of so few rows")
    study = Study.begin("clusters", config, out, clusters, whole)
    return _conclude(study, reporter or Silent(), export)


def resume_sweep(out: str | Path, *, reporter: Silent | None = None, export: bool = True) -> dict:
    """What a folder of `train_sweep` still lacks; Returns as there."""
    if (Path(out) / "summary.json").exists():
        raise InputError(f"resume: {out} holds a finished sweep; nothing is left to do")
    return _conclude(Study.open(out), reporter or Silent(), export)


def _conclude(study: Study, reporter: Silent, export: bool) -> dict:
    with study.held():
        results = dict(zip(study.values, study.run(reporter, export), strict=True))
        reporter.say("comparing them")
        summary = compare(study, results)
        rows = [{**row, "least_share": row["shares"][-1]} for row in summary["rows"]]
        return study.conclude(rows, summary)


def finished_sweep(out: Path) -> dict:
    """summary.json of a finished sweep: what `train_sweep` returned.

    Raises:
        InputError: it is missing or damaged.
    """
    todo = "remove it to compare the runs anew"
    summary = json_object(out / "summary.json", SUMMARY, todo)
    if not summary["rows"] or not all(row["shares"] for row in summary["rows"]):
        raise InputError(f"{out / 'summary.json'} is damaged (a table without rows or shares); {todo}")
    return summary


def compare(study: Study, results: dict[int, dict]) -> dict:
    """The criteria of finished runs and the recommendation: what `train_sweep` returns.

    Args:
        study: the sweep.
        results: metrics.json of each K.
    """
    config, folders = study.config, study.folders
    cut = load_rows(config, study.whole)
    dataset, aside = cut.dataset, cut.aside
    assert aside is not None
    z = pretrained_codes(next(iter(folders.values())), dataset.x)
    bounds, rows = [], []
    for k, folder in folders.items():
        model = load(folder)
        bounds.append(posterior(model, aside.x).elbo)
        shares = np.sort(model.predict(pipeline.ordered_batches(dataset.x), verbose=0).mean(axis=0))[::-1]
        ari, strength = stability(z, k, config.init, config.seed)
        start = _kept(Run.open(folder), "start")
        rows.append(
            {
                "n_clusters": k,
                "held_out_elbo": float(bounds[-1].mean(dtype=np.float64)),
                "bic": selection.bic(z, Start(**start)),
                "stability": ari,
                "strength": strength,
                "components_used": int(np.sum(shares >= USED / k)),
                "shares": [round(float(share), 6) for share in shares],
                **{name: results[k][name] for name in ("elbo", "acc", "nmi", "ari")},
            }
        )
    for row, behind, error in zip(rows, *selection.behind(np.stack(bounds)), strict=True):
        row.update(behind=float(behind), behind_se=float(error))
    choice = selection.recommend(rows)
    return {"dataset": dataset.name, "n": len(dataset.x), "n_held_out": len(aside.x), "rows": rows, **vars(choice)}


def pretrained_codes(folder: Path, x: Rows) -> np.ndarray:
    """Codes m of raw rows x [n, D] as the autoencoder of a run has them: [n, latent]."""
    kept = _kept(Run.open(folder), "pretrained")
    model = load(folder)
    model.encoder.set_weights(listed(kept)[: len(model.encoder.weights)])
    return codes(model, x).astype(np.float64)


def _kept(run: Run, name: str) -> dict[str, np.ndarray]:
    """What a finished run has kept under a name."""
    arrays = run.load(name)
    if arrays is None:
        raise InputError(f"{run.place(name)} is gone, with which the runs are compared; copy the run folder again")
    return arrays
