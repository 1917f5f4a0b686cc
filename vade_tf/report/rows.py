"""The rows that a finished run is evaluated on. Never writes into a run folder."""

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.data.named import TEST_ROWS
from vade_tf.errors import InputError, tell
from vade_tf.runs.folder import Run
from vade_tf.runs.incoming import as_in_training, check_rows, with_names
from vade_tf.runs.rows import load_whole, numbers_of


def load_rows(
    run: Run,
    model: keras.Model,
    *,
    data_dir: str | None = None,
    data: str | None = None,
    labels: str | None = None,
    test: bool = False,
) -> tuple[Dataset, int | None, Sequence[int] | np.ndarray]:
    """The rows to evaluate a run on.

    Args:
        run: the run folder.
        model: its model.
        data_dir: where the named data set lies now; default: as in training.
        data: own file instead of the run's data; takes the run's likelihood and scaling.
        labels: labels of that file, see `data.files.load_file`.
        test: the test half of the run's named data set.

    Returns:
        The rows, how many of them the run was trained on (None: not known), and their places, ascending, among all
        rows of the file or data set: as assignments.csv numbers them.

    Raises:
        InputError: the data cannot be found, do not fit the model, or are not those of the run.
    """
    if data is not None:
        shape = run.data.get("image_shape")
        dataset = with_names(data, run, labels, model.likelihood.name, **as_in_training(run))
        tell(dataset.notice.splitlines(), 2)
        check_rows(run, model, dataset.x, data)
        dataset = replace(dataset, image_shape=None if shape is None else tuple(shape))  # as those trained on
        return dataset, None, range(len(dataset.x))
    if data_dir is not None and run.config.data is not None:
        raise InputError(f"data_dir: goes with a named data set, and {run.path} is of {run.config.data}; leave it out")
    config = replace(run.config, limit=None, held_out=0.0, data_dir=data_dir or run.config.data_dir)
    ways = "data=FILE" if config.data is not None else "data_dir=FOLDER or data=FILE"
    try:
        whole = load_whole(config, run, run.data.get("in_file"))
    except InputError as error:
        raise InputError(f"{run.path}: its data cannot be loaded; say where they are with {ways} ({error})") from error
    numbers = numbers_of(run.config, len(whole.x))[0]
    trained = whole if len(numbers) == len(whole.x) else whole.part(np.asarray(numbers))
    expected = run.data
    facts = ("rows", "features", "crc32")
    if any(trained.fingerprint[name] != expected[name] for name in facts):
        raise InputError(
            f"{run.path}: expected the data it was trained on, {expected['rows']} rows from "
            f"{expected['source']}, got {len(trained.x)} other rows from {trained.source}; name them with {ways}"
        )
    if not test:
        return trained, len(trained.x), numbers
    size = TEST_ROWS.get(config.dataset or "", 0)
    if not 0 < size < len(whole.x):
        raise InputError(
            f"test: expected a run on the full {' or '.join(TEST_ROWS)}, which have a test half, got "
            f"{len(whole.x)} rows of {whole.name} from {whole.source}"
        )
    first = len(whole.x) - size
    half = np.arange(first, len(whole.x))
    return whole.part(half), int(np.sum(np.asarray(numbers) >= first)), half
