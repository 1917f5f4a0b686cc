"""Train a VaDE, or a system it is compared with, from the command line.

vade-tf train --dataset mnist                          the default recipe, into runs/mnist
vade-tf train --dataset mnist --recipe paper           the paper's own setting
vade-tf train --dataset mnist --limit 5000             a quick look
vade-tf train --data my.npy --clusters 12              your own rows
vade-tf train --dataset mnist --seeds 5                five runs: mean, spread, and one chosen without labels
vade-tf train --dataset mnist --restarts 5             five starts on one autoencoder; one is kept, without labels
vade-tf train --dataset mnist --clusters 5:20          one model per K, and a recommended K
vade-tf train --data my.npy --clusters auto            K is chosen first, then one model is trained
vade-tf train --dataset mnist --model dec              a system that VaDE is compared with
vade-tf train --dataset mnist --distribute mirrored    on all GPUs of this machine
vade-tf train --resume runs/mnist                      continue after a kill
"""

import argparse
import contextlib
import dataclasses
import os
import shlex
import typing
from collections.abc import Callable
from pathlib import Path

from vade_tf.cli.command import Parser, answer, check_single, path, starting, typed
from vade_tf.cli.speech import flag, in_flags
from vade_tf.errors import DivergedError, InputError, whole_number
from vade_tf.runs.config import MOST, TrainConfig, cluster_counts
from vade_tf.training.settings import AUTO, RECIPES, Settings

TRAINING = {field.name for field in dataclasses.fields(Settings)} | {"model", "pretrained"}  # the others are of rows


def parse(argv: list[str] | None, prog: str = "vade-tf train") -> argparse.Namespace:
    """The flags: one for each field of TrainConfig, and those that say where and how to run."""
    parser = Parser(prog, __doc__)
    parser.usage = "%(prog)s [--dataset NAME | --data FILE --clusters K] [option ...]"
    rows, training = parser.add_argument_group("rows"), parser.add_argument_group("model and training")
    kinds = typing.get_type_hints(TrainConfig)
    for field in dataclasses.fields(TrainConfig):
        options: dict = {"default": argparse.SUPPRESS, "help": described(field)}
        if kinds[field.name] is bool:
            options["action"] = "store_true"
        else:
            options["type"], options["metavar"] = typed_as(kinds[field.name])
            if field.metadata.get("path"):
                options["type"], options["metavar"] = path, "PATH"
            options["metavar"] = "|".join(field.metadata.get("choices", ())) or options["metavar"]
        if field.name == "clusters":
            options |= {"type": str, "metavar": "K|LOW:HIGH[:STEP]|auto"}
            options["help"] += "; a range trains one model per K and recommends one; --data needs one of these"
        (training if field.name in TRAINING else rows).add_argument(flag(field.name), **options)
    where = parser.add_argument_group("where and how to run")
    where.add_argument("--out", type=path, help="run folder (default: runs/NAME, or the next free runs/NAME-2, ...)")
    where.add_argument(
        "--resume", type=path, metavar="RUN", help="continue an unfinished run; takes its settings from the folder"
    )
    where.add_argument("--seeds", type=int, default=1, help="number of seeds, from --seed up (default: 1)")
    where.add_argument("--restarts", type=int, default=1, help="number of starts to choose from (default: 1)")
    where.add_argument("--no-export", action="store_true", help="no SavedModel in the run folder's export/1")
    where.add_argument("--quiet", action="store_true", help="no progress, no table")
    return parser.parse_args(argv)


def described(field: dataclasses.Field) -> str:
    """The help of a flag: what the setting is, and its default in each recipe where these differ."""
    text = in_flags(field.metadata["help"]).replace("%", "%%")
    presets = {recipe: preset[field.name] for recipe, preset in RECIPES.items() if field.name in preset}
    if "robust" in presets:
        other = f"; recipe paper: {presets['paper']}" if presets["paper"] != presets["robust"] else ""
        text += f" (default: {presets['robust']}{other})"
    elif field.default is not None and not isinstance(field.default, bool):
        text += f" (default: {field.default})"
    return text


def typed_as(kind) -> tuple[type, str]:
    """What argparse makes of a flag's value, and how its help shows it, from the type of the setting."""
    found = next(t for t in (typing.get_args(kind) or (kind,)) if t is not type(None))
    if typing.get_origin(found) is tuple:
        return str, "N,N,..."
    return found, {int: "N", float: "X", str: "NAME"}[found]


def main(argv: list[str] | None = None, prog: str = "vade-tf train") -> int:
    """The command; returns the exit code."""
    settings = vars(parse(argv, prog))
    place = {name: settings.pop(name) for name in ("out", "resume", "seeds", "restarts", "no_export", "quiet")}
    begun: list[Path] = []
    return answer(
        prog,
        lambda: run(settings, **place, prog=prog, begun=begun),
        stopped=lambda: going_on(begun, prog),
        paths=(place["resume"], settings.get("pretrained")),
    )


