"""One run out of several starts on one autoencoder; which of them is kept is decided without labels.

The kept run is copied to the top of the study's folder, so that is a run folder like any other.
"""

import json
import shutil
from pathlib import Path

from vade_tf.errors import InputError, whole_number
from vade_tf.runs import selection
from vade_tf.runs.config import MOST, TrainConfig
from vade_tf.runs.places import LOCK
from vade_tf.runs.study import Study
from vade_tf.training.reporter import Silent
from vade_tf.writing import whole, whole_path, write_whole


def train_restarts(
    config: TrainConfig, out: str | Path, n: int, *, reporter: Silent | None = None, export: bool = True
) -> dict:
    """Train an autoencoder and several VaDE from it, into a new folder, and keep the one the others agree with most.

    Args:
        config: settings of all; the restarts differ in `config.restart`, from 0.
        out: folder, not there yet or empty.
        n: number of restarts.
        reporter, export: as for `train.train`.

    Returns:
        metrics.json of the kept run, with `restarts`: for each its number, agreement, elbo and, where there are labels,
        acc (reported, used for nothing); and `diverged`, the numbers of those that are left out.

    Raises:
        InputError: as for `train.train`.
    """
    whole_number(n, "restarts", 1, MOST)
    if config.model != "vade":
        raise InputError(f"restarts: expected model='vade', got {config.model!r}; seeds go with every system")
    if config.restart:
        raise InputError(f"restart: goes with one run, the restarts of several begin at 0, got {config.restart}")
    if config.hints is not None:
        raise InputError("restarts: cannot be combined with hints, which a restart does not change")
    return _conclude(Study.begin("restarts", config, out, range(n)), reporter or Silent(), export)


def resume_restarts(out: str | Path, *, reporter: Silent | None = None, export: bool = True) -> dict:
    """What a folder of `train_restarts` still lacks; Returns as there."""
    return _conclude(Study.resume(out, "restarts"), reporter or Silent(), export)


def _conclude(study: Study, reporter: Silent, export: bool) -> dict:
    with study.held():
        runs = study.run(reporter, export)
        rows = [
            {"restart": number, **{name: run[name] for name in ("agreement", "elbo", "acc")}}
            for number, run in runs.items()
        ]
        best = rows[selection.most_agreed(rows)]
        kept, first = best["restart"], next(iter(runs.values()))
        reporter.say(
            f"kept restart {kept} of {len(rows)}: mean ARI with the others {best['agreement']:.3f} "
            f"(least {min(row['agreement'] for row in rows):.3f}), ELBO {best['elbo']:.2f}"
        )
        _copy(study.folders[kept], study.out)
        diverged = study.diverged(runs)
        study.conclude(rows, {"restarts": rows, "selected": kept, "diverged": diverged})
        result = {**{name: value for name, value in runs[kept].items() if name != "agreement"}, "restarts": rows}
        if first.get("choice") is not None:  # of K, for all
            result["choice"] = first["choice"]
        write_whole(study.out / "metrics.json", (json.dumps(result, indent=2) + "\n").encode())
        return {**result, "diverged": diverged}


def _copy(folder: Path, to: Path) -> None:
    """All that is in a run folder but metrics.json, which marks what is finished, and the lock."""
    for file in folder.iterdir():
        place = to / file.name
        if file.is_symlink():  # none of a run's own files
            continue
        if file.is_dir():
            shutil.rmtree(place, ignore_errors=True)  # what a kill after the copy left
            with whole_path(place) as copy:
                for each in (file, *file.rglob("*")):  # `copytree` goes on where the disk is full
                    if each.is_symlink():
                        continue
                    if each.is_dir():
                        (copy / each.relative_to(file)).mkdir()
                    elif each.is_file():
                        shutil.copyfile(each, copy / each.relative_to(file))
        elif file.is_file() and file.name not in ("metrics.json", LOCK):
            with file.open("rb") as content, whole(place) as copy:
                shutil.copyfileobj(content, copy)
