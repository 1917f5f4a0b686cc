"""One configuration over several numbers of clusters: a run folder each, one autoencoder, and a recommended K.

clusters.json   the plan; its presence marks the folder as a sweep
k-5/, k-6/, ... a run each; the first trains the autoencoder and the others take it
sweep.json      the table and the recommendation; its presence means that the sweep is finished
sweep.csv       the table
sweep.png       the criteria against K
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vade_tf import criteria, evaluation, phases, seeds, sweep_figure, training
from vade_tf.config import TrainConfig
from vade_tf.data import pipeline
from vade_tf.data.sources import load_split
from vade_tf.data.sparse import Rows
from vade_tf.errors import InputError
from vade_tf.run import Run, load, write_whole

FILE = "clusters.json"
HELD_OUT = 0.1  # share of the rows that no K is trained on
USED = 0.1  # a component whose mean gamma, which pi tends to, is below this share of 1 / K is not used


def is_sweep(path: str | Path) -> bool:
    """Whether a folder was made by `train_sweep`."""
    return (Path(path) / FILE).exists()


def train_sweep(
    config: TrainConfig, out: str | Path, clusters: Sequence[int], *, reporter=None, export: bool = True
) -> dict:
    """Train a VaDE for each K into sub-folders k-5, k-6, ... of a new folder, and say which K the data speak for.

    Args:
        config: settings of all runs; a tenth of the rows is held out unless it says how many.
        out: folder, not there yet or empty.
        clusters: the K, ascending.
        reporter, export: as for `training.train`.

    Returns:
        What sweep.json holds: rows (one dict a K: n_clusters, held_out_elbo, behind, behind_se, bic, stability,
        strength, components_used, shares, elbo, acc, nmi, ari), dataset, n, n_held_out, and `criteria.Choice`.

    Raises:
        InputError: data or settings that cannot be used, hints (they name groups of one K), or a folder in use.
    """
    if config.model != "vade":
        raise InputError(f"--clusters: several go with --model vade alone, got {config.model!r}; give one number")
    if config.hints is not None:
        raise InputError("--hints: names groups of one number of clusters; give --clusters a single number with it")
    config = replace(config, clusters=max(clusters), held_out=config.held_out or HELD_OUT)
    dataset, aside, _ = load_split(config)  # say what is wrong before anything is written
    if aside is None or len(aside.x) < 2:
        raise InputError(f"--held-out: a sweep needs at least 2 rows aside, got {config.held_out} of so few rows")
    config = training.settled(config, dataset)
    if config.pretrained is not None:
        phases.pretrained_by(config, dataset)
    seeds.begin(out, FILE, {"clusters": list(clusters), "config": json.loads(config.to_json())})
    return resume_sweep(out, reporter=reporter, export=export)


def resume_sweep(out: str | Path, *, reporter=None, export: bool = True) -> dict:
    """What a folder of `train_sweep` still lacks; Returns as there."""
    out = Path(out)
    reporter = reporter or phases.Silent()
    if (out / "sweep.json").exists():
        raise InputError(f"--resume: {out} holds a finished sweep; nothing is left to do")
    plan = json.loads((out / FILE).read_text())
    config = TrainConfig(**plan["config"])
    folders = {k: out / f"k-{k}" for k in plan["clusters"]}
    first = next(iter(folders.values()))
    results = {}
    for k, folder in folders.items():
        shared = config.pretrained if config.pretrained or folder == first else str(first)
        of_k = replace(config, clusters=k, pretrained=shared)
        results[k] = seeds.finished(of_k, folder, f"K = {k}", reporter=reporter, export=export)
    reporter.say("comparing them")
    summary = compare(config, folders, results)
    write_whole(out / "sweep.csv", _table(summary["rows"]).encode())
    sweep_figure.draw(summary).savefig(out / "sweep.png")
    write_whole(out / "sweep.json", (json.dumps(summary, indent=2) + "\n").encode())
    return summary


def compare(config: TrainConfig, folders: dict[int, Path], results: dict[int, dict]) -> dict:
    """The criteria of finished runs and the recommendation: what `train_sweep` returns.

    Args:
        config: settings of the sweep.
        folders: run folder of each K.
        results: metrics.json of each K.
    """
    dataset, aside, _ = load_split(config)
    assert aside is not None
    z = pretrained_codes(next(iter(folders.values())), dataset.x)
    bounds, rows = [], []
    for k, folder in folders.items():
        model = load(folder)
        bounds.append(evaluation.posterior(model, aside.x).elbo)
        shares = np.sort(model.predict(pipeline.ordered_batches(dataset.x), verbose=0).mean(axis=0))[::-1]
        ari, strength = criteria.stability(z, k, config.init, config.seed)
        start = Run.open(folder).load_start()
        assert start is not None  # a finished run has one
        rows.append(
            {
                "n_clusters": k,
                "held_out_elbo": float(bounds[-1].mean(dtype=np.float64)),
                "bic": criteria.bic(z, start),
                "stability": ari,
                "strength": strength,
                "components_used": int(np.sum(shares >= USED / k)),
                "shares": [round(float(share), 6) for share in shares],
                **{name: results[k][name] for name in ("elbo", "acc", "nmi", "ari")},
            }
        )
    for row, behind, error in zip(rows, *criteria.behind(np.stack(bounds)), strict=True):
        row.update(behind=float(behind), behind_se=float(error))
    choice = criteria.recommend(rows)
    return {"dataset": dataset.name, "n": len(dataset.x), "n_held_out": len(aside.x), "rows": rows, **vars(choice)}


def pretrained_codes(folder: Path, x: Rows) -> np.ndarray:
    """Codes m of raw rows x [n, D] as the autoencoder of a run has them: [n, latent]."""
    encoder_weights = Run.open(folder).load_pretrained()
    assert encoder_weights is not None
    model = load(folder)
    model.encoder.set_weights(encoder_weights[: len(model.encoder.weights)])
    return np.concatenate([model.encode(rows)[0].numpy() for rows in pipeline.ordered_batches(x)]).astype(np.float64)


def _table(rows: list[dict]) -> str:
    text = io.StringIO()
    columns = [name for name in rows[0] if name != "shares"]
    writer = csv.DictWriter(text, [*columns, "least_share"], lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**row, "least_share": row["shares"][-1]} for row in rows)
    return text.getvalue()
