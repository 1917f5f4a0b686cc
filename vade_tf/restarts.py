"""One run out of several starts on one autoencoder; which of them is kept is decided without labels.

restarts.json      the plan; its presence marks the folder
restarts/0/, ...   a run each; the first trains the autoencoder and the others take it
restarts.csv       a row a restart: what speaks for it

The kept run is copied to the top, so the folder is a run folder like any other.
"""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

from vade_tf import criteria, phases, seeds, training
from vade_tf.config import TrainConfig
from vade_tf.data.sources import load_dataset
from vade_tf.errors import InputError
from vade_tf.run import write_whole

FILE = "restarts.json"


def has_restarts(path: str | Path) -> bool:
    """Whether a folder was made by `train_restarts`."""
    return (Path(path) / FILE).exists()


def train_restarts(config: TrainConfig, out: str | Path, n: int, *, reporter=None, export: bool = True) -> dict:
    """Train an autoencoder and several VaDE from it, into a new folder, and keep the one the others agree with most.

    Args:
        config: settings of all; the restarts differ in `config.restart`, from 0.
        out: folder, not there yet or empty.
        n: number of restarts.
        reporter, export: as for `training.train`.

    Returns:
        metrics.json of the kept run, with `restarts`: for each its number, agreement, elbo and, where there are labels,
        acc (reported, used for nothing).

    Raises:
        InputError: as for `training.train`.
    """
    if config.model != "vade":
        raise InputError(f"--restarts: expected --model vade, got {config.model!r}; --seeds goes with every system")
    if config.hints is not None:
        raise InputError("--restarts: expected no --hints with it, which take the place of a start")
    dataset, _ = load_dataset(config)  # say what is wrong before anything is written
    config = training.settled(config, dataset)
    if config.pretrained is not None:
        phases.pretrained_by(config, dataset)
    seeds.begin(out, FILE, {"n": n, "config": json.loads(config.to_json())})
    return resume_restarts(out, reporter=reporter, export=export)


def resume_restarts(out: str | Path, *, reporter=None, export: bool = True) -> dict:
    """What a folder of `train_restarts` still lacks; Returns as there."""
    out = Path(out)
    reporter = reporter or phases.Silent()
    if (out / "metrics.json").exists():
        raise InputError(f"--resume: {out} holds a finished run; nothing is left to do")
    plan = json.loads((out / FILE).read_text())
    config = TrainConfig(**plan["config"])
    folders = [out / "restarts" / str(number) for number in range(plan["n"])]
    runs = []
    for number, folder in enumerate(folders):
        shared = config.pretrained or (str(folders[0]) if number else None)
        one = replace(config, restart=number, pretrained=shared)
        runs.append(seeds.finished(one, folder, f"restart {number}", reporter=reporter, export=export))
    agreement = seeds.agreement(folders)
    rows = [
        {"restart": number, "agreement": float(ari), **{name: run[name] for name in ("elbo", "acc")}}
        for number, (ari, run) in enumerate(zip(agreement, runs, strict=True))
    ]
    kept = criteria.most_agreed(rows)
    reporter.say(
        f"kept restart {kept} of {len(rows)}: mean ARI with the others {rows[kept]['agreement']:.3f} "
        f"(least {agreement.min():.3f}), ELBO {rows[kept]['elbo']:.2f}"
    )
    shutil.copytree(
        folders[kept], out, dirs_exist_ok=True, ignore=lambda _, names: [n for n in names if n == "metrics.json"]
    )
    write_whole(out / "restarts.csv", _table(rows).encode())
    result = {**runs[kept], "restarts": rows}
    write_whole(out / "metrics.json", (json.dumps(result, indent=2) + "\n").encode())
    return result


def _table(rows: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
