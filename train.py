"""Train a VaDE, or a system it is compared with, from the command line.

python train.py --dataset mnist                          the default recipe, into runs/mnist
python train.py --dataset mnist --recipe paper           the paper's own setting
python train.py --dataset mnist --limit 5000             a quick look
python train.py --data my.npy --clusters 12              your own rows
python train.py --dataset mnist --seeds 5                five runs and their mean, spread and label-free choice
python train.py --dataset mnist --restarts 5             five starts on one autoencoder; the best is kept, label-free
python train.py --dataset mnist --clusters 5:20          how many clusters? a run each, and the K the data speak for
python train.py --dataset mnist --model dec              a system that VaDE is compared with
python train.py --resume runs/mnist                      continue after a kill
"""

import argparse
import dataclasses
import os
import sys
import typing
from pathlib import Path

from vade_tf.config import TrainConfig, cluster_counts, flag
from vade_tf.errors import DivergedError, InputError


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The flags: one for each field of TrainConfig, and those that say where and how to run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    kinds = typing.get_type_hints(TrainConfig)
    for field in dataclasses.fields(TrainConfig):
        text = field.metadata["help"]
        if field.default is not None and not isinstance(field.default, bool):
            text += f" (default: {field.default})"
        options: dict = {"default": argparse.SUPPRESS, "help": text}
        if kinds[field.name] is bool:
            options["action"] = argparse.BooleanOptionalAction if field.default else "store_true"
        else:
            kind = kinds[field.name]
            options["type"] = next(t for t in (typing.get_args(kind) or (kind,)) if t is not type(None))
            options["metavar"] = "|".join(field.metadata.get("choices", ())) or options["type"].__name__.upper()
        if field.name == "clusters":
            options |= {"type": str, "metavar": "K|LOW:HIGH[:STEP]"}
            options["help"] += "; a range: one run for each, and the K that the data speak for"
        parser.add_argument(flag(field.name), **options)
    where = parser.add_argument_group("where and how to run")
    where.add_argument("--out", help="run folder (default: runs/NAME, or the next free runs/NAME-2, ...)")
    where.add_argument("--resume", metavar="RUN", help="continue an unfinished run; takes its settings from the folder")
    where.add_argument("--seeds", type=int, default=1, help="number of seeds, from --seed up (default: 1)")
    where.add_argument("--restarts", type=int, default=1, help="number of starts to choose from (default: 1)")
    where.add_argument("--no-export", action="store_true", help="no SavedModel in the run folder's export/1")
    where.add_argument("--quiet", action="store_true", help="no progress, no table")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    settings = vars(parse(argv))
    place = {name: settings.pop(name) for name in ("out", "resume", "seeds", "restarts", "no_export", "quiet")}
    try:
        run(settings, **place)
    except InputError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except DivergedError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train.py: stopped; python train.py --resume RUN continues it", file=sys.stderr)
        return 130
    return 0


def run(
    settings: dict, out: str | None, resume: str | None, seeds: int, restarts: int, no_export: bool, quiet: bool
) -> None:
    for name, number in (("--seeds", seeds), ("--restarts", restarts)):
        if number < 1:
            raise InputError(f"{name}: expected a whole number of at least 1, got {number}")
    if resume is not None and (settings or out or seeds > 1 or restarts > 1):
        raise InputError("--resume: takes every setting from the run folder; only --no-export and --quiet go with it")
    several = cluster_counts(settings.pop("clusters")) if "clusters" in settings else range(0)
    if sum((len(several) > 1, seeds > 1, restarts > 1)) > 1:
        raise InputError(
            f"--clusters, --seeds and --restarts: expected several of one of them, got {max(len(several), 1)}, {seeds} "
            f"and {restarts}"
        )
    if len(several) == 1:
        settings["clusters"] = several[0]
    config = None if resume is not None else TrainConfig.create(**settings)

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from vade_tf.terminal import Terminal, hushed

    with hushed():
        import tensorflow as tf

        from vade_tf import phases, sweep, training
        from vade_tf import restarts as choice
        from vade_tf import seeds as studies
        from vade_tf.run import free_folder

        tf.constant(0)  # the device speaks up when first used
    tf.get_logger().setLevel("ERROR")

    name = config.dataset or Path(config.data).stem if config else None
    if config and config.model != "vade":
        name += f"-{config.model}"
    path = Path(resume or out or free_folder(Path("runs"), f"{name}-sweep" if len(several) > 1 else name))
    with phases.Silent() if quiet else Terminal() as reporter:
        common: dict = {"reporter": reporter, "export": not no_export}
        if resume:
            kinds = (
                (studies.is_study, reporter.seeds, studies.resume_seeds),
                (sweep.is_sweep, reporter.sweep, sweep.resume_sweep),
                (choice.has_restarts, reporter.result, choice.resume_restarts),
                (lambda path: True, reporter.result, training.resume),
            )
            show, go_on = next((show, go_on) for is_kind, show, go_on in kinds if is_kind(path))
            result = go_on(path, **common)
        elif len(several) > 1:
            show, result = reporter.sweep, sweep.train_sweep(config, path, several, **common)
        elif seeds > 1:
            show, result = reporter.seeds, studies.train_seeds(config, path, seeds, **common)
        elif restarts > 1:
            show, result = reporter.result, choice.train_restarts(config, path, restarts, **common)
        else:
            show, result = reporter.result, training.train(config, path, **common)
    show(result, str(path))


if __name__ == "__main__":
    sys.exit(main())
