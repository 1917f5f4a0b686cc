"""One configuration over several seeds: their spread, and a choice that reads no label."""

import warnings
from pathlib import Path

import numpy as np

from vade_tf.errors import InputError, whole_number
from vade_tf.runs import selection
from vade_tf.runs.config import MOST, TrainConfig
from vade_tf.runs.places import kind_of
from vade_tf.runs.study import Study
from vade_tf.training.reporter import Silent


def run_folders(path: str | Path) -> list[Path]:
    """The finished runs of a folder made by `train_seeds`, by seed; of any other folder, itself.

    Warns of seeds that are not finished.
    """
    path = Path(path)
    if kind_of(path) != "seeds":
        return [path]
    runs = [file.parent for file in path.glob("seed-*/metrics.json")]
    if not runs:
        raise InputError(f"{path}: no seed of it is finished; continue it with resume={str(path)!r}")
    for run in runs:
        if not run.name.removeprefix("seed-").isdecimal():
            raise InputError(f"{run}: expected a name such as seed-3; name it so, or put it elsewhere")
    missing = [] if (path / "summary.json").exists() else _unfinished(path)  # it says which have diverged
    if missing:
        which = f"seed {missing[0]} is" if len(missing) == 1 else f"seeds {', '.join(missing)} are"
        warnings.warn(
            f"{path}: {which} not finished and left out; resume={str(path)!r} continues the study",
            UserWarning,
            stacklevel=2,
        )
    return sorted(runs, key=lambda folder: int(folder.name.removeprefix("seed-")))


def _unfinished(path: Path) -> list[str]:
    """The seeds of a study that are not finished; none where its plan cannot be read, as that of another version."""
    try:
        study = Study.open(path, "seeds")
    except InputError:
        return []
    done = study.done
    return [str(seed) for seed, folder in study.folders.items() if folder not in done]


def train_seeds(
    config: TrainConfig, out: str | Path, n_seeds: int, *, reporter: Silent | None = None, export: bool = True
) -> dict:
    """Train seeds config.seed, config.seed + 1, ... into sub-folders seed-0, ... of a new folder.

    Args:
        config: settings of all runs.
        out: folder, not there yet or empty.
        n_seeds: number of seeds.
        reporter, export: as for `train.train`.

    Returns:
        What summary.json holds: runs (for each its metrics.json and its agreement, the mean ARI with the others), mean,
        std (n - 1), min, max of acc, nmi, ari and elbo (labels permitting), `selected`, the seed that the others agree
        with most (of equals, the one with the highest ELBO), and `diverged`, the seeds that are left out of all this.

    Raises:
        InputError: as for `train.train`, or seeds beyond the largest.
        DivergedError: as for `train.train`, of every seed.
    """
    whole_number(n_seeds, "seeds", 1, MOST)
    if config.seed + n_seeds > 2**31:
        raise InputError(f"seeds: expected the last of them below 2^31, got {n_seeds} from {config.seed} up")
    study = Study.begin("seeds", config, out, range(config.seed, config.seed + n_seeds))
    return _conclude(study, reporter or Silent(), export)


def resume_seeds(out: str | Path, *, reporter: Silent | None = None, export: bool = True) -> dict:
    """The seeds that a folder of `train_seeds` still lacks; Returns as there."""
    return _conclude(Study.resume(out, "seeds"), reporter or Silent(), export)


def _conclude(study: Study, reporter: Silent, export: bool) -> dict:
    with study.held():
        results = study.run(reporter, export)
        runs = list(results.values())
        selected = runs[selection.most_agreed(runs)]["seed"]
        names = ("seed", "agreement", "elbo", "acc", "nmi", "ari")
        rows = [{name: run[name] for name in names} for run in runs]
        summary = {"runs": runs, **spread(runs), "selected": selected, "diverged": study.diverged(results)}
        return study.conclude(rows, summary)


def spread(runs: list[dict]) -> dict:
    """mean, std, min and max of each figure that every run has."""
    figures = {}
    for name in ("acc", "nmi", "ari", "elbo"):
        values = [run[name] for run in runs]
        if None not in values:
            std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            figures[name] = {"mean": float(np.mean(values)), "std": std, "min": min(values), "max": max(values)}
    return figures
