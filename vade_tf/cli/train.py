"""Train a VaDE, or a system it is compared with, from the command line.

vade-tf train --dataset mnist                    the default recipe, into runs/mnist
vade-tf train --data my.csv --clusters 12        your own rows
vade-tf train --dataset mnist --seeds 5          five runs: mean, spread, and one chosen without labels
vade-tf train --dataset mnist --clusters 5:20    one model per K, and a recommended K
vade-tf train --data my.npy --clusters auto      K is chosen first, then one model is trained
vade-tf train --resume runs/mnist                continue after a kill
"""

import argparse
import contextlib
import dataclasses
import os
import shlex
import sys
import typing
from collections.abc import Callable, Sequence
from pathlib import Path

from vade_tf.cli.command import Parser, execute, starting, typed
from vade_tf.errors import DivergedError, InputError, whole_number
from vade_tf.runs.config import MAX_RUNS, TrainConfig, cluster_counts
from vade_tf.runs.location import PREFIXES, check_single, check_unfinished, check_unused, is_finished, kind_of, reserved
from vade_tf.training.settings import AUTO, RECIPES, Settings

SPECIAL: dict[str, dict] = {  # flags that are no setting's type
    "clusters": {"type": str, "metavar": "K"},
    "likelihood": {"choices": ("auto", "bernoulli", "gaussian", "counts", "zinb")},  # no program of one's own
}
TRAINING = {field.name for field in dataclasses.fields(Settings)} | {"model", "pretrained"}  # the others are of rows


def build_parser(prog: str, everything: bool = False) -> Parser:
    """The flags: one for each field of TrainConfig, and where and how to run; `everything` shows those for experts."""
    parser = Parser(prog, __doc__)
    parser.usage = "%(prog)s [--dataset NAME | --data FILE --clusters K] [option ...]"
    rows, training = parser.add_argument_group("rows"), parser.add_argument_group("model and training")
    kinds = typing.get_type_hints(TrainConfig)
    for field in dataclasses.fields(TrainConfig):
        options: dict = {"default": argparse.SUPPRESS, "help": describe(field)}
        if field.metadata.get("expert") and not everything:
            options["help"] = argparse.SUPPRESS
        if kinds[field.name] is bool:
            options["action"] = "store_true"
        else:
            options["type"], options["metavar"] = value_type(kinds[field.name])
            choices = "|".join(field.metadata.get("choices", ()))
            options["metavar"] = choices if 0 < len(choices) < 10 else options["metavar"]
        options |= SPECIAL.get(field.name, {})
        group = training if field.name in TRAINING else rows
        group.add_argument(f"--{field.name.replace('_', '-')}", **options)
    where = parser.add_argument_group("where and how to run")
    where.add_argument("--out", help="run folder (default: runs/NAME, or the next free runs/NAME-2, ...)")
    where.add_argument("--resume", metavar="RUN", help="continue an unfinished run with its own settings")
    where.add_argument("--seeds", type=int, default=1, metavar="N", help="number of seeds, from --seed up (default: 1)")
    where.add_argument("--restarts", type=int, default=1, metavar="N", help="starts to choose from (default: 1)")
    where.add_argument("--no-export", action="store_true", help="no SavedModel in the run folder's export/1")
    where.add_argument("--quiet", action="store_true", help="no progress, no table")
    where.add_argument("--help-all", action="store_true", help="every setting")
    return parser


def describe(field: dataclasses.Field) -> str:
    """The help of a flag: what the setting is, and its default in each recipe where these differ."""
    text = field.metadata["help"].replace("%", "%%")
    presets = {recipe: preset[field.name] for recipe, preset in RECIPES.items() if field.name in preset}
    if "robust" in presets:
        other = f"; recipe paper: {presets['paper']}" if presets["paper"] != presets["robust"] else ""
        text += f" (default: {presets['robust']}{other})"
    elif field.default is not None and not isinstance(field.default, bool):
        text += f" (default: {field.default})"
    return text


def value_type(kind) -> tuple[type, str]:
    """What argparse makes of a flag's value, and how its help shows it, from the type of the setting."""
    found = next(t for t in (typing.get_args(kind) or (kind,)) if t is not type(None))
    if typing.get_origin(found) is tuple:
        return str, "N,N,..."
    return found, {int: "N", float: "X", str: "NAME"}[found]


