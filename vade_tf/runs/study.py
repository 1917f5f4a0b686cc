"""Several runs of one configuration in one folder: over seeds, over restarts, or over numbers of clusters.

    KIND.json        the plan: the values, and the configuration they vary; its presence marks the folder
    seed-0/, ...     a run each; restart-0/, ... and k-5/, ... in the other kinds
    KIND.csv         a row a run
    summary.json     the runs side by side, and which of them was chosen without labels; marks the study as finished

The rows are loaded once. Restarts and numbers of clusters share the autoencoder that their first run trains. Of
restarts the chosen run is copied to the top of the folder, which is a run folder like any other then.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from vade_tf.data.dataset import Dataset
from vade_tf.data.rows import Rows
from vade_tf.errors import DivergedError, InputError
from vade_tf.runs import train
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import SCORES, Run, load, read_json, table
from vade_tf.runs.location import LOCK, PREFIXES, check_unfinished, check_unused, held, kind_of
from vade_tf.runs.rows import filled, load_rows, load_whole
from vade_tf.storage import whole_path, write_whole
from vade_tf.training.n_clusters import MIN_STRENGTH, prediction_strength
from vade_tf.training.posterior import codes, model_groups
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import AUTO
from vade_tf.training.store import listed

SETTINGS = {"seeds": "seed", "restarts": "restart", "clusters": "clusters"}  # what varies in each kind of study


@dataclass
class Study:
    """A folder of several runs."""

    kind: str  # one of SETTINGS
    out: Path
    config: TrainConfig  # what the runs have in common
    values: list[int]  # of the setting that varies, ascending
    whole: Dataset  # all rows

    def folder(self, value: int) -> Path:
        return self.out / f"{PREFIXES[self.kind]}{value}"

    def config_of(self, value: int) -> TrainConfig:
        config, first = self.config, self.folder(self.values[0])
        if value != self.values[0]:
            if self.kind != "seeds" and config.pretrained is None:
                config = replace(config, pretrained=str(first))
            if config.clusters == AUTO and (first / "metrics.json").exists():  # it has chosen K, for all
                config = replace(config, clusters=Run.open(first).metrics["n_clusters"])
        varied: dict = {SETTINGS[self.kind]: value}
        return replace(config, **varied)

    def run(self, reporter: Silent, export: bool) -> dict[int, dict]:
        """metrics.json of every run, by its value, each trained or continued where it is not finished.

        Of seeds and restarts also its agreement: the mean adjusted Rand index of its groups with those of the others.

        Raises:
            DivergedError: every run, or the autoencoder that they share; one of several is reported and left out.
        """
        results, whole = {}, self.whole
        lent = self.folder(self.values[0]) / "checkpoints" / "pretrained.npz"
        for value in self.values:
            try:
                results[value] = self._finish(value, whole, reporter, export)
            except DivergedError as error:
                text, last = f"{self.folder(value)}: {error}", value == self.values[-1] and not results
                if last or (self.kind != "seeds" and self.config.pretrained is None and not lent.exists()):
                    raise DivergedError(text) from error
                reporter.say(text)
            whole = replace(self.whole, notice="")  # which the first run has shown
        if self.kind != "clusters":  # other K have other groups
            for result, ari in zip(results.values(), agreement(list(map(self.folder, results)), whole), strict=True):
                result["agreement"] = float(ari)
        return results

    def _finish(self, value: int, whole: Dataset, reporter: Silent, export: bool) -> dict:
        folder = self.folder(value)
        if (folder / "metrics.json").exists():
            return Run.open(folder).metrics
        reporter.say(f"{SETTINGS[self.kind]} {value}")
        if (folder / "config.json").exists():
            return train.resume(folder, whole=whole, reporter=reporter, export=export)
        return train.train(self.config_of(value), folder, whole=whole, reporter=reporter, export=export)


def train_study(
    kind: str,
    config: TrainConfig,
    out: str | Path,
    values: Sequence[int],
    *,
    reporter: Silent | None = None,
    export: bool = True,
) -> dict:
    """Train one run for each value of a setting into a new folder, and choose one without labels.

    Args:
        kind: "seeds", "restarts", or "clusters" (a sweep).
        config: what the runs have in common.
        out: folder, not there yet or empty.
        values: seeds, numbers of restarts from 0, or numbers of clusters.
        reporter, export: as for `train.train`.

    Returns:
        What summary.json holds, with `diverged`, the values that are left out. Of seeds: `runs` (for each its
        metrics.json and agreement), mean, std (n - 1), min and max of acc, nmi, ari and elbo (labels permitting), and
        `selected`, the seed that the others agree with most. Of clusters: dataset, n,
        `rows` (strength, elbo and scores of each K), n_clusters, the K that is recommended, and why. Of restarts:
        metrics.json of the chosen run, with `restarts`, one dict each.

    Raises:
        InputError: data or settings that cannot be used, or a folder in use; nothing is written then.
        DivergedError: as for `train.train`, of every run.
    """
    out, values = Path(out), sorted(set(values))
    check_unused(out)
    _check(kind, config)
    if kind == "clusters":
        config = replace(config, clusters=values[-1])
    whole = load_whole(config)
    rows = load_rows(config, whole)
    filled(rows.config, rows)
    study = Study(kind, out, rows.config, values, whole)
    study.config_of(values[-1])  # raises where it cannot be so large
    out.mkdir(parents=True, exist_ok=True)
    with held(out, "out"):
        plan = {"values": values, "config": json.loads(rows.config.to_json())}
        write_whole(out / f"{kind}.json", json.dumps(plan).encode())
        return _conclude(study, reporter or Silent(), export)


def resume_study(out: str | Path, *, reporter: Silent | None = None, export: bool = True) -> dict:
    """What a folder of `train_study` still lacks; Returns as there.

    Raises:
        InputError: its plan is damaged, or nothing is left to do.
    """
    check_unfinished(out := Path(out))
    kind = kind_of(out)
    assert kind is not None  # `train.resume` is for a single run
    plan = read_json(out / f"{kind}.json", ("config", "values"))
    config, values = TrainConfig.of(plan["config"]), [int(value) for value in plan["values"]]
    begun = sorted(out.glob(f"{PREFIXES[kind]}*/config.json"))
    before = Run.open(begun[0].parent) if begun else None
    with held(out, "resume"):
        whole = load_whole(config, before, None if before is None else before.data.get("in_file"))
        if before is not None:  # or runs on several data are compared
            before.check_data(train.identity(load_rows(before.config, whole)), "resume")
        return _conclude(Study(kind, out, config, values, whole), reporter or Silent(), export)


def _check(kind: str, config: TrainConfig) -> None:
    """Raises InputError where several runs cannot have these settings."""
    if config.distribute == "multiworker":
        raise InputError("distribute", "none or mirrored for several runs", "multiworker", "train one run")
    if kind != "seeds" and config.model != "vade":
        raise InputError(kind, "one of them for other systems than VaDE", f"several for {config.model}")
    if kind == "clusters" and config.hints is not None:
        raise InputError("hints", "one number of clusters, whose groups they name", "several")
    if kind == "seeds" and config.pretrained is not None and config.limit is not None:
        raise InputError("pretrained", "all rows for several seeds", "limit, by which each seed draws others")


def _conclude(study: Study, reporter: Silent, export: bool) -> dict:
    """Train what is left, and write KIND.csv, summary.json and, of restarts, the chosen run."""
    results = study.run(reporter, export)
    conclude = {"seeds": _of_seeds, "restarts": _of_restarts, "clusters": _of_clusters}[study.kind]
    summary, rows = conclude(study, results, reporter)
    diverged = summary["diverged"] = [value for value in study.values if value not in results]
    write_whole(study.out / f"{study.kind}.csv", table(rows, list(rows[0])))
    write_whole(study.out / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return {**read_json(study.out / "metrics.json"), "diverged": diverged} if study.kind == "restarts" else summary


def _of_seeds(study: Study, results: dict[int, dict], reporter: Silent) -> tuple[dict, list[dict]]:
    runs, spread = list(results.values()), {}
    for name in (*SCORES, "elbo"):
        values = [run[name] for run in runs]
        if None not in values:
            std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            spread[name] = {"mean": float(np.mean(values)), "std": std, "min": min(values), "max": max(values)}
    rows = [{name: run[name] for name in ("seed", "agreement", "elbo", *SCORES)} for run in runs]
    return {"runs": runs, **spread, "selected": runs[most_agreed(runs)]["seed"]}, rows


def _of_restarts(study: Study, results: dict[int, dict], reporter: Silent) -> tuple[dict, list[dict]]:
    names = ("agreement", "elbo", "acc")
    rows = [{"restart": value, **{name: run[name] for name in names}} for value, run in results.items()]
    best = rows[most_agreed(rows)]
    reporter.say(
        f"kept restart {best['restart']} of {len(rows)}: mean ARI with the others {best['agreement']:.3f}, ELBO "
        f"{best['elbo']:.2f}"
    )
    for file in study.folder(best["restart"]).iterdir():
        if file.name in ("metrics.json", LOCK) or file.is_symlink():
            continue
        shutil.rmtree(study.out / file.name, ignore_errors=True)  # what a kill after the copy left
        with whole_path(study.out / file.name) as copy:
            shutil.copytree(file, copy, symlinks=True) if file.is_dir() else shutil.copyfile(file, copy)
    kept = {name: value for name, value in results[best["restart"]].items() if name != "agreement"}
    choice = results[min(results)].get("choice")  # of K, for all
    found = {**kept, **({} if choice is None else {"choice": choice}), "restarts": rows}
    write_whole(study.out / "metrics.json", (json.dumps(found, indent=2) + "\n").encode())
    return {"restarts": rows, "selected": best["restart"]}, rows


def _of_clusters(study: Study, results: dict[int, dict], reporter: Silent) -> tuple[dict, list[dict]]:
    dataset, numbers = load_rows(study.config, study.whole).dataset, list(results)
    code = pretrained_codes(study.folder(numbers[0]), dataset.x)
    strength = [float(each) for each in prediction_strength(code, numbers, study.config.seed).weakest]
    best, why = recommend(numbers, strength)
    rows = [
        {"n_clusters": k, "strength": each, **{name: results[k][name] for name in ("elbo", *SCORES)}}
        for k, each in zip(numbers, strength, strict=True)
    ]
    return {"dataset": dataset.name, "n": len(dataset.x), "rows": rows, "n_clusters": best, "why": why}, rows


def agreement(folders: list[Path], whole: Dataset | None = None) -> np.ndarray:
    """Mean adjusted Rand index of the groups of each of R finished runs on the same rows with all others, [R]."""
    first = Run.open(folders[0])
    x = load_rows(first.config, load_whole(first.config, first) if whole is None else whole).dataset.x
    return mean_ari([model_groups(load(folder), x) for folder in folders])


def pretrained_codes(folder: Path, x: Rows) -> np.ndarray:
    """Codes m of raw rows x [n, D] as the autoencoder of a run has them: [n, latent]."""
    run, model = Run.open(folder), load(folder)
    kept = run.load("pretrained")
    if kept is None:
        raise InputError("resume", "checkpoints of the autoencoder", f"none at {run.place('pretrained')}")
    model.encoder.set_weights(listed(kept)[: len(model.encoder.weights)])
    return codes(model, x).astype(np.float64)


def mean_ari(partitions: list[np.ndarray]) -> np.ndarray:
    """Mean ARI of each of R partitions of the same rows with all others, [R]; 1 where there is a single one.

    Where some have several groups, those of a single one, which have collapsed, agree with nothing.
    """
    ari, several = np.eye(len(partitions)), [len(np.unique(one)) > 1 for one in partitions]
    for i, one in enumerate(partitions):
        for j, other in enumerate(partitions[:i]):
            if several[i] or several[j] or not any(several):
                ari[i, j] = ari[j, i] = adjusted_rand_score(one, other)
    return (ari.sum(axis=1) - 1) / (len(ari) - 1) if len(ari) > 1 else np.ones(1)


def most_agreed(rows: list[dict]) -> int:
    """Place of the run whose agreement is highest; of equals that with the highest ELBO, which may be None."""
    bounds = [float("-inf") if row["elbo"] is None else row["elbo"] for row in rows]
    return max(range(len(rows)), key=lambda i: (rows[i]["agreement"], bounds[i]))


def recommend(numbers: list[int], strength: list[float]) -> tuple[int, str]:
    """One K of those tried, which ascend, and why: the largest of a prediction strength of at least `MIN_STRENGTH`."""
    strong = [k for k, value in zip(numbers, strength, strict=True) if value >= MIN_STRENGTH]
    best = strong[-1] if strong else numbers[int(np.argmax(strength))]
    why = f"the largest K with a prediction strength of at least {MIN_STRENGTH}"
    if not strong:
        why = f"no K has a prediction strength of {MIN_STRENGTH}; this one has the highest"
    if len(numbers) > 1 and best in (numbers[0], numbers[-1]):
        why += "; it is at the end of the range: try a wider one"
    return best, why
