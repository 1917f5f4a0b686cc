"""The rows of a run: loaded once a command, cut as its configuration says, and named so that they are found again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.data.files import load_file
from vade_tf.data.named import DATASETS
from vade_tf.data.observations import with_likelihood
from vade_tf.data.public_sets import BUNDLED, LOADERS, load_mnist
from vade_tf.data.rows import FileRows, plain_array, stays_in_file
from vade_tf.data.tables import Dialect
from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.seeding import subset
from vade_tf.training import arguments, initialization
from vade_tf.training.settings import AUTO


@dataclass(frozen=True)
class RunRows:
    """What a run is made of besides its settings.

    Attributes:
        config: the configuration with the number of clusters filled in, and where the rows were found.
        dataset: the rows that are trained on, with labels for scoring where there are any.
        hints: known groups, int32 [n], -1 where none is known, or None.
        numbers: place of each row among all that were loaded, ascending, [n].
    """

    config: TrainConfig
    dataset: Dataset
    hints: np.ndarray | None
    numbers: Sequence[int] | np.ndarray


def load_whole(config: TrainConfig, before: Run | None = None, in_file: bool | None = None) -> Dataset:
    """All rows that a configuration names, before any are left out.

    Args:
        config: of the run.
        before: a run that has read these rows: they are coded as they were then. Default: a table's columns are looked
            at anew.
        in_file: whether the rows that are trained on were read from their file when the run began, which decides their
            order in every pass. Default: they are where they take much of the memory.

    Raises:
        InputError: unknown name or unusable file.
    """
    if config.data is not None:
        return load_file(
            config.data,
            config.labels,
            config.likelihood,
            columns=config.columns,
            drop=config.drop,
            id=config.id,
            text=config.text,
            transform=config.transform,
            layer=config.layer,
            genes=config.genes,
            batch=config.batch,
            schema=None if before is None else before.schema,
            in_file=bool(in_file),
            declared=config.image_shape,
            dialect=Dialect.of(config),
        )
    assert config.dataset is not None
    if config.dataset == "mnist" and config.require_full:
        dataset = load_mnist(config.data_dir, require_full=True)
    else:
        dataset = LOADERS[config.dataset](config.data_dir)
    return dataset if config.likelihood == AUTO else with_likelihood(dataset, config.likelihood)


def load_rows(config: TrainConfig, whole: Dataset | None = None, in_file: bool | None = None) -> RunRows:
    """The rows that a run with this configuration trains on, and its K.

    Args:
        config: of the run; its seed draws the rows of a `limit`.
        whole: what `load_whole` returned, where several runs share it; default: it is called here.
        in_file: see `load_whole`.

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
        dataset = dataset if in_file else held_in_memory(dataset)
    if in_file not in (None, isinstance(dataset.x, FileRows)):
        was, now = ("in memory", "in their file") if not in_file else ("in their file", "in memory")
        raise InputError("data", f"rows {was}, as when the run began, which decides their order", now)
    if isinstance(clusters, int) and clusters > len(dataset.x):
        raise InputError("clusters", f"at most the number of rows, {len(dataset.x)}", str(clusters))
    hints = None
    if config.hints is not None:
        assert isinstance(clusters, int)  # `TrainConfig` refuses hints beside "auto"
        hints = arguments.validate_hints(plain_array(Path(config.hints)), len(dataset.x), clusters)
    # a run on the bundled digits stays with them, network or not
    where = BUNDLED if config.data is None and dataset.source == BUNDLED else config.data_dir
    config = replace(config, clusters=clusters, data_dir=where)
    return RunRows(config, dataset, hints, numbers)


def held_in_memory(dataset: Dataset) -> Dataset:
    """The same rows, read from their file where they are few enough."""
    x = dataset.x
    if not isinstance(x, FileRows) or stays_in_file(*x.shape, x.dtype):
        return dataset
    return replace(dataset, x=x[:])


def numbers_of(config: TrainConfig, n: int) -> Sequence[int] | np.ndarray:
    """Places of the rows that are trained on among all n, ascending; a range where it is all."""
    if config.limit is None or config.limit >= n:
        return range(n)  # no array of 10^8 numbers
    return subset(n, config.limit, config.seed)


def given_start(config: TrainConfig, n: int) -> np.ndarray | None:
    """The partition P [n, K] that the file of `config.init` gives; None where `init` is a name.

    Raises:
        InputError: the file cannot be read, or is not of n rows and K clusters.
    """
    if config.init_file is None:
        return None
    assert isinstance(config.clusters, int)  # `TrainConfig` refuses a file beside "auto"
    return initialization.as_partition(plain_array(Path(config.init_file)), n, config.clusters)