def main(argv: list[str] | None = None, prog: str = "vade-tf train") -> int:
    """The command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if "--help-all" in argv:
        build_parser(prog, everything=True).print_help()
        return 0
    parser = build_parser(prog)
    options = parser.parse_args(argv)
    names = {each.name for each in dataclasses.fields(TrainConfig)}
    settings = {name: value for name, value in vars(options).items() if name in names}
    begun: list[Path] = []
    return execute(
        parser, lambda: run(settings, options, prog, begun), lambda: resumable(begun[0], prog) if begun else ""
    )


def resumable(folder: Path, prog: str) -> str:
    """How to go on after the work on a folder was cut short; "" where there is nothing to continue."""
    if is_finished(folder):
        return f"{folder} is finished"
    if kind_of(folder) or (folder / "config.json").exists():
        return f"{typed(prog)} --resume {shlex.quote(str(folder))} continues it"
    return ""


def run(settings: dict, options: argparse.Namespace, prog: str, begun: list[Path]) -> None:
    """Train, or continue; `begun` gets the folder as soon as it is known."""
    whole_number(options.seeds, "seeds", 1, MAX_RUNS)
    whole_number(options.restarts, "restarts", 1, MAX_RUNS)
    if options.resume is not None:
        if settings or options.out or options.seeds > 1 or options.restarts > 1:
            raise InputError("resume", "no other settings than those of the run folder", "some", "leave them out")
        begun.append(folder := Path(options.resume))
        check_unfinished(folder)
        _work(prog, options, kind_of(folder), folder)
        return
    config, kind, values = plan(settings, options)
    _check_paths(config, options.out)
    if options.out is None and config.distribute == "multiworker":
        raise InputError("out", "one folder for all workers", "none", "name it")
    name = folder_name(config, kind == "clusters")
    with contextlib.nullcontext(Path(options.out)) if options.out else reserved(Path("runs"), name) as folder:
        begun.append(folder)
        _work(prog, options, kind, folder, config, values)


def plan(settings: dict, options: argparse.Namespace) -> tuple[TrainConfig, str | None, list[int]]:
    """What to train: the configuration, the kind of study if it is several runs, and the values of what varies."""
    text = settings.get("clusters", AUTO)
    counts = range(0) if text == AUTO else cluster_counts(text)
    config = TrainConfig(**settings | ({"clusters": counts[0]} if counts else {}))
    seeds = range(config.seed, config.seed + options.seeds)
    several = {"clusters": counts, "seeds": seeds, "restarts": range(options.restarts)}
    kinds = [kind for kind, values in several.items() if len(values) > 1]
    if len(kinds) > 1:
        raise InputError(kinds[0], "several of one of clusters, seeds and restarts", f"several {' and '.join(kinds)}")
    return (config, kinds[0], list(several[kinds[0]])) if kinds else (config, None, [])


def _check_paths(config: TrainConfig, out: str | None) -> None:
    """Raises InputError where a path cannot be used: before TensorFlow is loaded."""
    if out is not None:
        check_unused(Path(out))
    for name in ("data", "hints", "pretrained"):
        value = getattr(config, name)
        if value is not None and not Path(value).exists():
            raise InputError(name, "an existing file or folder", f"{value}, which is not there")
    if config.pretrained is not None:
        check_single(config.pretrained, "pretrained")


def _work(
    prog: str,
    options: argparse.Namespace,
    kind: str | None,
    folder: Path,
    config: TrainConfig | None = None,
    values: Sequence[int] = (),
) -> None:
    """Load TensorFlow, do the work, and show what came of it; without a configuration the folder's is continued."""
    from vade_tf.cli.terminal import Terminal

    with starting():
        from vade_tf.runs import study, train
        from vade_tf.runs.folder import Run
        from vade_tf.training import device

        if kind is None:  # TensorFlow joins a cluster now or not at all
            device.strategy((config or Run.open(folder, "resume").config).distribute)

    terminal = Terminal(evaluate=typed(prog, "evaluate"))
    with contextlib.nullcontext() if options.quiet else terminal as reporter:
        common: dict = {"reporter": reporter, "export": not options.no_export}
        if kind is None:
            result = train.resume(folder, **common) if config is None else train.train(config, folder, **common)
        elif config is None:
            result = study.resume_study(folder, **common)
        else:
            result = study.train_study(kind, config, folder, values, **common)
    if result and not options.quiet:
        show: dict[str | None, Callable] = {"clusters": terminal.sweep, "seeds": terminal.seeds}
        show.get(kind, terminal.result)(result, str(folder))
    if kind is not None and result["diverged"]:
        runs = ", ".join(str(folder / f"{PREFIXES[kind]}{value}") for value in result["diverged"])
        raise DivergedError(f"{runs}: training diverged, the others are finished; lower the learning rate")


def folder_name(config: TrainConfig, sweep: bool) -> str:
    """What a run's folder is called where no --out says it: the data, another system than VaDE, several K."""
    name = config.dataset or Path(os.path.normpath(Path(config.data or "").absolute())).stem or "data"
    return "-".join([name, *([config.model] if config.model != "vade" else []), *(["sweep"] if sweep else [])])
