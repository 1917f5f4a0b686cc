"""One configuration over several numbers of clusters, one autoencoder, and a recommended K."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows
from vade_tf.errors import InputError, whole_number
from vade_tf.reading import each, finite, json_object, record
from vade_tf.runs import selection
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import LARGEST, MAYBE, SCORES, Run
from vade_tf.runs.load import load
from vade_tf.runs.places import by_name, told
from vade_tf.runs.rows import load_rows, load_whole
from vade_tf.runs.study import Study
from vade_tf.training.autoencoder import trained_parts
from vade_tf.training.n_clusters import prediction_strength
from vade_tf.training.posterior import codes, posterior
from vade_tf.training.recipe import kept_start
from vade_tf.training.reporter import Silent
from vade_tf.training.store import kept_weights

HELD_OUT = 0.1  # share of the rows that no K is trained on
USED = 0.1  # a component whose mean gamma, which pi tends to, is below this share of 1 / K is not used


def _numbers(least: float, whole: bool = False) -> Callable[[Any], bool]:
    """The kind of numbers from `least` up that a picture can show."""
    return lambda value: finite(value) and least <= value <= LARGEST and not (whole and isinstance(value, float))


ROW = {
    "n_clusters": _numbers(1, whole=True),
    "components_used": _numbers(0, whole=True),
    **dict.fromkeys(("held_out_elbo", "behind", "bic", "strength"), _numbers(-LARGEST)),
    "behind_se": _numbers(0),
    **dict.fromkeys(("elbo", *SCORES), MAYBE),
    "shares": each(list, _numbers(0)),
}
SUMMARY = {
    **dict.fromkeys(("dataset", "why"), told),
    **dict.fromkeys(("n", "n_held_out", "n_clusters"), _numbers(1, whole=True)),
    "named": by_name(int),
    "rows": each(list, record(ROW)),
}


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
        clusters: the K; each once, they are trained in ascending order.
        reporter, export: as for `train.train`.

    Returns:
        What summary.json holds: rows (one dict a K: n_clusters, held_out_elbo, behind, behind_se, bic, strength,
        components_used, shares, elbo, acc, nmi, ari), dataset, n, n_held_out, what `selection.recommend` returns, and
        `diverged`, the K that are left out of all this.

    Raises:
        InputError: data or settings that cannot be used, hints (they name groups of one K), or a folder in use.
    """
    if config.model != "vade":
        raise InputError(f"clusters: several go with model='vade' alone, got {config.model!r}; give one number")
    if config.hints is not None:
        raise InputError("hints: names groups of one number of clusters; give clusters a single number with it")
    clusters = sorted({whole_number(k, "clusters", 1, 2**31 - 1) for k in clusters})
    if not clusters:
        raise InputError("clusters: expected at least one number of clusters, got none")
    config = replace(config, clusters=clusters[-1], held_out=config.held_out or HELD_OUT)
    whole = load_whole(config)
    aside = load_rows(config, whole).aside
    if aside is None or len(aside.x) < 2:
        raise InputError(f"held_out: a sweep needs at least 2 rows aside, got {config.held_out} of so few rows")
    study = Study.begin("clusters", config, out, clusters, whole)
    return _conclude(study, reporter or Silent(), export)


def resume_sweep(out: str | Path, *, reporter: Silent | None = None, export: bool = True) -> dict:
    """What a folder of `train_sweep` still lacks; Returns as there."""
    return _conclude(Study.resume(out, "clusters"), reporter or Silent(), export)


def _conclude(study: Study, reporter: Silent, export: bool) -> dict:
    with study.held():
        results = study.run(reporter, export)
        reporter.say("comparing them")
        summary = {**compare(study, results), "diverged": study.diverged(results)}
        rows = [{**row, "least_share": row["shares"][-1]} for row in summary["rows"]]
        return study.conclude(rows, summary)


def finished_sweep(out: Path) -> dict:
    """summary.json of a finished sweep: what `train_sweep` returned.

    Raises:
        InputError: it is missing or damaged.
    """
    todo = "remove it to compare the runs anew"
    summary = json_object(out / "summary.json", SUMMARY, todo)
    if wrong := _wrong(summary):
        raise InputError(f"{out / 'summary.json'} is damaged ({wrong}); {todo}")
    return summary


def _wrong(summary: dict) -> str:
    """What is wrong with the rows of a summary as a whole, or nothing."""
    rows = summary["rows"]
    tried = [row["n_clusters"] for row in rows]
    if not rows or tried != sorted(set(tried)) or summary["n_clusters"] not in tried:
        return f"rows: expected different numbers of clusters, ascending, {summary['n_clusters']} among them"
    if any(not set(ROW) <= set(row) or len(row["shares"]) != row["n_clusters"] for row in rows):
        return "rows: expected every column in each of them, and as many shares as clusters"
    if len({row[name] is None for row in rows for name in SCORES}) > 1:
        return f"rows: expected {', '.join(SCORES)} in all of them or in none"
    return ""


def compare(study: Study, results: dict[int, dict]) -> dict:
    """The criteria of finished runs and the recommendation: what `train_sweep` returns.

    Args:
        study: the sweep.
        results: metrics.json of each K that is compared.
    """
    config, folders = study.config, {k: study.folders[k] for k in results}
    cut = load_rows(config, study.whole)
    dataset, aside = cut.dataset, cut.aside
    assert aside is not None
    z = pretrained_codes(next(iter(folders.values())), dataset.x)
    bounds, rows = [], []
    strengths = dict(zip(folders, prediction_strength(z, list(folders), config.seed), strict=True))
    for k, folder in folders.items():
        model = load(folder)
        bounds.append(posterior(model, aside.x).elbo)
        gamma = sum(model.predict_on_batch(rows).sum(axis=0, dtype=np.float64) for rows in pipeline.blocks(dataset.x))
        shares = np.sort(gamma)[::-1] / len(dataset.x)
        run = Run.open(folder)
        start = kept_start(run, len(z), k, z.shape[1])
        if start is None:
            raise _gone(run, "start")
        rows.append(
            {
                "n_clusters": k,
                "held_out_elbo": float(bounds[-1].mean(dtype=np.float64)),
                "bic": selection.bic(z, start),
                "strength": float(strengths[k]),
                "components_used": int(np.sum(shares >= USED / k)),
                "shares": [round(float(share), 6) for share in shares],
                **{name: results[k][name] for name in ("elbo", *SCORES)},
            }
        )
    for row, behind, error in zip(rows, *selection.behind(np.stack(bounds)), strict=True):
        row.update(behind=float(behind), behind_se=float(error))
    choice = selection.recommend(rows)
    return {"dataset": dataset.name, "n": len(dataset.x), "n_held_out": len(aside.x), "rows": rows, **choice}


def pretrained_codes(folder: Path, x: Rows) -> np.ndarray:
    """Codes m of raw rows x [n, D] as the autoencoder of a run has them: [n, latent]."""
    run, model = Run.open(folder), load(folder)
    kept = run.load("pretrained")
    if kept is None:
        raise _gone(run, "pretrained")
    have = [weight for part in trained_parts(model) for weight in part.get_weights()]
    weights = kept_weights(run, "pretrained", kept, have)
    model.encoder.set_weights(weights[: len(model.encoder.weights)])
    return codes(model, x).astype(np.float64)


def _gone(run: Run, name: str) -> InputError:
    """The error for what a finished run has kept no longer under a name."""
    return InputError(f"{run.place(name)} is gone, with which the runs are compared; copy the run folder again")
