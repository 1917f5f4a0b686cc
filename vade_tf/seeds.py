"""One configuration over several seeds: a run folder each, their spread, and a choice that reads no label."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from vade_tf import criteria, phases, training
from vade_tf.config import TrainConfig
from vade_tf.data.sources import load_dataset
from vade_tf.errors import InputError
from vade_tf.run import Run, check_empty, load, write_whole

FILE = "seeds.json"


def is_study(path: str | Path) -> bool:
    """Whether a folder was made by `train_seeds`."""
    return (Path(path) / FILE).exists()


def run_folders(path: str | Path) -> list[Path]:
    """The finished runs of a folder made by `train_seeds`, by seed; of any other folder, itself."""
    path = Path(path)
    if not is_study(path):
        return [path]
    runs = [file.parent for file in path.glob("seed-*/metrics.json")]
    if not runs:
        raise InputError(f"{path}: no seed of it is finished; continue it with python train.py --resume {path}")
    return sorted(runs, key=lambda folder: int(folder.name.removeprefix("seed-")))


def train_seeds(config: TrainConfig, out: str | Path, n_seeds: int, *, reporter=None, export: bool = True) -> dict:
    """Train seeds config.seed, config.seed + 1, ... into sub-folders seed-0, ... of a new folder.

    Args:
        config: settings of all runs.
        out: folder, not there yet or empty.
        n_seeds: number of seeds.
        reporter, export: as for `training.train`.

    Returns:
        What summary.json holds: runs (for each its metrics.json and its agreement, the mean ARI with the others), mean,
        std (n - 1), min, max of acc, nmi, ari and elbo (labels permitting), and `selected`, the seed that the others
        agree with most (of equals, the one with the highest ELBO).

    Raises:
        InputError: as for `training.train`.
    """
    config = training.settled(config, load_dataset(config)[0])  # says what is wrong before anything is written
    begin(out, FILE, {"n_seeds": n_seeds, "config": json.loads(config.to_json())})
    return resume_seeds(out, reporter=reporter, export=export)


def resume_seeds(out: str | Path, *, reporter=None, export: bool = True) -> dict:
    """The seeds that a folder of `train_seeds` still lacks; Returns as there."""
    out = Path(out)
    reporter = reporter or phases.Silent()
    plan = json.loads((out / FILE).read_text())
    config = TrainConfig(**plan["config"])
    folders = {seed: out / f"seed-{seed}" for seed in range(config.seed, config.seed + plan["n_seeds"])}
    runs = [
        finished(replace(config, seed=seed), folder, f"seed {seed}", reporter=reporter, export=export)
        for seed, folder in folders.items()
    ]
    for run, ari in zip(runs, agreement(list(folders.values())), strict=True):
        run["agreement"] = float(ari)
    summary = {"runs": runs, **spread(runs), "selected": runs[criteria.most_agreed(runs)]["seed"]}
    write_whole(out / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return summary


def begin(out: str | Path, file: str, plan: dict) -> None:
    """Make a folder of several runs, with the file that says what they are to be.

    Raises:
        InputError: the folder is not empty, or cannot be written.
    """
    out = Path(out)
    check_empty(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / file, json.dumps(plan).encode())
    except OSError as error:
        raise InputError(f"--out: {out} cannot be written ({error.strerror}); choose another folder") from error


def finished(config: TrainConfig, folder: Path, name: str, *, reporter, extra=(), export: bool = True) -> dict:
    """metrics.json of the run in a folder, which is trained, or continued, unless it is finished.

    Args:
        config: its settings, if it is not there yet.
        folder: the run folder.
        name: what is said when there is something to do.
        reporter, extra, export: as for `training.train`.
    """
    if (folder / "metrics.json").exists():
        return json.loads((folder / "metrics.json").read_text())
    reporter.say(name)
    if (folder / "config.json").exists():
        return training.resume(folder, reporter=reporter, extra=extra, export=export)
    return training.train(config, folder, reporter=reporter, extra=extra, export=export)


def agreement(folders: list[Path]) -> np.ndarray:
    """Mean adjusted Rand index of the groups of each of R finished runs on the same rows with all others, [R]."""
    dataset, _ = load_dataset(Run.open(folders[0]).config)
    return criteria.agreement([phases.model_groups(load(folder), dataset) for folder in folders])


def spread(runs: list[dict]) -> dict:
    """mean, std, min and max of each figure that every run has."""
    figures = {}
    for name in ("acc", "nmi", "ari", "elbo"):
        values = [run[name] for run in runs]
        if None not in values:
            std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            figures[name] = {"mean": float(np.mean(values)), "std": std, "min": min(values), "max": max(values)}
    return figures
