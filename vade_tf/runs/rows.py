"""The rows of a run, and its configuration with all that follows from them written out.

What cannot be used is refused here, before a folder is made. Writes nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.data.files import load_file, with_texts
from vade_tf.data.named import DATASETS
from vade_tf.data.options import FileOptions
from vade_tf.data.public_sets import BUNDLED, LOADERS, load_mnist
from vade_tf.data.rows import FileRows, plain_array, stays_in_file
from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.seeding import subset
from vade_tf.systems import registry
from vade_tf.training import build, choice, device, initialization
from vade_tf.training.settings import AUTO, RECIPES
from vade_tf.training.store import Pretrained

LENT = ("pretrain_epochs", "hidden", "network")  # settings of the autoencoder that another run lends


@dataclass(frozen=True)
class RunRows:
    """What a run is made of."""

    config: TrainConfig  # with the number of clusters filled in, and where the rows were found
    dataset: Dataset  # the rows that are trained on
    hints: np.ndarray | None  # known groups, int32 [n], -1 where none is known
    numbers: Sequence[int] | np.ndarray  # place of each row among all that were loaded, ascending, [n]


def load_whole(config: TrainConfig, before: Run | None = None, in_file: bool | None = None) -> Dataset:
    """All rows that a configuration names, before any are left out.

    Args:
        config: of the run.
        before: a run that has read these rows: they are coded as they were then.
        in_file: whether the rows that are trained on were read from their file when the run began, which decides their
            order in every pass. Default: they are where they take much of the memory.

    Raises:
        InputError: unknown name or unusable file.
    """
    if config.data is not None:
        options = replace(FileOptions.of(config), kind=choice.kind_of_settings(config))
        schema = None if before is None else before.schema
        rows = choice.taken(load_file(config.data, options, schema=schema, in_file=bool(in_file)), config)
        return rows if config.texts is None else with_texts(rows, config.texts)
    assert config.dataset is not None
    if config.dataset == "mnist" and config.require_full:
        dataset = load_mnist(config.data_dir, require_full=True)
    else:
        dataset = LOADERS[config.dataset](config.data_dir)
    return choice.taken(dataset, config)


def load_rows(config: TrainConfig, whole: Dataset | None = None, in_file: bool | None = None) -> RunRows:
    """The rows that a run with this configuration trains on, and its K.

    Args:
        config: of the run; its seed draws the rows of a `limit`.
        whole, in_file: what `load_whole` returned, or is asked for here.

    Raises:
        InputError: unknown name, unusable file, a K that the rows do not allow, hints that do not fit them, or rows
            that cannot be had in the form that `in_file` asks for.
    """
    dataset = load_whole(config, in_file=in_file) if whole is None else whole
    clusters = config.clusters
    if clusters is None and config.dataset is not None:
        clusters = DATASETS[config.dataset].clusters
    if clusters is None:
        raise InputError("clusters", "the number of clusters, which rows of your own need", "none")
    numbers = numbers_of(config, len(dataset.x))
    if len(numbers) < len(dataset.x):
        dataset = dataset.part(np.asarray(numbers))
        x = dataset.x
        if not in_file and isinstance(x, FileRows) and not stays_in_file(*x.shape, x.dtype):
            dataset = replace(dataset, x=x[:])
    if in_file not in (None, isinstance(dataset.x, FileRows)):
        was, now = ("in memory", "in their file") if not in_file else ("in their file", "in memory")
        raise InputError("data", f"rows {was}, as when the run began, which decides their order", now)
    if isinstance(clusters, int) and clusters > len(dataset.x):
        raise InputError("clusters", f"at most the number of rows, {len(dataset.x)}", str(clusters))
    hints = None
    if config.hints is not None:
        assert isinstance(clusters, int)  # `TrainConfig` refuses hints beside "auto"
        hints = build.validate_hints(plain_array(Path(config.hints)), len(dataset.x), clusters)
    # a run on the bundled digits stays with them, network or not
    where = BUNDLED if config.data is None and dataset.source == BUNDLED else config.data_dir
    config = replace(config, clusters=clusters, data_dir=where)
    return RunRows(config, dataset, hints, numbers)


def numbers_of(config: TrainConfig, n: int) -> Sequence[int] | np.ndarray:
    """Places of the rows that are trained on among all n, ascending; a range where it is all."""
    if config.limit is None or config.limit >= n:
        return range(n)  # no array of 10^8 numbers
    return subset(n, config.limit, config.seed)


def given_start(config: TrainConfig, n: int) -> np.ndarray | None:
    """The partition P [n, K] that the file of `config.init` gives; None where `init` is a name.

    Raises:
        InputError: it is not of n rows and K clusters.
    """
    if config.init_file is None:
        return None
    assert isinstance(config.clusters, int)  # `TrainConfig` refuses a file beside "auto"
    return initialization.as_partition(plain_array(Path(config.init_file)), n, config.clusters)


def filled(config: TrainConfig, rows: RunRows) -> TrainConfig:
    """The configuration with all that follows from the rows written out.

    Raises:
        InputError: the likelihood or other settings do not fit the rows and their hints, or the run named by
            `config.pretrained` cannot lend its autoencoder.
    """
    if config.pretrained is not None:
        pretrained_by(config, rows.dataset)
        theirs = Run.open(config.pretrained, "pretrained").config
        lent: dict = {name: getattr(theirs, name) for name in LENT}
        if config.validation_rows is None:
            lent["validation_rows"] = theirs.validation_rows
        config = replace(config, **lent)
    dataset, likelihood, settings = choice.resolve(rows.dataset, config.opening())
    build.validate_together(dataset, likelihood, settings, rows.hints)
    registry.check(config.model, dataset, settings)
    return replace(
        config,
        hidden=None if settings.network == "conv" else settings.hidden,
        network=settings.network,
        precision=device.pinned(settings.precision),
        guide_epochs=settings.guide_epochs,
        regroups=settings.regroups,
        self_train_epochs=settings.self_train_epochs,
        batch_size=settings.batch_size,
    )


def pretrained_by(config: TrainConfig, dataset: Dataset) -> Pretrained:
    """The autoencoder of the run `config.pretrained`, as it was after its pretraining.

    Raises:
        InputError: no such run, not pretrained yet, on other data, of other networks, or for another likelihood.
    """
    assert config.pretrained is not None
    run = Run.open(config.pretrained, "pretrained")
    hint = "give the same rows, columns and labels, and the same seed where limit draws rows"
    run.check_data({**run.data, **dataset.fingerprint}, "pretrained", hint)
    lent = Pretrained.load(run)
    if lent is None:
        raise InputError("pretrained", "a run that has pretrained an autoencoder", str(run.path))
    for name in ("latent_dim", "hidden", "network"):
        theirs, mine = getattr(run.config, name), getattr(config, name)
        if mine not in (None, AUTO, theirs, RECIPES[config.recipe].get(name)):
            raise InputError(name, f"{theirs}, which the autoencoder of {run.path} has", str(mine), "leave it out")
    mine = json.loads(json.dumps(choice.choose(dataset, config).config()))
    if lent.likelihood != mine:
        raise InputError("likelihood", f"{lent.likelihood}, for which {run.path} was pretrained", str(mine))
    return lent
