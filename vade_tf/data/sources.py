"""A run's settings -> its data set and number of clusters."""

from vade_tf.config import TrainConfig
from vade_tf.data.dataset import Dataset
from vade_tf.data.files import load_file
from vade_tf.data.named import DATASETS
from vade_tf.errors import InputError


def load_dataset(config: TrainConfig) -> tuple[Dataset, int]:
    """Load the rows that a run with these settings trains on, and settle K.

    Raises:
        InputError: unknown name, unusable file, or a K that the rows do not allow.
    """
    dataset, _, clusters = load_split(config)
    return dataset, clusters


def load_split(config: TrainConfig) -> tuple[Dataset, Dataset | None, int]:
    """As `load_dataset`, with the rows that `config.held_out` keeps from training, None where there are none.

    Features that are standardised are so by the moments of all rows.
    """
    if config.data is not None:
        dataset = load_file(config.data, config.labels, config.likelihood)
    elif config.dataset in DATASETS:
        dataset = DATASETS[config.dataset].load(config.data_dir, config.require_full)
    else:
        raise InputError(f"--dataset: expected one of {', '.join(sorted(DATASETS))}, got {config.dataset!r}")
    clusters = config.clusters
    if clusters is None and config.dataset is not None:
        clusters = DATASETS[config.dataset].clusters
    if clusters is None:
        raise InputError("--clusters: expected the number of clusters with --data, got none; give --clusters K")
    dataset, aside = dataset.limited(config.limit, config.seed), None
    if config.held_out > 0:
        dataset, aside = dataset.split(config.held_out, config.seed)
        if not len(dataset.x) or not len(aside.x):
            raise InputError(
                f"--held-out: {config.held_out} of {len(dataset.x) + len(aside.x)} rows leaves one side empty"
            )
    if clusters > len(dataset.x):
        raise InputError(f"--clusters: expected at most the number of rows, {len(dataset.x)}, got {clusters}")
    return dataset, aside, clusters