def going_on(begun: list[Path], prog: str) -> str:
    """How to go on after the work was cut short.

    Args:
        begun: the run folder, once it is known.
        prog: the program as typed.
    """
    from vade_tf.runs.places import KINDS, kind_of

    plans = ("config.json", *(f"{kind}.json" for kind in KINDS))
    folders = [folder for folder in begun if any((folder / plan).exists() for plan in plans)]
    if not folders:
        return "nothing was written"
    if finished(folders[0], kind_of(folders[0])):
        return f"{folders[0]} is finished"
    return f"{typed(prog)} --resume {shlex.quote(str(folders[0]))} continues it"


def run(
    settings: dict,
    out: str | None,
    resume: str | None,
    seeds: int,
    restarts: int,
    no_export: bool,
    quiet: bool,
    prog: str,
    begun: list[Path],
) -> None:
    """Train; `begun` gets the folder as soon as it is known."""
    for name, number in (("--seeds", seeds), ("--restarts", restarts)):
        whole_number(number, name, 1, MOST)
    if resume is not None and (settings or out or seeds > 1 or restarts > 1):
        raise InputError("--resume: takes every setting from the run folder; only --no-export and --quiet go with it")
    given = settings.get("clusters", AUTO)
    several = range(0) if given == AUTO else cluster_counts(given)
    if sum((len(several) > 1, seeds > 1, restarts > 1)) > 1:
        raise InputError(
            f"--clusters, --seeds and --restarts: expected several of one of them, got {max(len(several), 1)}, {seeds} "
            f"and {restarts}"
        )
    if several:
        settings |= {"clusters": several[0]}
    config = None if resume is not None else TrainConfig.create(**settings)

    from vade_tf.cli.terminal import Terminal

    with starting():
        from vade_tf.runs import restarts as choice
        from vade_tf.runs import seeds as studies
        from vade_tf.runs import sweep
        from vade_tf.runs import train as training
        from vade_tf.runs.folder import Run
        from vade_tf.runs.places import KINDS, free_folder, kind_of, reserved
        from vade_tf.training import cluster

        if resume is not None:
            kind = kind_of(resume)
            single = None
            if kind is None:
                run = Run.open(resume, "resume")
                training.check_unfinished(run)  # before a worker waits for others, which have ended
                single = run.config
        else:
            if config is not None and config.pretrained is not None:
                check_single(config.pretrained, "pretrained")
            kind = "clusters" if len(several) > 1 else "seeds" if seeds > 1 else "restarts" if restarts > 1 else None
            single = None if kind else config
        if kind == "clusters":
            from vade_tf.report import figures  # matplotlib, which the other runs do without
        if single is not None:
            cluster.strategy(single.distribute)  # TensorFlow joins a cluster now or not at all

    terminal = Terminal(evaluate=typed(prog, "evaluate"))
    with contextlib.ExitStack() as stack:
        if named := resume or out:
            folder = Path(named)
        elif config is not None and config.distribute == "multiworker":  # of which each worker has to name the same
            folder = free_folder(Path("runs"), folder_name(config, False))
        else:
            folder = stack.enter_context(reserved(Path("runs"), folder_name(config, len(several) > 1)))
        begun.append(folder)
        reporter = stack.enter_context(contextlib.nullcontext() if quiet else terminal)
        common: dict = {"reporter": reporter, "export": not no_export}
        if config is None and kind == "clusters" and undrawn(folder):
            result = sweep.finished_sweep(folder)
        elif config is None:
            ways = {"clusters": sweep.resume_sweep, "seeds": studies.resume_seeds, "restarts": choice.resume_restarts}
            result = ways.get(kind or "", training.resume)(folder, **common)
        elif kind == "clusters":
            result = sweep.train_sweep(config, folder, several, **common)
        elif kind == "seeds":
            result = studies.train_seeds(config, folder, seeds, **common)
        elif kind == "restarts":
            result = choice.train_restarts(config, folder, restarts, **common)
        else:
            result = training.train(config, folder, **common)
        if kind == "clusters":
            figures.write_sweep(result, folder / "clusters.png")
    if result and not quiet:
        show: dict[str | None, Callable] = {"clusters": terminal.sweep, "seeds": terminal.seeds}
        show.get(kind, terminal.result)(result, str(folder))
    if result.get("diverged"):
        runs = ", ".join(str(folder / f"{KINDS[str(kind)].prefix}{value}") for value in result["diverged"])
        raise DivergedError(f"{runs}: training diverged, the others are finished; lower learning_rate")


def finished(path: Path, kind: str | None) -> bool:
    """Whether nothing is left for --resume in the folder of a run, or of several of a kind of `places.KINDS`."""
    if kind is None:
        return (path / "metrics.json").exists()
    from vade_tf.runs.study import Study

    try:
        return Study.open(path, kind).finished and not (kind == "clusters" and undrawn(path))
    except InputError:  # its plan is damaged: --resume says so
        return False


def undrawn(path: Path) -> bool:
    """Whether a sweep is finished but for its picture, which is drawn here and no part of the run."""
    return (path / "summary.json").exists() and not (path / "clusters.png").exists()


def folder_name(config: TrainConfig | None, sweep: bool) -> str:
    """What a run's folder is called where no --out says it: the data, another system than VaDE, several K."""
    assert config is not None
    name = config.dataset or Path(os.path.normpath(Path(config.data or "").absolute())).stem or "data"
    return "-".join([name, *([config.model] if config.model != "vade" else []), *(["sweep"] if sweep else [])])
